//! Later months of a bank: who has left and come, who has moved to which segment, and what has changed in the columns.
//!
//! A customer has a number: the row in the first month, or one of those that each month adds. Whatever happens to a
//! customer in a month is drawn from the number and the month, so that months can be made one by one and agree.

use std::ops::Range;

use rayon::prelude::*;

use super::random::Stream;
use super::segments::FACTORS;
use super::spec::SynthSpec;

/// Share of the customers who leave in a month.
const LEAVE: f64 = 0.02;
/// Share of the customers who move to another segment in a month.
const MOVE: f64 = 0.04;
/// Share of the customers of a segment that splits who are in the new one.
const SPLIT: f64 = 0.5;
/// Standard deviation of what changes in a value from the first month, in doublings.
const VARY: f64 = 0.1;
/// What the drifting column rises by in a month, in doublings.
const DRIFT: f64 = 0.5;
/// The column that drifts, if there are as many.
const DRIFTING: usize = 5;
/// The fewest segments with which there are a split and a merge.
const ENOUGH: usize = 4;
/// The segment that splits.
const PARENT: u16 = 1;
/// The factor by which it splits: use of digital channels.
const DIGITAL: usize = 3;
/// How far each half moves along that factor.
const APART: f64 = 1.5;
/// How far each of two segments that merge moves towards the other, as a share of the distance between them. Less than
/// half: each stays on its side, so that an old model still tells them apart, and a new one does not.
const TOGETHER: f64 = 0.45;

/// Customers that are counted together.
const BLOCK: u64 = 1 << 16;

/// A month after the first.
#[derive(Debug)]
pub(super) struct LaterMonth {
    seed: u64,
    /// Months since the first.
    months: u64,
    /// Customers of the first month, and those who come in each later one.
    first: u64,
    comers: u64,
    /// Planted segments of the first month.
    segments: u16,
    splits: Stream,
    /// By month from the second: who leaves and who moves.
    draws: Vec<(Stream, Stream)>,
    /// Customers present before each block of numbers, and in the end all of them.
    before: Vec<u64>,
}

impl LaterMonth {
    pub(super) fn new(spec: &SynthSpec) -> Self {
        let draw = |month: usize| {
            (Stream::new(spec.seed, b"left", month as u64), Stream::new(spec.seed, b"move", month as u64))
        };
        let mut month = LaterMonth {
            seed: spec.seed,
            months: spec.month as u64 - 1,
            first: spec.rows,
            comers: spec.comers(),
            segments: spec.segments as u16,
            splits: Stream::new(spec.seed, b"half", 0),
            draws: (2..=spec.month).map(draw).collect(),
            before: Vec::new(),
        };
        let numbers = spec.numbers();
        let count = |block: u64| {
            let numbers = block * BLOCK..numbers.min((block + 1) * BLOCK);
            numbers.filter(|&number| month.is_present(number)).count() as u64
        };
        let counts: Vec<u64> = (0..numbers.div_ceil(BLOCK)).into_par_iter().map(count).collect();
        let mut present = 0;
        let before = counts.into_iter().map(|count| {
            present += count;
            present - count
        });
        month.before = before.collect();
        month.before.push(present);
        month
    }

    /// Customers present.
    pub(super) fn rows(&self) -> u64 {
        self.before.last().copied().unwrap_or_default()
    }

    /// Numbers of the planted segments that there are or were.
    pub(super) fn segments(&self) -> usize {
        usize::from(self.segments) + usize::from(self.redefines())
    }

    /// The numbers of the customers in these rows.
    pub(super) fn numbers(&self, rows: Range<u64>) -> Vec<u64> {
        let block = self.before.partition_point(|&before| before <= rows.start) - 1;
        let skip = (rows.start - self.before[block]) as usize;
        let present = (block as u64 * BLOCK..).filter(|&number| self.is_present(number));
        present.skip(skip).take((rows.end - rows.start) as usize).collect()
    }

    /// Where a customer lies who was in the segment `first`: in one of the segments of the first month, or in the one
    /// that split off.
    pub(super) fn place(&self, number: u64, first: u16) -> u16 {
        let mut place = first;
        for (_, moves) in &self.draws[self.months_before(number)..] {
            if happens(*moves, number, MOVE) {
                place = self.next(place);
            }
        }
        if self.redefines() && place == PARENT && happens(self.splits, number, SPLIT) { self.segments } else { place }
    }

    /// The planted segment of a place: the last two of the first month are one.
    pub(super) fn segment(&self, place: u16) -> u16 {
        if self.redefines() && place == self.segments - 1 { place - 1 } else { place }
    }

    /// Changes the levels of a column by place: a split and a merge.
    pub(super) fn redefine(&self, levels: &mut Vec<f64>, loads: &[f64; FACTORS]) {
        if !self.redefines() {
            return;
        }
        let (parent, last) = (usize::from(PARENT), levels.len() - 1);
        let digital = APART * loads[DIGITAL];
        let towards = TOGETHER * (levels[last] - levels[last - 1]);
        levels[last - 1] += towards;
        levels[last] -= towards;
        levels.push(levels[parent] + digital);
        levels[parent] -= digital;
    }

    /// What changed in a feature since the first month, apart from segments.
    pub(super) fn change(&self, feature: usize, features: usize) -> MonthlyChange {
        let drifts = feature == DRIFTING.min(features - 1);
        MonthlyChange {
            vary: Stream::new(self.seed, b"vary", (self.months << 32) | feature as u64),
            drift: if drifts { DRIFT * self.months as f64 } else { 0.0 },
        }
    }

    fn redefines(&self) -> bool {
        usize::from(self.segments) >= ENOUGH
    }

    /// Whether a customer is there: has come and not left.
    fn is_present(&self, number: u64) -> bool {
        !self.draws[self.months_before(number)..].iter().any(|(leaves, _)| happens(*leaves, number, LEAVE))
    }

    /// Months after the first in which a customer could neither leave nor move, since the customer came later.
    pub(super) fn months_before(&self, number: u64) -> usize {
        match number.checked_sub(self.first) {
            None => 0,
            Some(later) => 1 + (later / self.comers) as usize,
        }
    }

    /// The segment to which a customer moves.
    fn next(&self, place: u16) -> u16 {
        // Those that merge count as one.
        let segments = if self.redefines() { self.segments - 1 } else { self.segments };
        if place + 1 < segments { place + 1 } else { 0 }
    }
}

/// What changed in a feature.
pub(super) struct MonthlyChange {
    vary: Stream,
    drift: f64,
}

impl MonthlyChange {
    /// By customer, in doublings.
    pub(super) fn of(&self, number: u64) -> f64 {
        self.drift + VARY * self.vary.normal(number)
    }
}

/// Whether something that happens to a share of the customers happens to this one.
fn happens(draw: Stream, number: u64, share: f64) -> bool {
    draw.bits(number) >> 32 < (share * (1u64 << 32) as f64) as u64
}
