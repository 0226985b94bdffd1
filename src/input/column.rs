//! One column of one row group, decoded batch by batch.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBufferBuilder, Float64Array, PrimitiveArray, StringArray, UInt32Array,
    new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{CastOptions, cast, cast_with_options, take};
use arrow::datatypes::*;
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, RowSelection};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};

use super::file::{BATCH_ROWS, GuardedGroup, RangeFile, is_int96, sealed};
use super::place::ColumnPlace;
use super::source::{RowGroup, Source};
use super::widen::is_within;
use crate::error::{Error, ErrorKind, Result};
use crate::panics::guarded;

/// A conversion in which a value that does not fit is an error, not null.
pub(crate) const EXACT_CAST: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };
const SECONDS_A_DAY: f64 = 86_400.0;

/// Decodes one column of one row group.
pub(crate) struct ColumnReader<'a> {
    source: &'a Source,
    group: RowGroup,
    column: usize,
    kind: ReaderKind,
}

enum ReaderKind {
    File {
        reader: Box<ParquetRecordBatchReader>,
        range: RangeFile,
        /// Whether arrays are converted to the column's type.
        converts: bool,
    },
    /// One value for all rows, as an array of length 1: a folder's name, or what a table's log says.
    Constant { value: ArrayRef, left: u64 },
}

impl<'a> ColumnReader<'a> {
    /// Opens the column chunk; nothing is decoded yet.
    pub(crate) fn open(source: &'a Source, group: RowGroup, column: usize) -> Result<Self> {
        let description = &source.columns()[column];
        let file = &source.files()[group.file];
        let refuse = |why: &str| fault(source, group, column, why);
        let everywhere = |value: ArrayRef| {
            let kind = ReaderKind::Constant { value, left: group.rows };
            Ok(ColumnReader { source, group, column, kind })
        };
        let chunk = match description.joined {
            Some((table, _)) => StoredChunk::joined(source, group, (table, &description.name))?,
            None => match file.column(&description.name).map(|c| &c.place) {
                Some(ColumnPlace::Root(root)) => StoredChunk {
                    range: file.open_column(group.index, *root)?,
                    metadata: file.footer.metadata.clone(),
                    group: group.index,
                    root: *root,
                    live: file.live(group.index),
                },
                Some(ColumnPlace::Folder(text) | ColumnPlace::Log(text)) => {
                    return everywhere(constant(text.as_deref(), &description.data_type).map_err(|why| refuse(&why))?);
                }
                Some(ColumnPlace::Unfit(why)) => return Err(refuse(&why.en)),
                Some(ColumnPlace::Locked(why)) => {
                    let path = file.path.display();
                    let error = Error::input(format!("{path}: column {:?} {why}", description.name));
                    return Err(error.of_columns([&description.name]).of_file(&file.path).of_option("--keys"));
                }
                None => return everywhere(new_null_array(&description.data_type, 1)),
            },
        };
        let (own, wanted) = (chunk.data_type(), &description.data_type);
        if *own == DataType::Null && *wanted != DataType::Null {
            return everywhere(new_null_array(wanted, 1));
        }
        let converts = *own != *wanted && (file.table().is_some() || chunk.can_become(wanted));
        let reader = guarded(|| chunk.decode(BATCH_ROWS.min(group.rows as usize), source.kept(&group)));
        let reader = reader.map_err(|why| chunk.range.fault().unwrap_or_else(|| refuse(&why)))?;
        let kind = ReaderKind::File { reader: Box::new(reader), range: chunk.range, converts };
        Ok(ColumnReader { source, group, column, kind })
    }

    /// All values of a column, nulls as NaN: for small tables.
    pub(crate) fn read_all(source: &'a Source, column: usize) -> Result<Vec<f64>> {
        let mut values = Vec::new();
        for &group in source.row_groups() {
            let mut reader = ColumnReader::open(source, group, column)?;
            while reader.next_values(&mut values, &mut 0)? {}
        }
        Ok(values)
    }

    /// The next array, of the column's type; of the file's own where the files do not agree about the type. None after
    /// the last.
    pub(crate) fn next_array(&mut self) -> Result<Option<ArrayRef>> {
        let (source, group, column) = (self.source, self.group, self.column);
        match &mut self.kind {
            ReaderKind::File { reader, range, converts } => {
                let next = || match reader.next().transpose()? {
                    Some(batch) if *converts => {
                        converted(batch.column(0), &source.columns()[column].data_type).map(Some)
                    }
                    batch => Ok(batch.map(|b| b.column(0).clone())),
                };
                let fail =
                    |why: String| range.fault().unwrap_or_else(|| fault(source, group, column, sealed::reworded(&why)));
                guarded(next).map_err(fail)
            }
            ReaderKind::Constant { left: 0, .. } => Ok(None),
            ReaderKind::Constant { value, left } => {
                let n = (*left).min(BATCH_ROWS as u64);
                *left -= n;
                let repeated = take(value, &UInt32Array::from(vec![0; n as usize]), None);
                repeated.map(Some).map_err(|e| fault(source, group, column, &e.to_string()))
            }
        }
    }

    /// Appends the next values to `out`, nulls as NaN, and counts the nulls; false after the last.
    pub(crate) fn next_values(&mut self, out: &mut Vec<f64>, nulls: &mut u64) -> Result<bool> {
        let (source, group, column) = (self.source, self.group, self.column);
        let Some(array) = self.next_array()? else { return Ok(false) };
        *nulls += array.logical_null_count() as u64;
        guarded(|| append_f64(&array, out)).map_err(|why| fault(source, group, column, &why))?;
        Ok(true)
    }
}

/// A column of a row group of a Parquet file.
struct StoredChunk<'a> {
    range: RangeFile,
    metadata: ArrowReaderMetadata,
    group: usize,
    root: usize,
    /// The rows that are not deleted; None: all.
    live: Option<&'a BooleanBuffer>,
}

impl StoredChunk<'_> {
    /// A column of a joined table, by the table's number and the name: in a file with the row groups of the input.
    fn joined(source: &Source, group: RowGroup, (table, name): (usize, &str)) -> Result<Self> {
        let beside = source.joined()[table].beside.as_ref();
        let beside = beside.ok_or_else(|| Error::Internal(format!("{name:?} is read before it is joined")))?;
        let root = beside.metadata.schema().index_of(name);
        let root = root.map_err(|e| Error::Internal(format!("a joined column is gone: {e}")))?;
        let (range, metadata) = (beside.file.clone(), beside.metadata.clone());
        Ok(StoredChunk { range, metadata, group: group.number, root, live: None })
    }

    fn data_type(&self) -> &DataType {
        self.metadata.schema().field(self.root).data_type()
    }

    /// Whether its values can be read as another type.
    fn can_become(&self, wanted: &DataType) -> bool {
        let is_moment = matches!(wanted, DataType::Timestamp(..)) && is_int96(self.metadata.metadata(), self.root);
        is_moment || is_within(self.data_type(), wanted)
    }

    /// A decoder of its rows, or of the `kept` ones among those that are not deleted.
    fn decode(&self, batch: usize, kept: Option<&BooleanBuffer>) -> Result<ParquetRecordBatchReader, ArrowError> {
        let (metadata, group) = (&self.metadata, self.group);
        let mask = ProjectionMask::roots(metadata.parquet_schema(), [self.root]);
        let kept = match (self.live, kept) {
            (Some(live), Some(kept)) => Some(within(live, kept)),
            (live, kept) => live.or(kept).cloned(),
        };
        let kept = kept.map(RowSelection::from_boolean_buffer);
        if sealed::is_sealed(metadata, group, &mask)? {
            return Ok(sealed::open(self.range.clone(), metadata.clone(), group, mask, batch, kept)?);
        }
        let fields = metadata.schema().fields();
        let levels = parquet_to_arrow_field_levels(metadata.parquet_schema(), mask, Some(fields))?;
        let pages = GuardedGroup::new(self.range.clone(), metadata.metadata().clone(), group);
        Ok(ParquetRecordBatchReader::try_new_with_row_groups(&levels, &pages, batch, kept)?)
    }
}

/// The rows of `live` that are also in `kept`, which has a bit for each of them.
fn within(live: &BooleanBuffer, kept: &BooleanBuffer) -> BooleanBuffer {
    let mut bits = BooleanBufferBuilder::new(live.len());
    bits.append_n(live.len(), false);
    live.set_indices().zip(kept).for_each(|(row, kept)| bits.set_bit(row, kept));
    bits.finish()
}

/// A value that is written as text, as an array of length 1. None is null.
fn constant(text: Option<&str>, data_type: &DataType) -> Result<ArrayRef, String> {
    let Some(text) = text else { return Ok(new_null_array(data_type, 1)) };
    let why = |e: &dyn std::fmt::Display| format!("the value {text:?} is not a valid {data_type}: {e}");
    if *data_type == DataType::Float64 {
        let value: f64 = text.parse().map_err(|e| why(&e))?;
        return Ok(Arc::new(Float64Array::from(vec![value])));
    }
    let array: ArrayRef = Arc::new(StringArray::from(vec![text]));
    converted(&array, data_type).map_err(|e| why(&e))
}

/// An array converted to another type; a value that does not fit is an error, never null.
fn converted(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == data_type || data_type.is_nested() {
        return Ok(array.clone());
    }
    match (array.data_type(), data_type) {
        (DataType::Timestamp(..), DataType::Timestamp(..)) => retimed(array, data_type),
        (DataType::Date32 | DataType::Date64 | DataType::Utf8, DataType::Timestamp(..)) => {
            let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
            retimed(&cast_with_options(array, &micros, &EXACT_CAST)?, data_type)
        }
        (own, DataType::Float64) if own.is_numeric() => {
            let mut values = Vec::with_capacity(array.len());
            append_f64(array, &mut values)?;
            Ok(Arc::new(Float64Array::new(values.into(), array.nulls().cloned())))
        }
        _ => cast_with_options(array, data_type, &EXACT_CAST),
    }
}

/// Timestamps in another unit and zone, which stand for the same moments. Digits that a coarser unit lacks are cut off.
fn retimed(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let per_second = |data_type: &DataType| match data_type {
        DataType::Timestamp(TimeUnit::Second, _) => 1i64,
        DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000_000,
        _ => 1_000_000_000,
    };
    let (from, per) = (per_second(array.data_type()), per_second(to));
    let ticks = cast(array, &DataType::Int64)?;
    let ticks = ticks.as_primitive::<Int64Type>();
    let unfit = |v: i64| ArrowError::ComputeError(format!("the time {v} (of {from} a second) does not fit {to}"));
    let changed: PrimitiveArray<Int64Type> = match per >= from {
        true => ticks.try_unary(|v| v.checked_mul(per / from).ok_or_else(|| unfit(v)))?,
        false => ticks.unary(|v| v.div_euclid(from / per)),
    };
    cast(&changed, to)
}

/// An array as text of the type `text`. Times of a zone that has a name are told in UTC, since only zones that are
/// offsets can be read.
///
/// # Errors
/// Values that have no text.
pub(crate) fn written_as(array: &ArrayRef, text: &DataType) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Timestamp(unit, Some(zone)) if zone.parse::<Tz>().is_err() => {
            let utc = DataType::Timestamp(*unit, Some("+00:00".into()));
            cast(&retimed(array, &utc)?, text)
        }
        _ => cast(array, text),
    }
}

/// The values of a numeric, boolean or date array as f64, appended to `out`: nulls as NaN, dates and timestamps in days
/// since 1970.
///
/// # Errors
/// The conversion's message, without the place.
pub(crate) fn as_f64(array: &ArrayRef, out: &mut Vec<f64>) -> Result<(), String> {
    guarded(|| append_f64(array, out))
}

/// An error at a place in the data.
pub(crate) fn fault(source: &Source, group: RowGroup, column: usize, why: &str) -> Error {
    Error::input(format!(
        "{}, row group {}, column {:?}: cannot be decoded: {why}; the file is corrupt or uses something that is not supported",
        source.files()[group.file].path.display(),
        group.index,
        source.columns()[column].name
    ))
    .of_columns([&source.columns()[column].name])
    .of_kind(ErrorKind::Corrupt)
    .of_file(&source.files()[group.file].path)
}

/// The values of a numeric, boolean or date array as f64, nulls as NaN; dates and timestamps in days since 1970.
fn append_f64(array: &ArrayRef, out: &mut Vec<f64>) -> Result<(), ArrowError> {
    use DataType as T;
    use TimeUnit as U;
    macro_rules! plain {
        ($t:ty) => {
            append(array.as_primitive::<$t>(), out, f64::from)
        };
    }
    match array.data_type() {
        T::Float64 => append(array.as_primitive::<Float64Type>(), out, |v| v),
        T::Float32 => plain!(Float32Type),
        T::Float16 => plain!(Float16Type),
        T::Int64 => append(array.as_primitive::<Int64Type>(), out, |v| v as f64),
        T::Int32 => plain!(Int32Type),
        T::Int16 => plain!(Int16Type),
        T::Int8 => plain!(Int8Type),
        T::UInt64 => append(array.as_primitive::<UInt64Type>(), out, |v| v as f64),
        T::UInt32 => plain!(UInt32Type),
        T::UInt16 => plain!(UInt16Type),
        T::UInt8 => plain!(UInt8Type),
        T::Decimal32(_, scale) => append(array.as_primitive::<Decimal32Type>(), out, decimal(*scale, f64::from)),
        T::Decimal64(_, scale) => append(array.as_primitive::<Decimal64Type>(), out, decimal(*scale, |v| v as f64)),
        T::Decimal128(_, scale) => {
            let decimals = array.as_primitive::<Decimal128Type>();
            // 64 bits are converted by one instruction, and almost every decimal fits them.
            if decimals.values().iter().all(|&v| i64::try_from(v).is_ok()) {
                append(decimals, out, decimal(*scale, |v| v as i64 as f64));
            } else {
                append(decimals, out, decimal(*scale, |v| v as f64));
            }
        }
        T::Date32 => plain!(Date32Type),
        T::Date64 => append(array.as_primitive::<Date64Type>(), out, days(1e3)),
        T::Timestamp(U::Second, _) => append(array.as_primitive::<TimestampSecondType>(), out, days(1.0)),
        T::Timestamp(U::Millisecond, _) => append(array.as_primitive::<TimestampMillisecondType>(), out, days(1e3)),
        T::Timestamp(U::Microsecond, _) => append(array.as_primitive::<TimestampMicrosecondType>(), out, days(1e6)),
        T::Timestamp(U::Nanosecond, _) => append(array.as_primitive::<TimestampNanosecondType>(), out, days(1e9)),
        T::Boolean => {
            let start = out.len();
            out.extend(array.as_boolean().values().iter().map(|bit| f64::from(u8::from(bit))));
            mark_nulls(array.nulls(), &mut out[start..]);
        }
        T::Dictionary(_, values) => return append_f64(&cast(array, values)?, out),
        // Decimals of more than 38 digits: by the library's conversion.
        _ => append(cast(array, &T::Float64)?.as_primitive::<Float64Type>(), out, |v| v),
    }
    Ok(())
}

fn append<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, out: &mut Vec<f64>, convert: impl Fn(T::Native) -> f64) {
    let start = out.len();
    out.extend(array.values().iter().map(|&v| convert(v)));
    mark_nulls(array.nulls(), &mut out[start..]);
}

fn mark_nulls(nulls: Option<&NullBuffer>, values: &mut [f64]) {
    if let Some(nulls) = nulls.filter(|n| n.null_count() > 0) {
        (!nulls.inner()).set_indices().for_each(|i| values[i] = f64::NAN);
    }
}

fn decimal<T>(scale: i8, convert: impl Fn(T) -> f64) -> impl Fn(T) -> f64 {
    // A power of ten up to 10^22 is exact, so the quotient is the nearest f64 wherever the integer is exact.
    // (`powi` may round differently from one platform to the next; products of exact powers do not.)
    let power = (0..scale.unsigned_abs()).fold(1.0, |p, _| p * 10.0);
    move |v| if scale >= 0 { convert(v) / power } else { convert(v) * power }
}

fn days(units_a_second: f64) -> impl Fn(i64) -> f64 {
    let unit = units_a_second * SECONDS_A_DAY;
    move |v| v as f64 / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_kept_of_rows_that_are_there() {
        let bits = |text: &str| text.bytes().map(|b| b == b'1').collect::<BooleanBuffer>();
        assert_eq!(within(&bits("1011001"), &bits("1010")), bits("1001000"));
        assert_eq!(within(&bits("000"), &bits("")), bits("000"));
        assert_eq!(within(&bits("111"), &bits("010")), bits("010"));
    }

    #[test]
    fn constants_are_of_their_type_or_refused() {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for text in ["2026-03-01 12:30:00.25", "2026-03-01T12:30:00.250000Z"] {
            let moment = constant(Some(text), &utc).unwrap();
            assert_eq!(moment.as_primitive::<TimestampMicrosecondType>().value(0), 1_772_368_200_250_000, "{text}");
            assert_eq!(*moment.data_type(), utc);
        }
        assert_eq!(
            constant(Some("12.50"), &DataType::Decimal128(10, 2)).unwrap().as_primitive::<Decimal128Type>().value(0),
            1250
        );
        assert!(constant(None, &DataType::Date32).unwrap().is_null(0));
        for (text, data_type) in
            [("300", DataType::Int8), ("maybe", DataType::Boolean), ("2026-02-30", DataType::Date32), ("x", utc)]
        {
            assert!(constant(Some(text), &data_type).is_err_and(|why| why.contains(text)), "{text}");
        }
    }
}
