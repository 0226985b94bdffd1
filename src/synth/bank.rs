//! Values of the bank: makes Arrow arrays for a range of rows, one column at a time.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, Float32Array, Float64Array, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{DataType, Decimal128Type, Field, Int32Type, Int64Type, Schema, SchemaRef};

use rayon::prelude::*;

use super::columns::{BankColumn, BankType, Distribution, column, find};
use super::month::LaterMonth;
use super::random::{Stream, exp2};
use super::segments::{FACTORS, Segments, WITHIN};
use super::spec::SynthSpec;

pub(super) use crate::roles::TRUTH_COLUMN;

/// The name of the column of customer numbers.
pub(super) const ID_COLUMN: &str = "customer_id";

/// Ids start here and advance by 1 to 13, 7 on average.
const FIRST_ID: i64 = 1_000_003;
const ID_STEP: u64 = 7;

/// The most by which a segment's level in a column differs from what the factors imply. Without it, six factors would
/// leave a hundred segments no room to differ, however many columns there are.
const OWN_LEVEL: f64 = 0.6;

/// The fewest rows that are worth a task of their own.
const MIN_ROWS_A_TASK: usize = 4096;

const DECIMAL: (u8, i8) = (12, 2);

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
    /// A value is null when its draw, 32 bits, is below this.
    null_below: u64,
    schema: SchemaRef,
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

impl Bank {
    pub(super) fn new(spec: &SynthSpec) -> Self {
        let columns: Vec<BankColumn> = (0..spec.features).map(column).collect();
        let broken = spec.break_column.as_deref().and_then(|name| find(name, spec.features));
        let mut fields = vec![Field::new(ID_COLUMN, DataType::Int64, false)];
        fields.extend(columns.iter().enumerate().map(|(i, c)| {
            let nullable = c.nullable && spec.nulls > 0.0 || broken == Some(i);
            Field::new(&c.name, data_type(c.kind), nullable)
        }));
        if spec.truth {
            fields.push(Field::new(TRUTH_COLUMN, DataType::Int32, false));
        }
        let month = (spec.month > 1).then(|| LaterMonth::new(spec));
        Bank {
            seed: spec.seed,
            segments: Segments::new(spec.segments, spec.seed),
            rows: month.as_ref().map_or(spec.rows, LaterMonth::rows),
            month,
            factors: std::array::from_fn(|i| Stream::new(spec.seed, b"fact", i as u64)),
            columns,
            broken,
            null_below: (spec.nulls * (1u64 << 32) as f64) as u64,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
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

    /// The values of column `index` of the schema.
    pub(super) fn array(&self, index: usize, customers: &Customers) -> ArrayRef {
        match index.checked_sub(1) {
            None => self.ids(customers),
            Some(feature) if feature < self.columns.len() => self.feature(feature, customers),
            Some(_) => primitive::<Int32Type>(customers.segments.iter().map(|&s| s.into()), None),
        }
    }

    fn ids(&self, customers: &Customers) -> ArrayRef {
        let gap = Stream::new(self.seed, b"ids.", 0);
        let id = |row| FIRST_ID + (row * ID_STEP + gap.bits(row) % ID_STEP) as i64;
        primitive::<Int64Type>(customers.numbers.iter().copied().map(id), None)
    }

    fn feature(&self, feature: usize, customers: &Customers) -> ArrayRef {
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

    /// The values before rounding to the column's type.
    fn values(&self, feature: usize, customers: &Customers) -> Vec<f64> {
        let BankColumn { shape, loads, .. } = &self.columns[feature];
        let own = Stream::new(self.seed, b"own.", feature as u64);
        let noise = Stream::new(self.seed, b"nois", feature as u64);
        let means = self.segments.means().iter().enumerate();
        let mut levels: Vec<f64> = means.map(|(s, m)| dot(m, loads) + OWN_LEVEL * own.spread(s as u64)).collect();
        if let Some(month) = &self.month {
            month.redefine(&mut levels, loads);
        }
        let loads = loads.map(|load| load * WITHIN);
        let since = self.month.as_ref().map(|month| month.change(feature, self.columns.len()));

        let customers = customers.places.iter().zip(&customers.factors).zip(customers.numbers.iter().copied());
        let levels = customers.map(|((&place, factors), row)| {
            let level = levels[usize::from(place)] + dot(&factors.map(f64::from), &loads);
            (since.as_ref().map_or(level, |since| level + since.of(row)), row)
        });
        match *shape {
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
fn cents(x: f64) -> i64 {
    (x * 100.0 + 0.5f64.copysign(x)) as i64
}

fn dot(a: &[f64; FACTORS], b: &[f64; FACTORS]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}
