//! A table of labels copied with the identities of its segments, which are known only once all rows are labelled.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int32Type};

use super::OUTPUT_GROUP_ROWS;
use super::carried::CarriedColumn;
use super::parts::{FileLayout, UnsealedLabels};
use super::publish::Publication;
use super::segments::{LabelColumns, LabelledColumns, NAME_COLUMN, ROW, SegmentTable};
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::input::{ColumnStream, IdStream, Source};
use crate::survey::Segment;

/// A table of labels, and what to make of it.
pub(crate) struct IdentifiedLabels<'a> {
    /// The table, in one file and not divided by segment.
    pub(crate) source: &'a Source,
    /// The column of ids; None: rows are numbered.
    pub(crate) id: Option<usize>,
    /// The identity of each segment, by number.
    pub(crate) identities: Vec<u64>,
    /// By row, the number of the segment whose identity the row has, where that may not be its own.
    pub(crate) belongs: Option<&'a dyn Fn(u64) -> Option<u32>>,
    pub(crate) layout: FileLayout,
}

/// Copies a table to a publication; the files lack their footers.
pub(crate) fn identified(
    labels: IdentifiedLabels<'_>,
    publication: &Publication,
    watch: Watch<'_>,
) -> Result<UnsealedLabels> {
    let IdentifiedLabels { source, id, identities, belongs, layout } = labels;
    let at = |name: &str| source.position(name);
    let missing = |name: &str| Error::Internal(format!("the labels lack the column {name:?}"));
    let segment = at("segment").ok_or_else(|| missing("segment"))?;
    let distance = at("distance").ok_or_else(|| missing("distance"))?;
    let (name, margin) = (at(NAME_COLUMN), at("margin"));
    let own = [Some(segment), Some(distance), name, margin, id, at(ROW).filter(|_| id.is_none())];
    let carried: Vec<usize> = (0..source.columns().len()).filter(|c| !own.contains(&Some(*c))).collect();
    let side_by_side = source.columns().len();
    let stream = |column: usize| ColumnStream::new(source, column, side_by_side);
    let columns = LabelColumns {
        ids: id.map(|id| IdStream::new(source, id)),
        margin: margin.is_some(),
        // Carried as they are.
        anomaly: false,
        micro: false,
        posteriors: false,
        named: name.is_some(),
        identities: Some(identities),
        carried: carried.into_iter().map(|column| CarriedColumn::input(source, column, side_by_side)).collect(),
    };
    let mut table = SegmentTable::new(Some(publication), layout, columns)?;
    let (mut segments, mut distances) = (stream(segment), stream(distance));
    let (mut names, mut margins) = (name.map(stream), margin.map(stream));
    let mut first = 0;
    while first < source.rows() {
        watch.check()?;
        let rows = (source.rows() - first).min(OUTPUT_GROUP_ROWS as u64) as usize;
        let numbers: ArrayRef = segments.take(rows)?;
        let numbers = numbers.as_primitive_opt::<Int32Type>().ok_or_else(|| missing("segment"))?;
        let of = |number: Option<i32>| number.map_or(Segment::NONE, Segment::of_code);
        let segments: Vec<Segment> = numbers.iter().map(of).collect();
        let labelled = LabelledColumns {
            own: table.take_own(rows)?,
            names: names.as_mut().map(|names| names.take(rows)).transpose()?.map(as_codes).transpose()?,
            micro: None,
            posteriors: Vec::new(),
            distances: distances.take(rows)?,
            margins: margins.as_mut().map(|margins| margins.take(rows)).transpose()?,
            unusual: Vec::new(),
            belongs: belongs.map(|of| {
                let place = |row| of(row).map_or(Segment::NONE, Segment::new);
                (first..first + rows as u64).map(place).collect()
            }),
        };
        table.write_columns(labelled, &segments)?;
        first += rows as u64;
    }
    table.finish()
}

/// Names as the table has them, whatever the reader made of them.
fn as_codes(names: ArrayRef) -> Result<ArrayRef> {
    let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let names = arrow::compute::cast(&names, &coded);
    names.map_err(|e| Error::Internal(format!("the segments' names: {e}")))
}
