//! Exact sums of very many f64, by integer additions alone.

use super::exact_sum::ExactFloats;
use super::extract::{BLOCK, Extracted, SumParts};
use super::power::power_of_two;
use crate::simd::Dispatch;

/// Exponents that share an integer.
const SPAN: u32 = 5;
/// Integers for all 2^11 exponents.
const BINS: usize = 1 << (11 - SPAN);
/// Bits of an integer that become one f64.
const LIMB: u32 = 48;

/// A sum of finite f64 as integers, one for 32 exponents each (after R. M. Neal, "Fast exact summation using small and
/// large superaccumulators", 2015). A value takes one addition to one of them: several times faster than
/// [`ExactFloats`], for a KiB. Each holds 2^40 values of 53 bits, moved by up to 31, without overflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WideSum([i128; BINS]);

impl Default for WideSum {
    fn default() -> Self {
        WideSum([0; BINS])
    }
}

impl WideSum {
    /// Adds a finite value.
    #[inline(always)]
    pub(crate) fn add(&mut self, value: f64) {
        let bits = value.to_bits();
        let exponent = (bits >> 52) & 0x7ff;
        let implied = u64::from(exponent > 0) << 52;
        let magnitude = i128::from(bits & ((1 << 52) - 1) | implied);
        // Subnormal numbers have the exponent of the smallest normal ones. Unit: 2^-1075.
        let place = exponent.max(1);
        let term = magnitude << (place & ((1 << SPAN) - 1));
        let bin = &mut self.0[(place >> SPAN) as usize];
        // 2^40 terms below 2^85: no overflow.
        *bin = bin.wrapping_add(if bits >> 63 == 1 { -term } else { term });
    }

    /// Adds finite values.
    pub(crate) fn add_all(&mut self, values: &[f64], simd: Dispatch) {
        for block in values.chunks(BLOCK) {
            self.add_block(block, simd.run(Extracted { values: block, squares: false }).sum);
        }
    }

    /// Adds the values of a block, whose sum these parts are if they hold every bit.
    pub(super) fn add_block(&mut self, block: &[f64], parts: Option<SumParts>) {
        let values = parts.as_ref().map_or(block, |parts| parts);
        values.iter().for_each(|&value| self.add(value));
    }

    /// Adds another sum.
    pub(crate) fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a += b);
    }

    /// The f64 nearest to the sum; not finite where the sum is beyond f64.
    pub(crate) fn value(&self) -> f64 {
        self.expansion().value()
    }

    /// The f64 nearest to the sum, and the one nearest to what it lacks.
    pub(crate) fn rounded(&self) -> (f64, f64) {
        let mut sum = self.expansion();
        let value = sum.value();
        if !value.is_finite() {
            return (value, 0.0);
        }
        sum.add(-value);
        (value, sum.value())
    }

    fn expansion(&self) -> ExactFloats {
        let mut sum = ExactFloats::default();
        for (b, &bin) in self.0.iter().enumerate().filter(|(_, bin)| **bin != 0) {
            let sign = if bin < 0 { -1.0 } else { 1.0 };
            // The smallest place is 1: the first integer is even.
            let (mut rest, mut unit) = match b {
                0 => (bin.unsigned_abs() >> 1, -1074),
                _ => (bin.unsigned_abs(), (b << SPAN) as i32 - 1075),
            };
            while rest != 0 {
                let limb = (rest & ((1 << LIMB) - 1)) as f64;
                // In two steps, since the unit may be subnormal.
                sum.add(sign * (limb * power_of_two(unit / 2)) * power_of_two(unit - unit / 2));
                rest >>= LIMB;
                unit += LIMB as i32;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simd::SimdLevel;

    fn sum(values: &[f64]) -> WideSum {
        let mut sum = WideSum::default();
        values.iter().for_each(|&v| sum.add(v));
        sum
    }

    #[test]
    fn it_is_exact_at_both_ends() {
        let smallest = f64::from_bits(1);
        assert_eq!(sum(&[smallest; 3]).value(), 3.0 * smallest);
        assert_eq!(sum(&[f64::MIN_POSITIVE, -smallest]).value(), f64::MIN_POSITIVE - smallest);
        assert_eq!(sum(&[f64::MAX, -f64::MAX, -1.0]).value(), -1.0);
        assert_eq!(sum(&[f64::MAX]).value(), f64::MAX);
        assert_eq!(sum(&[1e16, 1.0, -1e16]).value(), 1.0);
        assert_eq!(sum(&[-0.0]).value().to_bits(), 0);
        assert!(!sum(&[f64::MAX, f64::MAX]).value().is_finite());
    }

    #[test]
    fn bits_that_parts_do_not_hold_are_added_one_by_one() {
        let large = power_of_two(200);
        let values = [large, 1.0, -large, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        for simd in SimdLevel::available() {
            let mut blocks = WideSum::default();
            blocks.add_all(&values, simd.dispatch().unwrap());
            assert_eq!(blocks.value(), 1.0);
        }
    }

    proptest! {
        #[test]
        fn blocks_add_up_as_single_values(
            values in prop::collection::vec(any::<i64>(), 0..200),
            (span, shift) in (1i32..140, -1000i32..1000),
            repeated in 1usize..60,
        ) {
            // A few exponents, which blocks hold, up to more than they hold; ends of f64.
            let value = |&v: &i64| v as f64 * power_of_two((v as i32).rem_euclid(span)) * power_of_two(shift - 100);
            let values = values.iter().map(value).filter(|v| v.is_finite()).collect::<Vec<_>>().repeat(repeated);
            for simd in SimdLevel::available() {
                let mut blocks = WideSum::default();
                blocks.add_all(&values, simd.dispatch().unwrap());
                prop_assert_eq!(&blocks.value().to_bits(), &sum(&values).value().to_bits());
            }
        }

        #[test]
        fn it_is_the_other_exact_sum(values in prop::collection::vec(any::<i64>(), 0..60), cut in 0usize..60) {
            // All exponents from -300 to 300, both signs.
            let values: Vec<f64> = values.iter().map(|&v| v as f64 * power_of_two((v % 600) as i32 - 300)).collect();
            let mut other = ExactFloats::default();
            values.iter().for_each(|&v| other.add(v));
            let (a, b) = values.split_at(cut.min(values.len()));
            let mut joined = sum(b);
            joined.join(&sum(a));
            prop_assert_eq!(&joined, &sum(&values));
            prop_assert_eq!(joined.value().to_bits(), other.value().to_bits());
        }
    }
}
