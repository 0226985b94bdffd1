//! Principal components: fewer values per row than there are features, from the exact covariance of the grid.

use serde::{Deserialize, Serialize};

use crate::numeric::power_of_two;
use crate::tiles::GRID_MAX;

/// How features on their grid become components on theirs, and back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    /// The step of the components' grid is 2 to this power.
    pub step_exponent: i32,
    /// Means of the features, in steps of their grid.
    pub mean: Vec<f64>,
    /// Components x features: unit vectors, with the sign that makes their largest value positive.
    pub components: Vec<Vec<f64>>,
    /// By component: one step of the features' grid in scaled units. This is the step, divided by the component's
    /// deviation if it was whitened.
    pub unit: Vec<f64>,
    /// Shares of the features' variance.
    pub explained_variance_ratio: Vec<f64>,
}

impl Projection {
    /// One component of a row in scaled units. `feature` gives the values on the features' grid.
    #[inline(always)]
    pub(crate) fn component(&self, j: usize, feature: impl Fn(usize) -> f64) -> f64 {
        let terms = self.components[j].iter().zip(&self.mean).enumerate();
        // Summed from the first feature to the last, the same order on every platform.
        terms.fold(0.0, |sum, (f, (c, mean))| sum + c * (feature(f) - mean)) * self.unit[j]
    }

    /// The grid integer of a component in scaled units.
    pub(crate) fn grid(&self, component: f64) -> f32 {
        let limit = f64::from(GRID_MAX);
        (component * power_of_two(-self.step_exponent)).round_ties_even().clamp(-limit, limit) as f32
    }

    /// The components of a row, on their grid, from its features on theirs.
    pub(crate) fn row_of(&self, features: &[i32]) -> Vec<i32> {
        let value = |j| self.grid(self.component(j, |f| f64::from(features[f]))) as i32;
        (0..self.components.len()).map(value).collect()
    }

    /// The features, on their grid, that components on theirs stand for.
    pub(crate) fn features_of(&self, row: &[f64]) -> Vec<f64> {
        let step = power_of_two(self.step_exponent);
        let mut features = self.mean.clone();
        for ((value, component), unit) in row.iter().zip(&self.components).zip(&self.unit) {
            let length = value * step / unit;
            features.iter_mut().zip(component).for_each(|(f, c)| *f += length * c);
        }
        features
    }
}
