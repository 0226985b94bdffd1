//! Decoding: every column chunk once, transformed as it lands in tiles, counted and measured on the way.
//!
//! Into memory, all (row group, column) pairs are tasks of their own. Into a scratch file, all columns advance together,
//! a chunk at a time, so that memory is bounded however large a row group is. The landed values and their statistics
//! are the same.

use rayon::prelude::*;

use super::column::{BATCH_ROWS, ColumnReader};
use super::landing::Landing;
use super::layout::Layout;
use super::recipe::{MomentStream, Moments, Transform, land};
use super::source::{RowGroup, Source};
use super::store::Store;
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::simd::Dispatch;

/// A column and how its values land.
#[derive(Debug, Clone, Copy)]
pub(super) struct LandPlan {
    /// Position in the source.
    pub(super) column: usize,
    pub(super) transform: Transform,
    pub(super) origin: f64,
    pub(super) simd: Dispatch,
}

/// What was seen of a column, in some row groups.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    pub(super) nulls: u64,
    pub(super) nan: u64,
    pub(super) infinite: u64,
    /// Values for which the transform is not defined.
    pub(super) undefined: u64,
    /// Of landed values: relative to the origin.
    pub(super) moments: Moments,
}

impl Tally {
    const EMPTY: Tally = Tally { nulls: 0, nan: 0, infinite: 0, undefined: 0, moments: Moments::EMPTY };

    /// Values that are not there.
    pub(super) fn missing(&self) -> u64 {
        self.nulls + self.nan + self.infinite
    }

    fn merge(self, later: Tally) -> Tally {
        Tally {
            nulls: self.nulls + later.nulls,
            nan: self.nan + later.nan,
            infinite: self.infinite + later.infinite,
            undefined: self.undefined + later.undefined,
            moments: self.moments.merge(later.moments),
        }
    }
}

/// Lands one column of one row group, batch by batch.
struct ColumnLander<'a> {
    reader: ColumnReader<'a>,
    plan: LandPlan,
    raw: Vec<f64>,
    tally: Tally,
    moments: MomentStream,
}

impl<'a> ColumnLander<'a> {
    fn open(source: &'a Source, group: RowGroup, plan: LandPlan) -> Result<Self> {
        let reader = ColumnReader::open(source, group, plan.column)?;
        let raw = Vec::with_capacity(BATCH_ROWS);
        Ok(ColumnLander { reader, plan, raw, tally: Tally::EMPTY, moments: MomentStream::new(plan.simd) })
    }

    /// Appends the next batch's landed values; false after the last.
    fn next(&mut self, landed: &mut Vec<f32>) -> Result<bool> {
        self.raw.clear();
        let mut nulls = 0;
        if !self.reader.next_values(&mut self.raw, &mut nulls)? {
            return Ok(false);
        }
        let start = landed.len();
        let not_there = land(self.plan.transform, self.plan.origin, &self.raw, landed, self.plan.simd);
        self.tally.nulls += nulls;
        // Every null has landed as NaN.
        if not_there > nulls {
            let nan = self.raw.iter().filter(|v| v.is_nan()).count() as u64;
            let infinite = self.raw.iter().filter(|v| v.is_infinite()).count() as u64;
            self.tally.nan += nan - nulls;
            self.tally.infinite += infinite;
            self.tally.undefined += not_there - nan - infinite;
        }
        self.moments.push(&landed[start..], not_there > 0);
        Ok(true)
    }

    fn finish(mut self) -> Tally {
        self.tally.moments = self.moments.finish();
        self.tally
    }
}

/// Lands the columns of consecutive row groups; returns per column what was seen. Row 0 of the store is the first row
/// of the first group.
pub(super) fn land_groups(
    source: &Source,
    groups: &[RowGroup],
    plans: &[LandPlan],
    store: &mut Store,
    watch: Watch<'_>,
) -> Result<Vec<Tally>> {
    if store.is_resident() {
        land_in_memory(source, groups, plans, store, watch)
    } else {
        land_in_scratch(source, groups, plans, store, watch)
    }
}

fn land_in_memory(
    source: &Source,
    groups: &[RowGroup],
    plans: &[LandPlan],
    store: &mut Store,
    watch: Watch<'_>,
) -> Result<Vec<Tally>> {
    let layout = store.layout();
    let start = groups.first().map_or(0, |g| g.first_row);
    let extents = groups.iter().map(|g| (g.first_row - start, g.rows)).collect();
    let arena = store.arena_mut().ok_or_else(|| Error::Internal("the store is not in memory".into()))?;
    let landing = Landing::new(layout, arena, extents);
    let tasks: Vec<(usize, usize)> = (0..groups.len()).flat_map(|g| (0..plans.len()).map(move |f| (g, f))).collect();
    let tallies: Vec<Tally> = tasks
        .into_par_iter()
        .with_max_len(1)
        .map_init(
            || Vec::with_capacity(BATCH_ROWS),
            |landed, (g, f)| {
                let mut lander = ColumnLander::open(source, groups[g], plans[f])?;
                let mut cells =
                    landing.claim(g, f).ok_or_else(|| Error::Internal("cells were claimed twice".into()))?;
                loop {
                    watch.check()?;
                    landed.clear();
                    if !lander.next(landed)? {
                        break;
                    }
                    if !cells.push(landed) {
                        return Err(wrong_rows(source, groups[g], plans[f].column));
                    }
                }
                if !cells.is_full() {
                    return Err(wrong_rows(source, groups[g], plans[f].column));
                }
                watch.advance(Stage::Decode, groups[g].rows);
                Ok(lander.finish())
            },
        )
        .collect::<Result<_>>()?;
    let merged = |f: usize| tallies.iter().skip(f).step_by(plans.len()).fold(Tally::EMPTY, |a, &b| a.merge(b));
    Ok((0..plans.len()).map(merged).collect())
}

/// A column's way through all row groups, with landed values that wait for the next chunk.
struct Cursor<'a> {
    plan: LandPlan,
    groups: std::slice::Iter<'a, RowGroup>,
    current: Option<(ColumnLander<'a>, RowGroup, u64)>,
    waiting: Vec<f32>,
    tally: Tally,
}

impl<'a> Cursor<'a> {
    /// Makes at least `rows` values wait.
    fn advance(&mut self, source: &'a Source, rows: usize) -> Result<()> {
        while self.waiting.len() < rows {
            let Some((lander, group, seen)) = &mut self.current else {
                let group = *self.groups.next().ok_or_else(|| Error::Internal("more rows than row groups".into()))?;
                self.current = Some((ColumnLander::open(source, group, self.plan)?, group, 0));
                continue;
            };
            let before = self.waiting.len();
            if lander.next(&mut self.waiting)? {
                *seen += (self.waiting.len() - before) as u64;
                if *seen <= group.rows {
                    continue;
                }
            }
            if *seen != group.rows {
                return Err(wrong_rows(source, *group, self.plan.column));
            }
            self.close();
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some((lander, ..)) = self.current.take() {
            self.tally = self.tally.merge(lander.finish());
        }
    }
}

fn land_in_scratch(
    source: &Source,
    groups: &[RowGroup],
    plans: &[LandPlan],
    store: &mut Store,
    watch: Watch<'_>,
) -> Result<Vec<Tally>> {
    let layout = store.layout();
    let new = |&plan| Cursor { plan, groups: groups.iter(), current: None, waiting: Vec::new(), tally: Tally::EMPTY };
    let mut cursors: Vec<Cursor<'_>> = plans.iter().map(new).collect();
    let mut chunk = vec![0f32; layout.chunk_floats()];
    for i in 0..layout.chunks() {
        watch.check()?;
        let rows = layout.rows_in(i);
        cursors.par_iter_mut().with_max_len(1).try_for_each(|c| c.advance(source, rows))?;
        let chunk = &mut chunk[..layout.floats_in(i)];
        interleave(&layout, &cursors, rows, chunk);
        cursors.iter_mut().for_each(|c| drop(c.waiting.drain(..rows)));
        store.write(i, chunk)?;
        watch.advance(Stage::Decode, (rows * plans.len()) as u64);
    }
    for cursor in &mut cursors {
        // Nothing may be left behind the last row.
        let end = cursor.waiting.is_empty();
        if let Some((lander, group, _)) = &mut cursor.current
            && (!end || lander.next(&mut cursor.waiting)?)
        {
            return Err(wrong_rows(source, *group, cursor.plan.column));
        }
        cursor.close();
    }
    Ok(cursors.into_iter().map(|c| c.tally).collect())
}

fn interleave(layout: &Layout, cursors: &[Cursor<'_>], rows: usize, chunk: &mut [f32]) {
    use super::layout::TILE_ROWS;
    let columns: Vec<&[f32]> = cursors.iter().map(|c| c.waiting.as_slice()).collect();
    chunk.par_chunks_exact_mut(layout.dim() * TILE_ROWS).enumerate().with_min_len(16).for_each(|(t, tile)| {
        let first = t * TILE_ROWS;
        let here = (rows - first).min(TILE_ROWS);
        for (cells, column) in tile.chunks_exact_mut(TILE_ROWS).zip(&columns) {
            cells[..here].copy_from_slice(&column[first..first + here]);
            cells[here..].fill(0.0);
        }
    });
}

fn wrong_rows(source: &Source, group: RowGroup, column: usize) -> Error {
    Error::Input(format!(
        "{}, row group {}, column {:?}: corrupt: it does not hold the {} values that the footer promises",
        source.files()[group.file].path.display(),
        group.index,
        source.columns()[column].name,
        group.rows
    ))
}
