//! Arithmetic on tiles, independent of any algorithm.
//!
//! A [`Backend`] opens a [`Session`] on some [`Tiles`]; the session labels rows by their nearest centroid and returns
//! counts and sums. The result is defined by integers alone ([`mod@reference`]): the label of a row is the centroid
//! with the smallest integer squared distance; ties go to the lowest index. Every other backend gives the same result,
//! row for row; `certificate` explains how a fast one can be certain of it.

mod centroids;
mod certificate;
pub mod cpu;
mod gaussians;
#[cfg(feature = "gpu")]
pub mod gpu;
mod partial;
pub mod reference;

pub use centroids::{Centroids, MAX_K};
pub(crate) use centroids::{distance2, rounded_mean};
pub(crate) use certificate::Certificate;
pub(crate) use gaussians::{
    Factors, Gaussians, MAHALANOBIS_UNIT, MixtureLabels, MixtureSums, NO_DENSITY, RowPosterior, SecondMoments, UNIT,
    triangle,
};
pub use partial::CentroidSums;

use crate::error::Result;
use crate::event::Watch;
use crate::tiles::Tiles;

/// A way to label rows: a kind of arithmetic and the device that runs it.
pub trait Backend: Send + Sync {
    /// `reference`, `cpu` or `gpu`.
    fn name(&self) -> &'static str;

    /// A readable name of the device, such as `AVX-512, 2 threads` or the name of a GPU.
    fn device(&self) -> String;

    /// Releases the resources of a device that will not be used again.
    fn abandon(&self) {}

    /// Opens a session on the tiles for passes with up to `k` centroids; a GPU uploads the tiles here.
    ///
    /// # Errors
    /// Too little memory, a device that refuses, or [`Interrupted`](crate::Error::Interrupted).
    ///
    /// # Examples
    /// ```
    /// use hyades::backend::reference::Reference;
    /// use hyades::backend::{Backend, Centroids};
    /// use hyades::event::Watch;
    /// use hyades::tiles::Tiles;
    ///
    /// let tiles = Tiles::from_rows(2, &[0, 0, 2, 4, 10, 10], None, 64)?;
    /// let centroids = Centroids::new(2, vec![0, 0, 10, 10])?;
    /// let mut session = Reference.open(&tiles, 2, Watch::none())?;
    /// let sums = session.centroidal().pass(&centroids, Watch::none())?;
    /// assert_eq!(sums.counts, [2, 1]);
    /// assert_eq!(sums.means(&centroids).row(0), [1, 2]);
    /// # Ok::<(), hyades::Error>(())
    /// ```
    fn open<'a>(&'a self, tiles: &'a Tiles, k: usize, watch: Watch<'_>) -> Result<Box<dyn Session + 'a>>;
}

/// Work on one set of tiles. What a device can do there is said by capabilities, a trait each: an algorithm asks for
/// the one that it needs, and a device that lacks it says so by its type, not by an error in the middle of a job.
pub trait Session {
    /// Distances to centroids, which every device can compute.
    fn centroidal(&mut self) -> &mut dyn Centroidal;

    /// Anything about the session that a user may want to know, such as how many chunks are streamed. One line.
    fn remark(&self) -> Option<String> {
        None
    }

    /// The work of the device's kernels so far; None if it has none.
    fn device_work(&self) -> Option<DeviceWork> {
        None
    }
}

/// Passes that label rows by their nearest centroid.
pub trait Centroidal {
    /// Labels every row by its nearest centroid; returns the counts and sums of all rows.
    ///
    /// # Errors
    /// [`Interrupted`](crate::Error::Interrupted), [`DeviceLost`](crate::Error::DeviceLost), or an I/O error on the
    /// scratch file. The session must not be used afterwards.
    fn pass(&mut self, centroids: &Centroids, watch: Watch<'_>) -> Result<CentroidSums>;

    /// Labels every row and passes labels and exact squared distances to `sink`, in row order; with `margin`, also the
    /// squared distance to the second-nearest centroid.
    ///
    /// # Errors
    /// As for [`pass`](Centroidal::pass), and the errors of `sink`.
    fn label(
        &mut self,
        centroids: &Centroids,
        margin: bool,
        watch: Watch<'_>,
        sink: &mut dyn FnMut(Labels) -> Result<()>,
    ) -> Result<()>;

    /// The farthest row of every segment, ties to the lowest row number; None if all its rows lie on the centroid.
    ///
    /// # Errors
    /// As for [`pass`](Centroidal::pass).
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
}

/// A row at some distance from its centroid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Farthest {
    /// Exact squared distance in squared grid units, above 0.
    pub distance2: u64,
    /// Row number.
    pub row: u64,
}

impl Farthest {
    /// Replaces `other` if this row lies farther, or as far with a lower row number.
    pub(crate) fn offer_to(self, other: &mut Option<Farthest>) {
        let rank = |f: &Farthest| (f.distance2, std::cmp::Reverse(f.row));
        if self.distance2 > 0 && other.as_ref().is_none_or(|other| rank(&self) > rank(other)) {
            *other = Some(self);
        }
    }
}

/// The work of a device and its data transfers.
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
    /// The combined work of two devices; seconds are added.
    #[cfg(feature = "gpu")]
    pub(crate) fn plus(mut self, other: DeviceWork) -> Self {
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
    /// Their number.
    pub dispatches: u64,
    /// Seconds by the device's own clock, if it has one.
    pub seconds: Option<f64>,
    /// The minimum of bytes: values and labels, each once.
    pub bytes: u64,
    /// The minimum of operations: two for every row, centroid and feature.
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
    /// Per row, the squared distance to the second-nearest centroid (`u64::MAX` if there is only one centroid).
    pub second2: Option<Vec<u64>>,
}

/// Measured peak rates of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct DeviceCeilings {
    /// f32 fused multiply-adds, counted as two operations each, in 10^9 per second.
    pub gflops: f64,
    /// Copying in the device's memory, bytes read plus bytes written, in 10^9 per second.
    pub copy_gbs: f64,
}

impl Labels {
    /// The labels from `row` on; None if all rows come before it.
    pub(crate) fn since(mut self, row: u64) -> Option<Labels> {
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
