//! Counts of tags and stages, without those of few customers.

use serde::{Deserialize, Serialize};

use super::book::{LifeStage, Tag, TagBook};
use crate::audit::withheld;
use crate::rules::Terms;

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

/// What was counted; counts of parts add up.
#[derive(Debug, Clone, Default)]
pub(super) struct TagCounts {
    /// By tag: customers who have it, and of whom it is unknown.
    pub(super) tags: Vec<[u64; 2]>,
    /// By stage, and last of all those without one.
    pub(super) stages: Vec<u64>,
    /// By pair of tags.
    pub(super) overlaps: Vec<u64>,
}

impl TagCounts {
    pub(super) fn add(&mut self, other: &TagCounts) {
        let sum = |mine: &mut Vec<u64>, theirs: &[u64]| {
            mine.resize(theirs.len(), 0);
            mine.iter_mut().zip(theirs).for_each(|(mine, n)| *mine += n);
        };
        self.tags.resize(other.tags.len(), [0; 2]);
        for (mine, theirs) in self.tags.iter_mut().zip(&other.tags) {
            mine.iter_mut().zip(theirs).for_each(|(mine, n)| *mine += n);
        }
        sum(&mut self.stages, &other.stages);
        sum(&mut self.overlaps, &other.overlaps);
    }

    /// The report of `customers` rows.
    pub(super) fn report(&self, book: &TagBook, terms: &Terms, customers: u64, small_cells: u64) -> TagReport {
        let is_small = |n: u64| (1..small_cells).contains(&n);
        let share = |n: Option<u64>| n.map(|n| n as f64 / customers.max(1) as f64);
        // Those who have a tag, who lack it, and of whom it is unknown add up to all: none of them may follow.
        let hidden = |&[yes, unknown]: &[u64; 2]| [yes, unknown, customers - yes - unknown].into_iter().any(is_small);
        let mut hidden_tags: Vec<bool> = self.tags.iter().map(hidden).collect();
        // Tags may divide all customers between them, and a long table has as many rows as they have customers: a
        // single count would follow from the others.
        if hidden_tags.iter().filter(|hidden| **hidden).count() == 1 {
            let others = (0..self.tags.len()).filter(|&at| !hidden_tags[at] && self.tags[at][0] > 0);
            if let Some(at) = others.min_by_key(|&at| self.tags[at][0]) {
                hidden_tags[at] = true;
            }
        }
        let tags = book.tags.iter().zip(&self.tags).zip(&hidden_tags).map(|((tag, counts), &is_hidden)| {
            let of = |n: u64| (!is_hidden).then_some(n);
            let [yes, unknown] = counts.map(of);
            let tag = tag.clone();
            TagCount { meaning_blake3: tag.meaning(), tag, customers: yes, share: share(yes), unknown }
        });
        let hidden_stages = withheld(&self.stages, small_cells);
        let shown: Vec<Option<u64>> =
            self.stages.iter().zip(hidden_stages).map(|(&n, hidden)| (!hidden).then_some(n)).collect();
        let stages = book.stages.iter().zip(&shown).map(|(stage, &n)| StageCount {
            stage: stage.clone(),
            customers: n,
            share: share(n),
        });
        let value = |(threshold, value): &(crate::rules::Threshold, Option<f64>)| {
            value.map(|value| ThresholdValue { figure: threshold.to_string(), value })
        };
        let mut overlaps = Vec::new();
        for ((a, b), &both) in pairs(self.tags.len()).zip(&self.overlaps) {
            let alone = [self.tags[a][0] - both, self.tags[b][0] - both];
            let is_hidden = hidden_tags[a] || hidden_tags[b];
            if both > 0 && !is_hidden && ![both, alone[0], alone[1]].into_iter().any(is_small) {
                let [tag, other] = [a, b].map(|at| book.tags[at].code.clone());
                overlaps.push(TagOverlap { tag, other, customers: both });
            }
        }
        TagReport {
            customers,
            rows: 0,
            bytes: 0,
            day: terms.day.map(|day| crate::text::day(day as f64)),
            small_cells,
            thresholds: terms.thresholds.iter().filter_map(value).collect(),
            tags: tags.collect(),
            stages: stages.collect(),
            without_stage: shown.last().copied().flatten(),
            overlaps,
        }
    }
}

/// The pairs of tags whose overlap is counted.
pub(super) fn pairs(tags: usize) -> impl Iterator<Item = (usize, usize)> {
    const MOST: usize = 64;
    let tags = tags.min(MOST);
    (0..tags).flat_map(move |a| (a + 1..tags).map(move |b| (a, b)))
}
