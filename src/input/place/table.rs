//! Where a file has its columns, and what the log of a table says of a file: other names or types, columns that it lacks,
//! rows that are deleted. Knows nothing of how the log is written.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, FieldRef, TimeUnit};

use crate::error::{Error, Result};
use crate::input::cloud::Object;
use crate::input::file::Footer;

/// The most rows of a row group of which some are deleted: each takes a bit of memory.
const MOST_ROWS: u64 = 1 << 31;

/// A file to read, and what is known of its columns beside what it says itself.
#[derive(Debug)]
pub(crate) struct FoundFile {
    /// Its path, or its URL.
    pub(crate) path: PathBuf,
    /// What is read in place of a file, if that is a URL.
    pub(crate) object: Option<Arc<Object>>,
    /// The columns that its folders' names give (`month=2026-01`).
    pub(crate) partitions: Vec<(String, String)>,
    /// What the log of its table says; the names of folders mean nothing there.
    pub(crate) member: Option<Member>,
}

/// A column as a file has it.
#[derive(Debug, Clone)]
pub(crate) struct FileColumn {
    /// Its name in the input, and the type of its values.
    pub(crate) field: FieldRef,
    pub(crate) place: ColumnPlace,
}

/// Where a file has a column.
#[derive(Debug, Clone)]
pub(crate) enum ColumnPlace {
    /// Among its own; a table may have another name and a wider type for it.
    Root(usize),
    /// In a folder's name; None where that means null.
    Folder(Option<String>),
    /// In a table's log: one value for all rows; None is null.
    Log(Option<String>),
    /// Nowhere: it is there, and cannot be what its table says.
    Unfit(String),
    /// Encrypted, and its key is not there: why, in words that follow its name.
    Locked(String),
}

/// One version of a table.
#[derive(Debug)]
pub(crate) struct TableVersion {
    pub(crate) folder: PathBuf,
    pub(crate) version: u64,
    pub(crate) columns: Vec<TableColumn>,
}

/// A column of a table, and what its files call it.
#[derive(Debug)]
pub(crate) struct TableColumn {
    pub(crate) field: FieldRef,
    /// Its name in the files.
    pub(crate) physical: String,
    /// Its number in the files, which goes before the name.
    pub(crate) id: Option<i32>,
    /// Whether its values stand in the log, not in the files.
    pub(crate) is_partition: bool,
}

/// What a table's log says of one file.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) table: Arc<TableVersion>,
    /// The values of partition columns, by their names in the files; null where there is none.
    pub(crate) values: Vec<(String, String)>,
    /// Numbers of the rows that are deleted, ascending.
    pub(crate) deleted: Vec<u64>,
}

impl fmt::Display for TableVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, version {}", self.folder.display(), self.version)
    }
}

impl Member {
    /// The table's columns, in a file of it. One that the file lacks is null there.
    pub(crate) fn columns(&self, footer: &Footer) -> Vec<FileColumn> {
        let place = |column: &TableColumn| {
            if column.is_partition {
                let value = self.values.iter().find(|(name, _)| *name == column.physical);
                return ColumnPlace::Log(value.map(|(_, value)| value.clone()));
            }
            let Some(root) = root(column, footer) else { return ColumnPlace::Log(None) };
            let (own, wanted) = (footer.metadata.schema().field(root).data_type(), column.field.data_type());
            match becomes(own, wanted) {
                true => ColumnPlace::Root(root),
                false => ColumnPlace::Unfit(format!(
                    "{:?} as {own}, which cannot be read as {wanted}, its type in {}",
                    column.field.name(),
                    self.table
                )),
            }
        };
        let columns = self.table.columns.iter();
        columns.map(|column| FileColumn { field: column.field.clone(), place: place(column) }).collect()
    }

    /// The rows of each row group that are not deleted; empty: no row is.
    ///
    /// # Errors
    /// A deleted row that the file does not have.
    pub(crate) fn live(&self, footer: &Footer, path: &Path) -> Result<Vec<BooleanBuffer>> {
        if self.deleted.is_empty() {
            return Ok(Vec::new());
        }
        let (mut live, mut first, mut deleted) = (Vec::new(), 0u64, self.deleted.as_slice());
        for group in footer.metadata.metadata().row_groups() {
            let rows = group.num_rows() as u64;
            if rows > MOST_ROWS {
                return Err(Error::input(format!(
                    "{}: corrupt, or too large: a row group claims {rows} rows, and where rows are deleted at most {MOST_ROWS} \
                     are possible",
                    path.display()
                )));
            }
            let (here, later) = deleted.split_at(deleted.partition_point(|&row| row < first + rows));
            let mut bits = BooleanBufferBuilder::new(rows as usize);
            bits.append_n(rows as usize, true);
            here.iter().for_each(|row| bits.set_bit((row - first) as usize, false));
            live.push(bits.finish());
            (first, deleted) = (first + rows, later);
        }
        match deleted.first() {
            None => Ok(live),
            Some(row) => Err(Error::input(format!(
                "{}: {} deletes its row {row}, and it has {first}; one of them is damaged",
                path.display(),
                self.table
            ))),
        }
    }
}

/// Where a file has a column of its table.
fn root(column: &TableColumn, footer: &Footer) -> Option<usize> {
    let roots = footer.metadata.parquet_schema().root_schema().get_fields();
    let info = |at: &usize| roots[*at].get_basic_info();
    let by_id = column.id.and_then(|id| (0..roots.len()).find(|at| info(at).has_id() && info(at).id() == id));
    by_id.or_else(|| (0..roots.len()).find(|at| info(at).name() == column.physical))
}

/// Whether values of a type in a file can be read as the type that the table has now: written otherwise, or widened since.
/// A value that does not fit all the same is an error where it is read.
fn becomes(own: &DataType, wanted: &DataType) -> bool {
    use DataType as T;
    match (own, wanted) {
        (T::Dictionary(_, values), _) => becomes(values, wanted),
        // Nothing reads them.
        _ if own.is_nested() && wanted.is_nested() => true,
        (T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Binary, T::Utf8) => true,
        (T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_), T::Binary) => true,
        (T::Int8 | T::Int16 | T::Int32 | T::Int64, T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Decimal128(..)) => {
            true
        }
        (T::Int8 | T::Int16 | T::Int32 | T::Float32, T::Float64) => true,
        (T::Decimal128(_, own), T::Decimal128(_, wanted)) => own <= wanted,
        (T::Date32, T::Timestamp(TimeUnit::Microsecond, None)) => true,
        (T::Timestamp(..), T::Timestamp(..)) => true,
        _ => own == wanted,
    }
}
