//! What a monthly run refuses before it computes anything, and rehearsals, which keep nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use serde_json::Value;

use crate::command::{Ran, contents, json};
use crate::harness::{hyades, tests};
use crate::monthly::{Branch, last_line, states, two_months, with_two_months};
use crate::tables::{column, i64s, integers, read, write};

tests!(
    a_rehearsal_finds_what_a_run_finds,
    limits_that_no_value_can_have,
    a_job_that_asks_for_other_segments,
    ids_in_another_column,
    ids_of_another_kind,
    folders_that_are_columns,
    placeholders_in_all_paths,
    inputs_converted_once,
    changes_that_mean_nothing,
    names_before_the_first_version,
    ids_of_another_kind_after_a_month_without,
    another_key_is_something_new,
);

fn a_rehearsal_finds_what_a_run_finds() {
    let branch = with_two_months("[gates]\nrows_change = 0.1\n");
    let first = branch.run("2026-09-30", &["--dry-run"]).succeeds();
    let line = last_line(&first);
    assert_eq!((&line["verdict"], &line["version"]), (&Value::from("planned"), &Value::Null));
    assert_eq!(line["customers"], 120);
    assert!(!branch.w.path("history").exists(), "a rehearsal makes no folder");
    branch.published("2026-09-30");
    let before = contents(&branch.w.path(""));
    let rehearsed = branch.run("2026-10-31", &["--dry-run"]).succeeds();
    assert!(before == contents(&branch.w.path("")), "a rehearsal keeps nothing");
    assert!(
        rehearsed.out.contains("a gate refuses: rows_change: the number of rows changed by 20.8"),
        "{}",
        rehearsed.out
    );
    assert!(rehearsed.out.contains("nothing was written; a run would be refused"), "{}", rehearsed.out);
    branch.run("2026-10-31", &[]).is_refused(6, &["the number of rows changed by 20.8"]);
    let ran = branch.run("2026-10-31", &[]);
    let facts = |line: &Value| ["customers", "segments", "moved", "came", "left", "gates"].map(|key| line[key].clone());
    assert_eq!(facts(&last_line(&ran)), facts(&last_line(&rehearsed)));
    assert_eq!(last_line(&ran)["gates"]["failed"], 1);
}

fn limits_that_no_value_can_have() {
    let branch = Branch::new("[gates]\npsi_max = -1\nmissing_rise = { max = 3.5, severity = \"warn\" }\n");
    let ran = branch.run("2026-09-30", &[]);
    ran.is_refused(2, &[]);
    assert_eq!(
        ran.err.replace(&branch.w.text(""), ""),
        "error: job.toml:10:11: psi_max is -1; it must be a number of at least 0, such as 0.1\n\
         job.toml:11:16: missing_rise is 3.5; it must be a share from 0 to 1, such as 0.05\n"
    );
}

fn a_job_that_asks_for_other_segments() {
    let branch = with_two_months("");
    branch.published("2026-09-30");
    let changed = "[columns] changed since version 1, but the mode warm keeps that version's features and preparation; \
                   set mode = \"fresh\" in [refit] for this month, or undo the change";
    branch.rewrite("id = \"id\"", "id = \"id\"\nexclude = [\"y\"]");
    branch.run("2026-10-31", &[]).is_refused(2, &[changed]);
    branch.rewrite("k = 3", "k = 3\n[preparation]\nscale = \"none\"");
    branch.run("2026-10-31", &[]).is_refused(2, &["[columns] and [preparation] changed since version 1"]);
    assert_eq!(states(&branch).len(), 1, "nothing was claimed");
    branch.rewrite("[preparation]", "[refit]\nmode = \"fresh\"\n[preparation]");
    branch.published("2026-10-31");
    branch.rewrite("mode = \"fresh\"", "mode = \"assign\"");
    branch.published("2026-10-31");
    // Under a model, the number of segments is not asked for anew.
    branch.rewrite("k = 3", "k = 4");
    let ran = branch.run("2026-10-31", &[]);
    ran.is_refused(2, &["k of [clustering] changed since version 3, but the mode assign keeps that version's model"]);
}

fn ids_in_another_column() {
    for mode in ["warm", "assign"] {
        let branch = with_two_months(&format!("[refit]\nmode = \"{mode}\"\n"));
        let [before, now] = two_months();
        branch.published("2026-09-30");
        branch.table("2026-10", &now, &[("customer", i64s(now.keys().copied()))]);
        let table = read(&branch.w.path("2026-10.parquet"));
        let without: Vec<(&str, ArrayRef)> =
            ["customer", "x", "y"].map(|name| (name, table.column_by_name(name).expect("a column").clone())).to_vec();
        write(&branch.w.path("2026-10.parquet"), &without);
        branch.rewrite("id = \"id\"", "id = \"customer\"");
        let ran = branch.run("2026-10-31", &[]).succeeds();
        assert!(
            ran.err.contains("ids are in the column \"customer\"; in version 1 they were in \"id\""),
            "{}",
            ran.err
        );
        let line = last_line(&ran);
        assert_eq!(["moved", "came", "left"].map(|key| line[key].as_u64()), [20, 40, 15].map(Some), "{mode}");
        let tenure = read(&branch.version(2).join("history.parquet"));
        let ids: BTreeSet<i64> = integers(&tenure, "customer").into_iter().collect();
        assert_eq!(ids, before.keys().chain(now.keys()).copied().collect::<BTreeSet<i64>>());
        // The next month finds them again.
        std::fs::copy(branch.w.path("2026-10.parquet"), branch.w.path("2026-11.parquet")).expect("copied");
        let line = branch.published("2026-11-30");
        assert_eq!(["moved", "came", "left"].map(|key| line[key].as_u64()), [0, 0, 0].map(Some), "{mode}");
    }
}

fn ids_of_another_kind() {
    let branch = with_two_months("");
    let [_, now] = two_months();
    branch.published("2026-09-30");
    let text: ArrayRef = Arc::new(now.keys().map(|id| Some(format!("c{id}"))).collect::<StringArray>());
    branch.table("2026-10", &now, &[("id", text)]);
    let why = "the ids of version 1 are whole numbers, those of this month text, so nobody could be found again; store \
               them alike, or begin another history ([job] history)";
    branch.run("2026-10-31", &[]).is_refused(3, &[why]);
    assert_eq!(states(&branch).len(), 1, "nothing was claimed");
}

/// The name of a folder is a column, so the same file in another folder is something new.
fn folders_that_are_columns() {
    let branch = with_two_months("");
    branch.rewrite("{as_of:%Y-%m}.parquet", "tables");
    let place = |region: &str| branch.w.path(&format!("tables/region={region}"));
    std::fs::create_dir_all(place("north")).expect("a folder");
    std::fs::rename(branch.w.path("2026-09.parquet"), place("north").join("a.parquet")).expect("moved");
    branch.published("2026-09-30");
    let again = branch.run("2026-09-30", &["--nothing-new", "99"]);
    assert_eq!((again.code, &last_line(&again)["verdict"]), (Some(99), &Value::from("nothing_new")));
    std::fs::rename(place("north"), place("south")).expect("moved");
    branch.run("2026-09-30", &["--nothing-new", "99"]).succeeds();
    assert_eq!(branch.current()["version"], 2);
}

fn placeholders_in_all_paths() {
    let branch = with_two_months("");
    // A brace in the folder of the job is not a placeholder.
    let folder = branch.w.path("a{b}c");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::rename(branch.w.path("2026-09.parquet"), folder.join("2026-09.parquet")).expect("moved");
    branch.rewrite("[job]\n", "[job]\nexpect = \"expect-{as_of}.toml\"\nnames = \"names-{as_of:%Y}.toml\"\n");
    std::fs::rename(branch.w.path("job.toml"), folder.join("job.toml")).expect("moved");
    std::fs::write(folder.join("expect-2026-09-30.toml"), "[table]\nrow_count = [100, 200]\n").expect("expectations");
    std::fs::write(folder.join("names-2026.toml"), "[segments.1]\nen = \"First\"\n").expect("names");
    let job = folder.join("job.toml").display().to_string();
    Ran::from(hyades(["run", &job, "--as-of", "2026-09-30"])).succeeds();
    let names = std::fs::read_to_string(folder.join("history/versions/000001/names.toml")).expect("names");
    assert!(names.contains("en = \"First\""), "{names}");
    let told = json(folder.join("history/versions/000001/report.json"));
    assert_eq!(told["segments"][0]["segment_id"], 1);
}

/// The steps of a run share one input, so a CSV file is converted once.
fn inputs_converted_once() {
    let branch = with_two_months("");
    for month in ["2026-09", "2026-10"] {
        let table = read(&branch.w.path(&format!("{month}.parquet")));
        let (ids, [x, y]) = (integers(&table, "id"), ["x", "y"].map(|name| floats(&table, name)));
        let line = |i: usize| format!("{},{},{}\n", ids[i], x[i], y[i]);
        let text: String = (0..ids.len()).map(line).collect();
        std::fs::write(branch.w.path(&format!("{month}.csv")), format!("id,x,y\n{text}")).expect("written");
    }
    branch.rewrite("{as_of:%Y-%m}.parquet", "{as_of:%Y-%m}.csv");
    branch.published("2026-09-30");
    let ran = branch.run("2026-10-31", &[]).succeeds();
    assert_eq!(ran.err.matches("2026-10.csv is CSV: ").count(), 1, "{}", ran.err);
    assert_eq!(last_line(&ran)["moved"], 20);
}

fn floats(table: &RecordBatch, name: &str) -> Vec<f64> {
    column(table, name).as_primitive::<Float64Type>().values().to_vec()
}

/// A comment in a recipe, or one more attribute to audit, is no other definition of segments; a feature to protect is.
fn changes_that_mean_nothing() {
    let branch = with_two_months("");
    branch.rewrite("k = 3", "k = 3\n[preparation]\nrecipe = \"recipe.toml\"");
    std::fs::write(branch.w.path("recipe.toml"), "[defaults]\nscale = \"none\"\n").expect("a recipe");
    branch.published("2026-09-30");
    std::fs::write(branch.w.path("recipe.toml"), "# As agreed\n[defaults]\nscale = \"none\"\n").expect("a recipe");
    let [_, now] = two_months();
    branch.table("2026-10", &now, &[("tier", i64s(now.keys().map(|id| id % 3)))]);
    branch.rewrite("id = \"id\"", "id = \"id\"\nprotect = [\"tier\"]");
    branch.published("2026-10-31");
    branch.rewrite("protect = [\"tier\"]", "protect = [\"y\"]");
    let why =
        "\"y\" is to be protected, and is a feature of version 2, which this run takes over; set mode = \"fresh\"";
    branch.run("2026-10-31", &[]).is_refused(2, &[why]);
}

fn names_before_the_first_version() {
    let branch = with_two_months("");
    std::fs::create_dir(branch.w.path("history")).expect("a folder");
    std::fs::write(branch.w.path("history/names.toml"), "[segments.2]\nen = \"Second\"\n").expect("names");
    branch.run("2026-09-30", &["--dry-run"]).succeeds();
    branch.published("2026-09-30");
    let names = std::fs::read_to_string(branch.version(1).join("names.toml")).expect("names");
    assert!(names.contains("[segments.2]\nen = \"Second\""), "{names}");
}

fn ids_of_another_kind_after_a_month_without() {
    let branch = with_two_months("");
    let [_, now] = two_months();
    branch.rewrite("id = \"id\"\n", "features = [\"x\", \"y\"]\n");
    branch.published("2026-09-30");
    let table = read(&branch.w.path("2026-10.parquet"));
    let without: Vec<(&str, ArrayRef)> = ["x", "y"].map(|name| (name, column(&table, name))).to_vec();
    write(&branch.w.path("2026-10.parquet"), &without);
    branch.published("2026-10-31");
    let text: ArrayRef = Arc::new(now.keys().map(|id| Some(format!("c{id}"))).collect::<StringArray>());
    branch.table("2026-11", &now, &[("id", text)]);
    branch.run("2026-11-30", &[]).is_refused(3, &["the ids of version 2 are whole numbers, those of this month text"]);
}

fn another_key_is_something_new() {
    let branch = with_two_months("");
    let key = branch.w.path("key.txt");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef").expect("a key");
    branch.rewrite("id = \"id\"", "id = \"id\"\npseudonymise = \"key.txt\"");
    branch.published("2026-09-30");
    assert_eq!(branch.run("2026-09-30", &["--nothing-new", "99"]).code, Some(99));
    // From another folder, by another path to the job: still nothing new.
    let job = branch.w.path("sub/../job.toml").display().to_string();
    std::fs::create_dir(branch.w.path("sub")).expect("a folder");
    let again = Ran::from(hyades(["run", &job, "--as-of", "2026-09-30", "--nothing-new", "99"]));
    assert_eq!(again.code, Some(99), "{}", again.err);
    std::fs::write(&key, "fedcba9876543210fedcba9876543210").expect("a key");
    branch.run("2026-09-30", &["--nothing-new", "99"]).succeeds();
    assert_eq!(branch.current()["version"], 2);
}
