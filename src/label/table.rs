//! A table of rows that come in batches, as Parquet: row groups of one size leave, encoded on all threads.

use std::fs::File;
use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;

use super::{OUTPUT_GROUP_ROWS, write_error};
use crate::error::{Error, Result};

/// Writes rows as they come.
pub(crate) struct TableWriter {
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
    pub(crate) fn new(file: File, path: PathBuf, schema: SchemaRef) -> Result<Self> {
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("hyades ", env!("CARGO_PKG_VERSION")).into())
            .set_max_row_group_row_count(Some(OUTPUT_GROUP_ROWS));
        // Counts repeat; ids, which come first, never do, and measured values hardly.
        for field in schema.fields().iter().enumerate().filter(|(i, f)| *i == 0 || f.data_type().is_floating()) {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(field.1.name().as_str()), false);
        }
        let fail = |e: ParquetError| write_error(&path, &e);
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties.build())).map_err(fail)?;
        let (file, factory) = writer.into_serialized_writer().map_err(fail)?;
        Ok(TableWriter { file, path, factory, schema, groups: 0, waiting: Vec::new(), waiting_rows: 0, rows: 0 })
    }

    /// Appends rows, which come after those before.
    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<()> {
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
        let table = concat_batches(&self.schema, &batches)
            .map_err(|e| Error::Internal(format!("putting a table together: {e}")))?;
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

    /// Writes the rest and the footer; the file is complete, not yet synced. Returns rows and bytes.
    pub(crate) fn finish(mut self) -> Result<(u64, u64)> {
        if self.waiting_rows > 0 {
            self.flush()?;
        }
        self.file.finish().map_err(|e| write_error(&self.path, &e))?;
        Ok((self.rows, self.file.bytes_written() as u64))
    }
}
