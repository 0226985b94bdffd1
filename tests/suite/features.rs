//! Columns of every type, and every choice of a recipe, against constants computed by hand.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Date64Array, Decimal128Array, Decimal256Array, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, i256};
use serde_json::Value;

use crate::command::{Workshop, json, part};
use crate::harness::tests;
use crate::tables::{f64s, noise, some_f64s, three_groups, write};

tests!(
    every_numeric_type_is_the_same_number,
    flags_are_not_numbers_but_count,
    every_choice_of_a_recipe,
    flags_and_recipe
);

/// Day numbers 0 to 100, in another order.
fn days() -> Vec<i64> {
    (0..101).map(|i| (i * 37) % 101).collect()
}

fn every_numeric_type_is_the_same_number() {
    let v = days();
    macro_rules! plain {
        ($array:ty, $factor:expr) => {
            Arc::new(v.iter().map(|&d| Some((d * $factor) as _)).collect::<$array>()) as ArrayRef
        };
    }
    let wide = plain!(Int64Array, 1);
    let dictionary = |values: DataType| {
        let to = DataType::Dictionary(Box::new(DataType::Int32), Box::new(values.clone()));
        cast(&cast(&wide, &values).unwrap(), &to).unwrap()
    };
    let decimal128: Decimal128Array = v.iter().map(|&d| Some(i128::from(d) * 100)).collect();
    let decimal256: Decimal256Array = v.iter().map(|&d| Some(i256::from_i128(i128::from(d) * 1000))).collect();
    let small = |to: DataType| cast(&wide, &to).unwrap();
    let second = 86_400;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("int8", plain!(Int8Array, 1)),
        ("int16", plain!(Int16Array, 1)),
        ("int32", plain!(Int32Array, 1)),
        ("int64", wide.clone()),
        ("uint8", plain!(UInt8Array, 1)),
        ("uint16", plain!(UInt16Array, 1)),
        ("uint32", plain!(UInt32Array, 1)),
        ("uint64", plain!(UInt64Array, 1)),
        ("float16", small(DataType::Float16)),
        ("float32", plain!(Float32Array, 1)),
        ("float64", plain!(Float64Array, 1)),
        ("decimal32", small(DataType::Decimal32(7, 2))),
        ("decimal64", small(DataType::Decimal64(14, 3))),
        ("decimal128", Arc::new(decimal128.with_precision_and_scale(12, 2).unwrap())),
        ("decimal256", Arc::new(decimal256.with_precision_and_scale(50, 3).unwrap())),
        ("date32", plain!(Date32Array, 1)),
        ("date64", plain!(Date64Array, second * 1000)),
        ("seconds", plain!(TimestampSecondArray, second)),
        ("millis", plain!(TimestampMillisecondArray, second * 1000)),
        ("micros", plain!(TimestampMicrosecondArray, second * 1_000_000)),
        ("nanos", plain!(TimestampNanosecondArray, second * 1_000_000_000)),
        ("dictionary_int", dictionary(DataType::Int64)),
        ("dictionary_float", dictionary(DataType::Float64)),
        ("dictionary_small", dictionary(DataType::UInt16)),
    ];
    let w = Workshop::new();
    write(&w.path("a.parquet"), &columns);
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let plain = ["--transform", "none", "--scale", "none", "--tol", "0"];
    let input = w.text("a.parquet");
    w.run([&["fit", &input, "--k", "2", "--features", &names.join(",")][..], &plain].concat()).succeeds();
    let fitted = part(&w.out());
    assert_eq!(fitted["feature_names_in_"], serde_json::json!(names));
    for column in fitted["preparation"]["columns"].as_array().unwrap() {
        let (name, seen) = (&column["name"], &column["seen"]);
        let found = ["present", "nulls", "min", "max", "mean"].map(|key| seen[key].as_f64().unwrap());
        assert_eq!(found, [101.0, 0.0, 0.0, 100.0, 50.0], "{name}");
    }
    for center in fitted["cluster_centers_"].as_array().unwrap() {
        let center = center.as_array().unwrap();
        assert!(center.iter().all(|c| *c == center[0]), "types differ: {center:?}");
    }

    // Dates are features only if named.
    w.run(["fit", &input, "--k", "2"]).succeeds();
    let left_out = json(w.out().join("manifest.json"))["inputs"]["left_out"].to_string();
    for date in ["date32", "date64", "seconds", "millis", "micros", "nanos"] {
        assert!(left_out.contains(date), "{date} is not in {left_out}");
    }
    assert_eq!(part(&w.out())["feature_names_in_"].as_array().unwrap().len(), names.len() - 6);
}

fn flags_are_not_numbers_but_count() {
    let w = Workshop::new();
    let flags: BooleanArray = (0..100).map(|i| (i != 50).then_some(i % 4 == 0)).collect();
    write(&w.path("a.parquet"), &[("flag", Arc::new(flags)), ("x", f64s(noise(1).take(100)))]);
    w.run(["fit", &w.text("a.parquet"), "--k", "2", "--transform", "none", "--missing", "zero"]).succeeds();
    let seen = &part(&w.out())["preparation"]["columns"][0]["seen"];
    assert_eq!((&seen["present"], &seen["nulls"]), (&99.into(), &1.into()));
    assert!((seen["mean"].as_f64().unwrap() - 25.0 / 99.0).abs() < 1e-7, "{seen}");
}

const RECIPE: &str = r#"
[defaults]
transform = "none"
missing = "mean"
scale = "none"

[columns.z]
scale = "zscore"
clip = 1.0
[columns.robust]
scale = "robust"
missing = "median"
[columns.minmax]
scale = "minmax"
weight = 2.0
[columns.log]
transform = "log1p"
missing = "zero"
[columns.signed]
transform = "signed-log1p"
missing = 1.718281828459045
[columns.number]
missing = -7
[columns.strict]
missing = "refuse"
clip = inf
[columns.heavy]
transform = "auto"
[columns.even]
transform = "auto"
"#;

fn close(found: &Value, expected: f64) -> bool {
    found.as_f64().is_some_and(|f| (f - expected).abs() <= 1e-6 * expected.abs().max(1.0))
}

fn every_choice_of_a_recipe() {
    let v: Vec<f64> = days().into_iter().map(|d| d as f64).collect();
    let with_gap = |values: &[f64]| {
        let rows = values.iter().enumerate().map(|(i, &v)| (i != 4).then_some(v));
        some_f64s(rows.collect::<Vec<_>>())
    };
    let exponential = |sign: f64| v.iter().map(|d| sign * (d / 10.0).exp_m1()).collect::<Vec<_>>();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("plain", with_gap(&v)),
        ("z", f64s(v.clone())),
        ("robust", with_gap(&v)),
        ("minmax", f64s(v.clone())),
        ("log", with_gap(&exponential(1.0))),
        ("signed", with_gap(&exponential(-1.0))),
        ("number", with_gap(&v)),
        ("strict", f64s(v.clone())),
        ("heavy", f64s(exponential(1.0))),
        ("even", f64s(v.clone())),
    ];
    let w = Workshop::new();
    write(&w.path("a.parquet"), &columns);
    std::fs::write(w.path("recipe.toml"), RECIPE).unwrap();
    let input = w.text("a.parquet");
    w.run(["fit", &input, "--k", "2", "--recipe", &w.text("recipe.toml")]).succeeds();
    let fitted = part(&w.out());
    let column = |name: &str| {
        let columns = fitted["preparation"]["columns"].as_array().unwrap();
        columns.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no {name}")).clone()
    };
    let lost = v[4];
    // The values without the one at the gap.
    let mean = (5050.0 - lost) / 100.0;
    let deviation = 850f64.sqrt();
    let check = |name: &str, constants: &[(&str, f64)], words: &[(&str, &str)]| {
        let found = column(name);
        for (key, expected) in constants {
            assert!(close(&found[key], *expected), "{name}: {key} is {}, not {expected}", found[key]);
        }
        for (key, expected) in words {
            assert_eq!(found[key], *expected, "{name}: {key}");
        }
    };
    check("plain", &[("fill", mean), ("center", mean), ("unit", 1.0), ("weight", 1.0)], &[("scale", "none")]);
    check("z", &[("center", 50.0), ("unit", deviation), ("clip", 1.0)], &[("scale", "zscore"), ("missing", "mean")]);
    // Beyond one deviation (29.15...): 0 to 20 and 80 to 100.
    assert_eq!(column("z")["seen"]["clipped"], 42);
    let rest = {
        let mut rest: Vec<f64> = v.iter().copied().filter(|d| *d != lost).collect();
        rest.sort_by(f64::total_cmp);
        rest
    };
    let median = column("robust")["fill"].as_f64().unwrap();
    assert!((rest[49]..=rest[50]).contains(&median), "{median}");
    check("robust", &[("center", median)], &[("scale", "robust"), ("missing", "median")]);
    let range = column("robust")["unit"].as_f64().unwrap();
    assert!((49.0..=51.0).contains(&range), "an interquartile range of {range}");
    check("minmax", &[("center", 50.0), ("unit", 100.0), ("weight", 2.0)], &[("scale", "minmax")]);
    // ln(1 + e^(d / 10) - 1) = d / 10, and the gap is ln(1 + 0).
    check(
        "log",
        &[("fill", 0.0), ("center", (5050.0 - lost) / 1010.0)],
        &[("transform", "log1p"), ("missing", "zero")],
    );
    let filled = (1.0 - (5050.0 - lost) / 10.0) / 101.0;
    check("signed", &[("fill", 1.0), ("center", filled)], &[("transform", "signed-log1p")]);
    check("number", &[("fill", -7.0), ("center", (5050.0 - lost - 7.0) / 101.0), ("missing", -7.0)], &[]);
    check("strict", &[("center", 50.0)], &[("missing", "refuse")]);
    assert!(column("strict")["fill"].is_null() && column("strict")["clip"].is_null());
    check("heavy", &[("center", 5.0)], &[("transform", "signed-log1p")]);
    check("even", &[("center", 50.0)], &[("transform", "none")]);

    // On the grid, clipped values lie one deviation from the centre, and a weight of 2 doubles.
    let step = 2f64.powi(fitted["preparation"]["step_exponent"].as_i64().unwrap() as i32);
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let at = |name: &str| names.iter().position(|n| *n == name).unwrap();
    for (grid, own) in
        fitted["grid_centers_"].as_array().unwrap().iter().zip(fitted["cluster_centers_"].as_array().unwrap())
    {
        let scaled = grid[at("minmax")].as_f64().unwrap() * step;
        let expected = 2.0 * (own[at("minmax")].as_f64().unwrap() - 50.0) / 100.0;
        assert!((scaled - expected).abs() < 1e-4, "{scaled} {expected}");
        assert!(grid[at("z")].as_f64().unwrap().abs() * step <= 1.0);
    }

    // Missing values are refused if the recipe says so, and so is a log of values that have none.
    let mut columns = columns;
    columns[at("strict")].1 = with_gap(&v);
    columns[at("log")].1 = f64s(exponential(-1.0));
    write(&w.path("b.parquet"), &columns);
    let w2 = Workshop::new();
    let why = ["\"strict\" has 1 nulls, 0 NaN and 0 infinities", "\"log\" has", "-1 or less"];
    w2.refused(3, &why, ["fit", &w.text("b.parquet"), "--k", "2", "--recipe", &w.text("recipe.toml")]);
}

fn flags_and_recipe() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(60));
    // An option overrides the file's defaults, but not what the file sets for a column.
    std::fs::write(w.path("r.toml"), "[defaults]\nscale = \"robust\"\nclip = 5\n[columns.y]\nscale = \"minmax\"\n")
        .unwrap();
    w.run(["fit", &w.text("a.parquet"), "--k", "3", "--recipe", &w.text("r.toml"), "--scale", "zscore"]).succeeds();
    let recipe = part(&w.out())["preparation"].take();
    let choices = |i: usize| (recipe["columns"][i]["scale"].clone(), recipe["columns"][i]["clip"].clone());
    assert_eq!(choices(0), ("zscore".into(), 5.0.into()));
    assert_eq!(choices(1), ("minmax".into(), 5.0.into()));
}
