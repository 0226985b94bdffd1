//! Where a file has its columns, and what a table's log says about a file: other names or types, missing columns,
//! deleted rows. Independent of the log's format.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, FieldRef, TimeUnit};

use crate::error::{Error, ErrorKind, Result};
use crate::input::cloud::Object;
use crate::input::file::{Footer, RangeFile, Stamp};
use crate::text::Phrase;

/// The most rows of a row group with deleted rows: each takes a bit of memory.
const MOST_ROWS: u64 = 1 << 31;

/// A file to read, and what is known about its columns besides its own schema.
#[derive(Debug)]
pub(crate) struct FoundFile {
    /// Its path, or its URL.
    pub(crate) path: PathBuf,
    /// What is read instead of a file, if the path is a URL.
    pub(crate) object: Option<Arc<Object>>,
    /// The columns from its folders' names (`month=2026-01`).
    pub(crate) partitions: Vec<(String, String)>,
    /// What the log of its table says; folder names are then ignored.
    pub(crate) member: Option<Member>,
    /// What is read instead, if it is not Parquet.
    pub(crate) converted: Option<ConvertedFile>,
}

/// Parquet that was made of a file in another format.
#[derive(Debug)]
pub(crate) struct ConvertedFile {
    pub(crate) file: RangeFile,
    /// Bytes of the file that it was made of.
    pub(crate) size: u64,
    /// blake3 of that file.
    pub(crate) hash: String,
    /// Its state when it was opened.
    pub(crate) stamp: Stamp,
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
    /// A column of the file; the table may have another name and a wider type for it.
    Root(usize),
    /// In a folder's name; None: null.
    Folder(Option<String>),
    /// In a table's log: one value for all rows; None: null.
    Log(Option<String>),
    /// Unusable: the file's column cannot be read as the type in its table. The reason.
    Unfit(Phrase),
    /// Encrypted without a key. The reason, phrased to follow its name.
    Locked(String),
}

/// One version of a table.
#[derive(Debug)]
pub(crate) struct TableVersion {
    pub(crate) folder: PathBuf,
    pub(crate) version: u64,
    pub(crate) columns: Vec<TableColumn>,
}

/// A column of a table, and its name in the files.
#[derive(Debug)]
pub(crate) struct TableColumn {
    pub(crate) field: FieldRef,
    /// Its name in the files.
    pub(crate) physical: String,
    /// Its field id in the files, which takes precedence over the name.
    pub(crate) id: Option<i32>,
    /// Whether its values are in the log, not in the files.
    pub(crate) is_partition: bool,
}

/// What a table's log says about one file.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) table: Arc<TableVersion>,
    /// The values of partition columns, by their names in the files; a missing one is null.
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
    /// The table's columns in one of its files. A column that the file lacks is null.
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
                false => {
                    let (name, table) = (column.field.name(), &self.table);
                    ColumnPlace::Unfit(Phrase::new(
                        format!("{name:?} as {own}, which cannot be read as {wanted}, its type in {table}"),
                        format!("字段 {name:?} 的类型为 {own}，无法读作表 {table} 中的类型 {wanted}"),
                    ))
                }
            }
        };
        let columns = self.table.columns.iter();
        columns.map(|column| FileColumn { field: column.field.clone(), place: place(column) }).collect()
    }

    /// The rows of each row group that are not deleted; empty: none are deleted.
    ///
    /// # Errors
    /// A deleted row that does not exist in the file.
    pub(crate) fn live(&self, footer: &Footer, path: &Path) -> Result<Vec<BooleanBuffer>> {
        if self.deleted.is_empty() {
            return Ok(Vec::new());
        }
        let (mut live, mut first, mut deleted) = (Vec::new(), 0u64, self.deleted.as_slice());
        for group in footer.metadata.metadata().row_groups() {
            let rows = group.num_rows() as u64;
            if rows > MOST_ROWS {
                return Err(Error::input(format!(
                    "{}: corrupt, or too large: a row group claims {rows} rows; with deleted rows, at most {MOST_ROWS} are \
                     supported",
                    path.display()
                ))
                .of_kind(ErrorKind::Corrupt)
                .of_file(path));
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
                "{}: {} deletes its row {row}, but it has {first} rows; one of them is damaged",
                path.display(),
                self.table
            ))
            .of_kind(ErrorKind::Corrupt)
            .of_file(path)),
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

/// Whether values of a type in a file can be read as the table's current type: represented differently, or widened
/// since. A value that still does not fit is an error when it is read.
fn becomes(own: &DataType, wanted: &DataType) -> bool {
    use DataType as T;
    match (own, wanted) {
        (T::Dictionary(_, values), _) => becomes(values, wanted),
        // Never read.
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
