//! Numbers as people read and write them.

pub(super) use hyades::text::thousands;

/// A value in at most about seven characters: `0.0123`, `4.21`, `1,234`, `5.6M`.
pub(super) fn compact(v: f64) -> String {
    let a = v.abs();
    // Four figures, without zeros at the end.
    let short = |scaled: f64, unit: &str| {
        let decimals = if scaled.abs() < 9.9995 { 3 } else { 2 - usize::from(scaled.abs() >= 99.995) };
        let text = format!("{scaled:.decimals$}");
        format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match a {
        _ if a >= 999.95e12 || (a > 0.0 && a < 1e-3) => format!("{v:.1e}"),
        _ if a >= 999.95e9 => short(v / 1e12, "T"),
        _ if a >= 999.95e6 => short(v / 1e9, "G"),
        _ if a >= 999_999.5 => short(v / 1e6, "M"),
        _ if a >= 1e3 => format!("{}{}", if v < 0.0 { "-" } else { "" }, thousands(a.round() as u64)),
        _ if a >= 100.0 => format!("{v:.0}"),
        _ if a >= 10.0 => format!("{v:.1}"),
        _ if a == 0.0 => "0".into(),
        _ => format!("{v:.2}"),
    }
}

/// Values that are compared with each other: compact, unless different ones would then look the same.
pub(super) fn apart(values: &[f64]) -> Vec<String> {
    let tells = |texts: &[String]| {
        let pairs = values.iter().zip(texts).flat_map(|a| values.iter().zip(texts).map(move |b| (a, b)));
        !pairs.into_iter().any(|((v, a), (w, b))| v < w && a == b)
    };
    let exact = |&v: &f64, decimals: usize| match v.abs() {
        a if a.trunc() == a && a < 1e15 => format!("{}{}", if v < 0.0 { "-" } else { "" }, thousands(a as u64)),
        a if (1e-3..1e15).contains(&a) => format!("{v:.decimals$}"),
        _ => format!("{v:.decimals$e}"),
    };
    let compact: Vec<String> = values.iter().copied().map(compact).collect();
    let finer = (3..=15).step_by(3).map(|decimals| values.iter().map(|v| exact(v, decimals)).collect::<Vec<_>>());
    std::iter::once(compact.clone()).chain(finer).find(|texts| tells(texts)).unwrap_or(compact)
}

/// Wraps words in lines of at most `width` characters; a longer word has its own line.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A positive value to three figures, including costs far below the smallest coin: `0.00123`, `45.6`, `1,234`.
pub(super) fn figures(v: f64) -> String {
    match v.log10().floor() {
        size if !(-9.0..15.0).contains(&size) => format!("{v:.2e}"),
        size if size >= 3.0 => thousands(v.round() as u64),
        size => format!("{v:.0$}", (2.0 - size) as usize),
    }
}

/// A part of a whole as `38%`, below one percent as `0.38%`.
pub(super) fn share(part: f64, whole: f64) -> String {
    match 100.0 * part / whole {
        percent if percent < 1.0 => format!("{percent:.2}%"),
        percent => format!("{percent:.0}%"),
    }
}

/// Bytes as `12.3 GiB`.
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut v, mut unit) = (n as f64, 0);
    while v >= 1024.0 && unit + 1 < UNITS.len() {
        v /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{n} B") } else { format!("{v:.1} {}", UNITS[unit]) }
}

/// Seconds as `850 ms`, `12.3 s`, `4 min 05 s`.
pub(super) fn seconds(s: f64) -> String {
    match s {
        _ if s < 0.001 => format!("{:.0} us", s * 1e6),
        _ if s < 1.0 => format!("{:.0} ms", s * 1e3),
        _ if s < 100.0 => format!("{s:.2} s"),
        _ => format!("{} min {:02} s", (s / 60.0) as u64, s as u64 % 60),
    }
}

/// Seconds in words that imply no precision.
pub(super) fn about(s: f64) -> String {
    match s {
        _ if s < 1.0 => "under a second".into(),
        _ if s < 90.0 => format!("about {s:.0} s"),
        _ if s < 5400.0 => format!("about {:.0} min", s / 60.0),
        _ => format!("about {:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a /very/long/path b", 5), ["a", "/very/long/path", "b"]);
        assert!(wrapped(" ", 5).is_empty());
    }

    #[test]
    fn numbers() {
        assert_eq!(compact(-1234.4), "-1,234");
        assert_eq!(compact(5_600_000.0), "5.6M");
        assert_eq!(compact(0.5), "0.50");
        assert_eq!([999_999.4, 999_999.5, 20_240_101.0].map(compact), ["999,999", "1M", "20.24M"]);
        assert_eq!([999_940_000.0, 999_999_999.0, -1.7e12].map(compact), ["999.9M", "1G", "-1.7T"]);
        assert_eq!(apart(&[1.0, 2_500_000.0]), ["1.00", "2.5M"]);
        assert_eq!(apart(&[20_240_101.0, -20_240_102.0, 20_240_103.0]), ["20,240,101", "-20,240,102", "20,240,103"]);
        assert_eq!(apart(&[0.50001, 0.50002, 7.0]), ["0.500010", "0.500020", "7"]);
        assert_eq!(apart(&[5.0, 5.0]), ["5.00", "5.00"]);
        assert_eq!(seconds(245.0), "4 min 05 s");
        assert_eq!(figures(0.000012345), "0.0000123");
        assert_eq!(figures(0.5), "0.500");
        assert_eq!(figures(45.64), "45.6");
        assert_eq!(figures(999.6), "1000");
        assert_eq!(figures(1234.4), "1,234");
        assert_eq!(figures(1e-12), "1.00e-12");
        assert_eq!(figures(f64::INFINITY), "inf");
        assert_eq!(figures(f64::NAN), "NaN");
        assert_eq!(share(3.0, 8.0), "38%");
        assert_eq!(share(1.0, 300.0), "0.33%");
        assert_eq!(share(f64::NAN, 1.0), "NaN%");
    }
}
