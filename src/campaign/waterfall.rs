//! Where customers stay on the way into a list. Every count adds up.

use serde::{Deserialize, Serialize};

/// Customers kept out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuppressedCount {
    /// Why.
    pub reason: String,
    /// How many; a customer counts for the first reason.
    pub customers: u64,
}

/// Customers at each step: `eligible` is the sum of all that follow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCounts {
    /// For whom the condition is true.
    pub eligible: u64,
    /// Suppressed, by reason in the order of the file.
    pub suppressed: Vec<SuppressedCount>,
    /// Contacted often enough.
    pub pressure: u64,
    /// In the hold-out of all campaigns.
    pub holdout: u64,
    /// In an earlier list.
    pub earlier: u64,
    /// Not reached before the cap was full.
    pub capped: u64,
    /// In the control group.
    pub control: u64,
    /// Contacted.
    pub contacted: u64,
}

/// The customers of a segment and stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellCounts {
    /// The segment; None: without one.
    pub segment: Option<i64>,
    /// Its name, where the labels have names.
    #[serde(default)]
    pub segment_name: Option<String>,
    /// The stage; None: without one, or there are no stages.
    pub stage: Option<String>,
    /// Its customers at each step.
    #[serde(flatten)]
    pub counts: StepCounts,
}

/// The steps into one list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListWaterfall {
    /// The list.
    pub name: String,
    /// All its customers.
    #[serde(flatten)]
    pub counts: StepCounts,
    /// The same by segment and stage.
    pub cells: Vec<CellCounts>,
}

/// The steps into all lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waterfall {
    /// All customers of the input.
    pub customers: u64,
    /// Those for whom no condition is true.
    pub not_eligible: u64,
    /// The others, each once: of several lists, the one that he is in counts.
    pub all: StepCounts,
    /// List by list.
    pub lists: Vec<ListWaterfall>,
}

/// Where a customer stays before lists are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeptOut {
    Suppressed(usize),
    Pressure,
    HoldOut,
}

impl StepCounts {
    /// No customers, with these reasons.
    pub(super) fn new(reasons: &[String]) -> Self {
        let suppressed = reasons.iter().map(|reason| SuppressedCount { reason: reason.clone(), customers: 0 });
        StepCounts { suppressed: suppressed.collect(), ..StepCounts::default() }
    }

    /// One more eligible customer. Whoever is not stopped counts as capped until he is found elsewhere.
    pub(super) fn add(&mut self, stop: Option<KeptOut>) {
        self.eligible += 1;
        match stop {
            None => self.capped += 1,
            Some(KeptOut::Suppressed(reason)) => self.suppressed[reason].customers += 1,
            Some(KeptOut::Pressure) => self.pressure += 1,
            Some(KeptOut::HoldOut) => self.holdout += 1,
        }
    }

    /// A customer taken by an earlier list.
    pub(super) fn taken_before(&mut self) {
        self.capped -= 1;
        self.earlier += 1;
    }

    /// A customer of the list.
    pub(super) fn member(&mut self, is_control: bool) {
        self.capped -= 1;
        *(if is_control { &mut self.control } else { &mut self.contacted }) += 1;
    }

    /// Adds the counts of other customers, for the same reasons.
    pub(super) fn merge(&mut self, other: &StepCounts) {
        self.eligible += other.eligible;
        for (mine, theirs) in self.suppressed.iter_mut().zip(&other.suppressed) {
            mine.customers += theirs.customers;
        }
        self.pressure += other.pressure;
        self.holdout += other.holdout;
        self.earlier += other.earlier;
        self.capped += other.capped;
        self.control += other.control;
        self.contacted += other.contacted;
    }
}
