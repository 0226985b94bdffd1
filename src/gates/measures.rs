//! What a run measured, as far as gates look at it.

use serde::{Deserialize, Serialize};

/// What a gate's value is about, if not the whole run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateSubject {
    /// A segment, by its id.
    SegmentId(u64),
    /// A feature, by its name.
    Feature(String),
}

/// What a run measured. Comparisons are None in a first version, and where one side is unknown.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measures {
    /// The version compared with.
    pub compared_with: Option<u64>,
    /// Rows of the input.
    pub rows: u64,
    /// Rows of the version compared with.
    pub rows_before: Option<u64>,
    /// Mean squared distance of customers to their centroids, under one preparation for both versions.
    pub inertia: Option<f64>,
    /// The same of the version compared with.
    pub inertia_before: Option<f64>,
    /// Segments without an ancestor and old segments without a successor
    /// ([`Identities::unmatched`](crate::identity::Identities::unmatched)).
    pub unmatched: Option<u64>,
    /// Share of customers whose segment differs because its definition did.
    pub relabelled: Option<f64>,
    /// The segments, by number.
    pub segments: Vec<SegmentMeasures>,
    /// The features, in the order of the model.
    pub features: Vec<FeatureMeasures>,
}

/// What a run measured of a segment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentMeasures {
    /// Its id.
    pub segment_id: u64,
    /// Its customers.
    pub customers: u64,
    /// Its share of all customers who have a segment.
    pub share: f64,
    /// The same in the version compared with; None if it is new.
    pub share_before: Option<f64>,
    /// Of its customers in the version compared with who are still there, the share who still are in it.
    pub retention: Option<f64>,
    /// How many of its customers in the version compared with are still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stayed: Option<u64>,
}

/// What a run measured of a feature.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureMeasures {
    /// Its name.
    pub name: String,
    /// Population stability index.
    pub psi: Option<f64>,
    /// First Wasserstein distance over the reference's standard deviation.
    pub w1: Option<f64>,
    /// Share of missing values.
    pub missing: Option<f64>,
    /// The same in the version compared with.
    pub missing_before: Option<f64>,
}
