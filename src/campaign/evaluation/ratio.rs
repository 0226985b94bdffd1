//! Whether customers were assigned in the expected shares, among all and in each group.

use schemars::JsonSchema;
use serde::Serialize;

use crate::numeric::chi_square_tail;

/// A lower p-value says that customers were not assigned in the expected shares.
const SUSPICIOUS: f64 = 0.001;
/// With fewer customers expected in an arm, a group is not tested.
const FEWEST_EXPECTED: f64 = 5.0;

/// Whether customers were assigned in the expected shares: a chi-square test of their counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct SampleRatio {
    /// The statistic.
    pub chi_square: f64,
    /// Arms less one.
    pub freedom: u64,
    /// The p-value.
    pub p: f64,
    /// It is below 0.001, in a group after Holm's adjustment for all groups: something other than chance decided about
    /// arms, and no figure can be trusted.
    pub is_suspicious: bool,
}

impl SampleRatio {
    /// Where only one assignment was possible.
    pub(super) const NOTHING: SampleRatio = SampleRatio { chi_square: 0.0, freedom: 0, p: 1.0, is_suspicious: false };
}

/// The sample ratio of a group.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct GroupRatio {
    /// The values of the columns of `by`, null for a missing value.
    pub group: Vec<Option<String>>,
    /// Customers by arm, in the order of the arms of the report.
    pub customers: Vec<u64>,
    /// Customers who were to be expected in each arm.
    pub expected: Vec<f64>,
    /// The test; None if fewer than 5 customers are expected in an arm.
    pub ratio: Option<SampleRatio>,
}

/// Customers of cells, and how many were to be expected.
#[derive(Debug, Clone)]
pub(super) struct ArmCounts {
    pub(super) customers: Vec<u64>,
    pub(super) expected: Vec<f64>,
    /// The variance of the number in the first arm.
    variance: f64,
}

impl ArmCounts {
    pub(super) fn new(arms: usize) -> Self {
        ArmCounts { customers: vec![0; arms], expected: vec![0.0; arms], variance: 0.0 }
    }

    /// Adds the customers of a cell, who were assigned in these shares.
    pub(super) fn add(&mut self, customers: &[u64], shares: &[f64]) {
        let all = customers.iter().sum::<u64>() as f64;
        self.customers.iter_mut().zip(customers).for_each(|(sum, n)| *sum += n);
        self.expected.iter_mut().zip(shares).for_each(|(sum, share)| *sum += all * share);
        self.variance += all * shares[0] * (1.0 - shares[0]);
    }

    /// The test; None where there is nothing to test.
    pub(super) fn test(&self) -> Option<SampleRatio> {
        let freedom = self.customers.len() as u64 - 1;
        let away = |(&n, expected): (&u64, &f64)| (n as f64 - expected).powi(2);
        let mut pairs = self.customers.iter().zip(&self.expected);
        // Of two arms whose shares differ between cells, the variance is smaller than that of shares of all customers.
        let chi_square = match freedom {
            1 => away((&self.customers[0], &self.expected[0])) / self.variance,
            _ => pairs.try_fold(0.0, |sum, pair| (*pair.1 > 0.0).then(|| sum + away(pair) / pair.1))?,
        };
        if !chi_square.is_finite() {
            return None;
        }
        let p = chi_square_tail(chi_square, freedom as f64);
        Some(SampleRatio { chi_square, freedom, p, is_suspicious: p < SUSPICIOUS })
    }
}

/// The sample ratios of groups; suspicious are those that Holm's method leaves.
pub(super) fn of_groups(groups: Vec<(Vec<Option<String>>, ArmCounts)>) -> Vec<GroupRatio> {
    let of = |(group, counts): (Vec<Option<String>>, ArmCounts)| {
        let is_enough = counts.expected.iter().all(|&expected| expected >= FEWEST_EXPECTED);
        let ratio = counts.test().filter(|_| is_enough);
        GroupRatio { group, customers: counts.customers, expected: counts.expected, ratio }
    };
    let mut groups: Vec<GroupRatio> = groups.into_iter().map(of).collect();
    let mut tested: Vec<&mut SampleRatio> = groups.iter_mut().filter_map(|group| group.ratio.as_mut()).collect();
    tested.sort_by(|a, b| a.p.total_cmp(&b.p));
    let tests = tested.len();
    let mut is_shown = true;
    for (rank, ratio) in tested.into_iter().enumerate() {
        is_shown = is_shown && ratio.p * ((tests - rank) as f64) < SUSPICIOUS;
        ratio.is_suspicious = is_shown;
    }
    groups
}
