//! Distances between two distributions over the same bins, and what chance alone makes of them.
//!
//! Formulas: population stability index, sum of (q - p) ln(q / p); Jensen-Shannon distance, the root of the divergence
//! in bits; Cohen's w, the root of the sum of (q - p)^2 / p (J. Cohen, "Statistical Power Analysis", 1988); Wasserstein
//! distance of order 1, the area between the distribution functions. Shares are (n + 0.5) / (N + 0.5 B) on both sides
//! with B bins, so that empty bins have a logarithm.

use super::report::DriftFigures;
use crate::numeric::ln_1p;

/// One in twenty samples of the same population is beyond so many standard deviations, on one side.
const BEYOND_5: f64 = 1.644_853_626_951_472_7;

/// ln(a / b) of positive numbers.
fn ln_ratio(a: f64, b: f64) -> f64 {
    if a >= b { ln_1p((a - b) / b) } else { -ln_1p((b - a) / a) }
}

/// Shares of the bins, none of which is 0.
pub(super) fn shares(counts: &[u64]) -> Vec<f64> {
    let all = counts.iter().sum::<u64>() as f64 + 0.5 * counts.len() as f64;
    counts.iter().map(|&n| (n as f64 + 0.5) / all).collect()
}

/// The population stability index.
pub(super) fn psi(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).map(|(&p, &q)| (q - p) * ln_ratio(q, p)).sum()
}

/// The Jensen-Shannon distance to the base 2: 0 to 1.
pub(super) fn jensen_shannon(p: &[f64], q: &[f64]) -> f64 {
    let half = |p: f64, middle: f64| p * ln_ratio(p, middle);
    let both = |(&p, &q): (&f64, &f64)| half(p, (p + q) / 2.0) + half(q, (p + q) / 2.0);
    let divergence: f64 = p.iter().zip(q).map(both).sum();
    (divergence.max(0.0) / 2.0 / std::f64::consts::LN_2).sqrt()
}

/// Cohen's w: 0.1 is called small, 0.3 medium, 0.5 large.
pub(super) fn cohens_w(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).map(|(&p, &q)| (q - p) * (q - p) / p).sum::<f64>().sqrt()
}

/// The value that a chi-square with so many degrees of freedom exceeds in one of twenty cases: E. B. Wilson and M. M.
/// Hilferty, "The distribution of chi-square", 1931; within 0.6 % from 3 degrees on.
pub(super) fn chi_square_95(degrees: f64) -> f64 {
    if degrees <= 0.0 {
        return 0.0;
    }
    let part = 2.0 / (9.0 * degrees);
    let root = 1.0 - part + BEYOND_5 * part.sqrt();
    degrees * root * root * root
}

/// The figures of two sides of counts in the same bins. Noise is what two samples of one population of these sizes are
/// expected to show: of the index (B - 1)(1/N + 1/M), of w its root, of the Jensen-Shannon distance the root of an
/// eighth of it in bits.
pub(super) fn figures(reference: &[u64], now: &[u64]) -> DriftFigures {
    let (p, q) = (shares(reference), shares(now));
    let each = |counts: &[u64]| 1.0 / counts.iter().sum::<u64>().max(1) as f64;
    let sizes = each(reference) + each(now);
    let degrees = p.len().saturating_sub(1) as f64;
    DriftFigures {
        psi: psi(&p, &q),
        psi_noise: degrees * sizes,
        psi_beyond_chance: chi_square_95(degrees) * sizes,
        js: jensen_shannon(&p, &q),
        js_noise: (degrees * sizes / (8.0 * std::f64::consts::LN_2)).sqrt(),
        w: cohens_w(&p, &q),
        w_noise: (degrees * sizes).sqrt(),
    }
}

/// The area between two distribution functions, of sorted values with counts. Neither side is empty.
pub(super) fn wasserstein(a: &[(f64, u64)], b: &[(f64, u64)]) -> f64 {
    let total = |side: &[(f64, u64)]| side.iter().map(|(_, n)| u128::from(*n)).sum::<u128>();
    let (n, m) = (total(a), total(b));
    let (mut i, mut j, mut below_a, mut below_b) = (0, 0, 0, 0);
    let (mut last, mut area) = (f64::NAN, 0.0);
    while i < a.len() || j < b.len() {
        let at = |side: &[(f64, u64)], i: usize| side.get(i).map_or(f64::INFINITY, |(value, _)| *value);
        let here = at(a, i).min(at(b, j));
        // Rows are fewer than 2^40 on either side.
        let apart = (below_a * m).abs_diff(below_b * n);
        if apart > 0 {
            area += apart as f64 / (n * m) as f64 * (here - last);
        }
        while at(a, i) == here && i < a.len() {
            below_a += u128::from(a[i].1);
            i += 1;
        }
        while at(b, j) == here && j < b.len() {
            below_b += u128::from(b[j].1);
            j += 1;
        }
        last = here;
    }
    area
}

/// What the Wasserstein distance of two samples of so many values from the distribution `a` is expected to be: the sum
/// of sqrt(2/pi (1/N + 1/M) F (1 - F)) over the values, since at each the difference of the functions is nearly normal.
pub(super) fn wasserstein_noise(a: &[(f64, u64)], now: u64) -> f64 {
    let all = a.iter().map(|(_, n)| n).sum::<u64>() as f64;
    let sizes = 1.0 / all + 1.0 / now.max(1) as f64;
    let mut below = 0;
    let spread = |pair: &[(f64, u64)]| {
        below += pair[0].1;
        let share = below as f64 / all;
        (share * (1.0 - share)).max(0.0).sqrt() * (pair[1].0 - pair[0].0)
    };
    (2.0 / std::f64::consts::PI * sizes).sqrt() * a.windows(2).map(spread).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The normal distribution function: the series of the error function, to 1e-12 for |x| below 7.
    fn normal(x: f64) -> f64 {
        let (mut term, mut sum, mut n) = (x, x, 1.0);
        while term.abs() > 1e-18 {
            term *= x * x / (n + 2.0);
            (sum, n) = (sum + term, n + 2.0);
        }
        0.5 + sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
    }

    /// Deciles of the standard normal distribution, and the shares in them where the mean is `d`.
    fn shifted(d: f64) -> (Vec<f64>, Vec<f64>) {
        let z = [0.253_347_103_135_8, 0.524_400_512_708_0, 0.841_621_233_572_9, 1.281_551_565_544_6];
        let edges: Vec<f64> = z.iter().rev().map(|z| -z).chain([0.0]).chain(z).collect();
        let below: Vec<f64> = [0.0].into_iter().chain(edges.iter().map(|e| normal(e - d))).chain([1.0]).collect();
        (vec![0.1; 10], below.windows(2).map(|w| w[1] - w[0]).collect())
    }

    /// The calibration of a normal distribution in ten bins whose mean moves by `d` deviations, computed with scipy.
    #[test]
    fn a_shift_of_so_many_deviations_gives_these_figures() {
        for (d, index, js, w) in [
            (0.01, 0.0001, 0.004, 0.010),
            (0.05, 0.0024, 0.021, 0.049),
            (0.10, 0.0096, 0.042, 0.098),
            (0.25, 0.060, 0.104, 0.247),
            (0.35, 0.117, 0.144, 0.348),
            (0.50, 0.238, 0.205, 0.504),
        ] {
            let (p, q) = shifted(d);
            let close = |found: f64, expected: f64, unit: f64| (found - expected).abs() <= 0.5001 * unit;
            assert!(close(psi(&p, &q), index, if d < 0.2 { 0.0001 } else { 0.001 }), "{d}: {}", psi(&p, &q));
            assert!(close(jensen_shannon(&p, &q), js, 0.001), "{d}: {}", jensen_shannon(&p, &q));
            assert!(close(cohens_w(&p, &q), w, 0.001), "{d}: {}", cohens_w(&p, &q));
        }
    }

    /// The thresholds of `scouter`'s tests, with a base that is not sampled, to the digits given there.
    #[test]
    fn one_of_twenty_samples_is_beyond() {
        for (bins, rows, expected, unit) in [
            (10.0, 100.0, 0.169, 1e-3),
            (10.0, 200.0, 0.085, 1e-3),
            (10.0, 400.0, 0.0423, 1e-4),
            (10.0, 1000.0, 0.017, 1e-3),
            (20.0, 1000.0, 0.0301, 1e-4),
        ] {
            let found: f64 = chi_square_95(bins - 1.0) / rows;
            assert!((found - expected).abs() <= 0.51 * unit, "{bins} {rows}: {found}");
        }
        let normal = (9.0 + BEYOND_5 * 18f64.sqrt()) / 400.0;
        assert!((normal - 0.0400).abs() < 1e-4, "{normal}");
        assert_eq!(chi_square_95(0.0), 0.0);
        // R's qchisq(0.95, df).
        for (degrees, exact) in [(3.0, 7.814_728), (9.0, 16.918_978), (22.0, 33.924_438)] {
            assert!((chi_square_95(degrees) / exact - 1.0).abs() < 6e-3, "{degrees}");
        }
    }

    #[test]
    fn figures_of_a_small_table() {
        // Computed with numpy and scipy: sum((q-p)*log(q/p)), jensenshannon(p, q, 2).
        let found = figures(&[50, 30, 20, 0], &[40, 40, 10, 10]);
        let (p, q) = (shares(&[50, 30, 20, 0]), shares(&[40, 40, 10, 10]));
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-15 && p[3] == 0.5 / 102.0);
        let naive: f64 = p.iter().zip(&q).map(|(p, q)| (q - p) * (q / p).ln()).sum();
        assert!((found.psi - naive).abs() < 1e-15);
        let kl = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * (a / b).log2()).sum::<f64>();
        let m: Vec<f64> = p.iter().zip(&q).map(|(p, q)| (p + q) / 2.0).collect();
        assert!((found.js - ((kl(&p, &m) + kl(&q, &m)) / 2.0).sqrt()).abs() < 1e-15);
        assert!((found.psi_noise - 0.06).abs() < 1e-15 && (found.w_noise - 0.06f64.sqrt()).abs() < 1e-15);
        let same = figures(&[5, 7], &[5, 7]);
        assert_eq!((same.psi, same.js, same.w), (0.0, 0.0, 0.0));
        assert_eq!(figures(&[], &[]).psi, 0.0);
    }

    /// Ten million rows in ten bins: a mean of 1.8e-6 and a limit of 3.4e-6.
    #[test]
    fn noise_vanishes_with_many_rows() {
        let found = figures(&[1_000_000; 10], &[1_000_000; 10]);
        assert!((found.psi_noise - 1.8e-6).abs() < 1e-8 && (found.psi_beyond_chance - 3.4e-6).abs() < 3e-8);
    }

    #[test]
    fn mass_is_moved_over_the_distance() {
        assert_eq!(wasserstein(&[(0.0, 1)], &[(3.0, 5)]), 3.0);
        assert_eq!(wasserstein(&[(0.0, 1), (1.0, 3)], &[(0.0, 2), (1.0, 6)]), 0.0);
        assert_eq!(wasserstein(&[(0.0, 1), (2.0, 1)], &[(2.0, 1)]), 1.0);
        // Equal values may stand twice, as clipped ones do.
        assert_eq!(wasserstein(&[(0.0, 1), (0.0, 1)], &[(0.0, 1), (4.0, 1)]), 2.0);
    }

    proptest! {
        /// By sorting as many values on either side and pairing them.
        #[test]
        fn mass_is_moved_as_pairs_of_sorted_values(
            pairs in prop::collection::vec((-50i32..50, -50i32..50), 1..60),
        ) {
            let (mut a, mut b): (Vec<i32>, Vec<i32>) = pairs.into_iter().unzip();
            a.sort_unstable();
            b.sort_unstable();
            let naive = a.iter().zip(&b).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / a.len() as f64;
            let counted = |side: &[i32]| -> Vec<(f64, u64)> {
                side.chunk_by(|a, b| a == b).map(|equal| (f64::from(equal[0]), equal.len() as u64)).collect()
            };
            let found = wasserstein(&counted(&a), &counted(&b));
            prop_assert!((found - naive).abs() < 1e-12 * naive.max(1.0), "{found} {naive}");
        }
    }

    /// Means over many pairs of samples agree with what is expected by chance.
    #[test]
    fn noise_is_what_samples_show() {
        let mut random = crate::numeric::Random::new(7, 0);
        let (n, m, bins, rounds) = (2000u64, 500u64, 8usize, 400);
        let (mut index, mut w2, mut js2, mut moved) = (0.0, 0.0, 0.0, 0.0);
        for _ in 0..rounds {
            let mut draw = |rows: u64| {
                let mut counts = vec![0u64; bins];
                (0..rows).for_each(|_| counts[random.below(bins as u128) as usize] += 1);
                counts
            };
            let (a, b) = (draw(n), draw(m));
            let found = figures(&a, &b);
            index += found.psi;
            w2 += found.w * found.w;
            js2 += found.js * found.js;
            let values = |counts: &[u64]| counts.iter().enumerate().map(|(i, &n)| (i as f64, n)).collect::<Vec<_>>();
            moved += wasserstein(&values(&a), &values(&b));
        }
        let expected = figures(&[n / bins as u64; 8], &[m / 8, m / 8, m / 8, m / 8, m / 8, m / 8, m / 8, m / 8]);
        let near = |sum: f64, expected: f64| (sum / f64::from(rounds) / expected - 1.0).abs() < 0.12;
        assert!(near(index, expected.psi_noise), "{} {}", index / f64::from(rounds), expected.psi_noise);
        assert!(near(w2, expected.w_noise * expected.w_noise));
        assert!(near(js2, expected.js_noise * expected.js_noise));
        let even: Vec<(f64, u64)> = (0..8).map(|i| (f64::from(i), n / 8)).collect();
        assert!(near(moved, wasserstein_noise(&even, m)), "{} {}", moved, wasserstein_noise(&even, m));
    }
}
