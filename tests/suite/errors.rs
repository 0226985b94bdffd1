//! What errors tell callers that cannot read their messages: a kind, and the columns, the file and the option that are
//! at fault.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::{ArrayRef, StringArray};
use hyades::check::{CheckRequest, check};
use hyades::cluster::Limits;
use hyades::event::Silent;
use hyades::input::Source;
use hyades::job::InputOptions;
use hyades::roles::RoleRequest;
use hyades::simd::SimdLevel;
use hyades::synth::Compression;
use hyades::text::ByteSize;
use hyades::tiles::Tiles;
use hyades::transactions::{Filter, Returns, RfmRequest, rfm};
use hyades::{Error, ErrorKind};

use crate::harness::{folder, root, tests};
use crate::tables::{i64s, three_groups, write};

tests!(
    missing_inputs,
    damaged_files,
    files_that_disagree,
    columns_that_do_not_exist,
    columns_of_the_wrong_type,
    options_out_of_range,
    unmet_expectations,
    too_little_memory,
);

/// What an error is about: its exit code, kind, columns, file and option.
type About<'a> = (u8, ErrorKind, Vec<&'a str>, Option<&'a Path>, Option<&'static str>);

fn about(error: &Error) -> About<'_> {
    let columns = error.columns().iter().map(String::as_str).collect();
    (error.exit_code(), error.kind(), columns, error.file(), error.option())
}

fn open(path: &Path) -> Result<Source, Error> {
    Source::open(&[path.to_path_buf()])
}

/// A file of three groups with a text column.
fn bank(folder: &Path) -> PathBuf {
    let path = folder.join("bank.parquet");
    let mut table = three_groups(30);
    let names: ArrayRef = Arc::new((0..30).map(|i| Some(format!("name {i}"))).collect::<StringArray>());
    table.push(("name", names));
    write(&path, &table);
    path
}

fn missing_inputs() {
    let folder = folder();
    for name in ["none.parquet", "*.parquet"] {
        let path = folder.path().join(name);
        let error = open(&path).unwrap_err();
        assert_eq!(about(&error), (8, ErrorKind::NotFound, vec![], Some(path.as_path()), None), "{error}");
    }
    let error = open(folder.path()).unwrap_err();
    assert_eq!(about(&error), (8, ErrorKind::NotFound, vec![], Some(folder.path()), None), "{error}");
}

fn damaged_files() {
    for name in ["cut-off.parquet", "empty.parquet", "lying-list.parquet", "text.parquet"] {
        let path = root().join("data/bad").join(name);
        let error = open(&path).unwrap_err();
        assert_eq!(about(&error), (3, ErrorKind::Corrupt, vec![], Some(path.as_path()), None), "{error}");
    }
}

fn files_that_disagree() {
    let folder = folder();
    let mut table = three_groups(9);
    write(&folder.path().join("a.parquet"), &table);
    table[1].1 = Arc::new(StringArray::from_iter_values((0..9).map(|i| i.to_string())));
    write(&folder.path().join("b.parquet"), &table);
    let source = open(folder.path()).unwrap();
    let error = RoleRequest::default().resolve(&source).unwrap_err();
    assert_eq!((error.exit_code(), error.kind()), (3, ErrorKind::Column), "{error}");
    assert_eq!(error.columns(), ["x"], "{error}");
}

fn columns_that_do_not_exist() {
    let folder = folder();
    let source = open(&bank(folder.path())).unwrap();
    let request = RoleRequest { features: vec!["x".into(), "salary".into(), "rent".into()], ..RoleRequest::default() };
    let error = request.resolve(&source).unwrap_err();
    assert_eq!(about(&error), (2, ErrorKind::Column, vec!["salary", "rent"], None, None), "{error}");
}

fn columns_of_the_wrong_type() {
    let folder = folder();
    let source = open(&bank(folder.path())).unwrap();
    let request = RoleRequest { features: vec!["x".into(), "name".into()], ..RoleRequest::default() };
    let error = request.resolve(&source).unwrap_err();
    assert_eq!(about(&error), (2, ErrorKind::Column, vec!["name"], None, None), "{error}");
    let request = RoleRequest { weight: Some("name".into()), ..RoleRequest::default() };
    let error = request.resolve(&source).unwrap_err();
    assert_eq!(about(&error), (2, ErrorKind::Column, vec!["name"], None, Some("--row-weight")), "{error}");
    let request = RoleRequest { features: vec!["x".into(), "x".into()], ..RoleRequest::default() };
    let error = request.resolve(&source).unwrap_err();
    assert_eq!(about(&error), (2, ErrorKind::Column, vec!["x"], None, Some("--features")), "{error}");
}

fn options_out_of_range() {
    let option = |error: Error, name: &'static str| {
        assert_eq!(about(&error), (2, ErrorKind::Option, vec![], None, Some(name)), "{error}");
    };
    option("sse9".parse::<SimdLevel>().unwrap_err(), "--simd");
    option("lzma".parse::<Compression>().unwrap_err(), "--compression");
    option("positive".parse::<Returns>().unwrap_err(), "--returns");
    option("gold".parse::<Filter>().unwrap_err(), "--currency");
    option(Limits { max_iter: 0, tol: 0.0 }.check().unwrap_err(), "--max-iter");
    option(Limits { max_iter: 1, tol: f64::NAN }.check().unwrap_err(), "--tol");
    // Only in the library: there is no option.
    let error = Tiles::from_rows(2, &[1, 2, 3], None, 64).unwrap_err();
    assert_eq!(about(&error), (2, ErrorKind::Option, vec![], None, None), "{error}");
}

fn unmet_expectations() {
    let folder = folder();
    let expect = folder.path().join("expect.toml");
    std::fs::write(&expect, "[columns.x]\nrange = [0, 1]\n").unwrap();
    let request = CheckRequest {
        input: InputOptions::of([bank(folder.path())]),
        expect: Some(expect),
        ..CheckRequest::default()
    };
    let report = check(&request, &Silent, &AtomicBool::new(false)).unwrap();
    let error = report.verdict().unwrap_err();
    assert_eq!(about(&error), (3, ErrorKind::Values, vec!["x"], None, None), "{error}");
    let request = CheckRequest { id: Some("key".into()), expect: None, ..request };
    let error = check(&request, &Silent, &AtomicBool::new(false)).unwrap_err();
    assert_eq!(about(&error), (2, ErrorKind::Column, vec!["key"], None, Some("--id")), "{error}");
}

fn too_little_memory() {
    let folder = folder();
    let (input, out) = (folder.path().join("journal.parquet"), folder.path().join("customers.parquet"));
    let days: ArrayRef = Arc::new((0..9).map(Some).collect::<arrow::array::Date32Array>());
    write(&input, &[("customer", i64s(0..9)), ("day", days), ("amount", i64s(0..9))]);
    let mut request = RfmRequest::new(vec![input], "customer", "day", "amount", out);
    request.resources.memory = Some(ByteSize(1 << 20));
    let error = rfm(&request, &Silent, &AtomicBool::new(false)).unwrap_err();
    assert_eq!(about(&error), (4, ErrorKind::Memory, vec![], None, Some("--memory")), "{error}");
}
