//! What people answer for the model card of a monthly job.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Answers for the model card: whatever is left out stands there as a question to the owner of the job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CardOptions {
    /// What the segmentation is, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overview: Option<String>,
    /// Who uses the segments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<String>,
    /// The decisions that the segments inform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intended_use: Option<String>,
    /// What the segments must not be used for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_scope: Option<String>,
    /// How material the model is (exposure and purpose), and who rated it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub materiality: Option<String>,
    /// Other features, methods and numbers of segments that were considered, and why they were not chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternatives: Option<String>,
    /// Limitations that users have to know, besides those that were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limitations: Option<String>,
    /// What was given up for what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tradeoffs: Option<String>,
    /// Who could be treated unfairly by decisions that follow the segments, and what prevents it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ethical: Option<String>,
    /// What came of decisions that followed earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<String>,
    /// Who looks at gates and drift every month, and what follows from a breach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<String>,
    /// Who validated the model independently of its developers, when, and with which result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<String>,
    /// Addresses of further documents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
}
