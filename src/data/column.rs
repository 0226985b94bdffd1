//! One column of one row group, decoded batch by batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, PrimitiveArray, StringArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::*;
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowSelection};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};

use super::footer::guarded;
use super::pages::GuardedGroup;
use super::range::RangeFile;
use super::sealed;
use super::source::{RowGroup, Source};
use crate::error::{Error, Result};

/// Rows decoded at a time: their f64 values stay in a core's first caches.
pub(crate) const BATCH_ROWS: usize = 8192;

const SECONDS_A_DAY: f64 = 86_400.0;

/// Decodes one column of one row group.
pub struct ColumnReader<'a> {
    source: &'a Source,
    group: RowGroup,
    column: usize,
    kind: ReaderKind,
}

enum ReaderKind {
    File(Box<ParquetRecordBatchReader>, RangeFile),
    /// A folder name: one value for all rows.
    Partition {
        text: Option<String>,
        value: Option<f64>,
        left: u64,
    },
}

impl<'a> ColumnReader<'a> {
    /// Opens the column chunk; nothing is decoded yet.
    pub fn open(source: &'a Source, group: RowGroup, column: usize) -> Result<Self> {
        let description = &source.columns()[column];
        let file = &source.files()[group.file];
        let kind = if description.is_partition {
            let text = file.partition(&description.name).map(str::to_owned);
            let value = text.as_ref().and_then(|text| text.parse().ok());
            ReaderKind::Partition { text, value, left: group.rows }
        } else {
            // A joined column lies in a file of its own, in row groups like these.
            let (range, metadata, index) = match description.joined {
                Some((table, _)) => {
                    let beside = source.joined()[table].beside().ok_or_else(|| {
                        Error::Internal(format!("{:?} is read before it is joined", description.name))
                    })?;
                    (beside.file.clone(), beside.metadata.clone(), group.number)
                }
                None => {
                    let metadata = &file.footer.metadata;
                    let root = metadata.schema().index_of(&description.name);
                    let root = root.map_err(|e| fault(source, group, column, &e.to_string()))?;
                    (file.open(group.index, root)?, metadata.clone(), group.index)
                }
            };
            if let Some(why) = file.footer.locked.get(&description.name).filter(|_| description.joined.is_none()) {
                let path = file.path.display();
                return Err(Error::Input(format!("{path}: column {:?} {why}", description.name)));
            }
            let reader = guarded(|| {
                let root = metadata.schema().index_of(&description.name)?;
                let mask = ProjectionMask::roots(metadata.parquet_schema(), [root]);
                let batch = BATCH_ROWS.min(group.rows as usize);
                let kept = source.kept(&group).map(|kept| RowSelection::from_boolean_buffer(kept.clone()));
                if sealed::is_sealed(&metadata, index, &mask)? {
                    return Ok(sealed::open(range.clone(), metadata, index, mask, batch, kept)?);
                }
                let fields = metadata.schema().fields();
                let levels = parquet_to_arrow_field_levels(metadata.parquet_schema(), mask, Some(fields))?;
                let pages = GuardedGroup::new(range.clone(), metadata.metadata().clone(), index);
                Ok::<_, ArrowError>(ParquetRecordBatchReader::try_new_with_row_groups(&levels, &pages, batch, kept)?)
            });
            let fail = |why: String| range.fault().unwrap_or_else(|| fault(source, group, column, &why));
            let reader = reader.map_err(fail)?;
            ReaderKind::File(Box::new(reader), range)
        };
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

    /// The next array as it is in the file; None after the last. A folder name is an array of f64 where all names of the
    /// key are numbers, else of text.
    pub fn next_array(&mut self) -> Result<Option<ArrayRef>> {
        let (source, group, column) = (self.source, self.group, self.column);
        match &mut self.kind {
            ReaderKind::File(reader, range) => match guarded(|| reader.next().transpose()) {
                Ok(batch) => Ok(batch.map(|b| b.column(0).clone())),
                Err(why) => Err(range.fault().unwrap_or_else(|| fault(source, group, column, sealed::told(&why)))),
            },
            ReaderKind::Partition { left: 0, .. } => Ok(None),
            ReaderKind::Partition { text, value, left } => {
                let n = (*left).min(BATCH_ROWS as u64);
                *left -= n;
                let rows = 0..n;
                Ok(Some(if source.columns()[column].data_type == DataType::Float64 {
                    Arc::new(rows.map(|_| *value).collect::<Float64Array>())
                } else {
                    Arc::new(rows.map(|_| text.as_deref()).collect::<StringArray>())
                }))
            }
        }
    }

    /// Appends the next values to `out`, nulls as NaN, and counts the nulls; false after the last.
    pub(super) fn next_values(&mut self, out: &mut Vec<f64>, nulls: &mut u64) -> Result<bool> {
        if let ReaderKind::Partition { value, left, .. } = &mut self.kind {
            let n = (*left).min(BATCH_ROWS as u64);
            *left -= n;
            *nulls += if value.is_none() { n } else { 0 };
            out.extend(std::iter::repeat_n(value.unwrap_or(f64::NAN), n as usize));
            return Ok(n > 0);
        }
        let (source, group, column) = (self.source, self.group, self.column);
        let Some(array) = self.next_array()? else { return Ok(false) };
        *nulls += array.logical_null_count() as u64;
        guarded(|| append_f64(&array, out)).map_err(|why| fault(source, group, column, &why))?;
        Ok(true)
    }
}

/// The values of a numeric, boolean or date array as f64, appended to `out`: nulls as NaN, dates and timestamps in days
/// since 1970.
///
/// # Errors
/// What the conversion says; not where it happened.
pub(crate) fn as_f64(array: &ArrayRef, out: &mut Vec<f64>) -> Result<(), String> {
    guarded(|| append_f64(array, out))
}

/// An error at a place in the data.
pub(crate) fn fault(source: &Source, group: RowGroup, column: usize, why: &str) -> Error {
    Error::Input(format!(
        "{}, row group {}, column {:?}: cannot be decoded: {why}; the file is corrupt or uses something that is not supported",
        source.files()[group.file].path.display(),
        group.index,
        source.columns()[column].name
    ))
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
        // Decimals of more than 38 digits: through the library's own conversion.
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
