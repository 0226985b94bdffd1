//! Why customers are in their segments: sums that add up, changes that lead elsewhere, and unusual customers, against
//! labels and values computed here.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, StringArray};
use serde_json::Value;

use crate::command::{Ran, Workshop, done, model};
use crate::harness::{hyades, tests};
use crate::tables::{batch, distances, f64s, i64s, noise, segments, three_groups, write, write_batch};

tests!(
    contributions_add_up_and_changes_are_labelled_otherwise,
    unusual_customers_are_the_farthest_of_their_segment,
    rules_strata_and_components,
    ids_of_any_type_and_pseudonyms,
    what_cannot_be_explained_is_refused,
);

const ROWS: usize = 600;

fn explained(arguments: &[&str]) -> Value {
    let ran = done([&["explain"], arguments, &["--json", "-", "-q"]].concat());
    serde_json::from_str(&ran.out).expect("JSON")
}

fn fitted(w: &Workshop, columns: &[(&str, ArrayRef)], more: &[&str]) -> (String, String) {
    let (input, out) = (w.text("in.parquet"), w.text("out"));
    write_batch(Path::new(&input), &batch(columns), 250);
    std::fs::remove_dir_all(&out).expect("an earlier output");
    done([&["fit", &input, "--out", &out, "-q"], more].concat());
    (out, input)
}

fn whole(of: &Value) -> i128 {
    of.as_str().map_or_else(|| i128::from(of.as_i64().expect("a whole number")), |text| text.parse().expect("digits"))
}

fn amounts(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let mut columns = three_groups(rows);
    let skewed = noise(3).take(rows).enumerate().map(|(i, u)| (3.0 * u + [2.0, 6.0, 9.0][i % 3]).exp().round());
    columns.push(("amount", f64s(skewed)));
    columns.push(("visits", i64s(noise(4).take(rows).enumerate().map(|(i, u)| (u * 5.0) as i64 + 4 * (i as i64 % 3)))));
    columns
}

fn contributions_add_up_and_changes_are_labelled_otherwise() {
    let w = Workshop::new();
    let columns = amounts(ROWS);
    let (out, input) = fitted(&w, &columns, &["--k", "4"]);
    let labels = segments(&w.path("out/segments/part-00000.parquet"));
    let mut flips = 0;
    for row in [0usize, 1, 2, 250, 431, 599] {
        let id = (100 + 3 * row).to_string();
        let report = explained(&[&out, &input, "--id", &id]);
        let found = &report["customers"][0];
        assert_eq!((&found["customer"], &found["row"]), (&Value::from(id), &Value::from(row)));
        assert_eq!(found["segment"], labels[row], "the label of a fit");
        let parts = found["contributions"].as_array().expect("contributions");
        let sum = |key: &str| parts.iter().map(|part| whole(&part[key])).sum::<i128>();
        assert_eq!(sum("squared"), whole(&found["grid_distance2"]));
        let second = whole(&found["runner_up"]["grid_distance2"]);
        assert_eq!(sum("to_runner_up"), second - whole(&found["grid_distance2"]));
        assert!(parts.iter().all(|part| part["median"].is_number()), "the profile lies beside the model");
        let Some(changes) = found["way_out"]["changes"].as_array() else { continue };
        assert_eq!(found["way_out"]["segment"], found["runner_up"]["segment"]);
        let changed: Vec<(&str, ArrayRef)> =
            columns.iter().map(|(name, of)| (*name, with(name, of, row, changes))).collect();
        write(&w.path("changed.parquet"), &changed);
        let (again, there) = (w.text("changed.parquet"), w.text(&format!("there-{row}")));
        done(["assign", &out, &again, "--out", &there, "-q", "--no-profile"]);
        let now = segments(&w.path(&format!("there-{row}/segments/part-00000.parquet")));
        assert_eq!(now[row], found["way_out"]["segment"], "row {row}: {changes:?}");
        flips += 1;
    }
    assert!(flips > 3, "{flips} rows have a way to another segment");
    let table = done(["explain", &out, &input, "--id", "100"]).out;
    assert!(table.starts_with("customer 100: segment ") && table.contains("it would be in segment "), "{table}");
}

/// A column after these changes of a row.
fn with(name: &str, of: &ArrayRef, row: usize, changes: &[Value]) -> ArrayRef {
    let Some(change) = changes.iter().find(|change| change["feature"] == name) else { return of.clone() };
    let to = change["to"].as_f64().expect("a number");
    let data_type = of.data_type().clone();
    let wide = arrow::compute::cast(of, &arrow::datatypes::DataType::Float64).expect("numbers");
    let wide = wide.as_any().downcast_ref::<Float64Array>().expect("doubles");
    let values = Float64Array::from_iter(wide.iter().enumerate().map(|(i, v)| if i == row { Some(to) } else { v }));
    let narrow = arrow::compute::cast(&values, &data_type).expect("numbers");
    let back = arrow::compute::cast(&narrow, &arrow::datatypes::DataType::Float64).expect("numbers");
    let back = back.as_any().downcast_ref::<Float64Array>().expect("doubles");
    assert_eq!(back, &values, "{name} takes the value");
    narrow
}

fn unusual_customers_are_the_farthest_of_their_segment() {
    let w = Workshop::new();
    let mut columns = three_groups(ROWS);
    let far = |i: usize, v: f64| if i == 300 || i == 303 { v + 8.0 + (i - 300) as f64 } else { v };
    let y = columns[2].1.as_any().downcast_ref::<Float64Array>().expect("doubles").values().to_vec();
    columns[2].1 = f64s(y.into_iter().enumerate().map(|(i, v)| far(i, v)));
    let (out, input) = fitted(&w, &columns, &["--k", "3"]);
    let table = w.path("out/segments/part-00000.parquet");
    let (labels, distances) = (segments(&table), distances(&table));
    let report = explained(&[&out, &input, "--top", "2"]);
    let rows: Vec<u64> =
        report["customers"].as_array().expect("customers").iter().filter_map(|c| c["row"].as_u64()).collect();
    let mut sorted = rows.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [300, 303]);
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let at = |i: usize| values[i];
        (at((values.len() - 1) / 2) + at(values.len() / 2)) / 2.0
    };
    for customer in report["customers"].as_array().expect("customers") {
        let row = customer["row"].as_u64().expect("a row") as usize;
        let mine = (0..ROWS).filter(|&i| labels[i] == labels[row]).map(|i| f64::from(distances[i]));
        let all: Vec<f64> = mine.collect();
        let middle = median(all.clone());
        let mad = median(all.iter().map(|d| (d - middle).abs()).collect());
        let close = |key: &str, expected: f64| {
            let found = customer[key].as_f64().expect("a number");
            assert!((found / expected - 1.0).abs() < 1e-4, "{key} of row {row}: {found}, not {expected}");
        };
        close("ratio", f64::from(distances[row]) / middle);
        close("robust_z", (f64::from(distances[row]) - middle) / (1.4826 * mad));
        assert_eq!(customer["contributions"][0]["feature"], "y");
    }
    let again = explained(&[&out, &input, "--top", "2", "--threads", "1", "--memory", "200MiB"]);
    assert_eq!(again, report, "whatever the threads");
    let text = done(["explain", &out, &input, "--top", "1"]).out;
    assert!(text.contains("of 600 customers are unusual for their segment"), "{text}");
}

fn rules_strata_and_components() {
    let w = Workshop::new();
    let mut columns = amounts(ROWS);
    let branch: Vec<&str> = (0..ROWS).map(|i| ["north", "south"][i / 3 % 2]).collect();
    columns.push(("branch", Arc::new(StringArray::from(branch))));
    let rules = w.text("rules.toml");
    let text = "[[rule]]\nname = \"few\"\nwhen = \"visits = 0\"\n\n[strata]\nwithin = \"branch\"\nk = 3\n";
    std::fs::write(&rules, text).expect("rules");
    let recipe = w.text("recipe.toml");
    std::fs::write(&recipe, "[reduce]\ncomponents = 2\n").expect("a recipe");
    let (out, input) = fitted(&w, &columns, &["--k", "3", "--rules", &rules, "--recipe", &recipe]);
    let labels = segments(&w.path("out/segments/part-00000.parquet"));
    for row in [0usize, 3, 4, 5, 299, 598] {
        let found = explained(&[&out, &input, "--id", &(100 + 3 * row).to_string()])["customers"][0].take();
        assert_eq!(found["segment"], labels[row], "row {row}");
        if found["rule"].is_null() {
            let part = ["north", "south"][row / 3 % 2];
            assert!(found["name"].as_str().expect("a name").starts_with(part));
            assert_eq!(found["contributions"].as_array().map(Vec::len), Some(2), "components");
        } else {
            assert_eq!((&found["rule"], found["distance"].is_null()), (&Value::from("few"), true));
        }
    }
    let top = explained(&[&out, &input, "--top", "5"]);
    for customer in top["customers"].as_array().expect("customers") {
        let row = customer["row"].as_u64().expect("a row") as usize;
        assert_eq!(customer["customer"], (100 + 3 * row).to_string());
        assert_eq!(customer["segment"], labels[row]);
    }
    assert_eq!(
        top["segments"].as_array().map(Vec::len),
        Some(model(&w.out())["parts"].as_array().map_or(0, Vec::len) * 3)
    );
}

fn ids_of_any_type_and_pseudonyms() {
    let w = Workshop::new();
    let mut columns = three_groups(ROWS);
    columns[0].1 = Arc::new(StringArray::from_iter_values((0..ROWS).map(|i| format!("客户-{i}"))));
    let key = w.text("key");
    std::fs::write(&key, "0123456789abcdef0123").expect("a key");
    let (out, input) = fitted(&w, &columns, &["--k", "3"]);
    let found = explained(&[&out, &input, "--id", "客户-17"]);
    assert_eq!(found["customers"][0]["row"], 17);
    let hidden = explained(&[&out, &input, "--id", "客户-17", "--pseudonymise", &key]);
    let pseudonym = hidden["customers"][0]["customer"].as_str().expect("a pseudonym").to_owned();
    assert_eq!(pseudonym.len(), 32);
    let again = explained(&[&out, &input, "--id", &pseudonym, "--pseudonymise", &key]);
    assert_eq!(again, hidden);
    columns.remove(0);
    let bare = w.text("bare.parquet");
    write(Path::new(&bare), &columns);
    let by_row = explained(&[&out, &bare, "--id", "17"]);
    assert_eq!(
        (&by_row["customers"][0]["customer"], &by_row["customers"][0]["row"]),
        (&Value::from("17"), &Value::from(17))
    );
}

fn what_cannot_be_explained_is_refused() {
    let w = Workshop::new();
    let (out, input) = fitted(&w, &three_groups(ROWS), &["--k", "3"]);
    let refused = |more: &[&str], code: i32, text: &str| {
        Ran::from(hyades([&["explain", &out, &input], more].concat())).is_refused(code, &[text]);
    };
    refused(&[], 2, "say which customers to explain: --id ID for one, or --top N for the most unusual ones");
    refused(&["--top", "0"], 2, "--top 0: from 1 to 10000 customers can be explained");
    refused(
        &["--id", "101"],
        3,
        "none of 600 rows has the id \"101\" in column \"id\"; name another column of ids with --id-column, or the key \
         with --pseudonymise if it is a pseudonym",
    );
    let mut columns = three_groups(ROWS);
    columns.remove(0);
    let bare = w.text("bare.parquet");
    write(Path::new(&bare), &columns);
    Ran::from(hyades(["explain", &out, &bare, "--id", "600"])).is_refused(
        2,
        &["the input has no id column, and \"600\" is not the number of a row, from 0 to 599; name the column of ids"],
    );
}
