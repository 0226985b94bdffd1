//! Powers of two.

/// `2^e`, exactly. `e` is clamped to the exponents of normal numbers, -1022 to 1023.
pub(crate) fn power_of_two(e: i32) -> f64 {
    f64::from_bits(((1023 + i64::from(e.clamp(-1022, 1023))) as u64) << 52)
}

/// The exponent of a positive normal number: `2^exponent <= value < 2^(exponent + 1)`.
pub(crate) fn exponent(value: f64) -> i32 {
    ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023
}
