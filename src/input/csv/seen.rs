//! What the fields of a column look like, over all rows, and the type that follows. Counts and masks merge in any
//! order; only the first odd value is that of the first block.

use std::collections::HashMap;

use arrow::datatypes::{DataType, TimeUnit};

use super::moment::may_be_date;
use super::number::{NumberStyle, look};
use super::options::CsvFormat;
use crate::text::beginning;

/// What was seen in a column.
#[derive(Debug, Clone)]
pub(super) struct ColumnSeen {
    /// Fields that are not missing in any column.
    values: u64,
    numbers: u64,
    moments: u64,
    flags: u64,
    /// Fields that are missing among numbers, such as NA.
    codes: u64,
    /// The number styles that all numbers have, and those in which one is not an integer.
    styles: u8,
    real: u8,
    padded: bool,
    long: bool,
    /// The day styles that all dates have.
    days: u16,
    timed: u64,
    zoned: u64,
    /// The first value that is text: its row in the block until it is merged, then its line.
    odd: Option<OddValue>,
}

/// A value that is neither a number nor a date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OddValue {
    pub(super) place: u64,
    pub(super) text: String,
}

/// The type of a column, and how its fields are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CsvType {
    /// Every field is missing.
    Missing,
    Integer(NumberStyle),
    Real(NumberStyle),
    Flag,
    /// Days, in the day style with this number.
    Day(usize),
    /// Days with a time of day, and whether with an offset from UTC.
    Moment(usize, bool),
    Text,
}

/// A column of all files.
#[derive(Debug)]
pub(super) struct SettledColumn {
    pub(super) csv_type: CsvType,
    /// Why it is text, if there is more to it.
    pub(super) reason: Option<TextReason>,
}

/// The columns of all files, by name.
pub(super) type SettledColumns = HashMap<String, SettledColumn>;

/// Why a column of numbers or dates is text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TextReason {
    /// Nearly all values are numbers or dates, but not this one.
    Odd(OddValue, u64),
    /// Days and months could be swapped.
    AmbiguousDays,
    /// A mark could be that of decimals or of thousands.
    AmbiguousNumbers,
    /// Zeros in front.
    Padded,
    /// More digits than an integer has.
    Long,
}

impl Default for ColumnSeen {
    fn default() -> Self {
        ColumnSeen {
            values: 0,
            numbers: 0,
            moments: 0,
            flags: 0,
            codes: 0,
            styles: u8::MAX,
            real: 0,
            padded: false,
            long: false,
            days: u16::MAX,
            timed: 0,
            zoned: 0,
            odd: None,
        }
    }
}

/// Whether a field is `true` or `false`.
pub(super) fn flag(field: &[u8]) -> Option<bool> {
    match field.len() {
        4 if field.eq_ignore_ascii_case(b"true") => Some(true),
        5 if field.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

impl ColumnSeen {
    /// Adds a field of a row of the block.
    pub(super) fn add(&mut self, field: &str, row: usize, format: &CsvFormat) {
        let bytes = field.as_bytes().trim_ascii();
        if format.missing.is_missing(bytes) {
            return;
        }
        self.values += 1;
        if let Some(look) = look(bytes, &format.numbers) {
            self.numbers += 1;
            self.styles &= look.styles;
            self.real |= look.real;
            self.padded |= look.padded;
            self.long |= look.long;
            if format.names_days() {
                self.add_moment(bytes, format);
            }
        } else if format.missing.is_missing_number(bytes) {
            self.codes += 1;
        } else if flag(bytes).is_some() {
            self.flags += 1;
        } else if !self.add_moment(bytes, format) && self.odd.is_none() {
            self.odd = Some(OddValue { place: row as u64, text: beginning(field).into_owned() });
        }
    }

    /// Adds a date; false: it is none.
    fn add_moment(&mut self, bytes: &[u8], format: &CsvFormat) -> bool {
        if !format.names_days() && !may_be_date(bytes) {
            return false;
        }
        let (mut days, mut found) = (0, None);
        for (i, style) in format.days.iter().enumerate() {
            if let Some(moment) = style.moment(bytes) {
                days |= 1 << i;
                found = Some(moment);
            }
        }
        if let Some(moment) = found {
            self.moments += 1;
            self.days &= days;
            self.timed += u64::from(moment.has_time);
            self.zoned += u64::from(moment.has_zone);
        }
        found.is_some()
    }

    /// The first text of the column, if its place is still to be found.
    pub(super) fn odd(&mut self) -> Option<&mut OddValue> {
        self.odd.as_mut()
    }

    /// Adds what was seen in later rows.
    pub(super) fn merge(&mut self, other: ColumnSeen) {
        self.values += other.values;
        self.numbers += other.numbers;
        self.moments += other.moments;
        self.flags += other.flags;
        self.codes += other.codes;
        self.styles &= other.styles;
        self.real |= other.real;
        self.padded |= other.padded;
        self.long |= other.long;
        self.days &= other.days;
        self.timed += other.timed;
        self.zoned += other.zoned;
        self.odd = self.odd.take().or(other.odd);
    }

    /// The decimal mark, if all its numbers leave no doubt and one has such a mark.
    pub(super) fn decimal(&self, numbers: &[NumberStyle]) -> Option<u8> {
        let marked = self.real != 0 || self.styles & mask(numbers.len()) != mask(numbers.len());
        let mut decimals =
            numbers.iter().enumerate().filter(|(i, _)| self.styles >> i & 1 == 1).map(|(_, s)| s.decimal);
        let first = decimals.next().filter(|_| marked && self.is_numeric())?;
        decimals.all(|decimal| decimal == first).then_some(first)
    }

    fn is_numeric(&self) -> bool {
        self.numbers > 0 && self.numbers + self.codes == self.values
    }

    /// The type of the column, with the reason where it is text for one. `decimal` is the mark of the other columns.
    pub(super) fn settle(&self, format: &CsvFormat, decimal: Option<u8>) -> (CsvType, Option<TextReason>) {
        let rest = self.values - self.codes;
        if rest == 0 {
            return (CsvType::Missing, None);
        }
        if self.moments == rest {
            return self.settle_moment(format);
        }
        if self.flags == rest {
            return (CsvType::Flag, None);
        }
        if self.numbers < rest {
            let most = self.numbers.max(self.moments);
            let odd = self.odd.clone().filter(|_| most * 10 >= rest * 9 && most > 1);
            return (CsvType::Text, odd.map(|odd| TextReason::Odd(odd, rest - most)));
        }
        if self.padded {
            return (CsvType::Text, Some(TextReason::Padded));
        }
        let Some(at) = self.style(format, decimal) else {
            return (CsvType::Text, Some(TextReason::AmbiguousNumbers));
        };
        let style = format.numbers[at];
        match (self.real >> at & 1 == 1, self.long) {
            (true, _) => (CsvType::Real(style), None),
            (false, true) => (CsvType::Text, Some(TextReason::Long)),
            (false, false) => (CsvType::Integer(style), None),
        }
    }

    fn settle_moment(&self, format: &CsvFormat) -> (CsvType, Option<TextReason>) {
        let days = self.days & (((1u32 << format.days.len()) - 1) as u16);
        let is_zoned = self.zoned > 0;
        if days.count_ones() > 1 && !format.names_days() {
            return (CsvType::Text, Some(TextReason::AmbiguousDays));
        }
        if days == 0 || (is_zoned && self.zoned < self.moments) {
            return (CsvType::Text, None);
        }
        let at = days.trailing_zeros() as usize;
        (if self.timed > 0 { CsvType::Moment(at, is_zoned) } else { CsvType::Day(at) }, None)
    }

    /// The number of the style in which all numbers are read. The plainest is first; where a mark could be either,
    /// that of the other columns decides, and a plain decimal point needs no other columns.
    fn style(&self, format: &CsvFormat, decimal: Option<u8>) -> Option<usize> {
        let fits = |at: &usize| self.styles >> at & 1 == 1;
        let all: Vec<usize> = (0..format.numbers.len()).filter(fits).collect();
        let first = *all.first()?;
        let is_certain = all.iter().all(|&at| format.numbers[at].decimal == format.numbers[first].decimal);
        let has_mark = all.len() < format.numbers.len() || self.real != 0;
        if is_certain || !has_mark {
            return Some(first);
        }
        match decimal {
            Some(decimal) => all.into_iter().find(|&at| format.numbers[at].decimal == decimal),
            None => (first == 0 && self.real & 1 == 1).then_some(first),
        }
    }
}

/// The lowest bits.
fn mask(bits: usize) -> u8 {
    ((1u16 << bits) - 1) as u8
}

impl CsvType {
    /// The type in Arrow.
    pub(super) fn data_type(&self) -> DataType {
        match self {
            CsvType::Missing => DataType::Null,
            CsvType::Integer(_) => DataType::Int64,
            CsvType::Real(_) => DataType::Float64,
            CsvType::Flag => DataType::Boolean,
            CsvType::Day(_) => DataType::Date32,
            CsvType::Moment(_, is_zoned) => DataType::Timestamp(TimeUnit::Microsecond, is_zoned.then(|| "UTC".into())),
            CsvType::Text => DataType::Utf8,
        }
    }

    /// Its name for users.
    pub(super) fn named(&self) -> &'static str {
        match self {
            CsvType::Missing => "without values",
            CsvType::Integer(_) => "integer",
            CsvType::Real(_) => "decimal",
            CsvType::Flag => "boolean",
            CsvType::Day(_) => "date",
            CsvType::Moment(..) => "timestamp",
            CsvType::Text => "text",
        }
    }
}
