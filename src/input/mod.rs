//! From bytes to columns: the files an input stands for, their schema, and the values of one column at a time. Does not
//! know what a column is used for.

mod beside;
#[cfg(feature = "cloud")]
mod cloud;
#[cfg(not(feature = "cloud"))]
#[path = "no_cloud.rs"]
mod cloud;
mod column;
mod csv;
mod file;
mod folders;
mod id_keys;
mod ids;
mod join;
mod kind;
mod place;
mod pseudonym;
mod source;
mod stream;

pub(crate) use self::cloud::Ahead;
pub(crate) use self::column::{ColumnReader, as_f64, fault};
pub(crate) use self::csv::CsvInput;
pub use self::csv::{CsvHeader, CsvOptions};
pub use self::file::Access;
pub(crate) use self::file::{BATCH_ROWS, read_at, write_at};
pub(crate) use self::ids::{IdFindings, IdStream, check_ids};
pub(crate) use self::join::JoinCounts;
pub(crate) use self::kind::ValueKind;
pub(crate) use self::place::versioned;
pub(crate) use self::pseudonym::Pseudonym;
pub(crate) use self::source::{Fetched, Opening, Order, agreed};
pub use self::source::{RowGroup, Source, SourceColumn, SourceFile};
pub(crate) use self::stream::ColumnStream;
