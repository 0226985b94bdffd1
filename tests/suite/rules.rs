//! Rules applied before clustering: which customers go where, in which order; and refusals.

use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Float32Type, Int32Type};
use serde_json::Value;

use crate::command::{Ran, Workshop, contents, done, json, labels_hash, model};
use crate::harness::{gpu_device, root, tests};
use crate::tables::{batch, f64s, i64s, integers, noise, read, some_f64s, write, write_batch};

tests!(
    the_first_rule_that_matches_takes_a_row,
    a_stratum_is_fitted_as_if_it_were_alone,
    the_small_bank,
    a_model_replays_what_a_fit_labelled,
    strata_that_a_model_does_not_know,
    the_same_bytes_everywhere,
    rules_that_take_everything_or_nothing,
    values_that_make_strata,
    folders_make_strata,
    weights_pseudonyms_and_margins,
    hostile_names,
    files_of_rules_that_are_refused,
    conditions_that_are_refused,
    strata_that_are_refused,
    options_that_do_not_go_with_rules,
    every_verb_knows_rules,
    prepared_values_of_strata,
    models_with_rules_that_are_refused,
    inputs_that_do_not_fit_a_model,
);

/// 600 customers: id, x, y, tier (gold, silver, null), staff, code; row groups of 100.
fn bank() -> RecordBatch {
    let n = 600;
    let tiers = ["gold", "silver", "silver"];
    let around = |seed: u64, far: f64| {
        f64s(noise(seed).take(n).enumerate().map(|(i, u)| far * (i % 4) as f64 + u).collect::<Vec<_>>())
    };
    batch(&[
        ("id", i64s((0..n as i64).map(|i| 10_000 - i))),
        ("x", around(1, 10.0)),
        ("y", around(2, -7.0)),
        ("tier", Arc::new((0..n).map(|i| (i % 50 != 7).then(|| tiers[i % 3])).collect::<StringArray>())),
        ("is_staff", Arc::new((0..n).map(|i| (i % 11 != 3).then_some(i % 20 == 0)).collect::<BooleanArray>())),
        ("code", i64s((0..n as i64).map(|i| i % 10))),
    ])
}

const RULES: &str = "
[[rule]]
name = \"staff\"
when = \"is_staff = true\"

[[rule]]
name = \"zero\"
when = \"code IN (0, 1)\"

[strata]
within = \"tier\"
k = 3
[strata.k_of]
gold = 2
";

fn with(rules: &str) -> Workshop {
    let w = Workshop::new();
    write_batch(&w.path("a.parquet"), &bank(), 100);
    std::fs::write(w.path("rules.toml"), rules).unwrap();
    w
}

fn fit(w: &Workshop, more: &[&str]) -> Ran {
    let base = ["fit", &w.text("a.parquet"), "--k", "4", "--features", "x,y", "--rules", &w.text("rules.toml")];
    w.run([&base[..], more].concat())
}

/// Segment and name of every row.
fn labelled(out: &Path) -> Vec<(Option<i32>, String)> {
    let rows = read(&out.join("segments/part-00000.parquet"));
    let segments = rows.column_by_name("segment").unwrap().as_primitive::<Int32Type>().clone();
    let names = rows.column_by_name("segment_name").unwrap();
    assert_eq!(*names.data_type(), DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)));
    let names = cast(names, &DataType::Utf8).unwrap();
    segments.iter().zip(names.as_string::<i32>()).map(|(s, n)| (s, n.unwrap().to_owned())).collect()
}

fn manifest(w: &Workshop) -> Value {
    json(w.out().join("manifest.json"))
}

fn the_first_rule_that_matches_takes_a_row() {
    let w = with(RULES);
    let ran = fit(&w, &[]).succeeds();
    let rows = read(&w.out().join("segments/part-00000.parquet"));
    let names: Vec<String> = rows.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["id", "segment", "segment_name", "distance"]);
    assert_eq!(integers(&rows, "id"), (0..600).map(|i| 10_000 - i).collect::<Vec<_>>(), "rows in input order");
    let found = labelled(&w.out());
    let distance = rows.column_by_name("distance").unwrap().as_primitive::<Float32Type>().clone();
    let (mut staff, mut zero, mut both) = (0, 0, 0);
    for (i, (segment, name)) in found.iter().enumerate() {
        let is_staff = i % 20 == 0 && i % 11 != 3;
        let is_zero = i % 10 < 2;
        let part = match (i % 50 == 7, i % 3) {
            _ if is_staff => "staff",
            _ if is_zero => "zero",
            (true, _) => "(null)",
            (_, 0) => "gold",
            _ => "silver",
        };
        staff += usize::from(is_staff);
        both += usize::from(is_staff && is_zero);
        zero += usize::from(is_zero && !is_staff);
        assert_eq!(name.split('/').next(), Some(part), "row {i}");
        let first = [("staff", 0), ("zero", 1), ("gold", 2), ("silver", 4), ("(null)", 7)];
        let first = first.iter().find(|f| f.0 == part).unwrap().1;
        let within = name.split('/').nth(1).map_or(0, |j| j.parse::<i32>().unwrap());
        assert_eq!(*segment, Some(first + within), "row {i}");
        assert_eq!(distance.is_null(i), is_staff || is_zero, "row {i}");
    }
    let manifest = manifest(&w);
    let expected = serde_json::json!([
        {"name": "staff", "rows": staff, "taken_before": 0},
        {"name": "zero", "rows": zero, "taken_before": both},
    ]);
    assert_eq!(manifest["outcome"]["rules"], expected);
    assert_eq!(model(&w.out())["division"]["counts"], expected);
    let strata = manifest["parts"].as_array().unwrap();
    let of = |key: &str| strata.iter().map(|s| s[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("name"), ["gold", "silver", "(null)"]);
    assert_eq!(of("k"), [2, 3, 3]);
    assert_eq!(of("first_segment"), [2, 4, 7]);
    assert!(strata.iter().all(|s| s["passes"].as_array().is_some_and(|p| !p.is_empty())));
    let counts: Vec<usize> = (0..10).map(|s| found.iter().filter(|(segment, _)| *segment == Some(s)).count()).collect();
    assert_eq!(manifest["outcome"]["counts"], serde_json::json!(counts));
    for stratum in [&counts[2..4], &counts[4..7], &counts[7..10]] {
        assert!(stratum.is_sorted_by(|a, b| a >= b), "numbered by size: {counts:?}");
    }
    let bytes: Vec<u8> = found.iter().flat_map(|(s, _)| s.unwrap_or(-1).to_le_bytes()).collect();
    assert_eq!(blake3::hash(&bytes).to_hex().as_str(), labels_hash(&w.out()));
    let line = format!("rule: code IN (0, 1); earlier rules took {both} more");
    assert!(ran.out.split_whitespace().collect::<Vec<_>>().join(" ").contains(&line), "{}", ran.out);
}

fn a_stratum_is_fitted_as_if_it_were_alone() {
    // Enough rows for blocks of moments, several batches and sparse selections.
    let n = 60_000;
    let values: Vec<f64> = noise(5).take(3 * n).collect();
    let column = |c: usize| {
        some_f64s((0..n).map(|i| (values[3 * i] > 0.05).then(|| (values[3 * i + c] * 8.0).exp() * (i % 5 + 1) as f64)))
    };
    let tier =
        |i: usize| ["common", "rare", "seldom"][usize::from(i % 97 == 5) + usize::from(i % 13 == 1 && i > 20_000)];
    let rows = batch(&[
        ("id", i64s(0..n as i64)),
        ("x", column(1)),
        ("y", column(2)),
        ("w", f64s(values.iter().take(n).map(|v| (v * 9.0).round()))),
        ("tier", Arc::new((0..n).map(|i| Some(tier(i))).collect::<StringArray>())),
    ]);
    let w = Workshop::new();
    let group = 25_000;
    write_batch(&w.path("a.parquet"), &rows, group);
    std::fs::write(
        w.path("rules.toml"),
        "[[rule]]\nname = \"few\"\nwhen = \"id % 7 = 0\"\n[strata]\nwithin = \"tier\"\n".replace("id % 7 = 0", "w = 3"),
    )
    .unwrap();
    for more in [&["--row-weight", "w"][..], &["--exclude", "w", "--margin"]] {
        let base = ["fit", &w.text("a.parquet"), "--k", "5", "--rules", &w.text("rules.toml")];
        w.run([&base[..], more].concat()).succeeds();
        let all = read(&w.out().join("segments/part-00000.parquet"));
        let names = cast(all.column_by_name("segment_name").unwrap(), &DataType::Utf8).unwrap();
        let whole = model(&w.out());
        for (s, stratum) in ["common", "rare", "seldom"].into_iter().enumerate() {
            // The same rows in a separate file, in row groups of the same rows.
            let of_stratum =
                |name: Option<&str>| name.is_some_and(|n| n.strip_prefix(stratum).is_some_and(|n| n.starts_with('/')));
            let kept: BooleanArray = names.as_string::<i32>().iter().map(|n| Some(of_stratum(n))).collect();
            let path = w.path("alone.parquet");
            let file = std::fs::File::create(&path).unwrap();
            let mut writer = parquet::arrow::ArrowWriter::try_new(file, rows.schema(), None).unwrap();
            for from in (0..n).step_by(group) {
                let to = (n - from).min(group);
                let part = filter_record_batch(&rows.slice(from, to), &kept.slice(from, to)).unwrap();
                writer.write(&part).unwrap();
                writer.flush().unwrap();
            }
            writer.close().unwrap();
            let alone = w.text("alone");
            done([&["fit", &w.text("alone.parquet"), "--k", "5", "--out", &alone], more].concat());
            let alone = w.path("alone");
            let mine = filter_record_batch(&all, &kept).unwrap();
            let theirs = read(&alone.join("segments/part-00000.parquet"));
            let first = whole["parts"][s]["first_segment"].as_i64().unwrap() as i32;
            let segments = |rows: &RecordBatch| -> Vec<i32> {
                rows.column_by_name("segment").unwrap().as_primitive::<Int32Type>().values().to_vec()
            };
            let shifted: Vec<i32> = segments(&mine).iter().map(|s| s - first).collect();
            assert_eq!(shifted, segments(&theirs), "{stratum}");
            for column in ["distance", "margin"].into_iter().take(more.len().min(3) - 1) {
                let floats = |rows: &RecordBatch| -> Vec<u32> {
                    let array = rows.column_by_name(column).unwrap().as_primitive::<Float32Type>();
                    array.values().iter().map(|v| v.to_bits()).collect()
                };
                assert_eq!(floats(&mine), floats(&theirs), "{stratum}: {column}");
            }
            let (mine, theirs) = (&whole["parts"][s], &model(&alone)["parts"][0]);
            assert_eq!(mine["preparation"], theirs["preparation"], "{stratum}");
            assert_eq!(mine["fitted"], theirs["fitted"], "{stratum}");
        }
    }
}

fn the_small_bank() {
    let w = Workshop::new();
    let bank = root().join("data/customers.parquet");
    std::fs::write(
        w.path("rules.toml"),
        "[[rule]]\nname = \"students\"\nwhen = \"age_years < 25 AND salary_amount = 0\"\n\
         [[rule]]\nname = \"salary in debt\"\nwhen = \"salary_amount > 1500.50 AND loan_outstanding > 5000\"\n\
         [strata]\nwithin = \"true_segment\"\nk = 3\n[strata.k_of]\n0 = 4\n",
    )
    .unwrap();
    let arguments = ["fit", bank.to_str().unwrap(), "--k", "2", "--rules", &w.text("rules.toml")];
    // Without swaps, as before there were any.
    let ran = w.run([&arguments[..], &["--include", "age_years", "--effort", "low"]].concat()).succeeds();
    let manifest = manifest(&w);
    assert_eq!(manifest["outcome"]["rules"][0]["rows"], GOLDEN.0, "{}", ran.out);
    assert_eq!(manifest["outcome"]["rules"][1]["rows"], GOLDEN.1);
    assert_eq!(labels_hash(&w.out()), GOLDEN.2);
    assert_eq!(manifest["parts"][0]["columns"][0]["name"], "age_years");
    assert_eq!(manifest["outcome"]["unknown_stratum"], 0);
}

/// Rows of both rules, and the hash of the labels.
const GOLDEN: (u64, u64, &str) = (81, 1565, "fa283d8914f68cb97bb647b5f278b1734c7e0ce75bd08361f9b14acffac63f01");

fn a_model_replays_what_a_fit_labelled() {
    let w = with(RULES);
    for margin in [&["--margin"][..], &[]] {
        fit(&w, margin).succeeds();
        let (labels, table) = (labels_hash(&w.out()), read(&w.out().join("segments/part-00000.parquet")));
        std::fs::copy(w.out().join("model.json"), w.path("model.json")).unwrap();
        for more in [&[][..], &["--memory", "110MiB"]] {
            let base = ["assign", &w.text("model.json"), &w.text("a.parquet")];
            let ran = w.run([&base[..], margin, more].concat()).succeeds();
            assert_eq!(labels_hash(&w.out()), labels);
            assert_eq!(read(&w.out().join("segments/part-00000.parquet")).columns(), table.columns());
            assert!(ran.out.contains("gold/1"), "{}", ran.out);
        }
    }
    let manifest = manifest(&w);
    assert_eq!(manifest["outcome"]["unknown_stratum"], 0);
    assert_eq!(manifest["command"], "assign");
    assert_eq!(manifest["parts"][1]["name"], "silver");
    // Every row is taken by a rule: nothing is left for the strata.
    let zeros = batch(&[
        ("id", i64s(0..9)),
        ("x", f64s([1.0; 9])),
        ("y", f64s([1.0; 9])),
        ("tier", Arc::new(StringArray::from(vec!["gold"; 9]))),
        ("is_staff", Arc::new(BooleanArray::from(vec![true; 9]))),
        ("code", i64s([5; 9])),
    ]);
    write_batch(&w.path("b.parquet"), &zeros, 4);
    w.run(["assign", &w.text("model.json"), &w.text("b.parquet")]).succeeds();
    assert!(labelled(&w.out()).iter().all(|row| *row == (Some(0), "staff".into())));
}

fn strata_that_a_model_does_not_know() {
    let w = with(RULES);
    fit(&w, &[]).succeeds();
    let before = labelled(&w.out());
    std::fs::copy(w.out().join("model.json"), w.path("model.json")).unwrap();
    let mut columns: Vec<(String, ArrayRef)> =
        bank().schema().fields().iter().zip(bank().columns()).map(|(f, c)| (f.name().clone(), c.clone())).collect();
    let tiers = columns[3].1.as_string::<i32>().iter().enumerate();
    columns[3].1 =
        Arc::new(tiers.map(|(i, tier)| if i % 3 == 1 { Some("platinum") } else { tier }).collect::<StringArray>());
    let columns: Vec<(&str, ArrayRef)> = columns.iter().map(|(n, c)| (n.as_str(), c.clone())).collect();
    write_batch(&w.path("b.parquet"), &batch(&columns), 77);
    let all = ["assign", &w.text("model.json"), &w.text("b.parquet"), "--margin", "--small-cells", "0"];
    let ran = w.run(all).succeeds();
    let mut unknown = 0;
    for (i, (now, then)) in labelled(&w.out()).iter().zip(&before).enumerate() {
        if i % 3 == 1 && !["staff", "zero"].contains(&then.1.as_str()) {
            assert_eq!(*now, (None, "(unknown stratum)".into()), "row {i}");
            unknown += 1;
        } else {
            assert_eq!(now, then, "row {i}");
        }
    }
    assert_eq!(manifest(&w)["outcome"]["unknown_stratum"], unknown);
    let warning = format!(
        "{unknown} rows have a stratum that the model does not know; they are named \"(unknown stratum)\" and have no segment"
    );
    assert_eq!(manifest(&w)["outcome"]["warnings"], serde_json::json!([warning]));
    assert!(ran.out.contains("(unknown stratum)"), "{}", ran.out);
}

fn the_same_bytes_everywhere() {
    let w = with(RULES);
    let run = |more: &[&str]| {
        fit(&w, &[&["--margin"], more].concat()).succeeds();
        let mut published = contents(&w.out());
        assert_eq!(published.len(), 4, "{:?}", published.keys());
        published.remove("manifest.json");
        published
    };
    let first = run(&[]);
    for other in [
        &["--threads", "1", "--simd", "portable", "--chunk-rows", "128"][..],
        &["--backend", "reference"],
        &["--memory", "100MiB", "--chunk-rows", "64"],
        &["--memory", "78MiB", "--chunk-rows", "64", "--threads", "1"],
    ] {
        assert!(run(other) == first, "other bytes with {other:?}");
    }
    if let Some(device) = gpu_device() {
        assert!(run(&["--device", &device.to_string()]) == first, "other bytes on a GPU");
    }
    assert!(run(&["--seed", "1"]) != first, "the comparison can fail");
    // Files and row groups cut differently give the same rows to the same parts.
    std::fs::create_dir(w.path("parts")).unwrap();
    for part in 0..3 {
        write_batch(&w.path(&format!("parts/{part}.parquet")), &bank().slice(part * 200, 200), 100);
    }
    fit(&w, &[]).succeeds();
    let labels = labels_hash(&w.out());
    let base = ["fit", &w.text("parts"), "--k", "4", "--features", "x,y", "--rules", &w.text("rules.toml")];
    w.run(base).succeeds();
    assert_eq!(labels_hash(&w.out()), labels);
}

fn rules_that_take_everything_or_nothing() {
    let w = with("[[rule]]\nname = \"all\"\nwhen = \"id IS NOT NULL\"\n");
    fit(&w, &[]).is_refused(3, &["the rules take all 600 rows and leave none to cluster"]);
    w.is_untouched();

    let w =
        with("[[rule]]\nname = \"none\"\nwhen = \"id < 0\"\n[[rule]]\nname = \"also none\"\nwhen = \"x IS NULL\"\n");
    fit(&w, &[]).succeeds();
    let warnings = manifest(&w)["outcome"]["warnings"].take();
    assert_eq!(warnings, serde_json::json!(["rule \"none\" matches no rows", "rule \"also none\" matches no rows"]));
    let with_rules = labelled(&w.out());
    assert!(with_rules.iter().all(|(_, name)| name.starts_with("rest/")));
    // The remaining rows equal a fit without rules, which has no segment names.
    w.run(["fit", &w.text("a.parquet"), "--k", "4", "--features", "x,y"]).succeeds();
    let alone = read(&w.out().join("segments/part-00000.parquet"));
    assert!(alone.column_by_name("segment_name").is_none());
    assert!(model(&w.out())["division"].is_null() && json(w.out().join("model.json"))["format_version"] == 6);
    let alone = alone.column_by_name("segment").unwrap().as_primitive::<Int32Type>().clone();
    for ((segment, name), alone) in with_rules.iter().zip(alone.values()) {
        assert_eq!((*segment, name.as_str()), (Some(alone + 2), format!("rest/{alone}").as_str()));
    }
    // A rule after one that takes all its rows.
    let w = with("[[rule]]\nname = \"a\"\nwhen = \"code < 5\"\n[[rule]]\nname = \"b\"\nwhen = \"code = 3\"\n");
    fit(&w, &[]).succeeds();
    let warning = "rule \"b\" takes no rows: earlier rules take all 60 that it matches";
    assert_eq!(manifest(&w)["outcome"]["warnings"], serde_json::json!([warning]));
}

fn values_that_make_strata() {
    let names = |w: &Workshop| -> Vec<String> {
        let strata = manifest(w)["parts"].take();
        strata.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap().to_owned()).collect()
    };
    let ints = Int64Array::from((0..90).map(|i| [Some(10), Some(9), Some(-2), None][i % 4]).collect::<Vec<_>>());
    let fit = |array: ArrayRef| {
        let w = Workshop::new();
        let table = [("id", i64s(0..90)), ("x", f64s(noise(3).take(90))), ("s", array)];
        write_batch(&w.path("a.parquet"), &batch(&table), 20);
        std::fs::write(w.path("rules.toml"), "[strata]\nwithin = \"s\"\n").unwrap();
        w.run(["fit", &w.text("a.parquet"), "--k", "2", "--rules", &w.text("rules.toml")]).succeeds();
        // The column is constant within a stratum, and not a feature.
        assert_eq!(model(&w.out())["parts"][0]["feature_names_in_"], serde_json::json!(["x"]));
        names(&w)
    };
    assert_eq!(fit(Arc::new(ints.clone())), ["-2", "9", "10", "(null)"], "in the order of numbers");
    assert_eq!(fit(cast(&ints, &DataType::Int8).unwrap()), ["-2", "9", "10", "(null)"]);
    assert_eq!(fit(cast(&ints, &DataType::Decimal128(9, 1)).unwrap()), ["-2.0", "9.0", "10.0", "(null)"]);
    assert_eq!(fit(cast(&ints, &DataType::Utf8).unwrap()), ["-2", "10", "9", "(null)"], "in the order of text");
    let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::LargeUtf8));
    let text = cast(&ints, &DataType::Utf8).unwrap();
    assert_eq!(fit(cast(&text, &dictionary).unwrap()), ["-2", "10", "9", "(null)"]);
    assert_eq!(fit(cast(&ints, &DataType::Boolean).unwrap()), ["true", "(null)"]);
    let days = cast(&cast(&ints, &DataType::Int32).unwrap(), &DataType::Date32).unwrap();
    assert_eq!(fit(days), ["1969-12-30", "1970-01-10", "1970-01-11", "(null)"]);
    let empty = StringArray::from((0..90).map(|i| ["", "a/0", "a"][i % 3]).collect::<Vec<_>>());
    assert_eq!(fit(Arc::new(empty)), ["", "a", "a/0"]);
}

fn folders_make_strata() {
    let w = Workshop::new();
    for (i, tier) in ["tier=07", "tier=1", "tier=__HIVE_DEFAULT_PARTITION__"].into_iter().enumerate() {
        let folder = w.path(&format!("bank/{tier}"));
        std::fs::create_dir_all(&folder).unwrap();
        let from = 40 * i as i64;
        write(&folder.join("a.parquet"), &[("id", i64s(from..from + 40)), ("x", f64s(noise(i as u64).take(40)))]);
    }
    std::fs::write(
        w.path("rules.toml"),
        "[[rule]]\nname = \"seven\"\nwhen = \"tier = 7 AND x < 0.25\"\n[strata]\nwithin = \"tier\"\n",
    )
    .unwrap();
    w.run(["fit", &w.text("bank"), "--k", "2", "--rules", &w.text("rules.toml")]).succeeds();
    let found = labelled(&w.out());
    for (i, name) in found.iter().map(|(_, name)| name).enumerate() {
        let folder = ["07/", "1/", "(null)/"][i / 40];
        assert!(name.starts_with(folder) || (i < 40 && name == "seven"), "row {i}: {name}");
    }
    assert!(found.iter().any(|(_, name)| name == "seven"));
}

fn weights_pseudonyms_and_margins() {
    let w = with(RULES);
    std::fs::write(w.path("key"), "0123456789abcdef0123456789abcdef").unwrap();
    fit(&w, &["--row-weight", "code", "--pseudonymise", &w.text("key"), "--margin"]).succeeds();
    let rows = read(&w.out().join("segments/part-00000.parquet"));
    let names: Vec<String> = rows.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["id", "segment", "segment_name", "distance", "margin"]);
    assert_eq!(rows.column(0).as_string::<i32>().value(0).len(), 32);
    let gap = rows.column_by_name("margin").unwrap();
    assert_eq!(gap.null_count(), rows.column_by_name("distance").unwrap().null_count());
    assert!(gap.null_count() > 0 && gap.null_count() < 600);
    assert!(manifest(&w)["inputs"]["pseudonym_key_check"].is_string());
    // A customer's pseudonym is the same as in a fit without rules.
    let plain = ["fit", &w.text("a.parquet"), "--k", "2", "--pseudonymise", &w.text("key"), "--features", "x"];
    w.run(plain).succeeds();
    assert_eq!(read(&w.out().join("segments/part-00000.parquet")).column(0).as_ref(), rows.column(0).as_ref());
}

fn hostile_names() {
    let (nasty, tier) = ("a\u{1b}[31m\n<script>\"'\u{202e}", "x\ny\u{1b}[0m<b>\"");
    let w = Workshop::new();
    let table = [
        ("id", i64s(0..60)),
        ("x", f64s(noise(1).take(60))),
        ("we \"ird\"\n", i64s((0..60).map(|i| i % 3))),
        ("tier", Arc::new(StringArray::from(vec![tier; 60])) as ArrayRef),
    ];
    write(&w.path("a.parquet"), &table);
    let rules = format!(
        "[[rule]]\nname = {}\nwhen = '''\"we \"\"ird\"\"\n\" = 1'''\n[strata]\nwithin = \"tier\"\n",
        serde_json::to_string(nasty).unwrap()
    );
    std::fs::write(w.path("rules.toml"), rules).unwrap();
    let base = ["fit", &w.text("a.parquet"), "--k", "2", "--features", "x", "--rules", &w.text("rules.toml")];
    let ran = w.run([&base[..], &["--print-recipe"]].concat()).succeeds();
    for said in [&ran.out, &ran.err] {
        assert!(!said.contains('\u{1b}') && !said.contains('\u{202e}'), "{said:?}");
    }
    let found = labelled(&w.out());
    assert_eq!(found[1], (Some(0), nasty.into()));
    assert!(found[0].1.starts_with(&format!("{tier}/")));
    std::fs::copy(w.out().join("model.json"), w.path("model.json")).unwrap();
    let hash = labels_hash(&w.out());
    w.run(["assign", &w.text("model.json"), &w.text("a.parquet")]).succeeds();
    assert_eq!(labels_hash(&w.out()), hash);
}

/// Runs a fit with these rules; the message must be exactly this, with `R` for the file of rules.
fn refused(w: &Workshop, code: i32, rules: &str, message: &str) {
    std::fs::write(w.path("rules.toml"), rules).unwrap();
    let ran = fit(w, &[]);
    ran.is_refused(code, &[]);
    let said = ran.err.split_once("error: ").map_or("", |(_, m)| m).trim_end();
    assert_eq!(said.replace(&w.text("rules.toml"), "R"), message);
    w.is_untouched();
}

fn files_of_rules_that_are_refused() {
    let w = with("");
    let is = |rules: &str, message: &str| refused(&w, 2, rules, message);
    is("", "R:1:1: it has neither [[rule]] nor [strata]; add one, or leave --rules out");
    is(
        "[[rules]]\nname = \"a\"\n[strata]\nwithin = \"tier\"\n[stratum]\n",
        "R:1:3: the file has no key \"rules\"; did you mean \"rule\"?\nR:5:2: the file has no key \"stratum\"; did you mean \"strata\"?",
    );
    is("[rule]\nname = \"a\"\n", "R:1:2: rules are written as [[rule]]");
    is("strata = 3\n", "R:1:1: strata must be a table, [strata]");
    is(
        "[[rule]]\nname = \"a\"\n\n[[rule]]\nnome = \"b\"\nwhen = 3\n",
        "R:1:1: a rule has a name and a condition: name = \"...\", when = \"...\"\n\
         R:4:1: a rule has a name and a condition: name = \"...\", when = \"...\"\n\
         R:5:1: a rule has no key \"nome\"; did you mean \"name\"?\n\
         R:6:8: when must be text",
    );
    is(
        "[[rule]]\nname = \"\"\nwhen = \"true\"\n[[rule]]\nname = \"a/0\"\nwhen = \"true\"\n[[rule]]\nname = \"c\"\nwhen = \"true\"\n\
         [[rule]]\nname = \"c\"\nwhen = \"true\"\n[[rule]]\nname = \"(unknown stratum)\"\nwhen = \"true\"\n",
        "R:2:8: a rule's name must not be empty\n\
         R:5:8: a rule's name must not contain \"/\", which is reserved for the names of clustered segments; it is \"a/0\"\n\
         R:11:8: two rules are named \"c\"\n\
         R:14:8: a rule's name must not be \"(unknown stratum)\", which names rows of an unknown stratum",
    );
    is(
        "[strata]\nk = 0\nwithn = \"tier\"\n[strata.k_of]\ngold = 2.5\nsilver = 5000\n",
        "R:1:2: strata need a column: within = \"...\"\n\
         R:2:5: k must be a whole number of segments from 1 to 4096\n\
         R:3:1: strata has no key \"withn\"; did you mean \"within\"?\n\
         R:5:8: k of \"gold\" must be a whole number of segments from 1 to 4096\n\
         R:6:10: k of \"silver\" must be a whole number of segments from 1 to 4096",
    );
    is("[strata]\nwithin = \"teir\"\n", "R:2:10: no column is named \"teir\"; did you mean \"tier\"?");
    is(
        "[strata]\nwithin = \"x\"\n",
        "R:2:10: \"x\" (Float64) cannot define strata; use a column of text, whole numbers, decimals, dates or booleans",
    );
    std::fs::write(w.path("rules.toml"), [0xff, 0xfe]).unwrap();
    fit(&w, &[]).is_refused(2, &["rules.toml: it is not text"]);
    std::fs::write(w.path("rules.toml"), "[[rule]\n").unwrap();
    fit(&w, &[]).is_refused(2, &["rules.toml:1:"]);
    std::fs::remove_file(w.path("rules.toml")).unwrap();
    fit(&w, &[]).is_refused(2, &["cannot read", "rules.toml: no such file"]);
    let many = (0..129).map(|i| format!("[[rule]]\nname = \"r{i}\"\nwhen = \"true\"\n")).collect::<String>();
    is(&many, "R:1:1: 129 rules; at most 128 are supported");
}

fn conditions_that_are_refused() {
    let w = with("");
    let supported = "a condition is made of AND, OR, NOT, =, <>, <, <=, >, >=, IN, BETWEEN, LIKE, IS NULL, + - * /, columns, \
                     numbers, 'text', TRUE, FALSE, DATE '2026-01-31' and TIMESTAMP '2026-01-31 12:00:00'";
    let is = |condition: &str, message: &str| {
        let rules = format!("[[rule]]\nname = \"r\"\nwhen = '''{condition}'''\n");
        let message = message.strip_prefix(": ").map_or(format!(" {message}"), |m| format!(": {m}"));
        refused(&w, 2, &rules, &format!("R:3:8: \"r\"{message}"));
    };
    is(
        "is_staf = true OR codes = 3 OR \"Tier\" = 'gold'",
        "at 1:19: no column is named \"codes\"; did you mean \"code\"?\n\
         R:3:8: \"r\" at 1:1: no column is named \"is_staf\"; did you mean \"is_staff\"?\n\
         R:3:8: \"r\" at 1:32: no column is named \"Tier\"; did you mean \"tier\"?",
    );
    is(
        "nothing = 1",
        "at 1:1: no column is named \"nothing\"; the input has: \"id\", \"x\", \"y\", \"tier\", \"is_staff\", \"code\"",
    );
    is("tier = 3", "at 1:1: tier = 3: cannot compare text with a number; put text in quotes, and numbers not");
    is(
        "code BETWEEN 1 AND '3'",
        "at 1:1: code BETWEEN 1 AND '3': cannot compare a number with text; put text in quotes, and numbers not",
    );
    is("code = true", "at 1:1: code = true: cannot compare a number with true or false; write TRUE or FALSE");
    is(
        "tier > DATE '2026-01-31'",
        "at 1:1: tier > DATE '2026-01-31': cannot compare text with a date or time; write a date as DATE '2026-01-31'",
    );
    is("code = NULL", "at 1:8: nothing equals NULL; write IS NULL or IS NOT NULL");
    is("code IN (1, NULL)", "at 1:13: nothing equals NULL; write IS NULL or IS NOT NULL");
    is("code", "at 1:1: code is a number, not a condition; compare it with a value");
    is("1 = 1", "at 1:1: 1 = 1 does not use a column");
    is("tier + 1 = 2", "at 1:1: tier + 1: arithmetic needs numbers, not text and a number");
    is("x < DATE '2026-02-30'", "at 1:10: \"2026-02-30\" is not a date; write DATE '2026-01-31'");
    is("x < TIMESTAMP 'noon'", "at 1:15: \"noon\" is not a time; write TIMESTAMP '2026-01-31 12:00:00'");
    is("code LIKE '1%'", "at 1:1: code LIKE '1%': LIKE compares a column of text with a pattern such as 'HY%'");
    for (condition, part) in [
        ("lower(tier) = 'gold'", "at 1:1: lower(tier)"),
        ("code = (SELECT 1)", "at 1:9: (SELECT 1)"),
        ("CAST(code AS TEXT) = '1'", "at 1:6: CAST(code AS TEXT)"),
        ("code IN (SELECT 1)", "at 1:1: code IN (SELECT 1)"),
        ("code % 2 = 0", "at 1:1: code % 2"),
        ("tier ILIKE 'g%'", "at 1:1: tier ILIKE 'g%'"),
        ("customers.code = 1", "at 1:1: customers.code"),
        ("code = 1 IS NULL", "at 1:1: code = 1"),
        ("CASE WHEN code = 1 THEN true ELSE false END", "at 1:1: CASE WHEN code = 1 THEN true ELSE false END"),
    ] {
        is(condition, &format!("{part} is not supported; {supported}"));
    }
    is("", ": not a valid SQL condition: Expected: an expression, found: EOF");
    is("code = ", ": not a valid SQL condition: Expected: an expression, found: EOF");
    is("code = 1; DROP TABLE customers", "at 1:9: ; is unexpected after the condition");
    is("code = 1 tier", "at 1:10: tier is unexpected after the condition");
    is("tier = 'gold", "at 1:8: not a valid SQL condition: Unterminated string literal");
    is("(code = 1", ": not a valid SQL condition: Expected: ), found: EOF");
    let rules = format!("[[rule]]\nname = \"r\"\nwhen = '''code {} 1'''\n", "+".repeat(70_000));
    refused(&w, 2, &rules, "R:3:8: the condition has more than 65536 bytes");
}

fn strata_that_are_refused() {
    let w = with("");
    let is = |code: i32, rules: &str, message: &str| refused(&w, code, rules, message);
    is(
        3,
        "[strata]\nwithin = \"tier\"\nk = 200\n[strata.k_of]\nsilver = 393\n",
        "strata with fewer rows than segments: \"gold\" (196 rows, k = 200), \"silver\" (392 rows, k = 393), \
         \"(null)\" (12 rows, k = 200); set a smaller k in [strata.k_of], or take their rows with a rule",
    );
    is(
        2,
        "[strata]\nwithin = \"tier\"\n[strata.k_of]\ngolden = 2\nplatinum = 3\nsilver = 2\n",
        "R: strata.k_of names strata without rows: \"golden\" (did you mean \"gold\"?), \"platinum\"; strata with rows: \"gold\", \"silver\", \
         \"(null)\"",
    );
    is(
        3,
        "[strata]\nwithin = \"id\"\n",
        "strata: \"id\" has 600 distinct values, but at most 64 strata are supported; choose a column such as a tier",
    );
    let w = Workshop::new();
    let text = StringArray::from((0..30).map(|i| ["(null)", "b"][i % 2]).collect::<Vec<_>>());
    write(&w.path("a.parquet"), &[("id", i64s(0..30)), ("x", f64s(noise(1).take(30))), ("s", Arc::new(text))]);
    std::fs::write(w.path("rules.toml"), "[strata]\nwithin = \"s\"\n").unwrap();
    let why = "strata: \"s\" contains the text \"(null)\", which names rows without a value; replace it by null or another text";
    w.refused(3, &[why], ["fit", &w.text("a.parquet"), "--k", "2", "--rules", &w.text("rules.toml")]);
    // An error within a stratum names the stratum.
    let table = |y: ArrayRef| [("id", i64s(0..30)), ("x", y), ("s", i64s((0..30).map(|i| i % 2)))];
    write(&w.path("a.parquet"), &table(f64s((0..30).map(|i| f64::from(i % 2 * i)))));
    let why = "stratum \"0\": no column varies, so there is nothing to cluster by: \"x\": it is constant";
    w.refused(3, &[why], ["fit", &w.text("a.parquet"), "--k", "2", "--rules", &w.text("rules.toml")]);
}

fn options_that_do_not_go_with_rules() {
    let w = with(RULES);
    let rules = w.text("rules.toml");
    fit(&w, &["--init", &w.text("a.parquet")])
        .is_refused(2, &["every stratum needs its own centroids; give a model with the same strata"]);
    fit(&w, &["--memory", "1MiB"]).is_refused(4, &["need at least", "give --memory"]);
    let base = ["fit", &w.text("a.parquet"), "--k", "4", "--rules", &rules];
    w.refused(2, &["\"code\" defines the strata and cannot also be a feature"], {
        std::fs::write(w.path("rules.toml"), "[strata]\nwithin = \"code\"\n").unwrap();
        [&base[..], &["--features", "x,code"]].concat()
    });
    let k = ["fit", &w.text("a.parquet"), "--k", "0", "--rules", &rules];
    w.refused(2, &["k = 0: between 1 and 4096 segments are possible"], k);
    let table = [("segment_name", i64s(0..30)), ("x", f64s(noise(1).take(30))), ("code", i64s([1; 30]))];
    write(&w.path("b.parquet"), &table);
    let why = "the id column is named \"segment_name\", like a column of the output; rename it";
    let id = ["fit", &w.text("b.parquet"), "--k", "2", "--rules", &rules, "--id", "segment_name"];
    w.refused(3, &[why], id);
}

/// A plan, a benchmark, prepared values and starting centroids of a divided bank.
fn every_verb_knows_rules() {
    let w = with(RULES);
    let rules = w.text("rules.toml");
    let base = [&w.text("a.parquet"), "--k", "4", "--features", "x,y", "--rules", &rules];
    let plan = done([&["plan"][..], &base].concat());
    assert!(plan.out.contains("600 rows in 1 files") && plan.out.contains("segments  3"), "{}", plan.out);
    let json_path = w.text("bench.json");
    done([&["bench"][..], &base, &["--backends", "cpu,reference", "--json", &json_path]].concat());
    let bench = json(&json_path);
    assert_eq!((&bench["agree"], bench["runs"].as_array().unwrap().len()), (&Value::Bool(true), 2));
    fit(&w, &[]).succeeds();
    let (labels, table) = (labels_hash(&w.out()), read(&w.out().join("segments/part-00000.parquet")));
    assert_eq!(bench["runs"][0]["labels_blake3"], labels.as_str());
    // Centroids at the fixpoint do not move.
    std::fs::copy(w.out().join("model.json"), w.path("start.json")).unwrap();
    fit(&w, &["--init", &w.text("start.json"), "--tol", "0"]).succeeds();
    assert_eq!(read(&w.out().join("segments/part-00000.parquet")).columns(), table.columns());
    let passes = |part: &Value| part["passes"].as_array().unwrap().len();
    assert!(manifest(&w)["parts"].as_array().unwrap().iter().all(|part| passes(part) <= 2));
    std::fs::write(&rules, RULES.replace("gold = 2", "gold = 3")).unwrap();
    let why = "start.json, stratum \"gold\" has 2 centroids, but k = 3";
    fit(&w, &["--init", &w.text("start.json")]).is_refused(2, &[why]);
    std::fs::write(&rules, RULES.replace("within = \"tier\"", "within = \"code\"").replace("gold = 2", "2 = 2"))
        .unwrap();
    let why = ["the model has no centroids for \"2\", \"3\"", "it has: \"gold\", \"silver\", \"(null)\""];
    fit(&w, &["--init", &w.text("start.json")]).is_refused(2, &why);
}

fn prepared_values_of_strata() {
    let w = with(RULES);
    fit(&w, &[]).succeeds();
    let (whole, prepared) = (model(&w.out()), w.path("prepared.parquet"));
    done(["recipe", "apply", &w.text("out/model.json"), &w.text("a.parquet"), "--out", prepared.to_str().unwrap()]);
    let (rows, labels) = (read(&prepared), labelled(&w.out()));
    let names: Vec<String> = rows.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["id", "part", "x", "y"]);
    assert_eq!(integers(&rows, "id"), (0..600).map(|i| 10_000 - i).collect::<Vec<_>>(), "rows in input order");
    let parts = cast(rows.column_by_name("part").unwrap(), &DataType::Utf8).unwrap();
    let bank = bank();
    for (name, c) in [("x", 1), ("y", 2)] {
        let raw = bank.column(c).as_primitive::<arrow::datatypes::Float64Type>();
        let found = rows.column_by_name(name).unwrap().as_primitive::<Float32Type>();
        for (i, (_, segment)) in labels.iter().enumerate() {
            let part = parts.as_string::<i32>().value(i);
            assert_eq!(Some(part), segment.split('/').next(), "row {i}");
            let Some(of) = whole["parts"].as_array().unwrap().iter().find(|p| p["name"] == part) else {
                assert!(found.is_null(i), "a rule took row {i}");
                continue;
            };
            let column = &of["preparation"]["columns"][c - 1];
            let number = |key: &str| column[key].as_f64().unwrap();
            assert_eq!(column["transform"], "none");
            let expected = (raw.value(i) - number("center")) / number("unit");
            assert!((f64::from(found.value(i)) - expected).abs() < 1e-4, "row {i}: {} {expected}", found.value(i));
        }
    }
}

fn models_with_rules_that_are_refused() {
    let w = with(RULES);
    fit(&w, &[]).succeeds();
    let good = std::fs::read_to_string(w.out().join("model.json")).unwrap();
    let w = with(RULES);
    let (path, input) = (w.text("model.json"), w.text("a.parquet"));
    let refused = |text: &str, part: &str| {
        std::fs::write(&path, text).unwrap();
        w.refused(2, &[&path, part], ["assign", &path, &input]);
    };
    let why = "damaged: its checksum does not match its content; copy it again, or fit a new model";
    refused(&good.replacen("is_staff = true", "is_staff = false", 1), why);
    refused(&good.replacen("\"format_version\": 6", "\"format_version\": 1", 1), "damaged: unknown field `division`");
    refused(&good[..good.len() / 2], "not a model, or a damaged one");
    // With a valid checksum, but inconsistent.
    let sealed = |change: fn(&mut Value)| {
        let mut envelope: Value = serde_json::from_str(&good).unwrap();
        change(&mut envelope["model"]);
        let model: hyades::model::Model = serde_json::from_value(envelope["model"].take()).unwrap();
        model.to_json().unwrap()
    };
    let why = "inconsistent: its rules and strata do not agree";
    refused(&sealed(|m| m["parts"][1]["first_segment"] = 5.into()), why);
    refused(&sealed(|m| m["division"]["counts"][0]["name"] = "other".into()), why);
    refused(&sealed(|m| m["parts"] = serde_json::json!([])), why);
    refused(&sealed(|m| m["parts"][1]["name"] = "gold".into()), why);
    refused(&sealed(|m| m["division"]["book"]["strata"] = Value::Null), why);
    refused(&sealed(|m| m["parts"][0]["fitted"]["counts_"] = serde_json::json!([1])), "its shapes do not agree");
    let nonsense = sealed(|m| m["division"]["book"]["rules"][0]["when"] = "is_staff +".into());
    std::fs::write(&path, nonsense).unwrap();
    w.refused(3, &[&path, "rule \"staff\": not a valid SQL condition"], ["assign", &path, &input]);
    std::fs::write(&path, &good).unwrap();
    let start = ["fit", &input, "--k", "2", "--init", &path];
    w.refused(2, &[&path, "it is a model with rules, and each of its strata has its own centroids"], start);
    w.run(["assign", &path, &input]).succeeds();
}

fn inputs_that_do_not_fit_a_model() {
    let w = with(RULES);
    fit(&w, &[]).succeeds();
    let good = std::fs::read(w.out().join("model.json")).unwrap();
    let w = with(RULES);
    std::fs::write(w.path("model.json"), good).unwrap();
    type Columns = Vec<(String, ArrayRef)>;
    let input = |change: &dyn Fn(&mut Columns)| {
        let bank = bank();
        let mut columns: Columns =
            bank.schema().fields().iter().zip(bank.columns()).map(|(f, c)| (f.name().clone(), c.clone())).collect();
        change(&mut columns);
        let columns: Vec<(&str, ArrayRef)> = columns.iter().map(|(n, c)| (n.as_str(), c.clone())).collect();
        write_batch(&w.path("b.parquet"), &batch(&columns), 100);
        ["assign".to_owned(), w.text("model.json"), w.text("b.parquet")]
    };
    let head = format!("the input does not fit the rules of {}:", w.text("model.json"));
    let gone = input(&|c| c.retain(|(name, _)| name != "is_staff" && name != "tier"));
    let lines = ["rule \"staff\" at 1:1: no column is named \"is_staff\"; ", "strata: no column is named \"tier\""];
    w.refused(3, &[&head, lines[0], lines[1]], gone);
    let other = input(&|c| c[5].1 = cast(&c[5].1, &DataType::Date64).unwrap());
    let lines = "
  rule \"zero\" at 1:10: code IN (0, 1): cannot compare a date or time with a number
  rules: \"code\" was a number when the model was made, but is now Date64";
    w.refused(3, &[&head, lines], other);
    w.refused(3, &["lacks columns that the model needs: x, y"], input(&|c| drop(c.drain(1..3))));
    // Another type of the same kind is accepted.
    w.run(input(&|c| c[5].1 = cast(&c[5].1, &DataType::Decimal128(20, 3)).unwrap())).succeeds();
    let (some, labels) = (labelled(&w.out()), labels_hash(&w.out()));
    w.run(["assign", &w.text("model.json"), &w.text("a.parquet")]).succeeds();
    assert!(labelled(&w.out()) == some && labels_hash(&w.out()) == labels);
    // A number in the fit, still comparable, but no longer a number.
    let w = with("[[rule]]\nname = \"r\"\nwhen = \"code IS NULL OR code = code\"\n");
    fit(&w, &[]).is_refused(3, &["the rules take all"]);
    let w = with("[[rule]]\nname = \"r\"\nwhen = \"code IS NULL OR code < code\"\n");
    fit(&w, &[]).succeeds();
    std::fs::copy(w.out().join("model.json"), w.path("model.json")).unwrap();
    let text = concat_batches(&bank().schema(), [&bank()]).unwrap();
    let mut columns: Vec<(&str, ArrayRef)> = vec![("id", text.column(0).clone())];
    columns.extend([("x", text.column(1).clone()), ("y", text.column(2).clone())]);
    columns.push(("code", cast(text.column(5), &DataType::Utf8).unwrap()));
    write(&w.path("b.parquet"), &columns);
    let ran = w.run(["assign", &w.text("model.json"), &w.text("b.parquet")]);
    ran.is_refused(3, &["rules: \"code\" was a number when the model was made, but is now Utf8"]);
}
