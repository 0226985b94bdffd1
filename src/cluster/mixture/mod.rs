//! Gaussian mixtures: components with weights, means and covariances, found by expectation and maximisation.
//!
//! Names and meanings follow scikit-learn's `GaussianMixture` with `init_params="kmeans"`. All sums are integers, so a
//! mixture has the same bytes for any threads, SIMD level and chunks.

mod cholesky;
mod components;
mod covariance;
mod em;
mod fitted;
#[cfg(test)]
mod tests;

pub use covariance::CovarianceType;
pub(crate) use em::{Mixture, MixtureFit, mean_log_likelihood};
pub use fitted::FittedMixture;
pub(crate) use fitted::criteria;
