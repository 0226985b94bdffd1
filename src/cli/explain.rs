//! Why customers are in their segments, as tables.

use hyades::describe::{PartRules, RulesReport, SegmentRule};
use hyades::explain::{Contribution, ExplainReport, Explanation, SegmentSpread, WayOut};
use hyades::job::{self, ExplainRequest};
use hyades::text::{percent, shown, thousands};
use hyades::{Error, Result};

use super::console::Console;
use super::report::{brief, table};

/// The most features of one customer; of each of several.
const SHOWN: usize = 12;
const REASONS: usize = 3;

pub(super) fn explain(request: &ExplainRequest, console: &Console) -> Result<()> {
    if request.rules {
        return rules(request, console);
    }
    let report = job::explain(request, console.observer.as_ref(), &console.stop)?;
    if request.json.as_deref().is_some_and(|path| path.as_os_str() == "-") {
        let text = serde_json::to_string_pretty(&report).map_err(|e| Error::Internal(e.to_string()))?;
        return say!("{text}");
    }
    match &report.customers[..] {
        [customer] if report.segments.is_empty() => say!("{}", one(customer))?,
        _ => say!("{}", unusual(&report))?,
    }
    match &request.json {
        Some(path) if !console.quiet => say!("{}", path.display()),
        _ => Ok(()),
    }
}

fn rules(request: &ExplainRequest, console: &Console) -> Result<()> {
    let report = job::explain_rules(request, console.observer.as_ref(), &console.stop)?;
    if request.json.as_deref().is_some_and(|path| path.as_os_str() == "-") {
        let text = serde_json::to_string_pretty(&report).map_err(|e| Error::Internal(e.to_string()))?;
        return say!("{text}");
    }
    say!("{}", in_words(&report))?;
    for path in request.json.iter().chain(&request.sql).filter(|_| !console.quiet) {
        say!("{}", path.display())?;
    }
    Ok(())
}

/// The rules of all parts, with how well they hold.
fn in_words(report: &RulesReport) -> String {
    let mut text = String::new();
    for part in &report.parts {
        let name = part.part.as_deref().map_or_else(String::new, |name| format!("{}: ", shown(name)));
        text.push_str(&format!("{name}{}\n", summary(part)));
        for segment in &part.segments {
            text.push_str(&format!("{}\n", of_segment(segment)));
        }
    }
    text.trim_end().to_owned()
}

fn summary(part: &PartRules) -> String {
    let fidelity = part.fidelity.map_or_else(|| "none".into(), percent);
    let price =
        part.price.map_or_else(String::new, |price| format!("; squared distances are {price:.3} times as large"));
    let rules = if part.leaves == 1 { "1 rule leads".into() } else { format!("{} rules lead", part.leaves) };
    format!("{rules} {fidelity} of {} customers to their segment{price}", thousands(part.rows))
}

fn of_segment(segment: &SegmentRule) -> String {
    let name =
        named([segment.name.as_ref(), segment.called_en.as_ref(), segment.called_zh.as_ref()], segment.segment_id);
    let head = format!("segment {}{name}: {} customers", segment.segment, thousands(segment.customers));
    let share = |share: Option<f64>| share.map_or_else(|| "-".into(), percent);
    if segment.paths.is_empty() {
        return format!("{head}, which no rule tells from the others; --leaves allows more rules");
    }
    let found = format!("precision {}, recall {}", share(segment.precision), share(segment.recall));
    let paths: Vec<String> = segment.paths.iter().map(|path| path.en.clone()).collect();
    format!("{head}, {found}\n  {}", paths.join("\n  or "))
}

/// What a segment is called besides its number: ` (north/0, Private wealth, segment_id 7)`.
fn named(names: [Option<&String>; 3], id: Option<u64>) -> String {
    let mut all: Vec<String> = names.into_iter().flatten().map(|name| brief(name)).collect();
    all.extend(id.map(|id| format!("segment_id {id}")));
    if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) }
}

fn who(customer: &Explanation) -> String {
    customer.customer.as_deref().map_or_else(|| format!("in row {}", customer.row), brief)
}

fn one(customer: &Explanation) -> String {
    let who = who(customer);
    let (Some(segment), distance) = (customer.segment, customer.distance) else {
        return format!("customer {who}: no segment, since the model does not know the row's stratum");
    };
    let Some(distance) = distance else {
        let rule = customer.rule.as_deref().map(brief).unwrap_or_default();
        return format!("customer {who}: segment {segment}, by the rule {rule}; rules have no distances");
    };
    let names = [customer.name.as_ref(), customer.called_en.as_ref(), customer.called_zh.as_ref()];
    let name = named(names, customer.segment_id);
    let mut text = format!("customer {who}: segment {segment}{name}, distance {distance:.3}");
    if let Some(second) = &customer.runner_up {
        let names = [second.name.as_ref(), second.called_en.as_ref(), second.called_zh.as_ref()];
        let name = named(names, second.segment_id);
        text.push_str(&format!("; next is segment {}{name}, distance {:.3}", second.segment, second.distance));
    }
    let runner_up = customer.runner_up.as_ref().map(|second| format!("to segment {}", second.segment));
    let mut header = vec!["feature", "value", "segment's median", "part of the distance"];
    header.extend(runner_up.as_deref());
    let mut out = table(&header, &[1, 2, 3, 4]);
    let total: f64 = customer.contributions.iter().map(|part| part.squared as f64).sum();
    for part in customer.contributions.iter().take(SHOWN) {
        let mut cells = vec![
            shown(&part.feature),
            value(part),
            part.median.map_or_else(|| "-".into(), number),
            percent(part.share),
        ];
        // In the unit of the shares.
        let more =
            |squares: i64| if total > 0.0 { format!("{:+.1}%", 100.0 * squares as f64 / total) } else { "-".into() };
        cells.extend(part.to_runner_up.map(more));
        out.add_row(cells);
    }
    text.push_str(&format!("\n{out}"));
    let left = customer.contributions.len().saturating_sub(SHOWN);
    if left > 0 {
        text.push_str(&format!("\n{left} more with smaller parts: --json - prints all"));
    }
    text + "\n" + &way(customer.way_out.as_ref())
}

fn way(way: Option<&WayOut>) -> String {
    let Some(way) = way else { return "no change of one or two numbers leads to the next segment".into() };
    let change = |change: &hyades::explain::ChangedValue| {
        let from = change.from.as_deref().map_or_else(|| "missing".into(), brief);
        format!("{} = {} in place of {from}", shown(&change.feature), change.to)
    };
    let changes: Vec<String> = way.changes.iter().map(change).collect();
    format!("it would be in segment {} with {}", way.segment, changes.join(" and "))
}

fn value(part: &Contribution) -> String {
    part.value.as_deref().map_or_else(|| "-".into(), brief)
}

/// At most four digits after the point.
fn number(v: f64) -> String {
    let rounded = format!("{v:.4}");
    rounded.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The most unusual customers, with the features that make most of their distance.
fn unusual(report: &ExplainReport) -> String {
    let all: u64 = report.segments.iter().map(|s: &SegmentSpread| s.unusual).sum();
    let mut text = format!("{} of {} customers are unusual for their segment", thousands(all), thousands(report.rows));
    if report.customers.is_empty() {
        return text;
    }
    let mut out = table(&["customer", "segment", "distance / median", "robust z", "mostly"], &[1, 2, 3]);
    for customer in &report.customers {
        let reason =
            |part: &Contribution| format!("{} = {} ({})", shown(&part.feature), value(part), percent(part.share));
        let reasons: Vec<String> = customer.contributions.iter().take(REASONS).map(reason).collect();
        out.add_row(vec![
            who(customer),
            customer.segment.map_or_else(|| "none".into(), |segment| segment.to_string()),
            customer.ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.1}")),
            customer.robust_z.map_or_else(|| "-".into(), |z| format!("{z:.1}")),
            reasons.join(", "),
        ]);
    }
    text.push_str(&format!("\n{out}"));
    text
}
