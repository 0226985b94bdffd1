//! The content of a model, in its newest format.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::envelope;
use crate::cluster::Fitted;
use crate::drift::ReferenceCounts;
use crate::error::Result;
use crate::prepare::Preparation;
use crate::rules::{ColumnKind, MAX_RULES, MAX_STRATA, RuleBook, RuleCount};

/// The version of the file format; this program also reads earlier versions.
pub(super) const FORMAT_VERSION: u32 = 6;

/// Everything needed to label new customers, and its provenance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The program that made it.
    pub hyades_version: String,
    /// Its provenance.
    pub provenance: Provenance,
    /// The rules applied before clustering, and the strata; None if all rows were clustered together.
    pub division: Option<ModelDivision>,
    /// The parts that were clustered, at least one. Their segments follow those of the rules, part by part.
    pub parts: Vec<PartModel>,
    /// Counts of the rows of the fit, for comparison with later ones; None if they were not counted (`--no-profile`),
    /// or the rows were too few.
    pub reference: Option<ReferenceCounts>,
}

/// The provenance of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Rows of the fit.
    pub rows: u64,
    /// The files, in order.
    pub inputs: Vec<InputFile>,
    /// The id column; None if rows were named by number.
    pub id_column: Option<String>,
    /// The column of row weights.
    pub weight_column: Option<String>,
    /// The seed.
    pub seed: u64,
    /// `k-means++`, `random` or `given`; `none` of an algorithm without starting centroids.
    pub init: String,
    /// The most passes over all rows; 0 of an algorithm without such a limit.
    pub max_iter: u32,
    /// Tolerance.
    pub tol: f64,
}

/// One input file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// Its name, without its folders.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// blake3 of its footer.
    pub footer_blake3: String,
}

/// How the rows of the fit were divided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelDivision {
    /// The rules, in order, and the column of the strata.
    pub book: RuleBook,
    /// The columns that the rules use, and their kinds in the fit.
    pub columns: Vec<ColumnKind>,
    /// Rows that each rule took in the fit; a rule's segment is its index in this list.
    pub counts: Vec<RuleCount>,
}

/// Rows that were clustered together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartModel {
    /// Its name. With rules or strata, the names of its segments begin with it.
    pub name: String,
    /// The value of the column of strata as text; None: null, or there are no strata.
    pub value: Option<String>,
    /// Rows of the fit.
    pub rows: u64,
    /// The number of its first segment in the whole bank.
    pub first_segment: usize,
    /// Names of the features, in order.
    pub feature_names_in_: Vec<String>,
    /// How raw values become grid integers.
    pub preparation: Preparation,
    /// The segments.
    pub fitted: Fitted,
}

impl Model {
    /// The file's text.
    ///
    /// # Errors
    /// None expected: the model is plain data.
    pub fn to_json(&self) -> Result<String> {
        envelope::sealed(self, FORMAT_VERSION, None)
    }

    /// The file's text, with the run that publishes it.
    pub(crate) fn to_json_of(&self, run: &str) -> Result<String> {
        envelope::sealed(self, FORMAT_VERSION, Some(run))
    }

    /// Segments of all rules and parts.
    pub fn segments(&self) -> usize {
        self.parts.last().map_or(0, |last| last.first_segment + last.fitted.segments())
    }

    /// The most centroids to which the rows of a part are compared.
    pub(crate) fn most_compared(&self) -> usize {
        self.parts.iter().map(|part| part.fitted.compared()).max().unwrap_or(1)
    }

    /// Checks that its parts are consistent with each other.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut next = self.division.as_ref().map_or(0, |division| division.book.rules.len());
        let mut names = HashSet::new();
        let mut agree = (1..=MAX_STRATA).contains(&self.parts.len());
        for part in &self.parts {
            part.check()?;
            agree &= part.first_segment == next && names.insert(&part.name);
            next += part.fitted.segments();
        }
        agree &= match &self.division {
            None => self.parts.len() == 1,
            Some(ModelDivision { book, counts, .. }) => {
                book.rules.len() <= MAX_RULES
                    && (book.strata.is_some() || self.parts.len() == 1)
                    && book.rules.iter().map(|r| &r.name).eq(counts.iter().map(|c| &c.name))
            }
        };
        if agree && self.reference.as_ref().is_some_and(|reference| !reference.agrees(next)) {
            return Err("inconsistent: its counts of rows are of other segments".into());
        }
        if agree { Ok(()) } else { Err("inconsistent: its rules and strata do not agree".into()) }
    }
}

impl PartModel {
    fn check(&self) -> Result<(), String> {
        let agree = self.fitted.agrees_with(&self.preparation)
            && self.feature_names_in_.iter().eq(self.preparation.columns.iter().map(|c| &c.name))
            && self.preparation.is_consistent();
        if !agree {
            return Err("inconsistent: its shapes do not agree".into());
        }
        self.fitted.label_rule().map(|_| ()).map_err(|e| format!("inconsistent: {e}"))
    }
}
