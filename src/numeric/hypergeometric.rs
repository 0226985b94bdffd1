//! How unusual a count is among rows drawn without replacement: exact tails, as far out as they go.

use std::f64::consts::{LN_2, PI, SQRT_2};

/// From here on, the normal tail comes from a continued fraction.
const FAR: f64 = 4.0;

/// The test value of `count` of `marked` rows among `drawn`, of `all` rows: the normal deviate with the two-sided mid-p
/// of the hypergeometric distribution, negative below the expected count (`catdes` of FactoMineR). None where
/// the count follows from the others.
pub(crate) fn hypergeometric_score(count: u64, drawn: u64, marked: u64, all: u64) -> Option<f64> {
    if marked == 0 || drawn == 0 || marked >= all || drawn >= all {
        return None;
    }
    let expected = drawn as f64 * (marked as f64 / all as f64);
    let draw = Draw { drawn: drawn as f64, marked: marked as f64, all: all as f64 };
    let is_above = count as f64 > expected;
    let ln_tail = draw.ln_mid_tail(count as f64, is_above);
    // Close to the expected count, the other tail may be the smaller one: both add up to 1.
    let ln_tail = if ln_tail > -LN_2 { libm::log1p(-libm::exp(ln_tail)) } else { ln_tail };
    let score = normal_score(ln_tail.min(-LN_2));
    Some(if is_above { score } else { -score })
}

struct Draw {
    drawn: f64,
    marked: f64,
    all: f64,
}

impl Draw {
    /// The logarithm of the probability of a count.
    fn ln_probability(&self, count: f64) -> f64 {
        let Draw { drawn, marked, all } = *self;
        let p = drawn / all;
        let binomial = |x: f64, n: f64| ln_binomial(x, n, p);
        binomial(count, marked) + binomial(drawn - count, all - marked) - binomial(drawn, all)
    }

    /// The logarithm of the probability of counts beyond this one, and of half of this one's.
    fn ln_mid_tail(&self, count: f64, is_above: bool) -> f64 {
        let Draw { drawn, marked, all } = *self;
        // The unmarked rows that are not drawn, less the count.
        let rest = all - marked - drawn;
        let (mut sum, mut term, mut at) = (0.5, 1.0, count);
        loop {
            term *= match is_above {
                true => (marked - at) * (drawn - at) / ((at + 1.0) * (rest + at + 1.0)),
                false => at * (rest + at) / ((marked - at + 1.0) * (drawn - at + 1.0)),
            };
            at += if is_above { 1.0 } else { -1.0 };
            sum += term;
            // The terms fall from here on, ever faster.
            if term < sum * 1e-17 {
                break;
            }
        }
        self.ln_probability(count) + libm::log(sum)
    }
}

/// The logarithm of the binomial probability of `x` of `n`, each with probability `p` (C. Loader, "Fast and accurate
/// computation of binomial probabilities", 2000): without the cancellation of logarithms of factorials.
fn ln_binomial(x: f64, n: f64, p: f64) -> f64 {
    if x <= 0.0 || x >= n {
        return n * if x <= 0.0 { libm::log1p(-p) } else { libm::log(p) };
    }
    let errors = stirling_error(n) - stirling_error(x) - stirling_error(n - x);
    let deviances = deviance(x, n * p) + deviance(n - x, n * (1.0 - p));
    errors - deviances + 0.5 * libm::log(n / (2.0 * PI * x * (n - x)))
}

/// What Stirling's formula for the logarithm of n! lacks.
pub(super) fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        return libm::lgamma(n + 1.0) - (n + 0.5) * libm::log(n) + n - 0.5 * libm::log(2.0 * PI);
    }
    let square = n * n;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square) / square) / square)
        / n
}

/// x ln(x / mean) + mean - x, also where the two are close.
pub(super) fn deviance(x: f64, mean: f64) -> f64 {
    let difference = x - mean;
    if difference.abs() >= 0.1 * (x + mean) {
        return x * libm::log(x / mean) - difference;
    }
    let ratio = difference / (x + mean);
    let (mut sum, mut term, mut k) = (difference * ratio, 2.0 * x * ratio, 1.0);
    loop {
        term *= ratio * ratio;
        let next = sum + term / (2.0 * k + 1.0);
        if next == sum {
            return sum;
        }
        (sum, k) = (next, k + 1.0);
    }
}

/// The normal deviate whose upper tail has this logarithm, at most that of a half.
fn normal_score(ln_tail: f64) -> f64 {
    // Newton's method on the logarithm, which is concave: from above, it comes down without overshooting.
    let mut x = (-2.0 * ln_tail).sqrt();
    for _ in 0..64 {
        let (ln_found, slope) = ln_normal_tail(x);
        let step = (ln_found - ln_tail) / slope;
        x += step;
        if step.abs() <= 1e-15 * x.max(1e-3) {
            break;
        }
    }
    x.max(0.0)
}

/// The logarithm of the upper tail of the normal distribution, and the density over the tail.
fn ln_normal_tail(x: f64) -> (f64, f64) {
    let ln_density = -0.5 * x * x - 0.5 * libm::log(2.0 * PI);
    if x < FAR {
        let tail = 0.5 * libm::erfc(x / SQRT_2);
        return (libm::log(tail), libm::exp(ln_density) / tail);
    }
    // Laplace's continued fraction of Mills' ratio.
    let slope = (1..=80).rev().fold(x, |below, k| x + f64::from(k) / below);
    (ln_density - libm::log(slope), slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Count, drawn, marked, all, and the score from sums of 60 digits (mpmath 1.3).
    const SCORES: [(u64, u64, u64, u64, f64); 9] = [
        (3, 10, 20, 100, 0.792_015_245_040_531_2),
        (0, 10, 20, 100, -1.669_005_587_736_999_7),
        (10, 10, 20, 100, 5.719_668_994_963_439_3),
        (2, 10, 20, 100, -0.055_512_085_482_711_266),
        (40, 300, 500, 10000, 5.669_559_661_005_285_5),
        (900, 1000, 1200, 30000, 77.991_346_392_038_349),
        (0, 5000, 700, 30000, -15.892_699_919_599_378),
        (7, 30, 45, 200, 0.143_235_325_733_584_66),
        (1500, 3000, 15001, 30000, -0.003_848_544_461_473_077),
    ];

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 1e-9 * expected.abs().max(1e-3)
    }

    #[test]
    fn scores_are_those_of_long_sums() {
        for (count, drawn, marked, all, expected) in SCORES {
            let found = hypergeometric_score(count, drawn, marked, all).unwrap();
            assert!(close(found, expected), "{count} {drawn} {marked} {all}: {found}, expected {expected}");
        }
        assert_eq!(hypergeometric_score(5, 5, 5, 5), None);
        assert_eq!(hypergeometric_score(0, 0, 5, 9), None);
    }

    #[test]
    fn both_tails_are_one() {
        let draw = Draw { drawn: 30.0, marked: 45.0, all: 200.0 };
        for count in 0..=30 {
            let [above, below] = [true, false].map(|is_above| draw.ln_mid_tail(f64::from(count), is_above).exp());
            assert!((above + below - 1.0).abs() < 1e-12, "{count}: {above} and {below}");
        }
    }
}
