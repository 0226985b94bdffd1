//! Columns of other tables joined by the id: the same segments as from one table, in any memory; and refusals.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take;

use crate::command::{Workshop, done, json, labels_hash, part};
use crate::harness::{root, tests};
use crate::tables::{f64s, i64s, noise, read, three_groups, write, write_batch};

tests!(
    a_table_in_two_is_the_same_table,
    joined_columns_are_checked,
    joined_columns_about_which_files_differ,
    customers_without_a_row,
    text_ids_and_text_columns,
    the_id_is_the_inputs_own,
    tables_that_cannot_be_joined
);

fn columns(batch: &RecordBatch, keep: impl Fn(usize, &str) -> bool) -> RecordBatch {
    let schema = batch.schema();
    let kept: Vec<usize> = (0..batch.num_columns()).filter(|&i| i == 0 || keep(i, schema.field(i).name())).collect();
    batch.project(&kept).unwrap()
}

fn rows(batch: &RecordBatch, order: &[u32]) -> RecordBatch {
    let order = UInt32Array::from(order.to_vec());
    let arrays = batch.columns().iter().map(|c| take(c, &order, None).unwrap()).collect();
    RecordBatch::try_new(batch.schema(), arrays).unwrap()
}

/// The small bank as one table, and in three tables, two of them shuffled, with other row groups.
fn three_tables(w: &Workshop) -> [String; 4] {
    let whole = read(&root().join("data/customers.parquet"));
    let mut order: Vec<u32> = (0..whole.num_rows() as u32).collect();
    let keys: Vec<f64> = noise(5).take(order.len()).collect();
    order.sort_by(|a, b| keys[*a as usize].total_cmp(&keys[*b as usize]));
    write_batch(&w.path("left.parquet"), &columns(&whole, |i, _| i < 6), 3000);
    write_batch(&w.path("one.parquet"), &rows(&columns(&whole, |i, _| (6..11).contains(&i)), &order), 1700);
    write_batch(&w.path("two.parquet"), &rows(&columns(&whole, |i, _| i >= 11), &order), 20_000);
    // The same row groups as the parts, so that the first look sees the same rows.
    write_batch(&w.path("whole.parquet"), &whole, 3000);
    ["whole", "left", "one", "two"].map(|name| w.text(&format!("{name}.parquet")))
}

/// Columns that a fit would refuse are reported: those that differ between files of a joined table, or are missing.
fn joined_columns_about_which_files_differ() {
    let w = Workshop::new();
    std::fs::create_dir(w.path("right")).unwrap();
    let ids = |from: i64| i64s((0..50).map(|i| from + i));
    write(&w.path("left.parquet"), &[("id", i64s(0..100)), ("x", f64s(noise(1).take(100)))]);
    write(&w.path("right/a.parquet"), &[("id", ids(0)), ("y", f64s(noise(2).take(50))), ("z", i64s(0..50))]);
    write(&w.path("right/b.parquet"), &[("id", ids(50)), ("y", i64s(0..50)), ("v", i64s(0..50))]);
    let said = done(["check", &w.text("left.parquet"), "--join", &w.text("right")]).out;
    for part in ["b.parquet has no column \"z\"", "a.parquet has no column \"v\"", "\"y\" is Float64 in"] {
        assert!(said.replace("\n         ", " ").contains(part), "no {part} in {said}");
    }
}

/// Findings about joined columns equal those of a table that has them, and so does the resulting recipe.
fn joined_columns_are_checked() {
    let w = Workshop::new();
    let [whole, left, one, two] = three_tables(&w);
    let joined = [left.as_str(), "--join", &one, "--join", &two];
    let found = |inputs: &[&str]| {
        let to = w.text("check.json");
        done([&["check"], inputs, &["--json", &to]].concat());
        json(&to)
    };
    let (mut all, parts) = (found(&[&whole]), found(&joined));
    all["files"] = parts["files"].clone();
    assert_eq!(all, parts);
    let recipe = |inputs: &[&str]| done([&["recipe", "init"], inputs].concat()).out;
    assert_eq!(recipe(&[&whole]), recipe(&joined));
    done([&["recipe", "init"], &joined[..], &["--out", &w.text("recipe.toml")]].concat());
    w.run([&["fit"], &joined[..], &["--recipe", &w.text("recipe.toml"), "--k", "4"]].concat()).succeeds();
}

fn a_table_in_two_is_the_same_table() {
    let w = Workshop::new();
    let [whole, left, one, two] = three_tables(&w);
    w.run(["fit", &whole, "--k", "5"]).succeeds();
    let (hash, centers) = (labels_hash(&w.out()), part(&w.out())["grid_centers_"].take());
    std::fs::copy(w.out().join("model.json"), w.path("model.json")).unwrap();
    let joined = ["--k", "5", "--join", &one, "--join", &two];
    for extra in [&[][..], &["--threads", "1"], &["--memory", "120MiB"], &["--memory", "110MiB", "--threads", "3"]] {
        w.run([&["fit", &left][..], &joined, extra].concat()).succeeds();
        assert_eq!((labels_hash(&w.out()), &part(&w.out())["grid_centers_"]), (hash.clone(), &centers), "{extra:?}");
    }
    let manifest = json(w.out().join("manifest.json"));
    assert_eq!(manifest["inputs"]["joins"][1]["matched"], 20_000);
    assert_eq!(manifest["inputs"]["files"].as_array().unwrap().len(), 3);
    w.run(["assign", &w.text("model.json"), &left, "--join", &one, "--join", &two]).succeeds();
    assert_eq!(labels_hash(&w.out()), hash);
    for (name, inputs) in [("a", vec![left.as_str(), "--join", &one, "--join", &two]), ("b", vec![whole.as_str()])] {
        let to = w.text(&format!("{name}.parquet"));
        done([&["recipe", "apply", &w.text("model.json"), "--out", &to][..], &inputs].concat());
    }
    assert!(std::fs::read(w.path("a.parquet")).unwrap() == std::fs::read(w.path("b.parquet")).unwrap());
}

/// Nulls for customers that a table lacks; its unmatched rows are counted; ids of another width match.
fn customers_without_a_row() {
    let w = Workshop::new();
    write(&w.path("left.parquet"), &three_groups(90));
    // The ids are 100, 103 ...: every second one is present, plus ten unmatched ones, and one null.
    let ids = (0..90).step_by(2).map(|i| Some(100 + 3 * i)).chain((0..10).map(|i| Some(7000 + i))).chain([None]);
    let ids: Int32Array = ids.collect();
    let values = f64s(noise(3).take(ids.len()));
    write(&w.path("right.parquet"), &[("id", Arc::new(ids)), ("z", values), ("unused", f64s(noise(4).take(56)))]);
    let (left, right) = (w.text("left.parquet"), w.text("right.parquet"));
    let said = w.run(["fit", &left, "--k", "3", "--join", &right, "--exclude", "unused"]).succeeds();
    assert!(said.err.contains("45 of 90 rows match; 10 of its rows match no row of the input"), "{}", said.err);
    let expected =
        serde_json::json!({"path": right, "rows": 56, "matched": 45, "unmatched": 45, "unused": 10, "without_id": 1});
    assert_eq!(json(w.out().join("manifest.json"))["inputs"]["joins"], serde_json::json!([expected]));
    let column = &part(&w.out())["preparation"]["columns"][2];
    assert_eq!((&column["name"], &column["seen"]["nulls"]), (&"z".into(), &45.into()));
    // Rows stay in the order of the input.
    assert_eq!(read(&w.out().join("segments/part-00000.parquet")).column(0).len(), 90);
}

fn text_ids_and_text_columns() {
    let w = Workshop::new();
    let names = |order: &dyn Fn(usize) -> usize| -> ArrayRef {
        Arc::new((0..60).map(|i| Some(format!("CH-{}", order(i)))).collect::<StringArray>())
    };
    let tiers: ArrayRef =
        Arc::new((0..60).map(|i| Some(["gold", "basic", "none"][(59 - i) % 3])).collect::<StringArray>());
    let groups = three_groups(60);
    write(&w.path("left.parquet"), &[("customer_id", names(&|i| i)), groups[1].clone(), groups[2].clone()]);
    write(&w.path("right.parquet"), &[("customer_id", names(&|i| 59 - i)), ("tier", tiers)]);
    std::fs::write(w.path("r.toml"), "[columns.tier]\nencode = \"one-hot\"\n").unwrap();
    std::fs::write(w.path("rules.toml"), "[[rule]]\nname = \"none\"\nwhen = \"tier = 'none'\"\n").unwrap();
    let (left, right) = (w.text("left.parquet"), w.text("right.parquet"));
    let recipe = ["--recipe", &w.text("r.toml")];
    w.run([&["fit", &left, "--k", "3", "--join", &right][..], &recipe].concat()).succeeds();
    let names = part(&w.out())["feature_names_in_"].take();
    assert_eq!(names, serde_json::json!(["x", "y", "tier=basic", "tier=gold", "tier=none"]));
    // Row i has the tier of i mod 3, and so has its group: three clean segments.
    assert_eq!(part(&w.out())["counts_"], serde_json::json!([20, 20, 20]));
    let rules = ["--rules", &w.text("rules.toml")];
    w.run([&["fit", &left, "--k", "2", "--join", &right][..], &rules].concat()).succeeds();
    assert_eq!(json(w.out().join("manifest.json"))["outcome"]["rules"][0]["rows"], 20);
}

/// A joined column that is named like an id is not used as the input's id.
fn the_id_is_the_inputs_own() {
    let w = Workshop::new();
    let groups = three_groups(60);
    let ids = groups[0].1.clone();
    write(&w.path("left.parquet"), &[("account_id", ids.clone()), groups[1].clone()]);
    write(&w.path("right.parquet"), &[("account_id", ids.clone()), ("customer_id", ids), groups[2].clone()]);
    let (left, right) = (w.text("left.parquet"), w.text("right.parquet"));
    w.run(["fit", &left, "--k", "3", "--join", &right]).succeeds();
    assert_eq!(read(&w.out().join("segments/part-00000.parquet")).schema().field(0).name(), "account_id");
    let why = ["\"customer_id\" belongs to a joined table and cannot be the id"];
    let w2 = Workshop::new();
    w2.refused(2, &why, ["fit", &left, "--k", "3", "--join", &right, "--id", "customer_id"]);
}

fn tables_that_cannot_be_joined() {
    let w = Workshop::new();
    write(&w.path("left.parquet"), &three_groups(30));
    let left = w.text("left.parquet");
    let refused = |columns: &[(&str, ArrayRef)], parts: &[&str]| {
        write(&w.path("right.parquet"), columns);
        w.refused(3, parts, ["fit", &left, "--k", "3", "--join", &w.text("right.parquet")]);
    };
    let ids = |of: fn(i64) -> i64| i64s((0..30).map(of));
    let z = || f64s(noise(3).take(30));
    refused(&[("key", ids(|i| i)), ("z", z())], &["--join: ", "right.parquet has no column \"id\" to join by"]);
    refused(&[("id", ids(|i| 100 + 3 * i)), ("x", z())], &["right.parquet has a column \"x\", which already exists"]);
    refused(&[("id", ids(|i| 100 + 3 * (i / 2))), ("z", z())], &["15 rows repeat an id (\"id\") of an earlier row"]);
    refused(
        &[("id", ids(|i| i)), ("z", z())],
        &["contains none of the input's \"id\" values; are these the right files?"],
    );
    let text: ArrayRef = Arc::new((0..30).map(|i| Some(i.to_string())).collect::<StringArray>());
    refused(&[("id", text), ("z", z())], &["has \"id\" as Utf8, the input as Int64; convert one of them"]);
    w.refused(
        8,
        &["no such file", "nowhere.parquet"],
        ["fit", &left, "--k", "3", "--join", &w.text("nowhere.parquet")],
    );
    write(&w.path("plain.parquet"), &three_groups(30)[1..]);
    let why = ["--join looks customers up by their id", "--id"];
    w.refused(2, &why, ["fit", &w.text("plain.parquet"), "--k", "3", "--join", &left]);
}
