//! Card payments of the customers: a row for each, as [`rfm`](crate::transactions::rfm) reads them.
//!
//! In the 90 days up to the last day of the month a customer makes as many payments as `card_txn_90d` says, and pays
//! `card_spend_90d` less what is returned. Who paid nothing has up to three older payments, at most a year old.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use rayon::prelude::*;

use super::bank::{Bank, Customers, DECIMAL, cents};
use super::business::ChoiceWeights;
use super::calendar::last_day;
use super::columns::{CARD_PAYMENTS, CARD_SPEND};
use super::random::Stream;
use super::segments::FACTORS;
use super::table::ID_COLUMN;
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::output::TableWriter;

/// Days of the payments that the features count.
const RECENT: u64 = 90;
/// Days of all payments.
const ALL: u64 = 365;
/// Most payments of customers who made none in the last 90 days, and their typical amount in cents.
const OLDER: u64 = 3;
const OLDER_CENTS: f64 = 2000.0;
/// Share of the payments after which something is returned, within so many days.
const RETURNED: f64 = 0.03;
const RETURN_DAYS: u64 = 10;
/// Numbers of transactions within those of a customer; a payment and a return each take one.
const NUMBERS: i64 = 100_000;
const MOST: i64 = NUMBERS / 2;

const MILLIS_A_DAY: i64 = 86_400_000;
/// People pay from seven in the morning to ten at night.
const OPENING: i64 = 7 * 3_600_000;
const OPEN: u64 = 15 * 3_600_000;

/// Customers whose payments are made together.
const BLOCK: u64 = 1024;

/// What people pay for: name, base and loads of the weight 2^(base + level). Loads are on wealth, activity, credit,
/// digital, life, home.
#[rustfmt::skip]
const CATEGORIES: [(&str, f64, [f64; FACTORS]); 7] = [
    ("groceries",  1.0, [ 0.0, 0.0, 0.0,  0.0,  0.1,  0.1]),
    ("fuel",       0.0, [ 0.0, 0.1, 0.0, -0.1,  0.0,  0.2]),
    ("dining",     0.0, [ 0.1, 0.0, 0.1,  0.1, -0.3,  0.0]),
    ("online",     0.0, [ 0.0, 0.0, 0.1,  0.6, -0.2,  0.0]),
    ("household", -0.5, [ 0.0, 0.0, 0.0,  0.0,  0.0,  0.4]),
    ("health",    -1.0, [ 0.1, 0.0, 0.0,  0.0,  0.5,  0.0]),
    ("travel",    -1.5, [ 0.4, 0.0, 0.0,  0.1,  0.0,  0.0]),
];

/// A payment, or with a negative amount a return.
struct Payment {
    millis: i64,
    cents: i64,
    category: usize,
}

/// The payments of a bank in a month.
pub(super) struct Payments<'a> {
    pub(super) bank: &'a Bank,
    pub(super) month: usize,
    pub(super) watch: Watch<'a>,
}

impl Payments<'_> {
    /// Writes the payments of all customers, in their order and each customer's by time. Returns their number.
    pub(super) fn write(&self, file: File, path: &Path) -> Result<u64> {
        let rows = self.bank.rows();
        let mut table = TableWriter::new(file, path.to_path_buf(), schema())?;
        self.watch.stage(Stage::Customers, rows, "customers", || {
            let blocks: Vec<u64> = (0..rows.div_ceil(BLOCK)).collect();
            for some in blocks.chunks(rayon::current_num_threads()) {
                self.watch.check()?;
                let batches = some.par_iter().with_max_len(1).map(|block| {
                    let rows = block * BLOCK..rows.min((block + 1) * BLOCK);
                    self.batch(&self.bank.customers(rows))
                });
                for batch in batches.collect::<Result<Vec<RecordBatch>>>()? {
                    table.push(batch)?;
                }
                self.watch.advance(Stage::Customers, BLOCK.min(rows) * some.len() as u64);
            }
            Ok(table.finish()?.0)
        })
    }

    fn batch(&self, customers: &Customers) -> Result<RecordBatch> {
        let counts = self.bank.values(CARD_PAYMENTS, customers);
        let spent = self.bank.values(CARD_SPEND, customers);
        let weights = CATEGORIES.iter().map(|(_, base, loads)| (*base, *loads));
        let weights = ChoiceWeights::new(self.bank, weights, customers);
        let (mut numbers, mut ids, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for (i, &number) in customers.numbers().iter().enumerate() {
            let draw = self.bank.stream(b"paid", number << 7 | self.month as u64);
            let spent = cents(spent[i]);
            let mut payments = match (counts[i] as i64).min(spent).min(MOST) {
                0 => self.older(draw),
                count => self.recent(draw, count, spent),
            };
            payments.iter_mut().enumerate().for_each(|(j, payment)| {
                payment.category = weights.choose(i, draw.unit(CATEGORY + j as u64));
            });
            payments.sort_by_key(|payment| payment.millis);
            let id = self.bank.id(number);
            numbers.extend((0..payments.len() as i64).map(|j| id * NUMBERS + j));
            ids.resize(numbers.len(), id);
            all.append(&mut payments);
        }
        record(numbers, ids, &all)
    }

    /// Payments of the last 90 days that add up to `spent` cents, with their returns.
    fn recent(&self, draw: Stream, count: i64, spent: i64) -> Vec<Payment> {
        let last = last_day(self.month);
        let weights: Vec<f64> = (0..count as u64).map(|j| draw.heavy(AMOUNT + j)).collect();
        let total = weights.iter().fold(0.0, |sum, weight| sum + weight);
        // Every payment is of a cent or more. Rounding the sums, and not the amounts, keeps the total.
        let (free, mut sum, mut before) = ((spent - count) as f64, 0.0, 0);
        let mut payments = Vec::with_capacity(weights.len());
        for (j, weight) in (0..).zip(weights) {
            sum += weight;
            let until = (free * (sum / total)) as i64;
            let cents = 1 + until - before;
            before = until;
            let millis = moment(draw.bits(TIME + j), last, RECENT);
            let back = millis + MILLIS_A_DAY * (1 + draw.bits(BACK + j) % RETURN_DAYS) as i64;
            if draw.unit(RETURN + j) < RETURNED && back < MILLIS_A_DAY * i64::from(last + 1) {
                payments.push(Payment { millis, cents: 2 * cents, category: 0 });
                payments.push(Payment { millis: back, cents: -cents, category: 0 });
            } else {
                payments.push(Payment { millis, cents, category: 0 });
            }
        }
        payments
    }

    fn older(&self, draw: Stream) -> Vec<Payment> {
        let last = last_day(self.month) - RECENT as i32;
        let payment = |j| Payment {
            millis: moment(draw.bits(TIME + j), last, ALL - RECENT),
            cents: 1 + (OLDER_CENTS * draw.heavy(AMOUNT + j)) as i64,
            category: 0,
        };
        (0..draw.bits(COUNT) % (OLDER + 1)).map(payment).collect()
    }
}

// Where the draws of a customer are, each for as many payments as there can be.
const AMOUNT: u64 = 0;
const TIME: u64 = 1 << 20;
const CATEGORY: u64 = 2 << 20;
const RETURN: u64 = 3 << 20;
const BACK: u64 = 4 << 20;
const COUNT: u64 = 5 << 20;

/// A moment of one of so many days up to the last, in milliseconds since 1970.
fn moment(bits: u64, last: i32, days: u64) -> i64 {
    let day = i64::from(last) - ((bits >> 32) % days) as i64;
    day * MILLIS_A_DAY + OPENING + (((bits & 0xFFFF_FFFF) * OPEN) >> 32) as i64
}

fn schema() -> SchemaRef {
    let amount = DataType::Decimal128(DECIMAL.0, DECIMAL.1);
    Arc::new(Schema::new(vec![
        Field::new("transaction_id", DataType::Int64, false),
        Field::new(ID_COLUMN, DataType::Int64, false),
        Field::new("booked_at", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        Field::new("amount", amount, false),
        Field::new("category", DataType::Utf8, false),
    ]))
}

fn record(numbers: Vec<i64>, ids: Vec<i64>, payments: &[Payment]) -> Result<RecordBatch> {
    let schema = schema();
    let cents: Decimal128Array = payments.iter().map(|payment| Some(i128::from(payment.cents))).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(numbers)),
        Arc::new(Int64Array::from(ids)),
        Arc::new(payments.iter().map(|payment| Some(payment.millis)).collect::<TimestampMillisecondArray>()),
        Arc::new(cents.with_data_type(schema.field(3).data_type().clone())),
        Arc::new(payments.iter().map(|payment| Some(CATEGORIES[payment.category].0)).collect::<StringArray>()),
    ];
    RecordBatch::try_new(schema, columns).map_err(|e| Error::Internal(format!("payments of a synthetic bank: {e}")))
}
