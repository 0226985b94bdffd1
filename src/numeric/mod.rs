//! Arithmetic that is the same on every platform: moments, elementary functions, powers of two, random numbers.

mod elementary;
mod moments;
mod power;
mod random;

pub(crate) use self::elementary::{exp_m1, exp_m1_wide, ln_1p};
pub(crate) use self::moments::{MomentStream, Moments};
pub(crate) use self::power::power_of_two;
pub(crate) use self::random::{Random, mix};
