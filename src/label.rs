//! Labels to Parquet: the id as it was, the segment, the distance; rows in input order.

use std::fs::File;
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

use crate::backend::Labels;
use crate::data::IdStream;
use crate::error::{Error, Result};

/// Rows in a row group of the output, whatever the input's are.
pub const OUTPUT_GROUP_ROWS: usize = 1 << 18;

/// Writes labelled rows as they come.
pub struct LabelWriter<'a> {
    file: SerializedFileWriter<File>,
    factory: ArrowRowGroupWriterFactory,
    schema: Arc<Schema>,
    ids: Option<IdStream<'a>>,
    weights: Option<&'a [u32]>,
    step: f64,
    groups: usize,
    next_row: u64,
    segments: Vec<i32>,
    distances: Vec<f32>,
    margins: Option<Vec<f32>>,
    summary: LabelSummary,
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
    /// A writer to `file` for `k` segments. `ids` are those of all rows from the first; without them the row number
    /// takes their place. `weights` are the rows' integer weights, if they have any; `step` is the grid's.
    pub fn new(
        file: File,
        ids: Option<IdStream<'a>>,
        weights: Option<&'a [u32]>,
        k: usize,
        step: f64,
        margin: bool,
    ) -> Result<Self> {
        let id = ids.as_ref().map_or_else(|| Field::new("row", DataType::Int64, false), |ids| ids.field().clone());
        let id_name = id.name().clone();
        if ["segment", "distance", "margin"].contains(&id_name.as_str()) {
            return Err(Error::Input(format!(
                "the id column is named {id_name:?}, as a column of the output is; rename it"
            )));
        }
        let plain_id = id.data_type().is_integer();
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
        if plain_id {
            let path = ColumnPath::from(id_name.as_str());
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties.build())).map_err(write_error)?;
        let (file, factory) = writer.into_serialized_writer().map_err(write_error)?;
        Ok(LabelWriter {
            file,
            factory,
            schema,
            ids,
            weights,
            step,
            groups: 0,
            next_row: 0,
            segments: Vec::with_capacity(OUTPUT_GROUP_ROWS),
            distances: Vec::with_capacity(OUTPUT_GROUP_ROWS),
            margins: margin.then(Vec::new),
            summary: LabelSummary {
                counts: vec![0; k],
                mean_distance: vec![0.0; k],
                inertia: 0,
                labels_blake3: String::new(),
            },
            hasher: blake3::Hasher::new(),
        })
    }

    /// Appends labels; they must follow the ones before.
    pub fn push(&mut self, labels: &Labels) -> Result<()> {
        let mut from = 0;
        while from < labels.labels.len() {
            let to = labels.labels.len().min(from + OUTPUT_GROUP_ROWS - self.segments.len());
            self.append(labels, from..to);
            if self.segments.len() == OUTPUT_GROUP_ROWS {
                self.flush()?;
            }
            from = to;
        }
        Ok(())
    }

    fn append(&mut self, labels: &Labels, rows: std::ops::Range<usize>) {
        let start = self.segments.len();
        for (&label, &d2) in labels.labels[rows.clone()].iter().zip(&labels.distance2[rows.clone()]) {
            let distance = (d2 as f64).sqrt() * self.step;
            self.segments.push(label as i32);
            self.distances.push(distance as f32);
            self.summary.counts[label as usize] += 1;
            // Added in the order of the rows: the sum does not depend on threads.
            self.summary.mean_distance[label as usize] += distance;
        }
        let first = (labels.first_row as usize) + rows.start;
        let weight = |i: usize| self.weights.map_or(1, |w| u128::from(w[first + i]));
        let squares = labels.distance2[rows.clone()].iter().enumerate();
        self.summary.inertia += squares.map(|(i, &d2)| weight(i) * u128::from(d2)).sum::<u128>();
        if let (Some(margins), Some(second2)) = (&mut self.margins, &labels.second2) {
            let pairs = labels.distance2[rows.clone()].iter().zip(&second2[rows]);
            margins.extend(pairs.map(|(&d2, &s2)| match s2 {
                u64::MAX => f32::INFINITY,
                s2 => (((s2 as f64).sqrt() - (d2 as f64).sqrt()) * self.step) as f32,
            }));
        }
        for block in self.segments[start..].chunks(1024) {
            let mut bytes = [0; 4096];
            for (out, label) in bytes.chunks_exact_mut(4).zip(block) {
                out.copy_from_slice(&label.to_le_bytes());
            }
            self.hasher.update(&bytes[..block.len() * 4]);
        }
    }

    /// Writes what waits as a row group, its columns encoded in parallel.
    fn flush(&mut self) -> Result<()> {
        let rows = self.segments.len();
        if rows == 0 {
            return Ok(());
        }
        let ids = match &mut self.ids {
            Some(ids) => ids.take(rows)?,
            None => Arc::new(Int64Array::from_iter_values((0..rows as u64).map(|i| (self.next_row + i) as i64))),
        };
        self.next_row += rows as u64;
        let segments = std::mem::replace(&mut self.segments, Vec::with_capacity(rows));
        let distances = std::mem::replace(&mut self.distances, Vec::with_capacity(rows));
        let mut columns: Vec<ArrayRef> =
            vec![ids, Arc::new(Int32Array::from(segments)), Arc::new(Float32Array::from(distances))];
        if let Some(margins) = &mut self.margins {
            columns.push(Arc::new(Float32Array::from(std::mem::take(margins))));
        }
        let writers = self.factory.create_column_writers(self.groups).map_err(write_error)?;
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
            .map_err(write_error)?;
        let mut group = self.file.next_row_group().map_err(write_error)?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group).map_err(write_error)?;
        }
        group.close().map_err(write_error)?;
        self.groups += 1;
        Ok(())
    }

    /// Writes the rest and the footer; the file is complete, not yet synced.
    pub fn finish(mut self) -> Result<LabelSummary> {
        self.flush()?;
        self.file.finish().map_err(write_error)?;
        let mut summary = self.summary;
        for (mean, &n) in summary.mean_distance.iter_mut().zip(&summary.counts) {
            *mean /= n.max(1) as f64;
        }
        summary.labels_blake3 = self.hasher.finalize().to_hex().to_string();
        Ok(summary)
    }
}

/// A fault while writing: the disk, most likely.
fn write_error(e: ParquetError) -> Error {
    let io = match &e {
        ParquetError::External(inner) => inner.downcast_ref::<std::io::Error>(),
        _ => None,
    };
    match io {
        Some(io) => Error::io("write", std::path::Path::new("the labelled rows"), io),
        None => Error::Environment(format!("cannot write the labelled rows: {e}")),
    }
}
