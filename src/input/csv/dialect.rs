//! How one file is written: separator, line ends, header. Found from its beginning, where the user does not say.

use std::collections::HashSet;

use csv_core::{ReadRecordResult, ReaderBuilder};
use encoding_rs::Encoding;

use super::moment::may_be_date;
use super::number::look;
use super::options::CsvFormat;
use super::seen::flag;
use super::stream::CsvFile;
use crate::error::{ErrorKind, Result};

/// Bytes of a file that are looked at.
const SAMPLE_BYTES: usize = 1 << 20;
/// Records that are looked at.
const SAMPLE_RECORDS: usize = 1000;
/// Separators that are recognised, the most common first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How a file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) separator: u8,
    pub(super) line_end: u8,
    pub(super) has_header: bool,
    /// The columns.
    pub(super) names: Vec<String>,
}

impl Dialect {
    /// The separator as users name it.
    pub(super) fn separator_name(&self) -> String {
        match self.separator {
            b'\t' => "tab".into(),
            byte => char::from(byte).into(),
        }
    }

    /// Of a file in `encoding`, after the `skipped` bytes of its mark.
    ///
    /// # Errors
    /// No record, a header that is too long, or a name that stands twice in it.
    pub(super) fn of(
        source: &CsvFile,
        (encoding, skipped): (&'static Encoding, usize),
        format: &CsvFormat,
    ) -> Result<Self> {
        let (text, is_whole) = sample(source, encoding, skipped)?;
        let line_end = if text.contains('\n') || !text.contains('\r') { b'\n' } else { b'\r' };
        let named = format.separator.as_slice();
        let candidates = if named.is_empty() { &SEPARATORS[..] } else { named };
        let looks: Vec<SampleLook> = candidates.iter().map(|s| SampleLook::of(&text, *s, is_whole, format)).collect();
        // Among equals, the first.
        let best = looks.iter().rev().max_by(|a, b| a.rank().cmp(&b.rank()));
        let (separator, first) = match best {
            Some(look) if look.first.len() > 1 || candidates.len() == 1 => (look.separator, look.first.clone()),
            _ => (candidates[0], SampleLook::of(&text, candidates[0], is_whole, format).first),
        };
        if first.is_empty() {
            let why = match is_whole {
                true => "it has no records; expected a header and rows",
                false => "its first record is longer than 1 MiB; is a quote not closed?",
            };
            return Err(source.refuse(why).of_kind(ErrorKind::Corrupt));
        }
        let has_header = format.has_header.unwrap_or_else(|| !first.iter().any(|field| is_typed(field, format)));
        let names = if has_header { names(source, &first)? } else { numbered(first.len()) };
        Ok(Dialect { separator, line_end, has_header, names })
    }
}

/// What the beginning of a file looks like with one separator.
struct SampleLook {
    separator: u8,
    /// The fields of the first record.
    first: Vec<String>,
    records: usize,
    /// Records with as many fields as the first.
    alike: usize,
    fields: usize,
    /// Fields that are numbers, dates, or true or false.
    typed: usize,
}

impl SampleLook {
    fn of(text: &str, separator: u8, is_whole: bool, format: &CsvFormat) -> Self {
        let mut look = SampleLook { separator, first: Vec::new(), records: 0, alike: 0, fields: 0, typed: 0 };
        records(text, separator, is_whole, |fields| {
            if look.records == 0 {
                look.first = fields.iter().map(|f| (*f).to_owned()).collect();
            }
            look.records += 1;
            look.alike += usize::from(fields.len() == look.first.len());
            look.fields += fields.len();
            look.typed += fields.iter().filter(|field| is_typed(field, format)).count();
        });
        look
    }

    /// More columns than one, then records of one length, then values that are more than text, then more columns.
    fn rank(&self) -> (bool, usize, usize, usize) {
        let share = |part: usize, all: usize| (part * 1_000_000).checked_div(all).unwrap_or(0);
        let alike = share(self.alike, self.records);
        (self.first.len() > 1, alike, share(self.typed, self.fields), self.first.len())
    }
}

/// Calls `each` with the fields of the first records; the last one only if the text ends there.
fn records(text: &str, separator: u8, is_whole: bool, mut each: impl FnMut(&[&str])) {
    let mut reader = ReaderBuilder::new().delimiter(separator).build();
    let (bytes, mut out, mut ends) = (text.as_bytes(), vec![0; text.len() + 1], vec![0; 1024]);
    let (mut read, mut written, mut found, mut count) = (0, 0, 0, 0);
    while count < SAMPLE_RECORDS && (read < bytes.len() || is_whole) {
        let (outcome, nin, nout, nends) = reader.read_record(&bytes[read..], &mut out[written..], &mut ends[found..]);
        (read, written, found) = (read + nin, written + nout, found + nends);
        match outcome {
            ReadRecordResult::OutputEndsFull => ends.resize(2 * ends.len(), 0),
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull | ReadRecordResult::End => return,
            ReadRecordResult::Record => {
                let starts = std::iter::once(&0).chain(&ends[..found]);
                let field = |(from, to): (&usize, &usize)| std::str::from_utf8(&out[*from..*to]).unwrap_or_default();
                each(&starts.zip(&ends[..found]).map(field).collect::<Vec<_>>());
                (written, found, count) = (0, 0, count + 1);
            }
        }
    }
}

fn is_typed(field: &str, format: &CsvFormat) -> bool {
    let bytes = field.trim().as_bytes();
    let is_moment =
        |bytes| (may_be_date(bytes) || format.names_days()) && format.days.iter().any(|d| d.moment(bytes).is_some());
    look(bytes, &format.numbers).is_some() || flag(bytes).is_some() || is_moment(bytes)
}

/// The beginning of the text, and whether it is all of it. Invalid bytes are found later, with their line.
fn sample(source: &CsvFile, encoding: &'static Encoding, skipped: usize) -> Result<(String, bool)> {
    let (mut raw, mut is_whole) = (Vec::new(), true);
    source.pieces(|piece| {
        is_whole = raw.len() + piece.len() <= SAMPLE_BYTES;
        raw.extend_from_slice(piece);
        is_whole
    })?;
    let raw = raw.get(skipped..).unwrap_or_default();
    Ok((encoding.decode_without_bom_handling(raw).0.into_owned(), is_whole))
}

/// The names in a header. A column without one is named as pandas does, since the index of pandas has none.
fn names(source: &CsvFile, first: &[String]) -> Result<Vec<String>> {
    let name = |(i, field): (usize, &String)| match field.trim() {
        "" => format!("Unnamed: {i}"),
        name => name.to_owned(),
    };
    let names: Vec<String> = first.iter().enumerate().map(name).collect();
    let mut seen = HashSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
        let places = names.iter().enumerate().filter(|(_, name)| *name == twice).map(|(i, _)| (i + 1).to_string());
        let places: Vec<String> = places.collect();
        let why = format!(
            "columns {} of the header are all named {twice:?}; rename them, or read it as a row with --csv-header no",
            places.join(" and ")
        );
        return Err(source.refuse(&why).of_columns([twice]));
    }
    Ok(names)
}

fn numbered(columns: usize) -> Vec<String> {
    (1..=columns).map(|number| format!("column_{number}")).collect()
}
