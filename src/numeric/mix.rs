//! Hashing of integers: cheap, the same on every platform, and not meant to withstand an adversary.
//!
//! What is sampled, and which numbers a seed stands for, depends on these functions: to change one changes outputs.

/// 2^64 divided by the golden ratio, odd: the step of SplitMix64, and the factor of Fibonacci hashing.
pub(crate) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, OOPSLA 2014): a bijection of
/// 64-bit integers whose outputs pass for random.
#[inline(always)]
pub(crate) fn mix(x: u64) -> u64 {
    finalise(x.wrapping_add(GOLDEN))
}

/// The finaliser of SplitMix64, with the constants of David Stafford's variant 13. It maps 0 to 0.
#[inline(always)]
pub(crate) fn finalise(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Both halves of the 128-bit product, folded: high and low bits of the outcome depend on all bits of `x`. For hash
/// tables whose keys are hashes or plain numbers.
#[inline(always)]
pub(crate) fn fold(x: u64, factor: u64) -> u64 {
    let product = u128::from(x) * u128::from(factor);
    (product >> 64) as u64 ^ product as u64
}

/// Spreads a key over 64 bits. The factor is that of the finaliser known as degski64.
#[inline(always)]
pub(crate) fn mix_wide(key: u128) -> u64 {
    let halves = key as u64 ^ ((key >> 64) as u64).rotate_left(32);
    fold(halves ^ GOLDEN, 0xd6e8_feb8_6659_fd93)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix64_gives_its_published_numbers() {
        // The first outputs of the reference implementation for the seed 1234567.
        let state = |n: u64| 1_234_567u64.wrapping_add(n.wrapping_mul(GOLDEN));
        let first: Vec<u64> = (0..3).map(|n| mix(state(n))).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }
}
