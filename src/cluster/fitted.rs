//! What a clustering found, as it stands in a model. The set of algorithms is closed: it is a file format.

use serde::{Deserialize, Serialize};

use super::lloyd::Stop;
use super::trust::{SegmentStability, StartFound};
use crate::backend::Centroids;
use crate::error::Result;
use crate::prepare::Preparation;

/// The result of an algorithm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "algorithm")]
pub enum Fitted {
    /// k-means.
    #[serde(rename = "kmeans")]
    Centroids(FittedCentroids),
}

/// Centroids. Names follow scikit-learn's attributes where it has one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedCentroids {
    /// Segments.
    pub n_clusters: usize,
    /// `n_clusters x features`: the centroids in the features' own units, with transforms undone. A back-transformed
    /// centroid is not the mean of the raw values.
    pub cluster_centers_: Vec<Vec<f64>>,
    /// `n_clusters x features`, or x components if the preparation has any: the centroids as grid integers, which
    /// define the labels.
    pub grid_centers_: Vec<Vec<i32>>,
    /// Rows by segment.
    pub counts_: Vec<u64>,
    /// Mean distance to the centroid by segment, in scaled units; 0 for an empty segment, None for one of few customers
    /// (`--small-cells`).
    pub mean_distance_: Vec<Option<f64>>,
    /// Sum of squared distances in scaled units.
    pub inertia_: f64,
    /// The same in squared grid steps: exact, in decimal digits.
    pub grid_inertia_: String,
    /// Passes over all rows.
    pub n_iter_: u32,
    /// Why they ended.
    pub stop: Stop,
    /// Starts converged on the sample.
    pub n_init: u32,
    /// Rows of the sample.
    pub sample_rows: u64,
    /// How far the starts agree with the result on the sample; empty for a single one, and in models of format 4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts_: Vec<StartFound>,
    /// How stable the segments are, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stability_: Option<SegmentStability>,
}

impl Fitted {
    /// Segments.
    pub fn segments(&self) -> usize {
        match self {
            Fitted::Centroids(fitted) => fitted.n_clusters,
        }
    }

    /// The centroids.
    pub fn centroids(&self) -> &FittedCentroids {
        match self {
            Fitted::Centroids(fitted) => fitted,
        }
    }
}

impl FittedCentroids {
    /// The centroids on the grid.
    ///
    /// # Errors
    /// Values outside the grid, or a number of them that does not make whole centroids.
    pub(crate) fn grid(&self) -> Result<Centroids> {
        let dim = self.grid_centers_.first().map_or(0, Vec::len);
        Centroids::new(dim, self.grid_centers_.concat())
    }

    /// Whether its shapes agree with each other and with the preparation.
    pub(crate) fn agrees_with(&self, preparation: &Preparation) -> bool {
        let k = self.n_clusters;
        [self.cluster_centers_.len(), self.grid_centers_.len(), self.counts_.len(), self.mean_distance_.len()] == [k; 4]
            && self.stability_.as_ref().is_none_or(|stability| stability.jaccard.len() == k)
            && self.cluster_centers_.iter().all(|row| row.len() == preparation.columns.len())
            && self.grid_centers_.iter().all(|row| row.len() == preparation.grid_dim())
    }
}

/// Centroids in the features' own units.
pub(crate) fn original_centers(centroids: &Centroids, preparation: &Preparation) -> Vec<Vec<f64>> {
    let row = |c: &[i32]| {
        let features = preparation.features_of(c).into_iter().zip(&preparation.columns);
        features.map(|(v, column)| column.original(v, preparation.step_exponent)).collect()
    };
    centroids.iter().map(row).collect()
}
