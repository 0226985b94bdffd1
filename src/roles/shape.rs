//! Ids by shape: whole numbers, none missing, all different, in a range not much wider than their number. Incomes of a
//! small table are all different, too, so few rows decide nothing.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use rayon::prelude::*;

use crate::error::Result;
use crate::event::Watch;
use crate::input::{ColumnReader, FooterRange, IdFindings, RowGroup, Source, ValueKind, as_f64, check_ids, fault};

/// The fewest rows whose shape decides.
const FEWEST: u64 = 1000;
/// The range of an id is smaller than this many times the rows.
const SPREAD: u64 = 4;
/// Memory for comparing the values.
const MEMORY: u64 = 256 << 20;
/// Whole numbers in f64 are exact below.
const EXACT: f64 = (1u64 << 53) as f64;

/// Whether the values of a column have the shape of ids. Footers answer for most columns; few need their first rows,
/// and only what is likely an id is read as a whole.
///
/// # Errors
/// A column that cannot be read.
pub(crate) fn looks_like_id(source: &Source, column: usize) -> Result<bool> {
    let rows = source.rows();
    let SourceShape { is_number, is_at_hand } = shape_of(source, column);
    if rows < FEWEST || !is_number || !is_at_hand {
        return Ok(false);
    }
    let known = match source.footer_range(column) {
        FooterRange::Unfit => return Ok(false),
        FooterRange::Of(range) if !is_dense(range, rows) => return Ok(false),
        // Doubles between whole ends may have fractions.
        FooterRange::Of(range) => Some(range).filter(|_| source.columns()[column].data_type.is_integer()),
        FooterRange::Unknown => None,
    };
    if !starts_like_ids(source, column)? {
        return Ok(false);
    }
    if known.is_none() {
        let ranges = source.row_groups().par_iter().map(|&group| range(source, group, column));
        let all = ranges.try_reduce_with(|a, b| Ok(a.zip(b).map(|((a, b), (c, d))| (a.min(c), b.max(d)))));
        if !all.transpose()?.flatten().is_some_and(|range| is_dense(range, rows)) {
            return Ok(false);
        }
    }
    Ok(check_ids(source, column, MEMORY, Watch::none())? == IdFindings::default())
}

struct SourceShape {
    is_number: bool,
    /// Joined values are looked up later, and files that disagree cannot be read as one column.
    is_at_hand: bool,
}

fn shape_of(source: &Source, column: usize) -> SourceShape {
    let column = &source.columns()[column];
    let is_at_hand =
        column.joined.is_none() && column.conflicts.is_empty() && column.lacking.is_empty() && !column.from_folder;
    SourceShape { is_number: ValueKind::of(&column.data_type) == ValueKind::Number, is_at_hand }
}

fn is_dense((min, max): (i64, i64), rows: u64) -> bool {
    let wide = i128::from(max) - i128::from(min);
    wide + 1 >= i128::from(rows) && wide < i128::from(SPREAD) * i128::from(rows)
}

/// Whether the first rows are whole, present and different.
fn starts_like_ids(source: &Source, column: usize) -> Result<bool> {
    let Some(&group) = source.row_groups().first() else { return Ok(false) };
    let Some(array) = ColumnReader::open(source, group, column)?.next_array()? else { return Ok(false) };
    let Some(values) = whole(source, group, column, &array)? else { return Ok(false) };
    let mut seen = HashSet::with_capacity(values.len());
    Ok(values.iter().all(|v| seen.insert(*v)))
}

/// The smallest and the largest value of a row group; None: one is missing, or not whole.
fn range(source: &Source, group: RowGroup, column: usize) -> Result<Option<(i64, i64)>> {
    let mut reader = ColumnReader::open(source, group, column)?;
    let mut range: Option<(i64, i64)> = None;
    while let Some(array) = reader.next_array()? {
        let Some(values) = whole(source, group, column, &array)? else { return Ok(None) };
        for v in values {
            range = Some(range.map_or((v, v), |(min, max)| (min.min(v), max.max(v))));
        }
    }
    Ok(range)
}

/// The values as whole numbers; None: one is missing, or not whole.
fn whole(source: &Source, group: RowGroup, column: usize, array: &ArrayRef) -> Result<Option<Vec<i64>>> {
    if array.logical_null_count() > 0 {
        return Ok(None);
    }
    if array.data_type().is_integer() {
        let wide = cast(array, &DataType::Int64).map_err(|e| fault(source, group, column, &e.to_string()))?;
        // Numbers beyond i64 become null.
        return Ok((wide.null_count() == 0).then(|| wide.as_primitive::<Int64Type>().values().to_vec()));
    }
    let mut values = Vec::with_capacity(array.len());
    as_f64(array, &mut values).map_err(|why| fault(source, group, column, &why))?;
    let is_whole = |v: &f64| v.trunc() == *v && v.abs() < EXACT;
    Ok(values.iter().all(is_whole).then(|| values.iter().map(|&v| v as i64).collect()))
}
