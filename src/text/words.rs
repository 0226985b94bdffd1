//! The words of a column's name. Column names are matched by words, not by letters, so that `page_views` is not taken
//! for an age.

/// The words in lower case, split at everything that is not a letter or digit, before a capital that begins a word, and
/// between a word and a number after it: `HomePhone_No2` is home, phone, no, 2; `DOBYear` is dob, year; `spend_90d` is
/// spend, 90d.
pub(crate) fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| chars[i]);
        let after = chars.get(i + 1);
        let begins = c.is_uppercase()
            && (before.is_some_and(char::is_lowercase)
                || (before.is_some_and(char::is_uppercase) && after.is_some_and(|a| a.is_lowercase())));
        let numbered = c.is_ascii_digit() && before.is_some_and(char::is_alphabetic);
        if (begins || numbered || !c.is_alphanumeric()) && words.last().is_some_and(|w| !w.is_empty()) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_words() {
        for (name, expected) in [
            ("HomePhone_No2", "home phone no 2"),
            ("DOBYear", "dob year"),
            ("customerAge", "customer age"),
            ("AGE", "age"),
            ("average_balance", "average balance"),
            ("card spend.90d", "card spend 90d"),
            ("PAY_AMT6", "pay amt 6"),
            ("Stra\u{df}e", "stra\u{df}e"),
            ("__", ""),
        ] {
            assert_eq!(words(name).join(" "), expected, "{name}");
        }
    }
}
