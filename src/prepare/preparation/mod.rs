//! The fitted preparation: every constant that turns a raw value into a grid integer, and back.
//!
//! A value takes two steps. **Landing** transforms it and stores its difference from the column's `origin` as f32. This
//! happens as the value is decoded, before the statistics of the whole column are known. The origin, a central value,
//! preserves the precision of columns with a large offset. **Gridding** fills missing values, scales, clips and rounds
//! half to even to a multiple of the step. Fitting and replaying run the same functions. Between the two steps,
//! transforms that are fitted to the whole column and encoded categories replace landed values. After them, principal
//! components may replace features.

mod column;
mod column_transform;
mod projection;
mod seen;
mod stored;

pub use self::column::PreparedColumn;
pub use self::column_transform::ColumnTransform;
pub use self::projection::Projection;
pub use self::seen::Seen;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::recipe::{Categories, Derivation};
use crate::numeric::power_of_two;

/// A fitted recipe: what `assign` needs to prepare new rows exactly as the rows of the fit were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preparation {
    /// The grid's step is 2 to this power, in scaled units; the same for all columns.
    pub step_exponent: i32,
    /// The features, in order.
    pub columns: Vec<PreparedColumn>,
    /// Columns that were asked for or chosen and then left out, and why.
    pub dropped: Vec<DroppedColumn>,
    /// By column of the input: the numbers that stand for missing values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sentinels: BTreeMap<String, Vec<f64>>,
    /// The categories of columns of categories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Categories>,
    /// Principal components. If there are any, they are clustered instead of the features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<Projection>,
}

/// A column that the fit left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DroppedColumn {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl Preparation {
    /// The grid's step, in scaled units; that of the components, if there are any.
    pub fn step(&self) -> f64 {
        power_of_two(self.grid_exponent())
    }

    /// That step is 2 to this power.
    pub(crate) fn grid_exponent(&self) -> i32 {
        self.projection.as_ref().map_or(self.step_exponent, |p| p.step_exponent)
    }

    /// How many values a row has on the grid: one per feature, or one per component.
    pub fn grid_dim(&self) -> usize {
        self.projection.as_ref().map_or(self.columns.len(), |p| p.components.len())
    }

    /// Whether its parts agree. A model is read from a file that anyone may have written.
    pub(crate) fn is_consistent(&self) -> bool {
        let dim = self.columns.len();
        let exponent = |e: i32| (-1022..=1023).contains(&e);
        let projection = self.projection.as_ref().is_none_or(|p| {
            exponent(p.step_exponent)
                && p.mean.len() == dim
                && p.components.iter().all(|c| c.len() == dim)
                && p.unit.len() == p.components.len()
        });
        let categories = self.categories.iter().all(|c| c.names.len() == c.counts.len() && c.own <= c.names.len());
        // An encoded column is read as categories only, and only an encoded one.
        let encoded = |c: &PreparedColumn| {
            let columns = c.from.as_ref().map_or_else(|| vec![c.name.as_str()], Derivation::columns);
            let of_category = c.from.as_ref().is_some_and(Derivation::is_of_category);
            columns.into_iter().all(|column| self.encodes(column) == of_category)
        };
        let columns = self.columns.iter().all(|c| encoded(c) && c.gridder(self.step_exponent).is_finite());
        exponent(self.step_exponent) && projection && categories && columns
    }

    /// The names of the features, in order.
    pub fn feature_names(&self) -> Vec<&str> {
        self.columns.iter().map(|c| c.name.as_str()).collect()
    }

    /// Whether a column of the input is encoded as categories, whatever its type.
    pub(crate) fn encodes(&self, column: &str) -> bool {
        self.categories.iter().any(|c| c.column == column)
    }

    /// The columns of the input that the features are derived from, each once.
    pub(crate) fn source_columns(&self) -> Vec<String> {
        let columns = self.columns.iter();
        let names = columns.flat_map(|c| c.from.as_ref().map_or_else(|| vec![c.name.as_str()], Derivation::columns));
        let mut seen = BTreeSet::new();
        names.filter(|name| seen.insert(*name)).map(str::to_owned).collect()
    }

    /// The features, on their grid, of a row such as a centroid. They need not be whole if they come from components.
    pub fn features_of(&self, row: &[i32]) -> Vec<f64> {
        self.features_of_mean(&row.iter().map(|&v| f64::from(v)).collect::<Vec<_>>())
    }

    /// The features, on their grid, of a row whose values need not be whole.
    pub(crate) fn features_of_mean(&self, row: &[f64]) -> Vec<f64> {
        self.projection.as_ref().map_or_else(|| row.to_vec(), |p| p.features_of(row))
    }

    /// A row as it is clustered, from its features on their grid.
    pub(crate) fn row_of(&self, features: &[i32]) -> Vec<i32> {
        self.projection.as_ref().map_or_else(|| features.to_vec(), |p| p.row_of(features))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn preparation(step_exponent: i32, weight: f64, encoded: &str) -> Preparation {
        let column = json!({
            "name": "x", "data_type": "Float64", "transform": "none", "missing": "median", "fill": 1.0, "scale": "zscore",
            "origin": 0.5, "center": 1.5, "unit": 2.0, "clip": 128.0, "weight": weight,
            "seen": {
                "present": 3, "nulls": 0, "nan": 0, "infinite": 0, "clipped": 0, "mean": 1.5, "deviation": 2.0,
                "skewness": 0.25, "raw_skewness": null, "min": 0.0, "max": 3.0
            }
        });
        let categories = json!([{ "column": encoded, "names": ["a", "b"], "counts": [2, 1], "own": 2 }]);
        let all =
            json!({ "step_exponent": step_exponent, "columns": [column], "dropped": [], "categories": categories });
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn constants_that_grid_no_value_are_inconsistent() {
        assert!(preparation(-16, 1.0, "y").is_consistent());
        assert!(!preparation(i32::MIN, 1.0, "y").is_consistent(), "a step that is no f64");
        assert!(!preparation(-1000, 1e300, "y").is_consistent(), "an infinite factor");
        assert!(!preparation(-16, 1.0, "x").is_consistent(), "a number and categories of one column");
    }
}
