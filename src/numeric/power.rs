//! Powers of two.

/// `2^e` for any `e` with a normal result, exactly.
pub(crate) fn power_of_two(e: i32) -> f64 {
    f64::from_bits(((1023 + i64::from(e.clamp(-1022, 1023))) as u64) << 52)
}
