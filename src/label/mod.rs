//! Labels to Parquet: the id as it was, the segment, the distance; rows in input order.

mod measure;
mod table;

use std::fs::File;
use std::path::{Path, PathBuf};
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

use self::measure::{Rows, Sums};
pub(crate) use self::table::TableWriter;
use crate::backend::Labels;
use crate::data::IdStream;
use crate::error::{Error, Result};

/// Rows in a row group of the output, whatever the input's are.
pub const OUTPUT_GROUP_ROWS: usize = 1 << 18;

/// Writes labelled rows as they come.
pub struct LabelWriter<'a> {
    file: SerializedFileWriter<File>,
    path: PathBuf,
    factory: ArrowRowGroupWriterFactory,
    schema: Arc<Schema>,
    ids: Option<IdStream<'a>>,
    weights: Option<&'a [u32]>,
    step: f64,
    groups: usize,
    next_row: u64,
    margin: bool,
    waiting: Rows,
    sums: Sums,
    hasher: blake3::Hasher,
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelSummary {
    /// Rows by segment.
    pub counts: Vec<u64>,
    /// Mean distance by segment, in scaled units; 0 for an empty segment.
    pub mean_distance: Vec<f64>,
    /// Exact weighted sum of squared distances, in squared grid steps.
    pub inertia: u128,
    /// blake3 of the labels as little-endian i32 in row order.
    pub labels_blake3: String,
}

impl<'a> LabelWriter<'a> {
    /// A writer to `file`, which errors call `path`, for `k` segments. `ids` are those of all rows from the first; without them the row number
    /// takes their place. `weights` are the rows' integer weights, if they have any; `step` is the grid's.
    pub fn new(
        file: File,
        path: PathBuf,
        ids: Option<IdStream<'a>>,
        weights: Option<&'a [u32]>,
        k: usize,
        step: f64,
        margin: bool,
    ) -> Result<Self> {
        let id = ids.as_ref().map_or_else(|| Field::new("row", DataType::Int64, false), |ids| ids.field().clone());
        let id_name = id.name().clone();
        let (whole, pseudonym) = (id.data_type().is_integer(), ids.as_ref().is_some_and(IdStream::is_pseudonym));
        let mut fields =
            vec![id, Field::new("segment", DataType::Int32, false), Field::new("distance", DataType::Float32, false)];
        if margin {
            fields.push(Field::new("margin", DataType::Float32, false));
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
        Ok(LabelWriter {
            file,
            path,
            factory,
            schema,
            ids,
            weights,
            step,
            groups: 0,
            next_row: 0,
            margin,
            waiting: Rows::default(),
            sums: Sums::empty(k),
            hasher: blake3::Hasher::new(),
        })
    }

    /// Appends labels; they must follow the ones before.
    pub fn push(&mut self, labels: &Labels) -> Result<()> {
        let mut from = 0;
        while from < labels.labels.len() {
            let to = labels.labels.len().min(from + OUTPUT_GROUP_ROWS - self.waiting.len());
            self.waiting.labels.extend_from_slice(&labels.labels[from..to]);
            self.waiting.distance2.extend_from_slice(&labels.distance2[from..to]);
            if let (true, Some(second2)) = (self.margin, &labels.second2) {
                self.waiting.second2.extend_from_slice(&second2[from..to]);
            }
            if self.waiting.len() == OUTPUT_GROUP_ROWS {
                self.flush()?;
            }
            from = to;
        }
        Ok(())
    }

    /// The ids of the next rows.
    fn take_ids(ids: &mut Option<IdStream<'a>>, first_row: u64, rows: usize) -> Result<ArrayRef> {
        match ids {
            Some(ids) => ids.take(rows),
            None => {
                Ok(Arc::new(Int64Array::from_iter_values((first_row..first_row + rows as u64).map(|row| row as i64))))
            }
        }
    }

    /// Writes what waits as a row group: measured, hashed and encoded on all threads.
    fn flush(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let (rows, first_row) = (waiting.len(), self.next_row);
        if rows == 0 {
            return Ok(());
        }
        self.next_row += rows as u64;
        let weights = self.weights.map(|w| &w[first_row as usize..][..rows]);
        let (ids, sums, hasher) = (&mut self.ids, &mut self.sums, &mut self.hasher);
        let (ids, (distances, ())) = rayon::join(
            || Self::take_ids(ids, first_row, rows),
            || rayon::join(|| waiting.measure(weights, self.step, sums), || hash(&waiting.labels, hasher)),
        );
        let mut columns: Vec<ArrayRef> = vec![
            ids?,
            Arc::new(Int32Array::from_iter_values(waiting.labels.iter().map(|&label| label as i32))),
            Arc::new(Float32Array::from(distances)),
        ];
        if self.margin {
            columns.push(Arc::new(Float32Array::from(waiting.margins(self.step))));
        }
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

    /// Writes the rest and the footer; the file is complete, not yet synced.
    pub fn finish(mut self) -> Result<LabelSummary> {
        self.flush()?;
        self.file.finish().map_err(|e| write_error(&self.path, &e))?;
        let Sums { counts, distances, inertia } = self.sums;
        let mean_distance = distances.iter().zip(&counts).map(|(sum, &n)| sum / n.max(1) as f64).collect();
        let labels_blake3 = self.hasher.finalize().to_hex().to_string();
        Ok(LabelSummary { counts, mean_distance, inertia, labels_blake3 })
    }
}

/// Hashes labels as little-endian i32.
fn hash(labels: &[u32], hasher: &mut blake3::Hasher) {
    let mut bytes = [0; 4096];
    for block in labels.chunks(1024) {
        for (out, label) in bytes.chunks_exact_mut(4).zip(block) {
            out.copy_from_slice(&label.to_le_bytes());
        }
        hasher.update(&bytes[..block.len() * 4]);
    }
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
