//! The command as a user runs it: make a bank, segment it, and label it again.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Float32Type};

use crate::command::{Workshop, contents, done, json, labels_hash, model, part};
use crate::harness::tests;
use crate::tables::{batch, column, distances, f64s, i64s, integers, read, segments, three_groups, write, write_batch};

tests!(
    from_a_bank_to_labels_and_back,
    one_file_or_seven,
    twice_the_same_bytes,
    starting_from_a_model_or_a_table,
    every_distance_if_asked_for,
    a_row_of_weight_two_counts_twice,
    folders_with_keys_and_patterns,
    rows_without_an_id,
);

const GROUP_ROWS: &str = "1000";

/// A bank of 7,000 customers in row groups of 1,000, with nulls and the planted segment.
fn bank(w: &Workshop) -> String {
    let path = w.text("bank.parquet");
    let shape = ["--rows", "7000", "--features", "10", "--segments", "5", "--seed", "3", "--nulls", "0.05", "--truth"];
    done([&["synth", "--row-group-rows", GROUP_ROWS, "--out", &path][..], &shape].concat());
    path
}

/// blake3 of labels as a reader of the output would compute it.
fn hash_of(labels: &[i32]) -> String {
    let bytes: Vec<u8> = labels.iter().flat_map(|l| l.to_le_bytes()).collect();
    blake3::hash(&bytes).to_hex().to_string()
}

fn schema_of(batch: &RecordBatch) -> Vec<(String, DataType)> {
    batch.schema().fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect()
}

fn from_a_bank_to_labels_and_back() {
    let w = Workshop::new();
    let input = bank(&w);
    w.run(["fit", &input, "--k", "5", "--margin"]).succeeds();
    let rows = read(Path::new(&input));
    let labelled = read(&w.out().join("segments/part-00000.parquet"));
    let names = |margin: bool| {
        let mut names = vec![
            ("customer_id".to_owned(), DataType::Int64),
            ("segment".to_owned(), DataType::Int32),
            ("distance".to_owned(), DataType::Float32),
        ];
        names.extend(margin.then(|| ("margin".to_owned(), DataType::Float32)));
        names
    };
    assert_eq!(schema_of(&labelled), names(true));
    assert_eq!(integers(&labelled, "customer_id"), integers(&rows, "customer_id"));
    let labels = segments(&w.out().join("segments/part-00000.parquet"));
    let manifest = json(w.out().join("manifest.json"));
    assert_eq!(hash_of(&labels), labels_hash(&w.out()));
    let counts: Vec<u64> = (0..5).map(|s| labels.iter().filter(|l| **l == s).count() as u64).collect();
    assert_eq!(manifest["outcome"]["counts"], serde_json::json!(counts));
    assert!(counts.is_sorted_by(|a, b| a >= b), "the largest segment comes first: {counts:?}");
    let (margin, distance) = (column(&labelled, "margin"), distances(&w.out().join("segments/part-00000.parquet")));
    assert!(margin.as_primitive::<Float32Type>().values().iter().all(|m| *m >= 0.0));
    assert!(distance.iter().all(|d| *d >= 0.0 && d.is_finite()) && distance.iter().any(|d| *d > 0.1));
    let text = std::fs::read(w.out().join("model.json")).unwrap();
    assert_eq!(manifest["outcome"]["model_blake3"], blake3::hash(&text).to_hex().as_str());

    // The model gives the same rows the same labels, even with columns reordered and added.
    let mut turned: Vec<(&str, ArrayRef)> = Vec::new();
    let schema = rows.schema();
    for (field, array) in schema.fields().iter().zip(rows.columns()).rev() {
        turned.push((field.name(), array.clone()));
    }
    turned.push(("branch", Arc::new(StringArray::from(vec!["north"; rows.num_rows()]))));
    turned.push(("noise", f64s((0..rows.num_rows()).map(|i| i as f64))));
    write(&w.path("turned.parquet"), &turned);
    for again in [&input, &w.text("turned.parquet")] {
        let labelled_again = Workshop::new();
        labelled_again.run(["assign", &w.text("out/model.json"), again]).succeeds();
        assert_eq!(labels_hash(&labelled_again.out()), labels_hash(&w.out()), "{again}");
        let file = labelled_again.out().join("segments/part-00000.parquet");
        assert_eq!(schema_of(&read(&file)), names(false));
        assert_eq!(integers(&read(&file), "customer_id"), integers(&rows, "customer_id"));
        assert!(distances(&file) == distance, "{again}: other distances");
    }
}

fn one_file_or_seven() {
    let w = Workshop::new();
    let input = bank(&w);
    let rows = read(Path::new(&input));
    std::fs::create_dir(w.path("parts")).unwrap();
    for part in 0..7 {
        write_batch(&w.path(&format!("parts/{part}.parquet")), &rows.slice(part * 1000, 1000), 1000);
    }
    w.run(["fit", &input, "--k", "6"]).succeeds();
    let (labels, whole) = (labels_hash(&w.out()), part(&w.out()));
    w.run(["fit", &w.text("parts"), "--k", "6"]).succeeds();
    assert_eq!(labels_hash(&w.out()), labels);
    let parts = part(&w.out());
    for key in ["grid_centers_", "cluster_centers_", "grid_inertia_", "recipe", "counts_"] {
        assert_eq!(parts[key], whole[key], "{key}");
    }
    assert_eq!(json(w.out().join("manifest.json"))["inputs"]["files"].as_array().map(Vec::len), Some(7));
    // Other rows give other labels, so the comparison can fail.
    std::fs::remove_file(w.path("parts/6.parquet")).unwrap();
    w.run(["fit", &w.text("parts"), "--k", "6"]).succeeds();
    assert_ne!(labels_hash(&w.out()), labels);
}

fn twice_the_same_bytes() {
    let w = Workshop::new();
    let input = bank(&w);
    let run = |more: &[&str]| {
        w.run([&["fit", &input, "--k", "6", "--margin"], more].concat()).succeeds();
        let mut published = contents(&w.out());
        assert_eq!(published.len(), 4, "{:?}", published.keys());
        // Times differ, as they should.
        published.remove("manifest.json");
        published
    };
    let first = run(&[]);
    assert!(run(&[]) == first, "a second run gave other bytes");
    let other = ["--threads", "1", "--simd", "portable", "--chunk-rows", "128"];
    assert!(run(&other) == first, "one thread of portable code gave other bytes");
    assert!(run(&["--seed", "1"]) != first, "the seed changes nothing");
}

fn starting_from_a_model_or_a_table() {
    let w = Workshop::new();
    let input = bank(&w);
    w.run(["fit", &input, "--k", "5", "--tol", "0"]).succeeds();
    let (labels, first) = (labels_hash(&w.out()), part(&w.out()));
    assert_eq!(first["stop"], "fixpoint");
    std::fs::copy(w.out().join("model.json"), w.path("start.json")).unwrap();
    let centers: Vec<Vec<f64>> = serde_json::from_value(first["cluster_centers_"].clone()).unwrap();
    let names: Vec<String> = serde_json::from_value(first["feature_names_in_"].clone()).unwrap();
    let columns: Vec<(&str, ArrayRef)> = names
        .iter()
        .enumerate()
        .map(|(f, name)| (name.as_str(), f64s(centers.iter().map(|c| c[f]).collect::<Vec<_>>())))
        .rev()
        .collect();
    write(&w.path("start.parquet"), &columns);
    for start in ["start.json", "start.parquet"] {
        w.run(["fit", &input, "--k", "5", "--tol", "0", "--init", &w.text(start)]).succeeds();
        let again = part(&w.out());
        assert_eq!(labels_hash(&w.out()), labels, "{start}");
        assert_eq!(again["grid_centers_"], first["grid_centers_"], "{start}");
        assert_eq!(model(&w.out())["provenance"]["init"], "given");
        assert!(again["n_iter_"].as_u64().unwrap() <= 2, "a fixpoint stays: {}", again["n_iter_"]);
    }
    // Poor starts are improved: the file gives only the start.
    let poor: Vec<(&str, ArrayRef)> = columns.iter().map(|(name, _)| (*name, f64s((0..5).map(f64::from)))).collect();
    write(&w.path("poor.parquet"), &poor);
    w.run(["fit", &input, "--k", "5", "--tol", "0", "--init", &w.text("poor.parquet")]).succeeds();
    assert!(part(&w.out())["n_iter_"].as_u64().unwrap() > 2);
}

fn every_distance_if_asked_for() {
    let w = Workshop::new();
    let input = bank(&w);
    // The first rows as starts, so that there are passes that skip rows.
    let names = ["age_years", "tenure_months", "current_balance"];
    let rows = read(Path::new(&input)).slice(0, 5);
    let starts: Vec<(&str, ArrayRef)> =
        names.iter().map(|&name| (name, rows.column_by_name(name).expect("a column").clone())).collect();
    write(&w.path("starts.parquet"), &starts);
    let fit = |more: &[&str]| {
        let features = names.join(",");
        let start = w.text("starts.parquet");
        let fit =
            ["fit", &input, "--k", "5", "--features", &features, "--init", &start, "--tol", "0", "--backend", "cpu"];
        w.run([&fit, more].concat()).succeeds();
        let manifest = json(w.out().join("manifest.json"));
        let passes = manifest["parts"][0]["passes"].as_array().expect("passes");
        let skipped: Vec<u64> = passes.iter().map(|pass| pass["skipped"].as_u64().expect("a number")).collect();
        (labels_hash(&w.out()), std::fs::read(w.out().join("model.json")).unwrap(), skipped)
    };
    let (labels, model, skipped) = fit(&[]);
    assert!(skipped.iter().any(|&n| n > 3500), "of 7,000 rows were skipped: {skipped:?}");
    let (same_labels, same_model, none) = fit(&["--no-skipping"]);
    assert_eq!(none, vec![0; skipped.len()]);
    assert!(labels == same_labels && model == same_model, "skipping changed the outcome");
}

fn a_row_of_weight_two_counts_twice() {
    let w = Workshop::new();
    let rows = 300;
    let mut table = three_groups(rows);
    let heavy = |i: usize| i.is_multiple_of(2) && i % 3 != 1;
    table.push(("w", f64s((0..rows).map(|i| if heavy(i) { 2.0 } else { 1.0 }))));
    let single = batch(&table);
    write_batch(&w.path("weighted.parquet"), &single, 1000);
    let twice = UInt32Array::from_iter_values((0..rows).filter(|i| heavy(*i)).map(|i| i as u32));
    let twice = take_record_batch(&single, &twice).unwrap();
    let both = concat_batches(&single.schema(), [&single, &twice]).unwrap();
    write_batch(&w.path("doubled.parquet"), &both, 1000);

    let plain = ["--k", "3", "--transform", "none", "--scale", "none", "--features", "x,y", "--tol", "0"];
    let centers = |file: &str, more: &[&str]| -> Vec<Vec<f64>> {
        w.run([&["fit", &w.text(file), "--duplicate-ids", "keep"], &plain[..], more].concat()).succeeds();
        let mut found: Vec<Vec<f64>> = serde_json::from_value(part(&w.out())["cluster_centers_"].take()).unwrap();
        // Segments are numbered by row counts, which differ.
        found.sort_by(|a, b| a[0].total_cmp(&b[0]));
        found
    };
    let weighted = centers("weighted.parquet", &["--row-weight", "w"]);
    let doubled = centers("doubled.parquet", &[]);
    let unweighted = centers("weighted.parquet", &[]);
    let farthest = |a: &[Vec<f64>], b: &[Vec<f64>]| {
        a.concat().iter().zip(b.concat()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    assert!(farthest(&weighted, &doubled) < 1e-5, "{weighted:?} {doubled:?}");
    assert!(farthest(&weighted, &unweighted) > 1e-3, "the weights change nothing: {weighted:?}");
}

fn folders_with_keys_and_patterns() {
    let w = Workshop::new();
    let table = batch(&three_groups(90));
    for month in 0..3 {
        let folder = w.path(&format!("bank/month={}", month + 1));
        std::fs::create_dir_all(&folder).unwrap();
        write_batch(&folder.join("part-0.parquet"), &table.slice(month * 30, 30), 10);
    }
    std::fs::write(w.path("bank/_SUCCESS"), "").unwrap();
    w.run(["fit", &w.text("bank"), "--k", "3"]).succeeds();
    let (labels, by_folder) = (labels_hash(&w.out()), part(&w.out()));
    assert_eq!(by_folder["feature_names_in_"], serde_json::json!(["x", "y"]));
    assert_eq!(json(w.out().join("manifest.json"))["inputs"]["rows"], 90);
    w.run(["fit", &w.text("bank/month=*/part-*.parquet"), "--k", "3"]).succeeds();
    assert_eq!(labels_hash(&w.out()), labels);
    w.run(["fit", &w.text("bank/month=[12]/*.parquet"), "--k", "3"]).succeeds();
    assert_eq!(json(w.out().join("manifest.json"))["inputs"]["rows"], 60);

    let named = ["--features", "x,month", "--transform", "none"];
    w.run([&["fit", &w.text("bank"), "--k", "3"][..], &named].concat()).succeeds();
    let month = &part(&w.out())["preparation"]["columns"][1];
    assert_eq!((&month["name"], &month["seen"]["mean"]), (&"month".into(), &2.0.into()));
    assert_eq!((&month["seen"]["min"], &month["seen"]["max"]), (&1.0.into(), &3.0.into()));
}

fn rows_without_an_id() {
    let w = Workshop::new();
    write_batch(&w.path("a.parquet"), &batch(&three_groups(90)[1..]), 20);
    w.run(["fit", &w.text("a.parquet"), "--k", "3"]).succeeds();
    let labelled = read(&w.out().join("segments/part-00000.parquet"));
    assert_eq!(labelled.schema().field(0).name(), "row");
    assert_eq!(integers(&labelled, "row"), (0..90).collect::<Vec<_>>());
    // A column that is not named like an id, but asked for.
    let mut table = three_groups(90);
    table[0] = ("kunde", i64s((0..90).rev()));
    write(&w.path("b.parquet"), &table);
    w.run(["fit", &w.text("b.parquet"), "--k", "3", "--id", "kunde"]).succeeds();
    assert_eq!(
        integers(&read(&w.out().join("segments/part-00000.parquet")), "kunde"),
        (0..90).rev().collect::<Vec<_>>()
    );
}
