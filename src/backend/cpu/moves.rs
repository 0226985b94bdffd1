//! Net changes of counts and sums by the rows that moved: what one worker adds to the totals of the session.

use fearless_simd::prelude::*;

use super::rows::{Rows, bits, stride};
use crate::backend::CentroidSums;
use crate::tiles::TILE_ROWS;

/// The label of a row that has none yet.
pub(super) const NONE: u32 = u16::MAX as u32;

/// The type of the sums: integers, except in the benchmark that measures their cost.
pub(super) trait SegmentSum: Copy + Default {
    /// `sums += weight * row`. Both are zero-padded to whole registers.
    fn add_row<S: Simd>(simd: S, sums: &mut [Self], row: &[f32], weight: i64);

    /// The sum as an integer.
    fn whole(self) -> i64;
}

/// Net change per segment: rows gained minus rows lost.
pub(super) struct Moves<T = i64> {
    counts: Vec<i64>,
    mass: Vec<i64>,
    /// `k x stride`.
    sums: Vec<T>,
    stride: usize,
}

/// The labels of a tile before and after the pass, and a bit for every row whose label differs.
pub(super) struct TileChange<'a> {
    pub before: &'a [u32; TILE_ROWS],
    pub after: &'a [u32; TILE_ROWS],
    pub moved: u64,
}

impl<T: SegmentSum> Moves<T> {
    pub(super) fn new(k: usize, dim: usize) -> Self {
        Moves { counts: vec![0; k], mass: vec![0; k], sums: vec![T::default(); k * stride(dim)], stride: stride(dim) }
    }

    /// Adds the moves of the rows of one tile, loaded in `rows`; `weights` begins with the tile's first row.
    #[inline(always)]
    pub(super) fn record<S: Simd>(&mut self, simd: S, rows: &Rows, weights: Option<&[u32]>, change: &TileChange<'_>) {
        for r in bits(change.moved) {
            let weight = weights.map_or(
                1,
                #[inline(always)]
                |w| i64::from(w[r]),
            );
            for (label, sign) in [(change.before[r], -1), (change.after[r], 1)] {
                if label == NONE {
                    continue;
                }
                let label = label as usize;
                self.counts[label] += sign;
                self.mass[label] += sign * weight;
                T::add_row(simd, &mut self.sums[label * self.stride..][..self.stride], rows.row(r), sign * weight);
            }
        }
    }

    /// Adds the net changes to `totals`, which must have at least as many segments.
    pub(super) fn merge_into(&self, totals: &mut CentroidSums) {
        let dim = totals.dim();
        for (total, &moved) in totals.counts.iter_mut().zip(&self.counts) {
            *total = total.wrapping_add_signed(moved);
        }
        totals.mass.iter_mut().zip(&self.mass).for_each(|(total, moved)| *total += moved);
        for (totals, moved) in totals.sums.chunks_exact_mut(dim).zip(self.sums.chunks_exact(self.stride)) {
            totals.iter_mut().zip(moved).for_each(|(total, moved)| *total += moved.whole());
        }
    }
}

impl SegmentSum for i64 {
    #[inline(always)]
    fn add_row<S: Simd>(simd: S, sums: &mut [i64], row: &[f32], weight: i64) {
        let (wide, narrow) = (S::i64s::LEN, S::f32s::LEN);
        for (sums, row) in sums.chunks_exact_mut(narrow).zip(row.chunks_exact(narrow)) {
            let (low, high) = S::f32s::from_slice(simd, row).to_int::<S::i32s>().widen();
            for (half, x) in [low, high].into_iter().enumerate() {
                let sums = &mut sums[half * wide..][..wide];
                let old = S::i64s::from_slice(simd, sums);
                // Weights are rare, and a 64-bit product is expensive below AVX-512.
                let new = match weight {
                    1 => old + x,
                    -1 => old - x,
                    _ => old + x * weight,
                };
                new.store_slice(sums);
            }
        }
    }

    fn whole(self) -> i64 {
        self
    }
}
