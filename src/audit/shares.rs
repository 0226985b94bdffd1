//! Texts by segment: the count of each.

use std::collections::HashMap;

use super::report::{SharesReport, shares};
use crate::text::beginning;

/// The most counts held; with more segments, fewer distinct texts are counted individually.
const MOST_COUNTS: usize = 1 << 18;

/// Counts of texts in `k` segments.
pub(super) struct Shares {
    most: usize,
    at: HashMap<String, usize>,
    /// By text, then by segment.
    counts: Vec<Vec<u64>>,
    /// Texts beyond the first `most` distinct ones.
    others: Vec<u64>,
    missing: Vec<u64>,
}

impl Shares {
    pub(super) fn new(k: usize) -> Self {
        Shares {
            most: (MOST_COUNTS / k.max(1)).clamp(64, 1024),
            at: HashMap::new(),
            counts: Vec::new(),
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
            match self.at.get(told.as_ref()) {
                Some(&at) => self.counts[at][label] += 1,
                None if self.counts.len() == self.most => self.others[label] += 1,
                None => {
                    self.at.insert(told.into_owned(), self.counts.len());
                    self.counts.push(vec![0; self.others.len()]);
                    self.counts[self.at.len() - 1][label] += 1;
                }
            }
        }
    }

    pub(super) fn report(self) -> SharesReport {
        let mut counts = self.counts;
        let named: Vec<(String, Vec<u64>)> =
            self.at.into_iter().map(|(text, at)| (text, std::mem::take(&mut counts[at]))).collect();
        shares(named, self.others, self.missing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::VALUES_TOLD;
    use super::*;

    #[test]
    fn every_text_is_counted_once() {
        let mut found = Shares::new(2);
        let long = "x".repeat(100);
        let texts = [Some("a"), Some("b"), None, Some("a"), Some(""), Some(&long[..])];
        found.push(texts.into_iter(), &[0, 1, 1, 1, 0, 0]);
        let report = found.report();
        assert_eq!(report.values, ["a", "", "b", &format!("{}...", "x".repeat(60))], "by count, then by value");
        assert_eq!(report.overall.counts, [2, 1, 1, 1]);
        assert_eq!((report.segments[0].known, report.segments[1].known, report.segments[1].missing), (3, 2, 1));
        assert_eq!(report.segments[1].shares, [0.5, 0.0, 0.5, 0.0]);
        assert!(report.complete);
    }

    #[test]
    fn of_very_many_texts_the_last_are_others() {
        let (mut found, names) = (Shares::new(3), (0..2000).map(|i| format!("t{i:04}")).collect::<Vec<_>>());
        found.push(names.iter().map(|n| Some(n.as_str())), &vec![2; 2000]);
        found.push(std::iter::repeat_n(Some("t0001"), 50), &[0; 50]);
        let report = found.report();
        assert_eq!((report.values.len(), report.values[0].as_str(), report.complete), (VALUES_TOLD, "t0001", false));
        assert_eq!(report.overall.counts[0], 51);
        assert_eq!(report.overall.other, 2000 - VALUES_TOLD as u64);
        assert_eq!(report.overall.known, 2050);
    }
}
