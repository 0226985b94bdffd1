//! What a monthly run compares its data with, and how segments are matched where little is known.

use std::sync::Arc;

use arrow::array::{ArrayRef, NullArray};
use serde_json::Value;

use crate::command::{done, json};
use crate::harness::tests;
use crate::monthly::{Branch, by_group, groups, last_line, some_noise, states, two_months, with_two_months};
use crate::tables::{f64s, read, some_f64s, write};

tests!(
    labels_by_one_model_are_compared_with_the_month_before,
    a_baseline_besides_the_month_before,
    a_column_that_arrives_empty,
    a_column_that_the_job_leaves_out,
    months_without_ids,
    ids_with_another_key,
    segments_that_moved,
    a_stratum_that_the_old_model_does_not_know,
);

/// Copies the table of a month with other columns.
fn copied(branch: &Branch, (from, to): (&str, &str), more: &[(&str, Option<ArrayRef>)]) {
    let table = read(&branch.w.path(&format!("{from}.parquet")));
    let schema = table.schema();
    let mut columns: Vec<(&str, ArrayRef)> =
        schema.fields().iter().map(|field| field.name().as_str()).zip(table.columns().iter().cloned()).collect();
    for (name, column) in more {
        columns.retain(|(known, _)| known != name);
        columns.extend(column.clone().map(|column| (*name, column)));
    }
    write(&branch.w.path(&format!("{to}.parquet")), &columns);
}

fn psi(report: &Value, feature: &str) -> f64 {
    let features = report["features"].as_array().expect("features");
    let found = features.iter().find(|found| found["name"] == feature).expect("the feature");
    found["psi"].as_f64().expect("a figure")
}

fn drift(branch: &Branch, version: u64) -> Value {
    json(branch.version(version).join("drift.json"))
}

fn labels_by_one_model_are_compared_with_the_month_before() {
    let branch = with_two_months("[refit]\nmode = \"assign\"\n");
    branch.published("2026-09-30");
    branch.published("2026-10-31");
    assert!(psi(&drift(&branch, 2), "x") > 0.1, "the third group grew");
    copied(&branch, ("2026-10", "2026-11"), &[]);
    branch.published("2026-11-30");
    assert_eq!(psi(&drift(&branch, 3), "x"), 0.0, "the same rows as in version 2");
    assert_eq!(branch.report(3)["measures"]["compared_with"], 2);
    // A fit after labels by an older model is compared with those rows, too. The inertia of these is not known.
    branch.rewrite("assign", "warm");
    copied(&branch, ("2026-10", "2026-12"), &[]);
    branch.published("2026-12-31");
    assert_eq!(psi(&drift(&branch, 4), "x"), 0.0);
    assert_eq!(branch.report(4)["measures"]["inertia_before"], Value::Null);
    done(["history", "verify", &branch.history()]);
}

fn a_baseline_besides_the_month_before() {
    let branch = with_two_months("");
    branch.run("2026-09-30", &["--baseline", "1"]).is_refused(2, &["--baseline 1: the history has no such version"]);
    branch.published("2026-09-30");
    branch.published("2026-10-31");
    copied(&branch, ("2026-10", "2026-11"), &[]);
    let ran = branch.run("2026-11-30", &["--baseline", "1"]).succeeds();
    assert!(ran.out.contains("drift since version 1 (2026-09-30) of x: shift "), "{}", ran.out);
    assert_eq!(psi(&drift(&branch, 3), "x"), 0.0);
    let baseline = json(branch.version(3).join("baseline.json"));
    assert_eq!((&baseline["version"], &baseline["as_of"]), (&Value::from(1), &Value::from("2026-09-30")));
    assert_eq!(psi(&baseline, "x"), psi(&drift(&branch, 2), "x"));
    branch.run("2026-11-30", &["--baseline", "9"]).is_refused(2, &["--baseline 9: the history has no such version"]);
    // What a version was compared with is kept.
    done(["history", "gc", &branch.history(), "--keep", "1"]);
    assert!(branch.version(1).exists());
}

fn a_column_that_arrives_empty() {
    let [_, now] = two_months();
    let empty: [ArrayRef; 2] = [some_f64s(now.keys().map(|_| None)), Arc::new(NullArray::new(now.len()))];
    for mode in ["warm", "fresh", "assign", "auto"] {
        let branch = with_two_months(&format!("[refit]\nmode = \"{mode}\"\n"));
        branch.published("2026-09-30");
        for (at, column) in empty.iter().enumerate() {
            branch.table("2026-10", &now, &[("y", column.clone())]);
            branch.run("2026-10-31", &[]).is_refused(6, &["missing_rise: \"y\" has missing values in 100"]);
            assert_eq!((branch.current()["version"].as_u64(), states(&branch)[at + 1].as_str()), (Some(1), "refused"));
        }
    }
    // A new fit does without a column that is gone, and a gate notices.
    let branch = with_two_months("[refit]\nmode = \"fresh\"\n");
    branch.published("2026-09-30");
    copied(&branch, ("2026-10", "2026-10"), &[("y", None)]);
    branch.run("2026-10-31", &[]).is_refused(6, &["missing_rise: \"y\" has missing values in 100"]);
}

fn a_column_that_the_job_leaves_out() {
    let branch = with_two_months("[refit]\nmode = \"fresh\"\n");
    let [before, _] = two_months();
    branch.table(
        "2026-09",
        &before,
        &[("z", f64s(before.keys().map(|id| some_noise(*id as u64)).collect::<Vec<_>>()))],
    );
    branch.published("2026-09-30");
    branch.rewrite("id = \"id\"", "id = \"id\"\nexclude = [\"z\"]");
    copied(&branch, ("2026-09", "2026-10"), &[]);
    branch.published("2026-10-31");
}

fn months_without_ids() {
    let branch = with_two_months("[refit]\nmode = \"fresh\"\n");
    branch.rewrite("id = \"id\"\n", "features = [\"x\", \"y\"]\n");
    for month in ["2026-09", "2026-10"] {
        copied(&branch, (month, month), &[("id", None)]);
    }
    branch.published("2026-09-30");
    let ran = branch.run("2026-10-31", &[]).succeeds();
    assert!(ran.err.contains("customers have no ids, so it is not known who moved"), "{}", ran.err);
    let report = branch.report(2);
    assert_eq!((&report["migration"], &report["relabelled"]), (&Value::Null, &Value::from(0)));
    assert_eq!(report["matched_by"], "definition");
    let shares: Vec<f64> = report["measures"]["segments"]
        .as_array()
        .expect("segments")
        .iter()
        .map(|segment| segment["share_before"].as_f64().expect("a share"))
        .collect();
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{shares:?}");
    assert_eq!(last_line(&ran)["moved"], Value::Null);
}

fn ids_with_another_key() {
    let branch = with_two_months("[refit]\nmode = \"fresh\"\n");
    let [before, now] = two_months();
    for (name, key) in
        [("old.key", "0123456789abcdef0123456789abcdef"), ("new.key", "fedcba9876543210fedcba9876543210")]
    {
        std::fs::write(branch.w.path(name), key).expect("a key");
    }
    branch.rewrite("id = \"id\"", "id = \"id\"\npseudonymise = \"old.key\"");
    branch.table(
        "2026-09",
        &before,
        &[("z", f64s(before.keys().map(|id| some_noise(*id as u64)).collect::<Vec<_>>()))],
    );
    branch.published("2026-09-30");
    branch.rewrite("old.key", "new.key");
    let ran = branch.run("2026-10-31", &["--dry-run"]).succeeds();
    let unknown = "only 0 of 120 customers of version 1 are in this month, so it is not known who moved";
    assert!(ran.err.contains(unknown), "{}", ran.err);
    // Without the column z, the old model cannot label the month either.
    branch.rewrite("[refit]", "[gates]\nmissing_rise = 1.0\n[refit]");
    branch.table("2026-10", &now, &[]);
    let ran = branch.run("2026-10-31", &[]).succeeds();
    assert!(ran.err.contains("segments are matched by their centroids in the 2 features"), "{}", ran.err);
    let report = branch.report(2);
    assert_eq!((&report["matched_by"], &report["migration"]), (&Value::from("centroids"), &Value::Null));
    assert_eq!((&report["relabelled"], &report["measures"]["relabelled"]), (&Value::Null, &Value::Null));
    let ids = |version: u64| {
        let report = branch.report(version);
        let segments = report["segments"].as_array().expect("segments").clone();
        segments.iter().map(|segment| segment["segment_id"].as_u64().expect("an id")).collect::<Vec<_>>()
    };
    let mut found = ids(2);
    found.sort_unstable();
    assert_eq!(found, [1, 2, 3], "all three go on");
}

fn segments_that_moved() {
    let branch = Branch::new("");
    let before = groups(100, [60, 40, 20]);
    branch.month("2026-09", &before);
    branch.published("2026-09-30");
    // The third group is elsewhere, by much more than it is wide; it stays the nearest to its old centroid.
    let x = before.iter().map(|(id, group)| [0.0, 10.0, 23.0][*group] + some_noise(1 + *id as u64) - 0.5);
    branch.table("2026-10", &before, &[("x", f64s(x.collect::<Vec<_>>()))]);
    branch.published("2026-10-31");
    let report = branch.report(2);
    let events: Vec<(u64, &str)> = report["segments"]
        .as_array()
        .expect("segments")
        .iter()
        .map(|segment| (segment["segment_id"].as_u64().expect("an id"), segment["event"].as_str().expect("an event")))
        .collect();
    let third = by_group(&branch.labels(1), &before)[&2].1 as u64;
    for (id, event) in events {
        assert_eq!(event, if id == third { "moved" } else { "survived" }, "segment {id}");
    }
}

fn a_stratum_that_the_old_model_does_not_know() {
    let branch = Branch::new("[division]\nrules = \"rules.toml\"\n[refit]\nmode = \"fresh\"\n");
    std::fs::write(branch.w.path("rules.toml"), "[strata]\nwithin = \"tier\"\nk = 1\n").expect("rules");
    let all = groups(100, [40, 40, 0]);
    let tiers = |gold: bool| -> ArrayRef {
        let of = |id: &i64| {
            if gold && *id < 120 {
                "gold"
            } else if *id < 140 {
                "basic"
            } else {
                "plus"
            }
        };
        Arc::new(all.keys().map(|id| Some(of(id))).collect::<arrow::array::StringArray>())
    };
    branch.table("2026-09", &all, &[("tier", tiers(false))]);
    branch.table("2026-10", &all, &[("tier", tiers(true))]);
    branch.published("2026-09-30");
    branch.published("2026-10-31");
    let report = branch.report(2);
    assert_eq!(report["migration"]["moved"], 20, "those in the new tier");
    assert_eq!((&report["migration"]["moved_by_behaviour"], &report["relabelled"]), (&Value::from(0), &Value::from(0)));
    let changes = branch.changes(2);
    assert_eq!(changes.len(), 20);
    assert!(changes.iter().all(|(id, cause, ..)| *id < 120 && cause == "change"), "{changes:?}");
}
