//! The bytes of a local file or an object at any offset, for several threads at once.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use super::content::ContentHashes;
use super::stamp::{Stamp, changed};
use crate::error::{Error, Result};
use crate::input::cloud::{Object, Reading};

/// A file that can be read at any offset from several threads at once.
#[derive(Debug, Clone)]
pub(crate) struct RangeFile {
    origin: Origin,
    /// Where it begins in a local file.
    start: u64,
    size: u64,
    /// Where the hashes of what is read are collected.
    hashes: Option<Arc<ContentHashes>>,
}

#[derive(Debug, Clone)]
enum Origin {
    File(Arc<LocalFile>),
    Object(Arc<Reading>),
}

#[derive(Debug)]
struct LocalFile {
    file: File,
    path: PathBuf,
    /// When it was opened.
    stamp: Stamp,
    /// The last failure to read it.
    failed: Mutex<Option<std::io::Error>>,
}

impl RangeFile {
    /// The file at `path`, or the object that replaces it, of which mainly the bytes of `extent` will be read.
    pub(crate) fn open(path: &Path, object: Option<&Arc<Object>>, extent: Range<u64>) -> Result<Self> {
        match object {
            Some(object) => {
                let origin = Origin::Object(Reading::open(object, extent));
                Ok(RangeFile { origin, start: 0, size: object.size(), hashes: None })
            }
            None => File::open(path).and_then(|f| Self::of(f, path)).map_err(|e| Error::io("read", path, &e)),
        }
    }

    /// From an open file; `path` is for messages.
    pub(crate) fn of(file: File, path: &Path) -> std::io::Result<Self> {
        let meta = file.metadata()?;
        let local = LocalFile { file, path: path.to_path_buf(), stamp: Stamp::of(&meta), failed: Mutex::default() };
        Ok(RangeFile { origin: Origin::File(Arc::new(local)), start: 0, size: meta.len(), hashes: None })
    }

    /// The same file, whose column chunks are hashed as they are read.
    pub(crate) fn hashed(self, hashes: &Arc<ContentHashes>) -> Self {
        RangeFile { hashes: Some(hashes.clone()), ..self }
    }

    pub(super) fn hashes(&self) -> Option<&Arc<ContentHashes>> {
        self.hashes.as_ref()
    }

    /// The state of a local file when it was opened.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        match &self.origin {
            Origin::File(local) => Some(local.stamp),
            Origin::Object(_) => None,
        }
    }

    /// The same file, if its state is `before`.
    ///
    /// # Errors
    /// A file that has been replaced, overwritten or extended since.
    pub(crate) fn unchanged_since(self, before: Option<Stamp>) -> Result<Self> {
        match &self.origin {
            Origin::File(local) if before.is_some_and(|before| before != local.stamp) => Err(changed(&local.path)),
            _ => Ok(self),
        }
    }

    /// `size` bytes of it from `start` on, as a file of their own.
    pub(crate) fn part(&self, start: u64, size: u64) -> Self {
        RangeFile { origin: self.origin.clone(), start: self.start + start, size, hashes: None }
    }

    /// The end of the bytes that may be read ahead from an offset: beyond its range, an object was not requested.
    fn end(&self, offset: u64) -> u64 {
        match &self.origin {
            Origin::Object(reading) if offset < reading.end() => reading.end(),
            _ => self.size,
        }
    }

    /// Why the last read failed, if not because of the file's content.
    pub(crate) fn fault(&self) -> Option<Error> {
        match &self.origin {
            Origin::File(local) => local.fault(),
            Origin::Object(reading) => reading.fault(),
        }
    }
}

impl LocalFile {
    fn read(&self, bytes: &mut [u8], start: u64) -> std::io::Result<()> {
        super::positional::read_at(&self.file, bytes, start).inspect_err(|e| {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(std::io::Error::new(e.kind(), e.to_string()));
        })
    }

    /// What explains bytes that cannot be read or decoded: a change of the file, or a failure of the system.
    fn fault(&self) -> Option<Error> {
        if self.file.metadata().is_ok_and(|now| Stamp::of(&now) != self.stamp) {
            return Some(changed(&self.path));
        }
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.as_ref().map(|e| Error::io("read", &self.path, e))
    }
}

impl Length for RangeFile {
    fn len(&self) -> u64 {
        self.size
    }
}

/// Bytes read ahead for a page header, whose size is not known in advance.
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
        match &self.origin {
            Origin::File(file) => {
                let mut bytes = vec![0; length];
                file.read(&mut bytes, self.start + start)?;
                Ok(bytes.into())
            }
            Origin::Object(reading) => reading.bytes(start, length),
        }
    }
}

/// Reads a file sequentially from an offset.
pub(crate) struct RangeReader {
    file: RangeFile,
    offset: u64,
    buffer: Bytes,
}

impl std::io::Read for RangeReader {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.buffer.is_empty() {
            let n = HEADER_READ.min(self.file.end(self.offset).saturating_sub(self.offset)) as usize;
            self.buffer = self.file.get_bytes(self.offset, n).map_err(std::io::Error::other)?;
            self.offset += n as u64;
        }
        let n = out.len().min(self.buffer.len());
        out[..n].copy_from_slice(&self.buffer.split_to(n));
        Ok(n)
    }
}
