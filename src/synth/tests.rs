use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

use super::table::{ID_COLUMN, TRUTH_COLUMN};
use super::*;
use crate::error::Error;
use crate::event::{Event, Observer};

fn small(out: &Path) -> SynthSpec {
    SynthSpec { nulls: 0.1, truth: true, seed: 3, row_group_rows: 700, ..SynthSpec::new(5000, out) }
}

fn make(spec: SynthSpec) -> SynthSummary {
    write(&spec.check().unwrap(), Watch::none()).unwrap()
}

/// All files as one table, and the row groups of each file.
fn read(files: &[PathBuf]) -> (RecordBatch, Vec<usize>) {
    let mut batches = Vec::new();
    let mut row_groups = Vec::new();
    let mut schema = None;
    for file in files {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
        row_groups.push(reader.metadata().num_row_groups());
        schema = Some(reader.schema().clone());
        batches.extend(reader.build().unwrap().map(Result::unwrap));
    }
    (arrow::compute::concat_batches(&schema.unwrap(), &batches).unwrap(), row_groups)
}

/// A hash of names, types, nulls and values, independent of the files they came from.
fn hash(table: &RecordBatch) -> String {
    let mut hash = blake3::Hasher::new();
    for (field, column) in table.schema().fields().iter().zip(table.columns()) {
        hash.update(format!("{} {} {}", field.name(), field.data_type(), field.is_nullable()).as_bytes());
        let data = column.to_data();
        let width = data.buffers()[0].len() / column.len();
        for (row, value) in data.buffers()[0].chunks(width).enumerate() {
            hash.update(if column.is_null(row) { b"null" } else { value });
        }
    }
    hash.finalize().to_hex().to_string()
}

#[test]
fn values_depend_on_seed_row_and_column_only() {
    let folder = TempDir::new().unwrap();
    let out = |name: &str| folder.path().join(name);
    let (whole, row_groups) = read(&make(small(&out("a"))).files);
    assert_eq!(row_groups, [8]);
    let golden = "afaba22e97b63ae37ff8a3a3925b63b583af596203801cdfc9f2145df6cc80de";
    assert_eq!(hash(&whole), golden, "a bank of the same seed must stay the same, on every platform");

    let (parts, row_groups) = read(&make(SynthSpec { files: 3, ..small(&out("b")) }).files);
    assert_eq!(row_groups, [2, 3, 3]);
    assert_eq!(parts, whole);
    let other = SynthSpec { row_group_rows: 4096, compression: Compression::Zstd, ..small(&out("c")) };
    assert_eq!(read(&make(other).files).0, whole);
    let shorter = SynthSpec { rows: 1234, features: 5, ..small(&out("d")) };
    let shorter = read(&make(shorter).files).0;
    let columns: Vec<usize> = (0..6).chain([whole.num_columns() - 1]).collect();
    assert_eq!(shorter, whole.slice(0, 1234).project(&columns).unwrap());
    let seeded = read(&make(SynthSpec { seed: 4, ..small(&out("e")) }).files).0;
    assert_ne!(seeded.column(3), whole.column(3));
}

#[test]
fn the_bank_in_data_is_the_one_that_its_command_makes() {
    let folder = TempDir::new().unwrap();
    let spec = SynthSpec::new(20_000, folder.path().join("bank"));
    let made = make(SynthSpec { segments: 6, seed: 7, nulls: 0.02, truth: true, ..spec });
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/customers.parquet");
    assert!(read(&made.files).0 == read(&[kept]).0, "data/customers.parquet has other values: make it again");
}

#[test]
fn threads_change_no_byte() {
    let folder = TempDir::new().unwrap();
    let with_threads = |threads: usize| {
        let out = folder.path().join(format!("{threads}.parquet"));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| make(small(&out)));
        std::fs::read(out).unwrap()
    };
    assert!(with_threads(1) == with_threads(5));
}

#[test]
fn schema_has_every_type_and_nulls_only_where_asked() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("bank");
    let full = SynthSpec { features: 40, nulls: 0.0, ..small(&out) };
    let (table, _) = read(&make(full.clone()).files);
    let schema = table.schema();
    assert!(schema.fields().iter().all(|f| !f.is_nullable()));
    for kind in [DataType::Int32, DataType::Int64, DataType::Float32, DataType::Float64, DataType::Decimal128(12, 2)] {
        assert!(schema.fields().iter().skip(1).any(|f| *f.data_type() == kind), "{kind}");
    }
    assert_eq!(schema.field(0).name(), ID_COLUMN);
    assert_eq!(schema.fields().last().unwrap().name(), TRUTH_COLUMN);
    let ids = table.column(0).as_primitive::<Int64Type>().values();
    assert!(ids.is_sorted_by(|a, b| a < b) && ids.windows(2).any(|w| w[1] - w[0] > 1));

    let with_nulls = SynthSpec { rows: 50_000, nulls: 0.3, row_group_rows: 9999, ..full };
    let (table, _) = read(&make(with_nulls).files);
    let schema = table.schema();
    let nullable = schema.fields().iter().filter(|f| f.is_nullable()).count();
    assert!((14..26).contains(&nullable), "{nullable}");
    for (field, column) in schema.fields().iter().zip(table.columns()) {
        let share = column.null_count() as f64 / 50_000.0;
        let expected = if field.is_nullable() { 0.3 } else { 0.0 };
        assert!((share - expected).abs() < 0.01, "{}: {share}", field.name());
    }
}

/// Every row as text.
fn rows_of(table: &RecordBatch) -> Vec<String> {
    let cell = |row: usize| {
        let cells = table.columns().iter().map(|c| arrow::util::display::array_value_to_string(c, row).unwrap());
        cells.collect::<Vec<_>>().join(",")
    };
    (0..table.num_rows()).map(cell).collect()
}

fn with_business(out: &Path) -> SynthSpec {
    SynthSpec { business: true, ..small(out) }
}

#[test]
fn columns_of_business_change_no_other() {
    let folder = TempDir::new().unwrap();
    let out = |name: &str| folder.path().join(name);
    let (plain, _) = read(&make(small(&out("plain"))).files);
    let (whole, _) = read(&make(with_business(&out("whole"))).files);
    let names: Vec<String> = whole.schema().fields()[17..28].iter().map(|f| f.name().clone()).collect();
    assert_eq!(names.first().unwrap(), "has_credit_card");
    assert_eq!(names.last().unwrap(), "churned_within_90_days");
    assert_eq!(whole.project(&(0..17).chain([28]).collect::<Vec<_>>()).unwrap(), plain);
    let business: Vec<usize> = (17..28).collect();
    let rows = rows_of(&whole.project(&business).unwrap());
    assert_eq!(rows[0], "false,false,false,false,false,false,branch,B16,M1603,2014-08-20,false");
    let hash = blake3::hash(rows.join("\n").as_bytes()).to_hex();
    assert_eq!(
        hash.as_str(),
        "710d40061a209200f4e9125b6b8bdf54ed2a2895396730f41e976c9e1cfbdcd7",
        "a bank of the same seed must stay the same, on every platform"
    );
    let cut = SynthSpec { files: 3, row_group_rows: 333, compression: Compression::Zstd, ..with_business(&out("cut")) };
    assert_eq!(read(&make(cut).files).0, whole);
    // Products follow from amounts that a bank with fewer features does not write.
    let narrow = SynthSpec { rows: 1234, features: 2, ..with_business(&out("narrow")) };
    let narrow = read(&make(narrow).files).0;
    let columns: Vec<usize> = (0..3).chain(17..29).collect();
    assert_eq!(narrow, whole.slice(0, 1234).project(&columns).unwrap());
}

/// In a bank of all features: who has a mortgage owes one, and so on; the day of the first account is as long ago as
/// the months with the bank say; segments differ.
#[test]
fn columns_of_business_agree_with_the_features() {
    let folder = TempDir::new().unwrap();
    let spec = SynthSpec { rows: 20_000, features: 32, nulls: 0.0, ..with_business(&folder.path().join("bank")) };
    let (table, _) = read(&make(spec).files);
    let column = |name: &str| table.column_by_name(name).unwrap();
    let flags = |name: &str| column(name).as_boolean().iter().flatten().collect::<Vec<bool>>();
    for (product, amount) in [
        ("has_loan", "loan_outstanding"),
        ("has_mortgage", "mortgage_outstanding"),
        ("has_fund", "investment_balance"),
        ("has_insurance", "insurance_premium_12m"),
    ] {
        let amounts = arrow::compute::cast(column(amount), &DataType::Float64).unwrap();
        let amounts = amounts.as_primitive::<Float64Type>().values();
        // Less than a cent is written as 0.
        let differ = flags(product).iter().zip(amounts).filter(|(held, amount)| **held != (**amount > 0.0)).count();
        assert!(differ <= 1, "{product}: {differ}");
    }
    let months = column("tenure_months").as_primitive::<Int32Type>().values();
    let opened = column("opened_on").as_primitive::<arrow::datatypes::Date32Type>().values();
    let last = super::calendar::last_day(1);
    for (&months, &opened) in months.iter().zip(opened) {
        let ago = f64::from(last - opened) / super::calendar::DAYS_A_MONTH;
        assert!((-0.1..1.1).contains(&(ago - f64::from(months))), "{months} months, {ago} ago");
    }
    let truth = column(TRUTH_COLUMN).as_primitive::<Int32Type>().values();
    let share = |flags: &[bool], segment: i32| {
        let of: Vec<bool> = truth.iter().zip(flags).filter(|(t, _)| **t == segment).map(|(_, f)| *f).collect();
        of.iter().filter(|f| **f).count() as f64 / of.len() as f64
    };
    let mobile: Vec<bool> =
        column("preferred_channel").as_string::<i32>().iter().map(|c| c == Some("mobile")).collect();
    let left = flags("churned_within_90_days");
    for (what, of, more, less, by) in [
        ("mortgages of families", flags("has_mortgage"), 3, 1, 0.8),
        ("wealth products of the wealthy", flags("has_wealth"), 7, 1, 0.6),
        ("the young use phones", mobile, 2, 5, 0.5),
        ("the dormant leave", left, 0, 1, 0.1),
    ] {
        let (more, less) = (share(&of, more), share(&of, less));
        assert!(more - less > by, "{what}: {more} {less}");
    }
    for (name, different) in [("branch_code", 40), ("manager_id", 160)] {
        let values: std::collections::HashSet<&str> = column(name).as_string::<i32>().iter().flatten().collect();
        assert_eq!(values.len(), different, "{name}");
    }
}

#[test]
fn who_comes_later_opens_an_account_in_that_month() {
    let folder = TempDir::new().unwrap();
    let of = |month: usize| {
        let spec = SynthSpec { month, rows: 8000, ..with_business(&folder.path().join("bank")) };
        let (table, _) = read(&make(spec).files);
        let ids = table.column(0).as_primitive::<Int64Type>().values().to_vec();
        let opened = table.column_by_name("opened_on").unwrap();
        let opened = opened.as_primitive::<arrow::datatypes::Date32Type>().values().to_vec();
        ids.into_iter().zip(opened).collect::<BTreeMap<i64, i32>>()
    };
    let (first, third) = (of(1), of(3));
    let month = |n: usize| super::calendar::last_day(n - 1) + 1..super::calendar::last_day(n) + 1;
    let new: Vec<i32> = third.iter().filter(|(id, _)| !first.contains_key(id)).map(|(_, day)| *day).collect();
    assert!(new.iter().all(|day| month(2).contains(day) || month(3).contains(day)));
    let in_third = new.iter().filter(|day| month(3).contains(day)).count();
    assert_eq!(in_third, 240, "3 % of 8,000 come a month, and leave from the next on");
    assert!(third.iter().all(|(id, day)| first.get(id).is_none_or(|first| first == day)), "days stay");
}

/// Payments of a bank with all features, by customer: purchases, all amounts in cents, whether there is an older one.
fn payments_of(path: &Path, last_day: i32) -> (RecordBatch, BTreeMap<i64, (i32, i128, bool)>) {
    let (table, _) = read(&[path.to_path_buf()]);
    let ids = table.column(1).as_primitive::<Int64Type>().values();
    let times = table.column(2).as_primitive::<arrow::datatypes::TimestampMillisecondType>().values();
    let amounts = table.column(3).as_primitive::<arrow::datatypes::Decimal128Type>().values();
    let mut found: BTreeMap<i64, (i32, i128, bool)> = BTreeMap::new();
    for ((id, time), cents) in ids.iter().zip(times).zip(amounts) {
        let days_ago = last_day - i32::try_from(time.div_euclid(86_400_000)).unwrap();
        assert!((0..365).contains(&days_ago) && *cents != 0, "{days_ago} {cents}");
        let entry = found.entry(*id).or_default();
        *entry = (entry.0 + i32::from(*cents > 0), entry.1 + cents, entry.2 || days_ago >= 90);
    }
    (table, found)
}

#[test]
fn payments_agree_with_the_features() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("payments.parquet");
    let spec = SynthSpec { transactions: Some(path.clone()), ..small(&folder.path().join("bank")) };
    for month in [1, 3] {
        let summary = make(SynthSpec { month, nulls: 0.0, ..spec.clone() });
        let (bank, _) = read(&summary.files);
        let (payments, found) = payments_of(&path, super::calendar::last_day(month));
        assert_eq!(payments.num_rows() as u64, summary.transactions);
        let numbers = payments.column(0).as_primitive::<Int64Type>().values();
        assert!(numbers.is_sorted_by(|a, b| a < b), "no number twice");
        let ids = bank.column(0).as_primitive::<Int64Type>().values();
        let counts = bank.column_by_name("card_txn_90d").unwrap().as_primitive::<Int32Type>().values();
        let spent = bank.column_by_name("card_spend_90d").unwrap().as_primitive::<Float64Type>().values();
        let mut recent = 0;
        for ((id, &count), spent) in ids.iter().zip(counts).zip(spent) {
            let cents = (spent * 100.0).round() as i128;
            match found.get(id) {
                Some((purchases, sum, false)) => {
                    assert_eq!((i128::from(*purchases), *sum), (i128::from(count).min(cents), cents));
                    recent += 1;
                }
                Some((purchases, _, true)) => assert!(i128::from(count).min(cents) == 0 && *purchases <= 3),
                None => assert_eq!(i128::from(count).min(cents), 0),
            }
        }
        assert!(recent > 2000 && found.len() > recent + 1000, "{recent} of {}", found.len());
        let amounts = payments.column(3).as_primitive::<arrow::datatypes::Decimal128Type>().values();
        let returns = amounts.iter().filter(|cents| **cents < 0).count() as f64 / amounts.len() as f64;
        assert!((0.02..0.03).contains(&returns), "{returns}");
    }
}

#[test]
fn payments_depend_on_neither_files_nor_threads() {
    let folder = TempDir::new().unwrap();
    let bytes = |name: &str, threads: usize, files: usize| {
        let path = folder.path().join(name);
        let spec =
            SynthSpec { transactions: Some(path.clone()), files, ..small(&folder.path().join(format!("b{files}"))) };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| make(SynthSpec { features: files, ..spec }));
        std::fs::read(path).unwrap()
    };
    let first = bytes("a", 1, 1);
    assert!(first == bytes("b", 3, 4));
    let (table, _) = read(&[folder.path().join("a")]);
    let hash = blake3::hash(rows_of(&table.slice(0, 1000)).join("\n").as_bytes()).to_hex();
    assert_eq!(
        hash.as_str(),
        "1c39b675ec4684c6567d98449973201e1a65b293c3a6272d854f7958fb18998f",
        "payments of the same seed must stay the same, on every platform"
    );
}

#[test]
fn payments_lie_beside_the_bank() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("bank");
    for inside in [out.clone(), out.join("payments.parquet")] {
        let spec = SynthSpec { transactions: Some(inside.clone()), ..small(&out) };
        let message = spec.check().unwrap_err().to_string();
        let (inside, out) = (inside.display(), out.display());
        let expected = format!("transactions are to go to {inside}, where the bank {out} is; name another file");
        assert!(message.contains(&expected), "{message}");
    }
    let empty = SynthSpec { rows: 0, transactions: Some(folder.path().join("none.parquet")), ..small(&out) };
    assert_eq!(make(empty).transactions, 0);
}

#[test]
fn half_of_the_customers_are_dormant_and_inactive() {
    let folder = TempDir::new().unwrap();
    let summary = make(SynthSpec { rows: 40_000, nulls: 0.0, ..small(&folder.path().join("bank")) });
    assert_eq!(summary.segment_rows.iter().sum::<u64>(), 40_000);
    assert!((0.48..0.52).contains(&(summary.segment_rows[0] as f64 / 40_000.0)), "{:?}", summary.segment_rows);
    assert!(summary.segment_rows[1] > 3 * summary.segment_rows[7] && summary.segment_rows[7] > 0);

    let (table, _) = read(&summary.files);
    let truth = table.column_by_name(TRUTH_COLUMN).unwrap().as_primitive::<Int32Type>().values();
    let payments = table.column_by_name("card_txn_90d").unwrap().as_primitive::<Int32Type>().values();
    let mean = |dormant: bool| {
        let of: Vec<i32> = truth.iter().zip(payments).filter(|(t, _)| (**t == 0) == dormant).map(|(_, p)| *p).collect();
        of.iter().sum::<i32>() as f64 / of.len() as f64
    };
    assert!(mean(true) < 2.0 && mean(false) > 20.0, "{} {}", mean(true), mean(false));

    let balance = table.column_by_name("current_balance").unwrap().as_primitive::<Float64Type>().values();
    let overdrawn = balance.iter().filter(|b| **b < 0.0).count() as f64 / 40_000.0;
    assert!((0.01..0.4).contains(&overdrawn), "{overdrawn}");
    let mut sorted = balance.to_vec();
    sorted.sort_by(f64::total_cmp);
    assert!(sorted[39_960] > 30.0 * sorted[20_000], "a heavy tail: {} {}", sorted[39_960], sorted[20_000]);
}

#[test]
fn an_empty_bank_has_a_schema() {
    let folder = TempDir::new().unwrap();
    let summary = make(SynthSpec { rows: 0, ..small(&folder.path().join("bank")) });
    let (table, row_groups) = read(&summary.files);
    assert_eq!((table.num_rows(), table.num_columns(), row_groups), (0, 18, vec![0]));
}

#[test]
fn every_fault_of_a_spec_is_named() {
    let wrong = SynthSpec { features: 0, segments: 5000, nulls: f64::NAN, files: 0, ..SynthSpec::new(10, "x") };
    let message = wrong.check().unwrap_err().to_string();
    for name in ["features is 0", "segments is 5000", "files is 0", "nulls is NaN"] {
        assert!(message.contains(name), "{message}");
    }
    let too_many = SynthSpec { files: 3, row_group_rows: 5, ..SynthSpec::new(10, "x") };
    assert!(too_many.check().unwrap_err().to_string().contains("2 row groups"));
    let too_small = SynthSpec { row_group_rows: 1, ..SynthSpec::new(100_000, "x") };
    assert!(too_small.clone().check().unwrap_err().to_string().contains("choose at least 4 files"));
    assert!(SynthSpec { files: 4, ..too_small }.check().is_ok());
}

/// Sets the stop flag after some rows.
struct StopAfter<'a>(AtomicU64, &'a AtomicBool);

impl Observer for StopAfter<'_> {
    fn event(&self, event: Event) {
        if let Event::Advance { by, .. } = event {
            self.0.fetch_add(by, Ordering::Relaxed);
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn interrupted_it_leaves_what_was_there() {
    let folder = TempDir::new().unwrap();
    for files in [1, 4] {
        let out = folder.path().join(format!("bank-{files}"));
        let first = make(SynthSpec { files, ..small(&out) });
        let before = read(&first.files).0;
        let stop = AtomicBool::new(false);
        let observer = StopAfter(AtomicU64::new(0), &stop);
        let again = SynthSpec { files, seed: 9, rows: 500_000, ..small(&out) }.check().unwrap();
        let outcome = write(&again, Watch::new(&observer, &stop));
        assert!(matches!(outcome, Err(Error::Interrupted)), "{outcome:?}");
        assert!((1..500_000).contains(&observer.0.into_inner()));
        assert_eq!(read(&first.files).0, before);
        make(SynthSpec { files, seed: 9, ..small(&out) });
        assert_ne!(read(&first.files).0, before);
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing unfinished is left: {left:?}");
}

#[test]
fn a_folder_with_other_files_is_not_replaced() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let into = |files| write(&SynthSpec { files, ..small(folder.path()) }.check().unwrap(), Watch::none()).unwrap_err();
    assert!(into(2).to_string().contains("notes.txt"));
    assert!(into(1).to_string().contains("is a folder"));
    assert!(folder.path().join("notes.txt").exists());
}

#[test]
#[cfg(unix)]
fn output_is_as_readable_as_other_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let (file, sub) = (folder.path().join("plain"), folder.path().join("sub"));
    std::fs::write(&file, "").unwrap();
    std::fs::create_dir(&sub).unwrap();
    let (plain, plain_folder) = (mode(&file), mode(&sub));
    assert_eq!(mode(&make(small(&folder.path().join("bank"))).files[0]), plain);
    make(SynthSpec { files: 2, ..small(&folder.path().join("banks")) });
    assert_eq!(mode(&folder.path().join("banks")), plain_folder);
}

/// Ids and planted segments of a bank in some month.
fn month_of(spec: SynthSpec) -> (RecordBatch, BTreeMap<i64, i32>) {
    let (table, _) = read(&make(spec).files);
    let ids = table.column(0).as_primitive::<Int64Type>().values().to_vec();
    assert!(ids.is_sorted_by(|a, b| a < b));
    let truth = table.column_by_name(TRUTH_COLUMN).unwrap().as_primitive::<Int32Type>().values();
    let by_id = ids.into_iter().zip(truth.iter().copied()).collect();
    (table, by_id)
}

#[test]
fn months_move_as_many_as_their_help_says() {
    let folder = TempDir::new().unwrap();
    let spec =
        SynthSpec { rows: 40_000, features: 6, truth: true, seed: 5, ..SynthSpec::new(0, folder.path().join("b")) };
    let months: Vec<BTreeMap<i64, i32>> =
        (1..=3).map(|month| month_of(SynthSpec { month, ..spec.clone() }).1).collect();
    let near = |n: usize, expected: f64, what: &str| {
        assert!((n as f64 - expected).abs() < 5.0 * expected.sqrt(), "{what}: {n}, where {expected} are expected");
    };
    for (before, after) in months.iter().zip(&months[1..]) {
        let left = before.keys().filter(|id| !after.contains_key(id)).count();
        near(left, 0.02 * before.len() as f64, "left");
        assert_eq!(after.keys().filter(|id| !before.contains_key(id)).count(), 1200, "come");
    }
    // From a planted segment of one month to that of the next: 4 % of the customers move on.
    let flows = |before: &BTreeMap<i64, i32>, after: &BTreeMap<i64, i32>| {
        let mut flows: BTreeMap<(i32, i32), usize> = BTreeMap::new();
        let stayers = before.iter().filter_map(|(id, from)| Some((*from, *after.get(id)?)));
        stayers.for_each(|pair| *flows.entry(pair).or_default() += 1);
        flows
    };
    let first = flows(&months[0], &months[1]);
    let from = |s: i32| first.iter().filter(|((from, _), _)| *from == s).map(|(_, n)| *n as f64).sum::<f64>();
    // Segment 1 splits into 1 and 8, also for those who move there, and 7 merges into 6.
    let to = |s: i32| first.keys().filter(|(from, _)| *from == s).map(|(_, to)| *to).collect::<Vec<_>>();
    assert_eq!((to(0), to(1), to(2), to(6), to(7)), (vec![0, 1, 8], vec![1, 2, 8], vec![2, 3], vec![0, 6], vec![0, 6]));
    near(first[&(0, 1)] + first[&(0, 8)], 0.04 * from(0), "moved from 0");
    near(first[&(1, 2)], 0.04 * from(1), "moved from 1");
    near(first[&(1, 8)], 0.48 * from(1), "split off");
    near(first[&(2, 3)], 0.04 * from(2), "moved from 2");
    near(first[&(7, 6)], 0.96 * from(7), "merged");
    let second = flows(&months[1], &months[2]);
    let moved: usize = second.iter().filter(|((from, to), _)| from != to).map(|(_, n)| *n).sum();
    near(moved, 0.04 * second.values().sum::<usize>() as f64, "moved in month 3");
    assert!(second.keys().all(|(from, to)| *from != 7 && *to != 7));
    let from_the_new_one: Vec<i32> = second.keys().filter(|(from, _)| *from == 8).map(|(_, to)| *to).collect();
    assert_eq!(from_the_new_one, [2, 8]);
}

#[test]
fn a_later_month_is_the_same_bank() {
    let folder = TempDir::new().unwrap();
    let spec = SynthSpec { rows: 20_000, ..small(&folder.path().join("bank")) };
    let later = |month: usize| SynthSpec { month, ..spec.clone() };
    let (first, truth) = month_of(later(1));
    let (second, next) = month_of(later(2));
    assert_eq!(first.schema(), second.schema());
    // Files, row groups and other segments change nothing.
    let cut = SynthSpec { files: 3, row_group_rows: 999, out: folder.path().join("cut"), ..later(2) };
    assert_eq!(month_of(cut).0, second);
    let golden = "d57485159fc42a9f8786fa4d343d3b801beb65f021c297dd2430799eb90654f1";
    assert_eq!(hash(&second), golden, "a month of the same seed must stay the same, on every platform");

    // Of those who stay in one of segments 2 to 5, logins change little, and card spending rises by 41 %.
    let stays = |id: &i64| truth.get(id) == next.get(id) && (2..=5).contains(&truth[id]);
    let of = |table: &RecordBatch, name: &str| {
        let ids = table.column(0).as_primitive::<Int64Type>().values();
        let values = table.column_by_name(name).unwrap().as_primitive::<Float64Type>().values();
        ids.iter().copied().zip(values.iter().copied()).filter(|(id, _)| stays(id)).collect::<BTreeMap<_, _>>()
    };
    let median_ratio = |name: &str| {
        let (a, b) = (of(&first, name), of(&second, name));
        let mut ratios: Vec<f64> = a.iter().filter(|(_, a)| **a > 100.0).map(|(id, a)| b[id] / a).collect();
        ratios.sort_by(f64::total_cmp);
        let at = |share: f64| ratios[(share * ratios.len() as f64) as usize];
        (at(0.05), at(0.5), at(0.95))
    };
    let (low, middle, high) = median_ratio("current_balance");
    assert!(low > 0.8 && (middle - 1.0).abs() < 0.02 && high < 1.25, "{low} {middle} {high}");
    let (low, middle, high) = median_ratio("card_spend_90d");
    assert!(low > 1.1 && (middle - 1.414).abs() < 0.05 && high < 1.8, "{low} {middle} {high}");
}

#[test]
fn a_broken_column_is_empty() {
    let folder = TempDir::new().unwrap();
    for (name, column) in [("savings_balance", 4), ("1", 1)] {
        let broken = SynthSpec { break_column: Some(name.into()), nulls: 0.0, ..small(&folder.path().join("bank")) };
        let (table, _) = read(&make(broken).files);
        let empty: Vec<usize> = (0..18).filter(|&c| table.column(c).null_count() > 0).collect();
        assert_eq!((empty, table.column(column).null_count()), (vec![column], 5000));
    }
    let wrong = SynthSpec { break_column: Some("17".into()), month: 0, ..small(folder.path()) };
    let message = wrong.check().unwrap_err().to_string();
    assert!(message.contains("month is 0; it must be between 1 and 120"), "{message}");
    assert!(
        message.contains("break column is \"17\"; it must be the name of a feature, or a number from 1"),
        "{message}"
    );
}

#[test]
fn months_of_small_banks() {
    let folder = TempDir::new().unwrap();
    for (rows, segments) in [(0, 8), (10, 1), (10, 3), (300, 4)] {
        let spec = SynthSpec { segments, month: 120, ..SynthSpec::new(rows, folder.path().join("bank")) };
        let summary = make(spec);
        assert_eq!(summary.segment_rows.iter().sum::<u64>(), summary.rows, "{rows} {segments}");
        assert_eq!(summary.segment_rows.len(), if segments < 4 { segments } else { segments + 1 });
    }
}
