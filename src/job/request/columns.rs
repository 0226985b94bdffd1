//! What the columns are for.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::roles::{RoleRequest, read_words};
use crate::text::{KeySource, as_text, split_names};

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
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub features: Vec<String>,
    /// Features besides the default ones: protected or personal columns, dates,
    /// folder names
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub include: Vec<String>,
    /// Columns that are neither features nor described, separated by commas
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub exclude: Vec<String>,
    /// Additional protected attributes: not features, and included in an --audit
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub protect: Vec<String>,
    /// Words for further protected attributes, from a text file: one a line, such as
    /// kz_gs = sex
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub protected_words: Option<PathBuf>,
    /// Outcomes, such as whether a customer left: never features, reported by segment
    /// [default: columns named like one]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub outcome: Vec<String>,
    /// Columns that say whether a customer holds a product: shares by segment, and products
    /// held together; features only with --include
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub product: Vec<String>,
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
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS", requires = "carry"))]
    pub include: Vec<String>,
    /// Additional protected attributes, for an --audit
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS", requires = "audit"))]
    pub protect: Vec<String>,
    /// Words for further protected attributes, from a text file: one a line, such as
    /// kz_gs = sex
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE", requires = "audit"))]
    pub protected_words: Option<PathBuf>,
    /// Outcomes, such as whether a customer left: never features, reported by segment
    /// [default: columns named like one]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub outcome: Vec<String>,
    /// Columns that say whether a customer holds a product: shares by segment, and products
    /// held together
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMNS"))]
    pub product: Vec<String>,
    /// What to do with null and duplicate ids [default: refuse]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "WHAT"))]
    pub duplicate_ids: Option<DuplicateIds>,
    /// How much larger the share of missing values in a feature may be than in the
    /// fit, 0 to 1 [default: 0.5]
    #[serde(skip_serializing_if = "Option::is_none", alias = "max_missing_rise")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE", visible_alias = "max-missing-rise"))]
    pub max_missing: Option<f64>,
    /// Publish nothing (exit code 6) if the stability index (PSI) of a column against
    /// the fit is above this, beyond chance, such as 0.25 [default: a warning from 0.25]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "PSI"))]
    pub max_drift: Option<f64>,
    /// Replace ids with keyed hashes; the key is read from a FILE or env:NAME
    #[serde(with = "as_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE|env:NAME"))]
    pub pseudonymise: Option<KeySource>,
}

/// Splits lists that were written on a command line: names are separated by commas; a comma belongs to a name behind a
/// backslash, or where the name is in double quotes.
pub(super) fn split(lists: &mut [(&'static str, &mut Vec<String>)]) -> Result<()> {
    for (option, list) in lists {
        let names: Result<Vec<Vec<String>>, String> = list.iter().map(|text| split_names(text)).collect();
        **list = names.map_err(|why| Error::usage(format!("{option}: {why}")).of_option(*option))?.concat();
    }
    Ok(())
}

impl ColumnOptions {
    /// The same options, with lists as a command line has them split into names: at commas, but for those behind a
    /// backslash and those in a name within double quotes.
    ///
    /// # Errors
    /// A quote that is not closed.
    pub fn split_lists(mut self) -> Result<Self> {
        split(&mut [
            ("--features", &mut self.features),
            ("--include", &mut self.include),
            ("--exclude", &mut self.exclude),
            ("--protect", &mut self.protect),
            ("--outcome", &mut self.outcome),
            ("--product", &mut self.product),
        ])?;
        Ok(self)
    }

    /// The requested roles, where a recipe turns the columns `encoded` into numbers.
    ///
    /// # Errors
    /// A file of words that cannot be read.
    pub(crate) fn roles(&self, encoded: Vec<String>) -> Result<RoleRequest> {
        Ok(RoleRequest {
            id: self.id.clone(),
            features: self.features.clone(),
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            protect: self.protect.clone(),
            outcomes: self.outcome.clone(),
            products: self.product.clone(),
            weight: self.row_weight.clone(),
            protected_words: read_words(self.protected_words.as_deref())?,
            encoded,
        })
    }

    /// Whether null and duplicate ids are kept.
    pub(crate) fn keeps_duplicates(&self) -> bool {
        self.duplicate_ids.unwrap_or_default() == DuplicateIds::Keep
    }
}

impl AssignColumns {
    /// As [`ColumnOptions::split_lists`].
    ///
    /// # Errors
    /// A quote that is not closed.
    pub fn split_lists(mut self) -> Result<Self> {
        split(&mut [
            ("--include", &mut self.include),
            ("--protect", &mut self.protect),
            ("--outcome", &mut self.outcome),
            ("--product", &mut self.product),
        ])?;
        Ok(self)
    }

    /// The requested roles, but for the features, which are the model's.
    ///
    /// # Errors
    /// A file of words that cannot be read.
    pub(crate) fn roles(&self) -> Result<RoleRequest> {
        Ok(RoleRequest {
            id: self.id.clone(),
            protect: self.protect.clone(),
            outcomes: self.outcome.clone(),
            products: self.product.clone(),
            protected_words: read_words(self.protected_words.as_deref())?,
            ..RoleRequest::default()
        })
    }

    /// Whether null and duplicate ids are kept.
    pub(crate) fn keeps_duplicates(&self) -> bool {
        self.duplicate_ids.unwrap_or_default() == DuplicateIds::Keep
    }
}
