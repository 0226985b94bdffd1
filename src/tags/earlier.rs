//! Since when customers have their tags, by the long table of an earlier run.
//!
//! The customers of some row groups are held in memory at a time, ordered by the keys of their ids, and looked up for
//! every row of the earlier table. Tables that fit need a single pass over it, others one for each part of the
//! customers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast_with_options;
use arrow::datatypes::{DataType, Date32Type};
use rayon::prelude::*;

use super::book::{FACTS, Tag, TagBook};
use super::columns::id_column;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Watch;
use crate::input::{
    ColumnReader, EXACT_CAST, KeyedRow, Opening, RowGroup, Source, id_keys, is_whole_id, keyed_rows_of, whole_ids,
};
use crate::text::day;

/// The most tags that a message names.
const NAMED: usize = 5;

/// The table of an earlier run: a row for each tag of each customer.
pub(super) struct EarlierRun {
    source: Source,
    id: usize,
    tag: usize,
    since: usize,
    /// The numbers of the dictionary's tags, by code.
    numbers: HashMap<String, u32>,
    day: Option<i64>,
    /// A bit for each row: its customer was found in the input.
    found: Vec<AtomicU64>,
}

/// That a customer had a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HeldTag {
    pub(super) row: u64,
    /// Its number in the dictionary.
    pub(super) tag: u32,
    /// In days since 1970.
    pub(super) since: i32,
}

/// The tags that the customers of some rows had: ordered by row, then by tag, each once.
#[derive(Debug, Default)]
pub(super) struct EarlierTags(Vec<HeldTag>);

impl EarlierTags {
    /// Those of some rows.
    pub(super) fn of(&self, group: RowGroup) -> &[HeldTag] {
        let before = |row: u64| self.0.partition_point(|held| held.row < row);
        &self.0[before(group.first_row)..before(group.first_row + group.rows)]
    }
}

/// What a pass over the earlier table found.
#[derive(Debug, Default)]
struct EarlierPass {
    held: Vec<HeldTag>,
    /// By tag: rows, and rows whose customer was found for the first time.
    rows: Vec<[u64; 2]>,
    /// Tags that the dictionary lacks.
    unknown: BTreeSet<String>,
    latest: Option<i32>,
}

impl EarlierRun {
    /// Opens the table `path` of an earlier run, to look up the customers of `source` by their `id`, at the reference
    /// date `day`.
    ///
    /// # Errors
    /// A table without one of its columns, or with ids of another kind.
    pub(super) fn open(
        path: &Path,
        (source, id): (&Source, usize),
        (book, day): (&TagBook, Option<i64>),
        opening: Opening<'_>,
    ) -> Result<Self> {
        let earlier = source.open_beside(path, opening)?;
        let at = path.display();
        let name = &source.columns()[id].name;
        let own = earlier.position(name).map_or_else(|| id_column(&earlier, None), Ok);
        let none = |_| format!("--previous {at}: it has no column of ids {name:?}");
        let find = |name: &str| {
            let what = format!("--previous {at}: it has no column {name:?}; give the output of tags --format long");
            earlier.position(name).ok_or(what)
        };
        let columns = own.map_err(none).and_then(|own| Ok([own, find("tag")?, find("since")?]));
        let refuse = |what| Error::input(what).of_kind(ErrorKind::Column).of_option("--previous");
        let [own, tag, since] = columns.map_err(refuse)?;
        let types = [&source.columns()[id].data_type, &earlier.columns()[own].data_type];
        if is_whole_id(types[0]) != is_whole_id(types[1]) {
            let [now, before] = types;
            return Err(refuse(format!(
                "--previous {at}: its ids are {before}, those of the input {now}; store them alike"
            )));
        }
        let numbers = book.tags.iter().zip(0..).map(|(tag, number)| (tag.code.clone(), number)).collect();
        let found = (0..earlier.rows().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        for code in changed(&earlier, book) {
            opening
                .watch
                .warn(format!("--previous: {code:?} had another condition in the earlier run; its dates are kept"));
        }
        Ok(EarlierRun { source: earlier, id: own, tag, since, numbers, day, found })
    }

    /// How many rows of the input are looked up at a time in `memory` bytes: a key twice, since parts are put together,
    /// and their tags twice.
    pub(super) fn rows_at_a_time(&self, rows: u64, memory: u64) -> u64 {
        let tags = self.source.rows().div_ceil(rows.max(1));
        let each = 2 * (size_of::<KeyedRow>() as u64 + tags * size_of::<HeldTag>() as u64);
        (memory / each).max(1)
    }

    /// The tags that the customers in some row groups of `source` had, and by tag the rows of the earlier table and
    /// those whose customers were found for the first time.
    ///
    /// # Errors
    /// A table that cannot be read, or has a later date than the reference date.
    pub(super) fn tags_of(
        &self,
        (source, id): (&Source, usize),
        groups: &[RowGroup],
        watch: Watch<'_>,
    ) -> Result<(EarlierTags, Vec<[u64; 2]>)> {
        let customers = keyed_rows_of(source, groups, id, watch)?;
        let passes = self.source.row_groups().par_iter().with_max_len(1).map(|&group| {
            watch.check()?;
            self.pass(group, &customers)
        });
        let passes: Vec<EarlierPass> = passes.collect::<Result<_>>()?;
        let mut all = EarlierPass { rows: vec![[0; 2]; self.numbers.len()], ..EarlierPass::default() };
        all.held.reserve_exact(passes.iter().map(|pass| pass.held.len()).sum());
        for pass in passes {
            all.held.extend(pass.held);
            all.rows.iter_mut().zip(pass.rows).for_each(|(all, here)| (0..2).for_each(|i| all[i] += here[i]));
            all.unknown.extend(pass.unknown);
            all.latest = all.latest.max(pass.latest);
        }
        if let (Some(latest), Some(now)) = (all.latest, self.day)
            && i64::from(latest) > now
        {
            let [latest, now] = [f64::from(latest), now as f64].map(day);
            let what = format!("--previous: a tag is held since {latest}, after --day {now}; give an earlier run");
            return Err(Error::input(what).of_kind(ErrorKind::Values).of_option("--previous"));
        }
        if groups.first().is_none_or(|group| group.first_row == 0) && !all.unknown.is_empty() {
            let names: Vec<String> = all.unknown.iter().take(NAMED).map(|name| format!("{name:?}")).collect();
            let more = if all.unknown.len() > NAMED { " and others" } else { "" };
            watch.warn(format!("--previous: the dictionary lacks the tags {}{more}; they end", names.join(", ")));
        }
        // The earliest date of a tag that was written twice.
        all.held.par_sort_unstable();
        all.held.dedup_by_key(|held| (held.row, held.tag));
        Ok((EarlierTags(all.held), all.rows))
    }

    /// Looks up the rows of a row group; rows that lack an id, a tag or a date are passed over.
    fn pass(&self, group: RowGroup, customers: &[KeyedRow]) -> Result<EarlierPass> {
        let open = |column| ColumnReader::open(&self.source, group, column);
        let (mut ids, mut tags, mut dates) = (open(self.id)?, open(self.tag)?, open(self.since)?);
        let mut pass = EarlierPass { rows: vec![[0; 2]; self.numbers.len()], ..EarlierPass::default() };
        let mut row = group.first_row;
        while let (Some(ids), Some(tags), Some(dates)) = (ids.next_array()?, tags.next_array()?, dates.next_array()?) {
            let name = &self.source.columns()[self.id].name;
            let keys = whole_ids(&ids, row).and_then(|ids| id_keys(&ids));
            let keys = keys.map_err(|e| Error::input(format!("--previous: the ids in column {name:?}: {e}")))?;
            let as_type = |array: &ArrayRef, name: &str, to: &DataType| {
                let wrong =
                    |e| Error::input(format!("--previous: the column {name:?}: {e}")).of_kind(ErrorKind::Values);
                cast_with_options(array, to, &EXACT_CAST).map_err(wrong)
            };
            let tags = as_type(&tags, "tag", &DataType::Utf8)?;
            let dates = as_type(&dates, "since", &DataType::Date32)?;
            let (tags, dates) = (tags.as_string::<i32>(), dates.as_primitive::<Date32Type>());
            let mut last: (Option<u128>, &[KeyedRow]) = (None, &[]);
            for (i, key) in keys.into_iter().enumerate() {
                let (Some(key), true, true) = (key, tags.is_valid(i), dates.is_valid(i)) else { continue };
                let Some(&tag) = self.numbers.get(tags.value(i)) else {
                    if pass.unknown.len() <= NAMED {
                        pass.unknown.insert(tags.value(i).chars().take(64).collect());
                    }
                    continue;
                };
                if last.0 != Some(key) {
                    last = (Some(key), KeyedRow::of_key(customers, key));
                }
                let since = dates.value(i);
                pass.latest = pass.latest.max(Some(since));
                pass.held.extend(last.1.iter().map(|customer| HeldTag { row: customer.row, tag, since }));
                let counts = &mut pass.rows[tag as usize];
                counts[0] += 1;
                counts[1] += u64::from(!last.1.is_empty() && self.is_first(row + i as u64));
            }
            row += ids.len() as u64;
        }
        Ok(pass)
    }

    /// Whether the customer of a row was not found before; from now on he was.
    fn is_first(&self, row: u64) -> bool {
        let bit = 1 << (row % 64);
        self.found[(row / 64) as usize].fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

/// Codes of tags that meant something else in the earlier run.
fn changed<'b>(earlier: &Source, book: &'b TagBook) -> Vec<&'b str> {
    let facts: Option<serde_json::Value> = earlier.fact(FACTS).and_then(|text| serde_json::from_str(text).ok());
    let meanings = facts.and_then(|mut facts| serde_json::from_value(facts["meanings"].take()).ok());
    let before: BTreeMap<String, String> = meanings.map(|list: Vec<_>| list.into_iter().collect()).unwrap_or_default();
    let differs = |tag: &&Tag| before.get(&tag.code).is_some_and(|meaning| *meaning != tag.meaning());
    book.tags.iter().filter(differs).map(|tag| tag.code.as_str()).collect()
}
