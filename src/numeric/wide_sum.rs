//! Exact sums of very many f64, by integer additions alone.

use fearless_simd::Simd;

use super::exact_sum::ExactFloats;
use super::lanes::{LANES, lane_total};
use super::power::power_of_two;
use crate::simd::{Dispatch, Work};

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
            match if block.len() < LANES { None } else { simd.run(Extracted(block)) } {
                Some(parts) => parts.iter().for_each(|&part| self.add(part)),
                None => block.iter().for_each(|&value| self.add(value)),
            }
        }
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

/// Values whose parts add up without rounding.
const BLOCK: usize = 1 << BLOCK_BITS;
const BLOCK_BITS: i32 = 12;
/// Parts of a value: three hold 117 bits from the largest value of a block down.
const PARTS: usize = 3;

/// The sum of a block as one f64 for each part of its values; None where these do not hold every bit (after the
/// extraction of S. M. Rump, T. Ogita and S. Oishi, "Accurate floating-point summation, part I", 2008).
struct Extracted<'a>(&'a [f64]);

impl Work for Extracted<'_> {
    type Output = Option<[f64; PARTS]>;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> Self::Output {
        let largest = self.0.iter().fold(0, |largest, v| largest.max(v.to_bits() & (u64::MAX >> 1)));
        let exponent = (largest >> 52) as i32 - 1023;
        // The parts are neither subnormal nor beyond f64.
        if !(-900..=900).contains(&exponent) {
            return if largest == 0 { Some([0.0; PARTS]) } else { None };
        }
        // With t = exponent + 14, the first parts are multiples of 2^(t - 52) below 2^(t - 13) or so: 2^12 of them add
        // up below 2^53 units. What they leave is at most 2^(t - 53), so that the next t is 40 less.
        let [a, b, c] = [0, 1, 2].map(|part| 1.5 * power_of_two(exponent + BLOCK_BITS + 2 - part * 40));
        let (mut sums, mut left) = ([[0.0; LANES]; PARTS], [0; LANES]);
        let mut add = |lane: usize, value: f64| {
            let first = (a + value) - a;
            let rest = value - first;
            let second = (b + rest) - b;
            let rest = rest - second;
            let third = (c + rest) - c;
            sums[0][lane] += first;
            sums[1][lane] += second;
            sums[2][lane] += third;
            left[lane] |= (rest - third).to_bits() << 1;
        };
        let (rows, rest) = self.0.as_chunks::<LANES>();
        for row in rows {
            for (lane, &value) in row.iter().enumerate() {
                add(lane, value);
            }
        }
        rest.iter().enumerate().for_each(|(lane, &value)| add(lane, value));
        (left == [0; LANES]).then(|| sums.map(lane_total))
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
