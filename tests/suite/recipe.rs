//! Recipes: every step against its definition, replayed as fitted, the same with any number of threads and in any
//! memory.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, StringArray};
use hyades::event::Watch;
use hyades::input::Source;
use hyades::prepare::{Design, Placement, Recipe, prepare, replay};
use hyades::roles::RoleRequest;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::command::{Workshop, done, json, labels_hash, part};
use crate::harness::tests;
use crate::tables::{batch, f64s, i64s, noise, read, some_f64s, three_groups, write, write_batch};

tests!(
    every_step_is_its_definition,
    components_are_the_same_rows_turned,
    correlated_features_are_left_out,
    the_same_bytes_in_any_surroundings,
    what_the_fit_did_not_see,
    what_makes_no_sense_is_refused,
    a_starting_recipe_is_taken_as_it_is,
    the_schema_knows_every_choice,
    odd_columns_are_fitted_and_replayed,
    roles_hold_for_recipes_too
);

/// By name, the prepared values of all rows in scaled units; fitted, and replayed by the model in batches of one row
/// group.
fn prepared(w: &Workshop, input: &str, recipe: &str) -> HashMap<String, Vec<f64>> {
    let source = Source::open(&[w.path(input)]).expect("a source");
    let spec: Recipe = toml::from_str(recipe).expect("a recipe");
    let names = source.columns().iter().map(|c| c.name.as_str());
    let request = RoleRequest { encoded: spec.encoded(names), ..RoleRequest::default() };
    let roles = request.resolve(&source).expect("roles");
    let design = Design::new(&source, &roles, &spec).expect("a design");
    let placement = Placement::default();
    let fitted = prepare(&source, &roles, &design, &spec, &placement, Watch::none()).expect("prepared");
    let recipe = &fitted.recipe;
    let rows =
        |tiles: &hyades::tiles::Tiles| (0..tiles.rows()).map(|r| tiles.row(r).expect("a row")).collect::<Vec<_>>();
    let all = rows(&fitted.tiles);
    let design = Design::of_recipe(&source, recipe).expect("the same design");
    let again: Vec<Vec<i32>> = source
        .row_groups()
        .chunks(1)
        .flat_map(|group| {
            rows(&replay(&source, &design, recipe, group, &placement, Watch::none()).expect("replayed").0)
        })
        .collect();
    assert!(all == again, "replaying does not give what fitting gave");
    let scaled = |f: usize| all.iter().map(|row| f64::from(row[f]) * recipe.step()).collect();
    let names: Vec<String> = match recipe.projection {
        Some(_) => (0..recipe.grid_dim()).map(|i| format!("component_{}", i + 1)).collect(),
        None => recipe.feature_names().into_iter().map(str::to_owned).collect(),
    };
    names.into_iter().enumerate().map(|(f, name)| (name, scaled(f))).collect()
}

fn mean(v: &[f64]) -> f64 {
    v.iter().sum::<f64>() / v.len() as f64
}

fn variance(v: &[f64]) -> f64 {
    let m = mean(v);
    mean(&v.iter().map(|x| (x - m) * (x - m)).collect::<Vec<_>>())
}

fn present(v: &[Option<f64>]) -> Vec<f64> {
    v.iter().flatten().copied().filter(|x| x.is_finite()).collect()
}

/// NumPy's default.
fn quantile(v: &[f64], q: f64) -> f64 {
    let mut v = v.to_vec();
    v.sort_by(f64::total_cmp);
    let at = (v.len() - 1) as f64 * q;
    let (low, high) = (v[at.floor() as usize], v[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

fn zscored(v: &[f64]) -> Vec<f64> {
    let (m, d) = (mean(v), variance(v).sqrt());
    v.iter().map(|x| (x - m) / d).collect()
}

fn filled(v: &[Option<f64>], with: f64) -> Vec<f64> {
    v.iter().map(|x| x.filter(|x| x.is_finite()).unwrap_or(with)).collect()
}

const STEPS: &str = r#"
[defaults]
transform = "none"
missing = "mean"
clip = inf

[columns.coded]
sentinels = [99, -1]
missing = "zero"
indicator = true
[columns.tails]
winsorise = [0.1, 0.8]
[columns.root]
transform = "sqrt"
missing = 4
[columns.share]
transform = "quantile"
missing = 0
[columns.since]
age_at = "2020-01-11"
scale = "none"
missing = "zero"
[columns.city]
encode = "one-hot"
top = 2
[columns.branch]
encode = "frequency"
[columns.grade]
encode = "ordinal"
order = ["low", "middle", "high"]
[derived.a_root]
ratio = ["coded", "root"]
[derived.less]
difference = ["coded", "tails"]
[columns."le*"]
scale = "minmax"
missing = "zero"
[blocks.pair]
columns = ["tails", "root"]
weight = 3.0
"#;

/// Small random tables with gaps, ties and infinities; every feature against its definition, in f64.
fn every_step_is_its_definition() {
    let number = || {
        prop_oneof![6 => (-40i32..120).prop_map(|v| Some(f64::from(v) / 4.0)), 1 => Just(None),
        1 => Just(Some(99.0)), 1 => Just(Some(-1.0)), 1 => Just(Some(f64::INFINITY)), 1 => Just(Some(f64::NAN))]
    };
    let word = |words: &'static [&'static str]| prop::option::weighted(0.9, prop::sample::select(words));
    let row = (
        number(),
        number(),
        number(),
        word(&["Bern", "Basel", "Genf", "Chur", "Thun"]),
        word(&["low", "middle", "high", "unheard of"]),
        prop::option::weighted(0.9, 0i32..200),
    );
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    // Quantiles of ties depend on the last bit of a position, so the random tables must be the same every time.
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner
        .run(&(prop::collection::vec(row, 40..300), 7usize..100), |(rows, group_rows)| {
            let w = Workshop::new();
            let coded: Vec<Option<f64>> = rows.iter().map(|r| r.0).collect();
            let tails: Vec<Option<f64>> = rows.iter().map(|r| r.1.map(|v| if v == 99.0 { 1e5 } else { v })).collect();
            let root: Vec<Option<f64>> = rows.iter().map(|r| r.2.map(f64::abs)).collect();
            let city: Vec<Option<&str>> = rows.iter().map(|r| r.3).collect();
            let grade: Vec<Option<&str>> = rows.iter().map(|r| r.4).collect();
            let days: Vec<Option<i32>> = rows.iter().map(|r| r.5.map(|d| 18_000 + d)).collect();
            let columns: Vec<(&str, ArrayRef)> = vec![
                ("coded", some_f64s(coded.clone())),
                ("tails", some_f64s(tails.clone())),
                ("root", some_f64s(root.clone())),
                ("share", some_f64s(tails.clone())),
                ("since", Arc::new(Date32Array::from(days.clone()))),
                ("city", Arc::new(StringArray::from(city.clone()))),
                ("branch", Arc::new(StringArray::from(city.clone()))),
                ("grade", Arc::new(StringArray::from(grade.clone()))),
            ];
            write_batch(&w.path("a.parquet"), &batch(&columns), group_rows);
            let found = prepared(&w, "a.parquet", STEPS);
            let n = rows.len() as f64;
            let is = |name: &str, expected: Vec<f64>| {
                // Constant columns are left out.
                if variance(&expected) == 0.0 {
                    assert!(!found.contains_key(name), "{name}");
                    return;
                }
                let found = found.get(name).unwrap_or_else(|| panic!("{name} is not there"));
                let (ours, theirs) = (mean(found), mean(&expected));
                for (row, (a, b)) in found.iter().zip(&expected).enumerate() {
                    let (a, b) = (a - ours, b - theirs);
                    assert!((a - b).abs() <= 2e-4 * b.abs().max(1.0), "{name}, row {row}: {a} and not {b}");
                }
            };
            let decoded: Vec<Option<f64>> = coded.iter().map(|v| v.filter(|v| ![99.0, -1.0].contains(v))).collect();
            is("coded", zscored(&filled(&decoded, 0.0)));
            let gone = |v: &Option<f64>| f64::from(u8::from(!v.is_some_and(f64::is_finite)));
            is("coded_missing", decoded.iter().map(gone).collect());
            let (low, high) = (quantile(&present(&tails), 0.1), quantile(&present(&tails), 0.8));
            let pulled: Vec<Option<f64>> =
                tails.iter().map(|v| v.filter(|v| v.is_finite()).map(|v| v.clamp(low, high))).collect();
            // Two columns share a weight of 3: each has 3 / sqrt(2).
            let shared = |v: Vec<f64>| v.into_iter().map(|v| v * 3.0 / 2f64.sqrt()).collect::<Vec<_>>();
            let tails_expected = filled(&pulled, mean(&present(&pulled)));
            let roots: Vec<Option<f64>> = root.iter().map(|v| v.map(f64::sqrt)).collect();
            is("root", shared(zscored(&filled(&roots, 2.0))));
            if variance(&tails_expected) > 0.0 {
                is("tails", shared(zscored(&tails_expected)));
            }
            let all = present(&tails);
            let landmarks: Vec<f64> = (0..=100).map(|i| quantile(&all, f64::from(i) / 100.0)).collect();
            let interpolated = |x: f64, xs: &[f64], ys: &[f64]| {
                let at = xs.partition_point(|v| *v <= x);
                match at {
                    0 => ys[0],
                    at if at == xs.len() => ys[at - 1],
                    at => ys[at - 1] + (ys[at] - ys[at - 1]) * (x - xs[at - 1]) / (xs[at] - xs[at - 1]),
                }
            };
            let up: Vec<f64> = (0..=100).map(|i| f64::from(i) / 100.0).collect();
            let back: Vec<f64> = landmarks.iter().rev().map(|v| -v).collect();
            let down: Vec<f64> = up.iter().rev().map(|v| -v).collect();
            let rank = |x: f64| match x {
                x if x == landmarks[0] => 0.0,
                x if x == landmarks[100] => 1.0,
                x => (interpolated(x, &landmarks, &up) - interpolated(-x, &back, &down)) / 2.0,
            };
            is(
                "share",
                zscored(&tails.iter().map(|v| rank(v.filter(|v| v.is_finite()).unwrap_or(0.0))).collect::<Vec<_>>()),
            );
            // 2020-01-11 is day 18272.
            is("since", days.iter().map(|d| d.map_or(0.0, |d| f64::from(18_272 - d))).collect());

            let count = |name: &str| city.iter().filter(|c| **c == Some(name)).count();
            let mut names: Vec<&str> =
                ["Bern", "Basel", "Genf", "Chur", "Thun"].into_iter().filter(|c| count(c) > 0).collect();
            names.sort_by_key(|name| (std::cmp::Reverse(count(name)), *name));
            // A single category left over gets a feature of its own.
            let own = if names.len() == 3 { 3 } else { names.len().min(2) };
            let mut hot: Vec<(String, Vec<f64>)> = names[..own]
                .iter()
                .map(|name| {
                    (format!("city={name}"), city.iter().map(|c| f64::from(u8::from(*c == Some(*name)))).collect())
                })
                .collect();
            let others = |c: &Option<&str>| f64::from(u8::from(c.is_some_and(|c| !names[..own].contains(&c))));
            hot.push(("city=(other)".into(), city.iter().map(others).collect()));
            hot.push(("city=(missing)".into(), city.iter().map(|c| f64::from(u8::from(c.is_none()))).collect()));
            let unit = hot.iter().map(|(_, v)| variance(v)).sum::<f64>().sqrt();
            for (name, values) in hot {
                is(&name, values.into_iter().map(|v| v / unit).collect());
            }
            let known = n - city.iter().filter(|c| c.is_none()).count() as f64;
            let shares: Vec<Option<f64>> = city.iter().map(|c| c.map(|c| count(c) as f64 / known)).collect();
            is("branch", zscored(&filled(&shares, mean(&present(&shares)))));
            let places: Vec<Option<f64>> = grade
                .iter()
                .map(|g| ["low", "middle", "high"].iter().position(|o| Some(*o) == *g).map(|p| p as f64))
                .collect();
            if !present(&places).is_empty() {
                is("grade", zscored(&filled(&places, mean(&present(&places)))));
            }

            let two = |a: &[Option<f64>], b: &[Option<f64>], f: fn(f64, f64) -> f64| -> Vec<Option<f64>> {
                a.iter().zip(b).map(|(a, b)| Some(f((*a)?, (*b)?)).filter(|v| v.is_finite())).collect()
            };
            let ratio = two(&decoded, &root, |a, b| a / b);
            is("a_root", zscored(&filled(&ratio, mean(&present(&ratio)))));
            let less = filled(&two(&decoded, &tails, |a, b| a - b), 0.0);
            let range = less.iter().copied().fold(f64::MIN, f64::max) - less.iter().copied().fold(f64::MAX, f64::min);
            is("less", less.into_iter().map(|v| v / range).collect());
            Ok(())
        })
        .unwrap();
}

fn components_are_the_same_rows_turned() {
    let w = Workshop::new();
    let [a, b, c] = [1, 2, 3].map(|seed| noise(seed).take(500).collect::<Vec<f64>>());
    let mix = |f: fn(f64, f64, f64) -> f64| f64s((0..500).map(|i| f(a[i], b[i], c[i])));
    let columns: Vec<(&str, ArrayRef)> =
        vec![("x", mix(|a, _, _| a)), ("y", mix(|a, b, _| a + 0.3 * b)), ("z", mix(|a, b, c| a - b + 0.1 * c))];
    write_batch(&w.path("a.parquet"), &batch(&columns), 64);
    let plain = prepared(&w, "a.parquet", "");
    let turned = prepared(&w, "a.parquet", "[reduce]\ncomponents = 3");
    let row = |of: &HashMap<String, Vec<f64>>, names: [&str; 3], i: usize| names.map(|name| of[name][i]);
    let distance = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
    for i in 0..499 {
        let before = distance(row(&plain, ["x", "y", "z"], i), row(&plain, ["x", "y", "z"], i + 1));
        let names = ["component_1", "component_2", "component_3"];
        let after = distance(row(&turned, names, i), row(&turned, names, i + 1));
        assert!((before - after).abs() < 1e-5, "row {i}: {before} became {after}");
    }
    let spread = ["component_1", "component_2", "component_3"].map(|name| variance(&turned[name]));
    assert!(spread.is_sorted_by(|a, b| a >= b) && (spread.iter().sum::<f64>() - 3.0).abs() < 1e-4, "{spread:?}");
    let white = prepared(&w, "a.parquet", "[reduce]\nvariance = 1.0\nwhiten = true");
    for (i, (name, of_one)) in white.iter().enumerate() {
        assert!((variance(of_one) - 1.0).abs() < 1e-4, "{name}");
        for of_other in white.values().skip(i + 1) {
            let product = mean(&of_one.iter().zip(of_other).map(|(a, b)| a * b).collect::<Vec<_>>());
            assert!(product.abs() < 1e-4, "components are not independent: {product}");
        }
    }
    // Centroids are converted back to the features' original units.
    let input = w.text("a.parquet");
    std::fs::write(w.path("r.toml"), "[reduce]\ncomponents = 3\n").unwrap();
    let centers = |extra: &[&str]| {
        w.run([&["fit", &input, "--k", "1"][..], extra].concat()).succeeds();
        let centers = &part(&w.out())["cluster_centers_"][0];
        [0, 1, 2].map(|f| centers[f].as_f64().unwrap())
    };
    let (without, with) = (centers(&[]), centers(&["--recipe", &w.text("r.toml")]));
    assert!(without.iter().zip(with).all(|(a, b)| (a - b).abs() < 1e-4), "{without:?} {with:?}");
    assert_eq!(part(&w.out())["feature_names_in_"].as_array().unwrap().len(), 3);
}

fn correlated_features_are_left_out() {
    let w = Workshop::new();
    let [a, b] = [1, 2].map(|seed| noise(seed).take(400).collect::<Vec<f64>>());
    let nearly: Vec<f64> = a.iter().zip(&b).map(|(a, b)| -3.0 * a + 0.5 * b).collect();
    write(&w.path("a.parquet"), &[("a", f64s(a)), ("b", f64s(b)), ("nearly", f64s(nearly))]);
    std::fs::write(w.path("r.toml"), "[reduce]\nmax_correlation = 0.95\n").unwrap();
    w.run(["fit", &w.text("a.parquet"), "--k", "3", "--recipe", &w.text("r.toml")]).succeeds();
    let fitted = part(&w.out());
    assert_eq!(fitted["feature_names_in_"], serde_json::json!(["a", "b"]));
    let reason = fitted["preparation"]["dropped"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("its correlation with a is -0.98"), "{reason}");
}

/// A table with all of these, in row groups of 100.
fn everything(w: &Workshop, rows: usize) -> String {
    let noisy = |seed: u64| noise(seed).take(rows).collect::<Vec<f64>>();
    let heavy = noisy(1).into_iter().map(|u| Some(1.0 / (u + 1e-4)).filter(|v| v.fract() > 0.05));
    let word = |u: f64| ["red", "green", "blue", "grey"][(u * u * 4.0) as usize];
    let words: Vec<&str> = noisy(2).into_iter().map(word).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", i64s(0..rows as i64)),
        ("heavy", some_f64s(heavy)),
        ("even", f64s(noisy(3))),
        ("other", f64s(noisy(4).into_iter().map(|u| u * u * 50.0 - 10.0))),
        ("colour", Arc::new(StringArray::from(words))),
    ];
    write_batch(&w.path("all.parquet"), &batch(&columns), 100);
    std::fs::write(
        w.path("all.toml"),
        "[columns.heavy]\ntransform = \"yeo-johnson\"\nwinsorise = [0.01, 0.99]\nindicator = true\n\
         [columns.even]\ntransform = \"quantile\"\n[columns.other]\ntransform = \"yeo-johnson\"\nscale = \"robust\"\n\
         [columns.colour]\nencode = \"one-hot\"\ntop = 2\n[derived.d]\nratio = [\"other\", \"even\"]\n\
         [reduce]\nmax_correlation = 0.99\nvariance = 0.9\n",
    )
    .unwrap();
    w.text("all.parquet")
}

fn the_same_bytes_in_any_surroundings() {
    let w = Workshop::new();
    let input = everything(&w, 3000);
    let recipe = w.text("all.toml");
    let outcome = |extra: &[&str]| {
        w.run([&["fit", &input, "--k", "4", "--recipe", &recipe][..], extra].concat()).succeeds();
        (
            std::fs::read(w.out().join("model.json")).unwrap(),
            std::fs::read(w.out().join("segments/part-00000.parquet")).unwrap(),
        )
    };
    let expected = outcome(&[]);
    let hash = labels_hash(&w.out());
    std::fs::copy(w.out().join("model.json"), w.path("model.json")).unwrap();
    for extra in [
        &["--threads", "1"][..],
        &["--threads", "3", "--chunk-rows", "64"],
        &["--simd", "portable", "--chunk-rows", "192"],
        &["--memory", "150MiB", "--chunk-rows", "128"],
        &["--backend", "reference"],
    ] {
        assert!(outcome(extra) == expected, "other bytes with {extra:?}");
    }
    w.run(["assign", &w.text("model.json"), &input]).succeeds();
    assert_eq!(labels_hash(&w.out()), hash, "assign does not replay what fit did");
    for threads in ["1", "3"] {
        let to = w.text(&format!("{threads}.parquet"));
        done(["recipe", "apply", &w.text("model.json"), &input, "--threads", threads, "--out", &to]);
    }
    assert!(std::fs::read(w.path("1.parquet")).unwrap() == std::fs::read(w.path("3.parquet")).unwrap());
    let table = read(&w.path("1.parquet"));
    assert_eq!((table.num_rows(), table.schema().field(0).name().as_str()), (3000, "id"));
    assert_eq!(table.schema().field(1).name(), "component_1");
}

fn what_the_fit_did_not_see() {
    let w = Workshop::new();
    let words = |words: [&'static str; 3]| -> ArrayRef {
        Arc::new((0..90).map(|i| Some(words[i % 3])).collect::<StringArray>())
    };
    let fit = |recipe: &str| {
        let mut columns = three_groups(90);
        columns.push(("tier", words(["gold", "silver", "basic"])));
        write(&w.path("a.parquet"), &columns);
        std::fs::write(w.path("r.toml"), recipe).unwrap();
        w.run(["fit", &w.text("a.parquet"), "--k", "3", "--recipe", &w.text("r.toml")]).succeeds();
        std::fs::copy(w.out().join("model.json"), w.path("model.json")).unwrap();
    };
    let mut columns = three_groups(90);
    columns[1].1 = f64s((0..90).map(|i| f64::from(i) - 20.0));
    columns.push(("tier", words(["gold", "platinum", "basic"])));
    write(&w.path("b.parquet"), &columns);
    fit("[columns.tier]\nencode = \"one-hot\"\n");
    let said = w.run(["assign", &w.text("model.json"), &w.text("b.parquet")]).succeeds();
    assert!(said.err.contains("30 of 90 rows have a category that the fit did not see"), "{}", said.err);
    let counts = &json(w.out().join("manifest.json"))["parts"][0]["columns"];
    let of = |name: &str, key: &str| {
        counts.as_array().unwrap().iter().find(|c| c["name"] == name).unwrap_or(&counts[0])[key].clone()
    };
    // x of the fit lies between -0.5 and 20.5.
    let outside = (0..90).map(|i| f64::from(i) - 20.0).filter(|x| !(-0.5..=20.5).contains(x)).count() as i64;
    let found = of("x", "outside").as_i64().unwrap();
    assert!((outside..outside + 2).contains(&found), "{found} outside, about {outside} expected");
    assert_eq!(of("tier=basic", "unseen"), 30);

    let w2 = Workshop::new();
    let strict = |recipe: &str, why: &[&str]| {
        fit(recipe);
        w2.refused(3, why, ["assign", &w.text("model.json"), &w.text("b.parquet")]);
    };
    strict(
        "[columns.tier]\nencode = \"one-hot\"\nunseen = \"refuse\"\n",
        &["\"tier\" has 30 values in categories that the fit did not see"],
    );
    strict(
        "[columns.x]\nunseen = \"refuse\"\n",
        &["\"x\" has", "values outside the range of the fit; its recipe refuses unseen values"],
    );
    // Rows of the fit are all as in the fit: gaps of a one-hot column are a category, and winsorised values lay within.
    let gaps = (0..90).map(|i| (i % 4 > 0).then_some("gold")).collect::<StringArray>();
    let mut columns = three_groups(90);
    columns.push(("tier", Arc::new(gaps)));
    write(&w.path("gaps.parquet"), &columns);
    let recipe = "[columns.tier]\nencode = \"one-hot\"\n[columns.x]\nwinsorise = [0.1, 0.9]\nunseen = \"refuse\"\n";
    std::fs::write(w.path("r.toml"), recipe).unwrap();
    let (input, recipe) = (w.text("gaps.parquet"), w.text("r.toml"));
    w.run(["fit", &input, "--k", "3", "--recipe", &recipe]).succeeds();
    let said = done(["assign", w.out().to_str().unwrap(), &input, "--max-missing", "0", "--out", &w.text("again")]).err;
    assert!(!said.contains("WARN") && !said.contains("outside the range"), "{said}");
    // With weights, rows are compared all the same.
    columns.push(("w", i64s((0..90).map(|i| if i % 4 > 0 { 1000 } else { 1 }))));
    write(&w.path("weighed.parquet"), &columns);
    std::fs::write(w.path("r.toml"), "[columns.tier]\nencode = \"one-hot\"\n").unwrap();
    let (input, recipe) = (w.text("weighed.parquet"), w.text("r.toml"));
    w.run(["fit", &input, "--k", "3", "--recipe", &recipe, "--row-weight", "w"]).succeeds();
    let said = done(["assign", w.out().to_str().unwrap(), &input, "--max-missing", "0", "--out", &w.text("weighed")]);
    assert!(!said.err.contains("has no value in"), "{}", said.err);
    // A model whose column is missing reports it.
    write(&w.path("c.parquet"), &three_groups(90));
    fit("[columns.tier]\nencode = \"one-hot\"\n");
    w2.refused(
        3,
        &["lacks columns that the model needs: tier"],
        ["assign", &w.text("model.json"), &w.text("c.parquet")],
    );
}

fn what_makes_no_sense_is_refused() {
    let w = Workshop::new();
    let mut columns = three_groups(60);
    columns.push(("tier", Arc::new((0..60).map(|i| Some(["a", "b"][i % 2])).collect::<StringArray>())));
    write(&w.path("a.parquet"), &columns);
    let recipe = w.text("r.toml");
    let refused = |code, text: &str, parts: &[&str]| {
        std::fs::write(&recipe, text).unwrap();
        w.refused(code, parts, ["fit", &w.text("a.parquet"), "--k", "3", "--recipe", &recipe]);
    };
    let usage = |text: &str, parts: &[&str]| refused(2, text, parts);
    usage("[columns.x]\nwinsorize = [0, 1]\n", &["line 2", "winsorize", "did you mean \"winsorise\"?"]);
    usage("[columns.x]\ntransform = \"yeo_johnson\"\n", &["line 2", "did you mean \"yeo-johnson\"?"]);
    usage("[columns.x]\nwinsorise = [0.9, 0.1]\n", &["x: winsorise takes two quantiles", "r.toml:1:10"]);
    usage("\n[columns.X]\nweight = 2\n", &["\"X\" is not a column (did you mean \"x\"?) (", "r.toml:2:10"]);
    usage(
        "[columns.id]\nweight = 2\n[columns.q]\nweight = 2\n",
        &["\"id\" is a column, but not a feature", "\"q\" is not a column"],
    );
    usage("[columns.x]\ntop = 3\n", &["x: top is for encode = \"one-hot\""]);
    usage("[columns.tier]\nencode = \"ordinal\"\n", &["tier: encode = \"ordinal\" needs order"]);
    usage("[columns.tier]\nencode = \"one-hot\"\nmissing = 0\n", &["are for numbers, not for encode"]);
    usage("[columns.x]\nage_at = \"2020-02-30\"\n", &["x: age_at must be a day"]);
    usage("[columns.x]\nage_at = \"2020-02-28\"\n", &["x is not a date (Float64)", "r.toml:1:10"]);
    usage("[columns.x]\nscale = \"block\"\n", &["x: scale = \"block\" is for"]);
    usage("[derived.r]\nratio = [\"x\", \"z\"]\n", &["derived feature r: no column is named \"z\"", "r.toml:1:10"]);
    usage("[derived.x]\nratio = [\"x\", \"y\"]\n", &["derived feature x: a column has this name"]);
    usage("[derived.r]\n", &["derived feature r: it needs either ratio or difference"]);
    usage("[derived.r]\nratio = [\"x\", \"tier\"]\n", &["tier is not a number (Utf8)"]);
    usage("[blocks.b]\ncolumns = [\"w*\"]\n", &["\"w*\" matches no feature", "r.toml:1:9"]);
    usage(
        "[blocks.b]\ncolumns = [\"x\"]\n[blocks.c]\ncolumns = [\"*\"]\n",
        &["x belongs to blocks b and c; a column can belong to only one"],
    );
    usage("[reduce]\ncomponents = 3\nvariance = 0.5\n", &["reduce: give components or variance, not both"]);
    usage("[reduce]\ncomponents = 30\n", &["30 components of 2 features"]);
    usage("[reduce]\nwhiten = true\n", &["reduce: whiten needs components or variance"]);
    refused(
        3,
        "[columns.y]\ntransform = \"sqrt\"\n",
        &["\"y\" has", "negative values, for which sqrt is undefined; use yeo-johnson"],
    );
    w.refused(
        2,
        &["\"tier\" is text (Utf8)", "a recipe can encode"],
        ["fit", &w.text("a.parquet"), "--k", "3", "--features", "tier"],
    );
    let ids: ArrayRef = Arc::new((0..100_001).map(|i| Some(format!("name {i}"))).collect::<StringArray>());
    write(&w.path("ids.parquet"), &[("x", f64s(noise(1).take(100_001))), ("who", ids)]);
    std::fs::write(&recipe, "[columns.who]\nencode = \"frequency\"\n").unwrap();
    let why = ["\"who\" cannot be encoded: it has more than 100000 different values"];
    w.refused(3, &why, ["fit", &w.text("ids.parquet"), "--k", "3", "--recipe", &recipe]);
}

/// Awkward names, sentinels, gaps, text, a heavy tail and duplicate columns.
fn a_starting_recipe_is_taken_as_it_is() {
    let w = Workshop::new();
    let rows = 2000;
    let noisy = |seed: u64| noise(seed).take(rows).collect::<Vec<f64>>();
    let coded = noisy(1).into_iter().enumerate().map(|(i, u)| if i % 50 == 0 { 999.0 } else { (u * 20.0).floor() });
    let gaps = noisy(2).into_iter().map(|u| Some(u).filter(|u| *u > 0.1));
    let heavy = noisy(3).into_iter().map(|u| 1.0 / (u * u + 1e-9));
    let twin: Vec<f64> = noisy(5);
    let names = [
        "coded \"in quotes\"",
        "line\nbreak <b>bold</b>",
        "heavy.tail #1",
        "=twin()",
        "twin'",
        "\u{1f600} smile \\ slash",
    ];
    let word: ArrayRef =
        Arc::new(noisy(6).iter().map(|u| Some(["x", "y\n]", "z\""][(u * 3.0) as usize])).collect::<StringArray>());
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", i64s(0..rows as i64)),
        (names[0], f64s(coded)),
        (names[1], some_f64s(gaps)),
        (names[2], f64s(heavy)),
        (names[3], f64s(twin.clone())),
        (names[4], f64s(twin.into_iter().map(|v| v * 2.0 + 1.0))),
        (names[5], word),
    ];
    write(&w.path("a.parquet"), &columns);
    let (input, recipe) = (w.text("a.parquet"), w.text("r.toml"));
    let said = done(["recipe", "init", &input, "--out", &recipe]);
    assert!(said.out.contains("next: hyades fit"), "{}", said.out);
    let text = std::fs::read_to_string(&recipe).unwrap();
    for part in
        ["sentinels = [999.0]", "indicator = true", "winsorise", "encode = \"one-hot\"", "max_correlation = 0.95"]
    {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    assert_eq!(done(["recipe", "init", &input]).out.trim_end(), text.trim_end());
    w.run(["fit", &input, "--k", "3", "--recipe", &recipe]).succeeds();
    let recipe_of = part(&w.out())["preparation"].take();
    assert_eq!(recipe_of["sentinels"][names[0]], serde_json::json!([999.0]));
    assert_eq!(recipe_of["dropped"][0]["name"], names[4]);
    assert_eq!(recipe_of["columns"][0]["seen"]["sentinels"], 40);
    crate::command::Ran::from(crate::harness::hyades(["recipe", "init", &input, "--out", &recipe]))
        .is_refused(2, &["r.toml already exists"]);
}

/// The schema for editors lists the choices that the program accepts.
fn the_schema_knows_every_choice() {
    let schema: serde_json::Value = serde_json::from_str(&done(["recipe", "schema"]).out).expect("JSON");
    let text = schema.to_string();
    for word in ["sentinels", "winsorise", "yeo-johnson", "one-hot", "age_at", "max_correlation", "whiten", "ratio"] {
        assert!(text.contains(&format!("\"{word}\"")), "no {word} in the schema");
    }
    let sections: Vec<&String> = schema["properties"].as_object().expect("sections").keys().collect();
    assert_eq!(sections, ["blocks", "columns", "defaults", "derived", "reduce"]);
}

/// One value and gaps, values beyond any power, gaps that the fit did not see: the fitted preparation can be replayed.
fn odd_columns_are_fitted_and_replayed() {
    let w = Workshop::new();
    let mut columns = three_groups(60);
    let words = |gap: usize| -> ArrayRef {
        let word = |i: usize| (i != gap).then_some(["low", "middle", "middle", "high"][i % 4]);
        Arc::new((0..60).map(word).collect::<StringArray>())
    };
    columns.push(("single", some_f64s((0..60).map(|i| (i % 3 > 0).then_some(5.0)))));
    columns.push(("rank", some_f64s((0..60).map(|i| (i % 4 > 0).then_some(7.0)))));
    columns.push(("huge", f64s((0..60).map(|i| if i == 9 { 1e100 } else { f64::from(i) }))));
    columns.push(("grade", words(99)));
    columns.push(("product", words(99)));
    write(&w.path("a.parquet"), &columns);
    std::fs::write(
        w.path("r.toml"),
        "[columns.single]\ntransform = \"yeo-johnson\"\nmissing = \"zero\"\n\
         [columns.rank]\ntransform = \"quantile\"\nmissing = 1\n[columns.huge]\ntransform = \"yeo-johnson\"\n\
         [columns.grade]\nencode = \"ordinal\"\norder = [\"low\", \"middle\", \"high\"]\n\
         [columns.product]\nencode = \"one-hot\"\n",
    )
    .unwrap();
    w.run(["fit", &w.text("a.parquet"), "--k", "3", "--recipe", &w.text("r.toml")]).succeeds();
    let hash = labels_hash(&w.out());
    std::fs::copy(w.out().join("model.json"), w.path("model.json")).unwrap();
    w.run(["assign", &w.text("model.json"), &w.text("a.parquet")]).succeeds();
    assert_eq!(labels_hash(&w.out()), hash);
    // A gap in a column that had none in the fit becomes the median order; and a category that the one-hot fit did not
    // see.
    columns[6].1 = words(0);
    columns[7].1 = words(0);
    write(&w.path("b.parquet"), &columns);
    let said = w.run(["assign", &w.text("model.json"), &w.text("b.parquet")]).succeeds();
    assert!(said.err.contains("product: 1 of 60 rows have a category that the fit did not see"), "{}", said.err);
    done(["recipe", "apply", &w.text("model.json"), &w.text("b.parquet"), "--out", &w.text("p.parquet")]);
    let table = read(&w.path("p.parquet"));
    let grade = table.column_by_name("grade").unwrap().as_primitive::<arrow::datatypes::Float32Type>().clone();
    assert_eq!(grade.value(0), grade.value(1), "a gap is not the median");
    std::fs::write(
        w.path("r.toml"),
        "[columns.grade]\nencode = \"ordinal\"\norder = [\"low\", \"high\"]\nmissing = \"refuse\"\n",
    )
    .unwrap();
    let w2 = Workshop::new();
    let why = ["\"grade\" has 30 values that are not in its order"];
    w2.refused(3, &why, ["fit", &w.text("a.parquet"), "--k", "3", "--recipe", &w.text("r.toml")]);
}

/// Columns that may not be features may not be parts of one, nor categories.
fn roles_hold_for_recipes_too() {
    let w = Workshop::new();
    let mut columns = three_groups(60);
    columns.push(("age_years", f64s(noise(7).take(60).map(|u| 20.0 + 50.0 * u))));
    columns.push(("iban", Arc::new((0..60).map(|i| Some(format!("CH{}", i % 7))).collect::<StringArray>())));
    write(&w.path("a.parquet"), &columns);
    let (input, recipe) = (w.text("a.parquet"), w.text("r.toml"));
    let refused = |text: &str, parts: &[&str]| {
        std::fs::write(&recipe, text).unwrap();
        w.refused(2, parts, ["fit", &input, "--k", "3", "--recipe", &recipe]);
    };
    refused("[derived.d]\ndifference = [\"id\", \"x\"]\n", &["derived feature d: id is the id column"]);
    refused(
        "[derived.d]\nratio = [\"x\", \"age_years\"]\n",
        &["age_years is a protected attribute (age); --include age_years to use it"],
    );
    std::fs::write(&recipe, "[columns.\"i*\"]\nencode = \"frequency\"\n[columns.x]\nweight = 1\n").unwrap();
    w.refused(2, &["\"i*\" matches no feature"], ["fit", &input, "--k", "3", "--recipe", &recipe]);
    w.run(["fit", &input, "--k", "3", "--recipe", &recipe, "--include", "iban"]).succeeds();
    assert_eq!(part(&w.out())["feature_names_in_"], serde_json::json!(["x", "y", "iban"]));
}
