//! Bounds that prove a row's label unchanged: how far centroids may still move before it could change.
//!
//! Hamerly's bound (*Making k-means even faster*, SDM 2010), stored as one number per row. Let `u` be an upper bound of
//! the distance from a row to its own centroid, and `l` a lower bound of the distance to any other. While `l > u`, the
//! label is certain and not a tie. In each pass `l - u` shrinks by at most the sum of the two largest centroid moves.
//! [`Drift`] accumulates these sums: a row stores `until`, its `l - u` plus the drift when it was last evaluated, and
//! its label is certain while `until` exceeds the current drift. A skipped row costs one comparison; in a tile whose
//! smallest `until` still holds, not even that.
//!
//! (Bounding each segment by its own move and the largest other move lets a fifth fewer rows through, but the lookup
//! takes as long as evaluating those rows.)
//!
//! All arithmetic is f32. Positive values are rounded to the safe side: [`SHRINK`] exceeds the rounding error of the
//! operations before it. Negative bounds never hold, however they are rounded: their `until` is below the current
//! drift, which only grows.

use fearless_simd::prelude::*;

use super::kernel::Winners;
use crate::backend::{Centroids, Certificate, distance2};
use crate::tiles::TILE_ROWS;

/// Covers up to four roundings of 2^-24 each.
const SHRINK: f32 = 1.0 - 1.0 / (1 << 22) as f32;

/// How far the centroids have moved since the session began.
pub(super) struct Drift {
    centroids: Centroids,
    /// Sum over the passes of the two largest moves, in grid units.
    sum: f64,
}

impl Drift {
    pub(super) fn new(centroids: &Centroids) -> Self {
        Drift { centroids: centroids.clone(), sum: 0.0 }
    }

    /// Whether moves can be accumulated: the number of segments is unchanged.
    pub(super) fn follows(&self, next: &Centroids) -> bool {
        next.k() == self.centroids.k()
    }

    /// Adds the moves from the current centroids to `next`.
    pub(super) fn advance(&mut self, next: &Centroids) {
        let (mut largest, mut second) = (0, 0);
        for moved in self.centroids.iter().zip(next.iter()).map(|(a, b)| distance2(a, b)) {
            (largest, second) = (largest.max(moved), second.max(moved.min(largest)));
        }
        self.sum += (largest as f64).sqrt() + (second as f64).sqrt();
        self.centroids = next.clone();
    }

    /// The drift, rounded both ways. Earlier f64 rounding is far below the last place of f32.
    pub(super) fn spent(&self) -> Spent {
        Spent { up: (self.sum as f32).next_up(), down: (self.sum as f32).next_down() }
    }
}

/// The sum of [`Drift`] before a pass, rounded up and down.
#[derive(Clone, Copy)]
pub(super) struct Spent {
    up: f32,
    down: f32,
}

/// The bounds of the rows of one chunk.
#[derive(Default)]
pub(super) struct Bounds {
    /// By row.
    until: Vec<f32>,
    /// By tile, the smallest of its rows.
    least: Vec<f32>,
}

impl Bounds {
    /// Forgets all bounds.
    pub(super) fn clear(&mut self) {
        *self = Bounds::default();
    }

    /// Makes room for the rows of `tiles` tiles; new rows have no bound. Returns whether there were any bounds before.
    pub(super) fn resize(&mut self, tiles: usize) -> bool {
        let known = !self.least.is_empty();
        self.until.resize(tiles * TILE_ROWS, f32::NEG_INFINITY);
        self.least.resize(tiles, f32::NEG_INFINITY);
        known
    }

    /// A bit for every row of a tile whose label may have changed. The caller must [note](Bounds::note) them again.
    #[inline(always)]
    pub(super) fn open<S: Simd>(&mut self, simd: S, tile: usize, spent: Spent) -> u64 {
        if self.least[tile] > spent.up {
            return 0;
        }
        let until = &self.until[tile * TILE_ROWS..][..TILE_ROWS];
        let lanes = S::f32s::LEN;
        let (up, never) = (S::f32s::splat(simd, spent.up), S::f32s::splat(simd, f32::INFINITY));
        let (mut open, mut least) = (0, never);
        for first in (0..TILE_ROWS).step_by(lanes) {
            let until = S::f32s::from_slice(simd, &until[first..first + lanes]);
            let holds = until.simd_gt(up);
            open |= (!holds).to_bitmask() << first;
            least = least.min(holds.select(until, never));
        }
        self.least[tile] = least.reduce_min();
        open
    }

    /// Records the bound of one row: `left` is at most `l - u`.
    #[inline(always)]
    pub(super) fn note(&mut self, row: usize, left: f32, spent: Spent) {
        let until = (left + spent.down) * SHRINK;
        self.until[row] = until;
        let least = &mut self.least[row / TILE_ROWS];
        *least = least.min(until);
    }

    /// Records the bounds of all rows of a tile. Rows that are not `there` never change.
    #[inline(always)]
    pub(super) fn note_tile<S: Simd>(
        &mut self,
        simd: S,
        tile: usize,
        there: u64,
        left: &[f32; TILE_ROWS],
        spent: Spent,
    ) {
        let out = &mut self.until[tile * TILE_ROWS..][..TILE_ROWS];
        let lanes = S::f32s::LEN;
        let never = S::f32s::splat(simd, f32::INFINITY);
        let mut least = never;
        for first in (0..TILE_ROWS).step_by(lanes) {
            let until = (S::f32s::from_slice(simd, &left[first..first + lanes]) + spent.down) * SHRINK;
            let until = S::mask32s::from_bitmask(simd, there >> first).select(until, never);
            until.store_slice(&mut out[first..first + lanes]);
            least = least.min(until);
        }
        self.least[tile] = least.reduce_min();
    }
}

/// A lower bound of `l - u` for every row of a tile, from its scores; minus infinity (no bound) for the rows of `open`,
/// whose scores are too close to decide.
///
/// `u` and `l` are the two distances that [`Certificate`] encloses.
#[inline(always)]
pub(super) fn left<S: Simd>(
    simd: S,
    tile: &[[f32; TILE_ROWS]],
    winners: &Winners,
    certificate: &Certificate,
    open: u64,
) -> [f32; TILE_ROWS] {
    let lanes = S::f32s::LEN;
    let mut left = [0.0; TILE_ROWS];
    let (above, below) = (certificate.norm_above, certificate.norm_below);
    let zero = S::f32s::splat(simd, 0.0);
    let nothing = S::f32s::splat(simd, f32::NEG_INFINITY);
    for first in (0..TILE_ROWS).step_by(lanes) {
        let here = first..first + lanes;
        let mut norm = zero;
        for feature in tile {
            let x = S::f32s::from_slice(simd, &feature[here.clone()]);
            norm = x.mul_add(x, norm);
        }
        let best = S::f32s::from_slice(simd, &winners.best[here.clone()]);
        let second = S::f32s::from_slice(simd, &winners.second[here.clone()]);
        let upper = (best + certificate.max_slack + norm * above).max(zero).sqrt() * (2.0 - SHRINK);
        let lower = (second + norm * below).max(zero).sqrt() * SHRINK;
        let open = S::mask32s::from_bitmask(simd, open >> first);
        open.select(nothing, (lower - upper) * SHRINK).store_slice(&mut left[here]);
    }
    left
}
