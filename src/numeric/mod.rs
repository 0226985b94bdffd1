//! Arithmetic that is the same on every platform: moments, elementary functions, powers of two, hashes, random
//! numbers.

mod elementary;
mod mix;
mod moments;
mod power;
mod random;

pub(crate) use self::elementary::{exp_m1, exp_m1_wide, ln_1p};
pub(crate) use self::mix::{GOLDEN, finalise, fold, mix, mix_wide};
pub(crate) use self::moments::{MomentStream, Moments};
pub(crate) use self::power::power_of_two;
pub(crate) use self::random::Random;
