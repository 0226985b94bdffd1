//! What differs between two labellings, in sentences.

use super::pair::ComparedPair;
use crate::text::{Phrase, percent, shown};

/// The Jaccard index from which two segments are the same but for some rows.
const SAME: f64 = 0.75;
/// A counterpart has at least this share of its rows from a segment that is split into it.
const MOSTLY: f64 = 0.5;
/// And at least this share of the segment's rows.
const PART: f64 = 0.1;
/// The parts together have at least this share of the segment's rows.
const COVERED: f64 = 0.7;
/// The most sentences of each kind, and the most segments that a sentence names.
const MOST: usize = 12;
/// The most characters of a name.
const LONGEST: usize = 40;

/// A segment, and segments of the other side with the share of its rows that they have, the largest first.
struct SegmentParts {
    segment: usize,
    parts: Vec<(usize, f64)>,
}

/// What differs; only counts that may be told are spoken of.
pub(super) fn differences(pair: &ComparedPair<'_>) -> Vec<Phrase> {
    let [a, b] = pair.called;
    let segments = [0, 1].map(|side| (0..pair.names[side].len()).filter(|&s| pair.size(side, s) > 0).count());
    let kept: Vec<usize> = (0..pair.names[0].len()).filter(|&segment| is_kept(pair, segment, SAME)).collect();
    let is_same = |segment: usize| pair.size(0, segment) == 0 || is_kept(pair, segment, 1.0);
    if segments[0] == segments[1] && segments[0] > 0 && (0..pair.names[0].len()).all(is_same) {
        let en = format!("{a} and {b} have the same segments, but perhaps for their names.");
        return vec![Phrase::new(en, format!("{a} 与 {b} 的客群划分完全相同（名称可能不同）。"))];
    }
    let mut all = vec![again(pair, &kept, segments[0])];
    let [split, merged] = [divided(pair, 0), divided(pair, 1)];
    all.extend(limited(&split, |of| split_phrase(pair, of)));
    all.extend(limited(&merged, |of| merged_phrase(pair, of)));
    let is_told = |segment: &usize| {
        let within = merged.iter().any(|of| of.parts.iter().any(|(part, _)| part == segment));
        kept.contains(segment) || within || split.iter().any(|of| of.segment == *segment)
    };
    let others = (0..pair.names[0].len()).filter(|segment| !is_told(segment));
    let scattered: Vec<SegmentParts> = others.filter_map(|segment| scattered(pair, segment)).collect();
    all.extend(limited(&scattered, |of| scattered_phrase(pair, of)));
    all
}

/// Whether a segment of the first labelling is found again.
fn is_kept(pair: &ComparedPair<'_>, segment: usize, least: f64) -> bool {
    pair.best(0, segment).is_some_and(|best| best.jaccard >= least)
}

/// The first sentences, and how many there are more.
fn limited(of: &[SegmentParts], say: impl Fn(&SegmentParts) -> Phrase) -> Vec<Phrase> {
    let mut said: Vec<Phrase> = of.iter().take(MOST).map(say).collect();
    let left = of.len().saturating_sub(MOST);
    if left > 0 {
        said.push(Phrase::new(
            format!("The same is true of {left} more segments."),
            format!("另有 {left} 个客群情况相同。"),
        ));
    }
    said
}

/// The segments of a side whose rows are mostly in two or more segments of the other side, which have few others.
fn divided(pair: &ComparedPair<'_>, side: usize) -> Vec<SegmentParts> {
    let of = |segment: usize| {
        let size = pair.size(side, segment) as f64;
        let mut parts: Vec<(usize, f64)> = (0..pair.names[1 - side].len())
            .filter(|&other| pair.tells(side, segment, other) && pair.tells_size(1 - side, other))
            .filter_map(|other| {
                let both = pair.shared(side, segment, other) as f64;
                let is_part = both >= MOSTLY * pair.size(1 - side, other) as f64 && both >= PART * size;
                (is_part && both > 0.0).then_some((other, both / size))
            })
            .collect();
        parts.sort_by(|a, b| b.1.total_cmp(&a.1));
        let covered: f64 = parts.iter().map(|(_, share)| share).sum();
        (parts.len() > 1 && covered >= COVERED).then_some(SegmentParts { segment, parts })
    };
    (0..pair.names[side].len()).filter(|&segment| pair.tells_size(side, segment)).filter_map(of).collect()
}

/// A segment of the first labelling that no segment of the second is like, and where its rows are.
fn scattered(pair: &ComparedPair<'_>, segment: usize) -> Option<SegmentParts> {
    let size = pair.size(0, segment);
    if size == 0 || !pair.tells_size(0, segment) || pair.best(0, segment).is_some_and(|best| best.jaccard >= MOSTLY) {
        return None;
    }
    let all = (0..pair.names[1].len()).filter(|&other| pair.tells(0, segment, other));
    let share = |other: usize| (other, pair.shared(0, segment, other) as f64 / size as f64);
    let mut parts: Vec<(usize, f64)> = all.map(share).filter(|(_, share)| *share >= PART).collect();
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    (!parts.is_empty()).then_some(SegmentParts { segment, parts })
}

/// The name of a segment, as sentences have it.
pub(super) fn called(name: &str) -> String {
    let text = shown(name);
    match text.char_indices().nth(LONGEST) {
        None if text.is_empty() => "\"\"".to_owned(),
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// `1, 2 and 5`, or `1、2 和 5`, of the segments of a side.
fn list(names: &[String], [between, last]: [&str; 2]) -> String {
    match names {
        [all @ .., end] if !all.is_empty() => format!("{}{last}{end}", all.join(between)),
        _ => names.concat(),
    }
}

fn lists(names: &[String]) -> [String; 2] {
    [list(names, [", ", " and "]), list(names, ["、", " 和 "])]
}

/// The parts with their shares, in both languages.
fn shares(pair: &ComparedPair<'_>, side: usize, of: &SegmentParts) -> [String; 2] {
    let name = |(part, share): &(usize, f64), open: &str, close: &str| {
        format!("{}{open}{}{close}", called(&pair.names[side][*part]), percent(*share))
    };
    let parts = || of.parts.iter().take(MOST);
    let en: Vec<String> = parts().map(|part| name(part, " (", ")")).collect();
    let zh: Vec<String> = parts().map(|part| name(part, "（", "）")).collect();
    [list(&en, [", ", " and "]), list(&zh, ["、", "和 "])]
}

fn again(pair: &ComparedPair<'_>, kept: &[usize], segments: usize) -> Phrase {
    let [a, b] = pair.called;
    let names: Vec<String> = kept.iter().take(MOST).map(|&segment| called(&pair.names[0][segment])).collect();
    let n = kept.len();
    let [en, zh] = lists(&names);
    let [en, zh] = match n {
        0 => [String::new(), String::new()],
        n if n > MOST => [String::new(), String::new()],
        _ => [format!(": {en}"), format!("：{zh}")],
    };
    Phrase::new(
        format!("{n} of {segments} segments of {a} are found again in {b} (Jaccard index of {SAME} or more){en}."),
        format!("{a} 的 {segments} 个客群中，有 {n} 个在 {b} 中基本不变（Jaccard 系数不低于 {SAME}）{zh}。"),
    )
}

fn split_phrase(pair: &ComparedPair<'_>, of: &SegmentParts) -> Phrase {
    let ([a, b], name) = (pair.called, called(&pair.names[0][of.segment]));
    let [en, zh] = shares(pair, 1, of);
    Phrase::new(
        format!("Segment {name} of {a} is split into {en} of {b}."),
        format!("{a} 的客群 {name} 在 {b} 中拆分为 {zh}。"),
    )
}

fn merged_phrase(pair: &ComparedPair<'_>, of: &SegmentParts) -> Phrase {
    let ([a, b], name) = (pair.called, called(&pair.names[1][of.segment]));
    let mut merged: Vec<usize> = of.parts.iter().take(MOST).map(|(part, _)| *part).collect();
    merged.sort_unstable();
    let parts: Vec<String> = merged.into_iter().map(|part| called(&pair.names[0][part])).collect();
    let [en, zh] = lists(&parts);
    Phrase::new(
        format!("Segments {en} of {a} are merged in segment {name} of {b}."),
        format!("{a} 的客群 {zh} 在 {b} 中合并为客群 {name}。"),
    )
}

fn scattered_phrase(pair: &ComparedPair<'_>, of: &SegmentParts) -> Phrase {
    let ([a, b], name) = (pair.called, called(&pair.names[0][of.segment]));
    let [en, zh] = shares(pair, 1, of);
    if of.parts[0].1 >= COVERED {
        return Phrase::new(
            format!("Segment {name} of {a} is in a larger segment of {b}: its rows are in {en}."),
            format!("{a} 的客群 {name} 归入 {b} 中更大的客群：其客户分布于 {zh}。"),
        );
    }
    Phrase::new(
        format!("Segment {name} of {a} has no counterpart in {b}: its rows are in {en}."),
        format!("{a} 的客群 {name} 在 {b} 中没有对应客群，其客户分布于 {zh}。"),
    )
}
