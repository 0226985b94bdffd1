//! The requests that apply a model.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::HasPaths;
use super::{AssignColumns, DeviceOptions, InputOptions, OutputOptions, Resources};
use crate::text::{KeySource, as_text};

/// What to label, and how.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct AssignRequest {
    /// The folder of a fit, or its model.json
    #[cfg_attr(feature = "cli", arg(value_name = "MODEL"))]
    pub model: PathBuf,
    /// Which tables to read.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub input: InputOptions,
    /// What the columns are for.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub columns: AssignColumns,
    /// Where to compute.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub device: DeviceOptions,
    /// Threads, memory and scratch space.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub resources: Resources,
    /// What to write.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub output: OutputOptions,
}

impl AssignRequest {
    /// The files, folders and patterns that it reads.
    pub(in crate::job) fn arguments(&self) -> Vec<PathBuf> {
        let mut reads = self.clone();
        (reads.output.out, reads.output.json, reads.output.report) = (None, None, None);
        reads.resources.scratch = None;
        reads.paths().into_iter().map(|path| path.clone()).collect()
    }
}

impl HasPaths for AssignRequest {
    fn paths(&mut self) -> Vec<&mut PathBuf> {
        let mut paths: Vec<&mut PathBuf> = vec![&mut self.model];
        paths.extend(self.input.paths.iter_mut().chain(&mut self.input.join));
        for source in [&mut self.input.keys, &mut self.columns.pseudonymise].into_iter().flatten() {
            paths.extend(source.path_mut());
        }
        paths.extend(&mut self.columns.protected_words);
        paths.extend(&mut self.resources.scratch);
        paths.extend(self.output.paths());
        paths
    }
}

/// What to prepare with a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct ApplyRequest {
    /// The folder of a fit, or its model.json
    #[cfg_attr(feature = "cli", arg(value_name = "MODEL"))]
    pub model: PathBuf,
    /// Which tables to read.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub input: InputOptions,
    /// Parquet file to write: the id, and every feature or component in scaled units,
    /// float32; with strata also each row's part
    #[cfg_attr(feature = "cli", arg(long, short, value_name = "FILE"))]
    pub out: PathBuf,
    /// The customers' id [default: the model's]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub id: Option<String>,
    /// Replace ids with keyed hashes; the key is read from a FILE or env:NAME
    #[serde(with = "as_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE|env:NAME"))]
    pub pseudonymise: Option<KeySource>,
    /// How much larger the share of missing values in a feature may be than in the
    /// fit, 0 to 1 [default: 0.5]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE"))]
    pub max_missing: Option<f64>,
    /// Threads, memory and scratch space.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub resources: Resources,
}

impl ApplyRequest {
    /// The files, folders and patterns that it reads.
    pub(in crate::job) fn arguments(&self) -> Vec<PathBuf> {
        let secrets = [&self.input.keys, &self.pseudonymise].into_iter().flatten();
        let secrets = secrets.cloned().filter_map(|mut key| key.path_mut().map(|path| path.clone()));
        self.input.all().into_iter().chain([self.model.clone()]).chain(secrets).collect()
    }
}
