//! Gates: limits on what a monthly run may change before it is published.
//!
//! [`Gates`] are limits as a job file gives them, [`Measures`] is what a run measured, and [`judge`] compares them:
//! every gate is reported, with value and limit. [`suggest`] derives limits from earlier runs.
//!
//! Deliberately absent: how anything is measured, and what happens to a refused version.

mod judge;
mod kinds;
mod limit;
mod limits;
mod measures;
mod suggest;

pub(crate) use judge::{FewCustomers, few_changed, gates_in};
pub use judge::{GateResult, GateVerdict, judge, verdict};
pub use limit::{AtLeast, AtMost, GateSeverity};
pub use limits::Gates;
pub use measures::{FeatureMeasures, GateSubject, Measures, SegmentMeasures};
pub use suggest::{SuggestedGates, suggest};

#[cfg(test)]
mod tests;
