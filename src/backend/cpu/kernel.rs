//! The f32 filter: for every row of a tile, the centroid with the smallest score and the gap to the second.
//!
//! Input: a tile (feature-major, so that a register holds one feature of many rows) and the packed centroids. Output:
//! labels, best and second best scores, and the rows that are not certain. The accumulators for a block of rows times
//! [`COLUMNS`] centroids stay in registers, as do best, second best and label: there is no rows x centroids matrix.
//! Ties and near ties may go either way here; they count as uncertain and are decided elsewhere.

use fearless_simd::prelude::*;

use crate::backend::{Centroids, Certificate};
use crate::tiles::TILE_ROWS;

/// Centroids scored together.
pub(super) const COLUMNS: usize = 4;

/// Centroids in the order in which the kernel reads them: blocks of [`COLUMNS`], the last one narrower. A block of `w`
/// centroids is `w` start values, then `w` factors `-2 c` for each feature, which are exact in f32.
pub(super) struct Packed {
    values: Vec<f32>,
    /// f32 values in a whole block.
    block: usize,
    /// Centroids in the last, narrower block; may be 0.
    rest: usize,
}

impl Packed {
    pub(super) fn new(centroids: &Centroids, certificate: &Certificate) -> Self {
        let mut values = Vec::with_capacity(centroids.k() * (centroids.dim() + 1));
        let all: Vec<usize> = (0..centroids.k()).collect();
        for block in all.chunks(COLUMNS) {
            values.extend(block.iter().map(|&j| certificate.start[j]));
            for f in 0..centroids.dim() {
                values.extend(block.iter().map(|&j| -2.0 * centroids.row(j)[f] as f32));
            }
        }
        Packed { values, block: (centroids.dim() + 1) * COLUMNS, rest: centroids.k() % COLUMNS }
    }
}

/// The result of the filter for one tile.
pub(super) struct Winners {
    pub labels: [u32; TILE_ROWS],
    /// Best scores.
    pub best: [f32; TILE_ROWS],
    /// Second best scores; infinite for a single centroid.
    pub second: [f32; TILE_ROWS],
}

impl Winners {
    pub(super) fn new() -> Self {
        Winners { labels: [0; TILE_ROWS], best: [0.0; TILE_ROWS], second: [0.0; TILE_ROWS] }
    }

    /// Scores a tile (`dim` features of [`TILE_ROWS`] rows). Returns a bit for every row whose gap does not exceed
    /// `enough`. Without `SECOND` only labels are computed: no scores are kept and no gap is tested.
    #[inline(always)]
    pub(super) fn find<S: Simd, const R: usize, const SECOND: bool>(
        &mut self,
        simd: S,
        tile: &[[f32; TILE_ROWS]],
        packed: &Packed,
        enough: f32,
    ) -> u64 {
        let lanes = S::f32s::LEN;
        let mut narrow = 0;
        for first in (0..TILE_ROWS).step_by(R * lanes) {
            let mut rows = RowScores::<S, R, SECOND>::new(simd);
            let blocks = packed.values.chunks_exact(packed.block);
            let rest = blocks.remainder();
            for block in blocks {
                rows.score::<COLUMNS>(simd, tile, first, block);
            }
            match packed.rest {
                1 => rows.score::<1>(simd, tile, first, rest),
                2 => rows.score::<2>(simd, tile, first, rest),
                3 => rows.score::<3>(simd, tile, first, rest),
                _ => {}
            }
            for r in 0..R {
                let at = first + r * lanes;
                rows.label[r].store_slice(&mut self.labels[at..at + lanes]);
                if SECOND {
                    rows.best[r].store_slice(&mut self.best[at..at + lanes]);
                    rows.second[r].store_slice(&mut self.second[at..at + lanes]);
                    let gap = rows.second[r] - rows.best[r];
                    narrow |= gap.simd_le(S::f32s::splat(simd, enough)).to_bitmask() << at;
                }
            }
        }
        narrow
    }
}

/// The state of `R` registers of rows after some of the centroids.
struct RowScores<S: Simd, const R: usize, const SECOND: bool> {
    best: [S::f32s; R],
    /// Only with `SECOND`.
    second: [S::f32s; R],
    label: [S::u32s; R],
    /// Number of the next centroid, in every lane.
    next: S::u32s,
}

impl<S: Simd, const R: usize, const SECOND: bool> RowScores<S, R, SECOND> {
    #[inline(always)]
    fn new(simd: S) -> Self {
        let none = S::f32s::splat(simd, f32::INFINITY);
        let zero = S::u32s::splat(simd, 0);
        RowScores { best: [none; R], second: [none; R], label: [zero; R], next: zero }
    }

    /// Updates the state with a block of `C` more centroids; `first` is the tile's row in the first lane.
    #[inline(always)]
    fn score<const C: usize>(&mut self, simd: S, tile: &[[f32; TILE_ROWS]], first: usize, block: &[f32]) {
        let (lines, _) = block.as_chunks::<C>();
        let Some((start, factors)) = lines.split_first() else { return };
        let mut scores = [[self.best[0]; R]; C];
        for c in 0..C {
            scores[c] = [S::f32s::splat(simd, start[c]); R];
        }
        for (feature, factor) in tile.iter().zip(factors) {
            let mut x = [self.best[0]; R];
            for r in 0..R {
                x[r] = S::f32s::from_slice(simd, &feature[first + r * S::f32s::LEN..][..S::f32s::LEN]);
            }
            for c in 0..C {
                let factor = S::f32s::splat(simd, factor[c]);
                for r in 0..R {
                    scores[c][r] = x[r].mul_add(factor, scores[c][r]);
                }
            }
        }
        for score in scores {
            for (r, score) in score.into_iter().enumerate() {
                let wins = score.simd_lt(self.best[r]);
                if SECOND {
                    self.second[r] = self.second[r].min(self.best[r].max(score));
                }
                self.best[r] = self.best[r].min(score);
                self.label[r] = wins.select(self.next, self.label[r]);
            }
            self.next += 1;
        }
    }
}
