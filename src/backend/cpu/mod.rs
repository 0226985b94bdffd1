//! SIMD on all cores.
//!
//! Enters: chunks of tiles. Leaves: the answers of [`reference`](super::reference), bit for bit. An f32 filter
//! (`kernel`) labels the rows of a tile; rows that its [`Certificate`] leaves open are decided by integers (`exact`).
//! Labels are kept from pass to pass and sums follow the rows that moved (`moves`). One source serves all instruction
//! sets: `level` is the only place that knows them.

mod exact;
mod kernel;
mod level;
mod moves;
mod peak;
mod rows;

pub use level::SimdLevel;
pub(crate) use peak::spin;

use std::sync::{Mutex, MutexGuard, PoisonError};

use fearless_simd::Simd;

use self::exact::Exact;
use self::kernel::{Packed, Winners};
use self::level::{Dispatch, Work};
use self::moves::{Change, Moves, NONE, bits};
use super::{Backend, Centroids, Certificate, Labels, Partial, Session, distance2};
use crate::data::{Chunk, TILE_ROWS, Tiles};
use crate::error::Result;
use crate::event::{Stage, Watch};

/// The CPU backend at one SIMD level, on the threads of the current rayon pool.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    dispatch: Dispatch,
}

impl Cpu {
    /// `level` None takes the fastest of this machine.
    ///
    /// # Errors
    /// [`Error::Environment`](crate::Error::Environment) if this machine lacks `level`.
    pub fn new(level: Option<SimdLevel>) -> Result<Self> {
        Ok(Cpu { dispatch: level.unwrap_or_else(SimdLevel::auto).dispatch()? })
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
        let previous = (0..tiles.layout().chunks()).map(|_| Mutex::default()).collect();
        Ok(Box::new(CpuSession { dispatch: self.dispatch, tiles, previous, totals: None }))
    }
}

struct CpuSession<'a> {
    dispatch: Dispatch,
    tiles: &'a Tiles,
    /// Per chunk, the labels of the pass before, padded to whole tiles; empty before the first pass. Two bytes hold
    /// any label ([`MAX_K`](super::MAX_K) is 4096). A chunk is worked on by one thread at a time.
    previous: Vec<Mutex<Vec<u16>>>,
    /// Counts and sums by those labels.
    totals: Option<Partial>,
}

impl Session for CpuSession<'_> {
    fn pass(&mut self, centroids: &Centroids, watch: Watch<'_>) -> Result<Partial> {
        let (k, dim) = (centroids.k(), centroids.dim());
        let first = self.totals.is_none();
        let mut totals = self.totals.take().unwrap_or_else(|| Partial::empty(k, dim));
        // Where the number of segments changes, rows leave segments that are no more: room for both.
        let widest = k.max(totals.k());
        resize(&mut totals, widest);
        let judge = Judge::new(centroids);
        let workers = self.tiles.scan(
            || Worker { moves: Moves::new(widest, dim), row: vec![0; dim], changed: 0, rechecked: 0 },
            |worker, chunk| {
                watch.check()?;
                let mut previous = lock(&self.previous[chunk.index]);
                previous.resize(chunk.rows.next_multiple_of(TILE_ROWS), NONE as u16);
                self.dispatch.run(PassChunk { judge: &judge, chunk, previous: &mut previous, worker });
                watch.advance(Stage::Passes, chunk.rows as u64);
                Ok(())
            },
        )?;
        for worker in &workers {
            worker.moves.merge_into(&mut totals);
        }
        resize(&mut totals, k);
        totals.changed = (!first).then(|| workers.iter().map(|w| w.changed).sum());
        totals.rechecked = workers.iter().map(|w| w.rechecked).sum();
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
        self.tiles.map_ordered(
            |chunk| {
                watch.check()?;
                let labels = self.dispatch.run(LabelChunk { judge: &judge, centroids, chunk, margin });
                watch.advance(Stage::Labels, chunk.rows as u64);
                Ok(labels)
            },
            sink,
        )
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

/// A set of centroids in all the forms that deciding labels takes.
struct Judge {
    certificate: Certificate,
    packed: Packed,
    exact: Exact,
}

impl Judge {
    fn new(centroids: &Centroids) -> Self {
        let certificate = Certificate::new(centroids);
        let packed = Packed::new(centroids, &certificate);
        Judge { certificate, packed, exact: Exact::new(centroids) }
    }

    /// Decides the labels of a tile's first `rows` rows. `norm2` bounds their squared norms, `row` is room for one of
    /// them. Returns how many the integers decided.
    #[inline(always)]
    fn decide<S: Simd, const R: usize>(
        &self,
        simd: S,
        tile: &[[f32; TILE_ROWS]],
        rows: usize,
        norm2: f32,
        row: &mut [i32],
        winners: &mut Winners,
    ) -> u64 {
        let spread = self.certificate.spread_factor * norm2;
        let narrow = winners.find::<S, R>(simd, tile, &self.packed, self.certificate.max_slack + spread);
        let mut rechecked = 0;
        for r in bits(narrow & first_bits(rows)) {
            if winners.gaps[r] > self.certificate.slack[winners.labels[r] as usize] + spread {
                continue;
            }
            copy_row(tile, r, row);
            winners.labels[r] = self.exact.nearest(row).0;
            rechecked += 1;
        }
        rechecked
    }
}

/// The lowest `n` bits, `n` up to 64.
fn first_bits(n: usize) -> u64 {
    u64::MAX >> (TILE_ROWS - n)
}

#[inline(always)]
fn copy_row(tile: &[[f32; TILE_ROWS]], r: usize, row: &mut [i32]) {
    for (value, feature) in row.iter_mut().zip(tile) {
        *value = feature[r] as i32;
    }
}

/// What one worker gathers in a pass.
struct Worker {
    moves: Moves,
    row: Vec<i32>,
    changed: u64,
    rechecked: u64,
}

/// A pass over one chunk.
struct PassChunk<'a> {
    judge: &'a Judge,
    chunk: Chunk<'a>,
    previous: &'a mut [u16],
    worker: &'a mut Worker,
}

impl Work for PassChunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) {
        let PassChunk { judge, chunk, previous, worker } = self;
        let mut winners = Winners::new();
        let (previous, _) = previous.as_chunks_mut::<TILE_ROWS>();
        for (t, ((values, rows), previous)) in chunk.tiles().zip(previous).enumerate() {
            let (tile, _) = values.as_chunks::<TILE_ROWS>();
            worker.rechecked += judge.decide::<S, R>(simd, tile, rows, chunk.norms[t], &mut worker.row, &mut winners);
            let mut before = [0; TILE_ROWS];
            let mut moved = 0;
            for r in 0..TILE_ROWS {
                before[r] = u32::from(previous[r]);
                moved |= u64::from(before[r] != winners.labels[r]) << r;
            }
            moved &= first_bits(rows);
            if moved == 0 {
                continue;
            }
            for r in 0..TILE_ROWS {
                previous[r] = winners.labels[r] as u16;
            }
            worker.changed += u64::from(moved.count_ones());
            let weights = chunk.weights.map(
                #[inline(always)]
                |w| &w[t * TILE_ROWS..],
            );
            worker.moves.record(simd, tile, weights, &Change { before: &before, after: &winners.labels, moved });
        }
    }
}

/// Labels and distances of one chunk.
struct LabelChunk<'a> {
    judge: &'a Judge,
    centroids: &'a Centroids,
    chunk: Chunk<'a>,
    margin: bool,
}

impl Work for LabelChunk<'_> {
    type Output = Labels;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) -> Labels {
        let LabelChunk { judge, centroids, chunk, margin } = self;
        let mut out = Labels {
            first_row: chunk.first_row,
            labels: Vec::with_capacity(chunk.rows),
            distance2: Vec::with_capacity(chunk.rows),
            second2: margin.then(|| Vec::with_capacity(chunk.rows)),
        };
        let mut winners = Winners::new();
        let mut row = vec![0; chunk.dim];
        for (t, (values, rows)) in chunk.tiles().enumerate() {
            let (tile, _) = values.as_chunks::<TILE_ROWS>();
            if let Some(second2) = &mut out.second2 {
                for r in 0..rows {
                    copy_row(tile, r, &mut row);
                    let (label, best, second) = judge.exact.nearest(&row);
                    out.labels.push(label);
                    out.distance2.push(best);
                    second2.push(second);
                }
            } else {
                judge.decide::<S, R>(simd, tile, rows, chunk.norms[t], &mut row, &mut winners);
                for r in 0..rows {
                    copy_row(tile, r, &mut row);
                    out.labels.push(winners.labels[r]);
                    out.distance2.push(distance2(&row, centroids.row(winners.labels[r] as usize)));
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests;
