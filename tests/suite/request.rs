//! One request: from a file and from the command line, and as the manifest records it.

use serde_json::json as value;

use crate::command::{Workshop, done, json, labels_hash};
use crate::harness::{hyades, tests};
use crate::tables::{three_groups, write};

tests!(
    a_file_says_what_flags_say,
    flags_win,
    faults_of_a_file,
    the_manifest_records_the_request,
    a_configuration_is_an_argument,
    #[cfg(unix)]
    names_that_are_not_utf8,
    every_job_wants_an_input,
    the_schema,
);

const CONFIG: &str = "
[input]
paths = [\"a.parquet\"]
[columns]
features = [\"x\", \"y\"]
[preparation]
scale = \"robust\"
[preparation.recipe.columns.x]
weight = 2.0
[clustering]
k = 3
seed = 7
[resources]
threads = 2
memory = \"1GiB\"
[output]
out = \"out\"
margin = true
";

fn with(config: &str) -> Workshop {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(300));
    std::fs::write(w.path("fit.toml"), config).unwrap();
    w
}

fn a_file_says_what_flags_say() {
    // Paths are relative to the file.
    let w = with(CONFIG);
    done(["fit", "--config", &w.text("fit.toml")]);
    let by_file = std::fs::read(w.out().join("segments/part-00000.parquet")).unwrap();
    std::fs::write(w.path("recipe.toml"), "[columns.x]\nweight = 2.0\n").unwrap();
    let input = ["fit", &w.text("a.parquet"), "--features", "x,y", "--scale", "robust", "--k", "3", "--seed", "7"];
    let more = ["--recipe", &w.text("recipe.toml"), "--margin", "--out", &w.text("flags")];
    done([&input[..], &more].concat());
    assert!(std::fs::read(w.path("flags").join("segments/part-00000.parquet")).unwrap() == by_file);
    assert_eq!(
        std::fs::read(w.path("flags").join("model.json")).unwrap(),
        std::fs::read(w.out().join("model.json")).unwrap()
    );
}

fn flags_win() {
    let w = with(CONFIG);
    done(["fit", "--config", &w.text("fit.toml"), "--k", "2", "--features", "x", "--out", &w.text("other")]);
    let manifest = json(w.path("other").join("manifest.json"));
    assert_eq!(manifest["parts"][0]["k"], 2);
    assert_eq!(manifest["parts"][0]["columns"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["request"]["clustering"]["seed"], 7, "what no flag says is the file's");
    w.is_untouched();
    // plan and bench read the same file.
    let plan = done(["plan", "--config", &w.text("fit.toml"), "--k", "5"]);
    assert!(plan.out.contains("segments  5"), "{}", plan.out);
}

fn faults_of_a_file() {
    let refused = |config: &str, parts: &[&str]| {
        let w = with(config);
        let ran = crate::command::Ran::from(hyades(["fit", "--config", &w.text("fit.toml")]));
        ran.is_refused(2, parts);
        w.is_untouched();
    };
    refused("[clustering]\nclusters = 3\n", &["fit.toml", "line 2, column 1", "unknown field `clusters`", "`k`"]);
    refused(
        "[clustering]\nk = \"five\"\n",
        &["fit.toml", "line 2", "\"five\" is no number of segments; give a number, auto"],
    );
    refused(&CONFIG.replace("k = 3", ""), &["the number of segments is missing: give --k, or k in [clustering]"]);
    refused(&CONFIG.replace("paths = [\"a.parquet\"]", ""), &["no input: name Parquet or CSV files"]);
    refused(&CONFIG.replace("out = \"out\"", ""), &["the output is missing: name a folder with --out"]);
    refused(&CONFIG.replace("\"1GiB\"", "\"much\""), &["\"much\" is not a size"]);
    let misspelt = CONFIG.replace("weight = 2.0", "wieght = 2.0");
    refused(&misspelt, &["fit.toml", "unknown field `wieght`", "`weight`"]);
    refused(&CONFIG.replace("weight = 2.0", "weight = inf"), &["x: weight must be above 0 and at most 1e6"]);
    let w = with(CONFIG);
    // Not a number is no reason to fall back to the default.
    w.refused(2, &["tol"], ["fit", "--config", &w.text("fit.toml"), "--tol", "nan"]);
    w.refused(2, &["no such file"], ["fit", "--config", &w.text("gone.toml")]);
}

fn the_manifest_records_the_request() {
    let w = with(CONFIG);
    let secret = "correct horse battery staple";
    std::fs::write(w.path("key"), secret).unwrap();
    done(["fit", "--config", &w.text("fit.toml"), "--pseudonymise", &w.text("key")]);
    let manifest = json(w.out().join("manifest.json"));
    let request = &manifest["request"];
    assert_eq!(request["input"]["paths"], value!([w.text("a.parquet")]));
    assert_eq!(request["columns"]["pseudonymise"], w.text("key"), "where the secret is");
    assert_eq!(request["columns"]["duplicate_ids"], "refuse");
    assert_eq!(request["preparation"]["recipe"]["columns"]["x"]["weight"], 2.0);
    let clustering = value!({"k": 3, "init": "k-means++", "effort": "normal", "max_iter": 300, "tol": 1e-4, "seed": 7});
    assert_eq!(request["clustering"], clustering, "defaults are filled in");
    assert_eq!(request["resources"], value!({"threads": 2, "memory": "1GiB"}));
    assert!(!manifest.to_string().contains(secret));
    // The recorded request gives the same labels again.
    let (labels, again) = (labels_hash(&w.out()), w.path("again.toml"));
    std::fs::write(&again, toml::to_string(request).unwrap()).unwrap();
    done(["fit", "--config", again.to_str().unwrap(), "--out", &w.text("again")]);
    assert_eq!(labels_hash(&w.path("again")), labels);
}

/// The file is never overwritten, and its hash is recorded, also where flags say most.
fn a_configuration_is_an_argument() {
    let w = with(CONFIG);
    let file = w.text("fit.toml");
    w.refused(2, &["fit.toml", "this run reads it"], ["fit", "--config", &file, "--json", &file]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), CONFIG);
    done(["fit", "--config", &file, "--k", "2"]);
    let documents = json(w.out().join("manifest.json"))["documents"].take();
    let blake3 = blake3::hash(CONFIG.as_bytes()).to_hex().to_string();
    assert_eq!(documents, value!([{"role": "config", "path": file, "blake3": blake3}]));
}

#[cfg(unix)]
fn names_that_are_not_utf8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let w = with(CONFIG);
    let (input, out) = (w.path("").join(OsStr::from_bytes(b"caf\xe9.parquet")), w.path("out"));
    std::fs::rename(w.path("a.parquet"), &input).unwrap();
    let words = ["fit", "--k", "3", "--out"].map(OsStr::new);
    let ran = hyades(words.into_iter().chain([out.as_os_str(), input.as_os_str()]));
    crate::command::Ran::from(ran).succeeds();
    let paths = json(out.join("manifest.json"))["request"]["input"]["paths"].take();
    assert!(paths[0].as_str().unwrap().ends_with("caf\u{fffd}.parquet"), "{paths}");
}

fn every_job_wants_an_input() {
    let w = with(CONFIG);
    done(["fit", "--config", &w.text("fit.toml")]);
    let model = w.out().join("model.json").display().to_string();
    let (other, table) = (w.text("other"), w.text("t.parquet"));
    let jobs: [&[&str]; 5] = [
        &["fit", "--k", "3", "--out", &other],
        &["check"],
        &["recipe", "init"],
        &["assign", &model, "--out", &other],
        &["recipe", "apply", &model, "--out", &table],
    ];
    for job in jobs {
        let ran = crate::command::Ran::from(hyades(job.iter().copied()));
        ran.is_refused(2, &["no input: name Parquet or CSV files, folders or patterns"]);
    }
    assert!(!w.path("other").exists() && !w.path("t.parquet").exists());
}

fn the_schema() {
    let schema: serde_json::Value = serde_json::from_str(&done(["job", "schema"]).out).unwrap();
    let sections = schema["properties"].as_object().unwrap();
    let expected = "card clustering columns device division gates input job output preparation refit resources";
    assert_eq!(sections.keys().map(String::as_str).collect::<Vec<_>>().join(" "), expected);
    let text = schema.to_string();
    assert!(text.contains("\"tol\"") && text.contains("k-means++"), "{text}");
}
