//! Which counts of tags are withheld: those of few customers, and others from which these would follow.
//!
//! Tags may divide the customers between them, as the eight classes of recency, frequency and monetary value do; then
//! the count of one follows from those of the others. Whether conditions exclude each other cannot be told from their
//! text, so tags that no customer has together count as such.

use super::counts::{SegmentCounts, TagCounts, pair_at, pairs};
use crate::audit::{follow, withheld, withhold_beside};

/// Cells that share no customer with another cell, and how many customers they have together with it at most.
struct Apart {
    cells: Vec<usize>,
    whole: u64,
}

/// Cells that count different customers, all of whom are known together.
struct KnownSum {
    cells: Vec<usize>,
    /// Their counts: of those who have a tag, or who lack it, or of whom it is unknown.
    counts: Vec<u64>,
    /// Whether a withheld zero may not follow either, since another count would follow from it.
    of_zeros: bool,
}

impl KnownSum {
    /// Whether withheld counts follow from the sum.
    fn follows(&self, hidden: &[bool]) -> bool {
        let withheld = || self.cells.iter().zip(&self.counts).filter(|(at, _)| hidden[**at]).map(|(_, &n)| n);
        let are_zeros = self.of_zeros && withheld().count() > 0 && withheld().all(|n| n == 0);
        are_zeros || follow(withheld().filter(|&n| n > 0).map(Some))
    }
}

/// Withholds more cells, the smallest first, until no withheld cell follows: neither from a division, nor from cells
/// `apart` from it that could be all others of a whole.
fn settle(hidden: &mut [bool], counts: &[u64], divisions: &[KnownSum], apart: impl Fn(usize) -> Vec<Apart>) {
    loop {
        let mut settled = true;
        for division in divisions {
            settled &= !(division.follows(hidden) && hide_one(hidden, counts, &division.cells));
        }
        for cell in 0..hidden.len() {
            if !hidden[cell] {
                continue;
            }
            for Apart { cells, whole } in apart(cell) {
                // Withheld counts of one customer would follow from a sum that is their number.
                let is_plain = |&&at: &&usize| !hidden[at] || (counts[cell] == 1 && counts[at] == 1);
                let sum = counts[cell] + cells.iter().filter(is_plain).map(|&at| counts[at]).sum::<u64>();
                settled &= !(sum >= whole && hide_one(hidden, counts, &cells));
            }
        }
        if settled {
            return;
        }
    }
}

/// Withholds the smallest of some cells; where all that are left are zeros, all of them, since any of them could be the
/// one that matters. Whether there was any.
fn hide_one(hidden: &mut [bool], counts: &[u64], cells: &[usize]) -> bool {
    let shown: Vec<usize> = cells.iter().copied().filter(|&at| !hidden[at]).collect();
    match shown.iter().copied().filter(|&at| counts[at] > 0).min_by_key(|&at| counts[at]) {
        Some(at) => hidden[at] = true,
        None => shown.iter().for_each(|&at| hidden[at] = true),
    }
    !shown.is_empty()
}

/// What is withheld of a report.
pub(super) struct Withheld {
    /// By tag.
    pub(super) tags: Vec<bool>,
    /// By stage, and last of all those without one.
    pub(super) stages: Vec<bool>,
    /// By pair of tags.
    pub(super) overlaps: Vec<bool>,
    /// By tag.
    pub(super) moves: Vec<bool>,
    /// By segment: its size, and by tag.
    pub(super) segments: Vec<(bool, Vec<bool>)>,
}

impl Withheld {
    /// Of the counts of `customers` rows, withholds those of 1 to `limit - 1`. `left` are rows of customers who had a
    /// tag and are gone. `rows_are_told`: the sum of all tags is.
    pub(super) fn of(counts: &TagCounts, left: &[u64], customers: u64, limit: u64, rows_are_told: bool) -> Self {
        let sizes: Vec<u64> = counts.segments.values().map(|segment| segment.customers).collect();
        let (hidden_sizes, stages) = (withheld(&sizes, limit), withheld(&counts.stages, limit));
        let of = TagCells { counts, customers, limit, hidden_sizes, hidden_stages: &stages };
        let tags = of.tags(rows_are_told);
        Withheld {
            overlaps: of.overlaps(&tags),
            moves: of.moves(&tags, left),
            segments: of.segments(&tags),
            tags,
            stages,
        }
    }
}

struct TagCells<'a> {
    counts: &'a TagCounts,
    customers: u64,
    limit: u64,
    /// By segment: whether its size is withheld.
    hidden_sizes: Vec<bool>,
    /// The same of stages.
    hidden_stages: &'a [bool],
}

impl TagCells<'_> {
    /// Those who have a tag, who lack it, and of whom it is unknown.
    fn kinds([yes, unknown]: [u64; 2], customers: u64) -> [u64; 3] {
        [yes, customers - yes - unknown, unknown]
    }

    /// Whether a count of a tag tells the withheld size of some segments or of a stage: because it has all of these
    /// segments and none, or all, of each other one; or as many customers as the stage.
    fn repeats(&self, tag: usize) -> bool {
        let all = Self::kinds(self.counts.tags[tag], self.customers);
        let stages = self.counts.stages.iter().zip(self.hidden_stages);
        let mut hidden_stages = stages.filter(|&(n, hidden)| *hidden && *n > 0).map(|(n, _)| n);
        if hidden_stages.any(|n| all.contains(n)) {
            return true;
        }
        let segments = self.counts.segments.values().zip(&self.hidden_sizes);
        let counted: Option<Vec<([u64; 3], u64, bool)>> = segments
            .filter(|(of, _)| of.customers > 0)
            .map(|(of, &hidden)| Some((Self::kinds(*of.tags.get(tag)?, of.customers), of.customers, hidden)))
            .collect();
        let counted = counted.unwrap_or_default();
        let hidden = || counted.iter().filter(|(.., hidden)| *hidden);
        (0..3).any(|kind| {
            let has_whole = |(of, size, _): &([u64; 3], u64, bool)| of[kind] == *size;
            let is_union = counted.iter().all(|one| one.0[kind] == 0 || has_whole(one));
            let n = hidden().filter(|one| has_whole(one)).count();
            // The size of all that are withheld together is known.
            is_union && n > 0 && n < hidden().count()
        })
    }

    fn is_small(&self, n: u64) -> bool {
        (1..self.limit).contains(&n)
    }

    /// Whether one of those who have a tag, who lack it, and of whom it is unknown are few; they add up to all.
    fn any_is_small(&self, [yes, unknown]: [u64; 2], customers: u64) -> bool {
        [yes, unknown, customers - yes - unknown].into_iter().any(|n| self.is_small(n))
    }

    /// The tags that no customer has together with this one.
    fn apart(&self, tag: usize) -> Vec<usize> {
        let n = self.counts.tags.len();
        let is_apart = |&other: &usize| pair_at(n, tag, other).is_some_and(|at| self.counts.overlaps[at] == 0);
        (0..n).filter(is_apart).collect()
    }

    fn tags(&self, rows_are_told: bool) -> Vec<bool> {
        let tags = &self.counts.tags;
        let is_hidden = |(at, &tag): (usize, &[u64; 2])| self.any_is_small(tag, self.customers) || self.repeats(at);
        let mut hidden: Vec<bool> = tags.iter().enumerate().map(is_hidden).collect();
        let yes: Vec<u64> = tags.iter().map(|[yes, _]| *yes).collect();
        let divisions = if rows_are_told { self.rows(&yes) } else { Vec::new() };
        settle(&mut hidden, &yes, &divisions, |tag| {
            vec![Apart { cells: self.apart(tag), whole: self.customers - tags[tag][1] }]
        });
        hidden
    }

    /// Tags that divide all customers between them; tags that nobody has are in none.
    fn divisions(&self) -> Vec<Vec<usize>> {
        // Of other tags it is not known whether they exclude each other.
        let n = pairs(self.counts.tags.len()).map(|(_, second)| second + 1).max().unwrap_or(0);
        let excluded: Vec<Vec<usize>> = (0..n).map(|tag| self.apart(tag)).collect();
        let (mut divisions, mut is_in_one): (Vec<Vec<usize>>, _) = (Vec::new(), vec![false; n]);
        for first in 0..n {
            let mut division: Vec<usize> = Vec::new();
            for tag in (first..n).filter(|&tag| !is_in_one[tag] && self.counts.tags[tag][0] > 0) {
                if division.iter().all(|other| excluded[tag].contains(other)) {
                    division.push(tag);
                }
            }
            let sum: u64 = division.iter().map(|&tag| self.counts.tags[tag][0]).sum();
            if division.first() == Some(&first) && sum == self.customers {
                division.iter().for_each(|&tag| is_in_one[tag] = true);
                divisions.push(division);
            }
        }
        divisions
    }

    /// The rows of the long table: of all tags, and of all but those that divide all customers between them.
    fn rows(&self, yes: &[u64]) -> Vec<KnownSum> {
        let without = |left_out: &[usize]| {
            let cells: Vec<usize> = (0..yes.len()).filter(|tag| !left_out.contains(tag)).collect();
            KnownSum { counts: cells.iter().map(|&tag| yes[tag]).collect(), cells, of_zeros: true }
        };
        let divisions = self.divisions();
        let each = divisions.iter().map(|division| without(division));
        [without(&[]), without(&divisions.concat())].into_iter().chain(each).collect()
    }

    fn overlaps(&self, hidden_tags: &[bool]) -> Vec<bool> {
        let (both, tags) = (&self.counts.overlaps, &self.counts.tags);
        let all: Vec<(usize, usize)> = pairs(tags.len()).collect();
        let is_hidden = |(&(a, b), &both): (&(usize, usize), &u64)| {
            let alone = [a, b].map(|tag| tags[tag][0] - both);
            let neither = self.customers - alone[0] - alone[1] - both;
            let small = [both, alone[0], alone[1], neither].into_iter().any(|n| self.is_small(n));
            hidden_tags[a] || hidden_tags[b] || small
        };
        let mut hidden: Vec<bool> = all.iter().zip(both).map(is_hidden).collect();
        settle(&mut hidden, both, &[], |pair| {
            let (a, b) = all[pair];
            // Of those who have one tag: others who have another that excludes the second.
            let of = |one: usize, second: usize| {
                let places = |third: usize| pair_at(tags.len(), one, third);
                let whole = tags[one][0].saturating_sub(tags[second][1]);
                Apart { cells: self.apart(second).into_iter().filter_map(places).collect(), whole }
            };
            vec![of(a, b), of(b, a)]
        });
        hidden
    }

    fn moves(&self, hidden_tags: &[bool], left: &[u64]) -> Vec<bool> {
        let parts = |tag: usize| {
            let [kept, lost] = self.counts.moves[tag];
            [kept, self.counts.tags[tag][0] - kept, lost, left[tag]]
        };
        let tags = 0..self.counts.moves.len();
        let changes: Vec<u64> = tags.clone().map(|tag| parts(tag)[1..].iter().sum()).collect();
        let is_small = |tag: usize| hidden_tags[tag] || parts(tag).into_iter().any(|n| self.is_small(n));
        let mut hidden: Vec<bool> = tags.clone().map(is_small).collect();
        let all = KnownSum { cells: tags.collect(), counts: changes.clone(), of_zeros: false };
        settle(&mut hidden, &changes, &[all], |_| Vec::new());
        hidden
    }

    fn segments(&self, hidden_tags: &[bool]) -> Vec<(bool, Vec<bool>)> {
        let segments: Vec<&SegmentCounts> = self.counts.segments.values().collect();
        let hidden_sizes = &self.hidden_sizes;
        let tags = segments.first().map_or(0, |segment| segment.tags.len());
        let cell = |segment: usize, tag: usize| segment * tags + tag;
        let (mut hidden, mut yes) = (Vec::new(), Vec::new());
        for (segment, of) in segments.iter().enumerate() {
            for (tag, &is_hidden) in hidden_tags.iter().take(tags).enumerate() {
                let small = self.any_is_small(of.tags[tag], of.customers);
                hidden.push(is_hidden || hidden_sizes[segment] || small);
                yes.push(of.tags[tag][0]);
            }
        }
        let of_tag = |tag: usize| {
            let counts = |of: fn(&SegmentCounts, [u64; 2]) -> u64, of_zeros: bool| KnownSum {
                cells: (0..segments.len()).map(|segment| cell(segment, tag)).collect(),
                counts: segments.iter().map(|segment| of(segment, segment.tags[tag])).collect(),
                of_zeros,
            };
            let lack = |of: &SegmentCounts, [yes, unknown]: [u64; 2]| of.customers - yes - unknown;
            [counts(|_, [yes, _]| yes, true), counts(lack, true), counts(|_, [_, unknown]| unknown, false)]
        };
        let divisions: Vec<KnownSum> = (0..tags).flat_map(of_tag).collect();
        let apart: Vec<Vec<usize>> = (0..tags).map(|tag| self.apart(tag)).collect();
        let apart_of = |at: usize| {
            let (segment, tag) = (at / tags, at % tags);
            let whole = segments[segment].customers - segments[segment].tags[tag][1];
            vec![Apart { cells: apart[tag].iter().map(|&other| cell(segment, other)).collect(), whole }]
        };
        // Tags that divide all customers divide those of each segment: a table whose totals are known.
        let tables: Vec<Vec<usize>> =
            self.divisions().into_iter().filter(|of| of.iter().all(|&tag| tag < tags)).collect();
        loop {
            settle(&mut hidden, &yes, &divisions, apart_of);
            let before = hidden.clone();
            for division in &tables {
                let place = |segment: usize, at: usize| cell(segment, division[at]);
                let line = |segment| (0..division.len()).map(|at| Some(yes[place(segment, at)])).collect();
                let counts: Vec<Vec<Option<u64>>> = (0..segments.len()).map(line).collect();
                let mut told = counts.clone();
                let cells = || (0..segments.len()).flat_map(|segment| (0..division.len()).map(move |at| (segment, at)));
                cells()
                    .filter(|&(segment, at)| hidden[place(segment, at)])
                    .for_each(|(segment, at)| told[segment][at] = None);
                withhold_beside(&mut told, &counts);
                cells().for_each(|(segment, at)| hidden[place(segment, at)] |= told[segment][at].is_none());
            }
            if hidden == before {
                break;
            }
        }
        let lines = hidden_sizes.iter().enumerate();
        lines.map(|(segment, &size)| (size, hidden[segment * tags..][..tags].to_vec())).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::attack::{Sum, all_recovered};
    use super::*;

    /// A customer: his class of two divisions (the last class of each is no tag), whether he has a tag of its own
    /// (None: unknown), and his segment.
    type Customer = (usize, usize, Option<bool>, usize);

    /// Tags 0 to 3 divide all customers, 4 and 5 some of them, 6 overlaps with all.
    const TAGS: usize = 7;

    fn tags_of((first, second, own, _): &Customer) -> [Option<bool>; TAGS] {
        std::array::from_fn(|tag| match tag {
            0..4 => Some(*first == tag),
            4..6 => Some(*second == tag - 4),
            _ => *own,
        })
    }

    fn counted(customers: &[Customer]) -> TagCounts {
        let tags: Vec<_> = customers.iter().map(tags_of).collect();
        let both = |(a, b): (usize, usize)| tags.iter().filter(|of| of[a] == Some(true) && of[b] == Some(true)).count();
        let mut counts = TagCounts { tags: vec![[0; 2]; TAGS], ..TagCounts::default() };
        counts.overlaps = pairs(TAGS).map(|pair| both(pair) as u64).collect();
        for (customer, tags) in customers.iter().zip(&tags) {
            let segment = counts.segments.entry(customer.3.to_string()).or_default();
            segment.customers += 1;
            segment.tags.resize(TAGS, [0; 2]);
            for all in [&mut counts.tags, &mut segment.tags] {
                for (count, tag) in all.iter_mut().zip(tags) {
                    count[0] += u64::from(*tag == Some(true));
                    count[1] += u64::from(tag.is_none());
                }
            }
        }
        counts
    }

    /// Cells of a group of customers: by tag those who have it, of whom it is unknown, and the others; then all.
    fn cells_of(tags: &[[u64; 2]], customers: u64, hidden: (bool, &[bool])) -> Vec<(u64, bool)> {
        let of = |(&[yes, unknown], &hidden): (&[u64; 2], &bool)| {
            [yes, unknown, customers - yes - unknown].map(|n| (n, hidden)).to_vec()
        };
        tags.iter().zip(hidden.1).flat_map(of).chain([(customers, hidden.0)]).collect()
    }

    /// What is known of the cells of a group, which begin at `start`.
    fn sums_of(start: usize) -> Vec<Sum> {
        let all = start + 3 * TAGS;
        let mut sums: Vec<Sum> =
            (0..TAGS).map(|tag| Sum::of((0..3).map(|i| start + 3 * tag + i).collect(), all)).collect();
        sums.push(Sum::of((0..4).map(|tag| start + 3 * tag).collect(), all));
        sums
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn no_small_count_follows_from_others(
            groups in prop::collection::vec(
                (
                    (0usize..4, 0usize..3, prop::option::weighted(0.8, any::<bool>()), 0usize..4),
                    prop_oneof![Just(1usize), 1usize..25],
                ),
                1..30,
            ),
        ) {
            let customers: Vec<Customer> =
                groups.iter().flat_map(|(customer, n)| std::iter::repeat_n(*customer, *n)).collect();
            let n = customers.len() as u64;
            prop_assume!(n >= 10);
            let counts = counted(&customers);
            let withheld = Withheld::of(&counts, &[], n, 10, true);
            let mut cells = cells_of(&counts.tags, n, (false, &withheld.tags));
            let width = cells.len();
            let mut sums = sums_of(0);
            for (segment, (size, tags)) in counts.segments.values().zip(&withheld.segments) {
                sums.extend(sums_of(cells.len()));
                cells.extend(cells_of(&segment.tags, segment.customers, (*size, tags)));
            }
            let lines = counts.segments.len();
            sums.extend((0..width).map(|at| Sum::of((1..=lines).map(|line| line * width + at).collect(), at)));
            sums.push(Sum::known((0..TAGS).map(|tag| 3 * tag).collect(), counts.tags.iter().map(|tag| tag[0]).sum()));
            let pair = |a: usize, b: usize| (lines + 1) * width + pair_at(TAGS, a, b).unwrap();
            for ((a, b), (&both, &hidden)) in pairs(TAGS).zip(counts.overlaps.iter().zip(&withheld.overlaps)) {
                // That nobody has both is known where tags exclude each other; else it looks like a withheld count.
                let excluded = b < 4 || (a, b) == (4, 5);
                cells.push((both, (hidden || both == 0) && !excluded));
            }
            sums.extend((4..TAGS).map(|tag| Sum::of((0..4).map(|class| pair(class, tag)).collect(), 3 * tag)));
            let told: Vec<Option<u64>> = cells.iter().map(|(n, hidden)| (!hidden).then_some(*n)).collect();
            let found = all_recovered(&told, &sums, false);
            for (at, (n, hidden)) in cells.iter().enumerate() {
                let is_safe = *hidden && found[at] != Some(*n as i64);
                prop_assert!(!(1..10).contains(n) || is_safe, "{n} at {at} of {groups:?}");
            }
            for ((a, b), &both) in pairs(TAGS).zip(&counts.overlaps) {
                let alone = [a, b].map(|tag| counts.tags[tag][0] - both);
                let is_small = both > 0 && alone.iter().any(|n| (1..10).contains(n));
                prop_assert!(!is_small || found[pair(a, b)] != Some(both as i64), "{a} without {b} of {groups:?}");
            }
        }
    }

    #[test]
    fn a_class_of_few_takes_the_smallest_other_class_along() {
        let tags = vec![[5, 0], [95, 0], [200, 0], [150, 0]];
        // The first three divide all customers; the fourth overlaps with each.
        let overlaps = pairs(4).map(|(a, b)| if b == 3 { [2, 45, 103][a] } else { 0 }).collect();
        let counts = TagCounts { tags, overlaps, segments: BTreeMap::new(), ..TagCounts::default() };
        assert_eq!(Withheld::of(&counts, &[], 300, 10, false).tags, [true, true, false, false]);
        assert_eq!(Withheld::of(&counts, &[], 300, 0, false).tags, [false; 4]);
    }

    #[test]
    fn the_rows_of_the_long_table_tell_of_no_few() {
        // Classes 0 and 2 divide all 21, so that what is left of the rows is of the last three tags, two of which are
        // not small: customers who have one of them are 2, 10 and 9.
        let groups = [((2, 0, Some(true), 0), 1), ((0, 2, Some(true), 0), 9), ((0, 1, Some(false), 0), 10)];
        let groups = groups.into_iter().chain([((2, 0, Some(false), 0), 1)]);
        let customers: Vec<Customer> = groups.flat_map(|(customer, n)| std::iter::repeat_n(customer, n)).collect();
        let counts = counted(&customers);
        assert_eq!(counts.tags.iter().map(|[yes, _]| *yes).collect::<Vec<_>>(), [19, 0, 2, 0, 2, 10, 10]);
        let hidden = |rows_are_told: bool| Withheld::of(&counts, &[], 21, 10, rows_are_told).tags;
        assert_eq!(hidden(false)[4..], [true, false, false]);
        assert_eq!(hidden(true)[4..], [true, true, false]);
    }

    #[test]
    fn a_tag_that_repeats_a_withheld_size_is_withheld() {
        // The tags: segment b, all but b, half of c, b and c, and nobody.
        let segments = [("a", 4, [0, 4, 0, 0, 0]), ("b", 40, [40, 0, 0, 40, 0]), ("c", 100, [0, 100, 50, 100, 0])];
        let overlaps = vec![0, 0, 40, 0, 50, 100, 0, 50, 0, 0];
        let mut counts = TagCounts { tags: vec![[0; 2]; 5], overlaps, ..TagCounts::default() };
        for (name, customers, yes) in segments {
            counts.tags.iter_mut().zip(yes).for_each(|(tag, n)| tag[0] += n);
            counts.segments.insert(name.into(), SegmentCounts { customers, tags: yes.map(|n| [n, 0]).to_vec() });
        }
        assert_eq!(counts.tags.iter().map(|[yes, _]| *yes).collect::<Vec<_>>(), [40, 104, 50, 140, 0]);
        let told = Withheld::of(&counts, &[], 144, 10, false);
        assert_eq!(told.segments.iter().map(|(size, _)| *size).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(told.tags, [true, true, false, true, false]);
        assert_eq!(Withheld::of(&counts, &[], 144, 0, false).tags, [false; 5]);
        // A stage of as many customers as a tag.
        let counts = TagCounts { stages: vec![4, 50, 90], segments: BTreeMap::new(), ..counts };
        assert_eq!(Withheld::of(&counts, &[], 144, 10, false).tags, [false, false, true, true, false]);
    }
}
