//! What sets a segment apart from all rows, ranked by the size of the effect.
//!
//! Effects are differences in units of spread: of means in standard deviations; of medians, where a column is skewed,
//! in interquartile ranges divided by 1.349, which is the standard deviation of a normal distribution; of shares,
//! Cohen's h. Significance is no order: with millions of rows everything is. It is a floor.

use super::effects::{cohens_h, test_value};
use super::report::{
    CategoryFigures, ColumnFigures, Correlated, GroupProfile, Mark, NumberFigures, ProfiledColumn, Statistic,
};
use super::shown::{ColumnRole, ShownKind};
use crate::numeric::SIDE_OF_95;

/// The most columns named for a segment.
const MOST_MARKS: usize = 3;
/// The smallest effect that is named.
const LEAST_EFFECT: f64 = 0.25;
/// The interquartile range of a normal distribution, in standard deviations.
const NORMAL_RANGE: f64 = 1.349;
/// The mean and the median of a skewed column are apart by more than this part of the interquartile range.
const SKEWED: f64 = 0.25;

impl Statistic {
    /// Its value in a group of rows; None without values.
    pub fn of(&self, column: &ProfiledColumn, figures: &ColumnFigures) -> Option<f64> {
        let part = |n: u64, of: u64| (of > 0).then(|| n as f64 / of as f64);
        match (self, figures) {
            (Statistic::Mean | Statistic::ShareTrue, ColumnFigures::Numbers(numbers)) => numbers.mean,
            (Statistic::Median, ColumnFigures::Numbers(numbers)) => numbers.median,
            (Statistic::ShareNotZero, ColumnFigures::Numbers(numbers)) => numbers.non_zero_share,
            (Statistic::ShareMissing, ColumnFigures::Numbers(numbers)) => numbers.missing_share,
            (Statistic::ShareMissing, ColumnFigures::Categories(c)) => part(c.missing, c.known() + c.missing),
            (Statistic::ShareOf(name), ColumnFigures::Categories(c)) => {
                let at = column.categories.iter().position(|category| category == name)?;
                part(*c.counts.get(at)?, c.known())
            }
            _ => None,
        }
    }

    /// Whether it is a share, from 0 to 1.
    pub fn is_share(&self) -> bool {
        !matches!(self, Statistic::Mean | Statistic::Median)
    }

    /// The statistics that may be compared of a column.
    fn candidates(column: &ProfiledColumn, all: &ColumnFigures) -> Vec<Statistic> {
        let mut candidates = match (column.kind, all) {
            (ShownKind::Category, _) => column.categories.iter().cloned().map(Statistic::ShareOf).collect(),
            (ShownKind::Boolean, _) => vec![Statistic::ShareTrue],
            (_, ColumnFigures::Numbers(numbers)) if is_mostly_zero(numbers) => {
                vec![column.centre(), Statistic::ShareNotZero]
            }
            _ => vec![column.centre()],
        };
        candidates.push(Statistic::ShareMissing);
        candidates
    }

    /// How far its values are apart: of shares Cohen's h, else in units of spread. None where nothing varies.
    fn effect(&self, column: &ProfiledColumn, all: &ColumnFigures, [here, in_all]: [f64; 2]) -> Option<f64> {
        let spread = match (self, all) {
            (Statistic::Mean, _) => column.deviation?,
            (Statistic::Median, ColumnFigures::Numbers(numbers)) => (numbers.p75? - numbers.p25?) / NORMAL_RANGE,
            _ => return Some(cohens_h(here, in_all)),
        };
        (spread > 0.0).then(|| (here - in_all) / spread)
    }

    /// The test value of the difference; of a median, that of the means.
    fn test_value(
        &self,
        [here, all]: [&ColumnFigures; 2],
        [share, in_all]: [f64; 2],
        customers: [u64; 2],
    ) -> Option<f64> {
        if let (Statistic::Mean | Statistic::Median, ColumnFigures::Numbers(numbers)) = (self, here) {
            return numbers.compared.as_ref()?.v;
        }
        let known = |figures: &ColumnFigures| match figures {
            ColumnFigures::Numbers(numbers) => numbers.known,
            ColumnFigures::Categories(categories) => categories.known(),
        };
        let [rows, of] = if *self == Statistic::ShareMissing { customers } else { [here, all].map(known) };
        let deviation = (in_all * (1.0 - in_all)).max(0.0).sqrt();
        test_value((share - in_all) / deviation, rows, of)
    }
}

impl ProfiledColumn {
    /// What describes its numbers in one word: the median if it is skewed, else the mean.
    pub fn centre(&self) -> Statistic {
        if self.skewed { Statistic::Median } else { Statistic::Mean }
    }
}

/// Whether numbers are amounts or counts that most rows do not have.
fn is_mostly_zero(all: &NumberFigures) -> bool {
    all.non_zero_share.is_some_and(|share| share < 0.5) && all.p5 >= Some(0.0)
}

/// Whether the median describes numbers better than the mean.
pub(super) fn is_skewed(all: &NumberFigures) -> bool {
    let (Some(mean), Some(median), Some(p25), Some(p75)) = (all.mean, all.median, all.p25, all.p75) else {
        return false;
    };
    p75 > p25 && (mean - median).abs() > SKEWED * (p75 - p25)
}

/// What sets `here` apart from `all`: no two columns that are correlated, and no outcomes.
pub(super) fn apart(
    columns: &[ProfiledColumn],
    correlated: &[Correlated],
    all: &GroupProfile,
    here: &GroupProfile,
) -> Vec<Mark> {
    let shown = columns.iter().zip(all.columns.iter().zip(&here.columns));
    let shown = shown.filter(|(column, _)| column.role != ColumnRole::Outcome);
    let mut marks: Vec<Mark> = shown
        .filter_map(|(column, (in_all, in_here))| strongest(column, in_all, in_here, [here.customers, all.customers]))
        .collect();
    // Stable: equal effects stay in the order of the columns.
    marks.sort_by(|a, b| b.effect.abs().total_cmp(&a.effect.abs()));
    let same = |a: &str, b: &str| {
        let pair = |found: &Correlated| found.columns == [a, b] || found.columns == [b, a];
        correlated.iter().any(pair)
    };
    let mut named: Vec<Mark> = Vec::new();
    for mark in marks {
        if named.len() < MOST_MARKS && !named.iter().any(|other| same(&other.column, &mark.column)) {
            named.push(mark);
        }
    }
    named
}

/// The strongest effect of a column, if it is large enough.
fn strongest(column: &ProfiledColumn, all: &ColumnFigures, here: &ColumnFigures, customers: [u64; 2]) -> Option<Mark> {
    let mark = |statistic: Statistic| {
        let (in_all, in_here) = (statistic.of(column, all)?, statistic.of(column, here)?);
        let effect = statistic.effect(column, all, [in_here, in_all])?;
        let v = statistic.test_value([here, all], [in_here, in_all], customers);
        let is_large = effect.is_finite() && effect.abs() >= LEAST_EFFECT;
        let is_chance = v.is_none_or(|v| v.abs() < SIDE_OF_95);
        let mark = || Mark { column: column.name.clone(), statistic, here: in_here, all: in_all, effect, v };
        (is_large && !is_chance).then(mark)
    };
    let mut best: Option<Mark> = None;
    for found in Statistic::candidates(column, all).into_iter().filter_map(mark) {
        if best.as_ref().is_none_or(|best| found.effect.abs() > best.effect.abs()) {
            best = Some(found);
        }
    }
    best
}

/// The value of a category that an outcome is about: of two, the less common one.
pub(super) fn case_of(categories: &[String], all: &CategoryFigures) -> Option<usize> {
    (categories.len() == 2 && all.others == 0).then_some(1)
}
