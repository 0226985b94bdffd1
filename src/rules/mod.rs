//! Rules before clustering: which customers a rule takes, and the strata of the others.
//!
//! Takes a rules file and a source, and assigns each row to a numbered part. Conditions are SQL: the library
//! `sqlparser` parses them, `condition` checks them against the columns, `evaluate` works on whole arrays. Nothing here
//! depends on clusters, and subqueries, functions and casts are not supported: a rule considers one row at a time.
//!
//! - A row matches if its condition is true; false and unknown (a comparison with null) both mean no match.
//! - NaN counts as null, as everywhere in this program; -0 equals 0.
//! - Integers and decimals are compared exactly up to 76 digits and calculated exactly up to 38; with floating point,
//!   and in divisions, f64 is used. A literal compared with a floating-point column of 16 or 32 bits is first rounded
//!   to that width.
//! - Times are in UTC, and a date means its midnight. Text is compared byte by byte.

mod book;
mod condition;
mod conditions;
mod division;
mod evaluate;
mod file;
mod membership;
mod operand;
mod sql;
mod terms;

pub use book::{Rule, RuleBook, Strata};
pub use condition::{ColumnKind, Compiled};
pub(crate) use conditions::Conditions;
pub use division::Division;
pub use membership::{Membership, RuleCount, Stratum};
pub use operand::OperandKind;
pub(crate) use terms::{Figure, Terms, Threshold};

/// The most bytes of a condition.
pub(crate) const MAX_CONDITION: usize = 1 << 16;
/// The most rules of a file.
pub(crate) const MAX_RULES: usize = 128;
/// The most strata: a column with more values is hardly a tier.
pub(crate) const MAX_STRATA: usize = 64;
/// The name of the stratum of rows without a value.
pub(crate) const NULL_STRATUM: &str = "(null)";
/// The name for rows whose stratum is unknown to the model.
pub const UNKNOWN_STRATUM: &str = "(unknown stratum)";
/// The name for all rows that no rule takes, if there are no strata.
pub(crate) const REST: &str = "rest";
