//! Writes labels as Parquet (the id unchanged, the segment, the distance; rows in input order), and publishes outputs
//! completely or not at all.
//!
//! The labels of an undivided bank are written directly to its table. Those of several parts, which are labelled one
//! after another, are kept in scratch files until all are done, and then merged.

mod carried;
mod destination;
mod distances;
mod identified;
mod measure;
mod parts;
mod publish;
mod row_groups;
mod scratch;
mod segments;
mod spread;
mod table;
mod weave;
mod writer;

use std::path::Path;

use parquet::errors::ParquetError;

pub(crate) use self::carried::CarriedColumn;
pub(crate) use self::destination::{Destination, NewTable};
pub(crate) use self::identified::{IdentifiedLabels, identified};
pub(crate) use self::parts::{FileLayout, LABELS, RUN, UnsealedLabels, run_of_labels};
pub(crate) use self::publish::{
    MANIFEST, NewFiles, PartedTable, Publication, create_folders, lies_in, publish_checked, read_checked, sync_folder,
};
pub use self::publish::{publish_text, stop_publishing};
pub(crate) use self::scratch::Kept;
pub(crate) use self::segments::{IDENTITY_COLUMN, LabelColumns, NAME_COLUMN, ROW, SegmentTable};
pub(crate) use self::spread::{DistanceSpread, SeenDistances};
pub(crate) use self::table::TableWriter;
pub(crate) use self::weave::SegmentNames;
pub use self::writer::LabelSummary;
pub(crate) use self::writer::{LabelWriter, WrittenLabels};
use crate::error::Error;

/// Rows in a row group of the output, regardless of the input's.
pub(crate) const OUTPUT_GROUP_ROWS: usize = 1 << 18;

/// An error while writing, most likely from the disk.
fn write_error(path: &Path, e: &ParquetError) -> Error {
    let io = match e {
        ParquetError::External(inner) => inner.downcast_ref::<std::io::Error>(),
        _ => None,
    };
    match io {
        Some(io) => Error::io("write", path, io),
        None => Error::environment(format!("cannot write {}: {e}", path.display())).of_file(path),
    }
}
