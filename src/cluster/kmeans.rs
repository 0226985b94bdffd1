//! k-means: seeded and converged on a sample, refined by passes over all rows.

use super::effort::Effort;
use super::lloyd::{Converged, Limits, Progress, Stop};
use super::repair::{distinct_rows, too_few};
use super::state::{FitKeeper, FitState};
use super::trust::{FitOrigin, StartFound};
use crate::backend::{Backend, Centroids, MAX_K, Session};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::tiles::Tiles;

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
    /// How long to look for a better optimum on the sample.
    pub effort: Effort,
    /// When to stop.
    pub limits: Limits,
    /// Determines everything that is drawn at random.
    pub seed: u64,
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
    /// How far they agree with the result on the sample; empty for a single one.
    pub starts: Vec<StartFound>,
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
    /// use hyades::cluster::{Effort, Init, KMeans, Limits};
    /// use hyades::event::Watch;
    /// use hyades::tiles::Tiles;
    ///
    /// // Rows 0 to 749 lie near 0, and rows 750 to 999 near 9,000.
    /// let values: Vec<i32> = (0..1000).map(|i| if i < 750 { i } else { 9000 + i }).collect();
    /// let tiles = Tiles::from_rows(1, &values, None, 1024)?;
    /// let (init, effort, limits) = (Init::PlusPlus, Effort::default(), Limits::default());
    /// let kmeans = KMeans { k: 2, n_init: 1, init, effort, limits, seed: 0 };
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
        let (mut progress, origin) = match (&known, &self.init) {
            (Some(state), _) => {
                watch.note(format!("passes that were made before: {}", state.n_iter));
                (state.progress()?, state.origin.clone())
            }
            (None, Init::Given(centroids)) => (Progress::new(centroids.clone()), FitOrigin::default()),
            _ => {
                let (start, origin) = self.start(tiles, tiles.rows(), starter, watch)?;
                (Progress::new(start), origin)
            }
        };
        let tell = |state: &dyn Fn() -> FitState| keeper.into_iter().for_each(|keeper| keeper.keep(&state()));
        tell(&|| FitState::between(&progress, &origin));
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
                    Ok(None) => tell(&|| FitState::between(&progress, &origin)),
                    Ok(Some(converged)) => return Ok(converged),
                    Err(e) => return Err(e),
                }
            }
        })?;
        let fit = self.finish(tiles, &converged, origin.clone(), watch)?;
        tell(&|| FitState::finished(&fit.centroids, fit.inertia, (fit.n_iter, fit.stop), &origin));
        Ok((fit, session.ok_or_else(|| Error::Internal("no session".into()))?))
    }

    /// The result of the iteration, if there are as many segments as were asked for.
    fn finish(&self, tiles: &Tiles, converged: &Converged, origin: FitOrigin, watch: Watch<'_>) -> Result<Fit> {
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
            sample_rows: origin.sample_rows,
            n_init: self.starts(origin.sample_rows),
            starts: origin.starts,
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
            sample_rows: state.origin.sample_rows,
            n_init: self.starts(state.origin.sample_rows),
            starts: state.origin.starts.clone(),
        })
    }

    fn starts(&self, sample_rows: u64) -> u32 {
        if sample_rows == 0 { 1 } else { self.n_init }
    }

    pub(super) fn check(&self, tiles: &Tiles) -> Result<()> {
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
