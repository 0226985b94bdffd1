//! Expectation and maximisation, from the segments of k-means.

use super::components::{Components, Scatter, VarianceBounds};
use super::covariance::CovarianceType;
use crate::backend::cpu::Cpu;
use crate::backend::{Centroids, Gaussians, MixtureSums, UNIT, triangle};
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::tiles::Tiles;

/// The most products that the sums of a worker hold: 256 MiB.
const MOST_PRODUCTS: usize = 1 << 24;

/// Parameters of a mixture, besides its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mixture {
    /// The shape of the components.
    pub(crate) covariance: CovarianceType,
    /// Added to each variance, in squared scaled units, as scikit-learn's `reg_covar`.
    pub(crate) reg_covar: f64,
    /// The least variance of a component, as a share of the feature's own.
    pub(crate) variance_floor: f64,
    /// The most iterations.
    pub(crate) max_iter: u32,
    /// Stop when the mean log-likelihood changes by less, as scikit-learn's `tol`.
    pub(crate) tol: f64,
}

impl Default for Mixture {
    fn default() -> Self {
        let covariance = CovarianceType::default();
        Mixture { covariance, reg_covar: 1e-6, variance_floor: 1e-3, max_iter: 100, tol: 1e-3 }
    }
}

/// A fitted mixture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MixtureFit {
    /// In the order of the start.
    pub(crate) components: Components,
    /// By iteration, the mean log-likelihood of a row under the components before it, in scaled units.
    pub(crate) log_likelihoods: Vec<f64>,
    /// Whether it changed by less than the tolerance.
    pub(crate) converged: bool,
    /// Variances that the floor keeps up.
    pub(crate) floored: u64,
}

impl Mixture {
    /// # Errors
    /// Options outside their range.
    pub(crate) fn check(&self) -> Result<()> {
        let is_size = |value: f64| value >= 0.0 && value.is_finite();
        if !is_size(self.reg_covar) {
            let text = format!("reg-covar is {}: it must be finite and not negative", self.reg_covar);
            return Err(Error::usage(text).of_option("--reg-covar"));
        }
        if !(0.0..1.0).contains(&self.variance_floor) {
            let text = format!("variance-floor is {}: it is a share, at least 0 and less than 1", self.variance_floor);
            return Err(Error::usage(text).of_option("--variance-floor"));
        }
        if self.max_iter == 0 {
            return Err(Error::usage("max-iter is 0: at least one iteration is needed".into()).of_option("--max-iter"));
        }
        if !is_size(self.tol) {
            let text = format!("tol is {}: it must be finite and not negative", self.tol);
            return Err(Error::usage(text).of_option("--tol"));
        }
        Ok(())
    }

    /// Fits `tiles`, whose grid has this `step`; `centroids` are those of k-means.
    ///
    /// # Errors
    /// Sums that need too much memory, a covariance that is not positive definite, an interruption, or an I/O error on
    /// the scratch file.
    pub(crate) fn fit(
        &self,
        tiles: &Tiles,
        cpu: &Cpu,
        (centroids, step): (&Centroids, f64),
        watch: Watch<'_>,
    ) -> Result<MixtureFit> {
        let (k, dim) = (centroids.k(), tiles.dim());
        self.check()?;
        self.check_size(k, dim)?;
        let first = cpu.nearest_sums(tiles, centroids, self.covariance.first_moments(), watch)?;
        let scatter = Scatter::of(&first);
        let least = scatter.variances().into_iter().map(|v| v * self.variance_floor).collect();
        let bounds = VarianceBounds { added: self.reg_covar / step / step, least };
        let (mut components, mut floored) = Components::of(self.covariance, &first, &scatter, &bounds, None);
        let mut log_likelihoods: Vec<f64> = Vec::new();
        let mut converged = false;
        while !converged && log_likelihoods.len() < self.max_iter as usize {
            watch.check()?;
            let gaussians = self.gaussians(&components)?;
            let sums = cpu.mixture_sums(tiles, &gaussians, self.covariance.moments(), watch)?;
            let found = mean_log_likelihood(sums.log_density, mass(&sums), dim, step);
            converged = log_likelihoods.last().is_some_and(|before| (found - before).abs() < self.tol);
            log_likelihoods.push(found);
            (components, floored) = Components::of(self.covariance, &sums, &scatter, &bounds, Some(&components));
        }
        // The labels need them.
        self.gaussians(&components)?;
        Ok(MixtureFit { components, log_likelihoods, converged, floored })
    }

    fn check_size(&self, k: usize, dim: usize) -> Result<()> {
        let products = match self.covariance {
            CovarianceType::Full | CovarianceType::Tied => k.saturating_mul(triangle(dim)),
            CovarianceType::Diag | CovarianceType::Spherical => 0,
        };
        if products <= MOST_PRODUCTS {
            return Ok(());
        }
        let text = format!(
            "covariance matrices of k = {k} components and {dim} features have {products} entries; at most \
             {MOST_PRODUCTS} are possible: choose --covariance diag, a smaller --k, or fewer features (`reduce` in a \
             recipe)"
        );
        Err(Error::usage(text).of_option("--covariance"))
    }

    fn gaussians(&self, components: &Components) -> Result<Gaussians> {
        components.gaussians().map_err(|j| {
            let text = format!(
                "the covariance of component {j} (weight {:.3e}) cannot be inverted: its rows are the same in a \
                 feature, or some of its features follow from others; choose --reg-covar above {}, or --covariance diag",
                components.weights[j], self.reg_covar
            );
            Error::input(text).of_option("--reg-covar")
        })
    }
}

fn mass(sums: &MixtureSums) -> f64 {
    sums.mass.iter().sum::<i128>() as f64 / UNIT
}

/// A sum of log densities in grid units, as the mean of a row in scaled units.
pub(crate) fn mean_log_likelihood(log_density: i128, mass: f64, dim: usize, step: f64) -> f64 {
    // The step is a power of two: its logarithm is exact but for that of 2.
    log_density as f64 / UNIT / mass - dim as f64 * crate::numeric::ln(step)
}
