//! Ids as numbers, for comparison and lookup.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::{cast, cast_with_options};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Int64Type, UInt64Type};
use arrow::error::ArrowError;

use super::column::{EXACT_CAST, as_f64};

/// The digits of every number that fits 64 bits.
const DIGITS_64: u8 = 18;

/// The type of ids once they are read: doubles and decimals become whole numbers.
pub(crate) fn id_type(stored: &DataType) -> DataType {
    use DataType as T;
    match stored {
        T::Float16 | T::Float32 | T::Float64 => T::Int64,
        T::Decimal32(p, s) | T::Decimal64(p, s) | T::Decimal128(p, s) | T::Decimal256(p, s) if *s > 0 => {
            match p.saturating_sub(*s as u8) {
                ..=DIGITS_64 => T::Int64,
                whole => T::Decimal128(whole.min(DECIMAL128_MAX_PRECISION), 0),
            }
        }
        other => other.clone(),
    }
}

/// Ids as whole numbers, where they are stored as doubles or as decimals with a fraction, so that 1, 1.0 and 1.00 are
/// the same customer. NaN is null. `first` is the number of the first row, for messages.
///
/// # Errors
/// The first id that is not a whole number, or so large that doubles skip whole numbers.
pub(crate) fn whole_ids(ids: &ArrayRef, first: u64) -> Result<ArrayRef, ArrowError> {
    let wanted = id_type(ids.data_type());
    let refuse =
        |row: usize, what: String| Err(ArrowError::ComputeError(format!("{what} (row {})", first + row as u64)));
    match ids.data_type() {
        stored if *stored == wanted => Ok(ids.clone()),
        stored if stored.is_floating() => {
            let mut values = Vec::with_capacity(ids.len());
            as_f64(ids, &mut values).map_err(ArrowError::ComputeError)?;
            // Up to 2^digits, numbers of the type hold all whole numbers.
            let digits = match stored {
                DataType::Float16 => 11,
                DataType::Float32 => 24,
                _ => 53,
            };
            let largest = (1u64 << digits) as f64;
            for (row, &v) in values.iter().enumerate().filter(|(_, v)| !v.is_nan()) {
                if v.fract() != 0.0 || v.is_infinite() {
                    return refuse(row, format!("id {v} is not a whole number"));
                }
                if v.abs() > largest {
                    let what = if digits == 53 { "doubles skip" } else { "numbers of its type skip" };
                    let why = "store the ids as integers or text";
                    return refuse(row, format!("id {v:e} is beyond 2^{digits}, where {what} whole numbers: {why}"));
                }
            }
            let whole = values.iter().map(|v| Some(*v as i64).filter(|_| !v.is_nan()));
            Ok(Arc::new(whole.collect::<Int64Array>()))
        }
        stored => {
            let scale = match stored {
                DataType::Decimal32(_, s) | DataType::Decimal64(_, s) => *s,
                DataType::Decimal128(_, s) | DataType::Decimal256(_, s) => *s,
                _ => 0,
            };
            let wide = cast_with_options(ids, &DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale), &EXACT_CAST)?;
            let wide = wide.as_primitive::<Decimal128Type>();
            let unit = (0..scale).fold(1i128, |unit, _| unit * 10);
            if let Some(row) = (0..wide.len()).find(|&row| wide.is_valid(row) && wide.value(row) % unit != 0) {
                return refuse(row, format!("id {} is not a whole number", wide.value_as_string(row)));
            }
            let whole = wide.unary::<_, Decimal128Type>(|v| v / unit);
            let whole = whole.with_precision_and_scale(DECIMAL128_MAX_PRECISION, 0)?;
            cast_with_options(&whole, &wanted, &EXACT_CAST)
        }
    }
}

/// A number for each id: a whole number is its own number; for anything else, 128 bits of BLAKE3 of its bytes. The
/// chance that two of a billion ids collide is 10^-21.
pub(crate) fn id_keys(ids: &ArrayRef) -> Result<Vec<Option<u128>>, ArrowError> {
    let key = |v: i128| v as u128;
    match ids.data_type() {
        DataType::UInt64 => Ok(ids.as_primitive::<UInt64Type>().iter().map(|v| v.map(u128::from)).collect()),
        DataType::Decimal128(_, 0) => Ok(ids.as_primitive::<Decimal128Type>().iter().map(|v| v.map(key)).collect()),
        DataType::Decimal32(_, 0) | DataType::Decimal64(_, 0) => {
            let wide = cast(ids, &DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0))?;
            Ok(wide.as_primitive::<Decimal128Type>().iter().map(|v| v.map(key)).collect())
        }
        stored if stored.is_integer() => {
            let wide = cast(ids, &DataType::Int64)?;
            Ok(wide.as_primitive::<Int64Type>().iter().map(|v| v.map(i128::from).map(key)).collect())
        }
        _ => {
            let key = |v: &[u8]| {
                let mut half = [0; 16];
                half.copy_from_slice(&blake3::hash(v).as_bytes()[..16]);
                u128::from_le_bytes(half)
            };
            Ok(id_bytes(ids)?.as_binary::<i64>().iter().map(|v| v.map(key)).collect())
        }
    }
}

/// Whether ids of this type are compared as whole numbers. Doubles and decimals are checked when they are read.
pub(crate) fn is_whole_id(id: &DataType) -> bool {
    use DataType as T;
    let id = id_type(id);
    id.is_integer() || matches!(id, T::Decimal32(_, 0) | T::Decimal64(_, 0) | T::Decimal128(_, 0))
}

/// The bytes of each id, as `LargeBinary`: binary ids unchanged, others as text, so that 42 and "42" are equal.
pub(crate) fn id_bytes(ids: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match ids.data_type() {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            cast(ids, &DataType::LargeBinary)
        }
        _ => cast(&cast(ids, &DataType::LargeUtf8)?, &DataType::LargeBinary),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, Float64Array, Int32Array, StringArray, UInt64Array};

    use super::*;

    #[test]
    fn keys_of_equal_ids_are_equal_whatever_their_type() {
        let of = |array: ArrayRef| id_keys(&array).unwrap();
        let small = of(Arc::new(Int32Array::from(vec![Some(7), None, Some(-1)])));
        assert_eq!(small, of(Arc::new(Int64Array::from(vec![Some(7), None, Some(-1)]))));
        let large = of(Arc::new(UInt64Array::from(vec![7, u64::MAX])));
        assert_eq!(large[0], small[0]);
        assert_ne!(large[1], small[2], "the largest number is not -1");
        let text = of(Arc::new(StringArray::from(vec![Some("7"), None])));
        assert_eq!((text[1], text.len()), (None, 2));
    }

    #[test]
    fn whole_doubles_and_decimals_are_ids_like_integers() {
        let decimals = |values: Vec<Option<i128>>, precision, scale| -> ArrayRef {
            Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap())
        };
        let integers: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None, Some(-1)]));
        let doubles: ArrayRef = Arc::new(Float64Array::from(vec![7.0, f64::NAN, -1.0]));
        let cents = decimals(vec![Some(700), None, Some(-100)], 18, 2);
        let wide = decimals(vec![Some(7), None, Some(-1)], 20, 0);
        let wide_cents = decimals(vec![Some(700), None, Some(-100)], 22, 2);
        for (ids, data_type) in [
            (&integers, DataType::Int64),
            (&doubles, DataType::Int64),
            (&cents, DataType::Int64),
            (&wide, DataType::Decimal128(20, 0)),
            (&wide_cents, DataType::Decimal128(20, 0)),
        ] {
            let whole = whole_ids(ids, 0).unwrap();
            assert_eq!((whole.data_type(), id_type(ids.data_type())), (&data_type, data_type.clone()));
            assert_eq!(id_keys(&whole).unwrap(), id_keys(&integers).unwrap(), "{data_type}");
            assert_eq!(&id_bytes(&whole).unwrap(), &id_bytes(&integers).unwrap(), "{data_type}");
        }
        let refused = |ids: &ArrayRef| whole_ids(ids, 40).unwrap_err().to_string();
        let doubles = |v: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![1.0, v])) };
        assert!(refused(&doubles(12.5)).contains("id 12.5 is not a whole number (row 41)"));
        assert!(refused(&doubles(1e17)).contains("id 1e17 is beyond 2^53"));
        assert!(refused(&doubles(f64::INFINITY)).contains("id inf is not a whole number"));
        assert!(refused(&decimals(vec![Some(100), Some(1250)], 18, 2)).contains("id 12.50 is not a whole number"));
        assert!(whole_ids(&doubles(9_007_199_254_740_992.0), 0).is_ok());
    }
}
