//! Whether a withheld count follows from what is told.
//!
//! Lines and columns of a table are the nodes of a network, withheld cells its arcs, and totals the balances of the
//! nodes. Counts with the same totals differ by cycles: along one, counts rise and fall alternately, and none falls
//! below 0, or below 1 where withheld cells are known not to be empty. A count follows from the totals if no cycle
//! leads through it. Where a third total is known, that of some of the cells, only cycles along which it stays are
//! looked at.

use std::collections::{HashSet, VecDeque};

/// The longest cycle that is looked at where a third total is known, and how many steps are tried: what is not found
/// only means that more is withheld.
const LONGEST: usize = 8;
const MOST_STEPS: u32 = 20_000;

/// A withheld cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arc {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Whether its count can be lower for all that is known.
    pub(super) may_fall: bool,
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
        let Arc { may_fall, weight, .. } = self.arcs[at];
        let rises = self.leads(at, to, (from, -weight));
        let falls = || may_fall && self.leads(at, from, (to, weight));
        !rises && !falls()
    }

    /// By arc, in the order in which they were added: whether it follows; of networks without a third total. Takes a
    /// time proportional to the number of arcs.
    pub(super) fn that_follow(&self) -> Vec<bool> {
        // A cycle stays within a part. There, an arc without a cycle is the only link between two sides: whatever else
        // led into the side that it leaves would close a cycle.
        let parts = self.parts();
        let is_inside = |arc: &Arc| parts[arc.from] == parts[arc.to];
        let mut follow = self.bridges(is_inside);
        follow.iter_mut().zip(&self.arcs).for_each(|(follows, arc)| *follows |= !is_inside(arc));
        follow
    }

    /// By node: its part, in which steps lead from each node to each other one (Kosaraju, Sharir).
    fn parts(&self) -> Vec<usize> {
        let nodes = self.at.len();
        let mut part = vec![usize::MAX; nodes];
        for root in self.by_end().into_iter().rev() {
            let mut open = vec![root];
            while let Some(node) = open.pop() {
                if part[node] == usize::MAX {
                    part[node] = root;
                    open.extend(self.steps_back(node, usize::MAX));
                }
            }
        }
        part
    }

    /// All nodes in the order in which a search in depth leaves them.
    fn by_end(&self) -> Vec<usize> {
        let (mut seen, mut ended) = (vec![false; self.at.len()], Vec::with_capacity(self.at.len()));
        for root in 0..self.at.len() {
            let mut open = vec![(root, false)];
            while let Some((node, is_done)) = open.pop() {
                if is_done {
                    ended.push(node);
                } else if !std::mem::replace(&mut seen[node], true) {
                    open.push((node, true));
                    open.extend(self.steps(node, usize::MAX).map(|(next, _)| (next, false)));
                }
            }
        }
        ended
    }

    /// By arc: whether it is one of those looked at, and no other way leads from end to end, whatever the directions
    /// (Tarjan).
    fn bridges(&self, is_looked_at: impl Fn(&Arc) -> bool) -> Vec<bool> {
        let nodes = self.at.len();
        let mut bridges = vec![false; self.arcs.len()];
        // When a node was seen first, and the earliest one seen that a way from it leads to.
        let (mut seen, mut earliest, mut now) = (vec![usize::MAX; nodes], vec![usize::MAX; nodes], 0);
        for root in 0..nodes {
            if seen[root] != usize::MAX {
                continue;
            }
            // A node, the arc that led there, and how many of its arcs were followed.
            let mut open = vec![(root, usize::MAX, 0)];
            while let Some((node, by, followed)) = open.pop() {
                if followed == 0 {
                    (seen[node], earliest[node]) = (now, now);
                    now += 1;
                }
                let Some(&at) = self.at[node].get(followed) else {
                    let Some(&(before, ..)) = open.last() else { continue };
                    bridges[by] = earliest[node] > seen[before];
                    earliest[before] = earliest[before].min(earliest[node]);
                    continue;
                };
                open.push((node, by, followed + 1));
                let Arc { from, to, .. } = self.arcs[at];
                let next = if from == node { to } else { from };
                match seen[next] {
                    _ if at == by || !is_looked_at(&self.arcs[at]) => {}
                    usize::MAX => open.push((next, at, 0)),
                    seen => earliest[node] = earliest[node].min(seen),
                }
            }
        }
        bridges
    }

    /// The nodes that steps lead to from a node, or back from it, without an arc: the nearest ones, `most` at most.
    pub(super) fn near(&self, without: usize, start: usize, is_back: bool, most: usize) -> Vec<usize> {
        let (mut seen, mut found) = (HashSet::from([start]), vec![start]);
        let mut next = 0;
        while next < found.len() && found.len() < most {
            let node = found[next];
            next += 1;
            let mut reach = |node: usize| {
                if found.len() < most && seen.insert(node) {
                    found.push(node);
                }
            };
            match is_back {
                true => self.steps_back(node, without).for_each(&mut reach),
                false => self.steps(node, without).for_each(|(node, _)| reach(node)),
            }
        }
        found
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

    /// Where a step can lead from a node, and what it changes the third total by: up an arc, or down one that may
    /// fall.
    fn steps(&self, node: usize, without: usize) -> impl Iterator<Item = (usize, i32)> + '_ {
        self.at[node].iter().filter(move |&&at| at != without).filter_map(move |&at| {
            let Arc { from, to, may_fall, weight } = self.arcs[at];
            match from == node {
                true => Some((to, weight)),
                false => may_fall.then_some((from, -weight)),
            }
        })
    }

    /// Where a step can lead to a node from.
    fn steps_back(&self, node: usize, without: usize) -> impl Iterator<Item = usize> + '_ {
        self.at[node].iter().filter(move |&&at| at != without).filter_map(move |&at| {
            let Arc { from, to, may_fall, .. } = self.arcs[at];
            match to == node {
                true => Some(from),
                false => may_fall.then_some(to),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_the_same_for_all_arcs_at_once() {
        let mut random = crate::numeric::Random::new(5, 0);
        let mut below = |n: u128| random.below(n) as usize;
        let mut found = [0, 0];
        for _ in 0..500 {
            let (lines, columns) = (2 + below(6), 2 + below(6));
            let (dense, falls) = (1 + below(5), 1 + below(6));
            let mut network = Network::new(lines + columns);
            for from in 0..lines {
                for to in lines..lines + columns {
                    if below(6) < dense {
                        let (from, to) = if from == 0 { (to, from) } else { (from, to) };
                        network.add(Arc { from, to, may_fall: below(6) < falls, weight: 0 });
                    }
                }
            }
            let follow = network.that_follow();
            for (arc, follows) in network.arcs.iter().zip(follow) {
                assert_eq!(follows, network.follows(arc.from, arc.to), "{arc:?} of {network:?}");
                found[usize::from(follows)] += 1;
            }
        }
        assert!(found.iter().all(|&n| n > 500), "{found:?}");
    }
}
