//! Where tiles live and how large their chunks are.

use std::path::PathBuf;

use crate::error::Result;
use crate::simd::{Dispatch, SimdLevel};
use crate::tiles::{Layout, Store};

/// Where the tiles will live, and in what pieces. Results do not depend on it.
#[derive(Debug, Clone, Default)]
pub struct Placement {
    /// Rows in a chunk; by default about 1 MiB of values.
    pub chunk_rows: Option<usize>,
    /// A folder for a scratch file from which the tiles are streamed; None: in memory.
    pub scratch: Option<PathBuf>,
    /// The SIMD level; by default the fastest of this machine.
    pub simd: Option<SimdLevel>,
}

impl Placement {
    /// An empty store for some rows of `width` features.
    pub(super) fn store(&self, rows: u64, width: usize) -> Result<Store> {
        let chunk_rows = self.chunk_rows.unwrap_or_else(|| Layout::default_chunk_rows(width));
        let layout = Layout::new(rows, width, chunk_rows);
        match &self.scratch {
            Some(folder) => Store::scratch(layout, folder),
            None => Store::memory(layout),
        }
    }

    /// The kernels to use.
    pub(super) fn dispatch(&self) -> Result<Dispatch> {
        self.simd.map_or_else(|| Ok(Dispatch::default()), SimdLevel::dispatch)
    }
}
