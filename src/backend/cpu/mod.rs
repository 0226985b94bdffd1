//! SIMD on all cores.
//!
//! Enters: chunks of tiles. Leaves: the answers of [`reference`](super::reference), bit for bit. An f32 filter
//! (`kernel`) labels the rows of a tile; rows that its [`Certificate`] leaves open are decided by integers (`exact`).
//! Labels are kept from pass to pass: rows that cannot have changed are skipped (`bounds`, `gathered`), and sums follow
//! the rows that moved (`moves`). One source serves all instruction sets: `simd` is the only place that knows them.

#[cfg(feature = "bare")]
mod bare;
mod bounds;
mod exact;
mod gathered;
mod judge;
mod kernel;
mod label;
mod moves;
mod pass;
mod peak;
mod rows;

#[cfg(feature = "bare")]
pub use bare::Bare;
pub(crate) use peak::spin;

use std::sync::{Mutex, MutexGuard, PoisonError};

use self::bounds::{Drift, Spent};
use self::judge::Judge;
use self::label::{LabelChunk, padded};
use self::pass::{Known, PassChunk, PassTally, PassWorker};
use super::{Backend, Centroids, Labels, Partial, Session};
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::simd::{Dispatch, SimdLevel};
use crate::tiles::Tiles;

/// Bounds are kept for one chunk in so many where they do not pay, to see when they begin to.
const PROBES: usize = 8;
/// What it costs to keep a row's bound, in centroids: bounds pay where they save more.
const BOUND: f64 = 8.0;

/// The CPU backend at one SIMD level, on the threads of the current rayon pool.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    dispatch: Dispatch,
    skipping: bool,
}

impl Cpu {
    /// `level` None takes the fastest of this machine.
    ///
    /// # Errors
    /// [`Error::Environment`](crate::Error::Environment) if this machine lacks `level`.
    pub fn new(level: Option<SimdLevel>) -> Result<Self> {
        Ok(Cpu { dispatch: level.unwrap_or_else(SimdLevel::auto).dispatch()?, skipping: true })
    }

    /// Whether passes leave out rows whose label cannot have changed (they do by default). The answers are the same.
    pub fn with_skipping(self, skipping: bool) -> Self {
        Cpu { skipping, ..self }
    }

    /// The SIMD level in use.
    pub fn level(&self) -> SimdLevel {
        self.dispatch.level()
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
    /// By chunk, which is worked on by one thread at a time.
    known: Vec<Mutex<Known>>,
    /// Counts and sums by the labels of the pass before.
    totals: Option<Partial>,
    drift: Option<Drift>,
    /// Whether bounds are kept for all chunks, or for one in [`PROBES`] only.
    pays: bool,
}

impl Session for CpuSession<'_> {
    fn pass(&mut self, centroids: &Centroids, watch: Watch<'_>) -> Result<Partial> {
        let (k, dim) = (centroids.k(), centroids.dim());
        let first = self.totals.is_none();
        if first {
            self.known.iter().for_each(|known| *lock(known) = Known::default());
        }
        let mut totals = self.totals.take().unwrap_or_else(|| Partial::empty(k, dim));
        // Where the number of segments changes, rows leave segments that are no more: room for both.
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
    /// Moves the centroids on; returns what bounds have to exceed since.
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

/// Adds empty segments, or drops segments, which must be empty.
fn resize(totals: &mut Partial, k: usize) {
    let dim = totals.dim();
    totals.counts.resize(k, 0);
    totals.mass.resize(k, 0);
    totals.sums.resize(k * dim, 0);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock means that a worker panicked, which is passed on when the workers are joined.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
