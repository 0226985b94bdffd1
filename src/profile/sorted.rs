//! Rows by their segments: sorted once for each row group, for all of its columns.

use crate::error::Result;
use crate::input::RowGroup;
use crate::survey::SegmentLog;

/// Rows that are sorted at a time: their places fit 16 bits, and their values a cache.
pub(super) const PIECE: usize = 1 << 15;

/// The rows of a row group, in pieces of [`PIECE`].
#[derive(Debug, Default)]
pub(super) struct SortedRows {
    pub(super) pieces: Vec<SortedPiece>,
}

/// Consecutive rows of a row group.
#[derive(Debug, Default)]
pub(super) struct SortedPiece {
    pub(super) first_row: u64,
    /// Their places in the piece: by segment, then by row.
    rows: Vec<u16>,
    /// Segments that occur, with the ends of their rows.
    ends: Vec<(usize, usize)>,
}

impl SortedRows {
    /// The rows of `group`, whose segments are below `segments`.
    pub(super) fn read(log: &SegmentLog, group: RowGroup, segments: usize) -> Result<Self> {
        let (mut codes, mut places) = (vec![0; PIECE], Vec::new());
        let end = group.first_row + group.rows;
        let piece = |first_row: u64| {
            codes.truncate((end - first_row).min(PIECE as u64) as usize);
            log.read(first_row, &mut codes)?;
            Ok(SortedPiece::new(first_row, &codes, segments, &mut places))
        };
        let pieces = (group.first_row..end).step_by(PIECE).map(piece).collect::<Result<_>>()?;
        Ok(SortedRows { pieces })
    }
}

impl SortedPiece {
    /// Sorts by counting. `places` is scratch space.
    fn new(first_row: u64, codes: &[u32], segments: usize, places: &mut Vec<usize>) -> Self {
        places.clear();
        places.resize(segments, 0);
        codes.iter().for_each(|&code| places[code as usize] += 1);
        let (mut ends, mut end) = (Vec::new(), 0);
        for (segment, place) in places.iter_mut().enumerate().filter(|(_, n)| **n > 0) {
            (*place, end) = (end, end + *place);
            ends.push((segment, end));
        }
        let mut rows = vec![0; codes.len()];
        for (row, &code) in codes.iter().enumerate() {
            let place = &mut places[code as usize];
            rows[*place] = row as u16;
            *place += 1;
        }
        SortedPiece { first_row, rows, ends }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Every segment that occurs, with the places of its rows in the piece.
    pub(super) fn runs(&self) -> impl Iterator<Item = (usize, &[u16])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        let run = |(&(segment, end), start): (&(usize, usize), usize)| (segment, &self.rows[start..end]);
        self.ends.iter().zip(starts).map(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_segment_stay_in_order() {
        let piece = SortedPiece::new(0, &[2, 0, 2, 4, 0], 5, &mut Vec::new());
        let runs: Vec<(usize, Vec<u16>)> = piece.runs().map(|(segment, rows)| (segment, rows.to_vec())).collect();
        assert_eq!(runs, [(0, vec![1, 4]), (2, vec![0, 2]), (4, vec![3])]);
        assert_eq!(piece.len(), 5);
    }
}
