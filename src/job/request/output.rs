//! What a job writes.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the labels are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum PartitionBy {
    /// A folder for each segment: segments/segment=0/part-00000.parquet
    Segment,
}

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
    /// Copy columns of the input to the labels, separated by commas; protected and
    /// personal ones only if they are also in --include
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS", value_delimiter = ','))]
    pub carry: Vec<String>,
    /// Add a column with one value to the labels, as snapshot=2026-11-30; may be
    /// given several times. A day becomes a date, anything else text
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME=VALUE"))]
    pub column: Vec<String>,
    /// Start another file of labels after so many rows [default: one file]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub rows_per_file: Option<u64>,
    /// Write the labels of each segment to a folder of their own, without the column
    /// segment: segments/segment=0/part-00000.parquet
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub partition_by: Option<PartitionBy>,
    /// Also write the empty file segments/_SUCCESS, which some schedulers wait for;
    /// Polars does not read folders with it
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "cli", arg(long))]
    pub success_file: bool,
}
