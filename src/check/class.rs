//! The classes of columns.

use arrow::datatypes::DataType;
use serde::Serialize;

use crate::input::ValueKind;

/// The class of a column, which determines its statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Integers, floats and decimals.
    Number,
    /// Booleans: numbers 0 and 1.
    Boolean,
    /// Dates and timestamps: days since 1970.
    Date,
    /// Text.
    Text,
    /// Anything else: only nulls and distinct values are counted.
    Other,
}

impl Class {
    pub(super) fn of(data_type: &DataType) -> Class {
        match ValueKind::of(data_type) {
            ValueKind::Number => Class::Number,
            ValueKind::Boolean => Class::Boolean,
            ValueKind::Date => Class::Date,
            ValueKind::Text => Class::Text,
            _ => Class::Other,
        }
    }

    pub(super) fn is_numeric(self) -> bool {
        matches!(self, Class::Number | Class::Boolean | Class::Date)
    }
}
