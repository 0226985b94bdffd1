//! The position of a value: rows in tiles, tiles in chunks.
//!
//! A **tile** holds [`TILE_ROWS`] rows, feature-major: within a tile the values of one feature are contiguous, so that
//! a SIMD register or a GPU workgroup loads one feature of many rows at once. A **chunk** is a run of whole tiles: the
//! unit of allocation, of work and of streaming. The last tile is padded with zeros. In its chunk, row `r` of feature
//! `f` is at `(tile * dim + f) * TILE_ROWS + r % TILE_ROWS`.

/// Rows in a tile: four AVX-512 registers of f32, or two waves of a GPU with 32 lanes.
pub(crate) const TILE_ROWS: usize = 64;

/// The most features of a row; with it every squared distance fits 62 bits.
pub const MAX_DIM: usize = 4096;

/// A chunk read from a file, aligned to a cache line so that no SIMD load straddles two.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    values: Vec<f32>,
    start: usize,
    len: usize,
}

/// f32 values on a cache line.
const LINE: usize = 16;

impl Buffer {
    pub(crate) fn zeroed(len: usize) -> Self {
        let values = vec![0f32; len + LINE];
        // An allocation of f32 is aligned to 4 bytes, so a cache line begins within the first 16 values.
        let start = values.as_ptr().align_offset(LINE * 4).min(LINE);
        Buffer { values, start, len }
    }

    /// Makes room for `len` values, with unspecified contents.
    pub(crate) fn resize(&mut self, len: usize) {
        if self.start + len > self.values.len() {
            *self = Buffer::zeroed(len);
        }
        self.len = len;
    }
}

impl std::ops::Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.start..][..self.len]
    }
}

impl std::ops::DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.start..][..self.len]
    }
}

/// Rows, features and the size of chunks; all positions follow from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    rows: u64,
    dim: usize,
    chunk_rows: usize,
}

impl Layout {
    /// `chunk_rows` is rounded up to whole tiles, and at most 2^24.
    pub fn new(rows: u64, dim: usize, chunk_rows: usize) -> Self {
        Layout { rows, dim, chunk_rows: chunk_rows.clamp(1, 1 << 24).next_multiple_of(TILE_ROWS) }
    }

    /// Rows of a chunk for `dim` features: about 1 MiB, which stays in a core's second-level cache during work on it.
    pub fn default_chunk_rows(dim: usize) -> usize {
        ((1 << 20) / (4 * dim.max(1))).clamp(1024, 1 << 16).next_multiple_of(TILE_ROWS)
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Number of features.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Rows in every chunk but the last.
    pub fn chunk_rows(&self) -> usize {
        self.chunk_rows
    }

    /// The same rows with another number of features.
    pub(crate) fn with_dim(&self, dim: usize) -> Self {
        Layout { dim, ..*self }
    }

    /// Number of chunks.
    pub fn chunks(&self) -> usize {
        self.rows.div_ceil(self.chunk_rows as u64) as usize
    }

    /// The first row of a chunk.
    pub fn first_row(&self, chunk: usize) -> u64 {
        chunk as u64 * self.chunk_rows as u64
    }

    /// Rows in a chunk.
    pub(crate) fn rows_in(&self, chunk: usize) -> usize {
        (self.rows - self.first_row(chunk)).min(self.chunk_rows as u64) as usize
    }

    /// Tiles in a chunk, including the padded one.
    pub(crate) fn tiles_in(&self, chunk: usize) -> usize {
        self.rows_in(chunk).div_ceil(TILE_ROWS)
    }

    /// f32 values in a chunk, including padding.
    pub fn floats_in(&self, chunk: usize) -> usize {
        self.tiles_in(chunk) * TILE_ROWS * self.dim
    }

    /// f32 values in a full chunk.
    pub(crate) fn chunk_floats(&self) -> usize {
        self.chunk_rows * self.dim
    }

    /// Bytes of all chunks.
    pub fn bytes(&self) -> u64 {
        self.rows.next_multiple_of(TILE_ROWS as u64).saturating_mul(self.dim as u64 * 4)
    }

    /// The position in its chunk of row `row` (counted within the chunk), feature `feature`.
    pub fn position(&self, row: usize, feature: usize) -> usize {
        ((row / TILE_ROWS) * self.dim + feature) * TILE_ROWS + row % TILE_ROWS
    }
}
