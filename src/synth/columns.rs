//! The columns of the bank: names, types and their dependence on the factors.
//!
//! A feature starts from a level `t`, in doublings: the level of its segment plus the customer's factors times the
//! column's loads. [`Distribution`] turns `t` into a value, [`BankType`] into the stored type.

use super::random::{Stream, exp2};
use super::segments::FACTORS;

/// How a feature is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BankType {
    /// Whole numbers.
    I32,
    /// Whole numbers.
    I64,
    /// Rates, rounded only by the type.
    F32,
    /// Money, rounded to cents.
    F64,
    /// Money, decimal(12, 2).
    Decimal,
}

/// How the level `t` becomes a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Distribution {
    /// `centre + step * (t + normal noise)`, within `low..=high`.
    Level { centre: f64, step: f64, low: f64, high: f64 },
    /// `scale * (2^t * heavy noise - less)`, within `low..=high`. With `less`, customers of a low level have nothing
    /// (`low` is 0) or a debt (`low` is negative).
    Amount { scale: f64, less: f64, low: f64, high: f64 },
    /// `x / (1 + x)` of `x = 2^t * heavy noise`: between 0 and 1.
    Share,
}

/// A feature column.
#[derive(Debug)]
pub(super) struct BankColumn {
    pub(super) name: String,
    pub(super) kind: BankType,
    /// Whether values may be missing, if the bank has nulls at all.
    pub(super) nullable: bool,
    pub(super) shape: Distribution,
    pub(super) loads: [f64; FACTORS],
}

const fn level(centre: f64, step: f64, low: f64, high: f64) -> Distribution {
    Distribution::Level { centre, step, low, high }
}

/// An amount that nearly every customer has.
const fn amount(scale: f64) -> Distribution {
    Distribution::Amount { scale, less: 0.0, low: 0.0, high: 1e9 }
}

/// An amount that customers with a level below log2(`less`) do not have.
const fn product(scale: f64, less: f64) -> Distribution {
    Distribution::Amount { scale, less, low: 0.0, high: 1e9 }
}

use BankType::{Decimal, F32, F64, I32, I64};

type NamedColumn = (&'static str, BankType, bool, Distribution, [f64; FACTORS]);

/// The named features: name, type, nullable, shape, loads on wealth, activity, credit, digital, life, home.
#[rustfmt::skip]
const NAMED: [NamedColumn; 32] = [
    ("age_years",             I32,     false, level(46.0, 9.0, 18.0, 100.0),   [ 0.1,  0.0,  0.0, -0.1,  1.0,  0.0]),
    ("tenure_months",         I32,     false, level(110.0, 45.0, 0.0, 720.0),  [ 0.2,  0.0,  0.0, -0.2,  0.8,  0.1]),
    ("current_balance",       F64,     false, OVERDRAFT,                       [ 0.9,  0.3, -0.5,  0.0,  0.1,  0.0]),
    ("savings_balance",       F64,     true,  amount(3000.0),                  [ 1.5,  0.1, -0.7,  0.0,  0.5,  0.0]),
    ("credit_limit",          Decimal, false, amount(2500.0),                  [ 0.6,  0.3,  0.7,  0.1,  0.0,  0.1]),
    ("card_spend_90d",        F64,     false, product(900.0, 0.05),            [ 0.4,  1.1,  0.3,  0.1, -0.1,  0.0]),
    ("card_txn_90d",          I32,     false, amount(30.0),                    [ 0.1,  1.1,  0.2,  0.3, -0.1,  0.0]),
    ("atm_withdrawals_90d",   I32,     true,  amount(6.0),                     [ 0.0,  1.0,  0.2, -0.6,  0.2,  0.0]),
    ("transfers_in_90d",      I64,     false, amount(8.0),                     [ 0.1,  1.0,  0.0,  0.2,  0.0,  0.0]),
    ("transfers_out_90d",     I64,     false, amount(12.0),                    [ 0.1,  1.0,  0.2,  0.4,  0.0,  0.1]),
    ("salary_amount",         Decimal, true,  product(2400.0, 0.3),            [ 0.5,  0.6,  0.1,  0.1, -0.7,  0.1]),
    ("loan_outstanding",      F64,     false, product(4000.0, 1.5),            [ 0.0,  0.2,  1.2,  0.0, -0.2,  0.0]),
    ("mortgage_outstanding",  F64,     true,  product(30_000.0, 1.5),          [ 0.2,  0.1,  0.1,  0.0, -0.1,  0.9]),
    ("utilisation_rate",      F32,     true,  Distribution::Share,                    [-0.5,  0.2,  1.2,  0.0, -0.1,  0.0]),
    ("fee_income_12m",        F32,     false, amount(40.0),                    [ 0.3,  0.6,  0.7,  0.0,  0.0,  0.1]),
    ("logins_30d",            I32,     false, amount(8.0),                     [ 0.1,  0.5,  0.0,  1.1, -0.1,  0.0]),
    ("app_sessions_30d",      I32,     true,  amount(10.0),                    [ 0.0,  0.4,  0.0,  1.3, -0.4,  0.0]),
    ("days_since_last_login", I32,     false, RECENCY,                         [ 0.0, -0.6,  0.0, -0.9,  0.1,  0.0]),
    ("complaints_12m",        I32,     true,  product(2.0, 0.5),               [ 0.0,  0.3,  0.3,  0.1,  0.0,  0.0]),
    ("products_held",         I32,     false, level(3.0, 0.8, 1.0, 12.0),      [ 0.4,  0.4,  0.4,  0.1,  0.1,  0.3]),
    ("revolving_rate",        F32,     true,  Distribution::Share,                    [-0.4,  0.0,  1.1,  0.0,  0.0,  0.0]),
    ("investment_balance",    F64,     false, product(4000.0, 1.5),            [ 1.6,  0.0, -0.4,  0.0,  0.3,  0.0]),
    ("online_spend_90d",      F64,     true,  product(350.0, 0.1),             [ 0.3,  0.8,  0.2,  0.8, -0.3,  0.0]),
    ("spend_abroad_90d",      F64,     false, product(150.0, 0.8),             [ 0.9,  0.6,  0.0,  0.3, -0.2,  0.0]),
    ("standing_orders",       I32,     false, amount(3.0),                     [ 0.1,  0.4,  0.1,  0.1,  0.2,  0.3]),
    ("direct_debits_90d",     I32,     true,  amount(9.0),                     [ 0.0,  0.6,  0.2,  0.1,  0.0,  0.3]),
    ("overdraft_days_90d",    I32,     false, DAYS_OF_90,                      [-0.8,  0.2,  0.8,  0.0, -0.1,  0.0]),
    ("insurance_premium_12m", Decimal, true,  product(300.0, 0.6),             [ 0.4,  0.1,  0.1,  0.0,  0.2,  0.6]),
    ("branch_visits_12m",     I32,     false, amount(3.0),                     [ 0.2,  0.8,  0.1, -0.6,  0.4,  0.1]),
    ("call_centre_calls_12m", I32,     true,  amount(2.0),                     [ 0.0,  0.4,  0.4, -0.3,  0.1,  0.1]),
    ("interest_income_12m",   F32,     false, amount(60.0),                    [-0.2,  0.1,  1.0,  0.0,  0.0,  0.8]),
    ("cash_deposits_90d",     I64,     true,  product(400.0, 1.0),             [ 0.3,  0.9,  0.2, -0.6,  0.0, -0.1]),
];

/// Where some of them are: `tenure_months`, `card_spend_90d`, `card_txn_90d`.
pub(super) const TENURE: usize = 1;
pub(super) const CARD_SPEND: usize = 5;
pub(super) const CARD_PAYMENTS: usize = 6;

const OVERDRAFT: Distribution = Distribution::Amount { scale: 1800.0, less: 0.25, low: -25_000.0, high: 1e9 };
const RECENCY: Distribution = Distribution::Amount { scale: 6.0, less: 0.0, low: 0.0, high: 3650.0 };
const DAYS_OF_90: Distribution = Distribution::Amount { scale: 4.0, less: 0.6, low: 0.0, high: 90.0 };

/// Feature `index`: first the named ones, then `feature_033` and so on, which cycle through the types. The columns are
/// the same for every seed.
pub(super) fn column(index: usize) -> BankColumn {
    if let Some(&(name, kind, nullable, shape, loads)) = NAMED.get(index) {
        return BankColumn { name: name.to_owned(), kind, nullable, shape, loads };
    }
    let draw = Stream::new(0, b"cols", index as u64);
    let scale = exp2(6.0 + 4.0 * draw.spread(0));
    let (kind, shape) = match index % 6 {
        0 => (F64, amount(scale)),
        1 => (I32, amount(scale)),
        2 => (F32, Distribution::Share),
        3 => (Decimal, product(scale, 0.5)),
        4 => (I64, amount(scale)),
        _ => (F32, level(0.0, scale, -1e9, 1e9)),
    };
    let loads = std::array::from_fn(|factor| draw.spread(1 + factor as u64));
    BankColumn { name: format!("feature_{:03}", index + 1), kind, nullable: draw.bits(9) & 1 == 0, shape, loads }
}

/// The feature of this name, or of this number from 1.
pub(super) fn find(name: &str, features: usize) -> Option<usize> {
    let number = name.parse().ok().and_then(|number: usize| number.checked_sub(1));
    (0..features).find(|&feature| number == Some(feature) || column(feature).name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_half_of_the_columns_can_be_null() {
        for features in [16, 32, 1000] {
            let columns: Vec<BankColumn> = (0..features).map(column).collect();
            let names: std::collections::HashSet<&str> = columns.iter().map(|c| c.name.as_str()).collect();
            assert_eq!(names.len(), features);
            let nullable = columns.iter().filter(|c| c.nullable).count() as f64 / features as f64;
            assert!((0.3..0.6).contains(&nullable), "{features}: {nullable}");
        }
        assert_eq!(column(32).name, "feature_033");
    }

    #[test]
    fn the_dictionary_tells_every_named_column() {
        let dictionary = include_str!("../../data/README.md");
        for (name, kind, nullable, ..) in NAMED {
            let kind = match kind {
                I32 => "int32",
                I64 => "int64",
                F32 => "float",
                F64 => "double",
                Decimal => "decimal(12,2)",
            };
            let line = format!("| `{name}` | {kind} | {} |", if nullable { "yes" } else { "no" });
            assert!(dictionary.contains(&line), "{line}");
        }
        for (name, _) in super::super::business::BUSINESS {
            assert!(dictionary.contains(&format!("| `{name}` |")), "{name}");
        }
        for name in super::super::segments::SEGMENT_NAMES {
            assert!(dictionary.contains(name), "{name}");
        }
    }
}
