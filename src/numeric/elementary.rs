//! Logarithm and exponential from `+ - * /` alone, so that every platform gives the same bits.
//!
//! Those of the standard library come from the platform and may differ in the last place. Constants and the reduction
//! are those of fdlibm (Sun Microsystems, `e_log.c`, `s_log1p.c`): the error stays below one unit in the last place for
//! `ln_1p`.

#![allow(clippy::excessive_precision, reason = "the constants as fdlibm prints them")]

const LN2_HI: f64 = 6.931_471_803_691_238_164_90e-01;
const LN2_LO: f64 = 1.908_214_929_270_587_700_02e-10;

/// `ln(1 + x)` for finite `x >= 0`.
#[inline(always)]
pub(crate) fn ln_1p(x: f64) -> f64 {
    const L: [f64; 7] = [
        6.666_666_666_666_735_130e-01,
        3.999_999_999_940_941_908e-01,
        2.857_142_874_366_239_149e-01,
        2.222_219_843_214_978_396e-01,
        1.818_357_216_161_805_012e-01,
        1.531_383_769_920_937_332e-01,
        1.479_819_860_511_658_591e-01,
    ];
    let u = 1.0 + x;
    // What rounding 1 + x lost, relative to u.
    let lost = if u < 9.007_199_254_740_992e15 { x - (u - 1.0) } else { 0.0 } / u;
    // u = 2^k m with sqrt(1/2) <= m < sqrt(2): the offset puts the split at sqrt(2) instead of at 2.
    const SPLIT: u64 = 0x3fe6_a09e_0000_0000;
    // (Wrapping, like the addition below, only for the compiler: u >= 1, so neither does.)
    let bits = u.to_bits().wrapping_sub(SPLIT);
    let k = f64::from((bits >> 52) as u32);
    let m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(SPLIT));
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let r = z * (L[0] + z * (L[1] + z * (L[2] + z * (L[3] + z * (L[4] + z * (L[5] + z * L[6]))))));
    let half = 0.5 * f * f;
    k * LN2_HI - ((half - (s * (half + r) + (k * LN2_LO + lost))) - f)
}

/// `ln(x)` for finite `x > 0`.
pub(crate) fn ln(x: f64) -> f64 {
    if x < 1.0 { -ln_1p(1.0 / x - 1.0) } else { ln_1p(x - 1.0) }
}

/// `exp(x) - 1` for `x` up to 700; more gives the largest finite value. Below -700 it is -1.
pub(crate) fn exp_m1(x: f64) -> f64 {
    if x > 700.0 {
        return f64::MAX;
    }
    if x < -700.0 {
        return -1.0;
    }
    let k = (x / (LN2_HI + LN2_LO) + 0.5).floor() as i32;
    let r = (x - f64::from(k) * LN2_HI) - f64::from(k) * LN2_LO;
    // |r| < 0.35: the Taylor series to the 15th power is exact to the last place.
    let mut term = 0.0;
    for n in (1..=15).rev() {
        term = (1.0 + term) * r / f64::from(n);
    }
    let scale = f64::from_bits(((1023 + k) as u64) << 52);
    scale * term + (scale - 1.0)
}

/// The same for `x` clamped to -700..=700, without a branch or a division, so that loops compile to SIMD. The error is
/// at most three units in the last place.
#[inline(always)]
pub(crate) fn exp_m1_wide(x: f64) -> f64 {
    // Adding and subtracting it rounds to a whole number, which is in the lowest bits of the sum.
    const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
    const INVERSE: f64 = std::f64::consts::LOG2_E;
    // 1 / n!
    const C: [f64; 12] = [
        1.0 / 2.0,
        1.0 / 6.0,
        1.0 / 24.0,
        1.0 / 120.0,
        1.0 / 720.0,
        1.0 / 5040.0,
        1.0 / 40_320.0,
        1.0 / 362_880.0,
        1.0 / 3_628_800.0,
        1.0 / 39_916_800.0,
        1.0 / 479_001_600.0,
        1.0 / 6_227_020_800.0,
    ];
    let x = x.clamp(-700.0, 700.0);
    let shifted = x * INVERSE + ROUND;
    let k = shifted - ROUND;
    let r = (x - k * LN2_HI) - k * LN2_LO;
    // |r| < 0.35: the next term is below 10^-17 of the first.
    let mut p = C[11];
    let mut n = 11;
    while n > 0 {
        n -= 1;
        p = C[n] + p * r;
    }
    let p = r + r * r * p;
    // The low bits of the rounded sum are k; 2^k has it, plus the bias, as its exponent. (Wrapping only for the
    // compiler.)
    let scale = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    scale * p + (scale - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Within three units in the last place of the platform's function, over twenty orders of magnitude.
    #[test]
    fn agrees_with_the_platform() {
        let mut x = 1e-12;
        while x < 1e20 {
            let (ours, theirs) = (ln_1p(x), x.ln_1p());
            assert!((ours - theirs).abs() <= 3.0 * f64::EPSILON * theirs, "ln_1p({x}): {ours} {theirs}");
            let (there, back) = (ln_1p(x), exp_m1(ln_1p(x)));
            assert!((back - x).abs() <= 4.0 * f64::EPSILON * x.max(1.0) * there.max(1.0), "back from {x}: {back}");
            x *= 1.37;
        }
        for x in [1e-300f64, 1e-9, 0.3, 0.999, 1.0, 1.001, 7.5, 1e9, 1e300] {
            assert!((ln(x) - x.ln()).abs() <= 4.0 * f64::EPSILON * x.ln().abs().max(1.0), "ln({x})");
        }
        for x in [-1e-9f64, -0.01, -0.3, -0.36, -1.0, -17.3, -600.0, -800.0] {
            assert!((exp_m1(x) - x.exp_m1()).abs() <= 3.0 * f64::EPSILON * x.exp_m1().abs(), "exp_m1({x})");
        }
        let mut x = -699.0f64;
        while x < 699.0 {
            let expected = x.exp_m1();
            assert!((exp_m1_wide(x) - expected).abs() <= 4.0 * f64::EPSILON * expected.abs(), "exp_m1_wide({x})");
            x += 0.0917;
        }
        assert_eq!((exp_m1_wide(0.0), exp_m1_wide(-1e9)), (0.0, exp_m1_wide(-700.0)));
        assert_eq!(ln_1p(0.0), 0.0);
        assert_eq!(exp_m1(0.0), 0.0);
        assert!((ln_1p(f64::MAX) - 709.782_712_893_384).abs() < 1e-9);
    }

    /// Bits as computed on x86-64; any other platform must give the same.
    #[test]
    fn golden_bits() {
        assert_eq!(ln_1p(1.0).to_bits(), std::f64::consts::LN_2.to_bits());
        assert_eq!(ln_1p(1234.5).to_bits(), 0x401c_7a17_b2ab_89e4, "{:#x}", ln_1p(1234.5).to_bits());
        assert_eq!(exp_m1(7.25).to_bits(), 0x4095_fc6b_5d53_e8d9, "{:#x}", exp_m1(7.25).to_bits());
    }
}
