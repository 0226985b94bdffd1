//! The integer definition for rows that the f32 filter cannot decide, and exact distances.
//!
//! The integers are held in f64, which multiplies faster than i64 on every processor: a difference of grid values has
//! 24 bits, its square 48, and the sum of [`EXACT`] squares 53, so nothing is ever rounded. Longer sums continue in
//! i64. Centroids are laid out across the lanes of registers; no sum runs across lanes.

use fearless_simd::prelude::*;

use crate::backend::Centroids;

/// Centroids side by side: two AVX-512 registers of f64, enough to hide the latency of a multiplication.
const LANES: usize = 16;
/// The most registers they occupy (of two lanes each).
const REGISTERS: usize = LANES / 2;
/// The number of squared differences that f64 sums exactly.
const EXACT: usize = 32;
/// Larger than any squared distance, which has at most 60 bits.
const FAR: i64 = 1 << 62;

/// Centroids as `blocks x dim x LANES` integers; padding lanes after the last centroid are never the nearest.
pub(super) struct Exact {
    k: usize,
    dim: usize,
    values: Vec<[f64; LANES]>,
}

impl Exact {
    pub(super) fn new(centroids: &Centroids) -> Self {
        let (k, dim) = (centroids.k(), centroids.dim());
        let mut values = vec![[0.0; LANES]; k.div_ceil(LANES) * dim];
        for (j, centroid) in centroids.iter().enumerate() {
            for (f, &value) in centroid.iter().enumerate() {
                values[j / LANES * dim + f][j % LANES] = f64::from(value);
            }
        }
        Exact { k, dim, values }
    }

    /// The nearest centroid of a row, ties to the lowest index: its index, its squared distance, and the squared
    /// distance to the second nearest (`u64::MAX` if there is only one centroid).
    #[inline(always)]
    pub(super) fn nearest<S: Simd>(&self, simd: S, row: &[f32]) -> (u32, u64, u64) {
        let far = S::i64s::splat(simd, FAR);
        let (mut best, mut second, mut label) = ([far; REGISTERS], [far; REGISTERS], [far; REGISTERS]);
        for (b, block) in self.values.chunks_exact(self.dim).enumerate() {
            let distances = distances(simd, block, row);
            for i in 0..LANES / S::i64s::LEN {
                let first = (b * LANES + i * S::i64s::LEN) as i64;
                let index = S::i64s::from_fn(
                    simd,
                    #[inline(always)]
                    |lane| first + lane as i64,
                );
                let there = index.simd_lt(S::i64s::splat(simd, self.k as i64));
                let distance = there.select(distances[i], far);
                label[i] = distance.simd_lt(best[i]).select(index, label[i]);
                second[i] = second[i].min(best[i].max(distance));
                best[i] = best[i].min(distance);
            }
        }
        let (mut nearest, mut winner, mut runner_up) = (far, far, far);
        for best in best {
            nearest = nearest.min(best);
        }
        let nearest = nearest.reduce_min();
        for i in 0..LANES / S::i64s::LEN {
            winner = winner.min(best[i].simd_eq(nearest).select(label[i], far));
        }
        let winner = winner.reduce_min();
        for i in 0..LANES / S::i64s::LEN {
            runner_up = runner_up.min(label[i].simd_eq(winner).select(second[i], best[i]));
        }
        (winner as u32, nearest as u64, if self.k == 1 { u64::MAX } else { runner_up.reduce_min() as u64 })
    }
}

/// Squared distances of a row to a block of centroids (`dim x LANES`).
#[inline(always)]
fn distances<S: Simd>(simd: S, block: &[[f64; LANES]], row: &[f32]) -> [S::i64s; REGISTERS] {
    let lanes = S::f64s::LEN;
    let mut total = [S::i64s::splat(simd, 0); REGISTERS];
    for (block, row) in block.chunks(EXACT).zip(row.chunks(EXACT)) {
        let mut sums = [S::f64s::splat(simd, 0.0); REGISTERS];
        for (centroids, &x) in block.iter().zip(row) {
            let x = S::f64s::splat(simd, f64::from(x));
            for i in 0..LANES / lanes {
                let difference = S::f64s::from_slice(simd, &centroids[i * lanes..][..lanes]) - x;
                sums[i] = difference.mul_add(difference, sums[i]);
            }
        }
        for i in 0..LANES / lanes {
            total[i] += sums[i].to_int::<S::i64s>();
        }
    }
    total
}

/// The squared distance between two rows, both zero-padded to whole registers.
#[inline(always)]
pub(super) fn distance2<S: Simd>(simd: S, row: &[f32], centroid: &[f32]) -> u64 {
    let lanes = S::f32s::LEN;
    let mut total = 0;
    for (row, centroid) in row.chunks(EXACT).zip(centroid.chunks(EXACT)) {
        let mut sums = S::f64s::splat(simd, 0.0);
        for (x, c) in row.chunks_exact(lanes).zip(centroid.chunks_exact(lanes)) {
            // The difference of two grid values is exact in f32 too.
            let (low, high) = (S::f32s::from_slice(simd, x) - S::f32s::from_slice(simd, c)).widen();
            sums = low.mul_add(low, high.mul_add(high, sums));
        }
        total += sums.reduce_sum() as u64;
    }
    total
}
