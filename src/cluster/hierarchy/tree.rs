//! Trees of merges, in the form of scipy's linkage matrices.

use serde::{Deserialize, Serialize};

/// Two clusters that were merged, and what that adds to the sum of squared distances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct MergedPair {
    pub(super) a: usize,
    pub(super) b: usize,
    pub(super) cost: f64,
}

/// A merge, as a line of scipy's linkage matrices: the clusters below it, its height, and the rows in it. A cluster is
/// the number of a leaf, or the number of leaves plus that of the merge that made it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TreeMerge(
    /// The lower number.
    pub usize,
    /// The higher one.
    pub usize,
    /// The height: the root of twice what the merge adds to the sum of squared distances, which for two rows is their
    /// distance.
    pub f64,
    /// Rows in it.
    pub u64,
);

/// The top of a tree, whose leaves are branches of the whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TreeTop {
    /// The merges, from the lowest to the root: the clusters below, and the height. A cluster is the number of a
    /// branch, or the number of branches plus that of the merge that made it.
    pub(crate) merges: Vec<(usize, usize, f64)>,
    /// By branch: the segment that it belongs to.
    pub(crate) segments: Vec<u32>,
}

impl TreeTop {
    /// The last `merges` of a tree; `segments` by its leaf.
    pub(crate) fn of(linkage: &[TreeMerge], segments: &[u32], merges: usize) -> Self {
        let pair = |merge: &TreeMerge| MergedPair { a: merge.0, b: merge.1, cost: merge.2 };
        let tree = MergeTree { leaves: segments.len(), merges: linkage.iter().map(pair).collect() };
        let branches = (merges + 1).min(tree.leaves);
        let mut of_branches = vec![0; branches];
        let by_leaf = tree.cut(branches).into_iter().zip(segments);
        by_leaf.for_each(|(branch, &segment)| of_branches[branch as usize] = segment);
        let top = tree.above(branches).merges.into_iter();
        TreeTop { merges: top.map(|merge| (merge.a, merge.b, merge.cost)).collect(), segments: of_branches }
    }
}

/// Merges by height, from leaves to the root.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MergeTree {
    pub(super) leaves: usize,
    /// Clusters below each merge, and its cost: never lower than below it.
    pub(super) merges: Vec<MergedPair>,
}

impl MergeTree {
    /// In the order of costs; `found` has a cluster's merge before those above it.
    pub(super) fn new(leaves: usize, mut found: Vec<MergedPair>) -> Self {
        for i in 0..found.len() {
            // Roundings must not put a merge below those that it consists of.
            let below = [found[i].a, found[i].b].map(|node| node.checked_sub(leaves).map_or(0.0, |at| found[at].cost));
            found[i].cost = found[i].cost.max(below[0]).max(below[1]);
        }
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by(|&a, &b| found[a].cost.total_cmp(&found[b].cost).then(a.cmp(&b)));
        let mut number = vec![0; found.len()];
        order.iter().enumerate().for_each(|(new, &old)| number[old] = leaves + new);
        let named = |node: usize| node.checked_sub(leaves).map_or(node, |at| number[at]);
        let merge = |&old: &usize| {
            let MergedPair { a, b, cost } = found[old];
            let (a, b) = (named(a), named(b));
            MergedPair { a: a.min(b), b: a.max(b), cost }
        };
        MergeTree { leaves, merges: order.iter().map(merge).collect() }
    }

    /// By leaf: its cluster where `k` are left. Clusters are numbered by their first leaves.
    pub(super) fn cut(&self, k: usize) -> Vec<u32> {
        let below = self.leaves.saturating_sub(k.max(1)).min(self.merges.len());
        let mut root: Vec<usize> = (0..self.leaves + self.merges.len()).collect();
        // A merge comes after those below it: from the top, each passes on the cluster that it belongs to.
        for (at, merge) in self.merges[..below].iter().enumerate().rev() {
            let own = root[self.leaves + at];
            (root[merge.a], root[merge.b]) = (own, own);
        }
        let mut numbers = std::collections::HashMap::new();
        let number = |leaf: usize| {
            let next = numbers.len() as u32;
            *numbers.entry(root[leaf]).or_insert(next)
        };
        (0..self.leaves).map(number).collect()
    }

    /// The tree above a cut into `k` clusters, which become its leaves, numbered as by [`cut`](MergeTree::cut).
    pub(super) fn above(&self, k: usize) -> MergeTree {
        if k >= self.leaves {
            return self.clone();
        }
        let below = self.leaves - k.max(1);
        let of_leaf = self.cut(k);
        let mut name = vec![0; self.leaves + self.merges.len()];
        of_leaf.iter().enumerate().for_each(|(leaf, &cluster)| name[leaf] = cluster as usize);
        for (at, merge) in self.merges[..below].iter().enumerate() {
            name[self.leaves + at] = name[merge.a];
        }
        let mut merges = Vec::new();
        for (at, merge) in self.merges[below..].iter().enumerate() {
            name[self.leaves + below + at] = k + at;
            let (a, b) = (name[merge.a], name[merge.b]);
            merges.push(MergedPair { a: a.min(b), b: a.max(b), cost: merge.cost });
        }
        MergeTree { leaves: k, merges }
    }

    /// As a linkage matrix: `rows` by leaf, costs times `unit` in squared scaled units.
    pub(super) fn linkage(&self, rows: &[u64], unit: f64) -> Vec<TreeMerge> {
        let mut sizes = rows.to_vec();
        let merge = |merge: &MergedPair| {
            let size = sizes[merge.a] + sizes[merge.b];
            sizes.push(size);
            TreeMerge(merge.a, merge.b, (2.0 * merge.cost * unit).sqrt(), size)
        };
        self.merges.iter().map(merge).collect()
    }
}
