//! Customers computed by hand, and random transactions against a naive implementation of the definitions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, Decimal128Array, Int32Array, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Float64Type, Int64Type};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;

use super::*;
use arrow::array::{ArrayRef, Float64Array, Int64Array};
use parquet::arrow::ArrowWriter;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>, group_rows: usize) {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

fn counts(table: &RecordBatch, name: &str) -> Vec<i64> {
    table.column_by_name(name).unwrap_or_else(|| panic!("no {name}")).as_primitive::<Int64Type>().values().to_vec()
}

fn numbers(table: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    table.column_by_name(name).unwrap_or_else(|| panic!("no {name}")).as_primitive::<Float64Type>().iter().collect()
}

fn make(request: &RfmRequest) -> Result<RfmOutcome> {
    rfm(request, &crate::event::Silent, &AtomicBool::new(false))
}

#[test]
fn three_customers_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("t.parquet"), folder.path().join("made/c.parquet"));
    // Customer 7 buys on days 0, 2 (two lines of one invoice) and 8, and returns on day 9. Customer 3 buys once.
    // Customer 5 only returns. One row has no customer, one no time, one no amount.
    let customer =
        Int32Array::from(vec![Some(7), Some(3), Some(7), Some(7), Some(7), Some(7), Some(5), None, Some(3), Some(3)]);
    let day = [Some(0), Some(4), Some(2), Some(2), Some(8), Some(9), Some(9), Some(20), None, Some(9)];
    let time: TimestampMicrosecondArray = day.iter().map(|d| d.map(|d: i64| d * DAY + 6 * HOUR)).collect();
    let cents = [Some(1000), Some(550), Some(2000), Some(30), Some(10), Some(-500), Some(-1), Some(1), Some(1), None];
    let amount: Decimal128Array = cents.into_iter().map(|c| c.map(i128::from)).collect();
    let invoice = StringArray::from(vec!["a", "b", "c", "c", "d", "x-a-long-name-of-an-invoice", "y", "z", "z", "z"]);
    write(
        &input,
        vec![
            ("customer", Arc::new(customer)),
            ("time", Arc::new(time)),
            ("amount", Arc::new(amount.with_precision_and_scale(10, 2).unwrap())),
            ("invoice", Arc::new(invoice)),
        ],
        3,
    );
    let mut request = RfmRequest::new(vec![input], "customer", "time", "amount", &out);
    request.trend = Some(5);
    request.reference = Some("1970-01-11".into());
    let outcome = make(&request).unwrap();
    assert_eq!((outcome.customers, outcome.used, outcome.transactions), (3, 7, 10));
    let left_out = LeftOut { no_customer: 1, no_time: 1, no_amount: 1, ..LeftOut::default() };
    assert_eq!(outcome.left_out, left_out);
    let table = read(&out);
    assert_eq!(*table.schema().field(0).data_type(), DataType::Int32, "the customer's type is kept");
    assert_eq!(table.column(0).as_ref(), &Int32Array::from(vec![3, 5, 7]) as &dyn Array);
    // The reference is day 10 at midnight; the last purchases were on days 4 and 8 at six.
    assert_eq!(numbers(&table, "recency_days"), [Some(5.75), None, Some(1.75)]);
    assert_eq!(numbers(&table, "tenure_days"), [Some(5.75), None, Some(9.75)]);
    assert_eq!(counts(&table, "frequency"), [1, 0, 4]);
    assert_eq!(counts(&table, "returns_count"), [0, 1, 1]);
    assert_eq!(numbers(&table, "returns_share"), [Some(0.0), Some(1.0), Some(0.2)]);
    assert_eq!(numbers(&table, "monetary_sum"), [Some(5.5), Some(-0.01), Some(25.4)]);
    assert_eq!(numbers(&table, "monetary_mean"), [Some(5.5), None, Some(7.6)]);
    assert_eq!(numbers(&table, "monetary_max"), [Some(5.5), None, Some(20.0)]);
    // Gaps of 2 and 6 days: mean 4, deviation 2.
    assert_eq!(numbers(&table, "gap_mean_days"), [None, None, Some(4.0)]);
    assert_eq!(numbers(&table, "gap_deviation_days"), [None, None, Some(2.0)]);
    // Days 5 to 9, and 0 to 4.
    assert_eq!(counts(&table, "trend_recent_count"), [0, 0, 1]);
    assert_eq!(counts(&table, "trend_before_count"), [1, 0, 3]);
    assert_eq!(counts(&table, "trend_change_count"), [-1, 0, -2]);
    assert_eq!(numbers(&table, "trend_recent_sum"), [Some(0.0), Some(-0.01), Some(-4.9)]);
    assert_eq!(numbers(&table, "trend_before_sum"), [Some(5.5), Some(0.0), Some(30.3)]);

    // By invoice: two lines are one purchase of 20.30.
    request.transaction = Some("invoice".into());
    make(&request).unwrap();
    let table = read(&out);
    assert_eq!(counts(&table, "frequency"), [1, 0, 3]);
    assert_eq!(numbers(&table, "monetary_max"), [Some(5.5), None, Some(20.3)]);
    assert_eq!(numbers(&table, "returns_share"), [Some(0.0), Some(1.0), Some(0.25)]);
    assert_eq!(counts(&table, "trend_before_count"), [1, 0, 2]);

    // Without a reference: the day after day 20, whose row has no customer. A window of 12 days begins on day 9.
    request.reference = None;
    request.trend = None;
    request.window = Some(12);
    let outcome = make(&request).unwrap();
    assert_eq!((outcome.reference.as_str(), outcome.customers), ("1970-01-22", 2));
    assert_eq!(outcome.left_out.before_window, 5);
    request.window = None;
    assert_eq!(make(&request).unwrap().reference, "1970-01-22");

    request.refuse_incomplete = true;
    let refused = make(&request).unwrap_err();
    let text = "10 transactions include 1 without a time, 1 without an amount; repair the columns \"time\", \
                \"amount\", \"invoice\", or leave such rows out with --incomplete leave-out";
    assert_eq!((refused.to_string().as_str(), refused.exit_code()), (text, 3));
    request.refuse_incomplete = false;
    request.reference = Some("1960-01-01".into());
    assert!(make(&request).unwrap_err().to_string().starts_with("none of 10 transactions can be used: "));
}

#[test]
fn products_marks_currencies_and_categories() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("t.parquet"), folder.path().join("c.parquet"));
    let some = |values: [f64; 8]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let text = |values: [&'static str; 8]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let marks = vec![Some(false), Some(true), None, Some(false), Some(false), Some(false), Some(false), Some(false)];
    write(
        &input,
        vec![
            ("name", text(["b", "b", "a", "b", "b", "a", "b", "b"])),
            ("day", Arc::new(Date32Array::from(vec![1, 2, 3, 4, 5, 6, 7, 8]))),
            ("n", Arc::new(Int64Array::from(vec![2, 3, 4, 1, 1, 1, 1, 1]))),
            ("price", some([1.5, 2.0, 0.25, f64::NAN, f64::INFINITY, 8.0, 16.0, -32.0])),
            ("back", Arc::new(BooleanArray::from(marks))),
            ("currency", text(["EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "USD", "EUR"])),
            ("kind", text(["x", "x", "y", "x", "x", "other", "x", "y"])),
        ],
        100,
    );
    let mut request = RfmRequest::new(vec![input], "name", "day", "n*price", &out);
    request.returns = "column=back".parse().unwrap();
    request.currency = Some("currency=EUR".parse().unwrap());
    request.category = Some("kind".into());
    request.top = 1;
    let outcome = make(&request).unwrap();
    assert_eq!(outcome.left_out, LeftOut { other_currency: 1, not_finite: 2, ..LeftOut::default() });
    // Purchases: x once, y twice, other once; `other` has no column of its own but belongs to the rest.
    assert_eq!((outcome.categories, outcome.reference.as_str()), (vec!["y".to_owned()], "1970-01-10"));
    let table = read(&out);
    // a: 1 + 8. b: 3 bought, 6 returned, and a purchase of -32 without the flag.
    assert_eq!(numbers(&table, "monetary_sum"), [Some(9.0), Some(-35.0)]);
    assert_eq!(counts(&table, "returns_count"), [0, 1]);
    assert_eq!(numbers(&table, "monetary_max"), [Some(8.0), Some(3.0)]);
    assert_eq!(counts(&table, "kind_y_count"), [1, 1]);
    assert_eq!(numbers(&table, "kind_y_sum"), [Some(1.0), Some(-32.0)]);
    assert_eq!(counts(&table, "kind_other_count"), [1, 1]);
    assert_eq!(numbers(&table, "kind_other_sum"), [Some(8.0), Some(-3.0)]);
    assert_eq!(numbers(&table, "recency_days"), [Some(3.0), Some(1.0)]);
}

#[test]
fn stopped_work_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("t.parquet"), folder.path().join("new/c.parquet"));
    let one = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
    let day: ArrayRef = Arc::new(Date32Array::from(vec![1, 2]));
    write(&input, vec![("customer", one(vec![1, 2])), ("day", day), ("amount", one(vec![1, 2]))], 1);
    let request = RfmRequest::new(vec![input], "customer", "day", "amount", &out);
    let stopped = rfm(&request, &crate::event::Silent, &AtomicBool::new(true));
    assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
    assert!(!folder.path().join("new").exists());
    make(&request).unwrap();
    assert_eq!(numbers(&read(&out), "recency_days"), [Some(2.0), Some(1.0)]);
}

/// A transaction for the naive implementation.
#[derive(Debug, Clone)]
struct Row {
    customer: Option<i64>,
    hour: Option<i64>,
    cents: Option<i64>,
    invoice: u8,
    kind: Option<u8>,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let maybe = |value: BoxedStrategy<i64>| prop_oneof![1 => Just(None), 12 => value.prop_map(Some)];
    // Customers far apart and close together: both ways of counting them.
    let customers = prop_oneof![4 => 0i64..9, 1 => Just(i64::MIN), 1 => Just(i64::MAX), 1 => Just(1 << 40)];
    let row = (maybe(customers.boxed()), maybe((0i64..900).boxed()), maybe((-40i64..200).boxed()), 0u8..12, 0u8..6);
    prop::collection::vec(
        row.prop_map(|(customer, hour, cents, invoice, kind)| Row {
            customer,
            hour,
            cents,
            invoice,
            kind: (kind > 0).then_some(kind),
        }),
        1..120,
    )
}

fn table(rows: &[Row], text: bool) -> Vec<(&'static str, ArrayRef)> {
    let name = |c: i64| format!("customer {}", c.wrapping_add(50));
    let customers: ArrayRef = if text {
        Arc::new(rows.iter().map(|r| r.customer.map(name)).collect::<StringArray>())
    } else {
        Arc::new(rows.iter().map(|r| r.customer).collect::<Int64Array>())
    };
    vec![
        ("customer", customers),
        ("time", Arc::new(rows.iter().map(|r| r.hour.map(|h| h * HOUR)).collect::<TimestampMicrosecondArray>())),
        // Not exact in binary: a different order of additions would give a different sum.
        ("amount", Arc::new(rows.iter().map(|r| r.cents.map(|c| c as f64 / 100.0 * 1e3)).collect::<Float64Array>())),
        ("invoice", Arc::new(rows.iter().map(|r| Some(i32::from(r.invoice))).collect::<Int32Array>())),
        ("kind", Arc::new(rows.iter().map(|r| r.kind.map(|k| format!("kind {k}"))).collect::<StringArray>())),
    ]
}

/// The features of one customer by the definitions, in plain loops.
fn expected(rows: &[&Row], invoices: bool, end: i64) -> (i64, i64, f64, Option<f64>, Option<f64>, Option<f64>) {
    let count = |back: bool| {
        let of = rows.iter().enumerate().filter(|(_, r)| (r.cents.unwrap() < 0) == back);
        let names: BTreeSet<usize> = of.map(|(i, r)| if invoices { usize::from(r.invoice) } else { i }).collect();
        names.len() as i64
    };
    let bought = || rows.iter().filter(|r| r.cents.unwrap() >= 0);
    let times: Vec<i64> = bought().map(|r| r.hour.unwrap()).collect::<BTreeSet<_>>().into_iter().collect();
    let gaps: Vec<f64> = times.windows(2).map(|w| (w[1] - w[0]) as f64 / 24.0).collect();
    let mean = (!gaps.is_empty()).then(|| gaps.iter().sum::<f64>() / gaps.len() as f64);
    let deviation = mean
        .filter(|_| gaps.len() > 1)
        .map(|mean| (gaps.iter().map(|g| (g - mean) * (g - mean)).sum::<f64>() / gaps.len() as f64).sqrt());
    let recency = times.last().map(|last| (end * 24 - last) as f64 / 24.0);
    (count(false), count(true), rows.iter().map(|r| r.cents.unwrap() as f64 * 10.0).sum(), recency, mean, deviation)
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
        (a, b) => a == b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn as_defined_and_always_the_same_bytes(
        rows in rows(), turn in 0usize..120, text: bool, invoices: bool, partitions in 1usize..9,
        resident in prop_oneof![Just(0u64), Just(700), Just(u64::MAX)], threads in prop_oneof![Just(1usize), Just(2), Just(7)],
    ) {
        let used: Vec<&Row> =
            rows.iter().filter(|r| r.customer.is_some() && r.hour.is_some() && r.cents.is_some()).collect();
        prop_assume!(!used.is_empty());
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(&path("one.parquet"), table(&rows, text), 1 << 20);
        // The same rows in another order, in two files of small row groups.
        let mut turned: Vec<Row> = rows.iter().rev().cloned().collect();
        turned.rotate_left(turn % rows.len());
        let (first, second) = turned.split_at(turned.len() / 2);
        write(&path("two.parquet"), table(first, text), 7);
        write(&path("three.parquet"), table(second, text), 11);
        let made = |inputs: &[&str], plan: RfmPlan, threads: usize| {
            let inputs = inputs.iter().map(|name| path(name)).collect();
            let mut request = RfmRequest::new(inputs, "customer", "time", "amount", path("out/c.parquet"));
            request.transaction = invoices.then(|| "invoice".into());
            request.category = Some("kind".into());
            request.top = 2;
            request.trend = Some(9);
            request.resources.threads = Some(threads);
            let outcome = request.resources.install(|| run(&request, Some(plan), Watch::none())).unwrap();
            (outcome, std::fs::read(&request.out).unwrap(), read(&request.out))
        };
        let plain = RfmPlan { partitions: 1, chunk_bytes: 1 << 16, resident: u64::MAX };
        let (outcome, bytes, table) = made(&["one.parquet"], plain, 1);
        prop_assert_eq!(outcome.used, used.len() as u64);
        prop_assert_eq!(outcome.used + outcome.left_out.reasons().iter().map(|r| r.0).sum::<u64>(), rows.len() as u64);
        let other = RfmPlan { partitions, chunk_bytes: 160, resident };
        let (again, same, _) = made(&["two.parquet", "three.parquet"], other, threads);
        prop_assert!(resident > 0 || again.spilled > 0);
        prop_assert!(same == bytes, "other bytes with {:?} and {} threads", other, threads);

        let mut by_customer: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
        let mut by_number: BTreeMap<i64, Vec<&Row>> = BTreeMap::new();
        for row in &used {
            let number = row.customer.unwrap();
            by_customer.entry(format!("customer {}", number.wrapping_add(50))).or_default().push(row);
            by_number.entry(number).or_default().push(row);
        }
        let groups: Vec<Vec<&Row>> =
            if text { by_customer.into_values().collect() } else { by_number.into_values().collect() };
        prop_assert_eq!(table.num_rows(), groups.len());
        let end = rows.iter().filter_map(|r| r.hour).max().unwrap() / 24 + 1;
        for (i, group) in groups.iter().enumerate() {
            let (bought, returned, sum, recency, mean, deviation) = expected(group, invoices, end);
            prop_assert_eq!(counts(&table, "frequency")[i], bought);
            prop_assert_eq!(counts(&table, "returns_count")[i], returned);
            prop_assert!(close(numbers(&table, "monetary_sum")[i], Some(sum)));
            prop_assert!(close(numbers(&table, "recency_days")[i], recency));
            prop_assert!(close(numbers(&table, "gap_mean_days")[i], mean));
            prop_assert!(close(numbers(&table, "gap_deviation_days")[i], deviation));
            let recent = group.iter().filter(|r| r.hour.unwrap() >= (end - 9) * 24);
            let recent: f64 = recent.map(|r| r.cents.unwrap() as f64 * 10.0).sum();
            prop_assert!(close(numbers(&table, "trend_recent_sum")[i], Some(recent)));
        }
        // The categories partition the total.
        let schema = table.schema();
        let kinds: Vec<&String> =
            schema.fields().iter().map(|f| f.name()).filter(|n| n.starts_with("kind_") && n.ends_with("_sum")).collect();
        for i in 0..groups.len() {
            let parts: f64 = kinds.iter().map(|name| numbers(&table, name)[i].unwrap()).sum();
            prop_assert!(close(numbers(&table, "monetary_sum")[i], Some(parts)));
        }
    }
}
