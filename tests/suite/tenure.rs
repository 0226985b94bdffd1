//! `history.parquet` and the cohorts of a version, as a user finds them.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Date32Type;
use serde_json::Value;

use crate::command::{Ran, done};
use crate::harness::{hyades, tests};
use crate::monthly::{Branch, Groups, groups, with_two_months};
use crate::tables::{f64s, i64s, integers, read, write};

tests!(
    a_month_between_two_others,
    a_month_again_and_back,
    rows_that_are_no_customers,
    a_month_without_ids,
    names_that_ids_cannot_have,
    cohorts_of_three_months,
);

const AUGUST: i32 = 20_696;
const SEPTEMBER: i32 = 20_726;
const OCTOBER: i32 = 20_757;

/// Segment, beginning and end, by customer.
fn tenure(branch: &Branch, number: u64) -> BTreeMap<i64, Vec<(i64, i32, Option<i32>)>> {
    let table = read(&branch.version(number).join("history.parquet"));
    let day_of = |name: &str| table.column_by_name(name).expect("days").as_primitive::<Date32Type>().clone();
    let (from, to) = (day_of("valid_from"), day_of("valid_to"));
    let mut found: BTreeMap<i64, Vec<(i64, i32, Option<i32>)>> = BTreeMap::new();
    let (ids, segments) = (integers(&table, "id"), integers(&table, "segment_id"));
    for row in 0..table.num_rows() {
        let until = to.is_valid(row).then(|| to.value(row));
        found.entry(ids[row]).or_default().push((segments[row], from.value(row), until));
    }
    found.values_mut().for_each(|rows| rows.sort_by_key(|row| row.1));
    found
}

/// 40 customers in each group; customer 100 in that of `group`, and customer 101 only if `is_here`.
fn month(group: usize, is_here: bool) -> Groups {
    let mut all = groups(200, [40, 40, 40]);
    all.insert(100, group);
    all.extend(is_here.then_some((101, 1)));
    all
}

fn a_month_between_two_others() {
    let branch = Branch::new("[refit]\nmode = \"assign\"\n");
    for (name, groups) in [("2026-08", month(0, true)), ("2026-09", month(2, false)), ("2026-10", month(0, true))] {
        branch.month(name, &groups);
    }
    branch.published("2026-08-31");
    branch.published("2026-10-31");
    let before = tenure(&branch, 2);
    let [first, other] = [before[&100][0].0, before[&101][0].0];
    assert_eq!((&before[&100], &before[&101]), (&vec![(first, AUGUST, None)], &vec![(other, AUGUST, None)]));
    done(["run", &branch.w.text("job.toml"), "--as-of", "2026-09-30", "--backfill"]);
    let after = tenure(&branch, 3);
    let third = after[&100][1].0;
    assert!(third != first);
    let moved = [(first, AUGUST, Some(SEPTEMBER)), (third, SEPTEMBER, Some(OCTOBER)), (first, OCTOBER, None)];
    assert_eq!(after[&100], moved);
    assert_eq!(after[&101], [(other, AUGUST, Some(SEPTEMBER)), (other, OCTOBER, None)]);
    let others =
        |all: &BTreeMap<i64, Vec<_>>| all.range(200..).map(|(id, rows)| (*id, rows.clone())).collect::<Vec<_>>();
    assert_eq!(others(&after), others(&before));
    // The same month without that change takes it back.
    branch.month("2026-09", &month(0, true));
    done(["run", &branch.w.text("job.toml"), "--as-of", "2026-09-30", "--backfill"]);
    assert_eq!(tenure(&branch, 4), before);
}

fn a_month_again_and_back() {
    let branch = Branch::new("[refit]\nmode = \"assign\"\n");
    branch.month("2026-08", &month(0, true));
    branch.published("2026-08-31");
    for (group, is_here) in [(0, true), (2, false), (0, true)] {
        branch.month("2026-09", &month(group, is_here));
        branch.published("2026-09-30");
    }
    assert_eq!(tenure(&branch, 4), tenure(&branch, 1));
    assert!(tenure(&branch, 3)[&101][0].2 == Some(SEPTEMBER));
}

fn rows_that_are_no_customers() {
    let branch = Branch::new("");
    let job = branch.w.path("job.toml");
    let text = std::fs::read_to_string(&job).expect("a job");
    std::fs::write(&job, text.replace("id = \"id\"\n", "id = \"id\"\nduplicate_ids = \"keep\"\n")).expect("a job");
    // Customer 5 has two rows in different groups, and three rows have no id.
    let ids: Vec<Option<i64>> =
        (0..60).map(|i| if i >= 57 { None } else { Some(if i == 10 { 5 } else { i }) }).collect();
    let around = |center: [f64; 3]| f64s((0..60).map(move |i| center[i as usize % 3] + f64::from(i) / 100.0));
    let columns = [
        ("id", std::sync::Arc::new(ids.into_iter().collect::<arrow::array::Int64Array>()) as _),
        ("x", around([0.0, 10.0, 20.0])),
        ("y", around([5.0, -5.0, 5.0])),
    ];
    for name in ["2026-08", "2026-09"] {
        write(&branch.w.path(&format!("{name}.parquet")), &columns);
    }
    branch.published("2026-08-31");
    let ran = Ran::from(hyades(["run", &job.display().to_string(), "--as-of", "2026-09-30"])).succeeds();
    assert!(ran.err.contains("4 rows have no id, or that of a row before"), "{}", ran.err);
    let migration = branch.report(2)["migration"].clone();
    let counts = ["stayed", "came", "left", "moved", "not_members"].map(|key| migration[key].as_u64());
    assert_eq!(counts, [56, 0, 0, 0, 4].map(Some));
    let rows = tenure(&branch, 2);
    assert_eq!(rows.len(), 56);
    assert!(rows.values().all(|rows| rows.len() == 1 && rows[0].1 == AUGUST && rows[0].2.is_none()));
    assert_eq!(read(&branch.version(2).join("migration.parquet")).num_rows(), 0);
}

/// It says nothing of customers, and the next month goes on with what was known.
fn a_month_without_ids() {
    let branch = Branch::new("");
    let job = branch.w.path("job.toml");
    let text = std::fs::read_to_string(&job).expect("a job");
    std::fs::write(&job, text.replace("id = \"id\"\n", "exclude = [\"rest\"]\n")).expect("a job");
    branch.month("2026-08", &month(0, true));
    branch.month("2026-09", &month(0, true));
    let path = branch.w.path("2026-09.parquet");
    let table = read(&path);
    let without: Vec<_> = ["x", "y"].map(|name| (name, table.column_by_name(name).expect("a column").clone())).to_vec();
    write(&path, &[&without[..], &[("rest", f64s((0..table.num_rows()).map(|i| i as f64)))]].concat());
    branch.month("2026-10", &month(0, false));
    for name in ["2026-08", "2026-10"] {
        let path = branch.w.path(&format!("{name}.parquet"));
        let table = read(&path);
        let all = ["id", "x", "y"].map(|name| (name, table.column_by_name(name).expect("a column").clone()));
        write(&path, &[&all[..], &[("rest", f64s((0..table.num_rows()).map(|i| i as f64)))]].concat());
    }
    branch.published("2026-08-31");
    branch.published("2026-09-30");
    assert_eq!(tenure(&branch, 2), tenure(&branch, 1));
    branch.published("2026-10-31");
    let after = tenure(&branch, 3);
    assert_eq!((after[&100][0].1, after[&100][0].2), (AUGUST, None));
    assert_eq!(after[&101][0].2, Some(OCTOBER));
    let all: Value =
        serde_json::from_str(&done(["history", "cohorts", &branch.history(), "--json"]).out).expect("JSON");
    assert_eq!(all["days"], serde_json::json!(["2026-08-31", "2026-10-31"]));
}

fn names_that_ids_cannot_have() {
    let branch = Branch::new("");
    let text = std::fs::read_to_string(branch.w.path("job.toml")).expect("a job");
    let tables = [
        ("segment_id", "history.parquet"),
        ("valid_from", "history.parquet"),
        ("Valid_To", "history.parquet"),
        ("cause", "migration.parquet"),
        ("from", "migration.parquet"),
        ("gain", "migration.parquet"),
        ("feature_1", "migration.parquet"),
    ];
    for (name, table) in tables {
        let x = f64s((0..30).map(|i| f64::from(i % 3)));
        write(&branch.w.path("2026-08.parquet"), &[(name, i64s(0..30)), ("x", x)]);
        std::fs::write(branch.w.path("job.toml"), text.replace("id = \"id\"", &format!("id = \"{name}\"")))
            .expect("a job");
        let ran = Ran::from(hyades(["run", &branch.w.text("job.toml"), "--as-of", "2026-08-31"]));
        let own = name.to_lowercase();
        let why = format!(
            "the id column is named {name:?}, and {table} has a column {own:?} of its own; rename it in the input, or \
             name another one as id in [columns]"
        );
        ran.is_refused(3, &[&why]);
    }
    assert!(!branch.w.path("history/log.ndjson").exists(), "no number was taken");
    // By its name alone it would be the id, too.
    std::fs::write(branch.w.path("job.toml"), text.replace("id = \"id\"\n", "")).expect("a job");
    let x = f64s((0..30).map(|i| f64::from(i % 3)));
    write(&branch.w.path("2026-08.parquet"), &[("segment_id", i64s(0..30)), ("x", x)]);
    Ran::from(hyades(["run", &branch.w.text("job.toml"), "--as-of", "2026-08-31"])).is_refused(3, &["\"segment_id\""]);
}

fn cohorts_of_three_months() {
    let branch = with_two_months("[refit]\nmode = \"assign\"\n");
    branch.published("2026-09-30");
    branch.published("2026-10-31");
    let table = done(["history", "cohorts", &branch.history()]).out;
    let rows: Vec<String> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let all: Value =
        serde_json::from_str(&done(["history", "cohorts", &branch.history(), "--json"]).out).expect("JSON");
    assert_eq!(all["days"], serde_json::json!(["2026-09-30", "2026-10-31"]));
    // 60, 40 and 20 customers; 20 of the first moved to the last, 15 left, and 40 came to the last.
    let cohorts = all["cohorts"].as_array().expect("cohorts");
    let of = |joined: &str| -> Vec<(u64, Option<u64>)> {
        let mine = cohorts.iter().filter(|cohort| cohort["joined"] == joined);
        let mut all: Vec<_> =
            mine.map(|c| (c["customers"].as_u64().expect("a count"), c["staying"][0].as_u64())).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(of("2026-09-30"), [(20, Some(20)), (40, Some(40)), (60, Some(25))]);
    assert_eq!(of("2026-10-31"), [(60, None)]);
    for row in ["2026-09-30 60 41.7%", "2026-09-30 40 100.0%", "2026-10-31 60"] {
        assert!(rows.iter().any(|found| found.ends_with(row)), "no {row:?} in:\n{table}");
    }
    assert!(table.lines().all(|line| line.len() <= 100), "{table}");
    let first: Value =
        serde_json::from_str(&done(["history", "cohorts", &branch.history(), "1", "--json"]).out).expect("JSON");
    assert_eq!(first["days"], serde_json::json!(["2026-09-30"]));
    Ran::from(hyades(["history", "cohorts", &branch.history(), "9"])).is_refused(2, &["version 9 of "]);
}
