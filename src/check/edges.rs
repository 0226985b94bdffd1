//! The smallest and the largest distinct values with their counts: where codes for "unknown" occur.

use super::grain::Grain;

/// Distinct values kept at either end.
pub(super) const KEPT: usize = 8;

/// The extreme values by their places, exact for any split: a merge keeps what a single pass would.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Edges {
    /// The smallest, ascending.
    pub(super) low: Vec<(i128, u64)>,
    /// The largest, descending.
    pub(super) high: Vec<(i128, u64)>,
}

impl Edges {
    /// Adds finite values, given as f64 and by their places. Most are left out by f64, whose order is that of the
    /// places, except that neighbours may be equal.
    pub(super) fn push(&mut self, values: &[f64], grain: Grain, place: impl Fn(usize) -> i128) {
        let limit = |kept: &[(i128, u64)], all: f64| kept.get(KEPT - 1).map_or(all, |&(place, _)| grain.number(place));
        let mut below = limit(&self.low, f64::INFINITY);
        let mut above = limit(&self.high, f64::NEG_INFINITY);
        for (i, &v) in values.iter().enumerate() {
            if v <= below && add(&mut self.low, place(i), 1, |a, b| a < b) {
                below = limit(&self.low, f64::INFINITY);
            }
            if v >= above && add(&mut self.high, place(i), 1, |a, b| a > b) {
                above = limit(&self.high, f64::NEG_INFINITY);
            }
        }
    }

    /// Adds a value that occurs `n` times.
    pub(super) fn add(&mut self, place: i128, n: u64) {
        add(&mut self.low, place, n, |a, b| a < b);
        add(&mut self.high, place, n, |a, b| a > b);
    }

    pub(super) fn merge(&mut self, other: &Edges) {
        for &(place, n) in &other.low {
            add(&mut self.low, place, n, |a, b| a < b);
        }
        for &(place, n) in &other.high {
            add(&mut self.high, place, n, |a, b| a > b);
        }
    }
}

/// Returns whether the value is new among the kept ones. One that drops out never returns: all kept values precede it,
/// and new ones only push it further.
fn add(kept: &mut Vec<(i128, u64)>, place: i128, n: u64, before: impl Fn(i128, i128) -> bool) -> bool {
    let at = kept.iter().position(|&(other, _)| !before(other, place)).unwrap_or(kept.len());
    match kept.get_mut(at) {
        Some((other, count)) if *other == place => *count += n,
        _ if at < KEPT => {
            kept.truncate(KEPT - 1);
            kept.insert(at, (place, n));
            return true;
        }
        _ => {}
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_sorting(
            values in prop::collection::vec(-20i64..20, 0..400),
            cut in 0.0..1.0f64,
            // Beyond 2^53, neighbours are equal as f64.
            base in prop::sample::select(vec![0i64, 1 << 60]),
        ) {
            let grain = Grain::Decimal(0);
            let places: Vec<i128> = values.iter().map(|v| i128::from(base + v)).collect();
            let values: Vec<f64> = places.iter().map(|&p| grain.number(p)).collect();
            let at = (values.len() as f64 * cut) as usize;
            let (mut parts, mut rest) = (Edges::default(), Edges::default());
            parts.push(&values[..at], grain, |i| places[i]);
            rest.push(&values[at..], grain, |i| places[at + i]);
            parts.merge(&rest);
            let mut counts = std::collections::BTreeMap::new();
            places.iter().for_each(|p| *counts.entry(*p).or_insert(0u64) += 1);
            let all: Vec<(i128, u64)> = counts.into_iter().collect();
            prop_assert_eq!(&parts.low, &all[..all.len().min(KEPT)]);
            prop_assert_eq!(parts.high, all.iter().rev().take(KEPT).copied().collect::<Vec<_>>());
        }
    }
}
