//! Labels to Parquet: the id as it was, the segment, the distance; rows in input order; and publication, whole or not
//! at all.
//!
//! The labels of a whole bank go to its table at once. Those of several parts, which come one part after the other, are
//! kept in scratch files until all are there, and are then woven together.

mod destination;
mod measure;
mod publish;
mod row_groups;
mod scratch;
mod segments;
mod table;
mod weave;
mod writer;

use std::path::Path;

use parquet::errors::ParquetError;

pub(crate) use self::destination::{Destination, NewTable};
pub use self::publish::publish_text;
pub(crate) use self::publish::{PartedTable, Publication};
pub(crate) use self::scratch::Kept;
pub(crate) use self::segments::{NAME_COLUMN, SegmentTable};
pub(crate) use self::table::TableWriter;
pub(crate) use self::weave::SegmentNames;
pub use self::writer::LabelSummary;
pub(crate) use self::writer::LabelWriter;
use crate::error::Error;

/// Rows in a row group of the output, whatever the input's are.
pub(crate) const OUTPUT_GROUP_ROWS: usize = 1 << 18;

/// A fault while writing: the disk, most likely.
fn write_error(path: &Path, e: &ParquetError) -> Error {
    let io = match e {
        ParquetError::External(inner) => inner.downcast_ref::<std::io::Error>(),
        _ => None,
    };
    match io {
        Some(io) => Error::io("write", path, io),
        None => Error::environment(format!("cannot write {}: {e}", path.display())),
    }
}
