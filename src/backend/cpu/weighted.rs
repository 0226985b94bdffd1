//! Exact sums of responsibility times value.
//!
//! All numbers are whole: a responsibility has at most 25 bits, a grid integer 23, and the product of two of them is
//! split into two parts of 23. A lane adds at most [`BLOCK`] / 8 products below 2^47, fewer than 2^53: f64 rounds
//! nothing, whatever the number of lanes, and fused multiply-adds change nothing.

use fearless_simd::prelude::*;

/// Rows whose products are summed together.
pub(super) const BLOCK: usize = 512;
/// Rows whose products one lane may add.
const LANE_ROWS: usize = 64;
/// From one line of a block to the next: more than [`BLOCK`], so that lines do not compete for the same cache sets.
pub(super) const STRIDE: usize = BLOCK + 8;
/// Components that are summed together.
const COMPONENTS: usize = 4;
/// Binary digits of the lower part of a product.
pub(super) const LOW_BITS: u32 = 23;

/// Adding and subtracting it rounds to a whole number.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

/// The nearest whole number to `x`, which is below 2^51; half to even.
#[inline(always)]
pub(super) fn whole(x: f64) -> f64 {
    (x + ROUND) - ROUND
}

/// The product of two columns of grid integers, in two parts: `high * 2^LOW_BITS + low`.
#[inline(always)]
pub(super) fn split_products(a: &[f64], b: &[f64], high: &mut [f64], low: &mut [f64]) {
    const LOW: f64 = (1 << LOW_BITS) as f64;
    for (((a, b), high), low) in a.iter().zip(b).zip(high).zip(low) {
        let product = a * b;
        *high = whole(product * (1.0 / LOW));
        *low = product - *high * LOW;
    }
}

/// For every component, the sums of its line of `parts` (`k x STRIDE`) times each of two columns, over the first `rows`
/// rows, a multiple of the tile.
#[inline(always)]
pub(super) fn sum_columns<S: Simd>(
    simd: S,
    parts: &[f64],
    columns: [&[f64]; 2],
    rows: usize,
    mut add: impl FnMut(usize, [i64; 2]),
) {
    let groups = parts.chunks_exact(COMPONENTS * STRIDE);
    let rest = groups.remainder().chunks_exact(STRIDE);
    let mut j = 0;
    for group in groups {
        for sums in sums_of::<S, COMPONENTS>(simd, group, columns, rows) {
            add(j, sums);
            j += 1;
        }
    }
    for one in rest {
        let [sums] = sums_of::<S, 1>(simd, one, columns, rows);
        add(j, sums);
        j += 1;
    }
}

#[inline(always)]
fn sums_of<S: Simd, const C: usize>(simd: S, parts: &[f64], columns: [&[f64]; 2], rows: usize) -> [[i64; 2]; C] {
    let lanes = S::f64s::LEN;
    let mut totals = [[0i64; 2]; C];
    for start in (0..rows).step_by(LANE_ROWS * lanes) {
        let end = rows.min(start + LANE_ROWS * lanes);
        let mut sums = [[S::f64s::splat(simd, 0.0); 2]; C];
        for i in (start..end).step_by(lanes) {
            let a = S::f64s::from_slice(simd, &columns[0][i..i + lanes]);
            let b = S::f64s::from_slice(simd, &columns[1][i..i + lanes]);
            for c in 0..C {
                let r = S::f64s::from_slice(simd, &parts[c * STRIDE + i..][..lanes]);
                sums[c][0] = r.mul_add(a, sums[c][0]);
                sums[c][1] = r.mul_add(b, sums[c][1]);
            }
        }
        for c in 0..C {
            for column in 0..2 {
                totals[c][column] = totals[c][column].wrapping_add(lane_total(sums[c][column].as_slice()));
            }
        }
    }
    totals
}

/// The sum of whole numbers of at most 53 bits. It has at most 56 bits; wrapping only for the compiler.
#[inline(always)]
fn lane_total(lanes: &[f64]) -> i64 {
    const HIGH: f64 = (1u64 << 26) as f64;
    let mut total = 0i64;
    for &value in lanes {
        // The low bits of a sum with ROUND are the whole number: in two parts, since there are 51 of them.
        let high = value * (1.0 / HIGH) + ROUND;
        let low = (value - (high - ROUND) * HIGH) + ROUND;
        let bits = |x: f64| x.to_bits().wrapping_sub(ROUND.to_bits()).cast_signed();
        total = total.wrapping_add(bits(high) << 26).wrapping_add(bits(low));
    }
    total
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simd::{SimdLevel, Work};

    struct Sums<'a>(&'a [f64], [&'a [f64]; 2], usize);

    impl Work for Sums<'_> {
        type Output = Vec<[i64; 2]>;

        #[inline(always)]
        fn run<S: Simd, const R: usize>(self, simd: S) -> Vec<[i64; 2]> {
            let mut all = Vec::new();
            sum_columns(simd, self.0, self.1, self.2, |j, sums| {
                assert_eq!(j, all.len());
                all.push(sums);
            });
            all
        }
    }

    #[test]
    fn sums_are_exact_at_their_largest() {
        let largest = (1i64 << 23) - 1;
        let parts = vec![(1i64 << 24) as f64; 5 * STRIDE];
        let columns = [vec![largest as f64; BLOCK], vec![-largest as f64; BLOCK]];
        for level in SimdLevel::available() {
            for rows in [64, 448, BLOCK] {
                let work = Sums(&parts, [&columns[0], &columns[1]], rows);
                let expected = (rows as i64 * largest) << 24;
                assert_eq!(level.dispatch().unwrap().run(work), vec![[expected, -expected]; 5]);
            }
        }
    }

    proptest! {
        #[test]
        fn products_are_split_without_loss(a in -(1i64 << 23)..1 << 23, b in -(1i64 << 23)..1 << 23) {
            let (mut high, mut low) = ([0.0], [0.0]);
            split_products(&[a as f64], &[b as f64], &mut high, &mut low);
            prop_assert_eq!(((high[0] as i64) << LOW_BITS) + low[0] as i64, a * b);
            prop_assert!(high[0].abs() <= (1 << 23) as f64 && low[0].abs() <= (1 << 22) as f64);
        }
    }
}
