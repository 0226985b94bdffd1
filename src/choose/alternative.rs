//! What was found for one number of segments.

use serde::Serialize;

use crate::cluster::{Gap, SegmentStability, StabilityBand};
use crate::validity::Validity;

/// A number of segments, and how good the segments are that a fit finds with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alternative {
    /// The number of segments.
    pub k: usize,
    /// Rows by segment, the largest first.
    pub sizes: Vec<u64>,
    /// Indices of all rows.
    pub validity: Validity,
    /// The gap statistic; None without references.
    pub gap: Option<Gap>,
    /// Prediction strength; None without halvings.
    pub prediction_strength: Option<f64>,
    /// How far other seeds agree.
    pub agreement: Option<SeedAgreement>,
    /// How stable the segments are under resampling.
    pub stability: Option<SegmentStability>,
}

/// Adjusted Rand indices of the segments that other seeds find, and those of the result.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SeedAgreement {
    /// Their mean.
    pub mean: f64,
    /// The least.
    pub least: f64,
}

impl SeedAgreement {
    /// Of some indices; None without any.
    pub(crate) fn of(adjusted_rand: &[f64]) -> Option<Self> {
        let mean = adjusted_rand.iter().sum::<f64>() / adjusted_rand.len() as f64;
        let least = adjusted_rand.iter().copied().fold(1.0, f64::min);
        (!adjusted_rand.is_empty()).then_some(SeedAgreement { mean, least })
    }
}

impl Alternative {
    /// The least stable segment that was judged.
    pub fn least_stable(&self) -> Option<f64> {
        let judged = self.stability.iter().flat_map(|stability| stability.jaccard.iter().flatten());
        judged.copied().reduce(f64::min)
    }

    /// How many of its segments are in each of the bands of [`StabilityBand`], and how many were not judged.
    pub(super) fn bands(&self) -> ([usize; 4], usize) {
        let (mut bands, mut unknown) = ([0; 4], 0);
        for jaccard in self.stability.iter().flat_map(|stability| &stability.jaccard) {
            match jaccard.map(StabilityBand::of) {
                Some(band) => bands[band as usize] += 1,
                None => unknown += 1,
            }
        }
        (bands, unknown)
    }
}
