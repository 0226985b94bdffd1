//! What a text is, if it is a value of another type: the styles of CSV files, for text of any origin.

use super::moment::{day_styles, may_be_date};
use super::number::{GroupMark, NumberStyle, look};

/// The type that a text could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WrittenValue {
    /// Digits without any mark.
    Digits,
    /// Digits with a zero in front, as identifiers have.
    Padded,
    /// A number with a decimal mark, groups of thousands or an exponent.
    Number,
    /// A day, possibly with a time.
    Moment,
}

/// Every decimal mark with every mark between thousands.
const STYLES: [NumberStyle; 6] = [
    NumberStyle { decimal: b'.', group: Some(GroupMark::Byte(b',')) },
    NumberStyle { decimal: b'.', group: Some(GroupMark::Byte(b'\'')) },
    NumberStyle { decimal: b'.', group: Some(GroupMark::Space) },
    NumberStyle { decimal: b',', group: Some(GroupMark::Byte(b'.')) },
    NumberStyle { decimal: b',', group: Some(GroupMark::Byte(b'\'')) },
    NumberStyle { decimal: b',', group: Some(GroupMark::Space) },
];

/// What a text is in any style; None: neither a number nor a moment.
pub(crate) fn written_value(text: &str) -> Option<WrittenValue> {
    if let Some(look) = look(text.as_bytes(), &STYLES) {
        let is_plain = text.trim_start_matches(['+', '-']).bytes().all(|b| b.is_ascii_digit());
        return Some(match is_plain {
            true if look.padded => WrittenValue::Padded,
            true => WrittenValue::Digits,
            false => WrittenValue::Number,
        });
    }
    let is_moment = || day_styles(None).iter().any(|style| style.moment(text.as_bytes()).is_some());
    (may_be_date(text.as_bytes()) && is_moment()).then_some(WrittenValue::Moment)
}
