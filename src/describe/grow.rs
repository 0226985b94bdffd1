//! A tree from rows with their segments.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::base::{Sprout, base, cut};
use super::round::{cut_value, rounded_cuts};
use super::rows::SampledRows;
use super::split::{RankCut, purest};
use super::tree::{CutTest, Tree, TreeCut, TreeNode};

/// The most segments that each get a leaf before anything else; of more, nobody reads the rules.
const MOST_BASE: usize = 64;
/// Leaves that are grown for each one that stays.
const GROWN: usize = 4;

/// A tree with at most so many leaves. Every segment has one where cuts can separate it.
pub(crate) fn grown(sample: &SampledRows, leaves: usize) -> Tree {
    let all: Vec<u32> = (0..sample.segments.len() as u32).collect();
    let is_based = sample.weights.len() <= MOST_BASE.min(leaves);
    let mut sprouts = if is_based { base(sample) } else { vec![Sprout::new(all, None)] };
    grow(&mut sprouts, sample, GROWN * leaves);
    let mut growth = Growth::new(sprouts, sample);
    growth.prune(leaves);
    growth.adopt();
    growth.join();
    rounded_cuts(growth.tree(sample), sample)
}

/// Cuts where that purifies most, until there are so many leaves.
fn grow(sprouts: &mut Vec<Sprout>, sample: &SampledRows, most: usize) {
    let mut best: BTreeMap<(Reverse<u64>, usize), RankCut> = BTreeMap::new();
    let mut leaves = 0;
    let mut fresh: Vec<usize> = (0..sprouts.len()).filter(|&at| sprouts[at].branch.is_none()).collect();
    loop {
        leaves += fresh.len();
        for at in fresh {
            let found = purest(sample, &sprouts[at].rows);
            best.extend(found.map(|(gain, cut)| ((Reverse(gain.to_bits()), at), cut)));
        }
        let Some(((_, at), found)) = best.pop_first().filter(|_| leaves < most) else { return };
        fresh = cut(sprouts, at, found, sample).to_vec();
        leaves -= 1;
    }
}

/// A grown tree whose cuts may be taken back.
struct Growth {
    sprouts: Vec<Sprout>,
    /// By node: the segment of most of its rows, and what these weigh.
    labels: Vec<(u32, u64)>,
}

impl Growth {
    fn new(sprouts: Vec<Sprout>, sample: &SampledRows) -> Self {
        let mut labels: Vec<(u32, u64)> = Vec::with_capacity(sprouts.len());
        for sprout in &sprouts {
            let mut weights: BTreeMap<u32, u64> = BTreeMap::new();
            for &row in &sprout.rows {
                *weights.entry(sample.segments[row as usize]).or_default() += sample.weight(row);
            }
            let most = weights.into_iter().max_by_key(|(segment, weight)| (*weight, Reverse(*segment)));
            // Without drawn rows: the segment that it is for, else that of its parent, which comes before it.
            let without = || sprout.made_for.or_else(|| Some(labels[sprout.parent?].0)).unwrap_or(0);
            let label = most.unwrap_or_else(|| (without(), 0));
            labels.push(label);
        }
        Growth { sprouts, labels }
    }

    /// The ends of a node, if these are leaves.
    fn ends(&self, at: usize) -> Option<[usize; 2]> {
        let (_, ends) = self.sprouts[at].branch?;
        ends.iter().all(|&end| self.sprouts[end].branch.is_none()).then_some(ends)
    }

    /// What is lost without the cut of a node whose ends are leaves, and which gives no segment its leaf.
    fn loss(&self, at: usize) -> Option<u64> {
        let [a, b] = self.ends(at).filter(|_| !self.sprouts[at].is_base)?;
        Some(self.labels[a].1 + self.labels[b].1 - self.labels[at].1)
    }

    /// The numbers of the leaves.
    fn leaves(&self) -> Vec<usize> {
        let (mut leaves, mut waiting) = (Vec::new(), vec![0]);
        while let Some(at) = waiting.pop() {
            match self.sprouts[at].branch {
                Some((_, ends)) => waiting.extend(ends),
                None => leaves.push(at),
            }
        }
        leaves
    }

    /// Takes back the cuts that lose least, until there are at most `most` leaves.
    fn prune(&mut self, most: usize) {
        let mut leaves = self.leaves().len();
        let nodes = 0..self.sprouts.len();
        let mut losses: BTreeSet<(u64, usize)> = nodes.filter_map(|at| Some((self.loss(at)?, at))).collect();
        while leaves > most {
            let Some((_, at)) = losses.pop_first() else { return };
            self.sprouts[at].branch = None;
            leaves -= 1;
            let parent = self.sprouts[at].parent;
            losses.extend(parent.and_then(|parent| Some((self.loss(parent)?, parent))));
        }
    }

    /// Gives segments without a leaf the one that was made for them, if most of its rows have another leaf.
    fn adopt(&mut self) {
        let leaves = self.leaves();
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        leaves.iter().for_each(|&at| *counts.entry(self.labels[at].0).or_default() += 1);
        for at in leaves {
            let (Some(segment), label) = (self.sprouts[at].made_for, self.labels[at].0) else { continue };
            if !counts.contains_key(&segment) && counts.get(&label).is_some_and(|n| *n > 1) {
                *counts.entry(label).or_default() -= 1;
                counts.insert(segment, 1);
                self.labels[at].0 = segment;
            }
        }
    }

    /// Takes back cuts between leaves of one segment.
    fn join(&mut self) {
        let mut waiting: Vec<usize> = (0..self.sprouts.len()).collect();
        while let Some(at) = waiting.pop() {
            let Some([a, b]) = self.ends(at) else { continue };
            if self.labels[a].0 == self.labels[b].0 {
                self.sprouts[at].branch = None;
                self.labels[at].0 = self.labels[a].0;
                waiting.extend(self.sprouts[at].parent);
            }
        }
    }

    fn tree(&self, sample: &SampledRows) -> Tree {
        let (mut nodes, mut leaves) = (Vec::new(), Vec::new());
        // A node, and the place that its number is written to: of a parent, below or above.
        let mut waiting: Vec<(usize, Option<(usize, bool)>)> = vec![(0, None)];
        while let Some((at, place)) = waiting.pop() {
            let number = nodes.len();
            if let Some((parent, is_above)) = place
                && let TreeNode::Branch { below, above, .. } = &mut nodes[parent]
            {
                *if is_above { above } else { below } = number;
            }
            nodes.push(match self.sprouts[at].branch {
                None => {
                    leaves.push(self.labels[at].0);
                    TreeNode::Leaf { number: leaves.len() - 1, segment: self.labels[at].0 }
                }
                Some((found, [below, above])) => {
                    // The one above comes first.
                    waiting.extend([(below, Some((number, false))), (above, Some((number, true)))]);
                    let axis = sample.axes[found.axis];
                    let test = match axis.category {
                        Some(category) if found.rank > 0 => CutTest::Is(category),
                        Some(_) => CutTest::Above(f64::NEG_INFINITY),
                        None => CutTest::Above(cut_value(sample, axis.column, found, &self.sprouts[at].rows)),
                    };
                    let cut = TreeCut { column: axis.column, test, missing_above: found.missing_above };
                    TreeNode::Branch { cut, below: 0, above: 0 }
                }
            });
        }
        let named = sample.columns.iter().map(|column| column.named.clone()).collect();
        Tree { nodes, leaves, named }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::rows::SampledColumn;

    #[test]
    fn leaves_without_rows_have_the_segment_that_they_are_for() {
        let values = SampledColumn::of_numbers(vec![1.0, 2.0, 3.0]);
        let sample = SampledRows::new(vec![values], vec![false], vec![1, 1, 0], vec![10, 10, 10]);
        let sprout = |rows: &[u32], parent: Option<usize>, made_for: Option<u32>| Sprout {
            made_for,
            ..Sprout::new(rows.to_vec(), parent)
        };
        let all = [0, 1, 2];
        let sprouts = vec![
            sprout(&all, None, None),
            sprout(&all, Some(0), None),
            // For segment 2, of which no row was drawn; and below it.
            sprout(&[], Some(0), Some(2)),
            sprout(&[], Some(2), None),
            sprout(&[], Some(1), None),
        ];
        assert_eq!(Growth::new(sprouts, &sample).labels, [(1, 20), (1, 20), (2, 0), (2, 0), (1, 0)]);
    }
}
