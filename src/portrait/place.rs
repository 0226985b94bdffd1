//! The map of the segments: their means on the two directions in which they differ most.
//!
//! Means of features in standard deviations, weighted by customers; directions by power iteration with a fixed start
//! and a fixed number of steps, so that the same report gives the same map. No customer is drawn.

use super::segment::{short, shown};
use crate::profile::{ColumnFigures, ColumnRole, GroupProfile, ProfileReport, ShownKind};
use crate::report::{Page, Spot, map, name};

/// Steps of the power iteration.
const STEPS: usize = 200;

pub(super) fn add(page: &mut Page, report: &ProfileReport) {
    let language = page.language();
    let features: Vec<usize> = (0..report.columns.len())
        .filter(|&at| {
            let column = &report.columns[at];
            column.role == ColumnRole::Feature && column.kind != ShownKind::Category
        })
        .collect();
    let groups: Vec<&GroupProfile> =
        shown(report).into_iter().map(|(_, group)| group).filter(|g| g.segment.is_some() && !g.withheld).collect();
    if features.len() < 2 || groups.len() < 3 {
        return;
    }
    let rows: Vec<Vec<f64>> =
        groups.iter().map(|group| features.iter().map(|&at| effect(group, at)).collect()).collect();
    let weights: Vec<f64> = groups.iter().map(|group| group.customers as f64 / report.rows as f64).collect();
    let total: f64 = rows.iter().zip(&weights).map(|(row, w)| w * dot(row, row)).sum();
    if !(total > 0.0) {
        return;
    }
    let first = direction(&rows, &weights, &[]);
    let second = direction(&rows, &weights, std::slice::from_ref(&first));
    let spots: Vec<Spot> = rows
        .iter()
        .zip(&groups)
        .map(|(row, group)| Spot {
            at: [dot(row, &first), dot(row, &second)],
            share: group.share,
            label: short(group, language),
        })
        .collect();
    let axes = [&first, &second].map(|axis| axis_name(report, &features, axis));
    let title = language.say("Map of the segments", "客群分布图");
    page.section(title, None);
    let text = language.say(
        "Circles are the means of the segments, their areas the numbers of customers. The axes are the two directions in \
         which the segments differ most, with the columns that they are mostly made of.",
        "圆心为客群均值，圆的面积代表客户数。两条坐标轴为客群间差异最大的两个方向，并标注主要构成字段。",
    );
    page.explain(text);
    page.add(map(&spots, [&axes[0], &axes[1]], title, text));
}

fn effect(group: &GroupProfile, at: usize) -> f64 {
    match group.columns.get(at) {
        Some(ColumnFigures::Numbers(numbers)) => numbers.compared.as_ref().and_then(|c| c.effect).unwrap_or(0.0),
        _ => 0.0,
    }
}

/// The direction of the largest weighted sum of squares, of those at right angles to the earlier ones.
fn direction(rows: &[Vec<f64>], weights: &[f64], earlier: &[Vec<f64>]) -> Vec<f64> {
    let width = rows.first().map_or(0, Vec::len);
    // A start that no symmetry of the data can make orthogonal to the result.
    let mut axis: Vec<f64> = (0..width).map(|i| 1.0 + i as f64 / 7.0).collect();
    for _ in 0..STEPS {
        let mut next = vec![0.0; width];
        for (row, weight) in rows.iter().zip(weights) {
            let along = weight * dot(row, &axis);
            next.iter_mut().zip(row).for_each(|(sum, v)| *sum += along * v);
        }
        for other in earlier {
            let along = dot(&next, other);
            next.iter_mut().zip(other).for_each(|(sum, v)| *sum -= along * v);
        }
        let length = dot(&next, &next).sqrt();
        if !(length > 0.0) {
            return vec![0.0; width];
        }
        axis = next.into_iter().map(|v| v / length).collect();
    }
    // The sign is arbitrary: the largest load is positive.
    let largest = axis.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
    if largest < 0.0 {
        axis.iter_mut().for_each(|v| *v = -*v);
    }
    axis
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

/// The columns that an axis is mostly made of: `more balance, less logins`.
fn axis_name(report: &ProfileReport, features: &[usize], axis: &[f64]) -> String {
    let mut loads: Vec<(usize, f64)> = features.iter().copied().zip(axis.iter().copied()).collect();
    loads.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let of = |(at, load): &(usize, f64)| {
        format!("{} {}", name(&report.columns[*at].name), if *load < 0.0 { "↓" } else { "↑" })
    };
    loads.iter().filter(|(_, load)| load.abs() > 0.2).take(2).map(of).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_those_of_the_largest_differences() {
        let rows = vec![vec![3.0, 0.0, 0.0], vec![-3.0, 0.0, 0.0], vec![0.0, 1.0, 0.0], vec![0.0, -1.0, 0.0]];
        let first = direction(&rows, &[0.25; 4], &[]);
        let second = direction(&rows, &[0.25; 4], std::slice::from_ref(&first));
        assert!((first[0] - 1.0).abs() < 1e-12 && (second[1] - 1.0).abs() < 1e-12, "{first:?} {second:?}");
        assert_eq!(direction(&[vec![0.0]], &[1.0], &[]), [0.0]);
    }
}
