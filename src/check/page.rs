//! The report as one HTML page: no scripts, nothing loaded from elsewhere, every name and text escaped.

use std::fmt::Write;

use super::finding::Severity;
use super::report::{CheckReport, ColumnReport};
use super::value::Value;
use crate::text::{grouped, html, percent, quoted, thousands};

/// Share of the most common among many values below which it is not told, as in the terminal.
const RARE: f64 = 0.001;

const STYLE: &str = "\
body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:92rem;padding:0 1rem;color:#1b1f24;background:#fff}\
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0;color:#57606a}\
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{padding:.25rem .6rem;border-bottom:1px solid #d8dee4;text-align:right;white-space:nowrap;vertical-align:top}\
th{background:#f6f8fa;font-weight:600}.l{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:min(7rem,28vw)}\
.n{min-width:min(13rem,36vw);max-width:24rem;position:sticky;left:0;background:#fff}th.n{background:#f6f8fa}\
td.n{font-weight:600}li{overflow-wrap:anywhere}p{overflow-wrap:anywhere}\
.warning,.broken{color:#9a3412}.note{color:#57606a}";

/// The page.
pub(super) fn page(report: &CheckReport) -> String {
    let mut out = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    out.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
    );
    out.push_str("<meta name=\"viewport\" content=\"width=device-width\"><title>hyades check</title>\n<style>");
    out.push_str(STYLE);
    out.push_str("</style></head><body>\n<h1>hyades check</h1>\n");
    paragraph(
        &mut out,
        &format!(
            "{} rows, {} columns, {} file{}",
            thousands(report.rows),
            report.columns.len(),
            report.files.len(),
            if report.files.len() == 1 { "" } else { "s" }
        ),
    );
    if let Some(id) = &report.id {
        paragraph(
            &mut out,
            &format!(
                "id column {}: {} duplicates, {} missing",
                quoted(&id.column),
                thousands(id.duplicates),
                thousands(id.nulls)
            ),
        );
    }
    match report.duplicate_rows {
        Some(n) => paragraph(&mut out, &format!("{} duplicate rows", thousands(n))),
        None => paragraph(&mut out, "duplicate rows were not looked for"),
    }
    expectations(&mut out, report);
    findings(&mut out, report);
    columns(&mut out, report);
    numbers(&mut out, report);
    texts(&mut out, report);
    correlations(&mut out, report);
    let lines: Vec<Vec<String>> = report.schema_differences.iter().map(|line| vec![line.clone()]).collect();
    table(&mut out, "Differences between files", &["difference"], 1, &lines);
    let files: Vec<Vec<String>> =
        report.files.iter().map(|f| vec![f.path.clone(), thousands(f.rows), thousands(f.bytes)]).collect();
    table(&mut out, "Files", &["file", "rows", "bytes"], 1, &files);
    out.push_str("</body></html>\n");
    out
}

fn paragraph(out: &mut String, text: &str) {
    let _ = writeln!(out, "<p>{}</p>", html(text));
}

/// A titled table, if it has rows; the first `left` columns are text, the others numbers.
fn table(out: &mut String, title: &str, header: &[&str], left: usize, rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    // A cell that may break anywhere would give way to its neighbours letter by letter: so names have a least width, and
    // stay in sight when a wide table is scrolled.
    let class = |i: usize| match i {
        0 => " class=\"l n\"",
        _ if i < left => " class=\"l\"",
        _ => "",
    };
    let _ = write!(out, "<h2>{}</h2>\n<div class=\"wide\"><table><tr>", html(title));
    for (i, cell) in header.iter().enumerate() {
        let _ = write!(out, "<th{}>{}</th>", class(i), html(cell));
    }
    out.push_str("</tr>\n");
    for row in rows {
        out.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let _ = write!(out, "<td{}>{}</td>", class(i), html(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}

fn expectations(out: &mut String, report: &CheckReport) {
    let Some(expected) = &report.expectations else { return };
    if expected.breaches.is_empty() {
        return paragraph(out, &format!("all {} expectations are met", expected.checked));
    }
    let _ = writeln!(
        out,
        "<h2 class=\"broken\">{} of {} expectations are broken</h2>",
        expected.breaches.len(),
        expected.checked
    );
    let rows: Vec<Vec<String>> = expected
        .breaches
        .iter()
        .map(|b| {
            vec![
                b.column.clone().unwrap_or_else(|| "the table".into()),
                b.expectation.to_owned(),
                b.text.clone(),
                b.rows.map_or_else(String::new, thousands),
            ]
        })
        .collect();
    table(out, "Broken", &["column", "expectation", "what is there", "rows"], 3, &rows);
}

fn findings(out: &mut String, report: &CheckReport) {
    if report.findings.is_empty() {
        return;
    }
    out.push_str("<h2>Findings</h2>\n<ul>\n");
    for finding in &report.findings {
        let (class, word) = match finding.severity {
            Severity::Warning => ("warning", "warning"),
            Severity::Note => ("note", "note"),
        };
        let column = finding.column.as_ref().map_or_else(String::new, |c| format!("<b>{}</b>: ", html(c)));
        let _ = writeln!(out, "<li class=\"{class}\">{word}: {column}{}</li>", html(&finding.text));
    }
    out.push_str("</ul>\n");
}

fn columns(out: &mut String, report: &CheckReport) {
    let row = |c: &ColumnReport| {
        // Where every value is rare, the most common one is nobody's business.
        let common = c.most_common.as_ref().filter(|m| m.exact || m.share >= RARE);
        vec![
            c.name.clone(),
            c.data_type.clone(),
            thousands(c.nulls),
            thousands(c.absent),
            format!("{}{}", if c.distinct_exact { "" } else { "~" }, thousands(c.distinct)),
            common.map_or_else(String::new, |m| m.value.as_ref().map_or_else(|| "not shown".into(), plain)),
            common.map_or_else(String::new, |m| {
                format!("{}{}", if m.exact { "" } else { "at least " }, percent(m.share))
            }),
        ]
    };
    let rows: Vec<Vec<String>> = report.columns.iter().map(row).collect();
    let header = ["column", "type", "nulls", "absent", "distinct", "most common", "share"];
    table(out, "Columns", &header, 2, &rows);
}

fn numbers(out: &mut String, report: &CheckReport) {
    let row = |c: &ColumnReport| {
        let n = c.numbers.as_ref()?;
        let mut row = vec![c.name.clone(), thousands(n.nan), thousands(n.infinite), thousands(n.zeros)];
        let value = |v: &Option<Value>| v.as_ref().map_or_else(String::new, plain);
        let number = |v: Option<f64>| v.map_or_else(String::new, figures);
        row.push(value(&n.min));
        row.extend(n.quantiles.iter().map(plain));
        row.resize(row.len() + 7 - n.quantiles.len(), String::new());
        row.push(value(&n.max));
        row.extend([
            number(n.mean),
            number(n.deviation),
            n.skewness.map_or_else(String::new, |s| format!("{:.3}", s + 0.0)),
        ]);
        row.push(n.transform.unwrap_or_default().to_owned());
        Some(row)
    };
    let rows: Vec<Vec<String>> = report.columns.iter().filter_map(row).collect();
    let header = [
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
    table(out, "Numbers and dates", &header, 1, &rows);
    let worst = report.columns.iter().filter_map(|c| c.numbers.as_ref()).map(|n| n.rank_error).fold(0.0, f64::max);
    if worst > 0.0 {
        let text =
            format!("Quantiles are of a sample: the rank of the median is right to {:.2}% of the rows.", 100.0 * worst);
        paragraph(out, &text);
    }
}

fn texts(out: &mut String, report: &CheckReport) {
    let row = |c: &ColumnReport| {
        let t = c.text.as_ref()?;
        let length = |n: Option<u64>| n.map_or_else(String::new, thousands);
        Some(vec![
            c.name.clone(),
            thousands(t.empty),
            thousands(t.padded),
            length(t.shortest),
            t.mean_length.map_or_else(String::new, figures),
            length(t.longest),
        ])
    };
    let rows: Vec<Vec<String>> = report.columns.iter().filter_map(row).collect();
    table(out, "Text", &["column", "empty", "padded", "shortest", "mean length", "longest"], 1, &rows);
}

fn correlations(out: &mut String, report: &CheckReport) {
    let rows: Vec<Vec<String>> = report
        .correlations
        .iter()
        .flatten()
        .map(|c| vec![c.first.clone(), c.second.clone(), format!("{:.4}", c.r)])
        .collect();
    table(out, "Columns that move together", &["first", "second", "correlation"], 2, &rows);
}

fn plain(value: &Value) -> String {
    match value {
        Value::Truth(yes) => yes.to_string(),
        Value::Whole(n) => format!("{}{}", if *n < 0 { "-" } else { "" }, thousands(n.unsigned_abs())),
        Value::Number(x) => figures(*x),
        Value::Text(text) => text.clone(),
    }
}

/// Six figures.
fn figures(v: f64) -> String {
    let size = v.abs();
    if v == 0.0 || (1e-4..1e15).contains(&size) {
        let digits = if size >= 1.0 { 5 - (size.log10() as i32).min(5) } else { 6 };
        let text = format!("{size:.*}", digits.max(0) as usize);
        let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
        format!("{}{}{fraction}", if v < 0.0 { "-" } else { "" }, grouped(whole))
    } else {
        format!("{v:.5e}")
    }
}
