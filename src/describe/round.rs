//! Cuts at round numbers.

use std::collections::BTreeSet;

use super::rows::SampledRows;
use super::split::RankCut;
use super::tree::{CutTest, Tree, TreeNode};

/// Digits that are tried even where rows lie between.
const FEW_DIGITS: usize = 3;

/// Where a cut is made between the ranks of some rows: at the roundest number.
pub(super) fn cut_value(sample: &SampledRows, column: usize, cut: RankCut, rows: &[u32]) -> f64 {
    if cut.rank == 0 {
        return f64::NEG_INFINITY;
    }
    let of = &sample.columns[column];
    let known = |row: &&u32| of.ranks[**row as usize] > 0;
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    for &row in rows.iter().filter(known) {
        let value = of.values[row as usize];
        match of.ranks[row as usize] > cut.rank {
            true => high = high.min(value),
            false => low = low.max(value),
        }
    }
    // Without such rows: the values of all rows beside the cut.
    let low = if low.is_finite() { low } else { of.distinct[cut.rank as usize - 1] };
    let high = if high.is_finite() { high } else { of.distinct.get(cut.rank as usize).copied().unwrap_or(low) };
    roundest(low, high, sample.whole[column])
}

/// A number with few digits that is at least `low` and below `high`: the middle, rounded to as few as possible.
fn roundest(low: f64, high: f64, whole: bool) -> f64 {
    if low <= 0.0 && high > 0.0 {
        return 0.0;
    }
    let middle = low / 2.0 + high / 2.0;
    let candidates = (1..=17).map(|digits| rounded(middle, digits, whole));
    candidates.into_iter().find(|value| *value >= low && *value < high).unwrap_or(low)
}

/// A number of so many digits; of whole numbers, the next one below.
fn rounded(value: f64, digits: usize, whole: bool) -> f64 {
    let near: f64 = format!("{value:.*e}", digits - 1).parse().unwrap_or(value);
    if whole { near.floor() } else { near }
}

/// The tree with rounder cuts, where as many rows come to a leaf of their segment, and rows come to as many leaves.
pub(super) fn rounded_cuts(mut tree: Tree, sample: &SampledRows) -> Tree {
    let value = |row: u32| move |column: usize| sample.columns[column].values[row as usize];
    let mut waiting = vec![(0, (0..sample.segments.len() as u32).collect::<Vec<u32>>())];
    while let Some((at, rows)) = waiting.pop() {
        let TreeNode::Branch { cut, .. } = tree.nodes[at] else { continue };
        let told = |tree: &Tree| {
            let (mut right, mut leaves) = (0, BTreeSet::new());
            for &row in &rows {
                let (leaf, segment) = tree.leaf_below(at, value(row));
                right += if segment == sample.segments[row as usize] { sample.weight(row) } else { 0 };
                leaves.insert(leaf);
            }
            (right, leaves.len())
        };
        if let CutTest::Above(exact) = cut.test
            && exact.is_finite()
        {
            let (right, leaves) = told(&tree);
            for digits in 1..=FEW_DIGITS {
                tree.set(at, CutTest::Above(rounded(exact, digits, sample.whole[cut.column])));
                let (now, reached) = told(&tree);
                if now >= right && reached >= leaves {
                    break;
                }
                tree.set(at, cut.test);
            }
        }
        let TreeNode::Branch { cut, below, above } = tree.nodes[at] else { continue };
        let is_above = |row: &u32| cut.is_above(value(*row)(cut.column));
        let (to_above, to_below) = rows.iter().copied().partition::<Vec<u32>, _>(is_above);
        waiting.extend([(below, to_below), (above, to_above)]);
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roundest_number_between_two() {
        assert_eq!(roundest(49_871.2, 50_312.9, false), 50_000.0);
        assert_eq!(roundest(0.0, 12.5, false), 0.0);
        assert_eq!(roundest(-3.0, -1.0, false), -2.0);
        assert_eq!(roundest(1.234, 1.236, false), 1.235);
        assert_eq!(roundest(3.0, 4.0, true), 3.0);
        assert_eq!(roundest(17.0, 18.0, true), 17.0);
        assert_eq!(roundest(0.1, 0.2, false), 0.15);
        assert_eq!(roundest(1e15 + 1.0, 1e15 + 2.0, true), 1e15 + 1.0);
        let next = f64::from_bits(0.3f64.to_bits() + 1);
        assert_eq!(roundest(0.3, next, false), 0.3);
        assert_eq!(roundest(f64::MAX / 2.0, f64::MAX, false), 1e308);
    }
}
