//! The clusters that are still to be merged, and the search for the one whose merge costs least.

use std::ops::Range;

use fearless_simd::Simd;
use rayon::prelude::*;

use crate::simd::{Dispatch, Work};

/// Clusters of a block, whose values of a feature lie side by side.
const LANES: usize = 32;
/// Values below which one thread searches alone, since waking others takes longer.
const ALONE: usize = 1 << 17;

/// Masses, sums and means of clusters. A cluster keeps its slot until it is merged into one with a lower slot.
pub(super) struct Points {
    dim: usize,
    /// Block by block, then feature by feature. A free slot has infinite means, so that nothing is near it.
    means: Vec<f64>,
    mass: Vec<f64>,
    /// Slot by slot: mass times mean. Sums of grid integers are exact up to 2^53.
    sums: Vec<f64>,
    live: usize,
    simd: Dispatch,
    /// Values that one thread searches alone.
    alone: usize,
}

/// The nearest cluster of another, by the cost of a merge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Nearest {
    pub(super) cost: f64,
    pub(super) slot: usize,
}

impl Points {
    /// Clusters with these masses, all above 0, and `sums`, row-major.
    pub(super) fn new(dim: usize, mass: &[f64], sums: &[f64]) -> Self {
        let mut points = Points {
            dim,
            means: Vec::new(),
            mass: mass.to_vec(),
            sums: sums.to_vec(),
            live: mass.len(),
            simd: Dispatch::default(),
            alone: ALONE,
        };
        points.lay_out();
        points
    }

    /// The same at a SIMD level, searched by all threads however few there are.
    #[cfg(test)]
    pub(super) fn by_all(self, simd: Dispatch) -> Self {
        Points { simd, alone: 0, ..self }
    }

    /// Clusters left.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    pub(super) fn slots(&self) -> usize {
        self.mass.len()
    }

    pub(super) fn is_live(&self, slot: usize) -> bool {
        self.mass[slot] > 0.0
    }

    /// Puts the means where searches find them.
    fn lay_out(&mut self) {
        let blocks = self.slots().div_ceil(LANES);
        self.means = vec![f64::INFINITY; blocks * self.dim * LANES];
        (0..self.slots()).for_each(|slot| self.lay_out_slot(slot));
    }

    fn lay_out_slot(&mut self, slot: usize) {
        let first = slot / LANES * self.dim * LANES + slot % LANES;
        let (mass, sums) = (self.mass[slot], &self.sums[slot * self.dim..][..self.dim]);
        for (mean, sum) in self.means[first..].iter_mut().step_by(LANES).zip(sums) {
            *mean = if mass > 0.0 { sum / mass } else { f64::INFINITY };
        }
    }

    /// The mean of a cluster.
    fn mean(&self, slot: usize) -> Vec<f64> {
        let first = slot / LANES * self.dim * LANES + slot % LANES;
        self.means[first..].iter().step_by(LANES).take(self.dim).copied().collect()
    }

    /// What a merge of two clusters adds to the sum of squared distances. The same bits in either order, and as
    /// [`nearest`](Points::nearest) has them.
    pub(super) fn cost(&self, a: usize, b: usize) -> f64 {
        let squared = self.mean(a).into_iter().zip(self.mean(b)).fold(0.0, |sum, (a, b)| sum + (a - b) * (a - b));
        squared * weight(self.mass[a], self.mass[b])
    }

    /// The cluster whose merge with that in `slot` costs least; ties go to the lowest slot. There are at least two.
    pub(super) fn nearest(&self, slot: usize) -> Nearest {
        let mean = self.mean(slot);
        let of = |blocks: Range<usize>| self.simd.run(BlockSearch { points: self, mean: &mean, slot, blocks });
        let blocks = self.slots().div_ceil(LANES);
        let threads = rayon::current_num_threads();
        if self.slots() * self.dim < self.alone || threads == 1 {
            return of(0..blocks);
        }
        let each = blocks.div_ceil(threads);
        let pieces = (0..blocks.div_ceil(each)).into_par_iter().with_max_len(1);
        let found = pieces.map(|piece| of(piece * each..blocks.min((piece + 1) * each)));
        // Whatever is merged first, the lowest slot of the least cost wins.
        let none = || Nearest { cost: f64::INFINITY, slot: usize::MAX };
        found.reduce(none, |a, b| if (b.cost, b.slot) < (a.cost, a.slot) { b } else { a })
    }

    /// Merges two clusters into the lower slot, which is returned.
    pub(super) fn merge(&mut self, a: usize, b: usize) -> usize {
        let (low, high) = (a.min(b), a.max(b));
        self.mass[low] += self.mass[high];
        self.mass[high] = 0.0;
        let (before, after) = self.sums.split_at_mut(high * self.dim);
        let into = &mut before[low * self.dim..][..self.dim];
        into.iter_mut().zip(&after[..self.dim]).for_each(|(sum, more)| *sum += more);
        self.lay_out_slot(low);
        self.lay_out_slot(high);
        self.live -= 1;
        low
    }

    /// Closes the gaps if an eighth of the slots is free. Returns the slots that are kept, in order.
    pub(super) fn compact(&mut self) -> Option<Vec<usize>> {
        if self.live + self.live / 8 >= self.slots() || self.slots() <= LANES {
            return None;
        }
        let kept: Vec<usize> = (0..self.slots()).filter(|&slot| self.is_live(slot)).collect();
        self.sums = kept.iter().flat_map(|&slot| &self.sums[slot * self.dim..][..self.dim]).copied().collect();
        self.mass = kept.iter().map(|&slot| self.mass[slot]).collect();
        self.lay_out();
        Some(kept)
    }
}

/// What masses contribute to the cost of a merge.
#[inline(always)]
fn weight(a: f64, b: f64) -> f64 {
    a * b / (a + b)
}

/// Searches some blocks. Nothing is fused, and features are added in order, so every level gives the same bits.
struct BlockSearch<'a> {
    points: &'a Points,
    mean: &'a [f64],
    /// The cluster whose neighbour is searched, which is not its own.
    slot: usize,
    blocks: Range<usize>,
}

impl Work for BlockSearch<'_> {
    type Output = Nearest;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> Nearest {
        let BlockSearch { points, mean, slot, blocks } = self;
        let mut best = Nearest { cost: f64::INFINITY, slot: usize::MAX };
        let own = points.mass[slot];
        for block in blocks {
            let values = &points.means[block * points.dim * LANES..][..points.dim * LANES];
            let mut costs = [0f64; LANES];
            for (lane, &mean) in values.chunks_exact(LANES).zip(mean) {
                for (cost, &value) in costs.iter_mut().zip(lane) {
                    *cost += (value - mean) * (value - mean);
                }
            }
            let first = block * LANES;
            let masses = &points.mass[first..points.mass.len().min(first + LANES)];
            for (cost, &mass) in costs.iter_mut().zip(masses) {
                // Beside a free slot, the mass does not matter.
                *cost *= weight(own, if mass > 0.0 { mass } else { 1.0 });
            }
            if let Some(cost) = slot.checked_sub(first).and_then(|lane| costs.get_mut(lane)) {
                *cost = f64::INFINITY;
            }
            let least = costs.iter().fold(f64::INFINITY, |least, &cost| if cost < least { cost } else { least });
            if least < best.cost {
                let lane = costs.iter().position(|&cost| cost == least).unwrap_or(0);
                best = Nearest { cost: least, slot: first + lane };
            }
        }
        best
    }
}
