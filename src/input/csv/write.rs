//! Typed rows as Parquet, with row groups of one size, encoded as they come.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding as PageEncoding};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::input::file::write_at;

/// A part of a file: what is written is appended from a place on.
pub(super) struct FileEnd {
    file: Arc<File>,
    at: u64,
}

impl FileEnd {
    pub(super) fn new(file: Arc<File>, at: u64) -> Self {
        FileEnd { file, at }
    }
}

impl Write for FileEnd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_at(&self.file, bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the Parquet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParquetUse {
    /// Read once by this program: written fast.
    Scratch,
    /// Kept: compressed, with statistics.
    Kept,
}

/// A Parquet file to which rows are appended.
pub(super) struct RowWriter {
    file: SerializedFileWriter<FileEnd>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    path: PathBuf,
    purpose: ParquetUse,
    group_rows: usize,
    open: Vec<ArrowColumnWriter>,
    /// Rows of the open row group.
    rows: usize,
    groups: usize,
}

/// Bytes at which a row group ends, whatever its rows: long texts.
const MOST_GROUP_BYTES: usize = 512 << 20;

impl RowWriter {
    /// A writer of row groups of `group_rows`; errors call the file `path`.
    pub(super) fn new(
        end: FileEnd,
        path: &Path,
        schema: SchemaRef,
        group_rows: usize,
        purpose: ParquetUse,
    ) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_created_by(concat!("hyades ", env!("CARGO_PKG_VERSION")).into())
            .set_max_row_group_row_count(Some(group_rows));
        let properties = match purpose {
            ParquetUse::Kept => properties.set_compression(Compression::SNAPPY),
            ParquetUse::Scratch => properties
                .set_compression(Compression::UNCOMPRESSED)
                .set_dictionary_enabled(false)
                .set_encoding(PageEncoding::PLAIN)
                .set_statistics_enabled(EnabledStatistics::None),
        };
        let fail = |e: ParquetError| write_fault(purpose, path, &e);
        let writer = ArrowWriter::try_new(end, schema.clone(), Some(properties.build())).map_err(fail)?;
        let (file, factory) = writer.into_serialized_writer().map_err(fail)?;
        let path = path.to_path_buf();
        Ok(RowWriter { file, factory, schema, path, purpose, group_rows, open: Vec::new(), rows: 0, groups: 0 })
    }

    /// Appends batches of rows: for each the arrays of all columns.
    pub(super) fn push(&mut self, batches: &[Vec<ArrayRef>]) -> Result<()> {
        let mut spans: Vec<(usize, Range<usize>)> = Vec::new();
        for (b, batch) in batches.iter().enumerate() {
            let (mut from, rows) = (0, batch.first().map_or(0, |array| array.len()));
            while from < rows {
                let to = rows.min(from + self.group_rows - self.rows);
                spans.push((b, from..to));
                self.rows += to - from;
                from = to;
                if self.rows == self.group_rows {
                    self.encode(batches, &std::mem::take(&mut spans))?;
                    self.close()?;
                }
            }
        }
        self.encode(batches, &spans)?;
        let held: usize = self.open.iter().map(ArrowColumnWriter::memory_size).sum();
        if held > MOST_GROUP_BYTES { self.close() } else { Ok(()) }
    }

    /// Encodes parts of batches into the open row group, its columns in parallel.
    fn encode(&mut self, batches: &[Vec<ArrayRef>], spans: &[(usize, Range<usize>)]) -> Result<()> {
        if spans.is_empty() {
            return Ok(());
        }
        let fail = |e: ParquetError| write_fault(self.purpose, &self.path, &e);
        if self.open.is_empty() {
            self.open = self.factory.create_column_writers(self.groups).map_err(fail)?;
        }
        let columns = self.open.par_iter_mut().zip(self.schema.fields().par_iter()).enumerate().with_max_len(1);
        columns
            .try_for_each(|(c, (writer, field))| {
                for (b, rows) in spans {
                    let array = batches[*b][c].slice(rows.start, rows.len());
                    for leaf in compute_leaves(field, &array)? {
                        writer.write(&leaf)?;
                    }
                }
                Ok(())
            })
            .map_err(fail)
    }

    /// Ends the open row group.
    fn close(&mut self) -> Result<()> {
        let fail = |e: ParquetError| write_fault(self.purpose, &self.path, &e);
        let writers = std::mem::take(&mut self.open);
        self.rows = 0;
        if writers.is_empty() {
            return Ok(());
        }
        let chunks: Vec<_> = writers
            .into_par_iter()
            .with_max_len(1)
            .map(ArrowColumnWriter::close)
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

    /// Writes the rest and the footer; returns the bytes of the whole.
    pub(super) fn finish(mut self) -> Result<u64> {
        self.close()?;
        self.file.finish().map_err(|e| write_fault(self.purpose, &self.path, &e))?;
        Ok(self.file.bytes_written() as u64)
    }
}

/// An error while writing, most likely from the disk.
fn write_fault(purpose: ParquetUse, path: &Path, e: &ParquetError) -> Error {
    let action = match purpose {
        ParquetUse::Scratch => "write the scratch file in",
        ParquetUse::Kept => "write",
    };
    let io = match e {
        ParquetError::External(inner) => inner.downcast_ref::<io::Error>(),
        _ => None,
    };
    match io {
        Some(io) => Error::io(action, path, io),
        None => Error::environment(format!("cannot {action} {}: {e}", path.display())).of_file(path),
    }
}
