//! Which labellings to compare.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::input::{Access, CsvOptions};
use crate::job::{Resources, limit_of_small_cells};
use crate::report::Language;
use crate::text::{KeySource, split_names};

/// The most labellings of a comparison.
pub(super) const MOST_LABELLINGS: usize = 12;

/// Labellings of the same rows, and where the comparison goes.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct CompareRequest {
    /// Two or more labellings of the same rows: folders of fit or assign, versions of a
    /// history (HISTORY for the current one, HISTORY@v3 for version 3), or tables with a
    /// column of segments
    #[cfg_attr(feature = "cli", arg(value_name = "LABELLING", required = true))]
    pub labellings: Vec<PathBuf>,
    /// The column of ids, by which rows are matched; one for all labellings, or one for
    /// each, separated by commas [default: that of the fit, or one named like an id]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub id: Vec<String>,
    /// The column of segments; one for all labellings, or one for each, separated by
    /// commas [default: segment; segment_id in a version of a history]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub segment: Vec<String>,
    /// Values of that column that mean no segment, such as -1 for the noise of
    /// scikit-learn; nulls always do
    #[cfg_attr(feature = "cli", arg(long, value_name = "VALUES", allow_hyphen_values = true))]
    pub noise: Vec<String>,
    /// The customers themselves: internal indices of every labelling are told, such as the
    /// silhouette, of these rows as a model prepares them
    #[cfg_attr(feature = "cli", arg(long, value_name = "INPUT"))]
    pub input: Vec<PathBuf>,
    /// The model whose recipe prepares the rows of --input [default: that of the first
    /// labelling that has one]
    #[cfg_attr(feature = "cli", arg(long, value_name = "PATH"))]
    pub model: Option<PathBuf>,
    /// Keys of encrypted files: TOML with footer, [columns] and [ids], each key in
    /// hex or base64, in a FILE or in env:NAME
    #[allow(
        rustdoc::broken_intra_doc_links,
        reason = "brackets of TOML; the text is the help of the command line, too"
    )]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE|env:NAME"))]
    pub keys: Option<KeySource>,
    /// How CSV files are written.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub csv: CsvOptions,
    /// Where the comparison goes.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub output: CompareOutput,
    /// Threads, memory and scratch space.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub resources: Resources,
}

/// Where a comparison goes, and which counts it withholds.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Output"))]
pub struct CompareOutput {
    /// Also write the comparison to this file, as JSON; - is the standard output
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub json: Option<PathBuf>,
    /// Also write a page for people: HTML without scripts
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub report: Option<PathBuf>,
    /// Language of the page: en or zh
    #[cfg_attr(feature = "cli", arg(long, value_name = "LANGUAGE", default_value_t))]
    pub lang: Language,
    /// Withhold counts of fewer customers than this; 0: withhold nothing [default: 10]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub small_cells: Option<u64>,
}

impl CompareRequest {
    /// The same, with lists of names split at commas.
    ///
    /// # Errors
    /// A quote that is not closed.
    pub fn split_lists(mut self) -> Result<Self> {
        let lists = [("--id", &mut self.id), ("--segment", &mut self.segment), ("--noise", &mut self.noise)];
        for (option, list) in lists {
            let names: Result<Vec<Vec<String>>, String> = list.iter().map(|text| split_names(text)).collect();
            *list = names.map_err(|why| Error::usage(format!("{option}: {why}")).of_option(option))?.concat();
        }
        Ok(self)
    }

    /// Refuses what cannot be compared.
    pub(super) fn check(&self) -> Result<()> {
        let n = self.labellings.len();
        if n < 2 {
            let text = "one labelling has nothing to be compared with: name two or more, as in hyades compare A B";
            return Err(Error::usage(text.into()));
        }
        if n > MOST_LABELLINGS {
            return Err(Error::usage(format!("{n} labellings: at most {MOST_LABELLINGS} are compared at a time")));
        }
        for (option, given) in [("--id", &self.id), ("--segment", &self.segment)] {
            if given.len() > 1 && given.len() != n {
                let text = format!(
                    "{option} names {} columns for {n} labellings; name one for all, or one for each",
                    given.len()
                );
                return Err(Error::usage(text).of_option(option));
            }
        }
        Ok(())
    }

    /// The column that is named for a labelling, if any is.
    pub(super) fn named(columns: &[String], labelling: usize) -> Option<&str> {
        columns.get(labelling).or(columns.first()).map(String::as_str)
    }

    pub(super) fn small_cells(&self) -> u64 {
        limit_of_small_cells(self.output.small_cells)
    }

    /// The file for JSON, unless it is the standard output.
    pub(super) fn json(&self) -> Option<&Path> {
        self.output.json.as_deref().filter(|path| *path != Path::new("-"))
    }

    /// A file that is written: scratch files lie beside it.
    pub(super) fn first_output(&self) -> Option<&Path> {
        self.json().or(self.output.report.as_deref())
    }

    /// All files and folders that are read.
    pub(super) fn arguments(&self) -> Vec<PathBuf> {
        self.labellings.iter().chain(&self.input).chain(&self.model).cloned().collect()
    }

    pub(super) fn access(&self) -> Access {
        Access { keys: self.keys.clone(), csv: self.csv.clone() }
    }
}
