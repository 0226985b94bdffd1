//! Order statistics by segment: exact from the values themselves, or from counts of buckets.
//!
//! A bucket is all values with the same sign, exponent and first [`DIGITS`] binary digits: at most 2^-10 of the value
//! wide. Counts merge by addition, so they are the same for any order of the rows. Rejected: KLL and t-digest, whose
//! result depends on the order, and whose error is one of ranks.

use crate::drift::{DIGITS, middle};
use crate::numeric::SIDE_OF_95;

/// How many quantiles of some values are found.
pub(super) const QUANTILES: usize = 7;

/// The quantiles of a profile, of `n` values: 5 %, 25 %, the lower end of the median's interval, the median, the upper
/// end, 75 %, 95 %. The interval needs no distribution: the number of values below the median is binomial, here as its
/// normal limit, at 95 % (W. J. Conover, "Practical Nonparametric Statistics", 1999, section 3.2).
fn shown_quantiles(n: u64) -> [f64; QUANTILES] {
    // Of very few values, the quartiles.
    let side = (SIDE_OF_95 / (2.0 * (n as f64).sqrt())).min(0.25);
    [0.05, 0.25, 0.5 - side, 0.5, 0.5 + side, 0.75, 0.95]
}

/// Bits of a key that a bucket does not keep.
const DROPPED: u32 = 52 - DIGITS;
const SLOTS: usize = 1 << DIGITS;
/// The bit of a bucket that is the sign.
const SIGN: u32 = 1 << (11 + DIGITS);
/// Signs and exponents.
const OCTAVES: usize = 1 << 12;
/// The most slots before values of a segment are counted: all of its octaves have their starts within u32.
const MOST_COUNTS: usize = u32::MAX as usize - OCTAVES * SLOTS;
/// The largest relative error of an order statistic from buckets.
pub(super) const BUCKET_ERROR: f64 = 1.0 / SLOTS as f64;

/// What is known of the order of some values, by segment.
#[derive(Debug)]
pub(super) enum ValueOrder {
    /// The values themselves.
    Values(Vec<Vec<f64>>),
    /// Counts.
    Buckets(BucketCounts),
}

/// Counts of values by segment and bucket. Memory is taken for the octaves that occur in a segment, 4 KiB each.
#[derive(Debug)]
pub(super) struct BucketCounts {
    /// By segment and octave, which is the first 12 bits of a value: where its counts start; 0: it has none yet.
    starts: Vec<[u32; OCTAVES]>,
    /// The first [`SLOTS`] are nobody's.
    counts: Vec<u32>,
    /// With more slots, counts are moved to the lists: [`MOST_COUNTS`].
    most: usize,
    /// Values counted since the last spill; fewer than 2^32, so that no count overflows.
    counted: u64,
    spilled: Vec<Buckets>,
}

/// Buckets with their counts.
type Buckets = Vec<(u32, u64)>;

/// Of every segment, and last of all of them.
pub(super) struct OrderFound {
    /// None without values.
    pub(super) quantiles: Vec<Option<[f64; QUANTILES]>>,
    /// Sorted, with their counts.
    pub(super) buckets: Vec<Buckets>,
}

impl BucketCounts {
    fn new(segments: usize) -> Self {
        let spilled = vec![Vec::new(); segments];
        let (starts, counts) = (vec![[0; OCTAVES]; segments], vec![0; SLOTS]);
        BucketCounts { starts, counts, most: MOST_COUNTS, counted: 0, spilled }
    }

    /// Adds finite values of a segment, none of which is -0.
    fn push(&mut self, segment: usize, values: &[f64]) {
        self.expect(values.len() as u64);
        let BucketCounts { starts, counts, .. } = self;
        let starts = &mut starts[segment];
        for &value in values {
            let place = place_of(value, starts, counts);
            // Fewer than 2^32 values.
            counts[place] = counts[place].wrapping_add(1);
        }
    }

    /// Adds so many zeros of a segment, fewer than 2^32.
    fn push_zeros(&mut self, segment: usize, n: u64) {
        if n > 0 {
            self.expect(n);
            let place = place_of(0.0, &mut self.starts[segment], &mut self.counts);
            self.counts[place] += n as u32;
        }
    }

    /// Makes room for the counts of so many values of a segment.
    fn expect(&mut self, values: u64) {
        if self.counted + values > u64::from(u32::MAX) || self.counts.len() > self.most {
            self.spill();
        }
        self.counted += values;
    }

    /// Moves all counts to the lists.
    fn spill(&mut self) {
        for (spilled, starts) in self.spilled.iter_mut().zip(&self.starts) {
            for (octave, &start) in starts.iter().enumerate().filter(|(_, start)| **start > 0) {
                let counts = &self.counts[start as usize..][..SLOTS];
                // As keys are made: those of negative numbers count down.
                let bucket = |slot: usize| match (octave << DIGITS | slot) as u32 {
                    digits if digits & SIGN > 0 => !digits & (2 * SIGN - 1),
                    digits => digits | SIGN,
                };
                let some = counts.iter().enumerate().filter(|(_, n)| **n > 0);
                spilled.extend(some.map(|(slot, &n)| (bucket(slot), u64::from(n))));
            }
        }
        self.starts.fill([0; OCTAVES]);
        self.counts.truncate(SLOTS);
        self.counted = 0;
    }

    /// The buckets of every segment, then those of all.
    fn finish(mut self) -> Vec<Buckets> {
        self.spill();
        self.spilled.iter_mut().for_each(sum_up);
        let mut all = self.spilled.concat();
        sum_up(&mut all);
        self.spilled.push(all);
        self.spilled
    }
}

/// Where a value is counted, with the starts of its segment.
#[inline(always)]
fn place_of(value: f64, starts: &mut [u32; OCTAVES], counts: &mut Vec<u32>) -> usize {
    let bits = value.to_bits();
    let start = &mut starts[(bits >> 52) as usize];
    if *start == 0 {
        *start = counts.len() as u32;
        counts.resize(counts.len() + SLOTS, 0);
    }
    let slot = (bits >> DROPPED) as u32 & (SLOTS - 1) as u32;
    // Fewer than 2^32 slots: see MOST_COUNTS.
    start.wrapping_add(slot) as usize
}

impl ValueOrder {
    /// Of no values, in so many segments.
    pub(super) fn new(segments: usize, is_exact: bool) -> Self {
        match is_exact {
            true => ValueOrder::Values(vec![Vec::new(); segments]),
            false => ValueOrder::Buckets(BucketCounts::new(segments)),
        }
    }

    /// Adds finite values of a segment, none of which is -0.
    pub(super) fn push(&mut self, segment: usize, values: &[f64]) {
        match self {
            ValueOrder::Values(all) => all[segment].extend_from_slice(values),
            ValueOrder::Buckets(counts) => counts.push(segment, values),
        }
    }

    /// Adds so many zeros of a segment.
    pub(super) fn push_zeros(&mut self, segment: usize, n: u64) {
        match self {
            ValueOrder::Values(all) => all[segment].extend(std::iter::repeat_n(0.0, n as usize)),
            ValueOrder::Buckets(counts) => counts.push_zeros(segment, n),
        }
    }

    /// Adds the values of another of the same kind.
    pub(super) fn join(&mut self, other: Self) {
        match (self, other) {
            (ValueOrder::Values(mine), ValueOrder::Values(theirs)) => {
                mine.iter_mut().zip(theirs).for_each(|(mine, mut theirs)| mine.append(&mut theirs));
            }
            (ValueOrder::Buckets(mine), ValueOrder::Buckets(mut theirs)) => {
                theirs.spill();
                mine.spilled.iter_mut().zip(theirs.spilled).for_each(|(mine, mut theirs)| mine.append(&mut theirs));
            }
            // A pass makes only one kind.
            (ValueOrder::Values(_), ValueOrder::Buckets(_)) | (ValueOrder::Buckets(_), ValueOrder::Values(_)) => {}
        }
    }

    /// Quantiles and buckets. `is_whole`: every value is a whole number, and so is what stands for a bucket.
    pub(super) fn finish(self, is_whole: bool) -> OrderFound {
        match self {
            ValueOrder::Values(mut values) => {
                let mut counts = BucketCounts::new(values.len());
                values.iter().enumerate().for_each(|(segment, values)| counts.push(segment, values));
                let mut quantiles: Vec<_> = values.iter_mut().map(|values| of_values(values)).collect();
                quantiles.push(of_values(&mut values.concat()));
                OrderFound { quantiles, buckets: counts.finish() }
            }
            ValueOrder::Buckets(counts) => {
                let buckets = counts.finish();
                let quantiles = buckets.iter().map(|buckets| of_buckets(buckets, is_whole)).collect();
                OrderFound { quantiles, buckets }
            }
        }
    }
}

/// The two ranks, from 0, between which a quantile of `n` values is interpolated, and how far from the first.
fn ranks(n: u64, quantile: f64) -> (u64, u64, f64) {
    let at = (n - 1) as f64 * quantile;
    (at.floor() as u64, at.ceil() as u64, at - at.floor())
}

/// Interpolated as DuckDB's quantile_cont.
fn between(low: f64, high: f64, part: f64) -> f64 {
    if low == high { low } else { low + (high - low) * part }
}

/// The quantiles of `values`, which are reordered.
fn of_values(values: &mut [f64]) -> Option<[f64; QUANTILES]> {
    if values.is_empty() {
        return None;
    }
    let (n, mut start) = (values.len() as u64, 0);
    Some(shown_quantiles(n).map(|quantile| {
        let (low, high, part) = ranks(n, quantile);
        // All before `start` are at most the rest.
        let (_, &mut first, later) = values[start..].select_nth_unstable_by(low as usize - start, f64::total_cmp);
        let second = if high == low { first } else { later.iter().copied().fold(f64::INFINITY, f64::min) };
        start = low as usize;
        between(first, second, part)
    }))
}

/// Sorts buckets, and adds up those that occur several times.
fn sum_up(buckets: &mut Buckets) {
    // They come in sorted runs, which the stable sort merges.
    buckets.sort_by_key(|(bucket, _)| *bucket);
    buckets.dedup_by(|later, first| {
        let same = later.0 == first.0;
        if same {
            first.1 += later.1;
        }
        same
    });
}

/// The quantiles of sorted buckets.
fn of_buckets(buckets: &Buckets, is_whole: bool) -> Option<[f64; QUANTILES]> {
    let n = buckets.iter().map(|(_, n)| n).sum::<u64>();
    if n == 0 {
        return None;
    }
    let at = |rank: u64| {
        let mut below = 0;
        let found = buckets.iter().find(|(_, n)| {
            below += n;
            below > rank
        });
        found.map_or(f64::NAN, |(bucket, _)| middle(*bucket, DIGITS, is_whole))
    };
    Some(shown_quantiles(n).map(|quantile| {
        let (low, high, part) = ranks(n, quantile);
        between(at(low), at(high), part)
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::numeric::key_of_f64;

    /// By sorting.
    fn naive(values: &[f64]) -> Option<[f64; QUANTILES]> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        Some(shown_quantiles(values.len() as u64).map(|q| {
            let at = q * last as f64;
            let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
            low + (high - low) * (at - at.floor())
        }))
    }

    /// The larger magnitude of the two values between which each quantile lies.
    fn largest(values: &[f64]) -> [f64; QUANTILES] {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        shown_quantiles(values.len() as u64).map(|q| match sorted.len() {
            0 => 0.0,
            n => {
                let at = q * (n - 1) as f64;
                sorted[at.floor() as usize].abs().max(sorted[at.ceil() as usize].abs())
            }
        })
    }

    fn found(rows: &[(f64, u32)], is_exact: bool, cut: usize) -> Vec<Option<[f64; QUANTILES]>> {
        let mut order = ValueOrder::new(3, is_exact);
        let mut later = ValueOrder::new(3, is_exact);
        let push = |order: &mut ValueOrder, rows: &[(f64, u32)]| {
            rows.iter().for_each(|&(value, segment)| order.push(segment as usize, &[value]));
        };
        let (a, b) = rows.split_at(cut.min(rows.len()));
        push(&mut later, b);
        push(&mut order, a);
        order.join(later);
        order.finish(rows.iter().all(|(v, _)| v.fract() == 0.0)).quantiles
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_sorted_values(
            rows in prop::collection::vec((-1e4..1e6f64, 0u32..3), 1..300),
            whole in any::<bool>(),
            cut in 0usize..300,
        ) {
            // No -0.
            let shown = |v: f64| if whole { v.round() + 0.0 } else { v };
            let rows: Vec<(f64, u32)> = rows.into_iter().map(|(v, s)| (shown(v), s)).collect();
            let of_segment = |segment: Option<u32>| {
                let mine = rows.iter().filter(|(_, s)| segment.is_none_or(|segment| *s == segment));
                mine.map(|(v, _)| *v).collect::<Vec<_>>()
            };
            let of = |segment: Option<u32>| naive(&of_segment(segment));
            let expected = [of(Some(0)), of(Some(1)), of(Some(2)), of(None)];
            prop_assert_eq!(&found(&rows, true, cut)[..], &expected[..]);
            let close = found(&rows, false, cut);
            for (segment, (close, exact)) in [Some(0), Some(1), Some(2), None].into_iter().zip(close.iter().zip(&expected)) {
                let scales = largest(&of_segment(segment));
                prop_assert_eq!(close.is_some(), exact.is_some());
                // The error is one of the two values between which a quantile lies: these may differ in sign.
                for (i, (close, exact)) in close.iter().flatten().zip(exact.iter().flatten()).enumerate() {
                    let scale = scales[i];
                    prop_assert!((close - exact).abs() <= BUCKET_ERROR * scale.max(1e-300) * 1.001, "{close} {exact}");
                }
            }
        }
    }

    #[test]
    fn a_bucket_stands_for_its_values() {
        for value in [1.0, -1.0, 1023.0, -37.0, 0.0, 123_456_789.0, 1e300, -1e-300, 0.1] {
            let bucket = (key_of_f64(value) >> DROPPED) as u32;
            let error = |is_whole| (middle(bucket, DIGITS, is_whole) - value).abs() / value.abs().max(1e-310);
            assert!(error(false) <= BUCKET_ERROR, "{value}");
            if value.fract() == 0.0 && value.abs() < 2048.0 {
                assert_eq!(middle(bucket, DIGITS, true), value, "small whole numbers have a bucket each");
            }
        }
    }

    #[test]
    fn counts_that_would_overflow_are_moved() {
        let mut counts = BucketCounts::new(1);
        counts.push(0, &[2.0, 3.0]);
        counts.counted = u64::from(u32::MAX);
        counts.push(0, &[2.0]);
        assert_eq!(counts.spilled[0].len(), 2);
        let quantiles = ValueOrder::Buckets(counts).finish(true).quantiles;
        assert_eq!(quantiles[0].map(|q| q[3]), Some(2.0));
    }

    #[test]
    fn slots_that_would_overflow_are_moved() {
        let mut counts = BucketCounts::new(2);
        counts.most = 2 * SLOTS;
        counts.push(0, &[2.0, 4.0]);
        assert_eq!(counts.counts.len(), 3 * SLOTS);
        counts.push(1, &[8.0]);
        counts.push_zeros(1, 2);
        assert_eq!((counts.spilled[0].len(), counts.counts.len()), (2, 3 * SLOTS));
        let quantiles = ValueOrder::Buckets(counts).finish(true).quantiles;
        assert_eq!(quantiles.iter().map(|q| q.map(|q| q[3])).collect::<Vec<_>>(), [Some(3.0), Some(0.0), Some(2.0)]);
    }
}
