//! The report of a check for people: tables that fit 80 columns, then findings, then pairs.

use comfy_table::{ColumnConstraint, Table};
use hyades::check::{
    CheckReport, Class, ColumnReport, Common, Correlation, DISTINCT_ERROR, NumberReport, Severity, Value,
};
use hyades::text::{percent, shown};

use super::fmt::{apart, compact, thousands, wrapped};
use super::report::table;

/// Pairs of columns that are listed.
const PAIRS: usize = 12;
/// Width of sentences, and of what stands before them.
const WIDTH: usize = 80;
const MARGIN: usize = 9;
/// Characters of a common value.
const COMMON: usize = 18;

/// Among many values, the share below which the most common one is not shown.
const RARE: f64 = 0.001;
/// Characters of a number that shows nearly all digits of f64.
const NEARLY_ALL: usize = 16;
/// Most characters of a number with all its digits: those of the largest u64.
const LONGEST: usize = 20;
/// Width from which numbers have room for the tails of their distribution.
const WIDE: u16 = 96;

/// The whole report.
pub(super) fn text(report: &CheckReport) -> String {
    let mut parts = vec![columns(report)];
    parts.extend(numbers(report));
    parts.extend(texts(report));
    parts.extend(legend(report));
    parts.extend(findings(report));
    parts.extend(pairs(report));
    if !report.schema_differences.is_empty() {
        let lines = report.schema_differences.iter().flat_map(|line| sentence("files", &shown(&line.en)));
        parts.push(lines.collect::<Vec<_>>().join("\n"));
    }
    if let Some(expected) = report.expectations.as_ref().filter(|e| e.breaches.is_empty()) {
        parts.push(format!("all {} expectations are met", expected.checked));
    }
    parts.join("\n")
}

/// A compact table whose first column is a name.
fn named(header: &[&str]) -> Table {
    let mut out = table(header, &(1..header.len()).collect::<Vec<_>>());
    for column in out.column_iter_mut() {
        column.set_padding((0, 1));
    }
    for i in 1..header.len() {
        if let Some(column) = out.column_mut(i) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    out
}

fn columns(report: &CheckReport) -> String {
    let mut out = named(&["column", "type", "missing", "distinct", "most common", "share"]);
    for c in &report.columns {
        // If every value is rare, the most common one could identify a person.
        let told = c.most_common.as_ref().filter(|m| m.exact || m.share >= RARE);
        out.add_row(vec![
            shown(&c.name),
            if c.class == Class::Text { "text".into() } else { shorter(&shown(&c.data_type.to_lowercase()), COMMON) },
            missing(c, report.rows),
            count(c),
            told.map_or_else(String::new, common),
            told.map_or_else(String::new, share),
        ]);
    }
    set(&out)
}

/// A table without trailing blanks.
fn set(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn missing(c: &ColumnReport, rows: u64) -> String {
    match c.missing() {
        0 => "0".into(),
        n => percent(n as f64 / rows.max(1) as f64),
    }
}

fn count(c: &ColumnReport) -> String {
    format!("{}{}", if c.distinct_exact { "" } else { "~" }, thousands(c.distinct))
}

fn common(c: &Common) -> String {
    c.value.as_ref().map_or_else(|| "(not shown)".into(), value)
}

fn share(c: &Common) -> String {
    format!("{}{}", if c.exact { "" } else { ">=" }, percent(c.share))
}

fn value(value: &Value) -> String {
    match value {
        Value::Truth(yes) => yes.to_string(),
        Value::Whole(n) if n.unsigned_abs() < 1_000_000 => n.to_string(),
        Value::Whole(n) => compact(*n as f64),
        Value::Number(x) => compact(*x),
        Value::Decimal(digits) => compact(digits.parse().unwrap_or(f64::NAN)),
        Value::Text(text) => shorter(&shown(text), COMMON),
    }
}

fn shorter(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 2).chain("..".chars()).collect()
}

fn numbers(report: &CheckReport) -> Option<String> {
    let header = ["column", "min", "5%", "median", "95%", "max", "mean", "dev", "skew", "auto"];
    let wide = named(&[]).width().is_none_or(|width| width >= WIDE);
    let fits = |i: usize| wide || !["5%", "95%"].contains(&header[i]);
    let mut out = named(&(0..header.len()).filter(|&i| fits(i)).map(|i| header[i]).collect::<Vec<_>>());
    let shown_columns = report.columns.iter().filter(|c| matches!(c.class, Class::Number | Class::Date));
    let mut any = false;
    for (c, n) in shown_columns.filter_map(|c| Some((c, c.numbers.as_ref()?))) {
        any = true;
        let cells = number_row(c, n).into_iter().enumerate();
        out.add_row(cells.filter(|(i, _)| fits(*i)).map(|(_, cell)| cell).collect::<Vec<_>>());
    }
    any.then(|| set(&out))
}

fn number_row(c: &ColumnReport, n: &NumberReport) -> Vec<String> {
    let is_date = c.class == Class::Date;
    let points = [n.min.as_ref(), n.quantiles.get(1), n.quantiles.get(3), n.quantiles.get(5), n.max.as_ref()];
    let number_of = |v: Option<&Value>| match v {
        Some(Value::Whole(n)) => Some(*n as f64),
        Some(Value::Number(x)) => Some(*x),
        Some(Value::Decimal(digits)) => digits.parse().ok(),
        _ => None,
    };
    let apart = apart(&points.map(|v| number_of(v).unwrap_or(f64::NAN)));
    // Where nearly all digits of f64 are shown, or none tells neighbours apart, all digits of the value are.
    let are_alike = |a: &Value, b: &Value| a != b && number_of(Some(a)) == number_of(Some(b));
    let exact = apart.iter().any(|text| text.len() > NEARLY_ALL)
        || points.windows(2).any(|pair| matches!(pair, [Some(a), Some(b)] if !is_date && are_alike(a, b)));
    let mut apart = apart.into_iter();
    // For a date, the day is precise enough.
    let mut tell = |v: Option<&Value>| {
        let apart = apart.next().unwrap_or_default();
        match v {
            Some(Value::Text(date)) => date.chars().take(10).collect(),
            Some(Value::Whole(n)) if n.unsigned_abs() < 1_000_000 => {
                format!("{}{}", if *n < 0 { "-" } else { "" }, thousands(n.unsigned_abs() as u64))
            }
            Some(v @ (Value::Whole(_) | Value::Decimal(_))) if exact && v.to_string().len() <= LONGEST => v.to_string(),
            Some(Value::Whole(_) | Value::Number(_) | Value::Decimal(_)) => apart,
            Some(v) => value(v),
            None => String::new(),
        }
    };
    let number = |v: Option<f64>| v.filter(|_| !is_date).map_or_else(String::new, compact);
    let skewness = n.skewness.map(|s| if s.abs() < 0.005 { 0.0 } else { s });
    let transform = match n.transform {
        Some("signed-log1p") => "log",
        _ => "",
    };
    vec![
        shown(&c.name),
        tell(points[0]),
        tell(points[1]),
        tell(points[2]),
        tell(points[3]),
        tell(points[4]),
        number(n.mean),
        if is_date {
            n.deviation.map_or_else(String::new, |d| format!("{} d", compact(d)))
        } else {
            number(n.deviation)
        },
        number(skewness),
        transform.into(),
    ]
}

fn texts(report: &CheckReport) -> Option<String> {
    let mut out = named(&["column", "shortest", "mean length", "longest", "empty", "padded"]);
    let mut any = false;
    for (c, t) in report.columns.iter().filter_map(|c| Some((c, c.text.as_ref()?))) {
        any = true;
        let length = |n: Option<u64>| n.map_or_else(String::new, thousands);
        out.add_row(vec![
            shown(&c.name),
            length(t.shortest),
            t.mean_length.map_or_else(String::new, compact),
            length(t.longest),
            thousands(t.empty),
            thousands(t.padded),
        ]);
    }
    any.then(|| set(&out))
}

/// Explains the symbols used in the tables.
fn legend(report: &CheckReport) -> Option<String> {
    let mut parts = Vec::new();
    if report.columns.iter().any(|c| !c.distinct_exact) {
        parts.push(format!("~ estimated, +-{:.1}%;", 100.0 * DISTINCT_ERROR));
    }
    if report.columns.iter().any(|c| c.most_common.as_ref().is_some_and(|m| !m.exact)) {
        parts.push(">= at least;".into());
    }
    let numbers = report.columns.iter().filter_map(|c| c.numbers.as_ref());
    let worst = numbers.clone().map(|n| n.rank_error).fold(0.0, f64::max);
    if worst > 0.0 {
        parts.push(format!("quantiles of a sample, ranks accurate to {:.2}%;", 100.0 * worst));
    }
    if numbers.clone().any(|n| n.transform == Some("signed-log1p")) {
        parts.push("auto: a fit would use sign(x) ln(1 + |x|);".into());
    }
    let text = parts.join(" ");
    (!text.is_empty()).then(|| wrapped(text.trim_end_matches(';'), WIDTH).join("\n") + "\n")
}

fn findings(report: &CheckReport) -> Option<String> {
    let id = report.id.iter().flat_map(|id| {
        let text =
            format!("{}: {} missing, {} duplicates", shown(&id.column), thousands(id.nulls), thousands(id.duplicates));
        sentence("id", &text)
    });
    let lines = report.findings.iter().flat_map(|f| {
        let word = if f.severity == Severity::Warning { "warning" } else { "note" };
        let column = f.column.as_ref().map_or_else(String::new, |c| format!("{}: ", shown(c)));
        sentence(word, &format!("{column}{}", f.text))
    });
    let lines: Vec<String> = id.chain(lines).collect();
    (!lines.is_empty()).then(|| lines.join("\n") + "\n")
}

fn pairs(report: &CheckReport) -> Option<String> {
    let pairs = report.correlations.as_ref().filter(|pairs| !pairs.is_empty())?;
    let line =
        |p: &Correlation| sentence(&format!("{:.4}", p.r), &format!("{} and {}", shown(&p.first), shown(&p.second)));
    let mut lines: Vec<String> = pairs.iter().take(PAIRS).flat_map(line).collect();
    if pairs.len() > PAIRS {
        lines.push(format!("{:MARGIN$}and {} more pairs, see --json", "", pairs.len() - PAIRS));
    }
    Some(lines.join("\n") + "\n")
}

/// A word in the margin and text next to it.
fn sentence(word: &str, text: &str) -> Vec<String> {
    let mut word = word;
    wrapped(text, WIDTH - MARGIN)
        .into_iter()
        .map(|line| format!("{:<MARGIN$}{line}", std::mem::take(&mut word)))
        .collect()
}
