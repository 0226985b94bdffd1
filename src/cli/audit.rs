//! Protected attributes by segment, as tables.

use hyades::audit::{Attribute, AuditCounts, AuditReport, NumbersReport, ShareLine, SharesReport, Summary};
use hyades::text::{percent, shown};

use super::fmt::{compact, thousands, wrapped};
use super::report::table;

/// Characters of a value.
const LONGEST: usize = 24;
/// The explained share of variance from which a feature is named.
const CARRIED: f64 = 0.01;
/// Width of sentences.
const WIDTH: usize = 80;

/// One table per attribute, and its largest deviation.
pub(super) fn text(report: &AuditReport) -> String {
    let mut parts: Vec<String> = report.attributes.iter().map(|a| of_attribute(a, &report.segments)).collect();
    let left_out = report.left_out.iter().map(|(name, why)| format!("not audited: {}: {}", shown(name), shown(why)));
    parts.extend(left_out.map(|line| wrapped(&line, WIDTH).join("\n")));
    parts.join("\n")
}

fn of_attribute(attribute: &Attribute, rows: &[u64]) -> String {
    let feature = if attribute.is_feature { ", a feature" } else { "" };
    let title = format!("audit of {} ({}{feature})", shown(&attribute.column), attribute.attribute);
    let body = match &attribute.found {
        AuditCounts::Shares(found) => shares(found, rows),
        AuditCounts::Numbers(found) => numbers(found, rows),
    };
    let mut lines: Vec<String> = Vec::new();
    match (attribute.cramers_v, attribute.eta_squared) {
        (Some(v), Some(eta)) => lines.push(format!("Cramer's V {v:.3}, by bands; eta squared {eta:.3}")),
        (Some(v), None) => lines.push(format!("Cramer's V {v:.3}")),
        _ => {}
    }
    lines.extend(attribute.largest_disparity().map(|found| format!("largest disparity: {found}")));
    let carriers = attribute.carried_by.iter().filter(|carrier| carrier.strength >= CARRIED).take(3);
    let carriers: Vec<String> = carriers.map(|c| format!("{} {}", shown(&c.feature), percent(c.strength))).collect();
    if !carriers.is_empty() {
        lines.push(format!(
            "features that follow it most, by the share of their ranks' variance that it explains: {}",
            carriers.join(", ")
        ));
    }
    let lines: Vec<String> = lines.iter().flat_map(|line| wrapped(line, WIDTH)).map(|line| line + "\n").collect();
    format!("{title}\n{body}{}", lines.concat())
}

fn shares(found: &SharesReport, rows: &[u64]) -> String {
    let mut out = table(&["segment", "customers", "missing", "shares of known values"], &[0, 1, 2]);
    let names: Vec<String> = found.values.iter().map(|v| shorter(&shown(v))).collect();
    let mut add = |name: String, rows: u64, line: &ShareLine| {
        let mut told: Vec<String> =
            names.iter().zip(&line.shares).map(|(name, &share)| format!("{name}: {}", or_few(share))).collect();
        if found.overall.other != Some(0) {
            let share = line.other.map(|n| n as f64 / line.known.max(1) as f64);
            told.push(format!("(other): {}", or_few(share)));
        }
        let told = if line.known == 0 { String::new() } else { told.join(", ") };
        out.add_row(vec![name, thousands(rows), thousands(line.missing), told]);
    };
    for (segment, line) in found.segments.iter().enumerate() {
        add(segment.to_string(), rows[segment], line);
    }
    add("all".into(), rows.iter().sum(), &found.overall);
    let mut text = out.to_string();
    if let Some(most) = &found.largest_ratio {
        let line = format!(
            "most overrepresented: {} in segment {}, {:.2} times its overall share ({} customers)",
            shorter(&shown(&most.value)),
            most.segment,
            most.ratio,
            thousands(most.count)
        );
        text = format!("{text}\n{}", wrapped(&line, WIDTH).join("\n"));
    }
    if !found.complete {
        text.push_str("\ntoo many distinct values: those that first occur late are counted as (other)");
    }
    text + "\n"
}

fn numbers(found: &NumbersReport, rows: &[u64]) -> String {
    let mut out = table(&["segment", "customers", "missing", "mean", "25%", "median", "75%"], &[0, 1, 2, 3, 4, 5, 6]);
    let mut add = |name: String, rows: u64, line: &Summary| {
        let tell = |n: &hyades::audit::Number| match n {
            hyades::audit::Number::Number(v) => compact(*v),
            hyades::audit::Number::Date(date) => date.clone(),
        };
        let mut cells = vec![name, thousands(rows), thousands(line.missing)];
        cells.push(line.mean.as_ref().map_or_else(String::new, tell));
        match &line.quartiles {
            Some(quartiles) => cells.extend(quartiles.iter().map(tell)),
            None => cells.extend(vec![String::new(); 3]),
        }
        out.add_row(cells);
    };
    for (segment, line) in found.segments.iter().enumerate() {
        add(segment.to_string(), rows[segment], line);
    }
    add("all".into(), rows.iter().sum(), &found.overall);
    let mut text = out.to_string();
    if found.rounding > 0.0 {
        text.push_str(&format!("\ntoo many distinct values: quartiles are accurate to {}", percent(found.rounding)));
    }
    text + "\n"
}

/// A share, unless it is withheld.
fn or_few(share: Option<f64>) -> String {
    share.map_or_else(|| "few".into(), percent)
}

fn shorter(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return if text.is_empty() { "(empty)".into() } else { text.to_owned() };
    }
    text.chars().take(LONGEST - 2).chain("..".chars()).collect()
}
