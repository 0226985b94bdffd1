//! The version that a run is based on.

use std::path::PathBuf;

use super::context::{IDENTITY, damaged, text_of};
use super::definition::Definition;
use crate::error::Result;
use crate::history::{History, Pointer, VersionFacts, VersionRecord};
use crate::identity::Identities;
use crate::input::Source;
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
    as_of: Option<String>,
}

impl BaseVersion {
    /// The current version; None before the first publication.
    ///
    /// # Errors
    /// Files of it that are missing, damaged, or not what was sealed.
    pub(super) fn current(history: &History) -> Result<Option<Self>> {
        history.read_current(|pointer, folder| {
            let VersionRecord { facts, .. } = history.vet_files(pointer.version)?;
            let model = Model::load(&folder.join("model.json"))?;
            let path = folder.join(IDENTITY);
            let identities = Identities::from_json(&text_of(&path)?)?;
            if identities.segments.len() != model.segments() {
                return Err(damaged(&path, "it names another number of segments than the model has"));
            }
            let definition = Definition::of_version(folder)?;
            let (pointer, folder) = (pointer.clone(), folder.to_path_buf());
            let VersionFacts { as_of, customers, .. } = facts;
            let next_id = next_id(history)?.max(identities.next_id);
            Ok(BaseVersion { pointer, folder, model, identities, next_id, customers, definition, as_of })
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

    /// Its labels.
    pub(super) fn labels(&self) -> Result<Source> {
        Source::open(&[self.folder.join(LABELS)])
    }
}

/// The key of the next id among the facts of a version.
pub(super) const NEXT_ID: &str = "next_id";

/// The next id after all versions, also those that were refused, rolled back or removed.
fn next_id(history: &History) -> Result<u64> {
    let next = |record: &VersionRecord| record.facts.more.get(NEXT_ID).and_then(serde_json::Value::as_u64);
    Ok(history.versions()?.iter().filter_map(next).max().unwrap_or(1))
}
