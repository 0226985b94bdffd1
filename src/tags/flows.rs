//! Customers by their stages of two months, without the counts of few.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::audit::withhold_between;

/// The stage of customers who were not there in the earlier month.
pub(super) const NEW: &str = "(new)";
/// The stage of customers who are not there any more.
pub(super) const LEFT: &str = "(left)";
/// Customers in no stage.
pub(super) const NONE: &str = "(none)";

/// Where customers were, and are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageMatrix {
    /// Customers in both months; None: withheld.
    pub stayed: Option<u64>,
    /// Customers of the later month only; None: withheld.
    pub new: Option<u64>,
    /// Customers of the earlier month only; None: withheld.
    pub left: Option<u64>,
    /// Counts of fewer customers are withheld.
    pub small_cells: u64,
    /// The earlier month.
    pub old: Vec<StageTotal>,
    /// The later month.
    pub now: Vec<StageTotal>,
    /// Ordered by the earlier stage, then by the later one; a flow of nobody is left out unless it is withheld.
    pub flows: Vec<StageFlow>,
}

/// The customers of a stage in a month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageTotal {
    /// The stage; `(none)`: in no stage.
    pub stage: String,
    /// Its customers; None: withheld.
    pub customers: Option<u64>,
}

/// Customers who went from one stage to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageFlow {
    /// The earlier stage: `(new)` if there was no such customer, `(none)` if he was in no stage.
    pub from: String,
    /// The later stage: `(left)` if there is no such customer any more.
    pub to: String,
    /// How many; None: withheld.
    pub customers: Option<u64>,
    /// Of all customers of the earlier stage, or of all new ones; None: withheld.
    pub share: Option<f64>,
}

impl StageMatrix {
    pub(super) fn of(counts: &BTreeMap<(&str, &str), u64>, small_cells: u64) -> Self {
        let table = FlowTable::of(counts, small_cells);
        let (lines, columns) = (table.from.len(), table.to.len());
        let total = |stage: &&str, customers: Option<u64>| StageTotal { stage: (*stage).to_owned(), customers };
        let mut flows = Vec::new();
        for (line, from) in table.from.iter().chain([&NEW]).enumerate() {
            for (column, to) in table.to.iter().chain([&LEFT]).enumerate() {
                let customers = table.cells[line][column];
                if customers != Some(0) {
                    let whole = table.cells[line][columns + 1];
                    let share = customers.zip(whole).map(|(n, whole)| n as f64 / whole as f64);
                    flows.push(StageFlow { from: (*from).to_owned(), to: (*to).to_owned(), customers, share });
                }
            }
        }
        flows.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
        let [new, left] = [table.cells[lines][columns + 1], table.cells[lines + 1][columns]];
        StageMatrix {
            stayed: new.map(|_| table.stayed),
            new,
            left,
            small_cells,
            old: table.from.iter().enumerate().map(|(at, stage)| total(stage, table.cells[at][columns + 1])).collect(),
            now: table.to.iter().enumerate().map(|(at, stage)| total(stage, table.cells[lines + 1][at])).collect(),
            flows,
        }
    }
}

/// A line for each earlier stage, one of new customers and one of sums; a column for each later stage, one of customers
/// who left, and one of sums.
struct FlowTable<'a> {
    from: Vec<&'a str>,
    to: Vec<&'a str>,
    cells: Vec<Vec<Option<u64>>>,
    stayed: u64,
}

impl<'a> FlowTable<'a> {
    fn of(counts: &BTreeMap<(&'a str, &'a str), u64>, limit: u64) -> Self {
        let stages = |side: fn(&(&'a str, &'a str)) -> &'a str, other: &str| -> Vec<&'a str> {
            counts.keys().map(side).filter(|stage| *stage != other).collect::<BTreeSet<_>>().into_iter().collect()
        };
        let (from, to) = (stages(|at| at.0, NEW), stages(|at| at.1, LEFT));
        let (lines, columns) = (from.len(), to.len());
        let count = |line: usize, column: usize| {
            let at = (from.get(line).copied().unwrap_or(NEW), to.get(column).copied().unwrap_or(LEFT));
            counts.get(&at).copied().unwrap_or(0)
        };
        let mut all: Vec<Vec<u64>> = (0..=lines).map(|i| (0..=columns).map(|j| count(i, j)).collect()).collect();
        all.iter_mut().for_each(|line| line.push(line.iter().sum()));
        all.push((0..columns + 2).map(|column| all.iter().map(|line| line[column]).sum()).collect());
        let stayed = all[..lines].iter().flat_map(|line| &line[..columns]).sum();
        let mut cells: Vec<Vec<Option<u64>>> =
            all.iter().map(|line| line.iter().copied().map(Some).collect()).collect();
        withhold_between(&mut cells, &all, limit);
        FlowTable { from, to, cells, stayed }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::attack::{Sum, all_recovered};
    use super::*;

    /// Sums of lines, columns, months, and of those who stayed, whose cell follows those of the table.
    fn sums(lines: usize, columns: usize, old: u64, now: u64) -> Vec<Sum> {
        let at = |line: usize, column: usize| line * (columns + 2) + column;
        let stayed = at(lines + 2, 0);
        let of_line = |line| Sum::of((0..=columns).map(|column| at(line, column)).collect(), at(line, columns + 1));
        let of_column = |column| Sum::of((0..=lines).map(|line| at(line, column)).collect(), at(lines + 1, column));
        let mut all: Vec<Sum> = (0..lines + 2).map(of_line).chain((0..columns + 2).map(of_column)).collect();
        all.push(Sum::known((0..lines).map(|line| at(line, columns + 1)).collect(), old));
        all.push(Sum::known((0..columns).map(|column| at(lines + 1, column)).collect(), now));
        all.push(Sum::of((0..lines).flat_map(|i| (0..columns).map(move |j| at(i, j))).collect(), stayed));
        all.push(Sum::known(vec![stayed, at(lines, columns + 1)], now));
        all.push(Sum::known(vec![stayed, at(lines + 1, columns)], old));
        all
    }

    const STAGES: [&str; 4] = ["a", "b", "c", "d"];

    fn counted(cells: &[Vec<u64>]) -> BTreeMap<(&'static str, &'static str), u64> {
        let mut counts = BTreeMap::new();
        for (line, from) in cells.iter().zip(STAGES[..cells.len() - 1].iter().chain([&NEW])) {
            for (&n, to) in line.iter().zip(STAGES[..line.len() - 1].iter().chain([&LEFT])) {
                if n > 0 && (*from, *to) != (NEW, LEFT) {
                    counts.insert((*from, *to), n);
                }
            }
        }
        counts
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn no_small_count_follows_from_sums(
            (lines, columns) in (1usize..4, 1usize..4),
            values in prop::collection::vec(prop_oneof![Just(0u64), Just(1), 1u64..10, 10u64..40], 25),
        ) {
            let cells: Vec<Vec<u64>> = (0..=lines).map(|i| values[i * 5..=i * 5 + columns].to_vec()).collect();
            let counts = counted(&cells);
            let all = FlowTable::of(&counts, 0);
            let table = FlowTable::of(&counts, 10);
            let (lines, columns) = (table.from.len(), table.to.len());
            let sum = |at: &dyn Fn(&(&str, &str)) -> bool| counts.iter().filter(|(c, _)| at(c)).map(|(_, n)| n).sum();
            let (old, now): (u64, u64) = (sum(&|at| at.0 != NEW), sum(&|at| at.1 != LEFT));
            prop_assume!(old >= 10 && now >= 10);
            let stayed = Some(table.stayed).filter(|_| table.cells[lines][columns + 1].is_some());
            let told: Vec<Option<u64>> = table.cells.iter().flatten().copied().chain([stayed]).collect();
            let zeros = all.cells.iter().flatten().zip(&told).all(|(n, told)| *n != Some(0) || told.is_some());
            let found = all_recovered(&told, &sums(lines, columns, old, now), zeros);
            let counted = all.cells.iter().flatten().map(|cell| cell.unwrap()).chain([table.stayed]);
            for (at, n) in counted.enumerate().filter(|(at, n)| told[*at].is_none() && (1..10).contains(n)) {
                prop_assert!(found[at] != Some(n as i64), "{n} at {at} of {cells:?}");
            }
            prop_assert!(table.cells.iter().flatten().flatten().all(|&n| n == 0 || n >= 10));
        }
    }
}
