//! Gaussian mixtures, as users run them.

use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Int32Type};
use serde_json::Value;

use crate::command::{Ran, Workshop, done, json, labels_hash};
use crate::harness::{hyades, tests};
use crate::tables::{batch, column, f64s, i64s, noise, read, segments, three_groups, write_batch};

tests!(
    components_are_told_and_replayed,
    a_spike_is_kept_from_collapsing,
    threads_and_chunks_change_nothing,
    strata_have_mixtures_of_their_own,
    weights_count,
    few_distinct_rows,
    what_makes_no_sense_is_refused,
);

const SHAPES: [&str; 4] = ["diag", "full", "tied", "spherical"];

/// Two long clouds that cross, and a small one apart.
fn clouds(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let triangular = |seed: u64| noise(seed).zip(noise(seed + 50)).map(|(a, b)| a + b - 1.0).take(rows);
    let group = |i: usize| usize::from(i % 5 > 1) + usize::from(i.is_multiple_of(10)) * 2;
    let value = |i: usize, (along, across): (f64, f64), turned: usize| match group(i) {
        2.. => 9.0 + across,
        of if of == turned => 6.0 * along,
        _ => 0.4 * across,
    };
    let of = |seed: u64, turned: usize| {
        let draws = triangular(seed).zip(triangular(seed + 7)).enumerate();
        f64s(draws.map(|(i, draw)| value(i, draw, turned)).collect::<Vec<_>>())
    };
    vec![("customer_id", i64s((0..rows as i64).map(|i| 100 + i))), ("x", of(1, 0)), ("y", of(2, 1))]
}

fn put(w: &Workshop, columns: &[(&str, ArrayRef)]) -> String {
    let input = w.text("in.parquet");
    write_batch(Path::new(&input), &batch(columns), 256);
    input
}

/// The fitted part of the model, and what the command said.
fn fitted(w: &Workshop, input: &str, more: &[&str]) -> (Value, String) {
    w.make_room();
    let out = w.text("out");
    let ran = done([&["fit", input, "--algorithm", "gmm", "--no-profile", "--out", &out], more].concat());
    (json(w.out().join("model.json"))["model"]["parts"][0]["fitted"].clone(), ran.out + &ran.err)
}

fn table(out: &Path) -> RecordBatch {
    read(&out.join("segments/part-00000.parquet"))
}

fn floats(table: &RecordBatch, name: &str) -> Vec<f32> {
    column(table, name).as_primitive::<Float32Type>().values().to_vec()
}

fn components_are_told_and_replayed() {
    let w = Workshop::new();
    let input = put(&w, &clouds(900));
    let again = w.text("again");
    for shape in SHAPES {
        let (fitted, said) = fitted(&w, &input, &["--k", "3", "--covariance", shape]);
        assert!(said.contains(&format!("3 segments; gmm, {shape} covariance, ")), "{said}");
        assert!(
            said.contains("converged: the log-likelihood changed by less than --tol; log-likelihood per"),
            "{said}"
        );
        assert_eq!((&fitted["algorithm"], &fitted["covariance_type"]), (&"gmm".into(), &shape.into()));
        assert_eq!(fitted["converged_"], true);
        let bounds: Vec<f64> = fitted["lower_bounds_"].as_array().unwrap().iter().flat_map(Value::as_f64).collect();
        assert_eq!(fitted["n_iter_"], bounds.len());
        assert!(bounds.windows(2).all(|two| two[1] > two[0] - 1e-6), "{bounds:?}");
        let of = table(&w.out());
        let [first, second, entropy] = ["posterior", "second_posterior", "entropy"].map(|name| floats(&of, name));
        let labels = segments(&w.out().join("segments/part-00000.parquet"));
        let others = column(&of, "second_segment").as_primitive::<Int32Type>().values().to_vec();
        for i in 0..900 {
            assert!(labels[i] != others[i] && first[i] >= second[i] && first[i] + second[i] <= 1.0 + 1e-6);
            assert!((0.0..=3f32.ln()).contains(&entropy[i]), "{}", entropy[i]);
        }
        done(["assign", &w.text("out"), &input, "--no-profile", "--out", &again]);
        assert_eq!(labels_hash(Path::new(&again)), labels_hash(&w.out()));
        assert_eq!(table(Path::new(&again)).columns(), of.columns(), "distances and posteriors too");
        std::fs::remove_dir_all(&again).unwrap();
    }
    // Clouds that cross are told apart by their shapes alone, which k-means cannot see.
    fitted(&w, &input, &["--k", "3"]);
    let labels = segments(&w.out().join("segments/part-00000.parquet"));
    let told = |group: &dyn Fn(usize) -> bool| -> Vec<i32> {
        let rows = (0..900usize).filter(|&i| !i.is_multiple_of(10) && group(i));
        rows.map(|i| labels[i]).collect()
    };
    for group in [&(|i: usize| i % 5 > 1) as &dyn Fn(usize) -> bool, &|i: usize| i % 5 < 2] {
        let all = told(group);
        let most = (0..3).map(|j| all.iter().filter(|&&label| label == j).count()).max().unwrap();
        assert!(most * 100 > all.len() * 85, "{most} of {}", all.len());
    }
    assert_eq!(json(w.out().join("model.json"))["model"]["provenance"]["tol"], 0.001);
}

fn a_spike_is_kept_from_collapsing() {
    let w = Workshop::new();
    let spent = |i: usize, u: f64| if i.is_multiple_of(500) { 100.0 + 900.0 * u } else { 0.0 };
    let rows = 20_000;
    let spike = f64s(noise(4).take(rows).enumerate().map(|(i, u)| spent(i, u)).collect::<Vec<_>>());
    let id = i64s(0..rows as i64);
    let input = put(&w, &[("customer_id", id), ("spent", spike), ("age", f64s(noise(5).take(rows)))]);
    for shape in SHAPES {
        let (fitted, said) = fitted(&w, &input, &["--k", "3", "--covariance", shape]);
        let all = [&fitted["covariances_"], &fitted["scaled_means_"]].map(|of| of.as_array().unwrap().clone()).concat();
        assert!(all.iter().flat_map(|row| row.as_array().unwrap()).all(Value::is_number));
        if ["diag", "full"].contains(&shape) {
            assert!(fitted["floored_"].as_u64().unwrap() > 0, "{fitted}");
            assert!(said.contains("variances of components are at the least, 0.001 of the feature's own"), "{said}");
        }
    }
    w.make_room();
    let run = ["fit", &input, "--k", "3", "--algorithm", "gmm", "--reg-covar", "0", "--variance-floor", "0"];
    w.run(run).is_refused(3, &["the covariance of component", "cannot be inverted", "choose --reg-covar above 0"]);
    fitted(&w, &input, &["--k", "3", "--variance-floor", "0"]);
}

fn threads_and_chunks_change_nothing() {
    let w = Workshop::new();
    let input = put(&w, &clouds(900));
    let model = || std::fs::read(w.out().join("model.json")).unwrap();
    for shape in SHAPES {
        let asked = ["--k", "4", "--covariance", shape];
        fitted(&w, &input, &asked);
        let (expected, labels) = (model(), labels_hash(&w.out()));
        for more in [
            &["--threads", "1"][..],
            &["--threads", "7"],
            &["--simd", "portable"],
            &["--threads", "2", "--chunk-rows", "64"],
        ] {
            fitted(&w, &input, &[&asked[..], more].concat());
            assert_eq!(labels_hash(&w.out()), labels, "{more:?}");
            assert!(model() == expected, "{shape} {more:?}");
        }
    }
}

fn strata_have_mixtures_of_their_own() {
    let w = Workshop::new();
    let mut columns = clouds(800);
    columns.push(("area", i64s((0..800).map(|i| i / 400))));
    let input = put(&w, &columns);
    let rules = "[[rule]]\nname = \"far\"\nwhen = \"x > 8.5\"\n[strata]\nwithin = \"area\"\nk = 2\n";
    std::fs::write(w.path("rules.toml"), rules).unwrap();
    let (_, said) = fitted(&w, &input, &["--k", "2", "--rules", &w.text("rules.toml")]);
    assert!(said.contains("0: gmm, diag covariance, "), "{said}");
    let again = w.text("again");
    done(["assign", &w.text("out"), &input, "--no-profile", "--out", &again]);
    let of = table(&w.out());
    assert_eq!(table(Path::new(&again)).columns(), of.columns());
    let [posterior, second] = ["posterior", "second_segment"].map(|name| of.column_by_name(name).unwrap().clone());
    let x = read(Path::new(&input));
    let x = x.column_by_name("x").unwrap().as_primitive::<arrow::datatypes::Float64Type>().clone();
    let labels = segments(&w.out().join("segments/part-00000.parquet"));
    for i in 0..800 {
        let ruled = x.value(i) > 8.5;
        assert_eq!((posterior.is_null(i), second.is_null(i)), (ruled, ruled));
        if !ruled {
            // The first segment is that of the rule; then there are two of each stratum.
            let first = 1 + 2 * (i as i32 / 400);
            let other = second.as_primitive::<Int32Type>().value(i);
            assert_eq!(labels[i] + other, 2 * first + 1, "row {i}: {} and {other}", labels[i]);
        }
    }
}

fn weights_count() {
    let w = Workshop::new();
    let mut columns = clouds(600);
    columns.push(("people", f64s((0..600).map(|i| f64::from(i % 3 + 1)))));
    let input = put(&w, &columns);
    let plain = ["--k", "3", "--features", "x,y", "--scale", "none", "--transform", "none"];
    let (weighted, _) = fitted(&w, &input, &[&plain[..], &["--row-weight", "people"]].concat());
    // The same customers, each as often as its weight.
    let rows: Vec<u64> = (0..600u64).flat_map(|i| std::iter::repeat_n(i, i as usize % 3 + 1)).collect();
    let repeated = arrow::compute::take_record_batch(&batch(&columns), &arrow::array::UInt64Array::from(rows)).unwrap();
    write_batch(Path::new(&input), &repeated, 256);
    let (repeated, _) = fitted(&w, &input, &[&plain[..], &["--duplicate-ids", "keep"]].concat());
    let sum = |of: &Value| of["weights_"].as_array().unwrap().iter().flat_map(Value::as_f64).sum::<f64>();
    assert!((sum(&weighted) - 1.0).abs() < 1e-12 && (sum(&repeated) - 1.0).abs() < 1e-12);
    let bic = [&weighted, &repeated].map(|of| of["bic_"].as_f64().unwrap());
    assert!((bic[0] / bic[1] - 1.0).abs() < 1e-3, "{bic:?}");
}

fn few_distinct_rows() {
    let w = Workshop::new();
    let input = put(&w, &[("customer_id", i64s(0..500)), ("x", f64s((0..500).map(|i| f64::from(i % 4))))]);
    for shape in SHAPES {
        let (fitted, _) = fitted(&w, &input, &["--k", "4", "--covariance", shape]);
        assert_eq!(fitted["counts_"], serde_json::json!([125, 125, 125, 125]));
    }
    w.make_room();
    let run = ["fit", &input, "--algorithm", "gmm", "--k", "5"];
    w.run(run).is_refused(3, &["k = 5, but only 4 rows are distinct after preparation; choose k up to 4"]);
    let (fitted, _) = fitted(&w, &input, &["--k", "1"]);
    assert_eq!((&fitted["weights_"], &fitted["n_components"]), (&serde_json::json!([1.0]), &1.into()));
    let of = table(&w.out());
    assert!(floats(&of, "posterior").iter().all(|&p| p == 1.0));
    assert_eq!(of.column_by_name("second_segment").unwrap().null_count(), 500, "there is no other");
}

fn what_makes_no_sense_is_refused() {
    let w = Workshop::new();
    let input = put(&w, &three_groups(60));
    let refused = |message: &str, more: &[&str]| {
        w.refused(2, &[message], [&["fit", &input, "--k", "3", "--algorithm", "gmm"], more].concat());
    };
    refused("--stability is an option of --algorithm kmeans; leave it out with gmm", &["--stability", "9"]);
    refused("--micro is an option of --algorithm ward; leave it out with gmm", &["--micro", "9"]);
    refused("the column posterior says how sure a segment is; leave it out", &["--margin"]);
    refused(
        "--backend gpu: a mixture runs on the CPU: its densities are f64, which GPU shaders (WGSL) lack",
        &["--backend", "gpu"],
    );
    refused("--device: a mixture runs on the CPU", &["--device", "0"]);
    refused("--backend reference: a mixture runs on the CPU: the integer", &["--backend", "reference"]);
    refused("reg-covar is -1: it must be finite and not negative", &["--reg-covar", "-1"]);
    refused("variance-floor is 1: it is a share, at least 0 and less than 1", &["--variance-floor", "1"]);
    refused("tol is -1: it must be finite", &["--tol", "-1"]);
    refused("max-iter is 0", &["--max-iter", "0"]);
    for (option, value) in [("--covariance", "full"), ("--reg-covar", "0"), ("--variance-floor", "0")] {
        let message = format!("{option} is an option of --algorithm gmm; leave it out with kmeans");
        w.refused(2, &[&message], ["fit", &input, "--k", "3", option, value]);
    }
    let out = w.text("mixture");
    done(["fit", &input, "--k", "3", "--algorithm", "gmm", "--no-profile", "--out", &out]);
    w.refused(2, &["--margin is how much farther", "gmm"], ["assign", &out, &input, "--margin"]);
    w.refused(2, &["--backend gpu: a mixture runs on the CPU"], ["assign", &out, &input, "--backend", "gpu"]);
    let ran: Ran = hyades(["explain", &out, &input, "--top", "1"]).into();
    ran.is_refused(2, &["an explanation goes by the centroids of k-means, and the model is of --algorithm gmm"]);
    let ran: Ran = hyades(["bench", &input, "--k", "3", "--algorithm", "gmm"]).into();
    ran.is_refused(2, &["bench times the passes of kmeans, and --algorithm gmm has none; leave --algorithm out"]);
}
