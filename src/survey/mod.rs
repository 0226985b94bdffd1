//! Surveys count labelled rows while they are written. They read columns in row order, together with the segments; the
//! counts of some rows can be merged with those of others.
//!
//! When segments are renumbered, a label pass starts over, and its surveys with it. Memory holds one batch of the
//! surveyed columns. This module does not know what is surveyed.

mod log;
mod ride;
mod segment;
mod texts;

use arrow::array::ArrayRef;

pub(crate) use self::log::SegmentLog;
pub(crate) use self::ride::{Ride, Riders, Riding};
pub(crate) use self::segment::Segment;
pub(crate) use self::texts::TextCounts;
use crate::error::Result;
use crate::numeric::Partial;

/// Consecutive rows with their segments.
pub(crate) struct Labelled<'a> {
    /// The segment of each row.
    pub segments: &'a [Segment],
    /// The columns that the survey requested, each as long as `segments`.
    pub columns: &'a [ArrayRef],
}

/// Counts over labelled rows.
pub(crate) trait Survey: Send + Sync {
    /// The counts of some rows.
    type Seen: Partial + Send;

    /// Positions in the source of the columns that it reads.
    fn columns(&self) -> Vec<usize>;

    /// The counts of no rows.
    fn nothing(&self) -> Self::Seen;

    /// Adds rows.
    ///
    /// # Errors
    /// A column whose values cannot be counted.
    fn see(&self, rows: &Labelled<'_>, seen: &mut Self::Seen) -> Result<()>;
}
