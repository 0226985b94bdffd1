//! Texts by segment: the count of each.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use ahash::RandomState;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::numeric::Partial;
use crate::numeric::partial::other_shape;
use crate::text::beginning;

/// Counts of texts by segment. Which texts are counted individually depends on the order of the rows once there are
/// more than `most`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TextCounts {
    most: usize,
    /// By text, then by segment.
    pub(crate) counts: BTreeMap<String, Vec<u64>>,
    /// Texts beyond the first `most` distinct ones.
    pub(crate) others: Vec<u64>,
    pub(crate) missing: Vec<u64>,
}

impl TextCounts {
    /// Of no rows, in so many segments; at most `most` texts are counted individually.
    pub(crate) fn new(segments: usize, most: usize) -> Self {
        TextCounts { most, counts: BTreeMap::new(), others: vec![0; segments], missing: vec![0; segments] }
    }

    /// Of no rows, and of the same texts alone if these are as many as are counted individually.
    pub(crate) fn emptied(&self) -> Self {
        let segments = self.others.len();
        let mut empty = TextCounts::new(segments, self.most);
        if self.is_full() {
            empty.counts = self.counts.keys().map(|text| (text.clone(), vec![0; segments])).collect();
        }
        empty
    }

    fn is_full(&self) -> bool {
        self.counts.len() == self.most
    }

    /// Whether rows that were counted apart, from [`emptied`](Self::emptied) counts, may be merged into these as if
    /// they had been pushed: their order does not decide which texts are counted individually.
    pub(crate) fn would_be_pushed(&self, apart: &Self) -> bool {
        let new = || apart.counts.keys().filter(|text| !self.counts.contains_key(*text)).count();
        match apart.is_full() {
            true => apart.counts.len() == self.counts.len() && new() == 0,
            false => self.is_full() || self.counts.len() + new() <= self.most,
        }
    }

    /// Adds rows with the numbers of their segments; None is missing. Texts with the same beginning count as one.
    pub(crate) fn push<'t>(&mut self, texts: impl Iterator<Item = Option<&'t str>>, segments: &[u32]) {
        // By text, which of `taken` counts it; None: it is one of the others.
        let mut known: HashMap<Cow<'t, str>, Option<usize>, _> =
            HashMap::with_hasher(RandomState::with_seeds(1, 2, 3, 4));
        let mut taken: Vec<(String, Vec<u64>)> = Vec::new();
        for (text, &segment) in texts.zip(segments) {
            let segment = segment as usize;
            let Some(text) = text else {
                self.missing[segment] += 1;
                continue;
            };
            let text = beginning(text);
            let place = known.get(&text).copied().unwrap_or_else(|| {
                let place = self.take(&text).map(|counts| {
                    taken.push((text.clone().into_owned(), counts));
                    taken.len() - 1
                });
                known.insert(text, place);
                place
            });
            match place {
                Some(place) => taken[place].1[segment] += 1,
                None => self.others[segment] += 1,
            }
        }
        self.counts.extend(taken);
    }

    /// The counts of a text, which leave an empty list behind; None if it is one of the others.
    fn take(&mut self, text: &str) -> Option<Vec<u64>> {
        if let Some(counts) = self.counts.get_mut(text) {
            return Some(std::mem::take(counts));
        }
        (!self.is_full()).then(|| {
            self.counts.insert(text.to_owned(), Vec::new());
            vec![0; self.others.len()]
        })
    }
}

impl Partial for TextCounts {
    const NAME: &'static str = "texts by segment";
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        if self.missing.len() != other.missing.len() {
            return Err(other_shape::<Self>());
        }
        let add = |a: &mut [u64], b: &[u64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        for (text, counts) in &other.counts {
            let is_full = self.is_full();
            match self.counts.get_mut(text) {
                Some(mine) => add(mine, counts),
                None if is_full => add(&mut self.others, counts),
                None => drop(self.counts.insert(text.clone(), counts.clone())),
            }
        }
        add(&mut self.others, &other.others);
        add(&mut self.missing, &other.missing);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_may_be_cut_anywhere() {
        let of = |texts: &[Option<&str>], segment: u32| {
            let mut counts = TextCounts::new(3, 64);
            counts.push(texts.iter().copied(), &vec![segment; texts.len()]);
            counts
        };
        let (a, b) = (of(&[Some("x"), None, Some("y")], 0), of(&[Some("y"), Some("z")], 2));
        crate::numeric::partial::laws::hold(&a, &b, &of(&[Some("x"), Some("x"), None], 1));
    }
    #[test]
    fn what_may_be_counted_apart_is_what_pushing_counts() {
        let texts: Vec<String> = (0..4_000_u64).map(|i| (crate::numeric::mix(i) % (2 + i / 40)).to_string()).collect();
        let piece = |i: usize| texts[i * 100..(i + 1) * 100].iter().map(|t| Some(t.as_str()));
        let segments: Vec<u32> = (0..100).map(|i| i % 3).collect();
        for most in [1, 2, 10, 40, 200] {
            let mut pushed = TextCounts::new(3, most);
            let mut merged = 0;
            for i in 0..40 {
                let mut alone = pushed.emptied();
                alone.push(piece(i), &segments);
                let mut both = pushed.clone();
                both.merge(&alone).unwrap();
                let is_allowed = pushed.would_be_pushed(&alone);
                pushed.push(piece(i), &segments);
                if is_allowed {
                    assert_eq!(both, pushed, "{most} texts, piece {i}");
                    merged += 1;
                }
            }
            assert!(merged > 20, "{most} texts: {merged} pieces");
        }
    }
}
