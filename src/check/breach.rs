//! A broken expectation.

use serde::Serialize;

/// One expectation that the input breaks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Breach {
    /// The column; None: the whole table.
    pub column: Option<String>,
    /// The key in the file of expectations.
    pub expectation: &'static str,
    /// Rows that break it, where it is a matter of rows.
    pub rows: Option<u64>,
    /// What was expected and what is there.
    pub text: String,
}
