//! How long a fit looks for a better optimum.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long a fit looks for a better optimum than that of its best start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Effort {
    /// Take the best start as it is
    Low,
    /// Move centroids on the sample, for at most about a fifth of the job
    #[default]
    Normal,
    /// The same for much longer
    High,
}

impl Effort {
    /// The most trials of a swap.
    pub(super) fn trials(self) -> u32 {
        match self {
            Effort::Low => 0,
            Effort::Normal => 100,
            Effort::High => 1600,
        }
    }

    /// How many times the distances of a normal effort may be computed.
    pub(super) fn factor(self) -> u64 {
        match self {
            Effort::Low => 0,
            Effort::Normal => 1,
            Effort::High => 16,
        }
    }
}
