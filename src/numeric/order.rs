//! Unsigned integers with the order of floats. -0 counts as 0. Keys let ranks and equal values be counted without
//! sorting.

/// The key of an f64. NaN must be left out beforehand.
#[inline(always)]
pub(crate) fn key_of_f64(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// The value with this key.
pub(crate) fn f64_of_key(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

/// The key of an f32. NaN gets the largest key, so it sorts after all values.
#[inline(always)]
pub(crate) fn key_of_f32(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    let key = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    if value.is_nan() { u32::MAX } else { key }
}

/// The value with this key.
pub(crate) fn f32_of_key(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

/// Ranks from 1 by the order of the keys; equal keys share the mean of theirs.
pub(crate) fn mid_ranks(keys: &[u64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_unstable_by_key(|&i| keys[i]);
    let (mut ranks, mut below) = (vec![0.0; keys.len()], 0);
    for equal in order.chunk_by(|&a, &b| keys[a] == keys[b]) {
        // Halves of integers below 2^53 are exact.
        let mean = below as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|&i| ranks[i] = mean);
        below += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_share_a_rank() {
        assert_eq!(mid_ranks(&[7, 3, 7, 9, 7, 3]), [4.0, 1.5, 4.0, 6.0, 4.0, 1.5]);
        assert_eq!(mid_ranks(&[]), [0.0; 0]);
    }

    #[test]
    fn keys_keep_the_order_and_lead_back() {
        let values = [f32::NEG_INFINITY, f32::MIN, -1.5, -f32::MIN_POSITIVE, 0.0, 1e-40, 1.0, f32::MAX, f32::INFINITY];
        assert!(values.windows(2).all(|w| key_of_f32(w[0]) < key_of_f32(w[1])));
        assert!(values.windows(2).all(|w| key_of_f64(w[0].into()) < key_of_f64(w[1].into())));
        for value in values {
            assert_eq!(f32_of_key(key_of_f32(value)), value);
            assert_eq!(f64_of_key(key_of_f64(value.into())), f64::from(value));
        }
        assert_eq!((key_of_f32(-0.0), key_of_f64(-0.0)), (key_of_f32(0.0), key_of_f64(0.0)));
        assert!(key_of_f32(f32::NAN) > key_of_f32(f32::INFINITY));
    }
}
