//! The smallest and the largest distinct values with their counts: where codes for "unknown" occur.

/// Distinct values kept at either end.
pub(super) const KEPT: usize = 8;

/// The extreme values, exact for any split: a merge keeps what a single pass would.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Edges {
    /// The smallest, ascending.
    pub(super) low: Vec<(f64, u64)>,
    /// The largest, descending.
    pub(super) high: Vec<(f64, u64)>,
}

impl Edges {
    /// Adds finite values.
    pub(super) fn push(&mut self, values: &[f64]) {
        for &v in values {
            if self.low.len() < KEPT || v <= self.low[KEPT - 1].0 {
                add(&mut self.low, v, 1, |a, b| a < b);
            }
            if self.high.len() < KEPT || v >= self.high[KEPT - 1].0 {
                add(&mut self.high, v, 1, |a, b| a > b);
            }
        }
    }

    /// Adds a value that occurs `n` times.
    pub(super) fn add(&mut self, v: f64, n: u64) {
        add(&mut self.low, v, n, |a, b| a < b);
        add(&mut self.high, v, n, |a, b| a > b);
    }

    pub(super) fn merge(&mut self, other: &Edges) {
        other.low.iter().for_each(|&(v, n)| add(&mut self.low, v, n, |a, b| a < b));
        other.high.iter().for_each(|&(v, n)| add(&mut self.high, v, n, |a, b| a > b));
    }
}

/// A value that drops out of the kept ones never returns: all kept values precede it, and new ones only push it
/// further.
fn add(kept: &mut Vec<(f64, u64)>, v: f64, n: u64, before: impl Fn(f64, f64) -> bool) {
    let at = kept.iter().position(|&(w, _)| !before(w, v)).unwrap_or(kept.len());
    match kept.get_mut(at) {
        Some((w, count)) if *w == v => *count += n,
        _ if at < KEPT => {
            kept.truncate(KEPT - 1);
            kept.insert(at.min(kept.len()), (v, n));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_sorting(values in prop::collection::vec(-20i32..20, 0..400), cut in 0.0..1.0f64) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let at = (values.len() as f64 * cut) as usize;
            let (mut parts, mut rest) = (Edges::default(), Edges::default());
            parts.push(&values[..at]);
            rest.push(&values[at..]);
            parts.merge(&rest);
            let mut counts = std::collections::BTreeMap::new();
            values.iter().for_each(|v| *counts.entry(*v as i64).or_insert(0u64) += 1);
            let all: Vec<(f64, u64)> = counts.into_iter().map(|(v, n)| (v as f64, n)).collect();
            prop_assert_eq!(&parts.low, &all[..all.len().min(KEPT)]);
            prop_assert_eq!(parts.high, all.iter().rev().take(KEPT).copied().collect::<Vec<_>>());
        }
    }
}
