//! Sums of f64 that are rounded once, so that they have no order.

use serde::{Deserialize, Serialize};

use super::partial::Partial;
use crate::error::Result;

/// A sum of f64 as an expansion: nonoverlapping numbers whose exact sum is the exact sum of the added values (J. R.
/// Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997, GROW-EXPANSION; the final rounding is that of
/// Python's `math.fsum`). The value is the f64 nearest to the true sum, in any order. Values must be finite, and their
/// sums too. Amounts in cents need two or three numbers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ExactFloats(Vec<f64>);

impl ExactFloats {
    /// Adds a value.
    pub(crate) fn add(&mut self, mut x: f64) {
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

    /// Adds another sum.
    pub(crate) fn join(&mut self, other: &Self) {
        other.0.iter().for_each(|&x| self.add(x));
    }

    /// Resets to zero.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The f64 nearest to the sum.
    pub(crate) fn value(&self) -> f64 {
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
}

impl PartialEq for ExactFloats {
    /// Two expansions of one sum may differ: the sum of one and the negative of the other is zero, exactly.
    fn eq(&self, other: &Self) -> bool {
        let mut difference = self.clone();
        other.0.iter().for_each(|&x| difference.add(-x));
        difference.0.is_empty()
    }
}

impl Partial for ExactFloats {
    const NAME: &'static str = "exact sum";
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.join(other);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::partial::laws;
    use super::*;

    fn sum(values: &[f64]) -> ExactFloats {
        let mut sum = ExactFloats::default();
        values.iter().for_each(|&v| sum.add(v));
        sum
    }

    #[test]
    fn it_is_rounded_once() {
        let value = |values: &[f64]| sum(values).value();
        assert_eq!(value(&[0.1; 10]), 1.0);
        assert_eq!(value(&[1e16, 1.0, -1e16]), 1.0);
        assert_eq!(value(&[1e16, 1.0, 1e-16]), 10_000_000_000_000_002.0, "just above half way");
        assert_eq!(value(&[1e16, 1.0]), 1e16, "half way, to even");
        assert_eq!(value(&[]).to_bits(), 0);
        assert_eq!(value(&[5.0, -5.0, -0.0]).to_bits(), 0, "no negative zero");
        assert_ne!(sum(&[1e16]), sum(&[1e16, 1.0]), "what rounds alike is not the same sum");
    }

    proptest! {
        #[test]
        fn no_order_matters(mut values in prop::collection::vec(-1e9..1e9f64, 0..40), cut in 0usize..40) {
            let there = sum(&values);
            values.reverse();
            let (a, b) = values.split_at(cut.min(values.len()));
            let mut back = sum(b);
            back.join(&sum(a));
            prop_assert_eq!(back.value().to_bits(), there.value().to_bits());
            laws::hold(&sum(a), &sum(b), &there);
        }
    }
}
