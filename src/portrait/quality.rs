//! How complete the data is: columns with missing values, over all rows and in the segment that misses most.

use super::segment::{DASH, shown, title};
use super::told::ToldShares;
use crate::profile::{ColumnFigures, GroupProfile, ProfileReport, ProfiledColumn, ShownKind};
use crate::report::{Language, Page, Table, brief};
use crate::text::{day, percent, thousands};

/// The most columns that are listed.
const MOST_LISTED: usize = 20;

pub(super) fn add(page: &mut Page, told: ToldShares<'_>) {
    let (language, report) = (page.language(), told.report);
    if report.all.withheld {
        return;
    }
    page.section(language.say("Data quality", "数据质量"), None);
    let mut columns: Vec<(usize, f64)> =
        (0..report.columns.len()).filter_map(|at| Some((at, missing(&report.all, at)?))).collect();
    columns.retain(|(_, share)| *share > 0.0);
    let all = language.counted(report.columns.len() as u64, ["column is", "columns are"], "个字段");
    let some = thousands(columns.len() as u64);
    page.paragraph(&match language {
        Language::En if columns.is_empty() => format!("{all} described; no value is missing."),
        Language::Zh if columns.is_empty() => format!("共描述 {all}，均无缺失值。"),
        Language::En => format!("{all} described; values are missing in {some}."),
        Language::Zh => format!("共描述 {all}，其中 {some} 个存在缺失值。"),
    });
    if columns.is_empty() {
        return;
    }
    // Stable: equal shares stay in the order of the report.
    columns.sort_by(|a, b| b.1.total_cmp(&a.1));
    let header = [
        ("column", "字段"),
        ("most in", "缺失最多的客群"),
        ("counts as missing", "视为缺失的取值"),
        ("missing", "缺失率"),
        ("there", "该客群缺失率"),
    ];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 3);
    for &(at, share) in columns.iter().take(MOST_LISTED) {
        let is_told = told.of_missing(at);
        let worst = worst(report, at, &is_told);
        let all = is_told.last().copied().unwrap_or(false);
        table.row([
            report.columns[at].name.clone(),
            worst.map_or_else(|| DASH.to_owned(), |(group, _)| title(group, language)),
            codes(&report.columns[at]),
            if all { percent(share) } else { DASH.to_owned() },
            worst.map_or_else(|| DASH.to_owned(), |(_, share)| percent(share)),
        ]);
    }
    page.add(&table);
    if columns.len() > MOST_LISTED {
        let left = columns.len() - MOST_LISTED;
        page.explain(&match language {
            Language::En => format!("{left} more columns are in profile.json."),
            Language::Zh => format!("另有 {left} 个字段见 profile.json。"),
        });
    }
}

/// The share of a group's rows whose value is missing.
fn missing(group: &GroupProfile, column: usize) -> Option<f64> {
    match group.columns.get(column)? {
        ColumnFigures::Numbers(figures) => figures.missing_share,
        ColumnFigures::Categories(figures) => {
            let rows = figures.known() + figures.missing;
            (rows > 0).then(|| figures.missing as f64 / rows as f64)
        }
    }
}

/// The segment that misses the most, among those whose share may be told.
fn worst<'a>(report: &'a ProfileReport, column: usize, told: &[bool]) -> Option<(&'a GroupProfile, f64)> {
    let groups = shown(report).into_iter().filter(|(place, _)| told[*place]);
    let shares = groups.filter_map(|(_, group)| Some((group, missing(group, column)?)));
    // The first of equal ones.
    shares.filter(|(_, share)| *share > 0.0).reduce(|a, b| if b.1 > a.1 { b } else { a })
}

fn codes(column: &ProfiledColumn) -> String {
    let text = |code: &f64| if column.kind == ShownKind::Date { day(*code) } else { brief(*code) };
    let codes: Vec<String> = column.missing_codes.iter().map(text).collect();
    if codes.is_empty() { DASH.to_owned() } else { codes.join(", ") }
}
