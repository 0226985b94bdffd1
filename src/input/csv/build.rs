//! Fields of a column as an array of its type.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, NullArray, StringBuilder,
    TimestampMicrosecondBuilder,
};

use super::moment::{CsvMoment, DayStyle};
use super::number::{integer, real};
use super::options::CsvFormat;
use super::seen::{CsvType, flag};

/// A field that is not of the type that all fields of its column had before.
#[derive(Debug, Clone, Copy)]
pub(super) struct OtherType;

/// The array of a column, or [`OtherType`] if the file has changed since its types were found.
pub(super) fn array<'a>(
    fields: impl ExactSizeIterator<Item = &'a str>,
    csv_type: &CsvType,
    format: &CsvFormat,
) -> Result<ArrayRef, OtherType> {
    let rows = fields.len();
    macro_rules! typed {
        ($builder:expr, $value:expr) => {{
            let mut builder = $builder;
            for field in fields {
                builder.append_option(value(field, format, $value)?);
            }
            Ok(Arc::new(builder.finish()))
        }};
    }
    let moment = |field: &[u8], at: usize| format.days.get(at).and_then(|style: &DayStyle| style.moment(field));
    match csv_type {
        CsvType::Missing => Ok(Arc::new(NullArray::new(rows))),
        CsvType::Integer(style) => typed!(Int64Builder::with_capacity(rows), |field| integer(field, *style)),
        CsvType::Real(style) => typed!(Float64Builder::with_capacity(rows), |field| real(field, *style)),
        CsvType::Flag => typed!(BooleanBuilder::with_capacity(rows), flag),
        CsvType::Day(at) => {
            typed!(Date32Builder::with_capacity(rows), |field| moment(field, *at).map(CsvMoment::days))
        }
        CsvType::Moment(at, is_zoned) => {
            let builder = TimestampMicrosecondBuilder::with_capacity(rows);
            let builder = if *is_zoned { builder.with_timezone("UTC") } else { builder };
            typed!(builder, |field| moment(field, *at).map(|moment| moment.micros))
        }
        CsvType::Text => {
            let mut builder = StringBuilder::with_capacity(rows, rows * 8);
            for field in fields {
                builder.append_option(
                    Some(field).filter(|field| !format.missing.is_missing(field.as_bytes().trim_ascii())),
                );
            }
            Ok(Arc::new(builder.finish()))
        }
    }
}

/// The value of a field; None: it is missing.
fn value<T>(field: &str, format: &CsvFormat, of: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, OtherType> {
    let field = field.as_bytes().trim_ascii();
    // Codes that the user names may be numbers; others are none, so that most values need not be compared with them.
    if format.missing.is_missing(field) {
        return Ok(None);
    }
    match of(field) {
        None if format.missing.is_missing_number(field) => Ok(None),
        None => Err(OtherType),
        value => Ok(value),
    }
}
