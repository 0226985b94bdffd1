//! Decides the labels of a tile: the f32 filter first, then integers for undecided rows.

use fearless_simd::Simd;

use super::exact::Exact;
use super::kernel::{Packed, Winners};
use super::rows::{Rows, bits};
use crate::backend::{Centroids, Certificate};
use crate::tiles::{Chunk, TILE_ROWS};

/// A set of centroids in every form that deciding labels needs.
pub(super) struct Judge {
    pub certificate: Certificate,
    pub exact: Exact,
    packed: Packed,
}

impl Judge {
    pub(super) fn new(centroids: &Centroids) -> Self {
        let certificate = Certificate::new(centroids);
        let packed = Packed::new(centroids, &certificate);
        Judge { certificate, packed, exact: Exact::new(centroids) }
    }

    /// From this many rows of a tile, evaluating the whole tile in place is cheaper than gathering them. Measured on
    /// Zen 4 with AVX-512 (BENCHMARKS.md), in units of one row, one feature and one centroid: a tile costs `64 (k + 6)`
    /// in place, and `640 + n (k + 27)` when `n` of its rows are gathered.
    pub(super) fn dense(&self) -> u32 {
        let k = self.certificate.slack.len();
        (TILE_ROWS * (k + 6)).saturating_sub(640).div_ceil(k + 27) as u32
    }

    /// Decides the labels of a tile. Returns a bit for every row that needed the integers.
    #[inline(always)]
    pub(super) fn decide<S: Simd, const R: usize>(
        &self,
        simd: S,
        tile: Tile<'_>,
        rows: &mut Rows,
        winners: &mut Winners,
    ) -> u64 {
        let spread = self.certificate.spread_factor * tile.norm2;
        let enough = self.certificate.max_slack + spread;
        let narrow = winners.find::<S, R, true>(simd, tile.values, &self.packed, enough);
        let mut open = 0;
        for r in bits(narrow & tile.there) {
            let gap = winners.second[r] - winners.best[r];
            let certain = gap > self.certificate.slack[winners.labels[r] as usize] + spread;
            open |= u64::from(!certain) << r;
        }
        rows.load(simd, tile.values, open);
        for r in bits(open) {
            winners.labels[r] = self.exact.nearest(simd, rows.row(r)).0;
        }
        open
    }
}

/// Up to [`TILE_ROWS`] rows, side by side.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    /// `dim` features of its rows.
    pub values: &'a [[f32; TILE_ROWS]],
    /// A bit for every row that is not padding.
    pub there: u64,
    /// An upper bound of the squared norms of its rows.
    pub norm2: f32,
    /// Weights of its rows and of the rows after them.
    pub weights: Option<&'a [u32]>,
}

/// The tiles of a chunk.
#[inline(always)]
pub(super) fn tiles<'a>(chunk: Chunk<'a>) -> impl Iterator<Item = Tile<'a>> {
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
