//! How strongly a protected attribute and the segments go together: Cramer's V, the correlation ratio, and the groups
//! of which the largest and the smallest share is in a segment.

use std::fmt;

use serde::Serialize;

use crate::numeric::{SIDE_OF_95, exp_m1, ln_1p};
use crate::text::{percent, shown, thousands};

/// A segment, and the groups that are in it most and least often.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Disparity {
    /// The segment.
    pub segment: usize,
    /// The group with the largest selection rate.
    pub most: SelectionRate,
    /// The group with the smallest selection rate.
    pub least: SelectionRate,
    /// The largest rate divided by the smallest; to two digits if one of them is withheld.
    pub ratio: f64,
    /// Whether the true ratio is larger: the smallest rate is of fewer customers than the limit of small cells (or of
    /// none), and is taken to be of as many as the limit.
    pub is_bound: bool,
    /// The ratio's interval at 95 % (Katz, logarithms of the ratio of two independent shares); the upper end is None
    /// if the ratio is a bound.
    pub interval: (f64, Option<f64>),
}

/// The customers of a group that are in a segment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SelectionRate {
    /// The group: a value, or a band of values, of the attribute.
    pub group: String,
    /// Its customers in the segment; None: withheld.
    pub count: Option<u64>,
    /// Its customers in all segments; None: withheld.
    pub of: Option<u64>,
    /// `count / of`; None: withheld.
    pub rate: Option<f64>,
}

impl fmt::Display for Disparity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = |of: &SelectionRate| match (of.count, of.of, of.rate) {
            (Some(count), Some(of), Some(rate)) => {
                format!("{} ({} of {})", percent(rate), thousands(count), thousands(of))
            }
            _ => "a withheld share".into(),
        };
        let (most, least) = (&self.most, &self.least);
        write!(f, "{} of {} are in segment {}", rate(most), shown(&most.group), self.segment)?;
        write!(f, ", {} of {}: {}", rate(least), shown(&least.group), if self.is_bound { "at least " } else { "" })?;
        write!(f, "{:.2} times as often (95 %: {:.2} ", self.ratio, self.interval.0)?;
        match self.interval.1 {
            Some(high) => write!(f, "to {high:.2})"),
            None => f.write_str("or more)"),
        }
    }
}

/// Customers by group, then by segment.
pub(super) type Groups = [(String, Vec<u64>)];

/// Cramer's V of groups and segments: 0 if they are independent, 1 if one follows from the other. None if there are
/// fewer than two groups or segments with customers.
///
/// H. Cramer, *Mathematical Methods of Statistics* (1946), section 21.9; without a correction for small samples.
pub(super) fn cramers_v<'c>(groups: impl Iterator<Item = &'c [u64]>) -> Option<f64> {
    let rows: Vec<&[u64]> = groups.filter(|counts| counts.iter().any(|&n| n > 0)).collect();
    let segments = rows.first()?.len();
    let columns: Vec<u64> = (0..segments).map(|s| rows.iter().map(|counts| counts[s]).sum()).collect();
    let filled = columns.iter().filter(|&&n| n > 0).count();
    let freedom = rows.len().min(filled).checked_sub(1).filter(|&f| f > 0)?;
    // Pearson's chi-square of n customers is n (squared - 1).
    let mut squared = 0.0;
    for counts in rows {
        let of_group = counts.iter().sum::<u64>() as f64;
        for (&count, &of_segment) in counts.iter().zip(&columns).filter(|&(_, &of_segment)| of_segment > 0) {
            squared += count as f64 / of_group * (count as f64 / of_segment as f64);
        }
    }
    Some(((squared - 1.0).max(0.0) / freedom as f64).sqrt().min(1.0))
}

/// Customers of every segment by group, and those of all segments last; all are told.
pub(super) fn table(groups: &Groups) -> Vec<Vec<Option<u64>>> {
    let segments = groups.first().map_or(0, |(_, counts)| counts.len());
    let of_segment = |segment: usize| groups.iter().map(|(_, counts)| Some(counts[segment])).collect();
    let mut table: Vec<Vec<Option<u64>>> = (0..segments).map(of_segment).collect();
    table.push(groups.iter().map(|(_, counts)| Some(counts.iter().sum())).collect());
    table
}

/// Whether a cell of a table is withheld.
pub(super) fn is_withheld(table: &[Vec<Option<u64>>]) -> bool {
    table.iter().flatten().any(Option::is_none)
}

/// A measure to two decimals, from which no count can be computed.
pub(super) fn coarse(measure: f64) -> f64 {
    (100.0 * measure).round() / 100.0
}

/// The disparity of every segment in which at least two groups are expected to have `limit` customers. `told` is their
/// [`table`] without the cells that are withheld.
pub(super) fn disparities(groups: &Groups, told: &[Vec<Option<u64>>], limit: u64) -> Vec<Disparity> {
    let least_seen = limit.max(1);
    let Some((all_told, told)) = told.split_last() else { return Vec::new() };
    let sizes: Vec<u64> = groups.iter().map(|(_, counts)| counts.iter().sum()).collect();
    let all = sizes.iter().sum::<u64>() as f64;
    let found = told.iter().enumerate().filter_map(|(segment, told)| {
        let share = groups.iter().map(|(_, counts)| counts[segment]).sum::<u64>() as f64 / all;
        let rate = |at: usize| groups[at].1[segment] as f64 / sizes[at] as f64;
        let expected = || (0..groups.len()).filter(|&at| sizes[at] as f64 * share >= least_seen as f64);
        let most = expected().reduce(|a, b| if rate(b) > rate(a) { b } else { a })?;
        let least = expected().reduce(|a, b| if rate(b) < rate(a) { b } else { a })?;
        let (high, low) = (groups[most].1[segment], groups[least].1[segment]);
        let of = |at: usize| {
            let both = told[at].zip(all_told[at]);
            SelectionRate {
                group: groups[at].0.clone(),
                count: both.map(|(count, _)| count),
                of: both.map(|(_, of)| of),
                rate: both.map(|_| rate(at)),
            }
        };
        let is_bound = low < least_seen;
        let (ratio, [lower, upper]) = ratio_of((high, sizes[most]), (low.max(least_seen), sizes[least]));
        let (most_rate, least_rate) = (of(most), of(least));
        let exact = most_rate.rate.is_some() && least_rate.rate.is_some();
        let tell = |v: f64| if exact { v } else { two_digits(v) };
        let is_told = most != least && high >= least_seen && ratio >= 1.0;
        is_told.then(|| Disparity {
            segment,
            most: most_rate,
            least: least_rate,
            ratio: tell(ratio),
            is_bound,
            interval: (tell(lower), (!is_bound).then(|| tell(upper))),
        })
    });
    found.collect()
}

/// To two significant digits.
fn two_digits(v: f64) -> f64 {
    format!("{v:.1e}").parse().unwrap_or(v)
}

/// The ratio of two shares, the first the larger, and its interval.
fn ratio_of((a, of_a): (u64, u64), (b, of_b): (u64, u64)) -> (f64, [f64; 2]) {
    let ratio = a as f64 / of_a as f64 / (b as f64 / of_b as f64);
    let inverse = |n: u64| 1.0 / n as f64;
    let side = SIDE_OF_95 * (inverse(a) - inverse(of_a) + inverse(b) - inverse(of_b)).max(0.0).sqrt();
    let logarithm = ln_1p((ratio - 1.0).max(0.0));
    (ratio, [exp_m1(logarithm - side) + 1.0, exp_m1(logarithm + side) + 1.0])
}

/// The share of the variance of numbers that lies between segments (eta squared); `of` has the numbers of each segment
/// with their counts, in order. None if nothing varies.
pub(super) fn eta_squared(of: &[Vec<(f64, u64)>]) -> Option<f64> {
    let count = |numbers: &[(f64, u64)]| numbers.iter().map(|(_, n)| n).sum::<u64>() as f64;
    let mean = |numbers: &[(f64, u64)]| numbers.iter().map(|(v, n)| v * *n as f64).sum::<f64>() / count(numbers);
    let n: f64 = of.iter().map(|numbers| count(numbers)).sum();
    let filled = || of.iter().filter(|numbers| !numbers.is_empty());
    let overall = filled().map(|numbers| mean(numbers) * count(numbers)).sum::<f64>() / n;
    let square = |v: f64| (v - overall) * (v - overall);
    let total: f64 = filled().flatten().map(|&(v, n)| square(v) * n as f64).sum();
    let between: f64 = filled().map(|numbers| square(mean(numbers)) * count(numbers)).sum();
    (total > 0.0 && total.is_finite()).then(|| (between / total).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::super::withhold::withhold;
    use super::*;

    /// The sum of (observed - expected)^2 / expected.
    #[test]
    fn cramers_v_is_that_of_its_definition() {
        let table: [&[u64]; 2] = [&[100, 78, 84], &[50, 11, 31]];
        let (rows, columns) = ([262.0, 92.0], [150.0, 89.0, 115.0]);
        let n = 354.0;
        let mut chi = 0.0;
        for (counts, row) in table.iter().zip(rows) {
            for (&count, column) in counts.iter().zip(columns) {
                let expected: f64 = row * column / n;
                chi += (count as f64 - expected).powi(2) / expected;
            }
        }
        let expected = (chi / n).sqrt();
        let found = cramers_v(table.into_iter()).unwrap();
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        let perfect: [&[u64]; 2] = [&[5, 0], &[0, 7]];
        assert_eq!(cramers_v(perfect.into_iter()), Some(1.0));
        let alone: [&[u64]; 2] = [&[5, 3], &[0, 0]];
        assert_eq!(cramers_v(alone.into_iter()), None);
    }

    fn found(groups: &Groups, limit: u64) -> Vec<Disparity> {
        let mut told = table(groups);
        withhold(&mut told, limit);
        disparities(groups, &told, limit)
    }

    #[test]
    fn a_ratio_has_its_interval() {
        // 30 of 100 against 10 of 100: standard error sqrt(1/30 - 1/100 + 1/10 - 1/100) = 0.33665.
        let groups = [("a".to_owned(), vec![30, 70]), ("b".to_owned(), vec![10, 90])];
        let found = found(&groups, 10);
        assert_eq!((found[0].most.group.as_str(), found[0].least.group.as_str()), ("a", "b"));
        assert!((found[0].ratio - 3.0).abs() < 1e-12);
        let (low, high) = (found[0].interval.0, found[0].interval.1.unwrap());
        let side = (1.959_963_984_540_054 * 0.336_650_164_612_069_4_f64).exp();
        assert!((low - 3.0 / side).abs() < 1e-9 && (high - 3.0 * side).abs() < 1e-9, "{low} {high}");
        assert_eq!((found[1].most.group.as_str(), found[1].segment), ("b", 1));
    }

    #[test]
    fn few_customers_are_withheld_from_a_ratio() {
        let groups = [("a".to_owned(), vec![300, 700]), ("b".to_owned(), vec![3, 997]), ("c".to_owned(), vec![2, 3])];
        let some = found(&groups, 10);
        assert_eq!((some[0].least.count, some[0].least.rate, some[0].interval.1), (None, None, None));
        assert_eq!((some[0].ratio, some[0].is_bound), (30.0, true), "as if 10 were in it");
        assert!(some.iter().all(|d| d.most.group != "c" && d.least.group != "c"), "too few to compare");
        assert_eq!(found(&groups, 0)[0].least.count, Some(3));
        assert_eq!(two_digits(0.019_96), 0.02);
    }

    #[test]
    fn eta_squared_is_the_share_between_segments() {
        let of = [vec![(1.0, 2), (3.0, 2)], vec![(5.0, 4)], vec![]];
        // Mean 3.5; between: 4 * 1.5^2 + 4 * 1.5^2 = 18; within: 4; in all 22.
        assert!((eta_squared(&of).unwrap() - 18.0 / 22.0).abs() < 1e-12);
        assert_eq!(eta_squared(&[vec![(2.0, 5)], vec![(2.0, 1)]]), None);
    }
}
