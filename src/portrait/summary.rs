//! In words: how many customers there are, how large the segments are, and what they differ in.

use super::segment::{proposes, shown, title};
use crate::profile::{GroupProfile, ProfileReport};
use crate::report::{Language, Page, bars, name};
use crate::text::{percent, thousands};

/// The most columns that are named, and those among which they are looked for.
const MOST_NAMED: usize = 4;
const MOST_LOOKED_AT: usize = 50;

pub(super) fn add(page: &mut Page, report: &ProfileReport) {
    let language = page.language();
    let groups = shown(report);
    let segments = report.segments.iter().filter(|group| group.segment.is_some() && group.customers > 0).count();
    page.paragraph(&match language {
        Language::En => format!(
            "{} in {}.",
            language.counted(report.rows, ["customer", "customers"], ""),
            language.counted(segments as u64, ["segment", "segments"], "")
        ),
        Language::Zh => format!("共 {} 位客户，分为 {} 个客群。", thousands(report.rows), thousands(segments as u64)),
    });
    extremes(page, report);
    differences(page, report);
    page.section(language.say("Sizes", "客群规模"), None);
    let size = |(_, group): &(usize, &GroupProfile)| {
        let is_hidden = group.withheld && group.customers < report.small_cells;
        let value = match is_hidden {
            true => format!("< {}", report.small_cells),
            false => format!("{} · {}", thousands(group.customers), percent(group.share)),
        };
        (title(group, language), if is_hidden { 0.0 } else { group.share }, value)
    };
    page.add(bars(&groups.iter().map(size).collect::<Vec<_>>()));
    if proposes(report) {
        page.explain(language.say(
            "Names are proposed from what sets a segment apart; names that people give take their place.",
            "客群名称由系统根据显著特征建议；人工命名后以人工名称为准。",
        ));
    }
    let left = report.segments.iter().filter(|group| group.customers > 0).count() - groups.len();
    if left > 0 {
        page.explain(&match language {
            Language::En => {
                format!("The {} largest segments are shown; profile.json has the other {left}.", groups.len())
            }
            Language::Zh => format!("仅展示规模最大的 {} 个客群，其余 {left} 个见 profile.json。", groups.len()),
        });
    }
}

/// The largest and the smallest segment.
fn extremes(page: &mut Page, report: &ProfileReport) {
    let language = page.language();
    let told = || report.segments.iter().filter(|g| g.segment.is_some() && g.customers > 0 && !g.withheld);
    // The first of equal ones.
    let largest = told().rev().max_by_key(|group| group.customers);
    let smallest = told().min_by_key(|group| group.customers);
    let (Some(largest), Some(smallest)) = (largest, smallest) else { return };
    if largest.customers == smallest.customers {
        return;
    }
    let of = |group: &GroupProfile| (name(&title(group, language)), percent(group.share));
    let ((large, large_share), (small, small_share)) = (of(largest), of(smallest));
    page.paragraph(&match language {
        Language::En => format!(
            "The largest is {large} with {large_share} of the customers, the smallest {small} with {small_share}."
        ),
        Language::Zh => format!("规模最大的是{large}，占 {large_share}；最小的是{small}，占 {small_share}。"),
    });
}

/// The columns that the segments explain most; of those that say nearly the same, one.
fn differences(page: &mut Page, report: &ProfileReport) {
    let language = page.language();
    let mut columns: Vec<(&str, f64)> =
        report.columns.iter().filter_map(|column| Some((column.name.as_str(), column.eta_squared?))).collect();
    columns.sort_by(|a, b| b.1.total_cmp(&a.1));
    let same = |a: &str, b: &str| report.correlated.iter().any(|c| c.columns == [a, b] || c.columns == [b, a]);
    // A table of thousands of columns has millions of pairs.
    columns.truncate(MOST_LOOKED_AT);
    let mut named: Vec<(&str, f64)> = Vec::new();
    for (column, share) in columns.into_iter().filter(|(_, share)| *share >= 0.01) {
        if named.len() < MOST_NAMED && !named.iter().any(|(other, _)| same(other, column)) {
            named.push((column, share));
        }
    }
    if named.is_empty() {
        return;
    }
    let of = |(column, share): &(&str, f64)| match language {
        Language::En => format!("{} ({})", name(column), percent(*share)),
        Language::Zh => format!("{}（{}）", name(column), percent(*share)),
    };
    let list: Vec<String> = named.iter().map(of).collect();
    page.paragraph(&match language {
        Language::En => format!(
            "The segments differ most in {}: the share of its variance that lies between them.",
            list.join(", ")
        ),
        Language::Zh => format!("客群之间差异最大的字段：{}（括号内为客群可解释的方差占比）。", list.join("、")),
    });
}
