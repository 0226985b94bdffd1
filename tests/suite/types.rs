//! Types of columns: in files that differ, of ids, and of columns without values. The files in `data/cases` are inputs
//! that gave wrong answers once; the right values are those of DuckDB and pandas, or follow from how a file was made.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Date32Array, Decimal128Array, Float32Array, Int32Array, LargeStringArray, StringArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use crate::command::{Workshop, done, json, labels_hash, part};
use crate::harness::{hyades, root, tests};
use crate::tables::{f64s, i64s, integers, noise, read, segments, some_f64s, three_groups, write};

tests!(
    int96_is_read_as_microseconds,
    int96_in_transactions,
    nulls_without_a_type_have_no_say,
    files_without_rows_have_no_say,
    dictionaries_are_read_as_their_values,
    kinds_of_text_are_one_type,
    numbers_are_widened,
    times_are_one_type,
    columns_that_older_files_lack,
    files_of_other_tables_are_refused,
    a_name_twice_in_a_file,
    whole_doubles_are_ids,
    ids_beyond_their_type_are_refused,
    ids_are_equal_by_value,
    features_without_values,
    customers_in_two_files,
    footers_with_fields_of_vendors,
    numbers_and_dates_as_text,
);

fn case(name: &str) -> String {
    root().join("data/cases").join(name).to_str().unwrap().to_owned()
}

/// The parts of a bank with rules, by name: rows taken.
fn taken(w: &Workshop) -> Vec<u64> {
    let rules = json(w.out().join("model.json"))["model"]["division"]["counts"].take();
    rules.as_array().unwrap().iter().map(|rule| rule["rows"].as_u64().unwrap()).collect()
}

fn decimals(values: impl IntoIterator<Item = i128>, precision: u8, scale: i8) -> ArrayRef {
    let values = values.into_iter().collect::<Decimal128Array>();
    Arc::new(values.with_precision_and_scale(precision, scale).unwrap())
}

/// A report of `check` as JSON.
fn checked(w: &Workshop, inputs: &[&str]) -> serde_json::Value {
    let to = w.text("check.json");
    done([&["check"], inputs, &["--json", &to]].concat());
    json(&to)
}

fn column<'a>(report: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    report["columns"].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

fn int96_is_read_as_microseconds() {
    let w = Workshop::new();
    let fit = ["fit", &case("int96_9999.parquet"), "--k", "3", "--rules", &case("int96_rules.toml")];
    w.run(fit).succeeds();
    assert_eq!(taken(&w), [200, 200], "after 2100 and before 1900, as DuckDB counts");
    std::fs::write(w.path("last.toml"), "[[rule]]\nname='last'\nwhen=\"closed_on >= TIMESTAMP '9999-01-01 00:00:00'\"")
        .unwrap();
    w.run(["fit", &case("int96_9999.parquet"), "--k", "3", "--rules", &w.text("last.toml")]).succeeds();
    assert_eq!(taken(&w), [200]);
    let ends = |case_name: &str| {
        let report = checked(&w, &[&case(case_name)]);
        let numbers = &column(&report, "closed_on")["numbers"];
        let text = |end: &str| numbers[end].as_str().unwrap()[..10].to_owned();
        (text("min"), text("max"))
    };
    assert_eq!(ends("int96_9999.parquet"), ("0001-01-01".to_owned(), "9999-12-31".to_owned()));
    assert_eq!(ends("spark43_default_int96.parquet").1, "9999-12-31");
}

fn int96_in_transactions() {
    let w = Workshop::new();
    let (input, out) = (case("rfm_int96.parquet"), w.text("customers.parquet"));
    let usual = ["features", "rfm", &input, "--customer", "customer", "--time", "ts", "--amount", "amount"];
    let all = [&usual[..], &["--reference-date", "2024-04-01", "--out", &out]].concat();
    let said = done(all).out;
    assert!(said.contains("at the reference date or after it"), "the year 9999 lies behind the reference date: {said}");
    let table = read(&w.path("customers.parquet"));
    assert_eq!(integers(&table, "customer"), [1, 2, 3]);
}

fn nulls_without_a_type_have_no_say() {
    let w = Workshop::new();
    w.run(["fit", &case("nullfirst"), "--k", "3"]).succeeds();
    assert_eq!(part(&w.out())["feature_names_in_"], serde_json::json!(["b", "x"]));
    let columns = json(w.out().join("manifest.json"))["parts"][0]["columns"].take();
    assert_eq!(columns[1]["nulls"], 500);
    let report = checked(&w, &[&case("nullfirst")]);
    let x = column(&report, "x");
    assert_eq!((&x["data_type"], &x["nulls"], &x["mistyped"]), (&"Float64".into(), &500.into(), &0.into()));
    assert_eq!(report["schema_differences"], serde_json::json!([]));
}

fn files_without_rows_have_no_say() {
    let w = Workshop::new();
    w.run(["fit", &case("empty_file_types_lost/a.parquet"), "--k", "3"]).succeeds();
    let expected = segments(&w.out().join("segments/part-00000.parquet"));
    for folder in ["empty_file_types_lost", "empty_file_pandas_index"] {
        w.run(["fit", &case(folder), "--k", "3"]).succeeds();
        assert_eq!(part(&w.out())["feature_names_in_"], serde_json::json!(["balance", "spend"]), "{folder}");
        assert_eq!(segments(&w.out().join("segments/part-00000.parquet")), expected, "{folder}");
    }
}

fn dictionaries_are_read_as_their_values() {
    let w = Workshop::new();
    w.run(["fit", &case("categorical_ids"), "--k", "3"]).succeeds();
    let ids = read(&w.out().join("segments/part-00000.parquet")).column_by_name("customer_id").unwrap().clone();
    assert_eq!((ids.data_type(), ids.len()), (&DataType::LargeUtf8, 200));
    // More values than keys of eight bits can number, in one file: pandas makes the keys as small as each chunk allows.
    let codes = StringArray::from_iter_values((0..300).map(|i| format!("c{i}")));
    let wide = DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8));
    let mut table = three_groups(300);
    table[0] = ("id", cast(&codes, &wide).unwrap());
    write(&w.path("a.parquet"), &table);
    w.run(["fit", &w.text("a.parquet"), "--k", "3"]).succeeds();
}

fn kinds_of_text_are_one_type() {
    let w = Workshop::new();
    let folder = case("string_large_string_pandas_duckdb");
    let said = w.run(["fit", &folder, "--k", "3"]).succeeds().err;
    assert!(!said.contains("the files differ"), "{said}");
    let ids = read(&w.out().join("segments/part-00000.parquet")).column_by_name("customer_id").unwrap().clone();
    assert_eq!(ids.len(), 600);
    // In rules, too.
    std::fs::write(w.path("rules.toml"), "[[rule]]\nname = \"one\"\nwhen = \"customer_id = 'a7'\"\n").unwrap();
    w.run(["fit", &folder, "--k", "3", "--rules", &w.text("rules.toml")]).succeeds();
    assert_eq!(taken(&w), [1]);
    // And in transactions.
    let journal = |name: &str, customers: ArrayRef| {
        let times = TimestampMillisecondArray::from_iter_values((0..4).map(|i| 86_400_000 * i));
        write(&w.path(name), &[("c", customers), ("t", Arc::new(times)), ("a", f64s(vec![1.0; 4]))]);
    };
    std::fs::create_dir(w.path("journal")).unwrap();
    journal("journal/1.parquet", Arc::new(StringArray::from(vec!["x", "y", "x", "y"])));
    journal("journal/2.parquet", Arc::new(LargeStringArray::from(vec!["x", "z", "x", "z"])));
    let usual = ["features", "rfm", &w.text("journal"), "--customer", "c", "--time", "t", "--amount", "a"];
    let rfm = || done([&usual[..], &["--out", &w.text("customers.parquet")]].concat()).err;
    assert!(!rfm().contains("the files differ"));
    assert_eq!(read(&w.path("customers.parquet")).num_rows(), 3);
    // Amounts that are widened are told.
    let times = TimestampMillisecondArray::from_iter_values([7]);
    let amount: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let customer: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    write(&w.path("journal/3.parquet"), &[("c", customer), ("t", Arc::new(times)), ("a", amount)]);
    let said = rfm();
    assert!(said.contains("the files differ: \"a\" is Float64 in "), "{said}");
}

fn numbers_are_widened() {
    let w = Workshop::new();
    let table = |from: usize, x: ArrayRef, y: ArrayRef| {
        let ids = i64s((0..100).map(|i| (from + i) as i64));
        vec![("id", ids), ("x", x), ("y", y)]
    };
    let xs: Vec<f64> =
        noise(1).take(300).enumerate().map(|(i, u)| (u * 100.0).round() + 500.0 * (i % 3) as f64).collect();
    let ys: Vec<f64> = noise(2).take(300).map(|u| (u * 1e4).round() / 100.0).collect();
    std::fs::create_dir(w.path("in")).unwrap();
    let cents =
        |range: std::ops::Range<usize>| ys[range].iter().map(|y| (y * 100.0).round() as i128).collect::<Vec<_>>();
    let ints: ArrayRef = Arc::new(Int32Array::from_iter_values(xs[..100].iter().map(|&x| x as i32)));
    write(&w.path("in/a.parquet"), &table(0, ints, decimals(cents(0..100), 10, 2)));
    let longs = i64s(xs[100..200].iter().map(|&x| x as i64));
    let wide = decimals(cents(100..200).into_iter().map(|v| v * 100), 20, 4);
    write(&w.path("in/b.parquet"), &table(100, longs, wide));
    write(&w.path("in/c.parquet"), &table(200, f64s(xs[200..].to_vec()), f64s(ys[200..].to_vec())));
    let said = w.run(["fit", &w.text("in"), "--k", "3"]).succeeds().err;
    let line = said.lines().find(|line| line.contains("the files differ")).unwrap_or_else(|| panic!("{said}"));
    for part in ["\"x\" is Int32 in ", "Int64 in ", "read as Float64; \"y\" is Decimal128(10, 2) in "] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    let prepared = w.text("prepared.parquet");
    let verbs = [
        done(["recipe", "apply", w.out().to_str().unwrap(), &w.text("in"), "--out", &prepared]),
        done(["profile", &w.text("in"), "--labels", w.out().to_str().unwrap()]),
    ];
    for verb in verbs {
        assert!(verb.err.contains("the files differ: \"x\" is Int32 in "), "{}", verb.err);
    }
    let hash = labels_hash(&w.out());
    // The same rows as doubles, in the same row groups.
    for (name, range) in [("a", 0..100), ("b", 100..200), ("c", 200..300)] {
        let (x, y) = (f64s(xs[range.clone()].to_vec()), f64s(ys[range.clone()].to_vec()));
        write(&w.path(&format!("in/{name}.parquet")), &table(range.start, x, y));
    }
    w.run(["fit", &w.text("in"), "--k", "3"]).succeeds();
    assert_eq!(labels_hash(&w.out()), hash);
    // Unsigned beside signed.
    let unsigned: ArrayRef = Arc::new(UInt64Array::from_iter_values((0..100).map(|i| u64::MAX - i)));
    write(&w.path("in/a.parquet"), &table(0, unsigned, f64s(ys[..100].to_vec())));
    write(&w.path("in/b.parquet"), &table(100, i64s(-100..0), f64s(ys[100..200].to_vec())));
    std::fs::remove_file(w.path("in/c.parquet")).unwrap();
    let report = checked(&w, &[&w.text("in")]);
    assert_eq!(column(&report, "x")["data_type"], "Decimal128(20, 0)");
    assert_eq!(column(&report, "x")["numbers"]["max"].as_f64(), Some(1.844_674_407_370_955_2e19));
}

fn times_are_one_type() {
    let w = Workshop::new();
    std::fs::create_dir(w.path("in")).unwrap();
    let day = 86_400i64;
    let days = |from: i64| (0..50).map(move |i| (from + i) * day);
    let micros = |zone: Option<&str>| -> ArrayRef {
        let last = 253_402_214_400i64;
        let times = TimestampMicrosecondArray::from_iter_values(days(0).skip(1).chain([last]).map(|s| s * 1_000_000));
        Arc::new(times.with_timezone_opt(zone))
    };
    let nanos = |zone: Option<&str>| -> ArrayRef {
        let times = TimestampNanosecondArray::from_iter_values(days(100).map(|s| s * 1_000_000_000 + 1));
        Arc::new(times.with_timezone_opt(zone))
    };
    let write_both = |a: ArrayRef, b: ArrayRef| {
        write(&w.path("in/a.parquet"), &[("id", i64s(0..50)), ("x", f64s(noise(1).take(50))), ("t", a)]);
        write(&w.path("in/b.parquet"), &[("id", i64s(50..100)), ("x", f64s(noise(2).take(50))), ("t", b)]);
    };
    let rules = "[[rule]]\nname = \"late\"\nwhen = \"t > DATE '2100-01-01'\"\n\n\
                 [[rule]]\nname = \"early\"\nwhen = \"t < DATE '1970-04-11'\"\n";
    std::fs::write(w.path("rules.toml"), rules).unwrap();
    let fit = ["fit", &w.text("in"), "--k", "2", "--rules", &w.text("rules.toml")];
    for (a, b) in [(None, None), (Some("UTC"), Some("Europe/Berlin"))] {
        write_both(micros(a), nanos(b));
        let said = w.run(fit).succeeds().err;
        assert!(said.contains("the files differ: \"t\" is Timestamp(µs"), "{said}");
        assert_eq!(taken(&w), [1, 49], "the year 9999 is late; days before the 100th are early");
    }
    let dates: ArrayRef = Arc::new(Date32Array::from_iter_values(1..51));
    write_both(dates, nanos(None));
    w.run(fit).succeeds();
    assert_eq!(taken(&w), [0, 50]);
    // A local time is no moment.
    write_both(micros(None), nanos(Some("UTC")));
    w.run(fit).is_refused(2, &["the files do not agree about \"t\""]);
}

fn columns_that_older_files_lack() {
    let w = Workshop::new();
    let mut table = three_groups(300);
    table.push(("score", some_f64s((0..300).map(|i| (i >= 100).then(|| f64::from(i % 7))))));
    std::fs::create_dir(w.path("whole")).unwrap();
    std::fs::create_dir(w.path("in")).unwrap();
    let rows = |from: usize, columns: usize| -> Vec<(&str, ArrayRef)> {
        table[..columns].iter().map(|(name, array)| (*name, array.slice(from, 100))).collect()
    };
    for (file, from) in [("1", 0), ("2", 100), ("3", 200)] {
        write(&w.path(&format!("whole/{file}.parquet")), &rows(from, 4));
        write(&w.path(&format!("in/{file}.parquet")), &rows(from, if from == 0 { 3 } else { 4 }));
    }
    w.run(["fit", &w.text("whole"), "--k", "3"]).succeeds();
    let hash = labels_hash(&w.out());
    let said = w.run(["fit", &w.text("in"), "--k", "3"]).succeeds().err;
    let line = format!("the files differ: \"score\" is missing from {}: null there", w.text("in/1.parquet"));
    assert!(said.contains(&line), "{said}");
    assert_eq!(labels_hash(&w.out()), hash, "as if the file had nulls");
    let report = checked(&w, &[&w.text("in")]);
    assert_eq!(column(&report, "score")["absent"], 100);
}

fn files_of_other_tables_are_refused() {
    let w = Workshop::new();
    std::fs::create_dir(w.path("in")).unwrap();
    let ids = |from: i64| ("id", i64s(from..from + 50));
    let value = |name: &'static str| (name, f64s(noise(7).take(50)));
    write(&w.path("in/a.parquet"), &[ids(0), value("x"), value("balance")]);
    // A column was renamed.
    write(&w.path("in/b.parquet"), &[ids(50), value("x"), value("Balance")]);
    let parts = [
        "the files do not agree",
        &format!("{} has no column \"balance\"", w.text("in/b.parquet")),
        &format!("{} has no column \"Balance\"", w.text("in/a.parquet")),
    ];
    w.refused(3, &parts, ["fit", &w.text("in"), "--k", "2"]);
    // A file without any feature.
    write(&w.path("in/b.parquet"), &[ids(50)]);
    let why = [&format!("{} has none of the features (\"x\", \"balance\")", w.text("in/b.parquet"))[..]];
    w.refused(3, &why, ["fit", &w.text("in"), "--k", "2"]);
    // A file without the id.
    write(&w.path("in/b.parquet"), &[value("x"), value("balance")]);
    let why = [&format!("{} has no column \"id\"", w.text("in/b.parquet"))[..]];
    w.refused(3, &why, ["fit", &w.text("in"), "--k", "2"]);
}

fn a_name_twice_in_a_file() {
    let w = Workshop::new();
    let mut table = three_groups(30);
    table.push(("x", f64s(noise(3).take(30))));
    let fields: Vec<arrow::datatypes::Field> =
        table.iter().map(|(name, a)| arrow::datatypes::Field::new(*name, a.data_type().clone(), true)).collect();
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    let arrays = table.iter().map(|(_, array)| array.clone()).collect();
    let batch = arrow::array::RecordBatch::try_new(schema, arrays).unwrap();
    crate::tables::write_batch(&w.path("a.parquet"), &batch, 100);
    let input = w.text("a.parquet");
    let parts = ["columns in use are ambiguous", &format!("{input} has 2 columns named \"x\""), "rename one"];
    w.refused(3, &parts, ["fit", &input, "--k", "2"]);
    w.run(["fit", &input, "--k", "2", "--exclude", "x"]).succeeds();
}

fn whole_doubles_are_ids() {
    let w = Workshop::new();
    let input = case("float_customer_id.parquet");
    let fit = ["fit", &input, "--k", "3", "--id", "CustomerID", "--duplicate-ids", "keep"];
    w.run(fit).succeeds();
    let ids = read(&w.out().join("segments/part-00000.parquet")).column_by_name("CustomerID").unwrap().clone();
    let ids = ids.as_primitive::<Int64Type>();
    assert_eq!((ids.len(), ids.iter().flatten().min()), (2000, Some(12_346)));
    // A fraction is refused by its value and row.
    let mut table = three_groups(30);
    table[0].1 = f64s((0..30).map(|i| if i == 17 { 12.5 } else { f64::from(i) }));
    write(&w.path("a.parquet"), &table);
    let why = ["the ids in column \"id\"", "id 12.5 is not a whole number (row 17)"];
    w.run(["fit", &w.text("a.parquet"), "--k", "3", "--id", "id"]).is_refused(3, &why);
}

/// Beyond 2^24, single precision skips whole numbers.
fn ids_beyond_their_type_are_refused() {
    let w = Workshop::new();
    let mut table = three_groups(30);
    table[0].1 = Arc::new(Float32Array::from_iter_values((0..30u16).map(|i| 20_000_000.0 + 2.0 * f32::from(i))));
    write(&w.path("a.parquet"), &table);
    let fit = ["fit", &w.text("a.parquet"), "--k", "3", "--id", "id"];
    w.run(fit).is_refused(3, &["is beyond 2^24, where numbers of its type skip whole numbers"]);
}

/// 7, 7.0 and 7.00 are the same customer: in joins, as pseudonyms, and in transactions.
fn ids_are_equal_by_value() {
    let w = Workshop::new();
    std::fs::write(w.path("key"), "0123456789abcdef").unwrap();
    let kinds: [(&str, ArrayRef); 5] = [
        ("int", i64s(0..300)),
        ("double", f64s((0..300).map(f64::from))),
        ("float", Arc::new(Float32Array::from_iter_values((0..300u16).map(f32::from)))),
        ("decimal", decimals(0..300, 20, 0)),
        ("cents", decimals((0..300).map(|i| i * 100), 20, 2)),
    ];
    let values = three_groups(300);
    let mut seen: Vec<ArrayRef> = Vec::new();
    for (name, ids) in &kinds {
        write(&w.path("left.parquet"), &[("id", ids.clone()), values[1].clone()]);
        for (other, right) in &kinds {
            write(&w.path("right.parquet"), &[("id", right.clone()), values[2].clone()]);
            let join = [&w.text("left.parquet"), "--join", &w.text("right.parquet"), "--id", "id"];
            let report = checked(&w, &join);
            assert_eq!(column(&report, "y")["nulls"], 0, "{name} joined with {other}");
        }
        let (left, key) = (w.text("left.parquet"), w.text("key"));
        w.run(["fit", &left, "--k", "3", "--id", "id", "--pseudonymise", &key]).succeeds();
        let table = read(&w.out().join("segments/part-00000.parquet"));
        seen.push(table.column_by_name("id").unwrap().clone());
        // One transaction a customer.
        let times: ArrayRef = Arc::new(Date32Array::from_iter_values(0..300));
        write(&w.path("journal.parquet"), &[("c", ids.clone()), ("t", times), values[1].clone()]);
        let usual = ["features", "rfm", &w.text("journal.parquet"), "--customer", "c", "--time", "t", "--amount", "x"];
        done([&usual[..], &["--out", &w.text("customers.parquet")]].concat());
        let customers = read(&w.path("customers.parquet")).column_by_name("c").unwrap().clone();
        let customers = cast(&customers, &DataType::Int64).unwrap();
        assert_eq!(&customers, &i64s(0..300), "{name}");
    }
    assert!(seen.iter().all(|pseudonyms| pseudonyms == &seen[0]));
}

fn features_without_values() {
    let w = Workshop::new();
    w.run(["fit", &case("assign_fit.parquet"), "--k", "3"]).succeeds();
    let model = w.text("model.json");
    std::fs::copy(w.out().join("model.json"), &model).unwrap();
    let w = Workshop::new();
    std::fs::write(w.path("model.json"), std::fs::read(&model).unwrap()).unwrap();
    let model = w.text("model.json");
    for input in ["assign_all_null.parquet", "assign_null_type.parquet"] {
        let why = ["\"balance\" has no value in 300 of 300 rows (100.0%), in the fit in 0.00%", "--max-missing"];
        w.refused(6, &why, ["assign", &model, &case(input)]);
        let to = w.text(input);
        let ran = done(["assign", &model, &case(input), "--max-missing", "1", "--out", &to]);
        assert!(ran.err.contains("WARN \"balance\" has no value in 300 of 300 rows"), "{}", ran.err);
        let counts = json(w.path(input).join("manifest.json"))["parts"][0]["columns"].take();
        let balance = counts.as_array().unwrap().iter().find(|c| c["name"] == "balance").unwrap();
        assert_eq!(balance["nulls"], 300);
    }
    let unfit = ["assign", &model, &case("assign_fit.parquet"), "--max-missing", "1.5"];
    w.run(unfit).is_refused(2, &["--max-missing 1.5", "from 0 to 1"]);
    // Prepared values are refused in the same way.
    let (input, to) = (case("assign_all_null.parquet"), w.text("prepared.parquet"));
    let apply = ["recipe", "apply", &model, &input, "--out", &to];
    crate::command::Ran::from(hyades(apply))
        .is_refused(6, &["\"balance\" has no value in 300 of 300", "--max-missing"]);
    assert!(!w.path("prepared.parquet").exists());
    let ran = done([&apply[..], &["--max-missing", "1"]].concat());
    assert!(ran.err.contains("WARN \"balance\" has no value in 300 of 300 rows"), "{}", ran.err);
    assert!(w.path("prepared.parquet").exists());
}

fn customers_in_two_files() {
    let w = Workshop::new();
    for (month, from) in [("10", 0), ("11", 40)] {
        let folder = w.path(&format!("in/month={month}"));
        std::fs::create_dir_all(&folder).unwrap();
        let table = [("id", i64s(from..from + 100)), ("x", f64s(noise(1).take(100))), ("y", f64s(noise(2).take(100)))];
        write(&folder.join("part.parquet"), &table);
    }
    let why = ["60 duplicates", "60 customers stand in both month=10 and month=11: name one of them as the input"];
    w.refused(3, &why, ["fit", &w.text("in"), "--k", "2"]);
    let (a, b) = (w.text("in/month=10/part.parquet"), w.text("b.parquet"));
    std::fs::copy(w.path("in/month=11/part.parquet"), w.path("b.parquet")).unwrap();
    std::fs::copy(w.path("in/month=10/part.parquet"), w.path("a.parquet")).unwrap();
    let a = a.replace("in/month=10/part", "a");
    let why = [&format!("60 customers stand in both {a} and {b}")[..]];
    w.refused(3, &why, ["fit", &a, &b, "--k", "2"]);
}

fn footers_with_fields_of_vendors() {
    // From apache/parquet-testing: Dremio wrote lists where Parquet now has the length of a Bloom filter, and 0 for no
    // dictionary. 39 times the number 1552, as pyarrow reads it.
    let w = Workshop::new();
    let report = checked(&w, &[&case("dict-page-offset-zero.parquet")]);
    let column = column(&report, "l_partkey");
    assert_eq!((&report["rows"], &column["data_type"], &column["nulls"]), (&39.into(), &"Int32".into(), &0.into()));
    assert_eq!((&column["numbers"]["min"], &column["distinct"]), (&1552.into(), &1.into()));
}

fn numbers_and_dates_as_text() {
    let w = Workshop::new();
    let report = checked(&w, &[&case("text_numbers.parquet")]);
    let kinds = |name: &str| -> Vec<String> {
        let findings = report["findings"].as_array().unwrap().iter().filter(|f| f["column"] == name);
        findings.map(|f| f["kind"].as_str().unwrap().to_owned()).collect()
    };
    for (name, kind) in [
        ("bal_txt", "number_as_text"),
        ("bal_de", "number_as_text"),
        ("num_txt", "number_as_text"),
        ("eur_txt", "number_as_text"),
        ("pct", "percentage_as_text"),
        ("date_txt", "date_as_text"),
        ("date_de", "date_as_text"),
        ("yyyymmdd", "date_as_number"),
    ] {
        assert_eq!(kinds(name), [kind], "{name}");
    }
    assert!(kinds("yesno").is_empty());
    let recipe = done(["recipe", "init", &case("text_numbers.parquet")]).out;
    for name in ["date_txt", "date_de", "pct", "bal_de"] {
        assert!(!recipe.contains(&format!("[columns.{name}]")), "{name} is no category: {recipe}");
    }
    assert!(recipe.contains("[columns.yesno]"), "{recipe}");
}
