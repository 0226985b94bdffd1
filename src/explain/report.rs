//! The report: what `hyades explain` prints as JSON.

use serde::Serialize;

/// Some customers, explained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainReport {
    /// The version of this shape: 1.
    pub explain_version: u32,
    /// Rows of the input.
    pub rows: u64,
    /// The customer asked for, or the most unusual ones, by falling robust z.
    pub customers: Vec<Explanation>,
    /// Distances by segment; only where unusual customers are asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentSpread>,
}

/// Why a customer is in a segment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The id; the row number where the input has no id column.
    pub customer: Option<String>,
    /// The row, from 0.
    pub row: u64,
    /// The segment; None: the model does not know the row's stratum.
    pub segment: Option<u32>,
    /// Its name, where segments have names.
    pub name: Option<String>,
    /// Its id in all versions, where the model is of a version of a history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment_id: Option<u64>,
    /// What people call it in English, by `names.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called_en: Option<String>,
    /// The same in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called_zh: Option<String>,
    /// The rule that took the row. Then there are no distances.
    pub rule: Option<String>,
    /// Distance to the segment's centroid, in scaled units.
    pub distance: Option<f64>,
    /// The square of it in grid steps: exact, in decimal digits.
    pub grid_distance2: Option<String>,
    /// The distance divided by the segment's median; only of unusual customers.
    pub ratio: Option<f64>,
    /// The distance minus the median, divided by 1.4826 times the median absolute deviation; only of unusual customers.
    pub robust_z: Option<f64>,
    /// The second-nearest segment.
    pub runner_up: Option<OtherSegment>,
    /// By feature, or by component where the model has any: the largest part of the distance first.
    pub contributions: Vec<Contribution>,
    /// The smallest change of one number, or of two, that leads to the runner-up; None where there is none.
    pub way_out: Option<WayOut>,
}

/// A segment beside the nearest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OtherSegment {
    /// The segment.
    pub segment: u32,
    /// Its name, where segments have names.
    pub name: Option<String>,
    /// Its id in all versions, where the model is of a version of a history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment_id: Option<u64>,
    /// What people call it in English, by `names.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called_en: Option<String>,
    /// The same in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called_zh: Option<String>,
    /// Distance to its centroid, in scaled units.
    pub distance: f64,
    /// The square of it in grid steps: exact, in decimal digits.
    pub grid_distance2: String,
}

/// What a feature adds to the squared distance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contribution {
    /// The feature or component.
    pub feature: String,
    /// The value in the input; None where it is missing, or of a component.
    pub value: Option<String>,
    /// The median of the segment in the fit, if its profile lies beside the model.
    pub median: Option<f64>,
    /// The squared difference from the centroid in grid steps. These add up to the squared distance.
    pub squared: u64,
    /// The share of the squared distance; 0 on the centroid.
    pub share: f64,
    /// What the feature adds to the squared distance to the runner-up, minus `squared`. These add up to the difference
    /// of the two squared distances.
    pub to_runner_up: Option<i64>,
}

/// A change that leads to another segment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WayOut {
    /// That segment.
    pub segment: u32,
    /// One feature, or two.
    pub changes: Vec<ChangedValue>,
}

/// A value that changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedValue {
    /// The feature.
    pub feature: String,
    /// Its value in the input; None where it is missing.
    pub from: Option<String>,
    /// The value that it would need. Dates are in days since 1970-01-01.
    pub to: f64,
}

/// Distances to the centroid of a segment, in scaled units.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentSpread {
    /// The segment.
    pub segment: u32,
    /// Its rows.
    pub customers: u64,
    /// Their median distance; None without rows.
    pub median: Option<f64>,
    /// The median absolute deviation from it.
    pub mad: Option<f64>,
    /// Rows whose robust z is beyond 3.5.
    pub unusual: u64,
}
