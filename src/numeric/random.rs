//! Random numbers that depend only on a seed and a position.

use super::mix::mix;

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    key: u64,
    next: u64,
}

impl Random {
    /// Streams of different `(seed, stream)` are independent.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Random { key: mix(mix(seed) ^ stream), next: 0 }
    }

    fn next(&mut self) -> u64 {
        self.next += 1;
        mix(self.key ^ mix(self.next))
    }

    /// A number below `bound`, which is positive. Uneven by less than 2^-60 for bounds of up to 68 bits; the bound of
    /// a weighted sum of distances stays far below 2^127.
    pub(crate) fn below(&mut self, bound: u128) -> u128 {
        let wide = (u128::from(self.next()) << 64) | u128::from(self.next());
        // floor(wide * bound / 2^128), by 64-bit limbs.
        let (a1, a0) = (wide >> 64, wide & u128::from(u64::MAX));
        let (b1, b0) = (bound >> 64, bound & u128::from(u64::MAX));
        let low = (a0 * b0) >> 64;
        let (m1, m2) = (a1 * b0, a0 * b1);
        let middle = low + (m1 & u128::from(u64::MAX)) + (m2 & u128::from(u64::MAX));
        a1 * b1 + (m1 >> 64) + (m2 >> 64) + (middle >> 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_covers_its_range_evenly() {
        let mut random = Random::new(1, 2);
        let mut seen = [0u32; 10];
        (0..10_000).for_each(|_| seen[random.below(10) as usize] += 1);
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
        let huge = 1u128 << 100;
        assert!((0..100).all(|_| random.below(huge) < huge));
        assert_eq!(random.below(1), 0);
    }
}
