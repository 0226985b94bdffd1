//! Texts by segment: the count of each.

use std::collections::BTreeMap;

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

    /// Adds rows with the numbers of their segments; None is missing. Texts with the same beginning count as one.
    pub(crate) fn push<'t>(&mut self, texts: impl Iterator<Item = Option<&'t str>>, segments: &[u32]) {
        for (text, &segment) in texts.zip(segments) {
            let segment = segment as usize;
            let Some(text) = text else {
                self.missing[segment] += 1;
                continue;
            };
            let text = beginning(text);
            let is_full = self.counts.len() == self.most;
            match self.counts.get_mut(text.as_ref()) {
                Some(counts) => counts[segment] += 1,
                None if is_full => self.others[segment] += 1,
                None => {
                    let mut counts = vec![0; self.others.len()];
                    counts[segment] = 1;
                    self.counts.insert(text.into_owned(), counts);
                }
            }
        }
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
            let is_full = self.counts.len() == self.most;
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
}
