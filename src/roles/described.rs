//! Columns that are shown of segments although nothing is computed from them: products, branches, dates.

use super::reason::{LeftOutColumn, Reason};
use super::{TRUTH_COLUMN, ids, shape};
use crate::error::Result;
use crate::input::{Source, ValueKind};

/// The columns that are neither in `known` nor unwanted, in the order of the input. Ids of any kind are not shown.
///
/// # Errors
/// A column that cannot be read.
pub(super) fn described(
    source: &Source,
    known: &[usize],
    is_unwanted: impl Fn(usize) -> bool,
    left_out: &[LeftOutColumn],
) -> Result<Vec<usize>> {
    let mut found = Vec::new();
    for (i, column) in source.columns().iter().enumerate() {
        let name = &column.name;
        let kind = ValueKind::of(&column.data_type);
        let is_shown = kind.is_numeric() || kind == ValueKind::Text;
        let may_be_id = matches!(kind, ValueKind::Number | ValueKind::Text);
        let is_id = ids::is_index(name) || may_be_id && ids::rank(name).is_some();
        if known.contains(&i) || !is_shown || !column.conflicts.is_empty() || is_id || is_unwanted(i) {
            continue;
        }
        // What is left out has been looked at already; where features are named, nothing is left out.
        let has_shape = match left_out.iter().find(|left| left.column == *name) {
            Some(left) => left.reason == Reason::ShapedLikeId,
            None => shape::looks_like_id(source, i)?,
        };
        if !has_shape && name != TRUTH_COLUMN {
            found.push(i);
        }
    }
    Ok(found)
}
