//! Times as whole ticks in the unit of their column: nothing is rounded before the final division.

use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use arrow::error::ArrowError;

use crate::error::{Error, Result};

const NANOS_A_DAY: i64 = 86_400_000_000_000;

/// The unit of a time column. Ticks are counted from 1970-01-01, in UTC if the column has a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimestampUnit {
    /// Ticks in a day of 86,400 seconds.
    pub(super) ticks_a_day: i64,
}

impl TimestampUnit {
    /// The unit of a type; None if it is neither a date nor a timestamp.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        let ticks_a_day = match data_type {
            DataType::Date32 => 1,
            DataType::Timestamp(TimeUnit::Second, _) => 86_400,
            DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => 86_400_000,
            DataType::Timestamp(TimeUnit::Microsecond, _) => 86_400_000_000,
            DataType::Timestamp(TimeUnit::Nanosecond, _) => NANOS_A_DAY,
            _ => return None,
        };
        Some(TimestampUnit { ticks_a_day })
    }

    /// The ticks of an array of this unit's type.
    pub(super) fn ticks(array: &ArrayRef) -> Result<Int64Array, ArrowError> {
        Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    }

    /// Reads `2011-12-10`, `2011-12-10 08:26:00` or `2011-12-10T08:26:00.5Z`.
    pub(super) fn parse(self, text: &str) -> Result<i64> {
        let nanos = string_to_timestamp_nanos(text).map_err(|_| {
            Error::usage(format!(
                "--reference-date {text:?} is not a date; write 2026-01-31 or 2026-01-31T12:00:00, in the years 1678 to 2261"
            ))
            .of_option("--reference-date")
        })?;
        let nanos_a_tick = NANOS_A_DAY / self.ticks_a_day;
        if nanos % nanos_a_tick != 0 {
            return Err(Error::usage(format!(
                "--reference-date {text} is more precise than the time column, which has {}",
                if self.ticks_a_day == 1 { "whole days; give a date" } else { "a coarser fraction of a second" }
            ))
            .of_option("--reference-date"));
        }
        Ok(nanos / nanos_a_tick)
    }

    /// The tick of a day from now: whatever its time zone, a later time has not come yet.
    pub(super) fn now(self) -> i64 {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()) + 86_400;
        (i128::from(seconds) * i128::from(self.ticks_a_day) / 86_400) as i64
    }

    /// The beginning of the day after `tick`.
    pub(super) fn next_day(self, tick: i64) -> Option<i64> {
        tick.div_euclid(self.ticks_a_day).checked_add(1)?.checked_mul(self.ticks_a_day)
    }

    /// The time from one tick to a later one in days: the exact difference, divided and rounded once.
    pub(super) fn days(self, from: i64, to: i64) -> f64 {
        (i128::from(to) - i128::from(from)) as f64 / self.ticks_a_day as f64
    }

    /// `2011-12-10`, with the time of day unless it is midnight.
    pub(super) fn format(self, tick: i64) -> String {
        let (day, rest) = (tick.div_euclid(self.ticks_a_day), tick.rem_euclid(self.ticks_a_day));
        let (year, month, date) = civil(day);
        let day = format!("{year:04}-{month:02}-{date:02}");
        if rest == 0 {
            return day;
        }
        let nanos = rest * (NANOS_A_DAY / self.ticks_a_day);
        let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        let time = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:09}") };
        format!("{day}T{time}{}", fraction.trim_end_matches('0'))
    }
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar (Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = i128::from(day) + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year + era * 400 + i128::from(month <= 2);
    (year as i64, month as i64, (of_year - (153 * march + 2) / 5 + 1) as i64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn dates_are_read_and_written() {
        let micros = TimestampUnit { ticks_a_day: 86_400_000_000 };
        let days = TimestampUnit { ticks_a_day: 1 };
        assert_eq!(micros.parse("1970-01-02").unwrap(), 86_400_000_000);
        assert_eq!(days.parse("2011-12-10").unwrap(), 15_318);
        assert_eq!(days.format(15_318), "2011-12-10");
        assert_eq!(days.format(-1), "1969-12-31");
        assert_eq!(days.format(11_016), "2000-02-29");
        let text = "2011-12-09T12:50:00.25";
        assert_eq!(micros.format(micros.parse(text).unwrap()), text);
        assert_eq!(micros.next_day(micros.parse(text).unwrap()), Some(15_318 * 86_400_000_000));
        assert_eq!(micros.next_day(86_400_000_000), Some(2 * 86_400_000_000), "midnight belongs to the day it begins");
        assert!(days.parse("2011-12-10T01:00:00").unwrap_err().to_string().contains("whole days"));
        assert!(days.parse("yesterday").unwrap_err().to_string().contains("is not a date"));
        assert_eq!(micros.days(0, 43_200_000_000), 0.5);
        assert!(micros.days(i64::MIN, i64::MAX) > 2.1e8);
    }
}
