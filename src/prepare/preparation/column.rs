//! The recipe after fitting: every constant that turns a raw value into a grid integer, and back.
//!
//! A value takes two steps. **Landing** transforms it and stores its difference from the column's `origin` as f32: this
//! happens as the value is decoded, before the statistics of the whole column are known; the origin, a central value,
//! keeps the precision of columns with a large offset. **Gridding** fills what is missing, scales, clips and rounds half
//! to even to a multiple of the step. Fitting and replaying run the same functions. Between the two, transforms that are
//! fitted to the whole column and the numbers of categories take the place of landed values; after them, principal
//! components may take the place of features.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::projection::Projection;
use crate::numeric::power_of_two;
use crate::prepare::gridder::Gridder;
use crate::prepare::recipe::{Categories, Derivation, Missing, Scale, Transform, Unseen};
use crate::prepare::transform::{Fitted, land};
use crate::simd::Dispatch;
use crate::tiles::GRID_MAX;

/// A fitted recipe: what `assign` needs to prepare new rows exactly as the rows of the fit were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// The grid's step is 2 to this power, in scaled units; the same for all columns.
    pub step_exponent: i32,
    /// The features, in order.
    pub columns: Vec<PreparedColumn>,
    /// Columns that were asked for or chosen and then left out, and why.
    pub dropped: Vec<DroppedColumn>,
    /// By column of the input, numbers that stand for missing values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sentinels: BTreeMap<String, Vec<f64>>,
    /// The categories of columns of categories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Categories>,
    /// Principal components, which then are what is clustered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<Projection>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A column that the fit left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DroppedColumn {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// One feature's constants and what was seen of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreparedColumn {
    /// The column's name.
    pub name: String,
    /// Its Arrow type in the input of the fit.
    pub data_type: String,
    /// What it is made of; None: the column of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Derivation>,
    /// Never `auto`: the choice was made.
    pub transform: Transform,
    /// The parameter of `yeo-johnson`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// The quantiles of `quantile`, at equal steps from 0 to 1, in the column's own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landmarks: Option<Vec<f64>>,
    /// Transformed values beyond these are moved to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winsor: Option<[f64; 2]>,
    /// The policy for missing values.
    pub missing: Missing,
    /// What a missing value becomes, in transformed units; None if nothing was missing and the policy is to refuse.
    pub fill: Option<f64>,
    /// How it was scaled.
    pub scale: Scale,
    /// Landed values are differences from this, in transformed units (`yeo-johnson`: in those of `signed-log1p`).
    pub origin: f64,
    /// Transformed value that becomes 0 on the grid.
    pub center: f64,
    /// Transformed units in one scaled unit.
    pub unit: f64,
    /// Scaled values are kept within +-clip; None: not clipped.
    pub clip: Option<f64>,
    /// Factor of the scaled value, the share of its block's weight included.
    pub weight: f64,
    /// The block of columns that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<String>,
    /// What `assign` does with values that the fit did not see.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unseen: Unseen,
    /// What was seen in the fit.
    pub seen: Seen,
}

/// Counts and statistics of one column in the rows of the fit. Statistics are of present, transformed values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Values that were present.
    pub present: u64,
    /// Nulls.
    pub nulls: u64,
    /// NaN, treated as missing.
    pub nan: u64,
    /// Infinities, treated as missing.
    pub infinite: u64,
    /// Sentinels, treated as missing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sentinels: u64,
    /// Values moved to a quantile.
    #[serde(default, skip_serializing_if = "is_default")]
    pub winsorised: u64,
    /// Values moved to the clip.
    pub clipped: u64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation of the population.
    pub deviation: f64,
    /// Skewness; None where nothing varies.
    pub skewness: Option<f64>,
    /// Skewness of the untransformed values in the rows that were probed.
    pub raw_skewness: Option<f64>,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

impl PreparedColumn {
    /// The transform that was fitted to the column, in landed values with the origin added.
    pub(crate) fn fitted(&self) -> Option<Fitted> {
        match self.transform {
            Transform::YeoJohnson => self.lambda.map(Fitted::YeoJohnson),
            Transform::Quantile => self.landmarks.clone().map(Fitted::Quantile),
            _ => None,
        }
    }

    /// Gridded values are made of differences from this.
    fn fitted_origin(&self) -> f64 {
        self.fitted().map_or(self.origin, |fitted| fitted.apply(self.origin))
    }

    /// Grid steps in one scaled, weighted unit are `2^-step_exponent`.
    pub(crate) fn gridder(&self, step_exponent: i32) -> Gridder {
        let steps = self.weight * power_of_two(-step_exponent);
        let limit = self.clip.map_or(f64::from(GRID_MAX), |c| (c * steps).min(f64::from(GRID_MAX)));
        let origin = self.fitted_origin();
        let winsor = self.winsor.map(|[low, high]| ((low - origin) as f32, (high - origin) as f32));
        let mut gridder =
            Gridder { shift: origin - self.center, factor: steps / self.unit, limit, fill: 0.0, winsor, seen: None };
        gridder.fill = self.fill.map_or(0.0, |fill| gridder.grid((fill - origin) as f32).0);
        gridder
    }

    /// The same, which also counts values outside the range of the fit.
    pub(crate) fn watchful_gridder(&self, step_exponent: i32) -> Gridder {
        let origin = self.fitted_origin();
        // The sum and the difference with the origin may have moved the last bits.
        let slack = origin.abs() * f64::EPSILON;
        let seen = ((self.seen.min - origin - slack) as f32, (self.seen.max - origin + slack) as f32);
        Gridder { seen: Some((seen.0.next_down(), seen.1.next_up())), ..self.gridder(step_exponent) }
    }

    /// The value in the column's own unit that a transformed value stands for.
    pub fn raw(&self, transformed: f64) -> f64 {
        let landed = self.fitted().map_or(transformed, |fitted| fitted.inverse(transformed));
        self.transform.landed_from(landed)
    }

    /// The transformed value that a grid value stands for.
    pub fn transformed_from_grid(&self, grid: f64, step_exponent: i32) -> f64 {
        grid * power_of_two(step_exponent) / self.weight * self.unit + self.center
    }

    /// The value in the column's own unit that a grid value stands for.
    pub fn original(&self, grid: f64, step_exponent: i32) -> f64 {
        self.raw(self.transformed_from_grid(grid, step_exponent))
    }

    /// The grid integer of a raw value; None if it is not finite or outside the transform's domain.
    pub fn on_grid(&self, raw: f64, step_exponent: i32) -> Option<i32> {
        let mut landed = Vec::with_capacity(1);
        land(self.transform, self.origin, &[raw], &mut landed, Dispatch::default());
        if let Some(fitted) = self.fitted() {
            let origin = self.fitted_origin();
            landed[0] = (fitted.apply(f64::from(landed[0]) + self.origin) - origin) as f32;
        }
        landed[0].is_finite().then(|| self.gridder(step_exponent).grid(landed[0]).0 as i32)
    }

    /// Values that were missing in the fit.
    pub fn missing_count(&self) -> u64 {
        self.seen.nulls + self.seen.nan + self.seen.infinite + self.seen.sentinels
    }

    /// The column of the input that it is made of; of a derived feature, its own name.
    pub fn column(&self) -> &str {
        match &self.from {
            None | Some(Derivation::Ratio(_) | Derivation::Difference(_)) => &self.name,
            Some(from) => from.columns()[0],
        }
    }
}

impl Preparation {
    /// The grid's step, in scaled units; of components, if there are any.
    pub fn step(&self) -> f64 {
        power_of_two(self.projection.as_ref().map_or(self.step_exponent, |p| p.step_exponent))
    }

    /// Values that a row has on the grid: one a feature, or one a component.
    pub fn grid_dim(&self) -> usize {
        self.projection.as_ref().map_or(self.columns.len(), |p| p.components.len())
    }

    /// Whether its parts agree: a model is read from a file.
    pub fn is_consistent(&self) -> bool {
        let dim = self.columns.len();
        let projection = self.projection.as_ref().is_none_or(|p| {
            p.mean.len() == dim && p.components.iter().all(|c| c.len() == dim) && p.unit.len() == p.components.len()
        });
        let categories = self.categories.iter().all(|c| c.names.len() == c.counts.len() && c.own <= c.names.len());
        let column = |c: &PreparedColumn| match (c.transform, &c.lambda, &c.landmarks) {
            (Transform::YeoJohnson, lambda, _) => lambda.is_some_and(f64::is_finite),
            (Transform::Quantile, _, landmarks) => landmarks.as_ref().is_some_and(|l| l.len() > 1),
            (Transform::Auto, ..) => false,
            _ => true,
        };
        let encoded = |c: &PreparedColumn| {
            c.from.as_ref().is_none_or(|from| !from.is_of_category() || self.encodes(from.columns()[0]))
        };
        projection && categories && self.columns.iter().all(|c| column(c) && encoded(c))
    }

    /// The names of the features, in order.
    pub fn feature_names(&self) -> Vec<&str> {
        self.columns.iter().map(|c| c.name.as_str()).collect()
    }

    /// Whether a column of the input is made a number of, whatever its type.
    pub fn encodes(&self, column: &str) -> bool {
        self.categories.iter().any(|c| c.column == column)
    }

    /// The columns of the input that the features are made of, each once.
    pub fn source_columns(&self) -> Vec<String> {
        let columns = self.columns.iter();
        let names = columns.flat_map(|c| c.from.as_ref().map_or_else(|| vec![c.name.as_str()], Derivation::columns));
        let mut seen = BTreeSet::new();
        names.filter(|name| seen.insert(*name)).map(str::to_owned).collect()
    }

    /// A row of the grid, such as a centroid, as values of the features on their grid, which need not be whole where they
    /// come of components.
    pub fn features_of(&self, row: &[i32]) -> Vec<f64> {
        let values: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
        self.projection.as_ref().map_or_else(|| values.clone(), |p| p.features_of(&values))
    }

    /// A row of the features on their grid as it is clustered.
    pub fn row_of(&self, features: &[i32]) -> Vec<i32> {
        self.projection.as_ref().map_or_else(|| features.to_vec(), |p| p.row_of(features))
    }
}
