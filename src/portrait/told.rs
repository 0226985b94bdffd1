//! Which shares may be told: those of at least so many customers, from which no smaller count follows.

use std::collections::BTreeMap;

use crate::audit::withhold_also;
use crate::profile::{ColumnFigures, GroupProfile, ProfileReport, RuleFigures};

/// The page that was published before: its figures, and which of its segments each one was.
pub(crate) struct EarlierPage {
    pub(crate) report: ProfileReport,
    /// By number of a segment now: its number then.
    pub(crate) segments: BTreeMap<u32, u32>,
}

impl EarlierPage {
    /// With the same numbers of segments.
    pub(crate) fn of_same_segments(report: ProfileReport) -> Self {
        let segments =
            report.segments.iter().filter_map(|group| group.segment).map(|number| (number, number)).collect();
        EarlierPage { report, segments }
    }

    /// What a group was then; None where its figures were withheld.
    fn group(&self, now: &GroupProfile, is_all: bool) -> Option<&GroupProfile> {
        let number = now.segment.map(|now| self.segments.get(&now).copied());
        let then = match number {
            _ if is_all => Some(&self.report.all),
            Some(number) => self.report.segments.iter().find(|group| number.is_some() && group.segment == number),
            None => self.report.segments.iter().find(|group| group.segment.is_none()),
        };
        then.filter(|group| !group.withheld)
    }
}

/// A report, with what was published before.
#[derive(Clone, Copy)]
pub(super) struct ToldShares<'a> {
    pub(super) report: &'a ProfileReport,
    pub(super) earlier: Option<&'a EarlierPage>,
}

impl ToldShares<'_> {
    /// By segment, then that of all rows: whether counts of the rows that have something, and of those that do not, may
    /// be told. `counts` gives both for a group of a report; None where the group has none.
    fn shares(&self, counts: impl Fn(&ProfileReport, &GroupProfile) -> Option<[u64; 2]>) -> Vec<bool> {
        let table = self.table(2, |report, group| Some(counts(report, group)?.to_vec()));
        let told: Vec<bool> = table.into_iter().map(|line| line.iter().all(Option::is_some)).collect();
        // Figures of a segment stand beside those of all rows, from which these would follow.
        let all = told.last().copied().unwrap_or(false);
        told.into_iter().map(|here| here && all).collect()
    }

    /// By segment, then of all rows: the counts of values of which each row has one, without those that are withheld.
    fn table(
        &self,
        values: usize,
        counts: impl Fn(&ProfileReport, &GroupProfile) -> Option<Vec<u64>>,
    ) -> Vec<Vec<Option<u64>>> {
        let ToldShares { report, earlier } = *self;
        // Counts as far as they are known here, and those that may be told.
        let line = |(place, group): (usize, &GroupProfile)| {
            let unknown = || vec![None; values];
            if group.withheld || group.customers == 0 {
                let line = if group.withheld { unknown() } else { vec![Some(0); values] };
                return (line.clone(), line);
            }
            let Some(now) = counts(report, group) else { return (unknown(), unknown()) };
            let then = earlier.and_then(|earlier| {
                let then = earlier.group(group, place == report.segments.len())?;
                counts(&earlier.report, then)
            });
            let follows = then.is_some_and(|then| tells_of_few(&now, &then, report.small_cells));
            let now: Vec<Option<u64>> = now.into_iter().map(Some).collect();
            if follows { (now, unknown()) } else { (now.clone(), now) }
        };
        let groups = report.segments.iter().chain([&report.all]).enumerate();
        let (counts, mut table): (Vec<Vec<Option<u64>>>, Vec<Vec<Option<u64>>>) = groups.map(line).unzip();
        withhold_also(&mut table, &counts, report.small_cells);
        table
    }

    /// The same of each category: all of a column stand side by side, and add up.
    pub(super) fn of_categories(&self, column: usize) -> Vec<Vec<bool>> {
        let categories = &self.report.columns[column].categories;
        let table = self.table(categories.len() + 1, |report, group| {
            let (at, ColumnFigures::Categories(figures)) = self.figures(report, group, column)? else { return None };
            let named = &report.columns[at].categories;
            let place = |text: &String| named.iter().position(|other| other == text);
            let counts = categories.iter().map(|text| figures.counts.get(place(text)?).copied());
            let mut counts: Vec<u64> = counts.collect::<Option<_>>()?;
            counts.push(figures.known().checked_sub(sum(&counts)?)?);
            Some(counts)
        });
        let Some(all) = table.last() else { return Vec::new() };
        let told = |category: usize| table.iter().map(|line| line[category].and(all[category]).is_some()).collect();
        (0..categories.len()).map(told).collect()
    }

    /// The same of values that are not 0, beside zeros.
    pub(super) fn of_non_zero(&self, column: usize) -> Vec<bool> {
        self.shares(|report, group| match self.figures(report, group, column)?.1 {
            ColumnFigures::Numbers(figures) => {
                let here = (figures.non_zero_share.unwrap_or(0.0) * figures.known as f64).round() as u64;
                Some([here, figures.known - here.min(figures.known)])
            }
            ColumnFigures::Categories(_) => None,
        })
    }

    /// The same of missing values, beside known ones.
    pub(super) fn of_missing(&self, column: usize) -> Vec<bool> {
        self.shares(|report, group| {
            let known = match self.figures(report, group, column)?.1 {
                ColumnFigures::Numbers(figures) => figures.known,
                ColumnFigures::Categories(figures) => figures.known(),
            };
            Some([known, group.customers - known.min(group.customers)])
        })
    }

    /// The same of an outcome of this number.
    pub(super) fn of_outcome(&self, outcome: usize) -> Vec<bool> {
        let what = self.report.all.outcomes.get(outcome).map(|rate| (&rate.column, &rate.value));
        self.shares(|_, group| {
            let rate = group.outcomes.iter().find(|rate| Some((&rate.column, &rate.value)) == what)?;
            Some([rate.cases, rate.known.checked_sub(rate.cases)?])
        })
    }

    /// The same of the customers who hold a product.
    pub(super) fn of_product(&self, product: usize) -> Vec<bool> {
        let name = &self.report.products[product];
        self.shares(|report, group| {
            let at = report.products.iter().position(|other| other == name)?;
            let holders = group.products.get(at)?.holders;
            Some([holders, group.customers.checked_sub(holders)?])
        })
    }

    /// Whether it may be told how well the rule of a group holds: how many customers it tells rightly and wrongly, and
    /// how many it misses.
    pub(super) fn of_rule(&self, group: &GroupProfile) -> bool {
        let counts = |group: &GroupProfile| {
            let rule = group.rule.as_ref()?;
            let RuleFigures { told, right, .. } = *rule.figures.as_ref()?;
            Some([right, told.checked_sub(right)?, group.customers.checked_sub(right)?])
        };
        let limit = self.report.small_cells;
        let Some([right, wrong, missed]) = counts(group) else { return false };
        if [right, wrong, missed].iter().any(|n| (1..limit).contains(n)) {
            return false;
        }
        let then = self.earlier.and_then(|earlier| earlier.group(group, false));
        let text = |group: &GroupProfile| group.rule.as_ref().map(|rule| rule.en.clone());
        let is_same = |then: &&GroupProfile| text(then) == text(group);
        then.filter(is_same).and_then(counts).is_none_or(|[r, w, m]| {
            !tells_of_few(&[right, wrong], &[r, w], limit) && !tells_of_few(&[right, missed], &[r, m], limit)
        })
    }

    /// A column of this report in another one, which may have others, with its place there.
    fn figures<'g>(
        &self,
        report: &ProfileReport,
        group: &'g GroupProfile,
        column: usize,
    ) -> Option<(usize, &'g ColumnFigures)> {
        let name = &self.report.columns[column].name;
        let at = report.columns.iter().position(|other| other.name == *name)?;
        Some((at, group.columns.get(at)?))
    }
}

/// Whether a group has so few customers more or less than before that the difference of both counts tells of them.
fn tells_of_few(now: &[u64], then: &[u64], limit: u64) -> bool {
    let few = 1..limit;
    let changed = sum(now).zip(sum(then)).map(|(now, then)| now.abs_diff(then));
    changed.is_some_and(|n| few.contains(&n))
        && now.iter().zip(then).any(|(now, then)| few.contains(&now.abs_diff(*then)))
}

/// None beyond u64: somebody edited a profile.
fn sum(counts: &[u64]) -> Option<u64> {
    counts.iter().try_fold(0, |sum: u64, &n| sum.checked_add(n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::Random;
    use crate::profile::GroupRule;

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
            let of = |_: &ProfileReport, group: &GroupProfile| match group.segment {
                Some(at) => Some(table[at as usize]),
                None => Some(std::array::from_fn(|j| table.iter().map(|line| line[j]).sum())),
            };
            let told = ToldShares { report: &report, earlier: None }.shares(of);
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
    #[test]
    fn two_pages_tell_of_no_few_customers() {
        // Three customers came to segment 0; the other segments did not change, or by many.
        let (then, now) = ([[100, 50], [80, 40], [500, 400], [90, 60]], [[102, 51], [80, 40], [530, 420], [90, 60]]);
        let customers = |table: &[[u64; 2]]| table.iter().map(|line| line[0] + line[1]).collect::<Vec<_>>();
        let (old, new) = (report(&customers(&then), 10), report(&customers(&now), 10));
        let counts = |report: &ProfileReport, group: &GroupProfile| {
            let table = if report.rows == new.rows { &now } else { &then };
            Some(match group.segment {
                Some(at) => table[at as usize],
                None => std::array::from_fn(|j| table.iter().map(|line| line[j]).sum()),
            })
        };
        let alone = ToldShares { report: &new, earlier: None }.shares(counts);
        assert_eq!(alone, [true; 5]);
        let earlier = EarlierPage::of_same_segments(old.clone());
        // With the smallest other one, since the counts of all rows are known.
        let after = ToldShares { report: &new, earlier: Some(&earlier) }.shares(counts);
        assert_eq!(after, [false, false, true, true, true]);
        // By other numbers, segment 1 of now was segment 0: nothing of segment 0 was published.
        let earlier = EarlierPage { report: old, segments: BTreeMap::from([(1, 1)]) };
        assert_eq!(ToldShares { report: &new, earlier: Some(&earlier) }.shares(counts), [true; 5]);
        assert!(!tells_of_few(&[5, 5], &[5, 5], 10) && !tells_of_few(&[50, 5], &[40, 5], 10));
        assert!(tells_of_few(&[50, 5], &[50, 4], 10) && !tells_of_few(&[51, 4], &[50, 5], 10));
    }

    #[test]
    fn a_rule_tells_of_no_few_customers() {
        let of = |customers: u64, [told, right]: [u64; 2], en: &str| {
            let mut report = report(&[customers, 500], 10);
            let figures = Some(RuleFigures { told, right, precision: None, recall: None });
            let [en, zh] = [en, ""].map(str::to_owned);
            report.segments[0].rule = Some(GroupRule { part: None, en, zh, any_of: Vec::new(), figures });
            report
        };
        let tells = |now: &ProfileReport, then: Option<ProfileReport>| {
            let earlier = then.map(EarlierPage::of_same_segments);
            ToldShares { report: now, earlier: earlier.as_ref() }.of_rule(&now.segments[0])
        };
        let now = of(103, [103, 103], "a > 1");
        for (told, is_told) in
            [([103, 103], true), ([93, 93], true), ([94, 94], false), ([108, 93], true), ([102, 93], false)]
        {
            assert_eq!(tells(&of(103, told, "a > 1"), None), is_told, "{told:?}");
        }
        assert!(!tells(&of(103, [9, 9], "a > 1"), None), "few are told");
        // The three who came are all told.
        assert!(!tells(&now, Some(of(100, [100, 100], "a > 1"))));
        assert!(tells(&now, Some(of(100, [100, 100], "a > 2"))), "another rule");
        assert!(tells(&now, Some(of(80, [80, 80], "a > 1"))));
    }

    #[test]
    fn a_small_category_does_not_follow_from_the_others() {
        let counts = [[500, 300, 4], [600, 200, 90], [700, 100, 80]];
        let group = |segment: Option<u32>, counts: [u64; 3]| {
            serde_json::json!({"segment": segment, "customers": counts.iter().sum::<u64>(), "share": 0.0, "withheld": false,
                "columns": [{"counts": counts, "others": 0, "missing": 0}]})
        };
        let all = std::array::from_fn(|i| counts.iter().map(|of| of[i]).sum());
        let segments: Vec<_> = counts.iter().enumerate().map(|(i, &of)| group(Some(i as u32), of)).collect();
        let report: ProfileReport = serde_json::from_value(serde_json::json!({
            "profile_version": 2, "rows": 2574, "weighted": false, "quantiles": "exact", "small_cells": 10,
            "labels_blake3": "", "columns": [{"name": "stage", "data_type": "Utf8", "kind": "category", "role": "other",
                "categories": ["a", "b", "c"]}], "correlated": [], "all": group(None, all), "segments": segments,
        }))
        .unwrap();
        let told = ToldShares { report: &report, earlier: None }.of_categories(0);
        let hidden = |line: usize| told.iter().filter(|category| !category[line]).count();
        assert!(hidden(0) >= 2 && !told[2][0], "{told:?}");
        assert!(told.iter().flatten().any(|told| *told), "{told:?}");
    }

    /// Somebody edited the profile of before: more hold a product than there are customers, and more have an outcome
    /// than it is known of.
    #[test]
    fn counts_that_cannot_be_are_not_compared() {
        let of = |holders: u64, cases: u64| -> ProfileReport {
            let figures = serde_json::json!({"holders": holders, "penetration": null, "interval": null, "index": null, "gap": null});
            let rate = serde_json::json!({"column": "left", "value": "1", "cases": cases, "known": 100, "rate": null,
                "interval": null, "lift": null});
            let group = |segment: Option<u32>| {
                serde_json::json!({"segment": segment, "customers": 100, "share": 1.0, "withheld": false, "columns": [],
                    "products": [figures], "outcomes": [rate]})
            };
            serde_json::from_value(serde_json::json!({
                "profile_version": 2, "rows": 100, "weighted": false, "quantiles": "exact", "small_cells": 10,
                "labels_blake3": "", "columns": [], "correlated": [], "products": ["fund"], "all": group(None),
                "segments": [group(Some(0))],
            }))
            .unwrap()
        };
        let (now, before) = (of(40, 30), EarlierPage::of_same_segments(of(101, 200)));
        let told = ToldShares { report: &now, earlier: Some(&before) };
        assert_eq!((told.of_product(0), told.of_outcome(0)), (vec![true; 2], vec![true; 2]));
        let few = EarlierPage::of_same_segments(of(38, 30));
        let told = ToldShares { report: &now, earlier: Some(&few) };
        assert_eq!(told.of_product(0), [true; 2], "as many customers as before");
        let edited = of(101, 200);
        let told = ToldShares { report: &edited, earlier: None };
        assert_eq!((told.of_product(0), told.of_outcome(0)), (vec![false; 2], vec![false; 2]));
    }

    /// The same of categories that have more customers than u64 counts.
    #[test]
    fn counts_beyond_u64_are_not_compared() {
        let of = |counts: [u64; 2]| -> ProfileReport {
            let group = |segment: Option<u32>| {
                serde_json::json!({"segment": segment, "customers": 100, "share": 1.0, "withheld": false,
                    "columns": [{"counts": counts, "others": 0, "missing": 0}]})
            };
            serde_json::from_value(serde_json::json!({
                "profile_version": 2, "rows": 100, "weighted": false, "quantiles": "exact", "small_cells": 10,
                "labels_blake3": "", "columns": [{"name": "stage", "data_type": "Utf8", "kind": "category",
                    "role": "other", "categories": ["a", "b"]}], "correlated": [], "all": group(None),
                "segments": [group(Some(0)), group(Some(1))],
            }))
            .unwrap()
        };
        let (now, before) = (of([60, 40]), EarlierPage::of_same_segments(of([1 << 63; 2])));
        let told = ToldShares { report: &now, earlier: Some(&before) };
        assert_eq!((told.of_categories(0), told.of_missing(0)), (vec![vec![true; 3]; 2], vec![true; 3]));
        let edited = of([1 << 63; 2]);
        let told = ToldShares { report: &edited, earlier: None };
        assert_eq!(told.of_categories(0), vec![vec![false; 3]; 2]);
        assert!(!tells_of_few(&[1 << 63, 1 << 63], &[1, 2], 10));
    }
}
