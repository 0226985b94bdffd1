//! From bytes to columns: the files an input stands for, their schema, and the values of one column at a time. Does not
//! know what a column is used for.

mod beside;
#[cfg(feature = "cloud")]
mod cloud;
#[cfg(not(feature = "cloud"))]
#[path = "no_cloud.rs"]
mod cloud;
mod column;
mod computed;
mod csv;
mod facts;
mod file;
mod folders;
mod id_keys;
mod ids;
mod join;
mod keyed;
mod kind;
mod overlap;
mod place;
mod pseudonym;
mod schema;
mod source;
mod stream;
mod widen;

pub(crate) use self::cloud::Ahead;
pub(crate) use self::column::{ColumnReader, EXACT_CAST, as_f64, fault, written_as};
pub(crate) use self::computed::ComputedColumns;
pub use self::csv::{CsvHeader, CsvOptions};
pub(crate) use self::csv::{CsvInput, WrittenValue, written_value};
pub(crate) use self::facts::FooterRange;
pub use self::file::Access;
pub(crate) use self::file::{BATCH_ROWS, ReadContent, read_at, write_at};
pub(crate) use self::id_keys::{id_bytes, id_keys, id_type, is_whole_id, whole_ids};
pub(crate) use self::ids::{IdFindings, IdStream, check_ids, count_repeated, rows_with_id};
pub(crate) use self::join::{JoinCounts, OtherTable};
pub(crate) use self::keyed::{KeyRound, KeyedRow, keyed_rows, keyed_rows_of};
pub(crate) use self::kind::ValueKind;
pub(crate) use self::overlap::overlap;
pub(crate) use self::place::versioned;
pub(crate) use self::pseudonym::Pseudonym;
pub use self::schema::SourceColumn;
pub(crate) use self::schema::{agreed, agreed_where_present, any_present, differences};
pub(crate) use self::source::{Fetched, Opening, Order};
pub use self::source::{RowGroup, Source, SourceFile};
pub(crate) use self::stream::ColumnStream;
