//! The labels of a bank's rows, as counts and a hash.

use crate::output::LabelSummary;
use crate::rules::{Membership, RuleCount};

/// Summary of the labels of all rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelling {
    /// Rows of the input.
    pub rows: u64,
    /// Rows that each rule took; a rule's segment is its index in this list.
    pub rules: Vec<RuleCount>,
    /// The parts that were clustered, in order: the strata, or all rows that no rule took.
    pub parts: Vec<PartLabels>,
    /// Rows without a segment, because the model does not know their stratum.
    pub unknown: u64,
    /// blake3 of the labels as little-endian i32 in row order, -1 for rows without a segment.
    pub labels_blake3: String,
}

/// The labels of a part.
#[derive(Debug, Clone, PartialEq)]
pub struct PartLabels {
    /// Its name.
    pub name: String,
    /// The number of its first segment in the whole bank.
    pub first_segment: usize,
    /// Counts and mean distances of its own segments.
    pub labels: LabelSummary,
}

impl Labelling {
    pub(super) fn new(membership: &Membership, parts: Vec<PartLabels>, labels_blake3: String) -> Self {
        let (rules, unknown) = (membership.rules.clone(), membership.unknown);
        Labelling { rows: membership.rows(), rules, parts, unknown, labels_blake3 }
    }

    /// Rows by segment of the whole bank.
    pub fn counts(&self) -> Vec<u64> {
        let rules = self.rules.iter().map(|r| r.rows);
        rules.chain(self.parts.iter().flat_map(|part| part.labels.counts.iter().copied())).collect()
    }
}
