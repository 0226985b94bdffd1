//! What a clustering found, as it stands in a model. The set of algorithms is closed: it is a file format.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::clustering::Algorithm;
use super::hierarchy::{TreeMerge, TreeTop};
use super::label_rule::{LabelRule, MicroSegments};
use super::lloyd::Stop;
use super::mixture::FittedMixture;
use super::trust::{SegmentStability, StartFound};
use crate::backend::Centroids;
use crate::error::{Error, ErrorKind, Result};
use crate::prepare::Preparation;

/// The result of an algorithm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "algorithm")]
pub enum Fitted {
    /// k-means.
    #[serde(rename = "kmeans")]
    Centroids(FittedCentroids),
    /// A Gaussian mixture.
    #[serde(rename = "gmm")]
    Mixture(FittedMixture),
    /// Ward's hierarchical clustering.
    #[serde(rename = "ward")]
    Tree(FittedTree),
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

/// A tree of merges, cut into segments. Names follow scikit-learn's attributes where it has one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedTree {
    /// Segments.
    pub n_clusters: usize,
    /// Whether the leaves are all distinct rows; otherwise they are micro-segments found on a sample.
    pub is_exact: bool,
    /// Leaves of the whole tree. The model has the part of it above at most 4096 micro-segments.
    pub n_leaves_: usize,
    /// `n_clusters x features`: the means of the segments in the features' own units, with transforms undone.
    pub cluster_centers_: Vec<Vec<f64>>,
    /// Rows by segment.
    pub counts_: Vec<u64>,
    /// Mean distance to the centroid of the micro-segment, by segment, in scaled units; None for a segment of few
    /// customers (`--small-cells`).
    pub mean_distance_: Vec<Option<f64>>,
    /// Sum of squared distances to the means of the segments, in scaled units.
    pub inertia_: f64,
    /// The same in squared grid steps: exact, in decimal digits.
    pub grid_inertia_: String,
    /// `micro-segments x features`, or x components if the preparation has any: the centroids of micro-segments as grid
    /// integers. A row belongs to the segment of the nearest.
    pub micro_centers_: Vec<Vec<i32>>,
    /// By micro-segment, the segment that it belongs to.
    pub micro_segments_: Vec<u32>,
    /// Rows by micro-segment.
    pub micro_counts_: Vec<u64>,
    /// The merges of the micro-segments, as in scipy's linkage matrices: two clusters, the height, and rows.
    pub linkage_: Vec<TreeMerge>,
    /// Rows of the sample on which micro-segments were found; 0 in an exact tree.
    pub sample_rows: u64,
    /// How far these segments agree with those from micro-segments of another sample: the adjusted Rand index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement_: Option<f64>,
    /// Rows of the fit that `assign` gives another segment, since an exact tree has more leaves than the model
    /// micro-segments; None where there are none for this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relabelled_: Option<u64>,
}

impl Fitted {
    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Fitted::Centroids(_) => Algorithm::KMeans,
            Fitted::Mixture(_) => Algorithm::Gmm,
            Fitted::Tree(_) => Algorithm::Ward,
        }
    }

    /// Segments.
    pub fn segments(&self) -> usize {
        match self {
            Fitted::Centroids(fitted) => fitted.n_clusters,
            Fitted::Mixture(fitted) => fitted.n_components,
            Fitted::Tree(fitted) => fitted.n_clusters,
        }
    }

    /// The sum of squared distances to the centroids or means of the segments, in scaled units; of a mixture, that of
    /// squared Mahalanobis distances.
    pub fn inertia(&self) -> f64 {
        match self {
            Fitted::Centroids(fitted) => fitted.inertia_,
            Fitted::Mixture(fitted) => fitted.inertia_,
            Fitted::Tree(fitted) => fitted.inertia_,
        }
    }

    /// The centroids or means of the segments in the features' own units.
    pub fn centers(&self) -> &[Vec<f64>] {
        match self {
            Fitted::Centroids(fitted) => &fitted.cluster_centers_,
            Fitted::Mixture(fitted) => &fitted.means_,
            Fitted::Tree(fitted) => &fitted.cluster_centers_,
        }
    }

    /// What k-means found; None of another algorithm.
    pub fn centroids(&self) -> Option<&FittedCentroids> {
        match self {
            Fitted::Centroids(fitted) => Some(fitted),
            Fitted::Mixture(_) | Fitted::Tree(_) => None,
        }
    }

    /// What k-means found, for `what`, which goes by the nearest centroid.
    ///
    /// # Errors
    /// Another algorithm.
    pub(crate) fn of_kmeans(&self, what: &str) -> Result<&FittedCentroids> {
        self.centroids().ok_or_else(|| {
            let text = format!(
                "{what} goes by the centroids of k-means, and the model is of --algorithm {}; fit one with --algorithm \
                 kmeans",
                self.algorithm()
            );
            Error::usage(text).of_kind(ErrorKind::Model)
        })
    }

    /// The tree; None of an algorithm that makes none.
    pub fn tree(&self) -> Option<&FittedTree> {
        match self {
            Fitted::Centroids(_) | Fitted::Mixture(_) => None,
            Fitted::Tree(fitted) => Some(fitted),
        }
    }

    /// The mixture; None of another algorithm.
    pub fn mixture(&self) -> Option<&FittedMixture> {
        match self {
            Fitted::Mixture(fitted) => Some(fitted),
            Fitted::Centroids(_) | Fitted::Tree(_) => None,
        }
    }

    /// How rows are labelled.
    ///
    /// # Errors
    /// Values outside the grid, or covariances that are none.
    pub(crate) fn label_rule(&self) -> Result<LabelRule> {
        match self {
            Fitted::Centroids(fitted) => fitted.grid().map(LabelRule::Centroids),
            Fitted::Mixture(fitted) => fitted.gaussians().map(LabelRule::Mixture),
            Fitted::Tree(fitted) => fitted.micro().map(LabelRule::Micro),
        }
    }

    /// What rows are compared to: centroids, components, or micro-segments.
    pub(crate) fn compared(&self) -> usize {
        match self {
            Fitted::Centroids(fitted) => fitted.n_clusters,
            Fitted::Mixture(fitted) => fitted.n_components,
            Fitted::Tree(fitted) => fitted.micro_centers_.len(),
        }
    }

    /// Whether its shapes agree with each other and with the preparation.
    pub(crate) fn agrees_with(&self, preparation: &Preparation) -> bool {
        match self {
            Fitted::Centroids(fitted) => fitted.agrees_with(preparation),
            Fitted::Mixture(fitted) => fitted.agrees_with(preparation),
            Fitted::Tree(fitted) => fitted.agrees_with(preparation),
        }
    }
}

impl FittedTree {
    /// The last merges of the tree: so many, and at least those that segments would be merged by.
    pub(crate) fn top(&self, merges: usize) -> TreeTop {
        TreeTop::of(&self.linkage_, &self.micro_segments_, merges.max(self.n_clusters - 1))
    }

    fn micro(&self) -> Result<MicroSegments> {
        let dim = self.micro_centers_.first().map_or(0, Vec::len);
        Ok(MicroSegments {
            centroids: Centroids::new(dim, self.micro_centers_.concat())?,
            segment_of: self.micro_segments_.clone(),
            segments: self.n_clusters,
        })
    }

    fn agrees_with(&self, preparation: &Preparation) -> bool {
        let (k, micro) = (self.n_clusters, self.micro_centers_.len());
        let merges = self.linkage_.iter().enumerate();
        // Each cluster is merged once.
        let merged: HashSet<usize> = self.linkage_.iter().flat_map(|merge| [merge.0, merge.1]).collect();
        [self.cluster_centers_.len(), self.counts_.len(), self.mean_distance_.len()] == [k; 3]
            && [self.micro_segments_.len(), self.micro_counts_.len(), self.linkage_.len() + 1] == [micro; 3]
            && (k..=self.n_leaves_).contains(&micro)
            && self.micro_segments_.iter().all(|&segment| (segment as usize) < k)
            && merges.into_iter().all(|(at, merge)| merge.0 < merge.1 && merge.1 < micro + at)
            && merged.len() == 2 * self.linkage_.len()
            && self.cluster_centers_.iter().all(|row| row.len() == preparation.columns.len())
            && self.micro_centers_.iter().all(|row| row.len() == preparation.grid_dim())
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
