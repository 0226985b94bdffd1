//! Segments that last: which segment of one month is which of the month before.
//!
//! A run numbers its segments by size, so numbers swap when sizes cross. A `segment_id` is given once and never used
//! again. [`identify`] decides which ids go on from counts of customers by old and new segment ([`Overlap`]), with the
//! rules of MONIC (Spiliopoulou et al., KDD 2006); [`identify_by_distance`] from centroids alone. Everything is
//! compared in integers, and depends on the order of nothing but ids and numbers.
//!
//! Deliberately absent: files, labels and models. Callers count and store.

mod assignment;
mod by_distance;
mod by_members;
mod known;
mod names;
mod overlap;

pub(crate) use assignment::pairs as most_shared;
pub use by_distance::{Place, has_moved, identify_by_distance};
pub use by_members::identify;
pub use known::{
    Ended, Fate, FreshSegment, Identities, Identity, IdentityEvent, KnownSegment, MatchedBy, ParentSegment,
};
pub use names::{NameBook, SegmentName};
pub use overlap::Overlap;

#[cfg(test)]
mod tests;
