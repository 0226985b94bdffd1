//! What is true of each segment, as a table.

use hyades::profile::{GroupProfile, Mark, OutcomeRate, ProfileReport, ProfiledColumn, ShownKind, Statistic};
use hyades::text::{day, percent, shown, thousands};

use super::fmt::wrapped;
use super::products::products;
use super::report::{brief, share, table};

/// Below this width, a segment is a block of lines.
const NARROW: u16 = 72;
/// The most columns that are named for what the segments explain of them, and the least share that is named.
const MOST_EXPLAINED: usize = 6;
const LEAST_EXPLAINED: f64 = 0.01;
/// What the numbers are.
const CAPTION: &str =
    "Means, medians of skewed columns, and shares: of a segment's customers (here), and of all customers.";

/// Segments with what sets them apart: values of the rows at hand beside those of all rows, and of the segment in the
/// fit if there is one. Then the rates of outcomes.
pub(super) fn segments(report: &ProfileReport, fit: Option<&ProfileReport>) -> String {
    let mut out = apart(report, fit);
    out.push_str(&proposed(report));
    for (i, all) in report.all.outcomes.iter().enumerate() {
        out.push_str("\n\n");
        out.push_str(&rates(report, i, all));
    }
    for part in [products(report), explained(report)].into_iter().filter(|part| !part.is_empty()) {
        out.push_str("\n\n");
        out.push_str(&part);
    }
    out
}

/// The columns that the segments explain most. Empty where they explain none.
fn explained(report: &ProfileReport) -> String {
    let mut columns: Vec<(&str, f64)> =
        report.columns.iter().filter_map(|column| Some((column.name.as_str(), column.eta_squared?))).collect();
    columns.retain(|(_, share)| *share >= LEAST_EXPLAINED);
    if columns.is_empty() {
        return String::new();
    }
    // Stable: equal shares stay in the order of the columns.
    columns.sort_by(|a, b| b.1.total_cmp(&a.1));
    // Of columns that say nearly the same, one is named.
    let same = |a: &str, b: &str| report.correlated.iter().any(|c| c.columns == [a, b] || c.columns == [b, a]);
    let mut kept: Vec<(&str, f64)> = Vec::new();
    for (name, share) in columns {
        if kept.len() < MOST_EXPLAINED && !kept.iter().any(|(other, _)| same(other, name)) {
            kept.push((name, share));
        }
    }
    let named: Vec<String> = kept.iter().map(|(name, share)| format!("{} {}", shown(name), percent(*share))).collect();
    let text = format!("Of the variance of each column, the segments explain most of: {}", named.join(", "));
    wrapped(&text, table(&[], &[]).width().unwrap_or(100).into()).join("\n")
}

/// Names for segments that people may take over.
fn proposed(report: &ProfileReport) -> String {
    let of = |group: &GroupProfile| {
        let name = group.proposed_name.as_ref()?;
        Some(format!("{} {} ({})", group.segment?, name.en, name.zh))
    };
    let names: Vec<String> = report.segments.iter().filter_map(of).collect();
    if names.is_empty() {
        return String::new();
    }
    format!("\n\n{}", wrapped(&format!("Proposed names: {}", names.join("; ")), 100).join("\n"))
}

fn apart(report: &ProfileReport, fit: Option<&ProfileReport>) -> String {
    let named = report.segments.iter().any(|s| s.name.is_some());
    let mut header = vec!["segment"];
    header.extend(named.then_some("name"));
    let first = header.len();
    header.extend(["customers", "share", "set apart by", "here", "of all", "vs all"]);
    header.extend(fit.map(|_| "at the fit"));
    let right: Vec<usize> = [0, first, first + 1].into_iter().chain(first + 3..header.len()).collect();
    let mut out = table(&header, &right);
    let width = out.width().unwrap_or(100);
    let mut text = wrapped(CAPTION, width.into()).join("\n");
    text.push('\n');
    if width < NARROW {
        return text + &blocks(report, fit);
    }
    for segment in &report.segments {
        let at_fit = fit.and_then(|fit| fit.segments.iter().find(|s| s.segment == segment.segment).map(|s| (fit, s)));
        let mut rows: Vec<Vec<String>> = segment.apart.iter().map(|mark| mark_cells(report, mark)).collect();
        if rows.is_empty() {
            rows.push(vec![remark(report, segment), String::new(), String::new(), String::new()]);
        }
        for (i, mut cells) in rows.into_iter().enumerate() {
            if fit.is_some() {
                let mark = segment.apart.get(i);
                cells.push(mark.zip(at_fit).map_or_else(String::new, |(mark, (fit, s))| then(fit, s, mark)));
            }
            let mut row = match i {
                0 => heading(report, segment, named),
                _ => vec![String::new(); first + 2],
            };
            row.append(&mut cells);
            out.add_row(row);
        }
    }
    text + &out.to_string()
}

/// One block of lines for each segment.
fn blocks(report: &ProfileReport, fit: Option<&ProfileReport>) -> String {
    let mut lines = Vec::new();
    for segment in &report.segments {
        let [head @ .., customers, share] = &heading(report, segment, true)[..] else { continue };
        lines.push(format!("segment {}: {customers} customers, {share}", head.join(" ").trim_end()));
        let at_fit = fit.and_then(|fit| fit.segments.iter().find(|s| s.segment == segment.segment).map(|s| (fit, s)));
        if segment.apart.is_empty() {
            lines.push(format!("  {}", remark(report, segment)));
        }
        for mark in &segment.apart {
            let [name, here, all, ratio] = &mark_cells(report, mark)[..] else { continue };
            let then = at_fit.map_or_else(String::new, |(fit, s)| format!("; at the fit {}", then(fit, s, mark)));
            lines.push(format!("  {name}: {here}, of all {all} ({ratio}){then}"));
        }
    }
    lines.join("\n")
}

/// Number, name, customers and share.
fn heading(report: &ProfileReport, segment: &GroupProfile, named: bool) -> Vec<String> {
    let mut cells = vec![segment.segment.map_or_else(|| "none".into(), |number| number.to_string())];
    if named {
        cells.push(segment.name.as_deref().map(brief).unwrap_or_default());
    }
    cells.extend([thousands(segment.customers), share(segment.customers, report.rows)]);
    cells
}

/// Why nothing sets a segment apart.
fn remark(report: &ProfileReport, segment: &GroupProfile) -> String {
    match segment {
        GroupProfile { customers: 0, .. } => "no customers".into(),
        GroupProfile { withheld: true, customers, .. } if *customers >= report.small_cells => {
            "no figures: those of a smaller segment would follow".into()
        }
        GroupProfile { withheld: true, .. } => format!("fewer than {} customers: no figures", report.small_cells),
        _ => "close to all customers".into(),
    }
}

/// The name of a mark, its value here and over all rows, and their ratio or difference.
fn mark_cells(report: &ProfileReport, mark: &Mark) -> Vec<String> {
    let column = report.columns.iter().find(|column| column.name == mark.column);
    let name = shown(&mark.column);
    let name = match &mark.statistic {
        Statistic::Mean => format!("{name}, mean"),
        Statistic::Median => format!("{name}, median"),
        Statistic::ShareTrue => format!("{name}, share"),
        Statistic::ShareNotZero => format!("{name}, not 0"),
        Statistic::ShareMissing => format!("{name}, missing"),
        Statistic::ShareOf(value) => format!("{name} = {}", brief(value)),
    };
    let value = |v: f64| value(column, &mark.statistic, v);
    vec![name, value(mark.here), value(mark.all), compared(column, mark)]
}

/// The value of a mark's statistic in the segment at the fit.
fn then(fit: &ProfileReport, segment: &GroupProfile, mark: &Mark) -> String {
    let at = fit.columns.iter().position(|column| column.name == mark.column);
    let found = at.and_then(|at| {
        let column = &fit.columns[at];
        mark.statistic.of(column, segment.columns.get(at)?).map(|v| value(Some(column), &mark.statistic, v))
    });
    found.unwrap_or_else(|| "-".into())
}

fn value(column: Option<&ProfiledColumn>, statistic: &Statistic, v: f64) -> String {
    match column {
        _ if statistic.is_share() => percent(v),
        Some(column) if column.kind == ShownKind::Date => day(v),
        _ => number(v),
    }
}

/// A number with at least three digits, and all digits before the point: `0`, `0.0123`, `4.21`, `12,345,678`.
fn number(v: f64) -> String {
    let sign = if v < 0.0 { "-" } else { "" };
    match v.abs() {
        0.0 => "0".into(),
        a if !(1e-4..1e15).contains(&a) => format!("{v:.3e}"),
        a if a >= 1e3 || (a >= 1.0 && a.fract() == 0.0) => format!("{sign}{}", thousands(a.round() as u64)),
        a if a >= 100.0 => format!("{v:.1}"),
        a if a >= 1.0 => format!("{v:.2}"),
        a => format!("{v:.0$}", (2.0 - a.log10().floor()) as usize),
    }
}

/// The ratio of two values that are not negative, else their difference.
fn compared(column: Option<&ProfiledColumn>, mark: &Mark) -> String {
    let Mark { here, all, .. } = *mark;
    if column.is_some_and(|column| column.kind == ShownKind::Date) && !mark.statistic.is_share() {
        return format!("{:+.0} days", here - all);
    }
    match here / all {
        // A ratio of negative values reads as its opposite.
        _ if all <= 0.0 || here < 0.0 => format!("{}{}", if here > all { "+" } else { "" }, difference(mark)),
        ratio if ratio >= 10.0 => format!("{ratio:.0}x"),
        ratio if ratio >= 0.1 => format!("{ratio:.1}x"),
        ratio if ratio >= 0.01 => format!("{ratio:.2}x"),
        ratio if ratio > 0.0 => "<0.01x".into(),
        _ => "0x".into(),
    }
}

fn difference(mark: &Mark) -> String {
    let difference = mark.here - mark.all;
    if mark.statistic.is_share() { percent(difference) } else { number(difference) }
}

/// How often an outcome occurs, by segment.
fn rates(report: &ProfileReport, outcome: usize, all: &OutcomeRate) -> String {
    let what = format!("{} = {}", shown(&all.column), brief(&all.value));
    let mut out = table(&["segment", "customers", &what, "rate", "95% interval", "lift"], &[0, 1, 2, 3, 4, 5]);
    for group in report.segments.iter().chain([&report.all]) {
        let head = match group.segment {
            Some(number) => number.to_string(),
            None if std::ptr::eq(group, &report.all) => "all".into(),
            None => "none".into(),
        };
        let mut row = vec![head, thousands(group.customers)];
        if let Some(found) = group.outcomes.get(outcome) {
            let interval = |[low, high]: [f64; 2]| format!("{} to {}", percent(low), percent(high));
            row.push(thousands(found.cases));
            row.push(found.rate.map_or_else(|| "-".into(), percent));
            row.push(found.interval.map_or_else(|| "-".into(), interval));
            row.push(found.lift.map_or_else(|| "-".into(), |lift| format!("{lift:.2}")));
        }
        out.add_row(row);
    }
    out.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_can_be_told_apart() {
        for (v, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.012_34, "0.0123"),
            (0.5, "0.500"),
            (4.0, "4"),
            (4.211, "4.21"),
            (123.45, "123.5"),
            (-64_006.4, "-64,006"),
            (999_999_999.0, "999,999,999"),
            (1.5e-7, "1.500e-7"),
        ] {
            assert_eq!(number(v), text);
        }
    }
}
