//! What is asked of a clustering. The set of algorithms is closed, as that of [`Fitted`](super::Fitted) is.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hierarchy::Ward;
use super::kmeans::KMeans;
use super::mixture::Mixture;

/// How customers are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Algorithm {
    /// Each customer belongs to the nearest of k centroids
    #[default]
    #[serde(rename = "kmeans")]
    #[cfg_attr(feature = "cli", value(name = "kmeans"))]
    KMeans,
    /// Each customer belongs to the likeliest of k Gaussian components, with a posterior
    Gmm,
    /// A tree of merges that add least to the squared distances, cut into k segments
    Ward,
}

impl Algorithm {
    /// Its name in options and models.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::KMeans => "kmeans",
            Algorithm::Gmm => "gmm",
            Algorithm::Ward => "ward",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An algorithm with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Clustering {
    /// k-means.
    KMeans(KMeans),
    /// A Gaussian mixture, which starts from k-means.
    Mixture(KMeans, Mixture),
    /// Ward's hierarchical clustering.
    Ward(Ward),
}
