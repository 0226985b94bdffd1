//! How columns become comparable.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::Result;
use crate::prepare::{ColumnChoice, Missing, Recipe, Scale, Transform};
use crate::text::as_text;

/// A recipe, or the file that contains it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RecipeSource {
    /// A TOML file.
    File(PathBuf),
    /// The recipe itself.
    Inline(Box<Recipe>),
}

/// Derived, it would only report that no variant matches; this reports what is wrong with a recipe.
impl<'de> Deserialize<'de> for RecipeSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = RecipeSource;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a recipe, or the name of its file")
            }

            fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<Self::Value, E> {
                Ok(RecipeSource::File(path.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Recipe::deserialize(MapAccessDeserializer::new(map)).map(Box::new).map(RecipeSource::Inline)
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

/// The preparation of all columns; a recipe sets it for single columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(
    feature = "cli",
    derive(clap::Args),
    command(next_help_heading = "Preparation (for all columns; --recipe for single ones)")
)]
pub struct PreparationOptions {
    /// TOML with choices for single columns; `hyades recipe init` writes one
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub recipe: Option<RecipeSource>,
    /// Transform [default: auto, by each column's skewness]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "HOW"))]
    pub transform: Option<Transform>,
    /// Missing values become median, mean, zero or a NUMBER; or refuse [default: median]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "HOW", allow_negative_numbers = true))]
    pub missing: Option<Missing>,
    /// Scale [default: zscore]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "HOW"))]
    pub scale: Option<Scale>,
    /// Limit of scaled values, inf for none [default: 128; inf with scale none]
    #[serde(with = "as_text::number", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", allow_negative_numbers = true))]
    pub clip: Option<f64>,
}

impl PreparationOptions {
    /// The file of the recipe, if there is one.
    pub(super) fn path_mut(&mut self) -> Option<&mut std::path::PathBuf> {
        match &mut self.recipe {
            Some(RecipeSource::File(path)) => Some(path),
            _ => None,
        }
    }

    /// The recipe, read if it is in a file. Choices for all columns override its defaults.
    ///
    /// # Errors
    /// A file that cannot be read, or malformed TOML.
    pub(crate) fn recipe(&self) -> Result<Recipe> {
        let recipe = match &self.recipe {
            None => Recipe::default(),
            Some(RecipeSource::File(path)) => Recipe::from_toml(path)?,
            Some(RecipeSource::Inline(recipe)) => recipe.as_ref().clone(),
        };
        Ok(recipe.with_flags(ColumnChoice {
            transform: self.transform,
            missing: self.missing,
            scale: self.scale,
            clip: self.clip,
            ..ColumnChoice::default()
        }))
    }
}

impl FromStr for RecipeSource {
    type Err = std::convert::Infallible;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        Ok(RecipeSource::File(path.into()))
    }
}

impl fmt::Display for RecipeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecipeSource::File(path) => path.display().fmt(f),
            RecipeSource::Inline(_) => f.write_str("an inline recipe"),
        }
    }
}
