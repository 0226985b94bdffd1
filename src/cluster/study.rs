//! A sample on which fits are repeated: with other seeds, of resampled rows, of halves, of data without segments.

use rayon::prelude::*;

use super::effort::Effort;
use super::kmeans::{Init, KMeans};
use super::lloyd::Converged;
use super::nearest::NearestCentroids;
use super::repair::distinct_rows;
use super::sample::{Sample, sample};
use super::swaps::SwapLimit;
use crate::backend::{Backend, Centroids};
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::numeric::{Contingency, mix};
use crate::tiles::Tiles;

/// A repeated fit may swap centroids as long as a fit of so many times its rows: some ten trials with many segments,
/// where badly converged fits would look like unstable segments.
const EFFORT: u64 = 16;

/// Rows in memory, and how they are fitted.
pub(crate) struct Study<'a> {
    pub(super) sample: Sample,
    tiles: Tiles,
    /// The most trials of swaps in a fit, if few are to do.
    trials: Option<u32>,
    starter: &'a dyn Backend,
    pub(super) watch: Watch<'a>,
}

/// What fits with other seeds found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SeedsFound {
    /// By seed: the adjusted Rand index of its segments and those of the result, on the sample.
    pub(crate) adjusted_rand: Vec<f64>,
    /// By seed: the logarithm of the mean squared distance to a centroid; None if that is 0.
    pub(super) log_within: Vec<Option<f64>>,
}

impl<'a> Study<'a> {
    /// About `rows` rows of `tiles`.
    ///
    /// # Errors
    /// An interruption, or an I/O error on the scratch file.
    pub(crate) fn of(
        tiles: &Tiles,
        seed: u64,
        rows: u64,
        starter: &'a dyn Backend,
        watch: Watch<'a>,
    ) -> Result<Study<'a>> {
        let sample = sample(tiles, seed, rows, watch)?;
        let tiles = sample.tiles()?;
        Ok(Study { sample, tiles, trials: None, starter, watch })
    }

    /// The same with at most so many trials of swaps in a fit.
    pub(crate) fn with_trials(self, trials: u32) -> Self {
        Study { trials: Some(trials), ..self }
    }

    /// Rows of the sample.
    pub(crate) fn rows(&self) -> u64 {
        self.tiles.rows()
    }

    /// The result of one start on some rows; None if too few of them are distinct.
    pub(super) fn refit(&self, kmeans: &KMeans, rows: &Sample, seed: u64) -> Result<Option<Converged>> {
        let (quiet, effort) = (self.watch.quiet(), kmeans.effort.max(Effort::Normal));
        quiet.check()?;
        // Starts are drawn, wherever those of the fit came from.
        let once = KMeans { n_init: 1, init: Init::PlusPlus, seed, effort, ..kmeans.clone() };
        let tiles = rows.tiles()?;
        if distinct_rows(&tiles, kmeans.k, quiet)?.len() < kmeans.k {
            return Ok(None);
        }
        let starts = once.seeds(&tiles, rows, quiet)?;
        let limit = match self.trials {
            Some(trials) => SwapLimit { trials, distances: u64::MAX },
            None => once.swap_limit(tiles.rows() * EFFORT, rows),
        };
        let (best, _) = once.best_start(starts, rows, (limit, self.starter), quiet)?;
        self.watch.advance(Stage::Stability, 1);
        Ok(Some(best))
    }

    /// The label of every row of the sample.
    pub(super) fn labels(&self, centroids: &Centroids) -> Result<Vec<u32>> {
        self.labels_of(&self.tiles, centroids)
    }

    /// The label of every row of some tiles.
    pub(super) fn labels_of(&self, tiles: &Tiles, centroids: &Centroids) -> Result<Vec<u32>> {
        let mut session = self.starter.open(tiles, centroids.k(), self.watch.quiet())?;
        Ok(NearestCentroids::of(session.as_mut(), centroids, false, self.watch)?.labels)
    }

    /// How far fits with other seeds agree with `centroids`, a result of `kmeans`.
    ///
    /// # Errors
    /// An interruption, or too little memory.
    pub(crate) fn seeds(&self, kmeans: &KMeans, centroids: &Centroids, seeds: u32) -> Result<SeedsFound> {
        let result = self.labels(centroids)?;
        let one = |n: u32| {
            let seed = mix(kmeans.seed ^ 0x5345_4544) ^ u64::from(n);
            let Some(fit) = self.refit(kmeans, &self.sample, seed)? else { return Ok(None) };
            let mut counts = Contingency::new(kmeans.k, kmeans.k);
            counts.push(&result, &self.labels(&fit.centroids)?);
            Ok::<_, crate::Error>(Some((counts.adjusted_rand(), self.sample.log_within(&fit))))
        };
        let found: Vec<Option<(f64, Option<f64>)>> = (0..seeds).into_par_iter().map(one).collect::<Result<_>>()?;
        let (adjusted_rand, log_within) = found.into_iter().flatten().unzip();
        Ok(SeedsFound { adjusted_rand, log_within })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::Cpu;
    use crate::backend::reference::Reference;
    use crate::cluster::Limits;

    fn kmeans(k: usize) -> KMeans {
        let (init, effort, limits) = (Init::PlusPlus, Effort::Normal, Limits { max_iter: 100, tol: 0.0 });
        KMeans { k, n_init: 2, init, effort, limits, seed: 5 }
    }

    /// By number of segments: the least agreement of seeds, prediction strength, and gap, of three groups of rows.
    fn of_three_groups(starter: &dyn Backend, k: usize) -> (f64, f64, f64) {
        let noise = |i: u64| (mix(i) % 1000) as i32;
        let values: Vec<i32> = (0..900u64)
            .flat_map(|i| [(i % 3) as i32 * 9000 + noise(i), noise(i + 7777) - (i % 3 / 2) as i32 * 5000])
            .collect();
        let tiles = Tiles::from_rows(2, &values, None, 256).unwrap();
        let study = Study::of(&tiles, 1, 600, starter, Watch::none()).unwrap().with_trials(10);
        assert!((500..700).contains(&study.rows()), "{}", study.rows());
        let references = study.references(1, 8).unwrap();
        let fit = study.refit(&kmeans(k), &study.sample, 3).unwrap().unwrap();
        let seeds = study.seeds(&kmeans(k), &fit.centroids, 4).unwrap();
        let strength = study.prediction_strength(&kmeans(k), 6).unwrap().unwrap();
        let gap = study.gap(&kmeans(k), &references, &seeds).unwrap().unwrap();
        assert!(gap.error > 0.0 && gap.error < 0.1, "{gap:?}");
        (seeds.adjusted_rand.iter().copied().fold(1.0, f64::min), strength, gap.gap)
    }

    #[test]
    fn three_groups_are_found_by_all() {
        let cpu = Cpu::new(None).unwrap();
        let found: Vec<(f64, f64, f64)> = (1..5).map(|k| of_three_groups(&cpu, k)).collect();
        assert_eq!((found[2].0, found[2].1), (1.0, 1.0));
        assert!(found[3].1 < 0.8, "{found:?}");
        assert!(found[2].2 > found[1].2 && found[2].2 > found[3].2 && found[1].2 > found[0].2, "{found:?}");
        assert_eq!(of_three_groups(&Reference, 3), found[2]);
    }

    #[test]
    fn logarithms_of_distances_below_a_grid_step() {
        // Of 4000 rows, 1000 are a grid step from their centroid, and 3000 on it: a mean of 1/4.
        let values: Vec<i32> = (0..4000).map(|i| i32::from(i % 4 == 0)).collect();
        let tiles = Tiles::from_rows(1, &values, None, 256).unwrap();
        let study = Study::of(&tiles, 1, 4000, &Reference, Watch::none()).unwrap();
        let seeds = study.seeds(&kmeans(1), &Centroids::new(1, vec![0]).unwrap(), 1).unwrap();
        assert!((seeds.log_within[0].unwrap() - 0.25f64.ln()).abs() < 1e-12, "{:?}", seeds.log_within);
    }

    #[test]
    fn identical_rows_have_no_gap_and_no_strength() {
        let tiles = Tiles::from_rows(1, &[7; 500], None, 256).unwrap();
        let study = Study::of(&tiles, 1, 600, &Reference, Watch::none()).unwrap();
        let centroids = Centroids::new(1, vec![7]).unwrap();
        let seeds = study.seeds(&kmeans(1), &centroids, 3).unwrap();
        assert_eq!((seeds.adjusted_rand, &seeds.log_within), (vec![1.0; 3], &vec![None; 3]));
        let seeds = study.seeds(&kmeans(1), &centroids, 3).unwrap();
        assert_eq!(study.gap(&kmeans(1), &study.references(1, 4).unwrap(), &seeds).unwrap(), None);
        assert_eq!(study.prediction_strength(&kmeans(2), 3).unwrap(), None);
    }
}
