//! Lloyd's iteration: label each row by its nearest centroid, move each centroid to the mean of its rows, repeat.

use std::time::Instant;

use super::repair::move_empty;
use crate::backend::{CentroidSums, Centroids, Session};
use crate::error::{Error, Result};
use crate::event::{Event, Watch};
use crate::tiles::Tiles;

/// When to stop before the fixpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Most passes.
    pub max_iter: u32,
    /// Stop when the squared moves of all centroids sum to no more than this share of the mean variance of the
    /// features, like scikit-learn's `tol`; 0: continue to the fixpoint.
    pub tol: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_iter: 300, tol: 1e-4 }
    }
}

impl Limits {
    /// # Errors
    /// A limit of no passes, or a tolerance that is negative or not a finite number.
    pub fn check(&self) -> Result<()> {
        if self.max_iter == 0 {
            return Err(Error::usage("max-iter is 0: at least one pass is needed".into()).of_option("--max-iter"));
        }
        if !(self.tol >= 0.0 && self.tol.is_finite()) {
            return Err(
                Error::usage(format!("tol is {}: it must be finite and not negative", self.tol)).of_option("--tol")
            );
        }
        Ok(())
    }
}

/// Why the iteration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// No centroid moved.
    Fixpoint,
    /// The exact inertia no longer fell.
    Inertia,
    /// The centroids moved less than the tolerance.
    Tolerance,
    /// The most passes were made.
    MaxIter,
    /// Further passes would have relabelled more customers than allowed.
    Budget,
}

/// The state after some passes, sufficient to continue.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) centroids: Centroids,
    /// Passes made.
    pub(super) n_iter: u32,
    /// Inertia of the last pass; None before the first or after a repair.
    pub(super) falling_from: Option<u128>,
    /// The reason to stop, if found before the rows were labelled by the last centroids.
    pub(super) stop: Option<Stop>,
}

/// The result of the iteration.
#[derive(Debug, Clone)]
pub(super) struct Converged {
    pub(super) centroids: Centroids,
    /// Rows by segment.
    pub(super) counts: Vec<u64>,
    /// The exact inertia.
    pub(super) inertia: u128,
    /// Passes made, except one that only counted.
    pub(super) n_iter: u32,
    pub(super) stop: Stop,
    /// Segments without rows of a weight above 0.
    pub(super) empty: usize,
}

impl Progress {
    pub(super) fn new(centroids: Centroids) -> Self {
        Progress { centroids, n_iter: 0, falling_from: None, stop: None }
    }

    /// Iterates until there is a reason to stop.
    pub(super) fn run(
        &mut self,
        tiles: &Tiles,
        session: &mut dyn Session,
        limits: Limits,
        watch: Watch<'_>,
    ) -> Result<Converged> {
        loop {
            if let Some(converged) = self.step(tiles, session, limits, watch)? {
                return Ok(converged);
            }
        }
    }

    /// Makes one pass. Returns the result if there is a reason to stop. On an error `self` holds the centroids of the
    /// last complete pass, from which another session can continue with the same result.
    pub(super) fn step(
        &mut self,
        tiles: &Tiles,
        session: &mut dyn Session,
        limits: Limits,
        watch: Watch<'_>,
    ) -> Result<Option<Converged>> {
        watch.check()?;
        let start = Instant::now();
        let partial = session.centroidal().pass(&self.centroids, watch)?;
        let inertia = partial.inertia(&self.centroids, tiles.sum_squares());
        // A segment whose rows all weigh 0 has no mean, and counts as empty.
        let empty = partial.mass.iter().filter(|&&mass| mass == 0).count();
        if let Some(stop) = self.stop {
            return Ok(Some(self.converged(partial, inertia, stop, empty)));
        }
        let mut next = partial.means(&self.centroids);
        let moved =
            if empty > 0 { move_empty(tiles, session, &self.centroids, &partial.mass, &mut next, watch)? } else { 0 };
        let number = self.n_iter + 1;
        watch.emit(Event::Pass {
            number,
            changed: partial.changed,
            skipped: partial.skipped,
            inertia: inertia as f64,
            took: start.elapsed(),
        });
        let stop = if next == self.centroids {
            Some(Stop::Fixpoint)
        } else if self.falling_from.is_some_and(|before| inertia >= before) {
            Some(Stop::Inertia)
        } else {
            None
        };
        self.n_iter = number;
        if let Some(stop) = stop {
            return Ok(Some(self.converged(partial, inertia, stop, empty)));
        }
        let shift = squared_shift(&self.centroids, &next);
        self.falling_from = (moved == 0).then_some(inertia);
        self.centroids = next;
        let small = moved == 0 && shift <= limits.tol * mean_variance(&partial, tiles.sum_squares());
        // One more pass computes the counts and the inertia for the last centroids.
        if small {
            self.stop = Some(Stop::Tolerance);
        } else if number >= limits.max_iter {
            self.stop = Some(Stop::MaxIter);
        }
        Ok(None)
    }

    fn converged(&self, last: CentroidSums, inertia: u128, stop: Stop, empty: usize) -> Converged {
        let centroids = self.centroids.clone();
        Converged { centroids, counts: last.counts, inertia, n_iter: self.n_iter, stop, empty }
    }
}

/// Sum of the squared moves of all centroids, in squared grid units.
fn squared_shift(a: &Centroids, b: &Centroids) -> f64 {
    a.iter().zip(b.iter()).map(|(a, b)| u128::from(crate::backend::distance2(a, b))).sum::<u128>() as f64
}

/// The mean variance of the features, in squared grid units, from the exact sums of any pass.
fn mean_variance(partial: &CentroidSums, sum_squares: u128) -> f64 {
    let mass: i64 = partial.mass.iter().sum();
    let (mass, dim) = (mass as f64, partial.dim());
    let mut total = vec![0i128; dim];
    for j in 0..partial.k() {
        total.iter_mut().zip(partial.sum(j)).for_each(|(t, &s)| *t += i128::from(s));
    }
    let mean2: f64 = total.iter().map(|&t| t as f64 / mass).map(|m| m * m).sum();
    (sum_squares as f64 / mass - mean2) / dim as f64
}
