//! Two arms, compared by one outcome.

use schemars::JsonSchema;
use serde::Serialize;

use crate::numeric::{SIDE_OF_95, normal_two_sided, student_quantile, student_two_sided};

/// Differences with a greater adjusted p-value are not shown.
pub(super) const LEVEL: f64 = 0.05;
/// With fewer customers in an arm, or fewer conversions (or customers without one) expected in it, the tests do not
/// hold.
const FEWEST_CUSTOMERS: u64 = 10;
const FEWEST_EXPECTED: f64 = 5.0;

/// What the customers of an arm did, by one outcome.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ArmFigures {
    /// The arm.
    pub arm: String,
    /// Customers assigned to it.
    pub customers: u64,
    /// Conversions, or the sum of money.
    pub total: f64,
    /// The share of customers who converted, or money a customer, of all assigned.
    pub mean: f64,
    /// The variance of the outcome between customers: of a share p, p (1 - p); of money, that of a sample (divisor n -
    /// 1).
    pub variance: f64,
}

/// A value and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Estimate {
    /// As measured.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Estimate {
    fn around(value: f64, side: f64) -> Self {
        Estimate { value, low: value - side, high: value + side }
    }

    fn scaled(self, by: f64) -> Self {
        Estimate { value: self.value * by, low: self.low * by, high: self.high * by }
    }

    fn less(self, cost: f64) -> Self {
        Estimate { value: self.value - cost, low: self.low - cost, high: self.high - cost }
    }
}

/// What can be said about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The outcome is higher: the adjusted p-value is at most 0.05.
    Higher,
    /// It is lower.
    Lower,
    /// No difference is shown; that does not show that there is none.
    NotShown,
    /// Fewer than 10 customers, or fewer than 5 expected conversions, in an arm: the test is not reliable.
    TooFew,
}

/// What the money is worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct CampaignValue {
    /// What contacting all customers of the arm costs.
    pub cost: f64,
    /// Extra money times the margin, less the cost.
    pub profit: Estimate,
    /// The profit divided by the cost; None where contacts are free.
    pub roi: Option<f64>,
}

/// An arm beside another by one outcome, among all customers or those of a group.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ArmComparison {
    /// The values of the columns of `by`, null for a missing value; empty: all customers.
    pub group: Vec<Option<String>>,
    /// The arm.
    pub arm: ArmFigures,
    /// The arm that it is compared with.
    pub against: ArmFigures,
    /// By how much the mean of the arm is higher. Of conversions, with Newcombe's interval (R. G. Newcombe, 1998,
    /// method 10); of money, with Welch's.
    pub difference: Estimate,
    /// The difference divided by the mean of the other arm, with an interval by the delta method; None where that mean
    /// is 0.
    pub lift: Option<Estimate>,
    /// z of the pooled test of two proportions, or Welch's t; None where all customers are alike.
    pub statistic: Option<f64>,
    /// Degrees of freedom of t, by Satterthwaite.
    pub freedom: Option<f64>,
    /// The two-sided p-value of this comparison alone.
    pub p: Option<f64>,
    /// The p-value by Holm's method, among all comparisons of the table.
    pub holm_p: Option<f64>,
    /// Conversions or money beyond what the customers of the arm would have given in the other one.
    pub extra: Estimate,
    /// What can be said.
    pub verdict: Verdict,
    /// What the extra money is worth, if the cost of a contact is known.
    pub value: Option<CampaignValue>,
}

/// A comparison of shares.
pub(super) fn of_shares(group: &[Option<String>], arm: &ArmFigures, against: &ArmFigures) -> ArmComparison {
    let ([n, m], [p, q]) = ([arm.customers as f64, against.customers as f64], [arm.mean, against.mean]);
    let pooled = (arm.total + against.total) / (n + m);
    let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    let z = (error > 0.0).then(|| (p - q) / error);
    let ([l1, u1], [l2, u2]) = (wilson(p, n), wilson(q, m));
    let value = p - q;
    let difference = Estimate {
        value,
        low: value - ((p - l1).powi(2) + (u2 - q).powi(2)).sqrt(),
        high: value + ((u1 - p).powi(2) + (q - l2).powi(2)).sqrt(),
    };
    let expected = [n, m].map(|n| n * pooled.min(1.0 - pooled));
    let is_few = expected.iter().any(|&expected| expected < FEWEST_EXPECTED);
    comparison(
        group,
        (arm, against),
        difference,
        Tested { statistic: z, freedom: None, p: z.map(normal_two_sided), is_few },
    )
}

/// Wilson's interval of a share.
fn wilson(p: f64, n: f64) -> [f64; 2] {
    let square = SIDE_OF_95 * SIDE_OF_95 / n;
    let centre = (p + square / 2.0) / (1.0 + square);
    let side = SIDE_OF_95 * ((p * (1.0 - p) + square / 4.0) / n).sqrt() / (1.0 + square);
    [centre - side, centre + side]
}

/// A comparison of means of money.
pub(super) fn of_money(group: &[Option<String>], arm: &ArmFigures, against: &ArmFigures) -> ArmComparison {
    let of = |arm: &ArmFigures| arm.variance / arm.customers as f64;
    let (a, b) = (of(arm), of(against));
    let error = (a + b).sqrt();
    let value = arm.mean - against.mean;
    let degrees = |arm: &ArmFigures, share: f64| share * share / (arm.customers as f64 - 1.0).max(1.0);
    let freedom = (error > 0.0).then(|| (a + b) * (a + b) / (degrees(arm, a) + degrees(against, b)));
    let t = freedom.map(|_| value / error);
    let side = freedom.map_or(0.0, |freedom| error * student_quantile(1.0 - 0.95, freedom));
    let p = t.zip(freedom).map(|(t, freedom)| student_two_sided(t, freedom));
    let tested = Tested { statistic: t, freedom, p, is_few: false };
    comparison(group, (arm, against), Estimate::around(value, side), tested)
}

struct Tested {
    statistic: Option<f64>,
    freedom: Option<f64>,
    p: Option<f64>,
    is_few: bool,
}

fn comparison(
    group: &[Option<String>],
    (arm, against): (&ArmFigures, &ArmFigures),
    difference: Estimate,
    tested: Tested,
) -> ArmComparison {
    let is_few = tested.is_few || arm.customers.min(against.customers) < FEWEST_CUSTOMERS;
    ArmComparison {
        group: group.to_vec(),
        arm: arm.clone(),
        against: against.clone(),
        difference,
        lift: lift(arm, against),
        statistic: tested.statistic,
        freedom: tested.freedom,
        p: tested.p,
        holm_p: None,
        extra: difference.scaled(arm.customers as f64),
        verdict: if is_few { Verdict::TooFew } else { Verdict::NotShown },
        value: None,
    }
}

/// The relative difference: `a / b - 1`, whose variance is `var(a) / b^2 + a^2 var(b) / b^4`.
fn lift(arm: &ArmFigures, against: &ArmFigures) -> Option<Estimate> {
    let (a, b) = (arm.mean, against.mean);
    let [var_a, var_b] = [arm, against].map(|arm| arm.variance / arm.customers as f64);
    let error = (var_a + (a / b).powi(2) * var_b).sqrt() / b.abs();
    (b != 0.0).then(|| Estimate::around((a - b) / b, SIDE_OF_95 * error))
}

impl ArmComparison {
    /// The same with what the extra money is worth, if contacting all customers of the arm costs so much.
    pub(super) fn at_cost(mut self, cost: f64, margin: f64) -> Self {
        let profit = self.extra.scaled(margin).less(cost);
        self.value = Some(CampaignValue { cost, profit, roi: (cost > 0.0).then(|| profit.value / cost) });
        self
    }
}

/// Adjusts the p-values of a table by Holm's method, and says what is shown (S. Holm, "A simple sequentially rejective
/// multiple test procedure", 1979): the chance that a table without any difference shows one is at most 5 %.
pub(super) fn adjust(table: &mut [ArmComparison]) {
    let mut order: Vec<(f64, usize)> = table.iter().enumerate().filter_map(|(i, c)| Some((c.p?, i))).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (tests, mut most) = (order.len(), 0.0_f64);
    for (rank, (p, i)) in order.into_iter().enumerate() {
        most = most.max((p * (tests - rank) as f64).min(1.0));
        table[i].holm_p = Some(most);
        if most <= LEVEL && table[i].verdict != Verdict::TooFew {
            table[i].verdict = if table[i].difference.value > 0.0 { Verdict::Higher } else { Verdict::Lower };
        }
    }
}
