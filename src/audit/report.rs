//! The audit report: plain data, the same in JSON and in the terminal. Rows are counted without row weights.

use serde::Serialize;

use super::carriers::Carrier;
use super::disparity::{Disparity, coarse, cramers_v, disparities, is_withheld, table};
use super::withhold::withhold;
use crate::text::date;

/// Values with a share of their own; all others are combined.
pub(super) const VALUES_TOLD: usize = 12;

/// `audit.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditReport {
    /// Rows.
    pub rows: u64,
    /// Figures of fewer customers are withheld, and what they could be computed from; 0: none are.
    pub small_cells: u64,
    /// Rows by segment.
    pub segments: Vec<u64>,
    /// BLAKE3 of the labels as little-endian i32, in row order, as in the manifest of the same run.
    pub labels_blake3: String,
    /// Protected columns, in the order of the input.
    pub attributes: Vec<Attribute>,
    /// Protected columns that were not counted, and why.
    pub left_out: Vec<(String, String)>,
}

/// A protected column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attribute {
    /// Its name.
    pub column: String,
    /// The attribute it likely holds.
    pub attribute: String,
    /// Whether it is a feature nevertheless.
    pub is_feature: bool,
    /// Cramer's V of the attribute and the segments: 0 if they are independent, 1 if one follows from the other; of
    /// numbers, by the four bands between their quartiles; to two decimals if counts are withheld. None if only one
    /// value or segment occurs.
    pub cramers_v: Option<f64>,
    /// The share of the variance of numbers that lies between segments; None for other values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_squared: Option<f64>,
    /// The groups that are in a segment most and least often, for each segment that has enough customers.
    pub disparities: Vec<Disparity>,
    /// The features that are numbers, by how strongly each carries the attribute; from some 32,768 rows, drawn by a
    /// hash of their number, if there are more.
    pub carried_by: Vec<Carrier>,
    /// Its counts.
    #[serde(flatten)]
    pub found: AuditCounts,
}

/// The counts of a protected column.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditCounts {
    /// For texts, booleans, and numbers with few distinct values.
    Shares(SharesReport),
    /// For numbers and dates.
    Numbers(NumbersReport),
}

/// The frequencies of values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SharesReport {
    /// The most common values of all rows, at most 12; equally common ones in order.
    pub values: Vec<String>,
    /// For all rows.
    pub overall: ShareLine,
    /// For each segment.
    pub segments: Vec<ShareLine>,
    /// The value and segment with the largest ratio of the segment's share to the share of all rows, among those with
    /// enough customers to be told; None without any.
    pub largest_ratio: Option<Ratio>,
    /// Whether every value was counted individually; otherwise values that first occur late may be among the others.
    pub complete: bool,
}

/// Counts of some rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShareLine {
    /// Rows with a value.
    pub known: u64,
    /// Rows without a value.
    pub missing: u64,
    /// Rows with each of `values`; None: withheld, since they are few (`--small-cells`) or few could be computed from
    /// them.
    pub counts: Vec<Option<u64>>,
    /// Rows with another value.
    pub other: Option<u64>,
    /// `counts` as shares of `known`.
    pub shares: Vec<Option<f64>>,
}

/// Where a value is most overrepresented.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ratio {
    /// The value.
    pub value: String,
    /// The segment.
    pub segment: usize,
    /// Rows of the segment with this value.
    pub count: u64,
    /// The share in the segment divided by the share of all rows; 1: no difference.
    pub ratio: f64,
}

/// The distribution of numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NumbersReport {
    /// The relative error of quartiles; 0: exact.
    pub rounding: f64,
    /// For all rows.
    pub overall: Summary,
    /// For each segment.
    pub segments: Vec<Summary>,
}

/// Numbers of some rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Rows with a finite number.
    pub known: u64,
    /// Rows without one: null, NaN or infinite.
    pub missing: u64,
    /// Mean; None if no number is known, or if it is withheld, since few are known (`--small-cells`) or few could be
    /// computed from it.
    pub mean: Option<Number>,
    /// The smallest numbers not exceeded by a quarter, a half and three quarters of the rows.
    pub quartiles: Option<[Number; 3]>,
}

/// A number, or a date as text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Number {
    /// A number.
    Number(f64),
    /// A date.
    Date(String),
}

impl Number {
    pub(super) fn of(v: f64, is_date: bool) -> Number {
        if is_date { Number::Date(date(v)) } else { Number::Number(v) }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Number::Number(v) => write!(f, "{v}"),
            Number::Date(date) => f.write_str(date),
        }
    }
}

impl AuditReport {
    /// The disparities of all attributes that exceed `most` beyond chance, the largest of each attribute.
    pub(crate) fn beyond(&self, most: f64) -> Vec<(&Attribute, &Disparity)> {
        let worst = self.attributes.iter().filter_map(|a| Some((a, a.largest_disparity()?)));
        worst.filter(|(_, disparity)| disparity.interval.0 > most).collect()
    }
}

impl Attribute {
    /// The disparity that a headline names: the one with the largest lower end of its interval.
    pub fn largest_disparity(&self) -> Option<&Disparity> {
        self.disparities.iter().reduce(|a, b| if b.interval.0 > a.interval.0 { b } else { a })
    }
}

/// Counts by value and segment, before few customers are withheld.
pub(super) struct Tally {
    /// Counts by segment of every value that was counted individually.
    pub(super) named: Vec<(String, Vec<u64>)>,
    /// Other values, by segment.
    pub(super) others: Vec<u64>,
    /// Rows without a value, by segment.
    pub(super) missing: Vec<u64>,
}

impl Tally {
    /// The most common values alone, in order; the others are added up.
    fn shortened(mut self) -> Self {
        let total = |counts: &[u64]| counts.iter().sum::<u64>();
        self.named.sort_by(|a, b| total(&b.1).cmp(&total(&a.1)).then_with(|| a.0.cmp(&b.0)));
        for (_, counts) in self.named.split_off(self.named.len().min(VALUES_TOLD)) {
            self.others.iter_mut().zip(counts).for_each(|(other, n)| *other += n);
        }
        self
    }

    /// What is found: shares, Cramer's V and disparities. Figures of fewer than `limit` customers are withheld.
    pub(super) fn report(self, limit: u64) -> Found {
        let complete = self.others.iter().all(|&n| n == 0);
        let tally = self.shortened();
        let groups = tally.named.iter().map(|(_, counts)| counts.as_slice()).chain([tally.others.as_slice()]);
        let (v, told) = (cramers_v(groups), tally.told(limit));
        let cramers_v = v.map(|v| if is_withheld(&told) { coarse(v) } else { v });
        let disparities = disparities(&tally.named, &told, limit);
        let lines = tally.lines(told);
        let largest_ratio = tally.largest_ratio(&lines, limit);
        let (mut segments, values) = (lines, tally.named.into_iter().map(|(name, _)| name).collect());
        let overall = segments.pop().unwrap_or_else(|| ShareLine::of(0, Vec::new()));
        let shares = SharesReport { values, overall, segments, largest_ratio, complete };
        Found { counts: AuditCounts::Shares(shares), cramers_v, eta_squared: None, disparities }
    }

    /// Rows by value, the others last: of every segment, and of all; some are withheld.
    fn told(&self, limit: u64) -> Vec<Vec<Option<u64>>> {
        let mut table = self.table();
        withhold(&mut table, limit);
        table
    }

    /// The same, with nothing withheld.
    fn table(&self) -> Vec<Vec<Option<u64>>> {
        let groups: Vec<(String, Vec<u64>)> =
            self.named.iter().cloned().chain([(String::new(), self.others.clone())]).collect();
        table(&groups)
    }

    /// The lines of all segments, and that of all rows.
    fn lines(&self, told: Vec<Vec<Option<u64>>>) -> Vec<ShareLine> {
        let known: Vec<u64> = self.table().iter().map(|line| line.iter().flatten().sum()).collect();
        let missing = self.missing.iter().copied().chain([self.missing.iter().sum()]);
        let lines = told.into_iter().zip(known).zip(missing);
        lines.map(|((counts, known), missing)| ShareLine { missing, ..ShareLine::of(known, counts) }).collect()
    }

    /// Where a value is most overrepresented. `lines` are those of the segments and of all rows.
    fn largest_ratio(&self, lines: &[ShareLine], limit: u64) -> Option<Ratio> {
        let (overall, segments) = lines.split_last()?;
        let mut largest: Option<Ratio> = None;
        for (segment, line) in segments.iter().enumerate() {
            let told = line.counts.iter().zip(&line.shares).zip(&overall.shares).zip(&self.named);
            for (((count, share), all), (value, _)) in told {
                let (&Some(count), &Some(share), &Some(all)) = (count, share, all) else { continue };
                let ratio = share / all;
                if count >= limit && largest.as_ref().is_none_or(|l| ratio > l.ratio) {
                    largest = Some(Ratio { value: value.clone(), segment, count, ratio });
                }
            }
        }
        largest
    }
}

impl ShareLine {
    /// Of `counts` by value, the last of other values, and no missing ones.
    fn of(known: u64, mut counts: Vec<Option<u64>>) -> Self {
        let other = counts.pop().unwrap_or(Some(0));
        let shares = counts.iter().map(|count| count.map(|n| n as f64 / known.max(1) as f64)).collect();
        ShareLine { known, missing: 0, counts, other, shares }
    }
}

/// What was found of an attribute.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    pub(super) counts: AuditCounts,
    pub(super) cramers_v: Option<f64>,
    pub(super) eta_squared: Option<f64>,
    pub(super) disparities: Vec<Disparity>,
}
