//! A bank's own words for protected attributes, from a text file: one word or phrase a line, optionally with the
//! attribute behind `=`. Empty lines, and what follows `#`, mean nothing.

use std::path::Path;

use super::name::ColumnName;
use crate::error::{Error, ErrorKind, Result};
use crate::text::utf8;

/// The attribute of words without one.
const UNNAMED: &str = "by --protected-words";

/// The words and their attributes; none without a file.
///
/// # Errors
/// A file that cannot be read, is not UTF-8, or has a line without a word; all such lines are named.
pub(crate) fn read_words(path: Option<&Path>) -> Result<Vec<(String, String)>> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let fault = |text: String| {
        Error::usage(format!("{}: {text}", path.display()))
            .of_kind(ErrorKind::Config)
            .of_file(path)
            .of_option("--protected-words")
    };
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, &e).of_option("--protected-words"))?;
    let text = utf8(bytes).map_err(|why| fault(why.into()))?;
    let (mut words, mut faults) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (word, attribute) = line.split_once('=').unwrap_or((line, UNNAMED));
        let (word, attribute) = (ColumnName::new(word).as_phrase(), attribute.trim());
        if word.is_empty() || attribute.is_empty() {
            faults.push((number + 1).to_string());
        } else {
            words.push((word, attribute.to_owned()));
        }
    }
    if faults.is_empty() {
        return Ok(words);
    }
    Err(fault(format!("line {}: expected \"word\" or \"word = attribute\"", faults.join(", "))))
}

/// The attribute that a bank's own words give a name.
pub(super) fn attribute<'a>(words: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let name = ColumnName::new(name);
    words.iter().find(|(word, _)| name.has(word)).map(|(_, attribute)| attribute.as_str())
}
