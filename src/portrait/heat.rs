//! The heat map: columns by segments, each cell with the effect as a number and as a color.

use maud::{Markup, html};

use super::segment::{DASH, short, shown, title};
use super::told::of_non_zero;
use crate::profile::{ColumnFigures, ProfileReport, ProfiledColumn, ShownKind};
use crate::report::{Language, Page, name};
use crate::text::percent;

/// The most columns that have a row.
const MOST_ROWS: usize = 60;
/// Bands of effects: small, medium, large (J. Cohen, 1988), very large.
const BANDS: [f64; 4] = [0.2, 0.5, 0.8, 1.6];

pub(super) fn add(page: &mut Page, report: &ProfileReport) {
    let language = page.language();
    let mut rows: Vec<(usize, &ProfiledColumn)> =
        report.columns.iter().enumerate().filter(|(_, column)| column.kind != ShownKind::Category).collect();
    // Stable: columns of equal share stay in the order of the report.
    rows.sort_by(|a, b| b.1.eta_squared.unwrap_or(-1.0).total_cmp(&a.1.eta_squared.unwrap_or(-1.0)));
    let left = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    if rows.is_empty() {
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
    page.add(table(report, &rows, language));
    if left > 0 {
        page.explain(&match language {
            Language::En => format!("{left} more columns are in profile.json."),
            Language::Zh => format!("另有 {left} 个字段见 profile.json。"),
        });
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

fn table(report: &ProfileReport, rows: &[(usize, &ProfiledColumn)], language: Language) -> Markup {
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
                    @for (at, column) in rows {
                        @let told = (column.kind == ShownKind::Boolean).then(|| of_non_zero(report, *at));
                        tr {
                            th scope="row" { (name(&column.name)) }
                            @for (place, group) in &groups {
                                @let hidden = told.as_ref().is_some_and(|told| !told[*place]);
                                @match group.columns.get(*at).filter(|_| !hidden).and_then(|f| effect(f, report.small_cells)) {
                                    Some(effect) => td class=(band(effect)) { (signed(effect)) },
                                    None => td.f0 { (DASH) },
                                }
                            }
                            td { (column.eta_squared.map_or_else(|| DASH.to_owned(), percent)) }
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
