//! The recipe after fitting: every constant that turns a raw value into a grid integer, and back.
//!
//! A value takes two steps. **Landing** transforms it and stores its difference from the column's `origin` as f32: this
//! happens as the value is decoded, before the statistics of the whole column are known; the origin, a central value,
//! keeps the precision of columns with a large offset. **Gridding** fills what is missing, scales, clips and rounds half
//! to even to a multiple of the step. Fitting and replaying run the same two functions.

use fearless_simd::Simd;
use serde::{Deserialize, Serialize};

use super::elementary::{exp_m1, ln_1p};
use super::spec::{Missing, Scale, Transform};
use crate::data::GRID_MAX;
use crate::simd::{Dispatch, Work};

/// A fitted recipe: what `assign` needs to prepare new rows exactly as the rows of the fit were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The grid's step is 2 to this power, in scaled units; the same for all columns.
    pub step_exponent: i32,
    /// The features, in order.
    pub columns: Vec<FittedColumn>,
    /// Columns that were asked for or chosen and then left out, and why.
    pub dropped: Vec<DroppedColumn>,
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
pub struct FittedColumn {
    /// The column's name.
    pub name: String,
    /// Its Arrow type in the input of the fit.
    pub data_type: String,
    /// Never `auto`: the choice was made.
    pub transform: Transform,
    /// The policy for missing values.
    pub missing: Missing,
    /// What a missing value becomes, in transformed units; None if nothing was missing and the policy is to refuse.
    pub fill: Option<f64>,
    /// How it was scaled.
    pub scale: Scale,
    /// Landed values are differences from this, in transformed units.
    pub origin: f64,
    /// Transformed value that becomes 0 on the grid.
    pub center: f64,
    /// Transformed units in one scaled unit.
    pub unit: f64,
    /// Scaled values are kept within +-clip; None: not clipped.
    pub clip: Option<f64>,
    /// Factor of the scaled value.
    pub weight: f64,
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

impl Transform {
    /// The transformed value of a finite `x`; NaN where it is not defined.
    #[inline(always)]
    pub(crate) fn apply(self, x: f64) -> f64 {
        match self {
            Transform::None | Transform::Auto => x,
            Transform::SignedLog1p => ln_1p(x.abs()).copysign(x),
            Transform::Log1p if x >= 0.0 => ln_1p(x),
            // ln(1 + x) = -ln(1 / (1 + x)) = -ln(1 + -x / (1 + x)).
            Transform::Log1p if x > -1.0 => -ln_1p(-x / (1.0 + x)),
            Transform::Log1p => f64::NAN,
        }
    }

    /// The value in its own unit that has the transformed value `t`.
    pub fn original(self, t: f64) -> f64 {
        match self {
            Transform::None | Transform::Auto => t,
            Transform::Log1p if t < 0.0 => {
                let grown = exp_m1(-t);
                -grown / (1.0 + grown)
            }
            Transform::Log1p | Transform::SignedLog1p => exp_m1(t.abs()).copysign(t),
        }
    }
}

/// Lands values that may be NaN (missing) or infinite: differences from `origin` as f32, NaN for missing, are appended to
/// `out`. Returns how many are NaN.
pub(crate) fn land(transform: Transform, origin: f64, values: &[f64], out: &mut Vec<f32>, simd: Dispatch) -> u64 {
    let start = out.len();
    out.resize(start + values.len(), 0.0);
    simd.run(Land { transform, origin, values, out: &mut out[start..] })
}

struct Land<'a> {
    transform: Transform,
    origin: f64,
    values: &'a [f64],
    out: &'a mut [f32],
}

impl Work for Land<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> u64 {
        // A loop of its own for each transform, which the compiler turns into SIMD.
        match self.transform {
            Transform::None | Transform::Auto => self.each(
                #[inline(always)]
                |x| x,
            ),
            Transform::SignedLog1p => self.each(
                #[inline(always)]
                |x| ln_1p(x.abs()).copysign(x),
            ),
            Transform::Log1p => self.each(
                #[inline(always)]
                |x| Transform::Log1p.apply(x),
            ),
        }
    }
}

impl Land<'_> {
    #[inline(always)]
    fn each(self, transformed: impl Fn(f64) -> f64) -> u64 {
        let limit = f64::from(f32::MAX);
        let mut not_there = 0u64;
        for (out, &x) in self.out.iter_mut().zip(self.values) {
            // x * 0 is 0 for every finite x and NaN otherwise: adding it turns infinities into NaN without a branch.
            let landed = transformed(x) + x * 0.0 - self.origin;
            *out = landed.clamp(-limit, limit) as f32;
            // At most the number of values: wrapping only lets the compiler use SIMD.
            not_there = not_there.wrapping_add(u64::from(landed.is_nan()));
        }
        not_there
    }
}

/// A column's constants, ready for use on landed values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gridder {
    shift: f64,
    factor: f64,
    limit: f64,
    fill: f32,
}

/// Adding and subtracting it rounds a smaller f64 to the nearest integer, half to even.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

impl Gridder {
    /// The grid integer of a landed value, as f32, and whether it was clipped.
    #[inline(always)]
    pub(crate) fn grid(&self, landed: f32) -> (f32, bool) {
        let exact = (f64::from(landed) + self.shift) * self.factor;
        let rounded = ((exact.clamp(-self.limit, self.limit) + ROUND) - ROUND) as f32;
        let missing = landed.is_nan();
        // What was beyond f32 has landed on its end.
        let beyond = (exact.abs() > self.limit) | (landed.abs() == f32::MAX);
        (if missing { self.fill } else { rounded }, !missing & beyond)
    }
}

/// Grids some landed values into as many cells; returns how many were clipped.
pub(crate) struct Grid<'a> {
    pub(crate) gridder: Gridder,
    pub(crate) landed: &'a [f32],
    pub(crate) cells: &'a mut [f32],
}

impl Work for Grid<'_> {
    type Output = u32;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> u32 {
        let mut clipped = 0u32;
        for (cell, &landed) in self.cells.iter_mut().zip(self.landed) {
            let (value, was_clipped) = self.gridder.grid(landed);
            *cell = value;
            // At most a tile's 64: wrapping only lets the compiler use SIMD.
            clipped = clipped.wrapping_add(u32::from(was_clipped));
        }
        clipped
    }
}

impl FittedColumn {
    /// Grid steps in one scaled, weighted unit are `2^-step_exponent`.
    pub(crate) fn gridder(&self, step_exponent: i32) -> Gridder {
        let steps = self.weight * power_of_two(-step_exponent);
        let limit = self.clip.map_or(f64::from(GRID_MAX), |c| (c * steps).min(f64::from(GRID_MAX)));
        let mut gridder = Gridder { shift: self.origin - self.center, factor: steps / self.unit, limit, fill: 0.0 };
        gridder.fill = self.fill.map_or(0.0, |fill| gridder.grid((fill - self.origin) as f32).0);
        gridder
    }

    /// The value in the column's own unit that a grid value stands for.
    pub fn original(&self, grid: f64, step_exponent: i32) -> f64 {
        let scaled = grid * power_of_two(step_exponent) / self.weight;
        self.transform.original(scaled * self.unit + self.center)
    }

    /// The grid integer of a raw value; None if it is not finite or outside the transform's domain.
    pub fn on_grid(&self, raw: f64, step_exponent: i32) -> Option<i32> {
        let mut landed = Vec::with_capacity(1);
        land(self.transform, self.origin, &[raw], &mut landed, Dispatch::default());
        landed[0].is_finite().then(|| self.gridder(step_exponent).grid(landed[0]).0 as i32)
    }

    /// Values that were missing in the fit.
    pub fn missing_count(&self) -> u64 {
        self.seen.nulls + self.seen.nan + self.seen.infinite
    }
}

impl Recipe {
    /// The grid's step, in scaled units.
    pub fn step(&self) -> f64 {
        power_of_two(self.step_exponent)
    }

    /// The names of the features, in order.
    pub fn feature_names(&self) -> Vec<&str> {
        self.columns.iter().map(|c| c.name.as_str()).collect()
    }
}

/// `2^e` for any `e` with a normal result, exactly.
pub(crate) fn power_of_two(e: i32) -> f64 {
    f64::from_bits(((1023 + i64::from(e.clamp(-1022, 1023))) as u64) << 52)
}
