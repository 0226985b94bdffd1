//! Converts customers to batches of the output table.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, LargeStringArray, RecordBatch, UInt64Array};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;

use super::customer::CustomerValues;
use super::group::Ids;
use crate::error::{Error, Result};

/// A partition's customers as a batch of the output.
pub(super) fn batch(schema: &SchemaRef, ids: Ids, columns: Vec<CustomerValues>) -> Result<RecordBatch> {
    let make = || {
        let mut arrays = vec![names(ids, schema.field(0).data_type())?];
        arrays.extend(columns.into_iter().map(|values| -> ArrayRef {
            match values {
                CustomerValues::Counts(counts) => Arc::new(Int64Array::from(counts)),
                CustomerValues::Numbers(numbers) => {
                    let nulls = NullBuffer::from_iter(numbers.iter().map(|v| !v.is_nan()));
                    Arc::new(Float64Array::new(numbers.into(), Some(nulls).filter(|n| n.null_count() > 0)))
                }
            }
        }));
        RecordBatch::try_new(schema.clone(), arrays)
    };
    make().map_err(|e: ArrowError| internal(&e))
}

fn names(ids: Ids, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let array: ArrayRef = match ids {
        Ids::Numbers(keys) if *data_type == DataType::UInt64 => Arc::new(UInt64Array::from(keys)),
        Ids::Numbers(keys) => Arc::new(Int64Array::from_iter_values(keys.iter().map(|key| (key ^ 1 << 63) as i64))),
        Ids::Texts(names) => {
            let texts = names.iter().map(|name| std::str::from_utf8(name)).collect::<Result<Vec<&str>, _>>();
            let texts = texts.map_err(|e| ArrowError::ComputeError(e.to_string()))?;
            Arc::new(LargeStringArray::from(texts))
        }
    };
    if array.data_type() == data_type { Ok(array) } else { cast(&array, data_type) }
}

fn internal(e: &ArrowError) -> Error {
    Error::Internal(format!("putting the customer table together: {e}"))
}
