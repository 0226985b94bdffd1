//! Values of the bank: makes Arrow arrays for a range of rows, one column at a time.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, Float32Array, Float64Array, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{DataType, Decimal128Type, Field, Int32Type, Int64Type};

use rayon::prelude::*;

use super::columns::{BankColumn, BankType, Distribution, TENURE, column, find};
use super::month::LaterMonth;
use super::random::{Stream, exp2};
use super::segments::{FACTORS, Segments, WITHIN};
use super::spec::SynthSpec;

/// Ids start here and advance by 1 to 13, 7 on average.
const FIRST_ID: i64 = 1_000_003;
const ID_STEP: u64 = 7;

/// The most by which a segment's level in a column differs from what the factors imply. Without it, six factors would
/// leave a hundred segments no room to differ, however many columns there are.
const OWN_LEVEL: f64 = 0.6;

/// The fewest rows that are worth a task of their own.
const MIN_ROWS_A_TASK: usize = 4096;

pub(super) const DECIMAL: (u8, i8) = (12, 2);

/// Everything that determines the values.
#[derive(Debug)]
pub(super) struct Bank {
    seed: u64,
    segments: Segments,
    /// None: the first month.
    month: Option<LaterMonth>,
    rows: u64,
    factors: [Stream; FACTORS],
    columns: Vec<BankColumn>,
    /// The feature without values.
    broken: Option<usize>,
    has_nulls: bool,
    /// A value is null when its draw, 32 bits, is below this.
    null_below: u64,
}

/// The customers of a range of rows: the state shared by all columns.
#[derive(Debug)]
pub(super) struct Customers {
    /// Their numbers, from which everything is drawn: the rows of the first month.
    numbers: Vec<u64>,
    /// Where they lie: the planted segments, but for a merge that is not complete.
    places: Vec<u16>,
    /// The planted segments.
    pub(super) segments: Vec<u16>,
    /// The factors' distances from the segment's mean, in standard deviations.
    factors: Vec<[f32; FACTORS]>,
}

impl Customers {
    /// Their numbers.
    pub(super) fn numbers(&self) -> &[u64] {
        &self.numbers
    }
}

impl Bank {
    pub(super) fn new(spec: &SynthSpec) -> Self {
        let columns: Vec<BankColumn> = (0..spec.features).map(column).collect();
        let broken = spec.break_column.as_deref().and_then(|name| find(name, spec.features));
        let month = (spec.month > 1).then(|| LaterMonth::new(spec));
        Bank {
            seed: spec.seed,
            segments: Segments::new(spec.segments, spec.seed),
            rows: month.as_ref().map_or(spec.rows, LaterMonth::rows),
            month,
            factors: std::array::from_fn(|i| Stream::new(spec.seed, b"fact", i as u64)),
            columns,
            broken,
            has_nulls: spec.nulls > 0.0,
            null_below: (spec.nulls * (1u64 << 32) as f64) as u64,
        }
    }

    /// The fields of the features.
    pub(super) fn fields(&self) -> impl Iterator<Item = Field> {
        self.columns.iter().enumerate().map(|(i, c)| {
            let nullable = c.nullable && self.has_nulls || self.broken == Some(i);
            Field::new(&c.name, data_type(c.kind), nullable)
        })
    }

    /// Rows of the table.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Planted segments, also those that nobody is in any more.
    pub(super) fn segments(&self) -> usize {
        self.month.as_ref().map_or(self.segments.means().len(), LaterMonth::segments)
    }

    /// Draws segments and factors.
    pub(super) fn customers(&self, rows: Range<u64>) -> Customers {
        let numbers: Vec<u64> = match &self.month {
            Some(month) => month.numbers(rows),
            None => rows.collect(),
        };
        let draw = |&number: &u64| {
            let first = self.segments.of(number);
            let place = self.month.as_ref().map_or(first, |month| month.place(number, first));
            (place, self.factors.map(|stream| stream.normal(number) as f32))
        };
        let (places, factors): (Vec<u16>, _) = numbers.par_iter().with_min_len(MIN_ROWS_A_TASK).map(draw).unzip();
        let segments = match &self.month {
            Some(month) => places.iter().map(|&place| month.segment(place)).collect(),
            None => places.clone(),
        };
        Customers { numbers, places, segments, factors }
    }

    /// The planted segments.
    pub(super) fn truth(&self, customers: &Customers) -> ArrayRef {
        primitive::<Int32Type>(customers.segments.iter().map(|&s| s.into()), None)
    }

    /// The ids.
    pub(super) fn ids(&self, customers: &Customers) -> ArrayRef {
        primitive::<Int64Type>(customers.numbers.iter().map(|&number| self.id(number)), None)
    }

    /// The id of a customer.
    pub(super) fn id(&self, number: u64) -> i64 {
        let gap = Stream::new(self.seed, b"ids.", 0);
        FIRST_ID + (number * ID_STEP + gap.bits(number) % ID_STEP) as i64
    }

    /// A stream of this bank's seed.
    pub(super) fn stream(&self, name: &[u8; 4], number: u64) -> Stream {
        Stream::new(self.seed, name, number)
    }

    /// The month in which a customer came, counted from 1.
    pub(super) fn came(&self, number: u64) -> usize {
        self.month.as_ref().map_or(1, |month| 1 + month.months_before(number))
    }

    /// The months that customers had been with the bank in the first month.
    pub(super) fn first_tenures(&self, customers: &Customers) -> Vec<i32> {
        let numbers = customers.numbers.clone();
        let segments: Vec<u16> = numbers.iter().map(|&number| self.segments.of(number)).collect();
        let first = Customers { numbers, places: segments.clone(), segments, factors: customers.factors.clone() };
        self.values_in(None, TENURE, &first).into_iter().map(|months| months as i32).collect()
    }

    /// The values of a feature.
    pub(super) fn feature(&self, feature: usize, customers: &Customers) -> ArrayRef {
        let column = &self.columns[feature];
        let values = self.values(feature, customers);
        let nulls = self.nulls(feature, customers);
        match column.kind {
            BankType::I32 => primitive::<Int32Type>(values.into_iter().map(|x| x as i32), nulls),
            BankType::I64 => primitive::<Int64Type>(values.into_iter().map(|x| x as i64), nulls),
            BankType::F32 => Arc::new(Float32Array::new(values.into_iter().map(|x| x as f32).collect(), nulls)),
            BankType::F64 => {
                Arc::new(Float64Array::new(values.into_iter().map(|x| cents(x) as f64 / 100.0).collect(), nulls))
            }
            BankType::Decimal => primitive::<Decimal128Type>(values.into_iter().map(|x| cents(x).into()), nulls),
        }
    }

    /// The level of each customer in a column of these loads.
    pub(super) fn levels<'a>(
        &self,
        loads: [f64; FACTORS],
        customers: &'a Customers,
    ) -> impl Iterator<Item = f64> + use<'a> {
        levels(&self.segments, self.month.as_ref(), (loads, None), customers)
    }

    /// The values of feature `index` before rounding to the column's type, also of one that the bank lacks.
    pub(super) fn values(&self, index: usize, customers: &Customers) -> Vec<f64> {
        self.values_in(self.month.as_ref(), index, customers)
    }

    fn values_in(&self, month: Option<&LaterMonth>, index: usize, customers: &Customers) -> Vec<f64> {
        let BankColumn { shape, loads, .. } = column(index);
        let own = Stream::new(self.seed, b"own.", index as u64);
        let noise = Stream::new(self.seed, b"nois", index as u64);
        let since = month.map(|month| month.change(index, self.columns.len()));
        let levels = levels(&self.segments, month, (loads, Some(own)), customers).zip(customers.numbers.iter());
        let levels = levels.map(|(level, &row)| (since.as_ref().map_or(level, |since| level + since.of(row)), row));
        match shape {
            Distribution::Level { centre, step, low, high } => {
                levels.map(|(t, row)| (centre + step * (t + noise.normal(row))).clamp(low, high)).collect()
            }
            Distribution::Amount { scale, less, low, high } => {
                levels.map(|(t, row)| (scale * (exp2(t) * noise.heavy(row) - less)).clamp(low, high)).collect()
            }
            Distribution::Share => levels.map(|(t, row)| exp2(t) * noise.heavy(row)).map(|x| x / (1.0 + x)).collect(),
        }
    }

    fn nulls(&self, feature: usize, customers: &Customers) -> Option<NullBuffer> {
        if self.broken == Some(feature) {
            return Some(NullBuffer::new_null(customers.numbers.len()));
        }
        if self.null_below == 0 || !self.columns[feature].nullable {
            return None;
        }
        let draw = Stream::new(self.seed, b"null", feature as u64);
        let valid = |i: usize| draw.bits(customers.numbers[i]) >> 32 >= self.null_below;
        Some(NullBuffer::new(BooleanBuffer::collect_bool(customers.numbers.len(), valid)))
    }
}

/// The level of each customer in a column: that of the segment, which differs by `own` from what the loads imply, and
/// what the customer's factors add.
fn levels<'a>(
    segments: &Segments,
    month: Option<&LaterMonth>,
    (loads, own): ([f64; FACTORS], Option<Stream>),
    customers: &'a Customers,
) -> impl Iterator<Item = f64> + use<'a> {
    let own = |segment: usize| own.map_or(0.0, |own| OWN_LEVEL * own.spread(segment as u64));
    let means = segments.means().iter().enumerate();
    let mut levels: Vec<f64> = means.map(|(s, m)| dot(m, &loads) + own(s)).collect();
    if let Some(month) = month {
        month.redefine(&mut levels, &loads);
    }
    let loads = loads.map(|load| load * WITHIN);
    let customers = customers.places.iter().zip(&customers.factors);
    customers.map(move |(&place, factors)| levels[usize::from(place)] + dot(&factors.map(f64::from), &loads))
}

fn data_type(kind: BankType) -> DataType {
    match kind {
        BankType::I32 => DataType::Int32,
        BankType::I64 => DataType::Int64,
        BankType::F32 => DataType::Float32,
        BankType::F64 => DataType::Float64,
        BankType::Decimal => DataType::Decimal128(DECIMAL.0, DECIMAL.1),
    }
}

fn primitive<T: ArrowPrimitiveType>(values: impl Iterator<Item = T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    let array = PrimitiveArray::<T>::new(values.collect(), nulls);
    match T::DATA_TYPE {
        DataType::Decimal128(..) => Arc::new(array.with_data_type(data_type(BankType::Decimal))),
        _ => Arc::new(array),
    }
}

/// Money in cents, rounded half away from zero. A cast truncates, which avoids the platform's `round`.
pub(super) fn cents(x: f64) -> i64 {
    (x * 100.0 + 0.5f64.copysign(x)) as i64
}

fn dot(a: &[f64; FACTORS], b: &[f64; FACTORS]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}
