//! The report: what `hyades explain --rules` prints as JSON.

use serde::Serialize;

use super::column::CutColumn;
use super::counted::LeafCounts;
use super::reach::{Reach, reaches};
use super::tree::Tree;
use super::words::Wording;
use crate::report::Language;

/// Segments as rules, with how well these tell the segments apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RulesReport {
    /// The version of this shape: 1.
    pub rules_version: u32,
    /// Rows of the input.
    pub rows: u64,
    /// The share of rows with a part whose rule leads to their segment.
    pub fidelity: Option<f64>,
    /// The parts that were clustered, in order.
    pub parts: Vec<PartRules>,
    /// One SQL expression with the segment of a row by the rules, for DuckDB.
    pub sql: String,
}

/// The rules of a part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartRules {
    /// Its name; None: the whole bank.
    pub part: Option<String>,
    /// Its rows.
    pub rows: u64,
    /// How many of them the rules were made from.
    pub drawn: u64,
    /// Leaves of the tree.
    pub leaves: usize,
    /// Rows whose rule leads to their segment.
    pub right: u64,
    /// The share of these; None without rows.
    pub fidelity: Option<f64>,
    /// The sum of squared distances to the centroid of the rule's segment, divided by that to the row's own: 1 where
    /// the rules tell every row's segment. None where all distances are 0.
    pub price: Option<f64>,
    /// The segments, in order.
    pub segments: Vec<SegmentRule>,
}

/// The rule of a segment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentRule {
    /// The segment.
    pub segment: u32,
    /// Its name, where segments have names.
    pub name: Option<String>,
    /// Its id in all versions, where the model is of a version of a history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment_id: Option<u64>,
    /// What people call it in English, by `names.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called_en: Option<String>,
    /// The same in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called_zh: Option<String>,
    /// Its rows.
    pub customers: u64,
    /// Rows that its rule tells, of any segment.
    pub told: u64,
    /// Rows by the segment that the rules tell, from the first segment of the part.
    pub told_as: Vec<u64>,
    /// The share of `told` that is of the segment; None where its rule tells nobody.
    pub precision: Option<f64>,
    /// The share of `customers` that its rule tells; None without customers.
    pub recall: Option<f64>,
    /// The rule as an English sentence; None: the segment has no leaf.
    pub en: Option<String>,
    /// The same in Chinese.
    pub zh: Option<String>,
    /// Its leaves, by falling number of rows.
    pub paths: Vec<RuleLeaf>,
}

/// A leaf: rows that meet all conditions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleLeaf {
    /// The conditions; none: all rows.
    pub conditions: Vec<LeafCondition>,
    /// Rows that meet them.
    pub told: u64,
    /// Those of the segment.
    pub right: u64,
    /// The conditions as an English sentence.
    pub en: String,
    /// The same in Chinese.
    pub zh: String,
}

/// A condition on a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeafCondition {
    /// The column.
    pub column: String,
    /// Numbers are greater than this; dates are in days since 1970-01-01.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// Numbers are at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_to: Option<f64>,
    /// The category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
    /// Not one of these categories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not: Vec<String>,
    /// Whether known values meet it, if they are within the bounds.
    pub known: bool,
    /// Whether missing values do.
    pub missing: bool,
}

/// What is known of a part.
pub(crate) struct CountedTree<'a> {
    pub(crate) part: Option<String>,
    pub(crate) first_segment: usize,
    /// Rows that the tree was grown on.
    pub(crate) drawn: u64,
    pub(crate) tree: &'a Tree,
    pub(crate) columns: &'a [CutColumn],
    pub(crate) counts: &'a LeafCounts,
    /// Sums of squared distances: to the centroids of the rows' segments, and of those that the tree gives them.
    pub(crate) inertia: (u128, u128),
}

impl CountedTree<'_> {
    pub(crate) fn rules(&self, segments: usize) -> PartRules {
        let leaves: Vec<(Vec<Reach>, u32, &[u64])> = self
            .tree
            .paths()
            .iter()
            .zip(&self.tree.leaves)
            .enumerate()
            .map(|(leaf, (path, segment))| (reaches(path), *segment, self.counts.of_leaf(leaf)))
            .collect();
        let segments: Vec<SegmentRule> = (0..segments).map(|segment| self.segment(segment, &leaves)).collect();
        let rows: u64 = self.counts.rows.iter().sum();
        let right = segments.iter().enumerate().map(|(own, segment)| segment.told_as[own]).sum();
        let (own, told) = self.inertia;
        PartRules {
            part: self.part.clone(),
            rows,
            drawn: self.drawn,
            leaves: leaves.len(),
            right,
            fidelity: share(right, rows),
            price: (own > 0).then(|| told as f64 / own as f64),
            segments,
        }
    }

    fn segment(&self, segment: usize, leaves: &[(Vec<Reach>, u32, &[u64])]) -> SegmentRule {
        let total = |counts: &[u64]| counts.iter().sum::<u64>();
        let is_own =
            |leaf: &&(Vec<Reach>, u32, &[u64])| leaf.1 as usize == segment && !leaf.0.iter().any(Reach::is_void);
        let mut own: Vec<&(Vec<Reach>, u32, &[u64])> = leaves.iter().filter(is_own).collect();
        own.sort_by_key(|(_, _, counts)| std::cmp::Reverse(total(counts)));
        let mut told_as: Vec<u64> = vec![0; self.counts.of_leaf(0).len()];
        leaves.iter().for_each(|(_, told, counts)| told_as[*told as usize] += counts[segment]);
        let told: u64 = own.iter().map(|(_, _, counts)| total(counts)).sum();
        let customers = total(&told_as);
        let gaps: Vec<bool> = self.counts.missing.iter().map(|n| *n > 0).collect();
        let reaches: Vec<Vec<Reach>> = own.iter().map(|(reaches, ..)| reaches.clone()).collect();
        let sentence = |reaches: &[Vec<Reach>], language| {
            Wording { columns: self.columns, named: &self.tree.named, gaps: &gaps, language }.sentence(reaches)
        };
        let rule = |language| (!reaches.is_empty()).then(|| sentence(&reaches, language));
        let path = |(reaches, _, counts): &&(Vec<Reach>, u32, &[u64])| RuleLeaf {
            conditions: reaches.iter().map(|reach| self.condition(reach)).collect(),
            told: total(counts),
            right: counts[segment],
            en: sentence(std::slice::from_ref(reaches), Language::En),
            zh: sentence(std::slice::from_ref(reaches), Language::Zh),
        };
        SegmentRule {
            segment: (self.first_segment + segment) as u32,
            name: self.part.as_ref().map(|part| format!("{part}/{segment}")),
            segment_id: None,
            called_en: None,
            called_zh: None,
            customers,
            told,
            precision: share(told_as[segment], told),
            recall: share(told_as[segment], customers),
            told_as,
            en: rule(Language::En),
            zh: rule(Language::Zh),
            paths: own.iter().map(path).collect(),
        }
    }

    fn condition(&self, reach: &Reach) -> LeafCondition {
        let category = |&number: &u32| self.tree.named[reach.column][number as usize].clone();
        let bound = |value: f64| value.is_finite().then_some(value);
        LeafCondition {
            column: self.columns[reach.column].name.clone(),
            above: bound(reach.above),
            up_to: bound(reach.up_to),
            is: reach.is.as_ref().map(category),
            not: reach.not.iter().map(category).collect(),
            known: !reach.is_of_missing(),
            missing: reach.missing,
        }
    }
}

pub(crate) fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}
