//! What changed since the fit: drift.json and the lines of `assign`, against values computed here.

use std::path::Path;

use arrow::array::{ArrayRef, StringArray};
use serde_json::Value;

use crate::command::{Workshop, done, json};
use crate::harness::{hyades, root, tests};
use crate::tables::{batch, i64s, noise, some_f64s, write_batch};

tests!(
    the_same_rows_have_not_drifted,
    what_changed_is_told_and_comes_first,
    a_column_without_values_is_told,
    limits_refuse_before_anything_is_published,
    a_model_without_counts_says_so,
    nothing_depends_on_threads_or_streaming,
    few_customers_are_not_counted_by_name,
);

const ROWS: usize = 4000;

/// Sums of six random numbers around 0, with a deviation of sqrt(6 / 12).
fn bell(seed: u64) -> Vec<f64> {
    let terms: Vec<Vec<f64>> = (0..6).map(|i| noise(seed * 10 + i).take(ROWS).collect()).collect();
    (0..ROWS).map(|row| terms.iter().map(|term| term[row]).sum::<f64>() - 3.0).collect()
}

/// Three groups of amounts, moved by `shift`.
fn amounts(shift: f64) -> Vec<f64> {
    bell(1).into_iter().enumerate().map(|(i, z)| 5000.0 + 900.0 * (i % 3) as f64 + 100.0 * z + shift).collect()
}

/// Amounts; a column that is mostly 0; one with a share of gaps; a colour.
fn write(path: &Path, shift: f64, gaps: f64, colours: &[&str]) {
    let amount = amounts(shift).into_iter().map(Some);
    let rare = noise(3).take(ROWS).map(|u| Some(if u < 0.3 { (1000.0 * u).round() } else { 0.0 }));
    let holey = bell(4).into_iter().zip(noise(5)).map(|(z, u)| (u >= gaps).then_some(z));
    let colour = noise(6).take(ROWS).map(|u| Some(colours[(u * colours.len() as f64) as usize]));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("customer_id", i64s(0..ROWS as i64)),
        ("amount", some_f64s(amount)),
        ("rare", some_f64s(rare)),
        ("holey", some_f64s(holey)),
        ("colour", std::sync::Arc::new(StringArray::from_iter(colour))),
    ];
    write_batch(path, &batch(&columns), 1000);
}

const RECIPE: &str = "[columns.colour]\nencode = \"one-hot\"\n";

/// Fits the rows of October and labels others, written to `labels`.
fn fitted(w: &Workshop, gaps: f64) -> String {
    write(&w.path("october.parquet"), 0.0, gaps, &["red", "green", "blue"]);
    std::fs::write(w.path("recipe.toml"), RECIPE).unwrap();
    let (input, recipe) = (w.text("october.parquet"), w.text("recipe.toml"));
    w.run(["fit", &input, "--k", "3", "--n-init", "1", "--recipe", &recipe]).succeeds();
    w.text("out")
}

fn feature<'d>(drift: &'d Value, name: &str) -> &'d Value {
    drift["features"].as_array().unwrap().iter().find(|feature| feature["name"] == name).unwrap()
}

fn the_same_rows_have_not_drifted() {
    let w = Workshop::new();
    let model = fitted(&w, 0.1);
    let ran = done(["assign", &model, &w.text("october.parquet"), "--out", &w.text("labels")]);
    assert!(!ran.err.contains("warning"), "{}", ran.err);
    assert!(ran.out.contains("differs from the fit") && ran.out.contains("drift.json"), "{}", ran.out);
    let (drift, manifest) = (json(w.path("labels/drift.json")), json(w.path("labels/manifest.json")));
    assert_eq!((&drift["run"], &drift["drift_version"]), (&manifest["run"], &1.into()));
    let text = std::fs::read(w.path("labels/drift.json")).unwrap();
    assert_eq!(manifest["outcome"]["drift_blake3"], blake3::hash(&text).to_hex().as_str());
    assert_eq!(
        drift["counts"],
        json(w.out().join("model.json"))["model"]["reference"],
        "the counts are those of the fit"
    );
    let features = drift["features"].as_array().unwrap();
    assert_eq!(features.len(), 4);
    for feature in features {
        assert_eq!(
            (&feature["psi"], &feature["js"], &feature["w"]),
            (&0.0.into(), &0.0.into(), &0.0.into()),
            "{feature}"
        );
        assert!(feature["distance"].is_null() || feature["distance"] == 0.0, "{feature}");
    }
    assert_eq!(
        (&drift["segments"]["psi"], &drift["distances"][0]["beyond"]["now"]),
        (&0.0.into(), &drift["distances"][0]["beyond"]["reference"])
    );
    let beyond = drift["distances"][0]["beyond"]["now"].as_f64().unwrap();
    assert!(beyond > 0.005 && beyond <= 0.01, "{beyond}");
}

fn what_changed_is_told_and_comes_first() {
    let w = Workshop::new();
    let model = fitted(&w, 0.1);
    write(&w.path("november.parquet"), 400.0, 0.1, &["red", "green", "pink", "blue"]);
    let ran = done(["assign", &model, &w.text("november.parquet"), "--out", &w.text("labels")]);
    assert!(ran.err.contains("columns differ from those of the fit: \"colour\" (PSI "), "{}", ran.err);
    assert!(ran.err.contains("), \"amount\" (PSI "), "{}", ran.err);
    let drift = json(w.path("labels/drift.json"));
    let names: Vec<&str> = drift["features"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names[..2], ["colour", "amount"], "a new category, then a shift");
    let amount = &drift["features"][1];
    // As many rows on either side: sorted values are pairs.
    let (mut then, mut now) = (amounts(0.0), amounts(400.0));
    [&mut then, &mut now].into_iter().for_each(|side| side.sort_by(f64::total_cmp));
    let (low, high) = (then[ROWS / 1000], then[ROWS - 1 - ROWS / 1000]);
    let moved = then.iter().zip(&now).map(|(a, b)| b.clamp(low, high) - a.clamp(low, high)).sum::<f64>();
    let mean = then.iter().sum::<f64>() / ROWS as f64;
    let deviation = (then.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / ROWS as f64).sqrt();
    let (distance, naive) = (amount["distance"].as_f64().unwrap(), moved / ROWS as f64 / deviation);
    // Ten of the 4000 rows at either end are pooled.
    assert!((distance - naive).abs() < 0.01, "{distance} {naive}");
    assert!(distance > 10.0 * amount["distance_noise"].as_f64().unwrap());
    // The index from the bins that are told.
    for feature in drift["features"].as_array().unwrap() {
        let bins = feature["bins"].as_array().unwrap();
        let side = |which: &str| bins.iter().map(|bin| bin[which].as_f64()).collect::<Option<Vec<f64>>>();
        let Some((then, now)) = side("reference").zip(side("now")) else { continue };
        let shares = |n: &[f64]| {
            let all = n.iter().sum::<f64>() + 0.5 * n.len() as f64;
            n.iter().map(|n| (n + 0.5) / all).collect::<Vec<f64>>()
        };
        let naive: f64 = shares(&then).iter().zip(shares(&now)).map(|(p, q)| (q - p) * (q / p).ln()).sum();
        let index = feature["psi"].as_f64().unwrap();
        assert!((index - naive).abs() < 1e-12, "{}: {index} {naive}", feature["name"]);
        assert_eq!(then.iter().sum::<f64>(), ROWS as f64);
    }
    let colour = feature(&drift, "colour");
    assert!(colour["psi"].as_f64().unwrap() > 0.5 && colour["distance"].is_null(), "{colour}");
    let bins: Vec<&Value> = colour["bins"].as_array().unwrap().iter().map(|bin| &bin["bin"]).collect();
    assert_eq!(bins.len(), 5, "{bins:?}");
    let unseen = drift["moved"].as_array().unwrap().iter().find(|moved| moved["unseen"]["now"] != 0.0).unwrap();
    assert!((unseen["unseen"]["now"].as_f64().unwrap() - 0.25).abs() < 0.03, "{unseen}");
    assert!(feature(&drift, "rare")["psi"] == 0.0);
    let inside = feature(&drift, "amount")["segments"].as_array().unwrap();
    assert_eq!(inside.len(), 3);
}

fn a_column_without_values_is_told() {
    let w = Workshop::new();
    let model = fitted(&w, 0.95);
    write(&w.path("november.parquet"), 0.0, 1.1, &["red", "green", "blue"]);
    // The share rises by five percent only, which no other limit is concerned with.
    let ran = done(["assign", &model, &w.text("november.parquet"), "--out", &w.text("labels")]);
    assert!(ran.err.contains("\"holey\" has no value in any row, in the fit in 4."), "{}", ran.err);
    let drift = json(w.path("labels/drift.json"));
    let holey = feature(&drift, "holey");
    assert_eq!((&holey["missing"]["now"], &holey["distance"]), (&1.0.into(), &Value::Null));
}

fn limits_refuse_before_anything_is_published() {
    let w = Workshop::new();
    let model = fitted(&w, 0.1);
    std::fs::rename(w.out(), w.path("fit")).unwrap();
    let model = model.replace("out", "fit");
    write(&w.path("november.parquet"), 400.0, 0.3, &["red", "green", "blue"]);
    let input = w.text("november.parquet");
    let all = ["assign", &model, &input];
    let refused = |code: i32, parts: &[&str], more: &[&str]| {
        w.run([&all[..], more].concat()).is_refused(code, parts);
        assert!(!w.out().exists(), "something was published");
    };
    let why = ["--max-drift 0.2 is exceeded, and nothing was published", "\"amount\" (PSI ", "deviations)"];
    refused(6, &why, &["--max-drift", "0.2"]);
    refused(6, &["\"holey\" has no value in", "--max-missing"], &["--max-missing-rise", "0.1"]);
    refused(2, &["--max-drift -1: expected a stability index above 0, such as 0.25"], &["--max-drift=-1"]);
    let counted = "--max-drift 0.2: drift is counted along with the profile; leave out --no-profile";
    refused(2, &[counted], &["--max-drift", "0.2", "--no-profile"]);
    w.run([&all[..], &["--max-drift", "1000"]].concat()).succeeds();
}

fn a_model_without_counts_says_so() {
    let w = Workshop::new();
    let (model, bank) = (root().join("data/models/v3.json"), root().join("data/customers.parquet"));
    let (model, bank) = (model.to_str().unwrap(), bank.to_str().unwrap());
    let said = done(["assign", model, bank, "--out", &w.text("labels")]);
    assert!(said.err.contains("drift is not measured: the model has no counts of the fit's rows"), "{}", said.err);
    assert!(!w.path("labels/drift.json").exists() && !said.out.contains("differs from the fit"));
    let ran: crate::command::Ran = hyades(["assign", model, bank, "--max-drift", "0.1", "--out", &w.text("x")]).into();
    ran.is_refused(2, &["--max-drift 0.1: the model has no counts", "fit the model again, or leave the limit out"]);
    w.run(["fit", bank, "--k", "3", "--no-profile"]).succeeds();
    assert!(json(w.out().join("model.json"))["model"]["reference"].is_null());
}

fn nothing_depends_on_threads_or_streaming() {
    let w = Workshop::new();
    let model = fitted(&w, 0.1);
    write(&w.path("november.parquet"), 40.0, 0.1, &["red", "green", "blue"]);
    let counts = |more: &[&str], out: &str| {
        let (input, out) = (w.text("november.parquet"), w.text(out));
        done([&["assign", &model, &input, "--out", &out][..], more].concat());
        std::fs::read(Path::new(&out).join("drift.json")).unwrap()
    };
    let one = counts(&["--threads", "1"], "one");
    assert!(one == counts(&["--threads", "2"], "two"));
    assert!(one == counts(&["--backend", "reference"], "reference"));
}

fn few_customers_are_not_counted_by_name() {
    let w = Workshop::new();
    fitted(&w, 0.1);
    let reference = &json(w.out().join("model.json"))["model"]["reference"];
    let counts = |values: &Value| {
        let text = values["numbers"]["values"]["counts"].as_str().unwrap_or_default().to_owned();
        let count = |word: &str| word.rsplit(':').next().unwrap().parse::<u64>().unwrap();
        text.split_whitespace().map(count).collect::<Vec<u64>>()
    };
    let amount = &reference["columns"][0];
    assert_eq!(amount["name"], "amount");
    let all = counts(&amount["all"]);
    assert!(all.len() > 100 && all.iter().all(|n| *n >= 10), "{all:?}");
    assert_eq!(all.iter().sum::<u64>(), ROWS as u64);
    for segment in amount["segments"].as_array().unwrap() {
        let counts = counts(segment);
        assert!(counts.len() <= 64 && counts.iter().all(|n| *n >= 10), "{counts:?}");
    }
}
