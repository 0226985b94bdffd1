//! The check report as an HTML page.

use super::finding::{Finding, Severity};
use super::report::{CheckReport, ColumnReport};
use super::value::Value;
use crate::report::{Page, Remark, Table, Tone, figures, whole};
use crate::text::{percent, quoted, thousands};

/// The most common of many values is not shown if its share is below this, as in the terminal.
const RARE: f64 = 0.001;

const NUMBERS: [&str; 17] = [
    "column",
    "NaN",
    "infinite",
    "zeros",
    "min",
    "1%",
    "5%",
    "25%",
    "50%",
    "75%",
    "95%",
    "99%",
    "max",
    "mean",
    "deviation",
    "skewness",
    "transform",
];

/// The page.
pub(super) fn page(report: &CheckReport) -> String {
    let mut page = Page::new("hyades check");
    summary(&mut page, report);
    expectations(&mut page, report);
    page.list("Findings", report.findings.iter().map(remark));
    page.table("Columns", &columns(report));
    numbers(&mut page, report);
    page.table("Text", &texts(report));
    page.table("Columns that move together", &correlations(report));
    page.table("Differences between files", &differences(report));
    page.table("Files", &files(report));
    page.finish()
}

fn summary(page: &mut Page, report: &CheckReport) {
    page.paragraph(&format!(
        "{} rows, {} columns, {} file{}",
        thousands(report.rows),
        report.columns.len(),
        report.files.len(),
        if report.files.len() == 1 { "" } else { "s" }
    ));
    if let Some(id) = &report.id {
        page.paragraph(&format!(
            "id column {}: {} duplicates, {} missing",
            quoted(&id.column),
            thousands(id.duplicates),
            thousands(id.nulls)
        ));
    }
    match report.duplicate_rows {
        Some(n) => page.paragraph(&format!("{} duplicate rows", thousands(n))),
        None => page.paragraph("duplicate rows were not looked for"),
    }
}

fn expectations(page: &mut Page, report: &CheckReport) {
    let Some(expected) = &report.expectations else { return };
    if expected.breaches.is_empty() {
        return page.paragraph(&format!("all {} expectations are met", expected.checked));
    }
    let title = format!("{} of {} expectations are broken", expected.breaches.len(), expected.checked);
    page.section(&title, Some(Tone::Broken));
    let mut table = Table::new(&["column", "expectation", "what is there", "rows"], 3);
    for b in &expected.breaches {
        table.row([
            b.column.clone().unwrap_or_else(|| "the table".into()),
            b.expectation.to_owned(),
            b.text.clone(),
            b.rows.map_or_else(String::new, thousands),
        ]);
    }
    page.table("Broken", &table);
}

fn remark(finding: &Finding) -> Remark<'_> {
    let tone = match finding.severity {
        Severity::Warning => Tone::Warning,
        Severity::Note => Tone::Note,
    };
    Remark { tone, subject: finding.column.as_deref(), text: &finding.text }
}

fn columns(report: &CheckReport) -> Table {
    let mut table = Table::new(&["column", "type", "nulls", "absent", "distinct", "most common", "share"], 2);
    for c in &report.columns {
        // Where every value is rare, the most common one may identify a customer.
        let common = c.most_common.as_ref().filter(|m| m.exact || m.share >= RARE);
        table.row([
            c.name.clone(),
            c.data_type.clone(),
            thousands(c.nulls),
            thousands(c.absent),
            format!("{}{}", if c.distinct_exact { "" } else { "~" }, thousands(c.distinct)),
            common.map_or_else(String::new, |m| m.value.as_ref().map_or_else(|| "not shown".into(), plain)),
            common.map_or_else(String::new, |m| {
                format!("{}{}", if m.exact { "" } else { "at least " }, percent(m.share))
            }),
        ]);
    }
    table
}

fn numbers(page: &mut Page, report: &CheckReport) {
    let mut table = Table::new(&NUMBERS, 1);
    report.columns.iter().filter_map(number_row).for_each(|row| table.row(row));
    page.table("Numbers and dates", &table);
    let worst = report.columns.iter().filter_map(|c| c.numbers.as_ref()).map(|n| n.rank_error).fold(0.0, f64::max);
    if worst > 0.0 {
        page.paragraph(&format!(
            "Quantiles are of a sample: the rank of the median is right to {:.2}% of the rows.",
            100.0 * worst
        ));
    }
}

fn number_row(column: &ColumnReport) -> Option<Vec<String>> {
    let n = column.numbers.as_ref()?;
    let value = |v: &Option<Value>| v.as_ref().map_or_else(String::new, plain);
    let number = |v: Option<f64>| v.map_or_else(String::new, figures);
    let mut row = vec![column.name.clone(), thousands(n.nan), thousands(n.infinite), thousands(n.zeros)];
    row.push(value(&n.min));
    row.extend(n.quantiles.iter().map(plain));
    row.resize(row.len() + 7 - n.quantiles.len(), String::new());
    row.push(value(&n.max));
    row.extend([
        number(n.mean),
        number(n.deviation),
        n.skewness.map_or_else(String::new, |s| format!("{:.3}", s + 0.0)),
        n.transform.unwrap_or_default().to_owned(),
    ]);
    Some(row)
}

fn texts(report: &CheckReport) -> Table {
    let mut table = Table::new(&["column", "empty", "padded", "shortest", "mean length", "longest"], 1);
    let length = |n: Option<u64>| n.map_or_else(String::new, thousands);
    for c in &report.columns {
        let Some(t) = &c.text else { continue };
        table.row([
            c.name.clone(),
            thousands(t.empty),
            thousands(t.padded),
            length(t.shortest),
            t.mean_length.map_or_else(String::new, figures),
            length(t.longest),
        ]);
    }
    table
}

fn correlations(report: &CheckReport) -> Table {
    let mut table = Table::new(&["first", "second", "correlation"], 2);
    for c in report.correlations.iter().flatten() {
        table.row([c.first.clone(), c.second.clone(), format!("{:.4}", c.r)]);
    }
    table
}

fn differences(report: &CheckReport) -> Table {
    let mut table = Table::new(&["difference"], 1);
    report.schema_differences.iter().for_each(|line| table.row([line.clone()]));
    table
}

fn files(report: &CheckReport) -> Table {
    let mut table = Table::new(&["file", "rows", "bytes"], 1);
    report.files.iter().for_each(|f| table.row([f.path.clone(), thousands(f.rows), thousands(f.bytes)]));
    table
}

fn plain(value: &Value) -> String {
    match value {
        Value::Whole(n) => whole(*n),
        Value::Number(x) => figures(*x),
        other => other.to_string(),
    }
}
