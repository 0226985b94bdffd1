//! Ids are checked before any work: each customer has one row.

use crate::error::{Error, ErrorKind, Result};
use crate::event::Watch;
use crate::input::{IdFindings, Pseudonym, Source, check_ids, overlap};
use crate::text::KeySource;

/// The key for pseudonyms, if requested.
///
/// # Errors
/// No id column, or a key that cannot be read.
pub(super) fn pseudonym(key: Option<&KeySource>, id: Option<usize>) -> Result<Option<Pseudonym>> {
    match (key, id) {
        (None, _) => Ok(None),
        (Some(_), None) => Err(Error::usage("--pseudonymise: the input has no id column; name one with --id".into())
            .of_option("--pseudonymise")),
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
    let name = &source.columns()[id].name;
    let text = format!(
        "the id column {name:?} has {} nulls and {} duplicates in {} rows",
        found.nulls,
        found.duplicates,
        source.rows()
    );
    if !keep {
        let text = match overlap(source, id, memory, watch)?.filter(|_| found.duplicates > 0) {
            Some(both) => format!("{text}: {both}"),
            None => text,
        };
        return Err(Error::input(format!(
            "{text}; each customer must have exactly one row: clean the input, or pass --duplicate-ids keep"
        ))
        .of_columns([name])
        .of_kind(ErrorKind::Values));
    }
    watch.warn(text);
    Ok(Some(found))
}
