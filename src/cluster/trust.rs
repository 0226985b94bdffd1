//! What a fit says of how far its segments are to be trusted.

use serde::{Deserialize, Serialize};

/// A start, converged on the sample, beside the result there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartFound {
    /// Its inertia over that of the result: 1 or more.
    pub inertia: f64,
    /// The adjusted Rand index of its segments and those of the result: 1 where they are the same, 0 by chance.
    pub adjusted_rand: f64,
}

/// How a fit began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FitOrigin {
    /// Rows of the sample; 0 if centroids were given.
    pub(super) sample_rows: u64,
    /// The starts, if there were several.
    pub(super) starts: Vec<StartFound>,
}

/// How stable segments are under resampling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentStability {
    /// Fits of resampled customers.
    pub replicates: u32,
    /// By segment: the mean over the replicates of the largest Jaccard index with one of their segments; None for a
    /// segment of few customers in the sample.
    pub jaccard: Vec<Option<f64>>,
}

/// What a mean Jaccard index says of a segment (C. Hennig, "Cluster-wise assessment of cluster stability",
/// Computational Statistics and Data Analysis 52, 2007, and the documentation of `clusterboot` in the R package fpc).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StabilityBand {
    /// Below 0.6: not to be trusted.
    Unstable,
    /// From 0.6: a pattern in the data, but which customers belong to it is doubtful.
    Pattern,
    /// From 0.75.
    Stable,
    /// From 0.85.
    High,
}

impl StabilityBand {
    /// The band of a mean Jaccard index.
    pub fn of(jaccard: f64) -> Self {
        match jaccard {
            j if j >= 0.85 => StabilityBand::High,
            j if j >= 0.75 => StabilityBand::Stable,
            j if j >= 0.6 => StabilityBand::Pattern,
            _ => StabilityBand::Unstable,
        }
    }

    /// In English and in Chinese.
    pub fn words(self) -> [&'static str; 2] {
        match self {
            StabilityBand::Unstable => ["unstable", "不稳定"],
            StabilityBand::Pattern => ["a pattern", "有一定规律"],
            StabilityBand::Stable => ["stable", "稳定"],
            StabilityBand::High => ["highly stable", "高度稳定"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_begin_where_they_say() {
        use StabilityBand::*;
        let bands = [0.59, 0.6, 0.75, 0.85].map(StabilityBand::of);
        assert_eq!(bands, [Unstable, Pattern, Stable, High]);
    }
}
