//! The table of all customers: encoded a row group at a time, its columns on all threads.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int32Array, Int64Array};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;

use super::{Measured, OUTPUT_GROUP_ROWS, write_error};
use crate::data::IdStream;
use crate::error::Result;

/// The column of segments' names, where they have any.
pub(crate) const NAME_COLUMN: &str = "segment_name";

/// `segments.parquet`: id, segment, distance; with rules the segment's name too; margin if asked for.
pub struct SegmentTable<'a> {
    file: SerializedFileWriter<File>,
    path: PathBuf,
    factory: ArrowRowGroupWriterFactory,
    schema: Arc<Schema>,
    ids: Option<IdStream<'a>>,
    groups: usize,
    next_row: i64,
}

impl<'a> SegmentTable<'a> {
    /// A table in `file`, which errors call `path`. `ids` are those of all rows from the first; without them the row number
    /// takes their place.
    pub fn new(file: File, path: PathBuf, ids: Option<IdStream<'a>>, margin: bool) -> Result<Self> {
        Self::create(file, path, ids, margin, false)
    }

    /// The same with the segments' names, and nulls where a row has no segment or no distance.
    pub(crate) fn named(file: File, path: PathBuf, ids: Option<IdStream<'a>>, margin: bool) -> Result<Self> {
        Self::create(file, path, ids, margin, true)
    }

    fn create(file: File, path: PathBuf, ids: Option<IdStream<'a>>, margin: bool, named: bool) -> Result<Self> {
        let id = ids.as_ref().map_or_else(|| Field::new("row", DataType::Int64, false), |ids| ids.field().clone());
        let id_name = id.name().clone();
        let (whole, pseudonym) = (id.data_type().is_integer(), ids.as_ref().is_some_and(IdStream::is_pseudonym));
        let mut fields = vec![id, Field::new("segment", DataType::Int32, named)];
        if named {
            let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            fields.push(Field::new(NAME_COLUMN, text, false));
        }
        fields.push(Field::new("distance", DataType::Float32, named));
        if margin {
            fields.push(Field::new("margin", DataType::Float32, named));
        }
        let schema = Arc::new(Schema::new(fields));
        let (distance, gap) = (ColumnPath::from("distance"), ColumnPath::from("margin"));
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("hyades ", env!("CARGO_PKG_VERSION")).into())
            .set_max_row_group_row_count(Some(OUTPUT_GROUP_ROWS))
            // Distances hardly repeat and hardly compress.
            .set_column_dictionary_enabled(distance.clone(), false)
            .set_column_compression(distance, Compression::UNCOMPRESSED)
            .set_column_dictionary_enabled(gap.clone(), false)
            .set_column_compression(gap, Compression::UNCOMPRESSED);
        let id_path = ColumnPath::from(id_name.as_str());
        if whole || pseudonym {
            properties = properties.set_column_dictionary_enabled(id_path.clone(), false);
        }
        if whole {
            properties = properties.set_column_encoding(id_path, Encoding::DELTA_BINARY_PACKED);
        } else if pseudonym {
            properties = properties.set_column_compression(id_path, Compression::UNCOMPRESSED);
        }
        let writer =
            ArrowWriter::try_new(file, schema.clone(), Some(properties.build())).map_err(|e| write_error(&path, &e))?;
        let (file, factory) = writer.into_serialized_writer().map_err(|e| write_error(&path, &e))?;
        Ok(SegmentTable { file, path, factory, schema, ids, groups: 0, next_row: 0 })
    }

    /// The ids of the next rows.
    pub(crate) fn take_ids(&mut self, rows: usize) -> Result<ArrayRef> {
        let first = self.next_row;
        self.next_row += rows as i64;
        match &mut self.ids {
            Some(ids) => ids.take(rows),
            None => Ok(Arc::new(Int64Array::from_iter_values(first..self.next_row))),
        }
    }

    /// Writes a row group of labelled rows.
    pub(crate) fn write(&mut self, ids: ArrayRef, rows: Measured) -> Result<()> {
        let mut columns: Vec<ArrayRef> = vec![
            ids,
            Arc::new(Int32Array::from_iter_values(rows.labels.iter().map(|&label| label as i32))),
            Arc::new(Float32Array::from(rows.distances)),
        ];
        columns.extend(rows.margins.map(|margins| Arc::new(Float32Array::from(margins)) as ArrayRef));
        self.write_columns(columns)
    }

    /// Writes a row group, encoded on all threads.
    pub(crate) fn write_columns(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        let writers = self.factory.create_column_writers(self.groups).map_err(|e| write_error(&self.path, &e))?;
        let work: Vec<(ArrowColumnWriter, (&Arc<Field>, ArrayRef))> =
            writers.into_iter().zip(self.schema.fields().iter().zip(columns)).collect();
        let chunks: Vec<ArrowColumnChunk> = work
            .into_par_iter()
            .with_max_len(1)
            .map(|(mut writer, (field, column))| {
                for leaf in compute_leaves(field, &column)? {
                    writer.write(&leaf)?;
                }
                writer.close()
            })
            .collect::<Result<_, ParquetError>>()
            .map_err(|e| write_error(&self.path, &e))?;
        let mut group = self.file.next_row_group().map_err(|e| write_error(&self.path, &e))?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group).map_err(|e| write_error(&self.path, &e))?;
        }
        group.close().map_err(|e| write_error(&self.path, &e))?;
        self.groups += 1;
        Ok(())
    }

    /// Writes the footer.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.file.finish().map(|_| ()).map_err(|e| write_error(&self.path, &e))
    }
}
