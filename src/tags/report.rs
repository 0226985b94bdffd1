//! Counts of tags and stages, without those of few customers.

use serde::{Deserialize, Serialize};

use super::book::{LifeStage, Tag, TagBook};
use super::counts::{TagCounts, pairs};
use super::request::TagFormat;
use super::withheld::Withheld;
use crate::rules::{Terms, Threshold};

/// What a run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TagReport {
    /// Rows of the input.
    pub customers: u64,
    /// Rows of the output.
    pub rows: u64,
    /// Bytes of the output.
    pub bytes: u64,
    /// The reference date.
    pub day: Option<String>,
    /// Counts of fewer customers are withheld.
    pub small_cells: u64,
    /// The figures that conditions were compared with.
    pub thresholds: Vec<ThresholdValue>,
    /// In the order of the dictionary.
    pub tags: Vec<TagCount>,
    /// In the order of the dictionary.
    pub stages: Vec<StageCount>,
    /// Customers in no stage; None: withheld.
    pub without_stage: Option<u64>,
    /// Tags that customers have together, of the first 64 tags; absent: nobody has both, or withheld.
    pub overlaps: Vec<TagOverlap>,
    /// Tags by segment, ordered by label; empty without labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<TaggedSegment>,
}

/// A figure of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdValue {
    /// As conditions write it.
    pub figure: String,
    /// Its value.
    pub value: f64,
}

/// A tag and its customers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TagCount {
    /// Its definition.
    #[serde(flatten)]
    pub tag: Tag,
    /// The hash of what it means.
    pub meaning_blake3: String,
    /// Customers who have it; None: withheld.
    pub customers: Option<u64>,
    /// Of all customers.
    pub share: Option<f64>,
    /// Customers of whom it is unknown; None: withheld.
    pub unknown: Option<u64>,
    /// What changed since an earlier run; None: there is none, or withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moves: Option<TagMoves>,
}

/// Who gained a tag since an earlier run, and who lost it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagMoves {
    /// Customers who have it and had it.
    pub kept: u64,
    /// Customers who have it and did not have it, new ones among them.
    pub gained: u64,
    /// Customers who had it and do not have it.
    pub lost: u64,
    /// Rows of the earlier run whose customers are not in the input.
    pub left: u64,
}

/// The tags of a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaggedSegment {
    /// Its label; `(none)`: customers without one.
    pub segment: String,
    /// Its name, where the labels have names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its customers; None: withheld.
    pub customers: Option<u64>,
    /// The first 64 tags, in the order of the dictionary.
    pub tags: Vec<SegmentTag>,
}

/// A tag in a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentTag {
    /// The tag.
    pub tag: String,
    /// Customers of the segment who have it; None: withheld.
    pub customers: Option<u64>,
    /// Of the customers of the segment.
    pub share: Option<f64>,
    /// The share over that of all customers; None: withheld, or nobody has it.
    pub lift: Option<f64>,
}

/// A stage and its customers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageCount {
    /// Its definition.
    #[serde(flatten)]
    pub stage: LifeStage,
    /// Customers in it; None: withheld.
    pub customers: Option<u64>,
    /// Of all customers.
    pub share: Option<f64>,
}

/// Two tags and who has both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagOverlap {
    /// The tag that comes first in the dictionary.
    pub tag: String,
    /// The other.
    pub other: String,
    /// Customers who have both.
    pub customers: u64,
}

/// What a report tells of, besides the counts.
pub(super) struct Reported<'a> {
    pub(super) book: &'a TagBook,
    pub(super) terms: &'a Terms,
    pub(super) customers: u64,
    pub(super) small_cells: u64,
    /// Rows and bytes of the output, which may have a row for each tag of a customer.
    pub(super) written: (u64, u64),
    pub(super) format: TagFormat,
    /// By tag: rows of an earlier run whose customers are not in the input; None: there is no earlier run.
    pub(super) left: Option<Vec<u64>>,
    /// Names of segments, by number.
    pub(super) names: Vec<String>,
}

impl Reported<'_> {
    pub(super) fn report(&self, counts: &TagCounts) -> TagReport {
        let left = self.left.as_deref().unwrap_or_default();
        let (rows, bytes) = self.written;
        let rows_are_told = self.format == TagFormat::Long;
        let withheld = Withheld::of(counts, left, self.customers, self.small_cells, rows_are_told);
        let value = |(threshold, value): &(Threshold, Option<f64>)| {
            value.map(|value| ThresholdValue { figure: threshold.to_string(), value })
        };
        let stages: Vec<Option<u64>> =
            counts.stages.iter().zip(&withheld.stages).map(|(&n, hidden)| (!hidden).then_some(n)).collect();
        let stage = |(stage, &n): (&LifeStage, &Option<u64>)| StageCount {
            stage: stage.clone(),
            customers: n,
            share: self.share(n, self.customers),
        };
        TagReport {
            customers: self.customers,
            rows,
            bytes,
            day: self.terms.day.map(|day| crate::text::day(day as f64)),
            small_cells: self.small_cells,
            thresholds: self.terms.thresholds.iter().filter_map(value).collect(),
            tags: (0..self.book.tags.len()).map(|tag| self.tag(tag, counts, &withheld)).collect(),
            stages: self.book.stages.iter().zip(&stages).map(stage).collect(),
            without_stage: stages.last().copied().flatten(),
            overlaps: self.overlaps(counts, &withheld),
            segments: self.segments(counts, &withheld),
        }
    }

    fn share(&self, n: Option<u64>, of: u64) -> Option<f64> {
        n.map(|n| n as f64 / of.max(1) as f64)
    }

    fn tag(&self, at: usize, counts: &TagCounts, withheld: &Withheld) -> TagCount {
        let [yes, unknown] = counts.tags[at].map(|n| (!withheld.tags[at]).then_some(n));
        let moves = self.left.as_ref().filter(|_| !withheld.moves[at]).map(|left| {
            let [kept, lost] = counts.moves[at];
            TagMoves { kept, gained: counts.tags[at][0] - kept, lost, left: left[at] }
        });
        let tag = self.book.tags[at].clone();
        let share = self.share(yes, self.customers);
        TagCount { meaning_blake3: tag.meaning(), tag, customers: yes, share, unknown, moves }
    }

    fn overlaps(&self, counts: &TagCounts, withheld: &Withheld) -> Vec<TagOverlap> {
        let tags = &self.book.tags;
        let all = pairs(tags.len()).zip(&counts.overlaps).zip(&withheld.overlaps);
        let told = all.filter(|((_, both), hidden)| **both > 0 && !**hidden);
        let overlap = |(((a, b), &both), _): (((usize, usize), &u64), &bool)| {
            let [tag, other] = [a, b].map(|at| tags[at].code.clone());
            TagOverlap { tag, other, customers: both }
        };
        told.map(overlap).collect()
    }

    fn segments(&self, counts: &TagCounts, withheld: &Withheld) -> Vec<TaggedSegment> {
        let all = counts.segments.iter().zip(&withheld.segments);
        let mut segments: Vec<TaggedSegment> = all
            .map(|((label, of), (size, hidden))| {
                let tag = |(at, &hidden): (usize, &bool)| {
                    let customers = (!hidden).then_some(of.tags[at][0]);
                    let share = self.share(customers, of.customers);
                    let of_all = counts.tags[at][0] as f64 / self.customers.max(1) as f64;
                    let lift = share.filter(|_| of_all > 0.0).map(|share| share / of_all);
                    SegmentTag { tag: self.book.tags[at].code.clone(), customers, share, lift }
                };
                let number = label.parse::<usize>().ok();
                TaggedSegment {
                    segment: label.clone(),
                    name: number.and_then(|number| self.names.get(number)).filter(|name| !name.is_empty()).cloned(),
                    customers: (!size).then_some(of.customers),
                    tags: hidden.iter().enumerate().map(tag).collect(),
                }
            })
            .collect();
        segments.sort_by_key(|segment| segment.segment.parse::<i64>().unwrap_or(i64::MAX));
        segments
    }
}
