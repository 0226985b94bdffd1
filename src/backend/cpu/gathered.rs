//! Gathers scattered rows of a chunk into one tile, so that no lane works on a skipped row.

use fearless_simd::prelude::*;

use super::judge::Tile;
use super::rows::bits;
use crate::tiles::TILE_ROWS;

/// A tile of gathered rows, and the rows waiting for the next one.
pub(super) struct Gathered {
    values: Vec<[f32; TILE_ROWS]>,
    /// Waiting rows, by feature: fewer than a tile before another tile is added, plus a register that may be half
    /// empty.
    waiting: Vec<[f32; 2 * TILE_ROWS + 16]>,
    /// Their positions in the chunk.
    at: [u32; 2 * TILE_ROWS],
    len: usize,
    /// An upper bound of their squared norms.
    norm2: f32,
    weights: [u32; TILE_ROWS],
}

impl Gathered {
    pub(super) fn new(dim: usize) -> Self {
        Gathered {
            values: vec![[0.0; TILE_ROWS]; dim],
            waiting: vec![[0.0; 2 * TILE_ROWS + 16]; dim],
            at: [0; 2 * TILE_ROWS],
            len: 0,
            norm2: 0.0,
            weights: [1; TILE_ROWS],
        }
    }

    /// The number of waiting rows.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes the rows of a tile that are set in `wanted`; `first` is the position in the chunk of the tile's first row.
    /// Fewer than [`TILE_ROWS`] rows may be waiting.
    #[inline(always)]
    pub(super) fn take<S: Simd>(&mut self, simd: S, tile: Tile<'_>, first: usize, wanted: u64) {
        let lanes = S::f32s::LEN;
        // The parts of the tile with wanted rows: their start, the rows, and their destination.
        let mut parts = [(0, 0, 0); TILE_ROWS / 4];
        let (mut n, mut to) = (0, self.len);
        for part in (0..TILE_ROWS).step_by(lanes) {
            let here = wanted >> part & (u64::MAX >> (64 - lanes));
            if here != 0 {
                parts[n] = (part, here, to);
                n += 1;
                to += here.count_ones() as usize;
            }
        }
        // Front to back, the order that prefetchers expect.
        for (out, feature) in self.waiting.iter_mut().zip(tile.values) {
            for &(part, here, to) in &parts[..n] {
                let mask = S::mask32s::from_bitmask(simd, here);
                let packed = S::f32s::from_slice(simd, &feature[part..part + lanes]).compress(mask);
                packed.store_slice(&mut out[to..to + lanes]);
            }
        }
        for r in bits(wanted) {
            self.at[self.len] = (first + r) as u32;
            self.len += 1;
        }
        self.norm2 = self.norm2.max(tile.norm2);
    }

    /// The first waiting rows as a tile, and their positions in the chunk (only the leading ones are valid). `weights`
    /// are the chunk's.
    #[inline(always)]
    pub(super) fn next(&mut self, weights: Option<&[u32]>) -> Option<(Tile<'_>, [u32; TILE_ROWS])> {
        if self.len == 0 {
            return None;
        }
        let n = self.len.min(TILE_ROWS);
        for (values, waiting) in self.values.iter_mut().zip(&mut self.waiting) {
            values.copy_from_slice(&waiting[..TILE_ROWS]);
            waiting.copy_within(TILE_ROWS..2 * TILE_ROWS, 0);
        }
        let mut at = [0; TILE_ROWS];
        at.copy_from_slice(&self.at[..TILE_ROWS]);
        self.at.copy_within(TILE_ROWS.., 0);
        if let Some(weights) = weights {
            for (weight, &at) in self.weights.iter_mut().zip(&at[..n]) {
                *weight = weights[at as usize];
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
        Some((tile, at))
    }
}
