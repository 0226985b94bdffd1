//! What a tree says of all rows.

use serde::{Deserialize, Serialize};

use super::column::{CutColumn, PieceReader};
use super::tree::Tree;
use crate::error::Result;
use crate::input::{Order, RowGroup, Source};
use crate::numeric::Partial;
use crate::numeric::partial::other_shape;
use crate::survey::SegmentLog;

/// Rows that are looked at together.
const PIECE: usize = 1 << 13;

/// Rows by leaf and segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeafCounts {
    segments: usize,
    /// By leaf, then by segment.
    pub(super) rows: Vec<u64>,
    /// By column of the tree: rows whose value is missing. Of columns that it does not cut, 0.
    pub(super) missing: Vec<u64>,
}

impl LeafCounts {
    /// Of no rows.
    pub(crate) fn new(tree: &Tree, segments: usize) -> Self {
        LeafCounts { segments, rows: vec![0; tree.leaves.len() * segments], missing: vec![0; tree.named.len()] }
    }

    /// Rows of a leaf, by segment.
    pub(super) fn of_leaf(&self, leaf: usize) -> &[u64] {
        &self.rows[leaf * self.segments..][..self.segments]
    }
}

impl Partial for LeafCounts {
    const NAME: &'static str = "rows by leaf and segment";
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        if (self.rows.len(), self.missing.len()) != (other.rows.len(), other.missing.len()) {
            return Err(other_shape::<Self>());
        }
        let add = |a: &mut [u64], b: &[u64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        add(&mut self.rows, &other.rows);
        add(&mut self.missing, &other.missing);
        Ok(())
    }
}

/// A row that the tree gives another segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OtherRow {
    pub(crate) row: u64,
    pub(crate) segment: u32,
    /// That of the tree.
    pub(crate) told: u32,
}

/// The rows that a tree is held against.
#[derive(Clone, Copy)]
pub(crate) struct TreeRows<'a> {
    pub(crate) source: &'a Source,
    pub(crate) columns: &'a [CutColumn],
    pub(crate) tree: &'a Tree,
    /// The segment of every row.
    pub(crate) log: &'a SegmentLog,
}

impl TreeRows<'_> {
    /// Announces that the columns of some row groups will be read.
    pub(crate) fn ahead(&self, groups: &[RowGroup]) -> crate::input::Ahead {
        let positions: Vec<usize> = self.tree.columns().iter().map(|&c| self.columns[c].position).collect();
        self.source.ahead(groups, &positions, Order::Together(rayon::current_num_threads()))
    }

    /// Adds the rows of a row group; `other` is told of the rows to which the tree gives another segment.
    pub(crate) fn count(
        &self,
        group: RowGroup,
        counts: &mut LeafCounts,
        other: &mut impl FnMut(OtherRow),
    ) -> Result<()> {
        let cut = self.tree.columns();
        let open = |&c: &usize| PieceReader::open(self.source, group, (&self.columns[c], &self.tree.named[c]));
        let mut readers: Vec<PieceReader<'_>> = cut.iter().map(open).collect::<Result<_>>()?;
        let (end, mut codes) = (group.first_row + group.rows, vec![0; PIECE]);
        for first in (group.first_row..end).step_by(PIECE) {
            codes.truncate((end - first).min(PIECE as u64) as usize);
            self.log.read(first, &mut codes)?;
            let mut values: Vec<&[f64]> = vec![&[]; self.columns.len()];
            for (&column, reader) in cut.iter().zip(&mut readers) {
                values[column] = reader.next(codes.len())?;
                counts.missing[column] += values[column].iter().filter(|value| value.is_nan()).count() as u64;
            }
            for (i, &code) in codes.iter().enumerate() {
                let Some(segment) = code.checked_sub(1) else { continue };
                let (leaf, told) = self.tree.leaf_below(0, |column| values[column][i]);
                counts.rows[leaf * counts.segments + segment as usize] += 1;
                if told != segment {
                    other(OtherRow { row: first + i as u64, segment, told });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_may_be_cut_anywhere() {
        let of = |rows: [u64; 4], missing| LeafCounts { segments: 2, rows: rows.into(), missing: vec![missing] };
        let (a, b, c) = (of([1, 2, 3, 4], 5), of([5, 0, 0, 1], 0), of([0, 7, 1, 1], 2));
        crate::numeric::partial::laws::hold(&a, &b, &c);
    }
}
