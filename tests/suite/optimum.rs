//! How good an optimum a fit finds, and how far it says that its segments are to be trusted.

use std::path::Path;

use arrow::array::ArrayRef;
use serde_json::Value;

use crate::command::{Workshop, done, json};
use crate::harness::{root, tests};
use crate::tables::{batch, f64s, i64s, noise, write_batch};

tests!(
    more_effort_finds_no_worse_an_optimum,
    a_grid_is_found,
    starts_and_stability_are_told,
    the_same_stability_on_any_device,
    segments_that_depend_on_the_seed_are_warned_of,
    what_is_out_of_range_is_refused,
);

/// A grid of `side x side` groups, each ten times as far from the next as it is wide.
fn grid(side: usize, rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let value = |seed: u64, group: fn(usize, usize) -> usize| {
        f64s(noise(seed).take(rows).enumerate().map(move |(i, u)| 10.0 * group(i, side) as f64 + u))
    };
    vec![
        ("customer_id", i64s((0..rows as i64).map(|i| 100 + i))),
        ("x", value(1, |i, side| i % side)),
        ("y", value(2, |i, side| i / side % side)),
    ]
}

/// One even cloud.
fn cloud(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let id = i64s((0..rows as i64).map(|i| 100 + i));
    let column = |seed| f64s(noise(seed).take(rows));
    vec![("customer_id", id), ("a", column(1)), ("b", column(2)), ("c", column(3))]
}

/// The fitted part of the model, and what the command said.
fn fitted(w: &Workshop, columns: &[(&str, ArrayRef)], more: &[&str]) -> (Value, String) {
    let (input, out) = (w.text("in.parquet"), w.text("out"));
    write_batch(Path::new(&input), &batch(columns), 1 << 16);
    let _ = std::fs::remove_dir_all(&out);
    let ran = done([&["fit", &input, "--transform", "none", "--out", &out], more].concat());
    (json(w.out().join("model.json"))["model"]["parts"][0]["fitted"].clone(), ran.out + &ran.err)
}

fn more_effort_finds_no_worse_an_optimum() {
    let w = Workshop::new();
    let inertia = |effort: &str| {
        let options = ["--k", "9", "--effort", effort, "--n-init", "1", "--tol", "0", "--no-profile"];
        fitted(&w, &cloud(4000), &options).0["inertia_"].as_f64().unwrap()
    };
    let [low, normal, high] = ["low", "normal", "high"].map(inertia);
    assert!(normal < low && high <= normal, "{low} {normal} {high}");
}

/// With a centroid in each group, the mean squared distance is that of the even noise, 2 / 12 of its unit.
fn a_grid_is_found() {
    let w = Workshop::new();
    let options = ["--k", "100", "--scale", "none", "--no-profile"];
    let (found, _) = fitted(&w, &grid(10, 10_000), &options);
    let inertia = found["inertia_"].as_f64().unwrap();
    assert!((inertia / 10_000.0 - 2.0 / 12.0).abs() < 0.01, "{inertia}");
}

fn starts_and_stability_are_told() {
    let w = Workshop::new();
    let page = w.text("page.html");
    let options = ["--k", "4", "--stability", "10", "--report", &page, "--lang", "zh"];
    let (found, said) = fitted(&w, &grid(2, 2000), &options);
    let starts = found["starts_"].as_array().unwrap();
    assert_eq!(starts.len(), 4);
    assert!(starts.iter().any(|start| start["inertia"] == 1.0 && start["adjusted_rand"] == 1.0), "{starts:?}");
    assert_eq!(found["stability_"]["replicates"], 10);
    assert_eq!(found["stability_"]["jaccard"], serde_json::json!([1.0, 1.0, 1.0, 1.0]));
    assert!(said.contains("4 starts; adjusted Rand index with these segments: "), "{said}");
    let line = "stability in 10 resampled fits: 4 of 4 segments are stable\n";
    assert!(said.contains(line), "{said}");
    let profile = json(w.out().join("profile.json"));
    assert!(profile["segments"].as_array().unwrap().iter().all(|segment| segment["stability"] == 1.0));
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains("重抽样稳定性：1.00（高度稳定）"), "the page has it");
    let (silent, said) = fitted(&w, &grid(2, 2000), &["--k", "4", "--n-init", "1"]);
    assert_eq!((&silent["starts_"], &silent["stability_"]), (&Value::Null, &Value::Null));
    assert!(!said.contains("starts;") && !said.contains("stability"), "{said}");
}

fn the_same_stability_on_any_device() {
    let w = Workshop::new();
    let found = |more: &[&str]| {
        let options = [&["--k", "5", "--stability", "2", "--no-profile"], more].concat();
        fitted(&w, &cloud(1500), &options).0
    };
    let expected = found(&["--threads", "1"]);
    assert!(expected["stability_"]["jaccard"][0].as_f64().unwrap() < 1.0);
    for more in [&["--threads", "2"][..], &["--backend", "reference"], &["--simd", "portable"], &["--memory", "100MiB"]]
    {
        assert_eq!(found(more), expected, "{more:?}");
    }
}

fn segments_that_depend_on_the_seed_are_warned_of() {
    let w = Workshop::new();
    let options = ["--k", "12", "--scale", "none", "--no-profile", "--n-init", "8"];
    let (found, said) = fitted(&w, &cloud(4000), &options);
    let starts = found["starts_"].as_array().unwrap();
    let is_other =
        |start: &&Value| start["inertia"].as_f64().unwrap() <= 1.01 && start["adjusted_rand"].as_f64().unwrap() < 0.65;
    assert!(starts.iter().any(|start| is_other(&start)), "the test is about such a fit: {starts:?}");
    assert!(said.contains("as good within 1 %, found other segments (adjusted Rand index 0."), "{said}");
    let (_, said) = fitted(&w, &grid(2, 2000), &["--k", "4"]);
    assert!(!said.contains("as good within 1 %"), "{said}");
}

fn what_is_out_of_range_is_refused() {
    let w = Workshop::new();
    let input = root().join("data/customers.parquet").to_str().expect("a path of text").to_owned();
    let refused =
        |parts: &[&str], more: [&str; 2]| w.refused(2, parts, [&["fit", &input, "--k", "3"], &more[..]].concat());
    refused(&["stability is 0: between 1 and 1000 samples are possible; 50 are usual"], ["--stability", "0"]);
    refused(&["stability is 1001"], ["--stability", "1001"]);
    let ran = w.run(["fit", &input, "--k", "3", "--effort", "huge"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("[possible values: low, normal, high]"), "{}", ran.err);
}
