//! What is known of the numbers of one column, by segment.

use std::collections::BTreeMap;

use fearless_simd::Simd;

use super::correlation::DrawnRows;
use super::effects::BASE;
use super::order::{OrderFound, QUANTILES, ValueOrder};
use super::report::NumberFigures;
use super::sorted::SortedPiece;
use crate::drift::{CountedNumbers, DIGITS, KeyedCounts, NumberRange, ReferenceNumbers, key_of};
use crate::numeric::{Moments, PowerSums};
use crate::simd::{Dispatch, Work};

/// Numbers of some rows, by segment.
#[derive(Debug)]
pub(super) struct NumbersSeen {
    simd: Dispatch,
    /// Rows that are drawn for correlations.
    rows: DrawnRows,
    segments: Vec<SegmentSums>,
    order: ValueOrder,
    /// Whether every value is a whole number.
    is_whole: bool,
    /// By number of the row group: what has an order.
    pieces: BTreeMap<usize, OrderedPiece>,
}

#[derive(Debug, Clone, Default)]
struct SegmentSums {
    sums: PowerSums,
    known: u64,
    zeros: u64,
    missing: u64,
}

/// What the rows of a row group contribute in file order.
#[derive(Debug, Clone)]
struct OrderedPiece {
    moments: Moments,
    drawn: Vec<f64>,
}

/// What holds for the values of a piece.
#[derive(Debug, Clone, Copy)]
struct PieceFacts {
    /// Whether no value is NaN.
    is_known: bool,
    /// Whether any value is infinite.
    is_infinite: bool,
    is_whole: bool,
    has_zeros: bool,
}

/// The figures of a column.
pub(super) struct NumbersFound {
    /// By segment, then of all.
    pub(super) figures: Vec<NumberFigures>,
    /// Standard deviation of all values.
    pub(super) deviation: f64,
    /// Whether all values are 0 or 1.
    pub(super) is_binary: bool,
    /// The values of the rows drawn for correlations.
    pub(super) drawn: Vec<f64>,
    /// Counts of the values.
    pub(super) counted: CountedNumbers,
}

impl NumbersSeen {
    /// Of no rows, with so many segments.
    pub(super) fn new(segments: usize, is_exact: bool, rows: DrawnRows, simd: Dispatch) -> Self {
        NumbersSeen {
            simd,
            rows,
            segments: vec![SegmentSums::default(); segments],
            order: ValueOrder::new(segments, is_exact),
            is_whole: true,
            pieces: BTreeMap::new(),
        }
    }

    /// Adds the values of a piece, which follows the earlier ones of the row group with this number. What is not finite
    /// is missing, and becomes NaN. `scratch` is overwritten.
    pub(super) fn push(&mut self, group: usize, piece: &SortedPiece, values: &mut [f64], scratch: &mut [Vec<f64>; 2]) {
        let [run, scratch] = scratch;
        let mut facts = self.simd.run(Looked(values));
        if facts.is_infinite {
            values.iter_mut().filter(|v| v.is_infinite()).for_each(|v| *v = f64::NAN);
            facts = self.simd.run(Looked(values));
        }
        let values = &*values;
        self.is_whole = self.is_whole && facts.is_whole;
        for (segment, rows) in piece.runs() {
            let sums = &mut self.segments[segment];
            if facts.is_known && !facts.has_zeros {
                run.clear();
                run.extend(rows.iter().map(|&row| values[usize::from(row)]));
            } else {
                // Zeros add nothing to sums.
                let mut zeros = 0;
                let sizable = |value: f64| {
                    zeros += u64::from(value == 0.0);
                    value.abs() > 0.0
                };
                keep(run, rows.iter().map(|&row| values[usize::from(row)]), sizable);
                sums.missing += rows.len() as u64 - run.len() as u64 - zeros;
                sums.known += zeros;
                sums.zeros += zeros;
                self.order.push_zeros(segment, zeros);
            }
            sums.known += run.len() as u64;
            sums.sums.add_all(run, scratch, self.simd);
            self.order.push(segment, run);
        }
        let ordered = self.pieces.entry(group);
        let ordered = ordered.or_insert(OrderedPiece { moments: Moments::EMPTY, drawn: Vec::new() });
        let known = if facts.is_known {
            values
        } else {
            keep(run, values.iter().copied(), |value| !value.is_nan());
            run
        };
        ordered.moments = ordered.moments.merge(Moments::of(known, self.simd));
        self.rows.draw(piece.first_row, values, &mut ordered.drawn);
    }

    /// Adds the rows of other row groups.
    pub(super) fn join(&mut self, other: Self) {
        for (mine, theirs) in self.segments.iter_mut().zip(&other.segments) {
            mine.join(theirs);
        }
        self.order.join(other.order);
        self.is_whole &= other.is_whole;
        self.pieces.extend(other.pieces);
    }

    /// The figures of every segment and of all.
    pub(super) fn finish(self) -> NumbersFound {
        let mut all = SegmentSums::default();
        self.segments.iter().for_each(|sums| all.join(sums));
        let OrderFound { quantiles, buckets } = self.order.finish(self.is_whole);
        let sums = || self.segments.iter().chain([&all]);
        let figures = sums().zip(quantiles).map(|(sums, q)| sums.figures(q)).collect();
        let counts = sums().zip(buckets).map(|(sums, buckets)| sums.counts(buckets)).collect();
        let moments = self.pieces.values().fold(Moments::EMPTY, |sum, piece| sum.merge(piece.moments));
        let drawn = self.pieces.into_values().flat_map(|piece| piece.drawn);
        let is_binary = self.is_whole && moments.n > 0 && moments.min >= 0.0 && moments.max <= 1.0;
        let deviation = moments.deviation();
        let (min, max, whole) = (moments.min, moments.max, self.is_whole);
        let range = (moments.n > 0 && deviation.is_finite()).then_some(NumberRange { min, max, deviation, whole });
        let counted = CountedNumbers::new(range, counts);
        NumbersFound { figures, deviation, is_binary, drawn: drawn.collect(), counted }
    }
}

/// Makes `run` of the values that `is_kept`.
fn keep(run: &mut Vec<f64>, values: impl ExactSizeIterator<Item = f64>, mut is_kept: impl FnMut(f64) -> bool) {
    run.resize(values.len(), 0.0);
    let (mut end, kept) = (0, run.as_mut_slice());
    for value in values {
        // Branchless: the next value overwrites one that is left out.
        kept[end] = value;
        end += usize::from(is_kept(value));
    }
    run.truncate(end);
}

/// Values of a piece, looked at in one go.
struct Looked<'a>(&'a [f64]);

impl Work for Looked<'_> {
    type Output = PieceFacts;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> PieceFacts {
        /// From here on, every number is whole.
        const WHOLE: f64 = (1_u64 << 52) as f64;
        let mut facts = PieceFacts { is_known: true, is_infinite: false, is_whole: true, has_zeros: false };
        for &value in self.0 {
            let size = value.abs();
            facts.is_known &= !value.is_nan();
            facts.is_infinite |= size == f64::INFINITY;
            // NaN is missing, and tells nothing about the others.
            facts.is_whole &= !(size < WHOLE) | ((size + WHOLE) - WHOLE == size);
            facts.has_zeros |= value == 0.0;
        }
        facts
    }
}

impl SegmentSums {
    fn join(&mut self, other: &Self) {
        self.sums.join(&other.sums);
        self.known += other.known;
        self.zeros += other.zeros;
        self.missing += other.missing;
    }

    /// Its counts, zeros apart from the buckets.
    fn counts(&self, mut buckets: Vec<(u32, u64)>) -> ReferenceNumbers {
        let zero = key_of(0.0, DIGITS);
        buckets.iter_mut().filter(|(key, _)| *key == zero).for_each(|(_, n)| *n -= self.zeros);
        ReferenceNumbers { missing: self.missing, zeros: self.zeros, values: KeyedCounts::new(DIGITS, buckets) }
    }

    fn figures(&self, quantiles: Option<[f64; QUANTILES]>) -> NumberFigures {
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let mean = (self.known > 0).then(|| self.sums.sum() / self.known as f64);
        let quantile = |i: usize| quantiles.map(|q| q[i]).filter(|v| v.is_finite());
        NumberFigures {
            known: self.known,
            missing_share: share(self.missing, self.known + self.missing),
            mean: mean.filter(|v| v.is_finite()),
            deviation: self.sums.deviation(self.known),
            p5: quantile(0),
            p25: quantile(1),
            median: quantile(3),
            p75: quantile(5),
            p95: quantile(6),
            median_interval: quantile(2).zip(quantile(4)).map(|(low, high)| [low, high]).filter(|_| self.known >= BASE),
            compared: None,
            non_zero_share: share(self.known - self.zeros, self.known),
        }
    }
}
