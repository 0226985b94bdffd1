//! The operands of comparisons: columns, literals, and numbers calculated from them; and how values of different types
//! are made comparable without losing a digit.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray};
use arrow::buffer::NullBuffer;
use arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use arrow::compute::{cast, cast_with_options};
use arrow::datatypes::*;
use arrow::error::ArrowError;

use crate::input::{EXACT_CAST, ValueKind, as_f64};
use crate::text::ExactNumber;

/// Decimal digits of a 64-bit integer.
const INT_DIGITS: u8 = 19;
/// Decimal digits of the seconds of the year 9999.
const SECOND_DIGITS: u8 = 12;
const SECONDS_A_DAY: i64 = 86_400;

/// The kind of a value. Only values of the same kind can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperandKind {
    /// True or false.
    Boolean,
    /// Whole numbers, decimals, floating point.
    Number,
    /// Text.
    Text,
    /// Dates and timestamps, as seconds since 1970.
    Time,
    /// Values that can only be tested for null.
    Other,
}

impl OperandKind {
    /// The kind in a sentence.
    pub(super) fn name(self) -> &'static str {
        match self {
            OperandKind::Boolean => "true or false",
            OperandKind::Number => "a number",
            OperandKind::Text => "text",
            OperandKind::Time => "a date or time",
            OperandKind::Other => "of a type that cannot be compared",
        }
    }
}

/// How the numbers of an operand are represented; times are numbers of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// i64.
    Int,
    /// Decimals with `whole` digits before and `scale` after the decimal point.
    Decimal { whole: u8, scale: u8 },
    /// f64.
    Float,
}

impl Form {
    fn digits(self) -> (u8, u8) {
        match self {
            Form::Int => (INT_DIGITS, 0),
            Form::Decimal { whole, scale } => (whole, scale),
            Form::Float => (0, 0),
        }
    }

    /// The form in which values of both can be compared; None if it would need more than 76 digits.
    pub(super) fn common(self, other: Form) -> Option<Form> {
        match (self, other) {
            (Form::Float, _) | (_, Form::Float) => Some(Form::Float),
            (a, b) if a == b => Some(a),
            (a, b) => {
                let (whole, scale) = (a.digits().0.max(b.digits().0), a.digits().1.max(b.digits().1));
                (whole + scale <= DECIMAL256_MAX_PRECISION).then_some(Form::Decimal { whole, scale })
            }
        }
    }

    /// The arrow type of this form.
    pub(super) fn data_type(self) -> DataType {
        match self {
            Form::Int => DataType::Int64,
            Form::Float => DataType::Float64,
            Form::Decimal { whole, scale } if whole + scale <= DECIMAL128_MAX_PRECISION => {
                DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale as i8)
            }
            Form::Decimal { scale, .. } => DataType::Decimal256(DECIMAL256_MAX_PRECISION, scale as i8),
        }
    }
}

/// The kind of a column, and the form of its values after [`plain`].
pub(super) fn kind(data_type: &DataType) -> (OperandKind, Form) {
    let kind = match ValueKind::of(data_type) {
        ValueKind::Boolean => OperandKind::Boolean,
        ValueKind::Number => OperandKind::Number,
        ValueKind::Text => OperandKind::Text,
        ValueKind::Date => OperandKind::Time,
        _ => OperandKind::Other,
    };
    (kind, form(data_type))
}

/// How numbers and times of a type are represented.
fn form(data_type: &DataType) -> Form {
    use DataType as T;
    let decimal = |precision: u8, scale: i8| {
        let whole = i16::from(precision) - i16::from(scale);
        Form::Decimal { whole: whole.max(1) as u8, scale: scale.max(0) as u8 }
    };
    let seconds = |scale: u8| Form::Decimal { whole: INT_DIGITS - scale, scale };
    match data_type {
        T::UInt64 => decimal(20, 0),
        T::Float16 | T::Float32 | T::Float64 => Form::Float,
        T::Decimal32(p, s) | T::Decimal64(p, s) | T::Decimal128(p, s) | T::Decimal256(p, s) => decimal(*p, *s),
        T::Date64 => seconds(3),
        T::Timestamp(TimeUnit::Second, _) => Form::Int,
        T::Timestamp(unit, _) => seconds(digits(*unit)),
        T::Dictionary(_, values) => form(values),
        _ => Form::Int,
    }
}

/// Decimal digits of a second in this unit.
fn digits(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// An array converted to the type that stands for its kind and form: booleans, Utf8, i64, decimals, or f64 with NaN as
/// null.
pub(super) fn plain(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    use DataType as T;
    let (kind, form) = kind(array.data_type());
    if let T::Dictionary(_, values) = array.data_type() {
        return if kind == OperandKind::Other { Ok(array.clone()) } else { plain(&cast(array, values)?) };
    }
    match (kind, array.data_type()) {
        (OperandKind::Text, _) => convert(array, &T::Utf8),
        (OperandKind::Time, T::Date32) => {
            let seconds = |days: i32| i64::from(days) * SECONDS_A_DAY;
            Ok(Arc::new(array.as_primitive::<Date32Type>().unary::<_, Int64Type>(seconds)))
        }
        (OperandKind::Time, _) => {
            let ticks = cast(array, &T::Int64)?;
            Ok(match form {
                Form::Decimal { scale, .. } => Arc::new(fraction(&ticks, scale)?),
                _ => ticks,
            })
        }
        (OperandKind::Number, _) if form == Form::Float => floats(array),
        // A negative scale becomes zero; other decimals are unchanged.
        (OperandKind::Number, T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) | T::Decimal256(..)) => {
            convert(array, &form.data_type())
        }
        (OperandKind::Number, _) => convert(array, &form.data_type()),
        _ => Ok(array.clone()),
    }
}

/// i64 as decimals with `scale` digits after the decimal point.
fn fraction(ticks: &ArrayRef, scale: u8) -> Result<Decimal128Array, ArrowError> {
    let wide = ticks.as_primitive::<Int64Type>().unary::<_, Decimal128Type>(i128::from);
    wide.with_precision_and_scale(DECIMAL128_MAX_PRECISION, scale as i8)
}

/// A cast that fails if a value does not fit, instead of returning null.
pub(super) fn convert(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    match to {
        to if array.data_type() == to => Ok(array.clone()),
        DataType::Float64 => floats(array),
        to => cast_with_options(array, to, &EXACT_CAST),
    }
}

/// As f64; NaN becomes null, and -0 becomes 0, so that total order agrees with numeric comparison.
fn floats(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let mut values = Vec::with_capacity(array.len());
    as_f64(array, &mut values).map_err(ArrowError::ComputeError)?;
    let nulls: NullBuffer = values.iter().map(|v| !v.is_nan()).collect();
    values.iter_mut().for_each(|v| *v += 0.0);
    Ok(Arc::new(Float64Array::new(values.into(), Some(nulls))))
}

/// Makes floating-point results [`plain`] again.
pub(super) fn tidy(array: ArrayRef) -> Result<ArrayRef, ArrowError> {
    if *array.data_type() == DataType::Float64 { floats(&array) } else { Ok(array) }
}

/// A calculation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calculation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// A computation that yields one value per row.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// The position in the list of columns.
    Column(usize),
    /// An array of one value.
    Constant(ArrayRef),
    /// Converted to another arrow type.
    Converted(Box<Node>, DataType),
    Calculated(Calculation, Box<Node>, Box<Node>),
}

/// A [`Node`] and the kind and form of its values.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) node: Node,
    pub(super) kind: OperandKind,
    pub(super) form: Form,
    /// The type of a column in the file.
    pub(super) stored: Option<DataType>,
}

impl Operand {
    pub(super) fn constant(kind: OperandKind, form: Form, value: ArrayRef) -> Self {
        Operand { node: Node::Constant(value), kind, form, stored: None }
    }

    pub(super) fn boolean(value: bool) -> Self {
        Self::constant(OperandKind::Boolean, Form::Int, Arc::new(BooleanArray::from(vec![value])))
    }

    /// A finite number.
    pub(super) fn float(value: f64) -> Self {
        Self::constant(OperandKind::Number, Form::Float, Arc::new(Float64Array::from(vec![value + 0.0])))
    }

    pub(super) fn text(value: &str) -> Self {
        Self::constant(OperandKind::Text, Form::Int, Arc::new(StringArray::from(vec![value])))
    }

    /// A number in SQL notation: exact if it fits 38 digits, otherwise f64. None if it is not a number, or infinite.
    pub(super) fn number(text: &str) -> Option<Self> {
        let Some(ExactNumber { digits, whole, scale }) = ExactNumber::parse(text) else {
            let value: f64 = text.parse().ok().filter(|v: &f64| v.is_finite())?;
            return Some(Self::float(value));
        };
        if let (0, Ok(value)) = (scale, i64::try_from(digits)) {
            return Some(Self::constant(OperandKind::Number, Form::Int, Arc::new(Int64Array::from(vec![value]))));
        }
        let form = Form::Decimal { whole, scale };
        let value = Decimal128Array::from(vec![digits]).with_precision_and_scale(DECIMAL128_MAX_PRECISION, scale as i8);
        Some(Self::constant(OperandKind::Number, form, Arc::new(value.ok()?)))
    }

    /// `2026-01-31`.
    pub(super) fn date(text: &str) -> Option<Self> {
        let days = Date32Type::parse(text).filter(|_| text.len() == "2026-01-31".len())?;
        Some(Self::days(i64::from(days)))
    }

    /// A date, by its days since 1970.
    pub(super) fn days(days: i64) -> Self {
        let seconds = days * SECONDS_A_DAY;
        Self::constant(OperandKind::Time, Form::Int, Arc::new(Int64Array::from(vec![seconds])))
    }

    /// `2026-01-31 12:00:00`, optionally with a fraction of a second and an offset from UTC.
    pub(super) fn timestamp(text: &str) -> Option<Self> {
        let utc: Tz = "+00:00".parse().ok()?;
        let time = string_to_datetime(&utc, text).ok()?;
        let nanos = i128::from(time.timestamp()) * 1_000_000_000 + i128::from(time.timestamp_subsec_nanos());
        let nanos = Decimal128Array::from(vec![nanos]).with_precision_and_scale(DECIMAL128_MAX_PRECISION, 9).ok()?;
        let form = Form::Decimal { whole: SECOND_DIGITS, scale: 9 };
        Some(Self::constant(OperandKind::Time, form, Arc::new(nanos)))
    }

    pub(super) fn is_constant(&self) -> bool {
        matches!(self.node, Node::Constant(_))
    }

    /// The same values in another form.
    pub(super) fn to(self, form: Form) -> Result<Node, ArrowError> {
        Ok(match self.node {
            node if self.form == form => node,
            Node::Constant(value) => Node::Constant(convert(&value, &form.data_type())?),
            node => Node::Converted(Box::new(node), form.data_type()),
        })
    }

    /// A literal compared with a column of narrow floating point is rounded like the column's values.
    pub(super) fn rounded_like(self, column: &Operand) -> Result<Self, ArrowError> {
        match (&self.node, &column.stored) {
            (Node::Constant(value), Some(narrow @ (DataType::Float16 | DataType::Float32))) => {
                let value = floats(&cast(&floats(value)?, narrow)?)?;
                Ok(Self::constant(OperandKind::Number, Form::Float, value))
            }
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_where_they_fit() {
        let exact = Operand::number("9007199254740993").map(|o| o.form);
        assert_eq!(exact, Some(Form::Int));
        assert_eq!(Operand::number("1e40").map(|o| o.form), Some(Form::Float));
        assert!(Operand::number("1e400").is_none(), "infinite");
    }

    #[test]
    fn times() {
        let seconds = |o: Option<Operand>| match o.map(|o| o.node) {
            Some(Node::Constant(value)) => value.as_primitive_opt::<Int64Type>().map(|v| v.value(0)),
            _ => None,
        };
        assert_eq!(seconds(Operand::date("1970-01-02")), Some(86_400));
        for wrong in ["2026-02-30", "2026-1-1", "yesterday", "2026-01-01T00:00:00"] {
            assert!(Operand::date(wrong).is_none(), "{wrong}");
        }
        assert!(Operand::timestamp("2026-01-31 12:00:00.5").is_some());
        assert!(Operand::timestamp("noon").is_none());
    }
}
