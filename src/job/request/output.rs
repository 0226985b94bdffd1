//! What a job writes.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::columns::split;
use crate::error::{Error, Result};
use crate::report::Language;

/// What the labels are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum PartitionBy {
    /// A folder for each segment: segments/segment=0/part-00000.parquet
    Segment,
}

/// The limit of small counts in effect where this one was asked for, if any.
pub(crate) fn limit_of_small_cells(asked: Option<u64>) -> u64 {
    asked.unwrap_or(10)
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
    /// Also write how unusual each customer is in its segment: anomaly_ratio, the distance
    /// divided by the segment's median, and anomaly_z, in robust deviations from that
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "cli", arg(long))]
    pub anomaly: bool,
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
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
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
    /// Audit, and publish nothing (exit code 6) if a group of a protected attribute is in
    /// some segment more than RATIO times as often as another group, beyond chance
    /// (the lower end of the ratio's 95 % interval counts)
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "RATIO"))]
    pub max_disparity: Option<f64>,
    /// Withhold figures of fewer customers than this from reports and the model, and
    /// warn of segments that have fewer; 0: withhold nothing [default: 10]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub small_cells: Option<u64>,
    /// Also write the result as one JSON object (hashes, paths, warnings, segments); -
    /// prints it on stdout, and no tables
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE|-"))]
    pub json: Option<PathBuf>,
    /// Also write a page for people to this file: HTML without scripts, in --lang
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub report: Option<PathBuf>,
    /// Language of the page: en or zh
    #[serde(skip_serializing_if = "Language::is_default")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "LANG", default_value_t))]
    pub lang: Language,
    /// The profile.json published before: the page also leaves out what the difference of
    /// both would tell of fewer customers than --small-cells
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE", requires = "report"))]
    pub previous_profile: Option<PathBuf>,
    /// Record the names of the user and the machine in the manifest
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "cli", arg(long))]
    pub record_user: bool,
}

impl OutputOptions {
    /// Whether protected attributes are counted.
    pub(in crate::job) fn audits(&self) -> bool {
        self.audit || self.max_disparity.is_some()
    }

    /// The file of the result, unless it is to be printed.
    pub(in crate::job) fn json_file(&self) -> Option<&Path> {
        self.json.as_deref().filter(|path| path.as_os_str() != "-")
    }

    /// The paths in it.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let json = self.json.iter_mut().filter(|path| path.as_os_str() != "-");
        self.out.iter_mut().chain(json).chain(&mut self.report).chain(&mut self.previous_profile)
    }

    /// Figures of fewer customers are withheld; 0: none are.
    pub(crate) fn small_cells(&self) -> u64 {
        limit_of_small_cells(self.small_cells)
    }

    /// As [`ColumnOptions::split_lists`](super::ColumnOptions::split_lists).
    ///
    /// # Errors
    /// A quote that is not closed.
    pub fn split_lists(mut self) -> Result<Self> {
        split(&mut [("--carry", &mut self.carry)])?;
        Ok(self)
    }

    /// Checks the values.
    ///
    /// # Errors
    /// A value out of range.
    pub(in crate::job) fn check(&self) -> Result<()> {
        match self.max_disparity {
            Some(ratio) if !(ratio >= 1.0 && ratio.is_finite()) => {
                let text = format!("--max-disparity {ratio}: it must be a finite number of 1 or more, such as 1.25");
                Err(Error::usage(text).of_option("--max-disparity"))
            }
            _ => Ok(()),
        }
    }
}
