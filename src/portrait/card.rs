//! A card for each segment: who they are, what sets them apart, what they hold, how often outcomes occur.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::moves::SegmentMoves;
use super::rule::rule;
use super::segment::{DASH, shown, statistic, title, value};
use super::told::ToldShares;
use crate::cluster::StabilityBand;
use crate::profile::{
    ColumnFigures, ColumnRole, GroupProfile, Mark, NumberFigures, ProfileReport, ProfiledColumn, ShownKind, Statistic,
};
use crate::report::{Language, Page, boxes, brief, name};
use crate::text::{day, percent, thousands};

/// The most columns whose distribution is drawn, and the most products and categories that are listed.
const MOST_COLUMNS: usize = 6;
const MOST_LISTED: usize = 6;
/// The largest index that is printed.
const LARGEST_INDEX: f64 = 1000.0;
/// The name of a column of life-cycle stages.
const STAGE: &str = "stage";

pub(super) fn add(page: &mut Page, told: ToldShares<'_>, moves: &BTreeMap<u32, SegmentMoves>) {
    let (language, report) = (page.language(), told.report);
    page.section(language.say("Segment by segment", "客群画像"), None);
    page.explain(language.say(
        "Bars are the middle 90 % and the middle half of the customers, with the median: grey of all, blue of the segment.",
        "条形为中间 90% 与中间 50% 客户的取值范围，竖线为中位数：灰色为全体客户，蓝色为本客群。",
    ));
    let cards = Cards { told, moves, report, language };
    let groups = shown(report);
    page.add(html! {
        div.cards { @for (at, group) in groups { (cards.card(at, group)) } }
    });
}

struct Cards<'a> {
    told: ToldShares<'a>,
    moves: &'a BTreeMap<u32, SegmentMoves>,
    report: &'a ProfileReport,
    language: Language,
}

impl Cards<'_> {
    fn card(&self, at: usize, group: &GroupProfile) -> Markup {
        let Cards { told, moves, report, language } = *self;
        let is_small = group.withheld && group.customers < report.small_cells;
        let size = match is_small {
            true => format!("< {}", language.counted(report.small_cells, ["customer", "customers"], "位客户")),
            false => {
                let customers = language.counted(group.customers, ["customer", "customers"], "位客户");
                format!("{customers} · {}", percent(group.share))
            }
        };
        html! {
            section.card id=(format!("segment-{at}")) {
                h3 { (name(&title(group, language))) }
                p.soft { (size) }
                @if group.withheld {
                    p { (language.say(
                        "Too few customers, or figures from which those of a smaller segment would follow: withheld.",
                        "人数过少，或可据以推算其他小客群的数字，不予展示。",
                    )) }
                } @else {
                    (rule(told, group, language))
                    (self.stability(group))
                    (self.marks(at, group))
                    (self.distributions(group))
                    (self.outcomes(at, group))
                    (self.products(at, group))
                    (self.stages(at, group))
                    @if let Some(found) = group.segment.and_then(|number| moves.get(&number)) {
                        (super::moves::moves(found, language))
                    }
                }
            }
        }
    }

    /// How stable it is, if that is known.
    fn stability(&self, group: &GroupProfile) -> Markup {
        let language = self.language;
        html! {
            @if let Some(jaccard) = group.stability {
                @let [en, zh] = StabilityBand::of(jaccard).words();
                p.soft {
                    (language.say("Stability in resampled fits: ", "重抽样稳定性："))
                    (format!("{jaccard:.2}"))
                    (language.say(" (", "（")) (language.say(en, zh)) (language.say(")", "）"))
                }
            }
        }
    }

    /// What sets it apart, in words.
    fn marks(&self, at: usize, group: &GroupProfile) -> Markup {
        let told = |mark: &&Mark| self.may_be_told(at, mark);
        let marks: Vec<String> = group.apart.iter().filter(told).filter_map(|mark| self.mark(mark)).collect();
        html! {
            @if marks.is_empty() {
                p { (self.language.say("Close to all customers.", "与全体客户相近。")) }
            } @else {
                ul { @for mark in &marks { li { (mark) } } }
            }
        }
    }

    fn mark(&self, mark: &Mark) -> Option<String> {
        let column = self.report.columns.iter().find(|column| column.name == mark.column)?;
        let (here, all) = (value(column, &mark.statistic, mark.here), value(column, &mark.statistic, mark.all));
        let (column, what) = (name(&mark.column), name(&statistic(&mark.statistic, self.language)));
        Some(match self.language {
            Language::En => format!("{column}, {what}: {here}, of all {all}"),
            Language::Zh => format!("{column}（{what}）：{here}，全体 {all}"),
        })
    }

    fn may_be_told(&self, at: usize, mark: &Mark) -> bool {
        let Some(column) = self.report.columns.iter().position(|column| column.name == mark.column) else {
            return false;
        };
        let shares = match &mark.statistic {
            Statistic::Mean | Statistic::Median => return true,
            Statistic::ShareTrue | Statistic::ShareNotZero => self.told.of_non_zero(column),
            Statistic::ShareMissing => self.told.of_missing(column),
            Statistic::ShareOf(category) => {
                let categories = &self.report.columns[column].categories;
                let place = categories.iter().position(|other| other == category);
                place.map_or_else(Vec::new, |place| self.told.of_categories(column).swap_remove(place))
            }
        };
        shares.get(at).copied().unwrap_or(false)
    }

    /// The distributions of the columns with the largest effects.
    fn distributions(&self, group: &GroupProfile) -> Markup {
        let Cards { report, language, .. } = *self;
        let pairs = report.columns.iter().zip(group.columns.iter().zip(&report.all.columns));
        let numbers = pairs.filter_map(|(column, pair)| match pair {
            (ColumnFigures::Numbers(here), ColumnFigures::Numbers(all)) => Some((column, here, all)),
            _ => None,
        });
        let mut rows: Vec<(&ProfiledColumn, &NumberFigures, &NumberFigures)> = numbers.collect();
        rows.retain(|(column, here, _)| {
            matches!(column.kind, ShownKind::Number | ShownKind::Date)
                && here.known >= report.small_cells.max(1)
                && column.role != ColumnRole::Outcome
        });
        let size = |here: &NumberFigures| here.compared.as_ref().and_then(|c| c.effect).map_or(0.0, f64::abs);
        rows.sort_by(|a, b| size(b.1).total_cmp(&size(a.1)));
        rows.truncate(MOST_COLUMNS);
        html! {
            @if !rows.is_empty() {
                table {
                    thead { tr {
                        th.l scope="col" { (language.say("column", "字段")) }
                        th scope="col" { (language.say("median", "中位数")) }
                        th scope="col" { (language.say("index", "指数")) }
                        th.l scope="col" style="width:38%" { (language.say("distribution", "分布")) }
                    } }
                    tbody { @for (column, here, all) in rows { (self.distribution(column, here, all)) } }
                }
            }
        }
    }

    fn distribution(&self, column: &ProfiledColumn, here: &NumberFigures, all: &NumberFigures) -> Markup {
        let five = |n: &NumberFigures| Some([n.p5?, n.p25?, n.median?, n.p75?, n.p95?]);
        let number = |v: f64| if column.kind == ShownKind::Date { day(v) } else { brief(v) };
        let index = here.compared.as_ref().and_then(|compared| compared.index);
        html! {
            tr {
                th scope="row" { (name(&column.name)) }
                td { (here.median.map_or_else(|| DASH.to_owned(), number)) }
                td { (index.map_or_else(|| DASH.to_owned(), shown_index)) }
                td { @if let (Some(here), Some(all)) = (five(here), five(all)) {
                    (boxes(all, here, &self.described(&column.name, here.map(number), all.map(number))))
                } }
            }
        }
    }

    /// A distribution in words, for those who do not see it.
    fn described(&self, column: &str, here: [String; 5], all: [String; 5]) -> String {
        let column = name(column);
        match self.language {
            Language::En => {
                format!("{column}: quantiles 5, 25, 50, 75 and 95 % {}; of all {}", here.join(", "), all.join(", "))
            }
            Language::Zh => {
                format!("{column}：5%、25%、50%、75%、95% 分位数 {}；全体 {}", here.join("、"), all.join("、"))
            }
        }
    }

    fn outcomes(&self, at: usize, group: &GroupProfile) -> Markup {
        let Cards { told, language, .. } = *self;
        let rate = |(i, found): (usize, &crate::profile::OutcomeRate)| {
            let shares = told.of_outcome(i);
            let what = format!("{} = {}", found.column, found.value);
            let text = match (found.rate.filter(|_| shares[at]), found.interval) {
                (Some(rate), Some([low, high])) => {
                    let lift = found.lift.map_or_else(|| DASH.to_owned(), |lift| format!("{lift:.2}"));
                    match language {
                        Language::En => {
                            format!("{} ({} to {}), lift {lift}", percent(rate), percent(low), percent(high))
                        }
                        Language::Zh => {
                            format!("{}（{} 至 {}），提升度 {lift}", percent(rate), percent(low), percent(high))
                        }
                    }
                }
                _ => DASH.to_owned(),
            };
            (name(&what), text)
        };
        let rates: Vec<(String, String)> = group.outcomes.iter().enumerate().map(rate).collect();
        html! {
            @if !rates.is_empty() { dl { @for (what, text) in rates { dt { (what) } dd { (text) } } } }
        }
    }

    fn products(&self, at: usize, group: &GroupProfile) -> Markup {
        let Cards { told, report, language, .. } = *self;
        let mut rows: Vec<(usize, &crate::profile::ProductFigures)> = group.products.iter().enumerate().collect();
        rows.sort_by(|a, b| b.1.index.unwrap_or(-1.0).total_cmp(&a.1.index.unwrap_or(-1.0)));
        rows.truncate(MOST_LISTED);
        let share = |v: Option<f64>| v.map_or_else(|| DASH.to_owned(), percent);
        html! {
            @if !rows.is_empty() {
                table {
                    thead { tr {
                        th.l scope="col" { (language.say("product", "产品")) }
                        th scope="col" { (language.say("held by", "持有率")) }
                        th scope="col" { (language.say("index", "指数")) }
                        th scope="col" { (language.say("gap", "差距")) }
                    } }
                    tbody { @for (product, figures) in rows {
                        @let told = told.of_product(product)[at];
                        tr {
                            th scope="row" { (name(&report.products[product])) }
                            td { (share(figures.penetration.filter(|_| told))) }
                            td { (figures.index.filter(|_| told).map_or_else(|| DASH.to_owned(), shown_index)) }
                            td { (share(figures.gap.filter(|_| told))) }
                        }
                    } }
                }
            }
        }
    }

    /// The mix of life-cycle stages, if there is a column of them.
    fn stages(&self, at: usize, group: &GroupProfile) -> Markup {
        let Cards { told, report, language, .. } = *self;
        let column =
            report.columns.iter().position(|column| column.name == STAGE && column.kind == ShownKind::Category);
        let Some((column, ColumnFigures::Categories(figures))) =
            column.and_then(|column| Some((column, group.columns.get(column)?)))
        else {
            return html! {};
        };
        let categories = report.columns[column].categories.iter().zip(&figures.compared).enumerate();
        let told = told.of_categories(column);
        html! {
            p.soft { (language.say("Life-cycle stages", "生命周期阶段")) }
            dl { @for (place, (stage, compared)) in categories.take(MOST_LISTED) {
                dt { (name(stage)) }
                dd { @if told[place][at] { (percent(compared.share)) } @else { (DASH) } }
            } }
        }
    }
}

/// An index; how far beyond ten times the average hardly matters, where the average is close to 0.
fn shown_index(index: f64) -> String {
    if index > LARGEST_INDEX { format!("> {}", thousands(LARGEST_INDEX as u64)) } else { format!("{index:.0}") }
}
