//! The CPU backend: SIMD on all cores.
//!
//! Input: chunks of tiles. Output: the results of [`reference`](super::reference), bit for bit. An f32 filter
//! (`kernel`) labels the rows of a tile; integers (`exact`) decide the rows that its `Certificate` leaves open.
//! Labels are kept between passes: rows that cannot have changed are skipped (`bounds`, `gathered`), and only rows that
//! moved update the sums (`moves`). One source serves all instruction sets; only `simd` knows them.

#[cfg(feature = "bare")]
mod bare;
mod bounds;
mod density;
mod exact;
mod gathered;
mod judge;
mod kernel;
mod label;
mod mixture;
mod moves;
mod pass;
mod peak;
mod rows;
mod weighted;

#[cfg(feature = "bare")]
pub use bare::Bare;
pub(crate) use peak::spin;

use std::sync::{Mutex, MutexGuard, PoisonError};

use self::bounds::{Drift, Spent};
use self::density::PackedGaussians;
use self::judge::Judge;
use self::label::{LabelChunk, padded};
use self::mixture::{MixtureChunk, MixtureLabelChunk, MixtureWorker, ShareSource};
use self::pass::{Known, PassChunk, PassTally, PassWorker};
use super::{
    Backend, CentroidSums, Centroidal, Centroids, Gaussians, Labels, MixtureLabels, MixtureSums, SecondMoments, Session,
};
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::numeric::Partial;
use crate::simd::{Dispatch, SimdLevel};
use crate::tiles::Tiles;

/// Where bounds do not pay, one chunk in this many keeps them, to detect when they begin to.
const PROBES: usize = 8;
/// The cost of keeping a row's bound, in centroids: bounds pay if they save more.
const BOUND: f64 = 8.0;

/// The CPU backend at one SIMD level, on the threads of the current rayon pool.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    dispatch: Dispatch,
    skipping: bool,
}

impl Cpu {
    /// With `level` None, uses the fastest level of this machine.
    ///
    /// # Errors
    /// [`Error::Environment`](crate::Error::Environment) if this machine lacks `level`.
    pub fn new(level: Option<SimdLevel>) -> Result<Self> {
        Ok(Cpu { dispatch: level.unwrap_or_else(SimdLevel::auto).dispatch()?, skipping: true })
    }

    /// Whether passes skip rows whose label cannot have changed (by default they do). The results are the same.
    pub fn with_skipping(self, skipping: bool) -> Self {
        Cpu { skipping, ..self }
    }

    /// The SIMD level in use.
    pub fn level(&self) -> SimdLevel {
        self.dispatch.level()
    }
}

/// Passes of Gaussian mixtures. They need f64, so other devices have none.
impl Cpu {
    /// Sums of all rows by the responsibilities of components, and the rows' log density.
    pub(crate) fn mixture_sums(
        &self,
        tiles: &Tiles,
        gaussians: &Gaussians,
        second: SecondMoments,
        watch: Watch<'_>,
    ) -> Result<MixtureSums> {
        let packed = PackedGaussians::new(gaussians);
        self.sums_by(tiles, &ShareSource::Gaussians(&packed), (gaussians.k(), second), watch)
    }

    /// Sums of all rows by their nearest centroids.
    pub(crate) fn nearest_sums(
        &self,
        tiles: &Tiles,
        centroids: &Centroids,
        second: SecondMoments,
        watch: Watch<'_>,
    ) -> Result<MixtureSums> {
        self.sums_by(tiles, &ShareSource::Nearest(&Judge::new(centroids)), (centroids.k(), second), watch)
    }

    fn sums_by(
        &self,
        tiles: &Tiles,
        source: &ShareSource<'_>,
        (k, second): (usize, SecondMoments),
        watch: Watch<'_>,
    ) -> Result<MixtureSums> {
        let workers = tiles.scan(
            || MixtureWorker::new(k, tiles.dim(), second, tiles.weights().is_some()),
            |worker, chunk| {
                watch.check()?;
                self.dispatch.run(MixtureChunk { source, chunk, worker });
                watch.advance(Stage::Mixture, chunk.rows as u64);
                Ok(())
            },
        )?;
        let mut total = MixtureSums::empty(k, tiles.dim(), second);
        workers.iter().try_for_each(|worker| total.merge(&worker.sums))?;
        Ok(total)
    }

    /// The components of all rows, in row order.
    pub(crate) fn mixture_labels(
        &self,
        tiles: &Tiles,
        gaussians: &Gaussians,
        watch: Watch<'_>,
        sink: &mut dyn FnMut(MixtureLabels) -> Result<()>,
    ) -> Result<()> {
        let packed = PackedGaussians::new(gaussians);
        tiles.map_ordered(
            |chunk| {
                watch.check()?;
                let labels = self.dispatch.run(MixtureLabelChunk { gaussians: &packed, chunk });
                watch.advance(Stage::Labels, chunk.rows as u64);
                Ok(labels)
            },
            sink,
        )
    }
}

impl Backend for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn device(&self) -> String {
        match rayon::current_num_threads() {
            1 => format!("{}, 1 thread", self.level().title()),
            threads => format!("{}, {threads} threads", self.level().title()),
        }
    }

    fn open<'a>(&'a self, tiles: &'a Tiles, _: usize, _: Watch<'_>) -> Result<Box<dyn Session + 'a>> {
        let known = (0..tiles.layout().chunks()).map(|_| Mutex::default()).collect();
        Ok(Box::new(CpuSession {
            dispatch: self.dispatch,
            skipping: self.skipping,
            tiles,
            known,
            totals: None,
            drift: None,
            pays: true,
        }))
    }
}

struct CpuSession<'a> {
    dispatch: Dispatch,
    skipping: bool,
    tiles: &'a Tiles,
    /// By chunk; only one thread works on a chunk at a time.
    known: Vec<Mutex<Known>>,
    /// Counts and sums by the labels of the previous pass.
    totals: Option<CentroidSums>,
    drift: Option<Drift>,
    /// Whether bounds are kept for all chunks, or only for one in [`PROBES`].
    pays: bool,
}

impl Session for CpuSession<'_> {
    fn centroidal(&mut self) -> &mut dyn Centroidal {
        self
    }
}

impl Centroidal for CpuSession<'_> {
    fn pass(&mut self, centroids: &Centroids, watch: Watch<'_>) -> Result<CentroidSums> {
        let (k, dim) = (centroids.k(), centroids.dim());
        let first = self.totals.is_none();
        if first {
            self.known.iter().for_each(|known| *lock(known) = Known::default());
        }
        let mut totals = self.totals.take().unwrap_or_else(|| CentroidSums::empty(k, dim));
        // If the number of segments changes, rows may leave segments that no longer exist: make room for both.
        let widest = k.max(totals.k());
        resize(&mut totals, widest);
        let judge = Judge::new(centroids);
        let spent = self.skipping.then(|| self.spent(centroids));
        let workers = self.tiles.scan(
            || PassWorker::new(widest, dim),
            |worker, chunk| {
                watch.check()?;
                let known = &mut lock(&self.known[chunk.index]);
                let spent = spent.filter(|_| self.pays || chunk.index.is_multiple_of(PROBES));
                self.dispatch.run(PassChunk { judge: &judge, chunk, known, spent, worker });
                watch.advance(Stage::Passes, chunk.rows as u64);
                Ok(())
            },
        )?;
        for worker in &workers {
            worker.settled.moves.merge_into(&mut totals);
        }
        resize(&mut totals, k);
        let sum = |count: fn(&PassTally) -> u64| workers.iter().map(|w| count(&w.settled.tally)).sum::<u64>();
        totals.changed = (!first).then(|| sum(|t| t.changed));
        totals.rechecked = sum(|t| t.rechecked);
        totals.skipped = sum(|t| t.skipped);
        if let known @ 1.. = sum(|t| t.bounded) {
            self.pays = totals.skipped as f64 * (k as f64 + BOUND) >= known as f64 * BOUND;
        }
        self.totals = Some(totals.clone());
        Ok(totals)
    }

    fn label(
        &mut self,
        centroids: &Centroids,
        margin: bool,
        watch: Watch<'_>,
        sink: &mut dyn FnMut(Labels) -> Result<()>,
    ) -> Result<()> {
        let judge = Judge::new(centroids);
        let padded = padded(centroids);
        self.tiles.map_ordered(
            |chunk| {
                watch.check()?;
                let labels = self.dispatch.run(LabelChunk { judge: &judge, centroids: &padded, chunk, margin });
                watch.advance(Stage::Labels, chunk.rows as u64);
                Ok(labels)
            },
            sink,
        )
    }
}

impl CpuSession<'_> {
    /// Advances to new centroids; returns the drift that bounds must exceed.
    fn spent(&mut self, centroids: &Centroids) -> Spent {
        let follows = self.drift.as_ref().is_some_and(|drift| drift.follows(centroids));
        if !follows {
            self.known.iter().for_each(|known| lock(known).bounds.clear());
            self.drift = None;
        }
        let drift = self.drift.get_or_insert_with(|| Drift::new(centroids));
        drift.advance(centroids);
        drift.spent()
    }
}

/// Adds empty segments, or removes segments, which must be empty.
fn resize(totals: &mut CentroidSums, k: usize) {
    let dim = totals.dim();
    totals.counts.resize(k, 0);
    totals.mass.resize(k, 0);
    totals.sums.resize(k * dim, 0);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock means that a worker panicked; joining the workers propagates the panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
