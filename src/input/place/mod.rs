//! The files of an input, and the location of each column in them.

#[cfg(feature = "delta")]
mod delta;
mod discover;
mod table;

pub(crate) use self::discover::{discover, versioned};
pub(crate) use self::table::{ColumnPlace, ConvertedFile, FileColumn, FoundFile, TableVersion};
