//! Why customers are in their segments: sums that add up, changes that lead elsewhere, and unusual customers, against
//! labels and values computed here.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray, TimestampMicrosecondArray};
use serde_json::Value;

use crate::command::{Ran, Workshop, done, model};
use crate::harness::{hyades, tests};
use crate::monthly::with_two_months;
use crate::tables::{batch, distances, f64s, i64s, noise, read, segments, some_f64s, three_groups, write, write_batch};

tests!(
    contributions_add_up_and_changes_are_labelled_otherwise,
    unusual_customers_are_the_farthest_of_their_segment,
    rules_strata_and_components,
    ids_of_any_type_and_pseudonyms,
    what_cannot_be_explained_is_refused,
    rules_hold_as_reported,
    rules_of_strata_are_one_expression,
    times_are_times_in_the_sql_of_rules,
    rules_need_a_leaf_for_each_segment,
    segments_of_a_version_have_ids_and_names,
    anomaly_columns_are_of_the_segment,
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

/// Customers with gaps and categories, whose segments no few cuts tell apart.
fn mixed(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let mut columns = amounts(rows);
    columns.retain(|(name, _)| !["x", "y"].contains(name));
    let gap = |(i, u): (usize, f64)| (i % 7 != 0).then_some((u * 40.0).round() / 8.0 + 3.0 * (i % 3) as f64);
    columns.push(("tenure", some_f64s(noise(8).take(rows).enumerate().map(gap))));
    let region = |(i, u): (usize, f64)| {
        (i % 11 != 0).then_some(["north", "o'hara", "south"][(i % 3 + usize::from(u > 0.8)) % 3])
    };
    columns.push(("region", Arc::new(noise(9).take(rows).enumerate().map(region).collect::<StringArray>())));
    columns
}

/// Whether a value of a column meets a condition; numbers that are missing are NaN.
fn meets(condition: &Value, of: &ArrayRef, row: usize) -> bool {
    if of.is_null(row) {
        return condition["missing"] == true;
    }
    let Some(texts) = of.as_string_opt::<i32>() else {
        let wide = arrow::compute::cast(of, &arrow::datatypes::DataType::Float64).expect("numbers");
        let value = wide.as_primitive::<arrow::datatypes::Float64Type>().value(row);
        let bound = |key: &str, none: f64| condition[key].as_f64().unwrap_or(none);
        return condition["known"] == true
            && value > bound("above", f64::NEG_INFINITY)
            && value <= bound("up_to", f64::INFINITY);
    };
    let text = Value::from(texts.value(row));
    let is = condition.get("is").is_none_or(|is| *is == text);
    let not = condition.get("not").and_then(Value::as_array).is_some_and(|not| not.contains(&text));
    condition["known"] == true && is && !not
}

fn rules_hold_as_reported() {
    let w = Workshop::new();
    let columns = mixed(ROWS);
    let recipe = w.text("recipe.toml");
    std::fs::write(&recipe, "[columns.region]\nencode = \"one-hot\"\n").expect("a recipe");
    let (out, input) = fitted(&w, &columns, &["--k", "2", "--recipe", &recipe]);
    let table = w.path("out/segments/part-00000.parquet");
    let (labels, distances) = (segments(&table), distances(&table));
    let sql = w.text("rules.sql");
    let report = explained(&[&out, &input, "--rules", "--sql", &sql]);
    let part = &report["parts"][0];
    let of_segments = part["segments"].as_array().expect("segments");
    let paths = |segment: &Value| segment["paths"].as_array().expect("paths").clone();
    let (mut told, mut found) = (vec![None; ROWS], 0);
    for segment in of_segments {
        for path in paths(segment) {
            found += 1;
            let conditions = path["conditions"].as_array().expect("conditions");
            let column = |name: &Value| &columns.iter().find(|(other, _)| name == other).expect("a column").1;
            let all =
                |row: &usize| conditions.iter().all(|condition| meets(condition, column(&condition["column"]), *row));
            let here: Vec<usize> = (0..ROWS).filter(all).collect();
            assert_eq!(path["told"], here.len());
            assert_eq!(path["right"], here.iter().filter(|row| segment["segment"] == labels[**row]).count());
            for row in here {
                assert_eq!(told[row].replace(segment["segment"].as_i64()), None, "row {row} meets one rule");
            }
        }
    }
    let told: Vec<i64> = told.into_iter().map(|told| told.flatten().expect("a rule for every row")).collect();
    assert!(part["leaves"] == found && (2..=4).contains(&found), "{found} leaves");
    let right = (0..ROWS).filter(|&row| told[row] == i64::from(labels[row])).count();
    assert_eq!((&part["right"], &part["rows"], &part["drawn"]), (&right.into(), &ROWS.into(), &ROWS.into()));
    assert_eq!(report["fidelity"], right as f64 / ROWS as f64);
    assert!(right > ROWS * 6 / 10 && right < ROWS, "{right} rows");
    for segment in of_segments {
        let of = |row: &usize| segment["segment"] == labels[*row];
        let as_told = |told_as: i64| (0..ROWS).filter(|row| of(row) && told[*row] == told_as).count();
        assert_eq!(segment["told_as"], Value::from(vec![as_told(0), as_told(1)]));
    }
    // Of two segments, the other one is the runner-up.
    let (mut own, mut other) = (0.0, 0.0);
    for row in 0..ROWS {
        let square = f64::from(distances[row]).powi(2);
        own += square;
        other += if told[row] == i64::from(labels[row]) {
            square
        } else {
            let one = explained(&[&out, &input, "--id", &(100 + 3 * row).to_string()]);
            one["customers"][0]["runner_up"]["distance"].as_f64().expect("a distance").powi(2)
        };
    }
    let price = part["price"].as_f64().expect("a price");
    assert!((price - other / own).abs() < 1e-6 && price > 1.0, "{price}, expected {}", other / own);
    let text = std::fs::read_to_string(&sql).expect("the expression");
    assert_eq!(report["sql"], text.trim_end());
    assert_eq!(text.matches("WHEN").count(), found);
    let again = explained(&[&out, &input, "--rules", "--threads", "1", "--memory", "200MiB"]);
    assert_eq!(again, report, "whatever the threads");
    let shown = done(["explain", &out, &input, "--rules"]).out;
    assert!(shown.contains(&format!("{found} rules lead")) && shown.contains("segment 0: "), "{shown}");
}

fn rules_of_strata_are_one_expression() {
    let w = Workshop::new();
    let mut columns = amounts(ROWS);
    let branch: Vec<Option<&str>> = (0..ROWS).map(|i| [Some("o'north"), None][i / 3 % 2]).collect();
    columns.push(("branch", Arc::new(StringArray::from(branch))));
    let rules = w.text("rules.toml");
    let text = "[[rule]]\nname = \"few\"\nwhen = \"visits = 0\"\n\n[strata]\nwithin = \"branch\"\nk = 3\n";
    std::fs::write(&rules, text).expect("rules");
    let (out, input) = fitted(&w, &columns, &["--k", "3", "--rules", &rules]);
    let report = explained(&[&out, &input, "--rules"]);
    let parts = report["parts"].as_array().expect("parts");
    let named: Vec<&str> = parts.iter().filter_map(|part| part["part"].as_str()).collect();
    assert_eq!(named, ["o'north", "(null)"]);
    let rows: u64 = parts.iter().filter_map(|part| part["rows"].as_u64()).sum();
    let labels = segments(&w.path("out/segments/part-00000.parquet"));
    assert_eq!(rows as usize, labels.iter().filter(|label| **label > 0).count());
    for segment in parts.iter().flat_map(|part| part["segments"].as_array().expect("segments")) {
        let number = segment["segment"].as_i64().expect("a number");
        let count = labels.iter().filter(|label| i64::from(**label) == number).count();
        assert_eq!(segment["customers"], count, "segment {number}");
    }
    let sql = report["sql"].as_str().expect("SQL");
    assert!(
        sql.starts_with(
            "CASE\n  WHEN (visits = 0) THEN 0\n  WHEN CAST(\"branch\" AS VARCHAR) = 'o''north' THEN CASE\n"
        ),
        "{sql}"
    );
    assert!(sql.contains("\n  WHEN \"branch\" IS NULL THEN CASE\n") && sql.ends_with(" THEN 6\n  END\nEND"), "{sql}");
    let only = w.text("only.parquet");
    write(Path::new(&only), &columns.iter().map(|(name, of)| (*name, of.slice(0, 2))).collect::<Vec<_>>());
    let some = explained(&[&out, &only, "--rules"]);
    assert_eq!(some["parts"].as_array().map(Vec::len), Some(1), "a part without rows has no rules");
}

/// Strata of times without a zone and with one, and a day that stands for an unknown time.
fn times_are_times_in_the_sql_of_rules() {
    const MICROS_A_DAY: i64 = 86_400_000_000;
    let w = Workshop::new();
    let mut columns = three_groups(ROWS);
    // Two times, the second with a fraction of a second, and no time.
    let batch_of = |i: usize| [Some(1_767_225_600_000_000), Some(1_767_271_696_250_000), None][i / 3 % 3];
    let batches: TimestampMicrosecondArray = (0..ROWS).map(batch_of).collect();
    let zoned = batches.clone().with_timezone("Asia/Shanghai");
    let offset = batches.clone().with_timezone("+08:00");
    // Groups 0 and 1 by their day of 2020; group 2 at any hour of 1900-01-01 or of the day before.
    let day_of = |i: usize| [18_300 + i as i64 % 50, 18_500 + i as i64 % 50, -25_567 - (i as i64 / 3 % 5) / 4][i % 3];
    let hours = noise(5).take(ROWS).map(|u| (u * MICROS_A_DAY as f64) as i64);
    let noted: TimestampMicrosecondArray =
        hours.enumerate().map(|(i, of)| Some(day_of(i) * MICROS_A_DAY + of)).collect();
    columns.push(("noted", Arc::new(noted)));
    columns.push(("batch", Arc::new(batches)));
    columns.push(("zoned", Arc::new(zoned)));
    columns.push(("offset", Arc::new(offset)));
    let (recipe, rules) = (w.text("recipe.toml"), w.text("rules.toml"));
    std::fs::write(&recipe, "[columns.noted]\nsentinels = [-25567, -25567.5]\n").expect("a recipe");
    let of_strata = |within: &str, conditions: [&str; 2]| {
        std::fs::write(&rules, format!("[strata]\nwithin = \"{within}\"\nk = 3\n")).expect("rules");
        let more = ["--k", "3", "--rules", &rules, "--recipe", &recipe, "--features", "noted"];
        let (out, input) = fitted(&w, &columns, &more);
        let report = explained(&[&out, &input, "--rules"]);
        let rows: Vec<u64> =
            report["parts"].as_array().expect("parts").iter().filter_map(|part| part["rows"].as_u64()).collect();
        assert_eq!(rows, [201, 201, 198]);
        let sql = report["sql"].as_str().expect("SQL");
        for condition in conditions.into_iter().chain(["\"{}\" IS NULL"]) {
            let when = format!("\n  WHEN {} THEN CASE\n", condition.replace("{}", within));
            assert!(sql.contains(&when), "no {when:?} in {sql}");
        }
        assert_eq!(report["fidelity"], 1.0, "{sql}");
        sql.to_owned()
    };
    let plain = ["\"{}\" = TIMESTAMP '2026-01-01T00:00:00'", "\"{}\" = TIMESTAMP '2026-01-01T12:48:16.250'"];
    let sql = of_strata("batch", plain);
    // All of 1900-01-01 is missing, whatever the hour; the noon before is a time of its day.
    let part = "OR \"noted\" IS NULL OR CAST(\"noted\" AS DATE) IN (DATE '1900-01-01'))";
    assert!(sql.contains(part), "no {part:?} in {sql}");
    let zoned = ["\"{}\" = TIMESTAMPTZ '2026-01-01T00:00:00Z'", "\"{}\" = TIMESTAMPTZ '2026-01-01T12:48:16.250Z'"];
    of_strata("zoned", zoned);
    let offset =
        ["\"{}\" = TIMESTAMPTZ '2026-01-01T08:00:00+08:00'", "\"{}\" = TIMESTAMPTZ '2026-01-01T20:48:16.250+08:00'"];
    of_strata("offset", offset);
}

fn rules_need_a_leaf_for_each_segment() {
    let w = Workshop::new();
    let (out, input) = fitted(&w, &three_groups(ROWS), &["--k", "3"]);
    let refused = |more: &[&str], text: &str| {
        Ran::from(hyades([&["explain", &out, &input], more].concat())).is_refused(2, &[text]);
    };
    let text = "--leaves 2: 3 segments can have from 3 to 96 leaves; the default is 6";
    refused(&["--rules", "--leaves", "2"], text);
    refused(&["--sql", &w.text("a.sql")], "--rules");
    refused(&["--rules", "--id", "100"], "cannot be used with");
    let report = explained(&[&out, &input, "--rules", "--leaves", "3"]);
    assert_eq!((&report["fidelity"], &report["parts"][0]["price"]), (&1.0.into(), &1.0.into()));
    assert_eq!(report["parts"][0]["leaves"], 3);
}

fn segments_of_a_version_have_ids_and_names() {
    let branch = with_two_months("");
    branch.published("2026-09-30");
    let (version, input) = (branch.version(1), branch.w.text("2026-09.parquet"));
    let version = version.to_str().expect("text");
    let (segment, id) = branch.labels(1)[&100];
    let names = branch.w.text("called.toml");
    std::fs::write(&names, format!("[segments.{id}]\nen = \"Private wealth\"\nzh = \"高净值\"\n")).expect("names");
    let found = explained(&[version, &input, "--id", "100"])["customers"][0].take();
    assert_eq!((&found["segment"], &found["segment_id"]), (&segment.into(), &id.into()));
    assert!(found.get("called_en").is_none() && found["runner_up"]["segment_id"].is_u64(), "{found}");
    let found = explained(&[version, &input, "--id", "100", "--names", &names])["customers"][0].take();
    assert_eq!((&found["called_en"], &found["called_zh"]), (&"Private wealth".into(), &"高净值".into()));
    let text = done(["explain", version, &input, "--id", "100", "--names", &names]).out;
    assert!(text.contains(&format!("segment {segment} (Private wealth, 高净值, segment_id {id}), distance")), "{text}");
    let rules = explained(&[version, &input, "--rules", "--names", &names]);
    let rule = &rules["parts"][0]["segments"][segment as usize];
    assert_eq!((&rule["segment_id"], &rule["called_zh"]), (&id.into(), &"高净值".into()));
    let w = Workshop::new();
    let (out, input) = fitted(&w, &three_groups(ROWS), &["--k", "3"]);
    let text = format!(
        "--names {names}: names are by segment_id, which the segments of {out}/model.json do not have; name the folder \
         of a version of a history in its place"
    );
    Ran::from(hyades(["explain", &out, &input, "--id", "100", "--names", &names])).is_refused(2, &[&text]);
}

/// A nullable column of floats.
fn floats(table: &Path, name: &str) -> Vec<Option<f32>> {
    let rows = read(table);
    let column = rows.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    column.as_primitive::<arrow::datatypes::Float32Type>().iter().collect()
}

fn anomaly_columns_are_of_the_segment() {
    let w = Workshop::new();
    let mut columns = amounts(ROWS);
    let plain = fitted(&w, &columns, &["--k", "4"]);
    let table = w.path("out/segments/part-00000.parquet");
    let (labels, before) = (segments(&table), read(&table));
    fitted(&w, &columns, &["--k", "4", "--anomaly", "--no-profile"]);
    assert_eq!(segments(&table), labels, "the labels are the same");
    let now = read(&table);
    let names: Vec<String> = now.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["id", "segment", "distance", "anomaly_ratio", "anomaly_z"]);
    assert!(before.columns().iter().zip(now.columns()).all(|(a, b)| a == b), "and so are all other columns");
    is_of_the_segment(&table, &labels);
    // An assignment of the same rows, in batches.
    let again = w.text("again");
    done(["assign", &plain.0, &plain.1, "--out", &again, "--anomaly", "-q", "--threads", "1"]);
    assert_eq!(read(&w.path("again/segments/part-00000.parquet")).columns(), now.columns());
    // Rows of rules have no distance.
    let branch: Vec<&str> = (0..ROWS).map(|i| ["north", "south"][i / 3 % 2]).collect();
    columns.push(("branch", Arc::new(StringArray::from(branch))));
    let rules = w.text("rules.toml");
    let text = "[[rule]]\nname = \"few\"\nwhen = \"visits = 0\"\n\n[strata]\nwithin = \"branch\"\nk = 3\n";
    std::fs::write(&rules, text).expect("rules");
    fitted(&w, &columns, &["--k", "3", "--rules", &rules, "--anomaly"]);
    let labels = segments(&table);
    assert!(labels.contains(&0) && labels.contains(&6));
    is_of_the_segment(&table, &labels);
}

/// Ratios and robust z of a table are those of its distances.
fn is_of_the_segment(table: &Path, labels: &[i32]) {
    let columns = ["distance", "anomaly_ratio", "anomaly_z"].map(|name| floats(table, name));
    let [distances, ratios, zs] = &columns;
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let at = |i: usize| values[i];
        (at((values.len() - 1) / 2) + at(values.len() / 2)) / 2.0
    };
    for segment in 0..=labels.iter().copied().max().expect("rows") {
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == segment).collect();
        let known: Vec<f64> = rows.iter().filter_map(|&row| distances[row].map(f64::from)).collect();
        if known.is_empty() {
            assert!(rows.iter().all(|&row| ratios[row].is_none() && zs[row].is_none()), "a rule has no distances");
            continue;
        }
        let middle = median(known.clone());
        let mad = median(known.iter().map(|d| (d - middle).abs()).collect());
        for row in rows {
            let distance = f64::from(distances[row].expect("a distance"));
            let close = |found: Option<f32>, expected: f64| {
                let found = f64::from(found.expect("a number"));
                assert!(
                    (found - expected).abs() <= 1e-6 * expected.abs().max(1.0),
                    "row {row}: {found}, not {expected}"
                );
            };
            close(ratios[row], distance / middle);
            close(zs[row], (distance - middle) / (1.4826 * mad));
        }
    }
}
