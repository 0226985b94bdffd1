//! Segments in short: a tree whose cuts are on one column each, as sentences and as SQL, with how well it tells the
//! segments apart. Rows with their segments enter (`SegmentLog`); a [`RulesReport`] leaves.
//!
//! A tree is grown on rows drawn by their number: first a leaf for each segment (`base`), then the cuts that purify the
//! leaves most, and at last those that do not pay are taken back (`grow`). Cuts are rounded (`round`). What is said of
//! the tree is counted on all rows (`counted`). Missing values (null, NaN and infinite) go one way at each cut.

mod base;
mod column;
mod counted;
mod draw;
mod grow;
mod reach;
mod report;
mod round;
mod rows;
mod split;
mod sql;
#[cfg(test)]
mod tests;
mod tree;
mod words;

pub(crate) use column::CutColumn;
pub(crate) use counted::{LeafCounts, OtherRow, TreeRows};
pub(crate) use draw::Drawn;
pub(crate) use grow::grown;
pub(crate) use report::{CountedTree, share};
pub use report::{LeafCondition, PartRules, RuleLeaf, RulesReport, SegmentRule};
pub(crate) use rows::SampledRows;
pub(crate) use sql::{case_of_part, case_of_parts, identifier, literal};
pub(crate) use tree::Tree;
