//! Tails of the normal, Student's t and chi-square distributions, and quantiles of Student's t, from `+ - * /`, square
//! roots and the functions of `libm`, so that every platform gives the same bits.
//!
//! Tails are computed as tails, never as one minus the rest: the relative error stays below 1e-10 however small they
//! are.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI};

use libm::{erfc, exp, log1p, sqrt};

use super::hypergeometric::{deviance, stirling_error};

/// ln(sqrt(2 pi))
const LN_SQRT_2_PI: f64 = 0.918_938_533_204_672_7;

/// Fractions and series converge in some multiples of the square root of their parameters; NaN never does.
const MOST_TERMS: u32 = 1_000_000;

/// Probability that a standard normal variable lies farther from 0 than `z` does.
pub(crate) fn normal_two_sided(z: f64) -> f64 {
    erfc(z.abs() * FRAC_1_SQRT_2)
}

/// Probability that a chi-square variable with `freedom > 0` degrees of freedom exceeds `x >= 0`.
pub(crate) fn chi_square_tail(x: f64, freedom: f64) -> f64 {
    let (a, x) = (freedom / 2.0, x / 2.0);
    if !(x > 0.0) {
        return if x == 0.0 { 1.0 } else { f64::NAN };
    }
    // x^a e^-x / gamma(a + 1)
    let density = exp(-deviance(a, x) - stirling_error(a) - LN_SQRT_2_PI) / sqrt(a);
    if x < a + 1.0 {
        let (mut sum, mut term, mut n) = (1.0, 1.0, a);
        for _ in 0..MOST_TERMS {
            n += 1.0;
            term *= x / n;
            sum += term;
            if term < sum * f64::EPSILON {
                break;
            }
        }
        return (1.0 - density * sum).max(0.0);
    }
    // Legendre's fraction: 1/(x+1-a- 1(1-a)/(x+3-a- 2(2-a)/(x+5-a- ...)))
    let fraction = lentz(x + 1.0 - a, |n| (-n * (n - a), x + 2.0 * n + 1.0 - a));
    (density * a / fraction).min(1.0)
}

/// Probability that Student's t with `freedom > 0` degrees of freedom, whole or not, lies farther from 0 than `t`.
pub(crate) fn student_two_sided(t: f64, freedom: f64) -> f64 {
    let square = t * t;
    if !square.is_finite() {
        return if square.is_nan() { f64::NAN } else { 0.0 };
    }
    let a = freedom / 2.0;
    // The tail is the incomplete beta function I_x(a, 1/2), whose fraction converges where x is below its mean.
    let rest = square / (freedom + square);
    // x^a (1-x)^(1/2) / B(a, 1/2)
    let front = exp(-a * log1p(square / freedom)) * sqrt(rest) * student_factor(a);
    let x = freedom / (freedom + square);
    if x < (a + 1.0) / (a + 2.5) {
        (front * beta_fraction(a, 0.5, x) / a).min(1.0)
    } else {
        (1.0 - front * beta_fraction(0.5, a, rest) / 0.5).max(0.0)
    }
}

/// `gamma(a + 1/2) / (gamma(a) gamma(1/2))`, the inverse of B(a, 1/2).
fn student_factor(a: f64) -> f64 {
    let ln = (a + 0.5) * log1p(0.5 / a) - 0.5 + stirling_error(a + 0.5) - stirling_error(a);
    exp(ln) * a / sqrt((a + 0.5) * PI)
}

/// The continued fraction of `I_x(a, b)`, as in Numerical Recipes (`betacf`), in one fraction of even and odd terms.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let coefficient = |n: f64| {
        let m = (n / 2.0).floor();
        let even = n % 2.0 == 0.0;
        let above = if even { m * (b - m) } else { -(a + m) * (a + b + m) };
        above * x / ((a + n - 1.0) * (a + n))
    };
    1.0 / lentz(1.0, |n| (coefficient(n), 1.0))
}

/// `b0 + a1/(b1 + a2/(b2 + ...))` with `term(n) = (an, bn)`, by Lentz's method as modified by Thompson and Barnett.
fn lentz(first: f64, term: impl Fn(f64) -> (f64, f64)) -> f64 {
    const TINY: f64 = 1e-300;
    let apart = |x: f64| if x.abs() < TINY { TINY } else { x };
    let mut value = apart(first);
    let (mut c, mut d) = (value, 0.0);
    for n in 1..=MOST_TERMS {
        let (a, b) = term(f64::from(n));
        d = 1.0 / apart(b + a * d);
        c = apart(b + a / c);
        value *= c * d;
        if (c * d - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    value
}

/// The `t > 0` beyond which, on both sides together, Student's t with `freedom > 0` degrees of freedom lies with
/// probability `p`, `0 < p < 1`: half the width of an interval of confidence `1 - p`, in standard errors.
pub(crate) fn student_quantile(p: f64, freedom: f64) -> f64 {
    if !(p > 0.0 && p < 1.0 && freedom > 0.0) {
        return f64::NAN;
    }
    // By halving the logarithm of t: the tail falls with t.
    let (mut low, mut high) = (-745.0 * LN_2, 1000.0 * LN_2);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if student_two_sided(exp(middle), freedom) > p { low = middle } else { high = middle }
    }
    exp(0.5 * (low + high))
}

/// Expected values are those of mpmath 1.4 with 60 digits; scipy's agree as far as it is exact.
#[cfg(test)]
#[allow(clippy::excessive_precision, reason = "17 digits, as mpmath prints them")]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64, what: &str) {
        assert!((found - expected).abs() <= 1e-11 * expected.abs(), "{what}: {found:e}, expected {expected:e}");
    }

    #[test]
    fn of_the_normal_distribution() {
        for (z, expected) in [
            (-3.0, 0.99865010196836991),
            (0.0, 0.5),
            (0.5, 0.3085375387259869),
            (1.96, 0.024997895148220436),
            (5.0, 2.8665157187919391e-7),
            (12.5, 3.7325642988777134e-36),
            (37.0, 5.7255712225245768e-300),
        ] {
            let both = if z < 0.0 { 2.0 * (1.0 - expected) } else { 2.0 * expected };
            near(normal_two_sided(z), both, &format!("both tails of {z}"));
        }
    }

    #[test]
    fn of_students_t() {
        for (t, freedom, expected) in [
            (0.01, 5.0, 0.9924080180425819),
            (1.0, 1.0, 0.5),
            (2.0, 3.7, 0.12181720190523401),
            (2.5, 42.123, 0.016398180460481784),
            (5.0, 63998.5, 5.7481473162450761e-7),
            (40.0, 12.0, 3.8512295807720338e-14),
            (12.0, 1000000.0, 3.5716851247650898e-33),
            (30.0, 50000000.0, 9.8533409794206203e-198),
            (1e-05, 1000000.0, 0.99999202115638682),
            (300.0, 2.5, 9.22888366195349e-7),
        ] {
            near(student_two_sided(t, freedom), expected, &format!("t {t} at {freedom}"));
            near(student_two_sided(-t, freedom), expected, &format!("t -{t} at {freedom}"));
        }
        for (p, freedom, expected) in [
            (0.05, 1.0, 12.706204736174704),
            (0.05, 4.5, 2.6589123472044037),
            (0.05, 30.0, 2.0422724563012383),
            (0.05, 42612.7, 1.9600196566159329),
            (0.01, 1000000.0, 2.5758342201053341),
            (0.3, 2.2, 1.3467370670142038),
            (1e-12, 10.0, 43.456904513887585),
            (0.999, 7.0, 0.0012987305550741417),
        ] {
            near(student_quantile(p, freedom), expected, &format!("quantile of {p} at {freedom}"));
        }
        assert_eq!(student_two_sided(0.0, 9.0), 1.0);
        assert_eq!(student_two_sided(f64::INFINITY, 9.0), 0.0);
        assert!(student_two_sided(f64::NAN, 9.0).is_nan() && student_quantile(1.0, 9.0).is_nan());
    }

    #[test]
    fn of_chi_square() {
        for (x, freedom, expected) in [
            (0.5, 1.0, 0.47950012218695346),
            (0.001, 2.0, 0.99950012497916927),
            (3.84, 1.0, 0.050043521248705103),
            (10.0, 4.0, 0.040427681994512803),
            (300.0, 2.0, 7.1750959731644104e-66),
            (1000.0, 39.0, 2.2760530840228229e-184),
            (45.0, 50.0, 0.67379311275300868),
            (1200.0, 1000.0, 1.2255942330622904e-5),
            (700.0, 1000.0, 0.9999999999999711),
        ] {
            near(chi_square_tail(x, freedom), expected, &format!("chi-square {x} at {freedom}"));
        }
        assert_eq!(chi_square_tail(0.0, 3.0), 1.0);
        assert!(chi_square_tail(f64::NAN, 3.0).is_nan());
    }

    /// Bits as computed on x86-64; any other platform must give the same.
    #[test]
    fn golden_bits() {
        let found = [normal_two_sided(3.3), student_two_sided(2.2, 77.7), chi_square_tail(9.0, 3.0)];
        assert_eq!(
            found.map(f64::to_bits),
            [0x3f4f_ae82_e1b2_d7b8, 0x3f9f_8467_7fb9_62e7, 0x3f9d_fe6e_1ef3_e88f],
            "{:#x?}",
            found.map(f64::to_bits)
        );
    }
}
