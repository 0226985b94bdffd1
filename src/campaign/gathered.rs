//! The columns of members of lists, gathered from the customers.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, UInt32Array, UInt64Array};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Int32Type};
use rayon::prelude::*;

use super::cells::whole;
use super::customers::CampaignCustomers;
use crate::error::{Error, Result};
use crate::input::{RowGroup, whole_ids};

/// Columns of some customers.
pub(super) struct MemberColumns {
    /// Where each customer is in the columns; empty once they are in the order of a list.
    places: Vec<u32>,
    /// By position in the source.
    columns: Vec<(usize, ArrayRef)>,
}

impl MemberColumns {
    /// Reads these columns of these rows, fewer than 2^32.
    ///
    /// # Errors
    /// The customers cannot be read.
    pub(super) fn gather(customers: &CampaignCustomers, rows: &[u64], wanted: &[usize]) -> Result<Self> {
        let mut order: Vec<(u64, u32)> = rows.iter().copied().zip(0..).collect();
        order.par_sort_unstable();
        let mut places = vec![0; rows.len()];
        order.iter().zip(0..).for_each(|((_, customer), place)| places[*customer as usize] = place);
        let rows: Vec<u64> = order.into_iter().map(|(row, _)| row).collect();
        let column = |&at: &usize| Ok((at, of_rows(customers, at, &rows)?));
        let columns = wanted.iter().map(column).collect::<Result<_>>()?;
        Ok(MemberColumns { places, columns })
    }

    /// A column.
    pub(super) fn get(&self, column: usize) -> Result<&ArrayRef> {
        let found = self.columns.iter().find(|(at, _)| *at == column).map(|(_, array)| array);
        found.ok_or_else(|| Error::Internal("a column of lists was not gathered".into()))
    }

    /// The columns of some customers, in their order.
    pub(super) fn of(&self, customers: Range<usize>) -> Result<MemberColumns> {
        let places = UInt32Array::from(self.places[customers].to_vec());
        let taken = |(at, array): &(usize, ArrayRef)| {
            let array = take(array, &places, None);
            Ok((*at, array.map_err(|e| Error::Internal(format!("the members of lists: {e}")))?))
        };
        Ok(MemberColumns { columns: self.columns.iter().map(taken).collect::<Result<_>>()?, places: Vec::new() })
    }

    /// A column as the numbers of segments.
    pub(super) fn segments(&self, column: Option<usize>) -> Result<Option<Int32Array>> {
        let as_numbers = |at| {
            let array = cast(self.get(at)?, &DataType::Int32);
            let array = array.map_err(|e| Error::Internal(format!("the segments of lists: {e}")))?;
            Ok(array.as_primitive::<Int32Type>().clone())
        };
        column.map(as_numbers).transpose()
    }
}

/// A column of some rows, which ascend.
fn of_rows(customers: &CampaignCustomers, at: usize, rows: &[u64]) -> Result<ArrayRef> {
    let source = &customers.source;
    let piece = |&group: &RowGroup| {
        let within = |row: u64| rows.partition_point(|&other| other < row);
        let here = &rows[within(group.first_row)..within(group.first_row + group.rows)];
        if here.is_empty() {
            return Ok(None);
        }
        let all = whole(source, group, at)?;
        let fault = |e| crate::input::fault(source, group, at, &format!("{e}"));
        let all = if at == customers.id { whole_ids(&all, group.first_row).map_err(fault)? } else { all };
        let places: UInt64Array = here.iter().map(|row| row - group.first_row).collect();
        take(&all, &places, None).map(Some).map_err(fault)
    };
    let pieces = source.row_groups().par_iter().with_max_len(1).map(piece).collect::<Result<Vec<_>>>()?;
    let pieces: Vec<&dyn Array> = pieces.iter().flatten().map(AsRef::as_ref).collect();
    concat(&pieces).map_err(|e| Error::Internal(format!("gathering the members of lists: {e}")))
}
