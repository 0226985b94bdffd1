//! Figures against statsmodels and scipy, and campaigns without and with an effect.

use super::comparison::{ArmComparison, ArmFigures, Verdict, adjust, of_money, of_shares};
use super::report::Evaluated;
use super::request::EvaluateRequest;
use super::tally::{CellTally, Cells};
use crate::numeric::Random;

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-11 * expected.abs().max(1e-3), "{found}, expected {expected}");
}

fn share(conversions: u64, customers: u64) -> ArmFigures {
    let mean = conversions as f64 / customers as f64;
    ArmFigures { arm: "a".into(), customers, total: conversions as f64, mean, variance: mean * (1.0 - mean) }
}

/// `confint_proportions_2indep(method="newcomb")` and `proportions_ztest` of statsmodels 0.15; the first is example (a)
/// of Newcombe's paper.
#[test]
fn shares_are_compared_as_statsmodels_does() {
    let found = of_shares(&[], &share(56, 70), &share(48, 80));
    near(found.difference.value, 0.2);
    near(found.difference.low, 0.05243147240236498);
    near(found.difference.high, 0.33387265403690614);
    near(found.statistic.unwrap(), 2.6501719512585336);
    near(found.p.unwrap(), 0.00804508136819656);
    near(found.lift.unwrap().value, 1.0 / 3.0);
    assert_eq!(found.verdict, Verdict::NotShown, "until the table is adjusted");
    let few = of_shares(&[], &share(0, 20), &share(3, 25));
    near(few.difference.low, -0.2995579392092733);
    near(few.difference.high, 0.05915689189369627);
    near(few.p.unwrap(), 0.10880943004054568);
    assert_eq!(few.verdict, Verdict::TooFew, "1.3 conversions are expected");
    let none = of_shares(&[], &share(0, 2000), &share(0, 3000));
    assert_eq!((none.p, none.lift, none.verdict), (None, None, Verdict::TooFew));
}

/// `scipy.stats.ttest_ind(equal_var=False)` and its `confidence_interval` of scipy 1.17.
#[test]
fn money_is_compared_as_scipy_does() {
    let figures = |customers, mean: f64, variance| {
        let total = mean * customers as f64;
        ArmFigures { arm: "a".into(), customers, total, mean, variance }
    };
    let (a, b) =
        (figures(12, 10.270833333333334, 800.1074810606061), figures(15, 0.5833333333333334, 1.9434523809523814));
    let found = of_money(&[], &a, &b);
    near(found.statistic.unwrap(), 1.1852408841710718);
    near(found.freedom.unwrap(), 11.04275898252786);
    near(found.p.unwrap(), 0.26080187551771883);
    near(found.difference.low, -8.293633887749543);
    near(found.difference.high, 27.668633887749543);
    near(found.extra.value, 12.0 * found.difference.value);
    let value = found.at_cost(24.0, 0.5).value.unwrap();
    near(value.profit.value, 0.5 * 12.0 * (a.mean - b.mean) - 24.0);
    near(value.roi.unwrap(), value.profit.value / 24.0);
    let alike = of_money(&[], &figures(20, 0.0, 0.0), &figures(20, 0.0, 0.0));
    assert_eq!((alike.p, alike.difference.low, alike.verdict), (None, 0.0, Verdict::NotShown));
}

/// `multipletests(method="holm")` of statsmodels.
#[test]
fn p_values_are_adjusted_for_the_table() {
    let with = |p: Option<f64>| ArmComparison { p, ..of_shares(&[], &share(560, 700), &share(480, 800)) };
    let mut table: Vec<_> = [0.01, 0.04, 0.03, 0.005, 0.6].map(|p| with(Some(p))).into();
    table.push(with(None));
    adjust(&mut table);
    for (found, expected) in table.iter().zip([0.04, 0.09, 0.09, 0.025, 0.6]) {
        near(found.holm_p.unwrap(), expected);
    }
    let shown: Vec<bool> = table.iter().map(|found| found.verdict == Verdict::Higher).collect();
    assert_eq!(shown, [true, false, false, true, false, false]);
    assert_eq!(table[5].holm_p, None);
}

/// Counts of conversions among 1,000 customers with probability `p`, drawn by the distribution function.
struct Binomial {
    below: Vec<f64>,
}

const CUSTOMERS: u64 = 1000;

impl Binomial {
    fn new(p: f64) -> Self {
        let (mut point, mut sum) = ((1.0 - p).powi(CUSTOMERS as i32), 0.0);
        let below = (0..=CUSTOMERS).map(|i| {
            sum += point;
            point *= (CUSTOMERS - i) as f64 / (i + 1) as f64 * p / (1.0 - p);
            sum
        });
        Binomial { below: below.collect() }
    }

    fn draw(&self, random: &mut Random) -> CellTally {
        let at = random.below(1 << 52) as f64 / (1_u64 << 52) as f64;
        let conversions = self.below.partition_point(|&sum| sum <= at) as u64;
        CellTally { customers: CUSTOMERS, conversions: vec![conversions], money: Vec::new() }
    }
}

/// The groups of 1,000 campaigns in eight groups, where 1,000 customers of each convert with probability 0.15, or
/// `treated` if they are contacted.
fn campaigns(treated: f64) -> Vec<Vec<ArmComparison>> {
    let (control, treated) = (Binomial::new(0.15), Binomial::new(treated));
    let request = EvaluateRequest {
        arm: Some("arm".into()),
        control: Some("none".into()),
        conversion: vec!["bought".into()],
        by: vec!["segment".into()],
        ..EvaluateRequest::default()
    };
    let campaign = |number: u64| {
        let mut random = Random::new(11, number);
        let mut cells = Cells::new();
        for group in 0..8 {
            for (arm, of) in [("mail", &treated), ("none", &control)] {
                cells.insert((vec![Some(group.to_string())], arm.into()), of.draw(&mut random));
            }
        }
        Evaluated { request: &request, by: &request.by, design: None, cells: &cells, events: None }
            .report()
            .unwrap()
            .metrics
            .swap_remove(0)
            .groups
    };
    (0..1000).map(campaign).collect()
}

/// Of 1,000 tables, 50 may show something, with a standard deviation of 7; of 8,000 cells without adjustment, 400.
#[test]
fn campaigns_without_effect_show_one_in_5_of_100() {
    let tables = campaigns(0.15);
    let is_shown = |c: &ArmComparison| matches!(c.verdict, Verdict::Higher | Verdict::Lower);
    let shown = tables.iter().filter(|table| table.iter().any(is_shown)).count();
    assert!((1..=64).contains(&shown), "{shown} of 1,000 tables");
    let alone = tables.iter().flatten().filter(|c| c.p.unwrap() <= 0.05).count() as f64 / 8000.0;
    assert!((0.036..=0.064).contains(&alone), "{alone} of cells");
}

#[test]
fn planted_effects_lie_in_the_intervals() {
    let tables = campaigns(0.18);
    let holds = |c: &&ArmComparison| c.difference.low <= 0.03 && 0.03 <= c.difference.high;
    let covered = tables.iter().flatten().filter(holds).count() as f64 / 8000.0;
    assert!((0.93..=0.97).contains(&covered), "{covered} of intervals");
}
