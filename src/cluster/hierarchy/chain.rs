//! Ward's clustering by the nearest-neighbour chain: from any cluster to its nearest neighbour, and on from there,
//! until two are the nearest neighbours of each other, which are merged (F. Murtagh, "A survey of recent advances in
//! hierarchical clustering algorithms", Computer Journal 26, 1983; D. Müllner, "Modern hierarchical, agglomerative
//! clustering algorithms", 2011). No matrix of distances is kept: they follow from masses and means.

use super::points::{NearestCluster, Points};
use super::tree::MergedPair;
use crate::error::Result;
use crate::event::{Stage, Watch};

/// Merges between two looks at the stop flag.
const BETWEEN_CHECKS: usize = 256;

/// All merges, in the order in which they were found. A cluster is named by its number among the leaves, or by the
/// number of leaves plus that of the merge that made it.
pub(super) fn merges(mut points: Points, watch: Watch<'_>) -> Result<Vec<MergedPair>> {
    let leaves = points.live();
    let mut chain = Chain { nodes: (0..leaves).collect(), slots: Vec::new(), lowest: 0 };
    let mut found = Vec::with_capacity(leaves.saturating_sub(1));
    while points.live() > 1 {
        let (a, b, cost) = chain.next_pair(&points);
        found.push(MergedPair { a: chain.nodes[a], b: chain.nodes[b], cost });
        let slot = points.merge(a, b);
        chain.nodes[slot] = leaves + found.len() - 1;
        if let Some(kept) = points.compact() {
            chain.follow(&kept);
        }
        if found.len() % BETWEEN_CHECKS == 0 {
            watch.check()?;
            watch.advance(Stage::Tree, BETWEEN_CHECKS as u64);
        }
    }
    Ok(found)
}

struct Chain {
    /// By slot: the cluster in it.
    nodes: Vec<usize>,
    /// The chain: each slot's nearest neighbour is the next one.
    slots: Vec<usize>,
    /// No slot before this one is taken.
    lowest: usize,
}

impl Chain {
    /// Two clusters that are the nearest neighbours of each other, which leave the chain.
    fn next_pair(&mut self, points: &Points) -> (usize, usize, f64) {
        loop {
            let Some(&last) = self.slots.last() else {
                while !points.is_live(self.lowest) {
                    self.lowest += 1;
                }
                self.slots.push(self.lowest);
                continue;
            };
            let NearestCluster { cost, slot } = points.nearest(last);
            let before = self.slots.len().checked_sub(2).map(|at| self.slots[at]);
            if let Some((before, known)) = before.map(|before| (before, points.cost(last, before)))
                && known <= cost
            {
                self.slots.truncate(self.slots.len() - 2);
                return (last, before, known);
            }
            // Costs fall along a chain, but for roundings after a merge: then it begins anew.
            if self.slots.contains(&slot) {
                self.slots = vec![last];
            }
            self.slots.push(slot);
        }
    }

    /// Renames slots after gaps were closed.
    fn follow(&mut self, kept: &[usize]) {
        self.nodes = kept.iter().map(|&slot| self.nodes[slot]).collect();
        let place = |slot: &mut usize| *slot = kept.partition_point(|&kept| kept < *slot);
        self.slots.iter_mut().for_each(place);
        self.lowest = 0;
    }
}
