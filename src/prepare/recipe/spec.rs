//! The recipe as a user writes it: by flags for all columns, or in TOML by column.
//!
//! ```toml
//! [defaults]
//! transform = "auto"
//! missing = "median"
//!
//! [columns.balance]
//! transform = "signed-log1p"
//! sentinels = [-1]
//! missing = 0
//! indicator = true
//! weight = 2.0
//!
//! [columns."visits_*"]
//! winsorise = [0.01, 0.99]
//!
//! [columns.product]
//! encode = "one-hot"
//! top = 8
//!
//! [derived.utilisation]
//! ratio = ["balance", "credit_limit"]
//!
//! [blocks.online]
//! columns = ["visits_*", "clicks"]
//! weight = 0.5
//!
//! [reduce]
//! max_correlation = 0.95
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::choice::{Encode, Missing, Scale, Transform, Unseen};
use crate::error::{Error, ErrorKind, Result};
use crate::text::{TomlText, as_text, dates, did_you_mean, line_and_column, nearest};

/// The choices for one column. What is absent follows the defaults.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnChoice {
    /// Default `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transform: Option<Transform>,
    /// Default `median`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// Default `zscore`; for one-hot columns `block`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// Scaled values beyond +-clip are moved there and counted; `inf` for none. Default 128, but none with scale
    /// `none`.
    #[serde(default, with = "as_text::number", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    pub clip: Option<f64>,
    /// Factor of the scaled values: with 2, a column counts twice in distances. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Numbers that stand for "unknown", such as 999 or -1. They become missing values. Compared as doubles: beyond
    /// 2^53 a number also stands for its nearest neighbours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinels: Option<Vec<f64>>,
    /// Whether to add a feature NAME_missing: 1 where the value is missing, else 0. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indicator: Option<bool>,
    /// Two quantiles, such as [0.01, 0.99]: transformed values beyond them are moved to them and counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub winsorise: Option<[f64; 2]>,
    /// Turns categories, as text or as numbers, into numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encode: Option<Encode>,
    /// With `one-hot`, how many of the most common categories get a feature of their own. Default 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
    /// With `ordinal`, the categories from the lowest to the highest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<String>>,
    /// The day, such as 2026-10-31, on which a date's age in days is taken. Without it a date is its days since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_at: Option<String>,
    /// What `assign` does with categories and values that the fit did not see. Default `count`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Unseen>,
}

/// A feature computed from two columns. Its choices are under its name in `columns`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// The first column divided by the second; a division by 0 is a missing value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<[String; 2]>,
    /// The first column minus the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<[String; 2]>,
}

/// Columns that count together as one column of the given weight, before correlated ones are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Names and patterns of columns or derived features.
    pub columns: Vec<String>,
    /// The weight of all of them together. Default 1.
    #[serde(default = "one")]
    pub weight: f64,
}

fn one() -> f64 {
    1.0
}

/// How to reduce the number of features.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reduce {
    /// A feature is left out if its correlation with an earlier one is beyond this, positive or negative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_correlation: Option<f64>,
    /// Principal components: how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components: Option<usize>,
    /// Principal components: as many as explain this share of the variance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variance: Option<f64>,
    /// Whether every component is divided by its deviation, so that all have the same weight. Default false.
    #[serde(default)]
    pub whiten: bool,
}

/// The choices for all columns. Made by [`Recipe::from_toml`] or from flags; [`Design::new`](super::super::Design::new)
/// resolves those of every column.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Choices for every column.
    #[serde(default)]
    pub defaults: ColumnChoice,
    /// Choices by name, or by a pattern with `*` and `?`. They override the defaults. A name overrides a pattern, and
    /// of two patterns the one with more letters wins.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnChoice>,
    /// Features computed from two columns, by name.
    #[serde(default)]
    pub derived: BTreeMap<String, Derived>,
    /// Groups of columns with a common weight, by name.
    #[serde(default)]
    pub blocks: BTreeMap<String, Block>,
    /// Correlated columns and principal components.
    #[serde(default)]
    pub reduce: Reduce,
    /// The file that it was read from, and its text.
    #[serde(skip)]
    file: Option<(PathBuf, String)>,
}

/// The choices for one column, complete and checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnRecipe {
    pub(crate) transform: Transform,
    pub(crate) missing: Missing,
    pub(crate) scale: Scale,
    /// None: not clipped.
    pub(crate) clip: Option<f64>,
    pub(crate) weight: f64,
    pub(crate) winsorise: Option<[f64; 2]>,
    pub(crate) unseen: Unseen,
}

/// Scaled values beyond this are moved to it by default. A grid of 24 bits then resolves 2^-16 of a deviation.
pub(super) const DEFAULT_CLIP: f64 = 128.0;

/// Categories that get a feature of their own by default.
const DEFAULT_TOP: usize = 20;

impl Recipe {
    /// What it says, whatever its file and comments: the same text for recipes that are equal, also in later versions
    /// of the program that know more choices.
    ///
    /// # Errors
    /// None expected.
    pub(crate) fn meaning(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::Internal(format!("a recipe as TOML: {e}")))
    }

    /// Reads a recipe file.
    ///
    /// # Errors
    /// The file cannot be read; the TOML is malformed or has an unknown key, with line and column.
    ///
    /// # Examples
    /// ```
    /// use hyades::prepare::{Recipe, Transform};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("recipe.toml");
    /// std::fs::write(&path, "[columns.balance]\ntransform = \"signed-log1p\"\nweight = 2.0\n")?;
    /// let recipe = Recipe::from_toml(&path)?;
    /// assert_eq!(recipe.columns["balance"].transform, Some(Transform::SignedLog1p));
    /// assert_eq!(recipe.columns["balance"].weight, Some(2.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_toml(path: &Path) -> Result<Self> {
        let text = TomlText::read(path)?.text;
        let recipe: Recipe = toml::from_str(&text).map_err(|e| {
            let message = format!("{}: {e}{}", path.display(), meant(e.message()));
            Error::usage(message).of_kind(ErrorKind::Config).of_file(path)
        })?;
        Ok(Recipe { file: Some((path.to_path_buf(), text)), ..recipe })
    }

    /// The JSON Schema of recipe files, for editors.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Recipe).to_value()
    }

    /// Flags override the file's defaults, but not what the file says about a column.
    pub(crate) fn with_flags(mut self, flags: ColumnChoice) -> Self {
        self.defaults = flags.or(self.defaults);
        self
    }

    /// Which of these columns it turns into numbers, whatever their type.
    pub fn encoded<'a>(&self, columns: impl Iterator<Item = &'a str>) -> Vec<String> {
        let encodes = |name: &&str| {
            let choice = self.choice(name);
            choice.encode.is_some() || choice.age_at.is_some()
        };
        columns.filter(encodes).map(str::to_owned).collect()
    }

    /// What the recipe says about a column beyond the defaults.
    pub(crate) fn choice(&self, name: &str) -> ColumnChoice {
        let letters = |pattern: &str| pattern.chars().filter(|c| !"*?".contains(*c)).count();
        let mut patterns: Vec<(&String, &ColumnChoice)> =
            self.columns.iter().filter(|(pattern, _)| *pattern != name && matches(pattern, name)).collect();
        patterns.sort_by_key(|(pattern, _)| std::cmp::Reverse(letters(pattern)));
        let exact = self.columns.get(name).cloned().unwrap_or_default();
        patterns.into_iter().fold(exact, |choice, (_, weaker)| choice.or(weaker.clone()))
    }

    /// Where a key of a section is: ` (recipe.toml:12:2)`.
    pub(crate) fn place(&self, section: &str, key: &str) -> String {
        use toml::de::{DeTable, DeValue};
        let find = || {
            let (path, text) = self.file.as_ref()?;
            let table = DeTable::parse(text).ok()?;
            let section = table.get_ref().iter().find(|(name, _)| name.get_ref() == section)?.1;
            let DeValue::Table(entries) = section.get_ref() else { return None };
            let at = entries.iter().find(|(name, _)| name.get_ref() == key)?.0.span().start;
            let (line, column) = line_and_column(text, at);
            Some(format!(" ({}:{line}:{column})", path.display()))
        };
        find().unwrap_or_default()
    }

    /// Fails for names that are not features, all of them listed, and for invalid values. `known` are the names of
    /// features and of columns that derived features use; `all` are those of every column.
    pub(crate) fn check(&self, known: &[&str], all: &[&str]) -> Result<()> {
        let mut faults = Vec::new();
        let named = self.columns.iter().map(|(name, choice)| (name.as_str(), choice));
        for (name, choice) in named.clone().chain([("all columns", &self.defaults)]) {
            faults
                .extend(choice.faults().into_iter().map(|why| format!("{name}: {why}{}", self.place("columns", name))));
        }
        if self.defaults.age_at.is_some() || self.defaults.encode.is_some() || self.defaults.order.is_some() {
            faults.push("all columns: encode, order and age_at are for single columns, not for [defaults]".into());
        }
        let unknown = |section, pattern: &str, owner: &str| {
            (!known.iter().any(|name| *name == pattern || matches(pattern, name))).then(|| {
                let place = self.place(section, owner);
                let why = match pattern {
                    _ if all.contains(&pattern) => "is a column, but not a feature",
                    _ if pattern.contains(['*', '?']) => "matches no feature",
                    _ => "is not a column",
                };
                format!("{pattern:?} {why}{}{place}", did_you_mean(pattern, known.iter().copied()))
            })
        };
        let mut missing: Vec<String> = named.filter_map(|(pattern, _)| unknown("columns", pattern, pattern)).collect();
        for (owner, block) in &self.blocks {
            missing.extend(block.columns.iter().filter_map(|pattern| unknown("blocks", pattern, owner)));
            if !(block.weight > 0.0 && block.weight <= 1e6) {
                faults.push(format!(
                    "block {owner}: weight must be above 0 and at most 1e6{}",
                    self.place("blocks", owner)
                ));
            }
        }
        if !missing.is_empty() {
            faults.push(format!(
                "the recipe names columns that are not features:\n  {}\nthe features are: {}",
                missing.join("\n  "),
                known.join(", ")
            ));
        }
        let in_two = known.iter().filter_map(|name| {
            let owners: Vec<&str> = self.blocks_of(name).map(|(owner, _)| owner).collect();
            let blocks = owners.join(" and ");
            (owners.len() > 1).then(|| format!("{name} belongs to blocks {blocks}; a column can belong to only one"))
        });
        faults.extend(in_two);
        faults.extend(self.reduce.faults());
        if faults.is_empty() { Ok(()) } else { Err(self.error(&faults)) }
    }

    /// The error for faults of the recipe, which may come from a file or from flags.
    pub(crate) fn error(&self, faults: &[String]) -> Error {
        let error = Error::usage(faults.join("\n"));
        match &self.file {
            Some((path, _)) => error.of_kind(ErrorKind::Config).of_file(path),
            None => error,
        }
    }

    /// The blocks that a column belongs to, with their names.
    fn blocks_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a Block)> {
        let holds = move |block: &&Block| block.columns.iter().any(|p| p == name || matches(p, name));
        self.blocks.iter().map(|(owner, block)| (owner.as_str(), block)).filter(move |(_, block)| holds(block))
    }

    /// The block that a column belongs to.
    pub(crate) fn block_of<'a>(&'a self, name: &'a str) -> Option<(&'a str, &'a Block)> {
        self.blocks_of(name).next()
    }

    /// The choices for a column that is a number.
    pub(crate) fn column(&self, name: &str) -> ColumnRecipe {
        self.choice(name).or(self.defaults.clone()).resolved(Transform::Auto, Scale::Zscore)
    }

    /// The choices for the features of a one-hot column.
    pub(crate) fn one_hot(&self, name: &str) -> ColumnRecipe {
        // The defaults are for numbers and do not apply to categories.
        let recipe = self.choice(name).resolved(Transform::None, Scale::Block);
        ColumnRecipe { missing: Missing::Zero, ..recipe }
    }

    /// The choices for the feature that indicates where a column is missing.
    pub(crate) fn indicator(&self, name: &str) -> ColumnRecipe {
        let weight = self.choice(name).or(self.defaults.clone()).weight;
        ColumnChoice { weight, missing: Some(Missing::Zero), ..Default::default() }
            .resolved(Transform::None, Scale::None)
    }
}

impl ColumnChoice {
    pub(crate) fn or(self, weaker: ColumnChoice) -> ColumnChoice {
        ColumnChoice {
            transform: self.transform.or(weaker.transform),
            missing: self.missing.or(weaker.missing),
            scale: self.scale.or(weaker.scale),
            clip: self.clip.or(weaker.clip),
            weight: self.weight.or(weaker.weight),
            sentinels: self.sentinels.or(weaker.sentinels),
            indicator: self.indicator.or(weaker.indicator),
            winsorise: self.winsorise.or(weaker.winsorise),
            encode: self.encode.or(weaker.encode),
            top: self.top.or(weaker.top),
            order: self.order.or(weaker.order),
            age_at: self.age_at.or(weaker.age_at),
            unseen: self.unseen.or(weaker.unseen),
        }
    }

    fn resolved(self, transform: Transform, scale: Scale) -> ColumnRecipe {
        let scale = self.scale.unwrap_or(scale);
        let default_clip = if matches!(scale, Scale::None | Scale::Block) { f64::INFINITY } else { DEFAULT_CLIP };
        ColumnRecipe {
            transform: self.transform.unwrap_or(transform),
            missing: self.missing.unwrap_or(Missing::Median),
            scale,
            clip: Some(self.clip.unwrap_or(default_clip)).filter(|c| c.is_finite()),
            weight: self.weight.unwrap_or(1.0),
            winsorise: self.winsorise,
            unseen: self.unseen.unwrap_or_default(),
        }
    }

    /// How many categories at most get a feature of their own.
    pub(crate) fn top(&self) -> usize {
        self.top.unwrap_or(DEFAULT_TOP)
    }

    /// The day on which an age is taken, in days since 1970.
    pub(crate) fn age_day(&self) -> Option<f64> {
        self.age_at.as_deref().and_then(dates::parse)
    }

    fn faults(&self) -> Vec<String> {
        let one_hot = self.encode == Some(Encode::OneHot);
        let rules = [
            (self.clip.is_some_and(|c| !(c > 0.0)), "clip must be above 0 (inf: no clipping)"),
            (
                self.weight.is_some_and(|w| !(w > 0.0 && w <= 1e6)),
                "weight must be above 0 and at most 1e6; leave a column out with --exclude",
            ),
            (
                self.winsorise.is_some_and(|[low, high]| !(0.0 <= low && low < high && high <= 1.0)),
                "winsorise takes two quantiles, such as [0.01, 0.99]",
            ),
            (self.sentinels.iter().flatten().any(|v| !v.is_finite()), "sentinels must be finite numbers"),
            (self.top.is_some() && !one_hot, "top is for encode = \"one-hot\""),
            (self.top.is_some_and(|n| !(1..=1000).contains(&n)), "top must be between 1 and 1000"),
            (
                (self.encode == Some(Encode::Ordinal)) != self.order.is_some(),
                "encode = \"ordinal\" needs order, the categories from the lowest to the highest; order is for it alone",
            ),
            (
                self.order.as_ref().is_some_and(|o| o.len() < 2 || (1..o.len()).any(|i| o[..i].contains(&o[i]))),
                "order needs two categories or more, each once",
            ),
            (self.age_at.is_some() && self.age_day().is_none(), "age_at must be a day such as \"2026-10-31\""),
            (self.scale == Some(Scale::Block) && !one_hot, "scale = \"block\" is for encode = \"one-hot\""),
            (
                one_hot && (self.transform.is_some() || self.winsorise.is_some() || self.missing.is_some()),
                "transform, winsorise and missing are for numbers, not for encode = \"one-hot\" (missing values get a \
                 feature of their own)",
            ),
            (
                self.encode.is_some() && (self.sentinels.is_some() || self.indicator == Some(true)),
                "sentinels and indicator are for numbers, not for categories",
            ),
            (self.encode.is_some() && self.age_at.is_some(), "encode and age_at cannot be combined"),
        ];
        rules.into_iter().filter(|(broken, _)| *broken).map(|(_, why)| why.to_owned()).collect()
    }
}

impl Reduce {
    /// Whether principal components are asked for.
    pub(crate) fn is_pca(&self) -> bool {
        self.components.is_some() || self.variance.is_some()
    }

    fn faults(&self) -> Vec<String> {
        let share = |v: f64| v > 0.0 && v <= 1.0;
        let rules = [
            (self.max_correlation.is_some_and(|c| !share(c)), "max_correlation must be above 0 and at most 1"),
            (self.variance.is_some_and(|v| !share(v)), "variance must be above 0 and at most 1"),
            (self.components == Some(0), "components must be 1 or more"),
            (self.components.is_some() && self.variance.is_some(), "give components or variance, not both"),
            (self.whiten && !self.is_pca(), "whiten needs components or variance"),
        ];
        rules.into_iter().filter(|(broken, _)| *broken).map(|(_, why)| format!("reduce: {why}")).collect()
    }
}

/// Whether a name matches a pattern with `*` or `?`.
fn matches(pattern: &str, name: &str) -> bool {
    pattern.contains(['*', '?']) && glob::Pattern::new(pattern).is_ok_and(|p| p.matches(name))
}

/// What a wrong word in TOML was probably meant to be, from an error that lists the valid ones in backticks.
fn meant(message: &str) -> String {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match words.split_first() {
        Some((wrong, right)) => {
            nearest(wrong, right.iter().copied()).map_or_else(String::new, |near| format!("did you mean {near:?}?\n"))
        }
        None => String::new(),
    }
}
