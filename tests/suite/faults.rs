//! Runs that fail or end at named points (src/faults.rs): an earlier output is as it was, or the new one is whole.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use hyades::event::Watch;
use hyades::history::{History, VersionState};

use crate::command::{Ran, Workshop, contents, done};
use crate::harness::tests;
use crate::history::history;
use crate::tables::{three_groups, write};

tests!(a_folder_is_old_or_new, a_folder_of_links_is_old_or_new, two_reports_are_old_or_new, a_history_is_old_or_new,);

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

/// The points that a version passes on its way.
const OF_HISTORY: [&str; 9] = [
    "history::lock",
    "history::claim",
    "history::seal",
    "history::log",
    "history::log_half",
    "history::log_sync",
    "history::pointer",
    "publish::write",
    "publish::rename",
];

/// A rollback passes all points of a run's version. Wherever it ends, readers see the old version or the new one, and
/// the next one succeeds.
fn a_history_is_old_or_new() {
    let w = Workshop::new();
    let (history, at) = (history(&w.path("history")), w.text("history"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                labels(&history);
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        for point in OF_HISTORY {
            for fault in ["kill", "ENOSPC"] {
                assert!((0..40).any(|passage| !is_passed(&history, &at, point, fault, passage)), "{point} has no end");
            }
        }
        done.store(true, Ordering::Relaxed);
        reader.join().expect("readers see one version");
    });
    let unfinished = |state| [VersionState::Unfinished, VersionState::Published].contains(&state);
    let states = history.versions().expect("a log").into_iter().filter(|record| unfinished(record.state));
    assert_eq!(states.count(), 1, "the published version alone");
    let names = |folder: &str| std::fs::read_dir(w.path("history").join(folder)).expect("a folder").count();
    assert_eq!((names("claims"), names("")), (0, 5), "something unfinished is left");
}

/// Lets a rollback fail or end at a point. Whether it passed the point so often.
fn is_passed(history: &History, at: &str, point: &str, fault: &str, passage: usize) -> bool {
    let context = format!("{point}, {fault}, passage {passage}");
    let before = history.current().expect("a pointer").expect("a version").version;
    // Alternately the months of versions 1 and 2.
    let (old, target) = if labels(history).ends_with("09-30") { ("09-30", 2) } else { ("10-31", 1) };
    let (arguments, new) = (target.to_string(), if target == 1 { "09-30" } else { "10-31" });
    let rollback = ["history", "rollback", at, &arguments, "--by", "Li", "--note", "a test"];
    let code = run(&format!("{point}={passage}*off->1*return({fault})"), &rollback);
    let now = labels(history);
    match code {
        Some(0) => assert!(now.ends_with(new), "{context}: exit 0, but not published"),
        Some(4) => assert!(now.ends_with(old), "{context}: exit 4, but published"),
        _ => assert_eq!((code, fault), (None, "kill"), "{context}"),
    }
    if code != Some(0) {
        history.rollback(target, "Li", "the next run").unwrap_or_else(|e| panic!("{context}: {e}"));
        assert!(labels(history).ends_with(new), "{context}");
    }
    let report = history.verify(None, Watch::none()).expect("a report");
    assert_eq!(report.findings, [], "{context}");
    assert!(history.current().expect("a pointer").expect("a version").version > before, "{context}");
    history.gc(1, &[1, 2], false).unwrap_or_else(|e| panic!("{context}: {e}"));
    code != Some(0)
}

/// The labels that a reader sees, which are those of the model beside them.
fn labels(history: &History) -> String {
    let read = history.read_current(|_, folder| {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).map_err(|e| hyades::Error::io("read", &path, &e))
        };
        Ok((read("segments/part-00000.parquet")?, read("model.json")?))
    });
    let (labels, model) = read.expect("a pointer").expect("a version");
    assert_eq!(model.contains("9000"), labels.ends_with("09-30"), "a mixture");
    labels
}
