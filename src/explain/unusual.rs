//! Distances of a segment's rows: their median and median absolute deviation, and the farthest rows.
//!
//! The robust z of a row grows with its distance, so that the most unusual rows of all are among the farthest of each
//! segment: one pass finds them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::report::SegmentSpread;
use crate::output::{DistanceSpread, SeenDistances};

/// Rows whose robust z is beyond this are unusual (Iglewicz and Hoaglin, *How to Detect and Handle Outliers*, 1993).
pub(crate) const UNUSUAL: f64 = 3.5;

/// A row far from its centroid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FarRow {
    pub(crate) distance2: u64,
    /// Of rows as far, the first comes first.
    pub(crate) row: Reverse<u64>,
}

/// The distances of a segment.
#[derive(Debug)]
pub(crate) struct DistancesSeen {
    /// The grid's step in scaled units.
    step: f64,
    all: SeenDistances,
    farthest: BinaryHeap<Reverse<FarRow>>,
    most: usize,
}

impl DistancesSeen {
    /// Of no rows. At most so many of the farthest are kept.
    pub(crate) fn new(step: f64, is_exact: bool, most: usize) -> Self {
        DistancesSeen { step, all: SeenDistances::new(is_exact), farthest: BinaryHeap::new(), most }
    }

    /// Adds a row by its squared distance in grid steps.
    pub(crate) fn push(&mut self, distance2: u64, row: u64) {
        self.all.push(self.distance(distance2));
        self.farthest.push(Reverse(FarRow { distance2, row: Reverse(row) }));
        if self.farthest.len() > self.most {
            self.farthest.pop();
        }
    }

    /// A distance in scaled units.
    pub(crate) fn distance(&self, distance2: u64) -> f64 {
        (distance2 as f64).sqrt() * self.step
    }

    /// The farthest rows, in no order.
    pub(crate) fn farthest(&self) -> impl Iterator<Item = FarRow> {
        self.farthest.iter().map(|Reverse(row)| *row)
    }

    /// The figures of segment number `segment`.
    pub(crate) fn spread(&self, segment: u32) -> SegmentSpread {
        let counted = self.all.counted();
        let DistanceSpread { median, mad } = DistanceSpread::of(&counted);
        let customers = counted.iter().map(|(_, n)| n).sum();
        let mut spread = SegmentSpread { segment, customers, median, mad, unusual: 0 };
        let is_unusual = |value: f64| spread.robust_z(value).is_some_and(|z| z > UNUSUAL);
        spread.unusual = counted.iter().filter(|(value, _)| is_unusual(*value)).map(|(_, n)| n).sum();
        spread
    }
}

impl SegmentSpread {
    fn figures(&self) -> DistanceSpread {
        DistanceSpread { median: self.median, mad: self.mad }
    }

    /// How many robust deviations a distance is above the median; None where half of the distances are the same.
    pub(crate) fn robust_z(&self, distance: f64) -> Option<f64> {
        self.figures().robust_z(distance)
    }

    /// A distance divided by the median.
    pub(crate) fn ratio(&self, distance: f64) -> Option<f64> {
        self.figures().ratio(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_deviations_and_the_farthest_rows() {
        // Distances 1, 2, 3, 4, 100: the median is 3, the deviations are 2, 1, 0, 1, 97 with the median 1.
        let mut exact = DistancesSeen::new(0.5, true, 2);
        let mut counted = DistancesSeen::new(0.5, false, 2);
        for (row, distance) in [2u64, 4, 6, 8, 200].into_iter().enumerate() {
            exact.push(distance * distance, row as u64);
            counted.push(distance * distance, row as u64);
        }
        let spread = exact.spread(7);
        assert_eq!((spread.segment, spread.customers, spread.unusual), (7, 5, 1));
        assert_eq!((spread.median, spread.mad), (Some(3.0), Some(1.0)));
        assert_eq!(spread.robust_z(100.0), Some(97.0 / 1.4826));
        assert_eq!(spread.ratio(100.0), Some(100.0 / 3.0));
        let close = counted.spread(7).median.unwrap();
        assert!((close - 3.0).abs() < 3.0 / 1024.0, "{close}");
        let mut farthest: Vec<u64> = counted.farthest().map(|far| far.row.0).collect();
        farthest.sort_unstable();
        assert_eq!(farthest, [3, 4]);
        assert_eq!(DistancesSeen::new(1.0, true, 1).spread(0).median, None);
    }

    #[test]
    fn without_a_spread_nothing_is_unusual() {
        let mut seen = DistancesSeen::new(1.0, true, 3);
        [4u64, 4, 4, 900].into_iter().enumerate().for_each(|(row, d)| seen.push(d, row as u64));
        assert_eq!(seen.spread(0).robust_z(30.0), None);
        assert_eq!(seen.spread(0).unusual, 0);
    }
}
