//! Passes over one file, block by block on all threads, with results merged in the order of the file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::ArrayRef;
use encoding_rs::Encoding;
use rayon::prelude::*;

use super::build::{OtherType, array};
use super::dialect::Dialect;
use super::encoding::{assumed, begins_as_utf8, looks_like, marked};
use super::options::{CsvFormat, is_utf8};
use super::seen::{ColumnSeen, CsvType};
use super::split::{CsvFields, Ragged, record_line};
use super::stream::{BLOCK_BYTES, BlockReader, CsvBlock, CsvFile, invalid};
use super::write::RowWriter;
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};

/// An open CSV file, and how it is written.
#[derive(Debug, Clone)]
pub(super) struct CsvTable {
    pub(super) source: CsvFile,
    /// Its encoding, and the bytes of its byte-order mark.
    pub(super) encoding: (&'static Encoding, usize),
    /// Whether the encoding was named or marked.
    is_certain: bool,
    /// Whether it is a guess from bytes that are not UTF-8.
    pub(super) is_guess: bool,
    pub(super) dialect: Dialect,
    pub(super) format: Arc<CsvFormat>,
    block_bytes: usize,
}

/// A file after the first pass.
pub(super) struct SurveyedTable {
    pub(super) table: CsvTable,
    pub(super) columns: Vec<ColumnSeen>,
    pub(super) rows: u64,
    /// blake3 of its bytes.
    pub(super) hash: String,
}

impl CsvTable {
    /// # Errors
    /// A file that cannot be read, or has no records.
    pub(super) fn open(path: &Path, format: &Arc<CsvFormat>) -> Result<Self> {
        let source = CsvFile::open(path)?;
        let marked = marked(&source)?;
        let named = format.encoding.map(|encoding| (encoding, 0));
        let is_certain = marked.is_some() || named.is_some();
        // Before the header is read: names that differ may look alike in a wrong encoding.
        let is_guess = !is_certain && !begins_as_utf8(&source)?;
        let guess = if is_guess { Some((looks_like(&source)?, 0)) } else { None };
        let encoding = marked.or(named).or(guess).unwrap_or_else(assumed);
        let (dialect, format) = (Dialect::of(&source, encoding, format)?, format.clone());
        Ok(CsvTable { source, encoding, is_certain, is_guess, dialect, format, block_bytes: BLOCK_BYTES })
    }

    /// The first pass. A file that turns out not to be UTF-8 is read again in the encoding that it looks like.
    pub(super) fn survey(mut self, watch: Watch<'_>) -> Result<SurveyedTable> {
        let not_utf8 = AtomicBool::new(false);
        let mut found = self.survey_once(&not_utf8, watch);
        if found.is_err() && not_utf8.load(Ordering::Relaxed) && !self.is_certain && !self.is_guess {
            (self.encoding, self.is_guess) = ((looks_like(&self.source)?, 0), true);
            self.dialect = Dialect::of(&self.source, self.encoding, &self.format)?;
            found = self.survey_once(&not_utf8, watch);
        }
        let (columns, rows, hash) = found?;
        Ok(SurveyedTable { table: self, columns, rows, hash })
    }

    fn survey_once(&self, not_utf8: &AtomicBool, watch: Watch<'_>) -> Result<(Vec<ColumnSeen>, u64, String)> {
        let mut columns = vec![ColumnSeen::default(); self.dialect.names.len()];
        let mut rows = 0;
        let look = |block: &CsvBlock| {
            let text = self.text(block).inspect_err(|_| not_utf8.store(true, Ordering::Relaxed))?;
            let (fields, from) = self.fields(block, text)?;
            let mut seen = vec![ColumnSeen::default(); self.dialect.names.len()];
            for (c, seen) in seen.iter_mut().enumerate() {
                for (row, field) in fields.column(c, from).enumerate() {
                    seen.add(field, from + row, &self.format);
                }
            }
            Ok((seen, fields.rows() - from))
        };
        let mut merged: Vec<(Vec<ColumnSeen>, usize)> = Vec::new();
        let hash = self.blocks((Stage::CsvTypes, watch), look, |blocks, outcomes| {
            merged.clear();
            merged.extend(outcomes);
            for (block, (seen, found)) in blocks.iter().zip(merged.drain(..)) {
                rows += found as u64;
                self.merge(&mut columns, seen, block);
            }
            Ok(())
        })?;
        Ok((columns, rows, hash))
    }

    /// Merges what was seen in a block; the first odd value of a column gets its line in the file.
    fn merge(&self, columns: &mut [ColumnSeen], seen: Vec<ColumnSeen>, block: &CsvBlock) {
        for (column, mut seen) in columns.iter_mut().zip(seen) {
            if column.odd().is_none()
                && let Some(odd) = seen.odd()
            {
                let text = std::str::from_utf8(&block.bytes).unwrap_or_default();
                odd.place = block.first_line + record_line(text, self.dialect.separator, odd.place as usize);
            }
            column.merge(seen);
        }
    }

    fn text<'a>(&self, block: &'a CsvBlock) -> Result<&'a str> {
        std::str::from_utf8(&block.bytes).map_err(|e| {
            let before = &block.bytes[..e.valid_up_to()];
            let line = block.first_line + memchr::memchr_iter(self.dialect.line_end, before).count() as u64;
            debug_assert!(is_utf8(self.encoding.0), "what is decoded is UTF-8");
            invalid(&self.source, line, self.encoding.0)
        })
    }

    /// The fields of a block, and its first row that is not the header.
    fn fields<'a>(&self, block: &CsvBlock, text: &'a str) -> Result<(CsvFields<'a>, usize)> {
        let columns = self.dialect.names.len();
        let fields = CsvFields::split(text, self.dialect.separator, columns);
        let fields = fields.map_err(|ragged| self.ragged(block, &ragged))?;
        Ok((fields, usize::from(self.dialect.has_header && block.first_line == 1)))
    }

    fn ragged(&self, block: &CsvBlock, ragged: &Ragged) -> Error {
        let line = block.first_line + ragged.line;
        let columns = self.dialect.names.len();
        let fields = ragged.fields;
        let (s, first) =
            (if fields == 1 { "" } else { "s" }, if self.dialect.has_header { "header" } else { "first line" });
        let separator = self.dialect.separator_name();
        self.source.refuse(&format!(
            "line {line} has {fields} field{s}, the {first} has {columns}; fields that contain the separator \
             {separator} or a line end must be quoted; --csv-separator names another separator"
        ))
    }

    /// Calls `work` for every block on all threads, and `take` with the outcomes of some blocks in order. Returns
    /// blake3 of the file's bytes.
    fn blocks<T: Send>(
        &self,
        (stage, watch): (Stage, Watch<'_>),
        work: impl Fn(&CsvBlock) -> Result<T> + Sync,
        mut take: impl FnMut(&[CsvBlock], Vec<T>) -> Result<()>,
    ) -> Result<String> {
        let marks = (self.dialect.separator, self.dialect.line_end);
        let mut reader = BlockReader::new(&self.source, self.encoding, marks, self.block_bytes)?;
        let most = 2 * rayon::current_num_threads();
        let mut blocks = reader.wave(most)?;
        while !blocks.is_empty() {
            watch.check()?;
            let (next, outcomes) = rayon::join(
                || reader.wave(most),
                || blocks.par_iter().with_max_len(1).map(&work).collect::<Vec<Result<T>>>(),
            );
            // The first fault of the file, whichever was found first.
            take(&blocks, outcomes.into_iter().collect::<Result<_>>()?)?;
            watch.advance(stage, blocks.iter().map(|block| block.read).sum());
            blocks = next?;
        }
        reader.hash()
    }
}

impl SurveyedTable {
    /// The second pass: every row, with columns of these types, and after them those of `more` for a number of rows.
    ///
    /// # Errors
    /// The file has changed since the first pass.
    pub(super) fn convert(
        &self,
        types: &[&CsvType],
        more: impl Fn(usize) -> Vec<ArrayRef> + Sync,
        writer: &mut RowWriter,
        watch: Watch<'_>,
    ) -> Result<()> {
        let table = &self.table;
        let mut rows = 0;
        let build = |block: &CsvBlock| {
            let (fields, from) = table.fields(block, table.text(block)?)?;
            let own = |(c, csv_type): (usize, &&CsvType)| array(fields.column(c, from), csv_type, &table.format);
            let mut arrays = types.iter().enumerate().map(own).collect::<Result<Vec<_>, OtherType>>();
            if let Ok(arrays) = &mut arrays {
                arrays.extend(more(fields.rows() - from));
            }
            arrays.map_err(|_| table.source.changed())
        };
        let hash = table.blocks((Stage::CsvValues, watch), build, |_, batches| {
            rows += batches.iter().filter_map(|batch| batch.first()).map(|array| array.len() as u64).sum::<u64>();
            writer.push(&batches)
        });
        let hash = match hash {
            // What fitted in the first pass does not now.
            Err(Error::Input(_)) => return Err(table.source.changed()),
            hash => hash?,
        };
        if hash != self.hash || rows != self.rows { Err(table.source.changed()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;
    use crate::input::csv::options::CsvOptions;

    /// The rows of a file, read in blocks of a size, or the fault.
    fn rows(bytes: &[u8], options: &CsvOptions, block_bytes: usize) -> Result<Vec<Vec<String>>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, bytes).unwrap();
        let table = CsvTable::open(&path, &Arc::new(options.check()?))?;
        let table = CsvTable { block_bytes, ..table };
        let found = Mutex::new(vec![table.dialect.names.clone()]);
        let work = |block: &CsvBlock| {
            let (fields, from) = table.fields(block, table.text(block)?)?;
            let columns: Vec<Vec<String>> =
                (0..table.dialect.names.len()).map(|c| fields.column(c, from).map(str::to_owned).collect()).collect();
            Ok((0..fields.rows() - from).map(|r| columns.iter().map(|c| c[r].clone()).collect()).collect::<Vec<_>>())
        };
        table.blocks((Stage::CsvTypes, Watch::none()), work, |_, some| {
            found.lock().unwrap().extend(some.into_iter().flatten());
            Ok(())
        })?;
        Ok(found.into_inner().unwrap())
    }

    /// A field as a program would write it.
    fn written(field: &str, always: bool) -> String {
        let needs = field.contains([',', '"', '\n', '\r']) || field.is_empty();
        if needs || always { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        /// What was written is read, wherever blocks end: quotes, separators and line ends within fields, both line
        /// ends.
        #[test]
        fn what_was_written_is_read(
            table in prop::collection::vec(prop::collection::vec("[a-c,\"\n\r é]{0,6}", 3), 1..12),
            always in any::<bool>(),
            crlf in any::<bool>(),
            block_bytes in 1usize..80,
        ) {
            let end = if crlf { "\r\n" } else { "\n" };
            let mut text = format!("x,y,z{end}");
            for row in &table {
                text += &row.iter().map(|f| written(f, always)).collect::<Vec<_>>().join(",");
                text += end;
            }
            let options = CsvOptions { separator: Some(",".into()), ..CsvOptions::default() };
            let read = rows(text.as_bytes(), &options, block_bytes).unwrap();
            prop_assert_eq!(&read[1..], &table);
        }

        /// Without quotes, what csv-core reads is what we read: empty fields, empty lines, all line ends.
        #[test]
        fn what_csv_core_reads_is_read(
            text in "(([ab]{0,2},[ab]{0,2},[ab]{0,2})?(\n|\r\n|\r|\n\n)){1,20}",
            size in 1usize..40,
        ) {
            let options = CsvOptions { separator: Some(",".into()), ..CsvOptions::default() };
            let text = format!("x,y,z\n{text}");
            let read = rows(text.as_bytes(), &options, size).unwrap();
            let mut expected = Vec::new();
            let mut reader = csv_core::ReaderBuilder::new().build();
            let (mut at, mut out, mut ends) = (0, [0; 64], [0; 8]);
            loop {
                let (outcome, nin, _, n) = reader.read_record(&text.as_bytes()[at..], &mut out, &mut ends);
                at += nin;
                match outcome {
                    csv_core::ReadRecordResult::Record => {
                        let starts = std::iter::once(0).chain(ends[..n].iter().copied());
                        let text = |(a, b): (usize, &usize)| String::from_utf8(out[a..*b].to_vec()).unwrap();
                        expected.push(starts.zip(&ends[..n]).map(text).collect::<Vec<_>>());
                    }
                    csv_core::ReadRecordResult::End => break,
                    _ => {}
                }
            }
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn faults_name_their_line() {
        let options = CsvOptions { separator: Some(",".into()), ..CsvOptions::default() };
        for (text, parts) in [
            ("x,y\n1,2\n\n1,2,3\n", &["line 4 has 3 fields", "the header has 2"][..]),
            ("x,y\n1,2\n\"a\nb\",2\n7\n", &["line 5 has 1 field,"]),
            ("x,y\n1,2\n\"a\nb,2\n7,8\n", &["line 3: a quote opens here"]),
            ("x,y\n\"a\n\"b,2\n", &["line 3: a quote within a quoted field", "'b'", "doubled"]),
            ("x,y,x\n", &["columns 1 and 3", "\"x\""]),
            ("", &["no records"]),
        ] {
            for size in [1, 3, 1000] {
                let fault = rows(text.as_bytes(), &options, size).unwrap_err().to_string();
                assert!(parts.iter().all(|part| fault.contains(part)), "{text:?} by {size}: {fault}");
            }
        }
        let utf8 = CsvOptions { encoding: Some("utf-8".into()), ..options };
        let fault = rows(b"x,y\n1,2\n\xFF\xFF,3\n", &utf8, 1000).unwrap_err().to_string();
        assert!(fault.contains("line 3: bytes that are not UTF-8") && fault.contains("--csv-encoding"), "{fault}");
    }
}
