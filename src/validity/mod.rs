//! How good a partition of rows is, by itself: indices of all rows, from exact sums and one pass over the tiles.
//!
//! The labels may come from anywhere; rows without a segment are in no index. The mean squared distance of a row to the
//! rows of a segment is `d2(row, mean) + sse / mass`, so a silhouette of squared distances takes one pass over all rows
//! instead of all pairs. Sums of f64 are rounded to fixed steps and added as integers: the indices have the same bits
//! for any number of threads, split of the rows and SIMD level.

mod indices;
mod measure;
mod sums;

#[cfg(test)]
mod tests;

pub(crate) use indices::Unit;
pub use indices::Validity;
pub(crate) use sums::{NO_SEGMENT, PartitionSums};
