//! The file of a list that people open in a spreadsheet: CSV in UTF-8 with a byte order mark, lines that end with CR
//! LF, and no text that a spreadsheet takes for a formula.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};

use arrow::array::{Array, ArrayRef, AsArray, LargeStringArray};
use arrow::datatypes::DataType;

use super::customers::CampaignCustomers;
use super::gathered::MemberColumns;
use super::walk::ListMember;
use crate::error::{Error, Result};
use crate::input::{ValueKind, written_as};
use crate::output::Publication;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What the file of a list has.
pub(super) struct SheetLayout<'a> {
    pub(super) customers: &'a CampaignCustomers,
    /// Relative to the published folder.
    pub(super) name: String,
    /// Columns of every list, and those that this one adds.
    pub(super) own: Vec<usize>,
    pub(super) further: Vec<usize>,
    /// What the list says of its customers, by the name of the column.
    pub(super) said: Vec<(&'static str, SaidText<'a>)>,
}

/// A text for customers: the same for all, or a column.
#[derive(Debug, Clone, Copy)]
pub(super) enum SaidText<'a> {
    All(&'a str),
    Each(usize),
}

/// The lines of some members, and how many of them are contacted.
pub(super) struct SheetLines {
    bytes: Vec<u8>,
    contacted: u64,
}

/// The file of a list, while it is written.
pub(super) struct ListSheet<'a> {
    pub(super) layout: SheetLayout<'a>,
    /// Customers written so far.
    pub(super) contacted: u64,
    file: BufWriter<File>,
    publication: &'a Publication,
}

impl<'a> ListSheet<'a> {
    /// Begins a file, with its first line.
    pub(super) fn new(publication: &'a Publication, layout: SheetLayout<'a>) -> Result<Self> {
        let file = BufWriter::new(publication.file(&layout.name)?);
        let mut sheet = ListSheet { layout, contacted: 0, file, publication };
        let mut bytes = BYTE_ORDER_MARK.to_vec();
        sheet.layout.header(&mut bytes);
        sheet.write(&SheetLines { bytes, contacted: 0 })?;
        Ok(sheet)
    }

    /// Adds lines.
    pub(super) fn write(&mut self, lines: &SheetLines) -> Result<()> {
        self.contacted += lines.contacted;
        self.file.write_all(&lines.bytes).map_err(|e| self.fault(&e))
    }

    /// Writes what is left; returns the name of the file.
    pub(super) fn finish(mut self) -> Result<String> {
        self.file.flush().map_err(|e| self.fault(&e))?;
        Ok(self.layout.name)
    }

    fn fault(&self, e: &std::io::Error) -> Error {
        Error::io("write", &self.publication.shown(&self.layout.name), e)
    }
}

impl SheetLayout<'_> {
    fn header(&self, bytes: &mut Vec<u8>) {
        let columns = self.customers.source.columns();
        let title = |at: &usize| columns[*at].name.as_str();
        let names = self.customers.names.as_ref().map(|_| "segment_name");
        let said = self.said.iter().map(|(name, _)| *name);
        let titles = self.own.iter().map(title).chain(names).chain(said).chain(self.further.iter().map(title));
        bytes.extend(b"position");
        titles.for_each(|title| push_cell(bytes, title, false));
        bytes.extend(b"\r\n");
    }

    /// The lines of those members who are contacted, after `before` others.
    pub(super) fn lines(&self, members: &[ListMember], columns: &MemberColumns, before: u64) -> Result<SheetLines> {
        let texts = |at: &usize| ColumnTexts::of(columns.get(*at)?);
        let own = self.own.iter().map(texts).collect::<Result<Vec<_>>>()?;
        let further = self.further.iter().map(texts).collect::<Result<Vec<_>>>()?;
        let said = self.said.iter().map(|(_, said)| match said {
            SaidText::All(text) => Ok(Err(*text)),
            SaidText::Each(at) => texts(at).map(Ok),
        });
        let said = said.collect::<Result<Vec<std::result::Result<ColumnTexts, &str>>>>()?;
        let names = self.customers.names.as_ref();
        let segments = names.map(|_| columns.segments(self.customers.cells.segment)).transpose()?.flatten();
        let name = |row: usize| {
            let number = segments.as_ref().filter(|of| of.is_valid(row)).map(|of| of.value(row) as usize);
            names.zip(number).and_then(|(names, number)| names.get(number)).map_or("", String::as_str)
        };
        let (mut bytes, mut contacted) = (Vec::new(), 0);
        for (row, _) in members.iter().enumerate().filter(|(_, member)| !member.is_control) {
            contacted += 1;
            bytes.extend((before + contacted).to_string().into_bytes());
            own.iter().for_each(|texts| texts.push(&mut bytes, row));
            if names.is_some() {
                push_cell(&mut bytes, name(row), false);
            }
            said.iter().for_each(|said| match said {
                Ok(texts) => texts.push(&mut bytes, row),
                Err(text) => push_cell(&mut bytes, text, false),
            });
            further.iter().for_each(|texts| texts.push(&mut bytes, row));
            bytes.extend(b"\r\n");
        }
        Ok(SheetLines { bytes, contacted })
    }
}

/// A column as text.
struct ColumnTexts {
    texts: LargeStringArray,
    is_number: bool,
}

impl ColumnTexts {
    fn of(array: &ArrayRef) -> Result<Self> {
        let is_number = ValueKind::of(array.data_type()) == ValueKind::Number;
        let texts = written_as(array, &DataType::LargeUtf8)
            .map_err(|e| Error::input(format!("a column of a list cannot be written as text: {e}")))?;
        Ok(ColumnTexts { texts: texts.as_string::<i64>().clone(), is_number })
    }

    fn push(&self, bytes: &mut Vec<u8>, row: usize) {
        let text = if self.texts.is_valid(row) { self.texts.value(row) } else { "" };
        push_cell(bytes, text, self.is_number);
    }
}

/// Adds a cell after another; numbers are written as they are.
fn push_cell(bytes: &mut Vec<u8>, text: &str, is_number: bool) {
    bytes.push(b',');
    match is_number {
        true => bytes.extend(text.as_bytes()),
        false => bytes.extend(cell(text).as_bytes()),
    }
}

/// A text as a cell that no spreadsheet takes for a formula: an apostrophe goes before the signs that begin one.
fn cell(text: &str) -> Cow<'_, str> {
    let begins = |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '＝' | '＋' | '－' | '＠');
    let is_formula = text.starts_with(begins) || text.trim_start().starts_with(begins);
    let text = if is_formula { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) };
    match text.contains([',', '"', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ') {
        true => Cow::Owned(format!("\"{}\"", text.replace('"', "\"\""))),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_defused_and_marks_quoted() {
        for (text, expected) in [
            ("plain", "plain"),
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-5", "'-5"),
            ("@x", "'@x"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            (" =x", "' =x"),
            ("＝x", "'＝x"),
            ("a,b", "\"a,b\""),
            ("say \"a\"\nb", "\"say \"\"a\"\"\nb\""),
            ("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }
}
