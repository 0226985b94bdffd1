//! Runs that fail or end at named points (src/faults.rs): an earlier output is as it was, or the new one is whole.

use std::collections::BTreeMap;
use std::process::Command;

use crate::command::{Ran, Workshop, contents, done};
use crate::harness::tests;
use crate::tables::{three_groups, write};

tests!(a_folder_is_old_or_new, a_folder_of_links_is_old_or_new, two_reports_are_old_or_new);

const FAULTS: [&str; 3] = ["kill", "EIO", "ENOSPC"];

type Files = BTreeMap<String, Vec<u8>>;

/// Runs with points set; the exit code.
fn run(points: &str, arguments: &[&str]) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hyades"));
    Ran::from(command.args(arguments).env("FAILPOINTS", points).output().expect("hyades runs")).code
}

/// The files that users know, with the content of what links lead to. Manifests hold times, so only what is the same in
/// every run is compared.
fn known(w: &Workshop) -> Files {
    let mut files = contents(&w.out());
    files.retain(|name, _| !name.starts_with('.'));
    for (name, bytes) in &mut files {
        if name == "manifest.json" {
            let text = String::from_utf8(bytes.clone()).expect("text");
            *bytes = text.lines().find(|line| line.starts_with("  \"run\"")).expect("a run").into();
        }
    }
    files
}

/// Lets a run fail at each of its points, at its first, second, third ... passage, over the output of `before`.
fn through(w: &Workshop, prefix: &str, points: &[&str], before: &[&str], arguments: &[&str]) {
    let fresh = || {
        let _ = std::fs::remove_dir_all(w.out());
        done(before);
        if !prefix.is_empty() {
            run(prefix, before);
        }
        known(w)
    };
    let old = fresh();
    assert_eq!(run(prefix, arguments), Some(0), "without a fault it succeeds");
    let new = known(w);
    assert_ne!(old, new);
    for point in points {
        for fault in FAULTS {
            for passage in 0.. {
                assert_eq!(fresh(), old);
                let code = run(&format!("{prefix}{point}={passage}*off->1*return({fault})"), arguments);
                let now = known(w);
                assert!(now == old || now == new, "{point}, {fault}, passage {passage}: a mixture");
                match code {
                    // The point was not passed so often, or no longer mattered.
                    Some(0) => break,
                    Some(4) => assert!(now == old, "{point}, {fault}, passage {passage}: exit 4, but it is published"),
                    _ => assert_eq!((code, fault), (None, "kill"), "{point}, passage {passage}"),
                }
                assert!(passage < 40, "{point} has no end");
            }
        }
    }
    assert_eq!(run(prefix, arguments), Some(0));
    let left =
        std::fs::read_dir(w.path("")).unwrap().flatten().filter(|e| e.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(left.count(), 0, "something unfinished is left");
}

fn bank(w: &Workshop) -> String {
    write(&w.path("a.parquet"), &three_groups(60));
    w.text("a.parquet")
}

fn a_folder_is_old_or_new() {
    let w = Workshop::new();
    let (input, out) = (bank(&w), w.text("out"));
    let points = [
        "publish::create",
        "publish::write",
        "publish::sync",
        "publish::exchange",
        "publish::sync_folder",
        "publish::remove",
    ];
    let fit = |k: &'static str| ["fit", &input, "--k", k, "--out", &out];
    through(&w, "", &points, &fit("3"), &fit("4"));
    let model = w.text("model");
    done(["fit", &input, "--k", "2", "--out", &model]);
    let assign = ["assign", &model, &input, "--out", &out];
    through(&w, "", &points, &[&assign[..], &["--margin"]].concat(), &assign);
}

/// As on a file system that cannot exchange names.
fn a_folder_of_links_is_old_or_new() {
    let w = Workshop::new();
    let (input, out) = (bank(&w), w.text("out"));
    let fit = |k: &'static str| ["fit", &input, "--k", k, "--out", &out];
    let points = ["publish::adopt", "publish::link", "publish::turn"];
    through(&w, "publish::exchange=return(unsupported);", &points, &fit("3"), &fit("4"));
}

/// A kill between two renames is not among the faults: two files have no common step.
fn two_reports_are_old_or_new() {
    let w = Workshop::new();
    let input = bank(&w);
    write(&w.path("b.parquet"), &three_groups(30));
    let (other, json, page) = (w.text("b.parquet"), w.text("out/r.json"), w.text("out/r.html"));
    let go = |points: &str, input: &str| run(points, &["check", input, "--json", &json, "--report", &page]);
    let reports = || [&json, &page].map(|path| std::fs::read(path).expect("a report"));
    assert_eq!(go("", &other), Some(0));
    let new = reports();
    assert_eq!(go("", &input), Some(0));
    let old = reports();
    for point in ["publish::write", "publish::sync", "publish::rename"] {
        for fault in FAULTS {
            for passage in 0..2 {
                if (point, fault, passage) == ("publish::rename", "kill", 1) {
                    continue;
                }
                let code = go(&format!("{point}={passage}*off->1*return({fault})"), &other);
                assert_eq!(code, if fault == "kill" { None } else { Some(4) }, "{point}, {fault}");
                assert!(reports() == old, "{point}, {fault}, passage {passage}");
            }
        }
    }
    assert_eq!(go("", &other), Some(0));
    assert!(reports() == new);
}
