//! A column's name as words, and phrases in it.
//!
//! Names are compared word by word, so that `page_views` has no age. Accents do not count, and umlauts are spelled out:
//! `género` is genero, `Größe` is groesse. Chinese and Japanese have no blanks between words; their phrases are found
//! anywhere in a name, at its end or as the whole, without regard to words.

use crate::text::words;

/// A name ready for comparison. Phrases are in lower case, without accents, with a blank between words.
#[derive(Debug)]
pub(super) struct ColumnName {
    words: Vec<String>,
    /// The words with a blank before, between and after them.
    spaced: String,
    /// The words without blanks.
    unspaced: String,
}

impl ColumnName {
    pub(super) fn new(name: &str) -> Self {
        let words = words(&folded(name));
        ColumnName { spaced: format!(" {} ", words.join(" ")), unspaced: words.concat(), words }
    }

    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    /// The name as a phrase to look for in others.
    pub(super) fn as_phrase(&self) -> String {
        self.unspaced().map_or_else(|| self.spaced.trim().to_owned(), str::to_owned)
    }

    /// Whether the phrase stands anywhere in the name.
    pub(super) fn has(&self, phrase: &str) -> bool {
        if is_unspaced(phrase) { self.unspaced.contains(phrase) } else { self.spaced.contains(&format!(" {phrase} ")) }
    }

    /// Whether the name is the phrase.
    pub(super) fn is(&self, phrase: &str) -> bool {
        if is_unspaced(phrase) { self.unspaced == phrase } else { self.spaced.trim() == phrase }
    }

    /// The name without blanks, if it has letters of a language that is written without them.
    pub(super) fn unspaced(&self) -> Option<&str> {
        is_unspaced(&self.unspaced).then_some(self.unspaced.as_str())
    }
}

/// The phrases of a list that is separated by commas.
pub(super) fn phrases(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split(',').map(str::trim)
}

fn is_unspaced(text: &str) -> bool {
    text.chars().any(is_east_asian)
}

/// Hiragana, katakana, and the characters that Chinese and Japanese share.
fn is_east_asian(c: char) -> bool {
    matches!(c, '\u{3005}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

/// Without accents and full-width forms, with umlauts spelled out, and with a blank where scripts change.
fn folded(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut before = None;
    for c in name.chars() {
        // Full-width Latin letters, digits and signs.
        let c = match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            _ => c,
        };
        if before.is_some_and(|b: char| b.is_alphanumeric() && is_east_asian(b) != is_east_asian(c)) {
            out.push(' ');
        }
        before = Some(c);
        match plain(c) {
            Some(letters) => out.push_str(letters),
            None => out.push(c),
        }
    }
    out
}

/// What is written for a letter with a mark; nothing for a mark of its own.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{300}'..='\u{36f}' => "",
        '\u{e0}'..='\u{e3}' | '\u{e5}' => "a",
        '\u{c0}'..='\u{c3}' | '\u{c5}' => "A",
        '\u{e8}'..='\u{eb}' => "e",
        '\u{c8}'..='\u{cb}' => "E",
        '\u{ec}'..='\u{ef}' => "i",
        '\u{cc}'..='\u{cf}' => "I",
        '\u{f2}'..='\u{f5}' => "o",
        '\u{d2}'..='\u{d5}' => "O",
        '\u{f9}'..='\u{fb}' => "u",
        '\u{d9}'..='\u{db}' => "U",
        '\u{e4}' | '\u{e6}' => "ae",
        '\u{c4}' | '\u{c6}' => "Ae",
        '\u{f6}' | '\u{153}' => "oe",
        '\u{d6}' | '\u{152}' => "Oe",
        '\u{fc}' => "ue",
        '\u{dc}' => "Ue",
        '\u{df}' => "ss",
        '\u{f1}' => "n",
        '\u{d1}' => "N",
        '\u{e7}' => "c",
        '\u{c7}' => "C",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded() {
        for (name, expected) in [
            ("G\u{e9}nero", "genero"),
            ("Gene\u{301}ro", "genero"),
            ("Familiengr\u{f6}\u{df}e", "familiengroesse"),
            ("Nationalit\u{e4}t", "nationalitaet"),
            ("\u{5ba2}\u{6237}ID", "\u{5ba2}\u{6237} id"),
            ("IP\u{5730}\u{5740}", "ip \u{5730}\u{5740}"),
            ("\u{ff29}\u{ff24}", "id"),
            ("HomePhone_No2", "home phone no 2"),
        ] {
            assert_eq!(ColumnName::new(name).words().join(" "), expected, "{name}");
        }
    }

    #[test]
    fn phrases_are_found_by_words_or_without_them() {
        let name = ColumnName::new("is_foreign_worker");
        assert!(name.has("foreign worker") && !name.has("foreign work") && !name.is("foreign worker"));
        let name = ColumnName::new("\u{5ba2}\u{6237}\u{6027}\u{522b}");
        assert!(name.has("\u{6027}\u{522b}") && !name.is("\u{6027}\u{522b}"));
    }
}
