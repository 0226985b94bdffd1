//! How rows get their segments from what a clustering found.

use crate::backend::{Centroids, Gaussians, MAHALANOBIS_UNIT};

/// What decides about the label of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LabelRule {
    /// The nearest centroid, one of each segment.
    Centroids(Centroids),
    /// The component of the largest posterior, one of each segment.
    Mixture(Gaussians),
    /// The nearest micro-segment, which belongs to a segment.
    Micro(MicroSegments),
}

/// Micro-segments and the segments that they belong to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MicroSegments {
    pub(crate) centroids: Centroids,
    /// By micro-segment.
    pub(crate) segment_of: Vec<u32>,
    /// Segments.
    pub(crate) segments: usize,
}

impl LabelRule {
    /// Segments.
    pub(crate) fn segments(&self) -> usize {
        match self {
            LabelRule::Centroids(centroids) => centroids.k(),
            LabelRule::Mixture(gaussians) => gaussians.k(),
            LabelRule::Micro(micro) => micro.segments,
        }
    }

    /// The unit of squared distances of labels, in scaled units: the `step` of the grid, or for a mixture that of
    /// Mahalanobis distances.
    pub(crate) fn unit(&self, step: f64) -> f64 {
        match self {
            LabelRule::Centroids(_) | LabelRule::Micro(_) => step,
            LabelRule::Mixture(_) => MAHALANOBIS_UNIT,
        }
    }

    /// By micro-segment, the segment that it belongs to; None where there are no micro-segments.
    pub(crate) fn segment_of(&self) -> Option<&[u32]> {
        match self {
            LabelRule::Centroids(_) | LabelRule::Mixture(_) => None,
            LabelRule::Micro(micro) => Some(&micro.segment_of),
        }
    }

    /// Turns labels of a session into segments.
    pub(crate) fn to_segments(&self, labels: &mut [u32]) {
        if let Some(segment_of) = self.segment_of() {
            labels.iter_mut().for_each(|label| *label = segment_of[*label as usize]);
        }
    }
}
