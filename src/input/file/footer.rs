//! A file's footer, untrusted: every size and offset is checked against the file before anything is decoded.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::keys::{Decoded, Keys, without_keys};
use super::range::RangeFile;
use super::stamp::Stamp;
use super::thrift;
use super::types::reader_metadata;
use crate::error::{Error, ErrorKind, Result};
use crate::input::cloud::Object;
use crate::panics::guarded;

/// Bytes read at the end of a file in one go; most footers fit.
const TAIL: u64 = 64 << 10;

/// A checked footer.
#[derive(Debug, Clone)]
pub(crate) struct Footer {
    pub(crate) metadata: ArrowReaderMetadata,
    pub(crate) size: u64,
    /// The state of a local file when the footer was read.
    pub(crate) stamp: Option<Stamp>,
    /// blake3 of the footer's bytes: identifies the file's content without reading it.
    pub(crate) hash: String,
    /// Whether the footer or a column is encrypted.
    pub(crate) encrypted: bool,
    /// Columns that cannot be read without a key, and why, phrased to follow their name.
    pub(crate) locked: BTreeMap<String, String>,
}

/// Reads and checks the footer of the file at `path`, or of the object that replaces it.
pub(crate) fn read_footer(path: &Path, object: Option<&Arc<Object>>, keys: Option<&Arc<Keys>>) -> Result<Footer> {
    let file = RangeFile::open(path, object, tail(object.map_or(0, |o| o.size())))?;
    read_footer_of(&file, path, keys)
}

/// Reads and checks the footer of an open file, which errors call `path`.
pub(crate) fn read_footer_of(file: &RangeFile, path: &Path, keys: Option<&Arc<Keys>>) -> Result<Footer> {
    let refuse = |why: String| refused(path, &why);
    let size = file.len();
    if size < 12 {
        return Err(refuse(format!("not a Parquet file: {size} bytes are too few for one")));
    }
    let read = |start: u64, end: u64| {
        let bytes = file.get_bytes(start, (end - start) as usize);
        bytes.map_err(|e| {
            let other = || Error::environment(format!("cannot read {}: {e}", path.display())).of_file(path);
            file.fault().unwrap_or_else(other)
        })
    };
    let end = read(tail(size).start, size)?;
    let last = &end[end.len() - 8..];
    let sealed = match &last[4..] {
        b"PAR1" => false,
        b"PARE" if keys.is_none() => {
            return Err(needs_keys(refuse("its footer is encrypted; supply the keys with --keys FILE".into())));
        }
        b"PARE" => true,
        _ => {
            return Err(refuse(
                "not a Parquet file, or one that was cut off: it does not end in PAR1; write or copy it again".into(),
            ));
        }
    };
    let length = u64::from(u32::from_le_bytes([last[0], last[1], last[2], last[3]]));
    if length == 0 || length > size - 12 {
        return Err(refuse(format!("corrupt: the footer claims {length} bytes, the file has {size}")));
    }
    // The footer and the eight bytes after it.
    let ending = match end.len().checked_sub(length as usize + 8) {
        Some(start) => end.slice(start..),
        None => read(size - 8 - length, size)?,
    };
    let bytes = ending.slice(..length as usize);
    // For an encrypted footer, this is the part before it: the algorithm and the key.
    let edited = thrift::check(&bytes).map_err(|why| refuse(format!("corrupt footer: {why}")))?;
    // An encrypted footer that cannot be decoded most likely lacks its key, or has the wrong one.
    let Decoded { metadata, locked } =
        decode(&ending, edited, keys).map_err(|why| if sealed { needs_keys(refuse(why)) } else { refuse(why) })?;
    let locked_leaf = |leaf| locked.contains_key(&leaf);
    check_extents(&metadata, size - 8 - length, locked_leaf).map_err(|why| refuse(format!("corrupt footer: {why}")))?;
    let encrypted = sealed || has_sealed_columns(&metadata);
    let root = |leaf| metadata.file_metadata().schema_descr().get_column_root(leaf).name().to_owned();
    let mut locked: BTreeMap<String, String> = locked.into_iter().map(|(leaf, why)| (root(leaf), why)).collect();
    if encrypted {
        for name in partly_sealed(&metadata) {
            let why = "has fields that are encrypted and fields that are not, which is not supported";
            locked.entry(name).or_insert(why.into());
        }
    }
    let metadata = guarded(|| reader_metadata(metadata)).map_err(|why| refuse(format!("corrupt footer: {why}")))?;
    let (stamp, hash) = (file.stamp(), blake3::hash(&bytes).to_hex().to_string());
    Ok(Footer { metadata, size, stamp, hash, encrypted, locked })
}

/// Decodes a footer, which the last eight bytes of `ending` follow; `edited` replaces it where it has foreign fields.
fn decode(ending: &Bytes, edited: Option<Vec<u8>>, keys: Option<&Arc<Keys>>) -> Result<Decoded, String> {
    match (keys, edited) {
        // A signature covers the footer as it is.
        (Some(keys), _) => keys.decode(ending),
        (None, None) => without_keys(ending),
        (None, Some(edited)) => {
            let length = (edited.len() as u32).to_le_bytes();
            without_keys(&[&edited, &length[..], &ending[ending.len() - 4..]].concat().into())
        }
    }
}

/// The error for a file that is not what it claims to be.
fn refused(path: &Path, why: &str) -> Error {
    Error::input(format!("{}: {why}", path.display())).of_kind(ErrorKind::Corrupt).of_file(path)
}

/// The same error, with the remedy of supplying the right keys.
fn needs_keys(error: Error) -> Error {
    error.of_kind(ErrorKind::Option).of_option("--keys")
}

/// The range in which the footer of a file of `size` bytes usually lies.
pub(crate) fn tail(size: u64) -> std::ops::Range<u64> {
    size.saturating_sub(TAIL)..size
}

fn has_sealed_columns(metadata: &ParquetMetaData) -> bool {
    metadata.row_groups().iter().flat_map(|g| g.columns()).any(|c| c.crypto_metadata().is_some())
}

/// Columns with both encrypted and unencrypted fields.
fn partly_sealed(metadata: &ParquetMetaData) -> impl Iterator<Item = String> {
    let schema = metadata.file_metadata().schema_descr();
    let mut roots: BTreeMap<&str, [bool; 2]> = BTreeMap::new();
    for (leaf, column) in metadata.row_groups().iter().flat_map(|g| g.columns().iter().enumerate()) {
        let of_root = roots.entry(schema.get_column_root(leaf).name()).or_default();
        of_root[usize::from(column.crypto_metadata().is_none())] = true;
    }
    roots.into_iter().filter(|(_, both)| *both == [true; 2]).map(|(name, _)| name.to_owned())
}

/// Checks that rows and byte ranges are consistent and lie before the footer, which begins at `end`.
fn check_extents(metadata: &ParquetMetaData, end: u64, is_locked: impl Fn(usize) -> bool) -> Result<(), String> {
    let mut rows = 0i64;
    for (g, group) in metadata.row_groups().iter().enumerate() {
        if group.num_rows() < 0 {
            return Err(format!("row group {g} claims {} rows", group.num_rows()));
        }
        rows = rows.checked_add(group.num_rows()).ok_or("more rows than can be counted")?;
        for (leaf, column) in group.columns().iter().enumerate() {
            // Without its key, the footer may say nothing about a column.
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
