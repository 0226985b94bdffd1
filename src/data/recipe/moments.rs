//! Count, mean, deviation, skewness and range of a column, the same bits whatever the split into batches or threads.
//!
//! Values are taken in blocks of [`BLOCK`] from the start of each row group; a block is summed in eight fixed lanes;
//! blocks merge in order, row groups in file order. Merging follows Pebay, *Formulas for robust, one-pass parallel
//! computation of covariances and arbitrary-order statistical moments* (Sandia, 2008).

use fearless_simd::Simd;

use crate::simd::{Dispatch, Work};

const BLOCK: usize = 1024;
const LANES: usize = 8;

/// Moments of some values: `m2` and `m3` are sums of powers of deviations from the mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moments {
    pub(crate) n: u64,
    pub(crate) mean: f64,
    m2: f64,
    m3: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Moments {
    pub(crate) const EMPTY: Moments =
        Moments { n: 0, mean: 0.0, m2: 0.0, m3: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    /// `n` times the same value.
    pub(crate) fn repeated(n: u64, value: f64) -> Self {
        if n == 0 { Self::EMPTY } else { Moments { n, mean: value, m2: 0.0, m3: 0.0, min: value, max: value } }
    }

    #[inline(always)]
    fn of_block(values: &[f32]) -> Self {
        let n = values.len() as f64;
        let [sum] = lanes(values, |v| [v]);
        let mean = sum / n;
        let [m2, m3] = lanes(values, |v| {
            let d = v - mean;
            [d * d, d * d * d]
        });
        let fold = |start: f32, pick: fn(f32, f32) -> f32| f64::from(values.iter().copied().fold(start, pick));
        // There is no NaN among the values, so comparing is enough, and becomes SIMD.
        let (min, max) = (
            fold(f32::INFINITY, |a, b| if b < a { b } else { a }),
            fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a }),
        );
        Moments { n: values.len() as u64, mean, m2, m3, min, max }
    }

    /// These values followed by those of `other`.
    pub(crate) fn merge(self, other: Moments) -> Moments {
        if self.n == 0 {
            return other;
        }
        if other.n == 0 {
            return self;
        }
        let (a, b) = (self.n as f64, other.n as f64);
        let n = a + b;
        let delta = other.mean - self.mean;
        Moments {
            n: self.n + other.n,
            mean: self.mean + delta * (b / n),
            m2: self.m2 + other.m2 + delta * delta * (a * b / n),
            m3: self.m3
                + other.m3
                + delta * delta * delta * (a * b / n) * ((a - b) / n)
                + 3.0 * delta * (a * other.m2 - b * self.m2) / n,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// Standard deviation of the population (ddof = 0, as scikit-learn's StandardScaler).
    pub(crate) fn deviation(&self) -> f64 {
        if self.n == 0 { 0.0 } else { (self.m2 / self.n as f64).sqrt() }
    }

    /// Fisher-Pearson skewness; None where nothing varies.
    pub(crate) fn skewness(&self) -> Option<f64> {
        let variance = self.m2 / self.n.max(1) as f64;
        (variance > 0.0).then(|| self.m3 / self.n as f64 / (variance * variance.sqrt()))
    }
}

/// Sums `term` of every value in fixed lanes: the order of additions does not depend on the compiler or the machine.
#[inline(always)]
fn lanes<const N: usize>(values: &[f32], term: impl Fn(f64) -> [f64; N]) -> [f64; N] {
    let mut sums = [[0.0; LANES]; N];
    let mut rows = values.chunks_exact(LANES);
    for row in &mut rows {
        for (lane, &v) in row.iter().enumerate() {
            let terms = term(f64::from(v));
            for (sum, t) in sums.iter_mut().zip(terms) {
                sum[lane] += t;
            }
        }
    }
    for (lane, &v) in rows.remainder().iter().enumerate() {
        let terms = term(f64::from(v));
        for (sum, t) in sums.iter_mut().zip(terms) {
            sum[lane] += t;
        }
    }
    sums.map(|s| ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])))
}

/// The moments of one block, by SIMD.
struct Block<'a>(&'a [f32]);

impl Work for Block<'_> {
    type Output = Moments;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> Moments {
        Moments::of_block(self.0)
    }
}

/// Takes values in slices of any length; the result depends on their sequence alone. NaN is left out.
#[derive(Debug)]
pub(crate) struct MomentStream {
    block: Vec<f32>,
    total: Moments,
    simd: Dispatch,
}

impl MomentStream {
    pub(crate) fn new(simd: Dispatch) -> Self {
        MomentStream { block: Vec::with_capacity(BLOCK), total: Moments::EMPTY, simd }
    }

    pub(crate) fn push(&mut self, values: &[f32]) {
        let mut rest = values;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(BLOCK - self.block.len()));
            let before = self.block.len();
            self.block.extend_from_slice(now);
            if self.block[before..].iter().any(|v| v.is_nan()) {
                self.block.retain(|v| !v.is_nan());
            }
            if self.block.len() == BLOCK {
                self.close();
            }
            rest = later;
        }
    }

    fn close(&mut self) {
        if !self.block.is_empty() {
            self.total = self.total.merge(self.simd.run(Block(&self.block)));
            self.block.clear();
        }
    }

    /// The moments of all values so far; the stream is empty afterwards.
    pub(crate) fn finish(&mut self) -> Moments {
        self.close();
        std::mem::replace(&mut self.total, Moments::EMPTY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Vec<f32> {
        (0..10_000u32)
            .map(|i| if i % 97 == 0 { f32::NAN } else { (i.wrapping_mul(2654435761) >> 16) as f32 / 65536.0 })
            .collect()
    }

    #[test]
    fn batches_do_not_matter() {
        let all = values();
        let mut whole = MomentStream::new(Dispatch::default());
        whole.push(&all);
        let whole = whole.finish();
        for size in [1, 7, 1023, 1024, 1025, 4096] {
            let mut parts = MomentStream::new(Dispatch::default());
            all.chunks(size).for_each(|c| parts.push(c));
            assert_eq!(parts.finish(), whole, "batches of {size}");
        }
    }

    #[test]
    fn equals_the_textbook() {
        let all: Vec<f64> = values().into_iter().filter(|v| !v.is_nan()).map(|v| f64::from(v * v)).collect();
        let mut stream = MomentStream::new(Dispatch::default());
        stream.push(&all.iter().map(|&v| v as f32).collect::<Vec<_>>());
        let m = stream.finish();
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let power = |p: i32| all.iter().map(|v| (v - mean).powi(p)).sum::<f64>() / n;
        assert_eq!(m.n, all.len() as u64);
        assert!((m.mean - mean).abs() < 1e-7, "{} {mean}", m.mean);
        assert!((m.deviation() - power(2).sqrt()).abs() < 1e-6);
        assert!((m.skewness().unwrap() - power(3) / power(2).powf(1.5)).abs() < 1e-5);
    }
}
