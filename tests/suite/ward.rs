//! Hierarchical clustering by Ward's method, as users run it.

use std::path::Path;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::Int32Type;
use serde_json::Value;

use crate::command::{Workshop, done, json, labels_hash};
use crate::harness::tests;
use crate::tables::{batch, column, distances, f64s, i64s, noise, read, segments, three_groups, write_batch};

tests!(
    an_exact_tree_is_cut_and_replayed,
    the_order_of_rows_does_not_matter,
    micro_segments_are_told_and_replayed,
    streamed_and_on_any_threads,
    strata_have_trees_of_their_own,
    a_page_shows_the_tree,
    single_customers_in_the_model_are_warned_of,
    a_tree_starts_kmeans,
    few_distinct_rows,
    what_makes_no_sense_is_refused,
);

/// Two clouds that touch, and a third one apart.
fn clouds(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let at = |seed: u64, centers: [f64; 3]| {
        f64s(noise(seed).take(rows).enumerate().map(move |(i, u)| centers[i % 3] + u).collect::<Vec<_>>())
    };
    let id = i64s((0..rows as i64).map(|i| 100 + i));
    vec![
        ("customer_id", id),
        ("x", at(1, [0.0, 0.7, 4.0])),
        ("y", at(2, [0.0, 0.6, 3.0])),
        ("z", f64s(noise(3).take(rows))),
    ]
}

fn put(w: &Workshop, columns: &[(&str, ArrayRef)]) -> String {
    let input = w.text("in.parquet");
    write_batch(Path::new(&input), &batch(columns), 256);
    input
}

/// The fitted part of the model, and what the command said.
fn fitted(w: &Workshop, input: &str, more: &[&str]) -> (Value, String) {
    let out = w.text("out");
    let _ = std::fs::remove_dir_all(&out);
    let ran = done([&["fit", input, "--algorithm", "ward", "--no-profile", "--out", &out], more].concat());
    (json(w.out().join("model.json"))["model"]["parts"][0]["fitted"].clone(), ran.out + &ran.err)
}

fn labels(out: &Path) -> Vec<i32> {
    segments(&out.join("segments/part-00000.parquet"))
}

fn micro(out: &Path) -> Vec<i32> {
    let table = read(&out.join("segments/part-00000.parquet"));
    column(&table, "micro_segment").as_primitive::<Int32Type>().values().to_vec()
}

/// Labels of an `assign` of the same rows, whose columns are those of the fit.
fn assigned(w: &Workshop, input: &str) -> String {
    let again = w.text("again");
    let _ = std::fs::remove_dir_all(&again);
    done(["assign", &w.text("out"), input, "--no-profile", "--out", &again]);
    assert_eq!(micro(Path::new(&again)), micro(&w.out()));
    labels_hash(Path::new(&again))
}

fn an_exact_tree_is_cut_and_replayed() {
    let w = Workshop::new();
    let input = put(&w, &three_groups(300));
    let (fitted, said) = fitted(&w, &input, &["--k", "3"]);
    assert!(said.contains("3 segments; ward, exact tree over 300 distinct rows; inertia"), "{said}");
    let labels = labels(&w.out());
    assert!((0..300).all(|i| labels[i] == labels[i % 3]), "each group is a segment");
    assert_eq!(fitted["algorithm"], "ward");
    assert_eq!((&fitted["is_exact"], &fitted["n_leaves_"]), (&true.into(), &300.into()));
    assert_eq!(fitted["linkage_"].as_array().unwrap().len(), 299);
    assert!(fitted.get("agreement_").is_none() && fitted.get("relabelled_").is_none());
    // A leaf of its own for each row.
    assert!(distances(&w.out().join("segments/part-00000.parquet")).iter().all(|&distance| distance == 0.0));
    assert_eq!(assigned(&w, &input), labels_hash(&w.out()));
    assert_eq!(json(w.out().join("model.json"))["model"]["provenance"]["init"], "none");
}

fn the_order_of_rows_does_not_matter() {
    let w = Workshop::new();
    let rows = batch(&clouds(400));
    let order: Vec<u64> = (0..400).map(|i| i * 149 % 400).collect();
    let turned = arrow::compute::take_record_batch(&rows, &arrow::array::UInt64Array::from(order.clone())).unwrap();
    let mut found = Vec::new();
    for rows in [rows, turned] {
        let input = w.text("in.parquet");
        write_batch(Path::new(&input), &rows, 64);
        let (fitted, _) = fitted(&w, &input, &["--k", "4", "--transform", "none", "--scale", "none"]);
        found.push((fitted, labels(&w.out())));
    }
    assert_eq!(found[0].0, found[1].0);
    assert!(order.iter().enumerate().all(|(to, &from)| found[1].1[to] == found[0].1[from as usize]));
}

fn micro_segments_are_told_and_replayed() {
    let w = Workshop::new();
    let input = put(&w, &clouds(900));
    let (fitted, said) = fitted(&w, &input, &["--k", "2", "--micro", "40"]);
    assert!(said.contains("ward, tree over 40 micro-segments"), "{said}");
    assert!(said.contains("micro-segments of another sample: adjusted Rand index with these segments 1.00"), "{said}");
    assert_eq!((&fitted["is_exact"], &fitted["sample_rows"]), (&false.into(), &900.into()));
    let [of, counts] = ["micro_segments_", "micro_counts_"].map(|name| fitted[name].as_array().unwrap().clone());
    let (labels, micro) = (labels(&w.out()), micro(&w.out()));
    for at in 0..40 {
        let rows = micro.iter().filter(|&&micro| micro == at).count();
        assert_eq!(counts[at as usize], rows);
    }
    assert!(labels.iter().zip(&micro).all(|(&segment, &micro)| of[micro as usize] == segment));
    assert!((0..900).all(|i| (labels[i] == labels[2]) == (i % 3 == 2)), "the cloud apart is a segment");
    assert_eq!(assigned(&w, &input), labels_hash(&w.out()));
}

fn streamed_and_on_any_threads() {
    let w = Workshop::new();
    let input = put(&w, &clouds(900));
    let model = || std::fs::read(w.out().join("model.json")).unwrap();
    for tree in [&["--k", "5"][..], &["--k", "5", "--micro", "50"]] {
        let (_, _) = fitted(&w, &input, tree);
        let (expected, labels) = (model(), labels_hash(&w.out()));
        for more in [&["--threads", "1"][..], &["--threads", "7"], &["--simd", "portable"], &["--backend", "reference"]]
        {
            fitted(&w, &input, &[tree, more].concat());
            assert_eq!(labels_hash(&w.out()), labels, "{more:?}");
            assert!(model() == expected, "{more:?}");
        }
    }
}

fn strata_have_trees_of_their_own() {
    let w = Workshop::new();
    let mut columns = clouds(600);
    columns.push(("area", i64s((0..600).map(|i| i / 300))));
    let input = put(&w, &columns);
    std::fs::write(
        w.path("rules.toml"),
        "[[rule]]\nname = \"near\"\nwhen = \"x < 0.05\"\n[strata]\nwithin = \"area\"\nk = 2\n",
    )
    .unwrap();
    let rules = w.text("rules.toml");
    let (fitted, said) = fitted(&w, &input, &["--k", "2", "--rules", &rules, "--micro", "30"]);
    assert!(said.contains("0: ward, tree over 30 micro-segments"), "{said}");
    assert_eq!(fitted["micro_counts_"].as_array().unwrap().len(), 30);
    let again = w.text("again");
    done(["assign", &w.text("out"), &input, "--no-profile", "--out", &again]);
    assert_eq!(labels_hash(Path::new(&again)), labels_hash(&w.out()));
    let table = read(&w.out().join("segments/part-00000.parquet"));
    let micro = table.column_by_name("micro_segment").unwrap();
    let distance = table.column_by_name("distance").unwrap();
    assert!(micro.null_count() > 0 && micro.null_count() == distance.null_count(), "rows of the rule have none");
}

/// In both languages, of a fit and of an `assign`; not of k-means.
fn a_page_shows_the_tree() {
    let w = Workshop::new();
    let input = put(&w, &clouds(300));
    let page = |verb: &[&str], more: &[&str]| {
        let (page, out) = (w.text("page.html"), w.text("paged"));
        let _ = std::fs::remove_dir_all(&out);
        done([verb, &["--report", &page, "--out", &out], more].concat());
        std::fs::read_to_string(w.path("page.html")).unwrap()
    };
    let fit = ["fit", &input, "--k", "3", "--algorithm", "ward"];
    let shown = page(&fit, &[]);
    assert!(shown.contains("<desc>3 segments, the last 30 merges</desc>"), "{shown}");
    for segment in ["segment 0", "segment 1", "segment 2"] {
        assert_eq!(shown.matches(&format!(">{segment}</text>")).count(), 1, "{segment}");
    }
    let shown = page(&fit, &["--lang", "zh", "--micro", "20"]);
    assert!(shown.contains("<desc>3 个客群，最后 19 次合并</desc>") && shown.contains(">客群 2</text>"), "{shown}");
    fitted(&w, &input, &["--k", "2"]);
    let shown = page(&["assign", &w.text("out"), &input], &[]);
    assert!(shown.contains("<desc>2 segments, the last 30 merges</desc>"), "{shown}");
    let shown = page(&["fit", &input, "--k", "3"], &[]);
    assert!(!shown.contains("Tree of the segments"), "{shown}");
}

fn single_customers_in_the_model_are_warned_of() {
    let w = Workshop::new();
    let input = put(&w, &clouds(300));
    let (_, said) = fitted(&w, &input, &["--k", "2"]);
    let kept = "centroids of 300 micro-segments of fewer than 10 customers (fewer of them with a lower --micro)";
    assert!(said.contains(kept), "{said}");
    assert_eq!(json(w.out().join("manifest.json"))["outcome"]["small_cells"]["kept_in_model"][0], kept);
    let (_, said) = fitted(&w, &input, &["--k", "2", "--micro", "4"]);
    assert!(!said.contains("micro-segments of fewer"), "{said}");
}

/// The means of a tree's segments are starting centroids of k-means, which finds segments that are no worse.
fn a_tree_starts_kmeans() {
    let w = Workshop::new();
    let input = put(&w, &clouds(300));
    let (tree, _) = fitted(&w, &input, &["--k", "4"]);
    let (model, again) = (w.text("out/model.json"), w.text("again"));
    done(["fit", &input, "--k", "4", "--init", &model, "--no-profile", "--out", &again]);
    let kmeans = &json(w.path("again/model.json"))["model"]["parts"][0]["fitted"];
    assert_eq!(kmeans["algorithm"], "kmeans");
    assert!(kmeans["inertia_"].as_f64() <= tree["inertia_"].as_f64(), "{kmeans}");
    let plan = done(["plan", &input, "--k", "4", "--algorithm", "ward"]).out;
    assert!(plan.contains("passes  about 1 over all rows"), "{plan}");
}

fn few_distinct_rows() {
    let w = Workshop::new();
    let id = i64s(0..500);
    let input = put(&w, &[("customer_id", id.clone()), ("x", f64s((0..500).map(|i| f64::from(i % 4))))]);
    let (fitted, said) = fitted(&w, &input, &["--k", "4"]);
    assert!(said.contains("exact tree over 4 distinct rows"), "{said}");
    assert_eq!(fitted["counts_"], serde_json::json!([125, 125, 125, 125]));
    let run = ["fit", &input, "--algorithm", "ward", "--k", "5"];
    w.make_room();
    let ran = w.run(run);
    ran.is_refused(3, &["k = 5, but only 4 rows are distinct after preparation; choose k up to 4"]);
}

fn what_makes_no_sense_is_refused() {
    let w = Workshop::new();
    let input = put(&w, &three_groups(60));
    let refused =
        |message: &str, more: &[&str]| w.refused(2, &[message], [&["fit", &input, "--k", "3"], more].concat());
    for (option, value) in [
        ("--init", "random"),
        ("--n-init", "3"),
        ("--effort", "high"),
        ("--stability", "9"),
        ("--max-iter", "9"),
        ("--tol", "0"),
    ] {
        let owners = if option == "--stability" { "kmeans" } else { "kmeans or gmm" };
        let message = format!("{option} is an option of --algorithm {owners}; leave it out with ward");
        refused(&message, &["--algorithm", "ward", option, value]);
    }
    refused("--micro is an option of --algorithm ward; leave it out with kmeans", &["--micro", "30"]);
    refused("--micro 2: between k = 3 and 4096 micro-segments are possible", &["--algorithm", "ward", "--micro", "2"]);
    refused("--micro 5000: between k = 3 and 4096", &["--algorithm", "ward", "--micro", "5000"]);
    refused("segments of --algorithm ward have no single centroid; leave it out", &["--algorithm", "ward", "--margin"]);
    let out = w.text("tree");
    done(["fit", &input, "--k", "3", "--algorithm", "ward", "--no-profile", "--out", &out]);
    w.refused(2, &["--margin is how much farther", "ward"], ["assign", &out, &input, "--margin"]);
    let ran: crate::command::Ran = crate::harness::hyades(["explain", &out, &input, "--top", "1"]).into();
    ran.is_refused(2, &["an explanation goes by the centroids of k-means, and the model is of --algorithm ward"]);
    let ran: crate::command::Ran = crate::harness::hyades(["bench", &input, "--k", "3", "--algorithm", "ward"]).into();
    std::fs::write(
        w.path("job.toml"),
        "[input]\npaths = [\"in.parquet\"]\n[clustering]\nk = 3\nalgorithm = \"ward\"\n",
    )
    .unwrap();
    let run: crate::command::Ran = crate::harness::hyades(["run", &w.text("job.toml"), "--as-of", "2026-10-31"]).into();
    run.is_refused(
        2,
        &["[clustering] algorithm = \"ward\": a monthly run goes on from the centroids of the month before"],
    );
    ran.is_refused(2, &["bench times the passes of kmeans, and --algorithm ward has none; leave --algorithm out"]);
}
