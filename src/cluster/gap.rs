//! The gap statistic: how much closer rows are to their centroids than rows without any segments would be.

use std::f64::consts::LN_2;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::kmeans::KMeans;
use super::lloyd::Converged;
use super::sample::Sample;
use super::study::{SeedsFound, Study};
use crate::error::Result;
use crate::numeric::{Random, eigen, ln_1p, mix};

/// The most features whose principal axes the box of the reference follows.
const MOST_TURNED: usize = 256;
/// What the longest side of the box is below, in grid steps.
const MOST: u64 = 1 << 24;

/// A value of the gap statistic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Mean of log W of the references less that of the rows, W being the mean squared distance to a centroid.
    pub gap: f64,
    /// Its standard error, as in `clusGap`: the deviation over the references times sqrt(1 + 1/B).
    pub error: f64,
}

/// Rows without segments: uniform in the box that the rows fill along their principal axes.
pub(crate) struct GapReferences {
    references: u32,
    seed: u64,
    rows: u64,
    /// How far the box reaches along each axis, in grid steps after the shift.
    sides: Vec<u64>,
    /// The binary digits by which the box was made smaller, so that it fits the grid.
    shift: u32,
}

impl Study<'_> {
    /// `n` references with as many rows as the sample (R. Tibshirani, G. Walther and T. Hastie, "Estimating the number
    /// of clusters in a data set via the gap statistic", 2001; the box is that of `clusGap`'s `spaceH0 = "scaledPCA"`).
    ///
    /// # Errors
    /// An interruption.
    pub(crate) fn references(&self, seed: u64, n: u32) -> Result<GapReferences> {
        let dim = self.sample.dim;
        let axes = match dim <= MOST_TURNED {
            true => Some(eigen(dim, &self.sample.covariance(), self.watch)?.1),
            false => None,
        };
        // Distances do not change when all rows are turned and moved, so the box is not turned back.
        let sides: Vec<u64> =
            (0..dim).map(|axis| self.sample.side(axes.as_ref().map(|axes| &axes[axis]), axis)).collect();
        let shift = (0..64).find(|&shift| sides.iter().all(|side| side >> shift < MOST)).unwrap_or(0);
        let sides = sides.into_iter().map(|side| side >> shift).collect();
        Ok(GapReferences { references: n, seed, rows: self.rows(), sides, shift })
    }

    /// The gap between the rows, as `seeds` found them, and the references. None if rows lie on their centroids, or
    /// without references.
    ///
    /// # Errors
    /// An interruption, or too little memory.
    pub(crate) fn gap(&self, kmeans: &KMeans, of: &GapReferences, seeds: &SeedsFound) -> Result<Option<Gap>> {
        let one = |reference: u32| {
            let rows = of.sample(reference);
            let fit = self.refit(kmeans, &rows, mix(kmeans.seed ^ 0x4741_5053) ^ u64::from(reference))?;
            let log = fit.and_then(|fit| rows.log_within(&fit));
            Ok::<_, crate::Error>(log.map(|log| log + 2.0 * f64::from(of.shift) * LN_2))
        };
        let found: Vec<Option<f64>> = (0..of.references).into_par_iter().map(one).collect::<Result<_>>()?;
        let (Some(found), Some(rows)) = (
            found.into_iter().collect::<Option<Vec<f64>>>(),
            seeds.log_within.iter().copied().collect::<Option<Vec<f64>>>(),
        ) else {
            return Ok(None);
        };
        if found.len() < 2 || rows.is_empty() {
            return Ok(None);
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (expected, n) = (mean(&found), found.len() as f64);
        let variance = found.iter().map(|v| (v - expected) * (v - expected)).sum::<f64>() / (n - 1.0);
        Ok(Some(Gap { gap: expected - mean(&rows), error: (variance * (1.0 + 1.0 / n)).sqrt() }))
    }
}

impl GapReferences {
    /// The rows of a reference.
    fn sample(&self, reference: u32) -> Sample {
        let mut random = Random::new(mix(self.seed ^ 0x4741_5053), u64::from(reference));
        let mut rows = Sample::empty(self.sides.len(), false);
        for row in 0..self.rows {
            let mut value = |&side: &u64| (random.below(u128::from(side) + 1) as i64 - (side / 2) as i64) as i32;
            let values: Vec<i32> = self.sides.iter().map(&mut value).collect();
            rows.push(&values, 1, mix(row));
        }
        rows
    }
}

impl Sample {
    /// The covariance of its rows, `dim x dim`, in squared grid units.
    fn covariance(&self) -> Vec<f64> {
        let (dim, mass) = (self.dim, self.mass() as f64);
        let rows = || (0..self.rows()).map(|i| (self.row(i), f64::from(self.weight(i))));
        let mut mean = vec![0.0; dim];
        rows().for_each(|(row, weight)| mean.iter_mut().zip(row).for_each(|(m, &v)| *m += weight * f64::from(v)));
        mean.iter_mut().for_each(|m| *m /= mass);
        let mut products = vec![0.0; dim * dim];
        let mut apart = vec![0.0; dim];
        for (row, weight) in rows() {
            apart.iter_mut().zip(row).zip(&mean).for_each(|((apart, &v), m)| *apart = f64::from(v) - m);
            for (line, &a) in products.chunks_exact_mut(dim).zip(&apart) {
                line.iter_mut().zip(&apart).for_each(|(sum, &b)| *sum += weight * a * b);
            }
        }
        products.iter_mut().for_each(|sum| *sum /= mass);
        products
    }

    /// How far its rows reach along an axis, or along a feature, in grid steps.
    fn side(&self, axis: Option<&Vec<f64>>, feature: usize) -> u64 {
        let place = |row: &[i32]| match axis {
            Some(axis) => row.iter().zip(axis).map(|(&v, a)| f64::from(v) * a).sum::<f64>(),
            None => f64::from(row[feature]),
        };
        let ends = (0..self.rows()).map(|i| place(self.row(i)));
        let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if high > low { (high - low) as u64 } else { 0 }
    }

    /// The logarithm of the mean squared distance to a centroid; None if that is 0.
    pub(super) fn log_within(&self, fit: &Converged) -> Option<f64> {
        // Both are whole numbers of at least 1.
        let log = |n: f64| ln_1p(n - 1.0);
        (fit.inertia > 0).then(|| log(fit.inertia as f64) - log(self.mass() as f64))
    }
}
