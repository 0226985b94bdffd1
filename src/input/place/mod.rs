//! Which files an input means, and where each has its columns.

#[cfg(feature = "delta")]
mod delta;
mod discover;
mod table;

pub(crate) use self::discover::{discover, versioned};
pub(crate) use self::table::{ColumnPlace, FileColumn, FoundFile, TableVersion};
