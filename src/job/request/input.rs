//! Which tables a job reads.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::input::{Access, CsvOptions};
use crate::text::{KeySource, as_text};

/// What to read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct InputOptions {
    /// Parquet or CSV files, folders (key=value folders too), quoted patterns; URLs
    /// and Delta tables (table@v12 for version 12), if built with support for them
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(value_name = "INPUT"))]
    pub paths: Vec<PathBuf>,
    /// A file, folder or pattern whose columns are joined by the id; may be given
    /// several times. Customers without a row there get nulls
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "INPUT", help_heading = "Columns"))]
    pub join: Vec<PathBuf>,
    /// Keys of encrypted files: TOML with footer, [columns] and [ids], each key in
    /// hex or base64, in a FILE or in env:NAME
    #[allow(
        rustdoc::broken_intra_doc_links,
        reason = "brackets of TOML; the text is the help of the command line, too"
    )]
    #[serde(with = "as_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE|env:NAME", help_heading = "Columns"))]
    pub keys: Option<KeySource>,
    /// How CSV files are written.
    #[serde(skip_serializing_if = "is_default")]
    #[cfg_attr(feature = "cli", command(flatten))]
    pub csv: CsvOptions,
}

/// Whether nothing was said about CSV files.
fn is_default(csv: &CsvOptions) -> bool {
    *csv == CsvOptions::default()
}

impl InputOptions {
    /// These inputs, with nothing joined.
    pub fn of(paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        InputOptions { paths: paths.into_iter().map(Into::into).collect(), ..InputOptions::default() }
    }

    /// How to open them.
    pub(crate) fn access(&self) -> Access {
        Access { keys: self.keys.clone(), csv: self.csv.clone() }
    }

    /// All files, folders and patterns that are read.
    pub(crate) fn all(&self) -> Vec<PathBuf> {
        [self.paths.as_slice(), &self.join].concat()
    }
}
