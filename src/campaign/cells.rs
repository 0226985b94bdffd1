//! Where customers are: the segment and stage of every row of a row group.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, LargeStringArray};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, cast_with_options, concat};
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use crate::error::{Error, ErrorKind, Result};
use crate::input::{ColumnReader, EXACT_CAST, RowGroup, Source, fault};
use crate::text::quoted;

/// Doubles hold all whole numbers up to this.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// The most characters of a value that a message shows.
const SHOWN: usize = 64;

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

/// The numbers of segments in a whole column of a row group. NaN is missing.
///
/// # Errors
/// A value that is not a whole number.
pub(super) fn integers(source: &Source, group: RowGroup, column: usize) -> Result<Int64Array> {
    let array = whole(source, group, column)?;
    let as_type = |to: &DataType| cast(&array, to).map_err(|e| fault(source, group, column, &e.to_string()));
    let (numbers, nulls) = if array.data_type().is_floating() {
        let doubles = as_type(&DataType::Float64)?;
        let doubles = doubles.as_primitive::<Float64Type>();
        let whole = |v: f64| (v.fract() == 0.0 && v.abs() <= EXACT).then_some(v as i64);
        let known: NullBuffer = doubles.iter().map(|v| v.is_some_and(|v| !v.is_nan())).collect();
        (doubles.iter().map(|v| v.and_then(whole)).collect(), Some(known))
    } else {
        (as_type(&DataType::Int64)?.as_primitive::<Int64Type>().clone(), array.logical_nulls())
    };
    let is_known = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    let Some(row) = (0..array.len()).find(|&row| is_known(row) && numbers.is_null(row)) else { return Ok(numbers) };
    let texts = as_type(&DataType::LargeUtf8)?;
    let value: String = texts.as_string::<i64>().value(row).chars().take(SHOWN).collect();
    let (name, value) = (&source.columns()[column].name, quoted(&value));
    let text = format!(
        "column {name:?} has the value {value}, which is not the number of a segment; store whole numbers there, or give \
         the column another name"
    );
    Err(Error::input(text).of_columns([name]).of_kind(ErrorKind::Values))
}

/// A whole column of a row group as text.
pub(super) fn texts(source: &Source, group: RowGroup, column: usize) -> Result<LargeStringArray> {
    let texts = cast_with_options(&whole(source, group, column)?, &DataType::LargeUtf8, &EXACT_CAST);
    Ok(texts.map_err(|e| fault(source, group, column, &e.to_string()))?.as_string::<i64>().clone())
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
