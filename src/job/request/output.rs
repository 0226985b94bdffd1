//! What a job writes.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to write, and where.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Output"))]
pub struct OutputOptions {
    /// Folder for segments/ (labels), model.json (of a fit), profile.json and
    /// manifest.json
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, short, value_name = "FOLDER"))]
    pub out: Option<PathBuf>,
    /// Also write the gap to the second-nearest centroid
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "cli", arg(long))]
    pub margin: bool,
    /// Report how protected attributes are distributed across segments: a table, audit.json
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "cli", arg(long))]
    pub audit: bool,
    /// Do not describe segments by means, medians and shares: no profile.json, and one
    /// decoding of the columns less
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "cli", arg(long))]
    pub no_profile: bool,
}
