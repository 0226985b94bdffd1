//! Columns of other tables, looked up for each customer by the id: a left join.
//!
//! The columns in use are written once, in the order of the input's rows and with the input's row groups, to an unnamed
//! scratch file; from then on they are read like the input's own. The other table is held in as many parts as fit the
//! memory limit, partitioned by the id, and the ids of the input are looked up in one part after the other.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{concat, filter, is_null, take};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use rayon::prelude::*;

use super::beside::JoinedColumns;
use super::column::ColumnReader;
use super::id_keys::{id_keys, is_whole_id, whole_ids};
use super::ids::unreadable;
use super::schema::SourceColumn;
use super::source::{Joined, Opening, Order, RowGroup, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Stage, Watch};
use crate::numeric::mix_wide;

/// The outcome of a join.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct JoinCounts {
    /// The table, as the user named it.
    pub path: String,
    /// Its rows.
    pub rows: u64,
    /// Rows of the input with a matching row.
    pub matched: u64,
    /// Rows of the input without a matching row; they get nulls.
    pub unmatched: u64,
    /// Its rows that match no row of the input.
    pub unused: u64,
    /// Its rows without an id.
    pub without_id: u64,
}

/// Bytes of an id in the lookup table, with slack for its growth.
const KEY_BYTES: u64 = 64;
/// A part of a table may always be this large, whatever the memory limit.
const LEAST_BYTES: u64 = 64 << 10;
/// Bytes assumed for a text.
const TEXT_BYTES: u64 = 32;

/// A table to join.
#[derive(Debug, Clone)]
pub(crate) struct OtherTable {
    /// A file or a folder.
    pub(crate) path: PathBuf,
    /// The only column that is added; None: all are.
    pub(crate) only: Option<String>,
}

impl Source {
    /// Adds the columns of other tables (with the column `id`). Their values are available only after
    /// [`Source::join`].
    ///
    /// # Errors
    /// A table without the id, with an id of another kind, or with a column whose name is already taken.
    pub(crate) fn with_tables(mut self, tables: &[OtherTable], id: Option<&str>, opening: Opening<'_>) -> Result<Self> {
        if tables.is_empty() {
            return Ok(self);
        }
        let id = id.ok_or_else(|| {
            Error::usage(
                "--join looks customers up by their id, but no column is named like an id; name it with --id".into(),
            )
            .of_option("--id")
        })?;
        let left = self.position(id).ok_or_else(|| {
            Error::usage(format!("no column is named {id:?} (--id)")).of_columns([id]).of_option("--id")
        })?;
        let left_type = self.columns()[left].data_type.clone();
        let (mut columns, mut joined) = (self.columns().to_vec(), Vec::new());
        let mut faults = Vec::new();
        for OtherTable { path, only } in tables {
            let source = self.open_beside(path, opening)?;
            let at = path.display();
            let Some(right) = source.position(id) else {
                faults.push(format!("{at} has no column {id:?} to join by"));
                continue;
            };
            let right_type = &source.columns()[right].data_type;
            if is_whole_id(&left_type) != is_whole_id(right_type) {
                faults.push(format!("{at} has {id:?} as {right_type}, the input as {left_type}; convert one of them"));
            }
            let id_column = &source.columns()[right];
            faults.extend(id_column.conflicts.iter().cloned().chain(id_column.lacks()).map(|line| line.en));
            let is_wanted = |c: usize, name: &String| c != right && only.as_ref().is_none_or(|only| only == name);
            for (c, column) in source.columns().iter().enumerate().filter(|(c, column)| is_wanted(*c, &column.name)) {
                if columns.iter().any(|other| other.name == column.name) {
                    let name = &column.name;
                    faults.push(format!("{at} has a column {name:?}, which already exists; rename one of them"));
                }
                columns.push(SourceColumn { joined: Some((joined.len(), c)), is_partition: false, ..column.clone() });
            }
            joined.push(Joined { path: path.clone(), source, id: Some(right), beside: None });
        }
        if !faults.is_empty() {
            let error = Error::input(format!("--join: {}", faults.join("\n  ")));
            return Err(error.of_kind(ErrorKind::Column).of_option("--join"));
        }
        self.set_joined(columns, joined);
        Ok(self)
    }

    /// Looks up the values of the joined columns among `needed` for every row, holding at most about `memory` bytes.
    ///
    /// # Errors
    /// A table with duplicate ids, or without any row that matches the input.
    pub(crate) fn join(
        &mut self,
        needed: &[usize],
        folder: &Path,
        memory: u64,
        watch: Watch<'_>,
    ) -> Result<Vec<JoinCounts>> {
        let mut counts = Vec::new();
        for table in 0..self.joined().len() {
            let Some(right) = self.joined()[table].id else { continue };
            let of_table = |c: &SourceColumn| c.joined.filter(|(t, _)| *t == table).map(|(_, column)| column);
            let mut columns: Vec<usize> = needed.iter().filter_map(|&c| of_table(&self.columns()[c])).collect();
            columns.sort_unstable();
            columns.dedup();
            if columns.is_empty() {
                let path = self.joined()[table].path.display();
                watch.warn(format!("--join {path}: none of its columns are used"));
                continue;
            }
            let joined = &self.joined()[table];
            let left = self.left_id(&joined.source.columns()[right].name)?;
            let lookup = TableLookup { source: self, left, table: joined, right, columns: &columns, folder, watch };
            let (beside, found) = watch.stage(Stage::Join, self.rows(), "rows", || lookup.run(memory))?;
            watch.note(format!(
                "join {}: {} of {} rows match; {} of its rows match no row of the input",
                found.path,
                found.matched,
                self.rows(),
                found.unused
            ));
            counts.push(found);
            self.set_beside(table, beside);
        }
        Ok(counts)
    }

    /// The input's own id column, used to join tables.
    fn left_id(&self, name: &str) -> Result<usize> {
        self.position(name).ok_or_else(|| Error::Internal(format!("the id {name:?} is gone")))
    }
}

/// Hashes keys, which are hashes or numbers, by one multiplication.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.write_u128(u128::from(self.0) << 8 | u128::from(b));
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = mix_wide(key);
    }
}

type Places = HashMap<u128, u32, BuildHasherDefault<Mixed>>;

/// A part of a table: it holds the ids whose hash falls to it.
#[derive(Debug, Clone, Copy)]
struct PartNumber {
    part: u64,
    parts: u64,
}

impl PartNumber {
    fn has(self, key: u128) -> bool {
        mix_wide(key) % self.parts == self.part
    }
}

/// A part of a table in memory: the place of each id, and the columns.
struct HeldPart {
    number: PartNumber,
    places: Places,
    columns: Vec<ArrayRef>,
    used: Vec<AtomicBool>,
    /// Rows without an id; counted in the first part alone.
    nulls: u64,
    /// Rows that repeat an id.
    repeated: u64,
}

impl HeldPart {
    /// The place of an id, which then counts as used.
    fn find(&self, key: u128) -> Option<u32> {
        // Ids of other parts are rejected by their hash alone.
        let place = Some(key).filter(|&key| self.number.has(key)).and_then(|key| self.places.get(&key).copied())?;
        self.used[place as usize].store(true, Ordering::Relaxed);
        Some(place)
    }

    fn unused(&self) -> u64 {
        self.used.iter().filter(|used| !used.load(Ordering::Relaxed)).count() as u64
    }
}

/// A row group of a table, reduced to a part.
struct HeldPiece {
    keys: Vec<u128>,
    arrays: Vec<ArrayRef>,
    nulls: u64,
}

/// The join of one table to the input.
struct TableLookup<'a> {
    source: &'a Source,
    /// The id column of the input.
    left: usize,
    table: &'a Joined,
    /// Its id column.
    right: usize,
    /// The columns of the table to look up.
    columns: &'a [usize],
    /// The folder of the scratch file.
    folder: &'a Path,
    watch: Watch<'a>,
}

impl TableLookup<'_> {
    /// Holds the table part by part and looks all rows of the input up in each.
    fn run(&self, memory: u64) -> Result<(JoinedColumns, JoinCounts)> {
        let right = &self.table.source;
        let parts = self.parts(memory);
        let schema = self.schema();
        let mut beside: Option<JoinedColumns> = None;
        let (matched, mut unused, mut without_id, mut repeated) = (AtomicU64::new(0), 0, 0, 0);
        for part in 0..parts {
            let threads = rayon::current_num_threads();
            let _ahead = self.source.ahead(self.source.row_groups(), &[self.left], Order::InTurn(threads));
            let held = self.hold(PartNumber { part, parts })?;
            (without_id, repeated) = (without_id + held.nulls, repeated + held.repeated);
            let earlier = beside.take();
            let found = |group: usize| self.values(group, &held, earlier.as_ref(), &schema, &matched);
            beside = Some(JoinedColumns::write(&schema, self.folder, self.source.row_groups().len(), &found)?);
            unused += held.unused();
        }
        let matched = matched.into_inner();
        check_matches(self.table, &right.columns()[self.right].name, repeated, matched)?;
        let path = self.table.path.display().to_string();
        let unmatched = self.source.rows() - matched;
        let counts = JoinCounts { path, rows: right.rows(), matched, unmatched, unused, without_id };
        beside.map(|beside| (beside, counts)).ok_or_else(|| Error::Internal("a join without a part".into()))
    }

    /// How many parts the table is held in, for `memory` bytes.
    fn parts(&self, memory: u64) -> u64 {
        let right = &self.table.source;
        let width = |&c: &usize| right.columns()[c].data_type.primitive_width().map_or(TEXT_BYTES, |w| w as u64);
        // Twice: columns exist both in pieces and whole while they are concatenated.
        let held_bytes = right.rows() * (KEY_BYTES + 2 * self.columns.iter().map(width).sum::<u64>());
        held_bytes.div_ceil((memory / 2).max(LEAST_BYTES)).clamp(1, 1 << 16)
    }

    fn schema(&self) -> Arc<Schema> {
        let columns = self.table.source.columns();
        let field = |&c: &usize| Field::new(&columns[c].name, columns[c].data_type.clone(), true);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// The values for a row group of the input: from `held` where it has the id, else from the `earlier` parts.
    fn values(
        &self,
        group: usize,
        held: &HeldPart,
        earlier: Option<&JoinedColumns>,
        schema: &Arc<Schema>,
        matched: &AtomicU64,
    ) -> Result<RecordBatch> {
        let row_group = self.source.row_groups()[group];
        let indices = self.indices(row_group, held)?;
        matched.fetch_add((indices.len() - indices.null_count()) as u64, Ordering::Relaxed);
        let fail = |e: ArrowError| Error::Internal(format!("joining {}: {e}", self.table.path.display()));
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (c, column) in held.columns.iter().enumerate() {
            let mut array = take(column, &indices, None).map_err(fail)?;
            if let Some(earlier) = earlier {
                let before = earlier.column(group, c)?;
                array = zip(&is_null(&indices).map_err(fail)?, &before, &array).map_err(fail)?;
            }
            arrays.push(array);
        }
        self.watch.check()?;
        self.watch.advance(Stage::Join, row_group.rows / held.number.parts);
        RecordBatch::try_new(schema.clone(), arrays).map_err(fail)
    }

    /// Reads one part of the table.
    fn hold(&self, number: PartNumber) -> Result<HeldPart> {
        let right = &self.table.source;
        let all: Vec<usize> = self.columns.iter().copied().chain([self.right]).collect();
        let _ahead = right.ahead(right.row_groups(), &all, Order::InTurn(rayon::current_num_threads()));
        let read = |&group: &RowGroup| self.piece(group, number);
        let pieces: Vec<_> = right.row_groups().par_iter().with_max_len(1).map(read).collect::<Result<Vec<_>>>()?;
        let rows: usize = pieces.iter().map(|piece| piece.keys.len()).sum();
        if rows >= u32::MAX as usize {
            let text = "a part of a joined table has too many rows; lower --memory for smaller parts";
            return Err(Error::environment(text.into()).of_kind(ErrorKind::Memory).of_option("--memory"));
        }
        let mut places = Places::with_capacity_and_hasher(rows, BuildHasherDefault::default());
        let (mut next, mut repeated) = (0u32, 0);
        for &key in pieces.iter().flat_map(|piece| &piece.keys) {
            repeated += u64::from(places.insert(key, next).is_some());
            next += 1;
        }
        let joined = |c: usize| {
            let arrays: Vec<&dyn Array> = pieces.iter().map(|piece| piece.arrays[c].as_ref()).collect();
            match arrays.is_empty() {
                true => Ok(arrow::array::new_empty_array(&right.columns()[self.columns[c]].data_type)),
                false => concat(&arrays).map_err(|e| {
                    let text = format!("a part of a joined table is too large: {e}; lower --memory for smaller parts");
                    Error::environment(text).of_kind(ErrorKind::Memory).of_option("--memory")
                }),
            }
        };
        let columns = (0..self.columns.len()).map(joined).collect::<Result<_>>()?;
        let used = (0..rows).map(|_| AtomicBool::new(false)).collect();
        let nulls = pieces.iter().map(|piece| piece.nulls).sum();
        Ok(HeldPart { number, places, columns, used, nulls, repeated })
    }

    /// Reads the rows of a row group of the table that belong to a part.
    fn piece(&self, group: RowGroup, number: PartNumber) -> Result<HeldPiece> {
        self.watch.check()?;
        let right = &self.table.source;
        let ids = whole(right, group, self.right)?;
        let keys = whole_ids(&ids, group.first_row).and_then(|ids| id_keys(&ids));
        let keys = keys.map_err(|e| unreadable(&right.columns()[self.right].name, &e))?;
        let mask: BooleanArray = keys.iter().map(|key| Some(key.is_some_and(|key| number.has(key)))).collect();
        let column = |&c: &usize| {
            let array = whole(right, group, c)?;
            filter(&array, &mask).map_err(|e| Error::Internal(format!("a part of a table: {e}")))
        };
        let arrays = self.columns.iter().map(column).collect::<Result<Vec<_>>>()?;
        let nulls = if number.part == 0 { keys.iter().filter(|key| key.is_none()).count() as u64 } else { 0 };
        Ok(HeldPiece { keys: keys.into_iter().flatten().filter(|&key| number.has(key)).collect(), arrays, nulls })
    }

    /// For every row of a row group of the input, the place of its id in a part; null if the part does not have it.
    fn indices(&self, group: RowGroup, held: &HeldPart) -> Result<UInt32Array> {
        let mut found: Vec<Option<u32>> = Vec::with_capacity(group.rows as usize);
        let mut reader = ColumnReader::open(self.source, group, self.left)?;
        while let Some(array) = reader.next_array()? {
            let keys = whole_ids(&array, group.first_row + found.len() as u64).and_then(|ids| id_keys(&ids));
            let keys = keys.map_err(|e| unreadable(&self.source.columns()[self.left].name, &e))?;
            found.extend(keys.into_iter().map(|key| held.find(key?)));
        }
        if found.len() as u64 != group.rows {
            let path = &self.source.files()[group.file].path;
            return Err(Error::input(format!(
                "{}, row group {}: corrupt: {} ids for {} rows",
                path.display(),
                group.index,
                found.len(),
                group.rows
            ))
            .of_kind(ErrorKind::Corrupt)
            .of_file(path));
        }
        Ok(found.into())
    }
}

/// All values of a column in a row group.
fn whole(source: &Source, group: RowGroup, column: usize) -> Result<ArrayRef> {
    let mut reader = ColumnReader::open(source, group, column)?;
    let mut arrays = Vec::new();
    while let Some(array) = reader.next_array()? {
        arrays.push(array);
    }
    let parts: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    let name = &source.columns()[column].name;
    concat(&parts).map_err(|e| Error::input(format!("cannot read column {name:?}: {e}")).of_columns([name]))
}

/// Refuses a table that repeats ids, or has no id of the input.
fn check_matches(table: &Joined, id: &str, repeated: u64, matched: u64) -> Result<()> {
    let path = table.path.display();
    let text = if repeated > 0 {
        format!(
            "--join {path}: {repeated} rows repeat an id ({id:?}) of an earlier row, but a customer can have only one row; \
             aggregate them by customer first (hyades features rfm does so for transactions)"
        )
    } else if matched == 0 {
        format!("--join {path}: contains none of the input's {id:?} values; are these the right files?")
    } else {
        return Ok(());
    };
    let error = Error::input(text).of_columns([id]).of_kind(ErrorKind::Values);
    Err(error.of_file(&table.path).of_option("--join"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use super::*;

    fn table(path: &Path, columns: &[(&str, ArrayRef)], group_rows: usize) {
        let columns = columns.iter().map(|(name, array)| (*name, array.clone(), true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
        let mut writer =
            ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    /// Each row gets the values of its id, however many parts the other table is held in.
    #[test]
    fn parts_do_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let (left, right) = (folder.path().join("left.parquet"), folder.path().join("right.parquet"));
        let ids = |of: fn(i64) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values((0..3000).map(of))) };
        table(&left, &[("id", ids(|i| i * 7 % 3001))], 700);
        let names: StringArray = (0..3000).map(|i| (i % 11 > 0).then(|| format!("name {}", i * 2))).collect();
        table(&right, &[("id", ids(|i| i * 2)), ("double", ids(|i| i * 4)), ("name", Arc::new(names))], 450);
        for memory in [0, 1 << 30] {
            let access = crate::input::Access::default();
            let opening = Opening { access: &access, scratch: folder.path(), watch: Watch::none() };
            let source = Source::open(std::slice::from_ref(&left)).unwrap();
            let table = OtherTable { path: right.clone(), only: None };
            let mut source = source.with_tables(&[table], Some("id"), opening).unwrap();
            let counts = source.join(&[1, 2], folder.path(), memory, Watch::none()).unwrap();
            let even = (0..3000).filter(|i| i * 7 % 3001 % 2 == 0).count() as u64;
            assert_eq!((counts[0].matched, counts[0].unmatched, counts[0].unused), (even, 3000 - even, 3000 - even));
            let mut row = 0;
            for &group in source.row_groups() {
                let (double, name) = (whole(&source, group, 1).unwrap(), whole(&source, group, 2).unwrap());
                for i in 0..group.rows as usize {
                    let id = row * 7 % 3001;
                    let expected = (id % 2 == 0).then_some(2 * id);
                    assert_eq!(
                        double.is_valid(i).then(|| double.as_primitive::<Int64Type>().value(i)),
                        expected,
                        "{id}"
                    );
                    let expected = (id % 2 == 0 && id / 2 % 11 > 0).then(|| format!("name {id}"));
                    assert_eq!(name.is_valid(i).then(|| name.as_string::<i32>().value(i).to_owned()), expected, "{id}");
                    row += 1;
                }
            }
            assert_eq!(row, 3000);
        }
    }
}
