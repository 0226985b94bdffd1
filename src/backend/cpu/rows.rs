//! A transposed tile, for row-wise work: `rows x stride` values, row-major.

use fearless_simd::prelude::*;

use crate::tiles::TILE_ROWS;

/// Rows are zero-padded to a multiple of this: the f32 lanes of the widest register.
const ALIGN: usize = 16;

/// `dim` padded to whole registers of any level.
pub(super) fn stride(dim: usize) -> usize {
    dim.next_multiple_of(ALIGN)
}

/// Room for the rows of one tile.
pub(super) struct Rows {
    stride: usize,
    values: Vec<f32>,
}

impl Rows {
    pub(super) fn new(dim: usize) -> Self {
        Rows { stride: stride(dim), values: vec![0.0; stride(dim) * TILE_ROWS] }
    }

    /// One of the rows loaded last, padded.
    #[inline(always)]
    pub(super) fn row(&self, r: usize) -> &[f32] {
        &self.values[r * self.stride..][..self.stride]
    }

    /// Loads the rows of a tile that are set in `wanted`, and perhaps others. Transposing a whole register is faster
    /// than fetching even two of its rows one by one.
    #[inline(always)]
    pub(super) fn load<S: Simd>(&mut self, simd: S, tile: &[[f32; TILE_ROWS]], wanted: u64) {
        let lanes = S::f32s::LEN;
        for first in (0..TILE_ROWS).step_by(lanes) {
            let here = wanted >> first & (u64::MAX >> (64 - lanes));
            if here == 0 {
                continue;
            }
            if here.is_power_of_two() {
                let r = first + here.trailing_zeros() as usize;
                for (value, feature) in self.values[r * self.stride..].iter_mut().zip(tile) {
                    *value = feature[r % TILE_ROWS];
                }
                continue;
            }
            for (f, features) in tile.chunks(lanes).enumerate() {
                let mut block = [S::f32s::splat(simd, 0.0); ALIGN];
                for (line, feature) in block.iter_mut().zip(features) {
                    *line = S::f32s::from_slice(simd, &feature[first..first + lanes]);
                }
                transpose(&mut block);
                for (r, line) in block.iter().enumerate().take(lanes) {
                    line.store_slice(&mut self.values[(first + r) * self.stride + f * lanes..][..lanes]);
                }
            }
        }
    }
}

/// Transposes the first `LEN x LEN` values: each round of a perfect shuffle moves one bit of the row number into the
/// lane number.
#[inline(always)]
fn transpose<S: Simd, V: SimdBase<S>>(block: &mut [V; ALIGN]) {
    let mut round = 1;
    while round < V::LEN {
        let old = *block;
        for i in 0..V::LEN / 2 {
            let (a, b) = (old[i], old[i + V::LEN / 2]);
            block[2 * i] = a.zip_low(b);
            block[2 * i + 1] = a.zip_high(b);
        }
        round *= 2;
    }
}

/// The positions of the set bits.
#[inline(always)]
pub(super) fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(
        #[inline(always)]
        move || {
            let bit = set.trailing_zeros() as usize;
            set &= set.wrapping_sub(1);
            (bit < TILE_ROWS).then_some(bit)
        },
    )
}
