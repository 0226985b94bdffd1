//! Ids as numbers, for comparison and lookup.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use arrow::error::ArrowError;

/// A number for each id: an integer is its own number; for anything else, 128 bits of BLAKE3 of its bytes. The chance
/// that two of a billion ids collide is 10^-21.
pub(super) fn id_keys(ids: &ArrayRef) -> Result<Vec<Option<u128>>, ArrowError> {
    if *ids.data_type() == DataType::UInt64 {
        return Ok(ids.as_primitive::<UInt64Type>().iter().map(|v| v.map(u128::from)).collect());
    }
    if ids.data_type().is_integer() {
        let wide = cast(ids, &DataType::Int64)?;
        // Negative numbers are kept distinct from unsigned ones.
        let key = |v: i64| if v < 0 { u128::from(v as u64) | 1 << 64 } else { v as u128 };
        return Ok(wide.as_primitive::<Int64Type>().iter().map(|v| v.map(key)).collect());
    }
    let key = |v: &[u8]| {
        let mut half = [0; 16];
        half.copy_from_slice(&blake3::hash(v).as_bytes()[..16]);
        u128::from_le_bytes(half)
    };
    Ok(id_bytes(ids)?.as_binary::<i64>().iter().map(|v| v.map(key)).collect())
}

/// The bytes of each id, as `LargeBinary`: binary ids unchanged, others as text, so that 42 and "42" are equal.
pub(super) fn id_bytes(ids: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match ids.data_type() {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            cast(ids, &DataType::LargeBinary)
        }
        _ => cast(&cast(ids, &DataType::LargeUtf8)?, &DataType::LargeBinary),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, Int64Array, StringArray, UInt64Array};

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
}
