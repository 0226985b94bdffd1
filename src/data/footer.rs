//! A file's footer, read with distrust: every size and offset is checked against the file before anything is decoded.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::keys::{Decoded, Keys, without_keys};
use super::thrift;
use crate::error::{Error, Result};

/// A file that can be read at any offset from several threads at once.
#[derive(Debug, Clone)]
pub(super) struct RangeFile {
    file: Arc<File>,
    size: u64,
}

impl RangeFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        File::open(path).and_then(Self::of).map_err(|e| Error::io("read", path, &e))
    }

    /// Of a file that is open.
    pub(super) fn of(file: File) -> std::io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(RangeFile { file: Arc::new(file), size })
    }

    fn read(&self, start: u64, bytes: &mut [u8]) -> std::io::Result<()> {
        super::store::read_at(&self.file, bytes, start)
    }
}

impl Length for RangeFile {
    fn len(&self) -> u64 {
        self.size
    }
}

/// Bytes read ahead when a page header is wanted: its size is not known before.
const HEADER_READ: u64 = 1 << 10;

impl ChunkReader for RangeFile {
    type T = RangeReader;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(RangeReader { file: self.clone(), offset: start, buffer: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.size) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at {start} lie beyond the file's {} bytes",
                self.size
            )));
        }
        let mut bytes = vec![0; length];
        self.read(start, &mut bytes)?;
        Ok(bytes.into())
    }
}

/// Reads a file on from an offset.
pub(super) struct RangeReader {
    file: RangeFile,
    offset: u64,
    buffer: Bytes,
}

impl std::io::Read for RangeReader {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.buffer.is_empty() {
            let n = HEADER_READ.min(self.file.size.saturating_sub(self.offset)) as usize;
            self.buffer = self.file.get_bytes(self.offset, n).map_err(std::io::Error::other)?;
            self.offset += n as u64;
        }
        let n = out.len().min(self.buffer.len());
        out[..n].copy_from_slice(&self.buffer.split_to(n));
        Ok(n)
    }
}

/// A footer that was checked.
#[derive(Debug, Clone)]
pub(super) struct Footer {
    pub(super) metadata: ArrowReaderMetadata,
    pub(super) size: u64,
    /// blake3 of the footer's bytes: names the file's content without reading it.
    pub(super) hash: String,
    /// Whether the footer or a column is encrypted.
    pub(super) encrypted: bool,
    /// Columns that cannot be read for want of a key, and why, in words that follow their name.
    pub(super) locked: BTreeMap<String, String>,
}

/// Reads and checks the footer of `path`.
pub(super) fn read_footer(path: &Path, keys: Option<&Arc<Keys>>) -> Result<Footer> {
    let refuse = |why: String| Error::Input(format!("{}: {why}", path.display()));
    let file = RangeFile::open(path)?;
    if file.size < 12 {
        return Err(refuse(format!("not a Parquet file: {} bytes are too few for one", file.size)));
    }
    let mut end = [0; 8];
    file.read(file.size - 8, &mut end).map_err(|e| Error::io("read", path, &e))?;
    let sealed = match &end[4..] {
        b"PAR1" => false,
        b"PARE" if keys.is_none() => {
            return Err(refuse("its footer is encrypted; give the keys by --keys FILE".into()));
        }
        b"PARE" => true,
        _ => {
            return Err(refuse(
                "not a Parquet file, or one that was cut off: it does not end in PAR1; write or copy it again".into(),
            ));
        }
    };
    let length = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
    if length == 0 || length > file.size - 12 {
        return Err(refuse(format!("corrupt: the footer claims {length} bytes, the file has {}", file.size)));
    }
    let tail =
        file.get_bytes(file.size - 8 - length, length as usize + 8).map_err(|e| refuse(format!("corrupt: {e}")))?;
    let bytes = tail.slice(..length as usize);
    // Of an encrypted footer this is what comes before it: by which algorithm, with which key.
    thrift::check(&bytes).map_err(|why| refuse(format!("corrupt footer: {why}")))?;
    let Decoded { metadata, locked } =
        keys.map_or_else(|| without_keys(&tail), |keys| keys.decode(&tail)).map_err(refuse)?;
    let locked_leaf = |leaf| locked.contains_key(&leaf);
    check_extents(&metadata, file.size - 8 - length, locked_leaf)
        .map_err(|why| refuse(format!("corrupt footer: {why}")))?;
    let encrypted =
        sealed || metadata.row_groups().iter().flat_map(|g| g.columns()).any(|c| c.crypto_metadata().is_some());
    let root = |leaf| metadata.file_metadata().schema_descr().get_column_root(leaf).name().to_owned();
    let locked = locked.into_iter().map(|(leaf, why)| (root(leaf), why)).collect();
    let metadata = guarded(|| ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new()))
        .map_err(|why| refuse(format!("corrupt footer: {why}")))?;
    Ok(Footer { metadata, size: file.size, hash: blake3::hash(&bytes).to_hex().to_string(), encrypted, locked })
}

/// Rows and byte ranges agree with each other and lie before the footer, which begins at `end`.
fn check_extents(metadata: &ParquetMetaData, end: u64, is_locked: impl Fn(usize) -> bool) -> Result<(), String> {
    let mut rows = 0i64;
    for (g, group) in metadata.row_groups().iter().enumerate() {
        if group.num_rows() < 0 {
            return Err(format!("row group {g} claims {} rows", group.num_rows()));
        }
        rows = rows.checked_add(group.num_rows()).ok_or("more rows than can be counted")?;
        for (leaf, column) in group.columns().iter().enumerate() {
            // Where a key lacks, the footer may say nothing of a column.
            if is_locked(leaf) && column.compressed_size() == 0 && column.data_page_offset() == 0 {
                continue;
            }
            let name = column.column_path().string();
            let first = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let last = column.data_page_offset().max(first);
            let size = column.compressed_size();
            let inside = first >= 4 && size >= 0 && first.checked_add(size).is_some_and(|e| e as u64 <= end);
            if !inside || last as u64 > end {
                return Err(format!(
                    "row group {g}, column {name:?} claims {size} bytes at {first}, outside the {end} bytes of data"
                ));
            }
            if column.column_descr().max_rep_level() == 0 && column.num_values() != group.num_rows() {
                return Err(format!(
                    "row group {g}, column {name:?} claims {} values in {} rows",
                    column.num_values(),
                    group.num_rows()
                ));
            }
        }
    }
    match metadata.file_metadata().num_rows() {
        n if n == rows => Ok(()),
        n => Err(format!("the file claims {n} rows, its row groups {rows}")),
    }
}

/// Runs a decoder on bytes that nobody vouches for: a panic in it becomes an error like any other.
pub(super) fn guarded<T, E: std::fmt::Display>(work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    crate::panics::quiet(std::panic::AssertUnwindSafe(work)).map_or_else(Err, |r| r.map_err(|e| e.to_string()))
}
