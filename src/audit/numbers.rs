//! Numbers by segment: counts, missing values, means and quartiles.
//!
//! Equal numbers are counted together, so quartiles are exact while there are at most [`MOST_PAIRS`] distinct pairs of
//! number and segment, as for ages and years. Beyond that, numbers are rounded down to fewer binary digits, as few as
//! necessary: the result depends on all rows and not on their order. Rejected: a sample (small segments would get no
//! rows), and fixed bins (the range of columns protected by request is unknown).

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::disparity::{coarse, cramers_v, disparities, eta_squared, is_withheld, table};
use super::report::{AuditCounts, Found, Number, NumbersReport, Summary, Tally, VALUES_TOLD};
use super::withhold::{withheld, withhold};
use crate::error::Result;
use crate::numeric::partial::other_shape;
use crate::numeric::{ExactFloats, Partial, f64_of_key, key_of_f64};

/// The most pairs of a number and a segment held: some 4 MB.
const MOST_PAIRS: usize = 1 << 16;
/// Binary digits after the point of an f64 that can be dropped, and how many at a time.
const DIGITS: u32 = 52;
const STEP: u32 = 4;

/// Counts of numbers in `k` segments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct NumbersBySegment {
    /// By number and segment.
    #[serde(with = "pairs")]
    pairs: HashMap<(u64, u32), u64>,
    /// Binary digits dropped so far.
    dropped: u32,
    sums: Vec<ExactFloats>,
    known: Vec<u64>,
    missing: Vec<u64>,
}

impl NumbersBySegment {
    pub(super) fn new(k: usize) -> Self {
        NumbersBySegment {
            pairs: HashMap::new(),
            dropped: 0,
            sums: vec![ExactFloats::default(); k],
            known: vec![0; k],
            missing: vec![0; k],
        }
    }

    /// Adds rows; values that are not finite count as missing.
    pub(super) fn push(&mut self, values: &[f64], labels: &[u32]) {
        for (&v, &label) in values.iter().zip(labels) {
            let segment = label as usize;
            if !v.is_finite() {
                self.missing[segment] += 1;
                continue;
            }
            self.known[segment] += 1;
            self.sums[segment].add(v);
            *self.pairs.entry((key_of_f64(v) >> self.dropped, label)).or_insert(0) += 1;
            while self.pairs.len() > MOST_PAIRS && self.dropped < DIGITS {
                self.coarsen();
            }
        }
    }

    fn coarsen(&mut self) {
        self.dropped += STEP;
        let mut pairs = HashMap::new();
        for ((key, label), n) in std::mem::take(&mut self.pairs) {
            *pairs.entry((key >> STEP, label)).or_insert(0) += n;
        }
        self.pairs = pairs;
    }

    /// Shares if there are few distinct numbers, which are likely codes; summaries otherwise. Figures of fewer than
    /// `limit` customers are withheld.
    pub(super) fn report(self, is_date: bool, limit: u64) -> Found {
        let tell = |key: u64| f64_of_key(key << self.dropped);
        let different: BTreeSet<u64> = self.pairs.keys().map(|(key, _)| *key).collect();
        let k = self.known.len();
        if different.len() <= VALUES_TOLD && self.dropped == 0 {
            let count = |key: u64, segment: usize| self.pairs.get(&(key, segment as u32)).copied().unwrap_or(0);
            let named = different.iter().map(|&key| {
                (Number::of(tell(key), is_date).to_string(), (0..k).map(|segment| count(key, segment)).collect())
            });
            return Tally { named: named.collect(), others: vec![0; k], missing: self.missing }.report(limit);
        }
        let mut sorted: Vec<Vec<(u64, u64)>> = vec![Vec::new(); k];
        for (&(key, label), &n) in &self.pairs {
            sorted[label as usize].push((key, n));
        }
        sorted.iter_mut().for_each(|counts| counts.sort_unstable());
        let mut all: Vec<(u64, u64)> = sorted.concat();
        all.sort_unstable();
        let quartile_keys = [1, 2, 3].map(|q| quartile(&all, total(&all), q).unwrap_or_default());
        let bands = bands(&sorted, quartile_keys, |key| Number::of(tell(key), is_date).to_string());
        let told = |counts: &[(u64, u64)]| counts.iter().map(|&(key, n)| (tell(key), n)).collect::<Vec<_>>();
        let eta_squared = eta_squared(&sorted.iter().map(|counts| told(counts)).collect::<Vec<_>>());
        let summary = |counts: &[(u64, u64)], sum: f64, missing: u64, is_told: bool| {
            let known = total(counts);
            let number = |v| Number::of(v, is_date);
            let quartiles = || [1, 2, 3].map(|q| number(quartile(counts, known, q).map_or(f64::NAN, tell)));
            let is_told = is_told && known > 0;
            Summary {
                known,
                missing,
                mean: is_told.then(|| number(sum / known as f64)),
                quartiles: is_told.then(quartiles),
            }
        };
        let mut sum = ExactFloats::default();
        self.sums.iter().for_each(|of_segment| sum.join(of_segment));
        let overall = summary(&all, sum.value(), self.missing.iter().sum(), total(&all) >= limit);
        let hidden = withheld(&self.known, limit);
        let segments = sorted.iter().zip(&self.sums).zip(&self.missing).zip(hidden);
        let segments =
            segments.map(|(((counts, sum), &missing), hidden)| summary(counts, sum.value(), missing, !hidden));
        let rounding = if self.dropped == 0 { 0.0 } else { f64::powi(2.0, self.dropped as i32 - DIGITS as i32) };
        let mut told = table(&bands);
        withhold(&mut told, limit);
        let tell_of = |measure| if is_withheld(&told) { coarse(measure) } else { measure };
        Found {
            counts: AuditCounts::Numbers(NumbersReport { rounding, overall, segments: segments.collect() }),
            cramers_v: cramers_v(bands.iter().map(|(_, counts)| counts.as_slice())).map(tell_of),
            eta_squared: eta_squared.map(tell_of),
            disparities: disparities(&bands, &told, limit),
        }
    }
}

fn total(counts: &[(u64, u64)]) -> u64 {
    counts.iter().map(|(_, n)| n).sum()
}

/// Counts by segment in the bands between the quartiles of all numbers. A band without a number, since quartiles are
/// equal, is left out.
fn bands(sorted: &[Vec<(u64, u64)>], quartiles: [u64; 3], tell: impl Fn(u64) -> String) -> Vec<(String, Vec<u64>)> {
    let [q1, q2, q3] = quartiles.map(tell);
    let names = [format!("up to {q1}"), format!("{q1} to {q2}"), format!("{q2} to {q3}"), format!("above {q3}")];
    let band = |key: u64| quartiles.iter().filter(|&&end| key > end).count();
    let mut counts = vec![vec![0; sorted.len()]; names.len()];
    for (segment, numbers) in sorted.iter().enumerate() {
        numbers.iter().for_each(|&(key, n)| counts[band(key)][segment] += n);
    }
    names.into_iter().zip(counts).filter(|(_, counts)| counts.iter().any(|&n| n > 0)).collect()
}

impl Partial for NumbersBySegment {
    const NAME: &'static str = "numbers by segment";
    const VERSION: u32 = 1;

    /// As few digits are dropped as for all rows at once: those of a part are never more.
    fn merge(&mut self, other: &Self) -> Result<()> {
        if self.known.len() != other.known.len() {
            return Err(other_shape::<Self>());
        }
        while self.dropped < other.dropped {
            self.coarsen();
        }
        for (&(key, label), n) in &other.pairs {
            *self.pairs.entry((key >> (self.dropped - other.dropped), label)).or_insert(0) += n;
        }
        while self.pairs.len() > MOST_PAIRS && self.dropped < DIGITS {
            self.coarsen();
        }
        self.sums.iter_mut().zip(&other.sums).for_each(|(a, b)| a.join(b));
        self.known.iter_mut().zip(&other.known).for_each(|(a, b)| *a += b);
        self.missing.iter_mut().zip(&other.missing).for_each(|(a, b)| *a += b);
        Ok(())
    }
}

/// Pairs as a sorted list: keys of JSON are texts.
mod pairs {
    use std::collections::HashMap;

    use serde::{Deserialize, Deserializer, Serializer};

    type Pairs = HashMap<(u64, u32), u64>;

    pub(super) fn serialize<S: Serializer>(pairs: &Pairs, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list: Vec<(u64, u32, u64)> = pairs.iter().map(|(&(key, label), &n)| (key, label, n)).collect();
        list.sort_unstable();
        serializer.collect_seq(list)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        let list = Vec::<(u64, u32, u64)>::deserialize(deserializer)?;
        Ok(list.into_iter().map(|(key, label, n)| ((key, label), n)).collect())
    }
}

/// The smallest number that is not exceeded by `q` quarters of the numbers.
fn quartile(sorted: &[(u64, u64)], n: u64, q: u64) -> Option<u64> {
    let rank = (n * q).div_ceil(4);
    let mut below = 0;
    sorted.iter().find_map(|&(key, count)| {
        below += count;
        (below >= rank).then_some(key)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::numeric::partial::laws;

    fn of(values: &[f64], labels: &[u32], k: usize) -> AuditCounts {
        let mut numbers = NumbersBySegment::new(k);
        for (values, labels) in values.chunks(7).zip(labels.chunks(7)) {
            numbers.push(values, labels);
        }
        numbers.report(false, 0).counts
    }

    fn naive(values: &[f64]) -> Summary {
        let mut known: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        let mean = (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
        known.sort_by(f64::total_cmp);
        let at = |q: usize| Number::Number(known[(known.len() * q).div_ceil(4) - 1]);
        Summary {
            known: known.len() as u64,
            missing: (values.len() - known.len()) as u64,
            mean: mean.map(Number::Number),
            quartiles: (!known.is_empty()).then(|| [at(1), at(2), at(3)]),
        }
    }

    proptest! {
        #[test]
        fn summaries_are_those_of_a_naive_computation(
            rows in prop::collection::vec((prop::option::weighted(0.9, -40i32..40), 0u32..4), 60..400),
        ) {
            let values: Vec<f64> = rows.iter().map(|(v, _)| v.map_or(f64::NAN, |v| f64::from(v) / 4.0)).collect();
            let labels: Vec<u32> = rows.iter().map(|(_, l)| *l).collect();
            prop_assume!(values.iter().filter(|v| v.is_finite()).map(|v| v.to_bits()).collect::<BTreeSet<_>>().len() > VALUES_TOLD);
            let AuditCounts::Numbers(found) = of(&values, &labels, 5) else { panic!("these are no codes") };
            prop_assert_eq!(&found.overall, &naive(&values));
            for (segment, summary) in found.segments.iter().enumerate() {
                let mine: Vec<f64> = (0..values.len()).filter(|&i| labels[i] == segment as u32).map(|i| values[i]).collect();
                prop_assert_eq!(summary, &naive(&mine));
            }
            prop_assert_eq!(found.rounding, 0.0);
        }
    }

    proptest! {
        #[test]
        fn rows_may_be_cut_anywhere(
            rows in prop::collection::vec((prop::option::weighted(0.9, -1e6..1e6f64), 0u32..4), 0..60),
            cuts in (0usize..60, 0usize..60),
        ) {
            let of = |rows: &[(Option<f64>, u32)]| {
                let mut numbers = NumbersBySegment::new(4);
                let values: Vec<f64> = rows.iter().map(|r| r.0.unwrap_or(f64::NAN)).collect();
                numbers.push(&values, &rows.iter().map(|r| r.1).collect::<Vec<_>>());
                numbers
            };
            let (low, high) = (cuts.0.min(cuts.1).min(rows.len()), cuts.0.max(cuts.1).min(rows.len()));
            let [a, b, c] = [&rows[..low], &rows[low..high], &rows[high..]].map(of);
            laws::hold(&a, &b, &c);
            let mut all = c;
            all.merge(&a).unwrap();
            all.merge(&b).unwrap();
            prop_assert_eq!(all.report(false, 0), of(&rows).report(false, 0));
        }
    }

    #[test]
    fn numbers_of_few_customers_are_withheld() {
        let values: Vec<f64> = (0..200).map(f64::from).collect();
        let labels: Vec<u32> = (0..200)
            .map(|i| {
                if i < 4 {
                    0
                } else if i < 60 {
                    1
                } else {
                    2
                }
            })
            .collect();
        let mut numbers = NumbersBySegment::new(3);
        numbers.push(&values, &labels);
        let found = numbers.report(false, 10);
        let AuditCounts::Numbers(report) = found.counts else { panic!() };
        let told: Vec<bool> = report.segments.iter().map(|s| s.mean.is_some() && s.quartiles.is_some()).collect();
        assert_eq!(told, [false, false, true], "the mean of 4 could be computed from that of all and one other");
        // Bands of 50: up to 49 is in segments 0 and 1, the highest two in segment 2 alone.
        assert_eq!(found.disparities.len(), 2);
        assert_eq!((found.disparities[0].segment, found.disparities[0].most.group.as_str()), (1, "up to 49"));
        // Means 1.5, 31.5 and 129.5 of 4, 56 and 140 customers; in all 99.5 and a variance of 3333.25.
        let between = (4.0 * 98.0_f64.powi(2) + 56.0 * 68.0_f64.powi(2) + 140.0 * 30.0_f64.powi(2)) / 200.0;
        assert!((found.eta_squared.unwrap() - between / 3333.25).abs() < 5e-3, "to two decimals");
    }

    #[test]
    fn few_numbers_are_codes() {
        let AuditCounts::Shares(found) = of(&[2.0, 1.0, 2.0, f64::NAN, -0.0, 0.0], &[0, 0, 1, 1, 1, 1], 2) else {
            panic!()
        };
        assert_eq!(found.values, ["0", "2", "1"]);
        assert_eq!((&found.segments[1].counts, found.segments[1].missing), (&vec![Some(2), Some(1), Some(0)], 1));
    }

    #[test]
    fn very_many_numbers_are_rounded_the_same_in_any_order() {
        let values: Vec<f64> = (0..300_000u32).map(|i| f64::from(i.wrapping_mul(2_654_435_761)) - 1e9).collect();
        let labels: Vec<u32> = (0..300_000).map(|i| i % 3).collect();
        let AuditCounts::Numbers(found) = of(&values, &labels, 3) else { panic!() };
        assert!(found.rounding > 0.0 && found.rounding < 1e-2, "{}", found.rounding);
        let exact = naive(&values);
        for (rounded, exact) in found.overall.quartiles.clone().unwrap().into_iter().zip(exact.quartiles.unwrap()) {
            let (Number::Number(rounded), Number::Number(exact)) = (rounded, exact) else { panic!() };
            assert!((exact - rounded).abs() <= found.rounding * exact.abs().max(rounded.abs()), "{rounded} {exact}");
        }
        let back = |v: &[f64]| v.iter().rev().copied().collect::<Vec<_>>();
        let labels: Vec<u32> = labels.into_iter().rev().collect();
        let AuditCounts::Numbers(turned) = of(&back(&values), &labels, 3) else { panic!() };
        let quartiles = |found: &NumbersReport| found.segments.iter().map(|s| s.quartiles.clone()).collect::<Vec<_>>();
        assert_eq!(quartiles(&turned), quartiles(&found));
    }
}
