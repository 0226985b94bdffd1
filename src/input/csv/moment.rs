//! Dates and times as people write them.
//!
//! A day is written year-month-day, day-month-year or month-day-year; a time may follow. Which one a column has follows
//! from all its values, unless the user names a format.

use std::str::FromStr;

use crate::error::{Error, Result};
use crate::text::day_of;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A way to write a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DayStyle {
    /// The order of its parts, and the character between them.
    Parts(DayOrder, u8),
    /// As the user wrote it.
    Named(MomentFormat),
}

/// The order of the parts of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DayOrder {
    YearFirst,
    DayFirst,
    MonthFirst,
}

/// A format such as `%d.%m.%Y %H:%M`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MomentFormat {
    text: String,
    items: Vec<FormatItem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FormatItem {
    Year,
    ShortYear,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Literal(u8),
}

/// A point in time, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CsvMoment {
    pub(super) micros: i64,
    /// Whether a time was given, beside the day.
    pub(super) has_time: bool,
    /// Whether an offset from UTC was given, which was subtracted.
    pub(super) has_zone: bool,
}

impl CsvMoment {
    /// The day, since 1970.
    pub(super) fn days(self) -> i32 {
        self.micros.div_euclid(DAY) as i32
    }
}

/// The styles that are recognised, with the user's in front. A date of digits and points is always day first: nobody
/// writes the month first with points.
pub(super) fn day_styles(named: Option<MomentFormat>) -> Vec<DayStyle> {
    use DayOrder as O;
    let iso = DayStyle::Parts(O::YearFirst, b'-');
    if let Some(named) = named {
        return vec![DayStyle::Named(named), iso];
    }
    let mut styles = vec![iso, DayStyle::Parts(O::YearFirst, b'/'), DayStyle::Parts(O::YearFirst, b'.')];
    styles.push(DayStyle::Parts(O::DayFirst, b'.'));
    for mark in [b'/', b'-'] {
        styles.extend([DayStyle::Parts(O::DayFirst, mark), DayStyle::Parts(O::MonthFirst, mark)]);
    }
    styles
}

impl DayStyle {
    /// The point in time of a text in this style; None: it is in another.
    pub(super) fn moment(&self, text: &[u8]) -> Option<CsvMoment> {
        match self {
            DayStyle::Parts(order, mark) => of_parts(text, *order, *mark),
            DayStyle::Named(format) => format.moment(text),
        }
    }

    /// Whether the parts have this order.
    pub(super) fn is_order(&self, order: DayOrder) -> bool {
        matches!(self, DayStyle::Parts(own, _) if *own == order)
    }

    /// How to name it.
    pub(super) fn named(&self) -> String {
        match self {
            DayStyle::Parts(order, mark) => {
                let [a, b, c] = match order {
                    DayOrder::YearFirst => ["%Y", "%m", "%d"],
                    DayOrder::DayFirst => ["%d", "%m", "%Y"],
                    DayOrder::MonthFirst => ["%m", "%d", "%Y"],
                };
                let mark = char::from(*mark);
                format!("{a}{mark}{b}{mark}{c}")
            }
            DayStyle::Named(format) => format.text.clone(),
        }
    }
}

/// Whether a text could begin a date in any style without a name: digits, and a mark after one to four of them.
pub(super) fn may_be_date(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    text.len() >= 8 && matches!(digits, 1 | 2 | 4) && matches!(text[digits], b'-' | b'/' | b'.')
}

/// Reads between `least` and `most` digits.
fn digits(text: &mut &[u8], least: usize, most: usize) -> Option<i64> {
    let n = text.iter().take(most).take_while(|b| b.is_ascii_digit()).count();
    let (head, rest) = text.split_at(n);
    *text = rest;
    (n >= least).then(|| head.iter().fold(0, |sum, b| sum * 10 + i64::from(b - b'0')))
}

fn literal(text: &mut &[u8], byte: u8) -> Option<()> {
    let rest = text.strip_prefix(&[byte])?;
    *text = rest;
    Some(())
}

fn of_parts(text: &[u8], order: DayOrder, mark: u8) -> Option<CsvMoment> {
    let mut rest = text;
    let widths: [(usize, usize); 3] = match order {
        DayOrder::YearFirst => [(4, 4), (1, 2), (1, 2)],
        _ => [(1, 2), (1, 2), (4, 4)],
    };
    let mut parts = [0; 3];
    for (i, (least, most)) in widths.into_iter().enumerate() {
        if i > 0 {
            literal(&mut rest, mark)?;
        }
        parts[i] = digits(&mut rest, least, most)?;
    }
    let [a, b, c] = parts;
    let day = match order {
        DayOrder::YearFirst => day_of(a, b, c),
        DayOrder::DayFirst => day_of(c, b, a),
        DayOrder::MonthFirst => day_of(c, a, b),
    }?;
    let (time, zone) = time_of_day(rest)?;
    let micros = day * DAY + time.unwrap_or(0) - zone.unwrap_or(0);
    Some(CsvMoment { micros, has_time: time.is_some(), has_zone: zone.is_some() })
}

/// A time of day after a date, such as `T13:05:09.25+02:00`, in microseconds, and its offset from UTC.
fn time_of_day(text: &[u8]) -> Option<(Option<i64>, Option<i64>)> {
    if text.is_empty() {
        return Some((None, None));
    }
    let mut rest = text.strip_prefix(b"T").or(text.strip_prefix(b" "))?;
    let hour = digits(&mut rest, 2, 2)?;
    literal(&mut rest, b':')?;
    let minute = digits(&mut rest, 2, 2)?;
    let (mut second, mut fraction) = (0, 0);
    if literal(&mut rest, b':').is_some() {
        second = digits(&mut rest, 2, 2)?;
        if literal(&mut rest, b'.').or_else(|| literal(&mut rest, b',')).is_some() {
            fraction = micros(&mut rest)?;
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let time = ((hour * 60 + minute) * 60 + second) * SECOND + fraction;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let zone = match rest {
        [] => None,
        b"Z" | b"z" | b"UTC" => Some(0),
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let mut rest = rest;
            let hours = digits(&mut rest, 2, 2)?;
            let _ = literal(&mut rest, b':');
            let minutes = if rest.is_empty() { 0 } else { digits(&mut rest, 2, 2)? };
            if !rest.is_empty() || hours > 18 || minutes > 59 {
                return None;
            }
            let offset = (hours * 60 + minutes) * 60 * SECOND;
            Some(if *sign == b'-' { -offset } else { offset })
        }
        _ => return None,
    };
    Some((Some(time), zone))
}

/// A fraction of a second of up to nine digits; None if it has nanoseconds, which would be lost.
fn micros(text: &mut &[u8]) -> Option<i64> {
    let before = text.len();
    let value = digits(text, 1, 9)?;
    let nanos = value * 10i64.pow(9 - (before - text.len()) as u32);
    (nanos % 1000 == 0).then_some(nanos / 1000)
}

impl MomentFormat {
    fn moment(&self, text: &[u8]) -> Option<CsvMoment> {
        let (mut year, mut month, mut day) = (None, 1, 1);
        let (mut time, mut has_time, mut rest) = (0, false, text);
        for item in &self.items {
            let limits = match item {
                FormatItem::Literal(byte) => {
                    literal(&mut rest, *byte)?;
                    continue;
                }
                FormatItem::Year => 9999,
                FormatItem::ShortYear => 99,
                FormatItem::Month => 12,
                FormatItem::Day => 31,
                FormatItem::Hour => 23,
                FormatItem::Minute | FormatItem::Second => 59,
            };
            let value = match item {
                FormatItem::Year => digits(&mut rest, 4, 4)?,
                _ => digits(&mut rest, 1, 2)?,
            };
            if value > limits {
                return None;
            }
            match item {
                FormatItem::Year => year = Some(value),
                // As POSIX has it: 69 to 99 are of the last century.
                FormatItem::ShortYear => year = Some(value + if value < 69 { 2000 } else { 1900 }),
                FormatItem::Month => month = value,
                FormatItem::Day => day = value,
                FormatItem::Hour => (time, has_time) = (time + value * 3600, true),
                FormatItem::Minute => time += value * 60,
                FormatItem::Second => time += value,
                FormatItem::Literal(_) => {}
            }
        }
        if !rest.is_empty() {
            return None;
        }
        let micros = day_of(year?, month, day)? * DAY + time * SECOND;
        Some(CsvMoment { micros, has_time, has_zone: false })
    }
}

impl FromStr for MomentFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fault =
            |why: String| Error::usage(format!("--csv-date-format {text}: {why}")).of_option("--csv-date-format");
        let (mut items, mut chars) = (Vec::new(), text.chars());
        while let Some(c) = chars.next() {
            items.push(match c {
                '%' => match chars.next() {
                    Some('Y') => FormatItem::Year,
                    Some('y') => FormatItem::ShortYear,
                    Some('m') => FormatItem::Month,
                    Some('d') => FormatItem::Day,
                    Some('H') => FormatItem::Hour,
                    Some('M') => FormatItem::Minute,
                    Some('S') => FormatItem::Second,
                    other => {
                        let found = other.map_or_else(|| "% at the end".into(), |c| format!("%{c}"));
                        return Err(fault(format!("{found} is not known; use %Y %y %m %d %H %M %S")));
                    }
                },
                c if c.is_ascii() => FormatItem::Literal(c as u8),
                c => {
                    return Err(fault(format!("{c:?} is not ASCII; only %Y %y %m %d %H %M %S and marks are possible")));
                }
            });
        }
        let has = |item: FormatItem| items.contains(&item);
        if !(has(FormatItem::Year) || has(FormatItem::ShortYear)) || !has(FormatItem::Month) || !has(FormatItem::Day) {
            return Err(fault("a date needs %Y or %y, %m and %d, as in %d.%m.%Y".into()));
        }
        Ok(MomentFormat { text: text.into(), items })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, CsvMoment)> {
        let styles = day_styles(None);
        styles.iter().filter_map(|s| Some((s.named(), s.moment(text.as_bytes())?))).collect()
    }

    #[test]
    fn days_and_times() {
        let day = |text: &str| read(text).iter().map(|(_, m)| m.days()).collect::<Vec<_>>();
        assert_eq!(day("2026-10-01"), [20_727]);
        assert_eq!(day("1.10.2026"), [20_727]);
        // 3 April or 4 March.
        assert_eq!(day("03/04/2026"), [20_546, 20_516]);
        assert_eq!(day("31/12/9999"), [2_932_896]);
        let micros = |text: &str| read(text)[0].1.micros;
        assert_eq!(micros("2026-10-01T13:05:09.25"), 20_727 * DAY + 47_109_250_000);
        assert_eq!(micros("2026-10-01 13:05:09+02:00"), 20_727 * DAY + 39_909_000_000);
        assert_eq!(micros("1969-12-31 23:59"), -60 * SECOND);
        for text in ["2026-02-29", "2026-13-01", "2026-10-01x", "2026-10-01 25:00", "1.2.3", "2026-10-01 1:00", "0.5"] {
            assert_eq!(read(text), [], "{text}");
        }
        // A nanosecond would be lost.
        assert_eq!(read("2026-10-01 00:00:00.000000001"), []);
        assert_eq!(read("2026-10-01 00:00:00.000001000").len(), 1);
    }

    #[test]
    fn formats_by_name() {
        let of = |format: &str, text: &str| format.parse::<MomentFormat>().unwrap().moment(text.as_bytes());
        assert_eq!(of("%Y%m%d", "20261001").map(CsvMoment::days), Some(20_727));
        assert_eq!(of("%d.%m.%y", "01.10.26").map(CsvMoment::days), Some(20_727));
        assert_eq!(of("%d.%m.%Y %H:%M", "01.10.2026 13:05").map(|m| m.micros), Some(20_727 * DAY + 47_100 * SECOND));
        assert_eq!(of("%Y%m%d", "2026-10-01"), None);
        for format in ["%Q", "%Y-%m", "%", "%Y年%m%d"] {
            assert!(format.parse::<MomentFormat>().is_err(), "{format}");
        }
    }
}
