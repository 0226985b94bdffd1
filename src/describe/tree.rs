//! A tree: at each node a value is above a cut or not.

/// A cut on one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TreeCut {
    /// Its place among the columns of the tree.
    pub(super) column: usize,
    pub(super) test: CutTest,
    /// Whether missing values count as above.
    pub(super) missing_above: bool,
}

/// What is above a cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum CutTest {
    /// Greater numbers; of -inf, all that are known.
    Above(f64),
    /// The category of this number.
    Is(u32),
}

impl TreeCut {
    /// Whether a value, of which NaN is missing, is above.
    pub(super) fn is_above(&self, value: f64) -> bool {
        match self.test {
            _ if value.is_nan() => self.missing_above,
            CutTest::Above(cut) => value > cut,
            CutTest::Is(category) => value == f64::from(category),
        }
    }
}

/// A node, by the numbers of others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TreeNode {
    /// The end, by the number of the leaf and its segment.
    Leaf {
        number: usize,
        segment: u32,
    },
    Branch {
        cut: TreeCut,
        below: usize,
        above: usize,
    },
}

/// A tree; its root is the first node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree {
    pub(super) nodes: Vec<TreeNode>,
    /// By leaf: its segment.
    pub(super) leaves: Vec<u32>,
    /// By column: the categories that have a number, in order.
    pub(super) named: Vec<Vec<String>>,
}

impl Tree {
    /// The number of a row's leaf. `value` gives the row's value in a column of the tree.
    pub(super) fn leaf_below(&self, root: usize, value: impl Fn(usize) -> f64) -> (usize, u32) {
        let mut at = root;
        loop {
            match &self.nodes[at] {
                TreeNode::Leaf { number, segment } => return (*number, *segment),
                TreeNode::Branch { cut, below, above } => {
                    at = if cut.is_above(value(cut.column)) { *above } else { *below };
                }
            }
        }
    }

    /// Moves the cut of a node.
    pub(super) fn set(&mut self, at: usize, test: CutTest) {
        if let TreeNode::Branch { cut, .. } = &mut self.nodes[at] {
            cut.test = test;
        }
    }

    /// The columns that it cuts, in order.
    pub(super) fn columns(&self) -> Vec<usize> {
        let of = |node: &TreeNode| match node {
            TreeNode::Branch { cut, .. } => Some(cut.column),
            TreeNode::Leaf { .. } => None,
        };
        let mut columns: Vec<usize> = self.nodes.iter().filter_map(of).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Every leaf by number: the cuts that lead to it, each with whether the leaf is above it.
    pub(super) fn paths(&self) -> Vec<Vec<(TreeCut, bool)>> {
        let mut paths = vec![Vec::new(); self.leaves.len()];
        let mut waiting = vec![(0, Vec::new())];
        while let Some((at, path)) = waiting.pop() {
            match &self.nodes[at] {
                TreeNode::Leaf { number, .. } => paths[*number] = path,
                TreeNode::Branch { cut, below, above } => {
                    let to = |is_above: bool| [path.as_slice(), &[(*cut, is_above)]].concat();
                    waiting.extend([(*below, to(false)), (*above, to(true))]);
                }
            }
        }
        paths
    }
}
