//! How segments and figures are called.

use crate::profile::{GroupProfile, ProfileReport, ProfiledColumn, ShownKind, Statistic};
use crate::report::{Language, brief};
use crate::text::{day, percent};

/// The most segments that have a card, a row or a column each; the largest ones.
const MOST_SEGMENTS: usize = 24;

/// The name of a group of rows: `Segment 3 · young savers`, or that of the rows without a segment. Where people gave no
/// name, it is the proposed one.
pub(super) fn title(group: &GroupProfile, language: Language) -> String {
    let Some(number) = group.segment else { return language.say("Without a segment", "未分群").to_owned() };
    let proposed = group.proposed_name.as_ref().map(|name| language.say(&name.en, &name.zh));
    let number = format!("{} {number}", language.say("Segment", "客群"));
    match group.name.as_deref().or(proposed) {
        Some(name) => format!("{number} · {name}"),
        None => number,
    }
}

/// Whether a name on the page is a proposal.
pub(super) fn proposes(report: &ProfileReport) -> bool {
    report.segments.iter().any(|group| group.name.is_none() && group.proposed_name.is_some())
}

/// The same where there is little room.
pub(super) fn short(group: &GroupProfile, language: Language) -> String {
    group.segment.map_or_else(|| language.say("none", "未分").to_owned(), |number| number.to_string())
}

/// The segments that are shown, with their places in the report: those with customers, the largest if there are many.
pub(super) fn shown(report: &ProfileReport) -> Vec<(usize, &GroupProfile)> {
    let mut groups: Vec<(usize, &GroupProfile)> =
        report.segments.iter().enumerate().filter(|(_, group)| group.customers > 0).collect();
    if groups.len() > MOST_SEGMENTS {
        groups.sort_by_key(|(at, group)| (std::cmp::Reverse(group.customers), *at));
        groups.truncate(MOST_SEGMENTS);
        groups.sort_by_key(|(at, _)| *at);
    }
    groups
}

/// What is compared, in words.
pub(super) fn statistic(statistic: &Statistic, language: Language) -> String {
    match statistic {
        Statistic::Mean => language.say("mean", "均值").into(),
        Statistic::Median => language.say("median", "中位数").into(),
        Statistic::ShareTrue => language.say("share", "占比").into(),
        Statistic::ShareNotZero => language.say("share not 0", "非零占比").into(),
        Statistic::ShareMissing => language.say("share missing", "缺失率").into(),
        Statistic::ShareOf(value) => format!("= {value}"),
    }
}

/// A value of a statistic.
pub(super) fn value(column: &ProfiledColumn, statistic: &Statistic, v: f64) -> String {
    match column.kind {
        _ if statistic.is_share() => percent(v),
        ShownKind::Date => day(v),
        _ => brief(v),
    }
}

/// What is withheld or does not exist.
pub(super) const DASH: &str = "–";
