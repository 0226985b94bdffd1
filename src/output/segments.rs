//! The table of all customers: written by row group, with columns encoded in parallel.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int32Array, Int64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::basic::{Compression, Encoding};
use parquet::schema::types::ColumnPath;

use super::measure::MeasuredRows;
use super::row_groups::{RowGroups, properties};
use crate::error::Result;
use crate::input::IdStream;
use crate::survey::Segment;

/// The column of segment names, if segments have names.
pub(crate) const NAME_COLUMN: &str = "segment_name";

/// `segments/part-00000.parquet`: id, segment, distance; with rules also the segment's name; margin on request.
pub(crate) struct SegmentTable<'a> {
    groups: RowGroups,
    ids: Option<IdStream<'a>>,
    margin: bool,
    next_row: i64,
}

impl<'a> SegmentTable<'a> {
    /// A table in `file`, which errors call `path`. `ids` are those of all rows from the first; without them, the row
    /// number is used. If `named`, the table has the segments' names, and nulls for rows without a segment or distance.
    pub(crate) fn new(file: File, path: PathBuf, ids: Option<IdStream<'a>>, margin: bool, named: bool) -> Result<Self> {
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
        let groups = RowGroups::new(file, path, schema, properties.build())?;
        Ok(SegmentTable { groups, ids, margin, next_row: 0 })
    }

    /// Whether it has a column of margins.
    pub(super) fn has_margin(&self) -> bool {
        self.margin
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
    pub(super) fn write(&mut self, ids: ArrayRef, segments: &[Segment], rows: MeasuredRows) -> Result<()> {
        let mut columns: Vec<ArrayRef> =
            vec![ids, segment_column(segments), Arc::new(Float32Array::from(rows.distances))];
        columns.extend(rows.margins.map(|margins| Arc::new(Float32Array::from(margins)) as ArrayRef));
        self.write_columns(columns)
    }

    /// Writes a row group, encoded on all threads.
    pub(crate) fn write_columns(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        self.groups.write(&columns)
    }

    /// Writes the footer.
    pub(crate) fn finish(self) -> Result<()> {
        self.groups.finish().map(|_| ())
    }
}

/// The column of segments: null for rows without one.
pub(super) fn segment_column(segments: &[Segment]) -> ArrayRef {
    let has_number = |segment: &Segment| segment.number().is_some();
    let nulls = (!segments.iter().all(has_number)).then(|| segments.iter().map(has_number).collect::<NullBuffer>());
    Arc::new(Int32Array::new(segments.iter().map(|segment| segment.code()).collect(), nulls))
}
