//! Count, mean, deviation, skewness and range of a column: the same bits however rows are split into batches or
//! threads.
//!
//! Values are taken in blocks of [`BLOCK`] from the start of each row group. A block is summed in fixed lanes; blocks
//! merge in order, and row groups in file order. Merging follows Pebay, *Formulas for robust, one-pass parallel
//! computation of covariances and arbitrary-order statistical moments* (Sandia, 2008).

use fearless_simd::Simd;

use super::lanes::{LANES, lane_sum, lane_total};
use crate::simd::{Dispatch, Work};

pub(crate) const BLOCK: usize = 1024;

/// Moments of some values: `m2` and `m3` are sums of powers of deviations from the mean. A value of weight w counts as
/// w values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moments {
    /// Values of a weight above 0.
    pub(crate) n: u64,
    /// The sum of their weights: whole and below 2^53, so exact.
    mass: f64,
    pub(crate) mean: f64,
    m2: f64,
    m3: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Moments {
    pub(crate) const EMPTY: Moments =
        Moments { n: 0, mass: 0.0, mean: 0.0, m2: 0.0, m3: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    /// The moments of `n` equal values.
    pub(crate) fn repeated(n: u64, value: f64) -> Self {
        if n == 0 {
            return Self::EMPTY;
        }
        Moments { n, mass: n as f64, mean: value, m2: 0.0, m3: 0.0, min: value, max: value }
    }

    /// The sum of the weights; the number of values where each weighs 1.
    pub(crate) fn mass(&self) -> u64 {
        self.mass as u64
    }

    /// The moments of landed values with weights above 0, at most a block.
    pub(crate) fn of_weighted(values: &[f32], weights: &[u32], simd: Dispatch) -> Self {
        if values.is_empty() { Self::EMPTY } else { simd.run(WeightedBlock(values, weights)) }
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
        Moments { n: values.len() as u64, mass: n, mean, m2, m3, min, max }
    }

    /// The same in the same lanes, so that weights of 1 change no bit.
    #[inline(always)]
    fn of_weighted_block(values: &[f32], weights: &[u32]) -> Self {
        let sum = |term: &dyn Fn(f64) -> f64| {
            let mut lanes = [0.0; LANES];
            for (i, (&v, &w)) in values.iter().zip(weights).enumerate() {
                lanes[i % LANES] += f64::from(w) * term(f64::from(v));
            }
            lane_total(lanes)
        };
        let mass = sum(&|_| 1.0);
        let mean = sum(&|v| v) / mass;
        let m2 = sum(&|v| (v - mean) * (v - mean));
        let m3 = sum(&|v| (v - mean) * (v - mean) * (v - mean));
        let min = extreme(values, f32::INFINITY, |a, b| a < b);
        let max = extreme(values, f32::NEG_INFINITY, |a, b| a > b);
        Moments { n: values.len() as u64, mass, mean, m2, m3, min, max }
    }

    /// These values followed by those of `other`.
    pub(crate) fn merge(self, other: Moments) -> Moments {
        if self.n == 0 {
            return other;
        }
        if other.n == 0 {
            return self;
        }
        let (a, b) = (self.mass, other.mass);
        let n = a + b;
        let delta = other.mean - self.mean;
        Moments {
            n: self.n + other.n,
            mass: n,
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
        if self.n == 0 { 0.0 } else { (self.m2 / self.mass).sqrt() }
    }

    /// Fisher-Pearson skewness; None where nothing varies.
    pub(crate) fn skewness(&self) -> Option<f64> {
        let variance = self.m2 / self.mass.max(1.0);
        (variance > 0.0).then(|| standardised(self.mass, self.m2, self.m3))
    }
}

/// Fisher-Pearson skewness of values of any size; None where nothing varies, NaN where deviations overflow. `weights`,
/// one for each value and 1 at most, are empty where each is 1.
pub(crate) fn skewness(values: &[f64], weights: &[f64]) -> Option<f64> {
    let weights = || weights.iter().copied().chain(std::iter::repeat_n(1.0, values.len() - weights.len()));
    let n = weights().sum::<f64>();
    let mean = values.iter().zip(weights()).map(|(v, w)| v * w / n).sum::<f64>();
    let largest = values.iter().map(|v| (v - mean).abs()).fold(0.0, f64::max);
    if !(largest > 0.0) {
        return None;
    }
    // Dividing by the largest deviation keeps the powers from overflowing.
    let (mut m2, mut m3) = (0.0, 0.0);
    for (v, w) in values.iter().zip(weights()) {
        let d = (v - mean) / largest;
        m2 += w * (d * d);
        m3 += w * (d * d * d);
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

/// The same of values with weights.
struct WeightedBlock<'a>(&'a [f32], &'a [u32]);

impl Work for WeightedBlock<'_> {
    type Output = Moments;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> Moments {
        Moments::of_weighted_block(self.0, self.1)
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
    /// The weights of the block, where values have any.
    weights: Vec<u32>,
    waiting: usize,
    total: Moments,
    simd: Dispatch,
}

impl MomentStream {
    pub(crate) fn new(simd: Dispatch) -> Self {
        MomentStream { block: Box::new([0.0; BLOCK]), weights: Vec::new(), waiting: 0, total: Moments::EMPTY, simd }
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

    /// The same with weights; values of weight 0 are left out, as NaN is.
    pub(crate) fn push_weighted(&mut self, values: &[f32], weights: &[u32]) {
        for (&v, &w) in values.iter().zip(weights).filter(|(v, w)| !v.is_nan() && **w > 0) {
            self.block[self.waiting] = v;
            self.weights.push(w);
            self.waiting += 1;
            if self.waiting == BLOCK {
                self.close();
            }
        }
    }

    fn close(&mut self) {
        if self.waiting > 0 {
            let block = &self.block[..self.waiting];
            let moments = if self.weights.is_empty() {
                self.simd.run(MomentBlock(block))
            } else {
                self.simd.run(WeightedBlock(block, &self.weights))
            };
            self.total = self.total.merge(moments);
            self.weights.clear();
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
    fn a_weight_counts_as_so_many_values() {
        let simd = Dispatch::default();
        let all = values();
        let plain = |values: &[f32]| {
            let mut stream = MomentStream::new(simd);
            stream.push(values, true);
            stream.finish()
        };
        let weighted = |values: &[f32], weights: &[u32]| {
            let mut stream = MomentStream::new(simd);
            stream.push_weighted(values, weights);
            stream.finish()
        };
        assert_eq!(weighted(&all, &vec![1; all.len()]), plain(&all), "weights of 1 change no bit");
        let some: Vec<f32> = all.iter().enumerate().filter(|(i, _)| i % 3 > 0).map(|(_, &v)| v).collect();
        let zero_or_one: Vec<u32> = (0..all.len()).map(|i| u32::from(i % 3 > 0)).collect();
        assert_eq!(weighted(&all, &zero_or_one), plain(&some), "weights of 0 leave values out");
        let weights: Vec<u32> = (0..all.len() as u32).map(|i| i % 4).collect();
        let repeated: Vec<f32> =
            all.iter().zip(&weights).flat_map(|(&v, &w)| std::iter::repeat_n(v, w as usize)).collect();
        let (one, other) = (weighted(&all, &weights), plain(&repeated));
        assert_eq!((one.mass(), one.min, one.max), (other.n, other.min, other.max));
        assert!((one.mean - other.mean).abs() < 1e-12 && (one.deviation() - other.deviation()).abs() < 1e-12);
        assert!((one.skewness().unwrap() - other.skewness().unwrap()).abs() < 1e-9);
        let (values, w) = ([1.0, 2.0, 10.0], [0.5, 1.0, 0.25]);
        let repeated = skewness(&[1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 10.0], &[]).unwrap();
        assert!((skewness(&values, &w).unwrap() - repeated).abs() < 1e-12);
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
