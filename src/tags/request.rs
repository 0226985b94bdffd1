//! What to tag, and which months to compare.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::job::{InputOptions, Resources, limit_of_small_cells};
use crate::text::parse_date;

/// The shape of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum TagFormat {
    /// One row a customer: the id, the stage, and a Boolean column for each tag
    #[default]
    Columns,
    /// One row for each tag that a customer has: the id, the tag, and the reference
    /// date as since; stages are not among them
    Long,
}

/// Where counts go, and which are withheld.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct CountOptions {
    /// Also write all counts to this file, as JSON; - is the standard output
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub json: Option<PathBuf>,
    /// Withhold counts of fewer customers than this; 0: withhold nothing [default: 10]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub small_cells: Option<u64>,
}

impl CountOptions {
    /// Counts of fewer customers are withheld.
    pub(super) fn small_cells(&self) -> u64 {
        limit_of_small_cells(self.small_cells)
    }
}

/// A dictionary and the customers to tag.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct TagsRequest {
    /// The dictionary: TOML with [[tag]] and [[stage]]
    #[allow(
        rustdoc::broken_intra_doc_links,
        reason = "brackets of TOML; the text is the help of the command line, too"
    )]
    #[cfg_attr(feature = "cli", arg(value_name = "TAGS.toml", required = true))]
    pub dictionary: Option<PathBuf>,
    /// Which customers to read.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub input: InputOptions,
    /// File to write
    #[cfg_attr(feature = "cli", arg(long, short, value_name = "FILE", required = true))]
    pub out: Option<PathBuf>,
    /// The shape of the output
    #[cfg_attr(feature = "cli", arg(long, value_enum, default_value_t))]
    pub format: TagFormat,
    /// The customers' id [default: a column named like one]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub id: Option<String>,
    /// The reference date, YYYY-MM-DD, which conditions call DAY; it is never today
    #[cfg_attr(feature = "cli", arg(long, value_name = "DATE"))]
    pub day: Option<String>,
    /// The long table of an earlier run: tags that a customer had keep their since, and those
    /// that customers gained and lost are counted
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub previous: Option<PathBuf>,
    /// A table with the segments of the same customers, found by id, or the folder of a fit or assign:
    /// conditions may use them, and tags are counted by segment
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub labels: Option<PathBuf>,
    /// The column of segments, in the labels or in the input [default with --labels: segment]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub label_column: Option<String>,
    /// Largest share of rows, from 0 to 1, that the labels may lack [default: 0.5]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE", requires = "labels"))]
    pub max_unmatched: Option<f64>,
    /// Where counts go.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub counts: CountOptions,
    /// Threads, memory and scratch space.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub resources: Resources,
}

impl TagsRequest {
    /// The dictionary and the file to write.
    pub(super) fn files(&self) -> Result<(&Path, &Path)> {
        let missing = |what: &str| Error::usage(format!("name {what}: hyades tags TAGS.toml INPUT... --out FILE"));
        let dictionary = self.dictionary.as_deref().ok_or_else(|| missing("a dictionary"))?;
        Ok((dictionary, self.out.as_deref().ok_or_else(|| missing("the file to write").of_option("--out"))?))
    }

    /// The reference date, in days since 1970.
    pub(super) fn days(&self) -> Result<Option<i64>> {
        let Some(text) = &self.day else {
            return match self.format {
                TagFormat::Columns => Ok(None),
                TagFormat::Long => {
                    let what = "--format long writes the reference date as since; give it with --day YYYY-MM-DD";
                    Err(Error::usage(what.into()).of_option("--day"))
                }
            };
        };
        let wrong = || Error::usage(format!("--day is {text:?}; write a date as 2026-01-31")).of_option("--day");
        parse_date(text).map(|days| Some(days as i64)).ok_or_else(wrong)
    }
}

/// Two tables of stages, as `tags` writes them.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct MatrixRequest {
    /// The earlier month
    #[cfg_attr(feature = "cli", arg(value_name = "OLD"))]
    pub old: PathBuf,
    /// The later month
    #[cfg_attr(feature = "cli", arg(value_name = "NEW"))]
    pub new: PathBuf,
    /// The customers' id [default: a column named like one]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub id: Option<String>,
    /// The column of stages [default: stage]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub column: Option<String>,
    /// Where counts go.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub counts: CountOptions,
    /// Threads, memory and scratch space.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub resources: Resources,
}
