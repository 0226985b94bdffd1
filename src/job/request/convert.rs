//! The request of a conversion.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::input::CsvOptions;

/// Which CSV files to write as Parquet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct ConvertRequest {
    /// CSV files (.csv, .tsv, .txt, also with .gz), folders, quoted patterns
    #[cfg_attr(feature = "cli", arg(value_name = "INPUT", required = true))]
    pub inputs: Vec<PathBuf>,
    /// Parquet file to write; for several CSV files, a folder with one for each
    #[cfg_attr(feature = "cli", arg(long, short, value_name = "PATH"))]
    pub out: PathBuf,
    /// How the files are written.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub csv: CsvOptions,
    /// Threads [default: one per processor]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub threads: Option<usize>,
}
