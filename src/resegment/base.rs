//! The version that a run is based on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::context::{COUNTS, IDENTITY, REPORT, TENURE, damaged, text_of};
use super::definition::Definition;
use crate::drift::ReferenceCounts;
use crate::error::{Error, Result};
use crate::history::{History, Pointer, VersionFacts, VersionRecord};
use crate::identity::{Identities, MatchedBy};
use crate::input::{Source, SourceColumn};
use crate::job::Month;
use crate::model::Model;
use crate::output::LABELS;

/// The current version of a history.
pub(super) struct BaseVersion {
    pub(super) pointer: Pointer,
    pub(super) folder: PathBuf,
    pub(super) model: Model,
    pub(super) identities: Identities,
    /// The next id to give: no version of the history, published or not, has given it.
    pub(super) next_id: u64,
    /// Its customers.
    pub(super) customers: u64,
    /// What its job asked for; None for versions that do not say.
    pub(super) definition: Option<Definition>,
    /// What was counted of its rows; None if nothing was.
    pub(super) counts: Option<ReferenceCounts>,
    /// Customers by `segment_id`; empty for versions that do not say.
    pub(super) sizes: BTreeMap<u64, u64>,
    as_of: Option<String>,
}

impl BaseVersion {
    /// The current version; None before the first publication.
    ///
    /// # Errors
    /// Files of it that are missing, damaged, or not what was sealed.
    pub(super) fn current(history: &History) -> Result<Option<Self>> {
        history.read_current(|pointer, folder| Self::load(history, pointer, folder))
    }

    /// A version to compare with.
    ///
    /// # Errors
    /// No such version, or one whose files are missing or damaged.
    pub(super) fn numbered(history: &History, version: u64) -> Result<Self> {
        let mut records = history.versions()?.into_iter().filter(|record| record.is_kept());
        let blake3 = records.find(|record| record.version == version).and_then(|record| record.blake3);
        let blake3 = blake3.ok_or_else(|| {
            let text =
                format!("--baseline {version}: the history has no such version; hyades history list shows all of them");
            Error::usage(text).of_option("--baseline")
        })?;
        Self::load(history, &Pointer { version, blake3 }, &history.folder(version))
    }

    /// The ids of its segments, by number.
    pub(super) fn ids(&self) -> Vec<u64> {
        self.identities.segments.iter().map(|identity| identity.segment_id).collect()
    }

    fn load(history: &History, pointer: &Pointer, folder: &Path) -> Result<Self> {
        let VersionRecord { facts, .. } = history.vet_files(pointer.version)?;
        let model = Model::load(&folder.join("model.json"))?;
        let path = folder.join(IDENTITY);
        let identities = Identities::from_json(&text_of(&path)?)?;
        if identities.segments.len() != model.segments() {
            return Err(damaged(&path, "it names another number of segments than the model has"));
        }
        let counts = match identities.matched_by {
            // The counts of the model are those of an earlier version.
            MatchedBy::SameModel => record(&folder.join(COUNTS))?,
            _ => model.reference.clone(),
        };
        let sizes: Option<RecordedSizes> = record(&folder.join(REPORT))?;
        let sizes = sizes.map_or_else(Vec::new, |sizes| sizes.segments);
        let VersionFacts { as_of, customers, .. } = facts;
        Ok(BaseVersion {
            pointer: pointer.clone(),
            folder: folder.to_path_buf(),
            next_id: next_id(history)?.max(identities.next_id),
            definition: Definition::of_version(folder)?,
            sizes: sizes.into_iter().map(|size| (size.segment_id, size.customers)).collect(),
            model,
            identities,
            customers,
            counts,
            as_of,
        })
    }

    /// The month that it describes, if that is known.
    pub(super) fn month(&self) -> Option<Month> {
        self.as_of.as_deref().and_then(|as_of| Month::new(as_of, self.pointer.version).ok())
    }

    /// The column of ids in its labels, if it has ids.
    pub(super) fn id(&self) -> Option<&str> {
        let of_fit = self.model.provenance.id_column.as_deref();
        self.definition.as_ref().map_or(of_fit, |definition| definition.id.as_deref())
    }

    /// The column of ids: that of its labels, or, in a month without ids, that of those who were there before.
    ///
    /// # Errors
    /// A table that cannot be read.
    pub(super) fn id_column(&self) -> Result<Option<SourceColumn>> {
        if let Some(name) = self.id() {
            let labels = self.labels()?;
            return Ok(labels.position(name).map(|at| labels.columns()[at].clone()));
        }
        let tenure = self.folder.join(TENURE);
        if !tenure.is_file() {
            return Ok(None);
        }
        Ok(Source::open(&[tenure])?.columns().first().cloned())
    }

    /// Its labels.
    pub(super) fn labels(&self) -> Result<Source> {
        Source::open(&[self.folder.join(LABELS)])
    }
}

#[derive(Deserialize)]
struct RecordedSizes {
    segments: Vec<RecordedSize>,
}

#[derive(Deserialize)]
struct RecordedSize {
    segment_id: u64,
    customers: u64,
}

/// What a file of a version says; None if there is none.
fn record<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match path.is_file() {
        true => serde_json::from_str(&text_of(path)?).map(Some).map_err(|e| damaged(path, &e.to_string())),
        false => Ok(None),
    }
}

/// The key of the next id among the facts of a version.
pub(super) const NEXT_ID: &str = "next_id";

/// The key of the next id when its run began.
pub(super) const FIRST_ID: &str = "first_id";

/// The next id after all versions, also those that were refused, rolled back or removed.
fn next_id(history: &History) -> Result<u64> {
    let next = |record: &VersionRecord| record.facts.more.get(NEXT_ID).and_then(serde_json::Value::as_u64);
    Ok(history.versions()?.iter().filter_map(next).max().unwrap_or(1))
}
