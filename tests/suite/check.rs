//! `check` as a user runs it: its report on a bank, on hostile files, and on files that break expectations.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Int64Builder, ListArray,
    MapBuilder, NullArray, StringArray, StringBuilder, Time32SecondArray, TimestampMicrosecondArray,
    TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{Int32Type, Int64Type};
use serde_json::{Value, json};

use crate::command::{Ran, Workshop, done, json as read_json};
use crate::harness::{hyades, root, tests};
use crate::tables::{f64s, i64s, noise, some_f64s, write, write_batch};

tests!(
    the_small_bank_as_duckdb_sees_it,
    the_same_bytes_for_any_threads,
    one_file_or_several,
    every_type_is_examined,
    findings_of_codes_people_and_ids,
    what_belongs_to_somebody_is_not_told,
    rows_and_ids_that_repeat,
    expectations_that_are_met,
    every_breach_is_listed,
    whole_numbers_beyond_2_to_53,
    wide_nulls_are_equal,
    a_range_between_neighbours,
    decimals_and_times_to_the_last_digit,
    bounds_are_compared_by_value,
    values_that_must_be_unique_need_not_be_whole,
    faults_of_a_file_of_expectations,
    hostile_names_and_values,
    the_page_stands_alone,
    files_that_differ_are_reported,
    more_columns_than_are_paired,
    outputs_that_cannot_be_written,
    an_input_without_rows,
);

fn bank() -> String {
    root().join("data/customers.parquet").to_str().expect("text").to_owned()
}

/// The report on an input, and the output of the run.
fn check(w: &Workshop, arguments: &[&str]) -> (Value, Ran) {
    let json = w.text("check.json");
    let ran = done([&["check", "--json", &json], arguments].concat());
    (read_json(&json), ran)
}

fn column<'a>(report: &'a Value, name: &str) -> &'a Value {
    let columns = report["columns"].as_array().expect("columns");
    columns.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no column {name}"))
}

/// The texts of the findings of a kind about a column; "" stands for the whole table.
fn findings(report: &Value, kind: &str, column: &str) -> Vec<String> {
    let of = |f: &&Value| f["kind"] == kind && f["column"].as_str().unwrap_or_default() == column;
    let found = report["findings"].as_array().expect("findings").iter().filter(of);
    found.map(|f| f["text"].as_str().expect("a text").to_owned()).collect()
}

fn texts(values: impl IntoIterator<Item = impl Into<String>>) -> ArrayRef {
    Arc::new(values.into_iter().map(|v| Some(v.into())).collect::<StringArray>())
}

fn the_small_bank_as_duckdb_sees_it() {
    let w = Workshop::new();
    let (report, ran) = check(&w, &[&bank()]);
    assert_eq!(report["rows"], 20_000);
    // From DuckDB 1.5 over the same file: count, count(distinct), min, max, avg, stddev_pop, the third moment of
    // (x - avg) / stddev_pop, quantile_cont and mode. All rows are in the sample, so quantiles are exact.
    type Golden<'a> = (&'a str, u64, f64, [f64; 5], [f64; 7]);
    let golden: [Golden<'_>; 4] = [
        (
            "age_years",
            0,
            83.0,
            [18.0, 100.0, 44.30355, 13.38310529725817, 0.07454281930047328],
            [18.0, 18.0, 36.0, 45.0, 53.0, 65.0, 78.0],
        ),
        (
            "current_balance",
            0,
            19312.0,
            [-432.01, 110018.25, 1639.7010744999964, 3715.6427764537016, 9.144256904985273],
            [-234.8801, -50.3105, 384.4225, 860.24, 1655.445, 4545.718, 19184.23839999988],
        ),
        (
            "credit_limit",
            0,
            18591.0,
            [12.54, 78826.62, 2327.2828005000033, 3749.953380610638, 4.1196826105347535],
            [56.0498, 91.829, 187.7775, 622.595, 3032.9325, 9374.777, 17420.539399999972],
        ),
        (
            "utilisation_rate",
            390,
            19605.0,
            [0.005349438637495041, 0.989644467830658, 0.33363198839571595, 0.2727716542365942, 0.6309944089974237],
            [
                0.02576083529740572,
                0.04330807756632567,
                0.09161241911351681,
                0.21907372027635574,
                0.5628560781478882,
                0.8404233187437056,
                0.9547258454561233,
            ],
        ),
    ];
    let near = |found: &Value, expected: f64, what: &str| {
        let found = found.as_f64().unwrap_or_else(|| panic!("{what}: no number"));
        assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{what}: {found} and not {expected}");
    };
    for (name, nulls, distinct, [min, max, mean, deviation, skewness], quantiles) in golden {
        let (c, n) = (column(&report, name), &column(&report, name)["numbers"]);
        assert_eq!(c["nulls"], nulls, "{name}");
        let share = c["distinct"].as_f64().unwrap() / distinct;
        let exact = distinct <= 1024.0;
        assert_eq!(c["distinct_exact"], exact, "{name}");
        assert!((share - 1.0).abs() <= if exact { 0.0 } else { 0.025 }, "{name}: {share}");
        for (key, expected) in
            [("min", min), ("max", max), ("mean", mean), ("deviation", deviation), ("skewness", skewness)]
        {
            near(&n[key], expected, &format!("{key} of {name}"));
        }
        for (i, expected) in quantiles.into_iter().enumerate() {
            near(&n["quantiles"][i], expected, &format!("quantile {i} of {name}"));
        }
        assert_eq!(n["rank_error"], 0.0);
    }
    let spend = column(&report, "card_spend_90d");
    assert_eq!((&spend["numbers"]["zeros"], &spend["most_common"]["value"]), (&json!(9990), &json!(0)));
    assert_eq!(spend["most_common"]["count"], 9990);
    assert_eq!(report["id"], json!({"column": "customer_id", "nulls": 0, "duplicates": 0}));
    assert!(ran.out.contains("20,000 rows, 18 columns, 1 file in"), "{}", ran.out);
    assert!(ran.out.lines().all(|l| l.chars().count() <= 100 && l.trim_end() == l), "{}", ran.out);
}

fn the_same_bytes_for_any_threads() {
    let w = Workshop::new();
    let input = w.text("bank.parquet");
    let shape = ["--rows", "90000", "--features", "12", "--nulls", "0.1", "--row-group-rows", "9000"];
    done([&["synth", "--out", &input][..], &shape].concat());
    let mut all = Vec::new();
    for threads in ["1", "2", "7"] {
        let (json, page) = (w.text(&format!("{threads}.json")), w.text(&format!("{threads}.html")));
        done(["check", &input, "--threads", threads, "--json", &json, "--report", &page]);
        all.push((std::fs::read(json).unwrap(), std::fs::read(page).unwrap()));
    }
    assert!(all[0] == all[1] && all[1] == all[2], "threads change the report");
    // Another order of rows is another input, so the comparison can fail.
    done(["synth", "--out", &input, "--seed", "1", "--rows", "90000"]);
    assert_ne!(check(&w, &[&input]).0.to_string().as_bytes(), all[0].0);
}

fn one_file_or_several() {
    let w = Workshop::new();
    let rows = crate::tables::read(&root().join("data/customers.parquet"));
    std::fs::create_dir(w.path("parts")).unwrap();
    for part in 0..4 {
        write_batch(&w.path(&format!("parts/{part}.parquet")), &rows.slice(part * 5000, 5000), 1700);
    }
    let (whole, _) = check(&w, &[&bank()]);
    let (parts, _) = check(&w, &[&w.text("parts")]);
    assert_eq!(parts["files"].as_array().map(Vec::len), Some(4));
    for name in ["age_years", "utilisation_rate", "salary_amount"] {
        let (a, b) = (column(&whole, name), column(&parts, name));
        for key in ["nulls", "distinct", "counts"] {
            assert_eq!(a[key], b[key], "{key} of {name}");
        }
        for key in ["zeros", "min", "max", "quantiles"] {
            assert_eq!(a["numbers"][key], b["numbers"][key], "{key} of {name}");
        }
    }
    assert_eq!(whole["duplicate_rows"], parts["duplicate_rows"]);
}

fn every_type_is_examined() {
    let w = Workshop::new();
    let n = 300i64;
    let flags: ArrayRef = Arc::new((0..n).map(|i| (i % 10 != 0).then_some(i % 3 == 0)).collect::<BooleanArray>());
    let days: ArrayRef = Arc::new((0..n as i32).map(|i| Some(20_000 + i)).collect::<Date32Array>());
    let regions: DictionaryArray<Int32Type> =
        (0..n).map(|i| Some(["north", "south", "south"][i as usize % 3])).collect();
    let lists: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>((0..n).map(|i| Some(vec![Some(i % 5)]))));
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for i in 0..n {
        maps.keys().append_value("k");
        maps.values().append_value(i % 4);
        maps.append(true).unwrap();
    }
    let table = [
        ("flag", flags),
        ("day", days),
        ("region", Arc::new(regions) as ArrayRef),
        ("list", lists),
        ("map", Arc::new(maps.finish()) as ArrayRef),
        ("nothing", Arc::new(NullArray::new(n as usize)) as ArrayRef),
        ("time", Arc::new((0..n as i32).map(|i| Some(i % 60)).collect::<Time32SecondArray>()) as ArrayRef),
        ("note", texts((0..n).map(|i| if i % 2 == 0 { String::new() } else { " x".repeat(i as usize % 7) }))),
        ("never", some_f64s(vec![None; n as usize])),
        (
            "odd",
            f64s((0..n).map(|i| {
                if i == 7 {
                    f64::INFINITY
                } else if i == 8 {
                    f64::NAN
                } else {
                    i as f64
                }
            })),
        ),
    ];
    write(&w.path("a.parquet"), &table);
    let (report, ran) = check(&w, &[&w.text("a.parquet")]);
    let common = |name: &str| column(&report, name)["most_common"]["value"].clone();
    assert_eq!((column(&report, "flag")["nulls"].clone(), common("flag")), (json!(30), json!(false)));
    assert_eq!(column(&report, "flag")["counts"], json!([[false, 180], [true, 90]]));
    let day = &column(&report, "day")["numbers"];
    assert_eq!((&day["min"], &day["max"]), (&json!("2024-10-04"), &json!("2025-07-30")));
    assert_eq!(column(&report, "region")["counts"], json!([["north", 100], ["south", 200]]));
    let distinct = ["list", "map", "nothing", "time"].map(|name| column(&report, name)["distinct"].as_u64());
    assert_eq!(distinct, [5, 4, 0, 60].map(Some));
    assert_eq!(column(&report, "note")["text"]["empty"], 171);
    assert_eq!(findings(&report, "empty", "never"), ["every value is missing"]);
    assert_eq!(findings(&report, "infinite", "odd"), ["1 infinities; a fit treats them as missing"]);
    assert_eq!(column(&report, "odd")["numbers"]["nan"], 1);
    assert!(ran.out.contains("2024-10-04"), "{}", ran.out);
}

fn findings_of_codes_people_and_ids() {
    let w = Workshop::new();
    let n = 2000usize;
    let late = noise(1).take(n).enumerate().map(|(i, u)| if i % 100 == 3 { 98.0 } else { (u * 12.0).floor() });
    let table = [
        ("late", f64s(late.collect::<Vec<_>>())),
        ("contact", texts((0..n).map(|i| format!("someone{i}@example.org")))),
        ("first_name", texts((0..n).map(|i| ["Ann", "Bob"][i % 2]))),
        ("number", i64s((0..n as i64).map(|i| 5000 - i))),
        ("same", i64s(vec![4; n])),
        ("mostly", i64s((0..n as i64).map(|i| i64::from(i == 9)))),
        ("twice", f64s((0..n).map(|i| i as f64 * 2.0 + 0.5))),
    ];
    write(&w.path("a.parquet"), &table);
    let (report, ran) = check(&w, &[&w.text("a.parquet")]);
    assert_eq!(
        findings(&report, "sentinel", "late"),
        ["likely a code for unknown: 98 (20 rows); the nearest other value is 11"]
    );
    let people = "leave it out with --exclude unless it is meant to be used";
    let contact = format!("likely e-mail addresses: 100.0% of the sampled values look so; {people}");
    assert_eq!(findings(&report, "personal_data", "contact"), [contact]);
    assert_eq!(
        findings(&report, "personal_data", "first_name"),
        [format!("likely names of people, by its name; {people}")]
    );
    assert_eq!(findings(&report, "likely_id", "number").len(), 1);
    assert_eq!(findings(&report, "constant", "same"), ["constant: 4 wherever it is not missing"]);
    assert_eq!(findings(&report, "nearly_constant", "mostly"), ["nearly constant: 0 in 99.95% of the rows"]);
    assert_eq!(report["correlations"], json!([{"first": "number", "second": "twice", "r": -1.0}]));
    for name in ["late", "number", "twice", "same"] {
        assert!(findings(&report, "personal_data", name).is_empty(), "{name}");
    }
    // Personal values from the file appear nowhere else.
    let said = report.to_string() + &ran.out;
    assert!(!said.contains("example.org") && !said.contains("Ann") && ran.out.contains("(not shown)"), "{}", ran.out);
}

/// Extremes, neighbours of codes, quantiles and examples of broken expectations could identify a person.
fn what_belongs_to_somebody_is_not_told() {
    let w = Workshop::new();
    let n = 500usize;
    let days = (0..n as i32).map(|i| Some(if i % 50 == 0 { -25_567 } else { -9_000 - 7 * i }));
    let table = [
        ("date_of_birth", Arc::new(days.collect::<Date32Array>()) as ArrayRef),
        ("phone", i64s((0..n as i64).map(|i| if i % 50 == 0 { -1 } else { 790_046_001 + 3 * i }))),
        ("first_name", texts((0..n).map(|i| ["Ann", "Bob"][i % 2]))),
        ("has_phone", Arc::new((0..n).map(|i| Some(i % 3 == 0)).collect::<BooleanArray>()) as ArrayRef),
        ("sex", i64s((0..n as i64).map(|i| i % 2))),
    ];
    write(&w.path("a.parquet"), &table);
    let expected =
        "[columns.first_name]\nallowed = [\"Bob\"]\n[columns.date_of_birth]\nnewest_at_least = \"2001-01-01\"\n";
    std::fs::write(w.path("expected.toml"), expected).unwrap();
    let (json, page) = (w.text("report.json"), w.text("report.html"));
    let ran = Ran::from(hyades([
        "check",
        &w.text("a.parquet"),
        "--expect",
        &w.text("expected.toml"),
        "--json",
        &json,
        "--report",
        &page,
    ]));
    ran.is_refused(
        3,
        &["250 values are not in the list\n", "the newest is older, where 2001-01-01 or later is expected"],
    );
    let report: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    let said = report.to_string() + &std::fs::read_to_string(&page).unwrap() + &ran.out + &ran.err;
    for value in ["1945-", "1944-", "1935-", "79004", "790,04", "7.90", "790.0M", "Ann"] {
        assert!(!said.contains(value), "{value} is told: {said}");
    }
    assert_eq!(findings(&report, "sentinel", "phone"), ["likely a code for unknown: -1 (10 rows)"]);
    let dates = findings(&report, "personal_data", "date_of_birth");
    assert_eq!(dates, ["likely dates of birth, by its name; a fit leaves it out unless --include names it"]);
    assert_eq!(
        findings(&report, "protected_attribute", "sex"),
        ["a protected attribute (sex), by its name; a fit leaves it out unless --include names it"]
    );
    assert!(findings(&report, "personal_data", "has_phone").is_empty());
}

fn rows_and_ids_that_repeat() {
    let w = Workshop::new();
    // Rows 0 to 99 are repeated with other ids; two ids are repeated.
    let ids = (0..150i64).map(|i| {
        if i == 149 {
            7
        } else if i == 148 {
            8
        } else {
            i
        }
    });
    let table = [
        ("id", i64s(ids.collect::<Vec<_>>())),
        ("x", some_f64s((0..150).map(|i| (i % 100 != 5).then_some(f64::from(i % 100))))),
        ("t", texts((0..150).map(|i| format!("text {}", i % 100)))),
    ];
    write(&w.path("a.parquet"), &table);
    let input = w.text("a.parquet");
    let (report, _) = check(&w, &[&input]);
    assert_eq!((&report["duplicate_rows"], &report["id"]["duplicates"]), (&json!(50), &json!(2)));
    assert_eq!(findings(&report, "duplicate_ids", ""), ["2 rows repeat an id (\"id\") of an earlier row"]);
    assert_eq!(
        findings(&report, "duplicate_rows", ""),
        ["50 rows (33.3%) equal an earlier row in all columns but the id"]
    );
    let (named, _) = check(&w, &[&input, "--id", "t"]);
    assert_eq!((&named["duplicate_rows"], &named["id"]["duplicates"]), (&json!(0), &json!(50)));
    // Too little memory is reported, and nothing is guessed.
    let (short, _) = check(&w, &[&input, "--memory", "4000"]);
    assert_eq!(short["duplicate_rows"], Value::Null);
    let left_out = findings(&short, "duplicate_rows_left_out", "");
    assert_eq!(left_out, ["duplicate rows were not looked for: that takes 1 MiB; give --memory 1MiB or more"]);
    Ran::from(hyades(["check", &input, "--id", "idd"])).is_refused(2, &["no column is named \"idd\"", "id, x, t"]);
}

const MET: &str = r#"
[table]
row_count = [20000, 20000]

[columns.customer_id]
not_null = true
unique = true

[columns.age_years]
range = [18, 100]
max_null_share = 0

[columns.utilisation_rate]
max_null_share = 0.02

[columns.true_segment]
allowed = [0, 1, 2, 3, 4, 5, 6, 7]
"#;

fn expectations_that_are_met() {
    let w = Workshop::new();
    std::fs::write(w.path("met.toml"), MET).unwrap();
    let (report, ran) = check(&w, &[&bank(), "--expect", &w.text("met.toml")]);
    assert_eq!(report["expectations"], json!({"checked": 7, "breaches": []}));
    assert!(ran.out.contains("all 7 expectations are met"), "{}", ran.out);
}

fn every_breach_is_listed() {
    let w = Workshop::new();
    let days: ArrayRef = Arc::new((0..40).map(|i| Some(20_000 + i)).collect::<Date32Array>());
    let table = [
        ("id", i64s((0..40).map(|i| i / 2))),
        ("age", some_f64s((0..40).map(|i| (i % 4 != 0).then_some(f64::from(i))))),
        ("region", texts((0..40).map(|i| ["north", "south", "nrth", "south"][i % 4]))),
        ("day", days),
        ("flag", Arc::new((0..40).map(|i| Some(i == 3)).collect::<BooleanArray>()) as ArrayRef),
    ];
    write(&w.path("a.parquet"), &table);
    let expected = r#"
table.row_count = [50, 60]
columns.id.unique = true
columns.age = { not_null = true, max_null_share = 0.1, range = [2, 30] }
columns.region.allowed = ["north", "south"]
columns.day = { newest_at_least = 2024-11-13, range = ["2024-10-06", "2030-01-01"] }
columns.flag.allowed = [false]
"#;
    std::fs::write(w.path("e.toml"), expected).unwrap();
    let json = w.text("check.json");
    let page = w.text("check.html");
    let run = ["check", &w.text("a.parquet"), "--expect", &w.text("e.toml"), "--json", &json, "--report", &page];
    let ran = Ran::from(hyades(run));
    let breaches = "\
9 of 9 expectations are broken:
  the table, row_count: 40 rows, where 50 to 60 are expected
  \"age\", not_null: 10 values are missing
  \"age\", max_null_share: 0.2500 of the values are missing, where at most 0.1 may be
  \"age\", range: 8 values lie outside 2 to 30
  \"day\", range: 2 values lie outside 2024-10-06 to 2030-01-01
  \"day\", newest_at_least: the newest is 2024-11-12, where 2024-11-13 or later is expected
  \"flag\", allowed: 1 values are not in the list, such as \"true\"
  \"id\", unique: 20 rows repeat a value of an earlier row
  \"region\", allowed: 10 values are not in the list, such as \"nrth\"
";
    ran.is_refused(3, &[breaches]);
    // The report is still written, and lists it too.
    let breaches = read_json(&json)["expectations"]["breaches"].take();
    assert_eq!(breaches.as_array().map(Vec::len), Some(9));
    assert_eq!(
        breaches[3],
        json!({"column": "age", "expectation": "range", "rows": 8, "text": "8 values lie outside 2 to 30"})
    );
    assert!(std::fs::read_to_string(page).unwrap().contains("9 of 9 expectations are broken"));
}

/// 2^53 + 1, which f64 rounds to 2^53.
const ODD: i64 = 9_007_199_254_740_993;

/// Decimals given by their digits; None is null.
fn decimals(digits: impl IntoIterator<Item = Option<i128>>, precision: u8, scale: i8) -> ArrayRef {
    let array = digits.into_iter().collect::<Decimal128Array>();
    Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
}

fn whole_numbers_beyond_2_to_53() {
    let w = Workshop::new();
    let wide = 10i128.pow(30);
    let table = [
        ("id", i64s((0..4000).map(|i| ODD + i))),
        ("few", i64s((0..4000).map(|i| ODD - 1 + i % 8 / 2))),
        ("unsigned", Arc::new((0..4000).map(|i| Some(u64::MAX - i % 3)).collect::<UInt64Array>()) as ArrayRef),
        ("wide", decimals((0..4000).map(|i| (i % 5 > 0).then_some(wide + i)), 38, 0)),
        ("long", decimals((0..4000).map(|i| Some(i128::from(ODD) - i % 2)), 18, 0)),
    ];
    write(&w.path("a.parquet"), &table);
    let (report, ran) = check(&w, &[&w.text("a.parquet"), "--id", "id"]);
    let of = |name: &str| column(&report, name).clone();
    let numbers = |name: &str| of(name)["numbers"].clone();
    assert_eq!((&numbers("id")["min"], &numbers("id")["max"]), (&json!(ODD), &json!(ODD + 3999)));
    assert_eq!(numbers("id")["quantiles"][3], ODD + 2000, "1999.5, rounded");
    assert_eq!(of("few")["counts"], json!((0..4).map(|i| json!([ODD - 1 + i, 1000])).collect::<Vec<_>>()));
    assert_eq!((&of("few")["distinct"], &of("few")["most_common"]["value"]), (&json!(4), &json!(ODD - 1)));
    assert_eq!(numbers("few")["quantiles"][4], ODD + 1, "three quarters");
    assert_eq!(of("unsigned")["counts"][2], json!([u64::MAX, 1334]));
    assert_eq!((&numbers("unsigned")["min"], &of("long")["distinct"]), (&json!(u64::MAX - 2), &json!(2)));
    assert_eq!(of("long")["counts"], json!([[ODD - 1, 2000], [ODD, 2000]]));
    // These need more than 64 bits, which a parser of JSON may round.
    let text = std::fs::read_to_string(w.path("check.json")).unwrap();
    for part in [format!("\"min\": {},", wide + 1), format!("\"max\": {},", wide + 3999)] {
        assert!(text.contains(&part), "no {part}");
    }
    let distinct = of("wide")["distinct"].as_f64().unwrap();
    assert!((distinct - 3200.0).abs() < 3.0 * 0.0082 * 3200.0, "{distinct}");
    // Where most digits are shown, all are.
    assert!(ran.out.contains("9007199254740992") && ran.out.contains("9007199254740995"), "{}", ran.out);
}

/// Nulls are equal, whatever the file has in their place, also beside numbers of more than 64 bits.
fn wide_nulls_are_equal() {
    let w = Workshop::new();
    let wide = |i: i128| (i % 2 > 0).then_some(10i128.pow(25) + i);
    write(&w.path("a.parquet"), &[("wide", decimals((0..1000).map(wide), 38, 0)), ("x", i64s([7; 1000]))]);
    let (report, _) = check(&w, &[&w.text("a.parquet")]);
    assert_eq!(report["duplicate_rows"], 499);
}

/// Where no value can lie within, all lie outside, each once.
fn a_range_between_neighbours() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &[("n", i64s(0..200))]);
    std::fs::write(w.path("e.toml"), "columns.n = { range = [0.2, 0.8] }\n").unwrap();
    let ran = Ran::from(hyades(["check", &w.text("a.parquet"), "--expect", &w.text("e.toml")]));
    ran.is_refused(3, &["\"n\", range: 200 values lie outside 0.2 to 0.8"]);
}

fn decimals_and_times_to_the_last_digit() {
    let w = Workshop::new();
    // 2026-10-01 13:05:09, by `date -d`.
    let second = 1_790_859_909i64;
    let nanos = (0..40).map(|i| Some(second * 1_000_000_000 + i % 4));
    let micros = (0..40).map(|i| Some(second * 1_000_000 + i % 2 * 250_000));
    let table = [
        ("price", decimals((0..40).map(|i| Some(1_234_567_890_123_456_789 + i % 4)), 20, 2)),
        ("small", decimals((0..40).map(|i| Some(1250 + i % 2 * 50)), 20, 2)),
        ("nanos", Arc::new(nanos.collect::<TimestampNanosecondArray>()) as ArrayRef),
        ("micros", Arc::new(micros.collect::<TimestampMicrosecondArray>()) as ArrayRef),
    ];
    write(&w.path("a.parquet"), &table);
    let (report, _) = check(&w, &[&w.text("a.parquet")]);
    let of = |name: &str| column(&report, name).clone();
    let ends = |name: &str| json!([of(name)["numbers"]["min"], of(name)["numbers"]["max"]]);
    assert_eq!(ends("price"), json!(["12345678901234567.89", "12345678901234567.92"]));
    assert_eq!((&of("price")["distinct"], &of("price")["numbers"]["whole"]), (&json!(4), &json!(false)));
    assert_eq!(of("small")["counts"], json!([[12.5, 20], [13, 20]]));
    assert_eq!(ends("nanos"), json!(["2026-10-01 13:05:09", "2026-10-01 13:05:09.000000003"]));
    assert_eq!(of("nanos")["distinct"], 4);
    assert_eq!(of("micros")["counts"], json!([["2026-10-01 13:05:09", 20], ["2026-10-01 13:05:09.25", 20]]));
}

fn values_that_must_be_unique_need_not_be_whole() {
    let w = Workshop::new();
    let table = [
        ("id", i64s(0..8)),
        ("rate", some_f64s([0.5, -0.0, f64::NAN, 1e17, 0.0, f64::NAN, 0.25, f64::INFINITY].map(Some))),
        ("price", decimals((0..8).map(|i| (i != 2).then_some(50 * (i % 7))), 10, 2)),
        ("wide", decimals((0..8).map(|i| Some(10i128.pow(30) + i / 2)), 38, 2)),
        ("big", i64s((0..8).map(|i| ODD - i))),
        ("moment", Arc::new((0..8).map(|i| Some(ODD * 100 - i)).collect::<TimestampNanosecondArray>()) as ArrayRef),
    ];
    write(&w.path("a.parquet"), &table);
    let names = table.iter().map(|(name, _)| format!("columns.{name}.unique = true\n"));
    std::fs::write(w.path("e.toml"), names.collect::<String>()).unwrap();
    let ran = Ran::from(hyades(["check", &w.text("a.parquet"), "--expect", &w.text("e.toml"), "--id", "id"]));
    let breaches = "\
3 of 6 expectations are broken:
  \"price\", unique: 1 rows repeat a value of an earlier row
  \"rate\", unique: 1 rows repeat a value of an earlier row
  \"wide\", unique: 4 rows repeat a value of an earlier row
";
    ran.is_refused(3, &[breaches]);
}

fn bounds_are_compared_by_value() {
    let w = Workshop::new();
    let second = 1_790_859_909i64;
    let nanos = (0..5).map(|i| Some(second * 1_000_000_000 + i));
    let dimes: Vec<f32> = vec![0.1, 0.2, 0.3, 0.2, 0.1];
    let table = [
        ("whole", i64s((0..5).map(|i| ODD - 1 + i))),
        ("same", i64s((0..5).map(|i| ODD - 1 + i))),
        ("unsigned", Arc::new((0..5).map(|i| Some(u64::MAX - i)).collect::<UInt64Array>()) as ArrayRef),
        ("price", decimals((0..5).map(|i| Some(10 * (i + 1))), 10, 2)),
        ("wide", decimals((0..5).map(|i| Some(10i128.pow(25) + i)), 30, 0)),
        ("nanos", Arc::new(nanos.collect::<TimestampNanosecondArray>()) as ArrayRef),
        ("dimes", Arc::new(Float32Array::from(dimes)) as ArrayRef),
    ];
    write(&w.path("a.parquet"), &table);
    let expected = r#"
columns.whole = { range = [9007199254740993, 9007199254740995], allowed = [9007199254740993], unique = true }
columns.same = { range = [9007199254740992.5, 1e300], allowed = [9007199254740992.0, 0.5] }
columns.unsigned = { range = [-1, 18446744073709551613], allowed = [18446744073709551615] }
columns.price = { range = [0.1, 0.3], allowed = [0.1, 0.20, 0.3, 4e-1] }
columns.wide = { range = [10000000000000000000000001, 10000000000000000000000003] }
columns.nanos = { range = ["2026-10-01T13:05:09.000000001Z", "2026-10-01"], newest_at_least = "2026-10-01 13:05:09.000000005" }
columns.dimes = { range = [0.1, 0.3], allowed = [0.1, 0.2, 0.3] }
"#;
    std::fs::write(w.path("e.toml"), expected).unwrap();
    let ran = Ran::from(hyades(["check", &w.text("a.parquet"), "--expect", &w.text("e.toml"), "--id", "whole"]));
    let breaches = "\
11 of 14 expectations are broken:
  \"nanos\", range: 1 values lie outside 2026-10-01 13:05:09.000000001 to 2026-10-01
  \"nanos\", newest_at_least: the newest is 2026-10-01 13:05:09.000000004, where 2026-10-01 13:05:09.000000005 or later \
is expected
  \"price\", range: 2 values lie outside 0.1 to 0.3
  \"price\", allowed: 1 values are not in the list, such as \"0.5\"
  \"same\", range: 1 values lie outside 9007199254740992.5 to 1e300
  \"same\", allowed: 4 values are not in the list, such as \"9007199254740993\"
  \"unsigned\", range: 2 values lie outside -1 to 18446744073709551613
  \"unsigned\", allowed: 4 values are not in the list, such as \"18446744073709551614\"
  \"whole\", range: 2 values lie outside 9007199254740993 to 9007199254740995
  \"whole\", allowed: 4 values are not in the list, such as \"9007199254740992\"
  \"wide\", range: 2 values lie outside 10000000000000000000000001 to 10000000000000000000000003
";
    ran.is_refused(3, &[breaches]);
}

fn faults_of_a_file_of_expectations() {
    let w = Workshop::new();
    let refused = |text: &str, parts: &[&str]| {
        std::fs::write(w.path("e.toml"), text).unwrap();
        let place = w.text("e.toml");
        let parts: Vec<String> = parts.iter().map(|p| p.replace("@", &place)).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Ran::from(hyades(["check", &bank(), "--expect", &place, "--json", &w.text("no.json")])).is_refused(2, &parts);
        assert!(!w.path("no.json").exists(), "something was written");
    };
    refused(
        "[columns.age_yaers]\nnot_null = true\n",
        &["@:1:10: no column is named \"age_yaers\"; did you mean \"age_years\"?"],
    );
    refused(
        "[columns.age_years]\nnotnull = true",
        &["@:2:1: no expectation of a column is named \"notnull\"; did you mean \"not_null\"?"],
    );
    refused("[colums.age_years]\n", &["@:1:2: no section is named \"colums\"; did you mean \"columns\"?"]);
    refused("[columns.qqqq]\n", &["no column is named \"qqqq\"; there are: \"customer_id\", "]);
    refused("[table]\nrow_count = [9, 3]\n", &["@:2:13: row_count must be [least, most]"]);
    refused("a = [1,\n", &["@:1:8: unclosed array"]);
    let several = "[columns.age_years]\nrange = [5]\nmax_null_share = 3\nnewest_at_least = \"2026-01-01\"\n\
                   [columns.customer_id]\nallowed = [\"a\"]\nunique = 1\n";
    let all = [
        "@:2:9: range of \"age_years\": must be [least, most], both included",
        "@:3:18: max_null_share of \"age_years\": must be a share from 0 to 1",
        "@:4:19: newest_at_least of \"age_years\": needs dates; it is Int32",
        "@:6:11: allowed of \"customer_id\": a value does not fit Int64",
        "@:7:10: unique of \"customer_id\": must be true or false",
    ];
    refused(several, &all);
    let missing = w.text("nothing.toml");
    Ran::from(hyades(["check", &bank(), "--expect", &missing])).is_refused(2, &[&missing, "no such file"]);
}

const HOSTILE: [&str; 5] =
    ["<script>alert(1)</script>", "\u{1b}[31mred\u{1b}[0m", "two\nlines", "=cmd|' /C calc'!A0", "back\u{202e}wards\"&"];

fn hostile_names_and_values() {
    let w = Workshop::new();
    let mut table: Vec<(&str, ArrayRef)> = HOSTILE.iter().map(|name| (*name, i64s((0..200).map(|i| i % 2)))).collect();
    table.push(("text", texts((0..200).map(|i| HOSTILE[i % 5]))));
    write(&w.path("a.parquet"), &table);
    let (json, page) = (w.text("check.json"), w.text("check.html"));
    let ran = done(["check", &w.text("a.parquet"), "--json", &json, "--report", &page]);
    std::fs::write(w.path("e.toml"), "columns.text.allowed = []\ncolumns.\"two\\nlinse\".not_null = true\n").unwrap();
    let wrong = Ran::from(hyades(["check", &w.text("a.parquet"), "--expect", &w.text("e.toml")]));
    wrong.is_refused(2, &["no column is named \"two\\nlinse\"; did you mean \"two\\nlines\"?"]);
    std::fs::write(w.path("e.toml"), "columns.text.allowed = []\n").unwrap();
    let broken = Ran::from(hyades(["check", &w.text("a.parquet"), "--expect", &w.text("e.toml")]));
    broken.is_refused(3, &["200 values are not in the list, such as \"<script>alert(1)</script>\""]);
    for said in [&ran.out, &ran.err, &wrong.err, &broken.out, &broken.err] {
        let bad = said.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(bad, None, "{said:?}");
    }
    assert!(ran.out.contains("\\u{1b}[31mred") && ran.out.contains("two\\nlines"), "{}", ran.out);
    let html = std::fs::read_to_string(page).unwrap();
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !html.contains("<script"), "{html}");
    assert!(!html.contains('\u{1b}') && !html.contains('\u{202e}'));
    // JSON has them unchanged.
    let names: Vec<Value> = read_json(&json)["columns"].as_array().unwrap().iter().map(|c| c["name"].clone()).collect();
    assert_eq!(names[..5], HOSTILE.map(Value::from));
}

fn the_page_stands_alone() {
    let w = Workshop::new();
    let page = w.text("check.html");
    done(["check", &bank(), "--report", &page]);
    let html = std::fs::read_to_string(page).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</main></body></html>\n"));
    for bad in ["<script", "http:", "https:", "src=", "href=", "url(", "@import", "<link", "<img"] {
        assert!(!html.contains(bad), "{bad} in the page");
    }
    for part in ["default-src 'none'", "age_years", "44.3 ± ", "<h2>Columns</h2>", "signed-log1p", "Histogram of "] {
        assert!(html.contains(part), "no {part} in the page");
    }
    for tag in ["table", "tr", "td", "th", "h2", "ul", "li", "div", "p", "b"] {
        let opened = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

fn files_that_differ_are_reported() {
    let w = Workshop::new();
    std::fs::create_dir(w.path("in")).unwrap();
    let same = ("id", i64s(0..50));
    write(&w.path("in/a.parquet"), &[same.clone(), ("x", f64s((0..50).map(f64::from))), ("y", i64s(0..50))]);
    write(
        &w.path("in/b.parquet"),
        &[same, ("x", i64s(50..100)), ("y", texts((0..50).map(|i| format!("t{i}")))), ("z", i64s(0..50))],
    );
    let (report, ran) = check(&w, &[&w.text("in")]);
    let (a, b) = (w.text("in/a.parquet"), w.text("in/b.parquet"));
    let differences = [
        format!("\"x\" is Float64 in {a}, Int64 in {b}: read as Float64"),
        format!("{b} has \"y\" as LargeUtf8, {a} as Int64").replace("LargeUtf8", "Utf8"),
        format!("{a} has no column \"z\""),
    ];
    assert_eq!(report["schema_differences"], json!(differences));
    // Numbers are numbers; text among numbers is reported separately; a missing column counts as missing values.
    let (x, y, z) = (column(&report, "x"), column(&report, "y"), column(&report, "z"));
    assert_eq!((&x["numbers"]["max"], &x["mistyped"]), (&json!(99), &json!(0)));
    assert_eq!((&y["numbers"]["max"], &y["mistyped"]), (&json!(49), &json!(50)));
    assert_eq!((&z["absent"], &z["distinct"]), (&json!(50), &json!(50)));
    assert_eq!(report["duplicate_rows"], 0);
    assert!(ran.out.contains("the files differ about their columns in 3 places"), "{}", ran.out);
}

fn more_columns_than_are_paired() {
    let w = Workshop::new();
    let names: Vec<String> = (0..201).map(|i| format!("c{i}")).collect();
    let table: Vec<(&str, ArrayRef)> = names.iter().map(|n| (n.as_str(), i64s((0..40).map(|i| i % 3)))).collect();
    write(&w.path("a.parquet"), &table);
    let (report, _) = check(&w, &[&w.text("a.parquet")]);
    assert_eq!(report["correlations"], Value::Null);
    let said = findings(&report, "correlations_left_out", "");
    assert_eq!(said, ["correlations were left out: 201 number columns, and at most 200 are paired"]);
    write(&w.path("a.parquet"), &table[..200]);
    let (report, _) = check(&w, &[&w.text("a.parquet")]);
    assert_eq!(report["correlations"].as_array().map(Vec::len), Some(200 * 199 / 2));
}

fn outputs_that_cannot_be_written() {
    let w = Workshop::new();
    let input = w.text("bank.parquet");
    std::fs::copy(bank(), &input).unwrap();
    let before = std::fs::read(&input).unwrap();
    Ran::from(hyades(["check", &input, "--json", &input])).is_refused(2, &["this run reads it"]);
    assert!(std::fs::read(&input).unwrap() == before);
    Ran::from(hyades(["check", &input, "--report", &w.text("out")])).is_refused(2, &["it is a folder"]);
    let nowhere = w.text("no/such/folder/a.json");
    Ran::from(hyades(["check", &input, "--json", &nowhere]))
        .is_refused(4, &["no/such/folder", "no such file or folder"]);
    let both = w.text("both");
    Ran::from(hyades(["check", &input, "--json", &both, "--report", &both])).is_refused(2, &["named for two outputs"]);
    w.is_untouched();
    // No unfinished file stays behind, and an earlier report is replaced.
    std::fs::write(w.path("check.json"), "earlier").unwrap();
    check(&w, &[&input]);
    let names: Vec<String> = std::fs::read_dir(w.path(""))
        .unwrap()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(names.iter().all(|n| !n.starts_with('.')), "{names:?}");
}

fn an_input_without_rows() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &[("id", i64s([])), ("x", f64s([])), ("t", texts(Vec::<String>::new()))]);
    let (report, _) = check(&w, &[&w.text("a.parquet"), "--report", &w.text("a.html")]);
    assert_eq!(report["rows"], 0);
    assert_eq!(findings(&report, "no_rows", ""), ["there are no rows"]);
    assert_eq!(column(&report, "x")["numbers"]["mean"], Value::Null);
}
