//! Count, mean, deviation, skewness and range of a column: the same bits however rows are split into batches or
//! threads.
//!
//! Values are taken in blocks of [`BLOCK`] from the start of each row group. A block is summed in fixed lanes; blocks
//! merge in order, and row groups in file order. Merging follows Pebay, *Formulas for robust, one-pass parallel
//! computation of covariances and arbitrary-order statistical moments* (Sandia, 2008).

use fearless_simd::Simd;

use super::lanes::{LANES, lane_sum};
use crate::simd::{Dispatch, Work};

pub(crate) const BLOCK: usize = 1024;

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

    /// The moments of `n` equal values.
    pub(crate) fn repeated(n: u64, value: f64) -> Self {
        if n == 0 { Self::EMPTY } else { Moments { n, mean: value, m2: 0.0, m3: 0.0, min: value, max: value } }
    }

    /// The moments of finite `values`, in blocks of [`BLOCK`] from the first.
    pub(crate) fn of(values: &[f64], simd: Dispatch) -> Self {
        let blocks = values.chunks(BLOCK).map(|block| simd.run(WideBlock(block)));
        blocks.fold(Self::EMPTY, Self::merge)
    }

    /// The moments of landed values, at most a block.
    pub(crate) fn of_landed(values: &[f32], simd: Dispatch) -> Self {
        if values.is_empty() { Self::EMPTY } else { simd.run(MomentBlock(values)) }
    }

    #[inline(always)]
    fn of_block<V: Copy + Into<f64> + PartialOrd>(values: &[V], above: V, below: V) -> Self {
        let n = values.len() as f64;
        let mean = lane_sum(values, |v| v) / n;
        let m2 = lane_sum(values, |v| (v - mean) * (v - mean));
        let m3 = lane_sum(values, |v| (v - mean) * (v - mean) * (v - mean));
        // No value is NaN, so a comparison is enough, and compiles to SIMD.
        let min = extreme(values, above, |a, b| a < b);
        let max = extreme(values, below, |a, b| a > b);
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
        (variance > 0.0).then(|| standardised(self.n as f64, self.m2, self.m3))
    }
}

/// Fisher-Pearson skewness of values of any size; None where nothing varies, NaN where deviations overflow.
pub(crate) fn skewness(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().map(|v| v / n).sum::<f64>();
    let largest = values.iter().map(|v| (v - mean).abs()).fold(0.0, f64::max);
    if !(largest > 0.0) {
        return None;
    }
    // Dividing by the largest deviation keeps the powers from overflowing.
    let (mut m2, mut m3) = (0.0, 0.0);
    for v in values {
        let d = (v - mean) / largest;
        m2 += d * d;
        m3 += d * d * d;
    }
    Some(standardised(n, m2, m3))
}

/// The third standardised moment of `n` values, from sums of squares and cubes of their deviations.
fn standardised(n: f64, m2: f64, m3: f64) -> f64 {
    let variance = m2 / n;
    m3 / n / (variance * variance.sqrt())
}

/// The value that comes first by `before`, found in lanes.
#[inline(always)]
fn extreme<V: Copy + Into<f64>>(values: &[V], start: V, before: impl Fn(V, V) -> bool) -> f64 {
    let first = |a: V, b: V| if before(b, a) { b } else { a };
    let mut found = [start; 2 * LANES];
    let (rows, rest) = values.as_chunks::<{ 2 * LANES }>();
    for row in rows {
        for (lane, &v) in found.iter_mut().zip(row) {
            *lane = first(*lane, v);
        }
    }
    found.iter().chain(rest).copied().fold(start, first).into()
}

/// The moments of one block, by SIMD.
struct MomentBlock<'a>(&'a [f32]);

impl Work for MomentBlock<'_> {
    type Output = Moments;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> Moments {
        Moments::of_block(self.0, f32::INFINITY, f32::NEG_INFINITY)
    }
}

/// The same of f64.
struct WideBlock<'a>(&'a [f64]);

impl Work for WideBlock<'_> {
    type Output = Moments;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> Moments {
        Moments::of_block(self.0, f64::INFINITY, f64::NEG_INFINITY)
    }
}

/// Takes values in slices of any length. The result depends only on their sequence. NaN is left out.
#[derive(Debug)]
pub(crate) struct MomentStream {
    /// The first `waiting` values belong to a block that is not full yet.
    block: Box<[f32; BLOCK]>,
    waiting: usize,
    total: Moments,
    simd: Dispatch,
}

impl MomentStream {
    pub(crate) fn new(simd: Dispatch) -> Self {
        MomentStream { block: Box::new([0.0; BLOCK]), waiting: 0, total: Moments::EMPTY, simd }
    }

    /// `any_nan`: whether there may be NaN among the values.
    pub(crate) fn push(&mut self, values: &[f32], any_nan: bool) {
        let mut rest = values;
        while !rest.is_empty() {
            if self.waiting == 0
                && !any_nan
                && let Some((block, later)) = rest.split_first_chunk::<BLOCK>()
            {
                self.total = self.total.merge(self.simd.run(MomentBlock(block)));
                rest = later;
                continue;
            }
            let (now, later) = rest.split_at(rest.len().min(BLOCK - self.waiting));
            if any_nan {
                for &v in now {
                    // Branchless: a NaN is overwritten by the next value.
                    self.block[self.waiting] = v;
                    self.waiting += usize::from(!v.is_nan());
                }
            } else {
                self.block[self.waiting..][..now.len()].copy_from_slice(now);
                self.waiting += now.len();
            }
            if self.waiting == BLOCK {
                self.close();
            }
            rest = later;
        }
    }

    fn close(&mut self) {
        if self.waiting > 0 {
            self.total = self.total.merge(self.simd.run(MomentBlock(&self.block[..self.waiting])));
            self.waiting = 0;
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
        whole.push(&all, true);
        let whole = whole.finish();
        for size in [1, 7, 1023, 1024, 1025, 4096] {
            let mut parts = MomentStream::new(Dispatch::default());
            all.chunks(size).for_each(|c| parts.push(c, true));
            assert_eq!(parts.finish(), whole, "batches of {size}");
        }
    }

    #[test]
    fn equals_the_textbook() {
        let all: Vec<f64> = values().into_iter().filter(|v| !v.is_nan()).map(|v| f64::from(v * v)).collect();
        let mut stream = MomentStream::new(Dispatch::default());
        stream.push(&all.iter().map(|&v| v as f32).collect::<Vec<_>>(), false);
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
