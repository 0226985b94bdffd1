//! What is known of the numbers of one column, by segment.

use std::collections::BTreeMap;

use super::correlation::DrawnRows;
use super::order::ValueOrder;
use super::report::NumberFigures;
use crate::numeric::{Moments, WideSum};
use crate::simd::Dispatch;

/// Numbers of some rows, by segment.
#[derive(Debug)]
pub(super) struct NumbersSeen {
    segments: Vec<SegmentSums>,
    order: ValueOrder,
    /// Whether every value is a whole number.
    is_whole: bool,
    /// By number of the row group: what has an order.
    pieces: BTreeMap<usize, OrderedPiece>,
}

#[derive(Debug, Clone, Default)]
struct SegmentSums {
    sum: WideSum,
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

/// Consecutive rows of one column.
pub(super) struct NumberBatch<'a> {
    /// The number of their row group.
    pub(super) group: usize,
    pub(super) first_row: u64,
    /// NaN is missing.
    pub(super) values: &'a [f64],
    /// The place of each in the sums.
    pub(super) segments: &'a [u32],
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
}

impl NumbersSeen {
    pub(super) fn new(segments: usize, is_exact: bool) -> Self {
        NumbersSeen {
            segments: vec![SegmentSums::default(); segments],
            order: ValueOrder::new(segments, is_exact),
            is_whole: true,
            pieces: BTreeMap::new(),
        }
    }

    /// Adds rows, which follow the earlier ones of their row group.
    pub(super) fn push(&mut self, batch: &NumberBatch<'_>, rows: DrawnRows, simd: Dispatch) {
        let (mut values, mut segments) = (Vec::with_capacity(batch.values.len()), Vec::new());
        segments.reserve(batch.values.len());
        for (&value, &segment) in batch.values.iter().zip(batch.segments) {
            let sums = &mut self.segments[segment as usize];
            if !value.is_finite() {
                sums.missing += 1;
                continue;
            }
            sums.sum.add(value);
            sums.known += 1;
            sums.zeros += u64::from(value == 0.0);
            values.push(value);
            segments.push(segment);
        }
        self.is_whole = self.is_whole && values.iter().all(|&v| is_whole(v));
        self.order.push(&values, &segments);
        let piece = self.pieces.entry(batch.group);
        let piece = piece.or_insert(OrderedPiece { moments: Moments::EMPTY, drawn: Vec::new() });
        piece.moments = piece.moments.merge(Moments::of(&values, simd));
        rows.draw(batch.first_row, batch.values, &mut piece.drawn);
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
        let quantiles = self.order.quantiles(self.is_whole);
        let figures = self.segments.iter().chain([&all]).zip(quantiles).map(|(sums, q)| sums.figures(q)).collect();
        let moments = self.pieces.values().fold(Moments::EMPTY, |sum, piece| sum.merge(piece.moments));
        let drawn = self.pieces.into_values().flat_map(|piece| piece.drawn);
        let is_binary = self.is_whole && moments.n > 0 && moments.min >= 0.0 && moments.max <= 1.0;
        NumbersFound { figures, deviation: moments.deviation(), is_binary, drawn: drawn.collect() }
    }
}

/// Without `trunc`, which is a call on processors without SSE 4.1. From 2^52 on, every number is whole.
fn is_whole(value: f64) -> bool {
    value.abs() >= 4_503_599_627_370_496.0 || value as i64 as f64 == value
}

impl SegmentSums {
    fn join(&mut self, other: &Self) {
        self.sum.join(&other.sum);
        self.known += other.known;
        self.zeros += other.zeros;
        self.missing += other.missing;
    }

    fn figures(&self, quantiles: Option<[f64; 5]>) -> NumberFigures {
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let mean = (self.known > 0).then(|| self.sum.value() / self.known as f64);
        let quantile = |i: usize| quantiles.map(|q| q[i]).filter(|v| v.is_finite());
        NumberFigures {
            known: self.known,
            missing_share: share(self.missing, self.known + self.missing),
            mean: mean.filter(|v| v.is_finite()),
            p5: quantile(0),
            p25: quantile(1),
            median: quantile(2),
            p75: quantile(3),
            p95: quantile(4),
            non_zero_share: share(self.known - self.zeros, self.known),
        }
    }
}
