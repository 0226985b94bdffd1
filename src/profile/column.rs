//! One column of all rows, described.

use arrow::array::AsArray;
use rayon::prelude::*;

use super::categories::no_texts;
use super::correlation::DrawnRows;
use super::numbers::NumbersSeen;
use super::shown::ShownColumn;
use super::sorted::{PIECE, SortedRows};
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::input::{ColumnReader, RowGroup, Source, fault};
use crate::numeric::Partial;
use crate::prepare::as_text;
use crate::simd::Dispatch;
use crate::survey::{SegmentLog, TextCounts};

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
    /// What is known of the numbers of a column before any row is seen.
    pub(super) fn no_numbers(&self, segments: usize, is_exact: bool) -> NumbersSeen {
        NumbersSeen::new(segments, is_exact, self.drawn, self.simd)
    }

    /// Adds the numbers of a row group, whose rows are `sorted`, to `seen`.
    pub(super) fn numbers(
        &self,
        column: &ShownColumn,
        (group, sorted): (RowGroup, &SortedRows),
        seen: &mut NumbersSeen,
    ) -> Result<()> {
        let mut reader = ColumnReader::open(self.source, group, column.column)?;
        let (mut values, mut scratch) = (Vec::with_capacity(2 * PIECE), [Vec::new(), Vec::new()]);
        for piece in &sorted.pieces {
            let left = values.len();
            while values.len() < piece.len() && reader.next_values(&mut values, &mut 0)? {}
            for &code in &column.codes {
                values[left..].iter_mut().filter(|v| **v == code).for_each(|v| *v = f64::NAN);
            }
            let len = values.len();
            let of_piece = values.get_mut(..piece.len()).ok_or_else(|| {
                let found = piece.first_row - group.first_row + len as u64;
                fault(self.source, group, column.column, &format!("{found} values, expected {}", group.rows))
            })?;
            seen.push(group.number, piece, of_piece, &mut scratch);
            values.drain(..piece.len());
        }
        self.done(group)
    }

    /// Counts the categories of all rows. Which are counted individually follows from their order in the file; row
    /// groups are counted apart from each other where that makes no difference.
    pub(super) fn categories(&self, column: &ShownColumn, segments: usize) -> Result<TextCounts> {
        let mut seen = no_texts(segments);
        for groups in self.source.row_groups().chunks(rayon::current_num_threads()) {
            let apart = |&group: &RowGroup| {
                let mut apart = seen.emptied();
                self.push_texts(column, group, &mut apart)?;
                self.done(group)?;
                Ok(apart)
            };
            let apart: Vec<TextCounts> = groups.par_iter().with_max_len(1).map(apart).collect::<Result<_>>()?;
            for (&group, apart) in groups.iter().zip(apart) {
                match seen.would_be_pushed(&apart) {
                    true => seen.merge(&apart)?,
                    false => self.push_texts(column, group, &mut seen)?,
                }
            }
        }
        Ok(seen)
    }

    fn push_texts(&self, column: &ShownColumn, group: RowGroup, seen: &mut TextCounts) -> Result<()> {
        let mut reader = ColumnReader::open(self.source, group, column.column)?;
        let (mut row, mut codes) = (group.first_row, Vec::new());
        while let Some(array) = reader.next_array()? {
            let texts = as_text(&array).map_err(|why| fault(self.source, group, column.column, &why))?;
            codes.resize(array.len(), 0);
            self.log.read(row, &mut codes)?;
            seen.push(texts.as_string::<i64>().iter(), &codes);
            row += array.len() as u64;
        }
        Ok(())
    }

    fn done(&self, group: RowGroup) -> Result<()> {
        self.watch.advance(Stage::Profile, group.rows);
        self.watch.check()
    }
}
