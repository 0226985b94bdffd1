//! Rows on the grid, ready for arithmetic: made by preparation and read by every backend.
//!
//! A value is an integer with |value| <= [`GRID_MAX`], stored exactly as f32. With the values come an upper bound of
//! each tile's squared row norms (for the certificate of the fast path), the rows' integer weights if any, and the
//! exact sum of squares (for the inertia).

mod arena;
mod landing;
mod layout;
mod store;

pub(crate) use self::landing::{Landing, LandingColumn};
pub(crate) use self::layout::{Buffer, TILE_ROWS};
pub use self::layout::{Layout, MAX_DIM};
pub(crate) use self::store::Store;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use fearless_simd::Simd;

use crate::error::{Error, Result};
use crate::event::Watch;
use crate::simd::{Dispatch, Work};

/// The largest grid integer: the difference of two fits in 24 bits and is exact in f32.
pub const GRID_MAX: i32 = (1 << 23) - 1;

/// All rows on the grid.
#[derive(Debug)]
pub struct Tiles {
    store: Store,
    /// Per tile, an upper bound of the squared norm of its rows.
    norms: Vec<f32>,
    weights: Option<Vec<u32>>,
    sum_squares: u128,
}

/// A run of whole tiles, as a backend sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk<'a> {
    /// Number of the chunk.
    pub index: usize,
    /// Row number of the first row.
    pub first_row: u64,
    /// Rows, padding not counted.
    pub rows: usize,
    /// Features.
    pub dim: usize,
    /// `tiles x dim x TILE_ROWS` grid integers.
    pub values: &'a [f32],
    /// Per tile, an upper bound of the squared norm of its rows.
    pub norms: &'a [f32],
    /// Per row, its integer weight; None when every row weighs 1.
    pub weights: Option<&'a [u32]>,
}

impl<'a> Chunk<'a> {
    /// The tiles, each `dim x TILE_ROWS` values, with its number of rows without padding.
    pub(crate) fn tiles(&self) -> impl Iterator<Item = (&'a [f32], usize)> + use<'a> {
        let rows = self.rows;
        let tile = self.dim * TILE_ROWS;
        self.values
            .chunks_exact(tile)
            .enumerate()
            .map(move |(t, values)| (values, (rows - t * TILE_ROWS).min(TILE_ROWS)))
    }

    /// The value of one feature of a row of this chunk.
    pub(crate) fn value(&self, row: usize, feature: usize) -> i32 {
        self.values[((row / TILE_ROWS) * self.dim + feature) * TILE_ROWS + row % TILE_ROWS] as i32
    }

    /// Copies a row's values to `out`, which holds `dim` of them.
    pub(crate) fn copy_row(&self, row: usize, out: &mut [i32]) {
        for (feature, out) in out.iter_mut().enumerate() {
            *out = self.value(row, feature);
        }
    }

    /// The weight of a row.
    pub(crate) fn weight(&self, row: usize) -> u32 {
        self.weights.map_or(1, |w| w[row])
    }
}

impl Tiles {
    /// Tiles from a store whose values are grid integers and have been measured.
    pub(crate) fn new(store: Store, weights: Option<Vec<u32>>, measured: Measured) -> Self {
        let Measured { norms, sum_squares } = measured;
        Tiles { store, norms, weights, sum_squares }
    }

    /// Tiles in memory from row-major grid integers (`rows x dim`): for samples and tests.
    ///
    /// # Errors
    /// A value outside the grid, no feature, or a number of values that is not a multiple of `dim`.
    ///
    /// # Examples
    /// ```
    /// use hyades::tiles::Tiles;
    ///
    /// let tiles = Tiles::from_rows(2, &[1, 2, 3, 4], None, 64)?;
    /// assert_eq!((tiles.rows(), tiles.dim()), (2, 2));
    /// assert_eq!(tiles.row(1)?, [3, 4]);
    /// assert_eq!(tiles.sum_squares(), 30);
    /// # Ok::<(), hyades::Error>(())
    /// ```
    pub fn from_rows(dim: usize, values: &[i32], weights: Option<Vec<u32>>, chunk_rows: usize) -> Result<Self> {
        if dim == 0 || !values.len().is_multiple_of(dim) {
            return Err(Error::usage(format!("{} values do not make rows of {dim} features", values.len())));
        }
        if let Some(v) = values.iter().find(|v| v.unsigned_abs() > GRID_MAX as u32) {
            return Err(Error::usage(format!("{v} is outside the grid of +-{GRID_MAX}")));
        }
        let layout = Layout::new((values.len() / dim) as u64, dim, chunk_rows);
        let mut store = Store::memory(layout)?;
        let mut buffer = Vec::new();
        for i in 0..layout.chunks() {
            buffer.clear();
            buffer.resize(layout.floats_in(i), 0.0);
            let first = layout.first_row(i) as usize;
            for row in 0..layout.rows_in(i) {
                for feature in 0..dim {
                    buffer[layout.position(row, feature)] = values[(first + row) * dim + feature] as f32;
                }
            }
            store.write(i, &buffer)?;
        }
        Tiles::measured(store, weights)
    }

    /// Tiles from a store whose values are grid integers.
    pub(crate) fn measured(store: Store, weights: Option<Vec<u32>>) -> Result<Self> {
        let layout = store.layout();
        let measuring = Measuring::new(layout.rows(), weights.as_deref(), Dispatch::default());
        store.scan(
            || (),
            |(), i, values| {
                measuring.chunk(&layout, i, values);
                Ok(())
            },
        )?;
        let measured = measuring.finish();
        Ok(Tiles::new(store, weights, measured))
    }

    /// The tiles whose number `keep` accepts, in memory. A last tile that is not full is left out.
    ///
    /// # Errors
    /// [`Interrupted`](Error::Interrupted), too little memory, or an I/O error on the scratch file.
    pub fn subset(&self, keep: impl Fn(u64) -> bool + Sync, watch: Watch<'_>) -> Result<Self> {
        let whole = self.rows() / TILE_ROWS as u64;
        let keep = |tile: u64| tile < whole && keep(tile);
        let rows = (0..whole).filter(|&t| keep(t)).count() as u64 * TILE_ROWS as u64;
        let layout = Layout::new(rows, self.dim(), Layout::default_chunk_rows(self.dim()));
        let mut store = Store::memory(layout)?;
        let mut weights = self.weights.as_ref().map(|_| Vec::new());
        let (mut buffer, mut full) = (Vec::with_capacity(2 * layout.chunk_floats()), 0);
        self.map_ordered(
            |chunk| {
                watch.check()?;
                let (mut values, mut weights) = (Vec::new(), Vec::new());
                let first = chunk.first_row / TILE_ROWS as u64;
                for (t, (tile, _)) in chunk.tiles().enumerate().filter(|(t, _)| keep(first + *t as u64)) {
                    values.extend_from_slice(tile);
                    weights.extend(chunk.weights.iter().flat_map(|w| &w[t * TILE_ROWS..][..TILE_ROWS]));
                }
                Ok((values, weights))
            },
            |(values, some)| {
                buffer.extend(values);
                weights.iter_mut().for_each(|weights: &mut Vec<u32>| weights.extend(&some));
                while buffer.len() >= layout.chunk_floats() {
                    store.write(full, &buffer[..layout.chunk_floats()])?;
                    buffer.drain(..layout.chunk_floats());
                    full += 1;
                }
                Ok(())
            },
        )?;
        if !buffer.is_empty() {
            store.write(full, &buffer)?;
        }
        Tiles::measured(store, weights)
    }

    /// The same rows in a scratch file in `folder`, streamed from there.
    pub fn into_scratch(self, folder: &std::path::Path) -> Result<Self> {
        let mut scratch = Store::scratch(self.layout(), folder)?;
        let mut buffer = Buffer::default();
        for i in 0..self.layout().chunks() {
            scratch.write(i, self.store.read(i, &mut buffer)?)?;
        }
        Ok(Tiles { store: scratch, ..self })
    }

    /// The positions of the values.
    pub fn layout(&self) -> Layout {
        self.store.layout()
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.layout().rows()
    }

    /// Number of features.
    pub fn dim(&self) -> usize {
        self.layout().dim()
    }

    /// Whether all values are in memory.
    pub fn is_resident(&self) -> bool {
        self.store.is_resident()
    }

    /// Per row, its integer weight; None when every row weighs 1.
    pub fn weights(&self) -> Option<&[u32]> {
        self.weights.as_deref()
    }

    /// The sum of the weights; the number of rows where each weighs 1.
    pub(crate) fn mass(&self) -> u64 {
        self.weights.as_ref().map_or(self.rows(), |w| w.iter().map(|&w| u64::from(w)).sum())
    }

    /// Rows of a weight above 0.
    pub(crate) fn counted_rows(&self) -> u64 {
        self.weights.as_ref().map_or(self.rows(), |w| w.iter().filter(|w| **w > 0).count() as u64)
    }

    /// Per tile, an upper bound of the squared norm of its rows.
    pub(crate) fn norms(&self) -> &[f32] {
        &self.norms
    }

    /// Sum over all rows of weight times squared norm: exact.
    pub fn sum_squares(&self) -> u128 {
        self.sum_squares
    }

    fn chunk<'a>(&'a self, index: usize, values: &'a [f32]) -> Chunk<'a> {
        let layout = self.layout();
        let first_row = layout.first_row(index);
        let rows = layout.rows_in(index);
        let tile = first_row as usize / TILE_ROWS;
        Chunk {
            index,
            first_row,
            rows,
            dim: layout.dim(),
            values,
            norms: &self.norms[tile..tile + layout.tiles_in(index)],
            weights: self.weights.as_deref().map(|w| &w[first_row as usize..][..rows]),
        }
    }

    /// Reads one chunk; `buffer` is used if it comes from the scratch file.
    pub(crate) fn read<'a>(&'a self, index: usize, buffer: &'a mut Buffer) -> Result<Chunk<'a>> {
        Ok(self.chunk(index, self.store.read(index, buffer)?))
    }

    /// Calls `work` for every chunk, on all threads, in no particular order. Each worker owns a state made by `init`;
    /// the states are returned, to be merged by a commutative operation.
    pub(crate) fn scan<T: Send>(
        &self,
        init: impl Fn() -> T + Sync,
        work: impl Fn(&mut T, Chunk<'_>) -> Result<()> + Sync,
    ) -> Result<Vec<T>> {
        self.store.scan(init, |state, i, values| work(state, self.chunk(i, values)))
    }

    /// Calls `map` for every chunk on all threads and `sink` with the results in row order. Only a few chunks' results
    /// wait at a time.
    pub(crate) fn map_ordered<T: Send>(
        &self,
        map: impl Fn(Chunk<'_>) -> Result<T> + Sync,
        mut sink: impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        use rayon::prelude::*;
        let chunks = self.layout().chunks();
        let wave = 4 * rayon::current_num_threads();
        for first in (0..chunks).step_by(wave) {
            let results: Vec<T> = (first..chunks.min(first + wave))
                .into_par_iter()
                .with_max_len(1)
                .map_init(Buffer::default, |buffer, i| map(self.read(i, buffer)?))
                .collect::<Result<_>>()?;
            results.into_iter().try_for_each(&mut sink)?;
        }
        Ok(())
    }

    /// The values of one row.
    pub fn row(&self, row: u64) -> Result<Vec<i32>> {
        let mut buffer = Buffer::default();
        let index = (row / self.layout().chunk_rows() as u64) as usize;
        let chunk = self.read(index, &mut buffer)?;
        let mut values = vec![0; self.dim()];
        chunk.copy_row((row - chunk.first_row) as usize, &mut values);
        Ok(values)
    }
}

/// Measurements of the values of all tiles.
pub(crate) struct Measured {
    norms: Vec<f32>,
    sum_squares: u128,
}

/// Measures tiles, chunk by chunk, from any thread.
pub(crate) struct Measuring<'a> {
    simd: Dispatch,
    weights: Option<&'a [u32]>,
    /// Bits of f32.
    norms: Vec<AtomicU32>,
    sum_squares: Mutex<u128>,
}

impl<'a> Measuring<'a> {
    pub(crate) fn new(rows: u64, weights: Option<&'a [u32]>, simd: Dispatch) -> Self {
        let norms = (0..rows.div_ceil(TILE_ROWS as u64)).map(|_| AtomicU32::new(0)).collect();
        Measuring { simd, weights, norms, sum_squares: Mutex::new(0) }
    }

    /// Measures the grid integers of a chunk.
    pub(crate) fn chunk(&self, layout: &Layout, chunk: usize, values: &[f32]) {
        let mut total = 0u128;
        let first = layout.first_row(chunk) as usize;
        for (t, tile) in values[..layout.floats_in(chunk)].chunks_exact(layout.dim() * TILE_ROWS).enumerate() {
            let row = first + t * TILE_ROWS;
            let squares = self.simd.run(RowSquares(tile));
            total += match self.weights {
                None => squares.iter().map(|&s| u128::from(s)).sum::<u128>(),
                Some(w) => w[row..].iter().zip(&squares).map(|(&w, &s)| u128::from(w) * u128::from(s)).sum::<u128>(),
            };
            let largest = squares.iter().copied().max().unwrap_or(0);
            self.norms[row / TILE_ROWS].store(round_up(largest).to_bits(), Ordering::Relaxed);
        }
        // A poisoned lock means that a worker panicked; joining the workers propagates the panic.
        *self.sum_squares.lock().unwrap_or_else(PoisonError::into_inner) += total;
    }

    pub(crate) fn finish(self) -> Measured {
        Measured {
            norms: self.norms.into_iter().map(|bits| f32::from_bits(bits.into_inner())).collect(),
            sum_squares: self.sum_squares.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// The exact squared norm of every row of a tile.
struct RowSquares<'a>(&'a [f32]);

/// The number of squares below 2^46 that an f64 sums exactly.
const EXACT_SQUARES: usize = 64;

impl Work for RowSquares<'_> {
    type Output = [u64; TILE_ROWS];

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> [u64; TILE_ROWS] {
        let mut squares = [0u64; TILE_ROWS];
        for features in self.0.chunks(EXACT_SQUARES * TILE_ROWS) {
            let mut sums = [0f64; TILE_ROWS];
            for feature in features.chunks_exact(TILE_ROWS) {
                for (sum, &value) in sums.iter_mut().zip(feature) {
                    *sum += f64::from(value) * f64::from(value);
                }
            }
            // Below 2^58, see MAX_DIM.
            squares.iter_mut().zip(sums).for_each(|(square, sum)| *square = square.wrapping_add(sum as u64));
        }
        squares
    }
}

/// An f32 that is certainly not below `value`.
fn round_up(value: u64) -> f32 {
    // The conversion is off by at most half a unit in the last place, so the next float is an upper bound.
    (value as f32).next_up()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subset_has_the_rows_of_its_tiles() {
        let values: Vec<i32> = (0..1000 * 3).map(|v| v * 7 - 9000).collect();
        let weights: Vec<u32> = (0..1000).collect();
        let folder = tempfile::tempdir().unwrap();
        for weights in [None, Some(weights)] {
            let tiles = Tiles::from_rows(3, &values, weights.clone(), 128).unwrap();
            let scratch =
                Tiles::from_rows(3, &values, weights.clone(), 192).unwrap().into_scratch(folder.path()).unwrap();
            // The last tile, of 40 rows, is left out.
            let kept = [0u64, 2, 3, 9];
            let rows: Vec<usize> = kept.iter().flat_map(|t| 64 * t..64 * (t + 1)).map(|r| r as usize).collect();
            let values: Vec<i32> = rows.iter().flat_map(|r| &values[3 * r..][..3]).copied().collect();
            let weights = weights.map(|w| rows.iter().map(|&r| w[r]).collect());
            let expected = Tiles::from_rows(3, &values, weights, 64).unwrap();
            for of in [tiles, scratch] {
                let subset = of.subset(|t| kept.contains(&t) || t == 15, Watch::none()).unwrap();
                assert_eq!((subset.rows(), subset.is_resident()), (256, true));
                assert!((0..256).all(|r| subset.row(r).unwrap() == expected.row(r).unwrap()));
                assert_eq!(subset.weights(), expected.weights());
                assert_eq!(subset.norms(), expected.norms());
                assert_eq!(subset.sum_squares(), expected.sum_squares());
            }
        }
    }
}
