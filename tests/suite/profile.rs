//! What is true of segments: profile.json and the table, against values computed here.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use serde_json::Value;

use crate::command::{Workshop, done, json};
use crate::harness::{hyades, tests};
use crate::tables::{batch, f64s, i64s, noise, segments, some_f64s, write_batch};

tests!(
    figures_are_those_of_the_rows,
    the_table_prints_what_is_true,
    nothing_depends_on_threads_or_streaming,
    an_assignment_describes_its_own_rows,
    segments_of_few_customers_have_no_figures,
    without_a_profile_nothing_is_decoded_again,
    a_model_says_what_its_centroids_are,
    labels_of_a_fit_give_its_profile,
    labels_of_any_origin_are_found_by_id_or_by_order,
    labels_in_another_order_are_refused,
    labels_that_begin_at_1_have_no_segment_0,
    labels_of_an_assignment,
    small_cells_of_a_profile,
    categories_are_those_of_the_model,
    what_is_no_label_is_refused,
    products_are_counted_by_hand,
    products_are_no_features,
    labels_of_other_rows_are_refused,
    the_page_of_segments_stands_alone,
);

const ROWS: usize = 1200;

/// Three groups: amounts with a heavy tail, twice; a column that is mostly 0, one with nulls, and an outcome.
fn skewed(rows: usize) -> Vec<(&'static str, Vec<Option<f64>>)> {
    let heavy = |i: usize, u: f64| (3.0 * u + [2.0, 6.0, 9.0][i % 3]).exp().round();
    let amount: Vec<f64> = noise(1).take(rows).enumerate().map(|(i, u)| heavy(i, u)).collect();
    let twice = amount.iter().zip(noise(2)).map(|(a, u)| 2.0 * a + u);
    let rare = noise(3).take(rows).enumerate().map(|(i, u)| if u < [0.02, 0.1, 0.9][i % 3] { 500.0 * u } else { 0.0 });
    let gaps = noise(4).take(rows).enumerate().map(|(i, u)| (u > 0.2).then_some(10.0 * (i % 3) as f64 + u));
    let left = noise(5).take(rows).enumerate().map(|(i, u)| f64::from(u8::from(u < [0.5, 0.1, 0.2][i % 3])));
    vec![
        ("amount", amount.iter().copied().map(Some).collect()),
        ("twice", twice.map(Some).collect()),
        ("rare", rare.map(Some).collect()),
        ("gaps", gaps.collect()),
        ("churned", left.map(Some).collect()),
    ]
}

fn write(path: &Path, rows: usize) -> Vec<(&'static str, Vec<Option<f64>>)> {
    let table = skewed(rows);
    let mut columns: Vec<(&str, ArrayRef)> = vec![("customer_id", i64s((0..rows as i64).map(|i| 7 * i)))];
    columns.extend(table.iter().map(|(name, values)| (*name, some_f64s(values.iter().copied()))));
    write_batch(path, &batch(&columns), 500);
    table
}

fn fit<'a>(w: &'a Workshop, more: &[&'a str]) -> String {
    let input = w.text("in.parquet");
    let mut arguments = vec!["fit", &input, "--k", "3", "--n-init", "1"];
    arguments.extend(more);
    w.run(arguments).succeeds().out
}

/// Sorted known values of some rows.
fn sorted(values: impl Iterator<Item = Option<f64>>) -> Vec<f64> {
    let mut values: Vec<f64> = values.flatten().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// As DuckDB's quantile_cont.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = (sorted.len() - 1) as f64 * q;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * (at - at.floor())
}

fn labels(out: &Path) -> Vec<i32> {
    segments(&out.join("segments/part-00000.parquet"))
}

fn figures_are_those_of_the_rows() {
    let w = Workshop::new();
    let table = write(&w.path("in.parquet"), ROWS);
    fit(&w, &[]);
    let profile = json(w.out().join("profile.json"));
    let manifest = json(w.out().join("manifest.json"));
    assert_eq!(profile["labels_blake3"], manifest["outcome"]["labels_blake3"]);
    let text = std::fs::read(w.out().join("profile.json")).unwrap();
    assert_eq!(manifest["outcome"]["profile_blake3"], blake3::hash(&text).to_hex().as_str());
    assert_eq!((&profile["quantiles"], &profile["weighted"]), (&"exact".into(), &false.into()));
    let labels = labels(&w.out());
    let names: Vec<&str> = profile["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["amount", "twice", "rare", "gaps", "churned"], "the outcome comes last");
    for group in profile["segments"].as_array().unwrap().iter().chain([&profile["all"]]) {
        let segment = group["segment"].as_i64();
        let mine: Vec<usize> = (0..ROWS).filter(|&i| segment.is_none_or(|s| i64::from(labels[i]) == s)).collect();
        assert_eq!(group["customers"], mine.len());
        for (found, (name, values)) in group["columns"].as_array().unwrap().iter().zip(&table) {
            let known = sorted(mine.iter().map(|&i| values[i]));
            let number = |field: &str| found[field].as_f64().unwrap_or(f64::NAN);
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            assert!((number("mean") - mean).abs() <= 1e-12 * mean.abs(), "{name}: {} is not {mean}", number("mean"));
            for (field, q) in [("p5", 0.05), ("p25", 0.25), ("median", 0.5), ("p75", 0.75), ("p95", 0.95)] {
                assert_eq!(number(field), quantile(&known, q), "{name} {field}");
            }
            let part = |n: usize, of: usize| n as f64 / of as f64;
            assert_eq!(number("missing_share"), part(mine.len() - known.len(), mine.len()));
            let not_zero = known.iter().filter(|v| **v != 0.0).count();
            assert_eq!(number("non_zero_share"), part(not_zero, known.len()));
        }
        let cases = mine.iter().filter(|&&i| table[4].1[i] == Some(1.0)).count();
        assert_eq!((&group["outcomes"][0]["cases"], &group["outcomes"][0]["value"]), (&cases.into(), &"1".into()));
    }
}

fn the_table_prints_what_is_true() {
    let w = Workshop::new();
    let table = write(&w.path("in.parquet"), ROWS);
    let out = fit(&w, &[]);
    let labels = labels(&w.out());
    let medians: Vec<String> = (0..3)
        .map(|s| quantile(&sorted((0..ROWS).filter(|&i| labels[i] == s).map(|i| table[0].1[i])), 0.5))
        .chain([quantile(&sorted(table[0].1.iter().copied()), 0.5)])
        .map(|median| hyades::text::thousands(median.round() as u64))
        .collect();
    let line = |text: &'static str| out.lines().filter(move |line| line.contains(text));
    // A heavy tail is described by its median; what says the same is not named beside it.
    let of_amount: Vec<&str> = line("amount, median").collect();
    assert!(!of_amount.is_empty(), "{out}");
    for line in &of_amount {
        let words: Vec<&str> = line.split_whitespace().collect();
        let all = words.iter().position(|word| *word == medians[3]).unwrap_or_else(|| panic!("{line}: {medians:?}"));
        assert!(medians[..3].contains(&words[all - 1].to_owned()), "{line}: {medians:?}");
    }
    assert_eq!(line("twice").count(), 0, "it correlates with amount: {out}");
    assert!(line("rare, not 0").next().is_some_and(|line| line.contains('%')), "{out}");
    // The outcome: a rate with an interval and a lift for each segment and for all.
    assert!(line("churned = 1").any(|line| line.contains("rate") && line.contains("lift")), "{out}");
    assert!(line(" to ").count() == 4, "{out}");
}

fn nothing_depends_on_threads_or_streaming() {
    let w = Workshop::new();
    write(&w.path("in.parquet"), ROWS);
    let profile = |more: &[&str]| {
        fit(&w, more);
        std::fs::read(w.out().join("profile.json")).unwrap()
    };
    let one = profile(&["--threads", "1"]);
    assert!(one == profile(&["--threads", "3", "--chunk-rows", "256"]));
}

fn an_assignment_describes_its_own_rows() {
    let w = Workshop::new();
    write(&w.path("in.parquet"), ROWS);
    fit(&w, &[]);
    let mut later = skewed(ROWS);
    later[0].1.iter_mut().for_each(|v| *v = v.map(|v| 2.0 * v));
    let columns: Vec<(&str, ArrayRef)> =
        later.iter().map(|(name, values)| (*name, some_f64s(values.iter().copied()))).collect();
    write_batch(&w.path("later.parquet"), &batch(&columns), 500);
    let (model, later_path) = (w.text("out/model.json"), w.text("later.parquet"));
    let ran = done(["assign", &model, &later_path, "--out", &w.text("november")]);
    assert!(ran.out.contains("at the fit"), "{}", ran.out);
    let (fit, now) = (json(w.out().join("profile.json")), json(w.path("november/profile.json")));
    let median = |profile: &Value| profile["all"]["columns"][0]["median"].as_f64().unwrap();
    assert_eq!(median(&now), 2.0 * median(&fit));
    // A profile that does not belong to the model is not beside it.
    let text = std::fs::read_to_string(w.out().join("profile.json")).unwrap();
    std::fs::write(w.out().join("profile.json"), text.replacen("\"rows\": 1200", "\"rows\": 1201", 1)).unwrap();
    let ran = done(["assign", &model, &later_path, "--out", &w.text("december")]);
    assert!(!ran.out.contains("at the fit"), "{}", ran.out);
}

fn segments_of_few_customers_have_no_figures() {
    let w = Workshop::new();
    let values: Vec<f64> = noise(1).take(300).enumerate().map(|(i, u)| if i < 4 { 900.0 + u } else { u }).collect();
    let groups: ArrayRef = Arc::new(StringArray::from_iter_values((0..300).map(|i| if i < 4 { "a" } else { "b" })));
    write_batch(&w.path("in.parquet"), &batch(&[("x", f64s(values)), ("churned", groups)]), 100);
    let out = w.run(["fit", &w.text("in.parquet"), "--k", "2", "--transform", "none"]).succeeds().out;
    assert!(out.contains("fewer than 10 customers: no figures"), "{out}");
    let profile = json(w.out().join("profile.json"));
    let small = &profile["segments"][1];
    assert_eq!((&small["customers"], &small["withheld"]), (&4.into(), &true.into()));
    assert_eq!(small["columns"].as_array().map(Vec::len), Some(0));
    // Its figures would follow from those of the other one.
    assert_eq!(profile["segments"][0]["withheld"], true);
    assert!(out.contains("no figures: those of a smaller segment"), "{out}");
    assert!(small["outcomes"].is_null() && small["apart"].is_null());
    assert_eq!(profile["all"]["outcomes"][0]["value"], "a", "of two values, the rarer one");
}

/// A fit without ids numbers its rows; by segment, its files are not in the order of the input.
fn labels_in_another_order_are_refused() {
    let w = Workshop::new();
    let values =
        |seed: u64| f64s(noise(seed).take(300).enumerate().map(|(i, u)| (i % 3) as f64 + u / 4.0).collect::<Vec<_>>());
    write_batch(&w.path("in.parquet"), &batch(&[("x", values(1)), ("y", values(2))]), 100);
    let input = w.text("in.parquet");
    w.run(["fit", &input, "--k", "3", "--partition-by", "segment"]).succeeds();
    let ran = crate::command::Ran::from(hyades(["profile", &input, "--labels", w.out().to_str().unwrap()]));
    ran.is_refused(3, &["are not in the order of the input", "--id"]);
    w.run(["fit", &input, "--k", "3"]).succeeds();
    done(["profile", &input, "--labels", w.out().to_str().unwrap()]);
    // Of another tool, for which a column of that name may mean anything.
    let others: [(&str, ArrayRef); 2] = [("row", i64s(1..=300)), ("segment", i64s((0..300).map(|i| i % 3)))];
    write_batch(&w.path("others.parquet"), &batch(&others), 100);
    done(["profile", &input, "--labels", &w.text("others.parquet")]);
}

/// pandas makes doubles of codes with gaps: 1.0 is the category 1, and NaN is missing.
fn categories_are_those_of_the_model() {
    let w = Workshop::new();
    let codes = (0..300).map(|i| match i % 3 {
        0 => f64::NAN,
        r => f64::from(r),
    });
    let x = f64s(noise(1).take(300).enumerate().map(|(i, u)| (i % 2) as f64 * 9.0 + u).collect::<Vec<_>>());
    write_batch(
        &w.path("in.parquet"),
        &batch(&[("id", i64s(0..300)), ("x", x), ("code", f64s(codes.collect::<Vec<_>>()))]),
        100,
    );
    std::fs::write(w.path("r.toml"), "[columns.code]\nencode = \"one-hot\"\n").unwrap();
    w.run(["fit", &w.text("in.parquet"), "--k", "2", "--recipe", &w.text("r.toml")]).succeeds();
    let profile = json(w.out().join("profile.json"));
    let code = profile["columns"].as_array().unwrap().iter().position(|c| c["name"] == "code").unwrap();
    assert_eq!(profile["columns"][code]["categories"], serde_json::json!(["1", "2"]));
    let all = &profile["all"]["columns"][code];
    assert_eq!((&all["counts"], &all["missing"]), (&serde_json::json!([100, 100]), &100.into()));
}

fn without_a_profile_nothing_is_decoded_again() {
    let w = Workshop::new();
    write(&w.path("in.parquet"), ROWS);
    let out = fit(&w, &["--no-profile"]);
    assert!(out.contains("mean distance") && !out.contains("of all"), "{out}");
    let stages = json(w.out().join("manifest.json"))["stages"].to_string();
    assert!(!stages.contains("\"profile\"") && !w.out().join("profile.json").exists(), "{stages}");
}

fn a_model_says_what_its_centroids_are() {
    let w = Workshop::new();
    write(&w.path("in.parquet"), ROWS);
    fit(&w, &[]);
    let model = json(w.out().join("model.json"));
    assert!(model["cluster_centers_are"].as_str().is_some_and(|text| text.contains("not means of the rows")));
}

fn labels_of_a_fit_give_its_profile() {
    let w = Workshop::new();
    write(&w.path("in.parquet"), ROWS);
    fit(&w, &[]);
    let (input, out, there) = (w.text("in.parquet"), w.out(), w.text("again.json"));
    let ran = done(["profile", &input, "--labels", out.to_str().unwrap(), "--json", &there]);
    assert!(ran.out.contains("amount, median"), "{}", ran.out);
    let mut published = crate::command::json(out.join("profile.json"));
    assert!(published.as_object_mut().unwrap().remove("run").is_some());
    assert_eq!(crate::command::json(there), published);
    let printed = done(["profile", &input, "--labels", out.to_str().unwrap(), "--json", "-", "--features", "gaps"]);
    let printed: Value = serde_json::from_str(&printed.out).unwrap();
    let names: Vec<&str> = printed["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["gaps", "churned"]);
}

fn labels_of_any_origin_are_found_by_id_or_by_order() {
    let w = Workshop::new();
    let table = write(&w.path("in.parquet"), 90);
    // Backwards, for two thirds of the customers; without the ids, for all in order.
    let kept: Vec<i64> = (0..90).rev().filter(|i| i % 3 > 0).collect();
    let name = |i: &i64| if i % 3 == 1 { "loyal" } else { "new" };
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(kept.iter().map(name)));
    let by_id = [("customer_id", i64s(kept.iter().map(|i| 7 * i))), ("label", names)];
    write_batch(&w.path("by_id.parquet"), &batch(&by_id), 50);
    write_batch(&w.path("by_order.parquet"), &batch(&[("label", i64s((0..90).map(|i| i % 3 - 1)))]), 50);
    let profile = |labels: &str| {
        let (input, labels) = (w.text("in.parquet"), w.text(labels));
        let ran = done(["profile", &input, "--labels", &labels, "--label-column", "label", "--json", "-", "--quiet"]);
        serde_json::from_str::<Value>(&ran.out).unwrap()
    };
    let (by_id, by_order) = (profile("by_id.parquet"), profile("by_order.parquet"));
    let segments = |profile: &Value| -> Vec<(Value, Value, Value)> {
        let of = |s: &Value| (s["segment"].clone(), s["name"].clone(), s["customers"].clone());
        profile["segments"].as_array().unwrap().iter().map(of).collect()
    };
    let (loyal, new) = ((0.into(), "loyal".into(), 30.into()), (1.into(), "new".into(), 30.into()));
    assert_eq!(segments(&by_id), [loyal, new, (Value::Null, Value::Null, 30.into())]);
    let median = quantile(&sorted((0..90).filter(|i| i % 3 == 1).map(|i| table[0].1[i])), 0.5);
    for profile in [&by_id, &by_order] {
        assert_eq!(profile["segments"][0]["columns"][0]["median"].as_f64(), Some(median));
    }
    let numbered = |number: i64| (number.into(), Value::Null, 30.into());
    assert_eq!(segments(&by_order), [numbered(0), numbered(1), (Value::Null, Value::Null, 30.into())]);
}

/// Prints the profile as JSON.
fn printed(arguments: &[&str]) -> Value {
    serde_json::from_str(&done([&["profile"], arguments, &["--json", "-", "--quiet"]].concat()).out).unwrap()
}

fn labels_that_begin_at_1_have_no_segment_0() {
    let w = Workshop::new();
    let x = f64s(noise(1).take(90).collect::<Vec<_>>());
    write_batch(
        &w.path("in.parquet"),
        &batch(&[("id", i64s(0..90)), ("x", x), ("segment", i64s((0..90).map(|i| 1 + i % 3)))]),
        50,
    );
    let profile = printed(&[&w.text("in.parquet")]);
    let segments: Vec<i64> =
        profile["segments"].as_array().unwrap().iter().map(|s| s["segment"].as_i64().unwrap()).collect();
    assert_eq!(segments, [1, 2, 3]);
    let table = done(["profile", &w.text("in.parquet")]).out;
    assert!(!table.contains("no customers"), "{table}");
}

/// The labels carry columns of the input, and the model has parts of the same columns.
fn labels_of_an_assignment() {
    let w = Workshop::new();
    let values =
        |seed: u64| f64s(noise(seed).take(300).enumerate().map(|(i, u)| (i % 4) as f64 + u).collect::<Vec<_>>());
    let tier = i64s((0..300).map(|i| i % 2));
    let table = batch(&[("id", i64s(0..300)), ("amount", values(1)), ("gaps", values(2)), ("tier", tier)]);
    write_batch(&w.path("in.parquet"), &table, 100);
    std::fs::write(w.path("rules.toml"), "[strata]\nwithin = \"tier\"\n").unwrap();
    fit(&w, &["--rules", &w.text("rules.toml")]);
    let (input, model, labels) = (w.text("in.parquet"), w.out(), w.text("labels"));
    let (model, carry) = (model.to_str().unwrap(), ["--carry", "amount,gaps", "--column", "day=2026-11-30"]);
    done([&["assign", model, &input, "--out", &labels][..], &carry].concat());
    let published = json(w.path("labels").join("profile.json"));
    assert_eq!(published["segments"][0]["name"], "0/0");
    let columns = |profile: &Value| -> Vec<String> {
        profile["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(published["columns"][2]["role"], "other");
    // With the model, its columns first; otherwise those that would be features.
    for labels in [model, &labels] {
        let profile = printed(&[&input, "--labels", labels]);
        assert_eq!(columns(&profile), columns(&published), "{labels}");
        for figures in ["name", "columns"] {
            let (found, published) = (&profile["segments"][0][figures], &published["segments"][0][figures]);
            assert_eq!(found, published, "{labels}");
        }
    }
    assert!(published["segments"][0]["columns"].is_array());
}

fn small_cells_of_a_profile() {
    let w = Workshop::new();
    let label = i64s((0..200).map(|i| if i < 20 { 0 } else { 1 + i % 2 }));
    let x = f64s(noise(1).take(200).collect::<Vec<_>>());
    write_batch(&w.path("in.parquet"), &batch(&[("id", i64s(0..200)), ("x, y", x), ("segment", label)]), 100);
    let withheld = |more: &[&str]| {
        let profile = printed(&[&[w.text("in.parquet").as_str()], more].concat());
        let segments = profile["segments"].as_array().unwrap().iter().map(|s| s["withheld"] == true);
        (profile["small_cells"].as_u64().unwrap(), segments.filter(|withheld| *withheld).count())
    };
    assert_eq!(withheld(&[]), (10, 0));
    // A comma belongs to a name behind a backslash. A second segment is withheld, or the first would follow.
    assert_eq!(withheld(&["--small-cells", "21", "--features", "x\\, y"]), (21, 2));
    assert_eq!(withheld(&["--small-cells", "0"]), (0, 0));
}

fn what_is_no_label_is_refused() {
    let w = Workshop::new();
    write(&w.path("in.parquet"), 30);
    write_batch(&w.path("short.parquet"), &batch(&[("segment", i64s(0..20))]), 50);
    let refused = |arguments: &[&str], parts: &[&str]| {
        let input = w.text("in.parquet");
        let ran = crate::command::Ran::from(hyades([&["profile", &input], arguments].concat()));
        let message = ran.err.split_once("error: ").map_or("", |(_, message)| message);
        assert!(parts.iter().all(|part| message.contains(part)) && !ran.err.contains("panicked"), "{}", ran.err);
    };
    refused(&[], &["no column of labels \"segment\"", "--label-column"]);
    refused(&["--labels", &w.text("short.parquet")], &["20 rows where the input has 30", "--id"]);
    let json = w.text("in.parquet");
    refused(&["--label-column", "churned", "--json", &json], &["this run reads it"]);
    // Every row group has few labels; all of them together count.
    let many =
        [("id", i64s(0..10_001)), ("segment", i64s((0..10_001).rev())), ("x", i64s((0..10_001).map(|i| i % 90)))];
    write_batch(&w.path("in.parquet"), &batch(&many), 700);
    let why = "column \"segment\" has more than 10000 different values, so it is not one of labels; name that with \
               --label-column";
    refused(&[], &[why]);
}

/// Products of a small bank, counted by hand, and what cannot be one.
fn products_are_counted_by_hand() {
    let w = Workshop::new();
    let n = 400i64;
    let held = |holds: fn(i64) -> bool| i64s((0..n).map(move |i| i64::from(holds(i))));
    let text: ArrayRef = Arc::new((0..n).map(|i| (i % 4 == 0).then_some("gold")).collect::<StringArray>());
    let columns = [
        ("id", i64s(0..n)),
        ("segment", i64s((0..n).map(|i| i64::from(i >= 300)))),
        ("balance", i64s((0..n).map(|i| i % 90))),
        ("card", held(|i| i % 2 == 0)),
        ("loan", held(|i| i >= 300)),
        ("tier", text),
    ];
    write_batch(&w.path("in.parquet"), &batch(&columns), 130);
    let input = w.text("in.parquet");
    let profile = printed(&[&input, "--product", "card,loan,tier"]);
    assert_eq!(profile["products"], serde_json::json!(["card", "loan", "tier"]));
    let holders = |group: &Value| -> Vec<u64> {
        group["products"].as_array().unwrap().iter().map(|p| p["holders"].as_u64().unwrap()).collect()
    };
    assert_eq!(holders(&profile["all"]), [200, 100, 100]);
    assert_eq!(holders(&profile["segments"][0]), [150, 0, 75]);
    assert_eq!(holders(&profile["segments"][1]), [50, 100, 25]);
    let loan = &profile["segments"][1]["products"][1];
    assert_eq!((&loan["penetration"], &loan["index"], &loan["gap"]), (&1.0.into(), &400.0.into(), &Value::Null));
    assert_eq!(profile["segments"][0]["products"][1]["gap"], 1.0);
    // Every holder of the tier has a card, every second customer has: lift 2. Loans and cards have nothing in common.
    let pair = |a: &str, b: &str, holders: u64, lift: f64| serde_json::json!({"products": [a, b], "holders": holders, "lift": lift});
    assert_eq!(
        profile["all"]["pairs"],
        serde_json::json!([pair("card", "tier", 100, 2.0), pair("card", "loan", 50, 1.0)])
    );
    let table = done(["profile", &input, "--product", "card,loan"]).out;
    assert!(
        table.lines().any(|line| line.split_whitespace().collect::<Vec<_>>()
            == ["loan", "100", "25.0%", "1", "100.0%", "400", "0", "0.00%", "0"]),
        "{table}"
    );
    for (products, why) in [
        ("card,card", "\"card\" is named twice in --product"),
        ("id", "\"id\" is the id and cannot be in --product"),
        ("loans", "no column is named \"loans\""),
    ] {
        let ran = crate::command::Ran::from(hyades(["profile", &input, "--product", products]));
        ran.is_refused(2, &[why]);
    }
}

/// The columns of daily business of a synthetic bank: which are features, and what is said of the others.
fn products_are_no_features() {
    let w = Workshop::new();
    let (bank, out) = (w.text("bank.parquet"), w.text("fitted"));
    done(["synth", "--rows", "3000", "--features", "6", "--business-columns", "--out", &bank]);
    let features = |more: &[&str]| {
        let fit = ["fit", &bank, "--k", "3", "--product", "has_credit_card,has_wealth", "--out", &out];
        let ran = done([&fit[..], more].concat());
        let profile = json(Path::new(&out).join("profile.json"));
        let role = |role: &str| -> Vec<String> {
            let columns = profile["columns"].as_array().unwrap().iter().filter(|c| c["role"] == role);
            columns.map(|c| c["name"].as_str().unwrap().to_owned()).collect()
        };
        (role("feature"), role("other"), role("outcome"), ran.err)
    };
    let (named, other, outcomes, said) = features(&["--exclude", "has_fund"]);
    let amounts = ["tenure_months", "current_balance", "savings_balance", "credit_limit", "card_spend_90d"];
    assert_eq!(named, [&amounts[..], &["has_loan", "has_mortgage", "has_insurance"]].concat());
    assert_eq!(other, ["has_credit_card", "has_wealth", "preferred_channel", "branch_code", "opened_on"]);
    assert_eq!(outcomes, ["churned_within_90_days"]);
    assert!(said.contains("not features (products): has_credit_card, has_wealth; --include to use them"), "{said}");
    let (named, ..) = features(&["--include", "has_wealth"]);
    assert!(named.contains(&"has_wealth".into()) && !named.contains(&"has_credit_card".into()), "{named:?}");
}

fn labels_of_other_rows_are_refused() {
    let w = Workshop::new();
    write_batch(&w.path("in.parquet"), &batch(&[("id", i64s(0..300)), ("x", i64s((0..300).map(|i| i % 7)))]), 100);
    write_batch(
        &w.path("l.parquet"),
        &batch(&[("id", i64s(200..600)), ("segment", i64s((0..400).map(|i| i % 2)))]),
        100,
    );
    let (input, labels) = (w.text("in.parquet"), w.text("l.parquet"));
    let ran = crate::command::Ran::from(hyades(["profile", &input, "--labels", &labels]));
    let why = "has no label for 200 of 300 rows (66.7%), and 300 of its ids are not in the input; check --id and --labels, \
               or raise --max-unmatched";
    ran.is_refused(3, &[why]);
    let profile = printed(&[&input, "--labels", &labels, "--max-unmatched", "0.7"]);
    assert_eq!(profile["segments"].as_array().unwrap().last().unwrap()["customers"], 200);
    let ran = crate::command::Ran::from(hyades(["profile", &input, "--labels", &labels, "--max-unmatched", "2"]));
    ran.is_refused(2, &["--max-unmatched is 2; a share is from 0 to 1"]);
}

/// The page of segments: nothing is loaded, hostile names do no harm, and a small count does not appear.
fn the_page_of_segments_stands_alone() {
    let w = Workshop::new();
    let hostile = "<script>alert(1)</script>\u{202e}\n=cmd";
    let n = 600i64;
    let x = f64s(noise(1).take(600).enumerate().map(|(i, u)| (i % 3) as f64 * 9.0 + u).collect::<Vec<_>>());
    let rare: ArrayRef = Arc::new((0..n).map(|i| Some(if i < 4 { "rare" } else { "usual" })).collect::<StringArray>());
    let left = i64s((0..n).map(|i| i64::from(i % 3 == 0 && i % 5 < 2)));
    let table =
        [("id", i64s(0..n)), (hostile, x), ("kind", rare), ("churned", left), ("segment", i64s((0..n).map(|i| i % 3)))];
    write_batch(&w.path("in.parquet"), &batch(&table), 100);
    let (input, page) = (w.text("in.parquet"), w.text("page.html"));
    for lang in ["en", "zh"] {
        done(["profile", &input, "--report", &page, "--lang", lang]);
        let html = std::fs::read_to_string(&page).unwrap();
        for bad in ["<script", "http:", "https:", "src=", "href=", "url(", "@import", "<link", "<img", "\u{202e}"] {
            assert!(!html.contains(bad), "{bad} in the page");
        }
        let parts = match lang {
            "en" => ["<html lang=\"en\">", "600 customers in 3 segments.", "&lt;script&gt;alert(1)&lt;/script&gt;"],
            _ => ["<html lang=\"zh-CN\">", "共 600 位客户，分为 3 个客群。", "提升度"],
        };
        for part in parts {
            assert!(html.contains(part), "no {part} in the page");
        }
        assert!(html.len() < 100_000, "{} bytes", html.len());
    }
    // The outcome of the first segment: 80 of 200. In the others nobody left, which may be told.
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("40.0%（33.5% 至 46.9%），提升度 3.00"), "{html}");
    let refused = |arguments: &[&str], why: &str| {
        let ran = crate::command::Ran::from(hyades([&["fit", &input, "--k", "3"], arguments].concat()));
        ran.is_refused(2, &[why]);
    };
    refused(
        &["--out", &w.text("o"), "--report", &page, "--no-profile"],
        "--report shows the profile; leave out --no-profile",
    );
    refused(&["--out", &w.text("o"), "--report", &w.text("o/p.html")], "lies in the output folder");
    refused(&["--out", &w.text("o"), "--report", &input], "this run reads it");
    done(["fit", &input, "--k", "3", "--out", &w.text("o"), "--report", &page]);
    assert!(std::fs::read_to_string(&page).unwrap().contains("<h2>How this was made</h2>"));
}
