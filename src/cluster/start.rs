//! The centroids with which the passes over all rows begin: the best of several starts, found on a sample.

use super::kmeans::{Fit, Init, KMeans};
use super::lloyd::{Converged, Progress};
use super::nearest::NearestCentroids;
use super::repair::{distinct_rows, too_few};
use super::sample::{Sample, sample, sample_tiles};
use super::second_look::SecondLook;
use super::seed::{at_random, plus_plus};
use super::swaps::{SwapLimit, Swaps};
use super::trust::{FitOrigin, StartFound};
use crate::backend::{Backend, Centroids, Session};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::numeric::{Contingency, Random};
use crate::tiles::Tiles;

/// Rows per segment of the sample on which starts converge, and its least and most rows.
const SAMPLE_ROWS_A_SEGMENT: u64 = 256;
const SAMPLE_ROWS: (u64, u64) = (1 << 16, 1 << 20);
/// Rows per segment on which starts are seeded, and the least. Seeding is exact and costs rows x k x ln k.
const SEED_ROWS_A_SEGMENT: usize = 32;
const SEED_ROWS: usize = 1 << 13;

/// Rows of the sample for `k` segments, if there are that many.
pub(crate) fn sample_rows(k: usize) -> u64 {
    (SAMPLE_ROWS_A_SEGMENT * k as u64).clamp(SAMPLE_ROWS.0, SAMPLE_ROWS.1)
}

/// Values in the largest of the larger samples: 64 MiB.
const LARGER_SAMPLE_VALUES: u64 = 1 << 24;
/// A start that needed at least this many passes over one sample continues on the next, larger one.
const SLOW: u32 = 16;

/// Usual passes over all rows, and over the sample for each start.
const USUAL_PASSES: u64 = 10;
const SAMPLE_PASSES: u64 = 20;
/// Swaps may compute so many tenths of the distances that a fit usually computes, which takes a tenth to a fifth of its
/// time, since few rows change their segments; but at least so many products, some 50 ms.
const SWAPS_TENTHS: u64 = 3;
const LEAST_PRODUCTS: u64 = 1 << 29;

/// Rows of the larger samples, on which the best start continues before it sees all rows: each four times the previous
/// one, as long as that is a small part of all rows. The error of a centroid halves from one to the next, and so does
/// the work left for the most expensive passes.
pub fn larger_samples(rows: u64, dim: usize, k: usize) -> Vec<u64> {
    let most = (LARGER_SAMPLE_VALUES / dim as u64).min(rows / 8);
    std::iter::successors(Some(4 * sample_rows(k)), |n| Some(4 * n)).take_while(|&n| n <= most).collect()
}

impl KMeans {
    /// A fit with a shorter search for a better optimum, as of a table of no more rows than the sample.
    ///
    /// # Errors
    /// As for [`fit`](KMeans::fit).
    pub(crate) fn fit_briefly<'a>(
        &self,
        tiles: &'a Tiles,
        (backend, starter): (&'a dyn Backend, &dyn Backend),
        recover: &dyn Fn(&Error) -> Option<&'a dyn Backend>,
        watch: Watch<'_>,
    ) -> Result<(Fit, Box<dyn Session + 'a>)> {
        self.check(tiles)?;
        let rows = tiles.rows().min(sample_rows(self.k));
        let (start, _) = self.start(tiles, rows, starter, watch)?;
        let given = KMeans { init: Init::Given(start), ..self.clone() };
        given.fit_kept(tiles, (backend, starter), recover, None, watch)
    }

    /// The best start: seeded and converged on the sample, and improved by swaps as long as a fit of `rows` rows may.
    pub(super) fn start(
        &self,
        tiles: &Tiles,
        rows: u64,
        starter: &dyn Backend,
        watch: Watch<'_>,
    ) -> Result<(Centroids, FitOrigin)> {
        let wanted = sample_rows(self.k);
        let (sample, starts) = watch.stage(Stage::Seed, u64::from(self.n_init), "starts", || {
            let sample = sample(tiles, self.seed, wanted, watch)?;
            let starts = self.seeds(tiles, &sample, watch)?;
            Ok((sample, starts))
        })?;
        if sample.rows() == 0 {
            let centroids = starts.into_iter().next().ok_or_else(|| Error::Internal("no start".into()))?;
            return Ok((centroids, FitOrigin::default()));
        }
        let sample_rows = sample.rows() as u64;
        let larger = larger_samples(tiles.rows(), tiles.dim(), self.k);
        let limit = self.swap_limit(rows, &sample);
        let fits = (starts.len() + larger.len()) as u64 + u64::from(limit.trials);
        let (centroids, starts) = watch.stage(Stage::SampleFit, fits, "fits", || {
            let (best, starts) = self.best_start(starts, &sample, (limit, starter), watch)?;
            let best = self.on_larger(best, &larger, (tiles, starter), watch)?;
            if self.init != Init::PlusPlus || self.k == 1 {
                return Ok((best.centroids, starts));
            }
            let look = SecondLook { tiles, starter, limits: self.limits, seed: self.seed, watch };
            Ok((look.improve(best.centroids, sample)?, starts))
        })?;
        Ok((centroids, FitOrigin { sample_rows, starts }))
    }

    /// What swaps within `limit` make of the best start, after convergence on the sample, and how far the starts agree
    /// with it.
    pub(super) fn best_start(
        &self,
        starts: Vec<Centroids>,
        sample: &Sample,
        (limit, starter): (SwapLimit, &dyn Backend),
        watch: Watch<'_>,
    ) -> Result<(Converged, Vec<StartFound>)> {
        let tiles = sample.tiles()?;
        let converged = |start| {
            let fit = self.converge(start, &tiles, starter, watch)?;
            watch.advance(Stage::SampleFit, 1);
            Ok(fit)
        };
        let fits: Vec<Converged> = starts.into_iter().map(converged).collect::<Result<_>>()?;
        let best = fits.iter().min_by_key(|fit| fit.inertia).cloned();
        let best = best.ok_or_else(|| Error::usage("n-init must be at least 1".into()).of_option("--n-init"))?;
        let (limits, seed, tiles) = (self.limits, self.seed, &tiles);
        let best = Swaps { sample, tiles, starter, limits, seed, limit, watch }.improve(best)?;
        let found = self.found(&fits, &best, (tiles, starter), watch)?;
        Ok((best, found))
    }

    /// How far starts agree with the result; nothing of a single one.
    fn found(
        &self,
        fits: &[Converged],
        best: &Converged,
        (tiles, starter): (&Tiles, &dyn Backend),
        watch: Watch<'_>,
    ) -> Result<Vec<StartFound>> {
        if fits.len() < 2 {
            return Ok(Vec::new());
        }
        let mut session = starter.open(tiles, self.k, watch.quiet())?;
        let mut label = |fit: &Converged| NearestCentroids::of(session.as_mut(), &fit.centroids, false, watch);
        let result = label(best)?.labels;
        let found = |fit: &Converged| {
            let mut counts = Contingency::new(self.k, self.k);
            counts.push(&result, &label(fit)?.labels);
            let ratio = fit.inertia.max(1) as f64 / best.inertia.max(1) as f64;
            Ok(StartFound { inertia: ratio, adjusted_rand: counts.adjusted_rand() })
        };
        fits.iter().map(found).collect()
    }

    /// How long a fit of so many rows may swap centroids on the sample. Random starts are compared as they are.
    pub(super) fn swap_limit(&self, rows: u64, sample: &Sample) -> SwapLimit {
        let (k, sampled) = (self.k as u64, sample.rows() as u64);
        let passes =
            (USUAL_PASSES * rows).saturating_add(SAMPLE_PASSES.saturating_mul(u64::from(self.n_init)) * sampled);
        let job = passes.saturating_mul(k);
        let least = LEAST_PRODUCTS / sample.dim as u64;
        let trials = if self.init == Init::PlusPlus && self.k > 1 { self.effort.trials() } else { 0 };
        SwapLimit { trials, distances: self.effort.factor().saturating_mul(least.max(job / 10 * SWAPS_TENTHS)) }
    }

    /// The best start, continued on larger samples while it is far from converged.
    fn on_larger(
        &self,
        mut best: Converged,
        larger: &[u64],
        (tiles, starter): (&Tiles, &dyn Backend),
        watch: Watch<'_>,
    ) -> Result<Converged> {
        for &wanted in larger {
            if best.n_iter >= SLOW {
                let subset = sample_tiles(tiles, self.seed, wanted, watch)?;
                watch.note(format!(
                    "{} passes over the sample: the start continues on {} rows",
                    best.n_iter,
                    subset.rows()
                ));
                best = self.converge(best.centroids, &subset, starter, watch)?;
            }
            watch.advance(Stage::SampleFit, 1);
        }
        Ok(best)
    }

    /// Lloyd's iteration over a sample.
    fn converge(&self, start: Centroids, tiles: &Tiles, backend: &dyn Backend, watch: Watch<'_>) -> Result<Converged> {
        let mut session = backend.open(tiles, self.k, watch.quiet())?;
        Progress::new(start).run(tiles, session.as_mut(), self.limits, watch.quiet())
    }

    pub(super) fn seeds(&self, tiles: &Tiles, sample: &Sample, watch: Watch<'_>) -> Result<Vec<Centroids>> {
        let few = sample.thinned(SEED_ROWS.max(SEED_ROWS_A_SEGMENT * self.k));
        let mut starts = Vec::new();
        for start in 0..self.n_init {
            let mut random = Random::new(self.seed, u64::from(start));
            let seeded = |from: &Sample, random: &mut Random| match self.init {
                Init::Random => Ok(at_random(from, self.k, random)),
                _ => plus_plus(from, self.k, random, watch),
            };
            let mut rows = seeded(&few, &mut random)?;
            let mut from = &few;
            if rows.len() < self.k && few.rows() < sample.rows() {
                (rows, from) = (seeded(sample, &mut random)?, sample);
            }
            starts.push(if rows.len() == self.k {
                from.centroids(&rows)?
            } else {
                // The sample has too few distinct rows: use any distinct rows.
                let distinct = distinct_rows(tiles, self.k, watch)?;
                if distinct.len() < self.k {
                    return Err(too_few(self.k, distinct.len()));
                }
                Centroids::new(tiles.dim(), distinct.concat())?
            });
            watch.advance(Stage::Seed, 1);
        }
        Ok(starts)
    }
}
