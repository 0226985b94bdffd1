//! Counts and statistics of a column of numbers, booleans or dates, and how to merge them.

use super::distinct::Distinct;
use super::edges::Edges;
use super::piece::Piece;
use crate::numeric::Moments;
use crate::simd::Dispatch;

/// Counts and statistics of finite values. Everything but the moments is the same for any split; moments, and the
/// counts of common values among many distinct ones, are merged in row order.
#[derive(Debug, Clone)]
pub(super) struct NumberCounts {
    pub(super) nan: u64,
    pub(super) infinite: u64,
    pub(super) zeros: u64,
    pub(super) negative: u64,
    /// Whether every finite value is a whole number.
    pub(super) whole: bool,
    pub(super) moments: Moments,
    pub(super) distinct: Distinct,
    /// Maintained only while not every value is counted.
    edges: Edges,
    /// The finite values of the sampled rows, in row order.
    pub(super) sample: Vec<f64>,
    /// The signedness of 64-bit integer keys; None if keys are bits of f64.
    signed: Option<bool>,
}

impl NumberCounts {
    /// `signed`: the signedness of 64-bit integer keys, if they are.
    pub(super) fn new(signed: Option<bool>) -> Self {
        NumberCounts {
            nan: 0,
            infinite: 0,
            zeros: 0,
            negative: 0,
            whole: true,
            moments: Moments::EMPTY,
            distinct: Distinct::new(),
            edges: Edges::default(),
            sample: Vec::new(),
            signed,
        }
    }

    /// Adds a batch; `picked` are the positions of sampled rows.
    pub(super) fn push(&mut self, piece: &Piece, picked: &[u32], simd: Dispatch) {
        self.sample.extend(picked.iter().map(|&i| piece.values[i as usize]).filter(|v| v.is_finite()));
        if !piece.gaps {
            return self.push_finite(&piece.values, &piece.keys, simd);
        }
        let (mut values, mut keys) = (Vec::with_capacity(piece.values.len()), Vec::with_capacity(piece.values.len()));
        let mut nan = 0;
        for (&v, &key) in piece.values.iter().zip(&piece.keys) {
            if v.is_finite() {
                values.push(v);
                keys.push(key);
            } else if v.is_nan() {
                nan += 1;
            } else {
                self.infinite += 1;
            }
        }
        self.nan += nan - piece.nulls;
        self.push_finite(&values, &keys, simd);
    }

    fn push_finite(&mut self, values: &[f64], keys: &[u64], simd: Dispatch) {
        let count = |yes: fn(f64) -> bool| values.iter().fold(0u64, |n, &v| n.wrapping_add(u64::from(yes(v))));
        self.zeros += count(|v| v == 0.0);
        self.negative += count(|v| v < 0.0);
        self.whole = self.whole && values.iter().all(|&v| v.trunc() == v);
        self.moments = self.moments.merge(Moments::of(values, simd));
        let was_exact = self.distinct.counts().is_some();
        let exact = self.distinct.push(keys);
        if exact < values.len() {
            if was_exact {
                self.edges = self.table_edges();
            }
            self.edges.push(&values[exact..]);
        }
    }

    pub(super) fn merge(&mut self, other: NumberCounts) {
        self.nan += other.nan;
        self.infinite += other.infinite;
        self.zeros += other.zeros;
        self.negative += other.negative;
        self.whole &= other.whole;
        self.moments = self.moments.merge(other.moments);
        self.sample.extend_from_slice(&other.sample);
        let mut edges = self.edges();
        edges.merge(&other.edges());
        self.distinct.merge(other.distinct);
        self.edges = edges;
    }

    /// The extreme values.
    pub(super) fn edges(&self) -> Edges {
        if self.distinct.counts().is_some() { self.table_edges() } else { self.edges.clone() }
    }

    fn table_edges(&self) -> Edges {
        let mut edges = Edges::default();
        self.distinct.table().for_each(|(key, n)| edges.add(self.value(key), n));
        edges
    }

    /// The value of a key.
    pub(super) fn value(&self, key: u64) -> f64 {
        match self.signed {
            None => f64::from_bits(key),
            Some(true) => key as i64 as f64,
            Some(false) => key as f64,
        }
    }

    /// The most common value and its count; a lower bound if not every value is counted.
    pub(super) fn most_common(&self) -> Option<(f64, u64)> {
        let edges = self.edges();
        let tracked = self.distinct.common().into_iter().take(1).map(|(key, n)| (self.value(key), n));
        let ends = edges.low.into_iter().chain(edges.high);
        let zero = (self.zeros > 0).then_some((0.0, self.zeros));
        // Extreme values and zeros are always counted individually.
        tracked.chain(zero).chain(ends).reduce(|best, next| if next.1 > best.1 { next } else { best })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array};
    use proptest::prelude::*;

    use super::super::piece::Class;
    use super::*;

    fn piece(array: ArrayRef, wide: bool) -> Piece {
        let mut piece = Piece::default();
        piece.take(&array, Class::Number, wide).unwrap();
        piece
    }

    fn of(values: &[Option<f64>]) -> NumberCounts {
        let mut numbers = NumberCounts::new(None);
        let piece = piece(Arc::new(values.iter().copied().collect::<Float64Array>()), false);
        let all: Vec<u32> = (0..values.len() as u32).collect();
        numbers.push(&piece, &all, Dispatch::default());
        numbers
    }

    #[test]
    fn every_kind_of_value_is_counted_once() {
        let values =
            [Some(0.0), Some(-0.0), None, Some(f64::NAN), Some(f64::INFINITY), Some(-2.5), Some(7.0), Some(7.0)];
        let n = of(&values);
        assert_eq!((n.nan, n.infinite, n.zeros, n.negative, n.whole), (1, 1, 2, 1, false));
        assert_eq!((n.moments.n, n.moments.min, n.moments.max), (5, -2.5, 7.0));
        assert_eq!(n.distinct.count(), (3, true), "-0 is 0");
        // Python: `statistics.pstdev([0, 0, -2.5, 7, 7])`.
        assert!((n.moments.mean - 2.3).abs() < 1e-15 && (n.moments.deviation() - 3.944616584663204).abs() < 1e-14);
        assert_eq!(n.sample, [0.0, 0.0, -2.5, 7.0, 7.0]);
    }

    #[test]
    fn integers_beyond_f64_are_told_apart() {
        let near: ArrayRef = Arc::new((0..100).map(|i| (1i64 << 60) + i).collect::<Int64Array>());
        let mut wide = NumberCounts::new(Some(true));
        wide.push(&piece(near.clone(), true), &[], Dispatch::default());
        assert_eq!(wide.distinct.count(), (100, true));
        let mut narrow = NumberCounts::new(None);
        narrow.push(&piece(near, false), &[], Dispatch::default());
        assert!(narrow.distinct.count().0 < 100, "as f64 they are not");
    }

    proptest! {
        #[test]
        fn merging_is_pushing(
            values in prop::collection::vec(prop::option::weighted(0.9, -3000i32..3000), 0..4000),
            cut in 0.0..1.0f64,
            modulus in 1i32..3000,
        ) {
            let values: Vec<Option<f64>> = values.into_iter().map(|v| v.map(|v| f64::from(v % modulus) / 4.0)).collect();
            let at = (values.len() as f64 * cut) as usize;
            let whole = of(&values);
            let mut parts = of(&values[..at]);
            parts.merge(of(&values[at..]));
            prop_assert_eq!((parts.zeros, parts.negative, parts.whole), (whole.zeros, whole.negative, whole.whole));
            prop_assert_eq!(parts.distinct.count(), whole.distinct.count());
            prop_assert_eq!(parts.edges(), whole.edges());
            prop_assert_eq!(&parts.sample, &whole.sample);
            prop_assert_eq!(parts.moments.n, whole.moments.n);
            prop_assert!((parts.moments.mean - whole.moments.mean).abs() < 1e-9);
            prop_assert!((parts.moments.deviation() - whole.moments.deviation()).abs() < 1e-9);
            let (a, b) = (parts.moments.skewness().unwrap_or(0.0), whole.moments.skewness().unwrap_or(0.0));
            prop_assert!((a - b).abs() < 1e-6, "{} and {}", a, b);
        }
    }
}
