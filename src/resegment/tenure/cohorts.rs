//! How long customers stay in a segment, by the day on which they joined it.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::context::{COHORTS, damaged, text_of};
use super::known::Interval;
use crate::error::{Error, ErrorKind, Result};
use crate::history::History;
use crate::text::day;

/// Intervals that are counted at a time.
const PIECE: usize = 1 << 14;

/// The format of `cohorts.json`.
const FORMAT: u32 = 1;

/// Retention of the segments of a history: `cohorts.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cohorts {
    format: u32,
    /// The days of which there are labels, in order.
    pub days: Vec<String>,
    /// Counts of fewer customers are withheld; 0: none is.
    pub small_cells: u64,
    /// By segment, then by day.
    pub cohorts: Vec<Cohort>,
}

/// Customers who joined a segment on the same day. Whoever leaves it and returns joins again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cohort {
    /// The identity of the segment.
    pub segment_id: u64,
    /// The day; the first day of all: those who were in the segment then.
    pub joined: String,
    /// How many joined; None: few, and withheld.
    pub customers: Option<u64>,
    /// How many of them were in the segment all the time until each later day, in order; None: withheld.
    pub staying: Vec<Option<u64>>,
}

impl Cohorts {
    /// Reads those of a version; without a number, of the current one.
    ///
    /// # Errors
    /// No such version, or one whose customers have no ids.
    pub fn read(history: &History, version: Option<u64>) -> Result<Self> {
        let none = || Error::usage("no version is published yet: name one (hyades history list)".into());
        let version = match version {
            Some(version) => version,
            None => history.current()?.ok_or_else(none)?.version,
        };
        history.vet(version)?;
        let path = history.folder(version).join(COHORTS);
        if !path.is_file() {
            let text = format!("version {version} has no {COHORTS}: its customers have no ids");
            return Err(Error::usage(text).of_kind(ErrorKind::NotFound).of_file(&path));
        }
        let cohorts: Cohorts = serde_json::from_str(&text_of(&path)?).map_err(|e| damaged(&path, &e.to_string()))?;
        match cohorts.format {
            FORMAT => Ok(cohorts),
            format => Err(damaged(&path, &format!("its format is {format}, and this program reads {FORMAT}"))),
        }
    }

    pub(super) fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::Internal(e.to_string()))?;
        Ok(text + "\n")
    }
}

/// Intervals counted by segment, beginning and end: what all cohorts follow from.
pub(super) struct CohortCounts {
    days: Vec<i32>,
    intervals: HashMap<Interval, u64>,
}

impl CohortCounts {
    /// No interval yet; all will begin and end on these days, which are in order.
    pub(super) fn of_days(days: &[i32]) -> Self {
        CohortCounts { days: days.to_vec(), intervals: HashMap::new() }
    }

    pub(super) fn add(&mut self, intervals: &[Interval]) {
        let pieces = intervals.par_chunks(PIECE).map(|piece| {
            let mut counts: HashMap<Interval, u64> = HashMap::new();
            piece.iter().for_each(|interval| *counts.entry(*interval).or_default() += 1);
            counts
        });
        let pieces: Vec<HashMap<Interval, u64>> = pieces.collect();
        pieces.into_iter().flatten().for_each(|(interval, n)| *self.intervals.entry(interval).or_default() += n);
    }

    /// The cohorts, without counts of fewer than `limit` customers.
    pub(super) fn cohorts(&self, limit: u64) -> Cohorts {
        let mut all: BTreeMap<(i64, i32), Vec<u64>> = BTreeMap::new();
        for (Interval { segment_id, from, to }, n) in &self.intervals {
            let since = self.days.iter().skip_while(|day| *day < from);
            let there = since.take_while(|day| to.is_none_or(|to| **day < to)).count();
            let of_cohort = all
                .entry((*segment_id, *from))
                .or_insert_with(|| vec![0; self.days.iter().filter(|day| *day >= from).count()]);
            of_cohort[..there].iter_mut().for_each(|count| *count += n);
        }
        let shown = |n: u64, size: u64| Some(n).filter(|n| size >= limit && (*n == 0 || *n >= limit));
        let cohort = |((segment_id, from), counts): ((i64, i32), Vec<u64>)| Cohort {
            segment_id: segment_id as u64,
            joined: day(f64::from(from)),
            customers: shown(counts[0], counts[0]),
            staying: counts[1..].iter().map(|n| shown(*n, counts[0])).collect(),
        };
        Cohorts {
            format: FORMAT,
            days: self.days.iter().map(|at| day(f64::from(*at))).collect(),
            small_cells: limit,
            cohorts: all.into_iter().map(cohort).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_joined_and_stayed() {
        let mut counts = CohortCounts::of_days(&[0, 30, 60]);
        for (segment_id, from, to, n) in
            [(1, 0, None, 12), (1, 0, Some(30), 20), (1, 0, Some(60), 3), (2, 30, Some(60), 20), (2, 60, None, 9)]
        {
            counts.add(&vec![Interval { segment_id, from, to }; n]);
        }
        let shown = |limit| -> Vec<(u64, String, Option<u64>, Vec<Option<u64>>)> {
            let all = counts.cohorts(limit).cohorts.into_iter();
            all.map(|c| (c.segment_id, c.joined, c.customers, c.staying)).collect()
        };
        let (first, second, third) = ("1970-01-01".to_owned(), "1970-01-31".to_owned(), "1970-03-02".to_owned());
        let whole = [
            (1, first.clone(), Some(35), vec![Some(15), Some(12)]),
            (2, second.clone(), Some(20), vec![Some(0)]),
            (2, third.clone(), Some(9), vec![]),
        ];
        assert_eq!(shown(0), whole);
        let withheld = [
            (1, first, Some(35), vec![Some(15), None]),
            (2, second, Some(20), vec![Some(0)]),
            (2, third, None, vec![]),
        ];
        assert_eq!(shown(13), withheld);
    }
}
