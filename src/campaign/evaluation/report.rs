//! From the counts of cells to the report.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::comparison::{ArmComparison, ArmFigures, adjust, of_money, of_shares};
use super::request::EvaluateRequest;
use super::tally::{CellTally, Cells};
use crate::error::{Error, Result};
use crate::numeric::chi_square_tail;
use crate::text::nearest;

const MOST_ARMS: usize = 20;
/// A lower p-value says that customers were not assigned in the expected shares.
const SUSPICIOUS: f64 = 0.001;

/// What kind of outcome a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// 0 or 1.
    Conversion,
    /// An amount.
    Money,
}

/// The customers of an arm.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AssignedArm {
    /// Its name.
    pub arm: String,
    /// Customers assigned to it.
    pub customers: u64,
    /// The share of all customers that was to be expected.
    pub expected_share: f64,
}

/// Whether customers were assigned in the expected shares: a chi-square test of their counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct SampleRatio {
    /// The statistic.
    pub chi_square: f64,
    /// Arms less one.
    pub freedom: u64,
    /// The p-value.
    pub p: f64,
    /// It is below 0.001: something other than chance decided about arms, and no figure can be trusted.
    pub is_suspicious: bool,
}

/// The arms by one outcome.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MetricReport {
    /// The column.
    pub column: String,
    /// What it has.
    pub kind: MetricKind,
    /// All arms, the control first.
    pub arms: Vec<ArmFigures>,
    /// Every arm beside the control, then the others beside each other. One table for Holm's method.
    pub comparisons: Vec<ArmComparison>,
    /// Every arm beside the control in each group. One table for Holm's method.
    pub groups: Vec<ArmComparison>,
    /// Arms in groups that are not compared, since they or the control have no customer there.
    pub groups_left_out: u64,
}

/// The evaluation of a campaign.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EvaluationReport {
    /// Of this file: 1.
    pub format_version: u32,
    /// All customers.
    pub customers: u64,
    /// The column of arms.
    pub arm_column: String,
    /// The arm that was left alone.
    pub control: String,
    /// The columns that make groups.
    pub by: Vec<String>,
    /// All arms, the control first.
    pub arms: Vec<AssignedArm>,
    /// Whether the numbers of customers are plausible.
    pub sample_ratio: SampleRatio,
    /// What contacting one customer costs.
    pub cost_per_contact: Option<f64>,
    /// The share of the money that is gained.
    pub margin: f64,
    /// By outcome: conversions, then money.
    pub metrics: Vec<MetricReport>,
}

impl EvaluationReport {
    /// The report as JSON, with a line end.
    ///
    /// # Errors
    /// None expected.
    pub fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::Internal(e.to_string()))?;
        Ok(text + "\n")
    }
}

/// The counts of a campaign.
pub(super) struct Evaluated<'a> {
    pub(super) request: &'a EvaluateRequest,
    pub(super) cells: &'a Cells,
}

impl Evaluated<'_> {
    pub(super) fn report(&self) -> Result<EvaluationReport> {
        let request = self.request;
        let arms = self.arms()?;
        let mut whole: BTreeMap<&str, CellTally> = BTreeMap::new();
        for ((_, arm), tally) in self.cells {
            whole.entry(arm).or_default().add(tally);
        }
        let tallies: Vec<(&str, &CellTally)> = arms.iter().map(|arm| (arm.as_str(), &whole[arm.as_str()])).collect();
        let counts: Vec<u64> = tallies.iter().map(|(_, tally)| tally.customers).collect();
        let shares = request.shares(&arms)?;
        let assigned = arms.iter().zip(&counts).zip(&shares);
        let assigned = assigned.map(|((arm, &customers), &expected_share)| AssignedArm {
            arm: arm.clone(),
            customers,
            expected_share,
        });
        let conversions = request.conversion.iter().enumerate().map(|(i, name)| (MetricKind::Conversion, i, name));
        let money = request.money.iter().enumerate().map(|(i, name)| (MetricKind::Money, i, name));
        let metrics =
            conversions.chain(money).map(|(kind, index, name)| self.metric(Metric { kind, index }, name, &tallies));
        Ok(EvaluationReport {
            format_version: 1,
            customers: counts.iter().sum(),
            arm_column: request.arm.clone().unwrap_or_default(),
            control: arms[0].clone(),
            by: request.by.clone(),
            arms: assigned.collect(),
            sample_ratio: sample_ratio(&counts, &shares),
            cost_per_contact: request.cost_per_contact,
            margin: self.margin(),
            metrics: metrics.collect(),
        })
    }

    fn margin(&self) -> f64 {
        self.request.margin.unwrap_or(1.0)
    }

    /// All arms, the control first.
    fn arms(&self) -> Result<Vec<String>> {
        let all: BTreeSet<&String> = self.cells.keys().map(|(_, arm)| arm).collect();
        let (column, control) =
            (self.request.arm.as_deref().unwrap_or_default(), self.request.control.as_deref().unwrap_or_default());
        let refuse = |text: String| Err(Error::input(text).of_columns([column]));
        if all.len() > MOST_ARMS {
            return refuse(format!(
                "{column:?} has {} values, at most {MOST_ARMS} can be arms; name the column of arms with --arm",
                all.len()
            ));
        }
        if all.is_empty() {
            return refuse("the input has no rows".into());
        }
        if !all.iter().any(|arm| *arm == control) {
            let known: Vec<String> = all.iter().map(|arm| format!("{arm:?}")).collect();
            let meant = nearest(control, all.iter().map(|arm| arm.as_str()));
            let meant = meant.map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
            let text =
                format!("no customer's {column:?} is {control:?} (--control): it has {}{meant}", known.join(", "));
            return Err(Error::input(text).of_columns([column]).of_option("--control"));
        }
        if all.len() == 1 {
            return refuse(format!("all customers are in the arm {control:?}: there is nothing to compare it with"));
        }
        let others = all.into_iter().filter(|arm| *arm != control);
        Ok(std::iter::once(control.to_owned()).chain(others.cloned()).collect())
    }

    fn metric(&self, metric: Metric, name: &str, tallies: &[(&str, &CellTally)]) -> MetricReport {
        let arms: Vec<ArmFigures> = tallies.iter().map(|(arm, tally)| metric.figures(arm, tally)).collect();
        let compared = |group: &[Option<String>], arm: &ArmFigures, against: &ArmFigures| {
            let compared = metric.compare(group, arm, against);
            match self.request.cost_per_contact.filter(|_| metric.kind == MetricKind::Money) {
                Some(cost) if against.arm == arms[0].arm => compared.at_cost(cost, self.margin()),
                _ => compared,
            }
        };
        let mut comparisons: Vec<ArmComparison> = Vec::new();
        for (j, against) in arms.iter().enumerate() {
            comparisons.extend(arms[j + 1..].iter().map(|arm| compared(&[], arm, against)));
        }
        adjust(&mut comparisons);
        let (mut groups, mut groups_left_out) = (Vec::new(), 0);
        let names: BTreeSet<&Vec<Option<String>>> = self.cells.keys().map(|(group, _)| group).collect();
        for group in names.into_iter().filter(|group| !group.is_empty()) {
            let figures = |arm: &ArmFigures| {
                let tally = self.cells.get(&(group.clone(), arm.arm.clone()))?;
                Some(metric.figures(&arm.arm, tally))
            };
            let control = figures(&arms[0]);
            for arm in &arms[1..] {
                match figures(arm).zip(control.as_ref()) {
                    Some((arm, control)) => groups.push(compared(group, &arm, control)),
                    None => groups_left_out += 1,
                }
            }
        }
        adjust(&mut groups);
        MetricReport { column: name.to_owned(), kind: metric.kind, arms, comparisons, groups, groups_left_out }
    }
}

/// An outcome: the column of this number among those of its kind.
#[derive(Debug, Clone, Copy)]
struct Metric {
    kind: MetricKind,
    index: usize,
}

impl Metric {
    fn figures(self, arm: &str, tally: &CellTally) -> ArmFigures {
        let n = tally.customers as f64;
        let (total, variance) = match self.kind {
            MetricKind::Conversion => {
                let p = tally.conversions[self.index] as f64 / n;
                (tally.conversions[self.index] as f64, p * (1.0 - p))
            }
            MetricKind::Money => {
                let money = &tally.money[self.index];
                let sum = money.sum.value();
                let about_mean = money.squares.value() - sum * (sum / n);
                (sum, about_mean.max(0.0) / (n - 1.0).max(1.0))
            }
        };
        ArmFigures { arm: arm.to_owned(), customers: tally.customers, total, mean: total / n, variance }
    }

    fn compare(self, group: &[Option<String>], arm: &ArmFigures, against: &ArmFigures) -> ArmComparison {
        match self.kind {
            MetricKind::Conversion => of_shares(group, arm, against),
            MetricKind::Money => of_money(group, arm, against),
        }
    }
}

fn sample_ratio(counts: &[u64], shares: &[f64]) -> SampleRatio {
    let all = counts.iter().sum::<u64>() as f64;
    let terms = counts.iter().zip(shares).map(|(&n, &share)| (n as f64 - all * share).powi(2) / (all * share));
    let (chi_square, freedom) = (terms.sum::<f64>(), counts.len() as u64 - 1);
    let p = chi_square_tail(chi_square, freedom as f64);
    SampleRatio { chi_square, freedom, p, is_suspicious: p < SUSPICIOUS }
}
