//! What a user can choose for a column, as words of TOML, flags and models.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done to a value before it is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Transform {
    /// Nothing.
    None,
    /// `ln(1 + x)`; refuses values of -1 and below.
    Log1p,
    /// `sign(x) ln(1 + |x|)`: for balances that may be negative.
    SignedLog1p,
    /// The square root; refuses negative values.
    Sqrt,
    /// The power transform of Yeo and Johnson (2000), with the parameter that brings the column closest to a normal
    /// distribution.
    YeoJohnson,
    /// The share of rows with a smaller value, 0 to 1, by the column's percentiles.
    Quantile,
    /// `none`, or `signed-log1p` if the skewness of a column is above 1 and the logarithm reduces it.
    Auto,
}

/// What replaces a null, NaN or infinity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Plain", into = "Plain")]
#[schemars(with = "Plain")]
pub enum Missing {
    /// The median of the column's transformed values; if none was missing in the fit, that of the probed rows
    /// (`fill_is_of_sample` in the model).
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Scale {
    /// Divided by the standard deviation.
    Zscore,
    /// Divided by the interquartile range.
    Robust,
    /// Divided by the range.
    Minmax,
    /// Left in its own unit.
    None,
    /// All features of a one-hot column are divided by the same number, so that their variances sum to 1: a code then
    /// has the same weight as a balance, however many categories it has.
    #[cfg_attr(feature = "cli", value(skip))]
    Block,
}

/// How categories are encoded as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Encode {
    /// An indicator feature (0 or 1) for each of the most common categories, one for all others, one for missing
    /// values.
    OneHot,
    /// The share of rows that have the category.
    Frequency,
    /// The category's place in `order`, from 0.
    Ordinal,
}

/// What to do with categories that the fit did not see and with values outside its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unseen {
    /// Label the rows, count the values and report them.
    #[default]
    Count,
    /// Refuse the input.
    Refuse,
}

/// A value of TOML or of a flag: a word or a number.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Plain {
    /// A number in the column's own unit.
    Number(f64),
    /// `median`, `mean`, `zero` or `refuse`.
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
                _ => Err(format!("{text:?} is not median, mean, zero, refuse or a number")),
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
            Transform::Sqrt => "sqrt",
            Transform::YeoJohnson => "yeo-johnson",
            Transform::Quantile => "quantile",
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
            Scale::Block => "block",
        }
    }
}
