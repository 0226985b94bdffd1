//! Row groups of a Parquet file, with their columns encoded in parallel.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

use super::{OUTPUT_GROUP_ROWS, write_error};
use crate::error::Result;

/// A file to which row groups are appended.
pub(super) struct RowGroups<W: Write + Send = File> {
    file: SerializedFileWriter<W>,
    path: PathBuf,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    groups: usize,
}

/// Properties of all outputs.
pub(super) fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(concat!("hyades ", env!("CARGO_PKG_VERSION")).into())
        .set_max_row_group_row_count(Some(OUTPUT_GROUP_ROWS))
}

impl<W: Write + Send> RowGroups<W> {
    /// Row groups for `file`, which errors call `path`.
    pub(super) fn new(file: W, path: PathBuf, schema: SchemaRef, properties: WriterProperties) -> Result<Self> {
        let fail = |e: ParquetError| write_error(&path, &e);
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties)).map_err(fail)?;
        let (file, factory) = writer.into_serialized_writer().map_err(fail)?;
        Ok(RowGroups { file, path, factory, schema, groups: 0 })
    }

    /// What the row groups are written to.
    pub(super) fn get_mut(&mut self) -> &mut W {
        self.file.inner_mut()
    }

    /// Adds names and values to the footer.
    pub(super) fn describe(&mut self, facts: &[(&str, String)]) {
        for (name, value) in facts {
            self.file.append_key_value_metadata(KeyValue::new((*name).to_owned(), value.clone()));
        }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Writes a row group.
    pub(super) fn write(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let fail = |e: ParquetError| write_error(&self.path, &e);
        let writers = self.factory.create_column_writers(self.groups).map_err(fail)?;
        let work: Vec<_> = writers.into_iter().zip(self.schema.fields().iter().zip(columns)).collect();
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
        Ok(())
    }

    /// Writes the footer; returns the size of the file, which is complete but not yet synced.
    pub(super) fn finish(mut self) -> Result<u64> {
        self.file.finish().map_err(|e| write_error(&self.path, &e))?;
        Ok(self.file.bytes_written() as u64)
    }
}
