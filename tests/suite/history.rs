//! The verb `history`: what people see of the versions of a job, decide about them, and are refused.

use std::path::Path;

use hyades::history::{GateTally, History, Pointer, SealedVersion, VersionFacts};
use serde_json::Value;

use crate::command::{Ran, Workshop, done};
use crate::harness::{hyades, tests};
use crate::tables::{three_groups, write};

tests!(
    a_fit_fills_a_version,
    a_list_of_versions,
    one_version_is_shown,
    two_versions_are_compared,
    an_approval_by_its_hash,
    a_rollback_and_what_gc_keeps,
    a_verification_names_the_file,
    what_is_no_history,
);

/// Seals a version with a model of these counts, made from the current one.
pub(crate) fn seal(history: &History, as_of: &str, counts: &[u64], gates: GateTally) -> SealedVersion {
    let candidate = history.claim().expect("a number");
    let part = serde_json::json!({ "name": "all", "feature_names_in_": ["balance"], "fitted": { "counts_": counts } });
    let model = serde_json::json!({ "model": { "parts": [part] } });
    let write = |name: &str, text: &str| std::fs::write(candidate.folder().join(name), text).expect("written");
    std::fs::create_dir_all(candidate.folder().join("segments")).expect("a folder");
    write("segments/part-00000.parquet", &format!("labels of {as_of}"));
    write("model.json", &model.to_string());
    write("run.json", "{}");
    let base = history.current().expect("a pointer");
    let facts = VersionFacts {
        as_of: Some(as_of.to_owned()),
        based_on: base.as_ref().map(|pointer| pointer.version),
        customers: counts.iter().sum(),
        segments: counts.len() as u64,
        moved: base.map(|_| 0.0321),
        gates,
        ..VersionFacts::default()
    };
    candidate.seal(facts).expect("sealed")
}

const PASSED: GateTally = GateTally { passed: 12, warned: 0, failed: 0 };

/// Two published versions, and a refused one.
pub(crate) fn history(at: &Path) -> History {
    let history = History::open_or_create(at).expect("a history");
    let months =
        [("2026-09-30", [9_000, 3_000], PASSED), ("2026-10-31", [9_100, 3_100], GateTally { warned: 2, ..PASSED })];
    for (as_of, counts, gates) in months {
        let base = history.current().expect("a pointer");
        let sealed = seal(&history, as_of, &counts, gates);
        history.publish(&sealed, base.as_ref()).expect("published");
    }
    let sealed = seal(&history, "2026-11-30", &[12_000, 200], GateTally { failed: 1, ..PASSED });
    history.refuse(&sealed, "share_min: segment 2 has 1.6 %, and the limit is 5 %").expect("logged");
    history
}

fn workshop() -> (Workshop, History, String) {
    let w = Workshop::new();
    let (history, at) = (history(&w.path("history")), w.text("history"));
    (w, history, at)
}

fn parsed(ran: Ran) -> Value {
    serde_json::from_str(&ran.succeeds().out).expect("JSON")
}

/// The folder of a candidate is an output like any other, and labels are read from the current version.
fn a_fit_fills_a_version() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(60));
    let history = History::open_or_create(&w.path("history")).expect("a history");
    let candidate = history.claim().expect("a number");
    let folder = candidate.folder().to_str().expect("text").to_owned();
    done(["fit", &w.text("a.parquet"), "--k", "3", "--out", &folder]);
    let sealed = candidate.seal(VersionFacts::default()).expect("sealed");
    history.publish(&sealed, None).expect("published");
    let files = history.vet(1).expect("a version").files;
    let names: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(names, ["manifest.json", "model.json", "profile.json", "segments/part-00000.parquet"]);
    done(["assign", &folder, &w.text("a.parquet"), "--out", &w.text("labels")]);
    done(["history", "verify", &w.text("history")]);
    assert_eq!(std::fs::read_dir(w.path("history/versions")).expect("a folder").count(), 1);
}

fn a_list_of_versions() {
    let (_w, history, at) = workshop();
    history.rollback(1, "Li Na", "wrong input").expect("rolled back");
    drop(history.claim().expect("a number"));
    let list = done(["history", "list", &at]).out;
    let rows: Vec<String> = list
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .skip_while(|l| !l.starts_with('1'))
        .collect();
    let expected = [
        "1 retired 2026-09-30 12,000 2 passed 2",
        "2 retired 2026-10-31 12,200 2 3.21% 2 warned 2",
        "3 refused 2026-11-30 12,200 2 3.21% 1 failed 2",
        "4 = 1 published 2026-09-30 12,000 2 passed 2",
        "5 abandoned 2",
    ];
    let all = expected.iter().zip(&rows).all(|(expected, row)| row.starts_with(expected));
    assert!(all && rows.iter().filter(|row| !row.starts_with("---")).count() == expected.len(), "{list}");
    assert!(list.lines().all(|line| line.chars().count() <= 100), "{list}");
    let json = parsed(hyades(["history", "list", &at, "--json"]).into());
    assert_eq!((json[3]["origin"].as_u64(), json[3]["state"].as_str()), (Some(1), Some("published")));
}

fn one_version_is_shown() {
    let (_w, history, at) = workshop();
    let shown = done(["history", "show", &at, "3"]).out;
    let record = history.vet(3).expect("a version");
    let hash = record.blake3.expect("a hash");
    for line in [
        "state       refused",
        &format!("hash        {hash}"),
        "based on    version 2",
        "customers   12,200",
        "moved       3.21%",
        "gates       12 passed, 0 warned, 1 failed",
        "why         share_min: segment 2 has 1.6 %, and the limit is 5 %",
    ] {
        assert!(shown.lines().any(|l| l == line), "no {line:?} in:\n{shown}");
    }
    assert!(shown.contains("segments/part-00000.parquet") && shown.contains("run.json"), "{shown}");
    // Without a number, the current one.
    assert!(done(["history", "show", &at]).out.contains("as of       2026-10-31"));
    assert_eq!(parsed(hyades(["history", "show", &at, "3", "--json"]).into())["blake3"], hash.as_str());
    Ran::from(hyades(["history", "show", &at, "9"]))
        .is_refused(2, &["version 9 of ", "there is none; the last one is 3"]);
}

fn two_versions_are_compared() {
    let (_w, _history, at) = workshop();
    let text = done(["history", "diff", &at, "2", "3"]).out;
    let rows: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for row in ["as of 2026-10-31 2026-11-30", "share of segment 0 74.6% 98.4%", "based on 1 2", "gates failed 0 1"] {
        assert!(rows.iter().any(|r| r == row), "no {row:?} in:\n{text}");
    }
    let json = parsed(hyades(["history", "diff", &at, "2", "3", "--json"]).into());
    assert_eq!(json["files"][0]["path"], "model.json");
    let same = parsed(hyades(["history", "diff", &at, "2", "2", "--json"]).into());
    assert_eq!((same["facts"].as_array().map(Vec::len), same["same"].as_u64()), (Some(0), Some(2)));
}

fn an_approval_by_its_hash() {
    let (_w, history, at) = workshop();
    let hash = history.vet(3).expect("a version").blake3.expect("a hash");
    let approve = |hash: &str| -> Ran {
        hyades(["history", "approve", &at, "3", "--hash", hash, "--by", "Li Na", "--note", "a campaign"]).into()
    };
    approve(&hash[..8]).is_refused(2, &["--hash", "expected at least 12 hexadecimal digits of the version's hash"]);
    approve(&"0".repeat(64)).is_refused(2, &[&format!("the hash of version 3 is {hash}")]);
    assert_eq!(approve(&hash[..12]).succeeds().out, "version 3 is published\n");
    assert!(done(["history", "show", &at]).out.contains("approved by Li Na: a campaign"));
    approve(&hash).is_refused(2, &["version 3 of ", "is published already"]);
    let ran = Ran::from(hyades(["history", "approve", &at, "3", "--hash", &hash]));
    assert!(ran.code == Some(2) && ran.err.contains("--by <WHO>"), "{}", ran.err);
}

fn a_rollback_and_what_gc_keeps() {
    let (_w, history, at) = workshop();
    let rollback: Ran = hyades(["history", "rollback", &at, "1", "--by", "Li", "--note", "wrong input"]).into();
    assert_eq!(rollback.succeeds().out, "version 4 is published, with the files of version 1\n");
    let gc = |more: &[&str]| done([&["history", "gc", &at, "--keep", "1"][..], more].concat()).out;
    // 4 is based on 2 and has the files of 1; 3 was refused.
    assert_eq!(gc(&["--dry-run", "--baseline", "3"]), "nothing to remove\n");
    let planned = gc(&["--dry-run"]);
    assert!(planned.starts_with("would be removed: 3 files of ") && planned.ends_with(" in versions 3\n"), "{planned}");
    assert!(history.folder(3).exists());
    assert_eq!(gc(&[]), planned.replace("would be removed", "removed"));
    assert!(!history.folder(3).exists());
    assert!(done(["history", "list", &at]).out.contains("removed"));
    done(["history", "verify", &at]);
}

fn a_verification_names_the_file() {
    let (_w, history, at) = workshop();
    let verified = done(["history", "verify", &at]).out;
    assert!(verified.starts_with("3 versions, 9 files, ") && verified.ends_with(" 9 lines of the log\n"), "{verified}");
    std::fs::write(history.folder(2).join("segments/part-00000.parquet"), "edited").expect("written");
    let ran = Ran::from(hyades(["history", "verify", &at]));
    ran.is_refused(3, &["the history is not what it was: 1 finding; restore what differs from a backup"]);
    assert!(ran.out.starts_with("versions/000002/segments/part-00000.parquet: was changed\n"), "{}", ran.out);
    done(["history", "verify", &at, "1"]);
    let json: Value = serde_json::from_str(&Ran::from(hyades(["history", "verify", &at, "--json"])).out).expect("JSON");
    assert_eq!(json["findings"][0]["version"], 2);
    Ran::from(hyades(["history", "rollback", &at, "1", "--by", "Li", "--note", "edited"])).succeeds();
    let pointer = history.current().expect("a pointer");
    assert_eq!(pointer.map(|Pointer { version, .. }| version), Some(4));
}

fn what_is_no_history() {
    let w = Workshop::new();
    let (out, none) = (w.text("out"), w.text("none"));
    Ran::from(hyades(["history", "list", &out])).is_refused(2, &["is not a history: it has no folder versions"]);
    Ran::from(hyades(["history", "verify", &none])).is_refused(2, &["is not a folder: name the folder of a history"]);
    History::open_or_create(&w.path("empty")).expect("a history");
    let empty = w.text("empty");
    assert_eq!(done(["history", "list", &empty]).out, "no versions yet\n");
    Ran::from(hyades(["history", "show", &empty])).is_refused(2, &["no version is published yet"]);
    done(["history", "verify", &empty]);
    w.is_untouched();
}
