//! Counts of values by keys that keep their order.
//!
//! A key is the sign, the exponent and the first binary digits of a value, so that every number has one, those of later
//! months too, and no range has to be known beforehand. How many digits are kept is chosen by column, as many as leave
//! at most so many keys; counts of different digits are compared by the fewer. Rejected: cells of equal width, which
//! put all but a few customers of a skewed column into one cell, and quantiles as cells, which would have to be stored.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::numeric::{Partial, f64_of_key, key_of_f64};

/// The most binary digits after the point that a key keeps.
pub(crate) const DIGITS: u32 = 10;
/// The digits of a double.
const MANTISSA: u32 = 52;

/// How many values have each key. The keys are sorted, and the counts are positive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredKeys", into = "StoredKeys")]
pub struct KeyedCounts {
    digits: u32,
    counts: Vec<(u32, u64)>,
}

/// The key of a value.
pub(crate) fn key_of(value: f64, digits: u32) -> u32 {
    (key_of_f64(value) >> (MANTISSA - digits)) as u32
}

/// The value that stands for a key of so many digits: the middle of its values, or a whole number next to it.
pub(crate) fn middle(key: u32, digits: u32, is_whole: bool) -> f64 {
    let dropped = MANTISSA - digits;
    let key = u64::from(key) << dropped;
    let (low, high) = (f64_of_key(key), f64_of_key(key | ((1 << dropped) - 1)));
    if low == 0.0 {
        return 0.0;
    }
    let half = |low: f64, high: f64| low + (high - low) / 2.0;
    if is_whole { half(low.ceil(), high.floor()).floor() + 0.0 } else { half(low, high) }
}

/// The smallest value of a key.
pub(super) fn first_value(key: u32, digits: u32) -> f64 {
    f64_of_key(u64::from(key) << (MANTISSA - digits))
}

impl KeyedCounts {
    /// Sorted keys of so many digits, at most [`DIGITS`], with their counts.
    pub(crate) fn new(digits: u32, mut counts: Vec<(u32, u64)>) -> Self {
        counts.retain(|(_, n)| *n > 0);
        KeyedCounts { digits, counts }
    }

    /// Binary digits after the point that a key keeps.
    pub(crate) fn digits(&self) -> u32 {
        self.digits
    }

    /// The keys and their counts, in order.
    pub(crate) fn counts(&self) -> &[(u32, u64)] {
        &self.counts
    }

    /// How many values there are.
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|(_, n)| n).sum()
    }

    /// The same values by keys of at most so many digits.
    pub(crate) fn coarser(&self, digits: u32) -> Self {
        let digits = digits.min(self.digits);
        let dropped = self.digits - digits;
        let mut counts: Vec<(u32, u64)> = Vec::new();
        for &(key, n) in &self.counts {
            match counts.last_mut() {
                Some((last, sum)) if *last == key >> dropped => *sum += n,
                _ => counts.push((key >> dropped, n)),
            }
        }
        KeyedCounts { digits, counts }
    }

    /// The same values, by the most digits that leave at most so many keys, or by none.
    pub(crate) fn at_most(&self, keys: usize) -> Self {
        let fewer = |digits: &u32| {
            let dropped = self.digits - digits;
            let new = |pair: &[(u32, u64)]| pair[0].0 >> dropped != pair[1].0 >> dropped;
            self.counts.windows(2).filter(|pair| new(pair)).count() < keys
        };
        self.coarser((0..=self.digits).rev().find(fewer).unwrap_or(0))
    }

    /// The same values, where keys of fewer than `limit` join the next one, and the last ones the one before: no count
    /// that is left is of fewer. None if all are.
    pub(crate) fn pooled(&self, limit: u64) -> Self {
        let (mut counts, mut waiting): (Vec<(u32, u64)>, u64) = (Vec::new(), 0);
        for &(key, n) in &self.counts {
            waiting += n;
            if waiting >= limit {
                counts.push((key, std::mem::take(&mut waiting)));
            }
        }
        if let Some((_, last)) = counts.last_mut() {
            *last += waiting;
        }
        KeyedCounts { digits: self.digits, counts }
    }
}

impl Partial for KeyedCounts {
    const NAME: &'static str = "counts by key";
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        let digits = self.digits.min(other.digits);
        let mut both = [self.coarser(digits).counts, other.coarser(digits).counts].concat();
        both.sort_unstable_by_key(|(key, _)| *key);
        *self = KeyedCounts { digits, counts: both }.coarser(digits);
        Ok(())
    }
}

/// As a model has them: `35012:5 7 3:12` is 5 values of key 35012, 7 of the next key, and 12 of the third after that.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKeys {
    digits: u32,
    counts: String,
}

impl From<KeyedCounts> for StoredKeys {
    fn from(keys: KeyedCounts) -> Self {
        let (mut words, mut last) = (Vec::with_capacity(keys.counts.len()), None);
        for (key, n) in keys.counts {
            words.push(match last.map_or(key, |last| key - last) {
                1 if last.is_some() => n.to_string(),
                step => format!("{step}:{n}"),
            });
            last = Some(key);
        }
        StoredKeys { digits: keys.digits, counts: words.join(" ") }
    }
}

impl TryFrom<StoredKeys> for KeyedCounts {
    type Error = String;

    fn try_from(StoredKeys { digits, counts }: StoredKeys) -> Result<Self, String> {
        /// Rows, whose number is limited so that no sum overflows.
        const MOST: u64 = 1 << 40;
        if digits > DIGITS {
            return Err(format!("counts by keys of {digits} digits, expected at most {DIGITS}"));
        }
        let (mut found, mut last, mut total): (Vec<(u32, u64)>, Option<u32>, u64) = (Vec::new(), None, 0);
        for word in counts.split_ascii_whitespace() {
            let (step, n) = word.split_once(':').map_or((None, word), |(step, n)| (Some(step), n));
            let parsed = step.map_or(Ok(1), str::parse::<u32>).ok().zip(n.parse::<u64>().ok());
            let next = |(step, n): (u32, u64)| {
                let key = match last {
                    None => step,
                    Some(last) => last.checked_add(step).filter(|_| step > 0)?,
                };
                total = total.checked_add(n)?;
                ((1..=MOST).contains(&n) && total <= MOST && key >> (12 + digits) == 0).then_some((key, n))
            };
            let (key, n) = parsed.and_then(next).ok_or_else(|| format!("not counts by key: {word:?}"))?;
            found.push((key, n));
            last = Some(key);
        }
        Ok(KeyedCounts { digits, counts: found })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::numeric::partial::laws;

    pub(crate) fn keys(values: &[f64], digits: u32) -> KeyedCounts {
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        values.iter().for_each(|&v| *counts.entry(key_of(v, digits)).or_default() += 1);
        KeyedCounts::new(digits, counts.into_iter().collect())
    }

    #[test]
    fn a_model_has_them_as_short_text() {
        let counts = KeyedCounts::new(10, vec![(35_012, 5), (35_013, 7), (35_016, 12)]);
        let text = serde_json::to_string(&counts).unwrap();
        assert_eq!(text, r#"{"digits":10,"counts":"35012:5 7 3:12"}"#);
        assert_eq!(serde_json::from_str::<KeyedCounts>(&text).unwrap(), counts);
        let first = KeyedCounts::new(3, vec![(1, 2)]);
        assert_eq!(serde_json::from_value::<KeyedCounts>(serde_json::to_value(&first).unwrap()).unwrap(), first);
        for (broken, why) in [
            (r#"{"digits":11,"counts":""}"#, "counts by keys of 11 digits, expected at most 10"),
            (r#"{"digits":1,"counts":"5:1 0:1"}"#, "not counts by key: \"0:1\""),
            (r#"{"digits":1,"counts":"5:1 -3"}"#, "not counts by key: \"-3\""),
            (r#"{"digits":0,"counts":"4096:1"}"#, "not counts by key: \"4096:1\""),
            (r#"{"digits":0,"counts":"1:0"}"#, "not counts by key: \"1:0\""),
            (r#"{"digits":0,"counts":"1:1099511627776 1"}"#, "not counts by key: \"1\""),
        ] {
            let error = serde_json::from_str::<KeyedCounts>(broken).unwrap_err().to_string();
            assert!(error.contains(why), "{broken}: {error}");
        }
    }

    #[test]
    fn few_rows_are_pooled() {
        let counts = KeyedCounts::new(0, vec![(1, 3), (2, 9), (5, 2), (6, 20), (9, 1), (12, 4)]);
        assert_eq!(counts.pooled(10).counts, [(2, 12), (6, 27)]);
        assert_eq!(counts.pooled(0), counts);
        assert_eq!(counts.pooled(100).counts, []);
    }

    #[test]
    fn middles_are_near() {
        for value in [1.0, -1.0, 1e300, -1e-300, 0.1, 850.0, -3.7] {
            let error = (middle(key_of(value, 5), 5, false) - value).abs() / value.abs();
            assert!(error <= 1.0 / 64.0, "{value}: {error}");
            assert!(first_value(key_of(value, 5), 5) <= value, "{value}");
        }
    }

    proptest! {
        #[test]
        fn fewer_digits_are_the_digits_of_the_values(
            values in prop::collection::vec(prop_oneof![-1e6..1e6f64, any::<i8>().prop_map(f64::from)], 0..200),
            digits in 0u32..=10,
            most in 1usize..300,
        ) {
            let all = keys(&values, 10);
            prop_assert_eq!(all.coarser(digits), keys(&values, digits));
            let few = all.at_most(most);
            prop_assert!(few.counts.len() <= most || few.digits == 0);
            prop_assert!(few.digits == 10 || all.coarser(few.digits + 1).counts.len() > most);
            prop_assert_eq!(few.total(), values.len() as u64);
            let pooled = all.pooled(7);
            prop_assert!(pooled.counts.iter().all(|(_, n)| *n >= 7));
            prop_assert!(pooled.counts.is_empty() || pooled.total() == values.len() as u64);
        }

        #[test]
        fn they_merge_in_any_order(
            a in prop::collection::vec(-1e3..1e3f64, 0..40),
            b in prop::collection::vec(-1e3..1e3f64, 0..40),
            digits in 0u32..=10,
        ) {
            laws::hold(&keys(&a, 10), &keys(&b, digits), &keys(&a[..a.len() / 2], 4));
            let mut both = keys(&a, digits);
            both.merge(&keys(&b, 10)).unwrap();
            prop_assert_eq!(both, keys(&[a, b].concat(), digits));
        }
    }
}
