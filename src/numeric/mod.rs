//! Arithmetic that gives the same bits on every platform: sums in fixed lanes, moments, elementary functions,
//! eigenvalues, distributions, agreement of labels, powers of two, keys with the order of floats, hashes, random
//! numbers.

mod agreement;
mod distributions;
mod eigen;
mod elementary;
mod exact_sum;
mod extract;
mod hypergeometric;
mod lanes;
mod mix;
mod moments;
mod mutual;
mod order;
mod ordered;
pub(crate) mod partial;
mod power;
mod random;
mod squares;
mod wide_sum;

pub(crate) use self::agreement::Contingency;
pub(crate) use self::distributions::{chi_square_tail, normal_two_sided, student_quantile, student_two_sided};
pub(crate) use self::eigen::eigen;
pub(crate) use self::elementary::{exp_m1, exp_m1_wide, ln, ln_1p};
pub(crate) use self::exact_sum::ExactFloats;
pub(crate) use self::hypergeometric::hypergeometric_score;
pub(crate) use self::lanes::{LANES, lane_sum, lane_total};
pub(crate) use self::mix::{GOLDEN, finalise, fold, mix, mix_wide};
pub(crate) use self::moments::{MomentStream, Moments, skewness};
pub(crate) use self::mutual::LabelInformation;
pub(crate) use self::order::{f32_of_key, f64_of_key, key_of_f32, key_of_f64, mid_ranks};
pub use self::ordered::{Append, Ordered};
pub use self::partial::Partial;
pub(crate) use self::power::{exponent, power_of_two};
pub(crate) use self::random::Random;
pub(crate) use self::squares::PowerSums;

/// Standard deviations on each side of an estimate between which the true value lies in 95 of 100 cases.
pub(crate) const SIDE_OF_95: f64 = 1.959_963_984_540_054;
