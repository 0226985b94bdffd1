//! How often each text or code of a column occurs, by segment.

use super::report::CategoryFigures;
use crate::drift::CountedTexts;
use crate::survey::TextCounts;

/// The most texts that are counted individually. Rows come in file order, so those beyond are the same in every run.
const MOST_COUNTED: usize = 1024;
/// The most texts that a profile names.
const MOST_NAMED: usize = 20;

/// Counts of no texts.
pub(super) fn no_texts(segments: usize) -> TextCounts {
    TextCounts::new(segments, MOST_COUNTED)
}

/// The counts of texts, for comparison with those of other rows.
pub(super) fn counted(texts: &TextCounts) -> CountedTexts {
    CountedTexts {
        counts: texts.counts.iter().map(|(text, counts)| (text.clone(), counts.clone())).collect(),
        others: texts.others.clone(),
        missing: texts.missing.clone(),
    }
}

/// The most common texts, and the figures of every segment, then of all. Texts of fewer than `small_cells`
/// customers are not named where there are more than two.
pub(super) fn figures(texts: TextCounts, small_cells: u64) -> (Vec<String>, Vec<CategoryFigures>) {
    let TextCounts { counts, mut others, missing, .. } = texts;
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
        CategoryFigures { counts, others: pick(&others), missing: pick(&missing), compared: Vec::new() }
    };
    let figures = (0..missing.len()).map(Some).chain([None]).map(of).collect();
    (named.into_iter().map(|(name, _)| name).collect(), figures)
}
