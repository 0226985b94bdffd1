//! A value of a column, serialized to the matching JSON type.

use serde::Serialize;

use super::class::Class;
use crate::text::date;

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A boolean.
    Truth(bool),
    /// A whole number, exact: an integer in JSON, also beyond 2^53.
    Whole(i128),
    /// Any other number.
    Number(f64),
    /// A decimal of which f64 would lose digits, exact: text in JSON.
    Decimal(String),
    /// Text, or a date as text; at most 60 characters.
    Text(String),
}

impl Value {
    pub(super) fn of(v: f64, class: Class) -> Value {
        match class {
            Class::Date => Value::Text(date(v)),
            Class::Boolean => Value::Truth(v != 0.0),
            _ if v.trunc() == v && v.abs() <= (1u64 << 53) as f64 => Value::Whole(v as i128),
            _ => Value::Number(v),
        }
    }

    /// `digits` times 10^-`scale`, of which `nearest` is the nearest f64.
    pub(super) fn decimal(digits: i128, scale: i8, nearest: f64) -> Value {
        let unit = 10i128.saturating_pow(u32::from(scale.unsigned_abs()));
        if scale <= 0 {
            return digits.checked_mul(unit).map_or(Value::Number(nearest), Value::Whole);
        }
        let (whole, fraction) = (digits / unit, digits % unit);
        if fraction == 0 {
            return Value::Whole(whole);
        }
        let sign = if digits < 0 { "-" } else { "" };
        let fraction = format!("{:0width$}", fraction.unsigned_abs(), width = usize::from(scale.unsigned_abs()));
        let text = format!("{sign}{}.{}", whole.unsigned_abs(), fraction.trim_end_matches('0'));
        if nearest.to_string() == text { Value::Number(nearest) } else { Value::Decimal(text) }
    }

    /// As a number, if it is one; the nearest f64 where it has more digits.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Value::Whole(n) => Some(*n as f64),
            Value::Number(x) => Some(*x),
            Value::Decimal(text) => text.parse().ok(),
            Value::Truth(_) | Value::Text(_) => None,
        }
    }
}

impl std::fmt::Display for Value {
    /// With all its digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Truth(yes) => write!(f, "{yes}"),
            Value::Whole(n) => write!(f, "{n}"),
            Value::Number(x) => write!(f, "{x}"),
            Value::Decimal(text) | Value::Text(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_digits() {
        let told = |digits, scale| Value::decimal(digits, scale, digits as f64 / 10f64.powi(i32::from(scale)));
        assert_eq!(told(1_250, 2), Value::Number(12.5));
        assert_eq!(told(-5, 2), Value::Number(-0.05));
        assert_eq!(told(-300, 2), Value::Whole(-3));
        assert_eq!(told(12, -2), Value::Whole(1200));
        assert_eq!(told(-1_234_567_890_123_456_789, 2), Value::Decimal("-12345678901234567.89".into()));
        assert_eq!(told(10i128.pow(37) + 1, 0), Value::Whole(10i128.pow(37) + 1));
    }
}
