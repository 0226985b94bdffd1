//! Escaping of untrusted names and texts for display.

/// Text for a terminal: escapes control characters and marks that change the writing direction as `\u{1b}`; always a
/// single line.
///
/// # Examples
/// ```
/// assert_eq!(hyades::text::shown("two\nlines"), "two\\nlines");
/// ```
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            _ if c.is_control() || is_invisible(c) => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    out
}

/// The same in quotation marks.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text))
}

/// Invisible characters that change how others are read: direction marks, zero-width characters, line separators.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_through() {
        assert_eq!(shown("a\u{1b}[31mred\nb\u{202e}c"), "a\\u{1b}[31mred\\nb\\u{202e}c");
        assert_eq!(shown("\u{e9}t\u{e9} =1+1"), "\u{e9}t\u{e9} =1+1");
    }
}
