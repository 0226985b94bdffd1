//! The request of a fit.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clustering::no_margin;
use super::config::{self, HasPaths};
use super::{
    ClusteringOptions, ColumnOptions, DeviceOptions, InputOptions, OutputOptions, PreparationOptions, Resources,
};
use crate::choose::Recommendation;
use crate::cluster::Algorithm;
use crate::error::{Error, Result};
use crate::prepare::Recipe;

/// What to fit, and how.
///
/// # Examples
/// ```
/// use hyades::job::{ClusteringOptions, FitRequest, InputOptions, SegmentCount};
///
/// let request = FitRequest {
///     input: InputOptions::of(["data/customers.parquet"]),
///     clustering: ClusteringOptions::of(8),
///     ..FitRequest::default()
/// };
/// assert_eq!(request.clustering.k, Some(SegmentCount::Number(8)));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct FitRequest {
    /// Which tables to read.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub input: InputOptions,
    /// What the columns are for.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub columns: ColumnOptions,
    /// How columns become comparable.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub preparation: PreparationOptions,
    /// The rules applied before clustering, and the strata.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub division: DivisionOptions,
    /// How to cluster.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub clustering: ClusteringOptions,
    /// Where to compute.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub device: DeviceOptions,
    /// Threads, memory and scratch space.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub resources: Resources,
    /// What to write. Without a folder, nothing is written.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub output: OutputOptions,
    /// The file that it was read from, also in part: no output overwrites it, and the manifest has its hash.
    #[serde(skip)]
    #[cfg_attr(feature = "cli", arg(skip))]
    pub config: Option<PathBuf>,
}

/// How the bank is divided before it is clustered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Clustering"))]
pub struct DivisionOptions {
    /// TOML with [[rule]] (name, when: a condition in SQL) and [strata] (within: a
    /// column; k; k_of): customers go to the first rule that matches, the others
    /// are clustered per stratum, with --k segments unless the file sets another k
    #[allow(
        rustdoc::broken_intra_doc_links,
        reason = "brackets of TOML; the text is the help of the command line, too"
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub rules: Option<PathBuf>,
}

/// A checked request: every default of the clustering is filled in, and the recipe has been read.
#[derive(Debug, Clone)]
pub(in crate::job) struct CheckedFit {
    pub(in crate::job) request: FitRequest,
    pub(in crate::job) recipe: Recipe,
    pub(in crate::job) k: usize,
    /// Why there are as many segments, if that was chosen.
    pub(in crate::job) choice: Option<Recommendation>,
}

impl FitRequest {
    /// Reads a request from TOML. Relative paths in it are relative to the file's folder.
    ///
    /// # Errors
    /// A file that cannot be read, malformed TOML, or a key that does not exist, with line and column.
    ///
    /// # Examples
    /// ```
    /// use hyades::job::{FitRequest, SegmentCount};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("fit.toml");
    /// std::fs::write(&path, "[input]\npaths = [\"bank.parquet\"]\n[clustering]\nk = 8\n")?;
    /// let request = FitRequest::from_toml(&path)?;
    /// assert_eq!(request.clustering.k, Some(SegmentCount::Number(8)));
    /// assert_eq!(request.input.paths, [folder.path().join("bank.parquet")]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_toml(path: &Path) -> Result<Self> {
        Ok(FitRequest { config: Some(path.to_path_buf()), ..config::read(path)? })
    }

    /// This request, with missing fields taken from `other`.
    ///
    /// # Errors
    /// A path that is not UTF-8.
    ///
    /// # Examples
    /// ```
    /// use hyades::job::{ClusteringOptions, FitRequest, InputOptions};
    ///
    /// let file = FitRequest {
    ///     input: InputOptions::of(["bank.parquet"]),
    ///     clustering: ClusteringOptions::of(8),
    ///     ..FitRequest::default()
    /// };
    /// let flags = FitRequest { clustering: ClusteringOptions::of(4), ..FitRequest::default() };
    /// let request = flags.or(file)?;
    /// assert_eq!(request.clustering, ClusteringOptions::of(4));
    /// assert_eq!(request.input, InputOptions::of(["bank.parquet"]));
    /// # Ok::<(), hyades::Error>(())
    /// ```
    pub fn or(mut self, mut other: FitRequest) -> Result<Self> {
        // A recipe is taken as a whole; its infinite numbers cannot be written as JSON.
        let (own, others) = (self.preparation.recipe.take(), other.preparation.recipe.take());
        let mut merged = config::overlay(&self, &other)?;
        merged.preparation.recipe = own.or(others);
        merged.config = self.config.or(other.config);
        Ok(merged)
    }

    /// The JSON Schema of request files, for editors.
    ///
    /// # Examples
    /// ```
    /// let schema = hyades::job::FitRequest::schema();
    /// assert!(schema["properties"]["clustering"].is_object());
    /// ```
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(FitRequest).to_value()
    }

    /// The files, folders and patterns that it reads.
    pub(crate) fn arguments(&self) -> Vec<PathBuf> {
        let mut reads = self.clone();
        (reads.output.out, reads.output.json, reads.output.report) = (None, None, None);
        reads.resources.scratch = None;
        reads.paths().into_iter().map(|path| path.clone()).chain(self.config.clone()).collect()
    }

    /// The files that steer it.
    pub(crate) fn documents(&self) -> Vec<PathBuf> {
        let mut steers = self.clone();
        let FitRequest { columns, preparation, division, clustering, .. } = &mut steers;
        let recipe = preparation.path_mut().into_iter().chain(clustering.path_mut());
        let all = recipe.chain(&mut columns.protected_words).chain(&mut division.rules);
        all.map(|path| path.clone()).collect()
    }

    /// All paths in it.
    pub(crate) fn named_paths(&self) -> Vec<PathBuf> {
        self.clone().paths().into_iter().map(|path| path.clone()).collect()
    }

    /// The request with every default filled in.
    ///
    /// # Errors
    /// No input, no number of segments, a value out of range, or a recipe that cannot be read.
    pub(in crate::job) fn check(&self) -> Result<CheckedFit> {
        let mut request = self.clone();
        if request.input.paths.is_empty() {
            let text = "no input: name Parquet or CSV files, folders or patterns, or give paths in [input]";
            return Err(Error::usage(text.into()));
        }
        request.clustering = request.clustering.check()?;
        request.output.check()?;
        if request.output.margin && request.clustering.algorithm() != Algorithm::KMeans {
            return Err(no_margin(request.clustering.algorithm()));
        }
        request.columns.duplicate_ids = Some(request.columns.duplicate_ids.unwrap_or_default());
        request.device.backend = Some(request.device.backend.unwrap_or_default());
        let recipe = request.preparation.recipe()?;
        let k = request.clustering.number().unwrap_or(1);
        Ok(CheckedFit { request, recipe, k, choice: None })
    }
}

impl HasPaths for FitRequest {
    fn paths(&mut self) -> Vec<&mut PathBuf> {
        let mut paths: Vec<&mut PathBuf> = self.input.paths.iter_mut().chain(&mut self.input.join).collect();
        paths.extend(self.preparation.path_mut());
        paths.extend(self.clustering.path_mut());
        for source in [&mut self.input.keys, &mut self.columns.pseudonymise].into_iter().flatten() {
            paths.extend(source.path_mut());
        }
        paths.extend(&mut self.columns.protected_words);
        paths.extend(&mut self.division.rules);
        paths.extend(&mut self.resources.scratch);
        paths.extend(self.output.paths());
        paths
    }
}
