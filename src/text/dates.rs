//! Days since 1970 as people write them, and back.

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

/// The day of a date such as `2026-10-01`; None for anything else, including days that do not exist.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if (year.len(), month.len(), day.len()) != (4, 2, 2) || !text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return None;
    }
    let (year, month, day): (i64, i64, i64) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted = year - i64::from(month <= 2);
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    (date(days as f64) == text).then_some(days as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
