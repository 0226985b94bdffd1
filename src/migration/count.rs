//! How many customers went from where to where: one count of three places, and its margins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::codes::MemberPlace;
use crate::error::Result;
use crate::numeric::Partial;

/// Customers by where they were, where the earlier model puts them now, and where the new one does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Migration {
    counts: Vec<Flow>,
}

/// Customers with the same three places. A place is the number of a segment; None: no segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// The segment in the earlier version; None with `is_new`: not among its customers.
    pub before: Option<u32>,
    /// Whether the customer is new.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_new: bool,
    /// The segment that the earlier model gives to the data of now.
    pub by_old_model: Option<u32>,
    /// The segment of the new model.
    pub now: Option<u32>,
    /// Whether the customer left; then there are no segments of now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_left: bool,
    /// Customers.
    pub customers: u64,
}

/// A matrix of customers: rows are where from, columns where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MigrationMatrix {
    /// Segments of the rows, in order; further rows are for no segment and, last, for new customers.
    pub from: usize,
    /// Segments of the columns, in order; further columns are for no segment and, last, for departed customers.
    pub to: usize,
    /// By row.
    pub counts: Vec<Vec<u64>>,
}

/// Which two of the three places a matrix compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Margin {
    Behaviour,
    Definition,
    Total,
}

impl Flow {
    fn places(&self) -> [MemberPlace; 3] {
        let before = if self.is_new { MemberPlace::ABSENT } else { MemberPlace::of(self.before) };
        let here = |segment| if self.has_left { MemberPlace::ABSENT } else { MemberPlace::of(segment) };
        [before, here(self.by_old_model), here(self.now)]
    }

    fn of([before, old, now]: [MemberPlace; 3], customers: u64) -> Self {
        Flow {
            before: before.segment(),
            is_new: !before.is_present(),
            by_old_model: old.segment(),
            now: now.segment(),
            has_left: !now.is_present(),
            customers,
        }
    }
}

impl Migration {
    /// From counts by places.
    pub(crate) fn of(counts: &BTreeMap<[MemberPlace; 3], u64>) -> Self {
        Migration { counts: counts.iter().map(|(places, n)| Flow::of(*places, *n)).collect() }
    }

    fn by_places(&self) -> BTreeMap<[MemberPlace; 3], u64> {
        self.counts.iter().map(|flow| (flow.places(), flow.customers)).collect()
    }

    /// All flows, in the order of their places.
    pub fn flows(&self) -> &[Flow] {
        &self.counts
    }

    /// From the earlier version to what its own model says of the data of now: what customers did. `segments` are
    /// those of the earlier model.
    pub fn behaviour(&self, segments: usize) -> MigrationMatrix {
        self.matrix(Margin::Behaviour, segments, segments)
    }

    /// From the earlier model to the new one on the same data: what the new definition did. Without new and departed
    /// customers of the earlier version: all rows of now are counted.
    pub fn definition(&self, from: usize, to: usize) -> MigrationMatrix {
        self.matrix(Margin::Definition, from, to)
    }

    /// From the earlier version to the new one.
    pub fn total(&self, from: usize, to: usize) -> MigrationMatrix {
        self.matrix(Margin::Total, from, to)
    }

    fn matrix(&self, margin: Margin, from: usize, to: usize) -> MigrationMatrix {
        let mut counts = vec![vec![0; to + 2]; from + 2];
        let at = |place: MemberPlace, segments: usize| match place.segment() {
            Some(segment) => segment as usize,
            None if place.is_present() => segments,
            None => segments + 1,
        };
        for flow in &self.counts {
            let [before, old, now] = flow.places();
            let (row, column) = match margin {
                Margin::Behaviour => (before, old),
                Margin::Definition => (old, now),
                Margin::Total => (before, now),
            };
            if row.is_present() || column.is_present() {
                counts[at(row, from)][at(column, to)] += flow.customers;
            }
        }
        MigrationMatrix { from, to, counts }
    }

    /// Customers of both versions.
    pub fn stayed(&self) -> u64 {
        self.sum(|flow| !flow.is_new && !flow.has_left)
    }

    /// New customers.
    pub fn came(&self) -> u64 {
        self.sum(|flow| flow.is_new)
    }

    /// Departed customers.
    pub fn left(&self) -> u64 {
        self.sum(|flow| flow.has_left)
    }

    /// Customers of both versions whom the earlier model puts elsewhere: their behaviour changed. Those of a stratum
    /// that it does not know are not among them.
    pub fn moved_by_behaviour(&self) -> u64 {
        let is_known = |flow: &Flow| flow.by_old_model.is_some() || flow.now.is_none();
        self.sum(|flow| !flow.is_new && !flow.has_left && is_known(flow) && flow.before != flow.by_old_model)
    }

    /// Customers of now whom the earlier model puts in a segment, and the new one not in its successor. `successor` is
    /// by segment of the earlier model.
    pub fn relabelled(&self, successor: &dyn Fn(u32) -> Option<u32>) -> u64 {
        self.sum(|flow| flow.by_old_model.is_some_and(|old| successor(old) != flow.now))
    }

    fn sum(&self, which: impl Fn(&Flow) -> bool) -> u64 {
        self.counts.iter().filter(|flow| which(flow)).map(|flow| flow.customers).sum()
    }
}

impl Partial for Migration {
    const NAME: &'static str = "migration";
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        let mut all = self.by_places();
        other.counts.iter().for_each(|flow| *all.entry(flow.places()).or_default() += flow.customers);
        *self = Migration::of(&all);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::numeric::partial::laws;

    fn place(code: usize) -> MemberPlace {
        match code {
            0 => MemberPlace::ABSENT,
            1 => MemberPlace::NO_SEGMENT,
            n => MemberPlace::of(Some(n as u32 - 2)),
        }
    }

    fn moves(rows: &[(usize, usize, usize)]) -> Migration {
        let mut counts = BTreeMap::new();
        for &(a, b, c) in rows {
            // Whoever is not there now is so for both models.
            let (b, c) = if a > 0 && b == 0 { (0, 0) } else { (b.max(1), c.max(1)) };
            *counts.entry([place(a), place(b), place(c)]).or_default() += 1;
        }
        Migration::of(&counts)
    }

    proptest! {
        #[test]
        fn matrices_are_margins_of_one_count(
            rows in prop::collection::vec((0usize..6, 0usize..6, 0usize..6), 0..80),
            cuts in (0usize..80, 0usize..80),
        ) {
            let (low, high) = (cuts.0.min(cuts.1).min(rows.len()), cuts.0.max(cuts.1).min(rows.len()));
            let [a, b, c] = [&rows[..low], &rows[low..high], &rows[high..]].map(moves);
            laws::hold(&a, &b, &c);
            let all = moves(&rows);
            let (behaviour, definition, total) = (all.behaviour(4), all.definition(4, 4), all.total(4, 4));
            let sum = |m: &MigrationMatrix| m.counts.iter().flatten().sum::<u64>();
            let row = |m: &MigrationMatrix, i: usize| m.counts[i].iter().sum::<u64>();
            let column = |m: &MigrationMatrix, j: usize| m.counts.iter().map(|r| r[j]).sum::<u64>();
            prop_assert_eq!(sum(&behaviour), rows.len() as u64);
            prop_assert_eq!(sum(&total), rows.len() as u64);
            prop_assert_eq!(sum(&definition), rows.len() as u64 - all.left());
            for i in 0..5 {
                prop_assert_eq!(row(&behaviour, i), row(&total, i));
                prop_assert_eq!(column(&behaviour, i), row(&definition, i));
                prop_assert_eq!(column(&definition, i), column(&total, i));
            }
            prop_assert_eq!(all.came() + all.stayed(), rows.len() as u64 - all.left());
        }
    }

    #[test]
    fn the_same_data_and_the_same_model_give_diagonals() {
        let same_data = moves(&[(2, 2, 3), (2, 2, 2), (3, 3, 3)]);
        let off = |m: &MigrationMatrix| {
            m.counts
                .iter()
                .enumerate()
                .flat_map(|(i, row)| row.iter().enumerate().map(move |(j, n)| (i, j, *n)))
                .filter(|(i, j, _)| i != j)
                .map(|(.., n)| n)
                .sum::<u64>()
        };
        assert_eq!((off(&same_data.behaviour(4)), off(&same_data.definition(4, 4))), (0, 1));
        assert_eq!((same_data.moved_by_behaviour(), same_data.relabelled(&Some)), (0, 1));
        let same_model = moves(&[(2, 3, 3), (0, 3, 3), (4, 0, 0)]);
        assert_eq!((off(&same_model.definition(4, 4)), same_model.relabelled(&Some)), (0, 0));
        assert_eq!((same_model.moved_by_behaviour(), same_model.came(), same_model.left()), (1, 1, 1));
    }
}
