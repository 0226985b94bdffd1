//! A starting recipe: a summary of every column, and the choices that follow from it.

use std::fmt::Write as _;

use super::class::Class;
use super::findings::{AS_TEXT, tell};
use super::report::{CheckReport, ColumnReport, QUANTILES};
use super::value::Value;
use super::{CheckRequest, STRONG, check};
use crate::error::Result;
use crate::event::{Observer, Watch};
use crate::roles::RoleRequest;
use crate::text::{percent, shown};

/// The most distinct values for which text is treated as categories.
const CATEGORIES: u64 = 100;
/// Categories that get a feature of their own.
const OWN: u64 = 20;
/// Share of missing values from which an indicator of missing values is useful.
const MISSING: f64 = 0.01;
/// Winsorising is offered if the largest value lies this many times as far from the median as the last percentile.
const TAIL: f64 = 20.0;
/// Correlated pairs to name.
const PAIRS: usize = 10;

/// The text of a recipe file for an input, ready for a fit.
///
/// The text is only returned: it is written nowhere, and the request's outputs are those of [`check`].
///
/// # Errors
/// As [`check`].
///
/// # Examples
/// ```
/// use std::sync::atomic::AtomicBool;
///
/// use hyades::check::{CheckRequest, starting_recipe};
/// use hyades::event::Silent;
/// use hyades::job::InputOptions;
///
/// let request = CheckRequest { input: InputOptions::of(["data/customers.parquet"]), ..CheckRequest::default() };
/// let recipe = starting_recipe(&request, &Silent, &AtomicBool::new(false))?;
/// assert!(recipe.contains("[defaults]"));
/// assert!(recipe.contains("current_balance"));
/// # Ok::<(), hyades::Error>(())
/// ```
pub fn starting_recipe(
    request: &CheckRequest,
    observer: &dyn Observer,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<String> {
    let report = check(request, observer, stop)?;
    let source = super::open(request, Watch::none())?;
    let categories = report.columns.iter().filter(|c| is_category(&report, c)).map(|c| c.name.clone()).collect();
    let id = request.id.as_ref().and_then(|id| source.position(id));
    let roles = RoleRequest { encoded: categories, ..request.roles(&source, id)? }.resolve(&source)?;
    let is_feature = |name: &str| roles.features.iter().any(|&f| source.columns()[f].name == name);
    let is_code = |name: &str| roles.codes.iter().any(|&c| source.columns()[c].name == name);
    let mut out = format!(
        "# A recipe for {} rows of {} columns. It was written from what `hyades check` finds; change what you know\n\
         # better. `hyades recipe schema` prints its schema, README.md has all choices.\n\n\
         [defaults]\n\
         transform = \"auto\"   # none, or signed-log1p where the skewness is above 1\n\
         missing = \"median\"\n\
         scale = \"zscore\"\n",
        report.rows,
        report.columns.len()
    );
    for column in &report.columns {
        let _ = write!(out, "\n# {}: {}\n", shown(&column.name), seen(column));
        if report.id.as_ref().is_some_and(|id| id.column == column.name) {
            out.push_str("# the id\n");
        } else if is_feature(&column.name) {
            section(&mut out, column, is_code(&column.name));
        } else if let Some(left) = roles.reason(&column.name) {
            let _ = writeln!(out, "# no feature: {}", shown(&left.why()));
        }
    }
    correlated(&mut out, &report);
    Ok(out)
}

/// Whether it is text with few, repeated values that identify nobody.
fn is_category(report: &CheckReport, column: &ColumnReport) -> bool {
    let finding = |kind| report.findings.iter().any(|f| f.kind == kind && f.column.as_ref() == Some(&column.name));
    column.class == Class::Text
        && (2..=CATEGORIES).contains(&column.distinct)
        && !finding("personal_data")
        && !finding("likely_id")
        && !AS_TEXT.into_iter().any(finding)
}

/// A column in one line.
fn seen(column: &ColumnReport) -> String {
    let mut parts = vec![shown(&column.data_type)];
    if column.missing() > 0 {
        parts.push(format!("{} missing", percent(missing_share(column))));
    }
    match &column.numbers {
        Some(n) => {
            if let Some(median) = QUANTILES.iter().position(|&q| q == 0.5).and_then(|i| n.quantiles.get(i)) {
                parts.push(format!("median {}", tell(median)));
            }
            if let (Some(min), Some(max)) = (&n.min, &n.max) {
                parts.push(format!("{} to {}", tell(min), tell(max)));
            }
            parts.extend(n.skewness.map(|s| format!("skewness {s:.1}")));
        }
        None => parts.push(format!("{} different values", column.distinct)),
    }
    parts.join(", ")
}

/// The choices for a feature.
fn section(out: &mut String, column: &ColumnReport, is_code: bool) {
    let mut lines = Vec::new();
    if column.class == Class::Text {
        lines.push("encode = \"one-hot\"   # or \"frequency\"; or \"ordinal\" with order = [...]".to_owned());
        lines.push(format!("top = {}", column.distinct.min(OWN)));
    }
    if is_code {
        lines.push("# encode = \"one-hot\"   # if its numbers are codes, without the other choices".to_owned());
    }
    if let Some(n) = &column.numbers {
        if !n.sentinels.is_empty() {
            let codes: Vec<String> = n.sentinels.iter().map(|&v| toml::Value::Float(v).to_string()).collect();
            lines.push(format!("sentinels = [{}]   # likely codes for \"unknown\"", codes.join(", ")));
        }
        if missing_share(column) >= MISSING {
            lines.push(format!("indicator = true   # adds {}_missing: 1 where there is no value", shown(&column.name)));
        }
        // Two distinct values stay two under any transform.
        if n.transform == Some("signed-log1p") && column.distinct > 2 {
            let or = if n.negative > 0 { "yeo-johnson or quantile" } else { "log1p, sqrt, yeo-johnson or quantile" };
            lines.push(format!("transform = \"signed-log1p\"   # or {or}"));
        }
        if is_long_tailed(n) {
            lines.push("# winsorise = [0.01, 0.99]   # its largest values lie far from all others".to_owned());
        }
    }
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "[columns.{}]\n{}", key(&column.name), lines.join("\n"));
}

/// A name as a TOML key; TOML's basic strings have the escapes of JSON.
fn key(name: &str) -> String {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return name.to_owned();
    }
    serde_json::Value::from(name).to_string().replace('\u{7f}', "\\u007f")
}

/// The share of rows without a value; the most common value's share gives the number of rows.
fn missing_share(column: &ColumnReport) -> f64 {
    let Some(common) = column.most_common.as_ref() else { return 1.0 };
    column.missing() as f64 * common.share / common.count.max(1) as f64
}

fn is_long_tailed(n: &super::report::NumberReport) -> bool {
    let at = |q: f64| QUANTILES.iter().position(|&p| p == q).and_then(|i| n.quantiles.get(i)).and_then(Value::number);
    let (Some(median), Some(last), Some(max)) = (at(0.5), at(0.99), n.max.as_ref().and_then(Value::number)) else {
        return false;
    };
    max - median > TAIL * (last - median).max(f64::MIN_POSITIVE) && last > median
}

fn correlated(out: &mut String, report: &CheckReport) {
    let pairs = report.correlations.as_deref().unwrap_or_default();
    if pairs.is_empty() {
        return;
    }
    out.push_str("\n# Of columns that move together only the first is used:\n");
    for pair in pairs.iter().take(PAIRS) {
        let _ = writeln!(out, "#   {} and {}: {:.3}", shown(&pair.first), shown(&pair.second), pair.r);
    }
    if pairs.len() > PAIRS {
        let _ = writeln!(out, "#   and {} pairs more", pairs.len() - PAIRS);
    }
    let _ = writeln!(out, "[reduce]\nmax_correlation = {STRONG}");
}
