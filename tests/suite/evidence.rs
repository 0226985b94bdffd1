//! What a run proves about itself: who computed what from what, results for programs, figures of few customers, limits,
//! and a model that a few lines of arithmetic replay.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::command::{Ran, Workshop, json, labels_hash, model};
use crate::harness::{python_test, root, tests};
use crate::tables::{f64s, i64s, noise, read, segments, three_groups, write};

tests!(
    a_manifest_says_which_program_ran_when_and_with_what,
    a_result_for_programs,
    a_log_ends_with_the_result,
    single_customers_are_warned_of_and_not_described,
    an_audit_withholds_few_customers,
    a_disparity_beyond_the_limit_publishes_nothing,
    a_few_lines_replay_a_model,
);

fn customers() -> String {
    root().join("data/customers.parquet").to_str().expect("text").to_owned()
}

fn a_manifest_says_which_program_ran_when_and_with_what() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(90));
    std::fs::write(w.path("r.toml"), "[defaults]\nscale = \"robust\"\n").unwrap();
    std::fs::write(w.path("rules.toml"), "[[rule]]\nname = \"one\"\nwhen = \"id = 100\"\n").unwrap();
    let (input, recipe, rules) = (w.text("a.parquet"), w.text("r.toml"), w.text("rules.toml"));
    w.run(["fit", &input, "--k", "3", "--recipe", &recipe, "--rules", &rules]).succeeds();
    let manifest = json(w.out().join("manifest.json"));
    let time = |key: &str| manifest["time"][key].as_str().expect("a time").to_owned();
    assert!(time("started") <= time("ended"), "{manifest}");
    assert!(time("ended").len() == 24 && time("ended").ends_with('Z'), "{manifest}");
    let tool = &manifest["tool"];
    assert_eq!(tool["hyades_version"], env!("CARGO_PKG_VERSION"));
    assert!(tool["features"].as_array().unwrap().contains(&"cli".into()), "{tool}");
    assert!(tool["target"].as_str().unwrap().contains(std::env::consts::ARCH), "{tool}");
    for (at, (role, path)) in [("recipe", &recipe), ("rules", &rules)].into_iter().enumerate() {
        let document = &manifest["documents"][at];
        assert_eq!((&document["role"], &document["path"]), (&role.into(), &path.as_str().into()));
        assert_eq!(document["blake3"], blake3::hash(&std::fs::read(path).unwrap()).to_hex().as_str());
    }
    assert_eq!(manifest["operator"], Value::Null, "names only on request");
    w.run(["fit", &input, "--k", "3", "--record-user"]).succeeds();
    let manifest = json(w.out().join("manifest.json"));
    assert!(manifest["operator"]["host"].is_string(), "{}", manifest["operator"]);
    assert_eq!(manifest["request"]["output"]["record_user"], true);
}

fn a_result_for_programs() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(90));
    let (input, file) = (w.text("a.parquet"), w.text("result.json"));
    // The folder is replaced as a whole.
    w.refused(
        2,
        &["--json", "lies in the output folder"],
        ["fit", &input, "--k", "3", "--json", &w.text("out/r.json")],
    );
    let ran = w.run(["fit", &input, "--k", "3", "--json", "-"]).succeeds();
    let result: Value = serde_json::from_str(&ran.out).expect("stdout is one JSON object");
    let manifest = json(w.out().join("manifest.json"));
    assert_eq!(result["command"], "fit");
    assert_eq!(result["labels_blake3"], labels_hash(&w.out()).as_str());
    let bytes = std::fs::read(w.out().join("model.json")).unwrap();
    assert_eq!(result["model_blake3"], blake3::hash(&bytes).to_hex().as_str());
    assert_eq!((&result["rows"], &result["segments"][2]["customers"]), (&90.into(), &30.into()));
    assert!((result["segments"][0]["share"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!(result["warnings"], manifest["outcome"]["warnings"]);
    let out = result["out"].as_str().unwrap();
    for name in result["files"].as_array().unwrap() {
        assert!(std::path::Path::new(out).join(name.as_str().unwrap()).exists(), "{name}");
    }
    // A file, and the tables as ever.
    let ran = w.run(["fit", &input, "--k", "3", "--json", &file]).succeeds();
    assert!(ran.out.contains("labels blake3"), "{}", ran.out);
    assert_eq!(json(&file)["labels_blake3"], result["labels_blake3"]);
    std::fs::copy(w.out().join("model.json"), w.path("model.json")).unwrap();
    let ran = Workshop::new().run(["assign", &w.text("model.json"), &input, "--json", "-"]).succeeds();
    let assigned: Value = serde_json::from_str(&ran.out).expect("stdout is one JSON object");
    assert_eq!((&assigned["command"], &assigned["labels_blake3"]), (&"assign".into(), &result["labels_blake3"]));
    Workshop::new().refused(2, &[&input, "this run reads it"], ["fit", &input, "--k", "3", "--json", &input]);
}

fn a_log_ends_with_the_result() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(90));
    let ran = w.run(["fit", &w.text("a.parquet"), "--k", "3", "--log-format", "json"]).succeeds();
    let lines: Vec<Value> = ran.err.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let last = &lines.last().expect("a line")["fields"];
    assert_eq!((&last["message"], &last["labels_blake3"]), (&"result".into(), &labels_hash(&w.out()).as_str().into()));
    let plan = lines.iter().find(|line| line["fields"]["message"] == "plan").expect("a plan");
    assert_eq!((&plan["fields"]["rows"], &plan["fields"]["k"]), (&90.into(), &3.into()));
}

/// Three groups of 30, and one customer far away.
fn with_an_outlier(w: &Workshop) -> String {
    let mut table = three_groups(91);
    for (at, far) in [(1, 500.0), (2, -700.0)] {
        let values = table[at].1.as_primitive::<Float64Type>().values().to_vec();
        table[at].1 = f64s(values.into_iter().take(90).chain([far]));
    }
    write(&w.path("a.parquet"), &table);
    w.text("a.parquet")
}

fn single_customers_are_warned_of_and_not_described() {
    let w = Workshop::new();
    let input = with_an_outlier(&w);
    let fit = |more: &[&str]| w.run([&["fit", &input, "--k", "4", "--transform", "none"], more].concat()).succeeds();
    let ran = fit(&[]);
    assert!(ran.err.contains("segments of a single customer: 3;"), "{}", ran.err);
    assert!(ran.err.contains("model.json keeps values that can be those of single customers"), "{}", ran.err);
    let manifest = json(w.out().join("manifest.json"));
    let small = &manifest["outcome"]["small_cells"];
    assert_eq!((&small["limit"], &small["segments"]), (&10.into(), &serde_json::json!([3])));
    assert_eq!(small["kept_in_model"][0], "centroids of segments 3");
    let fitted = model(&w.out())["parts"][0]["fitted"].take();
    assert_eq!((&fitted["mean_distance_"][3], &fitted["counts_"][3]), (&Value::Null, &1.into()));
    assert!(fitted["mean_distance_"][0].is_f64());
    // Its labels do not depend on what is withheld.
    std::fs::copy(w.out().join("model.json"), w.path("model.json")).unwrap();
    let labels = labels_hash(&w.out());
    let again = Workshop::new();
    again.run(["assign", &w.text("model.json"), &input]).succeeds();
    assert_eq!(labels_hash(&again.out()), labels);

    let ran = fit(&["--small-cells", "0", "--scale", "minmax"]);
    assert!(!ran.err.contains("single customer"), "{}", ran.err);
    assert!(model(&w.out())["parts"][0]["fitted"]["mean_distance_"][3].is_f64());
    let ran = fit(&["--scale", "minmax"]);
    assert!(ran.err.contains("ends of the min-max scale of x, y"), "{}", ran.err);
}

/// 400 customers in two groups; the column sex follows the groups but for every `exception`th customer of the second.
fn two_groups(w: &Workshop, exception: usize) -> String {
    let second = |i: usize| i % 2 == 1;
    let around = |seed| noise(seed).take(400).enumerate().map(move |(i, u)| u + if second(i) { 50.0 } else { 0.0 });
    let sex = |i: usize| if second(i) && i % (2 * exception) != 1 { "f" } else { "m" };
    let sexes: ArrayRef = Arc::new(StringArray::from_iter_values((0..400).map(sex)));
    let table = [("id", i64s(0..400)), ("x", f64s(around(1))), ("y", f64s(around(2))), ("sex", sexes)];
    write(&w.path("a.parquet"), &table);
    w.text("a.parquet")
}

fn an_audit_withholds_few_customers() {
    let w = Workshop::new();
    // 200 of one group are m; of the other 4 are m and 196 f.
    let input = two_groups(&w, 50);
    let audit = |more: &[&str]| {
        let ran = w.run([&["fit", &input, "--k", "2", "--audit"], more].concat()).succeeds();
        (json(w.out().join("audit.json"))["attributes"][0].take(), ran.out)
    };
    let (found, said) = audit(&[]);
    let text = found.to_string();
    let told = [":4,", "196", "204"].iter().any(|count| text.contains(count));
    assert!(!told, "4 and what it could be computed from are withheld: {text}");
    assert!(said.contains("few"), "{said}");
    let v = found["cramers_v"].as_f64().unwrap();
    assert!((v - 0.98).abs() < 1e-9, "{v}: sqrt(196 * 200 / (204 * 200)) of the table [[200, 4], [0, 196]]");
    assert_eq!(found["carried_by"].as_array().unwrap().len(), 2, "x and y");
    let strength = found["carried_by"][0]["strength"].as_f64().unwrap();
    assert!((0.7..0.8).contains(&strength), "{strength}: two groups of 200 ranks explain 3/4 of the variance at most");
    assert_eq!(audit(&["--small-cells", "0"]).0["shares"]["segments"].to_string().matches("196").count(), 1);
}

fn a_disparity_beyond_the_limit_publishes_nothing() {
    let w = Workshop::new();
    let input = two_groups(&w, 2);
    // Half of one group is m, and all of the other: of 300 m 200 are in one segment, of 100 f none.
    let fit = |most: &'static str| ["fit", &input, "--k", "2", "--max-disparity", most].map(str::to_owned);
    let why = ["--max-disparity 1.25 is exceeded, and nothing was published", "sex: ", "times as often", "of f"];
    w.refused(6, &why, fit("1.25"));
    let ran: Ran = w.run(fit("1000")).succeeds();
    assert!(ran.out.contains("largest disparity: "), "{}", ran.out);
    assert!(w.out().join("audit.json").exists(), "a limit is an audit");
    Workshop::new().refused(2, &["--max-disparity 0.8", "1 or more"], fit("0.8"));
}

/// The grid integers of a column, computed from the model alone.
fn on_grid(column: &Value, values: &ArrayRef, step_exponent: i32) -> Vec<i64> {
    let of = |key: &str| column[key].as_f64().unwrap_or_else(|| panic!("{key} of {column}"));
    let steps = of("weight") * 2f64.powi(-step_exponent);
    let land = |x: f64| match column["transform"].as_str().unwrap() {
        "none" => x,
        "log1p" => x.ln_1p(),
        "signed-log1p" => x.abs().ln_1p().copysign(x),
        "sqrt" => x.sqrt(),
        other => panic!("{other} is not replayed here"),
    };
    let limit = of("clip") * steps;
    let values = cast(values, &DataType::Float64).unwrap();
    let values = values.as_primitive::<Float64Type>();
    let grid = |x: Option<f64>| {
        let landed = (x.filter(|x| x.is_finite()).map_or_else(|| of("fill"), land) - of("origin")) as f32;
        let exact = (f64::from(landed) + (of("origin") - of("center"))) * (steps / of("unit"));
        exact.clamp(-limit, limit).round_ties_even() as i64
    };
    values.iter().map(grid).collect()
}

fn a_few_lines_replay_a_model() {
    let w = Workshop::new();
    w.run(["fit", &customers(), "--k", "6"]).succeeds();
    let part = model(&w.out())["parts"][0].take();
    let (preparation, table) = (&part["preparation"], read(customers().as_ref()));
    let exponent = preparation["step_exponent"].as_i64().unwrap() as i32;
    let columns = preparation["columns"].as_array().unwrap().iter();
    let value = |c: &Value| table.column_by_name(c["name"].as_str().unwrap()).expect("a column").clone();
    let columns: Vec<Vec<i64>> = columns.map(|c| on_grid(c, &value(c), exponent)).collect();
    let centers: Vec<Vec<i64>> = serde_json::from_value(part["fitted"]["grid_centers_"].clone()).unwrap();
    let distance = |row: usize, center: &[i64]| -> i64 {
        columns.iter().zip(center).map(|(column, c)| (column[row] - c) * (column[row] - c)).sum()
    };
    let label = |row: usize| (0..centers.len()).min_by_key(|&j| distance(row, &centers[j])).unwrap() as i32;
    let labels: Vec<i32> = (0..table.num_rows()).map(label).collect();
    assert!(labels == segments(&w.out().join("segments/part-00000.parquet")));
}

/// The tests that need Python.
pub(crate) fn with_python() -> Vec<Trial> {
    vec![python_test("evidence::numpy_replays_a_model", numpy_replays_a_model)]
}

/// The lines of README.md.
fn numpy_replays_a_model(python: &str) {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let lines = readme.split("```python\n").find(|block| block.contains("grid_centers_")).expect("lines of Python");
    let lines = lines.split("```").next().unwrap();
    assert!(lines.lines().count() <= 12, "a few lines");
    let w = Workshop::new();
    w.run(["fit", &customers(), "--k", "6"]).succeeds();
    let script = lines.replace("out/demo", w.out().to_str().unwrap()).replace("data/customers.parquet", &customers());
    let check = "\nassert (labels == pq.read_table(\"OUT/segments\")[\"segment\"].to_numpy()).all()\n";
    let script = script + &check.replace("OUT", w.out().to_str().unwrap());
    let ran = std::process::Command::new(python).args(["-c", &script]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
