//! A tile turned into rows of integers, for work that goes row by row.

use fearless_simd::prelude::*;

use crate::data::TILE_ROWS;

/// Features that stay together: one 128-bit register of i32.
pub(super) const PIECE: usize = 4;

/// [`PIECE`] features of the rows of a tile, row after row; past the last feature there are zeros.
pub(super) type Piece = [[i32; PIECE]; TILE_ROWS];

/// The integers of one tile as `dim / PIECE` pieces.
pub(super) struct IntegerRows {
    pieces: Vec<Piece>,
}

impl IntegerRows {
    pub(super) fn new(dim: usize) -> Self {
        IntegerRows { pieces: vec![[[0; PIECE]; TILE_ROWS]; dim.div_ceil(PIECE)] }
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Takes the values of a tile: registers of four features are zipped twice, which leaves rows of four.
    #[inline(always)]
    pub(super) fn load<S: Simd>(&mut self, simd: S, tile: &[[f32; TILE_ROWS]]) {
        let lanes = S::f32s::LEN;
        for (piece, features) in self.pieces.iter_mut().zip(tile.chunks(PIECE)) {
            let out = piece.as_flattened_mut();
            for first in (0..TILE_ROWS).step_by(lanes) {
                let mut x = [S::i32s::splat(simd, 0); PIECE];
                for (x, feature) in x.iter_mut().zip(features) {
                    *x = S::f32s::from_slice(simd, &feature[first..first + lanes]).to_int();
                }
                let (low, high) = (x[0].zip_low(x[2]), x[0].zip_high(x[2]));
                let (low_odd, high_odd) = (x[1].zip_low(x[3]), x[1].zip_high(x[3]));
                let zipped =
                    [low.zip_low(low_odd), low.zip_high(low_odd), high.zip_low(high_odd), high.zip_high(high_odd)];
                for (i, zipped) in zipped.into_iter().enumerate() {
                    zipped.store_slice(&mut out[first * PIECE + i * lanes..][..lanes]);
                }
            }
        }
    }
}
