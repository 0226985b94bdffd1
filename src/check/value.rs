//! A value of a column, serialized to the matching JSON type.

use serde::Serialize;

use super::piece::Class;
use crate::text::date;

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A boolean.
    Truth(bool),
    /// A whole number that f64 holds exactly.
    Whole(i64),
    /// Any other number.
    Number(f64),
    /// Text, or a date as text; at most 60 characters.
    Text(String),
}

impl Value {
    pub(super) fn of(v: f64, class: Class) -> Value {
        match class {
            Class::Date => Value::Text(date(v)),
            Class::Boolean => Value::Truth(v != 0.0),
            _ if v.trunc() == v && v.abs() <= (1u64 << 53) as f64 => Value::Whole(v as i64),
            _ => Value::Number(v),
        }
    }
}
