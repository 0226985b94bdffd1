//! Groups the rows of a partition by customer, in ascending order: counted first, then moved once.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

use super::partitions::{PartitionChunk, PartitionLayout, name_at};
use crate::error::{Error, Result};
use crate::numeric::{GOLDEN, fold};

/// Keys are counted in a table of their whole range if the range is at most this many times the rows.
const SPARSE: u64 = 4;

/// Customers and their rows.
#[derive(Debug)]
pub(super) struct Grouped {
    pub(super) ids: Ids,
    /// Where each customer's rows begin; the last entry is where they end.
    starts: Vec<usize>,
    /// The rows' words after the key.
    words: Vec<u64>,
    stride: usize,
}

/// Customers' names, ascending.
#[derive(Debug)]
pub(super) enum Ids {
    /// Keys of numeric ids.
    Numbers(Vec<u64>),
    /// Text, as UTF-8.
    Texts(Vec<Box<[u8]>>),
}

impl Grouped {
    /// Groups the rows of a partition.
    pub(super) fn new(chunks: Vec<PartitionChunk>, layout: PartitionLayout) -> Result<Self> {
        let slots = if layout.text { Slots::of_texts(&chunks, layout)? } else { Slots::of_numbers(&chunks, layout)? };
        let Slots { of_row, counts, ids, order } = slots;
        let mut starts = Vec::with_capacity(order.len() + 1);
        let mut next = vec![0usize; counts.len()];
        let mut rows = 0;
        for &slot in &order {
            starts.push(rows);
            next[slot as usize] = rows;
            rows += counts[slot as usize] as usize;
        }
        starts.push(rows);
        let stride = layout.value_words();
        let mut words = vec![0; rows * stride];
        let mut row_slots = of_row.iter();
        for chunk in chunks {
            for (row, &slot) in chunk.words.chunks_exact(layout.words()).zip(row_slots.by_ref()) {
                let at = next[slot as usize];
                next[slot as usize] += 1;
                let (to, from) = (&mut words[at * stride..(at + 1) * stride], &row[layout.key_words()..]);
                // As in `partitions`: a constant length for the usual case.
                match (<&mut [u64; 2]>::try_from(&mut *to), <&[u64; 2]>::try_from(from)) {
                    (Ok(to), Ok(from)) => *to = *from,
                    _ => to.copy_from_slice(from),
                }
            }
        }
        Ok(Grouped { ids, starts, words, stride })
    }

    /// Customers.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The rows of each customer, as words.
    pub(super) fn customers(&self) -> impl Iterator<Item = &[u64]> {
        self.starts.windows(2).map(|w| &self.words[w[0] * self.stride..w[1] * self.stride])
    }
}

/// One slot per customer: the slot of each row, the rows per slot, and the slots in the order of the names.
struct Slots {
    of_row: Vec<u32>,
    counts: Vec<u32>,
    ids: Ids,
    order: Vec<u32>,
}

impl Slots {
    fn of_numbers(chunks: &[PartitionChunk], layout: PartitionLayout) -> Result<Self> {
        let width = layout.words();
        let keys = || chunks.iter().flat_map(|chunk| chunk.words.chunks_exact(width)).map(|row| row[0]);
        let rows: usize = chunks.iter().map(|chunk| chunk.words.len() / width).sum();
        check(rows)?;
        let (least, most) = keys().fold((u64::MAX, 0), |(a, b), key| (a.min(key), b.max(key)));
        if rows > 0 && (most - least) / SPARSE < rows as u64 + 64 {
            let mut of_row = Vec::with_capacity(rows);
            let mut counts = vec![0u32; (most - least) as usize + 1];
            for key in keys() {
                let slot = (key - least) as u32;
                counts[slot as usize] += 1;
                of_row.push(slot);
            }
            let order: Vec<u32> = (0..counts.len() as u32).filter(|&slot| counts[slot as usize] > 0).collect();
            let ids = Ids::Numbers(order.iter().map(|&slot| least + u64::from(slot)).collect());
            return Ok(Slots { of_row, counts, ids, order });
        }
        let slots = HashMap::<u64, u32, BuildHasherDefault<Spread>>::default();
        Ok(Slots::hashed(keys(), slots, rows, Ids::Numbers))
    }

    fn of_texts(chunks: &[PartitionChunk], layout: PartitionLayout) -> Result<Self> {
        let width = layout.words();
        let rows: usize = chunks.iter().map(|chunk| chunk.words.len() / width).sum();
        check(rows)?;
        // Names stay in place; the table refers to them. Its hash has a random key, so nobody can choose names that
        // collide; no result depends on it.
        let names =
            chunks.iter().flat_map(|chunk| chunk.words.chunks_exact(width).map(|row| name_at(&chunk.bytes, row[1])));
        let owned = |names: Vec<&[u8]>| Ids::Texts(names.into_iter().map(Into::into).collect());
        Ok(Slots::hashed(names, HashMap::<&[u8], u32>::new(), rows, owned))
    }

    /// Slots in order of appearance, found in the empty table `slots`; `ids` makes ids of the sorted keys.
    fn hashed<K: Copy + Hash + Ord, S: BuildHasher>(
        keys: impl Iterator<Item = K>,
        mut slots: HashMap<K, u32, S>,
        rows: usize,
        ids: impl FnOnce(Vec<K>) -> Ids,
    ) -> Self {
        let (mut of_row, mut counts): (Vec<u32>, Vec<u32>) = (Vec::with_capacity(rows), Vec::new());
        let mut names: Vec<K> = Vec::new();
        for key in keys {
            let slot = *slots.entry(key).or_insert_with(|| {
                names.push(key);
                counts.push(0);
                names.len() as u32 - 1
            });
            counts[slot as usize] += 1;
            of_row.push(slot);
        }
        let mut order: Vec<u32> = (0..names.len() as u32).collect();
        order.sort_unstable_by_key(|&slot| names[slot as usize]);
        let ids = ids(order.iter().map(|&slot| names[slot as usize]).collect());
        Slots { of_row, counts, ids, order }
    }
}

/// Rows of a partition are numbered with 32 bits.
fn check(rows: usize) -> Result<()> {
    match u32::try_from(rows) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::input(format!(
            "{rows} transactions belong to one narrow range of customers, too many to group at once; look for a placeholder \
             customer that stands for many, and leave it out"
        ))
        .of_option("--customer")),
    }
}

/// Hashes a number by one multiplication: whoever chooses the keys slows down only their own job.
#[derive(Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.write_u64(u64::from(b)));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = fold(self.0 ^ key, GOLDEN);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
