//! Ids are vetted before any work: a customer stands in one row.

use crate::error::{Error, Result};
use crate::event::Watch;
use crate::input::{IdFindings, Pseudonym, Source, check_ids};
use crate::text::KeySource;

/// The key for pseudonyms, if they were asked for.
///
/// # Errors
/// No id column, or a key that cannot be had.
pub(super) fn pseudonym(key: Option<&KeySource>, id: Option<usize>) -> Result<Option<Pseudonym>> {
    match (key, id) {
        (None, _) => Ok(None),
        (Some(_), None) => Err(Error::usage("--pseudonymise: the input has no id column; name one with --id".into())),
        (Some(key), Some(_)) => Pseudonym::new(key).map(Some),
    }
}

/// Counts nulls and duplicates; refuses them unless `keep`.
pub(super) fn vet(
    source: &Source,
    id: Option<usize>,
    keep: bool,
    memory: u64,
    watch: Watch<'_>,
) -> Result<Option<IdFindings>> {
    let Some(id) = id else { return Ok(None) };
    let found = check_ids(source, id, memory, watch)?;
    if found == IdFindings::default() {
        return Ok(Some(found));
    }
    let text = format!(
        "the id column {:?} has {} nulls and {} duplicates in {} rows",
        source.columns()[id].name,
        found.nulls,
        found.duplicates,
        source.rows()
    );
    if !keep {
        return Err(Error::input(format!(
            "{text}; each customer must stand in one row: clean the input, or pass --duplicate-ids keep"
        )));
    }
    watch.warn(text);
    Ok(Some(found))
}
