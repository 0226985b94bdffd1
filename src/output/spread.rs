//! How far the rows of a segment are from its centroid: the median of their distances, and the median absolute
//! deviation from it. Distances are kept themselves, or counted in buckets of 10 binary digits.

use std::collections::BTreeMap;

use crate::drift::{DIGITS, key_of, middle};

/// The standard deviation of a normal distribution, in median absolute deviations.
const NORMAL_MAD: f64 = 1.4826;

/// The distances of a segment.
#[derive(Debug, Default)]
pub(crate) struct SeenDistances {
    /// Each distance; None: they are counted.
    values: Option<Vec<f64>>,
    buckets: BTreeMap<u32, u64>,
}

/// What is known of the distances of a segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DistanceSpread {
    /// The median; None without rows.
    pub(crate) median: Option<f64>,
    /// The median absolute deviation from it.
    pub(crate) mad: Option<f64>,
}

impl SeenDistances {
    /// Of no rows. `is_exact`: all distances are kept.
    pub(crate) fn new(is_exact: bool) -> Self {
        SeenDistances { values: is_exact.then(Vec::new), buckets: BTreeMap::new() }
    }

    pub(crate) fn push(&mut self, distance: f64) {
        match &mut self.values {
            Some(values) => values.push(distance),
            None => *self.buckets.entry(key_of(distance, DIGITS)).or_default() += 1,
        }
    }

    /// Distances and how many rows have each, in order.
    pub(crate) fn counted(&self) -> Vec<(f64, u64)> {
        match &self.values {
            Some(values) => {
                let mut sorted = values.clone();
                sorted.sort_unstable_by(f64::total_cmp);
                sorted.into_iter().map(|value| (value, 1)).collect()
            }
            None => self.buckets.iter().map(|(&key, &n)| (middle(key, DIGITS, false), n)).collect(),
        }
    }
}

impl DistanceSpread {
    /// Of distances in order, and how many rows have each.
    pub(crate) fn of(counted: &[(f64, u64)]) -> Self {
        let median = median(counted);
        let deviations = median.map(|median| {
            let mut from: Vec<(f64, u64)> = counted.iter().map(|(value, n)| ((value - median).abs(), *n)).collect();
            from.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            from
        });
        DistanceSpread { median, mad: deviations.as_deref().and_then(self::median) }
    }

    /// How many robust deviations a distance is above the median; None where half of the distances are the same.
    pub(crate) fn robust_z(&self, distance: f64) -> Option<f64> {
        let (median, mad) = self.median.zip(self.mad.filter(|mad| *mad > 0.0))?;
        Some((distance - median) / (NORMAL_MAD * mad))
    }

    /// A distance divided by the median; None where that is 0.
    pub(crate) fn ratio(&self, distance: f64) -> Option<f64> {
        self.median.filter(|median| *median > 0.0).map(|median| distance / median)
    }
}

/// The median of sorted values with their counts, as DuckDB's `quantile_cont`.
fn median(sorted: &[(f64, u64)]) -> Option<f64> {
    let n: u64 = sorted.iter().map(|(_, n)| n).sum();
    let at = |rank: u64| {
        let mut below = 0;
        sorted.iter().find(|(_, n)| {
            below += n;
            below > rank
        })
    };
    let (low, high) = (at(n.checked_sub(1)? / 2)?.0, at(n / 2)?.0);
    Some(if low == high { low } else { low + (high - low) / 2.0 })
}
