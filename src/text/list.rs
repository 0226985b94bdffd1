//! Lists of names as they are written on a command line.

/// The names of a list that is separated by commas. A comma belongs to a name behind a backslash, or where the name is
/// in double quotes; a quote within quotes is written twice.
///
/// # Errors
/// A quote that is not closed, or text behind a closing quote.
pub(crate) fn split_names(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let (name, behind) = match rest.strip_prefix('"') {
            Some(inside) => quoted_name(inside).ok_or_else(|| {
                format!("{text}: a name in quotes ends with a quote, before a comma or the end of the list")
            })?,
            None => plain_name(rest),
        };
        names.push(name);
        match behind {
            Some(behind) => rest = behind,
            None => return Ok(names),
        }
    }
}

/// A name up to a comma, and what follows that.
fn plain_name(text: &str) -> (String, Option<&str>) {
    let (mut name, mut escaped) = (String::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            ',' if escaped => {
                name.pop();
                name.push(c);
            }
            ',' => return (name, Some(&text[at + 1..])),
            _ => name.push(c),
        }
        escaped = c == '\\';
    }
    (name, None)
}

/// A name up to its closing quote, and what follows the comma behind it.
fn quoted_name(text: &str) -> Option<(String, Option<&str>)> {
    let mut name = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '"' {
            name.push(c);
        } else if chars.next_if(|(_, next)| *next == '"').is_some() {
            name.push('"');
        } else {
            let behind = &text[at + 1..];
            return match behind.strip_prefix(',') {
                Some(behind) => Some((name, Some(behind))),
                None => behind.is_empty().then_some((name, None)),
            };
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_separate_unless_escaped_or_quoted() {
        for (text, expected) in [
            ("a,b", vec!["a", "b"]),
            ("balance\\, EUR,b", vec!["balance, EUR", "b"]),
            ("\"balance, EUR\",b", vec!["balance, EUR", "b"]),
            ("\"say \"\"a,b\"\"\"", vec!["say \"a,b\""]),
            ("5\" pipe,C:\\x", vec!["5\" pipe", "C:\\x"]),
            ("a,", vec!["a", ""]),
        ] {
            assert_eq!(
                split_names(text).as_deref(),
                Ok(&expected.into_iter().map(str::to_owned).collect::<Vec<_>>()[..]),
                "{text}"
            );
        }
        assert!(split_names("\"a").is_err() && split_names("\"a\"b").is_err());
    }
}
