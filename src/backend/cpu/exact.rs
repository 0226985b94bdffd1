//! The integer definition for the rows that the f32 filter leaves open, and for exact distances.
//!
//! Eight centroids lie side by side, so that the compiler turns the plain loops below into SIMD for any number of
//! features and no sum runs across lanes. A difference fits i32, its square i64 (see [`crate::backend::distance2`]).

use crate::backend::Centroids;

const LANES: usize = 8;

/// Centroids as `blocks x dim x LANES` integers.
pub(super) struct Exact {
    k: usize,
    dim: usize,
    values: Vec<[i32; LANES]>,
}

impl Exact {
    pub(super) fn new(centroids: &Centroids) -> Self {
        let (k, dim) = (centroids.k(), centroids.dim());
        let mut values = vec![[0; LANES]; k.div_ceil(LANES) * dim];
        for (j, centroid) in centroids.iter().enumerate() {
            for (f, &value) in centroid.iter().enumerate() {
                values[j / LANES * dim + f][j % LANES] = value;
            }
        }
        Exact { k, dim, values }
    }

    /// The nearest centroid of a row, ties to the lowest index: its index, squared distance, and the squared distance
    /// to the second nearest (`u64::MAX` where there is no other).
    #[inline(always)]
    pub(super) fn nearest(&self, row: &[i32]) -> (u32, u64, u64) {
        let (mut label, mut best, mut second) = (0, i64::MAX, i64::MAX);
        for (b, block) in self.values.chunks_exact(self.dim).enumerate() {
            let mut sums = [0i64; LANES];
            for (centroids, &x) in block.iter().zip(row) {
                for (sum, &c) in sums.iter_mut().zip(centroids) {
                    let difference = i64::from(x - c);
                    *sum += difference * difference;
                }
            }
            for (j, &d) in (b * LANES..self.k).zip(&sums) {
                second = second.min(best.max(d));
                if d < best {
                    (label, best) = (j as u32, d);
                }
            }
        }
        (label, best as u64, if self.k == 1 { u64::MAX } else { second as u64 })
    }
}
