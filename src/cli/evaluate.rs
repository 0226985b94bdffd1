//! `campaign evaluate`: its report.

use std::path::Path;

use hyades::Result;
use hyades::campaign::{
    self, ArmComparison, Estimate, EvaluateRequest, EvaluationReport, MetricKind, MetricReport, Verdict,
};
use hyades::text::{percent, shown, thousands};

use super::console::Console;
use super::fmt::{compact, figures, wrapped};
use super::report::table;

/// Width of sentences.
const WIDTH: usize = 80;

pub(super) fn evaluate(request: EvaluateRequest, console: &Console) -> Result<()> {
    let request = request.split_lists()?;
    let report = campaign::evaluate(&request, console.observer.as_ref(), &console.stop)?;
    if request.json.as_deref().is_some_and(|path| path == Path::new("-")) {
        return say!("{}", report.to_json()?.trim_end());
    }
    say!("{}", text(&report).trim_end())?;
    match &request.json {
        Some(path) if !console.quiet => say!("{}", path.display()),
        _ => Ok(()),
    }
}

fn text(report: &EvaluationReport) -> String {
    let mut parts = vec![assignment(report)];
    parts.extend(report.metrics.iter().map(|metric| of_metric(metric, report)));
    let tables = if report.by.is_empty() { "all arms" } else { "all arms, or all arms and groups" };
    let notes = format!(
        "Customers count in the arm they were assigned to. Differences have 95 % intervals of their own; p-values are \
         adjusted by Holm's method for the whole table ({tables} of one outcome), and 0.05 or less counts as shown. Not \
         shown does not mean that there is no difference."
    );
    parts.push(sentence(&notes));
    parts.join("\n")
}

fn sentence(text: &str) -> String {
    wrapped(text, WIDTH).into_iter().map(|line| line + "\n").collect()
}

/// The arms, and whether their sizes are plausible.
fn assignment(report: &EvaluationReport) -> String {
    let mut out = table(&["arm", "customers", "share", "expected"], &[1, 2, 3]);
    for arm in &report.arms {
        let role = if arm.arm == report.control { " (control)" } else { "" };
        let share = percent(arm.customers as f64 / report.customers as f64);
        out.add_row(vec![shown(&arm.arm) + role, thousands(arm.customers), share, percent(arm.expected_share)]);
    }
    let ratio = &report.sample_ratio;
    let found = format!("chi-square {}, p {}", compact(ratio.chi_square), p_value(ratio.p));
    let verdict = match ratio.is_suspicious {
        false => format!("sample ratio: as expected ({found})"),
        true => format!(
            "WARNING: sample ratio mismatch ({found}). Customers were not assigned in the expected shares, so the arms \
             may differ in more than the campaign: trust no figure below before the reason is known. If other shares \
             were intended, name them with --expected-shares."
        ),
    };
    format!("{out}\n{}", sentence(&verdict))
}

fn of_metric(metric: &MetricReport, report: &EvaluationReport) -> String {
    let (what, total) = match metric.kind {
        MetricKind::Conversion => ("share of customers", "conversions"),
        MetricKind::Money => ("a customer", "sum"),
    };
    let mut arms = table(&["arm", "customers", total, what], &[1, 2, 3]);
    for arm in &metric.arms {
        arms.add_row(vec![shown(&arm.arm), thousands(arm.customers), compact(arm.total), level(arm.mean, metric.kind)]);
    }
    let mut text = format!("{}\n{arms}\n{}\n", shown(&metric.column), comparisons(metric, &[], &metric.comparisons));
    if !metric.groups.is_empty() {
        let groups: Vec<String> = report.by.iter().map(|name| shown(name)).collect();
        text += &format!("{} by {}\n", shown(&metric.column), groups.join(", "));
        text += &format!("{}\n", comparisons(metric, &report.by, &metric.groups));
    }
    if metric.groups.iter().any(|c| c.verdict == Verdict::TooFew) {
        text +=
            &sentence("too few: below 10 customers, or 5 expected conversions, in an arm; the test is not reliable");
    }
    if metric.groups_left_out > 0 {
        text += &sentence(&format!("{} arms in groups have no customer to compare", metric.groups_left_out));
    }
    text
}

/// A table of comparisons, with a column for each of `by`.
fn comparisons(metric: &MetricReport, by: &[String], compared: &[ArmComparison]) -> String {
    let by_cost = compared.iter().any(|c| c.value.is_some());
    let names: Vec<String> = by.iter().map(|name| shown(name)).collect();
    let mut header: Vec<&str> = names.iter().map(String::as_str).collect();
    header.extend(["compared", "difference (95 %)", "relative", "extra", "p", "result"]);
    if by_cost {
        header.extend(["profit", "ROI"]);
    }
    let first = by.len();
    let mut out = table(&header, &[first + 1, first + 2, first + 3, first + 4]);
    for c in compared {
        let mut row: Vec<String> =
            c.group.iter().map(|value| value.as_deref().map_or("(missing)".into(), shown)).collect();
        row.push(format!("{} - {}", shown(&c.arm.arm), shown(&c.against.arm)));
        row.push(difference(&c.difference, metric.kind));
        row.push(c.lift.map_or_else(String::new, |lift| signed(100.0 * lift.value, "%")));
        row.push(signed(c.extra.value, ""));
        row.push(c.holm_p.map_or_else(String::new, p_value));
        row.push(result(c.verdict).into());
        if let Some(value) = &c.value {
            let [low, high] = [value.profit.low, value.profit.high].map(compact);
            row.push(format!("{} ({low} to {high})", compact(value.profit.value)));
            row.push(value.roi.map_or_else(String::new, |roi| signed(100.0 * roi, "%")));
        }
        out.add_row(row);
    }
    out.to_string()
}

fn result(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Higher => "higher",
        Verdict::Lower => "lower",
        Verdict::NotShown => "not shown",
        Verdict::TooFew => "too few",
    }
}

fn level(mean: f64, kind: MetricKind) -> String {
    match kind {
        MetricKind::Conversion => percent(mean),
        MetricKind::Money if mean == 0.0 => "0".into(),
        MetricKind::Money => format!("{}{}", if mean < 0.0 { "-" } else { "" }, figures(mean.abs())),
    }
}

/// Shares in percentage points.
fn difference(found: &Estimate, kind: MetricKind) -> String {
    match kind {
        MetricKind::Conversion => {
            format!("{:+.2} ({:+.2} to {:+.2}) points", 100.0 * found.value, 100.0 * found.low, 100.0 * found.high)
        }
        MetricKind::Money => {
            let [value, low, high] = [found.value, found.low, found.high].map(|v| signed(v, ""));
            format!("{value} ({low} to {high})")
        }
    }
}

fn signed(value: f64, unit: &str) -> String {
    let sign = if value < 0.0 { "-" } else { "+" };
    let text = if value == 0.0 { "0".into() } else { figures(value.abs()) };
    format!("{sign}{text}{unit}")
}

fn p_value(p: f64) -> String {
    match p {
        _ if p < 0.0001 => "<0.0001".into(),
        _ => format!("{p:.4}"),
    }
}
