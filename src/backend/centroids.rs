//! Centroids on the grid, and means rounded to the grid.

use crate::error::{Error, Result};
use crate::tiles::{GRID_MAX, MAX_DIM};

/// The most segments a fit may have.
pub const MAX_K: usize = 4096;

/// `k` centroids of `dim` grid integers, row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Centroids {
    dim: usize,
    values: Vec<i32>,
}

impl Centroids {
    /// # Errors
    /// No centroid, more than [`MAX_K`], more than [`MAX_DIM`] features, a ragged matrix, or a value outside the grid.
    pub fn new(dim: usize, values: Vec<i32>) -> Result<Self> {
        if dim == 0 || dim > MAX_DIM {
            return Err(Error::usage(format!("{dim} features: expected between 1 and {MAX_DIM}")));
        }
        if values.is_empty() || !values.len().is_multiple_of(dim) || values.len() / dim > MAX_K {
            return Err(Error::usage(format!(
                "{} values do not make between 1 and {MAX_K} centroids of {dim} features",
                values.len()
            )));
        }
        match values.iter().find(|v| v.unsigned_abs() > GRID_MAX as u32) {
            Some(v) => Err(Error::usage(format!("a centroid has the value {v}, outside the grid of +-{GRID_MAX}"))),
            None => Ok(Centroids { dim, values }),
        }
    }

    /// Number of centroids.
    pub fn k(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Number of features.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All values, row-major.
    pub fn values(&self) -> &[i32] {
        &self.values
    }

    /// One centroid.
    pub fn row(&self, j: usize) -> &[i32] {
        &self.values[j * self.dim..][..self.dim]
    }

    /// The centroids, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[i32]> {
        self.values.chunks_exact(self.dim)
    }

    /// Replaces one centroid.
    pub(crate) fn set_row(&mut self, j: usize, values: &[i32]) {
        self.values[j * self.dim..][..self.dim].copy_from_slice(values);
    }

    /// The same centroids in another order: row `i` of the result is row `order[i]`.
    pub fn reordered(&self, order: &[usize]) -> Self {
        Centroids { dim: self.dim, values: order.iter().flat_map(|&j| self.row(j)).copied().collect() }
    }

    /// The squared norm of one centroid.
    pub fn norm2(&self, j: usize) -> u64 {
        self.row(j).iter().map(|&v| u64::from(v.unsigned_abs()).pow(2)).sum()
    }
}

/// The exact squared distance between two rows on the grid (values within plus or minus [`GRID_MAX`]). Labels are
/// defined by it.
///
/// A difference has at most 24 bits, its square 48, and the sum of [`MAX_DIM`] of them 60, so nothing wraps. The
/// wrapping operations say so to the compiler: overflow checks would prevent SIMD.
#[inline(always)]
pub(crate) fn distance2(a: &[i32], b: &[i32]) -> u64 {
    a.iter().zip(b).fold(0, |sum, (&a, &b)| {
        let difference = i64::from(a.wrapping_sub(b));
        sum.wrapping_add(difference.wrapping_mul(difference) as u64)
    })
}

/// `sum / count` rounded to the nearest integer, ties to even: the mean as a centroid. `count` is positive.
pub(crate) fn rounded_mean(sum: i64, count: i64) -> i32 {
    let (quotient, rest) = (sum.div_euclid(count), sum.rem_euclid(count));
    let up = match (2 * i128::from(rest)).cmp(&i128::from(count)) {
        std::cmp::Ordering::Greater => 1,
        std::cmp::Ordering::Equal => quotient & 1,
        std::cmp::Ordering::Less => 0,
    };
    (quotient + up) as i32
}
