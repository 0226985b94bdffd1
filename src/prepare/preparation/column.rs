//! One fitted feature: its constants, and the way of a value to the grid and back.

use serde::{Deserialize, Serialize};

use super::column_transform::ColumnTransform;
use super::seen::Seen;
use super::stored::StoredColumn;
use crate::numeric::power_of_two;
use crate::prepare::gridder::Gridder;
use crate::prepare::recipe::{Derivation, Missing, Scale, Unseen};
use crate::prepare::transform::{FittedTransform, Ground, grain, land};
use crate::simd::Dispatch;
use crate::tiles::GRID_MAX;

/// One feature's constants and what was seen of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredColumn", into = "StoredColumn")]
pub struct PreparedColumn {
    /// The column's name.
    pub name: String,
    /// Its Arrow type in the input of the fit.
    pub data_type: String,
    /// What it is made of; None: the column of the same name.
    pub from: Option<Derivation>,
    /// The transform, with its parameters.
    pub transform: ColumnTransform,
    /// Transformed values beyond these are moved to them.
    pub winsor: Option<[f64; 2]>,
    /// The policy for missing values.
    pub missing: Missing,
    /// What a missing value becomes, in transformed units; None if nothing was missing and the policy is to refuse.
    pub fill: Option<f64>,
    /// Whether `fill` is the median of the rows that were probed, and not of all: where the fit had no gap, and no
    /// other need of quartiles, it does not look for that of all. False in models of programs that did not say.
    pub fill_is_of_sample: bool,
    /// How it was scaled.
    pub scale: Scale,
    /// Landed values are differences from this, in transformed units (`yeo-johnson`: in those of `signed-log1p`); where
    /// these are beyond the range of f32, divided by a power of two.
    pub origin: f64,
    /// Transformed value that becomes 0 on the grid.
    pub center: f64,
    /// Transformed units in one scaled unit.
    pub unit: f64,
    /// Scaled values are kept within +-clip; None: not clipped.
    pub clip: Option<f64>,
    /// Factor of the scaled value, including the share of its block's weight.
    pub weight: f64,
    /// The block of columns that it belongs to.
    pub block: Option<String>,
    /// What `assign` does with values that the fit did not see.
    pub unseen: Unseen,
    /// What was seen in the fit.
    pub seen: Seen,
}

impl TryFrom<StoredColumn> for PreparedColumn {
    type Error = String;

    fn try_from(stored: StoredColumn) -> Result<Self, String> {
        stored.check()?;
        let StoredColumn { name, transform, lambda, landmarks, .. } = stored;
        let transform = ColumnTransform::from_parts(transform, lambda, landmarks)
            .map_err(|why| format!("column {name:?}: {why}"))?;
        Ok(PreparedColumn {
            name,
            data_type: stored.data_type,
            from: stored.from,
            transform,
            winsor: stored.winsor,
            missing: stored.missing,
            fill: stored.fill,
            fill_is_of_sample: stored.fill_is_of_sample,
            scale: stored.scale,
            origin: stored.origin,
            center: stored.center,
            unit: stored.unit,
            clip: stored.clip,
            weight: stored.weight,
            block: stored.block,
            unseen: stored.unseen,
            seen: stored.seen,
        })
    }
}

impl From<PreparedColumn> for StoredColumn {
    fn from(column: PreparedColumn) -> Self {
        let (transform, lambda, landmarks) = column.transform.into_parts();
        StoredColumn {
            name: column.name,
            data_type: column.data_type,
            from: column.from,
            transform,
            lambda,
            landmarks,
            winsor: column.winsor,
            missing: column.missing,
            fill: column.fill,
            fill_is_of_sample: column.fill_is_of_sample,
            scale: column.scale,
            origin: column.origin,
            center: column.center,
            unit: column.unit,
            clip: column.clip,
            weight: column.weight,
            block: column.block,
            unseen: column.unseen,
            seen: column.seen,
        }
    }
}

impl PreparedColumn {
    /// The origin after the fitted transform: values in the store are differences from this when they are gridded.
    fn fitted_origin(&self) -> f64 {
        self.transform.fitted().map_or(self.origin, |fitted| fitted.apply(self.origin))
    }

    /// Where its values land.
    pub(crate) fn ground(&self) -> Ground {
        let ends = match self.transform.fitted() {
            Some(FittedTransform::Quantile(landmarks)) => [landmarks[0], landmarks[landmarks.len() - 1]],
            // Logarithms.
            Some(FittedTransform::YeoJohnson(_)) => [self.origin; 2],
            None => [self.seen.min, self.seen.max],
        };
        let spread = ends.iter().map(|end| (end - self.origin).abs()).fold(0.0, f64::max);
        Ground { transform: self.transform.kind(), origin: self.origin, grain: grain(spread) }
    }

    /// The unit of values in the store when they are gridded.
    fn fitted_grain(&self) -> f64 {
        if self.transform.fitted().is_some() { 1.0 } else { self.ground().grain }
    }

    /// The constants for gridding landed values; the grid's step is 2 to the power of `step_exponent`.
    pub(crate) fn gridder(&self, step_exponent: i32) -> Gridder {
        let steps = self.weight * power_of_two(step_exponent.saturating_neg());
        let limit = self.clip.map_or(f64::from(GRID_MAX), |c| (c * steps).min(f64::from(GRID_MAX)));
        let (origin, grain) = (self.fitted_origin(), self.fitted_grain());
        let landed = |v: f64| ((v - origin) / grain) as f32;
        let winsor = self.winsor.map(|[low, high]| (landed(low), landed(high)));
        let (shift, factor) = ((origin - self.center) / grain, steps / (self.unit / grain));
        let mut gridder = Gridder { shift, factor, limit, fill: 0.0, winsor, seen: None };
        gridder.fill = self.fill.map_or(0.0, |fill| gridder.grid(landed(fill)).0);
        gridder
    }

    /// The same constants, with which values outside the range of the fit are counted too.
    pub(crate) fn watchful_gridder(&self, step_exponent: i32) -> Gridder {
        let (origin, grain) = (self.fitted_origin(), self.fitted_grain());
        // Adding and subtracting the origin may have changed the last bits.
        let slack = origin.abs() * f64::EPSILON;
        let landed = |v: f64, slack: f64| ((v - origin + slack) / grain) as f32;
        let seen = (landed(self.seen.min, -slack), landed(self.seen.max, slack));
        // Of winsorised values, only the range that they were moved into is known.
        let seen = self.winsor.is_none().then_some((seen.0.next_down(), seen.1.next_up()));
        Gridder { seen, ..self.gridder(step_exponent) }
    }

    /// The value in the column's own unit that a transformed value stands for.
    pub fn raw(&self, transformed: f64) -> f64 {
        let landed = self.transform.fitted().map_or(transformed, |fitted| fitted.inverse(transformed));
        self.transform.kind().landed_from(landed)
    }

    /// The transformed value that a grid value stands for.
    pub fn transformed_from_grid(&self, grid: f64, step_exponent: i32) -> f64 {
        grid * power_of_two(step_exponent) / self.weight * self.unit + self.center
    }

    /// The value in the column's own unit that a grid value stands for; exactly 0 where 0 rounds to it.
    pub(crate) fn original(&self, grid: f64, step_exponent: i32) -> f64 {
        let at_limit = grid.abs() >= self.gridder(step_exponent).limit.floor();
        if !at_limit && self.on_grid(0.0, step_exponent).is_some_and(|zero| (f64::from(zero) - grid).abs() < 0.5) {
            return 0.0;
        }
        self.raw(self.transformed_from_grid(grid, step_exponent))
    }

    /// The grid integer of a raw value; None if it is not finite or outside the transform's domain.
    pub(crate) fn on_grid(&self, raw: f64, step_exponent: i32) -> Option<i32> {
        let mut landed = Vec::with_capacity(1);
        let ground = self.ground();
        land(ground, &[raw], &mut landed, Dispatch::default());
        if let Some(fitted) = self.transform.fitted() {
            let origin = self.fitted_origin();
            landed[0] = (fitted.apply(f64::from(landed[0]) * ground.grain + self.origin) - origin) as f32;
        }
        landed[0].is_finite().then(|| self.gridder(step_exponent).grid(landed[0]).0 as i32)
    }

    /// Values that were missing in the fit.
    pub fn missing_count(&self) -> u64 {
        self.seen.counts.missing()
    }

    /// The column of the input that it is made of; for a ratio or a difference, its own name.
    pub fn column(&self) -> &str {
        match &self.from {
            None | Some(Derivation::Ratio(_) | Derivation::Difference(_)) => &self.name,
            Some(from) => from.columns()[0],
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn stored() -> Value {
        json!({
            "name": "x", "data_type": "Float64", "transform": "none", "missing": "median", "fill": 1.0, "scale": "zscore",
            "origin": 0.5, "center": 1.5, "unit": 2.0, "clip": 128.0, "weight": 1.0,
            "seen": {
                "present": 3, "nulls": 0, "nan": 0, "infinite": 0, "clipped": 0, "mean": 1.5, "deviation": 2.0,
                "skewness": 0.25, "raw_skewness": null, "min": 0.0, "max": 3.0
            }
        })
    }

    fn with(changes: &[(&str, Value)]) -> Result<PreparedColumn, String> {
        let mut column = stored();
        changes.iter().for_each(|(key, value)| column[*key] = value.clone());
        serde_json::from_value(column).map_err(|e| e.to_string())
    }

    #[test]
    fn a_stored_column_comes_back_the_same() {
        let quantile = [("transform", json!("quantile")), ("landmarks", json!([0.0, 0.1, 9.0]))];
        let yeo_johnson = [("transform", json!("yeo-johnson")), ("lambda", json!(0.3)), ("block", json!("b"))];
        let of_sample = [("fill_is_of_sample", json!(true))];
        let winsorised = [("winsor", json!([0.0, 1.0])), ("clip", Value::Null)];
        for changes in [&[][..], &quantile, &yeo_johnson, &winsorised, &of_sample] {
            let mut expected = stored();
            changes.iter().for_each(|(key, value)| expected[*key] = value.clone());
            assert_eq!(serde_json::to_value(with(changes).unwrap()).unwrap(), expected);
        }
        let text = serde_json::to_string(&with(&yeo_johnson).unwrap()).unwrap();
        let start = r#"{"name":"x","data_type":"Float64","transform":"yeo-johnson","lambda":0.3,"missing":"median","fill":1.0,"#;
        assert!(text.starts_with(start), "{text}");
        let end = r#""weight":1.0,"block":"b","seen":{"present":3,"nulls":0,"nan":0,"infinite":0,"clipped":0,"mean":1.5,"deviation":2.0,"skewness":0.25,"raw_skewness":null,"min":0.0,"max":3.0}}"#;
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let cases: [(&[(&str, Value)], &str); 11] = [
            (&[("weight", json!(0.0))], "column \"x\": weight must be a positive finite number, not 0"),
            (&[("weight", json!(-1.0))], "weight must be"),
            (&[("unit", json!(0.0))], "unit must be a positive finite number"),
            (&[("clip", json!(-2.5))], "clip must be a positive finite number, not -2.5"),
            (&[("transform", json!("auto"))], "column \"x\": transform auto is not a fitted transform"),
            (&[("transform", json!("yeo-johnson"))], "yeo-johnson needs lambda"),
            (&[("transform", json!("quantile"))], "quantile needs landmarks"),
            (&[("transform", json!("quantile")), ("landmarks", json!([1.0]))], "two or more"),
            (&[("transform", json!("quantile")), ("lambda", json!(1.0)), ("landmarks", json!([1.0, 2.0]))], "quantile"),
            (&[("lambda", json!(1.0))], "transform none has no lambda and no landmarks"),
            (&[("transform", json!("sqrt")), ("landmarks", json!([1.0, 2.0]))], "transform sqrt has no lambda"),
        ];
        for (changes, expected) in cases {
            let why = with(changes).unwrap_err();
            assert!(why.contains(expected), "{changes:?}: {why}");
        }
        let non_finite = StoredColumn { origin: f64::NAN, ..with(&[]).unwrap().into() };
        let why = PreparedColumn::try_from(non_finite).unwrap_err();
        assert_eq!(why, "column \"x\": origin must be a finite number, not NaN");
    }
}
