//! Amounts: converts arrays of numbers to words of 64 bits (see `money`).

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, cast_with_options};
use arrow::datatypes::{DataType, Decimal32Type, Decimal64Type, Decimal128Type, Float64Type, Int64Type};
use arrow::error::ArrowError;

use crate::input::EXACT_CAST;

/// The representation of a column's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AmountColumn {
    /// Integers, in units of 10^-scale.
    Exact {
        /// Digits after the point; 0 to 22.
        scale: u8,
    },
    /// f64.
    Float,
}

impl AmountColumn {
    /// The representation for a type; None if it has no numbers.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        use DataType as T;
        match data_type {
            T::Float16 | T::Float32 | T::Float64 => Some(AmountColumn::Float),
            t if t.is_integer() => Some(AmountColumn::Exact { scale: 0 }),
            // A power of ten beyond 10^22 is not exact in f64.
            T::Decimal32(_, scale) | T::Decimal64(_, scale) | T::Decimal128(_, scale) if (0..=22).contains(scale) => {
                Some(AmountColumn::Exact { scale: scale.unsigned_abs() })
            }
            _ => None,
        }
    }

    /// The representation of a product of two columns: integers if both are.
    pub(super) fn times(self, other: Self) -> Self {
        match (self, other) {
            (AmountColumn::Exact { scale: a }, AmountColumn::Exact { scale: b }) if a + b <= 22 => {
                AmountColumn::Exact { scale: a + b }
            }
            _ => AmountColumn::Float,
        }
    }

    /// 10^scale; 1 for f64.
    pub(super) fn unit(self) -> f64 {
        match self {
            AmountColumn::Exact { scale } => (0..scale).fold(1.0, |power, _| power * 10.0),
            AmountColumn::Float => 1.0,
        }
    }
}

/// The amounts of a batch.
#[derive(Debug)]
pub(super) struct Amounts {
    /// One word per row; undefined where it is null.
    pub(super) words: Vec<u64>,
    /// Which are null.
    pub(super) nulls: Option<NullBuffer>,
}

impl Amounts {
    /// The amounts of a batch: a column, or the product of two.
    ///
    /// # Errors
    /// An exact amount of more than 63 bits.
    pub(super) fn new(factors: &[ArrayRef], numbers: AmountColumn) -> Result<Self, ArrowError> {
        let nulls =
            factors.iter().fold(None, |all, array| NullBuffer::union(all.as_ref(), array.logical_nulls().as_ref()));
        let words = match (numbers, factors) {
            (AmountColumn::Exact { .. }, [one]) => integers(one)?.values().iter().map(|&v| v as u64).collect(),
            (AmountColumn::Exact { .. }, [one, two]) => {
                let (one, two) = (integers(one)?, integers(two)?);
                let product = |i: usize| match nulls.as_ref().is_some_and(|n| n.is_null(i)) {
                    true => Ok(0),
                    false => one.value(i).checked_mul(two.value(i)).map(|v| v as u64).ok_or_else(too_large),
                };
                (0..one.len()).map(product).collect::<Result<_, _>>()?
            }
            (AmountColumn::Float, [one]) => floats(one)?.values().iter().map(|v| v.to_bits()).collect(),
            (AmountColumn::Float, [one, two]) => {
                let (one, two) = (floats(one)?, floats(two)?);
                one.values().iter().zip(two.values()).map(|(a, b)| (a * b).to_bits()).collect()
            }
            _ => return Err(ArrowError::ComputeError("an amount has one factor or two".into())),
        };
        Ok(Amounts { words, nulls })
    }
}

fn too_large() -> ArrowError {
    ArrowError::ComputeError("an amount or a factor of it has more than 18 digits; convert the column to double".into())
}

/// Whole numbers as i64, decimals in units of their last digit.
pub(super) fn integers(array: &ArrayRef) -> Result<Int64Array, ArrowError> {
    match array.data_type() {
        DataType::Decimal32(..) => Ok(array.as_primitive::<Decimal32Type>().unary(i64::from)),
        DataType::Decimal64(..) => Ok(array.as_primitive::<Decimal64Type>().unary(|v| v)),
        DataType::Decimal128(..) => array
            .as_primitive::<Decimal128Type>()
            .try_unary::<_, Int64Type, _>(|v| i64::try_from(v).map_err(|_| too_large())),
        _ => {
            let wide = cast_with_options(array, &DataType::Int64, &EXACT_CAST).map_err(|_| too_large())?;
            Ok(wide.as_primitive::<Int64Type>().clone())
        }
    }
}

fn floats(array: &ArrayRef) -> Result<Float64Array, ArrowError> {
    match AmountColumn::of(array.data_type()) {
        Some(numbers @ AmountColumn::Exact { scale: 1.. }) => {
            let unit = numbers.unit();
            Ok(integers(array)?.unary(|v| v as f64 / unit))
        }
        _ => Ok(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone()),
    }
}
