//! The pass without the work that makes it exact, for the benchmark `exactness`, which measures the cost of exactness.
//! The labels of near ties and the sums are **not** those of [`reference`](super::super::reference).
//!
//! Input: tiles and centroids. Output: labels by the smallest f32 score, and f32 sums of the rows that moved. The
//! kernel, the transposition of moved rows and the order of chunks are those of the exact pass. Omitted: the second
//! best score, the gap test, the integer fallback for near ties, integer sums, bounds.

use std::sync::Mutex;

use fearless_simd::prelude::*;

use super::judge::tiles;
use super::kernel::Packed;
use super::moves::{NONE, SegmentSum};
use super::pass::{Settled, keep, widened};
use super::{Cpu, lock, resize};
use crate::backend::{CentroidSums, Centroids, Certificate};
use crate::error::Result;
use crate::simd::{Dispatch, Work};
use crate::tiles::{Chunk, TILE_ROWS, Tiles};

/// Passes over one set of tiles.
pub struct Bare<'a> {
    dispatch: Dispatch,
    tiles: &'a Tiles,
    /// Labels of the previous pass, by chunk.
    labels: Vec<Mutex<Vec<u16>>>,
    totals: Option<CentroidSums>,
}

impl<'a> Bare<'a> {
    /// Passes at the SIMD level of `cpu`.
    pub fn new(cpu: &Cpu, tiles: &'a Tiles) -> Self {
        let labels = (0..tiles.layout().chunks()).map(|_| Mutex::default()).collect();
        Bare { dispatch: cpu.dispatch, tiles, labels, totals: None }
    }

    /// Like [`Session::pass`](crate::backend::Session::pass), but inexact. The number of centroids must not change.
    ///
    /// # Errors
    /// An I/O error on the scratch file.
    pub fn pass(&mut self, centroids: &Centroids) -> Result<CentroidSums> {
        let (k, dim) = (centroids.k(), centroids.dim());
        let first = self.totals.is_none();
        let mut totals = self.totals.take().unwrap_or_else(|| CentroidSums::empty(k, dim));
        resize(&mut totals, k);
        let packed = Packed::new(centroids, &Certificate::new(centroids));
        let workers = self.tiles.scan(
            || Settled::new(k, dim),
            |settled, chunk| {
                let labels = &mut lock(&self.labels[chunk.index]);
                self.dispatch.run(BareChunk { packed: &packed, chunk, labels, settled });
                Ok(())
            },
        )?;
        workers.iter().for_each(|settled| settled.moves.merge_into(&mut totals));
        totals.changed = (!first).then(|| workers.iter().map(|settled| settled.tally.changed).sum());
        self.totals = Some(totals.clone());
        Ok(totals)
    }
}

/// A pass over one chunk.
struct BareChunk<'a> {
    packed: &'a Packed,
    chunk: Chunk<'a>,
    labels: &'a mut Vec<u16>,
    settled: &'a mut Settled<f32>,
}

impl Work for BareChunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) {
        self.labels.resize(self.chunk.rows.next_multiple_of(TILE_ROWS), NONE as u16);
        for (t, tile) in tiles(self.chunk).enumerate() {
            let labels = &mut self.labels[t * TILE_ROWS..][..TILE_ROWS];
            let before = widened(labels);
            self.settled.winners.find::<S, R, false>(simd, tile.values, self.packed, 0.0);
            if self.settled.follow(simd, tile, &before) != 0 {
                keep(labels, &self.settled.winners);
            }
        }
    }
}

impl SegmentSum for f32 {
    #[inline(always)]
    fn add_row<S: Simd>(simd: S, sums: &mut [f32], row: &[f32], weight: i64) {
        let lanes = S::f32s::LEN;
        let weight = S::f32s::splat(simd, weight as f32);
        for (sums, row) in sums.chunks_exact_mut(lanes).zip(row.chunks_exact(lanes)) {
            let old = S::f32s::from_slice(simd, sums);
            S::f32s::from_slice(simd, row).mul_add(weight, old).store_slice(sums);
        }
    }

    fn whole(self) -> i64 {
        self as i64
    }
}
