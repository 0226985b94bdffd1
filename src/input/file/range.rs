//! The bytes of a local file or an object at any offset, for several threads at once.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::{Error, Result};
use crate::input::cloud::{Object, Reading};

/// A file that can be read at any offset from several threads at once.
#[derive(Debug, Clone)]
pub(crate) struct RangeFile {
    origin: Origin,
    size: u64,
}

#[derive(Debug, Clone)]
enum Origin {
    File(Arc<File>),
    Object(Arc<Reading>),
}

impl RangeFile {
    /// The file at `path`, or the object that replaces it, of which mainly the bytes of `extent` will be read.
    pub(crate) fn open(path: &Path, object: Option<&Arc<Object>>, extent: Range<u64>) -> Result<Self> {
        match object {
            Some(object) => {
                let origin = Origin::Object(Reading::open(object, extent));
                Ok(RangeFile { origin, size: object.size() })
            }
            None => File::open(path).and_then(Self::of).map_err(|e| Error::io("read", path, &e)),
        }
    }

    /// From an open file.
    pub(crate) fn of(file: File) -> std::io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(RangeFile { origin: Origin::File(Arc::new(file)), size })
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
            Origin::File(_) => None,
            Origin::Object(reading) => reading.fault(),
        }
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
                super::positional::read_at(file, &mut bytes, start)?;
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
