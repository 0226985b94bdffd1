//! Decimal numbers, read without rounding.

/// Most digits of an exact number.
const MOST_DIGITS: u8 = 38;

/// A decimal number with all its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExactNumber {
    /// The digits as one integer: the number times 10^`scale`.
    pub(crate) digits: i128,
    /// At most how many of them are before the decimal point; at least 1.
    pub(crate) whole: u8,
    /// How many are after it.
    pub(crate) scale: u8,
}

impl ExactNumber {
    /// A number such as `12.50`, `-.5` or `2.5e-3`; None if it needs more than 38 digits, or is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (text, sign) = text.strip_prefix('-').map_or((text, 1), |text| (text, -1));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i64 = exponent.parse().ok()?;
        let shift = i64::try_from(behind.len()).ok()?.checked_sub(exponent)?;
        let mut digits = format!("{whole}{behind}");
        digits.extend(std::iter::repeat_n('0', usize::try_from((-shift).clamp(0, 39)).ok()?));
        let digits = digits.trim_start_matches('0');
        let scale = u8::try_from(shift.max(0)).ok().filter(|s| *s <= MOST_DIGITS)?;
        let whole = digits.len().saturating_sub(usize::from(scale)).max(1);
        if whole + usize::from(scale) > usize::from(MOST_DIGITS) {
            return None;
        }
        let value: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        Some(ExactNumber { digits: sign * value, whole: whole as u8, scale })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        let exact = |text: &str| ExactNumber::parse(text).map(|n| (n.digits, n.whole, n.scale));
        assert_eq!(exact("12.50"), Some((1250, 2, 2)));
        assert_eq!(exact(".5"), Some((5, 1, 1)));
        assert_eq!(exact("0"), Some((0, 1, 0)));
        assert_eq!(exact("-1.5"), Some((-15, 1, 1)));
        assert_eq!(exact("1e6"), Some((1_000_000, 7, 0)));
        assert_eq!(exact("2.5E-3"), Some((25, 1, 4)));
        assert_eq!(exact("9007199254740993"), Some((9_007_199_254_740_993, 16, 0)));
        assert_eq!(exact("1e40"), None);
        assert_eq!(exact("1e-39"), None);
        assert_eq!(exact("1e99999999999999999999"), None);
        assert_eq!(exact("inf"), None);
        assert_eq!(exact(&"9".repeat(39)), None);
    }
}
