//! Exact sums of values and of their squares, and the deviation that follows from them: the same for any order of the
//! values.

use fearless_simd::Simd;

use super::extract::{BLOCK, Extracted};
use super::wide_sum::WideSum;
use crate::simd::{Dispatch, Work};

/// From here on, squares are not counted: they would be beyond f64.
const LARGEST: f64 = 1e150;
/// Splits a number into two halves of its digits.
const SPLITTER: f64 = ((1_u64 << 27) + 1) as f64;

/// The sums of finite values and of their squares, without rounding.
#[derive(Debug, Clone, Default)]
pub(crate) struct PowerSums {
    sum: WideSum,
    squares: WideSum,
    is_beyond: bool,
}

impl PowerSums {
    /// Adds finite values. `scratch` is overwritten.
    pub(crate) fn add_all(&mut self, values: &[f64], scratch: &mut Vec<f64>, simd: Dispatch) {
        for block in values.chunks(BLOCK) {
            let found = simd.run(Extracted { values: block, squares: true });
            self.sum.add_block(block, found.sum);
            match found.squares {
                Some(parts) => parts.iter().for_each(|&part| self.squares.add(part)),
                None => self.add_squares(block, scratch, simd),
            }
        }
    }

    /// Adds the squares of values that may have all digits of f64.
    fn add_squares(&mut self, values: &[f64], scratch: &mut Vec<f64>, simd: Dispatch) {
        scratch.resize(2 * values.len(), 0.0);
        let (squares, rests) = scratch.split_at_mut(values.len());
        let facts = simd.run(Squared { values, squares, rests });
        if facts.is_beyond {
            self.is_beyond = true;
            return;
        }
        self.squares.add_all(squares, simd);
        if facts.has_rests {
            self.squares.add_all(rests, simd);
        }
    }

    /// Adds another sum.
    pub(crate) fn join(&mut self, other: &Self) {
        self.sum.join(&other.sum);
        self.squares.join(&other.squares);
        self.is_beyond |= other.is_beyond;
    }

    /// The f64 nearest to the sum of the values; not finite where that is beyond f64.
    pub(crate) fn sum(&self) -> f64 {
        self.sum.value()
    }

    /// The standard deviation (that of the population) of the `n` values, zeros among them that need not have been
    /// added; None without values, or where squares are beyond f64.
    pub(crate) fn deviation(&self, n: u64) -> Option<f64> {
        if n == 0 || self.is_beyond {
            return None;
        }
        let ((sum, sum_rest), (squares, squares_rest)) = (self.sum.rounded(), self.squares.rounded());
        let n = n as f64;
        // n * squares - sum^2, with twice the digits: the two may be nearly equal.
        let ((large, large_rest), (small, small_rest)) = (product(n, squares), product(sum, sum));
        let rests = (large_rest - small_rest) + (n * squares_rest - 2.0 * sum * sum_rest);
        let scaled = (large - small) + rests;
        // Products beyond f64 leave no number; max would make it 0.
        scaled.is_finite().then(|| scaled.max(0.0).sqrt() / n)
    }
}

/// The rounded product, and what it lacks (T. J. Dekker, "A floating-point technique for extending the available
/// precision", 1971).
#[inline(always)]
fn product(a: f64, b: f64) -> (f64, f64) {
    let halves = |v: f64| {
        let large = SPLITTER * v;
        let high = large - (large - v);
        (high, v - high)
    };
    let (product, (a_high, a_low), (b_high, b_low)) = (a * b, halves(a), halves(b));
    let rest = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
    (product, rest)
}

struct Squared<'a> {
    values: &'a [f64],
    squares: &'a mut [f64],
    rests: &'a mut [f64],
}

#[derive(Debug, Clone, Copy)]
struct SquareFacts {
    is_beyond: bool,
    has_rests: bool,
}

impl Work for Squared<'_> {
    type Output = SquareFacts;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> SquareFacts {
        let mut facts = SquareFacts { is_beyond: false, has_rests: false };
        for ((&value, square), rest) in self.values.iter().zip(self.squares).zip(self.rests) {
            (*square, *rest) = product(value, value);
            facts.is_beyond |= value.abs() > LARGEST;
            facts.has_rests |= *rest != 0.0;
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::power::power_of_two;
    use super::*;
    use crate::simd::SimdLevel;

    fn deviation(values: &[f64], cut: usize) -> Option<f64> {
        let simd = SimdLevel::auto().dispatch().unwrap();
        let (mut sums, mut later, mut scratch) = (PowerSums::default(), PowerSums::default(), Vec::new());
        let (a, b) = values.split_at(cut.min(values.len()));
        sums.add_all(b, &mut scratch, simd);
        later.add_all(a, &mut scratch, simd);
        sums.join(&later);
        sums.deviation(values.len() as u64)
    }

    #[test]
    fn nothing_is_lost_far_from_zero() {
        assert_eq!(deviation(&[0.1; 7], 3), Some(0.0));
        assert_eq!(deviation(&[1e15 + 1.0, 1e15 - 1.0], 1), Some(1.0));
        assert_eq!(deviation(&[1e300, 0.0], 0), None);
        assert_eq!(deviation(&[1e150, 9e149], 0), None);
        assert_eq!(deviation(&[], 0), None);
        // statistics.pstdev of Python 3.13.
        assert_eq!(deviation(&[1.5, 2.5, 4.0, 8.25], 0), Some(2.576_182_980_690_618_7));
    }

    proptest! {
        #[test]
        fn it_is_that_of_two_passes_in_any_order(
            values in prop::collection::vec(-1e6..1e6f64, 1..200), shift in 0.0..1e9f64, cut in 0usize..200,
        ) {
            let mut values: Vec<f64> = values.iter().map(|v| v + shift).collect();
            let n = values.len() as f64;
            let mean = values.iter().map(|v| v - shift).sum::<f64>() / n + shift;
            let expected = (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
            let found = deviation(&values, cut).unwrap();
            prop_assert!((found - expected).abs() <= 1e-6 * expected.max(1e-6), "{found} {expected}");
            values.reverse();
            prop_assert_eq!(deviation(&values, 0).map(f64::to_bits), Some(found.to_bits()));
        }

        #[test]
        fn numbers_of_24_digits_add_up_as_single_values(
            digits in prop::collection::vec(-(1i32 << 24) + 1..1 << 24, 0..200),
            (octaves, shift) in (1i32..60, -140i32..100),
            repeated in 1usize..60,
        ) {
            // As few octaves as one part holds, up to more than three hold of their squares; subnormal f32.
            let value = |&d: &i32| f64::from((f64::from(d) * power_of_two(d.rem_euclid(octaves) + shift)) as f32);
            let values = digits.iter().map(value).filter(|v| v.is_finite()).collect::<Vec<_>>().repeat(repeated);
            let (mut sum, mut squares) = (WideSum::default(), WideSum::default());
            values.iter().for_each(|&v| sum.add(v));
            values.iter().for_each(|&v| squares.add(v * v));
            for simd in SimdLevel::available() {
                let (mut sums, mut scratch) = (PowerSums::default(), Vec::new());
                sums.add_all(&values, &mut scratch, simd.dispatch().unwrap());
                prop_assert_eq!(sums.sum.rounded(), sum.rounded());
                prop_assert_eq!(sums.squares.rounded(), squares.rounded());
            }
        }
    }
}
