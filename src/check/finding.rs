//! A finding: one sentence about one thing, in the languages of pages.

use serde::Serialize;

use crate::text::Phrase;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Act on it before the data are used.
    Warning,
    /// Worth knowing.
    Note,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Its severity.
    pub severity: Severity,
    /// An identifier for programs: `constant`, `sentinel`, `personal_data`, ...
    pub kind: &'static str,
    /// The column; None: the whole table.
    pub column: Option<String>,
    /// The finding; in JSON its English text.
    pub text: Phrase,
}

impl Finding {
    /// A finding about the whole table.
    pub(super) fn of_table(severity: Severity, kind: &'static str, text: Phrase) -> Self {
        Finding { severity, kind, column: None, text }
    }
}
