//! What changed since the fit, in a few lines.

use hyades::drift::{DriftReport, FeatureDrift};
use hyades::text::percent;

use super::report::{brief, table};

/// Columns that are shown.
const SHOWN: usize = 5;

/// The columns that changed most, the shares of segments, and how many rows are far away.
pub(super) fn text(report: &DriftReport) -> String {
    let header = ["differs from the fit", "deviations", "PSI", "w", "missing", "then"];
    let mut out = table(&header, &[1, 2, 3, 4, 5]);
    for feature in report.features.iter().take(SHOWN) {
        out.add_row(cells(feature));
    }
    let mut lines = vec![out.to_string()];
    if let Some(hidden) = report.features.len().checked_sub(SHOWN).filter(|hidden| *hidden > 0) {
        lines.push(format!("{hidden} more columns differ less; drift.json has all"));
    }
    if let Some(segments) = &report.segments {
        lines.push(format!("shares of segments: PSI {}, w {}", index(segments.psi), index(segments.w)));
    }
    for part in &report.distances {
        let of = if report.distances.len() > 1 { format!("{}: ", brief(&part.part)) } else { String::new() };
        let beyond = (percent(part.beyond.now), percent(part.beyond.reference));
        lines.push(format!(
            "{of}{} of the rows are farther from their centroid than 99% of the fit's ({} then)",
            beyond.0, beyond.1
        ));
    }
    lines.join("\n")
}

fn cells(feature: &FeatureDrift) -> Vec<String> {
    vec![
        brief(&feature.name),
        feature.distance.map_or_else(|| "-".into(), |distance| format!("{distance:.3}")),
        index(feature.figures.psi),
        index(feature.figures.w),
        percent(feature.missing.now),
        percent(feature.missing.reference),
    ]
}

fn index(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        tiny if tiny < 0.0005 => "<0.001".into(),
        value => format!("{value:.3}"),
    }
}
