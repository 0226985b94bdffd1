//! Arithmetic on tiles; knows no algorithm.
//!
//! A [`Backend`] opens a [`Session`] on some [`Tiles`]; the session labels rows by their nearest centroid and returns
//! counts and sums. The answer is defined by integers alone ([`reference`]): the label of a row is the centroid with the
//! smallest integer squared distance, ties go to the lowest index. Every other backend gives the same answer, row for
//! row; how a fast one may be sure of that is in [`certificate`].

mod centroids;
mod certificate;
pub mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
mod partial;
pub mod reference;

pub use centroids::{Centroids, MAX_K, distance2, rounded_mean};
pub use certificate::Certificate;
pub use partial::Partial;

use crate::data::Tiles;
use crate::error::Result;
use crate::event::Watch;

/// Something that can label rows: a kind of arithmetic and the device that does it.
pub trait Backend: Send + Sync {
    /// `reference`, `cpu` or `gpu`.
    fn name(&self) -> &'static str;

    /// The device in a person's words, such as `AVX-512, 2 threads` or the name of a GPU.
    fn device(&self) -> String;

    /// Takes hold of the tiles for passes with up to `k` centroids: a GPU copies them up here.
    fn open<'a>(&'a self, tiles: &'a Tiles, k: usize, watch: Watch<'_>) -> Result<Box<dyn Session + 'a>>;
}

/// Passes over one set of tiles.
pub trait Session {
    /// Labels every row by its nearest centroid; returns the counts and sums of all rows.
    ///
    /// # Errors
    /// [`Interrupted`](crate::Error::Interrupted), [`DeviceLost`](crate::Error::DeviceLost), or a fault of the scratch
    /// file. The session is not to be used afterwards.
    fn pass(&mut self, centroids: &Centroids, watch: Watch<'_>) -> Result<Partial>;

    /// Labels every row and hands labels and exact squared distances to `sink`, in the order of the rows; with
    /// `margin` the squared distance to the second-nearest centroid too.
    ///
    /// # Errors
    /// As for [`pass`](Session::pass), and those of `sink`.
    fn label(
        &mut self,
        centroids: &Centroids,
        margin: bool,
        watch: Watch<'_>,
        sink: &mut dyn FnMut(Labels) -> Result<()>,
    ) -> Result<()>;

    /// What the session did that a user may want to know, such as how many chunks are streamed. One line.
    fn remark(&self) -> Option<String> {
        None
    }
}

/// Labels of consecutive rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Row number of the first row.
    pub first_row: u64,
    /// Per row, the index of its nearest centroid.
    pub labels: Vec<u32>,
    /// Per row, the squared distance to it in squared grid units.
    pub distance2: Vec<u64>,
    /// Per row, the squared distance to the second-nearest centroid (`u64::MAX` where there is one centroid only).
    pub second2: Option<Vec<u64>>,
}

/// What a GPU can do at most, measured.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct DeviceCeilings {
    /// f32 fused multiply-adds, counted as two operations each, in 10^9 a second.
    pub gflops: f64,
    /// Copying in the device's memory, bytes read plus bytes written, in 10^9 a second.
    pub copy_gbs: f64,
}

impl Labels {
    /// The part from `row` on; None if all rows come before it.
    pub fn from_row(mut self, row: u64) -> Option<Labels> {
        let skip = row.saturating_sub(self.first_row);
        if skip >= self.labels.len() as u64 {
            return None;
        }
        self.first_row += skip;
        self.labels.drain(..skip as usize);
        self.distance2.drain(..skip as usize);
        if let Some(second2) = &mut self.second2 {
            second2.drain(..skip as usize);
        }
        Some(self)
    }
}
