//! Customers that stand in more than one file, which explains most duplicate ids: two months of the same bank.

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::*;

use super::id_keys::{id_keys, whole_ids};
use super::ids::{KEY_BYTES, each_array};
use super::source::{RowGroup, Source, SourceFile};
use crate::error::Result;
use crate::event::Watch;

/// Two files, or folders of files, and how many customers stand in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdOverlap {
    first: String,
    second: String,
    customers: u64,
}

impl fmt::Display for IdOverlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IdOverlap { first, second, customers } = self;
        let stand = if *customers == 1 { "customer stands" } else { "customers stand" };
        write!(f, "{customers} {stand} in both {first} and {second}: name one of them as the input")
    }
}

/// The two folders (such as `month=10`) or files that share the most customers; None if no two share any. Compares all
/// ids in as many rounds as fit `memory` bytes.
///
/// # Errors
/// Ids that cannot be read.
pub(crate) fn overlap(source: &Source, column: usize, memory: u64, watch: Watch<'_>) -> Result<Option<IdOverlap>> {
    let (names, of_file) = names(source);
    if names.len() < 2 {
        return Ok(None);
    }
    // The entries of all parts, and their concatenation.
    let bytes = source.rows() * size_of::<(u128, u32)>() as u64 * 2;
    let rounds = u128::from(bytes.div_ceil(memory.clamp(1 << 20, KEY_BYTES)).max(1));
    let mut shared: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for round in 0..rounds {
        watch.check()?;
        let ids_of = |&group: &RowGroup| {
            let mut found: Vec<(u128, u32)> = Vec::new();
            each_array(source, group, column, whole_ids, |ids| {
                let keys = id_keys(ids)?.into_iter().flatten().filter(|key| key % rounds == round);
                found.extend(keys.map(|key| (key, of_file[group.file])));
                Ok(())
            })?;
            Ok(found)
        };
        let parts: Vec<_> = source.row_groups().par_iter().with_max_len(1).map(ids_of).collect::<Result<_>>()?;
        let mut all = parts.concat();
        all.par_sort_unstable();
        all.dedup();
        for pair in all.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            *shared.entry((pair[0].1, pair[1].1)).or_default() += 1;
        }
    }
    let most = shared.into_iter().reduce(|most, next| if next.1 > most.1 { next } else { most });
    let name = |at: u32| names[at as usize].clone();
    Ok(most.map(|((a, b), customers)| IdOverlap { first: name(a), second: name(b), customers }))
}

/// Names for files: their partitions where these differ, else their paths; and the name of each file.
fn names(source: &Source) -> (Vec<String>, Vec<u32>) {
    let keys: Vec<&str> = source.columns().iter().filter(|c| c.is_partition).map(|c| c.name.as_str()).collect();
    let folder = |file: &SourceFile| {
        let levels: Vec<String> =
            keys.iter().filter_map(|key| Some(format!("{key}={}", file.partition(key)?))).collect();
        levels.join("/")
    };
    let number = |labels: Vec<String>| {
        let mut names: Vec<String> = Vec::new();
        let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
        let of_file = labels.into_iter().map(|label| {
            *numbers.entry(label.clone()).or_insert_with(|| {
                names.push(label);
                names.len() as u32 - 1
            })
        });
        let of_file = of_file.collect();
        (names, of_file)
    };
    let (names, of_file) = number(source.files().iter().map(folder).collect());
    if names.len() > 1 {
        return (names, of_file);
    }
    number(source.files().iter().map(|file| file.path.display().to_string()).collect())
}
