//! Small Parquet tables, written and read back.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float32Type, Int32Type, Int64Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;

/// A batch of named columns, all of them nullable.
pub(crate) fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let columns = columns.iter().map(|(name, array)| (*name, array.clone(), true));
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
}

/// Writes a batch in row groups of `group_rows`.
pub(crate) fn write_batch(path: &Path, batch: &RecordBatch, group_rows: usize) {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
    let file = File::create(path).expect("a new file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a schema for Parquet");
    writer.write(batch).expect("rows are written");
    writer.close().expect("the footer is written");
}

/// Writes named columns in one row group.
pub(crate) fn write(path: &Path, columns: &[(&str, ArrayRef)]) {
    write_batch(path, &batch(columns), 1 << 20);
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).expect("a file")).expect("Parquet");
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> =
        reader.build().expect("a reader").collect::<Result<_, _>>().expect("rows are decoded");
    concat_batches(&schema, &batches).expect("batches of one schema")
}

pub(crate) fn f64s(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Float64Array>())
}

/// None is null.
pub(crate) fn some_f64s(values: impl IntoIterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Float64Array>())
}

pub(crate) fn i64s(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int64Array>())
}

/// Deterministic numbers from 0 to 1 that look random.
pub(crate) fn noise(seed: u64) -> impl Iterator<Item = f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    })
}

/// `rows` customers in three groups far apart, row i in group i mod 3; columns id, x and y.
pub(crate) fn three_groups(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let around = |seed: u64, centers: [f64; 3]| {
        f64s(noise(seed).take(rows).enumerate().map(|(i, u)| centers[i % 3] + u - 0.5).collect::<Vec<_>>())
    };
    vec![
        ("id", i64s((0..rows as i64).map(|i| 100 + 3 * i))),
        ("x", around(1, [0.0, 10.0, 20.0])),
        ("y", around(2, [5.0, -5.0, 5.0])),
    ]
}

/// The segments of a labelled file.
pub(crate) fn segments(path: &Path) -> Vec<i32> {
    column(&read(path), "segment").as_primitive::<Int32Type>().values().to_vec()
}

/// The distances of a labelled file.
pub(crate) fn distances(path: &Path) -> Vec<f32> {
    column(&read(path), "distance").as_primitive::<Float32Type>().values().to_vec()
}

/// A column of 64-bit integers.
pub(crate) fn integers(batch: &RecordBatch, name: &str) -> Vec<i64> {
    column(batch, name).as_primitive::<Int64Type>().values().to_vec()
}

pub(crate) fn column(batch: &RecordBatch, name: &str) -> ArrayRef {
    let found = batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}")).clone();
    assert_eq!(found.null_count(), 0, "{name} has nulls");
    found
}
