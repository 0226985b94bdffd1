//! How many rows have which distance.

use rayon::prelude::*;

use crate::drift::KeyedCounts;

/// Rows that a thread counts in one go.
const PIECE: usize = 1 << 16;
/// Binary digits after the point of a squared distance that are kept.
const DIGITS: u32 = 5;
/// Bits of a double that are dropped.
const DROPPED: u32 = 52 - DIGITS;
/// The key of 1, the smallest distance but 0.
const FIRST: u64 = 1.0f64.to_bits() >> DROPPED;
/// Zero, and 62 powers of two.
const CELLS: usize = 1 + (62 << DIGITS);

/// Counts of squared distances, in squared grid steps: integers below 2^62.
#[derive(Debug)]
pub(super) struct DistanceCounts(Vec<u64>);

fn cell(d2: u64) -> usize {
    // Wrapping only for the compiler: that of 1 is the smallest key.
    let key = ((d2.max(1) as f64).to_bits() >> DROPPED).wrapping_sub(FIRST) as usize;
    (key + usize::from(d2 > 0)).min(CELLS - 1)
}

impl DistanceCounts {
    pub(super) fn new() -> Self {
        DistanceCounts(vec![0; CELLS])
    }

    /// Adds rows.
    pub(super) fn add(&mut self, distance2: &[u64]) {
        let count = |piece: &[u64]| {
            let mut counts = vec![0u64; CELLS];
            piece.iter().for_each(|&d2| counts[cell(d2)] += 1);
            counts
        };
        let joined = |mut a: Vec<u64>, b: Vec<u64>| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        };
        if let Some(counts) = distance2.par_chunks(PIECE).map(count).reduce_with(joined) {
            self.0.iter_mut().zip(counts).for_each(|(all, n)| *all += n);
        }
    }

    /// The counts by key.
    pub(super) fn finish(self) -> KeyedCounts {
        /// The sign of a key: keys of positive numbers have it.
        const POSITIVE: u32 = 1 << (11 + DIGITS);
        let key = |(cell, n): (usize, u64)| match cell {
            0 => (POSITIVE, n),
            cell => (POSITIVE + FIRST as u32 + cell as u32 - 1, n),
        };
        KeyedCounts::new(DIGITS, self.0.into_iter().enumerate().map(key).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::drift::key_of;

    proptest! {
        #[test]
        fn keys_are_those_of_the_numbers(
            distance2 in prop::collection::vec((0u64..1 << 62, 0u32..62).prop_map(|(d2, by)| d2 >> by), 0..100),
            cut in 0usize..100,
        ) {
            let mut counts = DistanceCounts::new();
            let (a, b) = distance2.split_at(cut.min(distance2.len()));
            counts.add(b);
            counts.add(a);
            // Rounded to a double, the largest are 2^62.
            let below = |d2: u64| (d2 as f64).min(4_611_686_018_427_387_000.0);
            let mut naive: BTreeMap<u32, u64> = BTreeMap::new();
            distance2.iter().for_each(|&d2| *naive.entry(key_of(below(d2), DIGITS)).or_default() += 1);
            prop_assert_eq!(counts.finish(), KeyedCounts::new(DIGITS, naive.into_iter().collect()));
        }
    }

    #[test]
    fn the_ends_have_cells() {
        assert_eq!([0, 1, 2, 3].map(cell), [0, 1, 33, 49]);
        assert_eq!(cell((1 << 62) - 1), CELLS - 1);
    }
}
