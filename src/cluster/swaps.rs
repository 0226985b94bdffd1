//! A better optimum than that of the best start. A centroid leaves the segment where it is missed least, and goes to a
//! row far from its own centroid; after a few passes, the swap stays if the exact inertia fell. This is local search on
//! the sample (S. Lattanzi and C. Sohler, "A Better k-means++ Algorithm via Local Search", 2019), with trials that are
//! judged after passes rather than at once (T. Conrads, L. Drexler, J. Könen, D. Schmidt and M. Schmidt, "Local Search
//! k-means++ with Foresight", 2024). Trials end by a count of distances, never by time, so that a fit is the same
//! everywhere.

use fearless_simd::Simd;
use rayon::prelude::*;

use super::lloyd::{Converged, Limits, Progress};
use super::nearest::NearestCentroids;
use super::sample::Sample;
use super::seed::{BLOCK, draws};
use crate::backend::{Backend, Centroids, Session, distance2};
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::numeric::Random;
use crate::simd::{Dispatch, Work};
use crate::tiles::Tiles;

/// Rows that a trial chooses from, in turn. The best of several is a good swap; a single one is often another, so that
/// the search does not try the same again and again.
const CANDIDATES: [usize; 2] = [4, 1];
/// Passes that move centroids before a trial is judged; and more of them, if its inertia is above that before the swap
/// by less than one part in `CLOSE`.
const PASSES: u32 = 2;
const MORE_PASSES: u32 = 10;
const CLOSE: u128 = 200;
/// One centroid in so many is swapped at a time; fewer after a trial that failed.
const SWAPPED: usize = 32;
/// The stream of random numbers; starts have those from 0.
const STREAM: u64 = u64::MAX - 1;

/// When the search ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct SwapLimit {
    /// The most trials.
    pub(super) trials: u32,
    /// The most distances that they compute.
    pub(super) distances: u64,
}

/// The sample on which centroids are swapped.
pub(super) struct Swaps<'a> {
    pub(super) sample: &'a Sample,
    pub(super) tiles: &'a Tiles,
    pub(super) starter: &'a dyn Backend,
    /// Of the fit, for the passes after the last swap.
    pub(super) limits: Limits,
    pub(super) seed: u64,
    pub(super) limit: SwapLimit,
    pub(super) watch: Watch<'a>,
}

/// A centroid to be taken away, and the row to which it goes.
struct Swap {
    from: usize,
    row: usize,
    /// The inertia after it, if rows go to the nearest centroids that are left.
    inertia: u128,
}

/// Where the search is.
struct SwapSearch {
    centroids: Centroids,
    inertia: u128,
    /// How many centroids are swapped at a time.
    at_once: usize,
    swapped: usize,
    /// Distances computed.
    spent: u64,
}

impl Swaps<'_> {
    /// The start, or what followed from swaps, converged.
    pub(super) fn improve(&self, start: Converged) -> Result<Converged> {
        let k = start.centroids.k();
        if self.limit.trials == 0 {
            return Ok(start);
        }
        let mut session = self.starter.open(self.tiles, k, self.watch.quiet())?;
        let (centroids, inertia, at_once) = (start.centroids.clone(), start.inertia, self.at_once(k));
        let mut search = SwapSearch { centroids, inertia, at_once, swapped: 0, spent: 0 };
        let tried = self.search(&mut search, session.as_mut())?;
        self.watch.advance(Stage::SampleFit, u64::from(self.limit.trials - tried));
        if search.swapped == 0 {
            return Ok(start);
        }
        let mut progress = Progress::new(search.centroids);
        let better = progress.run(self.tiles, session.as_mut(), self.limits, self.watch.quiet())?;
        let fell = 1.0 - better.inertia as f64 / start.inertia as f64;
        let swapped = search.swapped;
        self.watch
            .note(format!("centroids swapped: {swapped}; the inertia of the sample fell by {:.2} %", 100.0 * fell));
        Ok(Converged { n_iter: better.n_iter.max(start.n_iter), ..better })
    }

    /// Tries swaps. Returns the number of trials.
    fn search(&self, search: &mut SwapSearch, session: &mut dyn Session) -> Result<u32> {
        let (k, rows) = (search.centroids.k(), self.sample.rows() as u64);
        let (mut random, mut nearest) = (Random::new(self.seed, STREAM), None);
        for (trial, candidates) in (0..self.limit.trials).zip(CANDIDATES.into_iter().cycle()) {
            let drawn = candidates * search.at_once;
            let cost = rows * (k as u64 * u64::from(PASSES + 2) + drawn as u64);
            if search.inertia == 0 || search.spent + cost > self.limit.distances {
                return Ok(trial);
            }
            search.spent += cost;
            self.watch.check()?;
            let known = match nearest.take() {
                Some(known) => known,
                None => NearestCentroids::of(session, &search.centroids, true, self.watch)?,
            };
            let swaps = self.chosen(&known, k, (drawn, search.at_once), &mut random);
            let tried = self.tried(search, &swaps, session)?;
            if tried.inertia < search.inertia {
                (search.centroids, search.inertia) = (tried.centroids, tried.inertia);
                search.swapped += swaps.len();
                search.at_once = (2 * search.at_once).min(self.at_once(k));
            } else {
                nearest = Some(known);
                search.at_once = search.at_once.div_ceil(2);
            }
            self.watch.advance(Stage::SampleFit, 1);
        }
        Ok(self.limit.trials)
    }

    /// What a few passes make of some swaps.
    fn tried(&self, search: &mut SwapSearch, swaps: &[Swap], session: &mut dyn Session) -> Result<Converged> {
        let mut next = search.centroids.clone();
        swaps.iter().for_each(|swap| next.set_row(swap.from, self.sample.row(swap.row)));
        let mut moved = |centroids, max_iter| {
            let limits = Limits { max_iter, tol: 0.0 };
            Progress::new(centroids).run(self.tiles, session, limits, self.watch.quiet())
        };
        let tried = moved(next, PASSES)?;
        let cost = u64::from(MORE_PASSES + 1) * (self.sample.rows() * tried.centroids.k()) as u64;
        let is_close = (search.inertia..search.inertia + search.inertia / CLOSE).contains(&tried.inertia);
        if !is_close || search.spent + cost > self.limit.distances {
            return Ok(tried);
        }
        search.spent += cost;
        moved(tried.centroids, MORE_PASSES)
    }

    /// The most centroids that are swapped at a time.
    fn at_once(&self, k: usize) -> usize {
        (k / SWAPPED).max(1)
    }

    /// The best swaps of `drawn` rows, at most `at_once`, which leave each other's segments alone.
    fn chosen(
        &self,
        nearest: &NearestCentroids,
        k: usize,
        (drawn, at_once): (usize, usize),
        random: &mut Random,
    ) -> Vec<Swap> {
        let chance = |i: usize| u128::from(self.sample.weight(i)) * u128::from(nearest.distance2[i]);
        let chances: Vec<u128> = (0..self.sample.rows()).map(chance).collect();
        let rows = draws(&chances, drawn, random);
        let mut swaps: Vec<Swap> = rows.into_iter().filter_map(|row| self.swap_to(row, nearest, k)).collect();
        swaps.sort_by_key(|swap| (swap.inertia, swap.row));
        let mut touched = vec![false; k];
        // Where rows are alike, two swaps can be to the same row.
        swaps.retain(|swap| {
            let here = [swap.from, nearest.labels[swap.row] as usize];
            let is_free = here.iter().all(|&segment| !touched[segment]);
            here.iter().for_each(|&segment| touched[segment] |= is_free);
            is_free
        });
        swaps.truncate(at_once);
        swaps
    }

    /// The best swap to a row.
    fn swap_to(&self, row: usize, nearest: &NearestCentroids, k: usize) -> Option<Swap> {
        let (kept, missed) = self.costs(self.sample.row(row), nearest, k);
        let (from, least) = missed.into_iter().enumerate().min_by_key(|(from, missed)| (*missed, *from))?;
        Some(Swap { from, row, inertia: kept + least })
    }

    /// The inertia with one more centroid, and by how much it would rise without each of the others.
    fn costs(&self, candidate: &[i32], nearest: &NearestCentroids, k: usize) -> (u128, Vec<u128>) {
        let simd = Dispatch::default();
        let of_block = |(b, labels): (usize, &[u32])| {
            let rows = b * BLOCK..b * BLOCK + labels.len();
            simd.run(Costs {
                rows: &self.sample.values[rows.start * self.sample.dim..],
                weights: self.sample.weights.as_ref().map(|weights| &weights[rows.clone()]),
                labels,
                distances: [&nearest.distance2[rows.clone()], &nearest.second2[rows]],
                candidate,
                k,
            })
        };
        let blocks = nearest.labels.par_chunks(BLOCK).enumerate().map(of_block);
        blocks.reduce(
            || (0, vec![0; k]),
            |(kept, mut missed), (more, more_missed)| {
                missed.iter_mut().zip(more_missed).for_each(|(a, b)| *a += b);
                (kept + more, missed)
            },
        )
    }
}

/// The costs of some rows.
struct Costs<'a> {
    rows: &'a [i32],
    weights: Option<&'a [u32]>,
    labels: &'a [u32],
    /// To the nearest and the second-nearest centroid.
    distances: [&'a [u64]; 2],
    candidate: &'a [i32],
    k: usize,
}

impl Work for Costs<'_> {
    type Output = (u128, Vec<u128>);

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> (u128, Vec<u128>) {
        let (mut kept, mut missed) = (0u128, vec![0u128; self.k]);
        let [nearest, second] = self.distances;
        for (i, row) in self.rows.chunks_exact(self.candidate.len()).take(self.labels.len()).enumerate() {
            let weight = u128::from(self.weights.map_or(1, |weights| weights[i]));
            let there = distance2(row, self.candidate);
            let here = nearest[i].min(there);
            kept += weight * u128::from(here);
            missed[self.labels[i] as usize] += weight * u128::from(second[i].min(there) - here);
        }
        (kept, missed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::backend::cpu::Cpu;
    use crate::backend::reference::Reference;
    use crate::cluster::sample::sample;

    /// Searches on all rows, with so many distances to spend.
    fn improved(
        rows: &[i32],
        dim: usize,
        weights: Option<Vec<u32>>,
        start: &[i32],
        (starter, distances): (&dyn Backend, u64),
    ) -> (u128, Converged) {
        let tiles = Tiles::from_rows(dim, rows, weights, 256).unwrap();
        let sample = sample(&tiles, 1, tiles.rows(), Watch::none()).unwrap();
        let (limits, tiles, watch) = (Limits { max_iter: 100, tol: 0.0 }, &sample.tiles().unwrap(), Watch::none());
        let start = Centroids::new(dim, start.to_vec()).unwrap();
        let mut session = starter.open(tiles, start.k(), watch).unwrap();
        let start = Progress::new(start).run(tiles, session.as_mut(), limits, watch).unwrap();
        let before = start.inertia;
        let limit = SwapLimit { trials: 50, distances };
        let swaps = Swaps { sample: &sample, tiles, starter, limits, seed: 1, limit, watch };
        (before, swaps.improve(start).unwrap())
    }

    /// Three groups on a line.
    fn groups() -> Vec<i32> {
        (0..3000i64).map(|i| (i % 3 * 10_000 + i * 7919 % 1000) as i32).collect()
    }

    #[test]
    fn a_centroid_leaves_a_group_that_has_two() {
        let cpu = Cpu::new(None).unwrap();
        let start = [100, 900, 15_000];
        let (before, found) = improved(&groups(), 1, None, &start, (&cpu, u64::MAX));
        let mut centroids: Vec<i32> = found.centroids.iter().map(|c| c[0]).collect();
        centroids.sort_unstable();
        assert!(centroids.iter().zip([500, 10_500, 20_500]).all(|(c, near)| (c - near).abs() < 100), "{centroids:?}");
        assert!(found.inertia < before / 50);
        let (_, same) = improved(&groups(), 1, None, &start, (&Reference, u64::MAX));
        assert_eq!((same.centroids, same.inertia), (found.centroids.clone(), found.inertia));
        let good: Vec<i32> = found.centroids.iter().flatten().copied().collect();
        let (_, again) = improved(&groups(), 1, None, &good, (&cpu, u64::MAX));
        assert_eq!(again.centroids, found.centroids, "a good start stays");
    }

    #[test]
    fn without_distances_to_spend_a_start_stays() {
        let cpu = Cpu::new(None).unwrap();
        let (before, found) = improved(&groups(), 1, None, &[100, 900, 15_000], (&cpu, 1000));
        assert_eq!(found.inertia, before);
    }

    #[test]
    fn rows_on_their_centroids_need_no_search() {
        let cpu = Cpu::new(None).unwrap();
        let (_, found) = improved(&[5, 5, 5, 9], 1, None, &[5, 9], (&cpu, u64::MAX));
        assert_eq!(found.inertia, 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn costs_are_those_of_all_rows(
            rows in prop::collection::vec((-900i32..900, -900i32..900, 0u32..4), 1..80),
            centroids in prop::collection::vec((-900i32..900, -900i32..900), 2..6),
            at in any::<prop::sample::Index>(),
        ) {
            let values: Vec<i32> = rows.iter().flat_map(|(x, y, _)| [*x, *y]).collect();
            let weights: Vec<u32> = rows.iter().map(|(_, _, w)| *w + u32::from(*w == 0)).collect();
            let k = centroids.len();
            let centroids = Centroids::new(2, centroids.iter().flat_map(|(x, y)| [*x, *y]).collect()).unwrap();
            let tiles = Tiles::from_rows(2, &values, Some(weights.clone()), 256).unwrap();
            let sample = sample(&tiles, 1, tiles.rows(), Watch::none()).unwrap();
            let mut session = Reference.open(&tiles, k, Watch::none()).unwrap();
            let nearest = NearestCentroids::of(session.as_mut(), &centroids, true, Watch::none()).unwrap();
            let limits = Limits::default();
            let (tiles, starter, watch) = (&tiles, &Reference, Watch::none());
            let limit = SwapLimit { trials: 1, distances: 1 };
            let swaps = Swaps { sample: &sample, tiles, starter, limits, seed: 1, limit, watch };
            let row = at.index(rows.len());
            let swap = swaps.swap_to(row, &nearest, k).unwrap();
            let inertia_without = |from: usize| {
                let mut next = centroids.clone();
                next.set_row(from, sample.row(row));
                let of_row = |i: usize| {
                    let least = next.iter().map(|c| distance2(sample.row(i), c)).min().unwrap();
                    u128::from(weights[i]) * u128::from(least)
                };
                (0..rows.len()).map(of_row).sum::<u128>()
            };
            let all: Vec<u128> = (0..k).map(inertia_without).collect();
            prop_assert_eq!(all[swap.from], swap.inertia);
            prop_assert_eq!(all.iter().min(), Some(&swap.inertia));
        }
    }
}
