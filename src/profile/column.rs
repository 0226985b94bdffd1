//! One column of all rows, described.

use arrow::array::AsArray;

use super::categories::CategoriesSeen;
use super::correlation::DrawnRows;
use super::numbers::{NumberBatch, NumbersSeen};
use super::shown::ShownColumn;
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::input::{ColumnReader, RowGroup, Source, fault};
use crate::prepare::as_text;
use crate::simd::Dispatch;
use crate::survey::SegmentLog;

/// The rows that are described.
#[derive(Clone, Copy)]
pub(super) struct DescribedRows<'a> {
    pub(super) source: &'a Source,
    pub(super) log: &'a SegmentLog,
    pub(super) drawn: DrawnRows,
    pub(super) simd: Dispatch,
    pub(super) watch: Watch<'a>,
}

impl DescribedRows<'_> {
    /// Adds the numbers of a row group to `seen`.
    pub(super) fn numbers(&self, column: &ShownColumn, group: RowGroup, seen: &mut NumbersSeen) -> Result<()> {
        let mut reader = ColumnReader::open(self.source, group, column.column)?;
        let (mut values, mut segments, mut row) = (Vec::new(), Vec::new(), group.first_row);
        while reader.next_values(&mut values, &mut 0)? {
            for value in values.iter_mut().filter(|v| !v.is_finite() || column.codes.contains(v)) {
                *value = f64::NAN;
            }
            segments.resize(values.len(), 0);
            self.log.read(row, &mut segments)?;
            let batch = NumberBatch { group: group.number, first_row: row, values: &values, segments: &segments };
            seen.push(&batch, self.drawn, self.simd);
            row += values.len() as u64;
            values.clear();
        }
        self.done(group)
    }

    /// Counts the categories of all rows, in file order.
    pub(super) fn categories(&self, column: &ShownColumn, segments: usize) -> Result<CategoriesSeen> {
        let mut seen = CategoriesSeen::new(segments);
        let mut codes = Vec::new();
        for &group in self.source.row_groups() {
            let mut reader = ColumnReader::open(self.source, group, column.column)?;
            let mut row = group.first_row;
            while let Some(array) = reader.next_array()? {
                let texts = as_text(&array).map_err(|why| fault(self.source, group, column.column, &why))?;
                codes.resize(array.len(), 0);
                self.log.read(row, &mut codes)?;
                seen.push(texts.as_string::<i64>().iter(), &codes);
                row += array.len() as u64;
            }
            self.done(group)?;
        }
        Ok(seen)
    }

    fn done(&self, group: RowGroup) -> Result<()> {
        self.watch.advance(Stage::Profile, group.rows);
        self.watch.check()
    }
}
