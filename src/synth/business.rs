//! Columns of daily business, on request: who holds which products, the channel, branch and manager of each customer,
//! the day of the first account, and whether the customer left afterwards.
//!
//! They come after the features, change none of them, and have no nulls.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, StringArray};
use arrow::datatypes::DataType;

use super::bank::{Bank, Customers};
use super::calendar::{DAYS_A_MONTH, last_day};
use super::random::{Stream, exp2};
use super::segments::FACTORS;

/// A column of daily business.
#[derive(Debug, Clone, Copy)]
pub(super) enum BusinessColumn {
    /// Whether a feature, by index, is more than 0.
    Holds(usize),
    /// True with the probability x / (1 + x), where x = 2^(base + level) and the level follows from the loads.
    Chance {
        base: f64,
        loads: [f64; FACTORS],
    },
    Channel,
    Branch,
    Manager,
    Opened,
}

use BusinessColumn::{Branch, Chance, Channel, Holds, Manager, Opened};

/// The columns in order: name, and how values come about. Loads are on wealth, activity, credit, digital, life, home.
#[rustfmt::skip]
pub(super) const BUSINESS: [(&str, BusinessColumn); 11] = [
    ("has_credit_card",        Chance { base: -0.5, loads: [ 0.3,  0.5,  0.6,  0.2, -0.1,  0.1] }),
    ("has_loan",               Holds(11)),
    ("has_mortgage",           Holds(12)),
    ("has_fund",               Holds(21)),
    ("has_insurance",          Holds(27)),
    ("has_wealth",             Chance { base: -3.0, loads: [ 1.2,  0.1,  0.0,  0.0,  0.3,  0.0] }),
    ("preferred_channel",      Channel),
    ("branch_code",            Branch),
    ("manager_id",             Manager),
    ("opened_on",              Opened),
    ("churned_within_90_days", Chance { base: -5.0, loads: [-0.15, -0.45, 0.1, -0.2, -0.1, -0.2] }),
];

/// Channels: name, base and loads of the weight 2^(base + level) with which a customer prefers each.
#[rustfmt::skip]
const CHANNELS: [(&str, f64, [f64; FACTORS]); 4] = [
    ("mobile", 0.0,  [0.0, 0.2, 0.0,  1.1, -0.4, 0.0]),
    ("web",    -1.0, [0.2, 0.1, 0.0,  0.5,  0.0, 0.0]),
    ("branch", -0.5, [0.1, 0.0, 0.0, -0.7,  0.5, 0.0]),
    ("phone",  -2.0, [0.0, 0.0, 0.2, -0.2,  0.2, 0.0]),
];

const BRANCHES: usize = 40;
/// Managers of each branch; the first looks after the wealthy.
const MANAGERS: u64 = 4;
/// The level of wealth from which on a customer is looked after by the first manager of a branch.
const WEALTHY: f64 = 2.0;
const WEALTH: [f64; FACTORS] = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0];

impl BusinessColumn {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Holds(_) | Chance { .. } => DataType::Boolean,
            Channel | Branch | Manager => DataType::Utf8,
            Opened => DataType::Date32,
        }
    }

    /// The values of some customers in column `index` of [`BUSINESS`].
    pub(super) fn array(self, bank: &Bank, index: usize, customers: &Customers) -> ArrayRef {
        let draw = bank.stream(b"busi", index as u64);
        let numbers = customers.numbers();
        match self {
            Holds(feature) => {
                Arc::new(BooleanArray::from_iter(bank.values(feature, customers).into_iter().map(|x| Some(x > 0.0))))
            }
            Chance { base, loads } => {
                let levels = bank.levels(loads, customers);
                let happens = levels.zip(numbers).map(|(level, &number)| {
                    let x = exp2(base + level);
                    Some(draw.unit(number) * (1.0 + x) < x)
                });
                Arc::new(happens.collect::<BooleanArray>())
            }
            Channel => {
                let weights =
                    ChoiceWeights::new(bank, CHANNELS.iter().map(|(_, base, loads)| (*base, *loads)), customers);
                let chosen = numbers.iter().enumerate().map(|(i, &number)| weights.choose(i, draw.unit(number)));
                Arc::new(chosen.map(|choice| Some(CHANNELS[choice].0)).collect::<StringArray>())
            }
            Branch => Arc::new(texts(numbers.iter().map(|&number| format!("B{:02}", branch(bank, number))))),
            Manager => {
                let wealth = bank.levels(WEALTH, customers);
                let managers = wealth.zip(numbers).map(|(wealth, &number)| {
                    let one = if wealth > WEALTHY { 1 } else { 2 + draw.bits(number) % (MANAGERS - 1) };
                    format!("M{:02}{one:02}", branch(bank, number))
                });
                Arc::new(texts(managers))
            }
            Opened => Arc::new(opened(bank, draw, customers)),
        }
    }
}

/// The days of the first accounts: so many months ago as `tenure_months` of the first month says, or in the month in
/// which the customer came.
fn opened(bank: &Bank, draw: Stream, customers: &Customers) -> Date32Array {
    let first_day = last_day(1);
    let tenures = bank.first_tenures(customers);
    let opened = tenures.into_iter().zip(customers.numbers()).map(|(months, &number)| {
        let within = draw.unit(number);
        match bank.came(number) {
            1 => first_day - (DAYS_A_MONTH * (f64::from(months) + within)) as i32,
            month => {
                let last = last_day(month);
                last - (f64::from(last - last_day(month - 1)) * within) as i32
            }
        }
    });
    opened.map(Some).collect()
}

/// A customer's branch, from 1. The first have the most customers.
fn branch(bank: &Bank, number: u64) -> usize {
    let draw = bank.stream(b"bran", 0).unit(number);
    1 + (draw * draw * BRANCHES as f64) as usize
}

fn texts(values: impl Iterator<Item = String>) -> StringArray {
    values.map(Some).collect()
}

/// By customer, what each of some choices weighs.
pub(super) struct ChoiceWeights {
    /// By choice.
    by_choice: Vec<Vec<f64>>,
}

impl ChoiceWeights {
    /// Choices with weights of 2^(base + level).
    pub(super) fn new(
        bank: &Bank,
        choices: impl Iterator<Item = (f64, [f64; FACTORS])>,
        customers: &Customers,
    ) -> Self {
        let weigh = |(base, loads)| bank.levels(loads, customers).map(|level| exp2(base + level)).collect();
        ChoiceWeights { by_choice: choices.map(weigh).collect() }
    }

    /// The choice of a customer for a draw within 0..1.
    pub(super) fn choose(&self, customer: usize, draw: f64) -> usize {
        let weights = || self.by_choice.iter().map(|weights| weights[customer]);
        let mut rest = draw * weights().sum::<f64>();
        let beyond = weights().position(|weight| {
            rest -= weight;
            rest < 0.0
        });
        beyond.unwrap_or(self.by_choice.len() - 1)
    }
}
