//! Content hashes: blake3 of the bytes of column chunks, taken as they are read, so that no byte is read twice.
//!
//! A chunk is hashed in parts, which are the header and the data of each page. Its hash is that of the hashes of its
//! parts, in order, once all of them were read. So it does not matter how often, in which order, in how many pieces and
//! by how many threads a chunk is read.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blake3::Hash;
use parquet::file::metadata::ParquetMetaData;

/// What was read of a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct ReadContent {
    /// blake3 of the row group, the column's path and the hash of each chunk that was read completely, in order.
    pub(crate) blake3: String,
    /// The bytes of these chunks.
    pub(crate) bytes: u64,
    /// Their columns, by path.
    pub(crate) columns: Vec<String>,
}

/// The hashes of the chunks of a file, by row group and leaf.
#[derive(Debug, Default)]
pub(crate) struct ContentHashes(Mutex<BTreeMap<(usize, usize), ChunkHash>>);

#[derive(Debug, Clone)]
enum ChunkHash {
    /// The length and hash of the parts that were read, by where they begin.
    Parts(ReadParts),
    Whole(Hash),
}

type ReadParts = BTreeMap<u64, (u64, Hash)>;

impl ContentHashes {
    /// What was read so far; None: no chunk was read completely.
    pub(crate) fn read(&self, metadata: &ParquetMetaData) -> Option<ReadContent> {
        let mut all = blake3::Hasher::new();
        let (mut bytes, mut columns) = (0, BTreeMap::new());
        for (&(group, leaf), hash) in self.lock().iter() {
            let ChunkHash::Whole(hash) = hash else { continue };
            let chunk = metadata.row_group(group).column(leaf);
            let path = chunk.column_path().string();
            all.update(&(group as u64).to_le_bytes()).update(&(path.len() as u64).to_le_bytes());
            all.update(path.as_bytes()).update(hash.as_bytes());
            bytes += chunk.byte_range().1;
            columns.insert(leaf, path);
        }
        let columns: Vec<String> = columns.into_values().collect();
        (!columns.is_empty()).then(|| ReadContent { blake3: all.finalize().to_hex().to_string(), bytes, columns })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(usize, usize), ChunkHash>> {
        // Consistent at every step, so a panic elsewhere does no harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hashes what one reader reads of a chunk.
#[derive(Debug)]
pub(super) struct ChunkHasher {
    hashes: Arc<ContentHashes>,
    chunk: (usize, usize),
    range: Range<u64>,
    /// Parts that were read before.
    before: ReadParts,
    parts: Mutex<ReadParts>,
}

impl ChunkHasher {
    /// None: the chunk has been hashed, or no hashes are wanted of this file.
    pub(super) fn new(
        hashes: Option<&Arc<ContentHashes>>,
        group: usize,
        leaf: usize,
        (start, length): (u64, u64),
    ) -> Option<Self> {
        let hashes = hashes?.clone();
        let before = match hashes.lock().get(&(group, leaf)) {
            Some(ChunkHash::Whole(_)) => return None,
            Some(ChunkHash::Parts(parts)) => parts.clone(),
            None => ReadParts::new(),
        };
        let (range, parts) = (start..start + length, Mutex::default());
        Some(ChunkHasher { hashes, chunk: (group, leaf), range, before, parts })
    }

    /// Takes note of a part of the file that was read, if it belongs to the chunk.
    pub(super) fn note(&self, start: u64, bytes: &[u8]) {
        if self.range.contains(&start) && !bytes.is_empty() && !self.before.contains_key(&start) {
            let part = (bytes.len() as u64, blake3::hash(bytes));
            self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(start, part);
        }
    }
}

impl Drop for ChunkHasher {
    fn drop(&mut self) {
        let read = std::mem::take(self.parts.get_mut().unwrap_or_else(PoisonError::into_inner));
        let mut hashes = self.hashes.lock();
        let ChunkHash::Parts(parts) = hashes.entry(self.chunk).or_insert_with(|| ChunkHash::Parts(ReadParts::new()))
        else {
            return;
        };
        parts.extend(read);
        let read: u64 = parts.values().map(|(length, _)| length).sum();
        if read == self.range.end - self.range.start {
            let mut whole = blake3::Hasher::new();
            for (_, hash) in parts.values() {
                whole.update(hash.as_bytes());
            }
            hashes.insert(self.chunk, ChunkHash::Whole(whole.finalize()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(hashes: &Arc<ContentHashes>, before: ReadParts) -> ChunkHasher {
        ChunkHasher { hashes: hashes.clone(), chunk: (0, 0), range: 4..10, before, parts: Mutex::default() }
    }

    #[test]
    fn parts_in_any_order_and_number_make_one_hash() {
        let file = b"PAR1hhdddd";
        let whole = |orders: &[&[(usize, usize)]]| {
            let hashes = Arc::default();
            for order in orders {
                let reader = hasher(&hashes, ReadParts::new());
                order.iter().for_each(|&(start, end)| reader.note(start as u64, &file[start..end]));
            }
            match hashes.lock().get(&(0, 0)) {
                Some(ChunkHash::Whole(hash)) => Some(*hash),
                _ => None,
            }
        };
        let once = whole(&[&[(4, 6), (6, 10)]]);
        assert!(once.is_some());
        assert_eq!(whole(&[&[(6, 10), (4, 6)]]), once);
        assert_eq!(whole(&[&[(4, 6)], &[], &[(4, 6), (6, 10)]]), once);
        assert_eq!(whole(&[&[(0, 4), (6, 10)], &[(4, 6)]]), once);
        // A probe.
        assert_eq!(whole(&[&[(4, 6)]]), None);
        assert_eq!(whole(&[&[(4, 6)], &[(4, 6)]]), None);
    }
}
