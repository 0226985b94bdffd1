//! Counts of tags and stages that add up.

use std::collections::BTreeMap;

/// Tags whose overlaps are counted.
const MOST: usize = 64;

/// What was counted; counts of parts add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TagCounts {
    /// By tag: customers who have it, and of whom it is unknown.
    pub(super) tags: Vec<[u64; 2]>,
    /// By stage, and last of all those without one.
    pub(super) stages: Vec<u64>,
    /// By pair of tags, of [`pairs`].
    pub(super) overlaps: Vec<u64>,
    /// By tag: customers who had it in the earlier run and have it, and those who had it and do not.
    pub(super) moves: Vec<[u64; 2]>,
    /// By label.
    pub(super) segments: BTreeMap<String, SegmentCounts>,
}

/// The counts of a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SegmentCounts {
    pub(super) customers: u64,
    /// By tag, as those of all customers.
    pub(super) tags: Vec<[u64; 2]>,
}

impl TagCounts {
    /// Adds the counts of other rows.
    pub(super) fn add(&mut self, other: TagCounts) {
        add_pairs(&mut self.tags, &other.tags);
        add_pairs(&mut self.moves, &other.moves);
        for (mine, theirs) in [(&mut self.stages, &other.stages), (&mut self.overlaps, &other.overlaps)] {
            mine.resize(mine.len().max(theirs.len()), 0);
            mine.iter_mut().zip(theirs).for_each(|(mine, n)| *mine += n);
        }
        for (label, theirs) in other.segments {
            let mine = self.segments.entry(label).or_default();
            mine.customers += theirs.customers;
            add_pairs(&mut mine.tags, &theirs.tags);
        }
    }
}

fn add_pairs(mine: &mut Vec<[u64; 2]>, theirs: &[[u64; 2]]) {
    mine.resize(mine.len().max(theirs.len()), [0; 2]);
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        mine.iter_mut().zip(theirs).for_each(|(mine, n)| *mine += n);
    }
}

/// The pairs of tags whose overlap is counted, of so many tags.
pub(super) fn pairs(tags: usize) -> impl Iterator<Item = (usize, usize)> {
    let tags = tags.min(MOST);
    (0..tags).flat_map(move |a| (a + 1..tags).map(move |b| (a, b)))
}

/// The place of a pair among them, in any order; None: it is not counted.
pub(super) fn pair_at(tags: usize, a: usize, b: usize) -> Option<usize> {
    let (tags, a, b) = (tags.min(MOST), a.min(b), a.max(b));
    (a < b && b < tags).then(|| a * tags - a * (a + 1) / 2 + b - a - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_where_pair_at_says() {
        for tags in [0, 1, 2, 7, 64, 70] {
            for (at, (a, b)) in pairs(tags).enumerate() {
                assert_eq!((pair_at(tags, a, b), pair_at(tags, b, a)), (Some(at), Some(at)));
            }
        }
        assert_eq!((pair_at(70, 3, 64), pair_at(70, 3, 3)), (None, None));
    }
}
