//! CSV files as Parquet: what enters are found files, what leaves are the same with a scratch file to read instead.
//!
//! Two passes over the text, both streamed: the first finds the type of each column from all rows of all files
//! (`seen`), the second converts (`build`) and writes an unnamed Parquet file (`write`), from which everything else
//! reads. Both take blocks of whole records (`stream`), split (`split`) and parsed by all threads, and merged in the
//! order of the file. Deliberately absent: types from a sample, and repairs of records that do not fit.

mod build;
mod dialect;
mod encoding;
mod moment;
mod number;
mod options;
mod pass;
mod report;
mod seen;
mod split;
mod stream;
mod write;
mod written;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

pub use self::options::{CsvHeader, CsvOptions};
use self::pass::{CsvTable, SurveyedTable};
use self::report::tell;
use self::seen::{ColumnSeen, CsvType, SettledColumn, SettledColumns};
use self::write::{FileEnd, ParquetUse, RowWriter};
pub(crate) use self::written::{WrittenValue, written_value};
use super::file::RangeFile;
use super::folders::{holds_parquet, is_csv};
use super::place::{ConvertedFile, FoundFile, discover};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};

/// CSV files whose types are known.
pub(crate) struct CsvInput {
    tables: Vec<SurveyedTable>,
    /// The columns that the folders of each file stand for.
    folders: Vec<Vec<(String, String)>>,
    settled: SettledColumns,
}

/// Where Parquet is written: a file from a place on, and what errors call it.
struct Sink<'a> {
    file: Arc<File>,
    at: u64,
    name: &'a Path,
    purpose: ParquetUse,
}

/// Converts the CSV files among `found` to an unnamed Parquet file in `folder`.
///
/// # Errors
/// As [`CsvInput::read`], and a disk that is full.
pub(crate) fn convert(
    mut found: Vec<FoundFile>,
    options: &CsvOptions,
    folder: &Path,
    watch: Watch<'_>,
) -> Result<Vec<FoundFile>> {
    if let Some(remote) = found.iter().find(|file| file.object.is_some() && is_csv(&file.path)) {
        return Err(Error::usage(format!(
            "{} is CSV in an object store, and CSV is read from disk only; copy it to a local folder, or store Parquet",
            remote.path.display()
        ))
        .of_file(&remote.path));
    }
    let csv: Vec<&mut FoundFile> = found.iter_mut().filter(|file| holds_csv(file)).collect();
    if csv.is_empty() {
        return Ok(found);
    }
    let paths: Vec<PathBuf> = csv.iter().map(|file| file.path.clone()).collect();
    let input = CsvInput::survey(&paths, Vec::new(), options, watch)?;
    let scratch = tempfile::tempfile_in(folder).map_err(|e| Error::io("create a scratch file in", folder, &e))?;
    let file = Arc::new(scratch);
    let extents = watch.stage(Stage::CsvValues, input.bytes(), "bytes", || {
        let (mut extents, mut at) = (Vec::new(), 0);
        for part in 0..paths.len() {
            let sink = Sink { file: file.clone(), at, name: folder, purpose: ParquetUse::Scratch };
            let size = input.append(part, sink, watch)?;
            extents.push((at, size));
            at += size;
        }
        Ok(extents)
    })?;
    let whole = file.try_clone().and_then(|file| RangeFile::of(file, folder));
    let whole = whole.map_err(|e| Error::io("read the scratch file in", folder, &e))?;
    for ((file, table), (at, size)) in csv.into_iter().zip(&input.tables).zip(extents) {
        let (part, hash) = (whole.part(at, size), table.hash.clone());
        let source = &table.table.source;
        file.converted = Some(ConvertedFile { file: part, size: source.size, hash, stamp: source.stamp });
    }
    Ok(found)
}

/// Whether a file is CSV, by its name.
fn holds_csv(file: &FoundFile) -> bool {
    file.object.is_none() && file.member.is_none() && is_csv(&file.path) && !holds_parquet(&file.path)
}

impl CsvInput {
    /// Reads the CSV files that `inputs` mean, and finds the types of their columns.
    ///
    /// # Errors
    /// A file that is not CSV: by its name; or records of different lengths, open quotes, bytes that are not of its
    /// encoding, each with its line. Options that are not understood.
    pub(crate) fn read(inputs: &[PathBuf], options: &CsvOptions, watch: Watch<'_>) -> Result<Self> {
        let found = watch.stage(Stage::Open, 0, "files", || discover(inputs, watch))?;
        if let Some(other) = found.iter().find(|file| !holds_csv(file)) {
            return Err(Error::usage(format!(
                "{} is not CSV by its name; expected .csv, .tsv or .txt, or one of them with .gz",
                other.path.display()
            ))
            .of_file(&other.path));
        }
        let (paths, folders): (Vec<_>, Vec<_>) = found.into_iter().map(|file| (file.path, file.partitions)).unzip();
        Self::survey(&paths, folders, options, watch)
    }

    /// The first pass: the types of all columns.
    fn survey(
        paths: &[PathBuf],
        folders: Vec<Vec<(String, String)>>,
        options: &CsvOptions,
        watch: Watch<'_>,
    ) -> Result<Self> {
        let format = Arc::new(options.check()?);
        let opened: Vec<CsvTable> = paths.iter().map(|path| CsvTable::open(path, &format)).collect::<Result<_>>()?;
        let total = opened.iter().map(|table| table.source.size).sum();
        let tables = watch.stage(Stage::CsvTypes, total, "bytes", || {
            opened.into_iter().map(|table| table.survey(watch)).collect::<Result<Vec<_>>>()
        })?;
        let mut columns: HashMap<String, ColumnSeen> = HashMap::new();
        for table in &tables {
            for (name, seen) in table.table.dialect.names.iter().zip(&table.columns) {
                columns.entry(name.clone()).or_default().merge(seen.clone());
            }
        }
        // The decimal mark of columns that leave no doubt, if they agree.
        let mut marks = columns.values().filter_map(|seen| seen.decimal(&format.numbers));
        let first = marks.next();
        let decimal = first.filter(|first| marks.all(|mark| mark == *first));
        let settled = columns.into_iter().map(|(name, seen)| {
            let (csv_type, reason) = seen.settle(&format, decimal);
            (name, SettledColumn { csv_type, reason })
        });
        let settled = settled.collect();
        if let Some(first) = tables.first().filter(|_| tables.iter().all(|table| table.rows == 0)) {
            return Err(first.table.source.refuse("the input has no rows: only a header"));
        }
        tell(&tables, &settled, watch);
        Ok(CsvInput { tables, folders, settled })
    }

    /// The paths of the files, in order.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.tables.iter().map(|table| table.table.source.path.clone()).collect()
    }

    /// Rows of all files.
    pub(crate) fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.tables.iter().map(|table| table.table.source.size).sum()
    }

    /// Columns of all files.
    pub(crate) fn columns(&self) -> usize {
        self.settled.len()
    }

    /// Writes file number `part` as compressed Parquet, to a file that errors call `name`; returns its bytes.
    ///
    /// # Errors
    /// A disk that is full, or a CSV file that has changed since its types were found.
    pub(crate) fn write(&self, part: usize, file: File, name: &Path, watch: Watch<'_>) -> Result<u64> {
        self.append(part, Sink { file: Arc::new(file), at: 0, name, purpose: ParquetUse::Kept }, watch)
    }

    /// The second pass over file number `part`; returns the bytes of its Parquet.
    fn append(&self, part: usize, sink: Sink<'_>, watch: Watch<'_>) -> Result<u64> {
        let table = &self.tables[part];
        let names = &table.table.dialect.names;
        let types: Vec<&CsvType> = names.iter().filter_map(|n| self.settled.get(n)).map(|s| &s.csv_type).collect();
        let folders = self.folders.get(part).map_or(&[][..], Vec::as_slice);
        let folders: Vec<&(String, String)> = folders.iter().filter(|(key, _)| !names.contains(key)).collect();
        let field = |(name, csv_type): (&String, &&CsvType)| Field::new(name, csv_type.data_type(), true);
        let own = names.iter().zip(&types).map(field);
        let above = folders.iter().map(|(key, _)| Field::new(key, DataType::Utf8, true));
        let schema = Arc::new(Schema::new(own.chain(above).collect::<Vec<_>>()));
        let rows = table.table.format.row_group_rows;
        let mut writer = RowWriter::new(FileEnd::new(sink.file, sink.at), sink.name, schema, rows, sink.purpose)?;
        let constant = |rows: usize| -> Vec<ArrayRef> {
            let array = |(_, value): &&(String, String)| {
                let value = Some(value.as_str()).filter(|value| *value != "__HIVE_DEFAULT_PARTITION__");
                Arc::new(StringArray::from_iter(std::iter::repeat_n(value, rows))) as ArrayRef
            };
            folders.iter().map(array).collect()
        };
        table.convert(&types, constant, &mut writer, watch)?;
        writer.finish()
    }
}
