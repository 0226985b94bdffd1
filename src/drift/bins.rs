//! The bins of a column: ten of the reference's quantiles, and bins of their own for zeros, where they are a spike, for
//! rows without a value, and for values below and above all of the reference.

use super::counts::{NumberRange, ReferenceNumbers};
use super::keys::{first_value, key_of};
use super::report::BinKind;

const QUANTILES: u128 = 10;
/// Zeros have a bin of their own from this share of the reference's values on: one in so many.
const SPIKE: u64 = 20;

/// Bins of numbers.
#[derive(Debug)]
pub(super) struct NumberBins {
    digits: u32,
    zeros_apart: bool,
    /// The first key of every bin of values, in order.
    starts: Vec<u32>,
    /// The first and the last key of the reference; None: nothing is out of range.
    range: Option<(u32, u32)>,
}

impl NumberBins {
    /// The bins of a reference, by keys of so many digits, at most as many as it has. A value is in the bin of its
    /// quantile; values of one key are never divided, so that there may be fewer than ten.
    pub(super) fn new(reference: &ReferenceNumbers, range: Option<NumberRange>, digits: u32) -> Self {
        let zero = key_of(0.0, digits);
        let all = reference.values.total() + reference.zeros;
        let zeros_apart = reference.zeros > 0 && reference.zeros >= all / SPIKE;
        let zeros = if zeros_apart { 0 } else { reference.zeros };
        let coarse = reference.values.coarser(digits);
        let mut counts = coarse.counts().to_vec();
        if zeros > 0 {
            let at = counts.partition_point(|(key, _)| *key < zero);
            counts.insert(at, (zero, zeros));
        }
        let total: u128 = counts.iter().map(|(_, n)| u128::from(*n)).sum();
        let (mut starts, mut below, mut last): (Vec<u32>, u128, Option<u128>) = (Vec::new(), 0, None);
        for (key, n) in counts {
            let quantile = QUANTILES * below / total;
            if last != Some(quantile) && starts.last() != Some(&key) {
                starts.push(key);
            }
            (last, below) = (Some(quantile), below + u128::from(n));
        }
        let range = range.map(|range| (key_of(range.min, digits), key_of(range.max, digits)));
        NumberBins { digits, zeros_apart, starts, range }
    }

    /// What each bin holds, in the order of [`count`](Self::count).
    pub(super) fn kinds(&self) -> Vec<BinKind> {
        let edge = |at: usize| self.starts.get(at).map(|&key| first_value(key, self.digits));
        let values = (0..self.starts.len().max(1)).map(|at| match at {
            0 => BinKind::Values(None, edge(1)),
            at => BinKind::Values(edge(at), edge(at + 1)),
        });
        let mut kinds: Vec<BinKind> = values.collect();
        kinds.extend(self.zeros_apart.then_some(BinKind::Zero));
        kinds.push(BinKind::Missing);
        if self.range.is_some() {
            kinds.extend([BinKind::Below, BinKind::Above]);
        }
        kinds
    }

    /// The rows in each bin, of counts by keys of at least as many digits.
    pub(super) fn count(&self, rows: &ReferenceNumbers) -> Vec<u64> {
        let mut quantiles = vec![0; self.starts.len().max(1)];
        let (mut below, mut above) = (0, 0);
        let mut add = |key: u32, n: u64| match self.range {
            Some((low, _)) if key < low => below += n,
            Some((_, high)) if key > high => above += n,
            _ => quantiles[self.starts.partition_point(|start| *start <= key).saturating_sub(1)] += n,
        };
        rows.values.coarser(self.digits).counts().iter().for_each(|&(key, n)| add(key, n));
        if !self.zeros_apart {
            add(key_of(0.0, self.digits), rows.zeros);
        }
        let mut counts = quantiles;
        counts.extend(self.zeros_apart.then_some(rows.zeros));
        counts.push(rows.missing);
        if self.range.is_some() {
            counts.extend([below, above]);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::drift::KeyedCounts;

    fn numbers(values: &[f64], missing: u64) -> ReferenceNumbers {
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        values.iter().filter(|v| **v != 0.0).for_each(|&v| *counts.entry(key_of(v, 10)).or_default() += 1);
        let zeros = values.iter().filter(|v| **v == 0.0).count() as u64;
        ReferenceNumbers { missing, zeros, values: KeyedCounts::new(10, counts.into_iter().collect()) }
    }

    fn range(values: &[f64]) -> Option<NumberRange> {
        let min = values.iter().copied().reduce(f64::min)?;
        let max = values.iter().copied().reduce(f64::max)?;
        Some(NumberRange { min, max, deviation: 1.0, whole: false })
    }

    #[test]
    fn every_kind_of_row_has_its_bin() {
        let reference: Vec<f64> = (0..1000).map(|i| f64::from(i) - 100.0).collect();
        let spiked: Vec<f64> = reference.iter().copied().chain([0.0; 60]).collect();
        let bins = NumberBins::new(&numbers(&reference, 0), range(&reference), 10);
        assert_eq!(bins.kinds().len(), 13, "one zero is no spike");
        assert_eq!(bins.count(&numbers(&reference, 0)), [100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 0, 0, 0]);
        let bins = NumberBins::new(&numbers(&spiked, 7), range(&spiked), 10);
        let kinds = bins.kinds();
        assert_eq!(kinds[10..], [BinKind::Zero, BinKind::Missing, BinKind::Below, BinKind::Above]);
        assert_eq!(kinds[0], BinKind::Values(None, Some(1.0)), "{kinds:?}");
        let now = bins.count(&numbers(&[-5000.0, -500.0, -7.0, 0.0, 5.0, 899.0, 5000.0], 3));
        assert_eq!(now, [1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 3, 2, 1]);
        let none = NumberBins::new(&numbers(&[], 9), None, 10);
        assert_eq!((none.kinds().len(), none.count(&numbers(&[1.0, -1.0], 4))), (2, vec![2, 4]));
    }

    #[test]
    fn values_that_repeat_are_never_divided() {
        let reference: Vec<f64> = [vec![1.0; 50], vec![2.0; 30], vec![3.0; 20]].concat();
        let bins = NumberBins::new(&numbers(&reference, 0), range(&reference), 10);
        assert_eq!(bins.count(&numbers(&reference, 0)), [50, 30, 20, 0, 0, 0]);
        let edges =
            [BinKind::Values(None, Some(2.0)), BinKind::Values(Some(2.0), Some(3.0)), BinKind::Values(Some(3.0), None)];
        assert_eq!(bins.kinds()[..3], edges);
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_bin(
            reference in prop::collection::vec((-20i32..90).prop_map(f64::from), 0..200),
            now in prop::collection::vec(prop_oneof![-1e6..1e6f64, Just(0.0)], 0..50),
            digits in 0u32..=10,
        ) {
            let (reference, range) = (numbers(&reference, 2), range(&reference));
            let bins = NumberBins::new(&reference, range, digits);
            let counts = bins.count(&numbers(&now, 5));
            prop_assert_eq!(counts.len(), bins.kinds().len());
            prop_assert_eq!(counts.iter().sum::<u64>(), now.len() as u64 + 5);
            let own = bins.count(&reference);
            let outside = if range.is_some() { own[own.len() - 2..].iter().sum() } else { 0 };
            prop_assert_eq!(outside, 0, "nothing of the reference is out of its range");
            // Each value by itself, by its own value.
            for &value in now.iter().filter(|v| **v != 0.0) {
                let single = bins.count(&numbers(&[value], 0));
                let at = single.iter().position(|n| *n == 1).unwrap();
                if let BinKind::Values(from, to) = bins.kinds()[at] {
                    prop_assert!(from.is_none_or(|from| from <= value) && to.is_none_or(|to| value < to));
                }
            }
        }
    }
}
