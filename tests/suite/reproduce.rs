//! Versions that are the same wherever and however they are made, and `history reproduce`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::command::{Ran, contents, done, json};
use crate::harness::{hyades, tests};
use crate::monthly::{Branch, two_months, with_two_months};

tests!(
    other_names_of_the_same_files,
    a_file_system_that_exchanges_no_names,
    versions_made_again,
    inputs_that_changed,
    another_job,
    what_cannot_be_made_again,
);

/// Runs in a folder.
fn within(folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hyades"));
    Ran::from(command.args(arguments).current_dir(folder).output().expect("hyades runs"))
}

fn hash(branch: &Branch) -> String {
    branch.current()["blake3"].as_str().expect("a hash").to_owned()
}

/// A version's hash does not depend on how paths are written, or on where the folder of the job lies.
fn other_names_of_the_same_files() {
    let hashes: Vec<String> = (0..3)
        .map(|way| {
            let branch = with_two_months("[division]\nrules = \"rules.toml\"\n");
            let rules = "[[rule]]\nname = \"nobody\"\nwhen = \"x > 1000\"\n";
            std::fs::write(branch.w.path("rules.toml"), rules).expect("rules");
            let folder = branch.w.path("");
            for as_of in ["2026-09-30", "2026-10-31"] {
                match way {
                    0 => done(["run", &branch.w.text("job.toml"), "--as-of", as_of]),
                    1 => within(&folder, &["run", "job.toml", "--as-of", as_of]).succeeds(),
                    _ => {
                        let text = std::fs::read_to_string(branch.w.path("job.toml")).expect("a job");
                        let absolute = format!("\"{}/./{{as_of", branch.w.text("").trim_end_matches('/'));
                        std::fs::write(branch.w.path("other.toml"), text.replace("\"{as_of", &absolute))
                            .expect("a job");
                        let path = branch.w.path("other.toml");
                        let name = std::fs::read_to_string(&path)
                            .expect("a job")
                            .replace("[job]\n", "[job]\nname = \"job\"\n");
                        std::fs::write(path, name).expect("a job");
                        within(&folder, &["run", "./other.toml", "--as-of", as_of]).succeeds()
                    }
                };
            }
            let manifest = json(branch.version(2).join("manifest.json"));
            assert_eq!(manifest["inputs"]["files"][0]["path"], "2026-10.parquet");
            assert_eq!(manifest["request"]["input"]["paths"][0], "2026-10.parquet");
            assert_eq!(manifest["documents"][0]["path"], "rules.toml");
            hash(&branch)
        })
        .collect();
    assert_eq!((&hashes[0], &hashes[0]), (&hashes[1], &hashes[2]));
}

fn a_file_system_that_exchanges_no_names() {
    let branch = with_two_months("");
    for as_of in ["2026-09-30", "2026-10-31"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hyades"));
        command.args(["run", &branch.w.text("job.toml"), "--as-of", as_of]);
        Ran::from(command.env("FAILPOINTS", "publish::exchange=return(unsupported)").output().expect("hyades runs"))
            .succeeds();
    }
    assert_eq!(branch.current()["version"], 2);
    done(["history", "verify", &branch.history()]);
    let entries = std::fs::read_dir(branch.version(2)).expect("a folder").flatten();
    assert!(entries.into_iter().all(|entry| !entry.path().is_symlink()));
}

fn again(branch: &Branch, more: &[&str]) -> Ran {
    hyades([&["history", "reproduce", &branch.history()], more].concat()).into()
}

fn replace(branch: &Branch, name: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(branch.w.path(name)).expect("a file");
    assert!(text.contains(from), "{text}");
    std::fs::write(branch.w.path(name), text.replace(from, to)).expect("written");
}

/// Whatever mode made them, and whatever became of them, on other threads and after other versions and names.
fn versions_made_again() {
    let held = "mode = \"warm\"\nmax_relabelled = \"5%\"\nhysteresis = \"10%\"";
    for mode in ["mode = \"assign\"", "mode = \"fresh\"", "mode = \"auto\"", held] {
        let branch = with_two_months(&format!("[refit]\n{mode}\n[resources]\nthreads = 1\n"));
        branch.published("2026-09-30");
        std::fs::write(branch.w.path("history/names.toml"), "[segments.1]\nen = \"Savers\"\n").expect("names");
        branch.published("2026-10-31");
        replace(&branch, "job.toml", "[job]\n", "[gates]\nrows_change = 0.0\n[job]\n");
        let [before, _] = two_months();
        branch.month("2026-11", &before);
        Ran::from(hyades(["run", &branch.w.text("job.toml"), "--as-of", "2026-11-30"])).is_refused(6, &["rows_change"]);
        done(["history", "rollback", &branch.history(), "1", "--by", "me", "--note", "a test"]);
        std::fs::write(branch.w.path("history/names.toml"), "[segments.1]\nen = \"Others\"\n").expect("names");
        let history = contents(&branch.w.path("history"));
        for version in ["1", "2", "3", "4"] {
            let ran = again(&branch, &[version]).succeeds();
            let made = if version == "4" { "1" } else { version };
            assert!(ran.out.starts_with(&format!("version {made} is reproduced: all ")), "{mode}: {}", ran.out);
        }
        let found: Value = serde_json::from_str(&again(&branch, &["--json"]).succeeds().out).expect("JSON");
        assert_eq!((&found["now"], found["departures"].as_array().map(Vec::len)), (&found["blake3"], Some(0)));
        assert!(contents(&branch.w.path("history")) == history, "the history was changed");
    }
}

fn inputs_that_changed() {
    let branch = with_two_months("[division]\nrules = \"rules.toml\"\n");
    std::fs::write(branch.w.path("rules.toml"), "[[rule]]\nname = \"nobody\"\nwhen = \"x > 1000\"\n").expect("rules");
    branch.published("2026-09-30");
    branch.published("2026-10-31");
    let [before, _] = two_months();
    branch.month("2026-10", &before);
    replace(&branch, "rules.toml", "1000", "2000");
    let ran = again(&branch, &[]);
    ran.is_refused(
        3,
        &["version 2 cannot be made again from what is there: rules.toml was changed; 2026-10.parquet has "],
    );
    let found: Value = serde_json::from_str(&again(&branch, &["--json"]).out).expect("JSON");
    assert_eq!((found["changed_inputs"].as_array().map(Vec::len), &found["now"]), (Some(2), &Value::Null));
    std::fs::remove_file(branch.w.path("2026-10.parquet")).expect("removed");
    again(&branch, &[]).is_refused(8, &["2026-10.parquet"]);
}

fn another_job() {
    let branch = with_two_months("");
    branch.published("2026-09-30");
    branch.published("2026-10-31");
    let text = std::fs::read_to_string(branch.w.path("job.toml")).expect("a job");
    std::fs::write(branch.w.path("other.toml"), text.replace("k = 3", "k = 4")).expect("a job");
    let ran = again(&branch, &["2", "--job", &branch.w.text("other.toml")]);
    ran.is_refused(6, &["version 2 is not reproduced: ", "model.json among them"]);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0], "the job file is another one than that of the run");
    assert!(lines[1].starts_with("model.json: differs; model."), "{}", ran.out);
    assert!(ran.out.contains("\nmanifest.json: differs; definition.k: 3 then, 4 now\n"), "{}", ran.out);
    // What the run recorded is enough, wherever the file is now.
    std::fs::remove_file(branch.w.path("job.toml")).expect("removed");
    again(&branch, &["2"]).succeeds();
}

fn what_cannot_be_made_again() {
    let branch = with_two_months("");
    branch.published("2026-09-30");
    branch.published("2026-10-31");
    again(&branch, &["9"]).is_refused(2, &["version 9 of ", "there is none"]);
    branch.published("2026-10-31");
    branch.published("2026-10-31");
    done(["history", "gc", &branch.history(), "--keep", "2"]);
    again(&branch, &["3"]).is_refused(2, &["version 2 of ", "its files were removed by gc"]);
    let model = branch.version(4).join("model.json");
    let bytes = std::fs::read(&model).expect("a model");
    std::fs::write(&model, [&bytes[..], b" "].concat()).expect("edited");
    again(&branch, &["4"]).is_refused(3, &["model.json was changed after version 4 was sealed"]);
}
