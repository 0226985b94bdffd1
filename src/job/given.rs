//! Labels that come from a table, as the segment of every row.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, UInt32Array};
use arrow::compute::{cast, cast_with_options, max, min};
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt32Type};
use arrow::error::ArrowError;

use crate::error::{Error, Result};
use crate::input::{ColumnStream, EXACT_CAST, Source, ValueKind, as_f64};
use crate::survey::{Ride, Segment, SegmentLog};

/// The most different labels.
const MOST_LABELS: usize = 10_000;
/// Rows read at a time.
const ROWS: usize = 1 << 16;

/// The segments of all rows.
pub(super) struct GivenLabels {
    pub(super) log: SegmentLog,
    pub(super) segments: usize,
    /// The labels, unless they are numbers from 0.
    pub(super) names: Option<Vec<String>>,
    /// blake3 of the segments as little-endian i32 in row order, -1 for rows without one.
    pub(super) blake3: String,
}

/// A label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Number(i64),
    Text(String),
}

impl Label {
    fn text(&self) -> String {
        match self {
            Label::Number(number) => number.to_string(),
            Label::Text(text) => text.clone(),
        }
    }
}

impl GivenLabels {
    /// Reads the labels in a column twice: which there are, then that of each row. Negative numbers and nulls are rows
    /// without a segment.
    ///
    /// # Errors
    /// More labels than segments can be, or none.
    pub(super) fn read(source: &Source, column: usize, folder: &Path) -> Result<Self> {
        let name = &source.columns()[column].name;
        let mut labels = BTreeSet::new();
        each(source, column, |found| {
            labels.extend(found.labels.into_iter().flatten());
            if labels.len() <= MOST_LABELS {
                return Ok(());
            }
            let text = format!(
                "column {name:?} has more than {MOST_LABELS} different values, so it is not one of labels; name that \
                 with --label-column"
            );
            Err(Error::usage(text).of_columns([name]).of_option("--label-column"))
        })?;
        let largest = match labels.last() {
            None => {
                let text = format!("column {name:?} has no label: every value is missing or negative");
                return Err(Error::input(text).of_columns([name]).of_option("--label-column"));
            }
            Some(Label::Number(number)) => usize::try_from(*number).unwrap_or(usize::MAX),
            Some(Label::Text(_)) => usize::MAX,
        };
        // Some segments may be empty.
        let numbered = largest < 2 * labels.len();
        let segments = if numbered { largest + 1 } else { labels.len() };
        let names = (!numbered).then(|| labels.iter().map(Label::text).collect());
        let number = |(i, label): (usize, Label)| match label {
            Label::Number(number) if numbered => (Label::Number(number), number as u32),
            label => (label, i as u32),
        };
        let numbers: BTreeMap<Label, u32> = labels.into_iter().enumerate().map(number).collect();
        let mut log = SegmentLog::new(folder, segments)?;
        let mut hasher = blake3::Hasher::new();
        each(source, column, |found| {
            let segment = |label: &Option<Label>| {
                label.as_ref().and_then(|label| numbers.get(label)).map_or(Segment::NONE, |&n| Segment::new(n))
            };
            let segments: Vec<Segment> = found.labels.iter().map(segment).collect();
            let rows: Vec<Segment> =
                found.places.iter().map(|place| place.map_or(Segment::NONE, |at| segments[at as usize])).collect();
            let bytes: Vec<u8> = rows.iter().flat_map(|segment| segment.code().to_le_bytes()).collect();
            hasher.update(&bytes);
            log.see(&rows)
        })?;
        Ok(GivenLabels { log, segments, names, blake3: hasher.finalize().to_hex().to_string() })
    }
}

/// Whether a column has the number of each row, from 0.
pub(super) fn numbered_from_0(source: &Source, column: usize) -> Result<bool> {
    let (mut next, mut ordered) = (0, true);
    each(source, column, |found| {
        for place in &found.places {
            let label = place.and_then(|at| found.labels[at as usize].as_ref());
            ordered &= label == Some(&Label::Number(next));
            next += 1;
        }
        Ok(())
    })?;
    Ok(ordered)
}

/// Calls `work` with the labels of all rows, in order.
fn each(source: &Source, column: usize, mut work: impl FnMut(CodedLabels) -> Result<()>) -> Result<()> {
    let mut stream = ColumnStream::new(source, column, 1);
    let mut left = source.rows();
    while left > 0 {
        let array = stream.next(left.min(ROWS as u64) as usize)?;
        left -= array.len() as u64;
        let name = &source.columns()[column].name;
        let found = CodedLabels::of(&array).map_err(|why| {
            Error::input(format!("cannot read the labels in column {name:?}: {why}")).of_columns([name])
        })?;
        work(found)?;
    }
    Ok(())
}

/// The labels of some rows.
struct CodedLabels {
    /// Those that occur.
    labels: Vec<Option<Label>>,
    /// The place of each row's label among them.
    places: UInt32Array,
}

impl CodedLabels {
    fn of(array: &ArrayRef) -> Result<Self, String> {
        let fail = |e: ArrowError| e.to_string();
        let is_number = ValueKind::of(array.data_type()) == ValueKind::Number;
        let array = match array.data_type() {
            integer if integer.is_integer() => array.clone(),
            _ if is_number => {
                let mut values = Vec::with_capacity(array.len());
                as_f64(array, &mut values)?;
                Arc::new(Float64Array::from(values))
            }
            _ => cast(array, &DataType::LargeUtf8).map_err(fail)?,
        };
        if let Some(coded) = Self::of_few_integers(&array).map_err(fail)? {
            return Ok(coded);
        }
        let coded = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(array.data_type().clone()));
        let coded = cast(&array, &coded).map_err(fail)?;
        let coded = coded.as_dictionary::<UInt32Type>();
        Ok(CodedLabels { labels: labels(coded.values()).map_err(fail)?, places: coded.keys().clone() })
    }

    /// The labels of integers that lie close together: without a hash of each.
    fn of_few_integers(array: &ArrayRef) -> Result<Option<Self>, ArrowError> {
        if !array.data_type().is_integer() || array.null_count() > 0 {
            return Ok(None);
        }
        let Ok(integers) = cast_with_options(array, &DataType::Int64, &EXACT_CAST) else { return Ok(None) };
        let integers = integers.as_primitive::<Int64Type>();
        let Some((low, high)) = min(integers).zip(max(integers)) else { return Ok(None) };
        let Some(span) = high.checked_sub(low).filter(|span| *span < ROWS as i64) else { return Ok(None) };
        let mut places = vec![u32::MAX; span as usize + 1];
        let mut found = Vec::new();
        let keys = integers.values().iter().map(|&v| {
            let place = &mut places[(v - low) as usize];
            if *place == u32::MAX {
                *place = found.len() as u32;
                found.push(v);
            }
            *place
        });
        let keys = UInt32Array::from_iter_values(keys);
        let labels = found.into_iter().map(|v| (v >= 0).then_some(Label::Number(v))).collect();
        Ok(Some(CodedLabels { labels, places: keys }))
    }
}

/// Labels from values that are integers, doubles or texts. pandas makes doubles of integers where one is missing.
fn labels(values: &ArrayRef) -> Result<Vec<Option<Label>>, ArrowError> {
    let number = |v: i64| (v >= 0).then_some(Label::Number(v));
    if let Some(doubles) = values.as_primitive_opt::<Float64Type>() {
        let label = |v: f64| match v {
            v if v.is_nan() || v < 0.0 => None,
            v if v.fract() == 0.0 && v.abs() < 1e15 => number(v as i64),
            v => Some(Label::Text(v.to_string())),
        };
        return Ok(doubles.iter().map(|v| v.and_then(label)).collect());
    }
    let texts = cast(values, &DataType::LargeUtf8)?;
    let is_integer = values.data_type().is_integer();
    let label = |text: &str| match text.parse() {
        Ok(integer) if is_integer => number(integer),
        _ => Some(Label::Text(text.to_owned())),
    };
    Ok(texts.as_string::<i64>().iter().map(|text| text.and_then(label)).collect())
}
