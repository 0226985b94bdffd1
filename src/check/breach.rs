//! A broken expectation.

use serde::Serialize;

use crate::text::Phrase;

/// One expectation that the input breaks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Breach {
    /// The column; None: the whole table.
    pub column: Option<String>,
    /// The key in the file of expectations.
    pub expectation: &'static str,
    /// The number of rows that break it, if it applies to rows.
    pub rows: Option<u64>,
    /// The expected and the actual value; in JSON its English text.
    pub text: Phrase,
}
