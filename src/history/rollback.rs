//! An earlier version, published again under a new number.

use std::fs;
use std::path::Path;

use super::catalog::History;
use super::ledger::{VersionRecord, VersionState};
use super::pointer::Pointer;
use super::publish::{vet_base, vet_person};
use super::record::VersionFacts;
use crate::error::{Error, Result};

impl History {
    /// Publishes a new version with the files of an earlier one. They are linked where the file system can, so it takes
    /// no space.
    ///
    /// # Errors
    /// The version was never published, is the current one, has been removed, or its files were changed.
    pub fn rollback(&self, version: u64, by: &str, note: &str) -> Result<Pointer> {
        vet_person(by, note)?;
        let base = self.current()?;
        let record = self.vet(version)?;
        let refused = |why: &str| {
            let text = format!("version {version} of {} {why}", self.path().display());
            Err(Error::usage(text).of_file(self.path()))
        };
        match record.state {
            VersionState::Retired => {}
            VersionState::Published => return refused("is the current one already"),
            _ => return refused("was never published; hyades history approve publishes it"),
        }
        self.vet_contents(&record)?;
        let candidate = self.claim()?;
        link(&record, &self.folder(version), &candidate.folder())?;
        let based_on = base.as_ref().map(|pointer| pointer.version);
        let facts = VersionFacts { based_on, moved: None, ..record.facts };
        let sealed = candidate.seal_as(facts, Some(version))?;
        let mut held = self.hold()?;
        vet_base(&held, sealed.version, base.as_ref())?;
        self.approve_and_point(&mut held, &sealed, by, note)
    }
}

/// Links the files of a version, or copies them where the file system has no links.
fn link(record: &VersionRecord, from: &Path, to: &Path) -> Result<()> {
    for file in record.files.iter().chain(&record.run) {
        let (source, target) = (from.join(&file.path), to.join(&file.path));
        let folder = target.parent().unwrap_or(to);
        let made = fs::create_dir_all(folder);
        let linked =
            made.and_then(|()| fs::hard_link(&source, &target).or_else(|_| fs::copy(&source, &target).map(drop)));
        linked.map_err(|e| Error::io("write", &target, &e))?;
    }
    Ok(())
}
