//! Surveys: what looks at labelled rows while they are written. Columns enter in row order beside the segments; what a
//! survey saw leaves as a partial that merges with those of other rows.
//!
//! A label pass may start again, when segments turn out to be numbered otherwise; a survey then starts again with it.
//! Memory holds one batch of the surveyed columns. Absent on purpose: any knowledge of what is surveyed.

mod ride;

use arrow::array::ArrayRef;

pub(crate) use self::ride::{Ride, Riders, Riding};
use crate::error::Result;

/// Some consecutive rows with their segments.
pub(crate) struct Labelled<'a> {
    /// The segment of each row in the whole bank; one beyond the last for rows without one.
    pub segments: &'a [u32],
    /// The columns that the survey asked for, each as long as `segments`.
    pub columns: &'a [ArrayRef],
}

/// Something to be counted of labelled rows.
pub(crate) trait Survey: Send + Sync {
    /// What is known of some rows.
    type Seen: Send;

    /// Positions in the source of the columns that it looks at.
    fn columns(&self) -> Vec<usize>;

    /// What is known of no rows.
    fn nothing(&self) -> Self::Seen;

    /// Adds rows.
    ///
    /// # Errors
    /// A column whose values cannot be counted.
    fn see(&self, rows: &Labelled<'_>, seen: &mut Self::Seen) -> Result<()>;
}
