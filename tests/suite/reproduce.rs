//! Versions that are the same wherever and however they are made, and `history reproduce`.

use std::path::Path;
use std::process::Command;

use crate::command::{Ran, done, json};
use crate::harness::tests;
use crate::monthly::{Branch, with_two_months};

tests!(other_names_of_the_same_files, a_file_system_that_exchanges_no_names,);

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
