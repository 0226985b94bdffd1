//! Old versions, removed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::catalog::History;
use super::ledger::Ledger;
use super::record::LogEvent;
use crate::error::{Error, ErrorKind, Result};

/// What was removed, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Freed {
    /// The versions.
    pub versions: Vec<u64>,
    /// Their files.
    pub files: u64,
    /// Bytes that the disk gets back: files that another version shares do not count.
    pub bytes: u64,
}

impl History {
    /// Removes the folders of versions older than the newest `keep` that were published at some time; the log keeps
    /// their lines. Never removed are the current version, what it is based on, the version that it was rolled back to,
    /// its baseline, `baselines`, and what runs under way began from. With `dry_run`, only says what would be removed.
    ///
    /// # Errors
    /// A baseline does not exist, or a folder cannot be removed.
    pub fn gc(&self, keep: usize, baselines: &[u64], dry_run: bool) -> Result<Freed> {
        let mut held = self.hold()?;
        let ledger = held.ledger();
        for baseline in baselines {
            if !ledger.versions.get(baseline).is_some_and(|record| record.is_kept()) {
                let text = format!("--baseline {baseline}: {} has no such version", self.path().display());
                return Err(Error::usage(text).of_kind(ErrorKind::NotFound).of_option("--baseline"));
            }
        }
        let mut freed = Freed::default();
        for version in old(&ledger, keep, baselines) {
            let folder = self.folder(version);
            let (files, bytes) = weigh(&folder)?;
            freed.versions.push(version);
            freed.files += files;
            freed.bytes += bytes;
            if !dry_run {
                held.append(version, [LogEvent::Removed { files, bytes }])?;
                self.remove(version)?;
            }
        }
        // Those that a run which ended had begun to remove.
        let rest = ledger.versions.values().filter(|r| r.removed && !dry_run && self.folder(r.version).exists());
        rest.map(|record| record.version).try_for_each(|version| self.remove(version))?;
        Ok(freed)
    }
}

/// The versions to remove, oldest first.
fn old(ledger: &Ledger, keep: usize, baselines: &[u64]) -> Vec<u64> {
    let kept = || ledger.versions.values().filter(|record| record.is_kept());
    let published: Vec<u64> = kept().filter(|record| record.published.is_some()).map(|record| record.version).collect();
    let Some(&oldest) = published.iter().rev().take(keep.max(1)).next_back() else { return Vec::new() };
    let mut protected: BTreeSet<u64> = baselines.iter().copied().collect();
    if let Some(current) = ledger.current.and_then(|current| ledger.versions.get(&current)) {
        protected.insert(current.version);
        protected.extend([current.facts.based_on, current.origin, current.facts.baseline].into_iter().flatten());
    }
    // A run reads the version that was current when it claimed its number.
    protected.extend(ledger.unfinished().filter_map(|version| ledger.versions.get(&version)?.facts.based_on));
    let is_old = |version: &u64| *version < oldest && !protected.contains(version);
    kept().map(|record| record.version).filter(is_old).collect()
}

/// Files in a folder, and the bytes of those that have no other name.
fn weigh(folder: &Path) -> Result<(u64, u64)> {
    let (mut files, mut bytes) = (0, 0);
    let fail = |e: std::io::Error| Error::io("read the folder", folder, &e);
    if !folder.exists() {
        return Ok((0, 0));
    }
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let found = entry.metadata().map_err(fail)?;
        if found.is_dir() {
            let (within, weight) = weigh(&entry.path())?;
            (files, bytes) = (files + within, bytes + weight);
        } else {
            files += 1;
            bytes += if is_shared(&found) { 0 } else { found.len() };
        }
    }
    Ok((files, bytes))
}

#[cfg_attr(not(unix), expect(unused_variables, reason = "the number of names is not known there"))]
fn is_shared(found: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        std::os::unix::fs::MetadataExt::nlink(found) > 1
    }
    #[cfg(not(unix))]
    false
}
