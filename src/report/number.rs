//! Numbers as reports show them.

use crate::text::grouped;

/// A whole number: `-1,234`.
pub(crate) fn whole(n: i128) -> String {
    format!("{}{}", if n < 0 { "-" } else { "" }, grouped(&n.unsigned_abs().to_string()))
}

/// A number with six significant digits, `1,234.50`, or below 1 with six decimals, `0.012346`; in scientific notation
/// below 1e-4 and from 1e15.
pub(crate) fn figures(v: f64) -> String {
    let size = v.abs();
    if v == 0.0 || (1e-4..1e15).contains(&size) {
        let digits = if size >= 1.0 { 5 - (size.log10() as i32).min(5) } else { 6 };
        let text = format!("{size:.*}", digits.max(0) as usize);
        let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
        format!("{}{}{fraction}", if v < 0.0 { "-" } else { "" }, grouped(whole))
    } else {
        format!("{v:.5e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_six_figures() {
        let shown = [1234.5, -0.0123456, 0.0, 123_456_789.0, 1e-5, 1e15].map(figures);
        assert_eq!(shown, ["1,234.50", "-0.012346", "0.000000", "123,456,789", "1.00000e-5", "1.00000e15"]);
        assert_eq!([whole(-1234), whole(0)], ["-1,234", "0"]);
    }
}
