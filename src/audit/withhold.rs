//! Which cells of a table are withheld because few customers are in them, or because such a cell could be computed from
//! them.

use super::chains::{CellPlace, KnownTotals, TableShape, break_chains, that_follow};

/// Withholds cells of 1 to `limit - 1` customers. `table` has the groups of each segment, and those of all rows last;
/// since every line and every column has a known total, each that has withheld cells has two at least, and not only
/// cells of one customer, whose sum would be their number; and no small cell is the only link between two groups of
/// withheld cells. The smallest ones join, and zeros only where nothing else is left. Zeros tell of no customer and
/// stay.
pub(crate) fn withhold(table: &mut [Vec<Option<u64>>], limit: u64) {
    let counts = table.to_vec();
    withhold_also(table, &counts, limit);
}

/// The same where `table` already lacks cells that must not follow either; `counts` has all that are known here.
pub(crate) fn withhold_also(table: &mut [Vec<Option<u64>>], counts: &[Vec<Option<u64>>], limit: u64) {
    let mut counts = counts.to_vec();
    fill(&mut counts);
    hide_small(table, &counts, limit);
    let guarded = places(table).filter(|&(line, group)| table[line][group].is_none()).collect();
    settle(table, &counts, guarded, KnownTotals::Lines);
}

/// The same of a table of flows: a line for each earlier stage, of new customers, and of sums; a column for each later
/// stage, of customers who left, and of sums. The customers of both months are known, so that who stayed follows from
/// who left. `table` may lack cells already, from which nothing small must follow, and none of those `lacking`.
pub(super) fn withhold_flows(table: &mut [Vec<Option<u64>>], counts: &[Vec<u64>], limit: u64, lacking: &[CellPlace]) {
    let known: Vec<Vec<Option<u64>>> = counts.iter().map(|line| line.iter().copied().map(Some).collect()).collect();
    hide_small(table, &known, limit);
    let (lines, columns) = (table.len(), table.first().map_or(0, Vec::len));
    let is_guarded = |&(line, column): &CellPlace| {
        let is_outside = [(line + 2, column + 1), (line + 1, column + 2)].contains(&(lines, columns));
        let is_kept = is_outside || counts[line][column] < limit || lacking.contains(&(line, column));
        table[line][column].is_none() && is_kept
    };
    let guarded = places(table).filter(is_guarded).collect();
    settle(table, &known, guarded, KnownTotals::Months);
}

/// Withholds other cells from which those that `table` lacks would follow; all totals of lines and columns are known.
pub(crate) fn withhold_beside(table: &mut [Vec<Option<u64>>], counts: &[Vec<Option<u64>>]) {
    let guarded = places(table).filter(|&(line, group)| table[line][group].is_none()).collect();
    settle(table, counts, guarded, KnownTotals::All);
}

/// Withholds cells of 1 to `limit - 1` customers.
fn hide_small(table: &mut [Vec<Option<u64>>], counts: &[Vec<Option<u64>>], limit: u64) {
    for (cell, count) in table.iter_mut().flatten().zip(counts.iter().flatten()) {
        *cell = cell.filter(|_| count.is_none_or(|n| n == 0 || n >= limit));
    }
}

/// All places of a table.
fn places(table: &[Vec<Option<u64>>]) -> impl Iterator<Item = CellPlace> + use<> {
    let (lines, groups) = (table.len(), table.first().map_or(0, Vec::len));
    (0..lines).flat_map(move |line| (0..groups).map(move |group| (line, group)))
}

/// Computes the counts that are the only unknown ones of their column: so could others.
fn fill(counts: &mut [Vec<Option<u64>>]) {
    let groups = counts.first().map_or(0, Vec::len);
    for group in 0..groups {
        let Some((all, segments)) = counts.split_last_mut() else { return };
        // None beyond u64: somebody edited a profile.
        let known = segments.iter().filter_map(|line| line[group]).try_fold(0, u64::checked_add);
        let mut unknown = segments.iter_mut().filter(|line| line[group].is_none());
        if let (Some(line), None, Some(all)) = (unknown.next(), unknown.next(), all[group]) {
            line[group] = known.and_then(|known| all.checked_sub(known));
        }
    }
}

/// Withholds other cells until none of those that are withheld and `guarded` follows.
fn settle(
    table: &mut [Vec<Option<u64>>],
    counts: &[Vec<Option<u64>>],
    mut guarded: Vec<CellPlace>,
    totals: KnownTotals,
) {
    if guarded.is_empty() {
        return;
    }
    let shape = TableShape { lines: table.len(), columns: table.first().map_or(0, Vec::len), totals };
    fill_lines(table, counts, totals);
    guarded = that_follow(table, counts, shape, &guarded);
    if !guarded.is_empty() {
        // Some follow from totals alone.
        let nothing = vec![vec![None; shape.columns]; shape.lines];
        let hopeless = that_follow(&nothing, counts, shape, &guarded);
        guarded.retain(|place| hopeless.binary_search(place).is_err());
    }
    while !guarded.is_empty() && break_chains(table, counts, shape, &guarded) {
        fill_lines(table, counts, totals);
        guarded = that_follow(table, counts, shape, &guarded);
    }
}

/// Withholds other cells until every line and column that has withheld cells has two, and not only ones.
fn fill_lines(table: &mut [Vec<Option<u64>>], counts: &[Vec<Option<u64>>], totals: KnownTotals) {
    let (lines, groups) = (table.len(), table.first().map_or(0, Vec::len));
    let parts = if totals == KnownTotals::Months { groups.saturating_sub(1) } else { groups };
    let line_parts = if totals == KnownTotals::All { lines } else { lines.saturating_sub(1) };
    loop {
        let mut settled = true;
        for line in 0..lines {
            let places: Vec<CellPlace> = (0..groups).map(|group| (line, group)).collect();
            settled &= !another(table, counts, places.split_at(parts));
        }
        for group in 0..groups {
            let places: Vec<CellPlace> = (0..lines).map(|line| (line, group)).collect();
            settled &= !another(table, counts, places.split_at(line_parts));
        }
        if settled {
            return;
        }
    }
}

/// Withholds another cell where those withheld follow from their sum, which is a cell or known; whether it did.
fn another(
    table: &mut [Vec<Option<u64>>],
    counts: &[Vec<Option<u64>>],
    (parts, sum): (&[CellPlace], &[CellPlace]),
) -> bool {
    let told = |&&(line, group): &&CellPlace| table[line][group].is_some();
    let mut withheld = parts.iter().filter(|place| !told(place)).map(|&(line, group)| counts[line][group]).peekable();
    let follows = match sum.iter().all(|place| told(&place)) {
        true => follow(withheld),
        false => withheld.peek().is_none(),
    };
    if !follows {
        return false;
    }
    let smallest = parts.iter().chain(sum).filter(told).min_by_key(|&&(line, group)| match table[line][group] {
        Some(0) | None => u64::MAX,
        Some(n) => n,
    });
    match smallest.copied() {
        Some((line, group)) => table[line][group] = None,
        None => return false,
    }
    true
}

/// Whether withheld counts follow from their sum: a single one, or only such of one customer; None: unknown here, too.
pub(crate) fn follow(withheld: impl IntoIterator<Item = Option<u64>>) -> bool {
    let (mut n, mut are_ones) = (0, true);
    for count in withheld {
        n += 1;
        are_ones &= count == Some(1);
    }
    n == 1 || (n > 0 && are_ones)
}

/// Which of some figures by segment are withheld: those of 1 to `limit - 1` customers, and if they follow from the
/// figure of all rows, which is known, also that of the fewest other customers.
pub(crate) fn withheld(customers: &[u64], limit: u64) -> Vec<bool> {
    let mut hidden: Vec<bool> = customers.iter().map(|&n| n > 0 && n < limit).collect();
    if follow((0..customers.len()).filter(|&at| hidden[at]).map(|at| Some(customers[at]))) {
        let others = (0..customers.len()).filter(|&at| !hidden[at] && customers[at] > 0);
        if let Some(at) = others.min_by_key(|&at| customers[at]) {
            hidden[at] = true;
        }
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(table: &[&[u64]], limit: u64) -> Vec<Vec<Option<u64>>> {
        let mut table: Vec<Vec<Option<u64>>> =
            table.iter().map(|line| line.iter().copied().map(Some).collect()).collect();
        withhold(&mut table, limit);
        table
    }

    #[test]
    fn a_withheld_cell_cannot_be_computed() {
        let told = after(&[&[50, 3, 20], &[40, 30, 25], &[90, 33, 45]], 10);
        // The 3; 20 beside it; in both columns the smallest others.
        assert_eq!(told, [vec![Some(50), None, None], vec![Some(40), None, None], vec![Some(90), Some(33), Some(45)],]);
        let ones = after(&[&[1, 1, 50], &[20, 20, 20], &[21, 21, 70]], 10);
        assert_eq!(ones[0], [None, None, None], "1 and 1 follow from 2");
        assert_eq!(after(&[&[50, 0], &[40, 30], &[90, 30]], 10)[0], [Some(50), Some(0)], "nothing is small");
        let off = after(&[&[1, 2], &[3, 4], &[4, 6]], 0);
        assert!(off.iter().flatten().all(Option::is_some));
    }

    #[test]
    fn sums_beyond_u64_fill_nothing() {
        let mut counts = [Some(1 << 63), Some(1 << 63), None, Some(7)].map(|n| vec![n]);
        fill(&mut counts);
        assert_eq!(counts[2], [None]);
        counts[0] = vec![Some(2)];
        counts[1] = vec![Some(1)];
        fill(&mut counts);
        assert_eq!(counts[2], [Some(4)]);
    }

    #[test]
    fn a_single_small_segment_takes_another_along() {
        assert_eq!(withheld(&[100, 4, 30], 10), [false, true, true]);
        assert_eq!(withheld(&[5, 4, 30, 0], 10), [true, true, false, false]);
        assert_eq!(withheld(&[50, 40, 0], 10), [false; 3]);
        assert_eq!(withheld(&[3], 10), [true]);
        // Three counts of one customer follow from their sum.
        assert_eq!(withheld(&[1, 40, 1, 1, 30], 10), [true, false, true, true, true]);
        assert_eq!(withheld(&[1, 40, 2, 1, 30], 10), [true, false, true, true, false]);
    }

    fn told_of(counts: &[Vec<u64>]) -> Vec<Vec<Option<u64>>> {
        counts.iter().map(|line| line.iter().copied().map(Some).collect()).collect()
    }

    /// Segments, and the line of all rows.
    fn with_sums(mut counts: Vec<Vec<u64>>) -> Vec<Vec<u64>> {
        counts.push((0..counts[0].len()).map(|group| counts.iter().map(|line| line[group]).sum()).collect());
        counts
    }

    /// Of somebody who knows the told cells and the totals of all lines, and that the withheld cells of the line of all
    /// rows are the sums of their columns: a network with a capacity from each node to each other one.
    struct Attacker {
        cells: Vec<(CellPlace, usize, usize)>,
        capacity: Vec<Vec<u64>>,
        counts: Vec<Vec<u64>>,
        least: u64,
    }

    impl Attacker {
        fn new(counts: &[Vec<u64>], told: &[Vec<Option<u64>>]) -> Self {
            let (lines, groups) = (counts.len(), counts[0].len());
            let places = (0..lines).flat_map(|line| (0..groups).map(move |group| (line, group)));
            let hidden: Vec<CellPlace> = places.filter(|&(line, group)| told[line][group].is_none()).collect();
            // Who sees that zeros are told knows that there is none among the others.
            let least = u64::from(hidden.iter().all(|&(line, group)| counts[line][group] > 0));
            let ends = |&(line, group): &CellPlace| match line + 1 == lines {
                true => ((line, group), lines + group, line),
                false => ((line, group), line, lines + group),
            };
            let cells: Vec<_> = hidden.iter().map(ends).collect();
            let mut capacity = vec![vec![0; lines + groups]; lines + groups];
            for &((line, group), from, to) in &cells {
                capacity[from][to] = 1 << 40;
                capacity[to][from] = counts[line][group] - least;
            }
            Attacker { cells, capacity, counts: counts.to_vec(), least }
        }

        /// The most that can flow from one node to another (Ford, Fulkerson), without the cell between them.
        fn most(&self, start: usize, goal: usize) -> u64 {
            let mut capacity = self.capacity.clone();
            (capacity[start][goal], capacity[goal][start]) = (0, 0);
            let mut flow = 0;
            loop {
                let mut before = vec![None; capacity.len()];
                let mut queue = std::collections::VecDeque::from([start]);
                while let Some(node) = queue.pop_front() {
                    for next in 0..capacity.len() {
                        if capacity[node][next] > 0 && before[next].is_none() && next != start {
                            before[next] = Some(node);
                            queue.push_back(next);
                        }
                    }
                }
                let mut way = vec![goal];
                while let Some(node) = before[*way.last().unwrap()] {
                    way.push(node);
                }
                if *way.last().unwrap() != start {
                    return flow;
                }
                let steps: Vec<(usize, usize)> = way.windows(2).map(|pair| (pair[1], pair[0])).collect();
                let n = steps.iter().map(|&(from, to)| capacity[from][to]).min().unwrap();
                for (from, to) in steps {
                    capacity[from][to] -= n;
                    capacity[to][from] += n;
                }
                flow += n;
            }
        }

        /// The least and the largest count that each withheld cell can have.
        fn bounds(&self) -> Vec<(CellPlace, u64, u64)> {
            let bounds = |&((line, group), from, to): &(CellPlace, usize, usize)| {
                let n = self.counts[line][group];
                let falls = self.most(from, to).min(n - self.least);
                ((line, group), n - falls, n + self.most(to, from))
            };
            self.cells.iter().map(bounds).collect()
        }
    }

    #[test]
    fn the_attacker_finds_what_trying_everything_finds() {
        let counts = with_sums(vec![vec![3, 20, 90], vec![40, 5, 25], vec![80, 4, 30]]);
        let mut told = told_of(&counts);
        for (line, group) in [(0, 0), (0, 1), (1, 1), (1, 2), (2, 1), (2, 2)] {
            told[line][group] = None;
        }
        let found = Attacker::new(&counts, &told).bounds();
        // 3 is alone in its group, so that 20 follows. Of the second group, 9 are left for segments 1 and 2, one at
        // least for each; what is left of their totals is in the third group.
        let expected = [((0, 0), 3, 3), ((0, 1), 20, 20), ((1, 1), 1, 8), ((1, 2), 22, 29)];
        assert_eq!(found[..4], expected);
        assert_eq!(found[4..], [((2, 1), 1, 8), ((2, 2), 26, 33)]);
    }

    /// The places of small cells that follow.
    fn small_that_follow(counts: &[Vec<u64>], told: &[Vec<Option<u64>>], limit: u64) -> Vec<CellPlace> {
        let bounds = Attacker::new(counts, told).bounds().into_iter();
        let small = |&((line, group), low, high): &(CellPlace, u64, u64)| {
            (1..limit).contains(&counts[line][group]) && low == high
        };
        bounds.filter(small).map(|(place, ..)| place).collect()
    }

    #[test]
    fn an_attacker_who_solves_all_sums_finds_no_small_count() {
        let limit = 10;
        let mut random = crate::numeric::Random::new(23, 0);
        let mut below = |n: u128| random.below(n) as usize;
        let (mut attacked, mut chains, mut hopeless) = (0, 0, 0);
        for round in 0..400 {
            let (lines, groups) = (2 + below(7), 2 + below(7));
            // From tables of small counts to such where they are rare.
            let rare = 2 + below(12);
            let mut count = || match below(rare as u128) {
                0 => [1, 1, 2, 3, 5, 9][below(6)],
                1 => [0, 0, 10, 12][below(4)],
                _ => 10 + below(90) as u64,
            };
            let counts = with_sums((0..lines).map(|_| (0..groups).map(|_| count()).collect()).collect());
            let mut told = told_of(&counts);
            withhold(&mut told, limit);
            let mut lines_only = told_of(&counts);
            hide_small(&mut lines_only, &told_of(&counts), limit);
            fill_lines(&mut lines_only, &told_of(&counts), KnownTotals::Lines);
            chains += usize::from(!small_that_follow(&counts, &lines_only, limit).is_empty());
            let nothing = vec![vec![None; groups]; counts.len()];
            let given_away = small_that_follow(&counts, &nothing, limit);
            hopeless += given_away.len();
            let mut found = small_that_follow(&counts, &told, limit);
            found.retain(|place| !given_away.contains(place));
            assert!(found.is_empty(), "round {round}: {found:?} of {counts:?} follow from {told:?}");
            assert!(told.iter().flatten().flatten().all(|&n| n == 0 || n >= limit));
            attacked += counts.iter().flatten().filter(|&&n| (1..limit).contains(&n)).count();
        }
        assert!(attacked > 1500 && chains > 15, "{attacked} small counts were attacked, in {chains} tables chains");
        assert!(hopeless < 10, "{hopeless} are given away by totals");
    }
}
