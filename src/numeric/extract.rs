//! Sums of blocks of f64, and of their squares, as a few f64 that hold every bit (after the extraction of S. M. Rump,
//! T. Ogita and S. Oishi, "Accurate floating-point summation, part I", 2008).
//!
//! The parts of a value are multiples of a unit, and so few units that those of a block add up without rounding. One
//! look at a block tells how many parts its values need: numbers of 24 digits, as all f32 are, mostly one, and their
//! squares two.

use fearless_simd::prelude::*;
use fearless_simd::{f64x8, u64x8};

use super::lanes::{LANES, lane_total};
use super::power::power_of_two;
use crate::simd::Work;

/// Values whose parts add up without rounding.
pub(super) const BLOCK: usize = 1 << BLOCK_BITS;
const BLOCK_BITS: i32 = 12;
/// The most parts of a value: they hold 117 bits from the largest value of a block down.
const PARTS: usize = 3;
/// By how many digits a part is below the one before.
const PART_DIGITS: i32 = 40;
/// Bits of an f64 that an f32 does not have.
const BEYOND_SINGLE: u64 = (1 << 29) - 1;

/// The sum of a block. Those that are not needed are 0.
pub(super) type SumParts = [f64; PARTS];

/// A block of finite values that is summed, with its squares on request.
pub(super) struct Extracted<'a> {
    pub(super) values: &'a [f64],
    pub(super) squares: bool,
}

/// The sums of a block; None where parts do not hold every bit.
pub(super) struct BlockSums {
    pub(super) sum: Option<SumParts>,
    pub(super) squares: Option<SumParts>,
}

impl Work for Extracted<'_> {
    type Output = BlockSums;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) -> BlockSums {
        let Some(found) = Magnitudes::of(simd, self.values) else {
            return BlockSums { sum: Some([0.0; PARTS]), squares: Some([0.0; PARTS]) };
        };
        let (values, largest, octaves) = (self.values, found.largest, found.largest - found.smallest);
        // The parts are neither subnormal nor beyond f64.
        if !(-900..=900).contains(&largest) {
            return BlockSums { sum: None, squares: None };
        }
        // The squares of numbers of 24 digits are exact, unless they are too small.
        let squares = self.squares && found.is_single && octaves <= 35 && (-400..=400).contains(&largest);
        // The last digit of a number of 24 digits is 2^(smallest - 23) or more, that of its square 2^(2 smallest - 46).
        // One part has multiples of 2^(largest - 38); two parts of squares, of 2^(2 largest - 77), and three, of
        // 2^(2 largest - 117).
        match (squares, found.is_single) {
            (true, _) if octaves <= 15 => sums::<S, 1, 2>(simd, values, largest),
            (true, _) => sums::<S, 2, 3>(simd, values, largest),
            (false, true) if octaves <= 15 => sums::<S, 1, 0>(simd, values, largest),
            // The last digit of any number is 2^(smallest - 52) or more; two parts have multiples of 2^(largest - 78).
            _ if octaves <= 26 => sums::<S, 2, 0>(simd, values, largest),
            _ => sums::<S, 3, 0>(simd, values, largest),
        }
    }
}

/// The exponents of the values of a block that are not 0.
struct Magnitudes {
    largest: i32,
    smallest: i32,
    /// Whether every value has at most the digits of an f32.
    is_single: bool,
}

impl Magnitudes {
    /// None where all values are 0.
    #[inline(always)]
    fn of<S: Simd>(simd: S, values: &[f64]) -> Option<Self> {
        let (zero, none) = (f64x8::splat(simd, 0.0), f64x8::splat(simd, f64::INFINITY));
        let (mut largest, mut smallest, mut bits) = (zero, none, u64x8::splat(simd, 0));
        in_lanes(
            simd,
            values,
            #[inline(always)]
            |value| {
                let size = value.abs();
                largest = largest.max(size);
                smallest = smallest.min(size.simd_eq(zero).select(none, size));
                bits |= value.bitcast::<u64x8<S>>();
            },
        );
        let largest = largest.as_slice().iter().fold(0.0, |a: f64, b| a.max(*b));
        let smallest = smallest.as_slice().iter().fold(f64::INFINITY, |a, b| a.min(*b));
        let bits = bits.as_slice().iter().fold(0, |a, b| a | b);
        let exponent = |value: f64| (value.to_bits() >> 52) as i32 - 1023;
        (largest > 0.0).then(|| Magnitudes {
            largest: exponent(largest),
            smallest: exponent(smallest),
            is_single: bits & BEYOND_SINGLE == 0,
        })
    }
}

/// The sums of the values in `A` parts, and of their squares in `B` parts unless `B` is 0, of a block whose largest
/// value has this `exponent`.
#[inline(always)]
fn sums<S: Simd, const A: usize, const B: usize>(simd: S, values: &[f64], exponent: i32) -> BlockSums {
    let mut sum = PartSums::<S, A>::new(simd, exponent);
    let mut squares = PartSums::<S, B>::new(simd, 2 * exponent + 1);
    in_lanes(
        simd,
        values,
        #[inline(always)]
        |value| {
            sum.add(value);
            if B > 0 {
                squares.add(value * value);
            }
        },
    );
    BlockSums { sum: sum.parts(), squares: if B > 0 { squares.parts() } else { None } }
}

/// Sums of parts, in lanes.
struct PartSums<S: Simd, const N: usize> {
    /// A number to which a value is added to round it to a part.
    round: [f64x8<S>; N],
    sums: [f64x8<S>; N],
    /// Bits of what no part holds.
    left: u64x8<S>,
}

impl<S: Simd, const N: usize> PartSums<S, N> {
    /// For values below 2^(`exponent` + 1).
    #[inline(always)]
    fn new(simd: S, exponent: i32) -> Self {
        // With t = exponent + 14, the first parts are multiples of 2^(t - 52) below 2^(t - 13) or so: 2^12 of them add
        // up below 2^53 units. What they leave is at most 2^(t - 53), so that the next t is 40 less.
        let top = exponent + BLOCK_BITS + 2;
        let mut round = [f64x8::splat(simd, 0.0); N];
        for (part, round) in round.iter_mut().enumerate() {
            *round = f64x8::splat(simd, 1.5 * power_of_two(top - part as i32 * PART_DIGITS));
        }
        PartSums { round, sums: [f64x8::splat(simd, 0.0); N], left: u64x8::splat(simd, 0) }
    }

    #[inline(always)]
    fn add(&mut self, value: f64x8<S>) {
        let mut rest = value;
        for (sum, &round) in self.sums.iter_mut().zip(&self.round) {
            let part = (rest + round) - round;
            *sum += part;
            rest -= part;
        }
        self.left |= rest.bitcast::<u64x8<S>>();
    }

    /// None where the parts do not hold every bit.
    #[inline(always)]
    fn parts(&self) -> Option<SumParts> {
        // The first bit is the sign of a zero.
        let is_left = self.left.as_slice().iter().any(|bits| bits << 1 != 0);
        let mut parts = [0.0; PARTS];
        for (part, lanes) in parts.iter_mut().zip(&self.sums) {
            *part = lane_total((*lanes).into());
        }
        (!is_left).then_some(parts)
    }
}

/// Calls `take` with all values in order, filled up with zeros.
#[inline(always)]
fn in_lanes<S: Simd>(simd: S, values: &[f64], mut take: impl FnMut(f64x8<S>)) {
    let (rows, rest) = values.as_chunks::<LANES>();
    for row in rows {
        take(f64x8::from_slice(simd, row));
    }
    if !rest.is_empty() {
        let mut last = [0.0; LANES];
        last[..rest.len()].copy_from_slice(rest);
        take(f64x8::from_slice(simd, &last));
    }
}
