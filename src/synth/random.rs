//! Counter-based random numbers, and the few functions that shape them.
//!
//! A number is a hash of (seed, stream, row): rows share no state, so any thread may make any row. Only integer
//! arithmetic, `+ - * /` and `sqrt` are used, which IEEE 754 defines to the last bit; `exp` and `ln` differ between the
//! mathematics libraries of platforms, and so would a bank made with them.

use crate::numeric::{GOLDEN, finalise};

/// An endless sequence of independent 64-bit numbers with random access.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stream {
    key: u64,
}

impl Stream {
    /// The stream of a seed with this name and number.
    pub(super) fn new(seed: u64, name: &[u8; 4], number: u64) -> Self {
        let name = u64::from(u32::from_le_bytes(*name));
        Stream { key: finalise(finalise(finalise(seed ^ GOLDEN) ^ name).wrapping_add(number.wrapping_mul(GOLDEN))) }
    }

    /// The number at `index`: 64 uniform bits.
    pub(super) fn bits(self, index: u64) -> u64 {
        finalise(self.key.wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// Uniform in -1..1.
    pub(super) fn spread(self, index: u64) -> f64 {
        2.0 * open_unit(self.bits(index)) - 1.0
    }

    /// Uniform within 0..1, both ends excluded.
    pub(super) fn unit(self, index: u64) -> f64 {
        open_unit(self.bits(index))
    }

    /// Approximately normal with mean 0 and standard deviation 1: the sum of four 16-bit uniforms, never beyond 3.47.
    pub(super) fn normal(self, index: u64) -> f64 {
        const MEAN: f64 = 2.0 * 65535.0;
        const PER_DEVIATION: f64 = 1.0 / 37_837.227;
        let bits = self.bits(index);
        let sum = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48);
        (sum as f64 - MEAN) * PER_DEVIATION
    }

    /// Log-logistic with median 1: the fourth root of u / (1 - u). The tail beyond large x has a share of x^-4, so the
    /// fourth and higher moments do not exist; a lognormal would need `exp` and have too light a tail for balances.
    pub(super) fn heavy(self, index: u64) -> f64 {
        let u = open_unit(self.bits(index));
        (u / (1.0 - u)).sqrt().sqrt()
    }
}

/// The top 52 bits as a number within 0..1, both ends excluded.
fn open_unit(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
}

/// 2^x for |x| <= 1000, clamping larger x; relative error below 1e-10.
pub(super) fn exp2(x: f64) -> f64 {
    let x = x.clamp(-1000.0, 1000.0);
    // Truncating a positive number gives its floor, and is cheaper than `floor` without SSE4.1.
    let whole = (x + 1024.0) as i64 - 1024;
    let y = (x - whole as f64 - 0.5) * std::f64::consts::LN_2;
    // Taylor series around the middle of 0..1, where |y| <= 0.35.
    let mut sum = 1.0;
    for inverse in [1.0 / 9.0, 1.0 / 8.0, 1.0 / 7.0, 1.0 / 6.0, 1.0 / 5.0, 1.0 / 4.0, 1.0 / 3.0, 1.0 / 2.0, 1.0] {
        sum = 1.0 + sum * y * inverse;
    }
    let power = f64::from_bits(((whole + 1023) as u64) << 52);
    sum * std::f64::consts::SQRT_2 * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp2_is_close_and_exact_in_steps() {
        for i in -4000..4000 {
            let x = i as f64 * 0.0137;
            assert!((exp2(x) / x.exp2() - 1.0).abs() < 1e-10, "{x}");
        }
        assert_eq!(exp2(3.25) * 2.0, exp2(4.25));
        assert!(exp2(f64::MAX).is_finite() && exp2(f64::MIN) > 0.0);
    }

    #[test]
    fn the_moments_are_those_promised() {
        let stream = Stream::new(1, b"test", 0);
        let n = 200_000;
        let normals: Vec<f64> = (0..n).map(|i| stream.normal(i)).collect();
        let mean = normals.iter().sum::<f64>() / n as f64;
        let variance = normals.iter().map(|z| z * z).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.01, "{mean} {variance}");
        let above = |x: f64| (0..n).filter(|&i| stream.heavy(i) > x).count() as f64 / n as f64;
        assert!((above(1.0) - 0.5).abs() < 0.005);
        assert!((above(5.0) - 1.0 / 626.0).abs() < 0.0003, "{}", above(5.0));
    }

    #[test]
    fn streams_are_unrelated() {
        let (a, b) = (Stream::new(7, b"test", 0), Stream::new(7, b"test", 1));
        let n = 100_000;
        let together = (0..n).map(|i| a.normal(i) * b.normal(i)).sum::<f64>() / n as f64;
        let neighbours = (0..n).map(|i| a.normal(i) * a.normal(i + 1)).sum::<f64>() / n as f64;
        assert!(together.abs() < 0.015 && neighbours.abs() < 0.015, "{together} {neighbours}");
        assert_ne!(Stream::new(8, b"test", 0).bits(0), a.bits(0));
        assert_ne!(Stream::new(7, b"text", 0).bits(0), a.bits(0));
    }
}
