//! Order-independent sums of money: whole numbers and decimals as integers, floating point by exact expansions that are
//! rounded once.
//!
//! An amount is stored as a word of 64 bits: an integer in units of 10^-scale, or the bits of an f64.

use crate::numeric::ExactFloats;

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

/// A sum of f64, rounded once.
#[derive(Debug, Clone, Default)]
pub(super) struct Rounded(ExactFloats);

impl Money for Rounded {
    fn add(&mut self, word: u64) {
        self.0.add(f64::from_bits(word));
    }

    fn join(&mut self, other: &Self) {
        self.0.join(&other.0);
    }

    fn clear(&mut self) {
        self.0.clear();
    }

    fn value(&self, _: f64) -> f64 {
        self.0.value()
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
    use super::*;

    #[test]
    fn decimals_are_exact() {
        let mut sum = ExactSum::default();
        (0..1000).for_each(|_| sum.add(10));
        sum.add(-1i64 as u64);
        assert_eq!(sum.value(100.0), 99.99);
        assert!(ExactSum::is_negative(-1i64 as u64) && !ExactSum::is_negative(0));
    }
}
