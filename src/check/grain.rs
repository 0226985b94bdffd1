//! How the numbers of a column are compared: each has a place on the column's number line, an integer whose order is
//! that of the values. Whole numbers, decimals and timestamps are thereby exact beyond 2^53, where f64 rounds them.

use arrow::datatypes::{DataType, TimeUnit};
use twox_hash::XxHash3_128;

use super::class::Class;
use super::value::Value;
use crate::text::moment;

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// Powers of ten, all exact.
const POWERS: [f64; 11] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

/// What one step on the number line of a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    /// From one f64 to the next.
    Float,
    /// 10^-scale.
    Decimal(i8),
    /// 1, from 0 to the largest u64.
    Unsigned,
    /// 10^-scale seconds since 1970.
    Time(u8),
}

/// An end of a range, or an allowed value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limit {
    /// The nearest f64; of times, in days.
    pub(super) number: f64,
    /// All its digits, and how many are after the decimal point; of times, in seconds. None if they are too many.
    pub(super) exact: Option<(i128, u8)>,
}

impl Grain {
    /// The grain of a type that is read as numbers. Whole numbers of at most 32 bits and days are exact as f64.
    pub(super) fn of(data_type: &DataType) -> Self {
        use DataType as T;
        match data_type {
            T::Int64 => Grain::Decimal(0),
            T::UInt64 => Grain::Unsigned,
            T::Decimal32(_, scale) | T::Decimal64(_, scale) | T::Decimal128(_, scale) => Grain::Decimal(*scale),
            T::Date64 => Grain::Time(3),
            T::Timestamp(TimeUnit::Second, _) => Grain::Time(0),
            T::Timestamp(TimeUnit::Millisecond, _) => Grain::Time(3),
            T::Timestamp(TimeUnit::Microsecond, _) => Grain::Time(6),
            T::Timestamp(TimeUnit::Nanosecond, _) => Grain::Time(9),
            T::Dictionary(_, values) => Grain::of(values),
            _ => Grain::Float,
        }
    }

    /// The place of a key that is not a hash.
    pub(super) fn place(self, key: u64) -> i128 {
        match self {
            Grain::Float => i128::from(ordered(key)),
            Grain::Unsigned => i128::from(key),
            Grain::Decimal(_) | Grain::Time(_) => i128::from(key as i64),
        }
    }

    /// The key of a place; None if no value of the column can have it.
    pub(super) fn key(self, place: i128) -> Option<u64> {
        match self {
            Grain::Float => i64::try_from(place).ok().map(|place| ordered(place as u64) as u64),
            Grain::Unsigned => u64::try_from(place).ok(),
            Grain::Decimal(_) | Grain::Time(_) => Some(halves(place).0),
        }
    }

    /// The value at a place as f64, as the column is read: of times, in days.
    pub(super) fn number(self, place: i128) -> f64 {
        // 64 bits are converted by one instruction.
        let steps = || i64::try_from(place).map_or_else(|_| place as f64, |place| place as f64);
        match self {
            Grain::Float => f64::from_bits(ordered(place as u64) as u64),
            Grain::Unsigned => steps(),
            Grain::Decimal(scale) if scale >= 0 => steps() / power(scale),
            Grain::Decimal(scale) => steps() * power(scale),
            Grain::Time(scale) => steps() / (power(scale as i8) * DAY),
        }
    }

    /// The value at a place.
    pub(super) fn value(self, place: i128, class: Class) -> Value {
        match self {
            Grain::Float => Value::of(self.number(place), class),
            Grain::Unsigned => Value::Whole(place),
            Grain::Decimal(scale) => Value::decimal(place, scale, self.number(place)),
            Grain::Time(scale) => Value::Text(moment(place, scale)),
        }
    }

    /// The places from one whole number to the next; None if every place is one, or f64 is all there is.
    pub(super) fn places_a_unit(self) -> Option<i128> {
        match self {
            Grain::Decimal(scale @ 1..) => Some(ten_to(u32::from(scale.unsigned_abs()))),
            _ => None,
        }
    }

    /// The first place that does not lie below a bound.
    pub(super) fn first(self, bound: &Limit) -> i128 {
        self.nearest(bound, i128::from, f64::ceil)
    }

    /// The last place that does not lie above a bound.
    pub(super) fn last(self, bound: &Limit) -> i128 {
        self.nearest(bound, |_| 0, f64::floor)
    }

    /// The place of a bound, `up` or `round`ed to one where it lies between two.
    fn nearest(self, bound: &Limit, up: fn(bool) -> i128, round: fn(f64) -> f64) -> i128 {
        let scale = match self {
            Grain::Float => return i128::from(ordered((bound.number + 0.0).to_bits())),
            Grain::Unsigned => 0,
            Grain::Decimal(scale) => scale,
            Grain::Time(scale) => scale as i8,
        };
        let Some((digits, behind)) = bound.exact else {
            let steps = if scale >= 0 { bound.number * power(scale) } else { bound.number / power(scale) };
            // Beyond all values where it does not fit.
            return round(steps) as i128;
        };
        let shift = i32::from(scale) - i32::from(behind);
        let by = ten_to(shift.unsigned_abs());
        if shift >= 0 {
            return digits.saturating_mul(by);
        }
        digits.div_euclid(by) + up(digits.rem_euclid(by) != 0)
    }
}

/// The key of a place and another 64 bits: the place itself, or where it has more than 64 bits a hash of it. A hash
/// collides with another key with a probability of 2^-64.
pub(super) fn halves(place: i128) -> (u64, u64) {
    match i64::try_from(place) {
        Ok(place) => (place as u64, place as u64),
        Err(_) => {
            let hash = XxHash3_128::oneshot(&place.to_le_bytes());
            (hash as u64, (hash >> 64) as u64)
        }
    }
}

/// The bits of f64 as an integer with the order of the numbers; the same function leads back.
fn ordered(bits: u64) -> i64 {
    let bits = bits as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

/// 10^|scale| as f64, exact up to 10^22.
fn power(scale: i8) -> f64 {
    let scale = scale.unsigned_abs();
    let known = POWERS.get(usize::from(scale)).copied();
    known.unwrap_or_else(|| (0..scale).fold(1.0, |power, _| power * 10.0))
}

/// 10^n, or the largest number if that is smaller.
fn ten_to(n: u32) -> i128 {
    10i128.saturating_pow(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(digits: i128, behind: u8) -> Limit {
        Limit { number: digits as f64 / power(behind as i8), exact: Some((digits, behind)) }
    }

    #[test]
    fn places_have_the_order_of_the_numbers() {
        let numbers = [f64::NEG_INFINITY, -2.5, -1e-300, 0.0, 1e-300, 2.5, f64::INFINITY];
        let places = numbers.map(|v| Grain::Float.place(v.to_bits()));
        assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
        assert_eq!(places.map(|place| Grain::Float.number(place)), numbers);
        assert_eq!(places.map(|place| Grain::Float.key(place)), numbers.map(|v| Some(v.to_bits())));
        assert_eq!((Grain::Unsigned.place(u64::MAX), Grain::Decimal(0).place(u64::MAX)), (i128::from(u64::MAX), -1));
        assert_eq!((Grain::Unsigned.key(-1), Grain::Decimal(2).key(-1)), (None, Some(u64::MAX)));
        assert_eq!(Grain::Time(6).number(86_400_000_000 / 2), 0.5, "days");
    }

    #[test]
    fn bounds_are_compared_by_value() {
        let ends = |grain: Grain, bound: &Limit| (grain.first(bound), grain.last(bound));
        let cents = Grain::Decimal(2);
        assert_eq!(ends(cents, &bound(5, 1)), (50, 50), "0.5");
        assert_eq!(ends(cents, &bound(5, 3)), (1, 0), "0.005 lies between 0.00 and 0.01");
        assert_eq!(ends(cents, &bound(-5, 3)), (0, -1));
        assert_eq!(ends(Grain::Decimal(-2), &bound(150, 0)), (2, 1), "between hundreds");
        let big = 9_007_199_254_740_993;
        assert_eq!(ends(Grain::Decimal(0), &bound(big, 0)), (big, big));
        assert_eq!(ends(Grain::Decimal(0), &bound(10 * big + 5, 1)), (big + 1, big));
        // More than 38 digits: beyond all values, or next to 0.
        let rough = |number: f64| ends(cents, &Limit { number, exact: None });
        assert_eq!(rough(1e300), (i128::MAX, i128::MAX));
        assert_eq!(rough(f64::NEG_INFINITY), (i128::MIN, i128::MIN));
        assert_eq!(rough(1e-300), (1, 0));
        assert_eq!(rough(-1e-300), (0, -1));
    }
}
