//! Numbers and dates that are written as text, or as whole numbers.

use crate::input::{WrittenValue, written_value};
use crate::text::parse_date;

/// The fewest sampled values that are significant.
const FEWEST: usize = 20;
/// The share of them that must look so.
const ALMOST_ALL: f64 = 0.95;

/// What texts are, if they are values of another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// Digits without any mark, which may be codes as well.
    Digits,
    /// Numbers with a decimal mark, groups of thousands or a currency.
    Number,
    /// Numbers with a percent sign.
    Percentage,
    /// Days, possibly with a time.
    Date,
}

/// Texts for values that are not there.
const MISSING: [&str; 10] = ["-", "--", "?", "n/a", "na", "nan", "none", "null", "unknown", "."];

/// What almost all sampled texts are, and one of them.
pub(super) fn as_text(sample: &[String]) -> Option<(Written, &str)> {
    let present = || sample.iter().map(|text| text.trim()).filter(|text| !is_missing(text));
    let values = present().count();
    if values < FEWEST {
        return None;
    }
    let mut counts = [0usize; 4];
    present().filter_map(kind).for_each(|kind| counts[kind as usize] += 1);
    let [digits, numbers, percentages, dates] = counts;
    let enough = |n: usize| n as f64 >= ALMOST_ALL * values as f64;
    let found = match () {
        () if enough(dates) => Written::Date,
        () if enough(digits) => Written::Digits,
        () if percentages > 0 && enough(digits + numbers + percentages) => Written::Percentage,
        () if enough(digits + numbers) => Written::Number,
        () => return None,
    };
    present().find(|text| kind(text) == Some(found)).map(|text| (found, text))
}

/// Whether almost all sampled numbers are days such as 20260131.
pub(super) fn are_days(sample: &[f64]) -> bool {
    let is_day = |&&v: &&f64| {
        let whole = v.fract() == 0.0 && (19_000_101.0..=21_001_231.0).contains(&v);
        let day = v as u32;
        whole && parse_date(&format!("{}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100)).is_some()
    };
    let present = sample.iter().filter(|v| v.is_finite() && **v != 0.0);
    let values = present.clone().count();
    values >= FEWEST && present.filter(is_day).count() as f64 >= ALMOST_ALL * values as f64
}

fn is_missing(text: &str) -> bool {
    text.is_empty() || MISSING.iter().any(|code| text.eq_ignore_ascii_case(code))
}

fn kind(text: &str) -> Option<Written> {
    // Of a moment the day is enough.
    let day = text.split([' ', 'T']).next().unwrap_or_default();
    if written_value(day) == Some(WrittenValue::Moment) {
        return Some(Written::Date);
    }
    if let Some(number) = text.strip_suffix('%') {
        return number_of(number.trim_end()).map(|_| Written::Percentage);
    }
    let bare = text.trim_matches(|c: char| "\u{20ac}$\u{a3}\u{a5}".contains(c) || c.is_whitespace());
    let bare = ["EUR", "USD", "GBP", "CHF", "JPY", "CNY"]
        .iter()
        .find_map(|code| bare.strip_prefix(code).or_else(|| bare.strip_suffix(code)))
        .map_or(bare, str::trim);
    let kind = number_of(bare)?;
    Some(if bare == text { kind } else { Written::Number })
}

/// A number in any style, also with the signs of bookkeeping: `12-`, `(12)`.
fn number_of(text: &str) -> Option<Written> {
    let unsigned = text.strip_prefix(['+', '-', '\u{2212}']).or_else(|| text.strip_suffix('-')).unwrap_or(text);
    let unsigned = unsigned.strip_prefix('(').and_then(|t| t.strip_suffix(')')).unwrap_or(unsigned);
    match written_value(&unsigned.replace('\u{2019}', "'"))? {
        WrittenValue::Digits => Some(Written::Digits),
        WrittenValue::Number => Some(Written::Number),
        WrittenValue::Padded | WrittenValue::Moment => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart() {
        use Written::{Date, Digits, Number, Percentage};
        let cases = [
            ("179.87", Some(Number)),
            ("-179,87", Some(Number)),
            ("1.234.567,89", Some(Number)),
            ("1'234.50", Some(Number)),
            ("\u{20ac} 0.31", Some(Number)),
            ("12 EUR", Some(Number)),
            ("1\u{2019}234.50", Some(Number)),
            ("\u{2212}1\u{a0}234,5", Some(Number)),
            ("12.50-", Some(Number)),
            ("1.5e6", Some(Number)),
            ("2024-02-29 10:00:00.123456789", Some(Date)),
            ("(12.50)", Some(Number)),
            ("0.5%", Some(Percentage)),
            ("12 %", Some(Percentage)),
            ("42", Some(Digits)),
            ("00123", None),
            ("2024-02-29", Some(Date)),
            ("10.10.2024", Some(Date)),
            ("12/31/2024", Some(Date)),
            ("2024-02-29T10:00:00Z", Some(Date)),
            ("31.02.2024", None),
            ("1.2.3.4", None),
            ("v1.5", None),
            ("Y", None),
            ("12-34", None),
        ];
        for (text, expected) in cases {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn a_few_other_texts_do_not_matter() {
        let mut sample: Vec<String> = (0..100).map(|i| format!("{i},5")).collect();
        sample.extend(["n/a", "", "unknown", "?"].map(str::to_owned));
        assert_eq!(as_text(&sample), Some((Written::Number, "0,5")));
        sample.extend((0..20).map(|i| format!("text {i}")));
        assert_eq!(as_text(&sample), None);
        assert_eq!(as_text(&sample[..10]), None, "too few to tell");
        let days: Vec<f64> = (1..=28).map(|day| f64::from(20_240_200 + day)).collect();
        assert!(are_days(&days) && !are_days(&days.iter().map(|d| d + 1200.0).collect::<Vec<_>>()));
    }
}
