//! A block of whole records into fields.
//!
//! Without a quote in it, a block is cut where separators and line ends stand; otherwise csv-core splits it and removes
//! the quotes. Both give the same fields. Empty lines are no records.

use std::borrow::Cow;

use csv_core::{ReadRecordResult, ReaderBuilder};
use memchr::{memchr, memchr_iter, memchr3_iter};

/// The fields of a block, row by row.
pub(super) struct CsvFields<'a> {
    text: Cow<'a, str>,
    /// Where each field begins and ends in the text.
    places: Vec<(u32, u32)>,
    columns: usize,
}

/// A record with another number of fields than the first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ragged {
    /// Its line in the block, from 0.
    pub(super) line: u64,
    pub(super) fields: usize,
}

impl<'a> CsvFields<'a> {
    /// Splits a block into records of `columns` fields.
    ///
    /// # Errors
    /// The first record with another number of fields.
    pub(super) fn split(block: &'a str, separator: u8, columns: usize) -> Result<Self, Ragged> {
        let mut fields = CsvFields { text: Cow::Borrowed(block), places: Vec::new(), columns };
        fields.places.reserve(block.len() / 6);
        match memchr(b'"', block.as_bytes()) {
            None => fields.cut(block, separator)?,
            Some(_) => fields.text = Cow::Owned(fields.unquote(block, separator)?),
        }
        Ok(fields)
    }

    /// Splits a block without quotes.
    fn cut(&mut self, block: &str, separator: u8) -> Result<(), Ragged> {
        let bytes = block.as_bytes();
        let (mut start, mut first, mut record) = (0, 0, 0);
        for at in memchr3_iter(separator, b'\n', b'\r', bytes) {
            if bytes[at] == separator {
                self.places.push((start, at as u32));
            } else if at > record {
                self.places.push((start, at as u32));
                first = self.complete(first, bytes, record)?;
                record = at + 1;
            } else {
                // An empty line, or the second half of a line end.
                record = at + 1;
            }
            start = at as u32 + 1;
        }
        if record < bytes.len() {
            self.places.push((start, bytes.len() as u32));
            self.complete(first, bytes, record)?;
        }
        Ok(())
    }

    /// Ends a record that began with field number `first`, at the byte `record`; returns the number of the next field.
    fn complete(&self, first: usize, bytes: &[u8], record: usize) -> Result<usize, Ragged> {
        let fields = self.places.len() - first;
        if fields == self.columns {
            return Ok(self.places.len());
        }
        Err(Ragged { line: memchr_iter(b'\n', &bytes[..record]).count() as u64, fields })
    }

    /// Splits a block with quotes; returns its text without them.
    fn unquote(&mut self, block: &str, separator: u8) -> Result<String, Ragged> {
        let mut reader = ReaderBuilder::new().delimiter(separator).build();
        let bytes = block.as_bytes();
        // Removing quotes makes text shorter.
        let mut out = vec![0; bytes.len()];
        let mut ends = vec![0; self.columns.max(16) * 2];
        let (mut read, mut written, mut found) = (0, 0, 0);
        let (mut record, mut first) = (0, 0);
        loop {
            // At the end, csv-core is told so by an empty input.
            let (outcome, nin, nout, nends) =
                reader.read_record(&bytes[read..], &mut out[written..], &mut ends[found..]);
            (read, written, found) = (read + nin, written + nout, found + nends);
            match outcome {
                ReadRecordResult::OutputEndsFull => ends.resize(2 * ends.len(), 0),
                ReadRecordResult::OutputFull => out.resize(out.len() + 1024, 0),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::End => break,
                ReadRecordResult::Record => {
                    // Ends count from the start of the record.
                    let start = self.places.last().map_or(0, |(_, end)| *end);
                    let mut from = start;
                    for end in &ends[..found] {
                        self.places.push((from, start + *end as u32));
                        from = start + *end as u32;
                    }
                    let empty = bytes[record..read].iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
                    first = self.complete(first, bytes, (record + empty).min(read))?;
                    (record, found) = (read, 0);
                }
            }
        }
        out.truncate(written);
        // Fields of text are text: only ASCII was removed.
        Ok(String::from_utf8(out).unwrap_or_default())
    }

    pub(super) fn rows(&self) -> usize {
        self.places.len() / self.columns.max(1)
    }

    /// The fields of a column, from a row on.
    pub(super) fn column(&self, column: usize, from: usize) -> impl ExactSizeIterator<Item = &str> {
        let places = self.places[(from * self.columns).min(self.places.len())..].iter();
        let skipped = places.as_slice().get(column..).unwrap_or_default();
        skipped.iter().step_by(self.columns.max(1)).map(|(start, end)| &self.text[*start as usize..*end as usize])
    }
}

/// The lines on which the records of a block begin, counted from 0.
pub(super) fn record_line(block: &str, separator: u8, row: usize) -> u64 {
    let mut reader = ReaderBuilder::new().delimiter(separator).build();
    let bytes = block.as_bytes();
    let (mut out, mut ends) = (vec![0; 64 << 10], vec![0; 1024]);
    let (mut read, mut records) = (0, 0);
    while records < row {
        let (outcome, nin, ..) = reader.read_record(&bytes[read..], &mut out, &mut ends);
        read += nin;
        match outcome {
            ReadRecordResult::Record => records += 1,
            ReadRecordResult::End => break,
            _ => {}
        }
    }
    let empty = bytes[read..].iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
    memchr_iter(b'\n', &bytes[..read + empty]).count() as u64
}
