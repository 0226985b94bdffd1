//! Numbers as people write them: with a decimal point or comma, and with or without a mark between thousands.

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NumberStyle {
    /// The decimal mark, `.` or `,`.
    pub(super) decimal: u8,
    /// What may stand between thousands.
    pub(super) group: Option<GroupMark>,
}

/// What stands between thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GroupMark {
    /// An ASCII character.
    Byte(u8),
    /// A space, also one that does not break (U+00A0, U+202F).
    Space,
}

/// What one value says about its column. Bit `i` of a mask stands for the style with the number `i`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NumberLook {
    /// The styles in which it is a number.
    pub(super) styles: u8,
    /// Those in which it is not an integer.
    pub(super) real: u8,
    /// Whether it has a zero in front, as identifiers have: `00123`.
    pub(super) padded: bool,
    /// Whether it has more digits than an integer of 64 bits.
    pub(super) long: bool,
}

/// Digits that always fit 64 bits.
const SAFE_DIGITS: usize = 18;

impl GroupMark {
    /// Bytes of the mark at the start of a text; 0: there is none.
    fn length(self, text: &[u8]) -> usize {
        match (self, text) {
            (GroupMark::Byte(mark), [first, ..]) => usize::from(*first == mark),
            (GroupMark::Space, [b' ', ..]) => 1,
            (GroupMark::Space, [0xC2, 0xA0, ..]) => 2,
            (GroupMark::Space, [0xE2, 0x80, 0xAF, ..]) => 3,
            _ => 0,
        }
    }
}

/// The text without a sign.
fn unsigned(text: &[u8]) -> &[u8] {
    match text {
        [b'-' | b'+', rest @ ..] => rest,
        all => all,
    }
}

/// In which of `styles` a text is a number; None: in none.
pub(super) fn look(text: &[u8], styles: &[NumberStyle]) -> Option<NumberLook> {
    let digits = unsigned(text);
    let first = *digits.first()?;
    if digits.len() <= SAFE_DIGITS && digits.iter().all(u8::is_ascii_digit) {
        let padded = first == b'0' && digits.len() > 1;
        return Some(NumberLook { styles: u8::MAX, real: 0, padded, long: false });
    }
    let mut look = NumberLook { styles: 0, real: 0, padded: false, long: false };
    match first {
        b'0'..=b'9' | b'.' | b',' => {}
        b'i' | b'I' if is_infinite(digits) => return Some(NumberLook { styles: u8::MAX, real: u8::MAX, ..look }),
        _ => return None,
    }
    let whole = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    match digits.get(whole) {
        Some(b'.') if digits.len() > 1 && digits[whole + 1..].iter().all(u8::is_ascii_digit) => {
            return look_at_point(digits, whole, styles);
        }
        // Dates and most texts end here.
        Some(byte) if !matches!(byte, b'.' | b',' | b'e' | b'E' | b'\'' | b' ' | 0xC2 | 0xE2) => return None,
        _ => {}
    }
    for (i, style) in styles.iter().enumerate() {
        if let Some(shape) = NumberShape::of(digits, *style) {
            look.styles |= 1 << i;
            look.real |= u8::from(shape.is_real) << i;
            look.padded |= shape.padded;
            look.long |= !shape.is_real && shape.digits > SAFE_DIGITS && integer(text, *style).is_none();
        }
    }
    (look.styles != 0).then_some(look)
}

/// The most common case, for speed: digits with one point, after `whole` of them.
fn look_at_point(digits: &[u8], whole: usize, styles: &[NumberStyle]) -> Option<NumberLook> {
    let is_group = (1..=3).contains(&whole) && digits.len() == whole + 4 && digits[0] != b'0';
    let mut look = NumberLook { styles: 0, real: 0, padded: false, long: false };
    for (i, style) in styles.iter().enumerate() {
        if style.decimal == b'.' {
            look.styles |= 1 << i;
            look.real |= 1 << i;
        } else if is_group && style.group == Some(GroupMark::Byte(b'.')) {
            look.styles |= 1 << i;
        }
    }
    (look.styles != 0).then_some(look)
}

fn is_infinite(digits: &[u8]) -> bool {
    digits.eq_ignore_ascii_case(b"inf") || digits.eq_ignore_ascii_case(b"infinity")
}

/// What a number consists of.
struct NumberShape {
    /// Digits before the decimal mark.
    digits: usize,
    padded: bool,
    /// Whether it has a decimal mark or an exponent.
    is_real: bool,
}

impl NumberShape {
    /// None: it is not a number in this style.
    fn of(text: &[u8], style: NumberStyle) -> Option<Self> {
        let (mut at, mut digits, mut since, mut grouped) = (0, 0, 0, false);
        // The integer: after the first mark, groups have three digits.
        while let Some(byte) = text.get(at) {
            let mark = style.group.map_or(0, |group| group.length(&text[at..]));
            if byte.is_ascii_digit() {
                (at, digits, since) = (at + 1, digits + 1, since + 1);
            } else if mark > 0 && ((!grouped && (1..=3).contains(&since)) || (grouped && since == 3)) {
                (at, since, grouped) = (at + mark, 0, true);
            } else {
                break;
            }
        }
        let padded = text.first() == Some(&b'0') && digits > 1;
        if grouped && (since != 3 || padded) {
            return None;
        }
        let mut fraction = 0;
        let has_mark = text.get(at) == Some(&style.decimal);
        if has_mark {
            fraction = text[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
            at += 1 + fraction;
        }
        if digits + fraction == 0 {
            return None;
        }
        let has_exponent = matches!(text.get(at), Some(b'e' | b'E'));
        if has_exponent {
            let exponent = unsigned(&text[at + 1..]);
            if exponent.is_empty() || exponent.len() > 4 || !exponent.iter().all(u8::is_ascii_digit) {
                return None;
            }
            at = text.len();
        }
        let is_real = has_mark || has_exponent;
        (at == text.len()).then_some(NumberShape { digits, padded: padded && !is_real, is_real })
    }
}

/// The value of an integer in this style; None: it is none, or does not fit 64 bits.
pub(super) fn integer(text: &[u8], style: NumberStyle) -> Option<i64> {
    let digits = unsigned(text);
    if !digits.is_empty() && digits.len() <= SAFE_DIGITS && digits.iter().all(u8::is_ascii_digit) {
        let value = digits.iter().fold(0i64, |sum, digit| sum.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')));
        return Some(if text[0] == b'-' { -value } else { value });
    }
    plain(text, style).parse().ok()
}

/// The nearest f64 to a number in this style; None: it is no number.
pub(super) fn real(text: &[u8], style: NumberStyle) -> Option<f64> {
    let digits = unsigned(text);
    let (mut mantissa, mut fraction, mut has_mark) = (0u64, 0, false);
    let mut is_short = !digits.is_empty() && digits.len() <= SAFE_DIGITS;
    if is_short {
        for byte in digits {
            if byte.is_ascii_digit() {
                mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
                fraction += usize::from(has_mark);
            } else if *byte == style.decimal && !has_mark && digits.len() > 1 {
                has_mark = true;
            } else {
                is_short = false;
                break;
            }
        }
    }
    // Both are exact, so the quotient is rounded once (Clinger's fast path).
    if is_short && mantissa < 1 << 53 {
        let value = mantissa as f64 / POWERS[fraction];
        return Some(if text[0] == b'-' { -value } else { value });
    }
    plain(text, style).parse().ok()
}

/// Powers of ten, all exact.
const POWERS: [f64; 19] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];

/// The number as programs write it.
fn plain(text: &[u8], style: NumberStyle) -> String {
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while at < text.len() {
        let mark = style.group.map_or(0, |group| group.length(&text[at..]));
        if mark > 0 {
            at += mark;
            continue;
        }
        out.push(if text[at] == style.decimal { '.' } else { char::from(text[at]) });
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOT: NumberStyle = NumberStyle { decimal: b'.', group: None };
    const DOT_GROUPED: NumberStyle = NumberStyle { decimal: b'.', group: Some(GroupMark::Byte(b',')) };
    const COMMA: NumberStyle = NumberStyle { decimal: b',', group: None };
    const COMMA_GROUPED: NumberStyle = NumberStyle { decimal: b',', group: Some(GroupMark::Byte(b'.')) };
    const ALL: [NumberStyle; 4] = [DOT, DOT_GROUPED, COMMA, COMMA_GROUPED];

    #[test]
    fn a_text_is_a_number_in_some_styles() {
        for (text, styles, real) in [
            ("12", 0b1111, 0),
            ("-0.5", 0b0011, 0b0011),
            ("1.234", 0b1011, 0b0011),
            ("1,234", 0b1110, 0b1100),
            ("1,234.50", 0b0010, 0b0010),
            ("1.234.567", 0b1000, 0),
            ("12,34", 0b1100, 0b1100),
            ("1e5", 0b1111, 0b1111),
            (".5", 0b0011, 0b0011),
            ("5.", 0b0011, 0b0011),
        ] {
            let look = look(text.as_bytes(), &ALL).unwrap();
            assert_eq!((look.styles & 15, look.real & 15), (styles, real), "{text}");
        }
        for text in ["", "-", ".", "1.2.3", "1,2,3", "12AB", "e5", "1e", "0x1F", "1 2", "--1", "inflation"] {
            assert_eq!(look(text.as_bytes(), &ALL), None, "{text}");
        }
    }

    #[test]
    fn zeros_in_front_and_many_digits() {
        let of = |text: &str| look(text.as_bytes(), &ALL).map(|look| (look.padded, look.long));
        assert_eq!(of("00123"), Some((true, false)));
        assert_eq!(of("0"), Some((false, false)));
        assert_eq!(of("000000000000000000001"), Some((true, false)));
        assert_eq!(of("0012.50"), Some((false, false)));
        assert_eq!(of("9223372036854775807"), Some((false, false)));
        assert_eq!(of("9223372036854775808"), Some((false, true)));
        // In groups, a zero in front is none: 0,123 is a decimal comma.
        assert_eq!(look(b"0,123", &ALL).map(|look| look.styles & 15), Some(0b1100));
    }

    #[test]
    fn values() {
        let space = NumberStyle { decimal: b',', group: Some(GroupMark::Space) };
        assert_eq!(integer(b"-9223372036854775808", DOT), Some(i64::MIN));
        assert_eq!(integer(b"1.234.567", COMMA_GROUPED), Some(1_234_567));
        assert_eq!(integer("1\u{a0}234".as_bytes(), space), Some(1234));
        assert_eq!(real(b"1,234.5", DOT_GROUPED), Some(1234.5));
        assert_eq!(real("-1\u{202f}234,5".as_bytes(), space), Some(-1234.5));
        assert_eq!(real(b"-0", DOT).map(f64::to_bits), Some((-0.0f64).to_bits()));
        for text in ["0.1", "12345.678901", "3.141592653589793", "1e300", "123456789012345678", "5e-324", "inf", ".5"] {
            assert_eq!(real(text.as_bytes(), DOT), text.parse().ok(), "{text}");
        }
    }
}
