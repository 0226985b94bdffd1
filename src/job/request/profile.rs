//! The request that describes segments.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::columns::split;
use super::output::limit_of_small_cells;
use super::{InputOptions, Resources};
use crate::error::{Error, Result};
use crate::report::Language;

/// The share of the input's rows that labels may leave out by default: beyond it, they are likely those of other rows.
const MOST_UNMATCHED: f64 = 0.5;

/// Which rows to describe, and by which labels.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct ProfileRequest {
    /// Which tables to read.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub input: InputOptions,
    /// The folder of a fit or of an assign, or any Parquet with labels: rows are found
    /// by the id, or by their order if it has none [default: the input has the labels]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "PATH"))]
    pub labels: Option<PathBuf>,
    /// The column of labels [default: segment]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub label_column: Option<String>,
    /// Refuse labels that leave out more than this share of the input's rows, 0 to 1
    /// [default: 0.5]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE", requires = "labels"))]
    pub max_unmatched: Option<f64>,
    /// Also write the profile to this file, as JSON; - is the standard output
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
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
    /// Withhold figures of fewer customers than this; 0: withhold nothing [default: 10]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub small_cells: Option<u64>,
    /// What the columns are for.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub columns: ProfileColumns,
    /// Threads, memory and scratch space.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub resources: Resources,
}

/// The columns of a profile.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Columns"))]
pub struct ProfileColumns {
    /// The customers' id [default: the model's, or a column named like one]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub id: Option<String>,
    /// Columns to describe, separated by commas [default: those of the model beside the
    /// labels, or every column that would be a feature of a fit]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub features: Vec<String>,
    /// Columns besides the default ones
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub include: Vec<String>,
    /// Columns that are not described
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub exclude: Vec<String>,
    /// Outcomes, such as whether a customer left: reported by segment
    /// [default: columns named like one]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub outcome: Vec<String>,
    /// Columns that say whether a customer holds a product: shares by segment, and products
    /// held together
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub product: Vec<String>,
}

/// The share of rows that labels may leave out: half of them unless asked for.
pub(crate) fn max_unmatched(asked: Option<f64>) -> Result<f64> {
    let share = asked.unwrap_or(MOST_UNMATCHED);
    if !(0.0..=1.0).contains(&share) {
        return Err(
            Error::usage(format!("--max-unmatched is {share}; a share is from 0 to 1")).of_option("--max-unmatched")
        );
    }
    Ok(share)
}

impl ProfileRequest {
    /// The share of rows that labels may leave out.
    pub(in crate::job) fn max_unmatched(&self) -> Result<f64> {
        max_unmatched(self.max_unmatched)
    }

    /// Segments of fewer customers get no figures; 0: all get them.
    pub(in crate::job) fn small_cells(&self) -> u64 {
        limit_of_small_cells(self.small_cells)
    }
}

impl ProfileColumns {
    /// As [`ColumnOptions::split_lists`](super::ColumnOptions::split_lists).
    ///
    /// # Errors
    /// A quote that is not closed.
    pub fn split_lists(mut self) -> Result<Self> {
        split(&mut [
            ("--features", &mut self.features),
            ("--include", &mut self.include),
            ("--exclude", &mut self.exclude),
            ("--outcome", &mut self.outcome),
            ("--product", &mut self.product),
        ])?;
        Ok(self)
    }
}
