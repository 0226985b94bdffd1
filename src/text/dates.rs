//! Days since 1970 as people write them, and back.

use std::time::SystemTime;

/// Nanoseconds of a day.
pub(crate) const NANOS_A_DAY: i128 = 86_400 * 1_000_000_000;

/// `2026-10-01`, or `2026-10-01 13:05:09` where the day has a time; in the proleptic Gregorian calendar.
///
/// The calendar is H. Hinnant's *chrono-compatible low-level date algorithms*, `civil_from_days`.
pub(crate) fn date(days: f64) -> String {
    let day = days.floor();
    if !(-1e8..1e8).contains(&day) {
        return format!("day {days:.0}");
    }
    let z = day as i64 + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let d = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let seconds = ((days - day) * 86_400.0).round().min(86_399.0) as u64;
    let date = format!("{year:04}-{month:02}-{d:02}");
    if seconds == 0 {
        return date;
    }
    format!("{date} {:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A time of `ticks` of 10^-`scale` seconds since 1970, as [`date`] writes it, with the fraction of a second.
pub(crate) fn moment(ticks: i128, scale: u8) -> String {
    let second = 10i128.pow(u32::from(scale));
    let (day, tick) = (ticks.div_euclid(86_400 * second), ticks.rem_euclid(86_400 * second));
    let (seconds, fraction) = (tick / second, tick % second);
    let day = date(day as f64);
    if tick == 0 {
        return day;
    }
    let time = format!("{day} {:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 {
        return time;
    }
    let digits = format!("{fraction:0width$}", width = usize::from(scale));
    format!("{time}.{}", digits.trim_end_matches('0'))
}

/// The nanoseconds since 1970 of a date, or of a date and time such as `2026-10-01T13:05:09.5Z`: with `T` or a space
/// between, seconds and their fraction optional, and an offset from UTC if wanted. Digits beyond nanoseconds are cut
/// off. None for anything else.
pub(crate) fn parse_time(text: &str) -> Option<i128> {
    let Some(day) = text.get(..10).filter(|_| text.len() > 10) else { return Some(nanos_of_day(parse(text)?)) };
    let time = text[10..].strip_prefix(['T', 't', ' '])?;
    let (clock, offset) = match time.find(['Z', 'z', '+', '-']) {
        None => (time, 0),
        Some(at) if time[at..].eq_ignore_ascii_case("z") => (&time[..at], 0),
        Some(at) => {
            let sign = match time.as_bytes()[at] {
                b'-' => -1,
                b'+' => 1,
                _ => return None,
            };
            (&time[..at], sign * clock_nanos(&time[at + 1..]).filter(|_| time[at + 1..].len() == 5)?)
        }
    };
    Some(nanos_of_day(parse(day)?) + clock_nanos(clock)? - offset)
}

fn nanos_of_day(day: f64) -> i128 {
    day as i128 * NANOS_A_DAY
}

/// The nanoseconds of `13:05`, `13:05:09` or `13:05:09.25`.
fn clock_nanos(text: &str) -> Option<i128> {
    let mut parts = text.splitn(3, ':');
    let two = |part: Option<&str>, most: u8| {
        let part = part.filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_digit()))?;
        part.parse::<u8>().ok().filter(|n| *n <= most).map(i128::from)
    };
    let (hours, minutes) = (two(parts.next(), 23)?, two(parts.next(), 59)?);
    let (seconds, nanos) = match parts.next() {
        None => (0, 0),
        Some(seconds) => {
            let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
            if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            (two(Some(whole), 59)?, format!("{fraction:0<9.9}").parse().ok()?)
        }
    };
    Some((hours * 3600 + minutes * 60 + seconds) * 1_000_000_000 + nanos)
}

/// The day of a number of days since 1970, without its time.
///
/// # Examples
/// ```
/// assert_eq!(hyades::text::day(20_727.75), "2026-10-01");
/// ```
pub fn day(days: f64) -> String {
    date(days.floor())
}

/// A time as RFC 3339 in UTC, to the millisecond: `2026-10-01T13:05:09.250Z`. Times before 1970 are that of 1970.
pub fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (day, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{:03}Z", date(day as f64), since.subsec_millis())
}

/// The day of a date such as `2026-10-01`; None for anything else, including days that do not exist.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if (year.len(), month.len(), day.len()) != (4, 2, 2) || !text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return None;
    }
    let (year, month, day): (i64, i64, i64) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    day_of(year, month, day).map(|days| days as f64)
}

/// The days since 1970 of a day of the calendar in the years 0 to 9999; None for days that do not exist.
pub(crate) fn day_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 31,
    };
    if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=last).contains(&day) {
        return None;
    }
    let shifted = year - i64::from(month <= 2);
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_rfc_3339() {
        let at = |millis| timestamp(SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(millis));
        // `date -u -d @1790859909 --rfc-3339=seconds`
        assert_eq!(at(1_790_859_909_250), "2026-10-01T13:05:09.250Z");
        assert_eq!(at(86_399_999), "1970-01-01T23:59:59.999Z");
    }

    #[test]
    fn known_days() {
        // `date -d @0`, `date -d 2026-10-01 +%s` / 86400, and the days of the codes in `check::sentinel`.
        for (days, text) in
            [(0.0, "1970-01-01"), (20_727.0, "2026-10-01"), (-25_567.0, "1900-01-01"), (47_481.0, "2099-12-31")]
        {
            assert_eq!(date(days), text);
            assert_eq!(parse(text), Some(days));
        }
        assert_eq!(date(2_932_896.0), "9999-12-31");
        assert_eq!(date(0.5), "1970-01-01 12:00:00");
        assert_eq!(parse("2024-02-29"), Some(19_782.0));
        for text in ["2026-02-29", "2026-13-01", "2026-1-1", "today", "+026-01-01", ""] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(date(f64::NAN), "day NaN");
    }

    #[test]
    fn moments_to_the_last_digit() {
        for (ticks, scale, text) in [
            (1_790_859_909, 0, "2026-10-01 13:05:09"),
            (1_790_859_909_000_001, 6, "2026-10-01 13:05:09.000001"),
            (1_790_859_909_250_000_000, 9, "2026-10-01 13:05:09.25"),
            (0, 9, "1970-01-01"),
            (-1, 3, "1969-12-31 23:59:59.999"),
        ] {
            assert_eq!(moment(ticks, scale), text);
        }
    }

    #[test]
    fn times_of_a_day() {
        for (text, days) in [
            ("1970-01-02", 1.0),
            ("1970-01-02T12:00", 1.5),
            ("1970-01-02 06:00:00", 1.25),
            ("1970-01-02T18:00:00Z", 1.75),
            ("1970-01-02T12:00:00+06:00", 1.25),
            ("1970-01-01T23:00:00-01:00", 1.0),
            ("1970-01-01T12:00:00.000", 0.5),
            ("9999-12-31T00:00:00Z", 2_932_896.0),
        ] {
            assert_eq!(parse_time(text), Some((days * NANOS_A_DAY as f64) as i128), "{text}");
        }
        assert_eq!(parse_time("1970-01-01T00:00:01.0000000019"), Some(1_000_000_001));
        assert_eq!(parse_time("2262-01-01T00:00:00.5Z"), Some(9_214_646_400_500_000_000), "date -d, in nanoseconds");
        for text in ["1970-01-02T", "1970-01-02T24:00", "1970-01-02T12", "1970-01-02T12:00:60", "1970-01-02x12:00"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
        for text in [
            "1970-02-30T12:00",
            "1970-01-02T12:00:00+6",
            "1970-01-02T12:00:00.",
            "1970-01-02T12:00Z06:00",
            "1970-01-02é",
            "noon",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
