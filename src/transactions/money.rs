//! Order-independent sums of money: whole numbers and decimals as integers, floating point by exact expansions that are
//! rounded once.
//!
//! An amount is stored as a word of 64 bits: an integer in units of 10^-scale, or the bits of an f64.

/// The largest floating-point amount: 2^40 of them can be added without overflow.
pub(super) const LARGEST: f64 = 1e290;

/// A running sum.
pub(super) trait Money: Clone + Default {
    /// Adds an amount.
    fn add(&mut self, word: u64);
    /// Adds another sum.
    fn join(&mut self, other: &Self);
    /// Resets to zero.
    fn clear(&mut self);
    /// The sum; `unit` is 10^scale.
    fn value(&self, unit: f64) -> f64;
    /// Whether an amount is below zero.
    fn is_negative(word: u64) -> bool;
    /// An amount as a number.
    fn number(word: u64, unit: f64) -> f64;
}

/// A sum of integers. It cannot overflow with at most 2^40 amounts of 63 bits.
#[derive(Debug, Clone, Default)]
pub(super) struct ExactSum(i128);

impl Money for ExactSum {
    fn add(&mut self, word: u64) {
        self.0 += i128::from(word as i64);
    }

    fn join(&mut self, other: &Self) {
        self.0 += other.0;
    }

    fn clear(&mut self) {
        self.0 = 0;
    }

    fn value(&self, unit: f64) -> f64 {
        self.0 as f64 / unit
    }

    fn is_negative(word: u64) -> bool {
        (word as i64) < 0
    }

    fn number(word: u64, unit: f64) -> f64 {
        word as i64 as f64 / unit
    }
}

/// A sum of f64 as an expansion: nonoverlapping numbers whose exact sum is the exact sum of the added amounts (J. R.
/// Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997, GROW-EXPANSION; the final rounding is that of
/// Python's `math.fsum`). The value is the f64 nearest to the true sum, in any order. Amounts in cents need two or
/// three numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Rounded(Vec<f64>);

impl Rounded {
    fn grow(&mut self, mut x: f64) {
        let mut kept = 0;
        for i in 0..self.0.len() {
            let mut y = self.0[i];
            if x.abs() < y.abs() {
                std::mem::swap(&mut x, &mut y);
            }
            let high = x + y;
            let low = y - (high - x);
            if low != 0.0 {
                self.0[kept] = low;
                kept += 1;
            }
            x = high;
        }
        self.0.truncate(kept);
        if x != 0.0 {
            self.0.push(x);
        }
    }
}

impl Money for Rounded {
    fn add(&mut self, word: u64) {
        self.grow(f64::from_bits(word));
    }

    fn join(&mut self, other: &Self) {
        other.0.iter().for_each(|&x| self.grow(x));
    }

    fn clear(&mut self) {
        self.0.clear();
    }

    fn value(&self, _: f64) -> f64 {
        let mut parts = self.0.iter().rev().copied();
        let Some(mut high) = parts.next() else { return 0.0 };
        while let Some(next) = parts.next() {
            let x = high;
            high = x + next;
            let low = next - (high - x);
            if low == 0.0 {
                continue;
            }
            // Halfway between two f64, the remainder decides: half to even only if it is zero.
            if let Some(rest) = parts.next()
                && (low < 0.0) == (rest < 0.0)
            {
                let doubled = low * 2.0;
                let candidate = high + doubled;
                if candidate - high == doubled {
                    high = candidate;
                }
            }
            break;
        }
        high
    }

    fn is_negative(word: u64) -> bool {
        f64::from_bits(word) < 0.0
    }

    fn number(word: u64, _: f64) -> f64 {
        f64::from_bits(word)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rounded(values: &[f64]) -> f64 {
        let mut sum = Rounded::default();
        values.iter().for_each(|v| sum.add(v.to_bits()));
        sum.value(1.0)
    }

    #[test]
    fn floating_point_is_rounded_once() {
        assert_eq!(rounded(&[0.1; 10]), 1.0);
        assert_eq!(rounded(&[1e16, 1.0, -1e16]), 1.0);
        assert_eq!(rounded(&[1e16, 1.0, 1e-16]), 10_000_000_000_000_002.0, "just above half way");
        assert_eq!(rounded(&[1e16, 1.0]), 1e16, "half way, to even");
        assert_eq!(rounded(&[]).to_bits(), 0);
        assert_eq!(rounded(&[5.0, -5.0, -0.0]).to_bits(), 0, "no negative zero");
    }

    #[test]
    fn decimals_are_exact() {
        let mut sum = ExactSum::default();
        (0..1000).for_each(|_| sum.add(10));
        sum.add(-1i64 as u64);
        assert_eq!(sum.value(100.0), 99.99);
        assert!(ExactSum::is_negative(-1i64 as u64) && !ExactSum::is_negative(0));
    }

    proptest! {
        #[test]
        fn no_order_matters(mut values in prop::collection::vec(-1e9..1e9f64, 0..40), cut in 0usize..40) {
            let there = rounded(&values);
            values.reverse();
            let (a, b) = values.split_at(cut.min(values.len()));
            let mut sum = Rounded::default();
            b.iter().for_each(|v| sum.add(v.to_bits()));
            let mut other = Rounded::default();
            a.iter().for_each(|v| other.add(v.to_bits()));
            sum.join(&other);
            prop_assert_eq!(sum.value(1.0).to_bits(), there.to_bits());
        }
    }
}
