//! Counts of a column of text.

use std::collections::HashMap;

use arrow::array::{Array, AsArray};

use super::distinct::Distinct;
use super::piece::Piece;
use crate::text::beginning;

/// Counts of texts that are not null. Lengths are in characters.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) empty: u64,
    /// Texts that begin or end with a blank.
    pub(super) padded: u64,
    pub(super) shortest: u64,
    pub(super) longest: u64,
    pub(super) characters: u64,
    pub(super) distinct: Distinct,
    /// The beginnings of the individually counted texts, by key.
    names: HashMap<u64, String>,
    /// Texts of sampled rows, cut to [`LONGEST_SHOWN`] characters.
    pub(super) sample: Vec<String>,
}

impl Text {
    pub(super) fn new() -> Self {
        Text {
            empty: 0,
            padded: 0,
            shortest: u64::MAX,
            longest: 0,
            characters: 0,
            distinct: Distinct::new(),
            names: HashMap::new(),
            sample: Vec::new(),
        }
    }

    /// Adds a batch; `picked` are the positions of sampled rows.
    pub(super) fn push(&mut self, piece: &Piece, picked: &[u32]) {
        let Some(array) = &piece.text else { return };
        let strings = array.as_string::<i64>();
        for text in strings.iter().flatten() {
            let length = text.chars().count() as u64;
            self.empty += u64::from(length == 0);
            self.padded += u64::from(text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace));
            self.shortest = self.shortest.min(length);
            self.longest = self.longest.max(length);
            self.characters += length;
        }
        let valid = |i: usize| strings.is_valid(i).then(|| strings.value(i));
        self.sample.extend(picked.iter().filter_map(|&i| valid(i as usize)).map(|text| beginning(text).into_owned()));
        let rows: Vec<usize> = (0..strings.len()).filter(|&i| strings.is_valid(i)).collect();
        let keys: Vec<u64> = rows.iter().map(|&i| piece.keys[i]).collect();
        let before = self.distinct.count_exact();
        let exact = self.distinct.push(&keys);
        if exact > 0 && self.distinct.count_exact() != before {
            for (&i, &key) in rows[..exact].iter().zip(&keys) {
                self.names.entry(key).or_insert_with(|| beginning(strings.value(i)).into_owned());
            }
        }
    }

    pub(super) fn merge(&mut self, other: Text) {
        self.empty += other.empty;
        self.padded += other.padded;
        self.shortest = self.shortest.min(other.shortest);
        self.longest = self.longest.max(other.longest);
        self.characters += other.characters;
        self.sample.extend(other.sample);
        self.distinct.merge(other.distinct);
        self.names.extend(other.names);
        if self.distinct.counts().is_none() {
            let tracked: std::collections::HashSet<u64> = self.distinct.common().into_iter().map(|(k, _)| k).collect();
            self.names.retain(|key, _| tracked.contains(key));
        }
    }

    /// The most common text and its count; a lower bound if not every text is counted. Ties go to the first in order.
    pub(super) fn most_common(&self) -> Option<(String, u64)> {
        let common = self.distinct.common();
        let most = common.first()?.1;
        let tied = common.iter().take_while(|&&(_, n)| n == most).filter_map(|(key, _)| self.names.get(key));
        tied.min().map(|name| (name.clone(), most))
    }

    /// Every text and its count, if there are few.
    pub(super) fn counts(&self) -> Option<Vec<(String, u64)>> {
        let mut all: Vec<(String, u64)> =
            self.distinct.counts()?.filter_map(|(key, n)| Some((self.names.get(&key)?.clone(), n))).collect();
        all.sort();
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use proptest::prelude::*;

    use super::super::class::Class;
    use super::super::grain::Grain;
    use super::*;
    use crate::text::LONGEST_SHOWN;

    fn of(texts: &[Option<String>]) -> Text {
        let array: ArrayRef = Arc::new(texts.iter().cloned().collect::<StringArray>());
        let (mut text, mut piece) = (Text::new(), Piece::default());
        piece.take(&array, Class::Text, Grain::Float).unwrap();
        let all: Vec<u32> = (0..texts.len() as u32).collect();
        text.push(&piece, &all);
        text
    }

    #[test]
    fn lengths_are_in_characters() {
        let texts = ["", " a", "\u{e9}t\u{e9}", "\u{e9}t\u{e9}"].map(|t| Some(t.to_owned()));
        let found = of(&texts);
        assert_eq!((found.empty, found.padded, found.shortest, found.longest, found.characters), (1, 1, 0, 3, 8));
        assert_eq!(found.most_common(), Some(("\u{e9}t\u{e9}".to_owned(), 2)));
        let long = of(&[Some("x".repeat(1000))]);
        assert_eq!(long.most_common().unwrap().0.chars().count(), LONGEST_SHOWN + 3);
    }

    proptest! {
        #[test]
        fn merging_is_pushing(
            values in prop::collection::vec(prop::option::weighted(0.9, 0u32..3000), 0..3000),
            cut in 0.0..1.0f64,
            modulus in 1u32..3000,
        ) {
            let texts: Vec<Option<String>> = values.into_iter().map(|v| v.map(|v| format!("t{}", v % modulus))).collect();
            let at = (texts.len() as f64 * cut) as usize;
            let whole = of(&texts);
            let mut parts = of(&texts[..at]);
            parts.merge(of(&texts[at..]));
            prop_assert_eq!(parts.counts(), whole.counts());
            prop_assert_eq!(parts.distinct.count(), whole.distinct.count());
            prop_assert_eq!((parts.shortest, parts.longest, parts.characters), (whole.shortest, whole.longest, whole.characters));
            prop_assert_eq!(&parts.sample, &whole.sample);
            if whole.counts().is_some() {
                prop_assert_eq!(parts.most_common(), whole.most_common());
            }
        }
    }
}
