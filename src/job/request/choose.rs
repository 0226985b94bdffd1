//! The request that looks for the number of segments.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ClusteringOptions, ColumnOptions, DeviceOptions, FitRequest, InputOptions, OutputOptions, PreparationOptions,
    Resources, SegmentRange,
};
use crate::cluster::Effort;
use crate::error::{Error, Result};
use crate::report::Language;
use crate::text::as_text;

/// A limit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit(pub Duration);

impl FromStr for TimeLimit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (number, unit) = match text.trim_end_matches(|c: char| c.is_ascii_alphabetic()) {
            number => (number, &text[number.len()..]),
        };
        let seconds = match unit {
            "" | "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            _ => 0,
        };
        match number.trim().parse::<u64>().ok().and_then(|n| n.checked_mul(seconds)).filter(|&n| n > 0) {
            Some(seconds) => Ok(TimeLimit(Duration::from_secs(seconds))),
            None => {
                Err(Error::usage(format!("{text:?} is no time; write it as 90s, 10m or 2h")).of_option("--max-time"))
            }
        }
    }
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs())
    }
}

/// How to look for the number of segments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Search"))]
pub struct SearchOptions {
    /// Numbers of segments to try, both ends included [default: 2..16]
    #[serde(with = "as_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[cfg_attr(feature = "cli", arg(long, short, value_name = "LOW..HIGH"))]
    pub k: Option<SegmentRange>,
    /// Fits with other seeds, to see whether they find the same segments [default: 10]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub seeds: Option<u32>,
    /// Fits of resampled customers, to see which segments are stable [default: 20]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub replicates: Option<u32>,
    /// Times that the sample is halved, for the prediction strength [default: 10]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub halvings: Option<u32>,
    /// References without segments, for the gap statistic [default: 10]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub references: Option<u32>,
    /// Rows of the sample on which fits are repeated [default: 8192]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "ROWS"))]
    pub sample: Option<u64>,
    /// How long each fit of all rows looks for a better optimum [default: normal]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "HOW_LONG"))]
    pub effort: Option<Effort>,
    /// Seed of all random choices [default: 0]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub seed: Option<u64>,
    /// Try no further number after this time, such as 10m; what was found until then is
    /// reported
    #[serde(with = "as_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "TIME"))]
    pub max_time: Option<TimeLimit>,
}

/// The most repetitions of each kind.
const MOST: u32 = 1000;
/// The fewest and the most rows of the sample.
const SAMPLE: (u64, u64) = (100, 1 << 20);

impl SearchOptions {
    /// The same with the defaults filled in.
    ///
    /// # Errors
    /// A value out of range.
    pub(in crate::job) fn check(&self) -> Result<CheckedSearch> {
        let count = |value: Option<u32>, default: u32, option: &'static str| {
            let n = value.unwrap_or(default);
            if n > MOST {
                return Err(Error::usage(format!("{n} is too many: at most {MOST} are possible")).of_option(option));
            }
            Ok(n)
        };
        let sample = self.sample.unwrap_or(1 << 13);
        if !(SAMPLE.0..=SAMPLE.1).contains(&sample) {
            let text = format!("a sample of {sample} rows: between {} and {} are possible", SAMPLE.0, SAMPLE.1);
            return Err(Error::usage(text).of_option("--sample"));
        }
        let references = count(self.references, 10, "--references")?;
        if references == 1 {
            let text = "one reference has no deviation: give 2 or more, or 0 for no gap statistic";
            return Err(Error::usage(text.into()).of_option("--references"));
        }
        let seeds = count(self.seeds, 10, "--seeds")?;
        if seeds == 0 && references > 0 {
            let text = "the gap statistic compares references with the fits of --seeds: give a seed, or --references 0";
            return Err(Error::usage(text.into()).of_option("--references"));
        }
        Ok(CheckedSearch {
            range: self.k.unwrap_or_default(),
            seeds,
            replicates: count(self.replicates, 20, "--replicates")?,
            halvings: count(self.halvings, 10, "--halvings")?,
            references,
            sample,
            max_time: self.max_time.map(|limit| limit.0),
        })
    }
}

/// What is repeated, with every default filled in.
#[derive(Debug, Clone, Copy)]
pub(in crate::job) struct CheckedSearch {
    pub(in crate::job) range: SegmentRange,
    pub(in crate::job) seeds: u32,
    pub(in crate::job) replicates: u32,
    pub(in crate::job) halvings: u32,
    pub(in crate::job) references: u32,
    pub(in crate::job) sample: u64,
    pub(in crate::job) max_time: Option<Duration>,
}

/// Which rows to segment, and which numbers of segments to try.
///
/// # Examples
/// ```
/// use hyades::job::{ChooseRequest, InputOptions, SearchOptions};
///
/// let search = SearchOptions { k: Some("2..8".parse()?), ..SearchOptions::default() };
/// let input = InputOptions::of(["data/customers.parquet"]);
/// let request = ChooseRequest { input, search, ..ChooseRequest::default() };
/// assert_eq!(request.search.k.map(|k| k.high), Some(8));
/// # Ok::<(), hyades::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct ChooseRequest {
    /// Which tables to read.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub input: InputOptions,
    /// What the columns are for.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub columns: ColumnOptions,
    /// How columns become comparable.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub preparation: PreparationOptions,
    /// What to try.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub search: SearchOptions,
    /// Where to compute.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub device: DeviceOptions,
    /// Threads, memory and scratch space.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub resources: Resources,
    /// What to write.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub files: ChoiceFiles,
}

/// Where the report goes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Output"))]
pub struct ChoiceFiles {
    /// Also write the report to this file, as JSON; - is the standard output
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub json: Option<PathBuf>,
    /// Also write a line for each number of segments to this file, as CSV
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub csv: Option<PathBuf>,
    /// Also write a page for people to this file: HTML without scripts, in --lang
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub report: Option<PathBuf>,
    /// Language of the page: en or zh
    #[serde(skip_serializing_if = "Language::is_default")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "LANG", default_value_t))]
    pub lang: Language,
}

impl ChooseRequest {
    /// A fit that reads and prepares the same, with `k` segments.
    pub(in crate::job) fn fit(&self, k: usize) -> FitRequest {
        FitRequest {
            input: self.input.clone(),
            columns: self.columns.clone(),
            preparation: self.preparation.clone(),
            clustering: ClusteringOptions {
                effort: self.search.effort,
                seed: self.search.seed,
                ..ClusteringOptions::of(k)
            },
            device: self.device.clone(),
            resources: self.resources.clone(),
            output: OutputOptions { no_profile: true, ..OutputOptions::default() },
            ..FitRequest::default()
        }
    }
}
