//! Which bank to make: the specification as given, the same checked, and the outcome.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::columns::find;
use crate::error::{Error, Result};

/// Most months of a bank: ten years.
const MAX_MONTH: usize = 120;
/// Customers who come each month, as a share of those of the first, in hundredths.
const COME: u64 = 3;

/// Most features that a bank can have.
pub(super) const MAX_FEATURES: usize = 4096;
/// Most segments that a bank can have.
pub(super) const MAX_SEGMENTS: usize = 4096;
/// Most files of a bank: their names have five digits.
pub(super) const MAX_FILES: usize = 100_000;
/// Most rows in a row group.
pub(super) const MAX_ROW_GROUP_ROWS: usize = 1 << 24;
/// Parquet numbers the row groups of a file with 16 bits.
const MAX_ROW_GROUPS: u64 = i16::MAX as u64;

/// Compression of the Parquet pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// No compression.
    None,
    /// Fast and moderate; what most banks' files use.
    #[default]
    Snappy,
    /// Smaller and slower; level 1.
    Zstd,
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "none" => Ok(Compression::None),
            "snappy" => Ok(Compression::Snappy),
            "zstd" => Ok(Compression::Zstd),
            _ => Err(Error::usage(format!("unknown compression {name:?}; use none, snappy or zstd"))
                .of_option("--compression")),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::None => "none",
            Compression::Snappy => "snappy",
            Compression::Zstd => "zstd",
        })
    }
}

/// Which bank to make, as the user specified it. [`SynthSpec::check`] turns it into one that can be made.
#[derive(Debug, Clone, PartialEq)]
pub struct SynthSpec {
    /// Customers of the first month. With 0, the files have a schema and no rows.
    pub rows: u64,
    /// 1: the bank itself. More: the same bank so many months later, less one, with planted changes: see
    /// [`write`](super::write). Default 1.
    pub month: usize,
    /// A feature column that arrives without any value, by name or by number from 1. Default none.
    pub break_column: Option<String>,
    /// Feature columns, 1 to 4096, besides the customer number. Default 16.
    pub features: usize,
    /// Planted segments, 1 to 4096. Default 8.
    pub segments: usize,
    /// A different seed gives a different bank with the same columns. Default 0.
    pub seed: u64,
    /// Share of nulls in the nullable feature columns, about half of them: from 0 to below 1. With 0, all columns are
    /// declared as not nullable. Default 0.
    pub nulls: f64,
    /// Whether to add columns of daily business after the features: products, channel, branch, manager, the day of the
    /// first account, and an outcome. Default no.
    pub business: bool,
    /// Whether to add a last column, `true_segment`, with the planted segment. Default no.
    pub truth: bool,
    /// 1: `out` is a file. More: `out` is a folder with that many files, split between row groups. Default 1.
    pub files: usize,
    /// Rows in a row group, 1 to 2^24. Default 131072.
    pub row_group_rows: usize,
    /// Compression of the pages. Default snappy.
    pub compression: Compression,
    /// A file for the customers' card payments, one row each, as [`rfm`](crate::transactions::rfm) reads them. Default
    /// none.
    pub transactions: Option<PathBuf>,
    /// Where to write the bank. An existing one is replaced once the new one is complete.
    pub out: PathBuf,
}

impl SynthSpec {
    /// `rows` customers in the file `out`, with defaults for the rest.
    pub fn new(rows: u64, out: impl Into<PathBuf>) -> Self {
        SynthSpec {
            rows,
            month: 1,
            break_column: None,
            features: 16,
            segments: 8,
            seed: 0,
            nulls: 0.0,
            business: false,
            truth: false,
            files: 1,
            row_group_rows: 131_072,
            compression: Compression::default(),
            transactions: None,
            out: out.into(),
        }
    }

    /// Fails with [`Error::Usage`], naming every value that is out of range.
    pub fn check(self) -> Result<CheckedSpec> {
        let mut faults = Vec::new();
        let mut within = |name: &str, value: usize, most: usize| {
            if !(1..=most).contains(&value) {
                faults.push(format!("{name} is {value}; it must be between 1 and {most}"));
            }
        };
        within("month", self.month, MAX_MONTH);
        within("features", self.features, MAX_FEATURES);
        within("segments", self.segments, MAX_SEGMENTS);
        within("files", self.files, MAX_FILES);
        within("row group rows", self.row_group_rows, MAX_ROW_GROUP_ROWS);
        if !(0.0..1.0).contains(&self.nulls) {
            faults.push(format!("nulls is {}; it must be a share from 0 to below 1, such as 0.02", self.nulls));
        }
        if let Some(name) = self.break_column.as_deref().filter(|name| find(name, self.features).is_none()) {
            faults.push(format!("break column is {name:?}; it must be the name of a feature, or a number from 1"));
        }
        if let Some(path) = self.transactions.as_deref().filter(|path| path.starts_with(&self.out)) {
            let (path, out) = (path.display(), self.out.display());
            faults.push(format!("transactions are to go to {path}, where the bank {out} is; name another file"));
        }
        if faults.is_empty() {
            faults.extend(self.fault_of_files());
        }
        if faults.is_empty() { Ok(CheckedSpec(self)) } else { Err(Error::usage(faults.join("; "))) }
    }

    fn fault_of_files(&self) -> Option<String> {
        let (groups, files) = (self.row_groups(self.rows), self.files as u64);
        if files > groups.max(1) {
            return Some(format!(
                "{} rows in row groups of {} make {groups} row groups, too few for {files} files, which are split between row \
                 groups; choose fewer files or smaller row groups",
                self.rows, self.row_group_rows
            ));
        }
        let groups = self.row_groups(self.numbers());
        (groups.div_ceil(files) > MAX_ROW_GROUPS).then(|| {
            format!(
                "{} rows in row groups of {} make {groups} row groups, but a Parquet file holds at most {MAX_ROW_GROUPS}; \
                 choose at least {} files, or larger row groups",
                self.numbers(),
                self.row_group_rows,
                groups.div_ceil(MAX_ROW_GROUPS)
            )
        })
    }

    /// Row groups of all files, for so many rows.
    pub(super) fn row_groups(&self, rows: u64) -> u64 {
        rows.div_ceil(self.row_group_rows as u64)
    }

    /// Customers who come each month after the first.
    pub(super) fn comers(&self) -> u64 {
        self.rows / 100 * COME + self.rows % 100 * COME / 100
    }

    /// All customers there ever were until this month.
    pub(super) fn numbers(&self) -> u64 {
        self.rows.saturating_add(self.comers().saturating_mul(self.month as u64 - 1))
    }
}

/// A [`SynthSpec`] whose values are all in range.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedSpec(SynthSpec);

impl CheckedSpec {
    /// The values.
    pub fn spec(&self) -> &SynthSpec {
        &self.0
    }
}

/// The bank that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthSummary {
    /// The files, in the order of the rows.
    pub files: Vec<PathBuf>,
    /// Customers.
    pub rows: u64,
    /// Columns, including the customer number and the true segment.
    pub columns: usize,
    /// Row groups of all files together.
    pub row_groups: u64,
    /// Size of the files.
    pub bytes: u64,
    /// Card payments and returns; 0 if they were not asked for.
    pub transactions: u64,
    /// Customers in each planted segment. From the second month on, the last is the one that split off.
    pub segment_rows: Vec<u64>,
}
