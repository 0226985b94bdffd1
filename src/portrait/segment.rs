//! How segments and figures are called.

use crate::profile::{GroupProfile, ProfileReport, ProfiledColumn, ShownKind, Statistic};
use crate::report::{Language, brief};
use crate::text::{day, percent};

/// The most segments that have a card, a row or a column each; the largest ones.
const MOST_SEGMENTS: usize = 24;

/// The name of a group of rows: `3`, `3 young savers`, or that of the rows without a segment.
pub(super) fn title(group: &GroupProfile, language: Language) -> String {
    match (group.segment, &group.name) {
        (Some(number), Some(name)) => format!("{number} {name}"),
        (Some(number), None) => language.say("Segment", "客群").to_owned() + " " + &number.to_string(),
        (None, _) => language.say("Without a segment", "未分群").to_owned(),
    }
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
