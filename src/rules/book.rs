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
    /// Number of segments of a stratum that is not in `k_of`; None: as requested for the fit.
    pub k: Option<usize>,
    /// Segments by stratum.
    pub k_of: BTreeMap<String, usize>,
}

/// The rules, in order, and the strata.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleBook {
    /// The rules; a row goes to the first one that matches.
    pub rules: Vec<Rule>,
    /// The strata; None: all other rows are clustered together.
    pub strata: Option<Strata>,
}

impl RuleBook {
    /// The number of segments of a stratum; `k` unless the file sets a number.
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
