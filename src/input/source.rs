//! The input as one table: files whose footers were read and checked, one schema, row groups in order.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field};
use rayon::prelude::*;

use super::beside::JoinedColumns;
use super::cloud;
use super::cloud::{Ahead, Object};
use super::csv::convert;
use super::file::{
    Access, ContentHashes, Footer, Keys, RangeFile, ReadContent, gone, read_footer, read_footer_of, tail, vet_unchanged,
};
use super::place::{ColumnPlace, FileColumn, FoundFile, TableVersion, discover};
use super::schema::{SchemaOfFile, SourceColumn, unify};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Stage, Watch};

/// The most rows of an input: 2^40. Sums of as many grid integers fit 63 bits.
pub(super) const MAX_ROWS: u64 = 1 << 40;

/// The input as one table, or some of its rows. Made from footers alone; no value has been read.
#[derive(Debug, Clone)]
pub struct Source {
    files: Arc<[SourceFile]>,
    columns: Arc<[SourceColumn]>,
    row_groups: Vec<RowGroup>,
    /// The selected rows of each row group; empty: all rows.
    kept: Vec<BooleanBuffer>,
    rows: u64,
    /// Tables whose columns are joined to its own.
    joined: Arc<[Joined]>,
    /// The keys of encrypted files.
    keys: Option<Arc<Keys>>,
}

/// One file of a [`Source`].
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Where it is: a path or a URL.
    pub path: PathBuf,
    object: Option<Arc<Object>>,
    /// What is read instead of a file in another format than Parquet.
    converted: Option<RangeFile>,
    pub(crate) footer: Footer,
    /// The hashes of what was read.
    hashes: Arc<ContentHashes>,
    columns: Vec<FileColumn>,
    /// The rows of each row group that are not deleted; empty: none are deleted.
    live: Vec<BooleanBuffer>,
    table: Option<Arc<TableVersion>>,
}

/// A run of rows that are decoded together.
#[derive(Debug, Clone, Copy)]
pub struct RowGroup {
    /// Index of the file.
    pub file: usize,
    /// Index in its file.
    pub index: usize,
    /// Its number among all row groups that have rows, in order.
    pub number: usize,
    /// Row number of its first row in the whole input.
    pub first_row: u64,
    /// Rows.
    pub rows: u64,
}

impl SourceFile {
    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.footer.size
    }

    /// blake3 of its footer.
    pub(crate) fn footer_hash(&self) -> &str {
        &self.footer.hash
    }

    /// When it was changed last, in nanoseconds since 1970; None for an object in a store.
    pub(crate) fn modified(&self) -> Option<u64> {
        self.footer.stamp.and_then(|stamp| stamp.modified())
    }

    /// Whether its footer or a column is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.footer.encrypted
    }

    /// The value of a folder's name; None where it is null.
    pub(crate) fn partition(&self, name: &str) -> Option<&str> {
        self.columns.iter().filter(|c| c.field.name() == name).find_map(|c| match &c.place {
            ColumnPlace::Folder(value) => value.as_deref(),
            _ => None,
        })
    }

    /// Whether it has a readable column of this name, from its schema, its folders or its table.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.columns
            .iter()
            .any(|c| c.field.name() == name && !matches!(c.place, ColumnPlace::Unfit(_) | ColumnPlace::Locked(_)))
    }

    /// The folder and version of the table that it belongs to, if any.
    pub fn table(&self) -> Option<(&Path, u64)> {
        self.table.as_ref().map(|table| (table.folder.as_path(), table.version))
    }

    fn schema(&self) -> SchemaOfFile<'_> {
        SchemaOfFile { path: &self.path, footer: &self.footer, columns: &self.columns }
    }

    /// Where a column is.
    pub(crate) fn column(&self, name: &str) -> Option<&FileColumn> {
        self.columns.iter().find(|c| c.field.name() == name)
    }

    /// The rows of a row group that are not deleted; None: none are deleted.
    pub(crate) fn live(&self, group: usize) -> Option<&BooleanBuffer> {
        self.live.get(group)
    }

    fn open(found: FoundFile, keys: Option<&Arc<Keys>>) -> Result<Self> {
        let FoundFile { path, object, partitions, member, converted } = found;
        if let Some(member) = member.as_ref().filter(|_| !path.exists()) {
            return Err(Error::input(format!(
                "{}: its file {} is gone; copy tables as a whole, and note that VACUUM removes files that older versions need",
                member.table,
                path.display()
            ))
            .of_kind(ErrorKind::NotFound)
            .of_file(&path));
        }
        let footer = match &converted {
            Some(converted) => read_footer_of(&converted.file, &path, None).map(|footer| {
                // What identifies the file is its own size and content.
                let (size, hash) = (converted.size, converted.hash.clone());
                Footer { size, hash, stamp: Some(converted.stamp), ..footer }
            }),
            None => read_footer(&path, object.as_ref(), keys),
        };
        let converted = converted.map(|converted| converted.file);
        let (footer, mut columns, live) = match &member {
            None => {
                let footer = footer?;
                let own = footer.metadata.schema().fields().iter().cloned().enumerate();
                let own = own.map(|(root, field)| FileColumn { field, place: ColumnPlace::Root(root) });
                let folders = partitions.into_iter().map(|(key, value)| FileColumn {
                    field: Arc::new(Field::new(key, DataType::Utf8, true)),
                    place: ColumnPlace::Folder(Some(value).filter(|value| value != "__HIVE_DEFAULT_PARTITION__")),
                });
                let columns = own.chain(folders).collect();
                (footer, columns, Vec::new())
            }
            Some(member) => {
                let footer = footer.map_err(|e| e.of(&member.table.to_string()))?;
                let (columns, live) = (member.columns(&footer), member.live(&footer, &path)?);
                (footer, columns, live)
            }
        };
        for column in &mut columns {
            if let ColumnPlace::Root(root) = column.place
                && let Some(why) = footer.locked.get(footer.metadata.schema().field(root).name())
            {
                column.place = ColumnPlace::Locked(why.clone());
            }
        }
        let (hashes, table) = (Arc::default(), member.map(|member| member.table));
        Ok(SourceFile { path, object, converted, footer, hashes, columns, live, table })
    }

    /// Opens the file to read a column of a row group, by the column's position in the file.
    pub(crate) fn open_column(&self, group: usize, root: usize) -> Result<RangeFile> {
        if let Some(converted) = &self.converted {
            return Ok(converted.clone());
        }
        let extent = self.object.as_ref().map_or(0..0, |_| self.extent(group, root));
        let opened = RangeFile::open(&self.path, self.object.as_ref(), extent).map_err(|e| gone(&self.path, e))?;
        Ok(opened.unchanged_since(self.footer.stamp)?.hashed(&self.hashes))
    }

    /// What was read of it so far; None: no column chunk was read completely.
    pub(crate) fn content(&self) -> Option<ReadContent> {
        self.hashes.read(self.footer.metadata.metadata())
    }

    /// Fails unless a local file is still the one whose footer was read.
    fn vet_unchanged(&self) -> Result<()> {
        self.footer.stamp.as_ref().map_or(Ok(()), |stamp| vet_unchanged(&self.path, stamp))
    }

    /// The bytes of a column in a row group.
    fn extent(&self, group: usize, root: usize) -> Range<u64> {
        let metadata = self.footer.metadata.metadata();
        let schema = metadata.file_metadata().schema_descr();
        let of_root = |(leaf, _): &(usize, _)| schema.get_column_root_idx(*leaf) == root;
        let chunks = metadata.row_group(group).columns().iter().enumerate().filter(of_root);
        let ranges = chunks.map(|(_, chunk)| chunk.byte_range()).map(|(start, length)| start..start + length);
        ranges.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
    }
}

/// A table whose columns are joined, or one of calculated columns.
#[derive(Debug, Clone)]
pub(crate) struct Joined {
    pub(super) path: PathBuf,
    pub(super) source: Source,
    /// The id in it; None: its columns are calculated, and it has no files.
    pub(super) id: Option<usize>,
    /// The looked-up columns, once there are any.
    pub(super) beside: Option<JoinedColumns>,
}

/// What was fetched from object stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Fetched {
    /// Completed requests.
    pub requests: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How files are opened.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) access: &'a Access,
    /// The folder of a scratch file, for files that are not Parquet.
    pub(crate) scratch: &'a Path,
    pub(crate) watch: Watch<'a>,
}

/// In which order column chunks will be read, and by how many readers at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Usually just the first batch of rows of each.
    Heads(usize),
    /// From start to end, one after another.
    InTurn(usize),
    /// Those of a row group side by side.
    Together(usize),
}

/// Bytes that usually contain the first batch of rows.
const HEAD: u64 = 256 << 10;

impl Source {
    /// Finds the files (see the module `discover`), reads their footers on all threads and checks them as one table.
    ///
    /// Nothing is written.
    ///
    /// # Errors
    /// An input that does not exist, contains neither Parquet nor CSV, or has a footer that is inconsistent with its
    /// file.
    ///
    /// # Examples
    /// ```
    /// use hyades::input::Source;
    ///
    /// let source = Source::open(&["data/customers.parquet".into()])?;
    /// assert_eq!(source.rows(), 20_000);
    /// assert_eq!(source.position("customer_id"), Some(0));
    /// # Ok::<(), hyades::Error>(())
    /// ```
    pub fn open(inputs: &[PathBuf]) -> Result<Self> {
        Self::open_with(inputs, &Access::default())
    }

    /// Like [`Source::open`], for files that need more than a path.
    ///
    /// # Errors
    /// As [`Source::open`], and unusable keys. A column whose key is missing is an error only when it is used.
    pub fn open_with(inputs: &[PathBuf], access: &Access) -> Result<Self> {
        Self::open_as(inputs, Opening { access, scratch: &std::env::temp_dir(), watch: Watch::none() })
    }

    /// Like [`Source::open_with`], with progress.
    pub(crate) fn open_as(inputs: &[PathBuf], opening: Opening<'_>) -> Result<Self> {
        Self::with_keys(inputs, opening.access.keys()?, opening)
    }

    fn with_keys(inputs: &[PathBuf], keys: Option<Arc<Keys>>, opening: Opening<'_>) -> Result<Self> {
        let Opening { access, scratch, watch } = opening;
        let found = watch.stage(Stage::Open, 0, "files", || discover(inputs, watch))?;
        let found = convert(found, &access.csv, scratch, watch)?;
        watch.stage(Stage::Open, 0, "files", || Self::of_files(found, keys))
    }

    /// Reads footers and checks them as one table.
    fn of_files(found: Vec<FoundFile>, keys: Option<Arc<Keys>>) -> Result<Self> {
        let tails = found.iter().filter_map(|f| f.object.as_ref()).map(|object| (object, 0, tail(object.size())));
        let ahead = cloud::ahead(tails.collect(), rayon::current_num_threads(), 1);
        let open = |found| SourceFile::open(found, keys.as_ref());
        let files: Vec<SourceFile> = found.into_par_iter().map(open).collect::<Result<_>>()?;
        drop(ahead);
        let mut row_groups = Vec::new();
        let mut rows = 0;
        for (f, file) in files.iter().enumerate() {
            for (g, group) in file.footer.metadata.metadata().row_groups().iter().enumerate() {
                // Counts in footers are not negative (checked there), so neither they nor the sum can wrap.
                let here = file.live(g).map_or(group.num_rows() as u64, |live| live.count_set_bits() as u64);
                if here > 0 {
                    let number = row_groups.len();
                    row_groups.push(RowGroup { file: f, index: g, number, first_row: rows, rows: here });
                    rows = rows.saturating_add(here);
                }
                if rows > MAX_ROWS {
                    return Err(Error::input(format!(
                        "{}: corrupt, or too large: with it, the input claims {rows} rows; at most {MAX_ROWS} are supported",
                        file.path.display()
                    ))
                    .of_kind(ErrorKind::Corrupt)
                    .of_file(&file.path));
                }
            }
        }
        let columns = unify(&files.iter().map(SourceFile::schema).collect::<Vec<_>>()).into();
        Ok(Source { files: files.into(), columns, row_groups, kept: Vec::new(), rows, joined: Arc::new([]), keys })
    }

    /// Opens another table with the same keys.
    pub(crate) fn open_beside(&self, path: &Path, opening: Opening<'_>) -> Result<Self> {
        Self::with_keys(&[path.to_path_buf()], self.keys.clone(), opening)
    }

    /// The same table for another reader: what it reads is hashed apart from what others read.
    pub(crate) fn hashed_apart(&self) -> Source {
        let file = |file: &SourceFile| SourceFile { hashes: Arc::default(), ..file.clone() };
        let table = |table: &Joined| Joined {
            path: table.path.clone(),
            source: table.source.hashed_apart(),
            id: table.id,
            beside: None,
        };
        Source {
            files: self.files.iter().map(file).collect(),
            joined: self.joined.iter().map(table).collect(),
            ..self.clone()
        }
    }

    /// Fails if a file of the input or of a joined table was changed since its footer was read. Called when everything
    /// has been read, before anything is published. (Objects are compared by each request.)
    ///
    /// # Errors
    /// A file that was replaced, overwritten, extended or removed.
    pub(crate) fn vet_unchanged(&self) -> Result<()> {
        let files: Vec<&SourceFile> = self.files.iter().chain(self.joined_files()).collect();
        files.into_par_iter().try_for_each(SourceFile::vet_unchanged)
    }

    /// Announces that columns of row groups will be read, each once and in about this order: data in object stores is
    /// fetched ahead as long as the returned value lives.
    pub(crate) fn ahead(&self, groups: &[RowGroup], columns: &[usize], order: Order) -> Ahead {
        let mut ranges = Vec::new();
        for group in groups {
            let file = &self.files[group.file];
            let Some(object) = &file.object else { continue };
            for column in columns.iter().map(|&c| &self.columns[c]).filter(|c| c.joined.is_none()) {
                let Some(ColumnPlace::Root(root)) = file.column(&column.name).map(|c| &c.place) else { continue };
                let whole = file.extent(group.index, *root);
                let end = if let Order::Heads(_) = order { whole.end.min(whole.start + HEAD) } else { whole.end };
                ranges.push((object, group.number, whole.start..end));
            }
        }
        match order {
            Order::Heads(readers) | Order::InTurn(readers) => cloud::ahead(ranges, readers, 1),
            Order::Together(readers) => cloud::ahead(ranges, readers, columns.len()),
        }
    }

    /// Whether a column can be read in a row group: its file has it, or it was joined.
    pub(crate) fn has(&self, group: RowGroup, column: usize) -> bool {
        let SourceColumn { name, joined, .. } = &self.columns[column];
        match joined {
            Some((table, _)) => {
                self.joined[*table].beside.as_ref().is_some_and(|b| b.metadata.schema().index_of(name).is_ok())
            }
            None => self.files[group.file].has(name),
        }
    }

    /// The most bytes that are fetched ahead.
    pub(crate) fn fetched_ahead(&self) -> u64 {
        let is_remote = self.files.iter().chain(self.joined_files()).any(|file| file.object.is_some());
        if is_remote { cloud::HELD_BYTES } else { 0 }
    }

    /// What was fetched from object stores so far; None: no file is in one.
    pub(crate) fn fetched(&self) -> Option<Fetched> {
        let sources = std::iter::once(self).chain(self.joined.iter().map(|table| &table.source));
        let object = |source: &Source| source.files.iter().find_map(|file| file.object.clone());
        let fetched = sources.filter_map(object).map(|object| cloud::fetched(&object));
        let sum = fetched.reduce(|a, b| (a.0 + b.0, a.1 + b.1));
        sum.map(|(requests, bytes)| Fetched { requests, bytes })
    }

    /// The same table with a selection of its rows: one bit for each row of each row group, in order. The selected rows
    /// are numbered from 0 without gaps, and row groups without rows are left out.
    pub(crate) fn select(&self, kept: impl Iterator<Item = BooleanBuffer>) -> Source {
        let (mut row_groups, mut some, mut rows) = (Vec::new(), Vec::new(), 0);
        for (group, kept) in self.row_groups.iter().zip(kept) {
            let here = kept.count_set_bits() as u64;
            if here > 0 {
                row_groups.push(RowGroup { first_row: rows, rows: here, ..*group });
                some.push(kept);
                rows += here;
            }
        }
        Source { row_groups, kept: some, rows, ..self.clone() }
    }

    /// The selected rows of a row group; None: all.
    pub(crate) fn kept(&self, group: &RowGroup) -> Option<&BooleanBuffer> {
        let at = self.row_groups.partition_point(|g| g.first_row < group.first_row);
        self.kept.get(at)
    }

    /// The same table, where columns of nulls that have no type have the one that `wanted` has for their name.
    pub(crate) fn with_types_of_nulls(mut self, wanted: impl Fn(&str) -> Option<DataType>) -> Source {
        let mut columns = self.columns.to_vec();
        for column in columns.iter_mut().filter(|c| c.data_type == DataType::Null) {
            column.data_type = wanted(&column.name).unwrap_or(DataType::Null);
        }
        self.columns = columns.into();
        self
    }

    /// A table without files, rows and columns.
    pub(super) fn without_files(&self) -> Source {
        Source {
            files: Arc::new([]),
            columns: Arc::new([]),
            row_groups: Vec::new(),
            kept: Vec::new(),
            rows: 0,
            joined: Arc::new([]),
            keys: self.keys.clone(),
        }
    }

    /// The tables whose columns are joined.
    pub(crate) fn joined(&self) -> &[Joined] {
        &self.joined
    }

    pub(crate) fn set_joined(&mut self, columns: Vec<SourceColumn>, joined: Vec<Joined>) {
        self.columns = columns.into();
        self.joined = joined.into();
    }

    /// Sets the looked-up columns of a joined table. Other readers of the input keep what they have.
    pub(crate) fn set_beside(&mut self, table: usize, beside: JoinedColumns) {
        Arc::make_mut(&mut self.joined)[table].beside = Some(beside);
    }

    /// The files of joined tables, in order.
    pub fn joined_files(&self) -> impl Iterator<Item = &SourceFile> {
        self.joined.iter().flat_map(|table| table.source.files())
    }

    /// The files, in order.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// All columns of all files, in the order in which they first appear.
    pub fn columns(&self) -> &[SourceColumn] {
        &self.columns
    }

    /// The row groups that have rows, in order.
    pub fn row_groups(&self) -> &[RowGroup] {
        &self.row_groups
    }

    /// Rows of all row groups.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The position of a column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// Compressed bytes of the given columns, which have to be read.
    pub(crate) fn compressed_bytes(&self, columns: &[usize]) -> u64 {
        let names: std::collections::HashSet<&str> = columns.iter().map(|&c| self.columns[c].name.as_str()).collect();
        let of_file = |file: &SourceFile| -> u64 {
            let mut read = vec![false; file.footer.metadata.schema().fields().len()];
            for column in file.columns.iter().filter(|c| names.contains(c.field.name().as_str())) {
                if let ColumnPlace::Root(root) = column.place {
                    read[root] = true;
                }
            }
            let leaves = file.footer.metadata.parquet_schema();
            let groups = file.footer.metadata.metadata().row_groups().iter();
            groups
                .flat_map(|g| g.columns().iter().enumerate())
                .filter(|(leaf, _)| read[leaves.get_column_root_idx(*leaf)])
                .map(|(_, chunk)| chunk.compressed_size() as u64)
                .sum()
        };
        self.files.iter().map(of_file).sum()
    }
}
