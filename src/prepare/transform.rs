//! Transforms of single values. Those that need only the value are applied as it lands. Those that are fitted to the
//! whole column are applied to landed values afterwards.
//!
//! `yeo-johnson` lands as `signed-log1p` and is computed from it without another logarithm; `quantile` lands
//! untransformed.

use fearless_simd::Simd;

use super::recipe::Transform;
use crate::numeric::{LANES, exp_m1, exp_m1_wide, exponent, lane_total, ln_1p, power_of_two};
use crate::simd::{Dispatch, Work};

impl Transform {
    /// What is applied as a value lands.
    pub(crate) fn landing(self) -> Transform {
        match self {
            Transform::YeoJohnson => Transform::SignedLog1p,
            Transform::Quantile | Transform::Auto => Transform::None,
            other => other,
        }
    }

    /// Whether it is fitted to the whole column.
    pub(crate) fn is_fitted(self) -> bool {
        matches!(self, Transform::YeoJohnson | Transform::Quantile)
    }

    /// The value of a finite `x` as it lands; NaN where the transform is undefined.
    #[inline(always)]
    pub(crate) fn apply(self, x: f64) -> f64 {
        match self {
            Transform::None | Transform::Auto | Transform::Quantile => x,
            Transform::SignedLog1p | Transform::YeoJohnson => ln_1p(x.abs()).copysign(x),
            Transform::Log1p if x >= 0.0 => ln_1p(x),
            Transform::Log1p if x > -1.0 => ln_1p_negative(x),
            Transform::Log1p => f64::NAN,
            // f64::sqrt of a negative number is NaN; it is rounded correctly on every platform.
            Transform::Sqrt => x.sqrt(),
        }
    }

    /// The value in its own unit that lands as `t`.
    pub(crate) fn landed_from(self, t: f64) -> f64 {
        match self {
            Transform::None | Transform::Auto | Transform::Quantile => t,
            Transform::Log1p if t < 0.0 => {
                let grown = exp_m1(-t);
                -grown / (1.0 + grown)
            }
            Transform::Log1p | Transform::SignedLog1p | Transform::YeoJohnson => exp_m1(t.abs()).copysign(t),
            Transform::Sqrt => t * t,
        }
    }
}

/// `ln(1 + x)` for `-1 < x < 0`: ln(1 + x) = -ln(1 / (1 + x)) = -ln(1 + -x / (1 + x)).
#[inline(always)]
fn ln_1p_negative(x: f64) -> f64 {
    -ln_1p(-x / (1.0 + x))
}

/// A transform fitted to a column: from landed values, with the column's origin added, to transformed ones.
#[derive(Debug, Clone, PartialEq)]
pub enum FittedTransform {
    /// Yeo and Johnson, *A new family of power transformations to improve normality or symmetry* (Biometrika, 2000),
    /// with this lambda.
    YeoJohnson(f64),
    /// The share of smaller values, by the column's quantiles at equal steps from 0 to 1, in its own unit.
    Quantile(Vec<f64>),
}

impl FittedTransform {
    /// The transformed value of `t`.
    pub(crate) fn apply(&self, t: f64) -> f64 {
        match self {
            FittedTransform::YeoJohnson(lambda) => yeo_johnson(t, *lambda).0,
            FittedTransform::Quantile(landmarks) => rank(t, landmarks),
        }
    }

    /// The `t` whose transformed value is `y`.
    pub(crate) fn inverse(&self, y: f64) -> f64 {
        match self {
            FittedTransform::YeoJohnson(lambda) => yeo_johnson_inverse(y, *lambda),
            FittedTransform::Quantile(landmarks) => {
                let steps = (landmarks.len() - 1) as f64;
                let position = y.clamp(0.0, 1.0) * steps;
                let low = (position as usize).min(landmarks.len() - 2);
                landmarks[low] + (landmarks[low + 1] - landmarks[low]) * (position - low as f64)
            }
        }
    }
}

/// The power transform of a value whose signed logarithm is `t`, and its derivative by the parameter.
///
/// With `a = |t|` and the exponent `u` (lambda for positive values, 2 - lambda for negative ones) it is
/// `(exp(u a) - 1) / u` with the sign of `t`.
#[inline(always)]
pub(crate) fn yeo_johnson(t: f64, lambda: f64) -> (f64, f64) {
    let (a, u) = (t.abs(), if t < 0.0 { 2.0 - lambda } else { lambda });
    let v = u * a;
    // Where u a is small, the differences would cancel; there the first terms of the series are exact to the last
    // places. Both are computed and one is selected, so that loops compile to SIMD.
    let near = (
        a * (1.0 + v * (1.0 / 2.0 + v * (1.0 / 6.0 + v * (1.0 / 24.0 + v * (1.0 / 120.0))))),
        a * a * (1.0 / 2.0 + v * (1.0 / 3.0 + v * (1.0 / 8.0 + v * (1.0 / 30.0 + v * (1.0 / 144.0))))),
    );
    let inverse = 1.0 / u;
    let size = exp_m1_wide(v) * inverse;
    let far = (size, (a * (u * size + 1.0) - size) * inverse);
    let small = v.abs() < 1e-3;
    let (size, derivative) = (if small { near.0 } else { far.0 }, if small { near.1 } else { far.1 });
    // For negative values the sign and the sign of d(2 - lambda) cancel in the derivative.
    (size.copysign(t), derivative)
}

fn yeo_johnson_inverse(y: f64, lambda: f64) -> f64 {
    let (w, u) = (y.abs(), if y < 0.0 { 2.0 - lambda } else { lambda });
    let v = u * w;
    let a = if v.abs() < 1e-9 {
        w * (1.0 - v / 2.0)
    } else if v >= 0.0 {
        ln_1p(v) / u
    } else {
        // A negative exponent bounds the transform. Beyond the bound, the inverse is the farthest value that f64 can
        // tell apart.
        ln_1p_negative(v.max(-1.0 + f64::EPSILON)) / u
    };
    a.copysign(y)
}

/// The share of values below `t`, counting half of those equal to it, interpolated linearly between landmarks. As in
/// scikit-learn's QuantileTransformer, this is the mean of interpolating from below and from above.
fn rank(t: f64, landmarks: &[f64]) -> f64 {
    if t.is_nan() {
        return t;
    }
    let steps = (landmarks.len() - 1) as f64;
    let below = landmarks.partition_point(|&l| l < t);
    let equal = landmarks.get(below) == Some(&t);
    let up_to = below + if equal { landmarks[below..].partition_point(|&l| l <= t) } else { 0 };
    if up_to == 0 {
        return 0.0;
    }
    if below == landmarks.len() {
        return 1.0;
    }
    if up_to > below {
        // `t` is on landmarks. The ends of the range stay the ends.
        return match (below, up_to) {
            (0, _) => 0.0,
            (_, end) if end == landmarks.len() => 1.0,
            _ => (below + up_to - 1) as f64 / 2.0 / steps,
        };
    }
    let (low, high) = (landmarks[below - 1], landmarks[below]);
    ((below - 1) as f64 + (t - low) / (high - low)) / steps
}

/// Exponents beyond which differences from the origin do not land in their own unit: far from the ends of f32, so that
/// values which the probe has not seen find room.
const ORDINARY: i32 = 60;

/// The unit in which a column lands whose differences from the origin reach as far as `spread`: 1, or a power of two
/// where f32 would overflow or lose digits. Dividing by it changes no digit.
pub(crate) fn grain(spread: f64) -> f64 {
    // Between the two ends of f64, differences are infinite.
    let exponent = exponent(spread.min(f64::MAX));
    let is_ordinary = exponent.abs() <= ORDINARY || !(spread > 0.0);
    if is_ordinary { 1.0 } else { power_of_two(exponent.clamp(-1000, 1000)) }
}

/// Where a column lands: values become differences from the origin in units of the grain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground {
    pub(crate) transform: Transform,
    pub(crate) origin: f64,
    pub(crate) grain: f64,
}

/// Lands values that may be NaN (missing) or infinite: appends them to `out` as f32, with NaN for missing values.
/// Returns how many are NaN.
pub(crate) fn land(ground: Ground, values: &[f64], out: &mut Vec<f32>, simd: Dispatch) -> u64 {
    let start = out.len();
    out.resize(start + values.len(), 0.0);
    simd.run(Land { ground, values, out: &mut out[start..] })
}

struct Land<'a> {
    ground: Ground,
    values: &'a [f64],
    out: &'a mut [f32],
}

impl Work for Land<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> u64 {
        // A separate loop for each transform, which the compiler turns into SIMD.
        match self.ground.transform.landing() {
            Transform::SignedLog1p => self.each(
                #[inline(always)]
                |x| ln_1p(x.abs()).copysign(x),
            ),
            Transform::Log1p => self.each(
                #[inline(always)]
                |x| Transform::Log1p.apply(x),
            ),
            Transform::Sqrt if self.ground.grain == 1.0 => self.each(
                #[inline(always)]
                |x| x.sqrt(),
            ),
            Transform::Sqrt => self.each_in_grains(
                #[inline(always)]
                |x| x.sqrt(),
            ),
            _ if self.ground.grain == 1.0 => self.each(
                #[inline(always)]
                |x| x,
            ),
            _ => self.each_in_grains(
                #[inline(always)]
                |x| x,
            ),
        }
    }
}

impl Land<'_> {
    #[inline(always)]
    fn each(self, transformed: impl Fn(f64) -> f64) -> u64 {
        let limit = f64::from(f32::MAX);
        let mut missing = 0u64;
        for (out, &x) in self.out.iter_mut().zip(self.values) {
            // x * 0 is 0 for every finite x and NaN otherwise: adding it turns infinities into NaN without a branch.
            let landed = transformed(x) + x * 0.0 - self.ground.origin;
            *out = landed.clamp(-limit, limit) as f32;
            // At most the number of values. Wrapping additions let the compiler use SIMD.
            missing = missing.wrapping_add(u64::from(landed.is_nan()));
        }
        missing
    }

    /// The same for differences beyond the range of f32.
    #[inline(always)]
    fn each_in_grains(self, transformed: impl Fn(f64) -> f64) -> u64 {
        let shrink = 1.0 / self.ground.grain;
        // Shrunk before the difference is taken, which could overflow.
        let ground = Ground { origin: self.ground.origin * shrink, ..self.ground };
        Land { ground, ..self }.each(
            #[inline(always)]
            |x| transformed(x) * shrink,
        )
    }
}

/// Sums over the landed values of a tile: their number, `t`, `y`, `z`, `y y` and `y z`. `y` and `z` are the
/// `yeo-johnson` value and its derivative by lambda, as differences from those of `origin`.
pub(crate) struct YeoJohnsonSums<'a> {
    pub(crate) landed: &'a [f32],
    pub(crate) weights: Option<&'a [u32]>,
    pub(crate) origin: f64,
    pub(crate) lambda: f64,
}

impl Work for YeoJohnsonSums<'_> {
    type Output = [f64; 6];

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> [f64; 6] {
        match self.weights {
            None => self.sums(
                #[inline(always)]
                |_| 1.0,
            ),
            Some(weights) => self.sums(
                #[inline(always)]
                |row| weights.get(row).map_or(0.0, |&w| f64::from(w)),
            ),
        }
    }
}

impl YeoJohnsonSums<'_> {
    #[inline(always)]
    fn sums(&self, weight: impl Fn(usize) -> f64) -> [f64; 6] {
        let center = yeo_johnson(self.origin, self.lambda);
        let mut sums = [[0f64; LANES]; 6];
        for (b, block) in self.landed.chunks(LANES).enumerate() {
            // Missing values and the padding of the last block add nothing.
            let mut values = [f32::NAN; LANES];
            values[..block.len()].copy_from_slice(block);
            for lane in 0..LANES {
                let there = !values[lane].is_nan();
                let t = f64::from(if there { values[lane] } else { 0.0 }) + self.origin;
                let (y, z) = yeo_johnson(t, self.lambda);
                let (y, z) = (y - center.0, z - center.1);
                let weight = weight(b * LANES + lane);
                for (sum, term) in sums.iter_mut().zip([1.0, t, y, z, y * y, y * z]) {
                    sum[lane] += if there { term * weight } else { 0.0 };
                }
            }
        }
        sums.map(lane_total)
    }
}

/// Replaces landed values by those of a fitted transform: `fitted(landed * grain + from) - to`.
pub(crate) struct Apply<'a> {
    pub(crate) fitted: &'a FittedTransform,
    pub(crate) grain: f64,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) values: &'a mut [f32],
}

impl Work for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) {
        match self.fitted {
            FittedTransform::YeoJohnson(lambda) => {
                for v in self.values {
                    *v = (yeo_johnson(f64::from(*v) + self.from, *lambda).0 - self.to) as f32;
                }
            }
            FittedTransform::Quantile(landmarks) => {
                for v in self.values {
                    *v = (rank(f64::from(*v) * self.grain + self.from, landmarks) - self.to) as f32;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn's definition, with the platform's functions.
    fn defined(x: f64, lambda: f64) -> f64 {
        match (x >= 0.0, lambda) {
            (true, l) if l.abs() < 1e-12 => x.ln_1p(),
            (true, l) => (l * x.ln_1p()).exp_m1() / l,
            (false, l) if (l - 2.0).abs() < 1e-12 => -(-x).ln_1p(),
            (false, l) => -((2.0 - l) * (-x).ln_1p()).exp_m1() / (2.0 - l),
        }
    }

    #[test]
    fn yeo_johnson_is_its_definition_and_has_an_inverse() {
        for lambda in [-2.0, -0.7, -1e-5, 0.0, 1e-9, 0.3, 1.0, 1.999, 2.0, 2.0 + 1e-6, 3.5] {
            for x in [-1e5, -37.5, -1.0, -1e-4, 0.0, 1e-7, 0.5, 3.0, 700.0, 1e6] {
                let t = Transform::YeoJohnson.apply(x);
                let (y, derivative) = yeo_johnson(t, lambda);
                let expected = defined(x, lambda);
                assert!((y - expected).abs() <= 1e-10 * expected.abs() + 1e-13, "{x} {lambda}: {y} {expected}");
                let step = 1e-6;
                let slope = (yeo_johnson(t, lambda + step).0 - yeo_johnson(t, lambda - step).0) / (2.0 * step);
                let tolerance = 1e-5 * (slope.abs() + y.abs()) + 1e-9;
                assert!((derivative - slope).abs() <= tolerance, "{x} {lambda}: {derivative} {slope}");
                let back = yeo_johnson_inverse(y, lambda);
                // Near the bound of a negative exponent the values lie too close together to come back exactly.
                let exponent = if x < 0.0 { 2.0 - lambda } else { lambda };
                if (exponent * y.abs()) > -0.999 {
                    assert!((back - t).abs() <= 1e-9 * t.abs() + 1e-12, "{x} {lambda}: back to {back}, not {t}");
                }
            }
        }
    }

    #[test]
    fn ranks_of_ties_and_ends() {
        // Ten of twenty values are 5: the quantiles of a column with a pile.
        let landmarks = [0.0, 1.0, 5.0, 5.0, 5.0, 9.0];
        let of = |t| rank(t, &landmarks);
        assert_eq!([of(-3.0), of(0.0), of(9.0), of(12.0)], [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(of(5.0), 0.6, "in the middle of the pile");
        assert!((of(0.5) - 0.1).abs() < 1e-15 && (of(3.0) - 0.3).abs() < 1e-15 && (of(7.0) - 0.9).abs() < 1e-15);
        assert!(of(f64::NAN).is_nan());
        let fitted = FittedTransform::Quantile(landmarks.to_vec());
        for t in [0.0, 0.25, 1.0, 4.5, 5.0, 8.0, 9.0] {
            assert!((fitted.inverse(fitted.apply(t)) - t).abs() < 1e-12, "{t}");
        }
    }

    #[test]
    fn landing_is_undone() {
        for transform in [Transform::None, Transform::Log1p, Transform::SignedLog1p, Transform::Sqrt] {
            for x in [0.0, 1e-6, 0.5, 17.0, 123_456.0] {
                let back = transform.landed_from(transform.apply(x));
                assert!((back - x).abs() <= 1e-12 * x.max(1.0), "{}: {x} came back as {back}", transform.name());
            }
        }
        assert!(Transform::Sqrt.apply(-1.0).is_nan() && Transform::Log1p.apply(-1.0).is_nan());
    }
}
