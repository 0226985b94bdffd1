//! Rules before clustering: which customers a rule takes, and the strata of the others.
//!
//! Input: a file of rules and a source. Output: the number of the part of every row. Conditions are SQL: `sqlparser`
//! parses them, `condition` checks them against the columns, `evaluate` works on whole arrays. This module knows
//! nothing of clusters. Subqueries, functions and casts are not supported: a rule uses one row at a time.
//!
//! - A row matches if its condition is true; false and unknown (a comparison with null) are treated alike.
//! - NaN counts as null, as everywhere in this program; -0 equals 0.
//! - Whole numbers and decimals are compared and calculated exactly, up to 76 and 38 digits; with floating point, and
//!   in divisions, as f64. A literal compared with a floating-point column of 16 or 32 bits is first rounded to that
//!   type.
//! - Times are UTC, and a date is its midnight. Text is compared byte by byte.

mod book;
mod condition;
mod evaluate;
mod file;
mod membership;
mod operand;
mod sql;

pub use book::{Rule, RuleBook, Strata};
pub use condition::{ColumnKind, Compiled};
pub use membership::{Membership, RuleCount, Stratum, divide};

/// The most rules of a file.
pub const MAX_RULES: usize = 128;
/// The most strata: a column with more values is unlikely to hold tiers.
pub const MAX_STRATA: usize = 64;
/// The name of the stratum of rows without a value.
pub const NULL_STRATUM: &str = "(null)";
/// The name for rows whose stratum is unknown to a model.
pub const UNKNOWN_STRATUM: &str = "(unknown stratum)";
/// The name for all rows that no rule takes, without strata.
pub const REST: &str = "rest";
