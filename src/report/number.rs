//! Numbers as reports show them.

use crate::text::grouped;

/// A whole number: `-1,234`.
pub(crate) fn whole(n: i128) -> String {
    format!("{}{}", if n < 0 { "-" } else { "" }, grouped(&n.unsigned_abs().to_string()))
}

/// A number for people: three significant digits, and all digits before the point: `12,346`, `4.21`, `0.0123`.
pub(crate) fn brief(v: f64) -> String {
    let size = v.abs();
    let text = match size {
        0.0 => return "0".into(),
        _ if !(1e-4..1e15).contains(&size) => return format!("{v:.2e}"),
        a if a >= 100.0 || (a >= 1.0 && a.fract() == 0.0) => format!("{a:.0}"),
        a if a >= 10.0 => format!("{a:.1}"),
        a if a >= 1.0 => format!("{a:.2}"),
        // A power of ten below is a digit more.
        a => format!(
            "{a:.*}",
            if a >= 0.1 {
                3
            } else if a >= 0.01 {
                4
            } else if a >= 0.001 {
                5
            } else {
                6
            }
        ),
    };
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    format!("{}{}{fraction}", if v < 0.0 { "-" } else { "" }, grouped(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_brief() {
        assert_eq!([whole(-1234), whole(0)], ["-1,234", "0"]);
        let shown = [12_345.6, -4.2109, 0.012_34, 0.0, 45.67, 7.0, 2e20].map(brief);
        assert_eq!(shown, ["12,346", "-4.21", "0.0123", "0", "45.7", "7", "2.00e20"]);
    }
}
