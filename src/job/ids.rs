//! Ids are vetted before any work: a customer stands in one row.

use crate::data::{IdFindings, Source, check_ids};
use crate::error::{Error, Result};
use crate::event::Watch;

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
        return Err(Error::Input(format!(
            "{text}; each customer must stand in one row: clean the input, or pass --duplicate-ids keep"
        )));
    }
    watch.warn(text);
    Ok(Some(found))
}
