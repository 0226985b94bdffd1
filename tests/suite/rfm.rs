//! `features rfm` as a user runs it: a journal becomes a customer table, which is segmented; and refusals.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Float64Type};

use crate::command::{Ran, Workshop};
use crate::harness::{hyades, tests};
use crate::tables::{batch, f64s, i64s, integers, noise, read, write, write_batch};

tests!(
    from_transactions_to_segments,
    any_threads_any_memory_any_files,
    the_summary_tells_what_was_left_out,
    customers_of_text_of_any_length,
    columns_that_are_not_there,
    columns_of_the_wrong_type,
    options_out_of_range,
    outputs_in_the_wrong_place,
    too_little_memory,
    amounts_beyond_63_bits,
);

const HOUR: i64 = 3_600_000;

/// Transactions of 100 customers, one an hour; every 40th is a return, every 50th has no customer.
fn journal(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let draws: Vec<f64> = noise(5).take(rows).collect();
    let customer: Int64Array =
        draws.iter().enumerate().map(|(i, u)| (i % 50 != 49).then_some(500 + (u * u * 100.0) as i64)).collect();
    let time = TimestampMillisecondArray::from_iter_values((0..rows as i64).map(|i| i * HOUR));
    let sign = |i: usize| if i % 40 == 39 { -1.0 } else { 1.0 };
    let price = noise(6).take(rows).enumerate().map(|(i, u)| sign(i) * (u * 10_000.0).round() / 100.0);
    let kind = StringArray::from_iter_values((0..rows).map(|i| ["food", "rent", "fuel"][(i * i) % 3]));
    vec![
        ("Customer", Arc::new(customer)),
        ("Booked", Arc::new(time)),
        ("Price", f64s(price.collect::<Vec<_>>())),
        ("Quantity", i64s((0..rows as i64).map(|i| 1 + i % 3))),
        ("Kind", Arc::new(kind)),
    ]
}

/// Runs `features rfm` on the file `journal.parquet` with the usual columns.
fn rfm(w: &Workshop, more: &[&str]) -> Ran {
    let (input, out) = (w.text("journal.parquet"), w.text("customers.parquet"));
    let usual = ["features", "rfm", &input, "--customer", "Customer", "--time", "Booked", "--out", &out];
    let amount = if more.contains(&"--amount") { &[][..] } else { &["--amount", "Quantity*Price"] };
    hyades([&usual[..], amount, more].concat()).into()
}

fn f64s_of(w: &Workshop, name: &str) -> Vec<Option<f64>> {
    let table = read(&w.path("customers.parquet"));
    table.column_by_name(name).unwrap_or_else(|| panic!("no {name}")).as_primitive::<Float64Type>().iter().collect()
}

fn from_transactions_to_segments() {
    let w = Workshop::new();
    let table = journal(3000);
    write_batch(&w.path("journal.parquet"), &batch(&table), 512);
    rfm(&w, &["--category", "Kind", "--top", "1", "--trend", "30"]).succeeds();
    let customers = read(&w.path("customers.parquet"));
    let ids = integers(&customers, "Customer");
    assert!(ids.is_sorted() && ids.len() > 90, "{ids:?}");
    let used = (0..3000).filter(|i| i % 50 != 49);
    let returns = used.clone().filter(|i| i % 40 == 39).count() as i64;
    let bought: i64 = integers(&customers, "frequency").iter().sum();
    assert_eq!(integers(&customers, "returns_count").iter().sum::<i64>(), returns);
    assert_eq!(bought, used.count() as i64 - returns);
    let names: Vec<String> = customers.schema().fields().iter().map(|f| f.name().clone()).collect();
    let ends = ["Kind_rent_count", "Kind_rent_sum", "Kind_other_count", "Kind_other_sum"];
    assert_eq!(names[names.len() - 4..], ends, "rows 1 and 2 of 3 are rent");
    w.run(["fit", &w.text("customers.parquet"), "--k", "4", "--id", "Customer"]).succeeds();
    let labelled = read(&w.out().join("segments/part-00000.parquet"));
    assert_eq!(integers(&labelled, "Customer"), ids);
}

fn any_threads_any_memory_any_files() {
    let w = Workshop::new();
    let rows = 400_000;
    let whole = batch(&journal(rows));
    write_batch(&w.path("journal.parquet"), &whole, 30_000);
    std::fs::create_dir(w.path("parts")).unwrap();
    for part in 0..4 {
        let slice = whole.slice(part * rows / 4, rows / 4);
        // The last rows come first.
        write_batch(&w.path(&format!("parts/{}.parquet", 9 - part)), &slice, 7_000);
    }
    let bytes = || std::fs::read(w.path("customers.parquet")).unwrap();
    assert!(!rfm(&w, &["--threads", "2"]).succeeds().out.contains("scratch"));
    let first = bytes();
    let (parts, out) = (w.text("parts"), w.text("customers.parquet"));
    let columns = ["--customer", "Customer", "--time", "Booked", "--amount", "Quantity*Price"];
    for more in [&["--threads", "1"][..], &["--threads", "7"], &["--threads", "1", "--memory", "138MiB"]] {
        let ran = rfm(&w, more).succeeds();
        assert_eq!(ran.out.contains("went through a scratch file"), more.len() > 2, "{}", ran.out);
        assert!(bytes() == first, "{more:?} gave other bytes");
        let all = [&["features", "rfm", &parts, "--out", &out][..], &columns, more].concat();
        Ran::from(hyades(all)).succeeds();
        assert!(bytes() == first, "{more:?} gave other bytes from parts");
    }
    rfm(&w, &["--amount", "Price"]).succeeds();
    assert!(bytes() != first, "the amount changes nothing");
}

fn the_summary_tells_what_was_left_out() {
    let w = Workshop::new();
    let mut table = journal(100);
    let broken = |i: usize| if i == 3 { f64::NAN } else { 1.0 };
    table[2].1 = Arc::new((0..100).map(|i| (i != 5).then(|| broken(i))).collect::<Float64Array>());
    write(&w.path("journal.parquet"), &table);
    let ran = rfm(&w, &["--amount", "Price", "--reference-date", "1970-01-04T12:00:00", "--window", "2"]).succeeds();
    // Of the hours 0 to 99, 49 and 99 have no customer, 5 no amount, 3 none that is a number. The reference date is
    // hour 84, so 84 to 98 are too late; the window begins at hour 36, and 34 of the hours before are left to be too
    // early.
    let expected = [
        "customers from 47 of 100 transactions, in ",
        "reference date 1970-01-04T12:00:00\n",
        "left out: 2 without a customer\n",
        "left out: 1 without an amount\n",
        "left out: 1 with an amount that is NaN or infinite\n",
        "left out: 15 at the reference date or after it\n",
        "left out: 34 before the window\n",
        "customers.parquet: 11 columns, ",
    ];
    for part in expected {
        assert!(ran.out.contains(part), "no {part:?} in {}", ran.out);
    }
    assert_eq!(rfm(&w, &["--amount", "Price", "--quiet"]).succeeds().out, "");
    let refused = ["100 transactions include 1 without an amount, 1 with an amount that is NaN or infinite"];
    rfm(&w, &["--amount", "Price", "--incomplete", "refuse"]).is_refused(3, &refused);
    let ran = rfm(&w, &["--amount", "Price"]).succeeds();
    assert!(ran.out.contains("reference date 1970-01-06, the day after the newest transaction\n"), "{}", ran.out);
}

fn customers_of_text_of_any_length() {
    let w = Workshop::new();
    let mut table = journal(600);
    let long = "x".repeat(5000);
    let name = |i: usize| match i % 5 {
        0 => String::new(),
        1 => "\u{e9}mile".to_owned(),
        2 => format!("{long}{}", i % 2),
        rest => format!("customer-{rest:020}"),
    };
    table[0].1 = Arc::new(StringArray::from_iter_values((0..600).map(name)));
    write_batch(&w.path("journal.parquet"), &batch(&table), 70);
    rfm(&w, &["--threads", "2"]).succeeds();
    let customers = read(&w.path("customers.parquet"));
    assert_eq!(*customers.schema().field(0).data_type(), DataType::LargeUtf8);
    let ids: Vec<&str> = customers.column(0).as_string::<i64>().iter().flatten().collect();
    let mut expected: Vec<String> = (0..600).map(name).collect();
    expected.sort();
    expected.dedup();
    assert_eq!(ids, expected);
    let rows =
        integers(&customers, "frequency").into_iter().zip(integers(&customers, "returns_count")).map(|(a, b)| a + b);
    assert_eq!(rows.collect::<Vec<_>>(), [120, 120, 120, 60, 60, 120]);
    assert!(f64s_of(&w, "monetary_sum").iter().all(|v| v.is_some_and(|v| v > 0.0)));
}

fn columns_that_are_not_there() {
    let w = Workshop::new();
    write(&w.path("journal.parquet"), &journal(60));
    let why = [
        "no column is named \"price\" (did you mean \"Price\"?), \"volume\", \"kinds\" (did you mean \"Kind\"?); the input \
         has: Customer, Booked, Price, Quantity, Kind",
    ];
    rfm(&w, &["--amount", "price*volume", "--category", "kinds"]).is_refused(2, &why);
    rfm(&w, &["--returns", "column=back"]).is_refused(2, &["no column is named \"back\""]);
    rfm(&w, &["--currency", "ccy=EUR"]).is_refused(2, &["no column is named \"ccy\""]);
    assert!(!w.path("customers.parquet").exists());
}

fn columns_of_the_wrong_type() {
    let w = Workshop::new();
    let mut table = journal(60);
    table.push(("Late", Arc::new(arrow::array::BooleanArray::from(vec![true; 60]))));
    write(&w.path("journal.parquet"), &table);
    let swapped = ["--time", "Price", "--amount", "Kind", "--transaction", "Late", "--returns", "column=Kind"];
    let input = w.text("journal.parquet");
    let out = w.text("customers.parquet");
    let all = [&["features", "rfm", &input, "--out", &out, "--customer", "Booked"][..], &swapped].concat();
    Ran::from(hyades(all)).is_refused(
        3,
        &[
            "\"Booked\" cannot be the customer: its type is Timestamp(ms), expected whole numbers or text; ",
            "\"Price\" cannot be the time: its type is Float64, expected a date or a timestamp; convert the column; ",
            "\"Kind\" cannot be the amount: its type is Utf8, expected whole numbers, decimals",
            "\"Late\" cannot be the transaction: its type is Boolean",
            "\"Kind\" cannot be the mark of returns: its type is Utf8, expected boolean or whole numbers",
        ],
    );
    let mut table = journal(60);
    table[0].0 = "frequency";
    write(&w.path("named.parquet"), &table);
    let named = w.text("named.parquet");
    let columns = ["--customer", "frequency", "--time", "Booked", "--amount", "Price", "--out", &out];
    Ran::from(hyades([&["features", "rfm", &named][..], &columns].concat()))
        .is_refused(3, &["the output would have two columns named \"frequency\"; rename"]);
}

fn options_out_of_range() {
    let w = Workshop::new();
    write(&w.path("journal.parquet"), &journal(60));
    let why = ["--window 9 is shorter than the two windows of --trend 5: expected at least 10 days"];
    rfm(&w, &["--window", "9", "--trend", "5"]).is_refused(2, &why);
    rfm(&w, &["--window", "0", "--category", "Kind", "--top", "0"])
        .is_refused(2, &["--window 0", "; --top 0: expected 1 to 1000"]);
    rfm(&w, &["--reference-date", "tomorrow"]).is_refused(2, &["\"tomorrow\" is not a date; write 2026-01-31"]);
    rfm(&w, &["--currency", "Kind=gold"])
        .is_refused(3, &["none of 60 transactions can be used: 60 of another currency"]);
    rfm(&w, &["--currency", "gold"]).is_refused(2, &["write COLUMN=VALUE, such as currency=EUR"]);
    rfm(&w, &["--returns", "positive"]).is_refused(2, &["use negative or column=NAME"]);
    assert!(!w.path("customers.parquet").exists());
}

fn outputs_in_the_wrong_place() {
    let w = Workshop::new();
    std::fs::create_dir(w.path("in")).unwrap();
    write(&w.path("in/journal.parquet"), &journal(60));
    let input = w.text("in");
    let columns = ["--customer", "Customer", "--time", "Booked", "--amount", "Price"];
    let to = |input: &str, out: &str| {
        Ran::from(hyades([&["features", "rfm", input, "--out", &w.text(out)][..], &columns].concat()))
    };
    to(&input, "in/customers.parquet").is_refused(2, &["lies inside the input", &input]);
    to(&w.text("in/*.parquet"), "in/customers.parquet").is_refused(2, &["lies inside the input"]);
    to(&w.text("in/journal.parquet"), "in/journal.parquet").is_refused(2, &["lies inside the input"]);
    to(&input, "out").is_refused(2, &["out: it is a folder; name a file in it"]);
    to(&input, "new/").is_refused(2, &["does not name a file; give one such as customers.parquet"]);
    to(&input, "in/journal.parquet/c.parquet").is_refused(2, &["is a file, not a folder"]);
    // A refused run leaves no folder behind, and an earlier table unchanged.
    let wrong = ["--customer", "nobody", "--time", "Booked", "--amount", "Price"];
    let fresh = w.text("fresh/c.parquet");
    let all = [&["features", "rfm", &input, "--out", &fresh][..], &wrong].concat();
    Ran::from(hyades(all)).is_refused(2, &["no column is named \"nobody\""]);
    assert!(!w.path("fresh").exists());
    to(&input, "made/c.parquet").succeeds();
    assert_eq!(std::fs::read_dir(w.path("made")).unwrap().count(), 1, "nothing unfinished is left");
    w.is_untouched();
}

fn too_little_memory() {
    let w = Workshop::new();
    write(&w.path("journal.parquet"), &journal(60));
    let ran = rfm(&w, &["--memory", "10MiB", "--threads", "1"]);
    ran.is_refused(
        4,
        &["60 transactions need at least 59 MiB of memory, but the limit is 10 MiB", "raise --memory to 59MiB or more"],
    );
    rfm(&w, &["--memory", "59MiB", "--threads", "1"]).succeeds();
}

fn amounts_beyond_63_bits() {
    let w = Workshop::new();
    let mut table = journal(60);
    table[3].1 = i64s((0..60).map(|i| if i == 7 { i64::MAX / 2 } else { 1 }));
    write(&w.path("journal.parquet"), &table);
    rfm(&w, &["--amount", "Quantity"]).succeeds();
    let why =
        ["journal.parquet, row group 0, column \"Quantity\"", "more than 18 digits; convert the column to double"];
    rfm(&w, &["--amount", "Quantity*Customer"]).is_refused(3, &why);
}
