//! How the figures of a segment compare with those of all rows: effects, test values, indices, and how much of a column
//! the segments explain.
//!
//! Effects order what sets a segment apart. A test value grows with the number of rows, so it is only a floor: below
//! 1.96, chance alone would do as much in 5 of 100 samples.

use super::report::{
    CategoryComparison, CategoryFigures, ColumnFigures, NumberComparison, NumberFigures, ProfiledColumn, Statistic,
};
use super::shown::ShownKind;
use crate::numeric::{SIDE_OF_95, hypergeometric_score};

/// Fewer known values have no index.
pub(super) const BASE: u64 = 30;
/// Smaller shares of all rows have no index.
const LEAST_SHARE: f64 = 0.01;

/// Compares the figures of every segment with the last, those of all rows, and says how much of the column the segments
/// explain.
pub(super) fn compare(column: &mut ProfiledColumn, figures: &mut [ColumnFigures]) {
    column.eta_squared = explained(column, figures);
    let Some((all, segments)) = figures.split_last_mut() else { return };
    for here in segments {
        match (here, &*all) {
            (ColumnFigures::Numbers(here), ColumnFigures::Numbers(all)) => {
                here.compared = (here.known > 0).then(|| numbers(column, here, all));
            }
            (ColumnFigures::Categories(here), ColumnFigures::Categories(all)) => {
                here.compared = if here.known() > 0 { categories(here, all) } else { Vec::new() };
            }
            _ => {}
        }
    }
}

/// The share of the variance that lies between the segments: eta squared. Of categories, Goodman and Kruskal's tau,
/// which equals it for two (R. J. Light and B. H. Margolin, "An analysis of variance for categorical data", 1971).
/// Rows without a segment are a segment of their own.
fn explained(column: &ProfiledColumn, figures: &[ColumnFigures]) -> Option<f64> {
    let (all, segments) = figures.split_last()?;
    let share = match all {
        ColumnFigures::Numbers(all) => {
            let (mean, deviation) = (all.mean?, column.deviation.filter(|d| *d > 0.0)?);
            let between = segments.iter().filter_map(|here| match here {
                ColumnFigures::Numbers(here) => Some(here.known as f64 * (here.mean? - mean).powi(2)),
                ColumnFigures::Categories(_) => None,
            });
            between.sum::<f64>() / (all.known as f64 * deviation * deviation)
        }
        ColumnFigures::Categories(all) => {
            let known = all.known() as f64;
            let squares = |c: &CategoryFigures| {
                c.counts.iter().chain([&c.others]).map(|&n| (n as f64).powi(2)).sum::<f64>() / c.known() as f64
            };
            let within = segments.iter().filter_map(|here| match here {
                ColumnFigures::Categories(here) => (here.known() > 0).then(|| squares(here)),
                ColumnFigures::Numbers(_) => None,
            });
            let chance = squares(all) / known;
            (within.sum::<f64>() / known - chance) / (1.0 - chance)
        }
    };
    share.is_finite().then(|| share.clamp(0.0, 1.0))
}

fn numbers(column: &ProfiledColumn, here: &NumberFigures, all: &NumberFigures) -> NumberComparison {
    let difference = here.mean.zip(all.mean).map(|(here, all)| here - all);
    let deviations = difference.zip(column.deviation.filter(|d| *d > 0.0)).map(|(d, deviation)| d / deviation);
    let is_boolean = column.kind == ShownKind::Boolean;
    let non_zero = here.non_zero_share.zip(all.non_zero_share).map(|(here, all)| cohens_h(here, all));
    let index = index(column, here, all);
    NumberComparison {
        effect: if is_boolean { here.mean.zip(all.mean).map(|(here, all)| cohens_h(here, all)) } else { deviations },
        non_zero_effect: non_zero.filter(|_| !is_boolean),
        v: deviations.and_then(|d| test_value(d, here.known, all.known)),
        index: index.map(|(index, _)| index),
        index_interval: index.and_then(|(_, interval)| interval),
    }
}

/// The test value of a mean that is `deviations` away from that of all: the difference in standard deviations of the
/// mean of as many rows, drawn without replacement (L. Lebart, A. Morineau and M. Piron, "Statistique exploratoire
/// multidimensionnelle", 1995; `catdes` of FactoMineR).
pub(super) fn test_value(deviations: f64, here: u64, all: u64) -> Option<f64> {
    let (here, all) = (here as f64, all as f64);
    let drawn = ((all - here) / (all - 1.0) / here).sqrt();
    Some(deviations / drawn).filter(|v| v.is_finite())
}

/// Whether there are enough rows for an index: it is a ratio, and those of few rows mislead.
pub(super) fn has_base(known: u64, all: u64) -> bool {
    known >= BASE && known as f64 >= LEAST_SHARE * all as f64
}

/// 100 times the centre here over that of all, and its interval at 95 %, the centre of all taken as known. None for
/// dates, for columns with negative values, and for few rows.
fn index(column: &ProfiledColumn, here: &NumberFigures, all: &NumberFigures) -> Option<(f64, Option<[f64; 2]>)> {
    if column.kind == ShownKind::Date || !has_base(here.known, all.known) || all.p5.is_none_or(|p5| p5 < 0.0) {
        return None;
    }
    let (of_all, of_here, interval) = match column.centre() {
        Statistic::Median => (all.median?, here.median?, here.median_interval),
        _ if column.kind == ShownKind::Boolean => (all.mean?, here.mean?, Some(wilson(here.mean?, here.known as f64))),
        _ => {
            let side = SIDE_OF_95 * here.deviation? / (here.known as f64 - 1.0).sqrt();
            (all.mean?, here.mean?, Some([here.mean? - side, here.mean? + side]))
        }
    };
    let of = |value: f64| 100.0 * value / of_all;
    (of_all > 0.0).then(|| (of(of_here), interval.map(|ends| ends.map(of))))
}

fn categories(here: &CategoryFigures, all: &CategoryFigures) -> Vec<CategoryComparison> {
    let (known, of) = (here.known(), all.known());
    let compare = |(&n, &in_all): (&u64, &u64)| {
        let (share, share_of_all) = (n as f64 / known as f64, in_all as f64 / of as f64);
        let interval = || wilson(share, known as f64).map(|end| end / share_of_all);
        let is_told = has_base(known, of) && in_all > 0;
        CategoryComparison {
            share,
            lift: (in_all > 0).then(|| share / share_of_all),
            lift_interval: is_told.then(interval),
            effect: cohens_h(share, share_of_all),
            v: hypergeometric_score(n, known, in_all, of),
        }
    };
    here.counts.iter().zip(&all.counts).map(compare).collect()
}

/// Cohen's h, the difference of two shares where 0 and 1 are pi apart (J. Cohen, "Statistical Power Analysis for the
/// Behavioral Sciences", 1988).
pub(super) fn cohens_h(here: f64, all: f64) -> f64 {
    let angle = |share: f64| 2.0 * libm::asin(share.clamp(0.0, 1.0).sqrt());
    angle(here) - angle(all)
}

/// Wilson's score interval at 95 % (E. B. Wilson, "Probable inference, the law of succession, and statistical
/// inference", 1927).
pub(super) fn wilson(rate: f64, n: f64) -> [f64; 2] {
    let z2 = SIDE_OF_95 * SIDE_OF_95 / n;
    let middle = (rate + z2 / 2.0) / (1.0 + z2);
    let half = SIDE_OF_95 / (1.0 + z2) * (rate * (1.0 - rate) / n + z2 / (4.0 * n)).sqrt();
    [(middle - half).max(0.0), (middle + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        // Newcombe 1998, table I: 81 of 263 and 1 of 29.
        let close = |found: [f64; 2], expected: [f64; 2]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 5e-5);
        assert!(close(wilson(81.0 / 263.0, 263.0), [0.2553, 0.3662]));
        assert!(close(wilson(1.0 / 29.0, 29.0), [0.0061, 0.1718]));
        assert_eq!(wilson(0.0, 20.0)[0], 0.0);
    }
}
