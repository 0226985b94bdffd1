//! The ids of rows as keys, to match the rows of two tables.

use rayon::prelude::*;

use super::id_keys::{id_keys, whole_ids};
use super::ids::each_array;
use super::source::Source;
use crate::error::Result;
use crate::event::Watch;
use crate::numeric::mix_wide;

/// A row and the key of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyedRow {
    key: [u64; 2],
    pub(crate) row: u64,
}

impl KeyedRow {
    /// The key, by which rows are ordered.
    pub(crate) fn key(&self) -> [u64; 2] {
        self.key
    }
}

/// Keys are compared in rounds, so that only one part of them is in memory at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyRound {
    pub(crate) number: u64,
    pub(crate) of: u64,
}

impl KeyRound {
    /// As many rounds as are necessary for so many `rows` in `memory` bytes.
    pub(crate) fn all(rows: u64, memory: u64) -> impl Iterator<Item = KeyRound> {
        // The parts of a round and their concatenation.
        let bytes = 2 * rows * size_of::<KeyedRow>() as u64;
        let of = bytes.div_ceil(memory.max(1 << 20)).max(1);
        (0..of).map(move |number| KeyRound { number, of })
    }
}

/// The rows of one round that are `wanted` and have an id, ordered by key and then by row. Rows without an id are in no
/// round.
pub(crate) fn keyed_rows(
    source: &Source,
    id: usize,
    round: KeyRound,
    wanted: impl Fn(u64) -> bool + Sync,
    watch: Watch<'_>,
) -> Result<Vec<KeyedRow>> {
    let groups = source.row_groups().par_iter().with_max_len(1).map(|&group| {
        watch.check()?;
        let (mut row, mut rows) = (group.first_row, Vec::new());
        each_array(source, group, id, whole_ids, |array| {
            for (key, row) in id_keys(array)?.into_iter().zip(row..) {
                let Some(key) = key.filter(|&key| round.of == 1 || mix_wide(key) % round.of == round.number) else {
                    continue;
                };
                if !wanted(row) {
                    continue;
                }
                rows.push(KeyedRow { key: [(key >> 64) as u64, key as u64], row });
            }
            row += array.len() as u64;
            Ok(())
        })?;
        Ok(rows)
    });
    let parts: Vec<Vec<KeyedRow>> = groups.collect::<Result<_>>()?;
    let mut all = Vec::with_capacity(parts.iter().map(Vec::len).sum());
    parts.into_iter().for_each(|part| all.extend(part));
    all.par_sort_unstable();
    Ok(all)
}
