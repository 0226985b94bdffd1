//! Rows that cannot change: how far centroids may still move before a row's label might be another.
//!
//! Hamerly's bound (*Making k-means even faster*, SDM 2010), as one number a row. Let `u` be no less than the distance of
//! a row to its own centroid `a`, and `l` no more than that to any other. While `l > u`, the label is certain, and no
//! tie. When every centroid `j` moves by `m_j`, `l - u` shrinks by at most `m_a + max(m_j, j != a)`. These steps depend
//! on the segment alone and are summed in [`Drift`]: a row keeps `until`, its `l - u` plus the sum at the time when it was
//! last looked at, and is certain while `until` exceeds the sum of today. So a row that is skipped is only read, and a
//! tile whose smallest `until` holds is not even that.
//!
//! Everything is f32 and rounded to the safe side: [`SHRINK`] is more than the rounding of the operations before it.

use fearless_simd::prelude::*;

use super::kernel::Winners;
use crate::backend::{Centroids, Certificate, distance2};
use crate::data::TILE_ROWS;

/// Covers up to four roundings of 2^-24 each.
const SHRINK: f32 = 1.0 - 1.0 / (1 << 22) as f32;

/// How far the centroids moved, by segment, in grid units, since the session began.
pub(super) struct Drift {
    centroids: Centroids,
    /// Sum over the passes of a centroid's own move and the largest move of another.
    by_segment: Vec<f64>,
    /// Sum over the passes of the largest of these.
    most: f64,
}

impl Drift {
    pub(super) fn new(centroids: &Centroids) -> Self {
        Drift { centroids: centroids.clone(), by_segment: vec![0.0; centroids.k()], most: 0.0 }
    }

    /// Whether steps can be summed: there are as many segments as before.
    pub(super) fn follows(&self, next: &Centroids) -> bool {
        next.k() == self.centroids.k()
    }

    /// The centroids move to `next`.
    pub(super) fn advance(&mut self, next: &Centroids) {
        let moves: Vec<f64> =
            self.centroids.iter().zip(next.iter()).map(|(a, b)| (distance2(a, b) as f64).sqrt()).collect();
        let (mut largest, mut second) = (0.0, 0.0);
        for &m in &moves {
            (largest, second) = if m > largest { (m, largest) } else { (largest, f64::max(second, m)) };
        }
        for (sum, &m) in self.by_segment.iter_mut().zip(&moves) {
            *sum += m + if m == largest { second } else { largest };
        }
        self.most += largest + second;
        self.centroids = next.clone();
    }

    /// The sums, rounded both ways. What f64 rounded before is far below the last place of f32.
    pub(super) fn spent(&self) -> Spent {
        let up = |x: f64| (x as f32).next_up();
        let down = |x: f64| (x as f32).next_down();
        Spent {
            up: self.by_segment.iter().map(|&x| up(x)).collect(),
            down: self.by_segment.iter().map(|&x| down(x)).collect(),
            most_up: up(self.most),
            most_down: down(self.most),
        }
    }
}

/// What [`Drift`] comes to before a pass, rounded up and down.
#[derive(Default)]
pub(super) struct Spent {
    up: Vec<f32>,
    down: Vec<f32>,
    most_up: f32,
    most_down: f32,
}

/// The bounds of the rows of one chunk.
#[derive(Default)]
pub(super) struct Bounds {
    /// By row.
    until: Vec<f32>,
    /// By tile: the smallest `l - u` of its rows plus [`Drift::most`] at the time when it was known.
    least: Vec<f32>,
}

impl Bounds {
    /// Nothing is known of any row.
    pub(super) fn clear(&mut self) {
        *self = Bounds::default();
    }

    /// Makes room for the rows of `tiles` tiles; of new ones nothing is known.
    pub(super) fn resize(&mut self, tiles: usize) {
        self.until.resize(tiles * TILE_ROWS, f32::NEG_INFINITY);
        self.least.resize(tiles, f32::NEG_INFINITY);
    }

    /// Whether no row of a tile can have another label.
    #[inline(always)]
    pub(super) fn holds(&self, tile: usize, spent: &Spent) -> bool {
        self.least[tile] > spent.most_up
    }

    /// A bit for every row of a tile whose label may be another than `labels`. Of the others the smallest bound is
    /// noted for the tile: those that are looked at are to be noted by [`note`](Bounds::note).
    #[inline(always)]
    pub(super) fn examine(&mut self, tile: usize, labels: &[u16], spent: &Spent) -> u64 {
        let until = &self.until[tile * TILE_ROWS..][..TILE_ROWS];
        let labels = &labels[tile * TILE_ROWS..][..TILE_ROWS];
        let mut left = [0.0; TILE_ROWS];
        for r in 0..TILE_ROWS {
            // A row that has no label yet has no bound either.
            left[r] = until[r] - spent.up.get(usize::from(labels[r])).copied().unwrap_or(0.0);
        }
        let mut open = 0;
        let mut least = f32::INFINITY;
        for (r, left) in left.into_iter().enumerate() {
            let holds = left > 0.0;
            open |= u64::from(!holds) << r;
            least = least.min(if holds { left } else { f32::INFINITY });
        }
        self.least[tile] = (least * SHRINK + spent.most_down) * SHRINK;
        open
    }

    /// Notes what was found of one row: `left` is at most `l - u`.
    #[inline(always)]
    pub(super) fn note(&mut self, row: usize, label: u32, left: f32, spent: &Spent) {
        self.until[row] = (left + spent.down[label as usize]) * SHRINK;
        let least = &mut self.least[row / TILE_ROWS];
        *least = least.min((left + spent.most_down) * SHRINK);
    }

    /// Notes what was found of all rows of a tile that are `there`.
    #[inline(always)]
    pub(super) fn note_tile(
        &mut self,
        tile: usize,
        there: u64,
        labels: &[u32; TILE_ROWS],
        left: &[f32; TILE_ROWS],
        spent: &Spent,
    ) {
        let until = &mut self.until[tile * TILE_ROWS..][..TILE_ROWS];
        let mut least = f32::INFINITY;
        for r in 0..TILE_ROWS {
            let is_there = there >> r & 1 == 1;
            until[r] = (left[r] + spent.down[labels[r] as usize]) * SHRINK;
            least = least.min(if is_there { left[r] } else { f32::INFINITY });
        }
        self.least[tile] = (least + spent.most_down) * SHRINK;
    }
}

/// At most `l - u` for every row of a tile, from its scores; nothing (minus infinity) for the rows of `open`, whose
/// scores are too close to tell.
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
    let mut slack = [0.0; TILE_ROWS];
    for r in 0..TILE_ROWS {
        slack[r] = certificate.slack[winners.labels[r] as usize];
    }
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
        let slack = S::f32s::from_slice(simd, &slack[here.clone()]);
        let upper = (best + slack + norm * above).max(zero).sqrt() * (2.0 - SHRINK);
        let lower = (second + norm * below).max(zero).sqrt() * SHRINK;
        let open = S::mask32s::from_bitmask(simd, open >> first);
        open.select(nothing, (lower - upper) * SHRINK).store_slice(&mut left[here]);
    }
    left
}
