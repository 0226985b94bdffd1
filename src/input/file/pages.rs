//! The pages of a column chunk, untrusted: what a page claims about itself is checked before a decoder relies on it.
//!
//! The parquet crate checks that a page lies within its chunk, that levels and values have the bytes they need, and
//! that decompression yields what was claimed. But it reserves memory first: for the bytes that a page claims when
//! decompressed, for the values that a dictionary claims, for the lengths that a delta-encoded page claims. An
//! allocation that fails ends the process, so those claims are checked here. The parquet crate verifies the checksums
//! of pages.

use std::sync::Arc;

use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::{Compression, Encoding, Type};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use super::BATCH_ROWS;
use super::hashed::HashedChunk;
use super::range::RangeFile;
use super::thrift::{DATA, DATA_V2, DICTIONARY, PageClaims, page_claims};

/// The most bytes of a decompressed page. Writers make pages of 1 MiB; some make one page of a whole row group, and
/// DuckDB's have up to 100 MB.
const MAX_PAGE: i64 = 256 << 20;

/// Pages up to this size need not match the size of their chunk in the footer, since some writers count wrong.
const SMALL_PAGE: i64 = 16 << 20;

/// The most bytes of a value of fixed length: each null of a batch takes that many.
const MAX_FIXED: i32 = 32 << 10;

/// The most bytes that a batch of text may come to by repeating one value of a dictionary.
const MAX_REPEATED: u64 = 1 << 30;

/// One row group of a file, for the decoder.
pub(crate) struct GuardedGroup {
    file: RangeFile,
    metadata: Arc<ParquetMetaData>,
    group: usize,
}

impl GuardedGroup {
    pub(crate) fn new(file: RangeFile, metadata: Arc<ParquetMetaData>, group: usize) -> Self {
        GuardedGroup { file, metadata, group }
    }
}

impl RowGroups for GuardedGroup {
    fn num_rows(&self) -> usize {
        self.metadata.row_group(self.group).num_rows() as usize
    }

    fn column_chunks(&self, column: usize) -> ParquetResult<Box<dyn PageIterator>> {
        let group = self.metadata.row_group(self.group);
        let range = group.column(column).byte_range();
        let chunk = HashedChunk::new(self.file.clone(), self.group, column, range);
        let pages = Pages::open(Arc::new(chunk), group.column(column), group.num_rows())?;
        Ok(Box::new(OneChunk(Some(pages))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.metadata.row_group(self.group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

struct OneChunk(Option<Pages>);

impl Iterator for OneChunk {
    type Item = ParquetResult<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(Ok(Box::new(self.0.take()?)))
    }
}

impl PageIterator for OneChunk {}

/// The pages of one column chunk. Runs alongside the reader that decodes them, one header ahead.
struct Pages {
    inner: SerializedPageReader<HashedChunk>,
    file: Arc<HashedChunk>,
    chunk: ChunkPages,
    /// Where the next header begins, and where the chunk ends.
    at: u64,
    end: u64,
    /// The next page, once its header has been checked.
    next: Option<PageClaims>,
}

/// What the footer says about a chunk.
struct ChunkPages {
    kind: Type,
    type_length: i32,
    codec: Compression,
    unpacked: i64,
    /// Values that pages may still claim; None: a repeated column may have more values than rows.
    left: Option<i64>,
    /// The highest repetition and definition levels.
    levels: [i16; 2],
}

impl Pages {
    fn open(file: Arc<HashedChunk>, column: &ColumnChunkMetaData, rows: i64) -> ParquetResult<Self> {
        let chunk = ChunkPages {
            kind: column.column_type(),
            type_length: column.column_descr().type_length(),
            codec: column.compression(),
            unpacked: column.uncompressed_size(),
            left: (column.column_descr().max_rep_level() == 0).then_some(rows),
            levels: [column.column_descr().max_rep_level(), column.column_descr().max_def_level()],
        };
        if chunk.kind == Type::FIXED_LEN_BYTE_ARRAY && !(1..=MAX_FIXED).contains(&chunk.type_length) {
            return Err(refuse(format!(
                "its type claims {} bytes per value; expected 1 to {MAX_FIXED}",
                chunk.type_length
            )));
        }
        let (at, length) = column.byte_range();
        let inner = SerializedPageReader::new(file.clone(), column, rows as usize, None)?;
        Ok(Pages { inner, file, chunk, at, end: at + length, next: None })
    }

    /// Checks the header of the next page; None after the last.
    fn look(&mut self) -> ParquetResult<Option<PageClaims>> {
        if self.next.is_none() && self.at < self.end {
            let claims = self.claims()?;
            // The header was read within the chunk.
            let left = (self.end - self.at - claims.header) as i64;
            self.chunk.check(&claims, left).map_err(|why| refuse(format!("the page at byte {} {why}", self.at)))?;
            self.next = Some(claims);
        }
        Ok(self.next)
    }

    /// Reads the header of the next page: a kibibyte is usually enough, but its statistics may be long.
    fn claims(&self) -> ParquetResult<PageClaims> {
        let left = self.end - self.at;
        let mut length = left.min(1 << 10);
        loop {
            let bytes = self.file.peek(self.at, length as usize)?;
            match page_claims(&bytes) {
                Ok(claims) => {
                    self.file.note(self.at, &bytes[..claims.header as usize]);
                    return Ok(claims);
                }
                Err(_) if length < left.min(16 << 20) => length = (length << 7).min(left).min(16 << 20),
                Err(why) => return Err(refuse(format!("the page at byte {} has a corrupt header: {why}", self.at))),
            }
        }
    }

    /// Moves past the next page.
    fn step(&mut self) -> Option<PageClaims> {
        let claims = self.next.take()?;
        self.at += claims.header + claims.packed as u64;
        if let Some(left) = self.chunk.left.as_mut().filter(|_| claims.kind != DICTIONARY) {
            *left -= claims.values;
        }
        Some(claims)
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        let at = self.at;
        if self.look()?.is_none() {
            return Ok(None);
        }
        let page = self.inner.get_next_page().map_err(|e| checksum(e, at))?;
        self.step();
        if let Some(page) = &page {
            let held = delta_lengths(page, &self.chunk).and_then(|()| repeated(page, &self.chunk));
            held.map_err(|why| refuse(format!("the page at byte {at} {why}")))?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        if self.look()?.is_none() { Ok(None) } else { self.inner.peek_next_page() }
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        if self.look()?.is_some() {
            self.inner.skip_next_page()?;
            self.step();
        }
        Ok(())
    }
}

impl Iterator for Pages {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl ChunkPages {
    /// Checks the claims of a page; `left` bytes of its chunk follow the header.
    fn check(&self, page: &PageClaims, left: i64) -> Result<(), String> {
        let PageClaims { packed, values, .. } = *page;
        if !matches!(page.kind, DATA | DATA_V2 | DICTIONARY) {
            return Err(format!("is of kind {}, which no column has", page.kind));
        }
        if packed < 0 || packed > left {
            return Err(format!("claims {packed} bytes where its column chunk has {left} left"));
        }
        // Without compression, a decoder uses the bytes as they are.
        let unpacked = if self.codec == Compression::UNCOMPRESSED { packed } else { page.unpacked };
        if !(0..=MAX_PAGE).contains(&unpacked) {
            return Err(format!("claims {unpacked} bytes when decompressed; at most {MAX_PAGE} are accepted"));
        }
        if unpacked > self.unpacked.max(SMALL_PAGE) {
            return Err(format!(
                "claims {unpacked} bytes when decompressed, the footer {} for its whole column chunk",
                self.unpacked
            ));
        }
        let most = most_unpacked(self.codec, packed);
        if unpacked > most {
            return Err(format!(
                "claims {unpacked} bytes when decompressed, and its {packed} bytes of {} hold at most {most}",
                codec_name(self.codec)
            ));
        }
        if page.levels.iter().any(|l| !(0..=unpacked).contains(l)) || page.levels[0] + page.levels[1] > unpacked {
            return Err(format!(
                "claims {} and {} bytes of levels in {unpacked} bytes",
                page.levels[0], page.levels[1]
            ));
        }
        if values < 0 {
            return Err(format!("claims {values} values"));
        }
        if page.kind == DICTIONARY {
            let most = unpacked / self.least_bytes();
            if values > most {
                return Err(format!("claims a dictionary of {values} values in {unpacked} bytes, which hold {most}"));
            }
        } else if let Some(rows) = self.left
            && values > rows
        {
            return Err(format!("claims {values} values where its row group has {rows} rows left"));
        }
        Ok(())
    }

    /// The fewest bytes that a value takes in a dictionary.
    fn least_bytes(&self) -> i64 {
        match self.kind {
            Type::BOOLEAN => 1,
            Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 4,
            Type::INT64 | Type::DOUBLE => 8,
            Type::INT96 => 12,
            Type::FIXED_LEN_BYTE_ARRAY => i64::from(self.type_length.max(1)),
        }
    }
}

/// The most bytes that `packed` compressed bytes can expand to, from the densest encoding of each format.
fn most_unpacked(codec: Compression, packed: i64) -> i64 {
    let (times, per) = match codec {
        // A copy of 64 bytes takes 3.
        Compression::SNAPPY => (64, 3),
        // Each further byte adds up to 255 to a length.
        Compression::LZ4 | Compression::LZ4_RAW => (255, 1),
        // 258 bytes take 2 bits.
        Compression::GZIP(_) => (1032, 1),
        // A block of 128 KiB takes 4 bytes.
        Compression::ZSTD(_) => (128 << 10, 4),
        _ => return i64::MAX,
    };
    packed.saturating_add(64).saturating_mul(times) / per
}

fn codec_name(codec: Compression) -> &'static str {
    match codec {
        Compression::SNAPPY => "Snappy",
        Compression::LZ4 | Compression::LZ4_RAW => "LZ4",
        Compression::GZIP(_) => "gzip",
        Compression::ZSTD(_) => "Zstandard",
        Compression::BROTLI(_) => "Brotli",
        _ => "uncompressed data",
    }
}

/// Pages with delta-encoded lengths state the number of lengths themselves, and decoders reserve memory for all of
/// them.
fn delta_lengths(page: &Page, chunk: &ChunkPages) -> Result<(), String> {
    let lists = match page.encoding() {
        Encoding::DELTA_LENGTH_BYTE_ARRAY => 1,
        Encoding::DELTA_BYTE_ARRAY => 2,
        _ => return Ok(()),
    };
    let values = u64::from(page.num_values());
    if chunk.kind == Type::FIXED_LEN_BYTE_ARRAY && values.saturating_mul(chunk.type_length as u64) > MAX_PAGE as u64 {
        return Err(format!("claims {values} values of {} bytes", chunk.type_length));
    }
    let bytes = page.buffer();
    let start = chunk.values_at(page, bytes).ok_or("ends within its levels")?;
    let mut lengths = Lengths { bytes, at: start };
    for _ in 0..lists {
        let most = values.min(MAX_PAGE as u64 / 4);
        let count = lengths.list(most).ok_or("ends within its lengths")?;
        if count > most {
            return Err(format!("claims {count} lengths for {values} values"));
        }
    }
    Ok(())
}

/// A dictionary holds a value once, but every row of a batch may repeat it. Writers keep dictionaries below a mebibyte.
fn repeated(page: &Page, chunk: &ChunkPages) -> Result<(), String> {
    let Page::DictionaryPage { buf, .. } = page else { return Ok(()) };
    if chunk.kind != Type::BYTE_ARRAY {
        return Ok(());
    }
    let (mut rest, mut longest) = (&buf[..], 0u64);
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length);
        longest = longest.max(u64::from(length));
        // The decoder refuses lengths beyond the page.
        rest = after.get(length as usize..).unwrap_or_default();
    }
    let rows = chunk.left.map_or(BATCH_ROWS as u64, |rows| (rows as u64).min(BATCH_ROWS as u64));
    if longest.saturating_mul(rows) > MAX_REPEATED {
        return Err(format!(
            "is a dictionary with a value of {longest} bytes, which {rows} rows at a time could repeat; at most {} bytes \
             are accepted: write the column without a dictionary",
            MAX_REPEATED / rows
        ));
    }
    Ok(())
}

impl ChunkPages {
    /// Where the values of a data page begin.
    fn values_at(&self, page: &Page, bytes: &[u8]) -> Option<usize> {
        match page {
            Page::DataPage { num_values, def_level_encoding, rep_level_encoding, .. } => {
                let mut at = 0usize;
                for (max, encoding) in [(self.levels[0], rep_level_encoding), (self.levels[1], def_level_encoding)] {
                    if max > 0 && *encoding == Encoding::RLE {
                        let length = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
                        at = at.checked_add(4 + u32::from_le_bytes(length) as usize)?;
                    } else if max > 0 {
                        let bits = u64::from(16 - max.leading_zeros());
                        at = at.checked_add((u64::from(*num_values) * bits).div_ceil(8) as usize)?;
                    }
                }
                Some(at)
            }
            Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
                Some(*def_levels_byte_len as usize + *rep_levels_byte_len as usize)
            }
            Page::DictionaryPage { .. } => Some(0),
        }
    }
}

/// Scans delta-encoded lists of lengths without decoding them.
struct Lengths<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Lengths<'_> {
    /// The number of lengths that the next list claims; skips the list if they are at most `most`.
    fn list(&mut self, most: u64) -> Option<u64> {
        let block = self.varint()?;
        let minis = self.varint()?;
        let count = self.varint()?;
        self.varint()?;
        if count > most {
            return Some(count);
        }
        let mini = block.checked_div(minis)?;
        let mut left = count.saturating_sub(1);
        while left > 0 {
            self.varint()?;
            let widths = self.bytes.get(self.at..self.at.checked_add(minis as usize)?)?;
            self.at += widths.len();
            for &width in widths {
                // Blocks after the last value have a width but no bytes.
                if left > 0 {
                    self.at = self.at.checked_add((u64::from(width).checked_mul(mini)? / 8) as usize)?;
                }
                left = left.saturating_sub(mini);
            }
            if mini == 0 || widths.is_empty() {
                return None;
            }
        }
        Some(count)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let b = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(b & 0x7f) << shift;
            if b & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

/// The parquet crate's error for a page that does not match its checksum, with a remedy.
fn checksum(error: ParquetError, at: u64) -> ParquetError {
    if error.to_string().contains("CRC checksum mismatch") {
        refuse(format!("the page at byte {at} does not match its checksum (CRC); write or copy the file again"))
    } else {
        error
    }
}

fn refuse(why: String) -> ParquetError {
    ParquetError::General(why)
}
