//! Which features carry a protected attribute: how much of each feature's ranks the attribute explains, in rows drawn
//! by a hash of their number.
//!
//! Ranks, so that the tails of money decide nothing, and a feature is judged alike before and after a transform. Drawn
//! rows, since sums over all rows of every feature and attribute would cost more than the fit.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::input::{ValueKind, as_f64};
use crate::numeric::{Partial, key_of_f64, mid_ranks, mix};
use crate::text::beginning;

/// About as many rows are drawn; of fewer, all.
const DRAWN: u64 = 1 << 15;

/// More different numbers than this are compared by their order, and not one by one.
const MOST_CODES: usize = 12;

/// A feature that carries an attribute.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Carrier {
    /// The feature's column.
    pub feature: String,
    /// The share of the variance of the feature's ranks that the attribute explains: eta squared over the attribute's
    /// values; the squared rank correlation if they are many numbers.
    pub strength: f64,
}

/// Values of drawn rows, by row number: those of the attributes, then those of the features.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DrawnBeside {
    rows: u64,
    seen: BTreeMap<u64, (Vec<Option<AttributeValue>>, Vec<Option<u64>>)>,
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum AttributeValue {
    /// The key of a number.
    Number(u64),
    Text(String),
}

impl DrawnBeside {
    /// None yet, of an input of so many rows.
    pub(super) fn new(rows: u64) -> Self {
        DrawnBeside { rows, seen: BTreeMap::new() }
    }

    /// Looks at consecutive rows from number `first`; `attributes` and `features` are their columns.
    pub(super) fn look(
        &mut self,
        first: u64,
        (kinds, attributes): (&[ValueKind], &[ArrayRef]),
        features: &[ArrayRef],
    ) -> Result<(), String> {
        let rows = attributes.iter().chain(features).map(|array| array.len()).min().unwrap_or(0);
        let most = u64::MAX / self.rows.max(1) * DRAWN.min(self.rows.max(1));
        let drawn: Vec<usize> = (0..rows).filter(|&i| self.rows <= DRAWN || mix(first + i as u64) < most).collect();
        if drawn.is_empty() {
            return Ok(());
        }
        let mut values: Vec<Vec<Option<AttributeValue>>> = vec![Vec::new(); drawn.len()];
        for (&kind, array) in kinds.iter().zip(attributes) {
            let texts = (kind == ValueKind::Text).then(|| cast(array, &DataType::LargeUtf8)).transpose();
            match texts.map_err(|e| e.to_string())? {
                Some(texts) => {
                    let texts = texts.as_string::<i64>();
                    let value = |i: usize| AttributeValue::Text(beginning(texts.value(i)).into_owned());
                    let found = drawn.iter().map(|&i| array.is_valid(i).then(|| value(i)));
                    values.iter_mut().zip(found).for_each(|(row, value)| row.push(value));
                }
                None => {
                    let found = keys(array, &drawn)?.into_iter().map(|key| key.map(AttributeValue::Number));
                    values.iter_mut().zip(found).for_each(|(row, value)| row.push(value));
                }
            }
        }
        let mut numbers: Vec<Vec<Option<u64>>> = vec![Vec::new(); drawn.len()];
        for array in features {
            numbers.iter_mut().zip(keys(array, &drawn)?).for_each(|(row, key)| row.push(key));
        }
        let found = drawn.iter().zip(values.into_iter().zip(numbers));
        self.seen.extend(found.map(|(&i, row)| (first + i as u64, row)));
        Ok(())
    }

    /// The features by how strongly they carry an attribute, the strongest first; those in which nothing varies are
    /// left out.
    pub(super) fn carriers(&self, attribute: usize, features: &[String]) -> Vec<Carrier> {
        let values = NumberedValues::of(self.seen.values().map(|(values, _)| values[attribute].as_ref()));
        let carrier = |(at, name): (usize, &String)| {
            let keys = self.seen.values().map(|(_, numbers)| numbers[at]);
            Some(Carrier { feature: name.clone(), strength: values.strength(keys)? })
        };
        let mut found: Vec<Carrier> = features.par_iter().enumerate().filter_map(carrier).collect();
        found.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        found
    }
}

impl Partial for DrawnBeside {
    const NAME: &'static str = "drawn rows";
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.seen.extend(other.seen.iter().map(|(row, values)| (*row, values.clone())));
        Ok(())
    }
}

/// The order-preserving keys of some rows of a column of numbers; None: not finite.
fn keys(array: &ArrayRef, rows: &[usize]) -> Result<Vec<Option<u64>>, String> {
    let mut values = Vec::with_capacity(array.len());
    as_f64(array, &mut values)?;
    Ok(rows.iter().map(|&i| values[i].is_finite().then(|| key_of_f64(values[i]))).collect())
}

/// The values of an attribute as numbers.
struct NumberedValues {
    /// By row; None is missing.
    rows: Vec<Option<usize>>,
    /// How many there are.
    different: usize,
    /// Whether they are compared by their order.
    by_order: bool,
}

impl NumberedValues {
    fn of<'a>(values: impl Iterator<Item = Option<&'a AttributeValue>> + Clone) -> Self {
        let distinct: BTreeSet<&AttributeValue> = values.clone().flatten().collect();
        let are_numbers = distinct.iter().all(|value| matches!(value, AttributeValue::Number(_)));
        let numbers: BTreeMap<&AttributeValue, usize> = distinct.iter().enumerate().map(|(i, v)| (*v, i)).collect();
        NumberedValues {
            rows: values.map(|value| numbers.get(value?).copied()).collect(),
            different: numbers.len(),
            by_order: numbers.len() > MOST_CODES && are_numbers,
        }
    }

    /// How much of the ranks of the numbers with these keys they explain, in rows that have both. None if nothing
    /// varies.
    fn strength(&self, keys: impl Iterator<Item = Option<u64>>) -> Option<f64> {
        let both = self.rows.iter().zip(keys).filter_map(|(value, key)| Some(((*value)?, key?)));
        let (values, keys): (Vec<usize>, Vec<u64>) = both.unzip();
        let ranks = mid_ranks(&keys);
        let n = ranks.len() as f64;
        let mean = (n + 1.0) / 2.0;
        let squares = |ranks: &[f64]| -> f64 { ranks.iter().map(|rank| (rank - mean) * (rank - mean)).sum() };
        let total = squares(&ranks);
        if total == 0.0 || values.iter().all(|value| *value == values[0]) {
            return None;
        }
        if self.by_order {
            let others = mid_ranks(&values.iter().map(|&value| value as u64).collect::<Vec<_>>());
            let products: f64 = ranks.iter().zip(&others).map(|(a, b)| (a - mean) * (b - mean)).sum();
            return Some((products / total * (products / squares(&others))).min(1.0));
        }
        let mut groups = vec![(0.0, 0.0); self.different];
        for (&value, rank) in values.iter().zip(&ranks) {
            groups[value].0 += 1.0;
            groups[value].1 += rank;
        }
        let known = groups.into_iter().filter(|(n, _)| *n > 0.0);
        let between: f64 = known.map(|(n, sum): (f64, f64)| (sum / n - mean) * (sum / n - mean) * n).sum();
        Some((between / total).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, StringArray};

    use super::*;
    use crate::numeric::partial::laws;

    fn looked(first: u64, sexes: &[&str], numbers: &[[f64; 2]]) -> DrawnBeside {
        let mut drawn = DrawnBeside::new(1000);
        let texts: ArrayRef = Arc::new(StringArray::from(sexes.to_vec()));
        let of = |at: usize| -> ArrayRef { Arc::new(numbers.iter().map(|n| Some(n[at])).collect::<Float64Array>()) };
        drawn.look(first, (&[ValueKind::Text], &[texts]), &[of(0), of(1)]).unwrap();
        drawn
    }

    #[test]
    fn a_feature_that_follows_an_attribute_carries_it() {
        let drawn = looked(0, &["f", "f", "m", "m"], &[[1.0, 5.0], [2.0, 7.0], [30.0, 5.0], [1e9, 7.0]]);
        let found = drawn.carriers(0, &["a".into(), "b".into()]);
        // Ranks 1, 2, 3, 4: total 5, between 2 * 1 + 2 * 1 = 4. Ranks 1.5, 3.5, 1.5, 3.5: between 0.
        assert_eq!((found[0].feature.as_str(), found[0].strength), ("a", 0.8));
        assert_eq!((found[1].feature.as_str(), found[1].strength), ("b", 0.0));
    }

    #[test]
    fn many_numbers_are_compared_by_ranks() {
        let numbers: Vec<AttributeValue> = (0..50).map(AttributeValue::Number).collect();
        let strength = |rows: usize| {
            let values = NumberedValues::of(numbers[..rows].iter().map(Some));
            values.strength((0..50u64).map(|i| Some(i * i * i)))
        };
        assert!((strength(50).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(strength(1), None);
    }

    #[test]
    fn rows_may_be_cut_anywhere() {
        let of = |first| looked(first, &["f", "m"], &[[1.0, first as f64], [2.0, f64::NAN]]);
        laws::hold(&of(0), &of(2), &of(4));
    }
}
