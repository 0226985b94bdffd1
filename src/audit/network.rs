//! Whether a withheld count follows from what is told.
//!
//! Lines and columns of a table are the nodes of a network, withheld cells its arcs, and totals the balances of the
//! nodes. Counts with the same totals differ by cycles: along one, counts rise and fall alternately, and none falls
//! below 0. A count follows from the totals if no cycle leads through it. Where a third total is known, that of some of
//! the cells, only cycles along which it stays are looked at.

use std::collections::VecDeque;

/// The longest cycle that is looked at where a third total is known, and how many steps are tried: what is not found
/// only means that more is withheld.
const LONGEST: usize = 8;
const MOST_STEPS: u32 = 20_000;

/// A withheld cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arc {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Its count.
    pub(super) count: u64,
    /// 1 if it is part of the third total, otherwise 0.
    pub(super) weight: i32,
}

/// All withheld cells of a table.
#[derive(Debug, Default)]
pub(super) struct Network {
    arcs: Vec<Arc>,
    /// The arcs of each node.
    at: Vec<Vec<usize>>,
    has_weights: bool,
}

impl Network {
    pub(super) fn new(nodes: usize) -> Self {
        Network { arcs: Vec::new(), at: vec![Vec::new(); nodes], has_weights: false }
    }

    pub(super) fn add(&mut self, arc: Arc) {
        for node in [arc.from, arc.to] {
            self.at[node].push(self.arcs.len());
        }
        self.has_weights |= arc.weight != 0;
        self.arcs.push(arc);
    }

    /// Whether only one count of the arc between two nodes fits what is told, as far as is looked.
    pub(super) fn follows(&self, from: usize, to: usize) -> bool {
        let is_it = |&at: &usize| self.arcs[at].from == from && self.arcs[at].to == to;
        let Some(at) = self.at[from].iter().copied().find(is_it) else { return true };
        let Arc { count, weight, .. } = self.arcs[at];
        let may_rise = self.leads(at, to, (from, -weight));
        let may_fall = || count > 0 && self.leads(at, from, (to, weight));
        !may_rise && !may_fall()
    }

    /// Whether a way leads from one node to another, without an arc, that changes the third total by `off`.
    fn leads(&self, without: usize, start: usize, (goal, off): (usize, i32)) -> bool {
        if !self.has_weights {
            return self.reaches(without, start, goal);
        }
        let mut search = Search { network: self, without, goal, passed: vec![false; self.at.len()], steps: MOST_STEPS };
        // Short ways first.
        (3..LONGEST).step_by(2).any(|longest| search.from(start, off, longest))
    }

    /// The same, if there is no third total.
    fn reaches(&self, without: usize, start: usize, goal: usize) -> bool {
        let mut seen = vec![false; self.at.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            if node == goal {
                return true;
            }
            if !std::mem::replace(&mut seen[node], true) {
                queue.extend(self.steps(node, without).map(|(next, _)| next));
            }
        }
        false
    }

    /// Where a step can lead from a node, and what it changes the third total by: up an arc, or down one that is not 0.
    fn steps(&self, node: usize, without: usize) -> impl Iterator<Item = (usize, i32)> + '_ {
        self.at[node].iter().filter(move |&&at| at != without).filter_map(move |&at| {
            let Arc { from, to, count, weight } = self.arcs[at];
            match from == node {
                true => Some((to, weight)),
                false => (count > 0).then_some((from, -weight)),
            }
        })
    }
}

/// A search for a way that passes no node twice, so that it changes every count by one at most.
struct Search<'a> {
    network: &'a Network,
    without: usize,
    goal: usize,
    passed: Vec<bool>,
    steps: u32,
}

impl Search<'_> {
    fn from(&mut self, node: usize, off: i32, longest: usize) -> bool {
        if node == self.goal {
            return off == 0;
        }
        if longest == 0 || self.steps == 0 {
            return false;
        }
        self.steps -= 1;
        self.passed[node] = true;
        let network = self.network;
        let found = network
            .steps(node, self.without)
            .any(|(next, change)| !self.passed[next] && self.from(next, off - change, longest - 1));
        self.passed[node] = false;
        found
    }
}
