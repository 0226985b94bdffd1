//! The section `[gates]` of a job file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limit::{AtLeast, AtMost, GateSeverity};

/// Limits on what a run may change before it is published. A gate that is not given is not applied, but for
/// `missing_rise`.
///
/// ```toml
/// [gates]
/// share_change = 0.10
/// psi_max = { max = 0.25, severity = "warn" }
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gates {
    /// Smallest share of the customers that a segment may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_min: Option<AtLeast>,
    /// Largest share of the customers that a segment may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_max: Option<AtMost>,
    /// Largest change of a segment's share, up or down: 0.05 allows 20 % to become 15 % to 25 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_change: Option<AtMost>,
    /// Smallest share of a segment's customers that must still be in it, of those who are still there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_min: Option<AtLeast>,
    /// Largest rise of the inertia per customer: 0.1 allows 10 % more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inertia_rise: Option<AtMost>,
    /// Largest population stability index of a feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi_max: Option<AtMost>,
    /// Largest shift of a feature: its first Wasserstein distance in standard deviations of the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub w1_max: Option<AtMost>,
    /// Most segments without an ancestor or a successor, together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmatched_max: Option<AtMost>,
    /// Largest rise of a feature's share of missing values: 0.02 allows 1 % to become 3 %. Default: 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_rise: Option<AtMost>,
    /// Largest change of the number of rows, up or down: 0.1 allows 10 % more or less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_change: Option<AtMost>,
    /// Largest share of customers whose segment may differ because its definition did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relabelled_max: Option<AtMost>,
    /// Fewest customers that a segment may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smallest_segment: Option<AtLeast>,
}

/// The default of `--max-missing`, too.
const DEFAULT_MISSING_RISE: f64 = 0.5;

impl Gates {
    /// The same, with a limit on missing values where there is none: an empty column must not pass silently.
    pub(crate) fn with_defaults(&self) -> Self {
        let limit = AtMost { max: DEFAULT_MISSING_RISE, severity: GateSeverity::Error };
        Gates { missing_rise: self.missing_rise.or(Some(limit)), ..self.clone() }
    }

    /// Limits to start from, which are generous.
    pub fn starting() -> Self {
        let most = |max, severity| Some(AtMost { max, severity });
        let least = |min, severity| Some(AtLeast { min, severity });
        let (error, warn) = (GateSeverity::Error, GateSeverity::Warn);
        Gates {
            share_min: None,
            share_max: most(0.8, warn),
            share_change: most(0.1, error),
            retention_min: least(0.5, warn),
            inertia_rise: most(0.25, error),
            psi_max: most(0.25, warn),
            w1_max: most(0.5, warn),
            unmatched_max: most(0.0, warn),
            missing_rise: most(0.1, error),
            rows_change: most(0.2, error),
            relabelled_max: most(0.05, warn),
            smallest_segment: least(30.0, warn),
        }
    }

    /// The section `[gates]` of a new job file: [`starting`](Self::starting), with comments.
    pub fn starting_toml() -> &'static str {
        STARTING_TOML
    }
}

const STARTING_TOML: &str = "\
[gates]
# A run that exceeds a limit is not published (exit code 6), unless its severity is \"warn\". These are
# generous: after a few months, `hyades history suggest-gates` derives limits from past versions. Changes are against
# the version before.
share_change = 0.1                                      # a segment's share of the customers, up or down
missing_rise = 0.1                                      # a feature's share of missing values
rows_change = 0.2                                       # the number of rows, up or down, relative
inertia_rise = 0.25                                     # distance to the centroids, squared, per customer, relative
share_max = { max = 0.8, severity = \"warn\" }            # the largest segment's share
smallest_segment = { min = 30, severity = \"warn\" }      # its customers
retention_min = { min = 0.5, severity = \"warn\" }        # customers of a segment who are still in it
relabelled_max = { max = 0.05, severity = \"warn\" }      # customers whose segment's definition changed
unmatched_max = { max = 0, severity = \"warn\" }          # segments without an ancestor or a successor
psi_max = { max = 0.25, severity = \"warn\" }             # a feature's population stability index
w1_max = { max = 0.5, severity = \"warn\" }               # a feature's shift, in standard deviations
# share_min = 0.01                                      # the smallest segment's share
";
