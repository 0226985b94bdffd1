//! Decodes transactions and sends them to their partitions: row groups in parallel, columns batch by batch.
//!
//! Decides for each row whether it is used, and if not, under which single reason it is counted as left out.

use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, LargeStringArray};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, cast_with_options, max};
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use arrow::error::ArrowError;
use rayon::prelude::*;

use super::amount::{AmountColumn, Amounts};
use super::categories::{CategoryCounts, Counter, NONE};
use super::left_out::LeftOut;
use super::moment::TimestampUnit;
use super::money::LARGEST;
use super::partitions::{PartitionLayout, Partitions, Ranges, Sender};
use super::request::{Returns, RfmColumns};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Stage, Watch};
use crate::input::{ColumnReader, EXACT_CAST, Order, RowGroup, Source, whole_ids};

/// Evenly spaced row groups that are sampled for the ranges of partitions.
const SAMPLED_GROUPS: usize = 32;
/// Batches read from each of those, at most.
const SAMPLED_BATCHES: usize = 64;
/// Names taken from each batch, at most.
const SAMPLED_A_BATCH: usize = 128;

/// The rules for using transactions.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) columns: RfmColumns,
    pub(super) layout: PartitionLayout,
    /// The first tick of used transactions, and the tick before which they lie.
    pub(super) from: i64,
    pub(super) before: Option<i64>,
    /// Times after this one have not come yet.
    pub(super) now: i64,
    pub(super) returns: Returns,
}

/// What the pass found.
#[derive(Debug, Default)]
pub(super) struct PassFindings {
    pub(super) left_out: LeftOut,
    pub(super) used: u64,
    /// The newest time of all rows.
    pub(super) newest: Option<i64>,
    /// Rows whose time has not come yet, and the newest time of the others.
    pub(super) future: u64,
    pub(super) newest_past: Option<i64>,
    /// Purchases by category number, one list per worker.
    pub(super) counts: Vec<Vec<u64>>,
}

impl PassFindings {
    fn add(mut self, other: PassFindings) -> PassFindings {
        self.left_out.add(&other.left_out);
        self.used += other.used;
        self.newest = self.newest.max(other.newest);
        self.future += other.future;
        self.newest_past = self.newest_past.max(other.newest_past);
        self.counts.extend(other.counts);
        self
    }
}

/// The newest time of all rows; None if no row has a time.
pub(super) fn newest(source: &Source, column: usize, watch: Watch<'_>) -> Result<Option<i64>> {
    let _ahead = source.ahead(source.row_groups(), &[column], Order::InTurn(rayon::current_num_threads()));
    let newest: Vec<Option<i64>> = source
        .row_groups()
        .par_iter()
        .with_max_len(1)
        .map(|&group| {
            watch.check()?;
            let mut newest = None;
            let mut reader = ColumnReader::open(source, group, column)?;
            while let Some(array) = reader.next_array()? {
                newest =
                    newest.max(max(&TimestampUnit::ticks(&array).map_err(|e| unreadable(source, group, column, &e))?));
            }
            watch.advance(Stage::Open, group.rows);
            Ok(newest)
        })
        .collect::<Result<_>>()?;
    Ok(newest.into_iter().flatten().max())
}

/// Ranges for about `partitions` partitions, from a sample of names.
pub(super) fn ranges(source: &Source, columns: &RfmColumns, partitions: usize, watch: Watch<'_>) -> Result<Ranges> {
    if partitions <= 1 {
        return Ok(Ranges::default());
    }
    let groups = source.row_groups();
    let step = groups.len().div_ceil(SAMPLED_GROUPS).max(1);
    let sampled: Vec<RowGroup> = groups.iter().step_by(step).copied().collect();
    let _ahead = source.ahead(&sampled, &[columns.customer], Order::Heads(rayon::current_num_threads()));
    let names: Vec<(Vec<u64>, Vec<Vec<u8>>)> = sampled
        .into_par_iter()
        .with_max_len(1)
        .map(|group| {
            watch.check()?;
            let mut reader = ColumnReader::open(source, group, columns.customer)?;
            let (mut numbers, mut texts) = (Vec::new(), Vec::new());
            let mut row = group.first_row;
            for _ in 0..SAMPLED_BATCHES {
                let Some(array) = reader.next_array()? else { break };
                let fail = |e: ArrowError| unreadable(source, group, columns.customer, &e);
                let names = Names::new(&array, columns.text, row).map_err(fail)?;
                row += array.len() as u64;
                let rows = (0..array.len()).step_by(array.len().div_ceil(SAMPLED_A_BATCH).max(1));
                for i in rows.filter(|&i| names.is_valid(i)) {
                    match &names {
                        Names::Numbers(keys, _) => numbers.push(keys[i]),
                        Names::Texts(text) => texts.push(text.value(i).as_bytes().to_vec()),
                    }
                }
            }
            Ok((numbers, texts))
        })
        .collect::<Result<_>>()?;
    let (numbers, texts): (Vec<_>, Vec<_>) = names.into_iter().unzip();
    Ok(if columns.text {
        Ranges::of_texts(&texts.concat(), partitions)
    } else {
        Ranges::of_numbers(numbers.concat(), partitions)
    })
}

/// Decodes all rows and sends those in use to their partitions.
pub(super) fn read(
    source: &Source,
    rules: &Rules,
    partitions: &Partitions,
    chunk_bytes: u64,
    categories: &CategoryCounts,
    watch: Watch<'_>,
) -> Result<PassFindings> {
    let next = AtomicUsize::new(0);
    let workers = rayon::current_num_threads().min(source.row_groups().len()).max(1);
    let columns = rules.columns.all();
    let _ahead = source.ahead(source.row_groups(), &columns, Order::Together(workers));
    let seen: Vec<PassFindings> = (0..workers)
        .into_par_iter()
        .with_max_len(1)
        .map(|_| {
            let mut worker = ReadWorker {
                source,
                rules,
                sender: Sender::new(partitions, chunk_bytes),
                counter: Counter::new(categories),
                seen: PassFindings::default(),
            };
            while let Some(&group) = source.row_groups().get(next.fetch_add(1, Ordering::Relaxed)) {
                worker.row_group(group, watch)?;
            }
            worker.sender.finish()?;
            worker.seen.counts.push(worker.counter.counts());
            Ok(worker.seen)
        })
        .collect::<Result<_>>()?;
    Ok(seen.into_iter().fold(PassFindings::default(), PassFindings::add))
}

struct ReadWorker<'a> {
    source: &'a Source,
    rules: &'a Rules,
    sender: Sender<'a>,
    counter: Counter<'a>,
    seen: PassFindings,
}

impl ReadWorker<'_> {
    fn row_group(&mut self, group: RowGroup, watch: Watch<'_>) -> Result<()> {
        let columns = self.rules.columns.all();
        let open = |&column: &usize| ColumnReader::open(self.source, group, column);
        let mut readers: Vec<ColumnReader<'_>> = columns.iter().map(open).collect::<Result<_>>()?;
        let mut rows = 0;
        while rows < group.rows {
            watch.check()?;
            let mut arrays = Vec::with_capacity(columns.len());
            for (reader, &column) in readers.iter_mut().zip(&columns) {
                let array = reader.next_array()?;
                let same = |a: &ArrayRef| arrays.first().is_none_or(|first: &ArrayRef| first.len() == a.len());
                arrays.push(array.filter(same).ok_or_else(|| {
                    let why = ArrowError::ParquetError("it ends before the row group does".into());
                    unreadable(self.source, group, column, &why)
                })?);
            }
            let first = group.first_row + rows;
            let batch = self.rules.batch(&arrays, first).map_err(|(i, why)| {
                unreadable(self.source, group, columns.get(i).copied().unwrap_or_default(), &why)
            })?;
            self.send(&batch)?;
            rows += batch.rows as u64;
            watch.advance(Stage::Decode, batch.rows as u64);
        }
        Ok(())
    }

    /// Records the newest time, and times that have not come yet.
    fn note_times(&mut self, times: &Int64Array) {
        let (newest, now) = (max(times), self.rules.now);
        self.seen.newest = self.seen.newest.max(newest);
        if newest.is_none_or(|newest| newest <= now) {
            self.seen.newest_past = self.seen.newest_past.max(newest);
            return;
        }
        for time in times.iter().flatten() {
            self.seen.future += u64::from(time > now);
            self.seen.newest_past = self.seen.newest_past.max((time <= now).then_some(time));
        }
    }

    fn send(&mut self, batch: &TransactionBatch) -> Result<()> {
        self.note_times(&batch.times);
        let layout = self.rules.layout;
        let (key_words, value_words) = (layout.key_words(), layout.value_words());
        let by_column = matches!(self.rules.returns, Returns::Column(_));
        let mut row = [0u64; 7];
        for i in 0..batch.rows {
            if let Some(why) = self.rules.why_not(batch, i) {
                *why(&mut self.seen.left_out) += 1;
                continue;
            }
            let mut word = batch.amounts.words[i];
            let returned = if by_column {
                let returned = batch.returns.as_ref().is_some_and(|r| r.is_valid(i) && r.value(i));
                if returned {
                    word = self.rules.below_zero(word);
                }
                returned
            } else {
                self.rules.is_negative(word)
            };
            let values = &mut row[key_words..key_words + value_words];
            values[0] = batch.times.value(i) as u64;
            values[1] = word;
            if let Some(transactions) = &batch.transactions {
                let name = transactions.word(i);
                values[2] = (name >> 64) as u64;
                values[3] = name as u64;
            }
            if layout.tag {
                let category = match &batch.categories {
                    Some(names) if names.is_valid(i) => self.counter.number(names.value(i), !returned)?,
                    _ => NONE,
                };
                values[value_words - 1] = u64::from(category) << 1 | u64::from(returned);
            }
            self.seen.used += 1;
            match &batch.names {
                Names::Numbers(keys, _) => {
                    row[0] = keys[i];
                    self.sender.number(&row[..layout.words()])?;
                }
                Names::Texts(names) => self.sender.text(names.value(i).as_bytes(), &mut row[..layout.words()])?,
            }
        }
        Ok(())
    }
}

/// The columns of some rows, converted for use.
struct TransactionBatch {
    rows: usize,
    names: Names,
    times: Int64Array,
    amounts: Amounts,
    transactions: Option<Transactions>,
    returns: Option<BooleanArray>,
    /// Whether the row has the requested value.
    currency: Option<BooleanArray>,
    categories: Option<LargeStringArray>,
}

impl Rules {
    /// A batch from the arrays in the order of [`RfmColumns::all`]; `first` is the number of its first row. An error
    /// has the index of the array.
    fn batch(&self, arrays: &[ArrayRef], first: u64) -> Result<TransactionBatch, (usize, ArrowError)> {
        let columns = &self.columns;
        let factors = columns.factors.len();
        let mut at = 2 + factors;
        let mut next = |used: bool| {
            let here = at;
            at += usize::from(used);
            used.then_some(here)
        };
        let transaction = next(columns.transaction.is_some());
        let returns = next(columns.returns.is_some());
        let currency = next(columns.currency.is_some());
        let category = next(columns.category.is_some());
        let in_column = |i: usize| move |e: ArrowError| (i, e);
        let wanted = columns.currency.as_ref().map_or("", |(_, value)| value.as_str());
        Ok(TransactionBatch {
            rows: arrays[0].len(),
            names: Names::new(&arrays[0], columns.text, first).map_err(in_column(0))?,
            times: TimestampUnit::ticks(&arrays[1]).map_err(in_column(1))?,
            amounts: Amounts::new(&arrays[2..2 + factors], columns.numbers).map_err(in_column(2))?,
            transactions: transaction
                .map(|i| Transactions::new(&arrays[i], first).map_err(in_column(i)))
                .transpose()?,
            returns: returns.map(|i| marks(&arrays[i]).map_err(in_column(i))).transpose()?,
            currency: currency
                .map(|i| Ok(texts(&arrays[i]).map_err(in_column(i))?.iter().map(|v| Some(v == Some(wanted))).collect()))
                .transpose()?,
            categories: category.map(|i| texts(&arrays[i]).map_err(in_column(i))).transpose()?,
        })
    }

    /// The counter of the first reason to leave a row out; None if the row is used.
    fn why_not(&self, batch: &TransactionBatch, i: usize) -> Option<fn(&mut LeftOut) -> &mut u64> {
        if batch.currency.as_ref().is_some_and(|c| !c.value(i)) {
            return Some(|out| &mut out.other_currency);
        }
        if !batch.names.is_valid(i) {
            return Some(|out| &mut out.no_customer);
        }
        if batch.times.is_null(i) {
            return Some(|out| &mut out.no_time);
        }
        if batch.amounts.nulls.as_ref().is_some_and(|n| n.is_null(i)) {
            return Some(|out| &mut out.no_amount);
        }
        // NaN fails the comparison too.
        if self.columns.numbers == AmountColumn::Float && !(f64::from_bits(batch.amounts.words[i]).abs() <= LARGEST) {
            return Some(|out| &mut out.not_finite);
        }
        if batch.transactions.as_ref().is_some_and(|t| t.is_null(i)) {
            return Some(|out| &mut out.no_transaction);
        }
        let time = batch.times.value(i);
        if self.before.is_some_and(|before| time >= before) {
            return Some(|out| &mut out.after_reference);
        }
        (time < self.from).then_some(|out| &mut out.before_window)
    }

    fn is_negative(&self, word: u64) -> bool {
        match self.columns.numbers {
            AmountColumn::Exact { .. } => (word as i64) < 0,
            AmountColumn::Float => f64::from_bits(word) < 0.0,
        }
    }

    /// The amount, made negative.
    fn below_zero(&self, word: u64) -> u64 {
        match self.columns.numbers {
            AmountColumn::Exact { .. } if (word as i64) > 0 => -(word as i64) as u64,
            AmountColumn::Exact { .. } => word,
            AmountColumn::Float => (-f64::from_bits(word).abs()).to_bits(),
        }
    }
}

/// Customers' names.
enum Names {
    /// Keys that preserve the order of the numbers.
    Numbers(Vec<u64>, Option<NullBuffer>),
    Texts(LargeStringArray),
}

impl Names {
    /// `first` is the number of the first row.
    fn new(array: &ArrayRef, text: bool, first: u64) -> Result<Self, ArrowError> {
        if text {
            return Ok(Names::Texts(texts(array)?));
        }
        let array = whole_ids(array, first)?;
        let nulls = array.logical_nulls();
        let keys = if *array.data_type() == DataType::UInt64 {
            array.as_primitive::<UInt64Type>().values().to_vec()
        } else {
            let wide = cast_with_options(&array, &DataType::Int64, &EXACT_CAST)?;
            wide.as_primitive::<Int64Type>().values().iter().map(|&v| v as u64 ^ 1 << 63).collect()
        };
        Ok(Names::Numbers(keys, nulls))
    }

    fn is_valid(&self, i: usize) -> bool {
        match self {
            Names::Numbers(_, nulls) => nulls.as_ref().is_none_or(|n| n.is_valid(i)),
            Names::Texts(texts) => texts.is_valid(i),
        }
    }
}

/// Transactions' names, only compared for equality.
enum Transactions {
    Numbers(Vec<u64>, Option<NullBuffer>),
    Texts(LargeStringArray),
}

impl Transactions {
    /// `first` is the number of the first row.
    fn new(array: &ArrayRef, first: u64) -> Result<Self, ArrowError> {
        let array = &whole_ids(array, first)?;
        match array.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(Transactions::Texts(texts(array)?)),
            DataType::UInt64 => {
                let nulls = array.logical_nulls();
                Ok(Transactions::Numbers(array.as_primitive::<UInt64Type>().values().to_vec(), nulls))
            }
            _ => {
                let nulls = array.logical_nulls();
                let wide = cast_with_options(array, &DataType::Int64, &EXACT_CAST)?;
                let numbers = wide.as_primitive::<Int64Type>().values().iter().map(|&v| v as u64).collect();
                Ok(Transactions::Numbers(numbers, nulls))
            }
        }
    }

    fn is_null(&self, i: usize) -> bool {
        match self {
            Transactions::Numbers(_, nulls) => nulls.as_ref().is_some_and(|n| n.is_null(i)),
            Transactions::Texts(texts) => texts.is_null(i),
        }
    }

    fn word(&self, i: usize) -> u128 {
        match self {
            Transactions::Numbers(numbers, _) => u128::from(numbers[i]),
            Transactions::Texts(texts) => text_word(texts.value(i).as_bytes()),
        }
    }
}

/// Up to 15 bytes verbatim, with their number; more as 127 bits of blake3: the chance that any two of a customer's
/// million transactions collide is 10^-26.
fn text_word(text: &[u8]) -> u128 {
    let mut word = [0; 16];
    if text.len() < 16 {
        word[..text.len()].copy_from_slice(text);
        word[15] = text.len() as u8;
    } else {
        word.copy_from_slice(&blake3::hash(text).as_bytes()[..16]);
        word[15] |= 0x80;
    }
    u128::from_le_bytes(word)
}

fn texts(array: &ArrayRef) -> Result<LargeStringArray, ArrowError> {
    Ok(cast(array, &DataType::LargeUtf8)?.as_string::<i64>().clone())
}

fn marks(array: &ArrayRef) -> Result<BooleanArray, ArrowError> {
    Ok(cast(array, &DataType::Boolean)?.as_boolean().clone())
}

/// An error with its location in the data.
fn unreadable(source: &Source, group: RowGroup, column: usize, why: &ArrowError) -> Error {
    let (kind, why) = match why {
        ArrowError::ComputeError(text) => (ErrorKind::Values, text.clone()),
        other => (ErrorKind::Corrupt, format!("cannot be read: {other}")),
    };
    let (path, name) = (&source.files()[group.file].path, &source.columns()[column].name);
    let text = format!("{}, row group {}, column {name:?}: {why}", path.display(), group.index);
    Error::input(text).of_columns([name]).of_kind(kind).of_file(path)
}
