//! What a fit saw of a column.

use serde::{Deserialize, Serialize};

use crate::prepare::counts::{StoredCounts, ValueCounts};

/// Counts and statistics of one column in the rows of the fit. Statistics are of present, transformed values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Values that were present.
    pub present: u64,
    /// Values that were missing or moved.
    #[serde(flatten, with = "StoredCounts")]
    pub counts: ValueCounts,
    /// Mean.
    pub mean: f64,
    /// Standard deviation of the population.
    pub deviation: f64,
    /// Skewness; None where nothing varies.
    pub skewness: Option<f64>,
    /// Skewness of the untransformed values in the rows that were probed.
    pub raw_skewness: Option<f64>,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}
