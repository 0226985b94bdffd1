//! Whether a history is what it was: every hash, the chain of the log, and the pointer.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::catalog::History;
use super::contents::{self, Contents};
use super::ledger::{Ledger, VersionRecord};
use super::log::{LOG, Log};
use super::pointer::{CURRENT, Pointer};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Watch;
use crate::text::thousands;

/// A pause before log and pointer are looked at again, and the number of attempts.
const PAUSE: Duration = Duration::from_millis(10);
const ATTEMPTS: usize = 20;

/// What a verification looked at and found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct HistoryReport {
    /// Versions whose files were hashed.
    pub versions: u64,
    /// Their files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Lines of the log.
    pub lines: u64,
    /// Versions that runs are making now.
    pub under_way: Vec<u64>,
    /// Versions that runs left unfinished when they ended; the next run removes their files.
    pub unfinished: Vec<u64>,
    /// What is wrong.
    pub findings: Vec<HistoryFinding>,
}

/// Something that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryFinding {
    /// The version that it is about.
    pub version: Option<u64>,
    /// The file, as a path in the history.
    pub file: String,
    /// What is wrong with it.
    pub text: String,
}

impl HistoryReport {
    /// An error if anything is wrong.
    ///
    /// # Errors
    /// There are findings.
    pub fn verdict(&self) -> Result<()> {
        match self.findings.len() {
            0 => Ok(()),
            n => {
                let what = if n == 1 { "1 finding".into() } else { format!("{} findings", thousands(n as u64)) };
                let text = format!("the history is not what it was: {what}; restore what differs from a backup");
                Err(Error::input(text).of_kind(ErrorKind::Corrupt))
            }
        }
    }

    fn add(&mut self, version: Option<u64>, file: impl Into<String>, text: impl Into<String>) {
        self.findings.push(HistoryFinding { version, file: file.into(), text: text.into() });
    }
}

impl History {
    /// Hashes the files of a version, or of all versions, and compares them with the log; and checks the log and the
    /// pointer. Takes no lock.
    ///
    /// # Errors
    /// The version does not exist, something cannot be read, or a stop was asked for. What differs is no error: see
    /// [`HistoryReport::verdict`].
    pub fn verify(&self, version: Option<u64>, watch: Watch<'_>) -> Result<HistoryReport> {
        let log = self.settled()?;
        let ledger = Ledger::of(&log.lines);
        let mut report = HistoryReport { lines: log.lines.len() as u64, ..HistoryReport::default() };
        log.faults.iter().for_each(|(_, fault)| report.add(None, LOG, fault));
        if !log.torn.is_empty() {
            report.add(None, LOG, "it ends in part of a line, which a crash cut off; the next run drops it");
        }
        if let Some(version) = version.filter(|version| !ledger.versions.contains_key(version)) {
            let text = format!("version {version} of {}: the log does not know it", self.path().display());
            return Err(Error::usage(text).of_kind(ErrorKind::NotFound).of_file(self.path()));
        }
        self.verify_pointer(&ledger, &mut report);
        let wanted = |record: &&VersionRecord| record.is_kept() && version.is_none_or(|v| v == record.version);
        for record in ledger.versions.values().filter(wanted) {
            watch.check()?;
            match self.verify_version(record, &mut report) {
                Err(_) if self.is_removed(record.version)? => {}
                verified => verified?,
            }
        }
        let (under_way, unfinished) =
            ledger.unfinished().filter(|u| version.is_none_or(|v| v == *u)).partition(|u| self.is_claimed(*u));
        (report.under_way, report.unfinished) = (under_way, unfinished);
        if version.is_none() {
            self.verify_folders(&ledger, &mut report)?;
        }
        Ok(report)
    }

    /// The log, with a moment of patience for a run that is just being published: it writes the log, then the pointer.
    fn settled(&self) -> Result<Log> {
        for _ in 0..ATTEMPTS {
            let log = Log::inspect(self.path())?;
            let pointed = self.current().ok().flatten().map(|pointer| pointer.version);
            if log.torn.is_empty() && Ledger::of(&log.lines).current == pointed {
                return Ok(log);
            }
            std::thread::sleep(PAUSE);
        }
        Log::inspect(self.path())
    }

    /// Whether a version has been removed in the meantime.
    fn is_removed(&self, version: u64) -> Result<bool> {
        let ledger = Ledger::of(&Log::inspect(self.path())?.lines);
        Ok(ledger.versions.get(&version).is_some_and(|record| record.removed))
    }

    /// Folders that are no version's. A run makes its folder before it writes to the log.
    fn verify_folders(&self, ledger: &Ledger, report: &mut HistoryReport) -> Result<()> {
        let known: BTreeSet<u64> = ledger.versions.keys().copied().collect();
        let unknown: Vec<u64> = self.numbers()?.difference(&known).copied().collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let since = Ledger::of(&Log::inspect(self.path())?.lines);
        for version in unknown {
            if since.versions.contains_key(&version) || self.is_claimed(version) {
                report.under_way.push(version);
            } else {
                report.add(Some(version), format!("versions/{version:06}"), "the log does not know this version");
            }
        }
        Ok(())
    }

    fn verify_pointer(&self, ledger: &Ledger, report: &mut HistoryReport) {
        let logged = ledger.current.and_then(|version| ledger.versions.get(&version));
        let expected = logged.and_then(|record| {
            Some(Pointer { version: record.version, blake3: record.blake3.clone()? }.text().ok()?.trim_end().to_owned())
        });
        let should =
            expected.map_or("by the log there should be none".into(), |text| format!("by the log it should be {text}"));
        match self.current() {
            Err(e) => report.add(None, CURRENT, format!("{e}; {should}")),
            Ok(None) if logged.is_none() => {}
            Ok(None) => report.add(None, CURRENT, format!("is missing; {should}")),
            Ok(Some(pointer)) => {
                let found = Some((pointer.version, Some(&pointer.blake3)));
                if found != logged.map(|record| (record.version, record.blake3.as_ref())) {
                    report.add(None, CURRENT, format!("names version {}; {should}", pointer.version));
                }
                if !self.folder(pointer.version).is_dir() {
                    let text = format!("points nowhere: versions/{:06} does not exist", pointer.version);
                    report.add(Some(pointer.version), CURRENT, text);
                }
            }
        }
    }

    fn verify_version(&self, record: &VersionRecord, report: &mut HistoryReport) -> Result<()> {
        let (version, folder) = (record.version, self.folder(record.version));
        let within = |path: &str| format!("versions/{version:06}/{path}");
        if record.blake3.as_deref() != Some(contents::hash(&record.files).as_str()) {
            report.add(Some(version), LOG, format!("the files of version {version} do not give its hash"));
        }
        if !folder.is_dir() && !self.is_removed(version)? {
            report.add(Some(version), format!("versions/{version:06}"), "is missing");
            return Ok(());
        }
        let contents = match Contents::of(&folder) {
            Err(e) if e.kind() == ErrorKind::Corrupt => {
                let file =
                    e.file().and_then(|file| file.strip_prefix(self.path()).ok()).map(|p| p.display().to_string());
                report.add(Some(version), file.unwrap_or_else(|| within("")), e.to_string());
                return Ok(());
            }
            read => read?,
        };
        report.versions += 1;
        report.files += contents.files.iter().chain(&contents.run).count() as u64;
        report.bytes += contents.files.iter().chain(&contents.run).map(|file| file.bytes).sum::<u64>();
        for (path, what) in contents.differences(&record.files, record.run.as_ref()) {
            report.add(Some(version), within(&path), what);
        }
        Ok(())
    }
}
