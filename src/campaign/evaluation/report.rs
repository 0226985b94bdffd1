//! From the counts of cells to the report.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::comparison::{ArmComparison, ArmFigures, adjust, of_money, of_shares};
use super::designed::{CellGroup, DesignedLists};
use super::events::EventCounts;
use super::ratio::{ArmCounts, GroupRatio, SampleRatio, of_groups};
use super::request::EvaluateRequest;
use super::tally::{CellTally, Cells};
use crate::error::{Error, Result};
use crate::text::nearest;

const MOST_ARMS: usize = 20;

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
    /// The same in each group.
    pub group_ratios: Vec<GroupRatio>,
    /// Which events were counted; None if outcomes are columns.
    pub events: Option<EventCounts>,
    /// What contacting one customer costs, by request.
    pub cost_per_contact: Option<f64>,
    /// What it costs by list, as the design says; empty by request.
    pub list_costs: BTreeMap<String, f64>,
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
    /// The columns that tell cells apart: those of groups first.
    pub(super) by: &'a [String],
    pub(super) design: Option<&'a DesignedLists>,
    pub(super) cells: &'a Cells,
    pub(super) events: Option<EventCounts>,
}

/// The customers of an arm, among all or in a group.
#[derive(Debug, Clone, Default)]
struct ArmTally {
    tally: CellTally,
    /// What contacting them costs, as far as it is known, and whether that is all of it.
    cost: f64,
    is_unpriced: bool,
}

impl ArmTally {
    /// What contacting them all costs, if that is known.
    fn known_cost(&self) -> Option<f64> {
        (!self.is_unpriced).then_some(self.cost)
    }
}

/// Arms by group; the group of all customers has no values.
type ArmsOf = BTreeMap<(Vec<Option<String>>, String), ArmTally>;

impl Evaluated<'_> {
    pub(super) fn report(&self) -> Result<EvaluationReport> {
        let request = self.request;
        let arms = self.arms()?;
        let (all, groups) = (self.tallies(0)?, self.tallies(request.by.len())?);
        let counts = self.counts(0, &arms)?.remove(&Vec::new()).unwrap_or_else(|| ArmCounts::new(arms.len()));
        let customers: u64 = counts.customers.iter().sum();
        let assigned = arms.iter().zip(&counts.customers).zip(&counts.expected);
        let assigned = assigned.map(|((arm, &of_arm), &expected)| AssignedArm {
            arm: arm.clone(),
            customers: of_arm,
            expected_share: expected / customers as f64,
        });
        let group_ratios = match request.by.is_empty() {
            true => Vec::new(),
            false => of_groups(self.counts(request.by.len(), &arms)?.into_iter().collect()),
        };
        let conversions = request.conversion.iter().enumerate().map(|(i, name)| (MetricKind::Conversion, i, name));
        let money = request.money.iter().enumerate().map(|(i, name)| (MetricKind::Money, i, name));
        let metrics = conversions
            .chain(money)
            .map(|(kind, index, name)| self.metric(Metric { kind, index }, name, [&all, &groups]));
        let costs = self.design.filter(|_| request.cost_per_contact.is_none());
        Ok(EvaluationReport {
            format_version: 1,
            customers,
            arm_column: request.arm.clone().unwrap_or_default(),
            control: arms[0].clone(),
            by: request.by.clone(),
            arms: assigned.collect(),
            sample_ratio: counts.test().unwrap_or(SampleRatio::NOTHING),
            group_ratios,
            events: self.events,
            cost_per_contact: request.cost_per_contact,
            list_costs: costs.map(DesignedLists::costs).unwrap_or_default(),
            margin: self.margin(),
            metrics: metrics.collect(),
        })
    }

    /// The first `columns` values of a cell, which make its group.
    fn cells(&self, columns: usize) -> impl Iterator<Item = (Vec<Option<String>>, CellGroup<'_>, &String, &CellTally)> {
        self.cells.iter().map(move |((values, arm), tally)| {
            (values[..columns].to_vec(), CellGroup { columns: self.by, values }, arm, tally)
        })
    }

    /// The arms of all groups by the first `columns`.
    fn tallies(&self, columns: usize) -> Result<ArmsOf> {
        let mut found = ArmsOf::new();
        for (group, cell, arm, tally) in self.cells(columns) {
            let of_design = || self.design.map(|design| design.cost(cell)).transpose().map(Option::flatten);
            let cost = match self.request.cost_per_contact {
                Some(cost) => Some(cost),
                None => of_design()?,
            };
            let of_arm = found.entry((group, arm.clone())).or_default();
            of_arm.tally.add(tally);
            of_arm.cost += cost.unwrap_or(0.0) * tally.customers as f64;
            of_arm.is_unpriced |= cost.is_none() && tally.customers > 0;
        }
        Ok(found)
    }

    /// How many customers of all groups by the first `columns` are in each arm, and should be.
    fn counts(&self, columns: usize, arms: &[String]) -> Result<BTreeMap<Vec<Option<String>>, ArmCounts>> {
        let asked = self.design.is_none() || !self.request.expected_shares.is_empty();
        let asked = if asked { Some(self.request.shares(arms)?) } else { None };
        let mut found = BTreeMap::new();
        for (group, cell, arm, tally) in self.cells(columns) {
            let counts = found.entry(group).or_insert_with(|| ArmCounts::new(arms.len()));
            let mut customers = vec![0; arms.len()];
            arms.iter().zip(&mut customers).filter(|(name, _)| *name == arm).for_each(|(_, n)| *n = tally.customers);
            match (&asked, self.design) {
                (None, Some(design)) => counts.add(&customers, &design.shares(cell, arms)?),
                (shares, _) => counts.add(&customers, shares.as_deref().unwrap_or_default()),
            }
        }
        Ok(found)
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

    fn metric(&self, metric: Metric, name: &str, [all, groups]: [&ArmsOf; 2]) -> MetricReport {
        let control = self.request.control.as_deref().unwrap_or_default();
        let of_group = |arms: &ArmsOf, group: &[Option<String>]| -> Vec<(ArmFigures, Option<f64>)> {
            let of_group = arms.range((group.to_vec(), String::new())..);
            let of_group = of_group.take_while(|((other, _), _)| other == group);
            let mut figures: Vec<(ArmFigures, Option<f64>)> =
                of_group.map(|((_, arm), of_arm)| (metric.figures(arm, &of_arm.tally), of_arm.known_cost())).collect();
            figures.sort_by_key(|(figures, _)| figures.arm != control);
            figures
        };
        let compared = |group: &[Option<String>], (arm, cost): &(ArmFigures, Option<f64>), against: &ArmFigures| {
            let compared = metric.compare(group, arm, against);
            let is_worth = metric.kind == MetricKind::Money && against.arm == control;
            match cost.filter(|_| is_worth) {
                Some(cost) => compared.at_cost(cost, self.margin()),
                None => compared,
            }
        };
        let arms = of_group(all, &[]);
        let mut comparisons: Vec<ArmComparison> = Vec::new();
        for (j, (against, _)) in arms.iter().enumerate() {
            comparisons.extend(arms[j + 1..].iter().map(|arm| compared(&[], arm, against)));
        }
        adjust(&mut comparisons);
        let (mut in_groups, mut groups_left_out) = (Vec::new(), 0);
        let names: BTreeSet<&Vec<Option<String>>> = groups.keys().map(|(group, _)| group).collect();
        for group in names.into_iter().filter(|group| !group.is_empty()) {
            let found = of_group(groups, group);
            match found.first().filter(|(figures, _)| figures.arm == control) {
                Some((against, _)) => {
                    in_groups.extend(found[1..].iter().map(|arm| compared(group, arm, against)));
                    groups_left_out += (arms.len() - found.len()) as u64;
                }
                None => groups_left_out += arms.len() as u64 - 1,
            }
        }
        adjust(&mut in_groups);
        let arms = arms.into_iter().map(|(figures, _)| figures).collect();
        MetricReport {
            column: name.to_owned(),
            kind: metric.kind,
            arms,
            comparisons,
            groups: in_groups,
            groups_left_out,
        }
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
