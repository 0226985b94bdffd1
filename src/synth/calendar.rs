//! The days of a bank's months.

/// The first month is January of this year.
const FIRST_YEAR: i64 = 2026;

/// Days in a month, on average.
pub(super) const DAYS_A_MONTH: f64 = 30.4375;

/// The last day of a month, counted from 1, in days since 1970. The values of a month are those of this day.
pub(super) fn last_day(month: usize) -> i32 {
    let months = month as i64;
    let next = crate::text::day_of(FIRST_YEAR + months / 12, months % 12 + 1, 1);
    next.map_or(0, |day| day as i32 - 1)
}

#[cfg(test)]
mod tests {
    use super::last_day;

    #[test]
    fn months_end() {
        let days: Vec<String> = [1, 2, 12, 26, 120].map(|month| crate::text::day(last_day(month).into())).into();
        assert_eq!(days, ["2026-01-31", "2026-02-28", "2026-12-31", "2028-02-29", "2035-12-31"]);
    }
}
