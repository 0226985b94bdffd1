//! Which cells of a table of moves are withheld: small ones, and others until no small one follows.

use super::network::{Arc, Network};

/// Withholds cells of 1 to `limit - 1` customers, and the smallest others until none of them follows for someone who
/// knows all margins, and how many customers moved in all: `has_moved` tells which cells count for that. Whether no
/// small cell follows; where totals alone give one away, nothing that is withheld helps.
pub(crate) fn withhold_moves(
    table: &mut [Vec<Option<u64>>],
    limit: u64,
    has_moved: impl Fn(usize, usize) -> bool,
) -> bool {
    let counts = table.to_vec();
    let (lines, columns) = (counts.len(), counts.first().map_or(0, Vec::len));
    let places = || (0..lines).flat_map(|line| (0..columns).map(move |column| (line, column)));
    let is_small = |&(line, column): &(usize, usize)| counts[line][column].is_some_and(|n| n > 0 && n < limit);
    let small: Vec<(usize, usize)> = places().filter(is_small).collect();
    small.iter().for_each(|&(line, column)| table[line][column] = None);
    let network = |table: &[Vec<Option<u64>>]| {
        let hidden = || places().filter(|&(line, column)| table[line][column].is_none());
        // As in other tables, zeros are withheld where nothing else is left.
        let least = u64::from(hidden().all(|(line, column)| counts[line][column] != Some(0)));
        let mut network = Network::new(lines + columns);
        for (line, column) in hidden() {
            // What was withheld from the start may be anything.
            let may_fall = counts[line][column].is_none_or(|n| n > least);
            network.add(Arc { from: line, to: lines + column, may_fall, weight: i32::from(has_moved(line, column)) });
        }
        network
    };
    let mut withheld = network(table);
    for (line, column) in small {
        while withheld.follows(line, lines + column) {
            let beside = (0..columns).map(|other| (line, other)).chain((0..lines).map(|other| (other, column)));
            let beside = smallest(table, beside).or_else(|| smallest(table, places()));
            let Some((line, column)) = beside else { return false };
            table[line][column] = None;
            withheld = network(table);
        }
    }
    true
}

/// The smallest told cell of some; zeros, which tell of no customer, come last.
fn smallest(table: &[Vec<Option<u64>>], places: impl Iterator<Item = (usize, usize)>) -> Option<(usize, usize)> {
    let told = places.filter_map(|(line, column)| Some((table[line][column]?, (line, column))));
    told.min_by_key(|(n, _)| n.wrapping_sub(1)).map(|(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All counts that each withheld cell can have, given the told cells, the totals of lines and columns, and that of
    /// the cells that moved: by trying all.
    fn attacked(counts: &[Vec<u64>], told: &[Vec<Option<u64>>], moved: &[Vec<bool>]) -> Vec<(usize, usize, u64, u64)> {
        let hidden: Vec<(usize, usize)> = (0..counts.len())
            .flat_map(|line| (0..counts[0].len()).map(move |group| (line, group)))
            .filter(|&(line, group)| told[line][group].is_none())
            .collect();
        // Where zeros are told, withheld counts are 1 at least. What is left to distribute: lines, columns, and moves.
        let least = u64::from(hidden.iter().all(|&(line, group)| counts[line][group] > 0));
        let mut left = vec![0u64; counts.len() + counts[0].len() + 1];
        for &(line, group) in &hidden {
            let n = counts[line][group] - least;
            left[line] += n;
            left[counts.len() + group] += n;
            *left.last_mut().unwrap() += if moved[line][group] { n } else { 0 };
        }
        let mut bounds = vec![(u64::MAX, 0); hidden.len()];
        let mut tried = Vec::new();
        attempt(&hidden, counts.len(), moved, &mut left, &mut tried, &mut bounds);
        let bounds = hidden.iter().zip(bounds);
        bounds.map(|(&(line, group), (low, high))| (line, group, least + low, least + high)).collect()
    }

    fn attempt(
        hidden: &[(usize, usize)],
        lines: usize,
        moved: &[Vec<bool>],
        left: &mut [u64],
        tried: &mut Vec<u64>,
        bounds: &mut [(u64, u64)],
    ) {
        let Some(&(line, group)) = hidden.get(tried.len()) else {
            if left.iter().all(|n| *n == 0) {
                for (bound, n) in bounds.iter_mut().zip(tried) {
                    *bound = (bound.0.min(*n), bound.1.max(*n));
                }
            }
            return;
        };
        let all = left.len() - 1;
        let places = [Some(line), Some(lines + group), moved[line][group].then_some(all)];
        let most = places.iter().flatten().map(|&at| left[at]).min().unwrap();
        // The last cell of a line or column has what is left of it.
        let later = &hidden[tried.len() + 1..];
        let of_line = if later.iter().all(|(other, _)| *other != line) { left[line] } else { 0 };
        let of_group = if later.iter().all(|(_, other)| *other != group) { left[lines + group] } else { 0 };
        let least = of_line.max(of_group);
        for n in least..=most {
            places.iter().flatten().for_each(|&at| left[at] -= n);
            tried.push(n);
            attempt(hidden, lines, moved, left, tried, bounds);
            tried.pop();
            places.iter().flatten().for_each(|&at| left[at] += n);
        }
    }

    #[test]
    fn an_attacker_who_tries_everything_finds_no_small_count() {
        let limit = 4;
        let mut random = crate::numeric::Random::new(11, 0);
        let mut below = |n: u128| random.below(n) as usize;
        let (mut attacks, mut more, mut given_away) = (0, 0, 0);
        for round in 0..300 {
            let (lines, groups) = (3 + below(2), 3 + below(2));
            let counts: Vec<Vec<u64>> =
                (0..lines).map(|_| (0..groups).map(|_| [0, 1, 2, 3, 5, 7, 9, 12][below(8)]).collect()).collect();
            // The last line is of those who came, the last column of those who left.
            let has_moved = |line: usize, group: usize| line + 1 < lines && group + 1 < groups && line != group;
            let moved: Vec<Vec<bool>> =
                (0..lines).map(|line| (0..groups).map(|group| has_moved(line, group)).collect()).collect();
            let mut told: Vec<Vec<Option<u64>>> =
                counts.iter().map(|line| line.iter().copied().map(Some).collect()).collect();
            if !withhold_moves(&mut told, limit, has_moved) {
                assert!(told.iter().flatten().all(Option::is_none), "{told:?}");
                given_away += 1;
                continue;
            }
            let hidden = told.iter().flatten().filter(|cell| cell.is_none()).count();
            // Larger ones take too long.
            if hidden > 9 {
                continue;
            }
            more += hidden - counts.iter().flatten().filter(|n| **n > 0 && **n < limit).count();
            for (line, group, low, high) in attacked(&counts, &told, &moved) {
                let n = counts[line][group];
                if n > 0 && n < limit {
                    assert!(low < high, "round {round}: {n} at {line}, {group} of {counts:?} follows from {told:?}");
                    attacks += 1;
                }
            }
        }
        assert!(attacks > 200 && more > 50, "{attacks} small counts were attacked, {more} withheld beside them");
        assert!(given_away < 30, "{given_away} of 300 tables are given away by their totals");
    }
}
