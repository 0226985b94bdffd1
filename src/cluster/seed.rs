//! Starting centroids: greedy k-means++, or rows at random. All arithmetic is integer, so the choice is the same
//! everywhere.

use rayon::prelude::*;

use super::random::Random;
use super::sample::Sample;
use crate::backend::distance2;
use crate::error::Result;
use crate::event::Watch;

/// Rows of a sample worked on by one task.
const BLOCK: usize = 2048;

/// Greedy k-means++ (Arthur and Vassilvitskii 2007, with the `2 + ln k` trials a step of their reference code, as
/// scikit-learn): positions of up to `k` rows of `sample`, fewer if it has fewer distinct rows of positive weight.
pub(super) fn plus_plus(sample: &Sample, k: usize, random: &mut Random, watch: Watch<'_>) -> Result<Vec<usize>> {
    let trials = 2 + k.ilog2() as usize * 7 / 10; // ln 2 = 0.69
    let weights: Vec<u128> = (0..sample.rows()).map(|i| u128::from(sample.weight(i))).collect();
    let Some(first) = draw(&weights, random) else { return Ok(Vec::new()) };
    let mut chosen = vec![first];
    let mut nearest = vec![u64::MAX; sample.rows()];
    lower(sample, first, &mut nearest);
    while chosen.len() < k {
        watch.check()?;
        let chances: Vec<u128> =
            (0..sample.rows()).map(|i| u128::from(sample.weight(i)) * u128::from(nearest[i])).collect();
        let drawn: Vec<usize> = (0..trials).map_while(|_| draw(&chances, random)).collect();
        if drawn.is_empty() {
            break;
        }
        let potentials = potentials(sample, &nearest, &drawn);
        let (_, best) =
            potentials.iter().zip(&drawn).min_by_key(|(potential, _)| **potential).unwrap_or((&0, &drawn[0]));
        lower(sample, *best, &mut nearest);
        chosen.push(*best);
    }
    Ok(chosen)
}

/// Up to `k` rows of `sample` with different values, drawn evenly.
pub(super) fn at_random(sample: &Sample, k: usize, random: &mut Random) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sample.rows()).collect();
    let mut seen = std::collections::HashSet::new();
    let mut chosen = Vec::with_capacity(k);
    // A Fisher-Yates shuffle, as far as it is needed.
    for i in 0..order.len() {
        if chosen.len() == k {
            break;
        }
        let j = i + random.below((order.len() - i) as u128) as usize;
        order.swap(i, j);
        if seen.insert(sample.row(order[i])) {
            chosen.push(order[i]);
        }
    }
    chosen
}

/// A position drawn with the given chances; None if all are zero.
fn draw(chances: &[u128], random: &mut Random) -> Option<usize> {
    let total: u128 = chances.iter().sum();
    if total == 0 {
        return None;
    }
    let mut left = random.below(total);
    chances.iter().position(|&chance| {
        let here = left < chance;
        left = left.saturating_sub(chance);
        here
    })
}

/// Takes a new centroid into account.
fn lower(sample: &Sample, centroid: usize, nearest: &mut [u64]) {
    let centroid = sample.row(centroid);
    nearest.par_chunks_mut(BLOCK).enumerate().for_each(|(b, nearest)| {
        for (i, d) in nearest.iter_mut().enumerate() {
            *d = (*d).min(distance2(sample.row(b * BLOCK + i), centroid));
        }
    });
}

/// What the weighted sum of squared distances would be with each of the candidates.
fn potentials(sample: &Sample, nearest: &[u64], candidates: &[usize]) -> Vec<u128> {
    let none = || vec![0u128; candidates.len()];
    nearest
        .par_chunks(BLOCK)
        .enumerate()
        .map(|(b, nearest)| {
            let mut sums = none();
            for (i, &d) in nearest.iter().enumerate() {
                let i = b * BLOCK + i;
                let weight = u128::from(sample.weight(i));
                for (sum, &candidate) in sums.iter_mut().zip(candidates) {
                    *sum += weight * u128::from(d.min(distance2(sample.row(i), sample.row(candidate))));
                }
            }
            sums
        })
        .reduce(none, |mut a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        })
}
