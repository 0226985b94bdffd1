//! Which columns are shown, and as what.

use serde::{Deserialize, Serialize};

use crate::input::{Source, ValueKind};

/// How the values of a column are described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownKind {
    /// Numbers.
    Number,
    /// 0 and 1: the mean is the share of what is true.
    Boolean,
    /// Days since 1970-01-01.
    Date,
    /// Texts or codes, of which each is counted.
    Category,
}

/// Why a column is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnRole {
    /// Features are computed from it.
    Feature,
    /// An outcome: never a feature.
    Outcome,
    /// Nothing is computed from it.
    Other,
}

/// A column to describe.
#[derive(Debug, Clone)]
pub(crate) struct ShownColumn {
    /// Its position in the source.
    pub(crate) column: usize,
    pub(crate) kind: ShownKind,
    pub(crate) role: ColumnRole,
    /// Numbers that stand for missing values.
    pub(crate) codes: Vec<f64>,
}

impl ShownColumn {
    /// The column at this position, with its values `as_categories` or as its type says; None if such values are not
    /// described.
    pub(crate) fn new(source: &Source, column: usize, as_categories: bool, role: ColumnRole) -> Option<Self> {
        let kind = match ValueKind::of(&source.columns()[column].data_type) {
            ValueKind::Text => ShownKind::Category,
            ValueKind::Boolean => ShownKind::Boolean,
            ValueKind::Number | ValueKind::Date if as_categories => ShownKind::Category,
            ValueKind::Number => ShownKind::Number,
            ValueKind::Date => ShownKind::Date,
            _ => return None,
        };
        Some(ShownColumn { column, kind, role, codes: Vec::new() })
    }

    /// The same, where these numbers stand for missing values.
    pub(crate) fn with_codes(mut self, codes: Vec<f64>) -> Self {
        self.codes = codes;
        self
    }
}
