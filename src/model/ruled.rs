//! A model with rules: the rules as they were written, and a model of its own for every stratum.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{InputFile, Model, load_text, newer, open_envelope, sealed};
use crate::error::{Error, Result};
use crate::rules::{ColumnKind, MAX_RULES, MAX_STRATA, RuleBook, RuleCount};

/// The version of the file format that models with rules have.
pub const RULED_VERSION: u32 = 2;

/// Everything that labelling new customers by rules and strata needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuledModel {
    /// The program that made it.
    pub hyades_version: String,
    /// Rows of the fit.
    pub rows: u64,
    /// The files, in order.
    pub inputs: Vec<InputFile>,
    /// The id column; None if rows were named by number.
    pub id_column: Option<String>,
    /// The rules, in order, and how the other rows are divided.
    pub rules: RuleBook,
    /// The columns that the rules look at, and what they were.
    pub rule_columns: Vec<ColumnKind>,
    /// What each rule took in the fit; its segment is its place in this list.
    pub rule_counts: Vec<RuleCount>,
    /// The strata in order; their segments follow those of the rules, stratum by stratum.
    pub strata: Vec<StratumModel>,
}

/// The model of a stratum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StratumModel {
    /// Its name, which stands before the number in its segments' names.
    pub name: String,
    /// The value of the column as text; None: null, or there is no column.
    pub value: Option<String>,
    /// The number of its first segment in the whole bank.
    pub first_segment: usize,
    /// What a fit of its rows alone would give; without the list of files, which stands above.
    pub model: Model,
}

/// A model of either kind.
#[derive(Debug)]
pub enum AnyModel {
    /// Of all rows together.
    Plain(Box<Model>),
    /// With rules or strata.
    Ruled(Box<RuledModel>),
}

impl AnyModel {
    /// Reads and verifies a model of either kind.
    ///
    /// # Errors
    /// As [`Model::load`], but for models with rules.
    pub fn load(path: &Path) -> Result<Self> {
        let text = load_text(path)?;
        Self::from_json(&text).map_err(|why| Error::input(format!("{}: {why}", path.display())))
    }

    fn from_json(text: &str) -> Result<Self, String> {
        match super::version(text)? {
            version if version > RULED_VERSION => Err(newer(version)),
            RULED_VERSION => {
                let model: RuledModel = open_envelope(text)?;
                model.check()?;
                Ok(AnyModel::Ruled(Box::new(model)))
            }
            _ => Ok(AnyModel::Plain(Box::new(Model::from_json(text)?))),
        }
    }
}

impl RuledModel {
    /// The file's text.
    pub fn to_json(&self) -> Result<String> {
        sealed(self, RULED_VERSION)
    }

    /// Segments of all rules and strata.
    pub fn segments(&self) -> usize {
        self.strata.last().map_or(self.rules.rules.len(), |last| last.first_segment + last.model.n_clusters)
    }

    fn check(&self) -> Result<(), String> {
        let rules = &self.rules.rules;
        let mut next = rules.len();
        let mut firsts = true;
        for stratum in &self.strata {
            stratum.model.check()?;
            firsts &= stratum.first_segment == next;
            next += stratum.model.n_clusters;
        }
        let mut names = HashSet::new();
        let agree = firsts
            && rules.len() <= MAX_RULES
            && (1..=MAX_STRATA).contains(&self.strata.len())
            && (self.rules.strata.is_some() || self.strata.len() == 1)
            && rules.iter().map(|r| &r.name).eq(self.rule_counts.iter().map(|c| &c.name))
            && self.strata.iter().all(|s| names.insert(&s.name));
        if agree { Ok(()) } else { Err("inconsistent: its rules and strata do not agree".into()) }
    }
}
