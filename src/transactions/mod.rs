//! Features from transactions: Parquet with one row per transaction becomes a table with one row per customer, ready to
//! be segmented.
//!
//! # How it works, and its cost
//!
//! The lower bound is decoding the columns in use: 24 bytes per transaction for a number, a time and an amount; 50
//! million took 0.9 s on two cores of a Zen 5, and the whole job 6.9 s alongside other work. After that, each
//! transaction's words are moved twice and read three times: sent to a partition, by ranges of the customer's name
//! (`partitions`); counted there and moved next to the customer's others (`group`); read in order (`customer`).
//! Partitions fit into a core's caches, so both moves are short. If customers are numbers in a dense range, no hash
//! table is used; otherwise it holds one slot per customer and no copies of names.
//!
//! Beyond the memory limit, partitions go to an unnamed scratch file and are read back one after another. Threads,
//! memory, the split into files and the order of rows never change a byte of the output.
//!
//! Deliberately absent: the current time. A table made twice from the same data is the same table.

mod amount;
mod categories;
mod customer;
mod group;
mod left_out;
mod moment;
mod money;
mod output;
mod partitions;
mod reading;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rayon::prelude::*;

use self::amount::AmountColumn;
use self::categories::CategoryCounts;
use self::customer::CustomerShape;
use self::group::Grouped;
use self::money::{ExactSum, Rounded};
use self::partitions::{PartitionLayout, Partitions};
use self::reading::{PassFindings, Rules};
use self::request::RfmColumns;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Observer, Stage, Watch};
use crate::input::{Opening, Source, id_type};
use crate::job::{DECODER, FIXED, MIB, inputs};
use crate::output::NewFiles;
use crate::output::OUTPUT_GROUP_ROWS;
use crate::output::TableWriter;

pub use self::left_out::LeftOut;
pub use self::request::{Filter, Returns, RfmRequest};

/// Bytes of a partition that suit a core's caches; not more than so many partitions.
const PARTITION_BYTES: u64 = 2 * MIB;
const MOST_PARTITIONS: u64 = 1024;
/// Bytes collected for a partition before they are handed over: the least and the most.
const CHUNK_BYTES: (u64, u64) = (4 << 10, 64 << 10);

/// The result of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RfmOutcome {
    /// Rows of the output.
    pub customers: u64,
    /// Columns of the output, including the customer's.
    pub columns: usize,
    /// Bytes of the output.
    pub bytes: u64,
    /// Rows of the input.
    pub transactions: u64,
    /// Rows that were used.
    pub used: u64,
    /// Rows that were left out.
    pub left_out: LeftOut,
    /// The reference date, as `2011-12-10` or `2011-12-10T12:00:00`.
    pub reference: String,
    /// The most common categories, in descending order.
    pub categories: Vec<String>,
    /// Bytes written to the scratch file.
    pub spilled: u64,
}

/// Makes a customer table from transactions and publishes it once complete; until then `out` is unchanged.
///
/// One row per customer with at least one used transaction, ascending by customer (text by its UTF-8 bytes). A
/// *purchase* is a used transaction that is not a return. With a column of transaction names, *count* means distinct
/// names, and `monetary_max` considers whole transactions; otherwise each row is a transaction. A day has 86,400
/// seconds; days are fractional if the times are.
///
/// | column | unit | meaning |
/// |---|---|---|
/// | the customer's | | as in the input; text as large_string |
/// | `recency_days` | days | from the last purchase to the reference date; null without a purchase |
/// | `frequency` | count | purchases |
/// | `monetary_sum` | money | purchases minus returns |
/// | `monetary_mean` | money | sum of purchases / `frequency`, without returns; null without a purchase |
/// | `monetary_max` | money | the largest purchase; null without one |
/// | `returns_count` | count | returns |
/// | `returns_share` | 0 to 1 | returns / (purchases + returns) |
/// | `tenure_days` | days | from the first purchase to the reference date; null without a purchase |
/// | `gap_mean_days` | days | mean gap between distinct times of purchases; null with fewer than two times |
/// | `gap_deviation_days` | days | population standard deviation of those gaps; null with fewer than two gaps |
/// | `trend_recent_count`, `_sum` | | purchases, and money minus returns, in the last days before the reference date |
/// | `trend_before_count`, `_sum` | | the same in as many days before those |
/// | `trend_change_count`, `_sum` | | recent minus before |
/// | `CATEGORY_VALUE_count`, `_sum` | | purchase rows, money minus returns, by category; `other`: the rest and null |
///
/// Sums of integers and decimals are exact and converted once; sums of floating point are the f64 nearest to the true
/// sum of the amounts. Products are likewise rounded once before they are added.
///
/// # Errors
///
/// [`Error::Usage`]: columns that do not exist, all listed; an option out of range; an output inside the input.
/// [`Error::Input`]: a column of an unsuitable type; no usable transaction; incomplete transactions if they are to be
/// refused; an exact amount of more than 63 bits. [`Error::Environment`]: the memory limit is too low, with the lowest
/// that suffices; the disk. [`Error::Interrupted`] once `stop` is set.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::AtomicBool;
///
/// use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch};
/// use hyades::event::Silent;
/// use hyades::transactions::{RfmRequest, rfm};
/// use parquet::arrow::ArrowWriter;
///
/// let folder = tempfile::tempdir()?;
/// let (payments, out) = (folder.path().join("payments.parquet"), folder.path().join("customers.parquet"));
/// let customers: ArrayRef = Arc::new(Int64Array::from(vec![1, 1, 2]));
/// let days: ArrayRef = Arc::new(Date32Array::from(vec![20_000, 20_010, 20_005]));
/// let amounts: ArrayRef = Arc::new(Float64Array::from(vec![10.0, 20.0, 5.0]));
/// let table = RecordBatch::try_from_iter([("customer", customers), ("day", days), ("amount", amounts)])?;
/// let mut writer = ArrowWriter::try_new(std::fs::File::create(&payments)?, table.schema(), None)?;
/// writer.write(&table)?;
/// writer.close()?;
///
/// let request = RfmRequest::new(vec![payments], "customer", "day", "amount", &out);
/// let outcome = rfm(&request, &Silent, &AtomicBool::new(false))?;
/// assert_eq!((outcome.customers, outcome.transactions, outcome.used), (2, 3, 3));
/// assert!(out.is_file());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn rfm(request: &RfmRequest, observer: &dyn Observer, stop: &AtomicBool) -> Result<RfmOutcome> {
    request.check()?;
    let watch = Watch::new(observer, stop);
    request.resources.install(|| run(request, None, watch))
}

/// With the caller's `plan`, if any.
fn run(request: &RfmRequest, plan: Option<RfmPlan>, watch: Watch<'_>) -> Result<RfmOutcome> {
    let keys = request.access.keys.clone().and_then(|mut keys| keys.path_mut().map(|path| path.clone()));
    let arguments: Vec<_> = request.inputs.iter().cloned().chain(keys).collect();
    let publication = NewFiles::of_table(&request.out, &arguments)?;
    let scratch = request.resources.existing_scratch_folder(request.out.parent());
    let source = Source::open_as(&request.inputs, Opening { access: &request.access, scratch: &scratch, watch })?;
    let columns = request.resolve(&source)?;
    if source.rows() == 0 {
        return Err(Error::input("the input has no rows".into()));
    }
    inputs::tell_differences(&source, columns.all(), watch);
    let period = Period::new(request, &source, &columns, watch)?;
    let rules = period.rules(request, columns);
    let plan = plan.map_or_else(|| RfmPlan::new(&source, &rules, request), Ok)?;
    let Partitioned { partitions, categories, seen } = partition(request, &source, &rules, plan, watch)?;
    let columns = &rules.columns;
    vet(request, columns, &source, &seen)?;
    if request.reference.is_none() {
        warn_of_future(columns, &seen, watch);
    }
    let top = request.category.clone().map(|column| (column, categories.top(&seen.counts, request.top)));
    let names = top.as_ref().map_or_else(Vec::new, |(_, top)| top.names.clone());
    let shape = CustomerShape {
        layout: rules.layout,
        unit: columns.unit,
        money_unit: columns.numbers.unit(),
        reference: period.reference(columns, seen.newest)?,
        trend: request.trend.map(|days| ticks(columns, days)),
        categories: top,
    };
    let schema = schema(&source, columns, &shape)?;
    let file = publication.file(&request.out)?;
    let mut writer = TableWriter::new(file, request.out.clone(), schema.clone())?;
    watch.stage(Stage::Customers, partitions.len() as u64, "partitions", || {
        aggregate(&partitions, &shape, columns.numbers, &schema, &mut writer, watch)
    })?;
    let (customers, bytes) = writer.finish()?;
    source.vet_unchanged()?;
    watch.stage(Stage::Write, 0, "files", || publication.commit())?;
    Ok(RfmOutcome {
        customers,
        columns: schema.fields().len(),
        bytes,
        transactions: source.rows(),
        used: seen.used,
        left_out: seen.left_out,
        reference: columns.unit.format(shape.reference),
        categories: names,
        spilled: partitions.spilled(),
    })
}

/// The reference date and the window before it, in ticks of the time column.
struct Period {
    /// The reference date of the request.
    given: Option<i64>,
    /// The reference date as far as it is known before the transactions are read: with a window it must be.
    ahead: Option<i64>,
}

impl Period {
    /// Reads the time column for its newest value if a window is given without a reference date.
    fn new(request: &RfmRequest, source: &Source, columns: &RfmColumns, watch: Watch<'_>) -> Result<Self> {
        let given = request.reference.as_deref().map(|text| columns.unit.parse(text)).transpose()?;
        let ahead = match (given, request.window) {
            (None, Some(_)) => {
                let newest =
                    watch.stage(Stage::Open, source.rows(), "rows", || reading::newest(source, columns.time, watch))?;
                Some(newest.map_or(Ok(0), |newest| day_after(columns, newest))?)
            }
            _ => given,
        };
        Ok(Period { given, ahead })
    }

    /// The rules for using or leaving out transactions.
    fn rules(&self, request: &RfmRequest, columns: RfmColumns) -> Rules {
        let window = self.ahead.zip(request.window);
        Rules {
            layout: PartitionLayout {
                text: columns.text,
                transaction: columns.transaction.is_some(),
                tag: columns.returns.is_some() || columns.category.is_some(),
            },
            from: window.map_or(i64::MIN, |(at, days)| at.saturating_sub(ticks(&columns, days))),
            before: self.given,
            now: columns.unit.now(),
            returns: request.returns.clone(),
            columns,
        }
    }

    /// The reference date; by default the day after the `newest` transaction.
    fn reference(&self, columns: &RfmColumns, newest: Option<i64>) -> Result<i64> {
        match (self.ahead, newest) {
            (Some(reference), _) => Ok(reference),
            (None, Some(newest)) => day_after(columns, newest),
            (None, None) => Ok(0),
        }
    }
}

/// Days in ticks of the time column.
fn ticks(columns: &RfmColumns, days: u32) -> i64 {
    i64::from(days).checked_mul(columns.unit.ticks_a_day).unwrap_or(i64::MAX)
}

/// The transactions after the first pass.
struct Partitioned {
    partitions: Partitions,
    categories: CategoryCounts,
    seen: PassFindings,
}

/// Reads the transactions and divides them by customer.
fn partition(
    request: &RfmRequest,
    source: &Source,
    rules: &Rules,
    plan: RfmPlan,
    watch: Watch<'_>,
) -> Result<Partitioned> {
    let ranges = reading::ranges(source, &rules.columns, plan.partitions, watch)?;
    let partitions = Partitions::new(ranges, plan.resident, publication_folder(request));
    let categories = CategoryCounts::default();
    let seen = watch.stage(Stage::Decode, source.rows(), "rows", || {
        reading::read(source, rules, &partitions, plan.chunk_bytes, &categories, watch)
    })?;
    Ok(Partitioned { partitions, categories, seen })
}

/// The folder for a scratch file: the one requested, or the output's.
fn publication_folder(request: &RfmRequest) -> std::path::PathBuf {
    let parent = request.out.parent().filter(|p| !p.as_os_str().is_empty());
    request.resources.scratch_folder(Some(parent.unwrap_or(std::path::Path::new("."))))
}

/// Warns if transactions that have not happened yet decide about the reference date.
fn warn_of_future(columns: &RfmColumns, seen: &PassFindings, watch: Watch<'_>) {
    let Some(newest) = seen.newest.filter(|_| seen.future > 0) else { return };
    let (rows, are) = (seen.future, if seen.future == 1 { "transaction lies" } else { "transactions lie" });
    let remedy = seen.newest_past.and_then(|past| columns.unit.next_day(past)).map_or_else(String::new, |day| {
        format!(
            "; to leave them out, set --reference-date {}, the day after the newest of the others",
            columns.unit.format(day)
        )
    });
    watch.warn(format!(
        "{rows} {are} in the future, and the newest, {}, determines the reference date{remedy}",
        columns.unit.format(newest)
    ));
}

fn day_after(columns: &RfmColumns, newest: i64) -> Result<i64> {
    columns.unit.next_day(newest).ok_or_else(|| {
        Error::input(
            "the newest time is the last that its type can represent; set --reference-date to leave it out".into(),
        )
        .of_option("--reference-date")
    })
}

/// Refuses incomplete transactions, if requested, and an input without usable transactions.
fn vet(request: &RfmRequest, columns: &RfmColumns, source: &Source, seen: &PassFindings) -> Result<()> {
    let list = |left_out: &LeftOut| {
        let reasons: Vec<String> = left_out.reasons().iter().map(|(rows, why)| format!("{rows} {why}")).collect();
        reasons.join(", ")
    };
    let incomplete = seen.left_out.incomplete();
    if request.refuse_incomplete && incomplete != LeftOut::default() {
        let name = |&column: &usize| source.columns()[column].name.as_str();
        let names: Vec<&str> =
            [columns.time].iter().chain(&columns.factors).chain(&columns.transaction).map(name).collect();
        let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        return Err(Error::input(format!(
            "{} transactions include {}; repair the columns {}, or leave such rows out with --incomplete leave-out",
            source.rows(),
            list(&incomplete),
            quoted.join(", ")
        ))
        .of_columns(names)
        .of_kind(ErrorKind::Values)
        .of_option("--incomplete"));
    }
    if seen.used == 0 {
        return Err(Error::input(format!(
            "none of {} transactions can be used: {}; check the columns and the options that select transactions",
            source.rows(),
            list(&seen.left_out)
        )));
    }
    Ok(())
}

/// The output's columns.
fn schema(source: &Source, columns: &RfmColumns, shape: &CustomerShape) -> Result<SchemaRef> {
    let customer = &source.columns()[columns.customer];
    let data_type = if columns.text { DataType::LargeUtf8 } else { id_type(&customer.data_type) };
    let mut fields = vec![Field::new(&customer.name, data_type, false)];
    fields.extend(shape.fields());
    let mut seen = std::collections::HashSet::new();
    let twice: Vec<&String> = fields.iter().map(Field::name).filter(|name| !seen.insert(*name)).collect();
    if twice.is_empty() {
        return Ok(Arc::new(Schema::new(fields)));
    }
    let quoted: Vec<String> = twice.iter().map(|name| format!("{name:?}")).collect();
    Err(Error::input(format!(
        "the output would have two columns named {}; rename the customer column or the category column",
        quoted.join(", ")
    ))
    .of_columns(twice))
}

/// Processes all partitions, in waves of one per thread, and passes on their customers in order.
fn aggregate(
    partitions: &Partitions,
    shape: &CustomerShape,
    numbers: AmountColumn,
    schema: &SchemaRef,
    writer: &mut TableWriter,
    watch: Watch<'_>,
) -> Result<()> {
    let wave = rayon::current_num_threads();
    for first in (0..partitions.len()).step_by(wave) {
        watch.check()?;
        let batches: Vec<_> = (first..partitions.len().min(first + wave))
            .into_par_iter()
            .with_max_len(1)
            .map(|partition| {
                let grouped = Grouped::new(partitions.take(partition)?, shape.layout)?;
                let values = match numbers {
                    AmountColumn::Exact { .. } => shape.measure::<ExactSum>(&grouped),
                    AmountColumn::Float => shape.measure::<Rounded>(&grouped),
                };
                output::batch(schema, grouped.ids, values)
            })
            .collect::<Result<_>>()?;
        watch.advance(Stage::Customers, batches.len() as u64);
        batches.into_iter().try_for_each(|batch| writer.push(batch))?;
    }
    Ok(())
}

/// How rows are partitioned, and what stays in memory: planned from footers alone.
#[derive(Debug, Clone, Copy)]
struct RfmPlan {
    partitions: usize,
    chunk_bytes: u64,
    /// Bytes of rows that stay in memory.
    resident: u64,
}

impl RfmPlan {
    fn new(source: &Source, rules: &Rules, request: &RfmRequest) -> Result<Self> {
        let threads = rayon::current_num_threads() as u64;
        // The length of text names is unknown; 16 bytes is a guess that only affects the number of partitions.
        let row = rules.layout.words() as u64 * 8 + if rules.layout.text { 16 } else { 0 };
        let rows = source.rows() * row;
        let partitions = rows.div_ceil(PARTITION_BYTES).clamp(1, MOST_PARTITIONS);
        let decoders = threads * rules.columns.all().len() as u64 * DECODER;
        // A partition's rows, the same grouped, slots and features, on every thread.
        let work = threads * 4 * rows.div_ceil(partitions);
        let features = 12
            + if request.trend.is_some() { 6 } else { 0 }
            + request.category.as_ref().map_or(0, |_| 2 * request.top + 2);
        let output = (OUTPUT_GROUP_ROWS as u64).min(source.rows()) * features as u64 * 8 * 3;
        let common = FIXED + decoders + work + output;
        let smallest = common + threads * partitions * CHUNK_BYTES.0;
        let budget = request.resources.budget();
        if budget < smallest {
            return Err(Error::environment(format!(
                "{} transactions need at least {} MiB of memory, but the limit is {} MiB; raise --memory to {}MiB or more, or \
                 use fewer --threads",
                source.rows(),
                smallest.div_ceil(MIB),
                budget / MIB,
                smallest.div_ceil(MIB)
            ))
            .of_kind(ErrorKind::Memory)
            .of_option("--memory"));
        }
        let chunk_bytes = ((budget - common) / 4 / (threads * partitions)).clamp(CHUNK_BYTES.0, CHUNK_BYTES.1);
        let resident = (budget - common).saturating_sub(threads * partitions * chunk_bytes);
        Ok(RfmPlan { partitions: partitions as usize, chunk_bytes, resident })
    }
}
