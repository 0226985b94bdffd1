//! What is counted of some rows, and how much of it is kept.

use serde::{Deserialize, Serialize};

use super::keys::KeyedCounts;
use super::report::SegmentPair;

/// Keys of a column over all rows.
const KEYS: usize = 2048;
/// Keys of a column in one segment.
const SEGMENT_KEYS: usize = 64;
/// Categories that are kept by name. Twenty are compared; those that were less common may be more common later.
const KEPT_CATEGORIES: usize = 40;

/// Counts of the rows of a fit or an assignment, as a model keeps them. Nothing is counted by name of fewer rows than
/// `small_cells`: segments of fewer are withheld, and neighbouring values are pooled until they are of as many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceCounts {
    /// Rows. Each counts once, whatever its weight.
    pub rows: u64,
    /// Figures of fewer rows are withheld; 0: none are.
    pub small_cells: u64,
    /// Rows by segment.
    pub segments: Vec<u64>,
    /// Rows without a segment.
    pub unassigned: u64,
    /// The columns that features are made of.
    pub columns: Vec<ReferenceColumn>,
    /// Values that were moved or unknown, by feature.
    pub features: Vec<FeatureMoves>,
    /// Distances of the rows to their centroids, by part.
    pub parts: Vec<PartDistances>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceColumn {
    /// Its name.
    pub name: String,
    /// Of numbers, if there are any.
    pub numbers: Option<NumberRange>,
    /// Of categories, the most common ones, in the order of all counts.
    pub categories: Vec<String>,
    /// All rows.
    pub all: ReferenceValues,
    /// By segment; None: withheld.
    pub segments: Vec<Option<ReferenceValues>>,
}

/// The range of a column of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberRange {
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// Standard deviation of the values (that of the population).
    pub deviation: f64,
    /// Whether all are whole numbers.
    pub whole: bool,
}

/// The values of a column in some rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceValues {
    /// Numbers; dates are days since 1970-01-01, and booleans 0 and 1.
    Numbers(ReferenceNumbers),
    /// Texts and codes.
    Categories(ReferenceCategories),
}

/// Counts of numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceNumbers {
    /// Rows without a value.
    pub missing: u64,
    /// Rows that are 0.
    pub zeros: u64,
    /// All other values.
    pub values: KeyedCounts,
}

/// Counts of categories.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceCategories {
    /// Rows without a value.
    pub missing: u64,
    /// Rows of each category that is kept by name.
    pub counts: Vec<u64>,
    /// Rows of all others.
    pub others: u64,
}

/// How many values of a feature the preparation did not take as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureMoves {
    /// The feature.
    pub name: String,
    /// Categories that the fit did not see.
    pub unseen: u64,
    /// Values outside the range of the fit.
    pub outside: u64,
    /// Values moved to a quantile.
    pub winsorised: u64,
    /// Values moved to the clip.
    pub clipped: u64,
}

/// Distances of the rows of a part to their centroids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartDistances {
    /// The part.
    pub name: String,
    /// blake3 of its preparation: distances are comparable only in the same units.
    pub units: String,
    /// Its rows.
    pub rows: u64,
    /// Mean squared distance in scaled units; None where rows have weights.
    pub inertia: Option<f64>,
    /// A grid step in scaled units.
    pub step: f64,
    /// Squared distances, in squared grid steps.
    pub squared: KeyedCounts,
}

/// What a pass counted of a column: of rows without a segment, of every segment, of all rows.
#[derive(Debug)]
pub(crate) enum CountedColumn {
    Numbers(CountedNumbers),
    Texts(CountedTexts),
}

#[derive(Debug)]
pub(crate) struct CountedNumbers {
    range: Option<NumberRange>,
    groups: Vec<ReferenceNumbers>,
}

#[derive(Debug)]
pub(crate) struct CountedTexts {
    /// The most common ones first; by group but for all rows.
    pub(crate) counts: Vec<(String, Vec<u64>)>,
    pub(crate) others: Vec<u64>,
    pub(crate) missing: Vec<u64>,
}

impl CountedNumbers {
    /// Of groups of which the last is of all rows; few keys are kept of each.
    pub(crate) fn new(range: Option<NumberRange>, mut groups: Vec<ReferenceNumbers>) -> Self {
        if let Some((all, segments)) = groups.split_last_mut() {
            all.values = all.values.at_most(KEYS);
            segments.iter_mut().for_each(|segment| segment.values = segment.values.at_most(SEGMENT_KEYS));
        }
        CountedNumbers { range, groups }
    }
}

impl CountedTexts {
    fn groups(self, small_cells: u64) -> (Vec<String>, Vec<ReferenceCategories>) {
        let CountedTexts { mut counts, mut others, missing } = self;
        let total = |counts: &[u64]| counts.iter().sum::<u64>();
        counts.sort_by_key(|(_, counts)| std::cmp::Reverse(total(counts)));
        // Of two, the other follows anyway.
        let common = match counts.len() {
            0..=2 => counts.len(),
            _ => counts.partition_point(|(_, counts)| total(counts) >= small_cells),
        };
        for (_, counts) in counts.drain(common.min(KEPT_CATEGORIES)..) {
            others.iter_mut().zip(counts).for_each(|(others, n)| *others += n);
        }
        let of = |group: Option<usize>| {
            let pick = |counts: &[u64]| group.map_or_else(|| total(counts), |group| counts[group]);
            let by_name = counts.iter().map(|(_, counts)| pick(counts)).collect();
            ReferenceCategories { missing: pick(&missing), counts: by_name, others: pick(&others) }
        };
        let groups = (0..missing.len()).map(Some).chain([None]).map(of).collect();
        (counts.into_iter().map(|(name, _)| name).collect(), groups)
    }
}

impl CountedColumn {
    /// What is kept of it. `hidden` says of each group whether it is withheld.
    pub(crate) fn kept(self, name: String, hidden: &[bool], small_cells: u64) -> ReferenceColumn {
        let (numbers, categories, mut groups): (_, _, Vec<ReferenceValues>) = match self {
            CountedColumn::Numbers(CountedNumbers { range, groups }) => {
                let pooled = |group: ReferenceNumbers| {
                    ReferenceValues::Numbers(ReferenceNumbers { values: group.values.pooled(small_cells), ..group })
                };
                (range, Vec::new(), groups.into_iter().map(pooled).collect())
            }
            CountedColumn::Texts(texts) => {
                let (names, groups) = texts.groups(small_cells);
                (None, names, groups.into_iter().map(ReferenceValues::Categories).collect())
            }
        };
        let all = groups.pop().unwrap_or(ReferenceValues::Numbers(ReferenceNumbers::default()));
        let segments = groups.into_iter().zip(hidden).skip(1).map(|(group, hidden)| (!hidden).then_some(group));
        ReferenceColumn { name, numbers, categories, segments: segments.collect(), all }
    }
}

impl ReferenceCounts {
    /// Every segment beside the one of the same number: of rows that one model labelled.
    pub fn same_segments(&self) -> Vec<SegmentPair> {
        (0..self.segments.len()).map(|segment| SegmentPair { reference: segment, now: segment }).collect()
    }

    /// Whether the parts of a model that has so many segments can have been counted.
    pub(crate) fn agrees(&self, segments: usize) -> bool {
        let shape = |column: &ReferenceColumn| {
            let of = |values: &ReferenceValues| match values {
                ReferenceValues::Numbers(_) => column.categories.is_empty(),
                ReferenceValues::Categories(of) => of.counts.len() == column.categories.len(),
            };
            let range = column.numbers.is_none_or(|n| n.min <= n.max && n.deviation >= 0.0);
            column.segments.len() == segments && range && column.segments.iter().flatten().chain([&column.all]).all(of)
        };
        self.segments.len() == segments && self.columns.iter().all(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_customers_are_not_kept_by_name() {
        let texts = CountedTexts {
            counts: vec![
                ("rare".into(), vec![0, 1, 2]),
                ("often".into(), vec![0, 40, 9]),
                ("some".into(), vec![1, 5, 9]),
            ],
            others: vec![0, 0, 1],
            missing: vec![0, 3, 0],
        };
        let kept = CountedColumn::Texts(texts).kept("x".into(), &[false, false, true, false], 10);
        assert_eq!(kept.categories, ["often", "some"]);
        let counts = |missing, counts: [u64; 2], others| {
            ReferenceValues::Categories(ReferenceCategories { missing, counts: counts.into(), others })
        };
        assert_eq!(kept.all, counts(3, [49, 15], 4));
        assert_eq!(kept.segments, [Some(counts(3, [40, 5], 1)), None]);
        let values = KeyedCounts::new(0, vec![(1, 4), (2, 7), (3, 11), (4, 2)]);
        let group = ReferenceNumbers { missing: 1, zeros: 2, values };
        let numbers = CountedNumbers::new(None, vec![ReferenceNumbers::default(), group.clone(), group]);
        let kept = CountedColumn::Numbers(numbers).kept("x".into(), &[false; 3], 10);
        let ReferenceValues::Numbers(all) = &kept.all else { panic!("numbers") };
        assert_eq!(all.values.counts(), [(2, 11), (3, 13)]);
        assert_eq!(kept.segments.len(), 1);
    }
}
