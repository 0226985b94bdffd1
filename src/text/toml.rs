//! TOML that a user writes: read as text, with all its faults reported at once, each with line and column.
//!
//! serde would stop at the first fault, and could not suggest the intended name.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::encoding::utf8;
use super::escape::quoted;
use super::nearest::nearest;
use super::secret::KeySource;
use crate::error::{Error, ErrorKind, Result};

/// A file as text, and how messages name it.
#[derive(Debug)]
pub(crate) struct TomlText {
    pub(crate) text: String,
    /// None if the text is from the environment.
    file: Option<PathBuf>,
    name: String,
}

impl TomlText {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or is not UTF-8.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, &e))?;
        Self::new(bytes, path.display().to_string(), Some(path.to_path_buf()))
    }

    /// The text of a file, as it was read before.
    pub(crate) fn of_file(text: &str, path: &Path) -> Self {
        TomlText { text: text.to_owned(), file: Some(path.to_path_buf()), name: path.display().to_string() }
    }

    /// Reads a file or an environment variable, as given to `option`.
    ///
    /// # Errors
    /// It cannot be read, or is not UTF-8.
    pub(crate) fn read_secret(source: &KeySource, option: &'static str) -> Result<Self> {
        let (bytes, name) = source.read(option)?;
        let file = match source {
            KeySource::File(path) => Some(path.clone()),
            KeySource::Variable(_) => None,
        };
        Self::new(bytes, name, file)
    }

    fn new(bytes: Vec<u8>, name: String, file: Option<PathBuf>) -> Result<Self> {
        match utf8(bytes) {
            Ok(text) => Ok(TomlText { text, file, name }),
            Err(why) => Err(refusal(format!("{name}: {why}"), file.as_deref())),
        }
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Collects the faults of a file.
#[derive(Debug)]
pub(crate) struct TomlFaults<'a> {
    of: &'a TomlText,
    /// Line, column and message.
    faults: Vec<(usize, usize, String)>,
}

impl<'a> TomlFaults<'a> {
    /// No faults yet.
    pub(crate) fn new(of: &'a TomlText) -> Self {
        TomlFaults { of, faults: Vec::new() }
    }

    /// The file as a table. Malformed TOML is a fault, and yields None.
    pub(crate) fn table(&mut self) -> Option<DeTable<'a>> {
        match DeTable::parse(&self.of.text) {
            Ok(table) => Some(table.into_inner()),
            Err(e) => {
                self.fault(e.span().map_or(0, |s| s.start), e.message());
                None
            }
        }
    }

    /// Records a fault at a byte offset.
    pub(crate) fn fault(&mut self, at: usize, what: impl Into<String>) {
        let (line, column) = line_and_column(&self.of.text, at);
        self.faults.push((line, column, what.into()));
    }

    /// Records a key that `of`, such as "the file", does not have.
    pub(crate) fn unknown_key(&mut self, key: &Spanned<impl AsRef<str>>, of: &str, known: &[&str]) {
        let name = key.get_ref().as_ref();
        self.fault(key.span().start, format!("{of} has no key {}; {}", quoted(name), hint(name, known)));
    }

    /// Records a key that should be the name of a `kind`, such as "column", but is not.
    pub(crate) fn unknown_name(&mut self, key: &Spanned<impl AsRef<str>>, kind: &str, known: &[&str]) {
        let name = key.get_ref().as_ref();
        self.fault(key.span().start, format!("no {kind} is named {}; {}", quoted(name), hint(name, known)));
    }

    /// A value that must be a table, under this header.
    pub(crate) fn subtable<'v, 'i>(
        &mut self,
        key: &Spanned<impl AsRef<str>>,
        value: &'v Spanned<DeValue<'i>>,
        header: &str,
    ) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.fault(key.span().start, format!("{} must be a table, [{header}]", key.get_ref().as_ref()));
        }
        table
    }

    /// A value that must be text.
    pub(crate) fn text<'v>(
        &mut self,
        key: &Spanned<impl AsRef<str>>,
        value: &'v Spanned<DeValue<'_>>,
    ) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.fault(value.span().start, format!("{} must be text", key.get_ref().as_ref()));
        }
        text
    }

    /// Whether there are no faults yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// `value`, if there are no faults.
    ///
    /// # Errors
    /// All faults in the order of their positions, one per line.
    pub(crate) fn finish<T>(mut self, value: T) -> Result<T> {
        if self.faults.is_empty() {
            return Ok(value);
        }
        self.faults.sort();
        let line = |(line, column, what)| format!("{}:{line}:{column}: {what}", self.of.name);
        let lines: Vec<String> = self.faults.into_iter().map(line).collect();
        Err(refusal(lines.join("\n"), self.of.file.as_deref()))
    }
}

/// A whole number.
pub(crate) fn integer(value: &DeValue<'_>) -> Option<i128> {
    value.as_integer().and_then(|n| i128::from_str_radix(n.as_str(), n.radix()).ok())
}

/// Line and column of a byte offset in a text; both count from 1.
pub(crate) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
}

/// Suggests the closest known name, or lists all of them.
fn hint(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {}?", quoted(near)),
        None => format!("there are: {}", known.iter().map(|k| quoted(k)).collect::<Vec<_>>().join(", ")),
    }
}

fn refusal(text: String, file: Option<&Path>) -> Error {
    let error = Error::usage(text).of_kind(ErrorKind::Config);
    match file {
        Some(file) => error.of_file(file),
        None => error,
    }
}
