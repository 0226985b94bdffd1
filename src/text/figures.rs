//! Formats numbers for display.

/// A share as a percentage. A share above 0 is never shown as 0%, and one below 1 never as 100%.
///
/// # Examples
/// ```
/// use hyades::text::percent;
///
/// assert_eq!(percent(0.125), "12.5%");
/// assert_eq!(percent(0.00001), "<0.01%");
/// ```
pub fn percent(share: f64) -> String {
    match 100.0 * share {
        p if p > 0.0 && p < 0.01 => "<0.01%".into(),
        p if p > 99.99 && p < 100.0 => ">99.99%".into(),
        p if p < 10.0 || (p > 99.0 && p < 100.0) => format!("{p:.2}%"),
        p => format!("{p:.1}%"),
    }
}

/// 12345678 as `12,345,678`.
///
/// # Examples
/// ```
/// assert_eq!(hyades::text::thousands(12_345_678), "12,345,678");
/// ```
pub fn thousands(n: u64) -> String {
    grouped(&n.to_string())
}

/// Digits in groups of three.
pub(crate) fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_groups() {
        assert_eq!(thousands(1234567), "1,234,567");
        assert_eq!(thousands(123), "123");
        assert_eq!(thousands(12), "12");
    }
}
