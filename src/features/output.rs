//! The customer table as Parquet: batches of customers enter in order, row groups of one size leave.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, LargeStringArray, RecordBatch, UInt64Array};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;

use super::customer::Values;
use super::group::Ids;
use crate::error::{Error, Result};
use crate::label::OUTPUT_GROUP_ROWS;

/// Writes customers as they come.
pub(super) struct TableWriter {
    file: SerializedFileWriter<File>,
    path: PathBuf,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    groups: usize,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    rows: u64,
}

impl TableWriter {
    /// A writer to `file`, which errors call `path`.
    pub(super) fn new(file: File, path: PathBuf, schema: SchemaRef) -> Result<Self> {
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("hyades ", env!("CARGO_PKG_VERSION")).into())
            .set_max_row_group_row_count(Some(OUTPUT_GROUP_ROWS));
        // Counts repeat; ids never do, and days and money hardly.
        for field in schema.fields().iter().enumerate().filter(|(i, f)| *i == 0 || *f.data_type() == DataType::Float64)
        {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(field.1.name().as_str()), false);
        }
        let fail = |e: ParquetError| write_error(&path, &e);
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties.build())).map_err(fail)?;
        let (file, factory) = writer.into_serialized_writer().map_err(fail)?;
        Ok(TableWriter { file, path, factory, schema, groups: 0, waiting: Vec::new(), waiting_rows: 0, rows: 0 })
    }

    /// Appends customers, which come after those before.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let mut rest = batch;
        while self.waiting_rows + rest.num_rows() >= OUTPUT_GROUP_ROWS {
            let now = OUTPUT_GROUP_ROWS - self.waiting_rows;
            self.waiting.push(rest.slice(0, now));
            rest = rest.slice(now, rest.num_rows() - now);
            self.flush()?;
        }
        self.waiting_rows += rest.num_rows();
        if rest.num_rows() > 0 {
            self.waiting.push(rest);
        }
        Ok(())
    }

    /// Writes what waits as a row group, its columns on all threads.
    fn flush(&mut self) -> Result<()> {
        let batches = std::mem::take(&mut self.waiting);
        self.waiting_rows = 0;
        let table = concat_batches(&self.schema, &batches).map_err(|e| internal(&e))?;
        drop(batches);
        let fail = |e: ParquetError| write_error(&self.path, &e);
        let writers = self.factory.create_column_writers(self.groups).map_err(fail)?;
        let work: Vec<_> = writers.into_iter().zip(self.schema.fields().iter().zip(table.columns())).collect();
        let chunks: Vec<ArrowColumnChunk> = work
            .into_par_iter()
            .with_max_len(1)
            .map(|(mut writer, (field, column))| {
                for leaf in compute_leaves(field, column)? {
                    writer.write(&leaf)?;
                }
                writer.close()
            })
            .collect::<Result<_, ParquetError>>()
            .map_err(fail)?;
        let mut group = self.file.next_row_group().map_err(fail)?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group).map_err(fail)?;
        }
        group.close().map_err(fail)?;
        self.groups += 1;
        self.rows += table.num_rows() as u64;
        Ok(())
    }

    /// Writes the rest and the footer; the file is complete, not yet synced. Returns customers and bytes.
    pub(super) fn finish(mut self) -> Result<(u64, u64)> {
        if self.waiting_rows > 0 {
            self.flush()?;
        }
        self.file.finish().map_err(|e| write_error(&self.path, &e))?;
        Ok((self.rows, self.file.bytes_written() as u64))
    }
}

/// A partition's customers as a batch of the output.
pub(super) fn batch(schema: &SchemaRef, ids: Ids, columns: Vec<Values>) -> Result<RecordBatch> {
    let make = || {
        let mut arrays = vec![names(ids, schema.field(0).data_type())?];
        arrays.extend(columns.into_iter().map(|values| -> ArrayRef {
            match values {
                Values::Counts(counts) => Arc::new(Int64Array::from(counts)),
                Values::Numbers(numbers) => {
                    let nulls = NullBuffer::from_iter(numbers.iter().map(|v| !v.is_nan()));
                    Arc::new(Float64Array::new(numbers.into(), Some(nulls).filter(|n| n.null_count() > 0)))
                }
            }
        }));
        RecordBatch::try_new(schema.clone(), arrays)
    };
    make().map_err(|e: ArrowError| internal(&e))
}

fn names(ids: Ids, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let array: ArrayRef = match ids {
        Ids::Numbers(keys) if *data_type == DataType::UInt64 => Arc::new(UInt64Array::from(keys)),
        Ids::Numbers(keys) => Arc::new(Int64Array::from_iter_values(keys.iter().map(|key| (key ^ 1 << 63) as i64))),
        Ids::Texts(names) => {
            let texts = names.iter().map(|name| std::str::from_utf8(name)).collect::<Result<Vec<&str>, _>>();
            let texts = texts.map_err(|e| ArrowError::ComputeError(e.to_string()))?;
            Arc::new(LargeStringArray::from(texts))
        }
    };
    if array.data_type() == data_type { Ok(array) } else { cast(&array, data_type) }
}

fn internal(e: &ArrowError) -> Error {
    Error::Internal(format!("putting the customer table together: {e}"))
}

/// A fault while writing: the disk, most likely.
fn write_error(path: &Path, e: &ParquetError) -> Error {
    let io = match e {
        ParquetError::External(inner) => inner.downcast_ref::<std::io::Error>(),
        _ => None,
    };
    match io {
        Some(io) => Error::io("write", path, io),
        None => Error::Environment(format!("cannot write {}: {e}", path.display())),
    }
}
