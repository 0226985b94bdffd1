//! What the labels of a day mean for the rows of the table before, and which of its own rows begin something.

use std::collections::HashMap;

use super::known::{Interval, KnownTenure};
use crate::error::Result;
use crate::event::Watch;
use crate::input::{KeyRound, KeyedRow, Source, keyed_rows};
use crate::migration::{MemberPlace, RowCodes, customers};
use crate::output::OUTPUT_GROUP_ROWS;

/// The labels of a day.
pub(super) struct LabelledDay<'a> {
    pub(super) labels: &'a Source,
    /// The column of ids.
    pub(super) id: usize,
    /// Whether every row is known to have an id of its own.
    pub(super) ids_are_unique: bool,
    /// The segment of each row.
    pub(super) now: &'a RowCodes,
    /// The ids of the segments by number.
    pub(super) segment_ids: Vec<i64>,
    pub(super) day: i32,
}

/// The days for which labels speak: from their own until the next one of which there are others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) from: i32,
    /// None: without end.
    pub(super) until: Option<i32>,
}

/// The row's interval reaches the window from before, or goes on after it. A customer has at most one row of each kind.
const BEFORE: u8 = 1;
const AFTER: u8 = 2;
/// The customer is in the same segment in the window.
const GOES_ON: u8 = 4;
/// The row before the window takes this one in.
const TAKEN_IN: u8 = 8;

/// Where each row stands.
pub(super) struct Standing {
    window: Window,
    /// By row of the table before.
    known: Vec<u8>,
    /// By row of the labels: whether an interval begins.
    begins: Vec<bool>,
    /// Rows that take in a later one: where that one ends.
    ends: HashMap<u64, Option<i32>>,
}

impl Window {
    fn touches(self, Interval { from, to, .. }: Interval) -> u8 {
        let is_before = from < self.from && to.is_none_or(|to| to >= self.from);
        let is_after = self.until.is_some_and(|until| from <= until && to.is_none_or(|to| to > until));
        (u8::from(is_before) * BEFORE) | (u8::from(is_after) * AFTER)
    }

    /// Whether nothing of an interval lies outside.
    fn covers(self, Interval { from, to, .. }: Interval) -> bool {
        from >= self.from && self.until.is_none_or(|until| to.is_some_and(|to| to <= until))
    }
}

impl Standing {
    /// Finds customers of the labels in the table by sorting keys of ids, in as many rounds as fit `memory` bytes. Rows
    /// of the table that ended before the day, or begin after the window, are not looked at.
    pub(super) fn of(
        known: Option<&KnownTenure>,
        day: &LabelledDay<'_>,
        window: Window,
        memory: u64,
        watch: Watch<'_>,
    ) -> Result<Self> {
        let rows = day.labels.rows();
        if known.is_none() && day.ids_are_unique {
            let begins = (0..rows).map(|row| day.now.get(row).segment().is_some()).collect();
            return Ok(Standing { window, known: Vec::new(), begins, ends: HashMap::new() });
        }
        let (marks, segments) = known.map_or_else(
            || Ok((Vec::new(), RowCodes::new(0, 0))),
            |known| marks(known, &day.segment_ids, window, watch),
        )?;
        let mut standing = Standing { window, known: marks, begins: vec![false; rows as usize], ends: HashMap::new() };
        let touching = standing.known.iter().filter(|mark| **mark > 0).count() as u64;
        let mut taken_in = HashMap::new();
        for round in KeyRound::all(rows + touching, memory) {
            let here = customers(keyed_rows(day.labels, day.id, round, |_| true, watch)?);
            let marks = &standing.known;
            let there = known.map(|known| keyed_rows(&known.source, 0, round, |row| marks[row as usize] > 0, watch));
            let there = there.transpose()?.unwrap_or_default();
            standing.merge_round((&there, &segments), (&here, day.now), &mut taken_in);
        }
        if let Some(known) = known.filter(|_| !taken_in.is_empty()) {
            standing.ends = ends(known, &taken_in, watch)?;
        }
        Ok(standing)
    }

    /// Both are ordered by key. `taken_in` gets rows that another one takes in, with that one.
    fn merge_round(
        &mut self,
        (there, segments): (&[KeyedRow], &RowCodes),
        (here, now): (&[KeyedRow], &RowCodes),
        taken_in: &mut HashMap<u64, u64>,
    ) {
        let mut there = there.iter().peekable();
        for customer in here {
            while there.next_if(|row| row.key() < customer.key()).is_some() {}
            let place = now.get(customer.row);
            let (mut before, mut after) = (None, None);
            while let Some(row) = there.next_if(|row| row.key() == customer.key()) {
                if place.segment().is_none() || segments.get(row.row) != place {
                    continue;
                }
                let mark = &mut self.known[row.row as usize];
                before = before.or((*mark & BEFORE > 0).then_some(row.row));
                after = after.or((*mark & AFTER > 0).then_some(row.row));
                *mark |= GOES_ON;
            }
            if let Some((before, after)) = before.zip(after).filter(|(before, after)| before != after) {
                self.known[after as usize] |= TAKEN_IN;
                taken_in.insert(after, before);
            }
            self.begins[customer.row as usize] = place.segment().is_some() && before.or(after).is_none();
        }
    }

    pub(super) fn window(&self) -> Window {
        self.window
    }

    /// Whether the customer in a row of the labels is in a segment that no row of the table before has for this day.
    pub(super) fn begins(&self, row: u64) -> bool {
        self.begins[row as usize]
    }

    /// What becomes of a row of the table before: nothing, one row or two.
    pub(super) fn of_row(&self, row: u64, interval: Interval) -> [Option<Interval>; 2] {
        let Window { from, until } = self.window;
        let mark = self.known[row as usize];
        let (is_before, is_after) = (mark & BEFORE > 0, mark & AFTER > 0);
        if mark & TAKEN_IN > 0 || self.window.covers(interval) {
            return [None, None];
        }
        let one = |from: i32, to: Option<i32>| Some(Interval { from, to, ..interval });
        if mark & GOES_ON > 0 {
            let to = if is_after { interval.to } else { self.ends.get(&row).copied().unwrap_or(until) };
            return [one(if is_before { interval.from } else { from }, to), None];
        }
        if !is_before && !is_after {
            return [Some(interval), None];
        }
        let rest = until.filter(|_| is_after).and_then(|until| one(interval.from.max(until), interval.to));
        [one(interval.from, Some(from)).filter(|_| is_before), rest]
    }
}

/// How each row of a table touches the window, and the segment of those that do, if there still is one of its id.
fn marks(known: &KnownTenure, segment_ids: &[i64], window: Window, watch: Watch<'_>) -> Result<(Vec<u8>, RowCodes)> {
    let numbers: HashMap<i64, u32> = segment_ids.iter().copied().zip(0..).collect();
    let rows = known.source.rows();
    let (mut marks, mut segments) = (Vec::with_capacity(rows as usize), RowCodes::new(rows, segment_ids.len()));
    each_interval(known, watch, |row, interval| {
        let mark = window.touches(interval);
        marks.push(mark);
        if mark > 0 {
            segments.set(row, MemberPlace::of(numbers.get(&interval.segment_id).copied()));
        }
    })?;
    Ok((marks, segments))
}

/// Where the rows end that others take in, by those.
fn ends(known: &KnownTenure, taken_in: &HashMap<u64, u64>, watch: Watch<'_>) -> Result<HashMap<u64, Option<i32>>> {
    let mut ends = HashMap::with_capacity(taken_in.len());
    each_interval(known, watch, |row, interval| {
        if let Some(by) = taken_in.get(&row) {
            ends.insert(*by, interval.to);
        }
    })?;
    Ok(ends)
}

fn each_interval(known: &KnownTenure, watch: Watch<'_>, mut take: impl FnMut(u64, Interval)) -> Result<()> {
    let mut streams = known.streams();
    let (mut first, rows) = (0, known.source.rows());
    while first < rows {
        watch.check()?;
        let n = (rows - first).min(OUTPUT_GROUP_ROWS as u64) as usize;
        let intervals = KnownTenure::intervals(&mut streams, n)?;
        (first..).zip(intervals).for_each(|(row, interval)| take(row, interval));
        first += n as u64;
    }
    Ok(())
}
