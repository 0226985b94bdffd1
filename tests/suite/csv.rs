//! CSV as an input: the same table as Parquet, however it is written; what is refused; and `convert`.

use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use encoding_rs::{Encoding, GB18030, WINDOWS_1252};
use hyades::Error;
use hyades::event::{Event, Observer, Stage};
use hyades::input::Source;
use hyades::job::{self, ConvertRequest, FitRequest, InputOptions};

use crate::command::{Ran, Workshop, done, json, labels_hash};
use crate::harness::{hyades, root, tests};
use crate::tables::{f64s, i64s, noise, read, write};

tests!(
    a_table_has_the_same_labels_as_csv,
    encodings_line_ends_and_gzip_change_nothing,
    an_encoding_is_found,
    types_come_from_all_rows,
    types_are_those_of_all_files,
    numbers_with_commas,
    doubtful_columns_stay_text,
    missing_values_by_name,
    without_a_header,
    what_is_no_csv_is_refused,
    long_fields_and_quoted_lines,
    joins_checks_and_transactions_take_csv,
    folders_of_csv,
    convert_writes_parquet,
    convert_keeps_what_is_there,
    a_file_that_changes_is_refused,
    a_stop_is_heard,
);

/// A table as CSV, with fields as arrow writes them.
fn text_of(table: &RecordBatch, separator: &str, null: &str) -> String {
    let names: Vec<String> = table.schema().fields().iter().map(|f| f.name().clone()).collect();
    let mut text = names.join(separator) + "\n";
    let options = FormatOptions::new().with_null(null);
    let columns: Vec<_> = table.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
    for row in 0..table.num_rows() {
        let fields: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
        text += &fields.join(separator);
        text.push('\n');
    }
    text
}

/// The hash of the labels of a fit, and what was said.
fn labels(w: &Workshop, name: &str, more: &[&str]) -> (String, Ran) {
    let input = w.text(name);
    let ran = w.run([&["fit", &input, "--k", "4"][..], more].concat()).succeeds();
    (labels_hash(&w.out()), ran)
}

/// The column types of a file.
fn types(path: &Path) -> Vec<(String, DataType)> {
    let source = Source::open(&[path.to_path_buf()]).unwrap();
    source.columns().iter().map(|c| (c.name.clone(), c.data_type.clone())).collect()
}

fn type_of(w: &Workshop, text: &str) -> DataType {
    std::fs::write(w.path("one.csv"), text).unwrap();
    types(&w.path("one.csv")).last().unwrap().1.clone()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn a_table_has_the_same_labels_as_csv() {
    let w = Workshop::new();
    let bank = root().join("data/customers.parquet");
    let source = Source::open(std::slice::from_ref(&bank)).unwrap();
    let rows = source.row_groups()[0].rows.to_string();
    std::fs::write(w.path("bank.csv"), text_of(&read(&bank), ",", "")).unwrap();
    let (by_csv, ran) = labels(&w, "bank.csv", &["--row-group-rows", &rows]);
    let manifest = json(w.out().join("manifest.json"));
    done(["fit", bank.to_str().unwrap(), "--k", "4", "--out", w.out().to_str().unwrap()]);
    assert_eq!(by_csv, labels_hash(&w.out()));
    // The note has the types, and the manifest the file that was named.
    assert!(
        ran.err.contains("bank.csv is CSV: UTF-8, separated by ,, a header; types from all 20,000 rows"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("integer: customer_id, age_years"), "{}", ran.err);
    let file = &manifest["inputs"]["files"][0];
    assert!(file["path"].as_str().unwrap().ends_with("bank.csv"));
    assert_eq!(file["bytes"], std::fs::metadata(w.path("bank.csv")).unwrap().len());
    assert_eq!(file["footer_blake3"], blake3::hash(&std::fs::read(w.path("bank.csv")).unwrap()).to_hex().to_string());
    let stages: Vec<&str> =
        manifest["stages"].as_array().unwrap().iter().map(|s| s["stage"].as_str().unwrap()).collect();
    assert!(stages.contains(&"csv_types") && stages.contains(&"csv_values"), "{stages:?}");
}

/// A small table with letters beyond ASCII in a name and in values.
fn bank(rows: usize, city: [&str; 2]) -> String {
    let mut text = String::from("customer_id;余额;ville;since\n");
    for (i, u) in noise(5).take(rows).enumerate() {
        let (at, city) = ((i % 4) as f64 * 10.0 + u, city[i % 2]);
        text += &format!("{};{at:.6};\"{city}; {i}\";2026-0{}-01\n", i + 1, 1 + i % 9);
    }
    text
}

fn encodings_line_ends_and_gzip_change_nothing() {
    let w = Workshop::new();
    let text = bank(400, ["北京", "上海"]);
    std::fs::write(w.path("plain.csv"), &text).unwrap();
    let (expected, _) = labels(&w, "plain.csv", &[]);
    let utf16: Vec<u8> = [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let gb = GB18030.encode(&text).0.into_owned();
    let variants: [(&str, Vec<u8>, &[&str]); 9] = [
        ("bom.csv", [b"\xEF\xBB\xBF", text.as_bytes()].concat(), &[]),
        ("crlf.csv", text.replace('\n', "\r\n").into_bytes(), &[]),
        ("cr.csv", text.replace('\n', "\r").into_bytes(), &[]),
        ("end.csv", text.trim_end().as_bytes().to_vec(), &[]),
        ("packed.csv.gz", gzip(text.as_bytes()), &[]),
        ("two.csv.gz", [gzip(&text.as_bytes()[..100]), gzip(&text.as_bytes()[100..])].concat(), &[]),
        ("utf16.txt", utf16, &[]),
        ("named.csv", gb.clone(), &["--csv-encoding", "gb18030"]),
        ("found.csv.gz", gzip(&gb), &[]),
    ];
    for (name, bytes, more) in variants {
        std::fs::write(w.path(name), bytes).unwrap();
        let (found, ran) = labels(&w, name, more);
        assert_eq!(found, expected, "{name}");
        assert_eq!(types(&w.path(name)).len(), 4, "{name}");
        assert_eq!(ran.err.contains("is not UTF-8"), name == "found.csv.gz", "{}", ran.err);
    }
    let tabs = text.replace(';', "\t");
    std::fs::write(w.path("tabs.tsv"), tabs).unwrap();
    assert_eq!(labels(&w, "tabs.tsv", &[]).0, expected);
}

fn an_encoding_is_found() {
    let w = Workshop::new();
    let found = |encoding: &'static Encoding, names: &str| {
        let (bytes, _, faults) = encoding.encode(names);
        assert!(!faults);
        std::fs::write(w.path("found.csv"), bytes).unwrap();
        types(&w.path("found.csv")).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    // Valid as GB18030, too: the umlaut and the letter after it are a Chinese character there.
    let western = "größe,straße,id\n1.5,Müllerstraße,1\n2.5,Gänsemarkt,2\n";
    assert_eq!(found(WINDOWS_1252, western), ["größe", "straße", "id"]);
    let chinese = "客户号,余额,性别\n1,2.5,男\n2,3.5,女\n";
    assert_eq!(found(GB18030, chinese), ["客户号", "余额", "性别"]);
    // In UTF-8, the second and the third name would be the same replacement characters.
    let alike = "客户号,姓名,年龄,存款\n1,王伟,30,5.5\n2,李娜,40,6.5\n";
    assert_eq!(found(GB18030, alike), ["客户号", "姓名", "年龄", "存款"]);
    assert_eq!(found(WINDOWS_1252, "id,Größe,Grüße,x\n1,a,b,2\n"), ["id", "Größe", "Grüße", "x"]);
}

fn types_come_from_all_rows() {
    let w = Workshop::new();
    let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    for (fields, expected) in [
        (&["1", "-2", "+3", "0"][..], DataType::Int64),
        (&["1", "2.5"], DataType::Float64),
        (&["1e3", "2"], DataType::Float64),
        // An id stays as it is, wherever its zeros are.
        (&["1", "2", "00123"], DataType::Utf8),
        (&["1", "99999999999999999999"], DataType::Utf8),
        (&["2.5", "99999999999999999999"], DataType::Float64),
        (&["true", "False"], DataType::Boolean),
        (&["true", "1"], DataType::Utf8),
        (&["2026-01-31", "1999-12-01"], DataType::Date32),
        (&["31.12.2026", "1.1.2026"], DataType::Date32),
        (&["2026-01-31", "2026-01-31 12:30:00"], micros(None)),
        (&["2026-01-31T12:30:00.5Z", "2026-01-31T12:30:00+08:00"], micros(Some("UTC"))),
        (&["2026-01-31T12:30:00Z", "2026-01-31T12:30:00"], DataType::Utf8),
        (&["2026-02-30", "2026-01-01"], DataType::Utf8),
        // The day is first, as the second date says.
        (&["01/02/2026", "31/01/2026"], DataType::Date32),
        (&["01/31/2026", "31/01/2026"], DataType::Utf8),
        (&["NA", "1", "nan", "NULL", "N/A", "#N/A", ""], DataType::Int64),
        // Namibia.
        (&["NA", "DE"], DataType::Utf8),
        (&["", "NULL", "\\N"], DataType::Null),
        (&[" 1", "2 "], DataType::Int64),
        (&["\"1\"", "\"2\""], DataType::Int64),
    ] {
        let lines: String = fields.iter().map(|field| format!("a,{field}\n")).collect();
        assert_eq!(type_of(&w, &format!("name,x\n{lines}")), expected, "{fields:?}");
    }
    // The last of many rows decides, too.
    let mut text = String::from("name,x\n");
    (0..50_000).for_each(|i| text += &format!("customer {i},{i}\n"));
    assert_eq!(type_of(&w, &text), DataType::Int64);
    assert_eq!(type_of(&w, &(text.clone() + "last,0.5\n")), DataType::Float64);
    assert_eq!(type_of(&w, &(text + "last,007\n")), DataType::Utf8);
}

fn types_are_those_of_all_files() {
    let w = Workshop::new();
    std::fs::create_dir(w.path("months")).unwrap();
    std::fs::write(w.path("months/1.csv"), "id,x,code\n1,1,1\n2,,2\n").unwrap();
    std::fs::write(w.path("months/2.csv"), "id;x;code\n3;1,5;01\n").unwrap();
    let source = Source::open(&[w.path("months")]).unwrap();
    let types: Vec<&DataType> = source.columns().iter().map(|c| &c.data_type).collect();
    assert_eq!(types, [&DataType::Int64, &DataType::Float64, &DataType::Utf8]);
    assert!(source.columns().iter().all(|c| c.conflicts.is_empty()));
    assert_eq!(source.rows(), 3);
}

/// The values of the last column of a table that is converted.
fn converted(w: &Workshop, text: &str, more: &[&str]) -> RecordBatch {
    std::fs::write(w.path("in.csv"), text).unwrap();
    done([&["convert", &w.text("in.csv"), "--out", &w.text("in.parquet")][..], more].concat());
    read(&w.path("in.parquet"))
}

fn numbers_with_commas() {
    let w = Workshop::new();
    let reals = |table: &RecordBatch, column: usize| {
        let array = table.column(column).as_primitive::<Float64Type>().clone();
        (0..array.len()).map(|i| array.is_valid(i).then(|| array.value(i))).collect::<Vec<_>>()
    };
    let german = converted(&w, "id;betrag;zins\n1;1.234.567,89;0,5\n2;-12,00;\n3;1.234;12\n", &[]);
    assert_eq!(reals(&german, 1), [Some(1_234_567.89), Some(-12.0), Some(1234.0)]);
    assert_eq!(reals(&german, 2), [Some(0.5), None, Some(12.0)]);
    // 1.234 is a thousand where another column has a decimal comma.
    let beside = converted(&w, "id;betrag;zins\n1;1.234;0,5\n2;5.678;1,5\n", &[]);
    assert_eq!(beside.column(1).as_primitive::<Int64Type>().values(), &[1234, 5678]);
    let alone = converted(&w, "id;betrag\n1;1.234\n2;5.678\n", &[]);
    assert_eq!(reals(&alone, 1), [Some(1.234), Some(5.678)]);
    let english = converted(&w, "id,amount\n1,\"1,234.50\"\n2,99\n", &[]);
    assert_eq!(reals(&english, 1), [Some(1234.5), Some(99.0)]);
    let swiss = converted(&w, "id,amount\n1,1'234.50\n2,99\n", &["--csv-thousands", "'"]);
    assert_eq!(reals(&swiss, 1), [Some(1234.5), Some(99.0)]);
    let french = converted(&w, "id;amount\n1;1\u{202f}234,50\n2;1 000\n", &["--csv-thousands", "space"]);
    assert_eq!(reals(&french, 1), [Some(1234.5), Some(1000.0)]);
}

fn doubtful_columns_stay_text() {
    let w = Workshop::new();
    let said = |text: &str, more: &[&str], parts: &[&str]| {
        std::fs::write(w.path("in.csv"), text).unwrap();
        let ran = done([&["convert", &w.text("in.csv"), "--out", &w.text("in.parquet")][..], more].concat());
        assert!(parts.iter().all(|part| ran.err.contains(part)), "{}", ran.err);
        read(&w.path("in.parquet")).schema().field(1).data_type().clone()
    };
    let days = "id,since\n1,01/02/2026\n2,03/04/2026\n";
    assert_eq!(said(days, &[], &["WARN", "\"since\" is text", "day or the month first"]), DataType::Utf8);
    assert_eq!(said(days, &["--csv-date-format", "%d/%m/%Y"], &["date (%d/%m/%Y): since"]), DataType::Date32);
    let marks = "id;amount\n1;1,234\n2;5,678\n";
    assert_eq!(said(marks, &[], &["\"amount\" is text", "--csv-decimal"]), DataType::Utf8);
    assert_eq!(said(marks, &["--csv-decimal", ","], &["decimal (with a comma): amount"]), DataType::Float64);
    let odd: String = (0..99).map(|i| format!("{i},{i}.5\n")).collect();
    let odd = format!("id,balance\n{odd}99,unknown\n");
    assert_eq!(
        said(&odd, &[], &["\"balance\" is text, since \"unknown\" in line 101", "--csv-missing"]),
        DataType::Utf8
    );
    assert_eq!(said(&odd, &["--csv-missing", "unknown"], &[]), DataType::Float64);
    let compact = "id,day\n1,20260131\n2,19991201\n";
    assert_eq!(said(compact, &["--csv-date-format", "%Y%m%d"], &[]), DataType::Date32);
}

fn missing_values_by_name() {
    let w = Workshop::new();
    let text = "id,x,country\n1,-999,NA\n2,5,DE\n3,,\n4,NA,FR\n";
    let table = converted(&w, text, &[]);
    let x = table.column(1).as_primitive::<Int64Type>();
    assert_eq!((x.null_count(), x.value(0)), (2, -999));
    let countries = table.column(2).as_string::<i32>();
    assert_eq!((countries.value(0), countries.null_count()), ("NA", 1));
    let table = converted(&w, text, &["--csv-missing", "-999,NA"]);
    assert_eq!((table.column(1).null_count(), table.column(2).null_count()), (3, 2));
}

fn without_a_header() {
    let w = Workshop::new();
    std::fs::write(w.path("rows.csv"), "1,2.5,x\n2,3.5,y\n").unwrap();
    let found = types(&w.path("rows.csv"));
    assert_eq!(found.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(), ["column_1", "column_2", "column_3"]);
    assert_eq!(Source::open(&[w.path("rows.csv")]).unwrap().rows(), 2);
    let years = converted(&w, "name,2024,2025\na,1,2\n", &["--csv-header", "yes"]);
    assert_eq!((years.schema().field(1).name().as_str(), years.num_rows()), ("2024", 1));
    let unnamed = converted(&w, ",x\n0,1\n", &[]);
    assert_eq!(unnamed.schema().field(0).name(), "Unnamed: 0");
}

fn what_is_no_csv_is_refused() {
    let w = Workshop::new();
    let refused = |name: &str, bytes: &[u8], more: &[&str], code: i32, parts: &[&str]| {
        std::fs::write(w.path(name), bytes).unwrap();
        w.refused(code, parts, [&["fit", &w.text(name), "--k", "2"][..], more].concat());
    };
    refused("a.csv", b"id,x\n1,2\n2,3,4\n", &[], 3, &["a.csv: line 3 has 3 fields, the header has 2", "quoted"]);
    refused("a.csv", b"id,x\n1,2\n2\n", &["--csv-separator", ","], 3, &["line 3 has 1 field, the header has 2"]);
    refused("a.csv", b"id,x\n1,\"2\n", &[], 3, &["line 2: a quote opens here and is not closed"]);
    refused("a.csv", b"id,x\n1,\"2\"3\n", &[], 3, &["line 2", "must be doubled"]);
    refused("a.csv", b"id,id\n1,2\n", &[], 3, &["columns 1 and 2", "\"id\""]);
    refused("a.csv", b"", &[], 3, &["no records"]);
    refused("a.csv", b"id,x\n", &[], 3, &["no rows"]);
    refused("a.csv", b"id,x\n1,\xFF\n", &["--csv-encoding", "utf-8"], 3, &["line 2: bytes that are not UTF-8"]);
    refused(
        "a.csv",
        b"id,x\n1,2\n3,\xFF\n",
        &["--csv-encoding", "gb18030"],
        3,
        &["line 3: bytes that are not gb18030"],
    );
    let packed = gzip(b"id,x\n1,2\n2,3\n");
    refused("a.csv.gz", &packed[..packed.len() - 9], &[], 3, &["gzip data ends early"]);
    for (option, value) in [
        ("--csv-separator", "ab"),
        ("--csv-encoding", "klingon"),
        ("--csv-decimal", ";"),
        ("--csv-thousands", "x"),
        ("--csv-date-format", "%Q"),
        ("--row-group-rows", "0"),
    ] {
        refused("a.csv", b"id,x\n1,2\n", &[option, value], 2, &[option]);
    }
}

fn long_fields_and_quoted_lines() {
    let w = Workshop::new();
    // Fields of 100 kB, with quotes, separators and line ends in them: records of more than a block.
    let long = "line, \"\"quoted\"\"\n".repeat(6000);
    let mut text = String::from("id,note,x\n");
    (0..40).for_each(|i| text += &format!("{i},\"{long}{i}\",{i}.5\n"));
    let table = converted(&w, &text, &["--row-group-rows", "7"]);
    let notes = table.column(1).as_string::<i32>();
    assert_eq!(table.num_rows(), 40);
    let long = long.replace("\"\"", "\"");
    assert!((0..40).all(|i| notes.value(i) == format!("{long}{i}")));
    assert_eq!(table.column(2).as_primitive::<Float64Type>().value(39), 39.5);
}

fn joins_checks_and_transactions_take_csv() {
    let w = Workshop::new();
    let rows = 300;
    let x: Vec<f64> = noise(3).take(rows).enumerate().map(|(i, u)| (i % 3) as f64 * 9.0 + u).collect();
    write(&w.path("left.parquet"), &[("id", i64s(0..300)), ("x", f64s(x.clone()))]);
    let right: String = (0..rows).rev().map(|i| format!("{i},{}\n", i % 3 * 7)).collect();
    std::fs::write(w.path("right.csv"), format!("id,y\n{right}")).unwrap();
    done(["fit", &w.text("left.parquet"), "--k", "3", "--join", &w.text("right.csv"), "--out", &w.text("joined")]);
    assert_eq!(json(w.path("joined/manifest.json"))["inputs"]["joins"][0]["matched"], 300);
    let assigned = ["--join", &w.text("right.csv"), "--out", &w.text("again")];
    done([&["assign", &w.text("joined/model.json"), &w.text("left.parquet")][..], &assigned].concat());
    assert_eq!(labels_hash(&w.path("again")), labels_hash(&w.path("joined")));
    let ran = Ran::from(hyades(["check", &w.text("right.csv"), "--json", &w.text("check.json")])).succeeds();
    assert!(ran.out.contains("300 rows, 2 columns"), "{}", ran.out);
    done(["plan", &w.text("right.csv"), "--k", "3"]);
    let recipe = done(["recipe", "init", &w.text("right.csv")]);
    assert!(recipe.out.contains("columns"), "{}", recipe.out);
    std::fs::write(w.path("pay.csv"), "kunde;tag;betrag\n1;01.02.2026;10,50\n1;15.02.2026;2,25\n7;01.01.2026;1\n")
        .unwrap();
    let columns = ["--customer", "kunde", "--time", "tag", "--amount", "betrag", "--out", &w.text("rfm.parquet")];
    done([&["features", "rfm", &w.text("pay.csv")][..], &columns].concat());
    let customers = read(&w.path("rfm.parquet"));
    let sums = customers.column_by_name("monetary_sum").unwrap().as_primitive::<Float64Type>().clone();
    assert_eq!(sums.values(), &[12.75, 1.0]);
}

fn folders_of_csv() {
    let w = Workshop::new();
    let folder = |name: &str| {
        let path = w.path(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    };
    let plain = folder("plain");
    std::fs::write(plain.join("a.csv"), "id,x\n1,2\n").unwrap();
    std::fs::write(plain.join("b.CSV.gz"), gzip(b"id,x\n2,3\n")).unwrap();
    std::fs::write(plain.join("readme.txt"), "not a table").unwrap();
    assert_eq!(Source::open(&[plain.clone()]).unwrap().rows(), 2);
    assert_eq!(Source::open(&[plain.join("*.csv")]).unwrap().rows(), 1);
    // The same table in both formats counts once.
    write(&plain.join("a.parquet"), &[("id", i64s(0..5)), ("x", f64s([0.0; 5]))]);
    assert_eq!(Source::open(&[plain]).unwrap().rows(), 5);
    let month = folder("by/month=2026-01");
    std::fs::write(month.join("a.csv"), "id,x\n1,2\n").unwrap();
    let source = Source::open(&[w.path("by")]).unwrap();
    assert_eq!(source.columns()[2].name, "month");
}

fn convert_writes_parquet() {
    let w = Workshop::new();
    let bank = root().join("data/customers.parquet");
    let expected = read(&bank);
    let table = converted(&w, &text_of(&expected, "|", "NULL"), &["--row-group-rows", "3000"]);
    assert_eq!(table.num_rows(), expected.num_rows());
    for (c, field) in expected.schema().fields().iter().enumerate() {
        // Columns of 32 bits are written with their digits.
        let wide = if *field.data_type() == DataType::Float32 { DataType::Float32 } else { DataType::Float64 };
        let values = |batch: &RecordBatch| arrow::compute::cast(batch.column(c), &wide).unwrap();
        assert!(*values(&table) == *values(&expected), "{}", field.name());
    }
    let groups = Source::open(&[w.path("in.parquet")]).unwrap().row_groups().len();
    assert_eq!(groups, 20_000usize.div_ceil(3000));
    // Several files become a folder, with the columns of their folders' names.
    for month in ["1", "2"] {
        let folder = w.path(&format!("in/month={month}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a.csv"), format!("id,x\n{month},2.5\n")).unwrap();
    }
    let ran = done(["convert", &w.text("in"), "--out", &w.text("new/months")]);
    assert!(ran.out.contains("2 rows, 2 columns, 2 files"), "{}", ran.out);
    let second = read(&w.path("new/months/part-00001.parquet"));
    assert_eq!(second.column_by_name("month").unwrap().as_string::<i32>().value(0), "2");
    assert_eq!(Source::open(&[w.path("new/months")]).unwrap().rows(), 2);
}

fn convert_keeps_what_is_there() {
    let w = Workshop::new();
    std::fs::write(w.path("a.csv"), "id,x\n1,2\n2\n").unwrap();
    std::fs::write(w.path("a.parquet"), "earlier").unwrap();
    let run = |out: &str| Ran::from(hyades(["convert", &w.text("a.csv"), "--out", &w.text(out)]));
    run("a.parquet").is_refused(3, &["line 3"]);
    assert_eq!(std::fs::read(w.path("a.parquet")).unwrap(), b"earlier");
    std::fs::write(w.path("a.csv"), "id,x\n1,2\n").unwrap();
    run("a.csv").is_refused(2, &["the input"]);
    assert_eq!(std::fs::read(w.path("a.csv")).unwrap(), b"id,x\n1,2\n");
    run("a.parquet").succeeds();
    Ran::from(hyades(["convert", &w.text("a.parquet"), "--out", &w.text("b.parquet")]))
        .is_refused(2, &["a.parquet is not CSV by its name"]);
}

/// Does something when a stage begins.
struct At<F: Fn() + Sync>(Stage, F);

impl<F: Fn() + Sync> Observer for At<F> {
    fn event(&self, event: Event) {
        if matches!(event, Event::Begin { stage, .. } if stage == self.0) {
            self.1();
        }
    }
}

fn a_file_that_changes_is_refused() {
    let w = Workshop::new();
    let path = w.path("a.csv");
    for (before, after) in [("id,x\n1,2\n2,3\n", "id,x\n1,2\n2,4\n"), ("id,x\n1,2\n2,3\n", "id,x\n1,2\n2,a\n")] {
        std::fs::write(&path, before).unwrap();
        let request =
            ConvertRequest { inputs: vec![path.clone()], out: w.path("a.parquet"), ..ConvertRequest::default() };
        let change = At(Stage::CsvValues, || std::fs::write(&path, after).unwrap());
        let error = job::convert(&request, &change, &AtomicBool::new(false)).unwrap_err();
        assert!(matches!(error, Error::Input(_)), "{error}");
        assert!(error.to_string().contains("was changed while it was read"), "{error}");
        assert!(!w.path("a.parquet").exists());
    }
}

fn a_stop_is_heard() {
    let w = Workshop::new();
    let text: String = (0..1000).map(|i| format!("{i},{i}.5\n")).collect();
    std::fs::write(w.path("a.csv"), format!("id,x\n{text}")).unwrap();
    for stage in [Stage::CsvTypes, Stage::CsvValues] {
        let stop = AtomicBool::new(false);
        let seen = Mutex::new(());
        let request = FitRequest {
            input: InputOptions::of([w.path("a.csv")]),
            clustering: job::ClusteringOptions::of(2),
            ..FitRequest::default()
        };
        let stopping = At(stage, || {
            let _guard = seen.lock().unwrap();
            stop.store(true, Ordering::Relaxed);
        });
        assert!(matches!(job::fit(&request, &stopping, &stop), Err(Error::Interrupted)), "{stage:?}");
    }
}
