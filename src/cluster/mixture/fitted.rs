//! A mixture as it stands in a model.

use serde::{Deserialize, Serialize};

use super::components::Components;
use super::covariance::CovarianceType;
use crate::backend::{Gaussians, MAX_K, triangle};
use crate::error::{Error, Result};
use crate::numeric::power_of_two;
use crate::prepare::Preparation;

/// A Gaussian mixture. Names follow scikit-learn's attributes where it has one; components are numbered by their rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedMixture {
    /// Components, and segments.
    pub n_components: usize,
    /// Their shape.
    pub covariance_type: CovarianceType,
    /// Weights; they sum to 1.
    pub weights_: Vec<f64>,
    /// `n_components x features`: the means in the features' own units, with transforms undone. A back-transformed mean
    /// is not the mean of the raw values.
    pub means_: Vec<Vec<f64>>,
    /// `n_components x features`, or x principal components if the preparation has any: the means in scaled units.
    pub scaled_means_: Vec<Vec<f64>>,
    /// Covariances in squared scaled units. `full`: by component, a matrix by row; `tied`: one such matrix; `diag`: by
    /// component, the variance of each feature; `spherical`: by component, its variance.
    pub covariances_: Vec<Vec<f64>>,
    /// Scaled units are steps of the grid times 2 to this power, as in the preparation.
    pub step_exponent: i32,
    /// Rows by segment.
    pub counts_: Vec<u64>,
    /// Mean Mahalanobis distance to the mean by segment, in standard deviations of the component; 0 for an empty
    /// segment, None for one of few customers (`--small-cells`).
    pub mean_distance_: Vec<Option<f64>>,
    /// Sum of squared Mahalanobis distances of rows to the means of their segments.
    pub inertia_: f64,
    /// Mean log-likelihood of a row, in scaled units.
    pub log_likelihood_: f64,
    /// By iteration, the same under the components before it: `lower_bounds_`.
    pub lower_bounds_: Vec<f64>,
    /// The Bayesian information criterion.
    pub bic_: f64,
    /// Akaike's information criterion.
    pub aic_: f64,
    /// Whether the log-likelihood changed by less than the tolerance.
    pub converged_: bool,
    /// Iterations.
    pub n_iter_: u32,
    /// Variances that `variance_floor` keeps up.
    pub floored_: u64,
    /// Added to each variance, in squared scaled units.
    pub reg_covar: f64,
    /// The least variance of a component, as a share of the feature's own.
    pub variance_floor: f64,
    /// Starts of k-means converged on the sample.
    pub n_init: u32,
    /// Rows of the sample.
    pub sample_rows: u64,
}

impl FittedMixture {
    /// What densities need, on the grid.
    ///
    /// # Errors
    /// Covariances that are not positive definite, or values that are not finite.
    pub(crate) fn gaussians(&self) -> Result<Gaussians> {
        let fault = |what: String| Err(Error::input(what));
        let step = power_of_two(self.step_exponent);
        let dim = self.scaled_means_.first().map_or(0, Vec::len);
        let found = Components {
            covariance: self.covariance_type,
            dim,
            weights: self.weights_.clone(),
            means: self.scaled_means_.iter().flatten().map(|v| v / step).collect(),
            covariances: self
                .covariances_
                .iter()
                .flat_map(|own| self.entries(own, dim))
                .map(|v| v / step / step)
                .collect(),
        };
        if !found.means.iter().chain(&found.covariances).chain(&found.weights).all(|v| v.is_finite()) {
            return fault("a mean, covariance or weight is not a finite number on the grid".into());
        }
        found.gaussians().or_else(|j| fault(format!("the covariance of component {j} is not positive definite")))
    }

    /// The entries of one line of covariances that components keep.
    fn entries(&self, own: &[f64], dim: usize) -> Vec<f64> {
        match self.covariance_type {
            CovarianceType::Full | CovarianceType::Tied => {
                (0..dim).flat_map(|c| (0..=c).map(move |r| (r, c))).map(|(r, c)| own[r * dim + c]).collect()
            }
            CovarianceType::Diag | CovarianceType::Spherical => own.to_vec(),
        }
    }

    /// Whether its shapes agree with each other and with the preparation.
    pub(crate) fn agrees_with(&self, preparation: &Preparation) -> bool {
        let (k, dim) = (self.n_components, preparation.grid_dim());
        let (lines, entries) = match self.covariance_type {
            CovarianceType::Full => (k, dim * dim),
            CovarianceType::Tied => (1, dim * dim),
            CovarianceType::Diag => (k, dim),
            CovarianceType::Spherical => (k, 1),
        };
        let lengths = [
            self.weights_.len(),
            self.means_.len(),
            self.scaled_means_.len(),
            self.counts_.len(),
            self.mean_distance_.len(),
        ];
        (1..=MAX_K).contains(&k)
            && lengths == [k; 5]
            && self.covariances_.len() == lines
            && self.covariances_.iter().all(|own| own.len() == entries)
            && self.means_.iter().all(|row| row.len() == preparation.columns.len())
            && self.scaled_means_.iter().all(|row| row.len() == dim)
            && self.step_exponent == preparation.grid_exponent()
            && self.weights_.iter().all(|w| (0.0..=1.0).contains(w))
    }
}

impl Components {
    /// The means in scaled units, by component.
    pub(crate) fn scaled_means(&self, step: f64) -> Vec<Vec<f64>> {
        self.means.chunks_exact(self.dim).map(|mean| mean.iter().map(|v| v * step).collect()).collect()
    }

    /// The covariances in squared scaled units, as in [`FittedMixture`].
    pub(crate) fn scaled_covariances(&self, step: f64) -> Vec<Vec<f64>> {
        let (dim, scaled) = (self.dim, |v: &f64| v * step * step);
        let one = match self.covariance {
            CovarianceType::Full | CovarianceType::Tied => triangle(dim),
            CovarianceType::Diag => dim,
            CovarianceType::Spherical => 1,
        };
        let lines = self.covariances.chunks_exact(one);
        if matches!(self.covariance, CovarianceType::Diag | CovarianceType::Spherical) {
            return lines.map(|own| own.iter().map(scaled).collect()).collect();
        }
        let cell = |own: &[f64], r: usize, c: usize| scaled(&own[triangle(r.max(c)) + r.min(c)]);
        lines.map(|own| (0..dim * dim).map(|at| cell(own, at / dim, at % dim)).collect()).collect()
    }

    /// Means in the features' own units.
    pub(crate) fn original_means(&self, preparation: &Preparation) -> Vec<Vec<f64>> {
        let row = |mean: &[f64]| {
            let features = preparation.features_of_mean(mean).into_iter().zip(&preparation.columns);
            features.map(|(v, column)| column.original(v, preparation.step_exponent)).collect()
        };
        self.means.chunks_exact(self.dim).map(row).collect()
    }

    /// The order of components by their rows, largest first; ties go by weight, then by mean.
    pub(crate) fn by_size(&self, counts: Option<&[u64]>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.k()).collect();
        let means =
            |a: usize, b: usize| self.mean(a).iter().zip(self.mean(b)).map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne());
        order.sort_by(|&a, &b| {
            let rows = counts.map_or(std::cmp::Ordering::Equal, |counts| counts[b].cmp(&counts[a]));
            let by_weight = || self.weights[b].total_cmp(&self.weights[a]);
            rows.then_with(by_weight).then_with(|| means(a, b).unwrap_or(std::cmp::Ordering::Equal))
        });
        order
    }
}

/// The Bayesian information criterion and Akaike's, of a total log-likelihood over `mass` rows.
pub(crate) fn criteria(
    covariance: CovarianceType,
    (k, dim): (usize, usize),
    log_likelihood: f64,
    mass: f64,
) -> [f64; 2] {
    let parameters = covariance.free_parameters(k, dim) as f64;
    [crate::numeric::ln(mass), 2.0].map(|each| each * parameters - 2.0 * log_likelihood)
}
