//! From bytes to columns: the files an input stands for, their schema, and the values of one column at a time. Does not
//! know what a column is used for.

mod beside;
#[cfg(feature = "cloud")]
mod cloud;
#[cfg(not(feature = "cloud"))]
#[path = "no_cloud.rs"]
mod cloud;
mod column;
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
pub use self::column::ColumnReader;
pub(crate) use self::column::{as_f64, fault};
pub use self::file::Access;
pub(crate) use self::file::{BATCH_ROWS, read_at, write_at};
pub use self::ids::{IdFindings, IdStream, check_ids};
pub use self::join::JoinCounts;
pub use self::kind::ValueKind;
pub(crate) use self::place::versioned;
pub use self::pseudonym::Pseudonym;
pub use self::source::{Fetched, MAX_ROWS, RowGroup, Source, SourceColumn, SourceFile};
pub(crate) use self::source::{Order, agreed};
pub(crate) use self::stream::ColumnStream;
