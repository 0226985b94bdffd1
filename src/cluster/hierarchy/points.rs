//! The clusters that are still to be merged, and the search for the one whose merge costs least.

use std::ops::Range;

use fearless_simd::Simd;
use rayon::prelude::*;

use crate::simd::{Dispatch, Work};

/// Clusters of a block, whose values of a feature lie side by side.
const LANES: usize = 32;
/// Clusters whose distances are in registers at the same time.
const GROUP: usize = 8;
/// Values below which one thread searches alone, since waking others takes longer.
const ALONE: usize = 1 << 17;

/// Masses, sums and means of clusters. A cluster keeps its slot until it is merged into one with a lower slot.
pub(super) struct Points {
    dim: usize,
    /// Block by block, then feature by feature. A free slot has infinite means, so that nothing is near it.
    means: Vec<f64>,
    mass: Vec<f64>,
    /// By block: no cluster in it has a smaller mass.
    lightest: Vec<f64>,
    /// Slot by slot: mass times mean. Sums of grid integers are exact up to 2^53.
    sums: Vec<f64>,
    live: usize,
    simd: Dispatch,
    /// Values that one thread searches alone.
    alone: usize,
}

/// The nearest cluster of another, by the cost of a merge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct NearestCluster {
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
            lightest: Vec::new(),
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
        // Masses only grow.
        self.lightest =
            self.mass.chunks(LANES).map(|masses| masses.iter().copied().fold(f64::INFINITY, f64::min)).collect();
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
    pub(super) fn nearest(&self, slot: usize) -> NearestCluster {
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
        let none = || NearestCluster { cost: f64::INFINITY, slot: usize::MAX };
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
    type Output = NearestCluster;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> NearestCluster {
        let BlockSearch { points, mean, slot, blocks } = self;
        let mut best = NearestCluster { cost: f64::INFINITY, slot: usize::MAX };
        let own = points.mass[slot];
        for block in blocks {
            let values = &points.means[block * points.dim * LANES..][..points.dim * LANES];
            let mut costs = [[0f64; GROUP]; LANES / GROUP];
            for (group, costs) in costs.iter_mut().enumerate() {
                *costs = squared(values, group, mean);
            }
            let least = least(&costs);
            // No cluster of the block is lighter, and what little the bound may be off by rounding does not matter.
            if least * weight(own, points.lightest[block]) * (1.0 - 1e-12) >= best.cost {
                continue;
            }
            let first = block * LANES;
            let costs = costs.as_flattened_mut();
            for (cost, &mass) in costs.iter_mut().zip(&points.mass[first..]) {
                // Beside a free slot, the mass does not matter.
                *cost *= weight(own, if mass > 0.0 { mass } else { 1.0 });
            }
            if let Some(cost) = slot.checked_sub(first).and_then(|lane| costs.get_mut(lane)) {
                *cost = f64::INFINITY;
            }
            for (lane, &cost) in costs.iter().enumerate() {
                if cost < best.cost {
                    best = NearestCluster { cost, slot: first + lane };
                }
            }
        }
        best
    }
}

/// The squared distances of a group of a block from a mean.
#[inline(always)]
fn squared(values: &[f64], group: usize, mean: &[f64]) -> [f64; GROUP] {
    let mut sums = [0f64; GROUP];
    for (lanes, &mean) in values.as_chunks::<LANES>().0.iter().zip(mean) {
        let (groups, _) = lanes.as_chunks::<GROUP>();
        for (sum, &value) in sums.iter_mut().zip(&groups[group]) {
            *sum += (value - mean) * (value - mean);
        }
    }
    sums
}

/// The least of all.
#[inline(always)]
fn least(costs: &[[f64; GROUP]]) -> f64 {
    let lower = |a: f64, b: f64| if b < a { b } else { a };
    let mut all = [f64::INFINITY; GROUP];
    for group in costs {
        all.iter_mut().zip(group).for_each(|(least, &cost)| *least = lower(*least, cost));
    }
    all.into_iter().fold(f64::INFINITY, lower)
}
