//! The pages of an encrypted column chunk. Their headers are encrypted too, so they cannot be checked as in `pages`:
//! the parquet crate decrypts them itself. What it decrypts was written by somebody with the key. All that others can
//! change is the number of bytes that a part claims, for which the crate reserves memory: that is checked here.

use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::content::ChunkHasher;
use super::range::{RangeFile, RangeReader};

/// Bytes of an encrypted part in addition to its content: a nonce and a tag.
const NONCE_AND_TAG: u64 = 12 + 16;

/// Whether the columns of `mask` in row group `index` are encrypted: all, or none of them. Decoding the footer has
/// checked that it vouches for this; a column for which it does not is locked.
pub(crate) fn is_sealed(metadata: &ArrowReaderMetadata, index: usize, mask: &ProjectionMask) -> ParquetResult<bool> {
    let read = metadata.metadata().row_group(index).columns().iter().enumerate();
    let read = read.filter(|(leaf, _)| mask.leaf_included(*leaf));
    let (sealed, open): (Vec<_>, Vec<_>) = read.partition(|(_, column)| column.crypto_metadata().is_some());
    if !sealed.is_empty() && !open.is_empty() {
        return Err(ParquetError::General(
            "some of its fields are encrypted, and some are not, which is not supported".into(),
        ));
    }
    Ok(!sealed.is_empty())
}

/// Opens the encrypted columns of `mask` in row group `index`.
pub(crate) fn open(
    file: RangeFile,
    metadata: ArrowReaderMetadata,
    index: usize,
    mask: ProjectionMask,
    batch: usize,
    kept: Option<RowSelection>,
) -> ParquetResult<ParquetRecordBatchReader> {
    let chunks = included(metadata.metadata().row_group(index), &mask);
    let end = chunks.iter().map(|(_, (start, length))| start + length).max().unwrap_or(0);
    let hasher = |(leaf, range)| ChunkHasher::new(file.hashes(), index, leaf, range);
    let hashers = chunks.into_iter().filter_map(hasher).collect();
    let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(SealedFile { file, end, hashers }, metadata)
        .with_row_groups(vec![index])
        .with_projection(mask)
        .with_batch_size(batch);
    if let Some(kept) = kept {
        builder = builder.with_row_selection(kept);
    }
    builder.build()
}

/// Replaces the parquet crate's message for data that cannot be decrypted.
pub(crate) fn reworded(why: &str) -> &str {
    if why.contains("ring::error") || why.contains("Error decrypting") {
        "it cannot be decrypted: the key or the aad_prefix is wrong, or the data was altered"
    } else {
        why
    }
}

/// The leaves of `mask`, and where their chunks begin and how long they are.
fn included(group: &RowGroupMetaData, mask: &ProjectionMask) -> Vec<(usize, (u64, u64))> {
    let read = group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf));
    read.map(|(leaf, column)| (leaf, column.byte_range())).collect()
}

/// A file with encrypted column chunks to read, which end at `end`.
struct SealedFile {
    file: RangeFile,
    end: u64,
    hashers: Vec<ChunkHasher>,
}

/// The most bytes of an encrypted page header that is hashed.
const LONGEST_HEADER: u64 = 64 << 10;

impl SealedFile {
    fn note(&self, start: u64, bytes: &[u8]) {
        self.hashers.iter().for_each(|hasher| hasher.note(start, bytes));
    }
}

impl Length for SealedFile {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for SealedFile {
    type T = RangeReader;

    /// Every part begins with the number of its bytes.
    fn get_read(&self, start: u64) -> ParquetResult<RangeReader> {
        let mut claimed = [0; 4];
        claimed.copy_from_slice(&self.file.get_bytes(start, 4)?);
        let claimed = u64::from(u32::from_le_bytes(claimed));
        let left = self.end.saturating_sub(start + 4);
        if !(NONCE_AND_TAG..=left).contains(&claimed) {
            return Err(ParquetError::General(format!(
                "the encrypted part at byte {start} claims {claimed} bytes; expected {NONCE_AND_TAG} to {left}"
            )));
        }
        // The data of pages are noted below; their headers are read only here.
        if !self.hashers.is_empty() && claimed <= LONGEST_HEADER {
            self.note(start, &self.file.get_bytes(start, 4 + claimed as usize)?);
        }
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if (length as u64) < NONCE_AND_TAG + 4 {
            return Err(ParquetError::General(format!("the encrypted part at byte {start} has {length} bytes")));
        }
        let bytes = self.file.get_bytes(start, length)?;
        self.note(start, &bytes);
        Ok(bytes)
    }
}
