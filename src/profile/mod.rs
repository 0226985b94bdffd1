//! What is true of each segment: the customers, means, quantiles and shares of the columns shown, beside those of all
//! rows. Rows with their segments enter (`SegmentLog`); a [`ProfileReport`] leaves.
//!
//! A pass of its own, after the labels: every column is decoded once more, by row group on all threads. Sums are exact;
//! order statistics are values of rows, or counts of buckets; what has an order is merged in that of the file. So the
//! report has the same bytes for any number of threads. Rows count once, whatever their weight. Absent on purpose: any
//! number of the prepared scale.

mod apart;
mod categories;
mod column;
mod correlation;
mod effects;
mod map;
mod naming;
mod numbers;
mod order;
mod pass;
mod products;
mod report;
mod shown;
mod sorted;
#[cfg(test)]
mod tests;

pub(crate) use pass::{EXACT_ROWS, ProfiledRows, Profiling};
pub(crate) use products::held_products;
pub use report::{
    CategoryComparison, CategoryFigures, ColumnFigures, Correlated, GroupProfile, GroupRule, MapCell, Mark,
    NumberComparison, NumberFigures, OutcomeRate, ProductFigures, ProductPair, ProfileReport, ProfiledColumn,
    ProposedName, QuantileKind, RuleAlternative, RuleFigures, SegmentMap, Statistic,
};
pub(crate) use shown::ShownColumn;
pub use shown::{ColumnRole, ShownKind};
