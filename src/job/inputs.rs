//! The input of a job: one table, optionally with columns joined from others.

use std::path::Path;

use super::{InputOptions, Resources};
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::input::{IdFindings, JoinCounts, Opening, OtherTable, Pseudonym, Source, SourceFile, differences};
use crate::prepare::Design;
use crate::roles::{Roles, guess_id};

/// Opens the input and the tables to join; `id` is the column to join by, if known. A scratch file lies where the job
/// will have others.
///
/// # Errors
/// No input, or one that cannot be opened.
pub(crate) fn open(
    input: &InputOptions,
    id: Option<&str>,
    place: (&Resources, Option<&Path>),
    watch: Watch<'_>,
) -> Result<Source> {
    open_beside(input, None, id, place, watch)
}

/// The same with one more table to join.
pub(crate) fn open_beside(
    input: &InputOptions,
    beside: Option<OtherTable>,
    id: Option<&str>,
    (resources, out): (&Resources, Option<&Path>),
    watch: Watch<'_>,
) -> Result<Source> {
    if input.paths.is_empty() {
        return Err(Error::usage("no input: name Parquet or CSV files, folders or patterns".into()));
    }
    let (access, scratch) = (input.access(), resources.existing_scratch_folder(out));
    let opening = Opening { access: &access, scratch: &scratch, watch };
    let source = Source::open_as(&input.paths, opening)?;
    // A missing name is reported when roles are resolved, or belongs to the input of a model's fit.
    let named = id.and_then(|id| source.position(id));
    let id = named.or_else(|| guess_id(source.columns(), &[]));
    let id = id.map(|id| source.columns()[id].name.clone());
    let joined = input.join.iter().map(|path| OtherTable { path: path.clone(), only: None });
    let tables: Vec<OtherTable> = joined.chain(beside).collect();
    let source = source.with_tables(&tables, id.as_deref(), opening)?;
    let mut told: Option<(&Path, u64)> = None;
    for table in source.files().iter().chain(source.joined_files()).filter_map(SourceFile::table) {
        if told != Some(table) {
            watch.note(format!("{} is read as of version {}", table.0.display(), table.1));
        }
        told = Some(table);
    }
    Ok(source)
}

/// Reports how the id was found, or that there is none.
pub(super) fn tell_id(source: &Source, roles: &Roles, watch: Watch<'_>) {
    match roles.id {
        Some(id) if roles.id_guessed => {
            watch.note(format!("id column: {} (by its name; --id to choose another)", source.columns()[id].name));
        }
        Some(_) => {}
        None => watch.warn("no id column: rows are numbered; --id NAME if a column identifies customers"),
    }
}

/// The state before rows are processed: tables joined, ids checked, and the key for pseudonyms.
pub(super) struct VettedRows {
    pub(super) joins: Vec<JoinCounts>,
    pub(super) ids: Option<IdFindings>,
    pub(super) pseudonym: Option<Pseudonym>,
}

/// The columns that a job reads.
pub(super) fn needed(design: &Design, roles: &Roles) -> Vec<usize> {
    [design.columns(), besides(roles)].concat()
}

/// The columns among them that are not features.
pub(super) fn besides(roles: &Roles) -> Vec<usize> {
    let protected = roles.protected.iter().map(|p| p.column);
    let shown = roles.outcomes.iter().map(|o| o.column).chain(roles.described.iter().chain(&roles.products).copied());
    roles.weight.into_iter().chain(protected).chain(shown).collect()
}

/// Says how files differ about columns in use, where values are converted or missing.
pub(crate) fn tell_differences(source: &Source, columns: impl IntoIterator<Item = usize>, watch: Watch<'_>) {
    let columns: std::collections::BTreeSet<usize> = columns.into_iter().collect();
    if let Some(line) = differences(columns.into_iter().map(|c| &source.columns()[c])) {
        watch.note(line);
    }
}

/// Looks up the values of joined columns, using an eighth of the job's memory.
pub(crate) fn join(
    source: &mut Source,
    needed: &[usize],
    resources: &Resources,
    out: Option<&Path>,
    watch: Watch<'_>,
) -> Result<Vec<JoinCounts>> {
    source.join(needed, &resources.scratch_folder(out), resources.budget() / 8, watch)
}
