//! Duplicate rows, found by a hash of 128 bits of each row.
//!
//! Each column adds two mixed words of its values' keys to the row's sum, salted by the column's position. Two
//! different rows have the same sum with a probability of 2^-128; among 2^30 rows there is such a pair with a
//! probability below 10^-20.

use fearless_simd::Simd;
use rayon::prelude::*;

use super::piece::Piece;
use crate::numeric::mix;
use crate::simd::{Dispatch, Work};

/// Bytes of memory per row.
pub(super) const ROW_BYTES: u64 = 16;

/// The sums of one batch.
#[derive(Debug, Default)]
pub(super) struct RowSums {
    low: Vec<u64>,
    high: Vec<u64>,
}

impl RowSums {
    /// Starts a batch.
    pub(super) fn start(&mut self, rows: usize) {
        for half in [&mut self.low, &mut self.high] {
            half.clear();
            half.resize(rows, 0);
        }
    }

    /// Adds a column.
    pub(super) fn add(&mut self, column: usize, piece: &Piece, simd: Dispatch) {
        let salts = [mix(2 * column as u64), mix(2 * column as u64 + 1)];
        let second = if piece.more.is_empty() { &piece.keys } else { &piece.more };
        simd.run(Add { keys: &piece.keys, salt: salts[0], sums: &mut self.low });
        simd.run(Add { keys: second, salt: salts[1], sums: &mut self.high });
    }

    /// Appends the rows' hashes.
    pub(super) fn finish(&self, out: &mut Vec<u128>) {
        out.extend(self.low.iter().zip(&self.high).map(|(&low, &high)| u128::from(high) << 64 | u128::from(low)));
    }
}

struct Add<'a> {
    keys: &'a [u64],
    salt: u64,
    sums: &'a mut [u64],
}

impl Work for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) {
        for (sum, &key) in self.sums.iter_mut().zip(self.keys) {
            *sum = sum.wrapping_add(mix(key ^ self.salt));
        }
    }
}

/// The number of rows that equal an earlier one.
pub(super) fn duplicates(mut rows: Vec<u128>) -> u64 {
    rows.par_sort_unstable();
    rows.par_windows(2).filter(|w| w[0] == w[1]).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(columns: &[Vec<u64>]) -> Vec<u128> {
        let (mut sums, mut out) = (RowSums::default(), Vec::new());
        sums.start(columns[0].len());
        for (at, keys) in columns.iter().enumerate() {
            sums.add(at, &Piece { keys: keys.clone(), ..Piece::default() }, Dispatch::default());
        }
        sums.finish(&mut out);
        out
    }

    #[test]
    fn equal_rows_are_counted_and_others_are_not() {
        assert_eq!(duplicates(hashes(&[vec![1, 1, 2, 1], vec![5, 5, 5, 6]])), 1);
        assert_eq!(duplicates(hashes(&[vec![7; 100]])), 99);
        // The same values in other columns, or moved by the same amount between two, make different rows.
        assert_eq!(duplicates(hashes(&[vec![1, 2], vec![2, 1]])), 0);
        let (a, b) = ((0..200u64).flat_map(|i| vec![i; 200]).collect(), (0..200u64).cycle().take(40_000).collect());
        assert_eq!(duplicates(hashes(&[a, b])), 0);
    }
}
