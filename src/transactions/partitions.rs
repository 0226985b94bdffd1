//! Rows partitioned by ranges of the customer's name, in memory or, beyond the budget, in a scratch file.
//!
//! A row is a few words of 64 bits, see [`PartitionLayout`]. Ranges rather than hashes: customers come out
//! sorted within a partition and across partitions, so nothing has to be merged or sorted across partitions. The ranges
//! come from a sample of names, and no result depends on them.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::input::{read_at, write_at};

/// The words of a row: the customer's key; for text also where its bytes are; the time; the amount; and, if requested,
/// two words for the transaction and one with the category and the mark of a return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartitionLayout {
    pub(super) text: bool,
    pub(super) transaction: bool,
    pub(super) tag: bool,
}

impl PartitionLayout {
    /// Words that identify the customer.
    pub(super) fn key_words(self) -> usize {
        1 + usize::from(self.text)
    }

    /// Words after those: time, amount, and the optional ones.
    pub(super) fn value_words(self) -> usize {
        2 + 2 * usize::from(self.transaction) + usize::from(self.tag)
    }

    /// All words of a row.
    pub(super) fn words(self) -> usize {
        self.key_words() + self.value_words()
    }
}

/// Some rows of a partition, and the bytes of their customers' names if those are text.
#[derive(Debug, Default)]
pub(super) struct PartitionChunk {
    pub(super) words: Vec<u64>,
    pub(super) bytes: Vec<u8>,
}

impl PartitionChunk {
    fn size(&self) -> u64 {
        (self.words.len() * 8 + self.bytes.len()) as u64
    }
}

/// The location of a chunk.
#[derive(Debug)]
enum Extent {
    Memory(PartitionChunk),
    File { offset: u64, words: usize, bytes: usize },
}

/// How names are partitioned: by comparing a name's key with the splitters.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// The common prefix of the sampled text names.
    prefix: Vec<u8>,
    /// Ascending; partition p holds keys from splitter p - 1 up to and excluding splitter p.
    splitters: Vec<u64>,
}

impl Ranges {
    /// Ranges for whole numbers.
    pub(super) fn of_numbers(keys: Vec<u64>, partitions: usize) -> Self {
        Ranges { prefix: Vec::new(), splitters: quantiles(keys, partitions) }
    }

    /// Ranges for text.
    pub(super) fn of_texts(names: &[Vec<u8>], partitions: usize) -> Self {
        let prefix = match (names.iter().min(), names.iter().max()) {
            // A common prefix of the first and the last is common to all.
            (Some(first), Some(last)) => first.iter().zip(last).take_while(|(a, b)| a == b).map(|(a, _)| *a).collect(),
            _ => Vec::new(),
        };
        let mut ranges = Ranges { prefix, splitters: Vec::new() };
        ranges.splitters = quantiles(names.iter().map(|name| ranges.text_key(name)).collect(), partitions);
        ranges
    }

    /// Eight bytes of a name after the common prefix: keys keep the order of names.
    pub(super) fn text_key(&self, name: &[u8]) -> u64 {
        match name.strip_prefix(self.prefix.as_slice()) {
            Some(rest) => {
                let mut eight = [0; 8];
                let n = rest.len().min(8);
                eight[..n].copy_from_slice(&rest[..n]);
                u64::from_be_bytes(eight)
            }
            None if name < self.prefix.as_slice() => 0,
            None => u64::MAX,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.splitters.len() + 1
    }

    pub(super) fn partition(&self, key: u64) -> usize {
        self.splitters.partition_point(|splitter| *splitter <= key)
    }
}

fn quantiles(mut keys: Vec<u64>, partitions: usize) -> Vec<u64> {
    keys.sort_unstable();
    let mut splitters: Vec<u64> =
        (1..partitions).filter_map(|p| keys.get(p * keys.len() / partitions)).copied().collect();
    splitters.dedup();
    splitters
}

/// All rows, by partition.
#[derive(Debug)]
pub(super) struct Partitions {
    ranges: Ranges,
    parts: Vec<Mutex<Vec<Extent>>>,
    /// Bytes of chunks in memory, and the most allowed.
    resident: AtomicU64,
    allowed: u64,
    scratch: PartitionScratch,
}

/// An unnamed file, created when first needed.
#[derive(Debug)]
struct PartitionScratch {
    folder: PathBuf,
    file: Mutex<Option<File>>,
    end: AtomicU64,
}

impl Partitions {
    /// Empty partitions that keep `allowed` bytes in memory and the rest in a file in `folder`.
    pub(super) fn new(ranges: Ranges, allowed: u64, folder: PathBuf) -> Self {
        Partitions {
            parts: (0..ranges.len()).map(|_| Mutex::default()).collect(),
            ranges,
            resident: AtomicU64::new(0),
            allowed,
            scratch: PartitionScratch { folder, file: Mutex::new(None), end: AtomicU64::new(0) },
        }
    }

    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// Bytes written to the scratch file.
    pub(super) fn spilled(&self) -> u64 {
        self.scratch.end.load(Ordering::Relaxed)
    }

    /// Adds a chunk to a partition, from any thread. The chunk is left empty; it keeps its capacity if it was written
    /// to the file.
    pub(super) fn put(&self, partition: usize, chunk: &mut PartitionChunk) -> Result<()> {
        let size = chunk.size();
        if size == 0 {
            return Ok(());
        }
        let before = self.resident.fetch_add(size, Ordering::Relaxed);
        let extent = if before + size <= self.allowed {
            Extent::Memory(std::mem::take(chunk))
        } else {
            self.resident.fetch_sub(size, Ordering::Relaxed);
            let offset = self.scratch.write(chunk)?;
            let extent = Extent::File { offset, words: chunk.words.len(), bytes: chunk.bytes.len() };
            chunk.words.clear();
            chunk.bytes.clear();
            extent
        };
        lock(&self.parts[partition]).push(extent);
        Ok(())
    }

    /// Takes the rows of a partition, in no particular order.
    pub(super) fn take(&self, partition: usize) -> Result<Vec<PartitionChunk>> {
        let extents = std::mem::take(&mut *lock(&self.parts[partition]));
        extents.into_iter().map(|extent| self.scratch.read(extent)).collect()
    }
}

impl PartitionScratch {
    fn handle(&self) -> Result<File> {
        let mut file = lock(&self.file);
        let fail = |e: std::io::Error| Error::io("create a scratch file in", &self.folder, &e);
        if file.is_none() {
            *file = Some(tempfile::tempfile_in(&self.folder).map_err(fail)?);
        }
        match file.as_ref() {
            Some(file) => file.try_clone().map_err(fail),
            None => Err(Error::Internal("no scratch file".into())),
        }
    }

    fn write(&self, chunk: &PartitionChunk) -> Result<u64> {
        let file = self.handle()?;
        let offset = self.end.fetch_add(chunk.size(), Ordering::Relaxed);
        let words: &[u8] = bytemuck::cast_slice(&chunk.words);
        write_at(&file, words, offset)
            .and_then(|()| write_at(&file, &chunk.bytes, offset + words.len() as u64))
            .map_err(|e| Error::io("write the scratch file in", &self.folder, &e))?;
        Ok(offset)
    }

    fn read(&self, extent: Extent) -> Result<PartitionChunk> {
        let (offset, words, bytes) = match extent {
            Extent::Memory(chunk) => return Ok(chunk),
            Extent::File { offset, words, bytes } => (offset, words, bytes),
        };
        let file = self.handle()?;
        let mut chunk = PartitionChunk { words: vec![0; words], bytes: vec![0; bytes] };
        read_at(&file, bytemuck::cast_slice_mut(&mut chunk.words), offset)
            .and_then(|()| read_at(&file, &mut chunk.bytes, offset + words as u64 * 8))
            .map_err(|e| Error::io("read the scratch file in", &self.folder, &e))?;
        Ok(chunk)
    }
}

/// Collects one worker's rows for the partitions.
#[derive(Debug)]
pub(super) struct Sender<'a> {
    partitions: &'a Partitions,
    chunks: Vec<PartitionChunk>,
    chunk_bytes: u64,
}

impl<'a> Sender<'a> {
    pub(super) fn new(partitions: &'a Partitions, chunk_bytes: u64) -> Self {
        let chunks = (0..partitions.len()).map(|_| PartitionChunk::default()).collect();
        Sender { partitions, chunks, chunk_bytes }
    }

    /// Sends a row whose customer is a number; `row` begins with its key.
    pub(super) fn number(&mut self, row: &[u64]) -> Result<()> {
        let partition = self.partitions.ranges.partition(row[0]);
        let chunk = &mut self.chunks[partition];
        if chunk.words.capacity() == 0 {
            chunk.words.reserve_exact(self.chunk_bytes as usize / 8);
        }
        // With a constant length the copy is three moves, otherwise a call.
        match <&[u64; 3]>::try_from(row) {
            Ok(three) => chunk.words.extend_from_slice(three),
            Err(_) => chunk.words.extend_from_slice(row),
        }
        if (chunk.words.len() + row.len()) as u64 * 8 > self.chunk_bytes {
            self.partitions.put(partition, chunk)?;
        }
        Ok(())
    }

    /// Sends a row whose customer has this name; fills in the first two words of `row`.
    pub(super) fn text(&mut self, name: &[u8], row: &mut [u64]) -> Result<()> {
        row[0] = self.partitions.ranges.text_key(name);
        let partition = self.partitions.ranges.partition(row[0]);
        let chunk = &mut self.chunks[partition];
        if chunk.bytes.len() + name.len() > u32::MAX as usize {
            self.partitions.put(partition, chunk)?;
        }
        row[1] = place_of(chunk.bytes.len(), name.len());
        chunk.bytes.extend_from_slice(name);
        chunk.words.extend_from_slice(row);
        if chunk.size() + row.len() as u64 * 8 > self.chunk_bytes {
            self.partitions.put(partition, chunk)?;
        }
        Ok(())
    }

    /// Sends the remaining rows.
    pub(super) fn finish(mut self) -> Result<()> {
        self.chunks.iter_mut().enumerate().try_for_each(|(partition, chunk)| self.partitions.put(partition, chunk))
    }
}

/// Where a name is in its chunk: offset and length in one word. Both are below 2^32, since chunks of names are smaller.
fn place_of(offset: usize, length: usize) -> u64 {
    (offset as u64) << 32 | length as u64
}

/// The name at a place.
pub(super) fn name_at(bytes: &[u8], place: u64) -> &[u8] {
    let (offset, length) = ((place >> 32) as usize, (place & 0xffff_ffff) as usize);
    &bytes[offset..offset + length]
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn keys_of_text_keep_the_order() {
        let names: Vec<Vec<u8>> = ["CUST-0001", "CUST-0123456789", "CUST-0999"].map(|n| n.as_bytes().to_vec()).to_vec();
        let ranges = Ranges::of_texts(&names, 3);
        assert_eq!(ranges.prefix, b"CUST-0");
        let mut all: Vec<&[u8]> =
            vec![b"", b"A", b"CUST-", b"CUST-0", b"CUST-0\0", b"CUST-01", b"CUST-1", b"CUSU", b"\xff\xff"];
        all.extend(names.iter().map(Vec::as_slice));
        all.sort_unstable();
        let keys: Vec<u64> = all.iter().map(|n| ranges.text_key(n)).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        assert_eq!(ranges.len(), 3);
    }

    #[test]
    fn ranges_split_a_sample_evenly() {
        let ranges = Ranges::of_numbers((0..1000).rev().collect(), 4);
        let mut counts = [0; 4];
        (0..1000).for_each(|key| counts[ranges.partition(key)] += 1);
        assert_eq!(counts, [250; 4]);
        assert_eq!(Ranges::of_numbers(vec![7; 100], 4).len(), 2, "equal keys share a partition");
        assert_eq!(Ranges::of_numbers(Vec::new(), 4).len(), 1);
    }

    #[test]
    fn what_does_not_fit_is_spilled_and_comes_back() {
        let names: Vec<Vec<u8>> = (0..100).map(|i| format!("name {i}").into_bytes()).collect();
        for allowed in [0, 600, u64::MAX] {
            let partitions = Partitions::new(Ranges::of_texts(&names, 5), allowed, std::env::temp_dir());
            let mut sender = Sender::new(&partitions, 100);
            names.iter().for_each(|n| sender.text(n, &mut [0, 0, 1, 2]).unwrap());
            sender.finish().unwrap();
            assert_eq!(partitions.spilled() > 0, allowed < u64::MAX, "{allowed}");
            let mut back = Vec::new();
            for p in 0..partitions.len() {
                for chunk in partitions.take(p).unwrap() {
                    back.extend(chunk.words.chunks_exact(4).map(|row| name_at(&chunk.bytes, row[1]).to_vec()));
                }
            }
            back.sort();
            let mut expected = names.clone();
            expected.sort();
            assert_eq!(back, expected);
        }
    }
}
