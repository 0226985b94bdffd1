//! The input of a job: one table, to which columns of others may be joined.

use std::path::Path;

use super::{InputOptions, Resources};
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::input::{IdFindings, JoinCounts, Pseudonym, Source, SourceFile};
use crate::prepare::Design;
use crate::roles::{Roles, guess_id};

/// Opens the input and the tables to join; `id` is the column to join by, if it is known.
pub(crate) fn open(input: &InputOptions, id: Option<&str>, watch: Watch<'_>) -> Result<Source> {
    let open = || {
        let source = Source::open_with(&input.paths, &input.access())?;
        // A name that is not there is reported where roles are resolved, or is that of a model's own input.
        let named = id.and_then(|id| source.position(id));
        let id = named.or_else(|| guess_id(source.columns(), &[]));
        let id = id.map(|id| source.columns()[id].name.clone());
        source.with_tables(&input.join, id.as_deref())
    };
    let source = watch.stage(Stage::Open, 0, "files", open)?;
    let mut told: Option<(&Path, u64)> = None;
    for table in source.files().iter().chain(source.joined_files()).filter_map(SourceFile::table) {
        if told != Some(table) {
            watch.note(format!("{} is read as of version {}", table.0.display(), table.1));
        }
        told = Some(table);
    }
    Ok(source)
}

/// What is known of the rows before they are looked at: tables joined, ids vetted, and the key of pseudonyms.
pub(super) struct VettedRows {
    pub(super) joins: Vec<JoinCounts>,
    pub(super) ids: Option<IdFindings>,
    pub(super) pseudonym: Option<Pseudonym>,
}

/// The columns that a job reads.
pub(super) fn needed(design: &Design, roles: &Roles) -> Vec<usize> {
    [design.columns(), besides(roles)].concat()
}

/// Those that are no features.
pub(super) fn besides(roles: &Roles) -> Vec<usize> {
    roles.weight.into_iter().chain(roles.protected.iter().map(|p| p.column)).collect()
}

/// Finds the values of joined columns; an eighth of the memory that the job may use serves for it.
pub(crate) fn join(
    source: &mut Source,
    needed: &[usize],
    resources: &Resources,
    out: Option<&Path>,
    watch: Watch<'_>,
) -> Result<Vec<JoinCounts>> {
    source.join(needed, &resources.scratch_folder(out), resources.budget() / 8, watch)
}
