//! Decoding: every column chunk once, transformed as it lands in tiles, counted and measured on the way.
//!
//! Columns that make features together are a unit; mostly that is one column. Into memory, all (row group, unit) pairs are
//! tasks of their own. Into a scratch file, all units advance together,
//! a chunk at a time, so that memory is bounded however large a row group is. The landed values and their statistics
//! are the same.

use rayon::prelude::*;

use super::design::{DecodeUnit, Raw};
use super::fit::Dictionary;
use super::recipe::Transform;
use super::transform::land;
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::input::{BATCH_ROWS, ColumnReader, RowGroup, Source, fault};
use crate::numeric::{MomentStream, Moments};
use crate::simd::Dispatch;
use crate::tiles::{Landing, Layout, Store, TILE_ROWS};

/// A feature's way into the tiles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LandedFeature {
    /// Its position in the tiles.
    pub(crate) feature: usize,
    pub(crate) raw: Raw,
    pub(crate) transform: Transform,
    pub(crate) origin: f64,
}

/// Columns that are decoded together, and how their features land.
#[derive(Debug, Clone)]
pub(crate) struct LandPlan {
    /// Positions in the source.
    pub(crate) columns: Vec<usize>,
    /// By column, numbers that stand for missing values.
    pub(crate) sentinels: Vec<Vec<f64>>,
    /// In ascending order of features.
    pub(crate) outputs: Vec<LandedFeature>,
    pub(crate) simd: Dispatch,
}

impl LandPlan {
    /// Whether it lands the numbers of categories.
    fn is_coded(&self) -> bool {
        self.outputs.iter().any(|o| o.raw == Raw::Code)
    }
}

/// What has landed: by feature what was seen of it; by plan, for columns of categories, by row group the categories.
#[derive(Debug, Default)]
pub(crate) struct Landed {
    pub(crate) tallies: Vec<FeatureTally>,
    pub(crate) dictionaries: Vec<Vec<Dictionary>>,
}

/// What was seen of a column, in some row groups.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FeatureTally {
    pub(crate) nulls: u64,
    pub(crate) nan: u64,
    pub(crate) infinite: u64,
    pub(crate) sentinels: u64,
    /// Values for which the transform is not defined.
    pub(crate) undefined: u64,
    /// Of landed values: relative to the origin.
    pub(crate) moments: Moments,
}

impl FeatureTally {
    const EMPTY: FeatureTally =
        FeatureTally { nulls: 0, nan: 0, infinite: 0, sentinels: 0, undefined: 0, moments: Moments::EMPTY };

    /// Values that are not there.
    pub(crate) fn missing(&self) -> u64 {
        self.nulls + self.nan + self.infinite + self.sentinels
    }

    fn merge(self, later: FeatureTally) -> FeatureTally {
        FeatureTally {
            nulls: self.nulls + later.nulls,
            nan: self.nan + later.nan,
            infinite: self.infinite + later.infinite,
            sentinels: self.sentinels + later.sentinels,
            undefined: self.undefined + later.undefined,
            moments: self.moments.merge(later.moments),
        }
    }
}

/// The raw values of a unit's columns in one batch.
pub(crate) struct Batch {
    /// By column: nulls, NaN and sentinels are NaN.
    values: Vec<Vec<f64>>,
    nulls: Vec<u64>,
    sentinels: Vec<u64>,
}

impl Batch {
    /// The first batch of a unit in a row group.
    pub(crate) fn first(source: &Source, group: RowGroup, unit: &DecodeUnit) -> Result<Self> {
        let open = |&column: &usize| ColumnReader::open(source, group, column);
        let mut readers = unit.columns.iter().map(open).collect::<Result<Vec<_>>>()?;
        let mut batch = Batch::new(unit.columns.len());
        batch.read(&mut readers, &unit.sentinels)?;
        batch.same_length(source, group, unit.columns[0])?;
        Ok(batch)
    }

    fn new(columns: usize) -> Self {
        let values = (0..columns).map(|_| Vec::with_capacity(BATCH_ROWS)).collect();
        Batch { values, nulls: vec![0; columns], sentinels: vec![0; columns] }
    }

    /// The next batch of all columns; false after the last.
    fn read(&mut self, readers: &mut [ColumnReader<'_>], sentinels: &[Vec<f64>]) -> Result<bool> {
        let mut more = true;
        for (c, reader) in readers.iter_mut().enumerate() {
            let values = &mut self.values[c];
            values.clear();
            (self.nulls[c], self.sentinels[c]) = (0, 0);
            more &= reader.next_values(values, &mut self.nulls[c])?;
            if !sentinels[c].is_empty() {
                for v in values.iter_mut().filter(|v| sentinels[c].contains(v)) {
                    *v = f64::NAN;
                    self.sentinels[c] += 1;
                }
            }
        }
        Ok(more)
    }

    fn same_length(&self, source: &Source, group: RowGroup, column: usize) -> Result<()> {
        let rows = self.values[0].len();
        match self.values.iter().all(|v| v.len() == rows) {
            true => Ok(()),
            false => Err(fault(source, group, column, "its columns are of different lengths")),
        }
    }

    /// The raw values of a feature, in `buffer` if they are not those of a column.
    pub(crate) fn raw<'a>(&'a self, raw: Raw, buffer: &'a mut Vec<f64>) -> &'a [f64] {
        let two = |a: usize, b: usize| self.values[a].iter().zip(&self.values[b]);
        buffer.clear();
        match raw {
            Raw::Value(c) => return &self.values[c],
            Raw::Age(c, at) => buffer.extend(self.values[c].iter().map(|v| at - v)),
            Raw::Ratio(a, b) => buffer.extend(two(a, b).map(|(a, b)| a / b)),
            Raw::Difference(a, b) => buffer.extend(two(a, b).map(|(a, b)| a - b)),
            Raw::IsMissing(c) => {
                buffer.extend(self.values[c].iter().map(|v| f64::from(u8::from(!v.is_finite()))));
            }
            Raw::Code | Raw::Reserved => {}
        }
        buffer
    }

    /// Nulls and sentinels among the raw values of a feature. What a derived one lacks is not there in a column.
    fn gaps(&self, raw: Raw) -> (u64, u64) {
        match raw {
            Raw::Value(c) | Raw::Age(c, _) => (self.nulls[c], self.sentinels[c]),
            Raw::Ratio(a, b) | Raw::Difference(a, b) => {
                let pairs = self.values[a].iter().zip(&self.values[b]);
                (pairs.filter(|(a, b)| a.is_nan() || b.is_nan()).count() as u64, 0)
            }
            _ => (0, 0),
        }
    }
}

/// Lands the features of one unit of one row group, batch by batch.
struct UnitLander<'a> {
    source: &'a Source,
    group: RowGroup,
    plan: &'a LandPlan,
    readers: Vec<ColumnReader<'a>>,
    batch: Batch,
    derived: Vec<f64>,
    dictionary: Option<Dictionary>,
    tallies: Vec<FeatureTally>,
    moments: Vec<MomentStream>,
}

impl<'a> UnitLander<'a> {
    fn open(source: &'a Source, group: RowGroup, plan: &'a LandPlan) -> Result<Self> {
        let open = |&column: &usize| ColumnReader::open(source, group, column);
        Ok(UnitLander {
            source,
            group,
            plan,
            readers: plan.columns.iter().map(open).collect::<Result<_>>()?,
            batch: Batch::new(plan.columns.len()),
            derived: Vec::new(),
            dictionary: plan.is_coded().then(Dictionary::default),
            tallies: vec![FeatureTally::EMPTY; plan.outputs.len()],
            moments: plan.outputs.iter().map(|_| MomentStream::new(plan.simd)).collect(),
        })
    }

    /// Appends the next batch's landed values, output by output; false after the last.
    fn next(&mut self, landed: &mut [Vec<f32>]) -> Result<bool> {
        if let Some(dictionary) = &mut self.dictionary {
            let Some(array) = self.readers[0].next_array()? else { return Ok(false) };
            let missing = dictionary
                .land(&array, &mut landed[0])
                .map_err(|why| encoding_fault(self.source, self.plan.columns[0], &why))?;
            self.tallies[0].nulls += missing;
            // The places of the other features are filled when the categories are known.
            let rows = landed[0].len();
            landed[1..].iter_mut().for_each(|out| out.resize(rows, 0.0));
            return Ok(true);
        }
        if !self.batch.read(&mut self.readers, &self.plan.sentinels)? {
            return Ok(false);
        }
        self.batch.same_length(self.source, self.group, self.plan.columns[0])?;
        let outputs = self.plan.outputs.iter().zip(landed).zip(&mut self.tallies).zip(&mut self.moments);
        for (((output, landed), tally), moments) in outputs {
            let raw = self.batch.raw(output.raw, &mut self.derived);
            let start = landed.len();
            let not_there = land(output.transform, output.origin, raw, landed, self.plan.simd);
            if not_there > 0 {
                let (nulls, sentinels) = self.batch.gaps(output.raw);
                tally.nulls += nulls;
                tally.sentinels += sentinels;
                // Every null and sentinel has landed as NaN.
                if not_there > nulls + sentinels {
                    let nan = raw.iter().filter(|v| v.is_nan()).count() as u64;
                    let infinite = raw.iter().filter(|v| v.is_infinite()).count() as u64;
                    tally.nan += nan - nulls - sentinels;
                    tally.infinite += infinite;
                    tally.undefined += not_there - nan - infinite;
                }
            }
            moments.push(&landed[start..], not_there > 0);
        }
        Ok(true)
    }

    fn finish(mut self) -> (Vec<FeatureTally>, Option<Dictionary>) {
        for (tally, moments) in self.tallies.iter_mut().zip(&mut self.moments) {
            tally.moments = moments.finish();
        }
        (self.tallies, self.dictionary)
    }

    fn wrong_rows(&self) -> Error {
        wrong_rows(self.source, self.group, self.plan.columns[0])
    }
}

/// Lands the features of consecutive row groups; returns what was seen. Row 0 of the store is the first row of the first
/// group.
pub(crate) fn land_groups(
    source: &Source,
    groups: &[RowGroup],
    plans: &[LandPlan],
    store: &mut Store,
    watch: Watch<'_>,
) -> Result<Landed> {
    if store.is_resident() {
        land_in_memory(source, groups, plans, store, watch)
    } else {
        land_in_scratch(source, groups, plans, store, watch)
    }
}

/// By plan and row group, in this order: what was seen.
type UnitTallies = (Vec<FeatureTally>, Option<Dictionary>);

fn gather(plans: &[LandPlan], width: usize, found: Vec<Vec<UnitTallies>>) -> Landed {
    let mut landed = Landed { tallies: vec![FeatureTally::EMPTY; width], dictionaries: Vec::new() };
    for (plan, groups) in plans.iter().zip(found) {
        let mut dictionaries = Vec::new();
        for (tallies, dictionary) in groups {
            for (output, tally) in plan.outputs.iter().zip(tallies) {
                let total = &mut landed.tallies[output.feature];
                *total = total.merge(tally);
            }
            dictionaries.extend(dictionary);
        }
        landed.dictionaries.push(dictionaries);
    }
    landed
}

fn land_in_memory(
    source: &Source,
    groups: &[RowGroup],
    plans: &[LandPlan],
    store: &mut Store,
    watch: Watch<'_>,
) -> Result<Landed> {
    let layout = store.layout();
    let start = groups.first().map_or(0, |g| g.first_row);
    let extents = groups.iter().map(|g| (g.first_row - start, g.rows)).collect();
    let arena = store.arena_mut().ok_or_else(|| Error::Internal("the store is not in memory".into()))?;
    let landing = Landing::new(layout, arena, extents);
    let tasks: Vec<(usize, usize)> = (0..groups.len()).flat_map(|g| (0..plans.len()).map(move |p| (g, p))).collect();
    let found: Vec<UnitTallies> = tasks
        .into_par_iter()
        .with_max_len(1)
        .map_init(Vec::new, |landed: &mut Vec<Vec<f32>>, (g, p)| {
            let plan = &plans[p];
            let mut lander = UnitLander::open(source, groups[g], plan)?;
            let claim = |o: &LandedFeature| {
                landing.claim(g, o.feature).ok_or_else(|| Error::Internal("cells were claimed twice".into()))
            };
            let mut cells = plan.outputs.iter().map(claim).collect::<Result<Vec<_>>>()?;
            landed.resize_with(landed.len().max(cells.len()), || Vec::with_capacity(BATCH_ROWS));
            let landed = &mut landed[..cells.len()];
            loop {
                watch.check()?;
                landed.iter_mut().for_each(Vec::clear);
                if !lander.next(landed)? {
                    break;
                }
                for (cells, landed) in cells.iter_mut().zip(landed.iter()) {
                    if !cells.push(landed) {
                        return Err(lander.wrong_rows());
                    }
                }
            }
            if !cells.iter().all(|c| c.is_full()) {
                return Err(lander.wrong_rows());
            }
            watch.advance(Stage::Decode, groups[g].rows * plan.columns.len() as u64);
            Ok(lander.finish())
        })
        .collect::<Result<_>>()?;
    let mut by_plan: Vec<Vec<UnitTallies>> = plans.iter().map(|_| Vec::new()).collect();
    for (at, found) in found.into_iter().enumerate() {
        by_plan[at % plans.len()].push(found);
    }
    Ok(gather(plans, layout.dim(), by_plan))
}

/// A unit's way through all row groups, with landed values that wait for the next chunk.
struct Cursor<'a> {
    plan: &'a LandPlan,
    groups: std::slice::Iter<'a, RowGroup>,
    current: Option<(UnitLander<'a>, RowGroup, u64)>,
    /// By output.
    waiting: Vec<Vec<f32>>,
    found: Vec<UnitTallies>,
}

impl<'a> Cursor<'a> {
    /// Makes at least `rows` values wait.
    fn advance(&mut self, source: &'a Source, rows: usize) -> Result<()> {
        while self.waiting[0].len() < rows {
            let Some((lander, group, seen)) = &mut self.current else {
                let group = *self.groups.next().ok_or_else(|| Error::Internal("more rows than row groups".into()))?;
                self.current = Some((UnitLander::open(source, group, self.plan)?, group, 0));
                continue;
            };
            let before = self.waiting[0].len();
            if lander.next(&mut self.waiting)? {
                *seen += (self.waiting[0].len() - before) as u64;
                if *seen <= group.rows {
                    continue;
                }
            }
            if *seen != group.rows {
                return Err(lander.wrong_rows());
            }
            self.close();
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some((lander, ..)) = self.current.take() {
            self.found.push(lander.finish());
        }
    }
}

fn land_in_scratch(
    source: &Source,
    groups: &[RowGroup],
    plans: &[LandPlan],
    store: &mut Store,
    watch: Watch<'_>,
) -> Result<Landed> {
    let layout = store.layout();
    let mut cursors: Vec<Cursor<'_>> = plans
        .iter()
        .map(|plan| {
            let waiting = vec![Vec::new(); plan.outputs.len()];
            Cursor { plan, groups: groups.iter(), current: None, waiting, found: Vec::new() }
        })
        .collect();
    let columns: usize = plans.iter().map(|p| p.columns.len()).sum();
    let mut chunk = vec![0f32; layout.chunk_floats()];
    for i in 0..layout.chunks() {
        watch.check()?;
        let rows = layout.rows_in(i);
        cursors.par_iter_mut().with_max_len(1).try_for_each(|c| c.advance(source, rows))?;
        let chunk = &mut chunk[..layout.floats_in(i)];
        interleave(&layout, &cursors, rows, chunk);
        cursors.iter_mut().flat_map(|c| &mut c.waiting).for_each(|waiting| drop(waiting.drain(..rows)));
        store.write(i, chunk)?;
        watch.advance(Stage::Decode, (rows * columns) as u64);
    }
    for cursor in &mut cursors {
        // Nothing may be left behind the last row.
        let end = cursor.waiting[0].is_empty();
        if let Some((lander, ..)) = &mut cursor.current
            && (!end || lander.next(&mut cursor.waiting)?)
        {
            return Err(lander.wrong_rows());
        }
        cursor.close();
    }
    Ok(gather(plans, layout.dim(), cursors.into_iter().map(|c| c.found).collect()))
}

fn interleave(layout: &Layout, cursors: &[Cursor<'_>], rows: usize, chunk: &mut [f32]) {
    let mut columns: Vec<&[f32]> = vec![&[]; layout.dim()];
    for cursor in cursors {
        for (output, waiting) in cursor.plan.outputs.iter().zip(&cursor.waiting) {
            columns[output.feature] = waiting;
        }
    }
    chunk.par_chunks_exact_mut(layout.dim() * TILE_ROWS).enumerate().with_min_len(16).for_each(|(t, tile)| {
        let first = t * TILE_ROWS;
        let here = (rows - first).min(TILE_ROWS);
        for (cells, column) in tile.chunks_exact_mut(TILE_ROWS).zip(&columns) {
            cells[..here].copy_from_slice(&column[first..first + here]);
            cells[here..].fill(0.0);
        }
    });
}

fn encoding_fault(source: &Source, column: usize, why: &str) -> Error {
    Error::input(format!("{:?} cannot be encoded: {why}", source.columns()[column].name))
}

fn wrong_rows(source: &Source, group: RowGroup, column: usize) -> Error {
    Error::input(format!(
        "{}, row group {}, column {:?}: corrupt: it does not hold the {} values that the footer promises",
        source.files()[group.file].path.display(),
        group.index,
        source.columns()[column].name,
        group.rows
    ))
}
