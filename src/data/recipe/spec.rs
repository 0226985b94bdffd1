//! The recipe as a user writes it: by flags for all columns, or in TOML by column.
//!
//! ```toml
//! [defaults]
//! transform = "auto"
//! missing = "median"
//!
//! [columns.balance]
//! transform = "signed-log1p"
//! missing = 0
//! weight = 2.0
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What is done to a value before it is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transform {
    /// Nothing.
    None,
    /// `ln(1 + x)`; refuses values of -1 and below.
    Log1p,
    /// `sign(x) ln(1 + |x|)`: for balances that may be negative.
    SignedLog1p,
    /// `none` or `signed-log1p`, whichever leaves less skewness, if the skewness of a column is above 1.
    Auto,
}

/// What takes the place of a null, NaN or infinity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Plain", into = "Plain")]
pub enum Missing {
    /// The median of the column's transformed values.
    Median,
    /// Their mean.
    Mean,
    /// Zero, in the column's own unit.
    Zero,
    /// A number in the column's own unit.
    Constant(f64),
    /// Nothing: a missing value is an error.
    Refuse,
}

/// How columns are made comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Divided by the standard deviation.
    Zscore,
    /// Divided by the interquartile range.
    Robust,
    /// Divided by the range.
    Minmax,
    /// Left in its own unit.
    None,
}

/// A value of TOML or of a flag: a word or a number.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Plain {
    Number(f64),
    Word(String),
}

impl TryFrom<Plain> for Missing {
    type Error = String;

    fn try_from(plain: Plain) -> Result<Self, String> {
        match plain {
            Plain::Number(v) => format!("{v}").parse(),
            Plain::Word(word) => word.parse(),
        }
    }
}

impl From<Missing> for Plain {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Constant(v) => Plain::Number(v),
            other => Plain::Word(other.to_string()),
        }
    }
}

impl FromStr for Missing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "median" => Ok(Missing::Median),
            "mean" => Ok(Missing::Mean),
            "zero" => Ok(Missing::Zero),
            "refuse" => Ok(Missing::Refuse),
            _ => match text.parse::<f64>() {
                Ok(v) if v.is_finite() => Ok(Missing::Constant(v)),
                _ => Err(format!("{text:?} is none of median, mean, zero, refuse or a number")),
            },
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Median => f.write_str("median"),
            Missing::Mean => f.write_str("mean"),
            Missing::Zero => f.write_str("zero"),
            Missing::Refuse => f.write_str("refuse"),
            Missing::Constant(v) => write!(f, "{v}"),
        }
    }
}

impl Transform {
    /// The name in flags, recipes and models.
    pub fn name(self) -> &'static str {
        match self {
            Transform::None => "none",
            Transform::Log1p => "log1p",
            Transform::SignedLog1p => "signed-log1p",
            Transform::Auto => "auto",
        }
    }
}

impl Scale {
    /// The name in flags, recipes and models.
    pub fn name(self) -> &'static str {
        match self {
            Scale::Zscore => "zscore",
            Scale::Robust => "robust",
            Scale::Minmax => "minmax",
            Scale::None => "none",
        }
    }
}

/// The choices for one column; what is absent follows the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnChoice {
    /// Default `auto`.
    pub transform: Option<Transform>,
    /// Default `median`.
    pub missing: Option<Missing>,
    /// Default `zscore`.
    pub scale: Option<Scale>,
    /// Scaled values beyond +-clip are moved there and counted; `inf` for none. Default 128, but none with scale `none`.
    pub clip: Option<f64>,
    /// Factor of the scaled values: 2 makes a column count twice in distances. Default 1.
    pub weight: Option<f64>,
}

/// The choices for all columns. Made by [`RecipeSpec::from_toml`] or from flags; [`RecipeSpec::column`] resolves one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeSpec {
    /// For every column.
    #[serde(default)]
    pub defaults: ColumnChoice,
    /// By column name, stronger than the defaults.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnChoice>,
}

/// The choices for one column, complete and checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ColumnRecipe {
    pub(crate) transform: Transform,
    pub(crate) missing: Missing,
    pub(crate) scale: Scale,
    /// None: not clipped.
    pub(crate) clip: Option<f64>,
    pub(crate) weight: f64,
}

/// Scaled values beyond this are moved to it by default. A grid of 24 bits then resolves 2^-16 of a deviation.
pub const DEFAULT_CLIP: f64 = 128.0;

impl RecipeSpec {
    /// Reads a recipe file.
    ///
    /// # Errors
    /// The file cannot be read; the TOML is malformed or has an unknown key, with line and column.
    pub fn from_toml(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, &e))?;
        toml::from_str(&text).map_err(|e| Error::Usage(format!("{}: {e}", path.display())))
    }

    /// Flags win over the file's defaults, not over what the file says of a column.
    pub fn with_flags(mut self, flags: ColumnChoice) -> Self {
        self.defaults = flags.or(self.defaults);
        self
    }

    /// Fails for columns that are no features, all of them listed, and for values that make no sense.
    pub(crate) fn check(&self, features: &[&str]) -> Result<()> {
        let unknown: Vec<&str> = self.columns.keys().map(String::as_str).filter(|c| !features.contains(c)).collect();
        if !unknown.is_empty() {
            return Err(Error::Usage(format!(
                "the recipe names columns that are no features: {}; the features are: {}",
                unknown.join(", "),
                features.join(", ")
            )));
        }
        let named = self.columns.iter().map(|(name, choice)| (name.as_str(), choice));
        for (name, choice) in named.chain([("all columns", &self.defaults)]) {
            if choice.clip.is_some_and(|c| !(c > 0.0)) {
                return Err(Error::Usage(format!("clip of {name}: must be above 0 (inf: no clipping)")));
            }
            if choice.weight.is_some_and(|w| !(w > 0.0 && w <= 1e6)) {
                return Err(Error::Usage(format!(
                    "weight of {name}: must be above 0 and at most 1e6; leave a column out with --exclude"
                )));
            }
        }
        Ok(())
    }

    /// The choices for a column.
    pub(crate) fn column(&self, name: &str) -> ColumnRecipe {
        let choice = self.columns.get(name).copied().unwrap_or_default().or(self.defaults);
        let scale = choice.scale.unwrap_or(Scale::Zscore);
        let default_clip = if scale == Scale::None { f64::INFINITY } else { DEFAULT_CLIP };
        ColumnRecipe {
            transform: choice.transform.unwrap_or(Transform::Auto),
            missing: choice.missing.unwrap_or(Missing::Median),
            scale,
            clip: Some(choice.clip.unwrap_or(default_clip)).filter(|c| c.is_finite()),
            weight: choice.weight.unwrap_or(1.0),
        }
    }
}

impl ColumnChoice {
    fn or(self, weaker: ColumnChoice) -> ColumnChoice {
        ColumnChoice {
            transform: self.transform.or(weaker.transform),
            missing: self.missing.or(weaker.missing),
            scale: self.scale.or(weaker.scale),
            clip: self.clip.or(weaker.clip),
            weight: self.weight.or(weaker.weight),
        }
    }
}
