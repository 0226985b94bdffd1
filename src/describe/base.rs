//! The first cuts of a tree: one leaf for each segment, by cuts between the medians of the segments that leave the
//! fewest rows on the wrong side (the iterative mistake minimisation of Dasgupta et al., *Explainable k-Means and
//! k-Medians Clustering*, ICML 2020, with medians by column in place of centroids, so that no scale matters).

use rayon::prelude::*;

use super::rows::SampledRows;
use super::split::{RankCut, fewest_mistakes};

/// A node of a growing tree.
#[derive(Debug, Clone)]
pub(super) struct Sprout {
    /// All rows that come here.
    pub(super) rows: Vec<u32>,
    pub(super) parent: Option<usize>,
    /// The cut, and the nodes below and above it; None: a leaf.
    pub(super) branch: Option<(RankCut, [usize; 2])>,
    /// Whether the cut gives a leaf to a segment.
    pub(super) is_base: bool,
    /// The segment that it was made for.
    pub(super) made_for: Option<u32>,
}

impl Sprout {
    pub(super) fn new(rows: Vec<u32>, parent: Option<usize>) -> Self {
        Sprout { rows, parent, branch: None, is_base: false, made_for: None }
    }
}

/// Cuts a leaf in two, and returns these.
pub(super) fn cut(sprouts: &mut Vec<Sprout>, at: usize, cut: RankCut, sample: &SampledRows) -> [usize; 2] {
    let (above, below) = sprouts[at].rows.iter().partition(|&&row| cut.is_above(sample, row));
    let ends = [sprouts.len(), sprouts.len() + 1];
    sprouts.extend([Sprout::new(below, Some(at)), Sprout::new(above, Some(at))]);
    sprouts[at].branch = Some((cut, ends));
    ends
}

/// A tree with a leaf for each segment that occurs; segments that no cut separates share one.
pub(super) fn base(sample: &SampledRows) -> Vec<Sprout> {
    let all: Vec<u32> = (0..sample.segments.len() as u32).collect();
    let mut present = sample.segments.clone();
    present.sort_unstable();
    present.dedup();
    let mut sprouts = vec![Sprout::new(all.clone(), None)];
    let centers = centers(sample);
    // Rows that came to another side than their segment's center count no more.
    let mut waiting = vec![(0, all, present)];
    while let Some((at, kept, segments)) = waiting.pop() {
        if let [segment] = segments[..] {
            sprouts[at].made_for = Some(segment);
            continue;
        }
        let Some(found) = fewest_mistakes(sample, &kept, &segments, &centers) else { continue };
        let of_center = &centers[found.axis];
        sprouts[at].is_base = true;
        let ends = cut(&mut sprouts, at, found, sample);
        for (end, is_above) in ends.into_iter().zip([false, true]) {
            let belongs = |segment: u32| (of_center[segment as usize] > found.rank) == is_above;
            let is_kept =
                |row: &u32| belongs(sample.segments[*row as usize]) && found.is_above(sample, *row) == is_above;
            let kept = kept.iter().copied().filter(is_kept).collect();
            waiting.push((end, kept, segments.iter().copied().filter(|segment| belongs(*segment)).collect()));
        }
    }
    sprouts
}

/// By axis and segment: the median rank, or the lower one of the two in the middle; 0 is missing.
fn centers(sample: &SampledRows) -> Vec<Vec<u32>> {
    let of_axis = |axis: usize| {
        let mut ranks: Vec<Vec<u32>> = vec![Vec::new(); sample.weights.len()];
        for (row, &segment) in sample.segments.iter().enumerate() {
            ranks[segment as usize].push(sample.rank(sample.axes[axis], row as u32));
        }
        let median = |mut ranks: Vec<u32>| {
            let middle = ranks.len().saturating_sub(1) / 2;
            if ranks.is_empty() { 0 } else { *ranks.select_nth_unstable(middle).1 }
        };
        ranks.into_iter().map(median).collect()
    };
    (0..sample.axes.len()).into_par_iter().map(of_axis).collect()
}
