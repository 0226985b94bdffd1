//! What a run leaves behind: one whole output or another, whatever happens on the way.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::{Date32Type, Float64Type, Int32Type};
use parquet::file::metadata::ParquetMetaDataReader;
use serde_json::Value;

use crate::command::{Ran, Workshop, contents, done, json, labels_hash};
use crate::harness::{hyades, tests};
use crate::tables::{column, f64s, i64s, integers, read, segments, three_groups, write};

fn texts<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> ArrayRef {
    Arc::new(values.into_iter().map(|value| Some(value.as_ref().to_owned())).collect::<StringArray>())
}

tests!(
    all_files_name_their_run,
    a_folder_of_a_fit_is_a_model,
    files_of_two_runs_are_no_model,
    labels_do_not_replace_a_fit,
    what_killed_runs_left_is_swept,
    writers_killed_in_turn_leave_no_mixture,
    #[cfg(unix)]
    a_folder_in_use_is_published_through_links,
    no_argument_is_overwritten,
    #[cfg(unix)]
    a_report_goes_into_what_is_no_file,
    outputs_are_local,
    files_of_so_many_rows,
    a_folder_for_each_segment,
    columns_beside_the_labels,
    carried_columns_that_are_refused,
);

/// The value of a name in the footer of a file of labels.
fn fact(file: &Path, name: &str) -> Option<String> {
    let footer = ParquetMetaDataReader::new().parse_and_finish(&File::open(file).expect("labels")).expect("Parquet");
    let facts = footer.file_metadata().key_value_metadata().cloned().unwrap_or_default();
    facts.into_iter().find(|fact| fact.key == name).and_then(|fact| fact.value)
}

fn bank(w: &Workshop) -> String {
    write(&w.path("a.parquet"), &three_groups(90));
    w.text("a.parquet")
}

fn all_files_name_their_run() {
    let w = Workshop::new();
    let input = w.text("a.parquet");
    let mut table = three_groups(90);
    table.push(("sex", texts((0..90).map(|i| ["f", "m"][i % 2]))));
    write(&w.path("a.parquet"), &table);
    let fit = |more: &[&str]| {
        w.run([&["fit", &input, "--k", "3"][..], more].concat()).succeeds();
        json(w.out().join("manifest.json"))["run"].as_str().expect("a run").to_owned()
    };
    let run = fit(&["--audit"]);
    assert!(run.len() == 32 && run.bytes().all(|b| b.is_ascii_hexdigit()), "{run}");
    let labels = w.out().join("segments/part-00000.parquet");
    let model = fs::read(w.out().join("model.json")).unwrap();
    assert_eq!(json(w.out().join("model.json"))["run"], *run);
    assert_eq!(json(w.out().join("audit.json"))["run"], *run);
    assert_eq!(fact(&labels, "hyades.run").as_deref(), Some(&*run));
    assert_eq!(fact(&labels, "hyades.model_blake3").as_deref(), Some(&*blake3::hash(&model).to_hex()));
    assert_eq!(fact(&labels, "hyades.labels_blake3"), Some(labels_hash(&w.out())));
    assert_eq!(fact(&labels, "hyades.segment_names"), None, "they have none");
    let files = json(w.out().join("manifest.json"))["files"].take();
    let there: Vec<String> = contents(&w.out()).into_keys().collect();
    let mut listed: Vec<&str> = files.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    listed.sort_unstable();
    assert_eq!(listed, there);
    // The same everywhere, and with another number of threads; another with other labels.
    assert_eq!(fit(&["--threads", "1"]), run);
    assert_ne!(fit(&["--margin"]), run);
    assert_ne!(fit(&["--seed", "5"]), run);
    fs::write(w.path("r.toml"), "[[rule]]\nname = \"few\"\nwhen = \"id < 130\"\n").unwrap();
    fit(&["--rules", &w.text("r.toml")]);
    let names = fact(&labels, "hyades.segment_names").expect("names");
    assert!(names.starts_with("[\"few\",\"rest/0\","), "{names}");
}

fn a_folder_of_a_fit_is_a_model() {
    let w = Workshop::new();
    let input = bank(&w);
    w.run(["fit", &input, "--k", "3"]).succeeds();
    let (out, to) = (w.text("out"), w.text("labelled"));
    done(["assign", &out, &input, "--out", &to]);
    assert_eq!(labels_hash(&w.path("labelled")), labels_hash(&w.out()));
    assert_ne!(json(w.path("labelled/manifest.json"))["run"], json(w.out().join("manifest.json"))["run"]);
    done(["recipe", "apply", &out, &input, "--out", &w.text("prepared.parquet")]);
    let ran = Ran::from(hyades(["assign", &to, &input, "--out", &w.text("again")]));
    ran.is_refused(2, &["labelled is not the folder of a fit: it lacks model.json or manifest.json"]);
}

fn files_of_two_runs_are_no_model() {
    let w = Workshop::new();
    let input = bank(&w);
    w.run(["fit", &input, "--k", "3"]).succeeds();
    let (out, other) = (w.text("out"), w.text("other"));
    done(["fit", &input, "--k", "4", "--out", &other]);
    for name in ["model.json", "segments/part-00000.parquet", "manifest.json"] {
        let kept = fs::read(w.out().join(name)).unwrap();
        fs::copy(w.path("other").join(name), w.out().join(name)).unwrap();
        for model in [out.clone(), w.text("out/model.json")] {
            let ran = Ran::from(hyades(["assign", &model, &input, "--out", &w.text("x")]));
            ran.is_refused(2, &["out/manifest.json and ", "are not of the same run", "take the whole folder of a fit"]);
        }
        fs::write(w.out().join(name), kept).unwrap();
    }
    // Alone, a model is a model.
    fs::copy(w.path("other/model.json"), w.path("model.json")).unwrap();
    done(["assign", &w.text("model.json"), &input, "--out", &w.text("x")]);
}

fn labels_do_not_replace_a_fit() {
    let w = Workshop::new();
    let input = bank(&w);
    w.run(["fit", &input, "--k", "3"]).succeeds();
    let (out, before) = (w.text("out"), contents(&w.out()));
    fs::copy(w.out().join("model.json"), w.path("model.json")).unwrap();
    for model in [w.text("model.json"), w.text("out/model.json")] {
        let ran = Ran::from(hyades(["assign", &model, &input, "--out", &out]));
        ran.is_refused(2, &["the output", "choose"]);
    }
    assert!(contents(&w.out()) == before, "the fit was changed");
}

fn what_killed_runs_left_is_swept() {
    let w = Workshop::new();
    let input = bank(&w);
    fs::create_dir(w.path(".hyades-abc.unfinished")).unwrap();
    fs::write(w.path(".hyades-abc.unfinished/part"), "ids").unwrap();
    fs::write(w.path(".hyades-def.unfinished"), "ids").unwrap();
    fs::create_dir(w.path(".hyades-live.unfinished")).unwrap();
    let lock = File::open(w.path(".hyades-live.unfinished")).unwrap();
    lock.lock().unwrap();
    w.run(["fit", &input, "--k", "3"]).succeeds();
    let hidden = || {
        let names = fs::read_dir(w.path("")).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with('.')).collect::<Vec<_>>()
    };
    assert_eq!(hidden(), [".hyades-live.unfinished"], "somebody writes to it");
    drop(lock);
    w.run(["fit", &input, "--k", "3"]).succeeds();
    assert!(hidden().is_empty());
}

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hyades"));
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("hyades runs")
}

/// The runs that the files of a folder name; None if one is missing or cannot be read.
fn runs(out: &Path) -> Option<[String; 3]> {
    let run = |name: &str| {
        let text = fs::read_to_string(out.join(name)).ok()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        value["run"].as_str().map(str::to_owned)
    };
    let labels = File::open(out.join("segments/part-00000.parquet")).ok()?;
    let footer = ParquetMetaDataReader::new().parse_and_finish(&labels).ok()?;
    let facts = footer.file_metadata().key_value_metadata()?;
    let of_labels = facts.iter().find(|fact| fact.key == "hyades.run")?.value.clone()?;
    Some([run("manifest.json")?, run("model.json")?, of_labels])
}

/// Two writers of different runs, one of them killed at some moment, and a reader that asks until it gets one run. Rounds
/// can be set by HYADES_ROUNDS.
fn writers_killed_in_turn_leave_no_mixture() {
    let w = Workshop::new();
    let (input, out) = (bank(&w), w.text("out"));
    let rounds: u32 = std::env::var("HYADES_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    done(["fit", &input, "--k", "2", "--out", &out]);
    let begun = Instant::now();
    done(["fit", &input, "--k", "2", "--out", &out]);
    let one = begun.elapsed();
    for round in 0..rounds {
        let mut writers = [
            start(&["fit", &input, "--k", "3", "--out", &out]),
            start(&["fit", &input, "--k", "4", "--margin", "--out", &out]),
        ];
        let killed_at = one * (round % 11) / 5;
        let begun = Instant::now();
        let mut killed = false;
        while writers.iter_mut().any(|writer| writer.try_wait().expect("a child").is_none()) {
            if !killed && begun.elapsed() >= killed_at {
                let _ = writers[round as usize % 2].kill();
                killed = true;
            }
            // A consistent reader compares runs, and reads again if the folder was replaced in between.
            let found = (0..100).find_map(|_| runs(&w.out()).filter(|[a, b, c]| a == b && b == c));
            assert!(found.is_some(), "round {round}: no consistent output, but {:?}", runs(&w.out()));
            std::thread::sleep(Duration::from_millis(1));
        }
        let [a, b, c] = runs(&w.out()).expect("a whole output");
        assert!(a == b && b == c, "round {round}: a mixture of {a}, {b} and {c} for good");
    }
    done(["fit", &input, "--k", "2", "--out", &out]);
    let names: Vec<_> = fs::read_dir(w.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().starts_with('.')), "left behind: {names:?}");
}

/// A shell that stands in the output must not be left in a removed folder.
#[cfg(unix)]
fn a_folder_in_use_is_published_through_links() {
    let w = Workshop::new();
    let input = bank(&w);
    let fit = |k: &str, more: &[&str]| {
        let arguments = [&["fit", &input, "--k", k, "--out", "."][..], more].concat();
        let ran = Command::new(env!("CARGO_BIN_EXE_hyades")).args(arguments).current_dir(w.out()).output().unwrap();
        Ran::from(ran).succeeds();
        let [a, b, c] = runs(&w.out()).expect("a whole output");
        assert!(a == b && b == c, "{a} {b} {c}");
        a
    };
    // Over an earlier output that lies in the folder itself, then over the links.
    let first = fit("3", &["--rows-per-file", "40"]);
    assert!(w.out().join("segments").is_symlink() && w.out().join("model.json").is_symlink());
    assert_ne!(fit("4", &[]), first);
    assert!(!w.out().join("segments/part-00001.parquet").exists());
    let hidden = fs::read_dir(w.out()).unwrap().flatten().filter(|e| e.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 2, "the newest run, and the link to it");
    done(["assign", &w.text("out"), &input, "--out", &w.text("labelled")]);
    fs::write(w.path("out/notes.txt"), "mine").unwrap();
    let ran = Ran::from(hyades(["fit", &input, "--k", "3", "--out", &w.text("out")]));
    ran.is_refused(2, &["holds notes.txt, which is not of an earlier run"]);
    fs::remove_file(w.path("out/notes.txt")).unwrap();
    // From elsewhere, the folder is exchanged as any other.
    w.run(["fit", &input, "--k", "3"]).succeeds();
    assert!(w.out().join("segments").is_dir() && !w.out().join("segments").is_symlink());
}

fn no_argument_is_overwritten() {
    let w = Workshop::new();
    let input = bank(&w);
    w.run(["fit", &input, "--k", "3"]).succeeds();
    let (model, out) = (w.text("model.json"), w.text("out"));
    fs::copy(w.out().join("model.json"), &model).unwrap();
    for (name, text) in
        [("e.toml", "[table]\nrow_count = [1, 100]\n"), ("k.toml", "footer = \"00112233445566778899aabbccddeeff\"\n")]
    {
        fs::write(w.path(name), text).unwrap();
    }
    let (expect, keys) = (w.text("e.toml"), w.text("k.toml"));
    let before = contents(&w.path(""));
    let refused = |arguments: &[&str]| Ran::from(hyades(arguments)).is_refused(2, &["this run reads"]);
    refused(&["check", &input, "--expect", &expect, "--json", &expect]);
    let twice = ["check", &input, "--json", &w.text("r"), "--report", &w.text("r")];
    Ran::from(hyades(twice)).is_refused(2, &["is named for two outputs"]);
    refused(&["check", &input, "--keys", &keys, "--report", &keys]);
    refused(&["bench", &input, "--k", "3", "--backends", "cpu", "--json", &input]);
    Ran::from(hyades(["recipe", "apply", &model, &input, "--out", &model])).is_refused(2, &[&model]);
    // What a run reads in the folder that it would replace.
    fs::write(w.out().join("recipe.toml"), "[defaults]\n").unwrap();
    refused(&["fit", &input, "--k", "3", "--recipe", &w.text("out/recipe.toml"), "--out", &out]);
    fs::remove_file(w.out().join("recipe.toml")).unwrap();
    refused(&["fit", &input, "--k", "3", "--init", &w.text("out/model.json"), "--out", &out]);
    assert!(contents(&w.path("")) == before, "an argument was changed");
}

#[cfg(unix)]
fn a_report_goes_into_what_is_no_file() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let w = Workshop::new();
    let input = bank(&w);
    symlink("/dev/null", w.path("null")).unwrap();
    done(["check", &input, "--json", &w.text("null")]);
    assert!(w.path("null").is_symlink() && !Path::new("/dev/null").is_file());
    let ran = done(["check", &input, "--json", "/dev/stdout", "-q"]);
    assert!(ran.out.contains("\"rows\": 90"), "{}", ran.out);
    // A link to a file is followed.
    fs::write(w.path("real.json"), "earlier").unwrap();
    symlink("real.json", w.path("link.json")).unwrap();
    done(["check", &input, "--json", &w.text("link.json")]);
    assert!(w.path("link.json").is_symlink());
    assert_eq!(json(w.path("real.json"))["rows"], 90);
    // A name that is not UTF-8 stays as it is.
    let name = w.path("").join(std::ffi::OsStr::from_bytes(b"r\xe9port.json"));
    let ran = Command::new(env!("CARGO_BIN_EXE_hyades")).args(["check", &input, "--json"]).arg(&name).output().unwrap();
    Ran::from(ran).succeeds();
    assert!(name.is_file());
}

fn outputs_are_local() {
    let w = Workshop::new();
    let input = bank(&w);
    let s3 = "s3://bank/labels.parquet";
    for arguments in [
        &["fit", &input, "--k", "3", "--out", s3][..],
        &["check", &input, "--json", s3],
        &["synth", "--rows", "10", "--out", s3],
        &["features", "rfm", &input, "--customer", "id", "--time", "x", "--amount", "y", "--out", s3],
    ] {
        Ran::from(hyades(arguments)).is_refused(2, &[s3, "outputs go to local disks only"]);
    }
    assert!(!Path::new("s3:").exists());
}

fn files_of_so_many_rows() {
    let w = Workshop::new();
    let input = bank(&w);
    w.run(["fit", &input, "--k", "3"]).succeeds();
    let all = read(&w.out().join("segments/part-00000.parquet"));
    w.run(["fit", &input, "--k", "3", "--rows-per-file", "40", "--success-file"]).succeeds();
    let parts: Vec<_> = (0..3).map(|i| read(&w.out().join(format!("segments/part-{i:05}.parquet")))).collect();
    assert_eq!(parts.iter().map(|part| part.num_rows()).collect::<Vec<_>>(), [40, 40, 10]);
    assert_eq!(arrow::compute::concat_batches(&all.schema(), &parts).unwrap(), all);
    let names: Vec<String> = contents(&w.out().join("segments")).into_keys().collect();
    assert_eq!(names, ["_SUCCESS", "part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]);
    let run = json(w.out().join("manifest.json"))["run"].as_str().unwrap().to_owned();
    assert_eq!(fact(&w.out().join("segments/part-00002.parquet"), "hyades.run"), Some(run));
    Ran::from(hyades(["fit", &input, "--k", "3", "--rows-per-file", "0", "--out", &w.text("x")]))
        .is_refused(2, &["--rows-per-file 0"]);
}

fn a_folder_for_each_segment() {
    let w = Workshop::new();
    let input = bank(&w);
    fs::write(w.path("r.toml"), "[[rule]]\nname = \"few\"\nwhen = \"id < 130\"\n").unwrap();
    for rules in [&[][..], &["--rules", &w.text("r.toml")]] {
        let fit = [&["fit", &input, "--k", "3"][..], rules].concat();
        w.run(&fit).succeeds();
        let all = read(&w.out().join("segments/part-00000.parquet"));
        let labels = segments(&w.out().join("segments/part-00000.parquet"));
        w.run([&fit[..], &["--partition-by", "segment", "--rows-per-file", "20"]].concat()).succeeds();
        assert!(!w.out().join("segments/part-00000.parquet").exists());
        for segment in 0..*labels.iter().max().unwrap() + 1 {
            let expected: Vec<i64> = integers(&all, "id")
                .into_iter()
                .zip(&labels)
                .filter(|(_, s)| **s == segment)
                .map(|(id, _)| id)
                .collect();
            let folder = w.out().join(format!("segments/segment={segment}"));
            let mut found = Vec::new();
            for i in 0..expected.len().div_ceil(20) {
                let part = read(&folder.join(format!("part-{i:05}.parquet")));
                assert!(part.num_rows() <= 20 && part.column_by_name("segment").is_none());
                found.extend(integers(&part, "id"));
            }
            assert_eq!(found, expected, "segment {segment} in input order");
        }
    }
}

fn columns_beside_the_labels() {
    let w = Workshop::new();
    let mut table = three_groups(90);
    table.push(("branch", texts((0..90).map(|i| format!("b{}", i % 7)))));
    table.push(("age", f64s((0..90).map(|i| 20.0 + f64::from(i)))));
    write(&w.path("a.parquet"), &table);
    write(
        &w.path("limits.parquet"),
        &[
            ("id", i64s((0..90).rev().map(|i| 100 + 3 * i))),
            ("credit", f64s((0..90).rev().map(|i| f64::from(100 + 3 * i)))),
        ],
    );
    let input = w.text("a.parquet");
    let base = ["--join", &w.text("limits.parquet"), "--column", "snapshot=2026-11-30", "--column", "team=crm"];
    let carry = ["--carry", "branch,age,credit", "--include", "age"];
    let check = |out: &Path| {
        let rows = read(&out.join("segments/part-00000.parquet"));
        let names: Vec<String> = rows.schema().fields().iter().map(|f| f.name().clone()).collect();
        assert_eq!(names[names.len() - 5..], ["snapshot", "team", "branch", "age", "credit"]);
        assert!(column(&rows, "snapshot").as_primitive::<Date32Type>().values().iter().all(|day| *day == 20_787));
        let team = arrow::compute::cast(&column(&rows, "team"), &arrow::datatypes::DataType::Utf8).unwrap();
        assert!(team.as_string::<i32>().iter().all(|team| team == Some("crm")));
        let (ids, branch) = (integers(&rows, "id"), column(&rows, "branch"));
        for (row, id) in ids.iter().enumerate() {
            let at = table_row(&table, *id);
            assert_eq!(branch.as_string::<i32>().value(row), format!("b{}", at % 7));
            assert_eq!(column(&rows, "age").as_primitive::<Float64Type>().value(row), 20.0 + at as f64);
            assert_eq!(column(&rows, "credit").as_primitive::<Float64Type>().value(row), *id as f64);
        }
    };
    let ran = w.run([&["fit", &input, "--k", "3"][..], &base, &carry].concat()).succeeds();
    assert!(ran.err.contains("the labels carry columns that are protected or personal: age"), "{}", ran.err);
    check(&w.out());
    assert_eq!(json(w.out().join("manifest.json"))["request"]["output"]["carry"][0], "branch");
    done([&["assign", &w.text("out"), &input, "--out", &w.text("b")][..], &base, &carry].concat());
    check(&w.path("b"));
    fs::write(
        w.path("r.toml"),
        "[[rule]]\nname = \"few\"\nwhen = \"id < 130\"\n[strata]\nwithin = \"branch\"\nk = 2\n",
    )
    .unwrap();
    w.run([&["fit", &input, "--k", "3", "--rules", &w.text("r.toml")][..], &base, &carry].concat()).succeeds();
    check(&w.out());
}

/// The row of a customer.
fn table_row(table: &[(&'static str, arrow::array::ArrayRef)], id: i64) -> usize {
    let ids = table[0].1.as_primitive::<arrow::datatypes::Int64Type>();
    ids.values().iter().position(|known| *known == id).expect("a customer")
}

fn carried_columns_that_are_refused() {
    let w = Workshop::new();
    let mut table = three_groups(90);
    table.push(("age", f64s((0..90).map(|i| 20.0 + f64::from(i)))));
    table.push(("email", texts((0..90).map(|i| format!("{i}@bank.example")))));
    table.push(("segment", texts((0..90).map(|_| "old"))));
    write(&w.path("a.parquet"), &table);
    let input = w.text("a.parquet");
    let refused =
        |parts: &[&str], more: &[&str]| w.refused(2, parts, [&["fit", &input, "--k", "3"][..], more].concat());
    refused(&["--carry age: it is a protected attribute (age)", "--include age"], &["--carry", "age"]);
    refused(&["--carry email: it is likely e-mail addresses"], &["--carry", "email"]);
    refused(&["--carry nothing: the input has no such column"], &["--carry", "nothing"]);
    refused(&["would be named \"segment\""], &["--carry", "segment"]);
    refused(&["would be named \"id\""], &["--carry", "id"]);
    refused(&["would be named \"distance\""], &["--column", "distance=1"]);
    refused(&["give a name and a value"], &["--column", "snapshot"]);
    // A text cannot be a feature, but can be carried.
    w.run(["fit", &input, "--k", "3", "--carry", "email", "--include", "email"]).succeeds();
    let rows = read(&w.out().join("segments/part-00000.parquet"));
    assert_eq!(column(&rows, "email").as_string::<i32>().value(5), "5@bank.example");
    assert_eq!(column(&rows, "segment").as_primitive::<Int32Type>().len(), 90);
}
