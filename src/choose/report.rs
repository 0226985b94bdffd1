//! What was found for each number of segments.

use serde::Serialize;

use super::alternative::Alternative;
use super::recommend::Recommendation;
use crate::error::{Error, Result};

/// What a search for the number of segments found. Figures of [`Validity`](crate::validity::Validity) are of all rows,
/// the others of a sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChoiceReport {
    /// Rows of the input.
    pub rows: u64,
    /// Features of the prepared rows.
    pub features: Vec<String>,
    /// The lowest and the highest number of segments that was asked for.
    pub range: [usize; 2],
    /// The seed of all random choices.
    pub seed: u64,
    /// Rows of the sample on which fits were repeated.
    pub sample_rows: u64,
    /// Fits with other seeds, by number of segments.
    pub seeds: u32,
    /// Fits of resampled rows.
    pub replicates: u32,
    /// Times that the sample was halved.
    pub halvings: u32,
    /// References of the gap statistic.
    pub references: u32,
    /// Whether the same request gives the same report: not if `--max-time` ended the search.
    pub reproducible: bool,
    /// By number of segments, in ascending order.
    pub alternatives: Vec<Alternative>,
    /// Between each alternative and the next: rows by segment of the one and of the other. Empty beyond 256 segments.
    pub flows: Vec<Vec<Vec<u64>>>,
    /// What follows.
    pub recommendation: Recommendation,
}

impl ChoiceReport {
    /// The report as JSON.
    ///
    /// # Errors
    /// None expected.
    pub fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        text.map(|text| text + "\n").map_err(|e| Error::Internal(format!("the report as JSON: {e}")))
    }
}
