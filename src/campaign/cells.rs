//! Where customers are: the segment and stage of every row of a row group.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, LargeStringArray};
use arrow::compute::{cast_with_options, concat};
use arrow::datatypes::{DataType, Int64Type};

use crate::error::Result;
use crate::input::{ColumnReader, EXACT_CAST, RowGroup, Source, fault};

/// The columns of segments and stages.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CellColumns {
    pub(super) segment: Option<usize>,
    pub(super) stage: Option<usize>,
}

/// Segments and stages of a row group.
pub(super) struct CellRows {
    segments: Option<Int64Array>,
    stages: Option<LargeStringArray>,
}

impl CellRows {
    pub(super) fn read(source: &Source, columns: CellColumns, group: RowGroup) -> Result<Self> {
        let segments = columns.segment.map(|at| integers(source, group, at)).transpose()?;
        Ok(CellRows { segments, stages: columns.stage.map(|at| texts(source, group, at)).transpose()? })
    }

    /// The segment of a row; None also for the rows outside all segments.
    pub(super) fn segment(&self, row: usize) -> Option<i64> {
        let segments = self.segments.as_ref()?;
        segments.is_valid(row).then(|| segments.value(row)).filter(|segment| *segment >= 0)
    }

    pub(super) fn stage(&self, row: usize) -> Option<&str> {
        self.stages.as_ref().and_then(|stages| text(stages, row))
    }
}

/// The text of a row, if there is any.
pub(super) fn text(texts: &LargeStringArray, row: usize) -> Option<&str> {
    texts.is_valid(row).then(|| texts.value(row))
}

/// A whole column of a row group as whole numbers.
pub(super) fn integers(source: &Source, group: RowGroup, column: usize) -> Result<Int64Array> {
    Ok(whole_as(source, group, column, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// A whole column of a row group as text.
pub(super) fn texts(source: &Source, group: RowGroup, column: usize) -> Result<LargeStringArray> {
    Ok(whole_as(source, group, column, &DataType::LargeUtf8)?.as_string::<i64>().clone())
}

fn whole_as(source: &Source, group: RowGroup, column: usize, to: &DataType) -> Result<ArrayRef> {
    cast_with_options(&whole(source, group, column)?, to, &EXACT_CAST)
        .map_err(|e| fault(source, group, column, &e.to_string()))
}

/// A whole column of a row group.
pub(super) fn whole(source: &Source, group: RowGroup, column: usize) -> Result<ArrayRef> {
    let mut reader = ColumnReader::open(source, group, column)?;
    let mut pieces = Vec::new();
    while let Some(array) = reader.next_array()? {
        pieces.push(array);
    }
    let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
    let all = concat(&pieces).map_err(|e| fault(source, group, column, &e.to_string()))?;
    match all.len() as u64 == group.rows {
        true => Ok(all),
        false => Err(fault(source, group, column, "it has another number of values than there are rows")),
    }
}
