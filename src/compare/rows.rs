//! The rows of all labellings, matched by id or by their order, and counted by pair.

use super::labels::{NO_CODE, RowLabels};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Stage, Watch};
use crate::input::{KeyRound, KeyedRow, Source, is_whole_id, keyed_rows};
use crate::migration::customers;

/// A labelling whose rows are to be matched.
pub(super) struct LabelledTable {
    /// What messages call it: a letter and its path.
    pub(super) at: String,
    pub(super) source: Source,
    /// The column of ids, if there is one.
    pub(super) id: Option<usize>,
    pub(super) segment: usize,
    pub(super) labels: RowLabels,
}

/// The customers of a labelling.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MemberRows {
    /// Rows that count.
    pub(super) customers: u64,
    /// Rows without an id.
    pub(super) without_id: u64,
    /// Rows that repeat the id of one before.
    pub(super) repeated: u64,
}

/// Counts of the rows of two labellings: a line for each segment of the first, one of no segment, and one of rows that
/// only the second has; a column for each segment of the second, one of no segment, and one of rows that only the first
/// has.
#[derive(Debug)]
pub(super) struct PairCounts {
    pub(super) pair: [usize; 2],
    pub(super) columns: usize,
    pub(super) counts: Vec<u64>,
}

/// What matching found.
pub(super) struct MatchedRows {
    pub(super) members: Vec<MemberRows>,
    pub(super) pairs: Vec<PairCounts>,
}

impl PairCounts {
    fn new(pair: [usize; 2], tables: &[LabelledTable]) -> Self {
        let [lines, columns] = pair.map(|of| tables[of].labels.names.len() + 2);
        PairCounts { pair, columns, counts: vec![0; lines * columns] }
    }

    pub(super) fn lines(&self) -> usize {
        self.counts.len() / self.columns
    }

    pub(super) fn count(&self, line: usize, column: usize) -> u64 {
        self.counts[line * self.columns + column]
    }

    fn add(&mut self, lines: usize, columns: usize) {
        self.counts[lines * self.columns + columns] += 1;
    }
}

/// All pairs of so many labellings, in order.
fn pairs(labellings: usize) -> impl Iterator<Item = [usize; 2]> {
    (0..labellings).flat_map(move |a| (a + 1..labellings).map(move |b| [a, b]))
}

/// Bytes of the counts of all pairs: counted, told, and withheld or not.
pub(super) fn bytes_of_pairs(tables: &[LabelledTable]) -> u64 {
    let size = |of: usize| tables[of].labels.names.len() as u64 + 2;
    pairs(tables.len()).map(|[a, b]| 32 * size(a) * size(b)).sum()
}

/// The line or column of a row; None: the row is not there.
fn place(labels: &RowLabels, row: Option<u64>) -> usize {
    let segments = labels.names.len();
    match row.map(|row| labels.codes[row as usize]) {
        None => segments + 1,
        Some(NO_CODE) => segments,
        Some(code) => usize::from(code),
    }
}

/// Whether rows are matched by id.
///
/// # Errors
/// Ids of different kinds; a labelling without ids, where the numbers of rows differ or it is divided by segment.
pub(super) fn by_id(tables: &[LabelledTable]) -> Result<bool> {
    let first = &tables[0];
    let Some(without) = tables.iter().find(|table| table.id.is_none()) else {
        let kind = |table: &LabelledTable| table.id.map(|id| table.source.columns()[id].data_type.clone());
        let is_whole = |table: &LabelledTable| kind(table).is_some_and(|kind| is_whole_id(&kind));
        let other = tables.iter().find(|table| is_whole(table) != is_whole(first));
        return other.map_or(Ok(true), |other| {
            let shown = |table| kind(table).map_or_else(String::new, |kind| kind.to_string());
            let (one, another) = (shown(first), shown(other));
            let text = format!("the ids of {} are {one}, those of {} {another}; store them alike", first.at, other.at);
            Err(Error::input(text).of_kind(ErrorKind::Column).of_option("--id"))
        });
    };
    let rows = |table: &LabelledTable| table.source.rows();
    if let Some(other) = tables.iter().find(|table| rows(table) != rows(without)) {
        let text = format!(
            "{} has no column of ids, and {} rows where {} has {}; name the id with --id",
            without.at,
            rows(without),
            other.at,
            rows(other)
        );
        return Err(Error::input(text).of_kind(ErrorKind::Column).of_option("--id"));
    }
    let is_divided = |table: &&LabelledTable| table.source.columns()[table.segment].is_partition;
    if let Some(divided) = tables.iter().find(is_divided) {
        let text = format!(
            "{} has no column of ids, and the rows of {} are not in the order of its input, since they are divided by \
             segment; name the id with --id",
            without.at, divided.at
        );
        return Err(Error::input(text).of_kind(ErrorKind::Column).of_option("--id"));
    }
    Ok(false)
}

/// Matches rows by their order.
pub(super) fn in_order(tables: &[LabelledTable], watch: Watch<'_>) -> Result<MatchedRows> {
    const BLOCK: u64 = 1 << 20;
    let rows = tables[0].source.rows();
    let mut counted: Vec<PairCounts> = pairs(tables.len()).map(|pair| PairCounts::new(pair, tables)).collect();
    for first in (0..rows).step_by(BLOCK as usize) {
        watch.check()?;
        let block = first..rows.min(first + BLOCK);
        for counts in &mut counted {
            let [a, b] = counts.pair.map(|of| &tables[of].labels);
            block.clone().for_each(|row| counts.add(place(a, Some(row)), place(b, Some(row))));
        }
        watch.advance(Stage::Compare, block.end - block.start);
    }
    let members = vec![MemberRows { customers: rows, ..MemberRows::default() }; tables.len()];
    Ok(MatchedRows { members, pairs: counted })
}

/// Matches rows by id, in as many rounds as fit `memory` bytes. Of rows that repeat an id, the first counts.
///
/// # Errors
/// Ids that cannot be read, or are not whole where they should be.
pub(super) fn matched(tables: &[LabelledTable], memory: u64, watch: Watch<'_>) -> Result<MatchedRows> {
    let mut counted: Vec<PairCounts> = pairs(tables.len()).map(|pair| PairCounts::new(pair, tables)).collect();
    let mut members = vec![MemberRows::default(); tables.len()];
    let rows = tables.iter().map(|table| table.source.rows()).sum();
    for round in KeyRound::all(rows, memory) {
        let mut lists = Vec::with_capacity(tables.len());
        for (table, member) in tables.iter().zip(&mut members) {
            // Only called where all have ids.
            let id = table.id.ok_or_else(|| Error::Internal(format!("{} is matched without ids", table.at)))?;
            let with_id = keyed_rows(&table.source, id, round, |_| true, watch)?;
            let all = with_id.len() as u64;
            let first = customers(with_id);
            member.customers += first.len() as u64;
            member.repeated += all - first.len() as u64;
            watch.advance(Stage::Compare, all);
            lists.push(first);
        }
        merge(tables, &lists, &mut counted);
    }
    for (table, member) in tables.iter().zip(&mut members) {
        member.without_id = table.source.rows() - member.customers - member.repeated;
    }
    Ok(MatchedRows { members, pairs: counted })
}

/// Counts the customers of a round; each list is ordered by key.
fn merge(tables: &[LabelledTable], lists: &[Vec<KeyedRow>], counted: &mut [PairCounts]) {
    let mut rest: Vec<&[KeyedRow]> = lists.iter().map(Vec::as_slice).collect();
    let mut places = vec![0; tables.len()];
    let mut here = vec![false; tables.len()];
    while let Some(key) = rest.iter().filter_map(|list| list.first()).map(KeyedRow::key).min() {
        for (at, list) in rest.iter_mut().enumerate() {
            let row = list.first().filter(|row| row.key() == key).map(|row| row.row);
            if row.is_some() {
                *list = &list[1..];
            }
            here[at] = row.is_some();
            places[at] = place(&tables[at].labels, row);
        }
        for counts in counted.iter_mut() {
            let [a, b] = counts.pair;
            if here[a] || here[b] {
                counts.add(places[a], places[b]);
            }
        }
    }
}
