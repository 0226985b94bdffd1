//! Correlations of all pairs of number columns, computed in the same pass.
//!
//! A pair uses the rows in which both values are finite (as pandas does), without nulls, NaN and infinities. Batches
//! are centred on their own means, summed in eight fixed lanes, and merged in row order with Pebay's formulas
//! (*Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical moments*, Sandia
//! 2008), so the result is the same bits for any number of threads.

use fearless_simd::Simd;
use rayon::prelude::*;

use crate::numeric::{LANES, lane_sum, lane_total};
use crate::simd::{Dispatch, Work};

/// Correlations at least this strong, positive or negative, are reported.
pub const STRONG: f64 = 0.95;

/// The most columns for which all pairs are computed: their number grows with the square.
pub(crate) const MOST_COLUMNS: usize = 200;

/// A column's batch, centred.
pub(super) struct Centred {
    mean: f64,
    /// Differences from the mean; 0 where missing.
    values: Vec<f64>,
    /// 1 where present, 0 where missing; None: all are present.
    mask: Option<Vec<f64>>,
    present: f64,
    sum: f64,
    squares: f64,
}

impl Centred {
    /// `values` must be NaN or infinite where missing.
    pub(super) fn of(values: &[f64], gaps: bool, simd: Dispatch) -> Self {
        let mask: Option<Vec<f64>> = gaps.then(|| values.iter().map(|v| f64::from(u8::from(v.is_finite()))).collect());
        let present = mask.as_ref().map_or(values.len() as f64, |m| m.iter().sum());
        let filled: Vec<f64> = values.iter().map(|&v| if v.is_finite() { v } else { 0.0 }).collect();
        let mean = if present > 0.0 { simd.run(PairSum(&filled)) / present } else { 0.0 };
        let mut centred = filled;
        match &mask {
            None => centred.iter_mut().for_each(|v| *v -= mean),
            Some(mask) => centred.iter_mut().zip(mask).for_each(|(v, m)| *v = (*v - mean) * m),
        }
        let [squares, ..] = simd.run(Dots { x: &centred, ys: [&centred; 1] });
        Centred { mean, present, sum: simd.run(PairSum(&centred)), squares, values: centred, mask }
    }
}

/// Sums of one pair of columns: count, means, and sums of squares and products of deviations from them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Pair {
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Pair {
    fn merge(self, other: Pair) -> Pair {
        if self.n == 0.0 {
            return other;
        }
        if other.n == 0.0 {
            return self;
        }
        let n = self.n + other.n;
        let (dx, dy) = (other.x - self.x, other.y - self.y);
        let (share, both) = (other.n / n, self.n * (other.n / n));
        Pair {
            n,
            x: self.x + dx * share,
            y: self.y + dy * share,
            xx: self.xx + other.xx + dx * dx * both,
            yy: self.yy + other.yy + dy * dy * both,
            xy: self.xy + other.xy + dx * dy * both,
        }
    }

    fn correlation(self) -> Option<f64> {
        let r = self.xy / (self.xx.sqrt() * self.yy.sqrt());
        (self.n >= 3.0 && self.xx > 0.0 && self.yy > 0.0 && r.is_finite()).then(|| r.clamp(-1.0, 1.0))
    }
}

/// Sums of all pairs of columns.
#[derive(Debug, Clone)]
pub(super) struct Pairs {
    /// Row i: the pairs of column i with the columns after it.
    rows: Vec<Vec<Pair>>,
}

impl Pairs {
    pub(super) fn new(columns: usize) -> Self {
        Pairs { rows: (0..columns).map(|i| vec![Pair::default(); columns - i - 1]).collect() }
    }

    /// Adds a batch of all columns.
    pub(super) fn push(&mut self, columns: &[Centred], simd: Dispatch) {
        self.rows.par_iter_mut().enumerate().for_each(|(i, row)| {
            let (x, others) = (&columns[i], &columns[i + 1..]);
            // Four at a time, so that x is read once for four products.
            for (pairs, ys) in row.chunks_mut(4).zip(others.chunks(4)) {
                let mut products = [0.0; 4];
                if let [a, b, c, d] = ys {
                    products = simd.run(Dots { x: &x.values, ys: [&a.values, &b.values, &c.values, &d.values] });
                } else {
                    for (product, y) in products.iter_mut().zip(ys) {
                        [*product] = simd.run(Dots { x: &x.values, ys: [&y.values] });
                    }
                }
                for ((pair, y), product) in pairs.iter_mut().zip(ys).zip(products) {
                    *pair = pair.merge(pair_of(x, y, product, simd));
                }
            }
        });
    }

    /// Adds the sums of later rows.
    pub(super) fn merge(&mut self, other: &Pairs) {
        for (mine, theirs) in self.rows.iter_mut().flatten().zip(other.rows.iter().flatten()) {
            *mine = mine.merge(*theirs);
        }
    }

    /// Pairs (i, j) with i < j whose correlation is at least `least`, positive or negative, strongest first.
    pub(super) fn strong(&self, least: f64) -> Vec<(usize, usize, f64)> {
        let mut found = Vec::new();
        for (i, row) in self.rows.iter().enumerate() {
            for (j, pair) in row.iter().enumerate() {
                if let Some(r) = pair.correlation().filter(|r| r.abs() >= least) {
                    found.push((i, i + 1 + j, r));
                }
            }
        }
        found.sort_by(|a, b| b.2.abs().total_cmp(&a.2.abs()).then(a.0.cmp(&b.0)).then(a.1.cmp(&b.1)));
        found
    }
}

fn pair_of(x: &Centred, y: &Centred, product: f64, simd: Dispatch) -> Pair {
    let n = match (&x.mask, &y.mask) {
        (None, _) => y.present,
        (_, None) => x.present,
        (Some(a), Some(b)) => first(simd.run(Dots { x: a, ys: [b] })),
    };
    if n == 0.0 {
        return Pair::default();
    }
    // Sums over the rows in which the other column is present too.
    let within = |a: &Centred, b: &Centred| match &b.mask {
        None => (a.sum, a.squares),
        Some(mask) => {
            let masked: Vec<f64> = a.values.iter().zip(mask).map(|(v, m)| v * m).collect();
            (simd.run(PairSum(&masked)), first(simd.run(Dots { x: &masked, ys: [&masked] })))
        }
    };
    let ((sx, sxx), (sy, syy)) = (within(x, y), within(y, x));
    Pair {
        n,
        x: x.mean + sx / n,
        y: y.mean + sy / n,
        xx: (sxx - sx * (sx / n)).max(0.0),
        yy: (syy - sy * (sy / n)).max(0.0),
        xy: product - sx * (sy / n),
    }
}

fn first([value]: [f64; 1]) -> f64 {
    value
}

/// The products of one column with N others.
struct Dots<'a, const N: usize> {
    x: &'a [f64],
    ys: [&'a [f64]; N],
}

impl<const N: usize> Work for Dots<'_, N> {
    type Output = [f64; N];

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> [f64; N] {
        let mut sums = [[0.0; LANES]; N];
        let (xs, x_rest) = self.x.as_chunks::<LANES>();
        let ys = self.ys.map(|y| y[..self.x.len()].as_chunks::<LANES>());
        for (i, x) in xs.iter().enumerate() {
            for (sum, (y, _)) in sums.iter_mut().zip(&ys) {
                for ((sum, x), y) in sum.iter_mut().zip(x).zip(&y[i]) {
                    *sum += x * y;
                }
            }
        }
        for (sum, (_, rest)) in sums.iter_mut().zip(&ys) {
            for ((sum, x), y) in sum.iter_mut().zip(x_rest).zip(*rest) {
                *sum += x * y;
            }
        }
        sums.map(lane_total)
    }
}

struct PairSum<'a>(&'a [f64]);

impl Work for PairSum<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> f64 {
        lane_sum(self.0, |v| v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NumPy: `np.corrcoef` of the rows in which both are present.
    fn textbook(x: &[f64], y: &[f64]) -> f64 {
        let both: Vec<(f64, f64)> =
            x.iter().copied().zip(y.iter().copied()).filter(|(a, b)| a.is_finite() && b.is_finite()).collect();
        let n = both.len() as f64;
        let (mx, my) = (both.iter().map(|p| p.0).sum::<f64>() / n, both.iter().map(|p| p.1).sum::<f64>() / n);
        let xy: f64 = both.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
        let xx: f64 = both.iter().map(|p| (p.0 - mx).powi(2)).sum();
        let yy: f64 = both.iter().map(|p| (p.1 - my).powi(2)).sum();
        xy / (xx * yy).sqrt()
    }

    fn columns() -> Vec<Vec<f64>> {
        let noise = |seed: u64, i: u64| (crate::numeric::mix(seed << 32 | i) >> 11) as f64 / (1u64 << 53) as f64;
        (0..6u64)
            .map(|c| {
                (0..5000u64)
                    .map(|i| match c {
                        3 if i % 7 == 0 => f64::NAN,
                        4 if i % 11 == 0 => f64::INFINITY,
                        _ => 1e6 * c as f64 + noise(9, i) + noise(c, i) * 0.3,
                    })
                    .collect()
            })
            .collect()
    }

    fn of(columns: &[Vec<f64>], size: usize) -> Pairs {
        let simd = Dispatch::default();
        let mut pairs = Pairs::new(columns.len());
        for start in (0..columns[0].len()).step_by(size) {
            let mut part = Pairs::new(columns.len());
            let batch: Vec<Centred> = columns
                .iter()
                .map(|c| &c[start..(start + size).min(c.len())])
                .map(|c| Centred::of(c, c.iter().any(|v| !v.is_finite()), simd))
                .collect();
            part.push(&batch, simd);
            pairs.merge(&part);
        }
        pairs
    }

    #[test]
    fn equals_the_textbook_whatever_the_split() {
        let columns = columns();
        for size in [17, 1000, 5000] {
            let found = of(&columns, size).strong(0.0);
            assert_eq!(found.len(), 15);
            for (i, j, r) in found {
                let expected = textbook(&columns[i], &columns[j]);
                assert!((r - expected).abs() < 1e-9, "{i} {j} by {size}: {r} and not {expected}");
            }
        }
    }

    #[test]
    fn what_does_not_vary_correlates_with_nothing() {
        let columns = vec![vec![5.0; 100], (0..100).map(f64::from).collect(), vec![f64::NAN; 100]];
        assert_eq!(of(&columns, 30).strong(0.0), []);
    }
}
