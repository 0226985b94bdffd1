//! Landing in a scratch file: all units advance together, and each chunk is written once it is complete.

use rayon::prelude::*;

use super::unit::{LandPlan, LandRows, Landed, UnitLander, UnitTallies};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::input::RowGroup;
use crate::tiles::{Layout, Store, TILE_ROWS};

/// One unit's progress through all row groups, with landed values that wait for the next chunk.
struct Cursor<'a> {
    plan: &'a LandPlan,
    groups: std::slice::Iter<'a, RowGroup>,
    /// The row group being read, and how many of its rows have landed.
    current: Option<(UnitLander<'a>, RowGroup, u64)>,
    /// By output.
    waiting: Vec<Vec<f32>>,
    found: Vec<UnitTallies>,
}

impl<'a> Cursor<'a> {
    /// Reads until at least `rows` values of every output wait.
    fn advance(&mut self, from: &LandRows<'a>, rows: usize) -> Result<()> {
        while self.waiting[0].len() < rows {
            let Some((lander, group, seen)) = &mut self.current else {
                let group = *self.groups.next().ok_or_else(|| Error::Internal("more rows than row groups".into()))?;
                self.current = Some((UnitLander::open(from, group, self.plan)?, group, 0));
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

    /// Ends the current row group.
    fn close(&mut self) {
        if let Some((lander, ..)) = self.current.take() {
            self.found.push(lander.finish());
        }
    }
}

/// Lands row groups in a store that is in a scratch file.
pub(super) fn land_in_scratch(
    from: LandRows<'_>,
    plans: &[LandPlan],
    store: &mut Store,
    watch: Watch<'_>,
) -> Result<Landed> {
    let layout = store.layout();
    let mut cursors: Vec<Cursor<'_>> = plans
        .iter()
        .map(|plan| {
            let waiting = vec![Vec::new(); plan.outputs.len()];
            Cursor { plan, groups: from.groups.iter(), current: None, waiting, found: Vec::new() }
        })
        .collect();
    let columns: usize = plans.iter().map(|p| p.columns.len()).sum();
    let mut chunk = vec![0f32; layout.chunk_floats()];
    for i in 0..layout.chunks() {
        watch.check()?;
        let rows = layout.rows_in(i);
        cursors.par_iter_mut().with_max_len(1).try_for_each(|c| c.advance(&from, rows))?;
        let chunk = &mut chunk[..layout.floats_in(i)];
        interleave(&layout, &cursors, rows, chunk);
        cursors.iter_mut().flat_map(|c| &mut c.waiting).for_each(|waiting| drop(waiting.drain(..rows)));
        store.write(i, chunk)?;
        watch.advance(Stage::Decode, (rows * columns) as u64);
    }
    for cursor in &mut cursors {
        // No values may be left after the last row.
        let end = cursor.waiting[0].is_empty();
        if let Some((lander, ..)) = &mut cursor.current
            && (!end || lander.next(&mut cursor.waiting)?)
        {
            return Err(lander.wrong_rows());
        }
        cursor.close();
    }
    Ok(Landed::gather(plans, layout.dim(), cursors.into_iter().map(|c| c.found).collect()))
}

/// Puts the first `rows` waiting values of every feature in the tiles of a chunk.
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
