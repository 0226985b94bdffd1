//! The parameters of components, from exact sums, and what densities need of them.

use super::cholesky::precision_factor;
use super::covariance::CovarianceType;
use crate::backend::{Factors, Gaussians, MixtureSums, NO_DENSITY, SecondMoments, triangle};
use crate::numeric::ln;

/// ln(2 pi)
const LN_2_PI: f64 = 1.837_877_066_409_345_5;

/// Weights, means and covariances, in grid units.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Components {
    pub(crate) covariance: CovarianceType,
    pub(crate) dim: usize,
    /// They sum to 1.
    pub(crate) weights: Vec<f64>,
    /// `k x dim`.
    pub(crate) means: Vec<f64>,
    /// By the kind of covariance: `k` or one upper triangles by column, `k x dim` variances, or `k` variances.
    pub(crate) covariances: Vec<f64>,
}

/// What keeps covariances away from 0, in grid units.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct VarianceBounds {
    /// Added to each variance.
    pub(super) added: f64,
    /// By feature, the least variance.
    pub(super) least: Vec<f64>,
}

/// The products of all rows, which the shared covariance needs.
pub(super) struct Scatter {
    mass: i128,
    sums: Vec<i128>,
    products: Vec<i128>,
    second: SecondMoments,
}

impl Scatter {
    /// Of the rows of all components.
    pub(super) fn of(sums: &MixtureSums) -> Self {
        let k = sums.k();
        let total = |all: &[i128]| -> Vec<i128> {
            let one = all.len() / k;
            (0..one).map(|i| all.iter().skip(i).step_by(one).sum()).collect()
        };
        Scatter {
            mass: sums.mass.iter().sum(),
            sums: total(&sums.sums),
            products: total(&sums.products),
            second: sums.second,
        }
    }

    /// The variance of each feature.
    pub(super) fn variances(&self) -> Vec<f64> {
        let centre = Centre::of(self.mass, &self.sums);
        let of = |f: usize| {
            let at = if self.second == SecondMoments::Squares { f } else { triangle(f + 1) - 1 };
            centre.moment(self.products[at], (f, f), &self.sums)
        };
        (0..self.sums.len()).map(|f| of(f).max(0.0)).collect()
    }

    /// The mean of the covariances within components, weighted by them.
    fn within(&self, sums: &MixtureSums) -> Vec<f64> {
        let centre = Centre::of(self.mass, &self.sums);
        let dim = sums.dim;
        // Means from the whole part of the mean of all rows.
        let held: Vec<(f64, Vec<f64>)> = (0..sums.k())
            .filter(|&j| sums.mass[j] > 0)
            .map(|j| {
                let n = sums.mass[j];
                let mean = |f: usize| (sums.sum(j)[f] - centre.whole[f] * n) as f64 / n as f64;
                (n as f64 / self.mass as f64, (0..dim).map(mean).collect())
            })
            .collect();
        let of = |(a, b): (usize, usize)| {
            let all = centre.about_whole(self.products[triangle(b) + a], (a, b), &self.sums);
            all - held.iter().fold(0.0, |sum, (weight, mean)| sum + weight * mean[a] * mean[b])
        };
        cells(dim).map(of).collect()
    }
}

/// The cells of an upper triangle, by column.
fn cells(dim: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..dim).flat_map(|b| (0..=b).map(move |a| (a, b)))
}

/// A mean of grid integers, as a whole number and a rest of at most a half.
struct Centre {
    mass: i128,
    whole: Vec<i128>,
    rest: Vec<f64>,
}

impl Centre {
    /// `mass` must not be 0.
    fn of(mass: i128, sums: &[i128]) -> Self {
        let whole: Vec<i128> = sums.iter().map(|s| (2 * s + mass).div_euclid(2 * mass)).collect();
        let rest = sums.iter().zip(&whole).map(|(s, whole)| (s - whole * mass) as f64 / mass as f64).collect();
        Centre { mass, whole, rest }
    }

    fn mean(&self, f: usize) -> f64 {
        self.whole[f] as f64 + self.rest[f]
    }

    /// The mean product of deviations from the whole parts: exact up to the last division.
    fn about_whole(&self, product: i128, (a, b): (usize, usize), sums: &[i128]) -> f64 {
        let (ma, mb) = (self.whole[a], self.whole[b]);
        (product - ma * sums[b] - mb * sums[a] + ma * mb * self.mass) as f64 / self.mass as f64
    }

    /// A second central moment.
    fn moment(&self, product: i128, (a, b): (usize, usize), sums: &[i128]) -> f64 {
        self.about_whole(product, (a, b), sums) - self.rest[a] * self.rest[b]
    }
}

impl Components {
    /// Components.
    pub(crate) fn k(&self) -> usize {
        self.weights.len()
    }

    /// The mean of a component.
    pub(crate) fn mean(&self, j: usize) -> &[f64] {
        &self.means[j * self.dim..][..self.dim]
    }

    /// The parameters that maximise the likelihood for these sums, and how many variances are at their least. A
    /// component without weight keeps its mean and covariance from `before`.
    pub(super) fn of(
        covariance: CovarianceType,
        sums: &MixtureSums,
        scatter: &Scatter,
        bounds: &VarianceBounds,
        before: Option<&Components>,
    ) -> (Components, u64) {
        let (k, dim) = (sums.k(), sums.dim);
        let total: i128 = sums.mass.iter().sum();
        let mut found = Components {
            covariance,
            dim,
            weights: sums.mass.iter().map(|&n| n as f64 / total as f64).collect(),
            means: Vec::with_capacity(k * dim),
            covariances: Vec::with_capacity(covariance.entries(k, dim)),
        };
        let mut raised = 0;
        for j in 0..k {
            let n = sums.mass[j];
            let (centre, mean) = if n > 0 {
                let centre = Centre::of(n, sums.sum(j));
                let mean = (0..dim).map(|f| centre.mean(f)).collect();
                (Some(centre), mean)
            } else {
                (None, before.map_or(vec![0.0; dim], |before| before.mean(j).to_vec()))
            };
            found.means.extend(mean);
            if covariance == CovarianceType::Tied {
                continue;
            }
            match centre {
                Some(centre) => {
                    let (own, hits) = own_covariance(covariance, &centre, (sums.sum(j), sums.product(j)), bounds);
                    found.covariances.extend(own);
                    raised += hits;
                }
                None => found.covariances.extend(kept(covariance, before, bounds, j)),
            }
        }
        if covariance == CovarianceType::Tied {
            let mut shared = scatter.within(sums);
            raised = bounds.apply_to_triangle(&mut shared);
            found.covariances = shared;
        }
        (found, raised)
    }

    /// What densities need.
    ///
    /// # Errors
    /// The component whose covariance is not positive definite.
    pub(crate) fn gaussians(&self) -> std::result::Result<Gaussians, usize> {
        let (k, dim) = (self.k(), self.dim);
        let factor = |covariance: &[f64], j: usize| precision_factor(covariance, dim).ok_or(j);
        let scale = |variance: f64, j: usize| {
            if variance > 0.0 && variance.is_finite() { Ok(1.0 / variance.sqrt()) } else { Err(j) }
        };
        let factors = match self.covariance {
            CovarianceType::Full => {
                let all = self.covariances.chunks_exact(triangle(dim)).enumerate();
                Factors::Triangles(
                    all.map(|(j, one)| factor(one, j)).collect::<std::result::Result<Vec<_>, _>>()?.concat(),
                )
            }
            CovarianceType::Tied => Factors::Triangle(factor(&self.covariances, 0)?),
            CovarianceType::Diag => {
                let all = self.covariances.iter().enumerate();
                Factors::Scales(
                    all.map(|(i, &variance)| scale(variance, i / dim)).collect::<std::result::Result<_, _>>()?,
                )
            }
            CovarianceType::Spherical => {
                let all = self.covariances.iter().enumerate();
                let scales = all.map(|(j, &variance)| Ok(vec![scale(variance, j)?; dim]));
                Factors::Scales(scales.collect::<std::result::Result<Vec<_>, usize>>()?.concat())
            }
        };
        let diagonal = |triangle_of: &[f64]| (0..dim).fold(0.0, |sum, f| sum + ln(triangle_of[triangle(f + 1) - 1]));
        let determinant = |j: usize| match &factors {
            Factors::Scales(all) => all[j * dim..][..dim].iter().fold(0.0, |sum, &scale| sum + ln(scale)),
            Factors::Triangles(all) => diagonal(&all[j * triangle(dim)..][..triangle(dim)]),
            Factors::Triangle(one) => diagonal(one),
        };
        let constant = |j: usize| match self.weights[j] {
            weight if weight > 0.0 => ln(weight) - 0.5 * dim as f64 * LN_2_PI + determinant(j),
            _ => NO_DENSITY,
        };
        let constants = (0..k).map(constant).collect();
        Ok(Gaussians { dim, constants, means: self.means.clone(), factors })
    }

    /// The components in another order: component `i` of the result is component `order[i]`.
    pub(crate) fn reordered(&self, order: &[usize]) -> Components {
        let one = match self.covariance {
            CovarianceType::Tied => 0,
            _ => self.covariances.len() / self.k(),
        };
        let covariances = match self.covariance {
            CovarianceType::Tied => self.covariances.clone(),
            _ => order.iter().flat_map(|&j| &self.covariances[j * one..][..one]).copied().collect(),
        };
        Components {
            weights: order.iter().map(|&j| self.weights[j]).collect(),
            means: order.iter().flat_map(|&j| self.mean(j)).copied().collect(),
            covariances,
            ..*self
        }
    }
}

/// The covariance of one component, and how many of its variances are at their least.
fn own_covariance(
    covariance: CovarianceType,
    centre: &Centre,
    (sums, products): (&[i128], &[i128]),
    bounds: &VarianceBounds,
) -> (Vec<f64>, u64) {
    let dim = sums.len();
    if covariance == CovarianceType::Full {
        let moments = cells(dim).zip(products).map(|(cell, &product)| centre.moment(product, cell, sums));
        let mut own: Vec<f64> = moments.collect();
        let raised = bounds.apply_to_triangle(&mut own);
        return (own, raised);
    }
    let variances = products.iter().enumerate().map(|(f, &product)| centre.moment(product, (f, f), sums).max(0.0));
    if covariance == CovarianceType::Diag {
        let mut own: Vec<f64> = variances.collect();
        let raised = own.iter_mut().zip(&bounds.least).map(|(v, &least)| bounds.apply(v, least)).sum();
        return (own, raised);
    }
    let mut mean = variances.fold(0.0, |sum, v| sum + v) / dim as f64;
    let least = bounds.least.iter().fold(0.0, |sum, v| sum + v) / dim as f64;
    let raised = bounds.apply(&mut mean, least);
    (vec![mean], raised)
}

/// The covariance of a component without weight: that from before, or the bounds alone.
fn kept(covariance: CovarianceType, before: Option<&Components>, bounds: &VarianceBounds, j: usize) -> Vec<f64> {
    let dim = bounds.least.len();
    let one = covariance.entries(1, dim);
    match before {
        Some(before) => before.covariances[j * one..][..one].to_vec(),
        None => {
            let nothing = vec![0.0; dim];
            let products = vec![0; covariance.moments().len(dim)];
            let centre = Centre { mass: 1, whole: vec![0; dim], rest: nothing };
            own_covariance(covariance, &centre, (&vec![0; dim], &products), bounds).0
        }
    }
}

impl VarianceBounds {
    /// Raises a variance; returns 1 if it is at its least.
    fn apply(&self, variance: &mut f64, least: f64) -> u64 {
        *variance += self.added;
        let is_below = *variance < least;
        *variance = variance.max(least);
        u64::from(is_below)
    }

    /// Raises the diagonal of an upper triangle.
    fn apply_to_triangle(&self, covariance: &mut [f64]) -> u64 {
        let diagonal = self.least.iter().enumerate();
        diagonal.map(|(f, &least)| self.apply(&mut covariance[triangle(f + 1) - 1], least)).sum()
    }
}
