//! SIMD on all cores.
//!
//! Enters: chunks of tiles. Leaves: the answers of [`reference`](super::reference), bit for bit. An f32 filter
//! (`kernel`) labels the rows of a tile; rows that its [`Certificate`] leaves open are decided by integers (`exact`).
//! Labels are kept from pass to pass and sums follow the rows that moved (`moves`). One source serves all instruction
//! sets: `simd` is the only place that knows them.

mod exact;
mod kernel;
mod moves;
mod peak;
mod rows;

pub(crate) use peak::spin;

use std::sync::{Mutex, MutexGuard, PoisonError};

use fearless_simd::Simd;

use self::exact::Exact;
use self::kernel::{Packed, Winners};
use self::moves::{Change, Moves, NONE};
use self::rows::{Rows, bits, stride};
use super::{Backend, Centroids, Certificate, Labels, Partial, Session};
use crate::data::{Chunk, TILE_ROWS, Tiles};
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::simd::{Dispatch, SimdLevel, Work};

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
            || Worker { moves: Moves::new(widest, dim), rows: Rows::new(dim), changed: 0, rechecked: 0 },
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
        let mut padded = vec![0.0; centroids.k() * stride(centroids.dim())];
        for (padded, centroid) in padded.chunks_exact_mut(stride(centroids.dim())).zip(centroids.iter()) {
            padded.iter_mut().zip(centroid).for_each(|(padded, &value)| *padded = value as f32);
        }
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

    /// Decides the labels of a tile. `wanted` has a bit for every row that is not padding, `norm2` bounds their squared
    /// norms. Returns how many the integers decided.
    #[inline(always)]
    fn decide<S: Simd, const R: usize>(&self, simd: S, tile: Tile<'_>, rows: &mut Rows, winners: &mut Winners) -> u64 {
        let spread = self.certificate.spread_factor * tile.norm2;
        let narrow = winners.find::<S, R>(simd, tile.values, &self.packed, self.certificate.max_slack + spread);
        let mut open = 0;
        for r in bits(narrow & tile.there) {
            let certain = winners.gaps[r] > self.certificate.slack[winners.labels[r] as usize] + spread;
            open |= u64::from(!certain) << r;
        }
        rows.load(simd, tile.values, open);
        for r in bits(open) {
            winners.labels[r] = self.exact.nearest(simd, rows.row(r)).0;
        }
        u64::from(open.count_ones())
    }
}

/// One tile of a chunk.
#[derive(Clone, Copy)]
struct Tile<'a> {
    /// `dim` features of its rows.
    values: &'a [[f32; TILE_ROWS]],
    /// A bit for every row that is not padding.
    there: u64,
    /// An upper bound of the squared norms of its rows.
    norm2: f32,
    /// Weights of its rows, and of those that follow.
    weights: Option<&'a [u32]>,
}

#[inline(always)]
fn tiles<'a>(chunk: Chunk<'a>) -> impl Iterator<Item = Tile<'a>> {
    chunk.tiles().zip(chunk.norms).enumerate().map(
        #[inline(always)]
        move |(t, ((values, rows), &norm2))| Tile {
            values: values.as_chunks().0,
            there: u64::MAX >> (TILE_ROWS - rows),
            norm2,
            weights: chunk.weights.map(|weights| &weights[t * TILE_ROWS..]),
        },
    )
}

/// What one worker gathers in a pass.
struct Worker {
    moves: Moves,
    rows: Rows,
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
        for (tile, previous) in tiles(chunk).zip(previous.as_chunks_mut::<TILE_ROWS>().0) {
            worker.rechecked += judge.decide::<S, R>(simd, tile, &mut worker.rows, &mut winners);
            let mut before = [0; TILE_ROWS];
            let mut moved = 0;
            for r in 0..TILE_ROWS {
                before[r] = u32::from(previous[r]);
                moved |= u64::from(before[r] != winners.labels[r]) << r;
            }
            moved &= tile.there;
            if moved == 0 {
                continue;
            }
            for (previous, &label) in previous.iter_mut().zip(&winners.labels) {
                *previous = label as u16;
            }
            worker.changed += u64::from(moved.count_ones());
            worker.rows.load(simd, tile.values, moved);
            let change = Change { before: &before, after: &winners.labels, moved };
            worker.moves.record(simd, &worker.rows, tile.weights, &change);
        }
    }
}

/// Labels and distances of one chunk.
struct LabelChunk<'a> {
    judge: &'a Judge,
    /// `k x stride`, padded with zeros.
    centroids: &'a [f32],
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
        let mut rows = Rows::new(chunk.dim);
        let stride = stride(chunk.dim);
        for tile in tiles(chunk) {
            let n = tile.there.count_ones() as usize;
            if let Some(second2) = &mut out.second2 {
                rows.load(simd, tile.values, tile.there);
                for r in 0..n {
                    let (label, best, second) = judge.exact.nearest(simd, rows.row(r));
                    out.labels.push(label);
                    out.distance2.push(best);
                    second2.push(second);
                }
                continue;
            }
            judge.decide::<S, R>(simd, tile, &mut rows, &mut winners);
            rows.load(simd, tile.values, tile.there);
            out.labels.extend_from_slice(&winners.labels[..n]);
            for r in 0..n {
                let centroid = &centroids[winners.labels[r] as usize * stride..][..stride];
                out.distance2.push(exact::distance2(simd, rows.row(r), centroid));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests;
