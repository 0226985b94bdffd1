//! Which version readers read: the pointer moves if the version that a candidate is based on is still the current one.

use std::path::Path;

use super::catalog::{Held, History};
use super::claim::SealedVersion;
use super::contents::Contents;
use super::ledger::{VersionRecord, VersionState};
use super::pointer::Pointer;
use super::record::LogEvent;
use crate::error::{Error, ErrorKind, Result};
use crate::faults;

/// The fewest hexadecimal digits of a hash that name a version.
const FEWEST_DIGITS: usize = 12;

impl History {
    /// Makes a version the current one.
    ///
    /// # Errors
    /// The current version is not `based_on` any more: [retryable](Error::retryable).
    pub fn publish(&self, sealed: &SealedVersion, based_on: Option<&Pointer>) -> Result<()> {
        let mut held = self.hold()?;
        vet_base(&held, sealed.version, based_on)?;
        self.unpublished(&held, sealed)?;
        self.point(&mut held, sealed, Vec::new())
    }

    /// Records that a version is not to be published. It stays, complete, and can be approved.
    ///
    /// # Errors
    /// The log cannot be written, or the version was published.
    pub fn refuse(&self, sealed: &SealedVersion, why: &str) -> Result<()> {
        self.record(sealed, LogEvent::Refused { why: why.to_owned() })
    }

    /// Records that a version waits for somebody's approval.
    ///
    /// # Errors
    /// The log cannot be written, or the version was published.
    pub fn await_approval(&self, sealed: &SealedVersion, why: &str) -> Result<()> {
        self.record(sealed, LogEvent::AwaitsApproval { why: why.to_owned() })
    }

    fn record(&self, sealed: &SealedVersion, event: LogEvent) -> Result<()> {
        let mut held = self.hold()?;
        self.unpublished(&held, sealed)?;
        held.append(sealed.version, [event])
    }

    /// Publishes a version that waits or was refused, because somebody looked at it. `blake3` is the hash of what they
    /// looked at, or its first 12 digits or more; the files are hashed again to compare.
    ///
    /// # Errors
    /// The hash is another one, the files were changed, the version is in no state to be approved, or another version
    /// has been published since it was made.
    pub fn approve(&self, version: u64, blake3: &str, by: &str, note: &str) -> Result<Pointer> {
        vet_person(by, note)?;
        let record = self.vet(version)?;
        let sealed = SealedVersion { version, blake3: self.vet_contents(&record)?, _claim: None };
        vet_hash(&sealed, blake3)?;
        let mut held = self.hold()?;
        let record = self.unpublished(&held, &sealed)?;
        let current = held.current.as_ref().map(|pointer| pointer.version);
        if current != record.facts.based_on {
            let text = format!(
                "version {version} was made from {}, and {} is current now; run the job again, and approve its version",
                named(record.facts.based_on),
                named(current)
            );
            return Err(Error::usage(text).of_kind(ErrorKind::Conflict).of_file(self.path()));
        }
        self.approve_and_point(&mut held, &sealed, by, note)
    }

    /// Records an approval, and makes the version the current one.
    pub(super) fn approve_and_point(
        &self,
        held: &mut Held,
        sealed: &SealedVersion,
        by: &str,
        note: &str,
    ) -> Result<Pointer> {
        let (blake3, by, note) = (sealed.blake3.clone(), by.to_owned(), note.to_owned());
        self.point(held, sealed, vec![LogEvent::Approved { blake3, by, note }])?;
        Ok(Pointer { version: sealed.version, blake3: sealed.blake3.clone() })
    }

    /// A version that could be published.
    fn unpublished(&self, held: &Held, sealed: &SealedVersion) -> Result<VersionRecord> {
        let version = sealed.version;
        let record = held.ledger().versions.remove(&version);
        let Some(record) = record.filter(|record| record.blake3.as_ref() == Some(&sealed.blake3)) else {
            return Err(Error::Internal(format!("version {version} is not what was sealed")));
        };
        let remedy = match record.state {
            VersionState::Candidate | VersionState::Approved | VersionState::Refused if !record.removed => {
                return Ok(record);
            }
            VersionState::Retired => "; hyades history rollback publishes it again",
            _ => "",
        };
        let text = format!("version {version} of {} is {} already{remedy}", self.path().display(), record.state.name());
        Err(Error::usage(text).of_file(self.path()))
    }

    /// What the log says about a version whose files are those that were sealed.
    pub(crate) fn vet_files(&self, version: u64) -> Result<VersionRecord> {
        let record = self.vet(version)?;
        self.vet_contents(&record)?;
        Ok(record)
    }

    /// The hash of the files in a folder, but for `run.json`, and how they differ from those of a version.
    pub(crate) fn differences(
        &self,
        record: &VersionRecord,
        folder: &Path,
    ) -> Result<(String, Vec<(String, &'static str)>)> {
        let contents = Contents { run: None, ..Contents::of(folder)? };
        Ok((contents.blake3(), contents.differences(&record.files, None)))
    }

    /// The hash of a version's files, if they are those that were sealed.
    pub(super) fn vet_contents(&self, record: &VersionRecord) -> Result<String> {
        let folder = self.folder(record.version);
        let contents = Contents::of(&folder)?;
        let differences = contents.differences(&record.files, record.run.as_ref());
        match differences.first() {
            None => Ok(contents.blake3()),
            Some((path, what)) => {
                let text = format!(
                    "{} {what} after version {} was sealed; restore it from a backup (hyades history verify lists all \
                     files that differ)",
                    folder.join(path).display(),
                    record.version
                );
                Err(Error::input(text).of_kind(ErrorKind::Corrupt).of_file(&folder.join(path)))
            }
        }
    }

    /// Writes the log, then moves the pointer. The pointer decides: if it cannot be moved, the log says so, at the
    /// latest when the history is next written.
    fn point(&self, held: &mut Held, sealed: &SealedVersion, mut events: Vec<LogEvent>) -> Result<()> {
        let pointer = Pointer { version: sealed.version, blake3: sealed.blake3.clone() };
        let fail = |e: std::io::Error| Error::io("publish in", self.path(), &e);
        faults::point("history::pointer").map_err(fail)?;
        let prepared = pointer.prepare(self.path())?;
        let retires = held.current.as_ref().map(|pointer| pointer.version);
        events.push(LogEvent::Published { blake3: pointer.blake3.clone(), retires });
        held.append(pointer.version, events)?;
        let moved = faults::point("history::pointer").map_err(fail).and_then(|()| prepared.commit());
        match moved {
            Ok(()) => {
                held.current = Some(pointer);
                Ok(())
            }
            Err(e) => {
                let _ = held.append(pointer.version, [LogEvent::Withdrawn { why: e.to_string() }]);
                Err(e)
            }
        }
    }
}

/// Refuses to publish a version that is not based on the current one.
pub(super) fn vet_base(held: &Held, version: u64, based_on: Option<&Pointer>) -> Result<()> {
    if held.current.as_ref() == based_on {
        return Ok(());
    }
    let number = |pointer: Option<&Pointer>| named(pointer.map(|pointer| pointer.version));
    let text = format!(
        "version {version} was made from {}, and {} has been published since; run the job again (--retry does so)",
        number(based_on),
        number(held.current.as_ref())
    );
    Err(Error::environment(text).of_kind(ErrorKind::Conflict).to_retry())
}

/// Refuses an approval by nobody, or without a reason.
pub(super) fn vet_person(by: &str, note: &str) -> Result<()> {
    let missing = [("--by", by, "who decides"), ("--note", note, "why")];
    match missing.into_iter().find(|(_, text, _)| text.trim().is_empty()) {
        None => Ok(()),
        Some((option, _, what)) => Err(Error::usage(format!("{option} is empty: say {what}")).of_option(option)),
    }
}

fn vet_hash(sealed: &SealedVersion, given: &str) -> Result<()> {
    let given = given.trim().to_lowercase();
    let problem = if given.len() < FEWEST_DIGITS || !given.bytes().all(|b| b.is_ascii_hexdigit()) {
        format!("expected at least {FEWEST_DIGITS} hexadecimal digits of the version's hash")
    } else if !sealed.blake3.starts_with(&given) {
        format!("the hash of version {} is {}", sealed.version, sealed.blake3)
    } else {
        return Ok(());
    };
    let text = format!("--hash {}: {problem}; look at the version, and give its hash", crate::text::shown(&given));
    Err(Error::usage(text).of_option("--hash"))
}

fn named(version: Option<u64>) -> String {
    version.map_or("no version".into(), |version| format!("version {version}"))
}
