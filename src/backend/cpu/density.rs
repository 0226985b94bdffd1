//! Log densities of the rows of a tile under Gaussian components.
//!
//! Everything is lane-wise IEEE arithmetic without fused operations, so the bits are the same at every SIMD level.

use fearless_simd::prelude::*;

use crate::backend::gaussians::{Factors, Gaussians, triangle};
use crate::tiles::TILE_ROWS;

/// The values of one feature or component for the rows of a tile.
pub(super) type TileLine = [f64; TILE_ROWS];

/// Components in the order in which the kernels read them.
pub(super) struct PackedGaussians<'a> {
    pub(super) of: &'a Gaussians,
    kernel: DensityKernel<'a>,
}

enum DensityKernel<'a> {
    /// The reciprocals of standard deviations.
    Scaled(&'a [f64]),
    /// A triangle for each component, as [`pairs`] makes it.
    Each(Vec<f64>),
    /// One for all. Rows are turned first; `means` are turned too.
    Turned { pairs: Vec<f64>, means: Vec<f64>, ones: Vec<f64> },
}

impl<'a> PackedGaussians<'a> {
    pub(super) fn new(of: &'a Gaussians) -> Self {
        let dim = of.dim;
        let kernel = match &of.factors {
            Factors::Scales(scales) => DensityKernel::Scaled(scales),
            Factors::Triangles(all) => {
                DensityKernel::Each(all.chunks_exact(triangle(dim)).flat_map(|one| pairs(one, dim)).collect())
            }
            Factors::Triangle(one) => {
                let pairs = pairs(one, dim);
                let means = (0..of.k()).flat_map(|j| turned(of.mean(j), of.mean(0), one)).collect();
                DensityKernel::Turned { pairs, means, ones: vec![1.0; dim] }
            }
        };
        PackedGaussians { of, kernel }
    }
}

/// A triangle by pairs of columns: for each row of a pair, its two values. A last single column is paired with zeros.
fn pairs(triangle: &[f64], dim: usize) -> Vec<f64> {
    let value = |r: usize, c: usize| if r <= c && c < dim { triangle[c * (c + 1) / 2 + r] } else { 0.0 };
    let rows = |c: usize| 0..(c + 2).min(dim);
    (0..dim).step_by(2).flat_map(|c| rows(c).flat_map(move |r| [value(r, c), value(r, c + 1)])).collect()
}

/// The deviation of a mean from `origin`, turned as the kernel turns rows.
fn turned(mean: &[f64], origin: &[f64], triangle: &[f64]) -> Vec<f64> {
    let column = |c: usize| {
        let factors = &triangle[c * (c + 1) / 2..][..=c];
        mean.iter().zip(origin).zip(factors).fold(0.0, |sum, ((m, o), p)| sum + (m - o) * p)
    };
    (0..mean.len()).map(column).collect()
}

/// Room for the work on one tile.
pub(super) struct DensityRoom {
    /// Deviations from a mean, by feature.
    deviations: Vec<TileLine>,
    turned: Vec<TileLine>,
}

impl DensityRoom {
    pub(super) fn new(dim: usize) -> Self {
        DensityRoom { deviations: vec![[0.0; TILE_ROWS]; dim], turned: vec![[0.0; TILE_ROWS]; dim] }
    }

    /// The log densities of the rows `x` of a tile, by component.
    #[inline(always)]
    pub(super) fn densities<S: Simd, const R: usize>(
        &mut self,
        simd: S,
        x: &[TileLine],
        packed: &PackedGaussians<'_>,
        out: &mut [TileLine],
    ) {
        let (of, dim) = (packed.of, packed.of.dim);
        if let DensityKernel::Turned { pairs, .. } = &packed.kernel {
            self.deviate(x, of.mean(0));
            turn::<S, R>(simd, &self.deviations, pairs, &mut self.turned);
        }
        for (j, out) in out.iter_mut().enumerate() {
            match &packed.kernel {
                DensityKernel::Scaled(scales) => {
                    scaled::<S, R>(simd, x, (of.mean(j), &scales[j * dim..][..dim]), out);
                }
                DensityKernel::Turned { means, ones, .. } => {
                    scaled::<S, R>(simd, &self.turned, (&means[j * dim..][..dim], ones), out);
                }
                DensityKernel::Each(all) => {
                    let one = all.len() / of.k();
                    self.deviate(x, of.mean(j));
                    triangular::<S, R>(simd, &self.deviations, &all[j * one..][..one], out);
                }
            }
            for value in out.iter_mut() {
                *value = of.constants[j] - 0.5 * *value;
            }
        }
    }

    #[inline(always)]
    fn deviate(&mut self, x: &[TileLine], mean: &[f64]) {
        for ((out, x), mean) in self.deviations.iter_mut().zip(x).zip(mean) {
            for (out, x) in out.iter_mut().zip(x) {
                *out = x - mean;
            }
        }
    }
}

/// Squared Mahalanobis distances by independent features.
#[inline(always)]
fn scaled<S: Simd, const R: usize>(simd: S, x: &[TileLine], (mean, scales): (&[f64], &[f64]), out: &mut TileLine) {
    let lanes = S::f64s::LEN;
    for first in (0..TILE_ROWS).step_by(R * lanes) {
        let mut sum = [S::f64s::splat(simd, 0.0); R];
        for ((x, &mean), &scale) in x.iter().zip(mean).zip(scales) {
            let (mean, scale) = (S::f64s::splat(simd, mean), S::f64s::splat(simd, scale));
            for r in 0..R {
                let t = (S::f64s::from_slice(simd, &x[first + r * lanes..][..lanes]) - mean) * scale;
                sum[r] = sum[r] + t * t;
            }
        }
        for r in 0..R {
            sum[r].store_slice(&mut out[first + r * lanes..][..lanes]);
        }
    }
}

/// Squared Mahalanobis distances by deviations and a triangle in pairs.
#[inline(always)]
fn triangular<S: Simd, const R: usize>(simd: S, x: &[TileLine], pairs: &[f64], out: &mut TileLine) {
    let lanes = S::f64s::LEN;
    for first in (0..TILE_ROWS).step_by(R * lanes) {
        let mut sum = [S::f64s::splat(simd, 0.0); R];
        let mut rest = pairs;
        for c in (0..x.len()).step_by(2) {
            let (here, later) = rest.split_at(2 * (c + 2).min(x.len()));
            rest = later;
            let two = product::<S, R>(simd, x, here, first);
            for one in two {
                for r in 0..R {
                    sum[r] = sum[r] + one[r] * one[r];
                }
            }
        }
        for r in 0..R {
            sum[r].store_slice(&mut out[first + r * lanes..][..lanes]);
        }
    }
}

/// Deviations times a triangle in pairs.
#[inline(always)]
fn turn<S: Simd, const R: usize>(simd: S, x: &[TileLine], pairs: &[f64], out: &mut [TileLine]) {
    let lanes = S::f64s::LEN;
    for first in (0..TILE_ROWS).step_by(R * lanes) {
        let mut rest = pairs;
        for (c, out) in out.chunks_mut(2).enumerate() {
            let (here, later) = rest.split_at(2 * (2 * c + 2).min(x.len()));
            rest = later;
            let two = product::<S, R>(simd, x, here, first);
            for (out, one) in out.iter_mut().zip(two) {
                for r in 0..R {
                    one[r].store_slice(&mut out[first + r * lanes..][..lanes]);
                }
            }
        }
    }
}

/// Some rows times two columns of a triangle.
#[inline(always)]
fn product<S: Simd, const R: usize>(simd: S, x: &[TileLine], pair: &[f64], first: usize) -> [[S::f64s; R]; 2] {
    let lanes = S::f64s::LEN;
    let mut sums = [[S::f64s::splat(simd, 0.0); R]; 2];
    for (x, factors) in x.iter().zip(pair.as_chunks::<2>().0) {
        let [a, b] = [S::f64s::splat(simd, factors[0]), S::f64s::splat(simd, factors[1])];
        for r in 0..R {
            let x = S::f64s::from_slice(simd, &x[first + r * lanes..][..lanes]);
            sums[0][r] = sums[0][r] + x * a;
            sums[1][r] = sums[1][r] + x * b;
        }
    }
    sums
}
