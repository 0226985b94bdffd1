//! The heat map: columns by segments, each cell with the effect as a number and as a color.

use maud::{Markup, html};

use super::segment::{DASH, short, shown, title};
use super::told::ToldShares;
use crate::profile::{ColumnFigures, GroupProfile, ProfileReport, ProfiledColumn, ShownKind};
use crate::report::{Language, Page, name};
use crate::text::percent;

/// The most columns that have a row.
const MOST_ROWS: usize = 60;
/// Bands of effects: small, medium, large (J. Cohen, 1988), very large.
const BANDS: [f64; 4] = [0.2, 0.5, 0.8, 1.6];

/// The most categories that have a row.
const MOST_CATEGORIES: usize = 30;

/// A row: what it is about, the effect by segment shown, and how much the segments explain.
struct HeatRow {
    label: String,
    effects: Vec<Option<f64>>,
    explained: Option<f64>,
}

pub(super) fn add(page: &mut Page, told: ToldShares<'_>) {
    let (language, report) = (page.language(), told.report);
    let (numbers, left) = numbers(told);
    let (categories, categories_left) = categories(told);
    if numbers.is_empty() && categories.is_empty() {
        return;
    }
    page.section(language.say("What sets the segments apart", "客群特征热力图"), None);
    page.explain(language.say(
        "How far the mean of a segment is from that of all customers, in standard deviations (Cohen's d; of shares \
         Cohen's h). 0.2 is small, 0.5 medium, 0.8 large. Columns that the segments explain most come first.",
        "客群均值与全体客户均值之差，以标准差为单位（Cohen's d；占比类字段为 Cohen's h）。0.2 为小，0.5 为中，0.8 为大。按客群可解释的\
         方差占比从高到低排列。",
    ));
    page.add(legend(language));
    for (rows, left) in [(numbers, left), (categories, categories_left)] {
        if rows.is_empty() {
            continue;
        }
        page.add(table(report, &rows, language));
        if left > 0 {
            page.explain(&match language {
                Language::En => format!("{left} more rows are in profile.json."),
                Language::Zh => format!("另有 {left} 行见 profile.json。"),
            });
        }
    }
}

/// Columns of numbers, those that the segments explain most, and how many are left out.
fn numbers(of: ToldShares<'_>) -> (Vec<HeatRow>, usize) {
    let report = of.report;
    let mut columns: Vec<(usize, &ProfiledColumn)> =
        report.columns.iter().enumerate().filter(|(_, column)| column.kind != ShownKind::Category).collect();
    // Stable: columns of equal share stay in the order of the report.
    columns.sort_by(|a, b| b.1.eta_squared.unwrap_or(-1.0).total_cmp(&a.1.eta_squared.unwrap_or(-1.0)));
    let left = columns.len().saturating_sub(MOST_ROWS);
    columns.truncate(MOST_ROWS);
    let row = |(at, column): (usize, &ProfiledColumn)| {
        let told = (column.kind == ShownKind::Boolean).then(|| of.of_non_zero(at));
        let is_told = |place: usize| told.as_ref().is_none_or(|told| told[place]);
        let effect = |(place, group): (usize, &GroupProfile)| {
            group.columns.get(at).filter(|_| is_told(place)).and_then(|figures| effect(figures, report.small_cells))
        };
        let effects = shown(report).into_iter().map(effect).collect();
        HeatRow { label: column.name.clone(), effects, explained: column.eta_squared }
    };
    (columns.into_iter().map(row).collect(), left)
}

/// Categories by the largest effect in a segment, and how many are left out. Of two categories, one says it all.
fn categories(told: ToldShares<'_>) -> (Vec<HeatRow>, usize) {
    let report = told.report;
    let of = |(at, column): (usize, &ProfiledColumn)| {
        let listed = if column.categories.len() == 2 { 1 } else { column.categories.len() };
        let shares = told.of_categories(at);
        let row = |category: usize| category_row(report, (at, category), &shares[category]);
        (0..listed).map(row).collect::<Vec<_>>()
    };
    let categories = report.columns.iter().enumerate().filter(|(_, column)| column.kind == ShownKind::Category);
    let mut rows: Vec<HeatRow> = categories.flat_map(of).collect();
    let size = |row: &HeatRow| row.effects.iter().flatten().fold(0.0, |largest: f64, effect| largest.max(effect.abs()));
    rows.sort_by(|a, b| size(b).total_cmp(&size(a)));
    let left = rows.len().saturating_sub(MOST_CATEGORIES);
    rows.truncate(MOST_CATEGORIES);
    (rows, left)
}

fn category_row(report: &ProfileReport, (at, category): (usize, usize), told: &[bool]) -> HeatRow {
    let column = &report.columns[at];
    let effect = |(place, group): (usize, &GroupProfile)| match group.columns.get(at)? {
        ColumnFigures::Categories(figures) if told[place] => Some(figures.compared.get(category)?.effect),
        _ => None,
    };
    HeatRow {
        label: format!("{} = {}", column.name, column.categories[category]),
        effects: shown(report).into_iter().map(effect).collect(),
        explained: column.eta_squared,
    }
}

fn legend(language: Language) -> Markup {
    let bands = ["d4", "d3", "d2", "d1", "f0", "u1", "u2", "u3", "u4"];
    let texts = ["≤ −1.6", "−0.8", "−0.5", "−0.2", "0", "0.2", "0.5", "0.8", "≥ 1.6"];
    html! {
        div.legend aria-label=(language.say("Colors", "图例")) {
            @for (band, text) in bands.iter().zip(texts) { span { span class=(band) {} (text) } }
        }
    }
}

fn table(report: &ProfileReport, rows: &[HeatRow], language: Language) -> Markup {
    let groups = shown(report);
    html! {
        div.wide {
            table.heat {
                thead {
                    tr {
                        th.l scope="col" { (language.say("column", "字段")) }
                        @for (_, group) in &groups {
                            th scope="col" title=(name(&title(group, language))) { (short(group, language)) }
                        }
                        th scope="col" { (language.say("explained", "解释占比")) }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            th scope="row" { (name(&row.label)) }
                            @for effect in &row.effects {
                                @match effect {
                                    Some(effect) => td class=(band(*effect)) { (signed(*effect)) },
                                    None => td.f0 { (DASH) },
                                }
                            }
                            td { (row.explained.map_or_else(|| DASH.to_owned(), percent)) }
                        }
                    }
                }
            }
        }
    }
}

/// The effect of the mean; None of too few values.
fn effect(figures: &ColumnFigures, small_cells: u64) -> Option<f64> {
    match figures {
        ColumnFigures::Numbers(numbers) if numbers.known >= small_cells => numbers.compared.as_ref()?.effect,
        _ => None,
    }
}

fn band(effect: f64) -> &'static str {
    let size = BANDS.iter().filter(|band| effect.abs() >= **band).count();
    match effect > 0.0 {
        _ if size == 0 => "f0",
        true => ["u1", "u2", "u3", "u4"][size - 1],
        false => ["d1", "d2", "d3", "d4"][size - 1],
    }
}

fn signed(effect: f64) -> String {
    match format!("{:+.1}", effect).as_str() {
        "+0.0" | "-0.0" => "0.0".to_owned(),
        text => text.replace('-', "−"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_its_sign_and_its_band() {
        let cells = [0.0, 0.04, -0.2, 0.5, -3.0, 0.84].map(|effect| (signed(effect), band(effect)));
        let expected = [("0.0", "f0"), ("0.0", "f0"), ("−0.2", "d1"), ("+0.5", "u2"), ("−3.0", "d4"), ("+0.8", "u3")];
        assert_eq!(cells, expected.map(|(text, band)| (text.to_owned(), band)));
    }
}
