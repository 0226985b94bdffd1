//! Starting centroids: greedy k-means++, or random rows. All arithmetic is integer, so the choice is the same
//! everywhere.

use fearless_simd::Simd;
use rayon::prelude::*;

use super::sample::Sample;
use crate::backend::distance2;
use crate::error::Result;
use crate::event::Watch;
use crate::numeric::Random;
use crate::simd::{Dispatch, Work};

/// Sample rows per task.
pub(super) const BLOCK: usize = 2048;

/// Greedy k-means++ (Arthur and Vassilvitskii 2007, with the `2 + ln k` trials per step of their reference code, like
/// scikit-learn): positions of up to `k` rows of `sample`, fewer if it has fewer distinct rows of positive weight.
pub(super) fn plus_plus(sample: &Sample, k: usize, random: &mut Random, watch: Watch<'_>) -> Result<Vec<usize>> {
    let trials = 2 + k.ilog2() as usize * 7 / 10; // ln 2 = 0.69
    let weights: Vec<u128> = (0..sample.rows()).map(|i| u128::from(sample.weight(i))).collect();
    let Some(&first) = draws(&weights, 1, random).first() else { return Ok(Vec::new()) };
    let mut chosen = vec![first];
    let mut nearest = vec![u64::MAX; sample.rows()];
    lower(sample, first, &mut nearest);
    while chosen.len() < k {
        watch.check()?;
        let chances: Vec<u128> =
            (0..sample.rows()).map(|i| u128::from(sample.weight(i)) * u128::from(nearest[i])).collect();
        let drawn = draws(&chances, trials, random);
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

/// Up to `k` distinct rows of `sample`, drawn uniformly.
pub(super) fn at_random(sample: &Sample, k: usize, random: &mut Random) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sample.rows()).collect();
    let mut seen = std::collections::HashSet::new();
    let mut chosen = Vec::with_capacity(k);
    // A partial Fisher-Yates shuffle.
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

/// `n` positions, drawn one after another with probabilities proportional to `chances`; none if all are zero.
pub(super) fn draws(chances: &[u128], n: usize, random: &mut Random) -> Vec<usize> {
    let mut total = 0;
    let before = |&chance: &u128| {
        total += chance;
        total
    };
    let sums: Vec<u128> = chances.iter().map(before).collect();
    let n = if total == 0 { 0 } else { n };
    (0..n).map(|_| random.below(total)).map(|at| sums.partition_point(|&sum| sum <= at)).collect()
}

/// Lowers the distances to the nearest centroid by a new centroid.
fn lower(sample: &Sample, centroid: usize, nearest: &mut [u64]) {
    let (simd, centroid) = (Dispatch::default(), sample.row(centroid));
    nearest.par_chunks_mut(BLOCK).enumerate().for_each(|(b, nearest)| {
        simd.run(Lower { rows: &sample.values[b * BLOCK * sample.dim..], centroid, nearest });
    });
}

/// Lowers the distances of some rows to the nearest centroid.
struct Lower<'a> {
    rows: &'a [i32],
    centroid: &'a [i32],
    nearest: &'a mut [u64],
}

impl Work for Lower<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) {
        for (d, row) in self.nearest.iter_mut().zip(self.rows.chunks_exact(self.centroid.len())) {
            *d = (*d).min(distance2(row, self.centroid));
        }
    }
}

/// The weighted sum of squared distances after adding each of the candidates.
pub(super) fn potentials(sample: &Sample, nearest: &[u64], candidates: &[usize]) -> Vec<u128> {
    let (simd, candidates) = (Dispatch::default(), candidates.iter().map(|&i| sample.row(i)).collect::<Vec<_>>());
    let none = || vec![0u128; candidates.len()];
    nearest
        .par_chunks(BLOCK)
        .enumerate()
        .map(|(b, nearest)| {
            let first = b * BLOCK;
            let rows = &sample.values[first * sample.dim..];
            let weights = sample.weights.as_ref().map(|w| &w[first..]);
            simd.run(Potentials { rows, weights, nearest, candidates: &candidates })
        })
        .reduce(none, |mut a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        })
}

/// The potentials of some rows.
struct Potentials<'a> {
    rows: &'a [i32],
    weights: Option<&'a [u32]>,
    nearest: &'a [u64],
    candidates: &'a [&'a [i32]],
}

impl Work for Potentials<'_> {
    type Output = Vec<u128>;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> Vec<u128> {
        let mut sums = vec![0u128; self.candidates.len()];
        let dim = self.candidates.first().map_or(1, |c| c.len());
        for (i, (&d, row)) in self.nearest.iter().zip(self.rows.chunks_exact(dim)).enumerate() {
            let weight = u128::from(self.weights.map_or(1, |w| w[i]));
            for (sum, candidate) in sums.iter_mut().zip(self.candidates) {
                *sum += weight * u128::from(d.min(distance2(row, candidate)));
            }
        }
        sums
    }
}
