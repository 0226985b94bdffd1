//! Rows from here and there in a chunk, brought together into one tile, so that no lane works for a row that is skipped.

use fearless_simd::prelude::*;

use super::judge::Tile;
use crate::data::TILE_ROWS;

/// Up to one tile of rows to work on, and up to one more that wait.
pub(super) struct Gathered {
    /// By feature.
    waiting: Vec<[f32; 2 * TILE_ROWS]>,
    values: Vec<[f32; TILE_ROWS]>,
    /// Positions in the chunk of the rows that wait.
    rows: [u32; 2 * TILE_ROWS],
    len: usize,
    /// An upper bound of the squared norms of the rows that wait.
    norm2: f32,
    weights: [u32; TILE_ROWS],
}

impl Gathered {
    pub(super) fn new(dim: usize) -> Self {
        Gathered {
            waiting: vec![[0.0; 2 * TILE_ROWS]; dim],
            values: vec![[0.0; TILE_ROWS]; dim],
            rows: [0; 2 * TILE_ROWS],
            len: 0,
            norm2: 0.0,
            weights: [1; TILE_ROWS],
        }
    }

    /// Rows that wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes the rows of a tile that are set in `wanted`; `first` is the position in the chunk of the tile's first row.
    /// Fewer than [`TILE_ROWS`] rows may be waiting.
    #[inline(always)]
    pub(super) fn take<S: Simd>(&mut self, simd: S, tile: Tile<'_>, first: usize, wanted: u64) {
        let lanes = S::f32s::LEN;
        for part in (0..TILE_ROWS).step_by(lanes) {
            let here = wanted >> part & (u64::MAX >> (64 - lanes));
            if here == 0 {
                continue;
            }
            let mask = S::mask32s::from_bitmask(simd, here);
            for (out, feature) in self.waiting.iter_mut().zip(tile.values) {
                let packed = S::f32s::from_slice(simd, &feature[part..part + lanes]).compress(mask);
                packed.store_slice(&mut out[self.len..self.len + lanes]);
            }
            for r in super::rows::bits(here) {
                self.rows[self.len] = (first + part + r) as u32;
                self.len += 1;
            }
        }
        self.norm2 = self.norm2.max(tile.norm2);
    }

    /// The first rows of those that waited as a tile, and their positions in the chunk. `weights` are the chunk's.
    #[inline(always)]
    pub(super) fn next(&mut self, weights: Option<&[u32]>) -> Option<(Tile<'_>, [u32; TILE_ROWS])> {
        if self.len == 0 {
            return None;
        }
        let n = self.len.min(TILE_ROWS);
        for (values, waiting) in self.values.iter_mut().zip(&mut self.waiting) {
            let (now, later) = waiting.split_at_mut(TILE_ROWS);
            values.copy_from_slice(now);
            now.copy_from_slice(later);
        }
        let (now, later) = self.rows.split_at_mut(TILE_ROWS);
        let mut rows = [0; TILE_ROWS];
        rows.copy_from_slice(now);
        now.copy_from_slice(later);
        if let Some(weights) = weights {
            for (weight, &row) in self.weights.iter_mut().zip(&rows[..n]) {
                *weight = weights[row as usize];
            }
        }
        let tile = Tile {
            values: &self.values,
            there: u64::MAX >> (TILE_ROWS - n),
            norm2: self.norm2,
            weights: weights.map(|_| &self.weights[..]),
        };
        self.len -= n;
        if self.len == 0 {
            self.norm2 = 0.0;
        }
        Some((tile, rows))
    }
}
