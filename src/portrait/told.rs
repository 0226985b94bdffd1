//! Which shares may be told: those of at least so many customers, from which no smaller count follows.

use crate::audit::withhold;
use crate::profile::{ColumnFigures, GroupProfile, ProfileReport};

/// By segment, then that of all rows: whether counts of the rows that have something, and of those that do not, may be
/// told. `counts` gives both for a group; None where the group has none.
pub(super) fn told(report: &ProfileReport, counts: impl Fn(&GroupProfile) -> Option<Vec<u64>>) -> Vec<bool> {
    let groups = || report.segments.iter().chain([&report.all]);
    let of = |group: &GroupProfile| if group.withheld { None } else { counts(group) };
    let width = groups().filter_map(of).map(|counts| counts.len()).max().unwrap_or(0);
    let line = |group: &GroupProfile| {
        of(group).map_or_else(
            || if group.customers == 0 { vec![Some(0); width] } else { vec![None; width] },
            |counts| counts.into_iter().map(Some).collect(),
        )
    };
    let mut table: Vec<Vec<Option<u64>>> = groups().map(line).collect();
    withhold(&mut table, report.small_cells);
    let told: Vec<bool> = table.into_iter().map(|line| line.iter().all(Option::is_some)).collect();
    // Figures of a segment stand beside those of all rows, from which these would follow.
    let all = told.last().copied().unwrap_or(false);
    told.into_iter().map(|here| here && all).collect()
}

/// The same of one category beside all others.
pub(super) fn of_category(report: &ProfileReport, column: usize, category: usize) -> Vec<bool> {
    told(report, |group| match group.columns.get(column)? {
        ColumnFigures::Categories(figures) => {
            let here = *figures.counts.get(category)?;
            Some(vec![here, figures.known() - here])
        }
        ColumnFigures::Numbers(_) => None,
    })
}

/// The same of values that are not 0, beside zeros.
pub(super) fn of_non_zero(report: &ProfileReport, column: usize) -> Vec<bool> {
    told(report, |group| match group.columns.get(column)? {
        ColumnFigures::Numbers(figures) => {
            let here = (figures.non_zero_share.unwrap_or(0.0) * figures.known as f64).round() as u64;
            Some(vec![here, figures.known - here.min(figures.known)])
        }
        ColumnFigures::Categories(_) => None,
    })
}

/// The same of missing values, beside known ones.
pub(super) fn of_missing(report: &ProfileReport, column: usize) -> Vec<bool> {
    told(report, |group| {
        let known = match group.columns.get(column)? {
            ColumnFigures::Numbers(figures) => figures.known,
            ColumnFigures::Categories(figures) => figures.known(),
        };
        Some(vec![known, group.customers - known.min(group.customers)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::Random;

    /// A report of segments alone.
    fn report(customers: &[u64], small_cells: u64) -> ProfileReport {
        let all: u64 = customers.iter().sum();
        let group = |segment: Option<u32>, n: u64| serde_json::json!({"segment": segment, "customers": n, "share": 0.0, "withheld": n > 0 && n < small_cells, "columns": []});
        let segments: Vec<_> = customers.iter().enumerate().map(|(i, &n)| group(Some(i as u32), n)).collect();
        serde_json::from_value(serde_json::json!({
            "profile_version": 2, "rows": all, "weighted": false, "quantiles": "exact", "small_cells": small_cells,
            "labels_blake3": "", "columns": [], "correlated": [], "all": group(None, all), "segments": segments,
        }))
        .unwrap()
    }

    /// The least and the largest value that every hidden cell can have, given the told cells, all totals, and that
    /// hidden cells are not negative: by propagation of bounds, which is exact for tables of two columns.
    fn attacked(table: &[[u64; 2]], told: &[bool]) -> Vec<[(u64, u64); 2]> {
        let lines = table.len();
        let mut bounds: Vec<[(u64, u64); 2]> = (0..lines)
            .map(|i| {
                std::array::from_fn(
                    |j| if told[i] { (table[i][j], table[i][j]) } else { (0, table[i][0] + table[i][1]) },
                )
            })
            .collect();
        let column: [u64; 2] = std::array::from_fn(|j| table.iter().map(|line| line[j]).sum());
        for _ in 0..100 {
            for i in 0..lines {
                let total = table[i][0] + table[i][1];
                for j in 0..2 {
                    let (low, high) = bounds[i][1 - j];
                    let mine = &mut bounds[i][j];
                    *mine = (mine.0.max(total.saturating_sub(high)), mine.1.min(total - low));
                }
            }
            for j in 0..2 {
                for i in 0..lines {
                    let others = |of: fn(&(u64, u64)) -> u64| -> u64 {
                        (0..lines).filter(|&o| o != i).map(|o| of(&bounds[o][j])).sum()
                    };
                    let (low, high) = (others(|b| b.0), others(|b| b.1));
                    let mine = bounds[i][j];
                    bounds[i][j] =
                        (mine.0.max(column[j].saturating_sub(high)), mine.1.min(column[j].saturating_sub(low)));
                }
            }
        }
        bounds
    }

    #[test]
    fn an_attacker_learns_no_small_count() {
        let limit = 10;
        let mut hidden = 0;
        let mut random = Random::new(7, 0);
        let mut below = |n: u128| random.below(n) as usize;
        for round in 0..200 {
            let lines = 2 + below(7);
            let table: Vec<[u64; 2]> = (0..lines)
                .map(|_| std::array::from_fn(|_| [0, 3, 8, 15, 60, 400][below(6)] + below(5) as u64))
                .collect();
            let customers: Vec<u64> = table.iter().map(|line| line[0] + line[1]).collect();
            if customers.iter().any(|&n| n > 0 && n < limit) {
                continue;
            }
            let report = report(&customers, limit);
            let of = |group: &GroupProfile| match group.segment {
                Some(at) => Some(table[at as usize].to_vec()),
                None => Some((0..2).map(|j| table.iter().map(|line| line[j]).sum()).collect()),
            };
            let told = told(&report, of);
            let bounds = attacked(&table, &told[..lines]);
            for (i, line) in table.iter().enumerate() {
                for (j, &n) in line.iter().enumerate().filter(|(_, n)| **n > 0 && **n < limit) {
                    assert!(!told[i], "round {round}: {n} is told");
                    // Without the counts of all rows, nothing but the size of the segment is known of it.
                    let (low, high) = if told[lines] { bounds[i][j] } else { (0, customers[i]) };
                    assert!(high > low, "round {round}: {n} of {table:?} follows: {low} to {high}");
                    hidden += 1;
                }
            }
        }
        assert!(hidden > 100, "{hidden} small counts were attacked");
    }
}
