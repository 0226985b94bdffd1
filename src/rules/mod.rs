//! Rules before clusters: which customers a rule takes, and into which strata the others are divided.
//!
//! A file of rules and a source enter, the number of its part leaves for every row. Conditions are SQL: the library
//! `sqlparser` reads them, `condition` checks them against the columns, `evaluate` works on whole arrays. Nothing here knows
//! of clusters, and no subquery, function or cast is known: a rule looks at one row.
//!
//! - A row matches where its condition is true; false and unknown (a comparison with null) are alike.
//! - NaN counts as null, as everywhere in this program; -0 equals 0.
//! - Whole numbers and decimals are compared and calculated exactly, up to 76 and 38 digits; with floating point, and in
//!   divisions, as f64. A literal that is compared with a column of 16 or 32 bits is rounded to them first.
//! - Times are UTC, and a date is its midnight. Text is compared byte by byte.

mod book;
mod condition;
mod division;
mod evaluate;
mod file;
mod membership;
mod operand;
mod sql;

pub use book::{Rule, RuleBook, Strata};
pub use condition::ColumnKind;
pub use division::Division;
pub use membership::{Membership, RuleCount, Stratum};

/// The most rules of a file.
pub const MAX_RULES: usize = 128;
/// The most strata: more values than these are likely no tiers.
pub const MAX_STRATA: usize = 64;
/// The name of the stratum of rows without a value.
pub const NULL_STRATUM: &str = "(null)";
/// The name that rows get whose stratum a model does not know.
pub const UNKNOWN_STRATUM: &str = "(unknown stratum)";
/// The name of all rows that no rule takes, where there are no strata.
pub const REST: &str = "rest";
