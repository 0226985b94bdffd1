//! The best cut of some rows: the one that purifies most, or that the fewest rows are on the wrong side of.

use std::cmp::Reverse;

use rayon::prelude::*;

use super::rows::{CutAxis, SampledRows};

/// A cut between two ranks of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RankCut {
    pub(super) axis: usize,
    /// The largest rank that is not above. With 0, all that is known is above.
    pub(super) rank: u32,
    pub(super) missing_above: bool,
}

impl RankCut {
    /// Whether a row is above.
    pub(super) fn is_above(self, sample: &SampledRows, row: u32) -> bool {
        match sample.rank(sample.axes[self.axis], row) {
            0 => self.missing_above,
            rank => rank > self.rank,
        }
    }
}

/// Some rows, whose segments are numbered among themselves.
struct LocalRows<'a> {
    sample: &'a SampledRows,
    rows: &'a [u32],
    /// The segments that occur, in order, and what a row of each weighs.
    segments: Vec<u32>,
    weights: Vec<u64>,
}

impl<'a> LocalRows<'a> {
    fn new(sample: &'a SampledRows, rows: &'a [u32], more: &[u32]) -> Self {
        let mut segments: Vec<u32> = rows.iter().map(|&row| sample.segments[row as usize]).collect();
        segments.extend_from_slice(more);
        segments.sort_unstable();
        segments.dedup();
        let weights = segments.iter().map(|&segment| sample.weights[segment as usize]).collect();
        LocalRows { sample, rows, segments, weights }
    }

    fn number(&self, segment: u32) -> usize {
        self.segments.partition_point(|other| *other < segment)
    }

    /// Ranks of the rows in order, with the numbers of their segments.
    fn by_rank(&self, axis: CutAxis) -> Vec<(u32, u32)> {
        let of = |&row: &u32| {
            let segment = self.sample.segments[row as usize];
            (self.sample.rank(axis, row), self.number(segment) as u32)
        };
        let mut found: Vec<(u32, u32)> = self.rows.iter().map(of).collect();
        found.sort_unstable();
        found
    }

    fn purest_on(&self, axis: usize) -> Option<(f64, RankCut)> {
        let ordered = self.by_rank(self.sample.axes[axis]);
        let missing = ordered.partition_point(|(rank, _)| *rank == 0);
        let mut total = Side::new(self.weights.len());
        ordered.iter().for_each(|(_, segment)| total.add(*segment, self.weights[*segment as usize]));
        let before = total.purity();
        let mut best: Option<(f64, RankCut)> = None;
        // Missing values below; then above, if there are any.
        for (start, missing_above) in [(0, false), (missing, true)].into_iter().take(1 + usize::from(missing > 0)) {
            let (mut below, mut above) = (Side::new(self.weights.len()), total.clone());
            for (i, &(rank, segment)) in ordered.iter().enumerate().skip(start) {
                let weight = self.weights[segment as usize];
                below.add(segment, weight);
                above.take(segment, weight);
                if ordered.get(i + 1).is_some_and(|(next, _)| *next != rank) {
                    let gain = below.purity() + above.purity() - before;
                    let is_better = gain > best.map_or(before * LEAST_GAIN, |(best, _)| best);
                    best = if is_better { Some((gain, RankCut { axis, rank, missing_above })) } else { best };
                }
            }
        }
        best
    }

    /// `segments` and their `centers`, by segment of the whole.
    fn mistakes_on(&self, axis: usize, segments: &[u32], centers: &[u32]) -> Option<(u64, RankCut)> {
        let end = |&segment: &u32| (centers[segment as usize], self.number(segment) as u32);
        let mut ends: Vec<(u32, u32)> = segments.iter().map(end).collect();
        ends.sort_unstable();
        let (first, last) = (ends.first()?.0, ends.last()?.0);
        if first == last {
            return None;
        }
        let ordered = self.by_rank(self.sample.axes[axis]);
        let mut totals = vec![0; self.weights.len()];
        ordered.iter().for_each(|(_, segment)| totals[*segment as usize] += self.weights[*segment as usize]);
        let mut ranks: Vec<u32> = ordered.iter().chain(&ends).map(|(rank, _)| *rank).collect();
        ranks.sort_unstable();
        ranks.dedup();
        let (mut below, mut is_below) = (vec![0; totals.len()], vec![false; totals.len()]);
        let (mut rows, mut ends) = (ordered.into_iter().peekable(), ends.into_iter().peekable());
        let (mut mistakes, mut best) = (0u64, None);
        for rank in ranks.into_iter().take_while(|rank| *rank < last) {
            while let Some((_, segment)) = rows.next_if(|(at, _)| *at <= rank) {
                let (segment, weight) = (segment as usize, self.weights[segment as usize]);
                below[segment] += weight;
                mistakes = if is_below[segment] { mistakes - weight } else { mistakes + weight };
            }
            while let Some((_, segment)) = ends.next_if(|(at, _)| *at <= rank) {
                let segment = segment as usize;
                is_below[segment] = true;
                mistakes = mistakes + totals[segment] - 2 * below[segment];
            }
            if rank >= first && best.is_none_or(|(fewest, _)| mistakes < fewest) {
                best = Some((mistakes, RankCut { axis, rank, missing_above: false }));
            }
        }
        best
    }
}

/// The least gain of a cut, as a share of the purity before.
const LEAST_GAIN: f64 = 1e-9;

/// The cut with the largest decrease of the Gini impurity, weighted by rows (Breiman et al., *Classification and
/// Regression Trees*, 1984), and that decrease; None where none decreases it. Of equal ones, the first.
pub(super) fn purest(sample: &SampledRows, rows: &[u32]) -> Option<(f64, RankCut)> {
    let local = LocalRows::new(sample, rows, &[]);
    if local.segments.len() < 2 {
        return None;
    }
    let found = (0..sample.axes.len()).into_par_iter().filter_map(|axis| local.purest_on(axis));
    // Gains are above 0, where bits are in the order of numbers.
    found.max_by_key(|(gain, cut)| (gain.to_bits(), Reverse(cut.axis)))
}

/// The cut between the `centers` (ranks, by axis and segment) of some segments that leaves the fewest rows on another
/// side than the center of their segment. Missing values are below. `rows` are of these segments. None where no cut
/// separates the centers.
pub(super) fn fewest_mistakes(
    sample: &SampledRows,
    rows: &[u32],
    segments: &[u32],
    centers: &[Vec<u32>],
) -> Option<RankCut> {
    let local = LocalRows::new(sample, rows, segments);
    let on = |axis: usize| local.mistakes_on(axis, segments, &centers[axis]);
    let found = (0..sample.axes.len()).into_par_iter().filter_map(on);
    found.min_by_key(|(mistakes, cut)| (*mistakes, cut.axis)).map(|(_, cut)| cut)
}

/// Rows on one side of a cut: what those of each segment weigh.
#[derive(Debug, Clone)]
struct Side {
    weights: Vec<u64>,
    total: u64,
    /// The sum of the squared weights. A sum of weights is below 2^56.
    squares: u128,
}

impl Side {
    fn new(segments: usize) -> Self {
        Side { weights: vec![0; segments], total: 0, squares: 0 }
    }

    fn add(&mut self, segment: u32, weight: u64) {
        let own = &mut self.weights[segment as usize];
        self.squares += u128::from(weight) * u128::from(2 * *own + weight);
        *own += weight;
        self.total += weight;
    }

    fn take(&mut self, segment: u32, weight: u64) {
        let own = &mut self.weights[segment as usize];
        self.squares -= u128::from(weight) * u128::from(2 * *own - weight);
        *own -= weight;
        self.total -= weight;
    }

    /// What the rows weigh that are of the same segment as another row, drawn from the same side.
    fn purity(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.squares as f64 / self.total as f64 }
    }
}
