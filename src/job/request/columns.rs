//! What the columns are for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::roles::RoleRequest;
use crate::text::{KeySource, as_text};

/// What to do with rows whose id is null or a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum DuplicateIds {
    /// Refuse the input
    #[default]
    Refuse,
    /// Keep them
    Keep,
}

/// The columns of a fit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Columns"))]
pub struct ColumnOptions {
    /// The customers' id [default: a column named like one, else the row number]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub id: Option<String>,
    /// Features, separated by commas [default: every numeric column that is neither
    /// protected, such as age or sex, nor personal, such as a phone number]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS", value_delimiter = ','))]
    pub features: Vec<String>,
    /// Features besides the default ones: protected or personal columns, dates,
    /// folder names
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS", value_delimiter = ','))]
    pub include: Vec<String>,
    /// Columns that are not features, separated by commas
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS", value_delimiter = ','))]
    pub exclude: Vec<String>,
    /// Additional protected attributes: not features, and included in an --audit
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS", value_delimiter = ','))]
    pub protect: Vec<String>,
    /// Outcomes, such as whether a customer left: never features, reported by segment
    /// [default: columns named like one]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS", value_delimiter = ','))]
    pub outcome: Vec<String>,
    /// Column of row weights, 0 or more: a row of weight 2 counts as two rows, one of
    /// weight 0 only gets a segment [default: every row weighs 1]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub row_weight: Option<String>,
    /// What to do with null and duplicate ids [default: refuse]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "WHAT", hide_possible_values = false))]
    pub duplicate_ids: Option<DuplicateIds>,
    /// Replace ids with keyed hashes; the key is read from a FILE or env:NAME
    #[serde(with = "as_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE|env:NAME"))]
    pub pseudonymise: Option<KeySource>,
}

/// The columns of an assignment; the features are those of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Columns"))]
pub struct AssignColumns {
    /// The customers' id [default: the model's]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub id: Option<String>,
    /// Protected and personal columns that --carry may copy to the labels
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS", value_delimiter = ',', requires = "carry"))]
    pub include: Vec<String>,
    /// Additional protected attributes, for an --audit
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS", value_delimiter = ',', requires = "audit"))]
    pub protect: Vec<String>,
    /// Outcomes, such as whether a customer left: never features, reported by segment
    /// [default: columns named like one]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS", value_delimiter = ','))]
    pub outcome: Vec<String>,
    /// What to do with null and duplicate ids [default: refuse]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "WHAT"))]
    pub duplicate_ids: Option<DuplicateIds>,
    /// How much larger the share of missing values in a feature may be than in the
    /// fit, 0 to 1 [default: 0.5]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE"))]
    pub max_missing: Option<f64>,
    /// Replace ids with keyed hashes; the key is read from a FILE or env:NAME
    #[serde(with = "as_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE|env:NAME"))]
    pub pseudonymise: Option<KeySource>,
}

impl ColumnOptions {
    /// The requested roles, where a recipe turns the columns `encoded` into numbers.
    pub(crate) fn roles(&self, encoded: Vec<String>) -> RoleRequest {
        RoleRequest {
            id: self.id.clone(),
            features: self.features.clone(),
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            protect: self.protect.clone(),
            outcomes: self.outcome.clone(),
            weight: self.row_weight.clone(),
            encoded,
        }
    }

    /// Whether null and duplicate ids are kept.
    pub(crate) fn keeps_duplicates(&self) -> bool {
        self.duplicate_ids.unwrap_or_default() == DuplicateIds::Keep
    }
}

impl AssignColumns {
    /// Whether null and duplicate ids are kept.
    pub(crate) fn keeps_duplicates(&self) -> bool {
        self.duplicate_ids.unwrap_or_default() == DuplicateIds::Keep
    }
}
