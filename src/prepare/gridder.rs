//! Landed values to grid integers.

use std::sync::{Mutex, PoisonError};

use fearless_simd::Simd;

use super::counts::ValueCounts;
use crate::error::Result;
use crate::event::Stage;
use crate::run::Run;
use crate::simd::Work;
use crate::tiles::{Measured, Measuring, Store, TILE_ROWS};

/// A column's constants, ready for use on landed values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gridder {
    pub(crate) shift: f64,
    pub(crate) factor: f64,
    pub(crate) limit: f64,
    pub(crate) fill: f32,
    /// Landed values beyond these are moved to them.
    pub(crate) winsor: Option<(f32, f32)>,
    /// Landed values beyond these were not seen in the fit; None: they are not counted.
    pub(crate) seen: Option<(f32, f32)>,
}

/// Adding and subtracting it rounds a smaller f64 to the nearest integer, half to even.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

impl Gridder {
    /// Whether every finite value gets a grid integer.
    pub(crate) fn is_finite(&self) -> bool {
        self.shift.is_finite() && self.factor.is_finite()
    }

    /// The grid integer of a landed value, as f32, and whether it was clipped.
    #[inline(always)]
    pub(crate) fn grid(&self, landed: f32) -> (f32, bool) {
        let exact = (f64::from(landed) + self.shift) * self.factor;
        let rounded = ((exact.clamp(-self.limit, self.limit) + ROUND) - ROUND) as f32;
        let missing = landed.is_nan();
        // Values beyond the range of f32 have landed on its ends.
        let beyond = (exact.abs() > self.limit) | (landed.abs() == f32::MAX);
        (if missing { self.fill } else { rounded }, !missing & beyond)
    }
}

/// How many values of a tile were moved. Small integers, which fit SIMD registers; [`ValueCounts`] adds them up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Moved {
    /// Moved to the clip.
    pub(crate) clipped: u32,
    /// Moved to a quantile.
    pub(crate) winsorised: u32,
    /// Outside the range of the fit.
    pub(crate) outside: u32,
}

/// Grids landed values into as many cells; returns how many were moved.
pub(crate) struct Grid<'a> {
    pub(crate) gridder: Gridder,
    pub(crate) landed: &'a [f32],
    pub(crate) cells: &'a mut [f32],
}

impl From<Moved> for ValueCounts {
    fn from(Moved { clipped, winsorised, outside }: Moved) -> Self {
        let [clipped, winsorised, outside] = [clipped, winsorised, outside].map(u64::from);
        ValueCounts { clipped, winsorised, outside, ..ValueCounts::default() }
    }
}

impl Work for Grid<'_> {
    type Output = Moved;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> Moved {
        let mut moved = Moved::default();
        // Counts are at most the 64 rows of a tile. Wrapping additions let the compiler use SIMD.
        if let Some((low, high)) = self.gridder.seen {
            for &v in self.landed {
                moved.outside = moved.outside.wrapping_add(u32::from((v < low) | (v > high)));
            }
        }
        // NaN is missing: it is beyond no bound and stays NaN.
        let (low, high) = self.gridder.winsor.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        if self.gridder.winsor.is_some() {
            for &v in self.landed {
                moved.winsorised = moved.winsorised.wrapping_add(u32::from((v < low) | (v > high)));
            }
        }
        for (cell, &landed) in self.cells.iter_mut().zip(self.landed) {
            let within = if landed < low {
                low
            } else if landed > high {
                high
            } else {
                landed
            };
            let (value, was_clipped) = self.gridder.grid(within);
            *cell = value;
            moved.clipped = moved.clipped.wrapping_add(u32::from(was_clipped));
        }
        moved
    }
}

/// Turns landed values into grid integers, in place, and drops the features that are not in `grids`. Returns by feature
/// how many values were moved, and what was measured of the tiles while they were at hand.
pub(crate) fn to_grid(
    store: &mut Store,
    grids: &[(usize, Gridder)],
    weights: Option<&[u32]>,
    run: Run<'_>,
) -> Result<(Vec<ValueCounts>, Measured)> {
    let old = store.layout();
    let new = old.with_dim(grids.len());
    let measuring = Measuring::new(old.rows(), weights, run.simd);
    let totals = Mutex::new(vec![ValueCounts::default(); grids.len()]);
    store.rewrite(new, |i, values| {
        run.watch.check()?;
        let rows = old.rows_in(i);
        let mut counts = vec![ValueCounts::default(); grids.len()];
        for t in 0..old.tiles_in(i) {
            let here = (rows - t * TILE_ROWS).min(TILE_ROWS);
            for (f, (feature, gridder)) in grids.iter().enumerate() {
                let from = (t * old.dim() + feature) * TILE_ROWS;
                let to = (t * new.dim() + f) * TILE_ROWS;
                // `to` is never after `from`: nothing is overwritten before it is read.
                let mut cells = [0f32; TILE_ROWS];
                let moved =
                    run.simd.run(Grid { gridder: *gridder, landed: &values[from..from + here], cells: &mut cells });
                values[to..to + TILE_ROWS].copy_from_slice(&cells);
                if moved != Moved::default() {
                    counts[f] += moved.into();
                }
            }
        }
        let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.iter_mut().zip(counts).for_each(|(total, counts)| *total += counts);
        drop(totals);
        measuring.chunk(&new, i, values);
        run.watch.advance(Stage::Prepare, rows as u64);
        Ok(())
    })?;
    Ok((totals.into_inner().unwrap_or_else(PoisonError::into_inner), measuring.finish()))
}
