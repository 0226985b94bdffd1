//! How often each text or code of a column occurs, by segment.

use std::collections::BTreeMap;

use super::report::CategoryFigures;
use crate::text::beginning;

/// The most texts that are counted individually.
const MOST_COUNTED: usize = 1024;
/// The most texts that a profile names.
const MOST_NAMED: usize = 20;

/// Counts of texts by segment. Rows come in file order, so those beyond the most are the same in every run.
#[derive(Debug)]
pub(super) struct CategoriesSeen {
    counts: BTreeMap<String, Vec<u64>>,
    others: Vec<u64>,
    missing: Vec<u64>,
}

impl CategoriesSeen {
    pub(super) fn new(segments: usize) -> Self {
        CategoriesSeen { counts: BTreeMap::new(), others: vec![0; segments], missing: vec![0; segments] }
    }

    /// Adds rows; None is missing.
    pub(super) fn push<'t>(&mut self, texts: impl Iterator<Item = Option<&'t str>>, segments: &[u32]) {
        for (text, &segment) in texts.zip(segments) {
            let segment = segment as usize;
            let Some(text) = text else {
                self.missing[segment] += 1;
                continue;
            };
            let text = beginning(text);
            let is_full = self.counts.len() == MOST_COUNTED;
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

    /// The most common texts, and the figures of every segment, then of all. Texts of fewer than `small_cells`
    /// customers are not named where there are more than two.
    pub(super) fn finish(self, small_cells: u64) -> (Vec<String>, Vec<CategoryFigures>) {
        let CategoriesSeen { counts, mut others, missing } = self;
        let mut named: Vec<(String, Vec<u64>)> = counts.into_iter().collect();
        // Stable: equally common ones stay in the order of their texts.
        named.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.iter().sum::<u64>()));
        let common = match named.len() {
            // Of two, the other follows anyway.
            0..=2 => named.len(),
            _ => named.partition_point(|(_, counts)| counts.iter().sum::<u64>() >= small_cells),
        };
        for (_, counts) in named.drain(MOST_NAMED.min(common)..) {
            others.iter_mut().zip(counts).for_each(|(others, n)| *others += n);
        }
        let of = |segment: Option<usize>| {
            let pick = |counts: &Vec<u64>| segment.map_or_else(|| counts.iter().sum(), |segment| counts[segment]);
            let counts = named.iter().map(|(_, counts)| pick(counts)).collect();
            CategoryFigures { counts, others: pick(&others), missing: pick(&missing) }
        };
        let figures = (0..missing.len()).map(Some).chain([None]).map(of).collect();
        (named.into_iter().map(|(name, _)| name).collect(), figures)
    }
}
