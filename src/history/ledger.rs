//! The state of each version, which follows from the log alone.

use std::collections::BTreeMap;

use serde::Serialize;

use super::contents::ListedFile;
use super::record::{LogEvent, LogLine, VersionFacts};

/// The state of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    /// A run is making it, or ended without a word.
    Unfinished,
    /// Complete, and not published yet.
    Candidate,
    /// Approved, and not published yet.
    Approved,
    /// The current version.
    Published,
    /// Not to be published, unless somebody approves it.
    Refused,
    /// Current once.
    Retired,
    /// Its run ended without a version; the number stays used.
    Abandoned,
}

impl VersionState {
    /// The name of the state, as in the log.
    pub fn name(self) -> &'static str {
        match self {
            VersionState::Unfinished => "unfinished",
            VersionState::Candidate => "candidate",
            VersionState::Approved => "approved",
            VersionState::Published => "published",
            VersionState::Refused => "refused",
            VersionState::Retired => "retired",
            VersionState::Abandoned => "abandoned",
        }
    }
}

/// What the log says about a version. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, Serialize)]
pub struct VersionRecord {
    /// Its number.
    pub version: u64,
    /// Its state.
    pub state: VersionState,
    /// When its run took the number.
    pub claimed: String,
    /// When it was sealed.
    pub sealed: Option<String>,
    /// When it last became the current version.
    pub published: Option<String>,
    /// Its hash, once it is sealed.
    pub blake3: Option<String>,
    /// What it says about itself.
    pub facts: VersionFacts,
    /// The version whose files it has, if it is a rollback.
    pub origin: Option<u64>,
    /// Why it was refused, or what it waits for.
    pub why: Option<String>,
    /// Who approved it, and the note.
    pub approved: Option<(String, String)>,
    /// Whether its folder was removed.
    pub removed: bool,
    /// The files that its hash covers.
    pub files: Vec<ListedFile>,
    /// Its `run.json`, which no hash covers.
    pub run: Option<ListedFile>,
}

impl VersionRecord {
    fn claimed(version: u64, time: &str) -> Self {
        VersionRecord {
            version,
            state: VersionState::Unfinished,
            claimed: time.to_owned(),
            sealed: None,
            published: None,
            blake3: None,
            facts: VersionFacts::default(),
            origin: None,
            why: None,
            approved: None,
            removed: false,
            files: Vec::new(),
            run: None,
        }
    }

    /// Whether its files exist and will not change.
    pub fn is_kept(&self) -> bool {
        self.blake3.is_some() && !self.removed
    }
}

/// All versions.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) versions: BTreeMap<u64, VersionRecord>,
    /// The version that was published last.
    pub(super) current: Option<u64>,
    /// The last publication, which can be withdrawn: the version as it was, and the one that it replaced.
    last: Option<(VersionRecord, Option<u64>)>,
}

impl Ledger {
    pub(super) fn of(lines: &[LogLine]) -> Self {
        let mut ledger = Ledger::default();
        lines.iter().for_each(|line| ledger.take(line));
        ledger
    }

    /// The versions that a run is making, or left unfinished.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = u64> {
        self.versions.values().filter(|record| record.state == VersionState::Unfinished).map(|record| record.version)
    }

    /// The version that the last publication replaced.
    pub(super) fn replaced(&self) -> Option<u64> {
        self.last.as_ref().and_then(|(_, replaced)| *replaced)
    }

    fn take(&mut self, line: &LogLine) {
        let Some(version) = line.version else { return };
        if line.event == LogEvent::Claimed {
            let mut record = VersionRecord::claimed(version, &line.time);
            record.facts.based_on = self.current;
            self.versions.insert(version, record);
        }
        let record = self.versions.entry(version).or_insert_with(|| VersionRecord::claimed(version, &line.time));
        match &line.event {
            LogEvent::Claimed | LogEvent::Repaired { .. } => {}
            LogEvent::Abandoned => record.state = VersionState::Abandoned,
            LogEvent::Candidate(sealed) => {
                record.state = VersionState::Candidate;
                record.sealed = Some(line.time.clone());
                record.blake3 = Some(sealed.blake3.clone());
                record.facts = sealed.facts.clone();
                record.origin = sealed.origin;
                record.files = sealed.files.clone();
                record.run = sealed.run.clone();
            }
            LogEvent::AwaitsApproval { why } => record.why = Some(why.clone()),
            LogEvent::Refused { why } => {
                record.state = VersionState::Refused;
                record.why = Some(why.clone());
            }
            LogEvent::Approved { by, note, .. } => {
                record.state = VersionState::Approved;
                record.approved = Some((by.clone(), note.clone()));
            }
            LogEvent::Published { retires, .. } => {
                self.last = Some((record.clone(), *retires));
                record.state = VersionState::Published;
                record.published = Some(line.time.clone());
                self.current = Some(version);
                self.set(*retires, VersionState::Retired);
            }
            LogEvent::Withdrawn { .. } => {
                if let Some((before, replaced)) = self.last.take().filter(|(before, _)| before.version == version) {
                    self.versions.insert(version, before);
                    self.current = replaced;
                    self.set(replaced, VersionState::Published);
                }
            }
            LogEvent::Removed { .. } => record.removed = true,
        }
    }

    fn set(&mut self, version: Option<u64>, state: VersionState) {
        if let Some(record) = version.and_then(|version| self.versions.get_mut(&version)) {
            record.state = state;
        }
    }
}
