//! Which counts of tags are withheld: those of few customers, and others from which these would follow.
//!
//! Tags may divide the customers between them, as the eight classes of recency, frequency and monetary value do; then
//! the count of one follows from those of the others. Whether conditions exclude each other cannot be told from their
//! text, so tags that no customer has together count as such.

use super::counts::{SegmentCounts, TagCounts, pair_at, pairs};
use crate::audit::{follow, withheld};

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
        let of = TagCells { counts, customers, limit };
        let tags = of.tags(rows_are_told);
        Withheld {
            stages: withheld(&counts.stages, limit),
            overlaps: of.overlaps(&tags),
            moves: of.moves(&tags, left),
            segments: of.segments(&tags),
            tags,
        }
    }
}

struct TagCells<'a> {
    counts: &'a TagCounts,
    customers: u64,
    limit: u64,
}

impl TagCells<'_> {
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
        let mut hidden: Vec<bool> = tags.iter().map(|&tag| self.any_is_small(tag, self.customers)).collect();
        let yes: Vec<u64> = tags.iter().map(|[yes, _]| *yes).collect();
        // The rows of the long table.
        let rows = KnownSum { cells: (0..tags.len()).collect(), counts: yes.clone(), of_zeros: true };
        let divisions: Vec<KnownSum> = rows_are_told.then_some(rows).into_iter().collect();
        settle(&mut hidden, &yes, &divisions, |tag| {
            vec![Apart { cells: self.apart(tag), whole: self.customers - tags[tag][1] }]
        });
        hidden
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
        let sizes: Vec<u64> = segments.iter().map(|segment| segment.customers).collect();
        let hidden_sizes = withheld(&sizes, self.limit);
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
        settle(&mut hidden, &yes, &divisions, |at| {
            let (segment, tag) = (at / tags, at % tags);
            let whole = segments[segment].customers - segments[segment].tags[tag][1];
            vec![Apart { cells: apart[tag].iter().map(|&other| cell(segment, other)).collect(), whole }]
        });
        let lines = hidden_sizes.into_iter().enumerate();
        lines.map(|(segment, size)| (size, hidden[segment * tags..][..tags].to_vec())).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::attack::{Sum, recovered};
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
            let found = recovered(&told, &sums, false);
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
}
