//! A column chunk whose pages are hashed as they are read.

use bytes::Bytes;
use parquet::errors::Result as ParquetResult;
use parquet::file::reader::{ChunkReader, Length};

use super::content::ChunkHasher;
use super::range::{RangeFile, RangeReader};

/// The file of a chunk.
#[derive(Debug)]
pub(super) struct HashedChunk {
    file: RangeFile,
    hasher: Option<ChunkHasher>,
}

impl HashedChunk {
    pub(super) fn new(file: RangeFile, group: usize, leaf: usize, range: (u64, u64)) -> Self {
        let hasher = ChunkHasher::new(file.hashes(), group, leaf, range);
        HashedChunk { file, hasher }
    }

    /// The bytes of a header and maybe more; what is the header is noted by [`HashedChunk::note`].
    pub(super) fn peek(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        self.file.get_bytes(start, length)
    }

    pub(super) fn note(&self, start: u64, bytes: &[u8]) {
        if let Some(hasher) = &self.hasher {
            hasher.note(start, bytes);
        }
    }
}

impl Length for HashedChunk {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for HashedChunk {
    type T = RangeReader;

    fn get_read(&self, start: u64) -> ParquetResult<RangeReader> {
        self.file.get_read(start)
    }

    /// The data of a page.
    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let bytes = self.file.get_bytes(start, length)?;
        self.note(start, &bytes);
        Ok(bytes)
    }
}
