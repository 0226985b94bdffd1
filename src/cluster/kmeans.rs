//! k-means: seeded and converged on a sample, refined by passes over all rows.

use super::lloyd::{Converged, Limits, Progress, Stop};
use super::repair::{distinct_rows, too_few};
use super::sample::{Sample, sample, sample_tiles};
use super::second_look::SecondLook;
use super::seed::{at_random, plus_plus};
use super::state::{FitKeeper, FitState};
use crate::backend::{Backend, Centroids, MAX_K, Session};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::numeric::Random;
use crate::tiles::Tiles;

/// Rows per segment of the sample on which starts converge, and its least and most rows.
const SAMPLE_ROWS_A_SEGMENT: u64 = 256;
const SAMPLE_ROWS: (u64, u64) = (1 << 16, 1 << 20);
/// Rows per segment on which starts are seeded, and the least. Seeding is exact and costs rows x k x ln k.
const SEED_ROWS_A_SEGMENT: usize = 32;
const SEED_ROWS: usize = 1 << 13;

/// The starting centroids.
#[derive(Debug, Clone, PartialEq)]
pub enum Init {
    /// Greedy k-means++ on the sample.
    PlusPlus,
    /// Random rows of the sample.
    Random,
    /// These centroids; no sample is taken.
    Given(Centroids),
}

/// Parameters of a fit.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeans {
    /// Segments.
    pub k: usize,
    /// Starts to converge on the sample.
    pub n_init: u32,
    /// The starting centroids.
    pub init: Init,
    /// When to stop.
    pub limits: Limits,
    /// Determines everything that is drawn at random.
    pub seed: u64,
}

/// Rows of the sample for `k` segments, if there are that many.
pub(crate) fn sample_rows(k: usize) -> u64 {
    (SAMPLE_ROWS_A_SEGMENT * k as u64).clamp(SAMPLE_ROWS.0, SAMPLE_ROWS.1)
}

/// Values in the largest of the larger samples: 64 MiB.
const LARGER_SAMPLE_VALUES: u64 = 1 << 24;
/// A start that needed at least this many passes over one sample continues on the next, larger one.
const SLOW: u32 = 16;

/// Rows of the larger samples, on which the best start continues before it sees all rows: each four times the previous
/// one, as long as that is a small part of all rows. The error of a centroid halves from one to the next, and so does
/// the work left for the most expensive passes.
pub fn larger_samples(rows: u64, dim: usize, k: usize) -> Vec<u64> {
    let most = (LARGER_SAMPLE_VALUES / dim as u64).min(rows / 8);
    std::iter::successors(Some(4 * sample_rows(k)), |n| Some(4 * n)).take_while(|&n| n <= most).collect()
}

/// The default number of starts: several where they are cheap.
pub(crate) fn default_n_init(k: usize) -> u32 {
    if k <= 64 { 4 } else { 1 }
}

/// A finished fit: centroids, numbered by size.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// Largest segment first, ties by centroid.
    pub centroids: Centroids,
    /// Passes over all rows, except for one that only counted.
    pub n_iter: u32,
    /// Why they ended.
    pub stop: Stop,
    /// The exact inertia, in squared grid steps.
    pub inertia: u128,
    /// Rows of the sample; 0 if centroids were given.
    pub sample_rows: u64,
    /// Starts converged on the sample.
    pub n_init: u32,
}

impl KMeans {
    /// Fits all rows of `tiles` on `backend`; starts converge on `starter`, which gives the same answer on any backend.
    /// `recover` supplies another backend if a device is lost or has no memory for the tiles.
    ///
    /// Nothing is written.
    ///
    /// # Errors
    /// k of 0, above [`MAX_K`] or above the number of distinct rows; an interruption; a device fault that `recover`
    /// does not resolve.
    ///
    /// # Examples
    /// ```
    /// use hyades::backend::cpu::Cpu;
    /// use hyades::cluster::{Init, KMeans, Limits};
    /// use hyades::event::Watch;
    /// use hyades::tiles::Tiles;
    ///
    /// // Rows 0 to 749 lie near 0, and rows 750 to 999 near 9,000.
    /// let values: Vec<i32> = (0..1000).map(|i| if i < 750 { i } else { 9000 + i }).collect();
    /// let tiles = Tiles::from_rows(1, &values, None, 1024)?;
    /// let kmeans = KMeans { k: 2, n_init: 1, init: Init::PlusPlus, limits: Limits::default(), seed: 0 };
    /// let cpu = Cpu::new(None)?;
    /// let (fit, _session) = kmeans.fit(&tiles, &cpu, &cpu, &|_| None, Watch::none())?;
    /// // The larger segment comes first. Its mean is 374.5, which rounds to the even neighbour.
    /// assert_eq!(fit.centroids.row(0), [374]);
    /// # Ok::<(), hyades::Error>(())
    /// ```
    pub fn fit<'a>(
        &self,
        tiles: &'a Tiles,
        backend: &'a dyn Backend,
        starter: &dyn Backend,
        recover: &dyn Fn(&Error) -> Option<&'a dyn Backend>,
        watch: Watch<'_>,
    ) -> Result<(Fit, Box<dyn Session + 'a>)> {
        self.fit_kept(tiles, (backend, starter), recover, None, watch)
    }

    /// The same; begins with what `keeper` has of an earlier attempt, and tells it how far this one is.
    pub(crate) fn fit_kept<'a>(
        &self,
        tiles: &'a Tiles,
        (backend, starter): (&'a dyn Backend, &dyn Backend),
        recover: &dyn Fn(&Error) -> Option<&'a dyn Backend>,
        keeper: Option<&dyn FitKeeper>,
        watch: Watch<'_>,
    ) -> Result<(Fit, Box<dyn Session + 'a>)> {
        self.check(tiles)?;
        let known = keeper.and_then(FitKeeper::last).filter(|state| state.is_of(self.k, tiles.dim()));
        if let Some(state) = known.as_ref().filter(|state| state.is_finished()) {
            return Ok((self.fit_of(state)?, open_session(backend, tiles, self.k, recover, watch)?));
        }
        let (mut progress, sample_rows) = match (&known, &self.init) {
            (Some(state), _) => {
                watch.note(format!("passes that were made before: {}", state.n_iter));
                (state.progress()?, state.sample_rows)
            }
            (None, Init::Given(centroids)) => (Progress::new(centroids.clone()), 0),
            _ => {
                let (start, sample_rows) = self.start(tiles, starter, watch)?;
                (Progress::new(start), sample_rows)
            }
        };
        let tell = |state: &dyn Fn() -> FitState| keeper.into_iter().for_each(|keeper| keeper.keep(&state()));
        tell(&|| FitState::between(&progress, sample_rows));
        let mut session = Some(open_session(backend, tiles, self.k, recover, watch)?);
        let converged = watch.stage(Stage::Passes, 0, "rows", || {
            loop {
                let on = session.as_deref_mut().ok_or_else(|| Error::Internal("no session".into()))?;
                match progress.step(tiles, on, self.limits, watch) {
                    Err(e @ Error::DeviceLost(_)) => {
                        // The old session's memory is released before the next one allocates.
                        session = None;
                        let other = recover(&e).ok_or(e)?;
                        session = Some(open_session(other, tiles, self.k, recover, watch)?);
                    }
                    Ok(None) => tell(&|| FitState::between(&progress, sample_rows)),
                    Ok(Some(converged)) => return Ok(converged),
                    Err(e) => return Err(e),
                }
            }
        })?;
        let fit = self.finish(tiles, &converged, sample_rows, watch)?;
        tell(&|| FitState::finished(&fit.centroids, fit.inertia, (fit.n_iter, fit.stop), sample_rows));
        Ok((fit, session.ok_or_else(|| Error::Internal("no session".into()))?))
    }

    /// The result of the iteration, if there are as many segments as were asked for.
    fn finish(&self, tiles: &Tiles, converged: &Converged, sample_rows: u64, watch: Watch<'_>) -> Result<Fit> {
        if converged.empty > 0 {
            let distinct = distinct_rows(tiles, self.k, watch)?.len();
            if distinct < self.k {
                return Err(too_few(self.k, distinct));
            }
        }
        Ok(Fit {
            centroids: by_size(&converged.centroids, &converged.counts),
            n_iter: converged.n_iter,
            stop: converged.stop,
            inertia: converged.inertia,
            sample_rows,
            n_init: self.starts(sample_rows),
        })
    }

    /// The result of an earlier attempt.
    fn fit_of(&self, state: &FitState) -> Result<Fit> {
        let missing = || Error::Internal("a finished fit without its outcome".into());
        Ok(Fit {
            centroids: state.centroids()?,
            n_iter: state.n_iter,
            stop: state.stop.ok_or_else(missing)?,
            inertia: state.inertia()?.ok_or_else(missing)?,
            sample_rows: state.sample_rows,
            n_init: self.starts(state.sample_rows),
        })
    }

    fn starts(&self, sample_rows: u64) -> u32 {
        if sample_rows == 0 { 1 } else { self.n_init }
    }

    fn check(&self, tiles: &Tiles) -> Result<()> {
        if self.k == 0 || self.k > MAX_K {
            return Err(
                Error::usage(format!("k = {}: between 1 and {MAX_K} segments are possible", self.k)).of_option("--k")
            );
        }
        self.limits.check()?;
        if self.n_init == 0 {
            return Err(Error::usage("n-init is 0: at least one start is needed".into()).of_option("--n-init"));
        }
        if self.k as u64 > tiles.rows() {
            let text = format!("k = {}, but there are only {} rows", self.k, tiles.rows());
            return Err(Error::input(text).of_option("--k"));
        }
        match &self.init {
            Init::Given(c) if c.k() != self.k || c.dim() != tiles.dim() => Err(Error::usage(format!(
                "there are {} starting centroids of {} features; expected {} of {}",
                c.k(),
                c.dim(),
                self.k,
                tiles.dim()
            ))
            .of_option("--init")),
            _ => Ok(()),
        }
    }

    /// The best start: seeded and converged on the sample.
    fn start(&self, tiles: &Tiles, starter: &dyn Backend, watch: Watch<'_>) -> Result<(Centroids, u64)> {
        let wanted = sample_rows(self.k);
        let (sample, starts) = watch.stage(Stage::Seed, u64::from(self.n_init), "starts", || {
            let sample = sample(tiles, self.seed, wanted, watch)?;
            let starts = self.seeds(tiles, &sample, watch)?;
            Ok((sample, starts))
        })?;
        if sample.rows() == 0 {
            return Ok((starts.into_iter().next().ok_or_else(|| Error::Internal("no start".into()))?, 0));
        }
        let sampled_rows = sample.rows() as u64;
        let larger = larger_samples(tiles.rows(), tiles.dim(), self.k);
        let fits = (starts.len() + larger.len()) as u64;
        let best = watch.stage(Stage::SampleFit, fits, "fits", || {
            let sampled = sample.tiles()?;
            let mut best: Option<Converged> = None;
            for start in starts {
                let fit = self.converge(start, &sampled, starter, watch)?;
                if best.as_ref().is_none_or(|b| fit.inertia < b.inertia) {
                    best = Some(fit);
                }
                watch.advance(Stage::SampleFit, 1);
            }
            let mut best =
                best.ok_or_else(|| Error::usage("n-init must be at least 1".into()).of_option("--n-init"))?;
            drop(sampled);
            for wanted in larger {
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
            if self.init != Init::PlusPlus || self.k == 1 {
                return Ok(best.centroids);
            }
            let look = SecondLook { tiles, starter, limits: self.limits, seed: self.seed, watch };
            look.improve(best.centroids, sample)
        })?;
        Ok((best, sampled_rows))
    }

    /// Lloyd's iteration over a sample.
    fn converge(&self, start: Centroids, tiles: &Tiles, backend: &dyn Backend, watch: Watch<'_>) -> Result<Converged> {
        let mut session = backend.open(tiles, self.k, watch.quiet())?;
        Progress::new(start).run(tiles, session.as_mut(), self.limits, watch.quiet())
    }

    fn seeds(&self, tiles: &Tiles, sample: &Sample, watch: Watch<'_>) -> Result<Vec<Centroids>> {
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

/// Opens a session, on another backend if that fails and `recover` has one.
pub(crate) fn open_session<'a>(
    mut backend: &'a dyn Backend,
    tiles: &'a Tiles,
    k: usize,
    recover: &dyn Fn(&Error) -> Option<&'a dyn Backend>,
    watch: Watch<'_>,
) -> Result<Box<dyn Session + 'a>> {
    loop {
        match backend.open(tiles, k, watch) {
            // Too little memory on a device is found out here; whether the job goes on elsewhere is the caller's to
            // say.
            Err(e @ (Error::DeviceLost(_) | Error::Environment(_))) => backend = recover(&e).ok_or(e)?,
            outcome => return outcome,
        }
    }
}

/// The centroids in the order of their counts, largest first, ties by their values.
pub(crate) fn by_size(centroids: &Centroids, counts: &[u64]) -> Centroids {
    let mut order: Vec<usize> = (0..centroids.k()).collect();
    order.sort_by(|&a, &b| counts[b].cmp(&counts[a]).then_with(|| centroids.row(a).cmp(centroids.row(b))));
    centroids.reordered(&order)
}
