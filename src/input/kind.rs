//! The kind of a column's values, independent of their Arrow type: the one classification that all modules share.

use arrow::datatypes::DataType;

/// The kind of the values of an Arrow type. Dictionaries have the kind of their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// True or false.
    Boolean,
    /// Integers, decimals and floating point.
    Number,
    /// Dates and timestamps.
    Date,
    /// Text.
    Text,
    /// Bytes.
    Binary,
    /// A column without a type: every value is null.
    Null,
    /// Times of day, durations and intervals.
    Duration,
    /// Lists, structs, maps and unions.
    Nested,
}

impl ValueKind {
    /// The kind of a type.
    pub(crate) fn of(data_type: &DataType) -> Self {
        use DataType as T;
        match data_type {
            T::Boolean => ValueKind::Boolean,
            T::Float16 | T::Float32 | T::Float64 => ValueKind::Number,
            T::Int8 | T::Int16 | T::Int32 | T::Int64 => ValueKind::Number,
            T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => ValueKind::Number,
            T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) | T::Decimal256(..) => ValueKind::Number,
            T::Date32 | T::Date64 | T::Timestamp(..) => ValueKind::Date,
            T::Utf8 | T::LargeUtf8 | T::Utf8View => ValueKind::Text,
            T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => ValueKind::Binary,
            T::Null => ValueKind::Null,
            T::Time32(_) | T::Time64(_) | T::Duration(_) | T::Interval(_) => ValueKind::Duration,
            T::Dictionary(_, values) => ValueKind::of(values),
            _ => ValueKind::Nested,
        }
    }

    /// Whether a value can be read as f64: booleans as 0 and 1, dates as days since 1970.
    pub(crate) fn is_numeric(self) -> bool {
        matches!(self, ValueKind::Boolean | ValueKind::Number | ValueKind::Date)
    }

    /// Why a column of this kind cannot be a feature; None if it can.
    pub(crate) fn unusable(self) -> Option<&'static str> {
        match self {
            ValueKind::Boolean | ValueKind::Number | ValueKind::Date => None,
            ValueKind::Text => Some("text"),
            ValueKind::Binary => Some("binary"),
            ValueKind::Null => Some("always null"),
            ValueKind::Duration => Some("a time of day or a duration"),
            ValueKind::Nested => Some("nested"),
        }
    }
}
