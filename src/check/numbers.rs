//! Counts and statistics of a column of numbers, booleans or dates, and how to merge them.

use std::collections::{HashMap, HashSet};

use super::distinct::{Distinct, EXACT};
use super::edges::Edges;
use super::grain::Grain;
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
    /// The keys of the finite values of the sampled rows, in row order.
    sample: Vec<u64>,
    /// How the numbers are compared.
    pub(super) grain: Grain,
    /// The places of keys that are hashes, of those that are counted individually or sampled.
    wide: HashMap<u64, i128>,
}

/// The finite values of a batch, as [`Piece`] has them.
struct FiniteValues<'a> {
    values: &'a [f64],
    keys: &'a [u64],
    wide: &'a [i128],
}

impl NumberCounts {
    pub(super) fn new(grain: Grain) -> Self {
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
            grain,
            wide: HashMap::new(),
        }
    }

    /// Adds a batch; `picked` are the positions of sampled rows.
    pub(super) fn push(&mut self, piece: &Piece, picked: &[u32], simd: Dispatch) {
        for i in picked.iter().map(|&i| i as usize).filter(|&i| piece.values[i].is_finite()) {
            self.sample.push(piece.keys[i]);
            piece.wide.get(i).map(|&place| self.wide.insert(piece.keys[i], place));
        }
        if !piece.gaps {
            let (values, keys, wide) = (&piece.values, &piece.keys, &piece.wide);
            return self.push_finite(&FiniteValues { values, keys, wide }, simd);
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
        let wide = piece.wide.iter().zip(&piece.values).filter(|(_, v)| v.is_finite()).map(|(&place, _)| place);
        let wide: Vec<i128> = wide.collect();
        self.nan += nan - piece.nulls;
        self.push_finite(&FiniteValues { values: &values, keys: &keys, wide: &wide }, simd);
    }

    fn push_finite(&mut self, finite: &FiniteValues<'_>, simd: Dispatch) {
        let FiniteValues { values, keys, wide } = finite;
        let grain = self.grain;
        let place = |i: usize| wide.get(i).copied().unwrap_or_else(|| grain.place(keys[i]));
        let count = |yes: fn(f64) -> bool| values.iter().fold(0u64, |n, &v| n.wrapping_add(u64::from(yes(v))));
        self.zeros += count(|v| v == 0.0);
        self.negative += count(|v| v < 0.0);
        self.whole = self.whole && values.iter().all(|&v| v.trunc() == v);
        if let Some(unit) = grain.places_a_unit().filter(|_| self.whole) {
            // A decimal with many digits may be a whole number only as f64. Dividing takes longer than multiplying.
            let is_whole = |v: f64, place: i128| (v as i128).checked_mul(unit) == Some(place) || place % unit == 0;
            self.whole = values.iter().enumerate().all(|(i, &v)| is_whole(v, place(i)));
        }
        self.moments = self.moments.merge(Moments::of(values, simd));
        let was_exact = self.distinct.counts().is_some();
        let exact = self.distinct.push(keys);
        self.wide.extend(keys.iter().copied().zip(wide.iter().copied()).take(exact));
        if exact < values.len() {
            if was_exact {
                self.edges = self.table_edges();
            }
            self.edges.push(&values[exact..], grain, |i| place(exact + i));
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
        self.wide.extend(other.wide);
        // Twice as many as can be in use: looked through only now and then.
        if self.wide.len() > 2 * (EXACT + self.sample.len()) {
            let counted = self.distinct.common().into_iter().map(|(key, _)| key);
            let used: HashSet<u64> = counted.chain(self.sample.iter().copied()).collect();
            self.wide.retain(|key, _| used.contains(key));
        }
    }

    /// The extreme values.
    pub(super) fn edges(&self) -> Edges {
        if self.distinct.counts().is_some() { self.table_edges() } else { self.edges.clone() }
    }

    fn table_edges(&self) -> Edges {
        let mut edges = Edges::default();
        self.distinct.table().for_each(|(key, n)| edges.add(self.place(key), n));
        edges
    }

    /// The place of a key that is counted individually or sampled.
    pub(super) fn place(&self, key: u64) -> i128 {
        self.wide.get(&key).copied().unwrap_or_else(|| self.grain.place(key))
    }

    /// The places of the sampled finite values, in row order.
    pub(super) fn sampled_places(&self) -> impl Iterator<Item = i128> {
        self.sample.iter().map(|&key| self.place(key))
    }

    /// The sampled finite values, in row order.
    pub(super) fn sample(&self) -> Vec<f64> {
        self.sampled_places().map(|place| self.grain.number(place)).collect()
    }

    /// The place of the most common value and its count; a lower bound if not every value is counted.
    pub(super) fn most_common(&self) -> Option<(i128, u64)> {
        let edges = self.edges();
        let tracked = self.distinct.common().into_iter().take(1).map(|(key, n)| (self.place(key), n));
        let ends = edges.low.into_iter().chain(edges.high);
        let zero = (self.zeros > 0).then_some((0, self.zeros));
        // Extreme values and zeros are always counted individually.
        tracked.chain(zero).chain(ends).reduce(|best, next| if next.1 > best.1 { next } else { best })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array};
    use proptest::prelude::*;

    use super::super::class::Class;
    use super::*;

    fn piece(array: ArrayRef, grain: Grain) -> Piece {
        let mut piece = Piece::default();
        piece.take(&array, Class::Number, grain).unwrap();
        piece
    }

    fn of(values: &[Option<f64>]) -> NumberCounts {
        let mut numbers = NumberCounts::new(Grain::Float);
        let piece = piece(Arc::new(values.iter().copied().collect::<Float64Array>()), Grain::Float);
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
        assert_eq!(n.sample(), [0.0, 0.0, -2.5, 7.0, 7.0]);
    }

    #[test]
    fn integers_beyond_f64_are_told_apart() {
        let near: ArrayRef = Arc::new((0..100).map(|i| (1i64 << 60) + i).collect::<Int64Array>());
        let mut exact = NumberCounts::new(Grain::Decimal(0));
        exact.push(&piece(near.clone(), Grain::Decimal(0)), &[], Dispatch::default());
        assert_eq!(exact.distinct.count(), (100, true));
        assert_eq!(exact.edges().high[0], ((1 << 60) + 99, 1));
        let mut rounded = NumberCounts::new(Grain::Float);
        rounded.push(&piece(near, Grain::Float), &[], Dispatch::default());
        assert!(rounded.distinct.count().0 < 100, "as f64 they are not");
    }

    #[test]
    fn decimals_of_more_than_64_bits() {
        let base = 10i128.pow(30);
        let batch = |from: i128, n: i128| -> NumberCounts {
            let values = (from..from + n).map(|i| (i % 7 != 3).then_some(if i % 2 == 0 { base + i } else { -i }));
            let array = values.collect::<Decimal128Array>().with_precision_and_scale(38, 0).unwrap();
            let mut numbers = NumberCounts::new(Grain::Decimal(0));
            let picked: Vec<u32> = (0..n as u32).step_by(100).collect();
            numbers.push(&piece(Arc::new(array), Grain::Decimal(0)), &picked, Dispatch::default());
            numbers
        };
        let mut all = batch(0, 500);
        assert_eq!(all.distinct.count(), (429, true), "500 less 71 nulls");
        for part in 1..20 {
            all.merge(batch(part * 500, 500));
        }
        let edges = all.edges();
        assert_eq!((edges.low[0], edges.low[7]), ((-9997, 1), (-9981, 1)), "9999 and 9985 are null");
        assert_eq!((edges.high[0], edges.high[2]), ((base + 9998, 1), (base + 9994, 1)));
        let sampled: Vec<i128> = all.sampled_places().collect();
        assert!(sampled.iter().all(|&place| (base..base + 10_000).contains(&place)), "{sampled:?}");
        assert!(all.wide.len() < 2 * (EXACT + sampled.len()), "what nobody needs is dropped");
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
            prop_assert_eq!(parts.sample(), whole.sample());
            prop_assert_eq!(parts.moments.n, whole.moments.n);
            prop_assert!((parts.moments.mean - whole.moments.mean).abs() < 1e-9);
            prop_assert!((parts.moments.deviation() - whole.moments.deviation()).abs() < 1e-9);
            let (a, b) = (parts.moments.skewness().unwrap_or(0.0), whole.moments.skewness().unwrap_or(0.0));
            prop_assert!((a - b).abs() < 1e-6, "{} and {}", a, b);
        }
    }
}
