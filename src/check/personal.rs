//! Detection of personal data by the form of values. `roles` detects it by column names.

/// Share of sampled values that must have the form.
const SHARE: f64 = 0.5;
/// The same for card numbers: one number in ten passes the Luhn check by chance.
const LUHN_SHARE: f64 = 0.9;
/// Fewest sampled values for a conclusion.
const FEWEST: usize = 10;

/// The form of these sampled texts, and the share that has it.
pub(super) fn by_shape(texts: &[String]) -> Option<(&'static str, f64)> {
    type Shape = (&'static str, fn(&str) -> bool, f64);
    const SHAPES: [Shape; 6] = [
        ("e-mail addresses", is_mail, SHARE),
        ("bank account numbers (IBAN)", is_iban, SHARE),
        ("card numbers", is_card, LUHN_SHARE),
        ("phone numbers", is_phone, SHARE),
        ("national ids", is_social_security, SHARE),
        ("network addresses", is_network, SHARE),
    ];
    let texts: Vec<&str> = texts.iter().map(|t| t.trim()).filter(|t| !t.is_empty()).collect();
    if texts.len() < FEWEST {
        return None;
    }
    SHAPES.iter().find_map(|(what, fits, least)| {
        let share = texts.iter().filter(|t| fits(t)).count() as f64 / texts.len() as f64;
        (share >= *least).then_some((*what, share))
    })
}

/// Whether these sampled numbers look like card numbers: 13 to 16 digits (more are not exact in f64) that pass Luhn.
pub(super) fn are_cards(numbers: &[f64]) -> bool {
    let cards = numbers.iter().filter(|&&v| (1e12..9e15).contains(&v) && v.trunc() == v && luhn(&format!("{v:.0}")));
    numbers.len() >= FEWEST && cards.count() as f64 >= LUHN_SHARE * numbers.len() as f64
}

fn is_mail(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    !local.is_empty()
        && domain.split('.').count() >= 2
        && domain.split('.').all(|part| !part.is_empty())
        && !domain.contains('@')
        && !text.contains(char::is_whitespace)
}

/// ISO 13616: two letters, two check digits, up to 30 letters and digits; rearranged, the whole is 1 modulo 97.
fn is_iban(text: &str) -> bool {
    let plain: Vec<char> = text.chars().filter(|c| *c != ' ').map(|c| c.to_ascii_uppercase()).collect();
    if !(15..=34).contains(&plain.len())
        || !plain[..2].iter().all(char::is_ascii_uppercase)
        || !plain[2..4].iter().all(char::is_ascii_digit)
    {
        return false;
    }
    let turned = plain[4..].iter().chain(&plain[..4]);
    let rest = turned.map(|c| c.to_digit(36)).try_fold(0u32, |rest, digit| {
        let digit = digit?;
        Some((rest * if digit < 10 { 10 } else { 100 } + digit) % 97)
    });
    rest == Some(1)
}

/// 13 to 19 digits, ignoring blanks and dashes, that pass the Luhn check.
fn is_card(text: &str) -> bool {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    (13..=19).contains(&digits.len()) && luhn(&digits)
}

/// The check digit of ISO/IEC 7812: every second digit from the right is doubled, nines are cast out, and the sum must
/// be a multiple of 10.
fn luhn(digits: &str) -> bool {
    let sum = digits.bytes().rev().enumerate().try_fold(0, |sum, (i, b)| {
        let digit = u32::from(b.is_ascii_digit().then(|| b - b'0')?);
        let doubled = if i % 2 == 1 { digit * 2 } else { digit };
        Some(sum + if doubled > 9 { doubled - 9 } else { doubled })
    });
    sum.is_some_and(|sum| sum % 10 == 0)
}

/// International format: + and 8 to 15 digits.
fn is_phone(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    text.starts_with('+')
        && (8..=15).contains(&digits)
        && text[1..].chars().all(|c| c.is_ascii_digit() || " -()./".contains(c))
}

/// Three, two and four digits.
fn is_social_security(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|p| p.len()).eq([3, 2, 4]) && parts.iter().all(|p| p.bytes().all(|b| b.is_ascii_digit()))
}

fn is_network(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let many = |text: &str| vec![text.to_owned(); 20];
        let what = |text: &str| by_shape(&many(text)).map(|(what, _)| what);
        assert_eq!(what("a.b@example.org"), Some("e-mail addresses"));
        // The example of the IBAN registry, and the same with one digit changed.
        assert_eq!(what("GB29 NWBK 6016 1331 9268 19"), Some("bank account numbers (IBAN)"));
        assert_eq!(what("GB29 NWBK 6016 1331 9268 18"), None);
        // The test number of card schemes, and the same with one digit changed.
        assert_eq!(what("4111 1111 1111 1111"), Some("card numbers"));
        assert_eq!(what("4111 1111 1111 1112"), None);
        assert_eq!(what("5555-5555-5555-4444"), Some("card numbers"), "nines are cast out");
        assert_eq!(what("+44 20 7946 0958"), Some("phone numbers"));
        assert_eq!(what("078-05-1120"), Some("national ids"));
        assert_eq!(what("192.0.2.7"), Some("network addresses"));
        for text in ["2026-10-01", "north", "12345678", "", "@", "+", "GB", "\u{e9}\u{e9}29"] {
            assert_eq!(what(text), None, "{text}");
        }
        assert_eq!(by_shape(&many("a@b.c")[..5]), None, "too few");
    }

    #[test]
    fn card_numbers_as_numbers() {
        assert!(are_cards(&[4_111_111_111_111_111.0; 20]));
        let ascending: Vec<f64> = (0..100).map(|i| 4_111_111_111_111_111.0 + f64::from(i)).collect();
        assert!(!are_cards(&ascending), "one in ten passes");
        assert!(!are_cards(&[0.0; 20]));
    }
}
