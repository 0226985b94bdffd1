//! The features of one unit: how they land, what is counted of them, and the reader that lands a row group of them.

use super::batch::Batch;
use crate::error::{Error, ErrorKind, Result};
use crate::input::{ColumnReader, RowGroup, Source};
use crate::numeric::{MomentStream, Moments};
use crate::prepare::counts::ValueCounts;
use crate::prepare::design::{DecodeUnit, Design, Raw};
use crate::prepare::fit::Dictionary;
use crate::prepare::transform::{Ground, land};
use crate::simd::Dispatch;

/// The rows to land: consecutive row groups. Row 0 of the store is the first row of the first group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LandRows<'a> {
    pub(crate) source: &'a Source,
    pub(crate) groups: &'a [RowGroup],
    /// By row, from the first of the first group; None: each weighs 1.
    pub(crate) weights: Option<&'a [u32]>,
}

impl<'a> LandRows<'a> {
    fn weights_of(&self, group: RowGroup) -> Option<&'a [u32]> {
        let start = self.groups.first().map_or(0, |g| g.first_row);
        self.weights.map(|w| &w[(group.first_row - start) as usize..][..group.rows as usize])
    }
}

/// How a feature lands in the tiles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LandedFeature {
    /// Its position in the tiles.
    pub(crate) feature: usize,
    /// How its raw value is computed from the columns of its unit.
    pub(crate) raw: Raw,
    pub(crate) ground: Ground,
}

/// The columns of a unit, and how its features land.
#[derive(Debug, Clone)]
pub(crate) struct LandPlan {
    /// Positions in the source.
    pub(crate) columns: Vec<usize>,
    /// By column: the numbers that stand for missing values.
    pub(crate) sentinels: Vec<Vec<f64>>,
    /// In ascending order of features.
    pub(crate) outputs: Vec<LandedFeature>,
    pub(crate) simd: Dispatch,
}

impl LandPlan {
    /// The plans of all units of a design. `ground` says where a feature lands.
    pub(crate) fn of_design(design: &Design, simd: Dispatch, ground: impl Fn(usize) -> Ground) -> Vec<LandPlan> {
        let output = |&feature: &usize| {
            let raw = design.features[feature].raw;
            LandedFeature { feature, raw, ground: ground(feature) }
        };
        let plan = |unit: &DecodeUnit| LandPlan {
            columns: unit.columns.clone(),
            sentinels: unit.sentinels.clone(),
            outputs: unit.features.iter().map(output).collect(),
            simd,
        };
        design.units.iter().map(plan).collect()
    }

    /// Whether it lands category numbers.
    fn is_coded(&self) -> bool {
        self.outputs.iter().any(|o| o.raw == Raw::Code)
    }
}

/// What has landed.
#[derive(Debug, Default)]
pub(crate) struct Landed {
    /// By feature.
    pub(crate) tallies: Vec<FeatureTally>,
    /// By plan, then by row group: the categories of a column of categories.
    pub(crate) dictionaries: Vec<Vec<Dictionary>>,
}

/// What was seen of a feature in some row groups.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FeatureTally {
    /// Missing values, by kind.
    pub(crate) counts: ValueCounts,
    /// Values for which the transform is undefined.
    pub(crate) undefined: u64,
    /// Of landed values, which are relative to the origin.
    pub(crate) moments: Moments,
}

impl FeatureTally {
    fn empty() -> FeatureTally {
        FeatureTally { counts: ValueCounts::default(), undefined: 0, moments: Moments::EMPTY }
    }

    /// Adds the tally of later row groups.
    fn append(&mut self, later: FeatureTally) {
        self.counts += later.counts;
        self.undefined += later.undefined;
        self.moments = self.moments.merge(later.moments);
    }
}

/// What one unit of one row group yields: the tallies of its features and, for a column of categories, its dictionary.
pub(super) type UnitTallies = (Vec<FeatureTally>, Option<Dictionary>);

impl Landed {
    /// Merges what was found by plan and, within a plan, by row group in their order. `width` is the number of
    /// features.
    pub(super) fn gather(plans: &[LandPlan], width: usize, found: Vec<Vec<UnitTallies>>) -> Landed {
        let mut landed = Landed { tallies: vec![FeatureTally::empty(); width], dictionaries: Vec::new() };
        for (plan, groups) in plans.iter().zip(found) {
            let mut dictionaries = Vec::new();
            for (tallies, dictionary) in groups {
                for (output, tally) in plan.outputs.iter().zip(tallies) {
                    landed.tallies[output.feature].append(tally);
                }
                dictionaries.extend(dictionary);
            }
            landed.dictionaries.push(dictionaries);
        }
        landed
    }
}

/// Lands the features of one unit of one row group, batch by batch.
pub(super) struct UnitLander<'a> {
    source: &'a Source,
    group: RowGroup,
    plan: &'a LandPlan,
    readers: Vec<ColumnReader<'a>>,
    batch: Batch,
    /// Buffer for the raw values of derived features.
    derived: Vec<f64>,
    dictionary: Option<Dictionary>,
    tallies: Vec<FeatureTally>,
    moments: Vec<MomentStream>,
    /// Of the rows that have not landed yet.
    weights: Option<&'a [u32]>,
}

impl<'a> UnitLander<'a> {
    pub(super) fn open(rows: &LandRows<'a>, group: RowGroup, plan: &'a LandPlan) -> Result<Self> {
        let source = rows.source;
        let open = |&column: &usize| ColumnReader::open(source, group, column);
        Ok(UnitLander {
            source,
            group,
            plan,
            readers: plan.columns.iter().map(open).collect::<Result<_>>()?,
            batch: Batch::new(plan.columns.len()),
            derived: Vec::new(),
            dictionary: plan.is_coded().then(Dictionary::default),
            tallies: vec![FeatureTally::empty(); plan.outputs.len()],
            moments: plan.outputs.iter().map(|_| MomentStream::new(plan.simd)).collect(),
            weights: rows.weights_of(group),
        })
    }

    /// Appends the next batch's landed values, output by output; false after the last.
    pub(super) fn next(&mut self, landed: &mut [Vec<f32>]) -> Result<bool> {
        if self.dictionary.is_some() { self.next_categories(landed) } else { self.next_values(landed) }
    }

    /// Lands the numbers of the next batch's categories.
    fn next_categories(&mut self, landed: &mut [Vec<f32>]) -> Result<bool> {
        let (Some(dictionary), Some(array)) = (&mut self.dictionary, self.readers[0].next_array()?) else {
            return Ok(false);
        };
        let weights = next_weights(&mut self.weights, array.len());
        let missing = dictionary
            .land(&array, weights, &mut landed[0])
            .map_err(|why| encoding_fault(self.source, self.plan.columns[0], &why))?;
        self.tallies[0].counts.nulls += missing;
        // The reserved places of the other features are filled once all categories are known.
        let rows = landed[0].len();
        landed[1..].iter_mut().for_each(|out| out.resize(rows, 0.0));
        Ok(true)
    }

    /// Lands the next batch's numbers.
    fn next_values(&mut self, landed: &mut [Vec<f32>]) -> Result<bool> {
        if !self.batch.read(&mut self.readers, &self.plan.sentinels)? {
            return Ok(false);
        }
        self.batch.same_length(self.source, self.group, self.plan.columns[0])?;
        let weights = next_weights(&mut self.weights, self.batch.rows());
        let outputs = self.plan.outputs.iter().zip(landed).zip(&mut self.tallies).zip(&mut self.moments);
        for (((output, landed), tally), moments) in outputs {
            let raw = self.batch.raw(output.raw, &mut self.derived);
            let start = landed.len();
            let absent = land(output.ground, raw, landed, self.plan.simd);
            if absent > 0 {
                let (nulls, sentinels) = self.batch.gaps(output.raw);
                tally.counts.nulls += nulls;
                tally.counts.sentinels += sentinels;
                // Every null and sentinel has landed as NaN.
                if absent > nulls + sentinels {
                    let nan = raw.iter().filter(|v| v.is_nan()).count() as u64;
                    let infinite = raw.iter().filter(|v| v.is_infinite()).count() as u64;
                    tally.counts.nan += nan - nulls - sentinels;
                    tally.counts.infinite += infinite;
                    tally.undefined += absent - nan - infinite;
                }
            }
            match weights {
                None => moments.push(&landed[start..], absent > 0),
                Some(weights) => moments.push_weighted(&landed[start..], weights),
            }
        }
        Ok(true)
    }

    pub(super) fn finish(mut self) -> UnitTallies {
        for (tally, moments) in self.tallies.iter_mut().zip(&mut self.moments) {
            tally.moments = moments.finish();
        }
        (self.tallies, self.dictionary)
    }

    /// The error for a row group with more or fewer values than its footer says.
    pub(super) fn wrong_rows(&self) -> Error {
        let path = &self.source.files()[self.group.file].path;
        let name = &self.source.columns()[self.plan.columns[0]].name;
        Error::input(format!(
            "{}, row group {}, column {name:?}: corrupt: it does not hold the {} values that the footer promises",
            path.display(),
            self.group.index,
            self.group.rows
        ))
        .of_columns([name])
        .of_kind(ErrorKind::Corrupt)
        .of_file(path)
    }
}

/// Takes the weights of the next rows. A row group may hold more rows than it promises, which is refused later.
fn next_weights<'a>(weights: &mut Option<&'a [u32]>, rows: usize) -> Option<&'a [u32]> {
    let all = weights.as_mut()?;
    let (next, rest) = all.split_at(rows.min(all.len()));
    *all = rest;
    Some(next)
}

fn encoding_fault(source: &Source, column: usize, why: &str) -> Error {
    let name = &source.columns()[column].name;
    Error::input(format!("{name:?} cannot be encoded: {why}")).of_columns([name]).of_kind(ErrorKind::Values)
}
