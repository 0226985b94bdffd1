//! The ids of rows as keys, to match the rows of two tables.

use rayon::prelude::*;

use super::id_keys::{id_keys, whole_ids};
use super::ids::each_array;
use super::source::{RowGroup, Source};
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

    /// Those with this key of [`id_keys`], among `rows` ordered by key.
    pub(crate) fn of_key(rows: &[KeyedRow], key: u128) -> &[KeyedRow] {
        let key = halves(key);
        let first = rows.partition_point(|row| row.key < key);
        let same = rows[first..].iter().take_while(|row| row.key == key).count();
        &rows[first..first + same]
    }
}

/// A key in the form by which rows are ordered.
fn halves(key: u128) -> [u64; 2] {
    [(key >> 64) as u64, key as u64]
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
    keyed(source, source.row_groups(), id, (round, wanted), watch)
}

/// The rows of some row groups that have an id, ordered by key and then by row.
pub(crate) fn keyed_rows_of(
    source: &Source,
    groups: &[RowGroup],
    id: usize,
    watch: Watch<'_>,
) -> Result<Vec<KeyedRow>> {
    keyed(source, groups, id, (KeyRound { number: 0, of: 1 }, |_| true), watch)
}

fn keyed(
    source: &Source,
    groups: &[RowGroup],
    id: usize,
    (round, wanted): (KeyRound, impl Fn(u64) -> bool + Sync),
    watch: Watch<'_>,
) -> Result<Vec<KeyedRow>> {
    let groups = groups.par_iter().with_max_len(1).map(|&group| {
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
                rows.push(KeyedRow { key: halves(key), row });
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
