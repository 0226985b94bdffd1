//! A pass over one chunk: labels rows that may have changed and sums those that did.

use fearless_simd::Simd;

use super::bounds::{Bounds, Spent, left};
use super::gathered::Gathered;
use super::judge::{Judge, Tile, tiles};
use super::kernel::Winners;
use super::moves::{Moves, NONE, SegmentSum, TileChange};
use super::rows::{Rows, bits};
use crate::simd::Work;
use crate::tiles::{Chunk, TILE_ROWS};

/// State of a chunk kept between passes.
#[derive(Default)]
pub(super) struct Known {
    /// Labels of the previous pass, padded to whole tiles. Two bytes hold any label ([`MAX_K`](crate::backend::MAX_K)
    /// is 4096).
    pub labels: Vec<u16>,
    pub bounds: Bounds,
}

/// The results of one worker in a pass.
pub(super) struct PassWorker {
    pub settled: Settled,
    gathered: Gathered,
}

/// The results for the rows that were evaluated.
pub(super) struct Settled<T = i64> {
    pub moves: Moves<T>,
    pub tally: PassTally,
    rows: Rows,
    /// Those of the last tile.
    pub winners: Winners,
}

/// Row counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PassTally {
    /// Rows whose label changed.
    pub changed: u64,
    /// Rows decided by the integers.
    pub rechecked: u64,
    /// Rows that had a bound.
    pub bounded: u64,
    /// Rows skipped because their bound held.
    pub skipped: u64,
}

impl PassWorker {
    pub(super) fn new(k: usize, dim: usize) -> Self {
        PassWorker { settled: Settled::new(k, dim), gathered: Gathered::new(dim) }
    }
}

impl Settled {
    /// Decides the labels of a tile and updates the sums. Returns a bit for every row that moved, and for every row
    /// that the integers decided.
    #[inline(always)]
    fn settle<S: Simd, const R: usize>(
        &mut self,
        simd: S,
        judge: &Judge,
        tile: Tile<'_>,
        before: &[u32; TILE_ROWS],
    ) -> (u64, u64) {
        let open = judge.decide::<S, R>(simd, tile, &mut self.rows, &mut self.winners);
        self.tally.rechecked += u64::from(open.count_ones());
        (self.follow(simd, tile, before), open)
    }
}

impl<T: SegmentSum> Settled<T> {
    pub(super) fn new(k: usize, dim: usize) -> Self {
        Settled {
            moves: Moves::new(k, dim),
            tally: PassTally::default(),
            rows: Rows::new(dim),
            winners: Winners::new(),
        }
    }

    /// Updates the sums by the new labels of a tile. Returns a bit for every row that moved.
    #[inline(always)]
    pub(super) fn follow<S: Simd>(&mut self, simd: S, tile: Tile<'_>, before: &[u32; TILE_ROWS]) -> u64 {
        let after = &self.winners.labels;
        let mut moved = 0;
        for r in 0..TILE_ROWS {
            moved |= u64::from(before[r] != after[r]) << r;
        }
        moved &= tile.there;
        self.tally.changed += u64::from(moved.count_ones());
        if moved != 0 {
            self.rows.load(simd, tile.values, moved);
            self.moves.record(simd, &self.rows, tile.weights, &TileChange { before, after, moved });
        }
        moved
    }
}

/// The labels of a tile, widened.
#[inline(always)]
pub(super) fn widened(labels: &[u16]) -> [u32; TILE_ROWS] {
    let mut wide = [0; TILE_ROWS];
    wide.iter_mut().zip(labels).for_each(|(wide, &label)| *wide = u32::from(label));
    wide
}

/// Stores the labels of a tile.
#[inline(always)]
pub(super) fn keep(labels: &mut [u16], winners: &Winners) {
    labels.iter_mut().zip(&winners.labels).for_each(|(label, &winner)| *label = winner as u16);
}

/// A pass over one chunk.
pub(super) struct PassChunk<'a> {
    pub judge: &'a Judge,
    pub chunk: Chunk<'a>,
    pub known: &'a mut Known,
    /// The drift that bounds must exceed; None: every row is evaluated, and no bounds are kept.
    pub spent: Option<Spent>,
    pub worker: &'a mut PassWorker,
}

impl Work for PassChunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const R: usize>(mut self, simd: S) {
        let padded = self.chunk.rows.next_multiple_of(TILE_ROWS);
        self.known.labels.resize(padded, NONE as u16);
        match self.spent {
            None => {
                self.known.bounds.clear();
                for (t, tile) in tiles(self.chunk).enumerate() {
                    self.whole::<S, R>(simd, t, tile);
                }
            }
            Some(spent) => {
                // Where there were no bounds before, none could hold; that says nothing about whether they pay.
                let known = self.known.bounds.resize(padded / TILE_ROWS);
                self.bounded::<S, R>(simd, spent);
                self.worker.settled.tally.bounded += if known { self.chunk.rows as u64 } else { 0 };
            }
        }
    }
}

impl PassChunk<'_> {
    /// Evaluates all rows of a tile in place.
    #[inline(always)]
    fn whole<S: Simd, const R: usize>(&mut self, simd: S, t: usize, tile: Tile<'_>) {
        let labels = &mut self.known.labels[t * TILE_ROWS..][..TILE_ROWS];
        let before = widened(labels);
        let (moved, open) = self.worker.settled.settle::<S, R>(simd, self.judge, tile, &before);
        let winners = &self.worker.settled.winners;
        if moved != 0 {
            keep(labels, winners);
        }
        if let Some(spent) = self.spent {
            let left = left(simd, tile.values, winners, &self.judge.certificate, open);
            self.known.bounds.note_tile(simd, t, tile.there, &left, spent);
        }
    }

    /// Evaluates the rows whose bounds do not hold.
    #[inline(always)]
    fn bounded<S: Simd, const R: usize>(&mut self, simd: S, spent: Spent) {
        let dense = self.judge.dense();
        let mut worked = 0;
        for (t, tile) in tiles(self.chunk).enumerate() {
            let open = self.known.bounds.open(simd, t, spent) & tile.there;
            if open == 0 {
                continue;
            }
            if open.count_ones() >= dense {
                worked += u64::from(tile.there.count_ones());
                self.whole::<S, R>(simd, t, tile);
            } else {
                worked += u64::from(open.count_ones());
                self.worker.gathered.take(simd, tile, t * TILE_ROWS, open);
                if self.worker.gathered.len() >= TILE_ROWS {
                    self.together::<S, R>(simd, spent);
                }
            }
        }
        self.together::<S, R>(simd, spent);
        self.worker.settled.tally.skipped += self.chunk.rows as u64 - worked;
    }

    /// Evaluates the first tile of gathered rows, if there are any.
    #[inline(always)]
    fn together<S: Simd, const R: usize>(&mut self, simd: S, spent: Spent) {
        let PassWorker { settled, gathered } = &mut *self.worker;
        let Some((tile, at)) = gathered.next(self.chunk.weights) else { return };
        let at = &at[..tile.there.count_ones() as usize];
        let mut before = [0; TILE_ROWS];
        for (before, &at) in before.iter_mut().zip(at) {
            *before = u32::from(self.known.labels[at as usize]);
        }
        let (moved, open) = settled.settle::<S, R>(simd, self.judge, tile, &before);
        let winners = &settled.winners;
        for r in bits(moved) {
            self.known.labels[at[r] as usize] = winners.labels[r] as u16;
        }
        let left = left(simd, tile.values, winners, &self.judge.certificate, open);
        for (&at, &left) in at.iter().zip(&left) {
            self.known.bounds.note(at as usize, left, spent);
        }
    }
}
