//! How a feature is derived from columns of the input, if it is not a column itself.

use serde::{Deserialize, Serialize};

/// What a feature is derived from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Derivation {
    /// Days from the column's date to the day `at`.
    Age {
        /// The column.
        column: String,
        /// The day, as 2026-10-31.
        at: String,
    },
    /// The first column divided by the second.
    Ratio([String; 2]),
    /// The first column minus the second.
    Difference([String; 2]),
    /// 1 where the column is missing, else 0.
    Missing(String),
    /// 1 where the column has this category, else 0.
    Category {
        /// The column.
        column: String,
        /// The category.
        is: String,
    },
    /// 1 where the column has a category without a feature of its own, else 0.
    OtherCategory(String),
    /// 1 where the category is missing, else 0.
    NoCategory(String),
    /// The share of the category among the fit's rows that have one; 0 for a category that the fit did not see.
    Frequency(String),
    /// The category's place in its order.
    Ordinal(String),
}

/// The categories of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Categories {
    /// The column.
    pub column: String,
    /// The categories: in the given order, or the most common first, equally common ones by name.
    pub names: Vec<String>,
    /// Rows of the fit that have each; with row weights, the sum of their integer weights.
    pub counts: Vec<u64>,
    /// How many of the first have a feature of their own.
    pub own: usize,
    /// Rows of the fit without a category, each counted once. Stored for one-hot columns of a fit with row weights
    /// other than 1; without them, the mean of the feature of gaps says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<u64>,
}

impl Derivation {
    /// The columns of the input that it reads.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Derivation::Ratio([a, b]) | Derivation::Difference([a, b]) => vec![a, b],
            Derivation::Age { column, .. } | Derivation::Category { column, .. } => vec![column],
            Derivation::Missing(column)
            | Derivation::OtherCategory(column)
            | Derivation::NoCategory(column)
            | Derivation::Frequency(column)
            | Derivation::Ordinal(column) => vec![column],
        }
    }

    /// Whether it reads categories, not numbers.
    pub(crate) fn is_of_category(&self) -> bool {
        use Derivation::*;
        matches!(self, Category { .. } | OtherCategory(_) | NoCategory(_) | Frequency(_) | Ordinal(_))
    }

    /// Whether it is one of the features of a one-hot column.
    pub(crate) fn is_one_hot(&self) -> bool {
        matches!(self, Derivation::Category { .. } | Derivation::OtherCategory(_) | Derivation::NoCategory(_))
    }
}
