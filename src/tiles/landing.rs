//! Concurrent writes of column chunks into tiles.
//!
//! Each task decodes one column of one row group and owns the cells of (its rows, its feature): no two tasks write the
//! same value, but their values are interleaved in the same chunks, which safe slices cannot express.

#![allow(unsafe_code, reason = "disjoint writes to interleaved cells of shared chunks; see Landing")]

use std::sync::atomic::{AtomicBool, Ordering};

use super::arena::Arena;
use super::layout::{Layout, TILE_ROWS};

/// The chunks of a store, open for concurrent writes.
pub(crate) struct Landing<'a> {
    layout: Layout,
    /// The first value of the first chunk.
    values: *mut f32,
    /// Values from the start of one chunk to the start of the next.
    stride: usize,
    /// First row and rows of every group, ascending and without overlap.
    groups: Vec<(u64, u64)>,
    /// Per (group, feature), whether its cells have been claimed.
    claimed: Vec<AtomicBool>,
    /// Borrowed exclusively by `new`; its values are accessed only through the pointer.
    arena: &'a Arena,
}

// SAFETY: the pointer stems from an exclusive borrow that lasts for 'a. It is used only through `LandingColumn`s, and
// `claim` hands out each (group, feature) at most once; groups do not overlap (checked in `new`), so the cells of two
// columns are disjoint and no cell is accessed by two threads.
unsafe impl Sync for Landing<'_> {}

/// The cells of one (group, feature).
pub(crate) struct LandingColumn<'a> {
    landing: &'a Landing<'a>,
    feature: usize,
    next: u64,
    end: u64,
    /// Rows before this one have memory; tracked by the column of the first feature.
    populated: u64,
}

/// Bytes of tiles to allocate at a time.
const WINDOW: u64 = 16 << 20;

impl<'a> Landing<'a> {
    /// `groups`: first row and rows of every row group, ascending.
    ///
    /// # Panics
    /// If groups overlap or reach beyond the layout, or the arena is too small for it: bugs of the caller.
    pub(crate) fn new(layout: Layout, arena: &'a mut Arena, groups: Vec<(u64, u64)>) -> Self {
        let end = |g: &(u64, u64)| g.0.checked_add(g.1).expect("a row group ends below 2^64");
        assert!(groups.windows(2).all(|w| end(&w[0]) <= w[1].0), "row groups overlap");
        assert!(groups.iter().all(|g| end(g) <= layout.rows()), "row groups reach beyond the rows");
        let stride = arena.stride();
        let values = arena.values_mut();
        let needed = |i: usize| i * stride + layout.floats_in(i);
        let fits =
            stride >= layout.chunk_floats() && layout.chunks().checked_sub(1).is_none_or(|i| needed(i) <= values.len());
        assert!(fits, "the arena is too small");
        let claimed = (0..groups.len() * layout.dim()).map(|_| AtomicBool::new(false)).collect();
        Landing { layout, values: values.as_mut_ptr(), stride, groups, claimed, arena }
    }

    /// Allocates the memory of rows; `rows` must be nonempty and within the layout.
    fn populate(&self, rows: std::ops::Range<u64>) {
        let tile = |row: u64| {
            let chunk_rows = self.layout.chunk_rows() as u64;
            (row / chunk_rows) as usize * self.stride + self.layout.position((row % chunk_rows) as usize, 0)
        };
        self.arena.populate(tile(rows.start)..tile(rows.end - 1) + 1);
    }

    /// Claims the cells of a group and a feature; None if they were claimed before.
    pub(crate) fn claim(&'a self, group: usize, feature: usize) -> Option<LandingColumn<'a>> {
        assert!(feature < self.layout.dim(), "there is no such feature");
        let taken = self.claimed[group * self.layout.dim() + feature].swap(true, Ordering::Relaxed);
        let (first, rows) = self.groups[group];
        (!taken).then_some(LandingColumn { landing: self, feature, next: first, end: first + rows, populated: first })
    }
}

impl LandingColumn<'_> {
    /// Allocates the memory of the rows before `needed`, in windows: only as much as decoded values need, whatever a
    /// footer claims.
    fn populate(&mut self, needed: u64) {
        let window = (WINDOW / (4 * self.landing.layout.dim() as u64)).max(1);
        while self.populated < needed {
            let to = (self.populated + window).min(self.end);
            self.landing.populate(self.populated..to);
            self.populated = to;
        }
    }

    /// Writes the next values of the column. Returns false, and writes nothing, if they exceed the group's rows.
    #[must_use]
    pub(crate) fn push(&mut self, mut values: &[f32]) -> bool {
        if values.len() as u64 > self.end - self.next {
            return false;
        }
        if self.feature == 0 {
            self.populate(self.next + values.len() as u64);
        }
        let layout = &self.landing.layout;
        let chunk_rows = layout.chunk_rows() as u64;
        while !values.is_empty() {
            let row = (self.next % chunk_rows) as usize;
            let run = values.len().min(TILE_ROWS - row % TILE_ROWS);
            let chunk = (self.next / chunk_rows) as usize;
            // SAFETY: rows next..next + run lie in one tile of one chunk (chunks are whole tiles) and before `end`, so
            // within the layout and the arena (checked in `new`); these cells of this feature belong to this column
            // alone (see `Sync` above), and `values` is an f32 slice elsewhere.
            unsafe {
                let cell = self.landing.values.add(chunk * self.landing.stride + layout.position(row, self.feature));
                std::ptr::copy_nonoverlapping(values.as_ptr(), cell, run);
            }
            self.next += run as u64;
            values = &values[run..];
        }
        true
    }

    /// Whether every row of the group has been written.
    pub(crate) fn is_full(&self) -> bool {
        self.next == self.end
    }
}
