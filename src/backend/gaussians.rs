//! Gaussian components as passes use them, and the sums that a pass over rows makes of their responsibilities.

use serde::{Deserialize, Serialize};

use super::Labels;
use crate::error::Result;
use crate::numeric::Partial;
use crate::numeric::partial::other_shape;

/// Responsibilities, and log densities in sums, are multiples of 1 / `UNIT`.
pub(crate) const UNIT: f64 = (1 << RESPONSIBILITY_BITS) as f64;
/// Binary digits of a responsibility.
pub(crate) const RESPONSIBILITY_BITS: u32 = 24;

/// The log of the density of a component without weight: far below any other.
pub(crate) const NO_DENSITY: f64 = -1e300;

/// Components with everything that their densities need. All values are in grid units.
///
/// The log density of a row is the component's constant minus half the squared Mahalanobis distance to its mean.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gaussians {
    pub(crate) dim: usize,
    /// By component: the log of its weight and of its density at the mean.
    pub(crate) constants: Vec<f64>,
    /// `k x dim`.
    pub(crate) means: Vec<f64>,
    pub(crate) factors: Factors,
}

/// What turns a deviation from the mean into one of independent standard deviations.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Factors {
    /// `k x dim` reciprocals of standard deviations.
    Scales(Vec<f64>),
    /// By component, the Cholesky factor of the precision, by column: `dim x (dim + 1) / 2` values, column `c` with its
    /// rows 0 to `c`.
    Triangles(Vec<f64>),
    /// One such factor for all components.
    Triangle(Vec<f64>),
}

impl Gaussians {
    /// Components.
    pub(crate) fn k(&self) -> usize {
        self.constants.len()
    }

    /// The mean of a component.
    pub(crate) fn mean(&self, j: usize) -> &[f64] {
        &self.means[j * self.dim..][..self.dim]
    }
}

/// The entries of a triangle of `dim` columns.
pub(crate) fn triangle(dim: usize) -> usize {
    dim * (dim + 1) / 2
}

/// Which second moments are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SecondMoments {
    /// None.
    Without,
    /// The square of each feature.
    Squares,
    /// The product of each pair of features, as a triangle by column.
    Products,
}

impl SecondMoments {
    /// Their number for one component.
    pub(crate) fn len(self, dim: usize) -> usize {
        match self {
            SecondMoments::Without => 0,
            SecondMoments::Squares => dim,
            SecondMoments::Products => triangle(dim),
        }
    }
}

/// Sums over some rows by component, weighted by the rows' responsibilities and weights. All are integers, so merging
/// in any order gives the same bytes.
///
/// Nothing overflows: weights sum to less than 2^40, responsibilities are at most 2^24, and products of two grid
/// integers less than 2^46.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MixtureSums {
    pub(crate) dim: usize,
    pub(crate) second: SecondMoments,
    /// Sum of the weights by component, in 1 / `UNIT`.
    pub(crate) mass: Vec<i128>,
    /// Sum of weight times value, `k x dim`.
    pub(crate) sums: Vec<i128>,
    /// The same of the second moments, `k x SecondMoments::len`.
    pub(crate) products: Vec<i128>,
    /// Sum of the rows' log densities, in 1 / `UNIT`.
    pub(crate) log_density: i128,
}

impl MixtureSums {
    /// Sums without rows.
    pub(crate) fn empty(k: usize, dim: usize, second: SecondMoments) -> Self {
        let (sums, products) = (vec![0; k * dim], vec![0; k * second.len(dim)]);
        MixtureSums { dim, second, mass: vec![0; k], sums, products, log_density: 0 }
    }

    /// Components.
    pub(crate) fn k(&self) -> usize {
        self.mass.len()
    }

    /// The sums of one component.
    pub(crate) fn sum(&self, j: usize) -> &[i128] {
        &self.sums[j * self.dim..][..self.dim]
    }

    /// The second moments of one component.
    pub(crate) fn product(&self, j: usize) -> &[i128] {
        let len = self.second.len(self.dim);
        &self.products[j * len..][..len]
    }
}

impl Partial for MixtureSums {
    const NAME: &'static str = "mixture sums";
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        if (self.dim, self.second, self.k()) != (other.dim, other.second, other.k()) {
            return Err(other_shape::<Self>());
        }
        let add = |a: &mut [i128], b: &[i128]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        add(&mut self.mass, &other.mass);
        add(&mut self.sums, &other.sums);
        add(&mut self.products, &other.products);
        self.log_density += other.log_density;
        Ok(())
    }
}

/// The unit of Mahalanobis distances where distances are whole numbers: 2^-16 standard deviations.
pub(crate) const MAHALANOBIS_UNIT: f64 = 1.0 / 65536.0;
/// The largest squared distance in such units, as of distances on the grid: 2^15 standard deviations.
const FARTHEST2: f64 = ((1u64 << 62) - 1) as f64;

/// What is known of a row's posteriors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RowPosterior {
    /// The largest.
    pub(crate) first: f64,
    /// The component of the second-largest; None if there is only one component.
    pub(crate) second: Option<u32>,
    /// The second-largest; 0 if there is only one component.
    pub(crate) second_posterior: f64,
    /// The entropy of all, in nats.
    pub(crate) entropy: f64,
}

/// The components of consecutive rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MixtureLabels {
    /// The component of the largest posterior of each row, ties to the lowest index, and the squared Mahalanobis
    /// distance to its mean, in squared [`MAHALANOBIS_UNIT`]s.
    pub(crate) labels: Labels,
    /// Per row.
    pub(crate) posteriors: Vec<RowPosterior>,
    /// The sum of the rows' log densities, in 1 / `UNIT`, with their weights.
    pub(crate) log_density: i128,
}

impl MixtureLabels {
    /// Of no rows yet.
    pub(super) fn with_capacity(first_row: u64, rows: usize) -> Self {
        let (labels, distance2) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let labels = Labels { first_row, labels, distance2, second2: None };
        MixtureLabels { labels, posteriors: Vec::with_capacity(rows), log_density: 0 }
    }

    /// Adds a row.
    #[inline(always)]
    pub(super) fn push(&mut self, component: u32, distance2: f64, posterior: RowPosterior) {
        const UNIT2: f64 = MAHALANOBIS_UNIT * MAHALANOBIS_UNIT;
        self.labels.labels.push(component);
        self.labels.distance2.push((distance2.max(0.0) * (1.0 / UNIT2)).min(FARTHEST2).round_ties_even() as u64);
        self.posteriors.push(posterior);
    }
}
