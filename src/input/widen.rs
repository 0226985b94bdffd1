//! The narrowest type that holds the values of two types: what a column is read as when its files differ.

use arrow::datatypes::{DataType, TimeUnit};

/// The most digits of a decimal of 128 and of 256 bits.
const DIGITS_128: i16 = 38;
const DIGITS_256: i16 = 76;

/// The type that values of both can be read as, in any order of the two; None if there is none. Integers beside
/// floating point become doubles. Nanoseconds beside another unit become microseconds, since nanoseconds end in the
/// year 2262.
pub(super) fn common(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType as T;
    match (a, b) {
        _ if a == b => Some(a.clone()),
        (T::Null, other) | (other, T::Null) => Some(other.clone()),
        (T::Utf8 | T::LargeUtf8 | T::Utf8View, T::Utf8 | T::LargeUtf8 | T::Utf8View) => Some(T::LargeUtf8),
        (T::Timestamp(one, zone), T::Timestamp(other, also)) => {
            let zone = match (zone, also) {
                (Some(zone), Some(also)) => Some(if zone == also { zone.clone() } else { "UTC".into() }),
                (None, None) => None,
                // A local time is not a moment.
                _ => return None,
            };
            Some(T::Timestamp(common_unit(*one, *other), zone))
        }
        (T::Date32, T::Date64) | (T::Date64, T::Date32) => Some(T::Date64),
        (T::Date32 | T::Date64, T::Timestamp(unit, None)) | (T::Timestamp(unit, None), T::Date32 | T::Date64) => {
            Some(T::Timestamp(*unit, None))
        }
        (T::Float16, T::Float32) | (T::Float32, T::Float16) => Some(T::Float32),
        _ if is_number(a) && is_number(b) => Some(common_number(a, b)),
        _ => None,
    }
}

/// Whether every value of a type can be read as the other.
pub(super) fn is_within(own: &DataType, wanted: &DataType) -> bool {
    common(own, wanted).as_ref() == Some(wanted)
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_floating() || decimal_digits(data_type).is_some()
}

fn common_unit(a: TimeUnit, b: TimeUnit) -> TimeUnit {
    match (a, b) {
        _ if a == b => a,
        (TimeUnit::Second, TimeUnit::Millisecond) | (TimeUnit::Millisecond, TimeUnit::Second) => TimeUnit::Millisecond,
        _ => TimeUnit::Microsecond,
    }
}

/// The common type of two different types of numbers.
fn common_number(a: &DataType, b: &DataType) -> DataType {
    let (Some(one), Some(other)) = (digits(a), digits(b)) else { return DataType::Float64 };
    if a.is_integer() && b.is_integer() {
        let signed = a.is_signed_integer() || b.is_signed_integer();
        let fits = |t: &&DataType| {
            let (bits, needed) = (bits(t), |x: &DataType| bits(x) + u32::from(signed && x.is_unsigned_integer()));
            t.is_signed_integer() == signed && bits >= needed(a) && bits >= needed(b)
        };
        use DataType as T;
        let integers = [T::Int8, T::Int16, T::Int32, T::Int64, T::UInt8, T::UInt16, T::UInt32, T::UInt64];
        if let Some(integer) = integers.iter().find(fits) {
            return integer.clone();
        }
    }
    let (whole, scale) = (one.0.max(other.0), one.1.max(other.1));
    match whole + scale {
        digits if digits <= DIGITS_128 => DataType::Decimal128(digits as u8, scale as i8),
        digits if digits <= DIGITS_256 => DataType::Decimal256(digits as u8, scale as i8),
        _ => DataType::Float64,
    }
}

fn bits(integer: &DataType) -> u32 {
    integer.primitive_width().map_or(0, |bytes| 8 * bytes as u32)
}

/// Digits before and after the point; None for floating point.
fn digits(data_type: &DataType) -> Option<(i16, i16)> {
    use DataType as T;
    match data_type {
        T::Int8 | T::UInt8 => Some((3, 0)),
        T::Int16 | T::UInt16 => Some((5, 0)),
        T::Int32 | T::UInt32 => Some((10, 0)),
        T::Int64 => Some((19, 0)),
        T::UInt64 => Some((20, 0)),
        other => decimal_digits(other),
    }
}

fn decimal_digits(data_type: &DataType) -> Option<(i16, i16)> {
    use DataType as T;
    match data_type {
        T::Decimal32(p, s) | T::Decimal64(p, s) | T::Decimal128(p, s) | T::Decimal256(p, s) => {
            Some((i16::from(*p) - i16::from(*s), i16::from(*s).max(0)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_type_holds_the_values_of_both() {
        use DataType as T;
        let time = |unit, zone: Option<&str>| T::Timestamp(unit, zone.map(Into::into));
        let (s, ms, us, ns) = (TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond);
        let cases = [
            (T::Int32, T::Int64, Some(T::Int64)),
            (T::UInt8, T::Int8, Some(T::Int16)),
            (T::UInt32, T::Int32, Some(T::Int64)),
            (T::UInt16, T::UInt32, Some(T::UInt32)),
            (T::UInt64, T::Int64, Some(T::Decimal128(20, 0))),
            (T::Int64, T::Float64, Some(T::Float64)),
            (T::Float32, T::Int8, Some(T::Float64)),
            (T::Float16, T::Float32, Some(T::Float32)),
            (T::Decimal128(10, 2), T::Decimal128(12, 4), Some(T::Decimal128(12, 4))),
            (T::Decimal128(20, 0), T::Decimal128(20, 2), Some(T::Decimal128(22, 2))),
            (T::Decimal128(38, 0), T::Decimal128(38, 10), Some(T::Decimal256(48, 10))),
            (T::Decimal128(10, 2), T::Int64, Some(T::Decimal128(21, 2))),
            (T::Decimal128(10, 2), T::Float32, Some(T::Float64)),
            (T::Decimal64(10, -2), T::Decimal64(10, 0), Some(T::Decimal128(12, 0))),
            (time(s, None), time(ms, None), Some(time(ms, None))),
            (time(ms, None), time(us, None), Some(time(us, None))),
            (time(ns, None), time(us, None), Some(time(us, None))),
            (time(ns, Some("UTC")), time(ms, Some("Europe/Berlin")), Some(time(us, Some("UTC")))),
            (time(us, None), time(us, Some("UTC")), None),
            (T::Date32, time(ms, None), Some(time(ms, None))),
            (T::Date32, time(ms, Some("UTC")), None),
            (T::Utf8, T::Utf8View, Some(T::LargeUtf8)),
            (T::Null, T::Boolean, Some(T::Boolean)),
            (T::Boolean, T::Int8, None),
            (T::Utf8, T::Int64, None),
            (T::Utf8, T::Binary, None),
        ];
        for (a, b, expected) in cases {
            assert_eq!(common(&a, &b), expected, "{a} and {b}");
            assert_eq!(common(&b, &a), expected, "{b} and {a}");
        }
    }
}
