//! Which counts of a comparison are told: no count of few rows, and none from which one would follow.

use super::rows::PairCounts;
use crate::audit::{withheld, withhold_beside, withhold_between};

/// The most cells of a table that is shown.
const MOST_CELLS: usize = 1 << 16;

/// The counts of a pair with their sums, and which of them are told.
pub(super) struct ToldPair {
    /// Whether the lines have one of no segment, and the columns.
    pub(super) has_none: [bool; 2],
    pub(super) all: Vec<Vec<u64>>,
    /// None: withheld.
    pub(super) cells: Vec<Vec<Option<u64>>>,
    /// Whether there are too many cells to show.
    pub(super) is_large: bool,
    segments: [usize; 2],
}

/// The counts of all pairs, and the sizes of all segments.
pub(super) struct ToldCounts {
    pub(super) pairs: Vec<ToldPair>,
    /// By labelling and segment, and of no segment last; None: withheld.
    pub(super) sizes: Vec<Vec<Option<u64>>>,
}

impl ToldPair {
    fn of(counts: &PairCounts) -> Self {
        let segments = [counts.lines() - 2, counts.columns - 2];
        let line_of_none = (0..counts.columns).map(|column| counts.count(segments[0], column)).sum::<u64>();
        let column_of_none = (0..counts.lines()).map(|line| counts.count(line, segments[1])).sum::<u64>();
        let has_none = [line_of_none > 0, column_of_none > 0];
        let kept = |side: usize, n: usize| (0..n).filter(move |&at| at != segments[side] || has_none[side]);
        let line = |line: usize| kept(1, counts.columns).map(|column| counts.count(line, column)).collect::<Vec<_>>();
        let mut all: Vec<Vec<u64>> = kept(0, counts.lines()).map(line).collect();
        all.iter_mut().for_each(|line| line.push(line.iter().sum()));
        let columns = all.first().map_or(0, Vec::len);
        all.push((0..columns).map(|column| all.iter().map(|line| line[column]).sum()).collect());
        let cells: Vec<Vec<Option<u64>>> = all.iter().map(|line| line.iter().copied().map(Some).collect()).collect();
        let is_large = all.len() * columns > MOST_CELLS;
        ToldPair { has_none, all, cells, is_large, segments }
    }

    /// The line of rows that only the second labelling has, and the column of those that only the first has.
    pub(super) fn outside(&self) -> [usize; 2] {
        [self.segments[0] + usize::from(self.has_none[0]), self.segments[1] + usize::from(self.has_none[1])]
    }

    /// Segments of a side.
    pub(super) fn segments(&self, side: usize) -> usize {
        self.segments[side]
    }

    /// The cell with the size of a segment, or of no segment.
    fn size(&self, side: usize, segment: usize) -> Option<(usize, usize)> {
        let exists = segment < self.segments[side] || self.has_none[side];
        let sum = self.outside()[1 - side] + 1;
        exists.then_some(if side == 0 { (segment, sum) } else { (sum, segment) })
    }

    /// Whether a sum is of few rows: the size of a segment, or how many rows are in one or in both.
    fn has_small_sums(&self, limit: u64) -> bool {
        let of_lines = self.all.iter().filter_map(|line| line.last());
        let sums = of_lines.chain(self.all.last().into_iter().flatten()).copied();
        sums.chain([self.in_both()]).any(|n| (1..limit).contains(&n))
    }

    /// Withholds small counts of a table whose sums are all told.
    fn withhold_within(&mut self, limit: u64) {
        let inner = |line: &Vec<u64>| line[..line.len() - 1].iter().copied().map(Some).collect::<Vec<_>>();
        let counts: Vec<Vec<Option<u64>>> = self.all[..self.all.len() - 1].iter().map(inner).collect();
        let is_small = |n: &u64| (1..limit).contains(n);
        let told = |line: &Vec<Option<u64>>| line.iter().map(|n| n.filter(|n| !is_small(n))).collect::<Vec<_>>();
        let mut cells: Vec<Vec<Option<u64>>> = counts.iter().map(told).collect();
        withhold_beside(&mut cells, &counts);
        for (line, told) in self.cells.iter_mut().zip(cells) {
            line[..told.len()].copy_from_slice(&told);
        }
    }

    /// Withholds again from the start, without the sizes that are `hidden`.
    fn withhold(&mut self, hidden: [&[bool]; 2], limit: u64) {
        self.cells = self.all.iter().map(|line| line.iter().copied().map(Some).collect()).collect();
        for side in [0, 1] {
            for segment in (0..hidden[side].len()).filter(|&segment| hidden[side][segment]) {
                if let Some((line, column)) = self.size(side, segment) {
                    self.cells[line][column] = None;
                }
            }
        }
        withhold_between(&mut self.cells, &self.all, limit);
    }

    /// A table that is not shown tells only how many rows are on which side.
    fn close(&mut self, limit: u64) {
        let [only_b, only_a] = self.outside();
        let sides = [(only_b, only_a + 1), (only_b + 1, only_a), (only_b + 1, only_a + 1)];
        let is_small = |n: u64| (1..limit).contains(&n);
        let outside = [self.all[only_b][only_a + 1], self.all[only_b + 1][only_a]];
        let is_hidden = is_small(self.in_both()) || outside.into_iter().any(is_small);
        self.cells.iter_mut().flatten().for_each(|cell| *cell = None);
        for (line, column) in sides.into_iter().filter(|_| !is_hidden) {
            self.cells[line][column] = Some(self.all[line][column]);
        }
    }

    /// Rows in both, whether they may be told or not.
    pub(super) fn in_both(&self) -> u64 {
        let [lines, columns] = self.outside();
        self.all[..lines].iter().flat_map(|line| &line[..columns]).sum()
    }

    /// Whether a count is not told.
    pub(super) fn withholds(&self) -> bool {
        self.cells.iter().flatten().any(Option::is_none)
    }
}

impl ToldCounts {
    /// Withholds counts of fewer than `limit` rows. A size that a pair withholds is told nowhere.
    pub(super) fn of(counted: &[PairCounts], labellings: usize, limit: u64) -> Self {
        let mut pairs: Vec<ToldPair> = counted.iter().map(ToldPair::of).collect();
        let mut sizes: Vec<Vec<u64>> = vec![Vec::new(); labellings];
        for (counts, told) in counted.iter().zip(&pairs) {
            for side in [0, 1] {
                let size = |segment| told.size(side, segment).map_or(0, |(line, column)| told.all[line][column]);
                sizes[counts.pair[side]] = (0..=told.segments(side)).map(size).collect();
            }
        }
        let mut hidden: Vec<Vec<bool>> = sizes.iter().map(|sizes| withheld(sizes, limit)).collect();
        let mut settled = !pairs.iter().any(|told| told.has_small_sums(limit));
        if settled {
            pairs.iter_mut().filter(|told| !told.is_large).for_each(|told| told.withhold_within(limit));
        }
        while !settled {
            settled = true;
            for (counts, told) in counted.iter().zip(&mut pairs).filter(|(_, told)| !told.is_large) {
                told.withhold(counts.pair.map(|of| hidden[of].as_slice()), limit);
                for side in [0, 1] {
                    for (segment, hidden) in hidden[counts.pair[side]].iter_mut().enumerate() {
                        let cell = told.size(side, segment);
                        let is_new = !*hidden && cell.is_some_and(|(line, column)| told.cells[line][column].is_none());
                        *hidden |= is_new;
                        settled &= !is_new;
                    }
                }
            }
        }
        pairs.iter_mut().filter(|told| told.is_large && limit > 0).for_each(|told| told.close(limit));
        let told = |(n, hidden): (&u64, &bool)| (!hidden).then_some(*n);
        let sizes = sizes.iter().zip(&hidden).map(|(sizes, hidden)| sizes.iter().zip(hidden).map(told).collect());
        ToldCounts { sizes: sizes.collect(), pairs }
    }
}
