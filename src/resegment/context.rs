//! The files of a version.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// The names of the files of a version, besides those of a fit.
pub(super) const IDENTITY: &str = "identity.json";
pub(super) const NAMES: &str = "names.toml";
pub(super) const MOVERS: &str = "migration.parquet";
pub(super) const TENURE: &str = "history.parquet";
pub(super) const COHORTS: &str = "cohorts.json";
/// What was counted of the rows; where the model is of an earlier version, its counts are of that one's rows.
pub(super) const COUNTS: &str = "counts.json";
/// What changed since another version than the base.
pub(super) const BASELINE: &str = "baseline.json";
pub(super) const DRIFT: &str = "drift.json";
pub(super) const REPORT: &str = "report.json";
pub(super) const CARD: &str = "card.json";
pub(super) const CARD_TEXT: &str = "card.md";
pub(super) const RUN_RECORD: &str = "run.json";

/// The error for a file of a version that cannot be what this program wrote.
pub(super) fn damaged(path: &Path, why: &str) -> Error {
    Error::input(format!("{}: {why}; hyades history verify names what was changed", path.display()))
        .of_kind(ErrorKind::Corrupt)
        .of_file(path)
}

/// The text of a file of a version.
pub(super) fn text_of(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, &e))?;
    String::from_utf8(bytes).map_err(|_| damaged(path, "it is not UTF-8"))
}
