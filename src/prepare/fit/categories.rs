//! Categories as numbers. Each row group numbers its categories in order of appearance; once all have landed, the
//! numbers are looked up in one common list.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, LargeStringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use crate::error::{Error, ErrorKind, Result};
use crate::prepare::design::Encoding;
use crate::prepare::recipe::{Categories, Derivation};

/// How many distinct categories a column may have. A column with more has ids or free text, not categories.
pub(crate) const MOST_CATEGORIES: usize = 100_000;

/// The longest category, in bytes. Anything longer is free text.
const LONGEST: usize = 1024;

/// The categories of one column in one row group, numbered in order of appearance.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    numbers: HashMap<Box<str>, u32>,
    /// Rows by number.
    counts: Vec<u64>,
    /// The sum of the rows' weights by number; empty where each weighs 1.
    masses: Vec<u64>,
    /// Whether a row of a weight above 0 has no category.
    has_gaps: bool,
}

impl Dictionary {
    /// Appends the numbers of a batch to `out`, NaN for a missing category. Returns how many are missing.
    ///
    /// # Errors
    /// Too many categories, or one that is too long.
    pub(crate) fn land(
        &mut self,
        array: &ArrayRef,
        weights: Option<&[u32]>,
        out: &mut Vec<f32>,
    ) -> Result<u64, String> {
        let text = as_text(array)?;
        let mut last: Option<(&str, u32)> = None;
        let mut missing = 0;
        let weight = |row: usize| weights.and_then(|w| w.get(row)).map_or(1, |&w| u64::from(w));
        for (row, value) in text.as_string::<i64>().iter().enumerate() {
            let Some(value) = value else {
                missing += 1;
                self.has_gaps |= weight(row) > 0;
                out.push(f32::NAN);
                continue;
            };
            let number = match last {
                // Neighbouring rows often have the same category.
                Some((before, number)) if before == value => number,
                _ => match self.numbers.get(value) {
                    Some(&number) => number,
                    None => self.add(value)?,
                },
            };
            last = Some((value, number));
            self.counts[number as usize] += 1;
            if weights.is_some() {
                self.masses.resize(self.counts.len(), 0);
                self.masses[number as usize] += weight(row);
            }
            // Exact: there are fewer than 2^24.
            out.push(number as f32);
        }
        Ok(missing)
    }

    fn add(&mut self, value: &str) -> Result<u32, String> {
        if self.counts.len() == MOST_CATEGORIES {
            return Err(too_many());
        }
        if value.len() > LONGEST {
            return Err(format!(
                "it has a value of {} bytes, which is free text and not a category; leave it out",
                value.len()
            ));
        }
        let number = self.counts.len() as u32;
        self.numbers.insert(value.into(), number);
        self.counts.push(0);
        Ok(number)
    }

    /// By number: how much the rows of each category weigh.
    fn masses(&self) -> &[u64] {
        if self.masses.is_empty() { &self.counts } else { &self.masses }
    }

    /// The categories in the order of their numbers.
    fn names(&self) -> Vec<&str> {
        let mut names = vec![""; self.counts.len()];
        self.numbers.iter().for_each(|(name, &number)| names[number as usize] = name);
        names
    }
}

/// Categories as text. A number has the same text in every type: whole numbers have no decimal point. NaN is missing.
pub(crate) fn as_text(array: &ArrayRef) -> Result<ArrayRef, String> {
    let plain = match array.data_type() {
        DataType::Dictionary(_, values) => cast(array, values).map_err(|e| e.to_string())?,
        _ => array.clone(),
    };
    if !plain.data_type().is_floating() {
        return cast(&plain, &DataType::LargeUtf8).map_err(|e| e.to_string());
    }
    let numbers = cast(&plain, &DataType::Float64).map_err(|e| e.to_string())?;
    let text = |v: f64| if v == v.trunc() && v.abs() < 1e15 { format!("{}", v as i64) } else { format!("{v}") };
    let values = numbers.as_primitive::<Float64Type>().iter();
    Ok(Arc::new(values.map(|v| v.filter(|v| !v.is_nan()).map(text)).collect::<LargeStringArray>()))
}

fn too_many() -> String {
    format!(
        "it has more than {MOST_CATEGORIES} different values, which are ids or free text and not categories; leave it out"
    )
}

/// The merged dictionaries of all row groups.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) categories: Categories,
    /// Whether any row has no category.
    pub(crate) has_gaps: bool,
    /// Rows whose category is not in a given order.
    pub(crate) unlisted: u64,
}

/// Merges the categories of all row groups into one list.
pub(crate) fn merge(column: &str, dictionaries: &[Dictionary], encoding: &Encoding) -> Result<Merged> {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for dictionary in dictionaries {
        for (name, n) in dictionary.names().into_iter().zip(dictionary.masses()) {
            *counts.entry(name).or_default() += n;
        }
    }
    if counts.len() > MOST_CATEGORIES {
        return Err(Error::input(format!("{column:?} cannot be encoded: {}", too_many()))
            .of_columns([column])
            .of_kind(ErrorKind::Values));
    }
    let has_gaps = dictionaries.iter().any(|d| d.has_gaps);
    if let Encoding::Ordinal(order) = encoding {
        let of = |name: &String| counts.get(name.as_str()).copied().unwrap_or(0);
        let listed: Vec<u64> = order.iter().map(of).collect();
        let is_unlisted = |name: &str| !order.iter().any(|listed| listed == name);
        let rows = dictionaries.iter().flat_map(|d| d.names().into_iter().zip(&d.counts));
        let unlisted = rows.filter(|(name, _)| is_unlisted(name)).map(|(_, n)| n).sum();
        let categories =
            Categories { column: column.to_owned(), names: order.clone(), counts: listed, own: 0, missing: None };
        return Ok(Merged { categories, has_gaps, unlisted });
    }
    // A category that only rows of weight 0 have is one that the fit did not see.
    let mut sorted: Vec<(&str, u64)> = counts.into_iter().filter(|(_, n)| *n > 0).collect();
    sorted.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let own = match encoding {
        // If only one category is left over, it gets its own feature instead of one for "all others".
        Encoding::OneHot(top) if sorted.len() == top + 1 => top + 1,
        Encoding::OneHot(top) => sorted.len().min(*top),
        _ => 0,
    };
    let categories = Categories {
        column: column.to_owned(),
        names: sorted.iter().map(|(name, _)| (*name).to_owned()).collect(),
        counts: sorted.iter().map(|(_, n)| *n).collect(),
        own,
        missing: None,
    };
    Ok(Merged { categories, has_gaps, unlisted: 0 })
}

/// The values of the features of a column of categories, by the number of the category in each row group.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// By row group, by number there: the place in the list; the list's length for a category that is not in it.
    places: Vec<Vec<u32>>,
    /// By feature, by place: its value. The last place is for categories that are not in the list.
    values: Vec<Vec<f32>>,
    /// By feature: its value for a missing category.
    missing: Vec<f32>,
    /// Rows whose category is not in the list.
    pub(crate) unseen: u64,
}

impl Lookup {
    /// The values of features with these derivations.
    pub(crate) fn new(dictionaries: &[Dictionary], categories: &Categories, features: &[&Derivation]) -> Self {
        let known: HashMap<&str, u32> =
            categories.names.iter().enumerate().map(|(place, name)| (name.as_str(), place as u32)).collect();
        let end = categories.names.len();
        let mut unseen = 0;
        let mut places = Vec::with_capacity(dictionaries.len());
        for dictionary in dictionaries {
            let of = |name: &&str| known.get(name).copied().unwrap_or(end as u32);
            let here: Vec<u32> = dictionary.names().iter().map(of).collect();
            let not_listed = here.iter().zip(&dictionary.counts).filter(|(place, _)| **place == end as u32);
            unseen += not_listed.map(|(_, n)| n).sum::<u64>();
            places.push(here);
        }
        let total = categories.counts.iter().sum::<u64>().max(1) as f64;
        let value = |from: &Derivation, place: usize| -> f32 {
            let truth = |is: bool| f32::from(u8::from(is));
            match from {
                Derivation::Category { is, .. } => truth(categories.names.get(place).is_some_and(|name| name == is)),
                Derivation::OtherCategory(_) => truth(place >= categories.own),
                Derivation::Frequency(_) => (categories.counts.get(place).map_or(0.0, |&n| n as f64) / total) as f32,
                Derivation::Ordinal(_) if place == end => f32::NAN,
                Derivation::Ordinal(_) => place as f32,
                _ => 0.0,
            }
        };
        let values = features.iter().map(|from| (0..=end).map(|place| value(from, place)).collect()).collect();
        let none = |from: &&Derivation| match from {
            Derivation::NoCategory(_) => 1.0,
            Derivation::Category { .. } | Derivation::OtherCategory(_) => 0.0,
            _ => f32::NAN,
        };
        Lookup { places, values, missing: features.iter().map(none).collect(), unseen }
    }

    /// How many features it has values for.
    pub(crate) fn features(&self) -> usize {
        self.missing.len()
    }

    /// The value of a feature for a landed number of a row group.
    #[inline]
    pub(crate) fn value(&self, feature: usize, group: usize, number: f32) -> f32 {
        if number.is_nan() {
            return self.missing[feature];
        }
        self.values[feature][self.places[group][number as usize] as usize]
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int32Array, Int64Array, StringArray};

    use super::*;

    fn two_groups() -> Vec<Dictionary> {
        let groups = [vec![Some("b"), Some("a"), None, Some("a")], vec![Some("c"), Some("b"), Some("a"), Some("d")]];
        let dictionary = |values: &Vec<Option<&str>>| {
            let mut dictionary = Dictionary::default();
            let array: ArrayRef = Arc::new(StringArray::from(values.clone()));
            let mut landed = Vec::new();
            let missing = dictionary.land(&array, None, &mut landed).unwrap();
            assert_eq!(missing, values.iter().filter(|v| v.is_none()).count() as u64);
            assert_eq!(landed.len(), values.len());
            dictionary
        };
        groups.iter().map(dictionary).collect()
    }

    #[test]
    fn the_most_common_come_first_and_equals_by_name() {
        let merged = merge("x", &two_groups(), &Encoding::OneHot(2)).unwrap();
        assert_eq!(merged.categories.names, ["a", "b", "c", "d"]);
        assert_eq!((merged.categories.counts.as_slice(), merged.has_gaps), ([3, 2, 1, 1].as_slice(), true));
        assert_eq!(merged.categories.own, 2);
        assert_eq!(merge("x", &two_groups(), &Encoding::OneHot(3)).unwrap().categories.own, 4, "one left over");
    }

    #[test]
    fn weights_decide_which_are_common() {
        let mut dictionary = Dictionary::default();
        let array: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("a"), Some("b"), Some("c"), None]));
        let missing = dictionary.land(&array, Some(&[1, 1, 5, 0, 0]), &mut Vec::new()).unwrap();
        assert_eq!(missing, 1);
        let merged = merge("x", &[dictionary], &Encoding::OneHot(2)).unwrap();
        assert_eq!((merged.categories.names, merged.has_gaps), (vec!["b".to_owned(), "a".into()], false));
        assert_eq!(merged.categories.counts, [5, 2]);
    }

    #[test]
    fn numbers_are_looked_up_by_group() {
        let groups = two_groups();
        let merged = merge("x", &groups, &Encoding::OneHot(2)).unwrap();
        let is = |name: &str| Derivation::Category { column: "x".into(), is: name.into() };
        let features = [is("a"), is("b"), Derivation::OtherCategory("x".into()), Derivation::NoCategory("x".into())];
        let lookup = Lookup::new(&groups, &merged.categories, &features.iter().collect::<Vec<_>>());
        let row = |group, number| [0, 1, 2, 3].map(|f| lookup.value(f, group, number));
        assert_eq!(row(0, 0.0), [0.0, 1.0, 0.0, 0.0], "b is the first of the first group");
        assert_eq!(row(1, 0.0), [0.0, 0.0, 1.0, 0.0], "c is the first of the second");
        assert_eq!(row(0, f32::NAN), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(lookup.unseen, 0);
        let ordinal = merge("x", &groups, &Encoding::Ordinal(vec!["c".into(), "b".into()])).unwrap();
        assert_eq!(ordinal.unlisted, 4);
        let from = Derivation::Ordinal("x".into());
        let lookup = Lookup::new(&groups, &ordinal.categories, &[&from]);
        assert_eq!((lookup.value(0, 1, 0.0), lookup.value(0, 0, 0.0), lookup.unseen), (0.0, 1.0, 4));
        assert!(lookup.value(0, 0, 1.0).is_nan());
    }

    #[test]
    fn numbers_are_the_same_category_in_every_type() {
        let of = |array: ArrayRef| {
            let mut dictionary = Dictionary::default();
            let missing = dictionary.land(&array, None, &mut Vec::new()).unwrap();
            (dictionary.names().into_iter().map(str::to_owned).collect::<Vec<_>>(), missing)
        };
        let floats = of(Arc::new(Float64Array::from(vec![Some(1.0), Some(-20.0), None, Some(f64::NAN), Some(2.5)])));
        assert_eq!(floats, (vec!["1".to_owned(), "-20".into(), "2.5".into()], 2));
        assert_eq!(of(Arc::new(Int32Array::from(vec![1, -20]))).0, floats.0[..2]);
        // Beyond 2^53, where f64 has no odd numbers.
        let big = vec![9_007_199_254_740_992, 9_007_199_254_740_993];
        assert_eq!(of(Arc::new(Int64Array::from(big))).0, ["9007199254740992", "9007199254740993"]);
    }

    #[test]
    fn what_is_no_category() {
        let mut dictionary = Dictionary::default();
        let ids: ArrayRef = Arc::new(Int32Array::from_iter_values(0..MOST_CATEGORIES as i32 + 1));
        assert!(
            dictionary.land(&ids, None, &mut Vec::new()).unwrap_err().contains("more than 100000 different values")
        );
        let text: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(2000)]));
        let fault = Dictionary::default().land(&text, None, &mut Vec::new()).unwrap_err();
        assert!(fault.contains("a value of 2000 bytes"), "{fault}");
    }
}
