//! The text of a CSV file, from its start, in blocks that end where a record ends: decompressed, decoded, hashed.
//!
//! A block ends at a line end that is not within quotes. Quotes count as quotes only where a field begins, as csv-core
//! has it; to know that, quotes are followed from one to the next through the whole file, which takes far less time
//! than splitting it. Blocks can then be split and parsed by any number of threads.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use encoding_rs::{Decoder, DecoderResult, Encoding};
use flate2::read::MultiGzDecoder;
use memchr::{memchr, memchr_iter, memrchr};

use super::options::is_utf8;
use crate::error::{Error, ErrorKind, Result};
use crate::input::file::{Stamp, changed, read_at};

/// Bytes of a block: fields of several blocks stay in a core's caches.
pub(super) const BLOCK_BYTES: usize = 1 << 20;
/// The longest record. Without a limit, a quote that is never closed would take the whole file into memory.
pub(super) const MOST_RECORD_BYTES: usize = 64 << 20;
/// Bytes that are read at a time.
const READ_BYTES: usize = 256 << 10;

/// An open CSV file.
#[derive(Debug, Clone)]
pub(super) struct CsvFile {
    pub(super) path: PathBuf,
    /// Its bytes on disk.
    pub(super) size: u64,
    /// Its state when it was opened.
    pub(super) stamp: Stamp,
    is_gzip: bool,
}

/// Whole records.
#[derive(Debug)]
pub(super) struct CsvBlock {
    pub(super) bytes: Vec<u8>,
    /// The line of the file on which it begins, from 1.
    pub(super) first_line: u64,
    /// Bytes of the file that were read for it.
    pub(super) read: u64,
}

/// The bytes of a file in order.
struct RawBytes {
    file: File,
    at: u64,
    size: u64,
    hash: blake3::Hasher,
}

enum Unpacked {
    Plain(RawBytes),
    Gzip(Box<MultiGzDecoder<RawBytes>>),
}

/// Reads a file in blocks.
pub(super) struct BlockReader {
    source: CsvFile,
    bytes: Unpacked,
    decoder: Option<Decoder>,
    encoding: &'static Encoding,
    separator: u8,
    line_end: u8,
    block_bytes: usize,
    /// Text that is not part of a block yet; a record begins at its start.
    held: Vec<u8>,
    quotes: QuoteState,
    line: u64,
    /// Bytes of the file that the blocks so far took.
    taken: u64,
    is_done: bool,
    /// A fault that comes after blocks that were read before it.
    fault: Option<Error>,
}

/// How far quotes were followed in the text that is held.
#[derive(Debug, Default)]
struct QuoteState {
    at: usize,
    /// Where the quote opened that is open.
    open: Option<usize>,
    /// The end of the last whole record.
    end: usize,
}

impl CsvFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let fail = |e: io::Error| Error::io("read", path, &e);
        let file = File::open(path).map_err(fail)?;
        let meta = file.metadata().map_err(fail)?;
        let size = meta.len();
        let mut magic = [0; 2];
        let is_gzip = size >= 2 && read_at(&file, &mut magic, 0).map(|()| magic == [0x1F, 0x8B]).map_err(fail)?;
        Ok(CsvFile { path: path.to_path_buf(), size, stamp: Stamp::of(&meta), is_gzip })
    }

    /// Opens the file again, which must not have changed. A folder may hold more files than can be open.
    fn unpacked(&self) -> Result<Unpacked> {
        let fail = |e: io::Error| Error::io("read", &self.path, &e);
        let file = File::open(&self.path).map_err(fail)?;
        if Stamp::of(&file.metadata().map_err(fail)?) != self.stamp {
            return Err(self.changed());
        }
        let raw = RawBytes { file, at: 0, size: self.size, hash: blake3::Hasher::new() };
        Ok(match self.is_gzip {
            false => Unpacked::Plain(raw),
            true => Unpacked::Gzip(Box::new(MultiGzDecoder::new(raw))),
        })
    }

    /// Calls `each` with the decompressed bytes in pieces, until it returns false.
    pub(super) fn pieces(&self, mut each: impl FnMut(&[u8]) -> bool) -> Result<()> {
        let (mut bytes, mut buffer) = (self.unpacked()?, vec![0; READ_BYTES]);
        loop {
            let n = bytes.fill(&mut buffer).map_err(|e| self.unreadable(&e))?;
            if n == 0 || !each(&buffer[..n]) {
                return Ok(());
            }
        }
    }

    /// An error about the file's content.
    pub(super) fn refuse(&self, why: &str) -> Error {
        Error::input(format!("{}: {why}", self.path.display())).of_file(&self.path)
    }

    /// The error for a file whose bytes cannot be read.
    fn unreadable(&self, e: &io::Error) -> Error {
        match e.kind() {
            io::ErrorKind::UnexpectedEof if self.is_gzip => {
                self.refuse("its gzip data ends early; copy it again").of_kind(ErrorKind::Corrupt)
            }
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if self.is_gzip => {
                self.refuse(&format!("its gzip data is damaged ({e}); copy it again")).of_kind(ErrorKind::Corrupt)
            }
            io::ErrorKind::UnexpectedEof => self.changed(),
            _ => Error::io("read", &self.path, e),
        }
    }

    /// The error for a file that is not what it was.
    pub(super) fn changed(&self) -> Error {
        changed(&self.path)
    }
}

impl Read for RawBytes {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = (out.len() as u64).min(self.size - self.at) as usize;
        read_at(&self.file, &mut out[..n], self.at)?;
        self.hash.update(&out[..n]);
        self.at += n as u64;
        Ok(n)
    }
}

impl Unpacked {
    /// Fills the buffer; fewer bytes mean the end.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut n = 0;
        while n < buffer.len() {
            let more = match self {
                Unpacked::Plain(raw) => raw.read(&mut buffer[n..])?,
                Unpacked::Gzip(gzip) => gzip.read(&mut buffer[n..])?,
            };
            if more == 0 {
                break;
            }
            n += more;
        }
        Ok(n)
    }

    fn raw(&mut self) -> &mut RawBytes {
        match self {
            Unpacked::Plain(raw) => raw,
            Unpacked::Gzip(gzip) => gzip.get_mut(),
        }
    }
}

impl BlockReader {
    /// Reads `source`, which is in `encoding` after the `skipped` bytes of its mark. Lines end in `line_end`.
    pub(super) fn new(
        source: &CsvFile,
        (encoding, skipped): (&'static Encoding, usize),
        (separator, line_end): (u8, u8),
        block_bytes: usize,
    ) -> Result<Self> {
        let mut bytes = source.unpacked()?;
        bytes.fill(&mut vec![0; skipped]).map_err(|e| source.unreadable(&e))?;
        Ok(BlockReader {
            source: source.clone(),
            bytes,
            decoder: (!is_utf8(encoding)).then(|| encoding.new_decoder_without_bom_handling()),
            encoding,
            separator,
            line_end,
            block_bytes,
            held: Vec::new(),
            quotes: QuoteState::default(),
            line: 1,
            taken: 0,
            is_done: false,
            fault: None,
        })
    }

    /// The next blocks, at most `most`; none: the file is read.
    pub(super) fn wave(&mut self, most: usize) -> Result<Vec<CsvBlock>> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let mut blocks = Vec::new();
        while blocks.len() < most {
            match self.next() {
                Ok(None) => break,
                Ok(Some(block)) => blocks.push(block),
                Err(fault) if blocks.is_empty() => return Err(fault),
                Err(fault) => {
                    self.fault = Some(fault);
                    break;
                }
            }
        }
        Ok(blocks)
    }

    /// The next block.
    pub(super) fn next(&mut self) -> Result<Option<CsvBlock>> {
        loop {
            if self.held.len() >= self.block_bytes || self.is_done {
                self.follow_quotes()?;
            }
            if self.is_done {
                if let Some(open) = self.quotes.open {
                    let line = self.line_at(open);
                    return Err(self.source.refuse(&format!(
                        "line {line}: a quote opens here and is not closed; close it, or double it if it is text"
                    )));
                }
                return Ok((!self.held.is_empty()).then(|| self.cut(self.held.len())));
            }
            if self.held.len() >= self.block_bytes && self.quotes.end > 0 {
                return Ok(Some(self.cut(self.quotes.end)));
            }
            if self.held.len() > MOST_RECORD_BYTES {
                let line = self.quotes.open.map_or(self.line, |open| self.line_at(open));
                return Err(self.source.refuse(&format!(
                    "line {line}: a record of more than {} MiB; is a quote not closed?",
                    MOST_RECORD_BYTES >> 20
                )));
            }
            self.read_more()?;
        }
    }

    /// blake3 of the bytes of the file, once all blocks were taken.
    pub(super) fn hash(mut self) -> Result<String> {
        let source = self.source;
        let raw = self.bytes.raw();
        // Bytes after the end of gzip data.
        let mut rest = vec![0; READ_BYTES];
        while raw.at < raw.size {
            raw.read(&mut rest).map_err(|e| source.unreadable(&e))?;
        }
        Ok(raw.hash.finalize().to_hex().to_string())
    }

    /// The line of a place in the text that is held.
    fn line_at(&self, at: usize) -> u64 {
        self.line + memchr_iter(self.line_end, &self.held[..at]).count() as u64
    }

    fn cut(&mut self, end: usize) -> CsvBlock {
        let rest = self.held.split_off(end);
        let bytes = std::mem::replace(&mut self.held, rest);
        self.held.reserve(self.block_bytes + READ_BYTES);
        let QuoteState { at, open, .. } = self.quotes;
        self.quotes = QuoteState { at: at.saturating_sub(end), open: open.map(|open| open - end), end: 0 };
        let first_line = self.line;
        self.line += memchr_iter(self.line_end, &bytes).count() as u64;
        let now = self.bytes.raw().at;
        CsvBlock { bytes, first_line, read: now - std::mem::replace(&mut self.taken, now) }
    }

    /// Appends text to what is held.
    fn read_more(&mut self) -> Result<()> {
        let source = &self.source;
        let Some(decoder) = &mut self.decoder else {
            let before = self.held.len();
            self.held.resize(before + READ_BYTES, 0);
            let n = self.bytes.fill(&mut self.held[before..]).map_err(|e| source.unreadable(&e))?;
            self.held.truncate(before + n);
            self.is_done = n < READ_BYTES;
            return Ok(());
        };
        let mut raw = vec![0; READ_BYTES];
        let n = self.bytes.fill(&mut raw).map_err(|e| source.unreadable(&e))?;
        self.is_done = n < READ_BYTES;
        let mut from = 0;
        loop {
            let before = self.held.len();
            let room = decoder.max_utf8_buffer_length_without_replacement(n - from).unwrap_or(4 * READ_BYTES);
            self.held.resize(before + room, 0);
            let (outcome, read, written) =
                decoder.decode_to_utf8_without_replacement(&raw[from..n], &mut self.held[before..], self.is_done);
            self.held.truncate(before + written);
            from += read;
            match outcome {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    let line = self.line_at(self.held.len());
                    return Err(invalid(&self.source, line, self.encoding));
                }
            }
        }
    }

    /// Follows quotes through the text that was added since.
    fn follow_quotes(&mut self) -> Result<()> {
        let QuoteState { mut at, mut open, mut end } = self.quotes;
        let text = self.held.as_slice();
        while at < text.len() {
            let quote = memchr(b'"', &text[at..]).map_or(text.len(), |n| at + n);
            if open.is_none() {
                end = memrchr(self.line_end, &text[at..quote]).map_or(end, |n| at + n + 1);
                if quote < text.len() && (quote == 0 || self.ends_field(text[quote - 1])) {
                    open = Some(quote);
                }
                at = (quote + 1).min(text.len());
                continue;
            }
            match text.get(quote..).unwrap_or_default() {
                [] => at = text.len(),
                // What follows it is not known yet.
                [_] if !self.is_done => {
                    at = quote;
                    break;
                }
                [_, b'"', ..] => at = quote + 2,
                [_, next, ..] if !self.ends_field(*next) => {
                    let line = self.line_at(quote);
                    return Err(self.source.refuse(&format!(
                        "line {line}: a quote within a quoted field is followed by {:?}; quotes in text must be doubled",
                        char::from(*next)
                    )));
                }
                _ => (at, open) = (quote + 1, None),
            }
        }
        self.quotes = QuoteState { at, open, end };
        Ok(())
    }

    fn ends_field(&self, byte: u8) -> bool {
        byte == self.separator || matches!(byte, b'\n' | b'\r')
    }
}

/// The error for bytes that are not text in the file's encoding.
pub(super) fn invalid(source: &CsvFile, line: u64, encoding: &'static Encoding) -> Error {
    let name = encoding.name();
    let remedy = "name the encoding with --csv-encoding, such as gb18030 or latin-1";
    source.refuse(&format!("line {line}: bytes that are not {name}; {remedy}")).of_option("--csv-encoding")
}
