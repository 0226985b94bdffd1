//! How rows get their segments from what a clustering found.

use crate::backend::Centroids;

/// What decides about the label of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LabelRule {
    /// The nearest centroid, one of each segment.
    Centroids(Centroids),
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
    /// The centroids to which a session labels rows.
    pub(crate) fn centroids(&self) -> &Centroids {
        match self {
            LabelRule::Centroids(centroids) => centroids,
            LabelRule::Micro(micro) => &micro.centroids,
        }
    }

    /// Segments.
    pub(crate) fn segments(&self) -> usize {
        match self {
            LabelRule::Centroids(centroids) => centroids.k(),
            LabelRule::Micro(micro) => micro.segments,
        }
    }

    /// By centroid, the segment that it belongs to; None: each is a segment.
    pub(crate) fn segment_of(&self) -> Option<&[u32]> {
        match self {
            LabelRule::Centroids(_) => None,
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
