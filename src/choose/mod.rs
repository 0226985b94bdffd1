//! How many segments: what was found for each number of them, and what that recommends.
//!
//! No index is right about every table, so several are asked, each by its own rule, and their votes are shown beside
//! the recommendation. Where they disagree, the recommendation says so.

mod alternative;
mod page;
mod recommend;
mod report;
mod river;

pub use alternative::{Alternative, SeedAgreement};
pub(crate) use page::page;
pub(crate) use recommend::recommend;
pub use recommend::{Criterion, Recommendation, Vote};
pub use report::ChoiceReport;
