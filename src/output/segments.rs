//! The table of all customers: written by row group, with columns encoded in parallel.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int32Array, Int64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::basic::{Compression, Encoding};
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;

use super::carried::CarriedColumn;
use super::measure::MeasuredRows;
use super::parts::{FileLayout, PartWriter, UnsealedLabels};
use super::publish::Publication;
use super::row_groups::properties;
use super::scratch::RecordShape;
use crate::backend::RowPosterior;
use crate::error::Result;
use crate::input::IdStream;
use crate::survey::Segment;

/// The column of row numbers, if there are no ids.
pub(crate) const ROW: &str = "row";

/// The column of the segments' identities, which are the same in all versions of a history.
pub(crate) const IDENTITY_COLUMN: &str = "segment_id";

/// The column of segment names, if segments have names.
pub(crate) const NAME_COLUMN: &str = "segment_name";

/// The column of micro-segments, if segments consist of any.
const MICRO_COLUMN: &str = "micro_segment";

/// The columns of posteriors, if segments are components of a mixture.
const POSTERIOR_COLUMNS: [&str; 4] = ["posterior", "second_segment", "second_posterior", "entropy"];

/// The columns that say how unusual a row is in its segment: its distance by the segment's median, and the robust z of
/// it.
const ANOMALY_COLUMNS: [&str; 2] = ["anomaly_ratio", "anomaly_z"];

/// The columns of a table of labels, in order: the id, or the number of the row; the segment; its identity, if segments
/// have identities; its name, if they have names; the micro-segment, if there are any; posteriors, if there are
/// any; the distance; the margin; how unusual the row is; and those that are carried.
pub(crate) struct LabelColumns<'a> {
    /// The ids of all rows from the first.
    pub(crate) ids: Option<IdStream<'a>>,
    /// Whether segments consist of micro-segments.
    pub(crate) micro: bool,
    /// Whether rows have posteriors.
    pub(crate) posteriors: bool,
    pub(crate) margin: bool,
    /// Whether it is told how unusual a distance is in its segment.
    pub(crate) anomaly: bool,
    /// Whether segments have names. There are nulls then, for rows without a segment or distance.
    pub(crate) named: bool,
    /// The identity of each segment, by number, if they have any.
    pub(crate) identities: Option<Vec<u64>>,
    pub(crate) carried: Vec<CarriedColumn<'a>>,
}

/// `segments/`: the labels of all rows, in input order.
pub(crate) struct SegmentTable<'a> {
    parts: PartWriter<'a>,
    columns: LabelColumns<'a>,
    next_row: i64,
}

/// Labels of a row group, without its segments, which are also how rows are divided into files.
pub(super) struct LabelledColumns {
    /// The id, and what is carried.
    pub(super) own: Vec<ArrayRef>,
    pub(super) names: Option<ArrayRef>,
    pub(super) micro: Option<ArrayRef>,
    /// The columns of posteriors; none unless there are any.
    pub(super) posteriors: Vec<ArrayRef>,
    pub(super) distances: ArrayRef,
    pub(super) margins: Option<ArrayRef>,
    /// The distance by the segment's median, and its robust z; none unless they are wanted.
    pub(super) unusual: Vec<ArrayRef>,
    /// The segments whose identities the rows have, where these may not be their own.
    pub(super) belongs: Option<Vec<Segment>>,
}

impl<'a> SegmentTable<'a> {
    /// An empty table in a publication, or in an unnamed file if nothing is published.
    pub(crate) fn new(
        publication: Option<&'a Publication>,
        layout: FileLayout,
        columns: LabelColumns<'a>,
    ) -> Result<Self> {
        let LabelColumns { ids, micro, posteriors, margin, anomaly, named, identities, carried } = &columns;
        let id = ids.as_ref().map_or_else(|| Field::new(ROW, DataType::Int64, false), |ids| ids.field().clone());
        let id_name = id.name().clone();
        let (whole, pseudonym) = (id.data_type().is_integer(), ids.as_ref().is_some_and(IdStream::is_pseudonym));
        let mut fields = vec![id];
        if !layout.by_segment {
            fields.push(Field::new("segment", DataType::Int32, *named));
        }
        if identities.is_some() {
            fields.push(Field::new(IDENTITY_COLUMN, DataType::Int64, *named));
        }
        if *named {
            let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            fields.push(Field::new(NAME_COLUMN, text, false));
        }
        if *micro {
            fields.push(Field::new(MICRO_COLUMN, DataType::Int32, *named));
        }
        if *posteriors {
            let types = [DataType::Float32, DataType::Int32, DataType::Float32, DataType::Float32];
            fields.extend(POSTERIOR_COLUMNS.iter().zip(types).map(|(name, of)| Field::new(*name, of, true)));
        }
        fields.push(Field::new("distance", DataType::Float32, *named));
        if *margin {
            fields.push(Field::new("margin", DataType::Float32, *named));
        }
        if *anomaly {
            fields.extend(ANOMALY_COLUMNS.map(|name| Field::new(name, DataType::Float32, true)));
        }
        fields.extend(carried.iter().map(CarriedColumn::field));
        let schema = Arc::new(Schema::new(fields));
        let (distance, gap) = (ColumnPath::from("distance"), ColumnPath::from("margin"));
        let mut properties = properties()
            // Distances rarely repeat and hardly compress.
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
        let parts = PartWriter::new(publication, layout, schema, properties.build())?;
        Ok(SegmentTable { parts, columns, next_row: 0 })
    }

    /// What it has of a row besides its segment and distance.
    pub(super) fn shape(&self) -> RecordShape {
        let LabelColumns { margin, micro, posteriors, .. } = self.columns;
        RecordShape { margin, micro, posterior: posteriors }
    }

    /// Whether it is told how unusual rows are.
    pub(super) fn has_anomaly(&self) -> bool {
        self.columns.anomaly
    }

    /// Whether segments have names.
    pub(super) fn is_named(&self) -> bool {
        self.columns.named
    }

    /// The ids of the next rows, and the columns that are carried.
    pub(crate) fn take_own(&mut self, rows: usize) -> Result<Vec<ArrayRef>> {
        let first = self.next_row;
        self.next_row += rows as i64;
        let ids = match &mut self.columns.ids {
            Some(ids) => ids.take(rows)?,
            None => Arc::new(Int64Array::from_iter_values(first..self.next_row)),
        };
        let carried = self.columns.carried.par_iter_mut().with_max_len(1).map(|column| column.take(rows));
        let carried: Vec<ArrayRef> = carried.collect::<Result<_>>()?;
        Ok([vec![ids], carried].concat())
    }

    /// Writes a row group of labelled rows, all of which have a segment without a name.
    pub(super) fn write(&mut self, own: Vec<ArrayRef>, segments: &[Segment], rows: MeasuredRows) -> Result<()> {
        let column = |values: Vec<f32>| Arc::new(Float32Array::from(values)) as ArrayRef;
        let (distances, margins) = (column(rows.distances), rows.margins.map(column));
        let micro = rows.micro.map(|micro| micro_column(micro.into_iter().map(Some)));
        let posteriors = rows.posteriors.map(|of| posterior_columns(of.into_iter().map(|one| (Some(one), 0))));
        let rows = LabelledColumns {
            own,
            names: None,
            micro,
            posteriors: posteriors.unwrap_or_default(),
            distances,
            margins,
            unusual: Vec::new(),
            belongs: None,
        };
        self.write_columns(rows, segments)
    }

    /// Writes a row group, encoded on all threads.
    pub(super) fn write_columns(&mut self, rows: LabelledColumns, segments: &[Segment]) -> Result<()> {
        let mut own = rows.own.into_iter();
        let mut columns: Vec<ArrayRef> = own.by_ref().take(1).collect();
        if !self.parts.by_segment() {
            columns.push(segment_column(segments));
        }
        let belongs = rows.belongs.as_deref().unwrap_or(segments);
        columns.extend(self.columns.identities.as_ref().map(|ids| identity_column(belongs, ids)));
        columns.extend(rows.names);
        columns.extend(rows.micro);
        columns.extend(rows.posteriors);
        columns.push(rows.distances);
        columns.extend(rows.margins);
        columns.extend(rows.unusual);
        columns.extend(own);
        self.parts.write(columns, segments)
    }

    /// Writes what waits; only the footers are missing then.
    pub(crate) fn finish(self) -> Result<UnsealedLabels> {
        self.parts.finish()
    }
}

/// The column of segments: null for rows without one.
fn segment_column(segments: &[Segment]) -> ArrayRef {
    let has_number = |segment: &Segment| segment.number().is_some();
    let nulls = (!segments.iter().all(has_number)).then(|| segments.iter().map(has_number).collect::<NullBuffer>());
    Arc::new(Int32Array::new(segments.iter().map(|segment| segment.code()).collect(), nulls))
}

/// The column of micro-segments: null for rows without one.
pub(super) fn micro_column(micro: impl Iterator<Item = Option<u32>>) -> ArrayRef {
    Arc::new(micro.map(|micro| micro.map(u32::cast_signed)).collect::<Int32Array>())
}

/// The columns of posteriors, with the first segment of each row's part: null for rows without a posterior.
pub(super) fn posterior_columns(rows: impl Iterator<Item = (Option<RowPosterior>, u32)> + Clone) -> Vec<ArrayRef> {
    let float = |value: fn(RowPosterior) -> Option<f64>| -> ArrayRef {
        let values = rows.clone().map(|(row, _)| row.and_then(value).map(|value| value as f32));
        Arc::new(values.collect::<Float32Array>())
    };
    let second = rows.clone().map(|(row, first)| row.and_then(|row| row.second).map(|j| (first + j).cast_signed()));
    vec![
        float(|row| Some(row.first)),
        Arc::new(second.collect::<Int32Array>()),
        float(|row| row.second.map(|_| row.second_posterior)),
        float(|row| Some(row.entropy)),
    ]
}

/// The column of identities: null for rows without a segment.
fn identity_column(segments: &[Segment], identities: &[u64]) -> ArrayRef {
    let identity = |segment: &Segment| segment.number().map(|number| identities[number as usize] as i64);
    Arc::new(segments.iter().map(identity).collect::<Int64Array>())
}
