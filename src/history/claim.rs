//! A version while it is made: its number, its folder, and its seal.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalog::{Held, History};
use super::contents::{self, Contents};
use super::ledger::{VersionRecord, VersionState};
use super::pointer::Pointer;
use super::record::{LogEvent, SealLine, VersionFacts};
use crate::error::{Error, ErrorKind, Result};
use crate::faults;
use crate::output::sync_folder;

/// A version that is being made. If dropped without [`seal`](Self::seal), its files are removed; its number stays used.
#[derive(Debug)]
pub struct CandidateVersion {
    history: History,
    number: u64,
    swept: Vec<u64>,
    /// The version that was current when the number was taken.
    current: Option<Pointer>,
    /// None once it is sealed.
    claim: Option<LiveClaim>,
}

/// A version that is complete and will not change.
#[derive(Debug, Clone)]
pub struct SealedVersion {
    /// Its number.
    pub version: u64,
    /// Its hash: blake3 of one line `<blake3> <bytes> <path>` for each of its files but `run.json`, sorted by path.
    pub blake3: String,
    /// Held until the run has decided about the version.
    pub(super) _claim: Option<Arc<LiveClaim>>,
}

/// A file that a run keeps locked while it lives, so that others know. It is removed with it.
#[derive(Debug)]
pub(super) struct LiveClaim {
    path: PathBuf,
    _lock: File,
}

impl LiveClaim {
    fn new(path: &Path) -> Result<Self> {
        let opened = faults::point("history::claim").and_then(|()| File::create(path));
        let lock = opened.map_err(|e| Error::io("write", path, &e))?;
        // Whoever asks whether a run is alive has the lock for a moment.
        lock.lock().map_err(|e| Error::io("lock", path, &e))?;
        Ok(LiveClaim { path: path.to_path_buf(), _lock: lock })
    }
}

impl Drop for LiveClaim {
    fn drop(&mut self) {
        // What fails here is done by the next claim.
        let _ = fs::remove_file(&self.path);
    }
}

/// Why a complete version has no verdict.
const NO_VERDICT: &str = "its run ended before it was published or refused";

impl History {
    /// Takes the next number, and removes what runs that ended left unfinished.
    ///
    /// # Errors
    /// The history cannot be written, or its pointer and log disagree.
    pub fn claim(&self) -> Result<CandidateVersion> {
        let mut held = self.hold()?;
        let numbers = self.numbers()?;
        let swept = self.sweep(&mut held)?;
        let last = numbers.last().max(held.ledger().versions.keys().next_back()).copied();
        let mut number = last.unwrap_or(0).saturating_add(1);
        let folder = loop {
            let folder = self.folder(number);
            match faults::point("history::claim").and_then(|()| fs::create_dir(&folder)) {
                Ok(()) => break folder,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && number < u64::MAX => number += 1,
                Err(e) => return Err(Error::io("create the folder", &folder, &e)),
            }
        };
        let claimed = self.lock_claim(number).and_then(|claim| {
            sync_folder(&self.versions_folder())?;
            held.append(number, [LogEvent::Claimed])?;
            Ok(claim)
        });
        match claimed {
            Ok(claim) => {
                let (history, current) = (self.clone(), held.current.take());
                Ok(CandidateVersion { history, number, swept, current, claim: Some(claim) })
            }
            Err(e) => {
                let _ = fs::remove_dir(&folder);
                Err(e)
            }
        }
    }

    fn lock_claim(&self, number: u64) -> Result<LiveClaim> {
        let path = self.claim_file(number);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| Error::io("create the folder", folder, &e))?;
        }
        LiveClaim::new(&path)
    }

    /// Removes the files of versions that no run is making any more, and records which complete ones have no verdict.
    /// Returns those that were unfinished.
    fn sweep(&self, held: &mut Held) -> Result<Vec<u64>> {
        let ledger = held.ledger();
        let mut swept = Vec::new();
        for version in ledger.unfinished() {
            if self.is_claimed(version) {
                continue;
            }
            let begun = ledger.versions.get(&version).map(|record| record.claimed.clone()).unwrap_or_default();
            held.append(version, [LogEvent::Abandoned])?;
            self.remove(version)?;
            self.notice(format!("version {version} was begun at {begun} and did not finish; its files are removed"));
            swept.push(version);
        }
        let undecided = |r: &&VersionRecord| r.state == VersionState::Candidate && r.why.is_none() && !r.removed;
        for version in ledger.versions.values().filter(undecided).map(|record| record.version) {
            if !self.is_claimed(version) {
                held.append(version, [LogEvent::AwaitsApproval { why: NO_VERDICT.to_owned() }])?;
                self.notice(format!("version {version} is complete, but {NO_VERDICT}: hyades history approve does so"));
            }
        }
        // Those that an earlier sweep did not finish, and folders of runs that ended before they wrote to the log.
        let abandoned = ledger.versions.values().filter(|record| record.state == VersionState::Abandoned);
        abandoned.map(|record| record.version).try_for_each(|version| self.remove(version))?;
        let known: BTreeSet<u64> = ledger.versions.keys().copied().collect();
        for unknown in self.numbers()?.difference(&known) {
            // Only if it is empty: otherwise somebody put it there.
            let _ = fs::remove_dir(self.folder(*unknown));
        }
        let over = self.claims()?.into_iter().filter(|version| !self.is_claimed(*version));
        over.into_iter().try_for_each(|version| self.unclaim(version))?;
        Ok(swept)
    }

    /// Whether the run that claimed a version is alive.
    pub(crate) fn is_claimed(&self, version: u64) -> bool {
        let claim = File::options().write(true).open(self.claim_file(version));
        claim.is_ok_and(|file| file.try_lock().is_err())
    }

    /// Removes the folder of a version.
    pub(super) fn remove(&self, version: u64) -> Result<()> {
        let folder = self.folder(version);
        gone(fs::remove_dir_all(&folder)).map_err(|e| Error::io("remove", &folder, &e))
    }

    /// Removes the file of a run that ended.
    fn unclaim(&self, version: u64) -> Result<()> {
        let path = self.claim_file(version);
        gone(fs::remove_file(&path)).map_err(|e| Error::io("remove", &path, &e))
    }
}

impl CandidateVersion {
    /// Its number, which no other version has or will have.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The folder for its files.
    pub fn folder(&self) -> PathBuf {
        self.history.folder(self.number)
    }

    /// Tells a run in time that it will not be published: another version became the current one after it had read
    /// `base`. From now on, `base` is kept until the run has ended.
    ///
    /// # Errors
    /// Another version was published: [retryable](Error::retryable).
    pub fn vet_base(&self, base: Option<&Pointer>) -> Result<()> {
        if self.current.as_ref() == base {
            return Ok(());
        }
        let now = self.current.as_ref().map_or("no version".into(), |pointer| format!("version {}", pointer.version));
        let text = format!("{now} became the current one while the run began; run the job again (--retry does so)");
        Err(Error::environment(text).of_kind(ErrorKind::Conflict).to_retry())
    }

    /// Versions that other runs had left unfinished, and that were removed before this one began.
    pub fn swept(&self) -> &[u64] {
        &self.swept
    }

    /// Makes the files durable, and the version immutable.
    ///
    /// # Errors
    /// The files cannot be written or read, or are not plain files with names of UTF-8. The version is then gone.
    pub fn seal(self, facts: VersionFacts) -> Result<SealedVersion> {
        self.seal_as(facts, None)
    }

    /// The same, for files of version `origin`.
    pub(super) fn seal_as(mut self, facts: VersionFacts, origin: Option<u64>) -> Result<SealedVersion> {
        let folder = self.folder();
        faults::point("history::seal").map_err(|e| Error::io("write", &folder, &e))?;
        let Contents { files, run } = Contents::of(&folder)?;
        if files.is_empty() {
            return Err(Error::Internal(format!("version {} has no files", self.number)));
        }
        contents::sync(&folder)?;
        faults::point("history::seal").map_err(|e| Error::io("write", &folder, &e))?;
        sync_folder(&self.history.versions_folder())?;
        let blake3 = contents::hash(&files);
        let sealed = SealLine { blake3: blake3.clone(), facts, origin, files, run };
        self.history.hold()?.append(self.number, [LogEvent::Candidate(Box::new(sealed))])?;
        Ok(SealedVersion { version: self.number, blake3, _claim: self.claim.take().map(Arc::new) })
    }
}

impl Drop for CandidateVersion {
    fn drop(&mut self) {
        if self.claim.is_none() {
            return;
        }
        // What fails here is done by the next claim. The number is in the log already, so the files go first: the disk
        // may be full.
        let _ = fs::remove_dir_all(self.folder());
        let _ = self.history.hold().and_then(|mut held| held.append(self.number, [LogEvent::Abandoned]));
    }
}

/// What is not there need not be removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
}
