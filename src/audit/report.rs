//! The audit report: plain data, the same in JSON and in the terminal. Rows are counted without row weights.

use serde::Serialize;

use crate::text::date;

/// Values with a share of their own; all others are combined.
pub(super) const VALUES_TOLD: usize = 12;

/// `audit.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditReport {
    /// Rows.
    pub rows: u64,
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
    /// The value and segment with the largest ratio of the segment's share to the share of all rows; None if no value
    /// is known.
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
    /// Rows with each of `values`.
    pub counts: Vec<u64>,
    /// Rows with another value.
    pub other: u64,
    /// `counts` as shares of `known`.
    pub shares: Vec<f64>,
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
    /// Mean; None if no number is known.
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

/// Shares of counts by value and segment; `others` and `missing` count, by segment, values that were not counted
/// individually and rows without a value.
pub(super) fn shares(mut named: Vec<(String, Vec<u64>)>, others: Vec<u64>, missing: Vec<u64>) -> SharesReport {
    let total = |counts: &[u64]| counts.iter().sum::<u64>();
    named.sort_by(|a, b| total(&b.1).cmp(&total(&a.1)).then_with(|| a.0.cmp(&b.0)));
    let complete = total(&others) == 0;
    let rest = named.split_off(named.len().min(VALUES_TOLD));
    let line = |count: &dyn Fn(&[u64]) -> u64| {
        let counts: Vec<u64> = named.iter().map(|(_, by_segment)| count(by_segment)).collect();
        let other = count(&others) + rest.iter().map(|(_, by_segment)| count(by_segment)).sum::<u64>();
        let known = total(&counts) + other;
        let shares = counts.iter().map(|&n| n as f64 / known.max(1) as f64).collect();
        ShareLine { known, missing: count(&missing), counts, other, shares }
    };
    let overall = line(&total);
    let segments: Vec<ShareLine> = (0..missing.len()).map(|segment| line(&|counts| counts[segment])).collect();
    let mut largest: Option<Ratio> = None;
    for (segment, of) in segments.iter().enumerate() {
        for (at, (share, all)) in of.shares.iter().zip(&overall.shares).enumerate() {
            let ratio = share / all;
            if largest.as_ref().is_none_or(|l| ratio > l.ratio) {
                largest = Some(Ratio { value: named[at].0.clone(), segment, count: of.counts[at], ratio });
            }
        }
    }
    let values = named.into_iter().map(|(name, _)| name).collect();
    SharesReport { values, overall, segments, largest_ratio: largest, complete }
}
