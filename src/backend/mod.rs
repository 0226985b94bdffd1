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

use crate::error::Result;
use crate::event::Watch;
use crate::tiles::Tiles;

/// Something that can label rows: a kind of arithmetic and the device that does it.
pub trait Backend: Send + Sync {
    /// `reference`, `cpu` or `gpu`.
    fn name(&self) -> &'static str;

    /// The device in a person's words, such as `AVX-512, 2 threads` or the name of a GPU.
    fn device(&self) -> String;

    /// Gives back what a device holds, which is not to be used any more.
    fn abandon(&self) {}

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

    /// The farthest row of every segment, ties to the lowest row number; None where all rows lie on their centroid.
    ///
    /// # Errors
    /// As for [`pass`](Session::pass).
    fn farthest(&mut self, centroids: &Centroids, watch: Watch<'_>) -> Result<Vec<Option<Farthest>>> {
        let mut farthest = vec![None; centroids.k()];
        self.label(centroids, false, watch, &mut |part| {
            for (row, (&label, &distance2)) in (part.first_row..).zip(part.labels.iter().zip(&part.distance2)) {
                Farthest { distance2, row }.offer_to(&mut farthest[label as usize]);
            }
            Ok(())
        })?;
        Ok(farthest)
    }

    /// What the session did that a user may want to know, such as how many chunks are streamed. One line.
    fn remark(&self) -> Option<String> {
        None
    }

    /// What the kernels of a device did so far; None where there are none.
    fn device_work(&self) -> Option<DeviceWork> {
        None
    }
}

/// A row that lies away from its centroid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Farthest {
    /// Exact squared distance in squared grid units, above 0.
    pub distance2: u64,
    /// Row number.
    pub row: u64,
}

impl Farthest {
    /// Takes the place of `other` if it lies farther, or as far and has a lower row number.
    pub(crate) fn offer_to(self, other: &mut Option<Farthest>) {
        let rank = |f: &Farthest| (f.distance2, std::cmp::Reverse(f.row));
        if self.distance2 > 0 && other.as_ref().is_none_or(|other| rank(&self) > rank(other)) {
            *other = Some(self);
        }
    }
}

/// What a device was asked to do, and what travelled there and back.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct DeviceWork {
    /// By kernel.
    pub kernels: Vec<KernelWork>,
    /// Bytes from the host to the device: tiles, centroids and parameters.
    pub to_device: u64,
    /// Bytes from the device to the host: totals, labels and times.
    pub from_device: u64,
}

impl DeviceWork {
    /// The work of two devices together; of their seconds, the sum.
    pub fn plus(mut self, other: DeviceWork) -> Self {
        for more in other.kernels {
            match self.kernels.iter_mut().find(|w| w.kernel == more.kernel) {
                None => self.kernels.push(more),
                Some(w) => {
                    w.dispatches += more.dispatches;
                    w.seconds = w.seconds.zip(more.seconds).map(|(a, b)| a + b);
                    w.bytes += more.bytes;
                    w.operations += more.operations;
                }
            }
        }
        self.to_device += other.to_device;
        self.from_device += other.from_device;
        self
    }
}

/// The dispatches of one kernel.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct KernelWork {
    /// The shader's name.
    pub kernel: &'static str,
    /// How many there were.
    pub dispatches: u64,
    /// Seconds by the device's own clock, if it has one.
    pub seconds: Option<f64>,
    /// Bytes that it cannot do without: values and labels, each once.
    pub bytes: u64,
    /// Operations that it cannot do without: two for every row, centroid and feature.
    pub operations: u64,
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
