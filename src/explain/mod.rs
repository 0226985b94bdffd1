//! Why a customer is in a segment: exact contributions of the features to the distance, the smallest change that leads
//! to another segment, and customers who are unusual for their segment. Rows on the grid enter, reports leave.

mod contribution;
mod report;
mod unusual;
mod way;

pub(crate) use contribution::{NearestTwo, nearest_two};
pub use report::{ChangedValue, Contribution, ExplainReport, Explanation, OtherSegment, SegmentSpread, WayOut};
pub(crate) use unusual::{DistancesSeen, FarRow, UNUSUAL};
pub(crate) use way::{NumberSort, Ways};
