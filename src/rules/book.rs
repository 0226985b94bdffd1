//! The rules in order, and the strata of the remaining rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, which is also the name of its segment.
    pub name: String,
    /// The condition in SQL.
    pub when: String,
}

/// The division of the rows that no rule takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strata {
    /// The column whose values are the strata.
    pub within: String,
    /// Segments of a stratum without a number of its own; None: as many as the fit asks for.
    pub k: Option<usize>,
    /// Segments by stratum.
    pub k_of: BTreeMap<String, usize>,
}

/// The rules, in order, and the strata.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleBook {
    /// A row goes to the first rule that matches.
    pub rules: Vec<Rule>,
    /// None: all other rows are clustered together.
    pub strata: Option<Strata>,
}

impl RuleBook {
    /// Segments of a stratum; `k` unless the file sets a number.
    pub fn k_of(&self, stratum: &str, k: usize) -> usize {
        let Some(strata) = &self.strata else { return k };
        strata.k_of.get(stratum).copied().or(strata.k).unwrap_or(k)
    }

    /// The most segments that a stratum can have.
    pub(crate) fn most_segments(&self, k: usize) -> usize {
        let Some(strata) = &self.strata else { return k };
        strata.k_of.values().copied().fold(strata.k.unwrap_or(k), usize::max)
    }
}
