//! The request that explains customers.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AssignColumns, AssignRequest, InputOptions, Resources};
use crate::text::{KeySource, as_text};

/// Which customers to explain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct ExplainRequest {
    /// The folder of a fit, or its model.json
    #[cfg_attr(feature = "cli", arg(value_name = "MODEL"))]
    pub model: PathBuf,
    /// Which tables to read.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub input: InputOptions,
    /// Explain the customer with this id; without an id column, the row of this number,
    /// from 0
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long = "id", value_name = "ID", allow_negative_numbers = true))]
    pub customer: Option<String>,
    /// Explain the N most unusual customers: those farther from their segment's
    /// centroid than the median by more than 3.5 robust deviations
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", conflicts_with = "customer"))]
    pub top: Option<usize>,
    /// Describe the segments by rules instead: cuts on one column each, with how many
    /// customers they lead to their segment
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "cli", arg(long, conflicts_with_all = ["customer", "top"]))]
    pub rules: bool,
    /// The most rules of all segments of a part, each the end of a path through the tree
    /// [default: twice the number of segments]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", requires = "rules"))]
    pub leaves: Option<usize>,
    /// Also write the rules to this file, as one SQL expression for DuckDB
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE", requires = "rules"))]
    pub sql: Option<PathBuf>,
    /// Names of segments by segment_id: TOML, as a job has it [default: names.toml beside
    /// the model, in a version of a history]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub names: Option<PathBuf>,
    /// The column of ids [default: the model's]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub id_column: Option<String>,
    /// Show ids as keyed hashes, by which they are found, too; the key is read from a
    /// FILE or env:NAME
    #[serde(with = "as_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE|env:NAME"))]
    pub pseudonymise: Option<KeySource>,
    /// Also write the result to this file, as JSON; - is the standard output
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub json: Option<PathBuf>,
    /// Threads, memory and scratch space.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub resources: Resources,
}

impl ExplainRequest {
    /// An assignment that reads the same.
    pub(in crate::job) fn assignment(&self) -> AssignRequest {
        let columns = AssignColumns {
            id: self.id_column.clone(),
            pseudonymise: self.pseudonymise.clone(),
            ..AssignColumns::default()
        };
        AssignRequest {
            model: self.model.clone(),
            input: self.input.clone(),
            columns,
            resources: self.resources.clone(),
            ..AssignRequest::default()
        }
    }
}
