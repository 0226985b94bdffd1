//! Counts and sums by the rows that moved: what one worker adds to the totals of the session.

use fearless_simd::prelude::*;

use super::rows::{IntegerRows, PIECE};
use crate::backend::Partial;
use crate::data::TILE_ROWS;

/// The label of a row that has none yet.
pub(super) const NONE: u32 = u16::MAX as u32;

/// From so many moved rows in a tile it pays to turn the whole tile into rows first.
const DENSE: u32 = 12;

/// Rows that came less rows that went, by segment.
pub(super) struct Moves {
    counts: Vec<i64>,
    mass: Vec<i64>,
    /// `k x pieces`.
    sums: Vec<[i64; PIECE]>,
    pieces: usize,
    rows: IntegerRows,
}

/// The labels of a tile before and after, and a bit for every row for which they differ.
pub(super) struct Change<'a> {
    pub before: &'a [u32; TILE_ROWS],
    pub after: &'a [u32; TILE_ROWS],
    pub moved: u64,
}

impl Moves {
    pub(super) fn new(k: usize, dim: usize) -> Self {
        let pieces = dim.div_ceil(PIECE);
        Moves {
            counts: vec![0; k],
            mass: vec![0; k],
            sums: vec![[0; PIECE]; k * pieces],
            pieces,
            rows: IntegerRows::new(dim),
        }
    }

    /// Moves the rows of one tile; `weights` begins with the tile's first row.
    #[inline(always)]
    pub(super) fn record<S: Simd>(
        &mut self,
        simd: S,
        tile: &[[f32; TILE_ROWS]],
        weights: Option<&[u32]>,
        change: &Change<'_>,
    ) {
        let dense = change.moved.count_ones() >= DENSE;
        if dense {
            self.rows.load(simd, tile);
        }
        for r in bits(change.moved) {
            let weight = weights.map_or(1, |w| i64::from(w[r]));
            for (label, sign) in [(change.before[r], -1), (change.after[r], 1)] {
                if label == NONE {
                    continue;
                }
                let label = label as usize;
                self.counts[label] += sign;
                self.mass[label] += sign * weight;
                let sums = &mut self.sums[label * self.pieces..][..self.pieces];
                match (dense, weights.is_some()) {
                    (true, false) => add_pieces(
                        sums,
                        self.rows.pieces(),
                        r,
                        #[inline(always)]
                        |x| sign * x,
                    ),
                    (true, true) => add_pieces(
                        sums,
                        self.rows.pieces(),
                        r,
                        #[inline(always)]
                        |x| sign * weight * x,
                    ),
                    (false, _) => {
                        for (sum, feature) in sums.as_flattened_mut().iter_mut().zip(tile) {
                            *sum += sign * weight * i64::from(feature[r] as i32);
                        }
                    }
                }
            }
        }
    }

    /// Adds the moves to `totals`, which has at least as many segments.
    pub(super) fn merge_into(&self, totals: &mut Partial) {
        let dim = totals.dim();
        for (total, &moved) in totals.counts.iter_mut().zip(&self.counts) {
            *total = total.wrapping_add_signed(moved);
        }
        totals.mass.iter_mut().zip(&self.mass).for_each(|(total, moved)| *total += moved);
        for (total, moved) in totals.sums.chunks_exact_mut(dim).zip(self.sums.chunks_exact(self.pieces)) {
            total.iter_mut().zip(moved.as_flattened()).for_each(|(total, moved)| *total += moved);
        }
    }
}

/// Adds row `r`, through `weigh`, to the sums of its segment.
#[inline(always)]
fn add_pieces(sums: &mut [[i64; PIECE]], pieces: &[[[i32; PIECE]; TILE_ROWS]], r: usize, weigh: impl Fn(i64) -> i64) {
    for (sum, piece) in sums.iter_mut().zip(pieces) {
        for (sum, &x) in sum.iter_mut().zip(&piece[r]) {
            *sum += weigh(i64::from(x));
        }
    }
}

/// The numbers of the bits that are set.
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
