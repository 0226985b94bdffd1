//! Two labellings: how far they agree, and which segments correspond.

use super::report::{AgreementIndices, ContingencyTable, LabellingPair, SegmentPartner};
use super::told::ToldPair;
use crate::identity::most_shared;
use crate::numeric::{Contingency, LabelInformation};
use crate::text::Phrase;

/// Of so many times the limit of small counts in either segment, two decimals of a Jaccard index leave as many counts
/// open as the limit, so that no small one follows.
const COARSE: u64 = 200;

/// Two labellings, of the rows that have a segment in both.
pub(super) struct ComparedPair<'a> {
    /// What they are called.
    pub(super) called: [&'a str; 2],
    /// The names of their segments.
    pub(super) names: [&'a [String]; 2],
    pub(super) told: &'a ToldPair,
    /// Rows of each segment of a side that have one on the other, too.
    sizes: [Vec<u64>; 2],
    /// The counterparts of each side, if every segment has one at most.
    matched: Vec<(usize, usize)>,
    /// Counts of fewer rows are withheld.
    limit: u64,
}

/// A segment and its best counterpart.
#[derive(Debug, Clone, Copy)]
pub(super) struct BestPartner {
    pub(super) segment: usize,
    pub(super) jaccard: f64,
    /// Rows of either.
    either: u64,
}

impl<'a> ComparedPair<'a> {
    pub(super) fn new(called: [&'a str; 2], names: [&'a [String]; 2], told: &'a ToldPair, limit: u64) -> Self {
        let [lines, columns] = names.map(<[String]>::len);
        let of_line = |line: usize| told.all[line][..columns].iter().sum();
        let of_column = |column: usize| told.all[..lines].iter().map(|line| line[column]).sum();
        let sizes = [(0..lines).map(of_line).collect(), (0..columns).map(of_column).collect()];
        let [all_lines, all_columns]: [Vec<usize>; 2] = [(0..lines).collect(), (0..columns).collect()];
        let matched = most_shared(&all_lines, &all_columns, |line, column| told.all[line][column]);
        ComparedPair { called, names, told, sizes, matched, limit }
    }

    /// What is told of the pair, with what differs in sentences.
    pub(super) fn report(&self, differences: Vec<Phrase>) -> LabellingPair {
        let told = self.told;
        let [only_b, only_a] = told.outside();
        let sides = [told.cells[only_b][only_a + 1], told.cells[only_b + 1][only_a]];
        let rows = sides[0].map(|_| told.in_both());
        let left_out = self.left_out();
        LabellingPair {
            a: self.called[0].to_owned(),
            b: self.called[1].to_owned(),
            rows,
            only_a: sides[1],
            only_b: sides[0],
            left_out,
            left_out_share: left_out.zip(rows).map(|(n, rows)| n as f64 / rows.max(1) as f64),
            agreement: self.agreement(),
            segments_of_a: self.partners(0),
            segments_of_b: self.partners(1),
            contingency: (!told.is_large).then(|| self.contingency()),
            differences,
        }
    }

    /// Rows in both that are in no segment of one of them.
    fn left_out(&self) -> Option<u64> {
        let [lines, columns] = self.told.outside();
        let [segments, other] = [0, 1].map(|side| self.told.segments(side));
        let places = (0..lines).flat_map(|line| (0..columns).map(move |column| (line, column)));
        let outside = places.filter(|&(line, column)| line >= segments || column >= other);
        outside.map(|(line, column)| self.told.cells[line][column]).sum()
    }

    fn agreement(&self) -> Option<AgreementIndices> {
        let [lines, columns] = self.names.map(<[String]>::len);
        let inner = self.told.all[..lines].iter().flat_map(|line| line[..columns].iter().copied());
        let counts = Contingency::of(columns, inner.collect());
        if self.sizes[0].iter().all(|&n| n == 0) {
            return None;
        }
        let information = LabelInformation::of(&counts);
        // All digits of an index would tell a count that is withheld.
        let told = |index: f64| if self.told.withholds() { (1e3 * index).round() / 1e3 } else { index };
        Some(AgreementIndices {
            adjusted_rand: told(counts.adjusted_rand()),
            adjusted_mutual_information: told(information.adjusted()),
            homogeneity: told(information.homogeneity()),
            completeness: told(information.completeness()),
            v_measure: told(information.v_measure()),
        })
    }

    /// Rows of a segment of the first and one of the second labelling, seen from a side.
    pub(super) fn shared(&self, side: usize, segment: usize, other: usize) -> u64 {
        let [line, column] = if side == 0 { [segment, other] } else { [other, segment] };
        self.told.all[line][column]
    }

    /// Rows of a segment that have a segment on the other side.
    pub(super) fn size(&self, side: usize, segment: usize) -> u64 {
        self.sizes[side][segment]
    }

    /// Whether these rows may be told: they follow from the sums.
    pub(super) fn tells_size(&self, side: usize, segment: usize) -> bool {
        let beyond = self.told.segments(1 - side)..=self.told.outside()[1 - side] + 1;
        beyond.map(|other| if side == 0 { (segment, other) } else { (other, segment) }).all(|at| self.tells_cell(at))
    }

    fn tells_cell(&self, (line, column): (usize, usize)) -> bool {
        self.told.cells[line][column].is_some()
    }

    /// Whether the rows that two segments share may be told.
    pub(super) fn tells(&self, side: usize, segment: usize, other: usize) -> bool {
        self.tells_cell(if side == 0 { (segment, other) } else { (other, segment) })
    }

    /// The segment of the other side with the largest Jaccard index; of equal ones the first.
    pub(super) fn best(&self, side: usize, segment: usize) -> Option<BestPartner> {
        let mut best: Option<BestPartner> = None;
        for other in 0..self.names[1 - side].len() {
            let both = self.shared(side, segment, other);
            let either = self.size(side, segment) + self.size(1 - side, other) - both;
            let jaccard = both as f64 / either.max(1) as f64;
            if both > 0 && best.is_none_or(|best| jaccard > best.jaccard) {
                best = Some(BestPartner { segment: other, jaccard, either });
            }
        }
        best
    }

    /// Whether the Jaccard index of two segments may be told.
    pub(super) fn tells_jaccard(&self, side: usize, segment: usize, other: usize) -> bool {
        self.tells(side, segment, other) && self.tells_size(side, segment) && self.tells_size(1 - side, other)
    }

    fn partners(&self, side: usize) -> Vec<SegmentPartner> {
        let mut matched = vec![None; self.names[side].len()];
        for &(line, column) in &self.matched {
            let [segment, other] = if side == 0 { [line, column] } else { [column, line] };
            matched[segment] = Some(self.names[1 - side][other].clone());
        }
        let partner = |(segment, matched): (usize, Option<String>)| {
            let best = self.best(side, segment);
            let told = best.filter(|best| self.tells_jaccard(side, segment, best.segment)).map(|best| best.jaccard);
            let rounded =
                best.filter(|best| best.either >= COARSE * self.limit).map(|best| (1e2 * best.jaccard).round() / 1e2);
            SegmentPartner {
                segment: self.names[side][segment].clone(),
                best: best.map(|best| self.names[1 - side][best.segment].clone()),
                jaccard: told.or(rounded),
                matched,
            }
        };
        matched.into_iter().enumerate().map(partner).collect()
    }

    fn contingency(&self) -> ContingencyTable {
        let [lines, columns] = self.told.outside();
        let cells = self.told.cells[..=lines].iter().map(|line| line[..=columns].to_vec());
        let [a, b] = self.names.map(<[String]>::to_vec);
        ContingencyTable { lines: a, columns: b, counts: cells.collect() }
    }
}
