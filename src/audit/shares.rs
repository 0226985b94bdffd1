//! Attributes that are texts: the share of each by segment.

use super::report::{Found, Tally};
use crate::survey::TextCounts;

/// The most counts held; with more segments, fewer distinct texts are counted individually.
const MOST_COUNTS: usize = 1 << 18;

/// Counts in `k` segments; the report says if there are more texts than are counted individually.
pub(super) fn no_texts(k: usize) -> TextCounts {
    TextCounts::new(k, (MOST_COUNTS / k.max(1)).clamp(64, 1024))
}

/// Figures of fewer than `limit` customers are withheld.
pub(super) fn report(texts: TextCounts, limit: u64) -> Found {
    Tally { named: texts.counts.into_iter().collect(), others: texts.others, missing: texts.missing }.report(limit)
}

#[cfg(test)]
mod tests {
    use super::super::report::{AuditCounts, SharesReport, VALUES_TOLD};
    use super::*;

    fn told(texts: TextCounts) -> SharesReport {
        match report(texts, 0).counts {
            AuditCounts::Shares(report) => report,
            AuditCounts::Numbers(_) => panic!("these are no numbers"),
        }
    }

    #[test]
    fn every_text_is_counted_once() {
        let mut found = no_texts(2);
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
        let (mut found, names) = (no_texts(3), (0..2000).map(|i| format!("t{i:04}")).collect::<Vec<_>>());
        found.push(names.iter().map(|n| Some(n.as_str())), &vec![2; 2000]);
        found.push(std::iter::repeat_n(Some("t0001"), 50), &[0; 50]);
        let report = told(found);
        assert_eq!((report.values.len(), report.values[0].as_str(), report.complete), (VALUES_TOLD, "t0001", false));
        assert_eq!(report.overall.counts[0], Some(51));
        assert_eq!(report.overall.other, Some(2000 - VALUES_TOLD as u64));
        assert_eq!(report.overall.known, 2050);
    }
}
