//! Names that an id cannot have, since a table of a version has a column of that name besides the id.

use super::opened::OpenedMonth;
use super::{movers, tenure};
use crate::error::{Error, Result};
use crate::output::IDENTITY_COLUMN;

/// Refuses ids and further columns of the output that would have the name of another column.
///
/// # Errors
/// Names the column.
pub(super) fn vet(opened: &OpenedMonth) -> Result<()> {
    let output = &opened.fit.output;
    let tables = [tenure::own_columns(), movers::own_columns()];
    if let Some(id) = &opened.id {
        for (table, columns) in &tables {
            if let Some(name) = columns.iter().find(|name| name.eq_ignore_ascii_case(id)) {
                let text = format!(
                    "the id column is named {id:?}, and {table} has a column {name:?} of its own; rename it in the \
                     input, or name another one as id in [columns]"
                );
                return Err(Error::input(text).of_columns([id]).of_option("--id"));
            }
        }
    }
    let constants = output.column.iter().filter_map(|given| given.split_once('=')).map(|(name, _)| name);
    let more = constants.chain(output.carry.iter().map(String::as_str));
    match more.into_iter().find(|name| name.eq_ignore_ascii_case(IDENTITY_COLUMN)) {
        None => Ok(()),
        Some(name) => {
            let text = format!("[output] names a column {name:?}, and labels have one of their own; leave it out");
            Err(Error::usage(text).of_columns([name]).of_option("--carry"))
        }
    }
}
