//! The limits of what is allowed, and just beyond: weights of any size, counts that wrap, little memory, closed pipes.

use std::process::{Command, Stdio};

use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter};

use crate::command::{Ran, Workshop, contents, done, json};
use crate::harness::{hyades, tests};
use crate::tables::{f64s, i64s, noise, three_groups, write};

tests!(
    weights_of_any_size,
    weights_that_vanish_are_told,
    weights_at_the_ends_of_f64,
    row_counts_that_wrap,
    limits_that_make_no_sense,
    roles_that_contradict_each_other,
    a_folder_that_holds_what_no_run_published,
    a_reader_who_goes_away,
    assign_in_little_memory,
);

/// The one centroid of a fit with k = 1, x alone: the weighted mean.
fn weighted_mean(w: &Workshop, weights: Vec<f64>) -> f64 {
    let n = weights.len();
    let table = [("id", i64s(0..n as i64)), ("x", f64s(noise(7).take(n).collect::<Vec<_>>())), ("w", f64s(weights))];
    write(&w.path("weighted.parquet"), &table);
    let input = w.text("weighted.parquet");
    w.run(["fit", &input, "--k", "1", "--transform", "none", "--row-weight", "w"]).succeeds();
    let model = json(w.out().join("model.json"));
    model["model"]["parts"][0]["fitted"]["cluster_centers_"][0][0].as_f64().expect("a number")
}

fn weights_of_any_size() {
    let w = Workshop::new();
    let values: Vec<f64> = noise(7).take(5000).collect();
    let heavy = |scale: f64| -> Vec<f64> {
        let light = noise(8).take(5000).map(|u| (50.0 + 350.0 * u) * scale);
        light.enumerate().map(|(i, weight)| if i == 17 { 1e6 * scale } else { weight }).collect()
    };
    let mean = |weights: &[f64]| {
        let total: f64 = weights.iter().sum();
        values.iter().zip(weights).map(|(v, w)| v * w).sum::<f64>() / total
    };
    for scale in [1.0, 1e-17, 1e-200, 1e200, 1e3] {
        let weights = heavy(scale);
        let (expected, found) = (mean(&weights), weighted_mean(&w, weights));
        assert!((expected - found).abs() < 2e-6, "weights times {scale:e}: {found} is not {expected}");
    }
    // One row far heavier than any other, as when a balance is used as weight.
    let mut weights = vec![100.0; 5000];
    weights[3] = 1e9;
    let (expected, found) = (mean(&weights), weighted_mean(&w, weights));
    assert!((expected - found).abs() < 2e-6, "{found} is not {expected}");
}

fn weights_that_vanish_are_told() {
    let w = Workshop::new();
    let mut weights = vec![1.0; 100];
    (weights[9], weights[10]) = (1e240, 1e240);
    weighted_mean(&w, weights);
    let manifest = json(w.out().join("manifest.json"));
    let warning = manifest["outcome"]["warnings"][0].as_str().expect("a warning");
    assert!(warning.starts_with("98 rows have weights in \"w\""), "{warning}");
}

fn weights_at_the_ends_of_f64() {
    for largest in [5e-324, 1e-300, 1.7e308] {
        let w = Workshop::new();
        let mut table = three_groups(30);
        table.push(("w", f64s(vec![largest; 30])));
        write(&w.path("a.parquet"), &table);
        let why = ["\"w\" has", "as its largest weight", "multiply the weights by a constant"];
        w.refused(3, &why, ["fit", &w.text("a.parquet"), "--k", "3", "--row-weight", "w"]);
    }
}

/// A file of `rows` rows whose footer claims `claimed`.
fn lie(w: &Workshop, name: &str, claimed: i64) -> String {
    write(&w.path(name), &three_groups(200));
    let bytes = std::fs::read(w.path(name)).expect("a file");
    let end = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().expect("four bytes")) as usize;
    let (body, footer) = bytes[..end].split_at(end - length);
    let honest = ParquetMetaDataReader::decode_metadata(footer).expect("a footer");
    let file = honest.file_metadata();
    let schema = file.schema_descr_ptr();
    let group = honest.row_group(0).clone().into_builder().set_num_rows(claimed);
    let columns = honest.row_group(0).columns().iter();
    let columns = columns.map(|c| c.clone().into_builder().set_num_values(claimed).build().expect("a column"));
    let group = group.set_column_metadata(columns.collect()).build().expect("a row group");
    let file = FileMetaData::new(file.version(), claimed, None, file.key_value_metadata().cloned(), schema, None);
    let mut lying = body.to_vec();
    ParquetMetaDataWriter::new(&mut lying, &ParquetMetaData::new(file, vec![group])).finish().expect("a footer");
    std::fs::write(w.path(name), lying).expect("written");
    w.text(name)
}

fn row_counts_that_wrap() {
    let w = Workshop::new();
    let honest = lie(&w, "honest.parquet", 200);
    w.run(["fit", &honest, "--k", "3"]).succeeds();
    let w = Workshop::new();
    // Together 2^64 + 100 rows, which would wrap to 100.
    let parts = [lie(&w, "a.parquet", i64::MAX), lie(&w, "b.parquet", i64::MAX), lie(&w, "c.parquet", 102)];
    let fit = ["fit", &parts[0], &parts[1], &parts[2], "--k", "3"];
    w.refused(3, &["a.parquet", "corrupt, or too large", "1099511627776 are supported"], fit);
    let one = lie(&w, "d.parquet", 1 << 62);
    w.refused(3, &["d.parquet", "corrupt, or too large"], ["fit", &one, "--k", "3"]);
    let fewer = lie(&w, "e.parquet", 1000);
    w.refused(3, &["e.parquet", "corrupt"], ["fit", &fewer, "--k", "3"]);
    let much = lie(&w, "f.parquet", 1 << 39);
    w.refused(4, &["of memory, and"], ["fit", &much, "--k", "3"]);
}

fn limits_that_make_no_sense() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(60));
    let input = w.text("a.parquet");
    let refused = |parts: &[&str], more: [&str; 2]| w.refused(2, parts, ["fit", &input, "--k", "3", more[0], more[1]]);
    refused(&["tol is NaN"], ["--tol", "nan"]);
    refused(&["tol is inf"], ["--tol", "inf"]);
    refused(&["tol is -1"], ["--tol=-1", "--margin"]);
    refused(&["max-iter is 0"], ["--max-iter", "0"]);
    refused(&["n-init is 0"], ["--n-init", "0"]);
    for verb in ["fit", "plan"] {
        let mut arguments = vec![verb, &input, "--k", "5000"];
        let out = w.text("out");
        arguments.extend(if verb == "fit" { vec!["--out", &out] } else { vec![] });
        let ran = hyades(&arguments);
        assert_eq!(ran.status.code(), Some(2), "{verb}");
        assert!(String::from_utf8_lossy(&ran.stderr).contains("between 1 and 4096"), "{verb}");
    }
    w.is_untouched();
}

fn roles_that_contradict_each_other() {
    let w = Workshop::new();
    let folder = w.path("bank/month=3");
    std::fs::create_dir_all(&folder).expect("a folder");
    write(&folder.join("a.parquet"), &three_groups(60));
    let input = w.text("bank");
    let fit = |more: &[&'static str]| [["fit", &input, "--k", "3"].to_vec(), more.to_vec()].concat();
    w.refused(2, &["\"x\"", "--features and in --exclude"], fit(&["--features", "x,y", "--exclude", "x"]));
    w.refused(2, &["\"x\"", "row weight and a feature"], fit(&["--features", "x,y", "--row-weight", "x"]));
    w.refused(2, &["\"month\"", "folder's name"], fit(&["--id", "month"]));
}

fn a_folder_that_holds_what_no_run_published() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(60));
    let out = w.path("elsewhere");
    std::fs::create_dir_all(out.join("model.json")).expect("a folder");
    std::fs::write(out.join("report.txt"), "a month's work").expect("written");
    let ran = Ran::from(hyades(["fit", &w.text("a.parquet"), "--k", "3", "--out", &w.text("elsewhere")]));
    ran.is_refused(
        2,
        &["elsewhere holds model.json, which is not of an earlier run", "choose a new or an empty folder"],
    );
    assert_eq!(std::fs::read(out.join("report.txt")).expect("still there"), b"a month's work");
}

fn a_reader_who_goes_away() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(60));
    let mut child = Command::new(env!("CARGO_BIN_EXE_hyades"))
        .args(["fit", &w.text("a.parquet"), "--k", "3", "--out", &w.text("out")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("hyades starts");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(contents(&w.out())["model.json"].starts_with(b"{"), "the result is published all the same");

    // Nobody reads the messages, or their disk is full: the work continues.
    let fit = ["fit", &w.text("a.parquet"), "--k", "3", "--out", &w.text("out2")];
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has /dev/full");
    for more in [&["-v"][..], &["--log-format", "json"], &["--log-format", "text"]] {
        let ended = Command::new(env!("CARGO_BIN_EXE_hyades")).args(fit).args(more).stderr(full()).output();
        assert_eq!(ended.expect("it ends").status.code(), Some(0), "{more:?}");
    }
    // A result that cannot be written is an error.
    let ended = Command::new(env!("CARGO_BIN_EXE_hyades")).args(["doctor", "--json"]).stdout(full()).output();
    let ended = ended.expect("it ends");
    assert_eq!(ended.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("cannot write the standard output"));
}

/// A row group larger than a batch goes through a scratch file, with the same labels.
fn assign_in_little_memory() {
    let w = Workshop::new();
    let (bank, model) = (w.text("bank.parquet"), w.text("model"));
    done(["synth", "--rows", "900000", "--row-group-rows", "900000", "--out", &bank, "--compression", "none"]);
    done(["fit", &bank, "--k", "5", "--out", &model]);
    let labels = |memory: &[&str]| {
        let ran = w.run([&["assign", &format!("{model}/model.json"), &bank], memory].concat()).succeeds();
        let manifest = json(w.out().join("manifest.json"));
        (manifest["outcome"]["labels_blake3"].as_str().expect("a hash").to_owned(), ran.err)
    };
    let (plenty, _) = labels(&[]);
    let ran = w.run(["assign", &format!("{model}/model.json"), &bank, "--memory", "1MiB"]);
    ran.is_refused(4, &["labelling rows of 15 features needs at least", "--memory"]);
    let least = ran.err.split("give --memory ").nth(1).and_then(|t| t.split(' ').next()).expect("a size").to_owned();
    let (little, said) = labels(&["--memory", &least]);
    assert_eq!(little, plenty);
    assert_eq!(plenty, json(format!("{model}/manifest.json"))["outcome"]["labels_blake3"]);
    let batch: u64 =
        said.split("batches of up to ").nth(1).and_then(|t| t.split(',').next()).expect("a plan").parse().unwrap();
    assert!(batch < 900_000, "the row group is larger than a batch of {batch} rows");
}
