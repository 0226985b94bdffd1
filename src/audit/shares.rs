//! Texts by segment: the count of each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::report::{Found, Tally};
use crate::error::Result;
use crate::numeric::Partial;
use crate::numeric::partial::other_shape;
use crate::text::beginning;

/// The most counts held; with more segments, fewer distinct texts are counted individually.
const MOST_COUNTS: usize = 1 << 18;

/// Counts of texts in `k` segments. Which texts are counted individually depends on the order of the rows once there
/// are more than `most`; the report says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shares {
    most: usize,
    /// By text, then by segment.
    counts: BTreeMap<String, Vec<u64>>,
    /// Texts beyond the first `most` distinct ones.
    others: Vec<u64>,
    missing: Vec<u64>,
}

impl Shares {
    pub(super) fn new(k: usize) -> Self {
        Shares {
            most: (MOST_COUNTS / k.max(1)).clamp(64, 1024),
            counts: BTreeMap::new(),
            others: vec![0; k],
            missing: vec![0; k],
        }
    }

    /// Adds rows; None is missing.
    pub(super) fn push<'t>(&mut self, texts: impl Iterator<Item = Option<&'t str>>, labels: &[u32]) {
        for (text, &label) in texts.zip(labels) {
            let label = label as usize;
            let Some(text) = text else {
                self.missing[label] += 1;
                continue;
            };
            // Texts with the same beginning count as one.
            let told = beginning(text);
            let is_full = self.counts.len() == self.most;
            match self.counts.get_mut(told.as_ref()) {
                Some(counts) => counts[label] += 1,
                None if is_full => self.others[label] += 1,
                None => {
                    let mut counts = vec![0; self.others.len()];
                    counts[label] = 1;
                    self.counts.insert(told.into_owned(), counts);
                }
            }
        }
    }

    /// Figures of fewer than `limit` customers are withheld.
    pub(super) fn report(self, limit: u64) -> Found {
        Tally { named: self.counts.into_iter().collect(), others: self.others, missing: self.missing }.report(limit)
    }
}

impl Partial for Shares {
    const NAME: &'static str = "texts by segment";
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        if self.missing.len() != other.missing.len() {
            return Err(other_shape::<Self>());
        }
        let add = |a: &mut [u64], b: &[u64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        for (text, counts) in &other.counts {
            let is_full = self.counts.len() == self.most;
            match self.counts.get_mut(text) {
                Some(mine) => add(mine, counts),
                None if is_full => add(&mut self.others, counts),
                None => drop(self.counts.insert(text.clone(), counts.clone())),
            }
        }
        add(&mut self.others, &other.others);
        add(&mut self.missing, &other.missing);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{AuditCounts, SharesReport, VALUES_TOLD};
    use super::*;

    fn told(shares: Shares) -> SharesReport {
        match shares.report(0).counts {
            AuditCounts::Shares(report) => report,
            AuditCounts::Numbers(_) => panic!("these are no numbers"),
        }
    }

    #[test]
    fn rows_may_be_cut_anywhere() {
        let of = |texts: &[Option<&str>], segment: u32| {
            let mut shares = Shares::new(3);
            shares.push(texts.iter().copied(), &vec![segment; texts.len()]);
            shares
        };
        let (a, b) = (of(&[Some("x"), None, Some("y")], 0), of(&[Some("y"), Some("z")], 2));
        crate::numeric::partial::laws::hold(&a, &b, &of(&[Some("x"), Some("x"), None], 1));
    }

    #[test]
    fn every_text_is_counted_once() {
        let mut found = Shares::new(2);
        let long = "x".repeat(100);
        let texts = [Some("a"), Some("b"), None, Some("a"), Some(""), Some(&long[..])];
        found.push(texts.into_iter(), &[0, 1, 1, 1, 0, 0]);
        let report = told(found);
        assert_eq!(report.values, ["a", "", "b", &format!("{}...", "x".repeat(60))], "by count, then by value");
        assert_eq!(report.overall.counts, [2, 1, 1, 1].map(Some));
        assert_eq!((report.segments[0].known, report.segments[1].known, report.segments[1].missing), (3, 2, 1));
        assert_eq!(report.segments[1].shares, [0.5, 0.0, 0.5, 0.0].map(Some));
        assert!(report.complete);
    }

    #[test]
    fn of_very_many_texts_the_last_are_others() {
        let (mut found, names) = (Shares::new(3), (0..2000).map(|i| format!("t{i:04}")).collect::<Vec<_>>());
        found.push(names.iter().map(|n| Some(n.as_str())), &vec![2; 2000]);
        found.push(std::iter::repeat_n(Some("t0001"), 50), &[0; 50]);
        let report = told(found);
        assert_eq!((report.values.len(), report.values[0].as_str(), report.complete), (VALUES_TOLD, "t0001", false));
        assert_eq!(report.overall.counts[0], Some(51));
        assert_eq!(report.overall.other, Some(2000 - VALUES_TOLD as u64));
        assert_eq!(report.overall.known, 2050);
    }
}
