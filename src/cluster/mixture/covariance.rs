//! The shapes that the components of a mixture may have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::backend::{SecondMoments, triangle};

/// The shape of the components of a mixture, as scikit-learn's `covariance_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum CovarianceType {
    /// Each component has a variance for each feature
    #[default]
    Diag,
    /// Each component has a covariance matrix of its own
    Full,
    /// All components share one covariance matrix
    Tied,
    /// Each component has one variance
    Spherical,
}

impl CovarianceType {
    /// What the sums of an iteration need.
    pub(super) fn moments(self) -> SecondMoments {
        match self {
            CovarianceType::Full => SecondMoments::Products,
            // The products of all rows do not change.
            CovarianceType::Tied => SecondMoments::Without,
            CovarianceType::Diag | CovarianceType::Spherical => SecondMoments::Squares,
        }
    }

    /// What the sums of the start need.
    pub(super) fn first_moments(self) -> SecondMoments {
        if self == CovarianceType::Tied { SecondMoments::Products } else { self.moments() }
    }

    /// Numbers that describe the covariance of `k` components of `dim` features.
    pub(super) fn entries(self, k: usize, dim: usize) -> usize {
        match self {
            CovarianceType::Full => k * triangle(dim),
            CovarianceType::Tied => triangle(dim),
            CovarianceType::Diag => k * dim,
            CovarianceType::Spherical => k,
        }
    }

    /// The free parameters of a mixture, as scikit-learn counts them.
    pub(super) fn free_parameters(self, k: usize, dim: usize) -> u64 {
        (self.entries(k, dim) + k * dim + k - 1) as u64
    }
}
