//! Monthly runs as a user runs them: segments keep their ids, who moved is told exactly, and what went wrong is not
//! published.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, Int32Type};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::command::{Ran, Workshop, contents, done, json};
use crate::harness::{gpu_test, hyades, tests};
use crate::tables::{f64s, i64s, integers, noise, read, segments, some_f64s, write};

tests!(
    a_second_month_keeps_its_ids,
    the_same_bytes_on_any_machine,
    a_month_labelled_by_the_old_model,
    the_same_month_twice,
    months_fitted_anew,
    a_column_that_the_old_model_needs_is_gone,
    what_gates_refuse,
    versions_that_wait_for_approval,
    months_that_do_not_begin,
    faults_of_a_job_file,
    four_months_joined_naively,
    rules_and_strata,
    names_follow_ids,
    a_job_file_from_the_template,
    another_number_of_segments,
    what_points_nowhere,
    customers_whom_nobody_knows,
    a_month_again_with_other_data,
    an_emptier_column_for_the_old_model,
    ids_are_not_given_twice,
    labels_divided_by_segment,
    a_first_rule_ends_no_id,
);

/// The tests that need a GPU.
pub(crate) fn with_gpu() -> Vec<Trial> {
    let run = |device| {
        same_bytes(&[format!("[device]\nbackend = \"gpu\"\ndevice = \"{device}\"\nstrict_device = true\n")]);
    };
    vec![gpu_test("monthly::the_same_bytes_on_a_gpu", run)]
}

/// Customers by id, each in one of three groups far apart, or in group 3 between the first two.
pub(crate) type Groups = BTreeMap<i64, usize>;

/// What the labels of a version say of a customer: number and identity of the segment.
pub(crate) type Labels = BTreeMap<i64, (i32, i64)>;

/// A folder with monthly tables and a job.
pub(crate) struct Branch {
    pub(crate) w: Workshop,
}

impl Branch {
    /// With a job of three segments, and more sections.
    pub(crate) fn new(sections: &str) -> Self {
        let branch = Branch { w: Workshop::new() };
        branch.job("job.toml", "history", sections);
        branch
    }

    pub(crate) fn job(&self, name: &str, history: &str, sections: &str) {
        let text = format!(
            "[job]\nhistory = \"{history}\"\n[input]\npaths = [\"{{as_of:%Y-%m}}.parquet\"]\n[columns]\nid = \"id\"\n\
             [clustering]\nk = 3\n{sections}"
        );
        std::fs::write(self.w.path(name), text).expect("a job file");
    }

    /// Replaces a piece of the job.
    pub(crate) fn rewrite(&self, from: &str, to: &str) {
        let path = self.w.path("job.toml");
        let job = std::fs::read_to_string(&path).expect("a job");
        assert!(job.contains(from), "{job}");
        std::fs::write(path, job.replacen(from, to, 1)).expect("a job");
    }

    /// Writes the table of a month: x and y by group and id, so a customer who stays in a group stays as he is.
    pub(crate) fn month(&self, month: &str, groups: &Groups) {
        self.table(month, groups, &[]);
    }

    pub(crate) fn table(&self, month: &str, groups: &Groups, more: &[(&str, ArrayRef)]) {
        let around = |seed: u64, centers: [f64; 3]| {
            let middle = (centers[0] + centers[1]) / 2.0;
            let of_one = |(id, group): (&i64, &usize)| match centers.get(*group) {
                Some(center) => center + some_noise(seed + *id as u64) - 0.5,
                None => middle + 2.0 * (centers[0] - middle) * (some_noise(*id as u64) - 0.5),
            };
            f64s(groups.iter().map(of_one).collect::<Vec<_>>())
        };
        let mut columns = vec![
            ("id", i64s(groups.keys().copied())),
            ("x", around(1, [0.0, 10.0, 20.0])),
            ("y", around(1 << 20, [5.0, -5.0, 5.0])),
        ];
        for (name, column) in more {
            columns.retain(|(known, _)| known != name);
            columns.push((name, column.clone()));
        }
        write(&self.w.path(&format!("{month}.parquet")), &columns);
    }

    pub(crate) fn run(&self, as_of: &str, more: &[&str]) -> Ran {
        hyades([&["run", &self.w.text("job.toml"), "--as-of", as_of], more].concat()).into()
    }

    /// The last line of a run that published.
    pub(crate) fn published(&self, as_of: &str) -> Value {
        last_line(&self.run(as_of, &[]).succeeds())
    }

    pub(crate) fn history(&self) -> String {
        self.w.text("history")
    }

    pub(crate) fn version(&self, number: u64) -> PathBuf {
        self.w.path(&format!("history/versions/{number:06}"))
    }

    pub(crate) fn report(&self, number: u64) -> Value {
        json(self.version(number).join("report.json"))
    }

    pub(crate) fn current(&self) -> Value {
        json(self.w.path("history/current.json"))
    }

    pub(crate) fn labels(&self, number: u64) -> Labels {
        let table = read(&self.version(number).join("segments/part-00000.parquet"));
        let segments = table.column_by_name("segment").expect("numbers").as_primitive::<Int32Type>().clone();
        let pairs = segments.values().iter().copied().zip(integers(&table, "segment_id"));
        integers(&table, "id").into_iter().zip(pairs).collect()
    }

    /// The rows of migration.parquet: id, cause, from, to.
    pub(crate) fn changes(&self, number: u64) -> BTreeSet<(i64, String, i64, i64)> {
        let table = read(&self.version(number).join("migration.parquet"));
        let cause = arrow::compute::cast(table.column_by_name("cause").expect("causes"), &DataType::Utf8).unwrap();
        let cause = cause.as_string::<i32>();
        let (ids, from, to) = (integers(&table, "id"), integers(&table, "from"), integers(&table, "to"));
        (0..table.num_rows()).map(|i| (ids[i], cause.value(i).to_owned(), from[i], to[i])).collect()
    }
}

pub(crate) fn some_noise(seed: u64) -> f64 {
    noise(seed).nth(3).expect("without end")
}

pub(crate) fn last_line(ran: &Ran) -> Value {
    serde_json::from_str(ran.out.lines().last().expect("a line")).expect("JSON")
}

/// `sizes` customers in each group, with ids from `first`.
pub(crate) fn groups(first: i64, sizes: [usize; 3]) -> Groups {
    let all = sizes.into_iter().enumerate().flat_map(|(group, n)| std::iter::repeat_n(group, n));
    all.zip(first..).map(|(group, id)| (id, group)).collect()
}

/// 60, 40 and 20 customers; a month later 20 of the first group are in the third, 15 of it left, and 40 came to the
/// third.
pub(crate) fn two_months() -> [Groups; 2] {
    let before = groups(100, [60, 40, 20]);
    let mut now = before.clone();
    now.retain(|id, _| *id >= 115);
    now.extend((115..135).map(|id| (id, 2)));
    now.extend(groups(500, [0, 0, 40]));
    [before, now]
}

pub(crate) fn with_two_months(sections: &str) -> Branch {
    let branch = Branch::new(sections);
    let [before, now] = two_months();
    branch.month("2026-09", &before);
    branch.month("2026-10", &now);
    branch
}

/// The identity of each group's segment, which all its customers must have.
pub(crate) fn by_group(labels: &Labels, groups: &Groups) -> BTreeMap<usize, (i32, i64)> {
    let mut found = BTreeMap::new();
    for (id, group) in groups {
        let label = labels[id];
        assert_eq!(*found.entry(*group).or_insert(label), label, "customer {id} of group {group}");
    }
    found
}

fn a_second_month_keeps_its_ids() {
    let branch = with_two_months("");
    let [before, now] = two_months();
    let line = branch.published("2026-09-30");
    assert_eq!((line["version"].as_u64(), line["verdict"].as_str()), (Some(1), Some("published")));
    assert_eq!((line["customers"].as_u64(), line["segments"].as_u64()), (Some(120), Some(3)));
    assert_eq!(line["blake3"], branch.current()["blake3"]);
    let line = branch.published("2026-10-31");
    let told = ["version", "customers", "moved", "came", "left"].map(|key| line[key].as_u64());
    assert_eq!(told, [2, 145, 20, 40, 15].map(Some));

    let old = by_group(&branch.labels(1), &before);
    let new = by_group(&branch.labels(2), &now);
    for group in 0..3 {
        assert_eq!(old[&group].1, new[&group].1, "the id of group {group} goes on");
    }
    assert_eq!(old.values().map(|(_, id)| *id).collect::<BTreeSet<_>>(), BTreeSet::from([1, 2, 3]));
    assert_ne!(old[&2].0, new[&2].0, "the smallest became the largest, so numbers swap");

    // Readers of a folder of Parquet find labels alone, and the folder is a model.
    let names: Vec<String> = contents(&branch.version(2)).into_keys().collect();
    let expected = [
        "drift.json",
        "history.parquet",
        "identity.json",
        "manifest.json",
        "migration.parquet",
        "model.json",
        "names.toml",
        "profile.json",
        "report.json",
        "run.json",
        "segments/part-00000.parquet",
    ];
    assert!(expected.iter().all(|name| names.iter().any(|n| n == name)), "{names:?}");
    assert!(names.iter().filter(|name| name.starts_with("segments/")).all(|name| name.ends_with(".parquet")));
    let folder = branch.version(2).to_str().expect("text").to_owned();
    let out = branch.w.text("labels");
    done(["assign", &folder, &branch.w.text("2026-10.parquet"), "--out", &out]);
    let part = "segments/part-00000.parquet";
    assert_eq!(segments(&branch.w.path("labels").join(part)), segments(&branch.version(2).join(part)));
    done(["history", "verify", &branch.history()]);
}

/// Three months with these sections of the job file give the same versions as without them.
fn same_bytes(sections: &[String]) {
    let branch = Branch { w: Workshop::new() };
    let rows = 3000;
    let spread = |month: u64| -> Groups {
        (0..rows)
            .filter(|id| *id as u64 % 11 != month)
            .map(|id| (id, (some_noise(id as u64 + month) * 3.0) as usize))
            .collect()
    };
    for (month, name) in [(1, "2026-08"), (2, "2026-09"), (3, "2026-10")] {
        let groups = spread(month);
        // A feature without groups, so that fits take many passes.
        let z = f64s(groups.keys().map(|id| 9.0 * some_noise(*id as u64 * 7 + month)).collect::<Vec<_>>());
        branch.table(name, &groups, &[("z", z)]);
    }
    let mut expected = None;
    for (number, sections) in [String::new()].iter().chain(sections).enumerate() {
        let (job, history) = (format!("job-{number}.toml"), format!("history-{number}"));
        branch.job(&job, &history, sections);
        let text = std::fs::read_to_string(branch.w.path(&job)).expect("a job").replace("k = 3", "k = 5");
        std::fs::write(branch.w.path(&job), text.replace("[job]\n", "[job]\nname = \"branch\"\n")).expect("a job");
        for as_of in ["2026-08-31", "2026-09-30", "2026-10-31"] {
            done(["run", &branch.w.text(&job), "--as-of", as_of]);
        }
        let mut files = contents(&branch.w.path(&history).join("versions"));
        files.retain(|name, _| !name.ends_with("/run.json"));
        assert!(files.len() > 20, "{:?}", files.keys());
        let first = expected.get_or_insert_with(|| files.clone());
        assert!(first.keys().eq(files.keys()), "{:?}", files.keys());
        for (name, bytes) in &files {
            let differs = || (String::from_utf8_lossy(&first[name]), String::from_utf8_lossy(bytes));
            assert!(first[name] == *bytes, "{name} differs with {sections:?}: {:?}", differs());
        }
    }
}

fn the_same_bytes_on_any_machine() {
    let of = |more: &str| format!("[resources]\n{more}\n");
    same_bytes(&[
        of("threads = 1"),
        of("threads = 2\nchunk_rows = 96"),
        of("threads = 7"),
        of("threads = 2\nmemory = \"200MiB\""),
        "[device]\nbackend = \"cpu\"\nsimd = \"portable\"\n".into(),
    ]);
}

/// Who was in another segment, by joining labels.
fn moved(old: &Labels, new: &Labels) -> BTreeSet<(i64, i64, i64)> {
    let both = new.iter().filter_map(|(id, now)| Some((*id, old.get(id)?.1, now.1)));
    both.filter(|(_, from, to)| from != to).collect()
}

fn a_month_labelled_by_the_old_model() {
    let branch = with_two_months("[refit]\nmode = \"assign\"\n");
    branch.published("2026-09-30");
    let line = branch.published("2026-10-31");
    let (old, new) = (branch.labels(1), branch.labels(2));
    let expected = moved(&old, &new);
    assert_eq!((expected.len(), line["moved"].as_u64()), (20, Some(20)));
    let behaviour = |(id, from, to): (i64, i64, i64)| (id, "behaviour".to_owned(), from, to);
    assert_eq!(branch.changes(2), expected.into_iter().map(behaviour).collect());
    let migration = branch.report(2)["migration"].clone();
    assert_eq!(
        (migration["moved_by_behaviour"].as_u64(), branch.report(2)["relabelled"].as_u64()),
        (Some(20), Some(0))
    );
    let flows = migration["flows"].as_array().expect("flows");
    assert!(flows.iter().all(|flow| flow["by_old_model"] == flow["now"]), "the definition is the same: {flows:?}");
    assert_eq!(branch.report(2)["matched_by"], "same_model");
    // The model itself goes on, to the byte.
    let model = |number| std::fs::read(branch.version(number).join("model.json")).expect("a model");
    assert!(model(1) == model(2));
}

fn the_same_month_twice() {
    let branch = with_two_months("");
    let [before, _] = two_months();
    branch.month("2026-10", &before);
    branch.published("2026-09-30");
    for (version, as_of) in [(2, "2026-09-30"), (3, "2026-10-31")] {
        let line = branch.published(as_of);
        assert_eq!(line["version"], version);
        assert_eq!(["moved", "came", "left"].map(|key| line[key].as_u64()), [Some(0); 3]);
        let migration = branch.report(version)["migration"].clone();
        let flows = migration["flows"].as_array().expect("flows");
        assert!(flows.iter().all(|flow| flow["before"] == flow["by_old_model"]), "behaviour is the same: {flows:?}");
        assert_eq!((branch.labels(version), branch.changes(version)), (branch.labels(1), BTreeSet::new()));
        let tenure = |n| read(&branch.version(n).join("history.parquet")).columns().to_vec();
        assert_eq!(tenure(version), tenure(1), "nothing began or ended");
    }
}

fn months_fitted_anew() {
    let [before, now] = two_months();
    for mode in ["auto", "fresh"] {
        let branch = with_two_months(&format!("[refit]\nmode = \"{mode}\"\n"));
        branch.published("2026-09-30");
        let ran = branch.run("2026-10-31", &[]).succeeds();
        assert_eq!(last_line(&ran)["moved"], 20, "{mode}");
        let ids = |labels: &Labels, groups| by_group(labels, groups).into_values().map(|l| l.1).collect::<Vec<_>>();
        assert_eq!(ids(&branch.labels(1), &before), ids(&branch.labels(2), &now), "{mode}");
        let report = branch.report(2);
        assert_eq!((report["mode"].as_str(), report["matched_by"].as_str()), (Some(mode), Some("definition")));
        let gain = report["refits"].as_array().and_then(|all| all.first()?["cold_gain"].as_f64());
        assert_eq!(gain.is_some(), mode == "auto", "{report}");
        assert_eq!(ran.out.contains("new starts are"), mode == "auto", "{}", ran.out);
    }
}

fn a_column_that_the_old_model_needs_is_gone() {
    let [before, now] = two_months();
    let branch = with_two_months("[refit]\nmode = \"fresh\"\n[gates]\nmissing_rise = 1.0\n");
    let z = f64s(before.keys().map(|id| some_noise(*id as u64)).collect::<Vec<_>>());
    branch.table("2026-09", &before, &[("z", z)]);
    branch.published("2026-09-30");
    let ran = branch.run("2026-10-31", &[]).succeeds();
    let why = "the old model cannot label this month, so segments are matched without it";
    assert!(ran.err.contains(why) && ran.err.contains("lacks columns that the model needs: z;"), "{}", ran.err);
    let report = branch.report(2);
    assert_eq!(report["matched_by"], "members");
    let causes: BTreeSet<String> = branch.changes(2).into_iter().map(|(_, cause, ..)| cause).collect();
    assert_eq!(causes, BTreeSet::from(["change".to_owned()]), "the old model cannot tell why");
    assert_eq!(moved(&branch.labels(1), &branch.labels(2)).len(), branch.changes(2).len());
    // 25 of 45 customers of group 0 stayed in it, so its id ends; those of the others go on.
    let (old, new) = (by_group(&branch.labels(1), &before), by_group(&branch.labels(2), &now));
    assert_eq!(old[&1].1, new[&1].1);
    // A warm fit needs the column, and says so.
    std::fs::remove_dir_all(branch.w.path("history")).expect("removed");
    branch.job("job.toml", "history", "");
    branch.published("2026-09-30");
    branch.run("2026-10-31", &[]).is_refused(2, &["z"]);
    assert_eq!(branch.current()["version"], 1);
}

pub(crate) fn states(branch: &Branch) -> Vec<String> {
    let list: Value = serde_json::from_str(&done(["history", "list", &branch.history(), "--json"]).out).expect("JSON");
    let states = list.as_array().expect("versions").iter().map(|v| v["state"].as_str().expect("a state").to_owned());
    states.collect()
}

pub(crate) fn approve(branch: &Branch, version: u64) -> Ran {
    let shown = done(["history", "show", &branch.history(), &version.to_string(), "--json"]).out;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let hash = shown["blake3"].as_str().expect("a hash").to_owned();
    let number = version.to_string();
    hyades(["history", "approve", &branch.history(), &number, "--hash", &hash, "--by", "Li Na", "--note", "seen"])
        .into()
}

fn what_gates_refuse() {
    let [before, now] = two_months();
    let branch = with_two_months(
        "[gates]\nrows_change = 0.1\nmissing_rise = 0.1\nshare_max = { max = 0.1, severity = \"warn\" }\n",
    );
    branch.published("2026-09-30");
    let pointer = branch.current();
    // 145 rows are 21 % more than 120.
    let ran = branch.run("2026-10-31", &[]);
    ran.is_refused(6, &["version 2 is refused, and is not published", "--hash"]);
    assert_eq!(last_line(&ran)["verdict"], "refused");
    // A column arrives half empty.
    let half = some_f64s(before.keys().map(|id| (id % 2 == 0).then_some(*id as f64)));
    branch.table("2026-10", &before, &[("y", half)]);
    branch.run("2026-10-31", &[]).is_refused(6, &["version 3 is refused"]);
    let failed = |version| -> Vec<String> {
        let report = branch.report(version);
        let gates = report["gates"].as_array().expect("gates").iter();
        let failed = gates.filter(|gate| gate["passed"] == false && gate["severity"] == "error");
        failed.map(|gate| gate["gate"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!((failed(2), failed(3)), (vec!["rows_change".to_owned()], vec!["missing_rise".to_owned()]));
    // A column arrives empty.
    branch.table("2026-10", &before, &[("y", some_f64s(before.keys().map(|_| None)))]);
    let ran = branch.run("2026-10-31", &[]);
    assert!([Some(3), Some(6)].contains(&ran.code), "{ran:?}");
    assert_eq!((branch.current(), states(&branch)[1].as_str()), (pointer, "refused"));
    // A new fit would do without it, and is refused for that.
    let job = std::fs::read_to_string(branch.w.path("job.toml")).expect("a job");
    std::fs::write(branch.w.path("job.toml"), job.clone() + "[refit]\nmode = \"fresh\"\n").expect("a job");
    let ran = branch.run("2026-10-31", &[]);
    ran.is_refused(6, &["missing_rise: \"y\""]);
    std::fs::write(branch.w.path("job.toml"), job).expect("a job");
    // Somebody looked at it.
    approve(&branch, 2).succeeds();
    assert_eq!(branch.current()["version"], 2);
    branch.month("2026-10", &now);
    let line = branch.published("2026-10-31");
    assert_eq!((line["moved"].as_u64(), branch.current()["version"].as_u64()), (Some(0), line["version"].as_u64()));
    done(["history", "verify", &branch.history()]);
}

fn versions_that_wait_for_approval() {
    let branch = with_two_months("");
    let path = branch.w.path("job.toml");
    let text = std::fs::read_to_string(&path).expect("a job");
    std::fs::write(&path, text.replace("[job]\n", "[job]\napproval = \"required\"\n")).expect("a job");
    let ran = branch.run("2026-09-30", &[]);
    ran.is_refused(
        7,
        &[&format!("version 1 waits for approval: hyades history approve {} 1 --hash ", branch.history())],
    );
    assert_eq!(last_line(&ran)["verdict"], "waits");
    assert!(!branch.w.path("history/current.json").exists());
    approve(&branch, 1).succeeds();
    branch.run("2026-10-31", &[]).is_refused(7, &["version 2 waits"]);
    assert_eq!(branch.report(2)["based_on"], 1);
    branch.run("2026-10-31", &[]).is_refused(7, &["version 3 waits"]);
    approve(&branch, 3).succeeds();
    approve(&branch, 2).is_refused(2, &["version 2 was made from version 1, and version 3 is current now"]);
    assert_eq!(branch.current()["version"], 3);
}

fn months_that_do_not_begin() {
    let branch = with_two_months("");
    branch.run("2026-13-01", &[]).is_refused(2, &["--as-of 2026-13-01: give a day of the calendar"]);
    branch.run("2026-12-31", &[]).is_refused(8, &["2026-12.parquet"]);
    assert_eq!(states(&branch), [""; 0], "it took no number");
    let plan = branch.run("2026-10-31", &["--dry-run"]).succeeds();
    assert!(plan.out.contains("the first version in") && plan.out.contains("2026-10.parquet"), "{}", plan.out);
    assert!(!branch.w.path("history/current.json").exists());
    branch.published("2026-10-31");
    let order =
        "the current version is of 2026-10-31, which is later; months run in order, --backfill to run it all the same";
    branch.run("2026-09-30", &[]).is_refused(2, &["--as-of 2026-09-30: ", order]);
    branch.run("2026-09-30", &["--backfill"]).succeeds();
    assert_eq!(branch.current()["version"], 2);
    let before = contents(&branch.w.path("history"));
    let plan = branch.run("2026-10-31", &["--dry-run"]).succeeds();
    assert!(plan.out.contains("based on version 2"), "{}", plan.out);
    assert!(before == contents(&branch.w.path("history")), "a dry run writes nothing");
    // Expectations come before anything is written.
    let job = std::fs::read_to_string(branch.w.path("job.toml")).expect("a job");
    std::fs::write(branch.w.path("job.toml"), job.replace("[job]\n", "[job]\nexpect = \"expect.toml\"\n"))
        .expect("a job");
    std::fs::write(branch.w.path("expect.toml"), "[table]\nrow_count = [1000, 2000]\n").expect("expectations");
    branch.run("2026-10-31", &[]).is_refused(3, &[]);
    assert!(before == contents(&branch.w.path("history")), "nothing was claimed");
    // A month without rows.
    std::fs::write(branch.w.path("job.toml"), job).expect("a job");
    branch.month("2026-11", &Groups::new());
    branch.run("2026-11-30", &[]).is_refused(3, &["no rows"]);
    assert_eq!(branch.current()["version"], 2);
}

fn faults_of_a_job_file() {
    let branch = Branch::new("");
    let text = "[job]\nhistry = \"h\"\napproval = \"maybe\"\n[input]\npaths = \"a.parquet\"\n[gates]\npsi_max = \"high\"\n\
                [clustering]\nk = [8]\n[refit]\nmode = \"hot\"\n[nonsense]\n";
    std::fs::write(branch.w.path("job.toml"), text).expect("a job file");
    let ran = branch.run("2026-09-30", &[]);
    ran.is_refused(2, &[]);
    assert_eq!(
        ran.err.replace(&branch.w.text(""), ""),
        "error: job.toml:2:1: [job] has no key \"histry\"; did you mean \"history\"?\n\
         job.toml:3:12: approval must be one of \"none\", \"required\"\n\
         job.toml:5:9: paths must be a list\n\
         job.toml:7:11: psi_max must be a number or a table\n\
         job.toml:9:5: k must be a whole number or text\n\
         job.toml:11:8: mode must be one of \"assign\", \"warm\", \"fresh\", \"auto\"\n\
         job.toml:12:2: the file has no key \"nonsense\"; there are: \"card\", \"clustering\", \"columns\", \
         \"device\", \"division\", \"gates\", \"input\", \"job\", \"output\", \"preparation\", \"refit\", \"resources\"\n"
    );
    // The words of a number come after the shape of the file.
    let text = "[job]\nhistory = \"h\"\n[input]\npaths = [\"a.parquet\"]\n[clustering]\nk = \"many\"\n";
    std::fs::write(branch.w.path("job.toml"), text).expect("a job file");
    let message = "\"many\" is no number of segments; give a number, auto, or a range such as 2..12";
    branch.run("2026-09-30", &[]).is_refused(2, &[message]);
}

/// Customers by where they were, by where the old model puts them now, and by where they are; None: not there.
type Places = BTreeMap<(Option<i32>, Option<i32>, Option<i32>), u64>;

fn counted(flows: &Value) -> Places {
    let number = |flow: &Value, key: &str| flow[key].as_i64().map(|n| n as i32);
    let of_one = |flow: &Value| {
        let places = (number(flow, "before"), number(flow, "by_old_model"), number(flow, "now"));
        assert_eq!(flow["is_new"] == true, places.0.is_none(), "everybody has a segment");
        assert_eq!(flow["has_left"] == true, places.2.is_none(), "everybody has a segment");
        (places, flow["customers"].as_u64().expect("a count"))
    };
    flows.as_array().expect("flows").iter().map(of_one).collect()
}

/// Four months: everybody moves between groups now and then, leaves, and returns. Group 3 lies between the first two,
/// and the second one loses customers, so the boundary in group 3 moves.
fn four_months() -> [Groups; 4] {
    std::array::from_fn(|month| {
        let is_away = |id: i64| if month > 1 && id / 150 % 3 == 1 { 0.6 } else { 0.15 };
        let is_here = |id: &i64| month == 0 || some_noise(*id as u64 * 5 + month as u64) > is_away(*id);
        let group = |id: i64| match some_noise(id as u64 * 9 + month as u64) {
            u if month > 0 && u < 0.1 => (id as usize + month) % 3,
            _ if id % 3 == 0 => 3,
            _ => (id / 150) as usize % 3,
        };
        (month as i64 * 40..450 + month as i64 * 60).filter(is_here).map(|id| (id, group(id))).collect()
    })
}

const MONTHS: [(&str, &str, i32); 4] = [
    ("2026-08", "2026-08-31", 20_696),
    ("2026-09", "2026-09-30", 20_726),
    ("2026-10", "2026-10-31", 20_757),
    ("2026-11", "2026-11-30", 20_787),
];

fn four_months_joined_naively() {
    let branch = Branch::new("");
    for ((month, as_of, _), groups) in MONTHS.iter().zip(four_months()) {
        branch.month(month, &groups);
        branch.published(as_of);
    }
    let mut relabelled = 0;
    for number in 2..=4 {
        let (old, new) = (branch.labels(number - 1), branch.labels(number));
        let (month, out) = (MONTHS[number as usize - 1].0, format!("by-old-{number}"));
        let model = branch.version(number - 1).to_str().expect("text").to_owned();
        done(["assign", &model, &branch.w.text(&format!("{month}.parquet")), "--out", &branch.w.text(&out)]);
        let table = read(&branch.w.path(&out).join("segments/part-00000.parquet"));
        let by_old = segments(&branch.w.path(&out).join("segments/part-00000.parquet"));
        let by_old: BTreeMap<i64, i32> = integers(&table, "id").into_iter().zip(by_old).collect();

        let mut places = Places::new();
        for id in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let of = |labels: &Labels| labels.get(id).map(|label| label.0);
            *places.entry((of(&old), by_old.get(id).copied(), of(&new))).or_default() += 1;
        }
        let migration = branch.report(number)["migration"].clone();
        assert_eq!(counted(&migration["flows"]), places, "version {number}");

        let identities: BTreeMap<i32, i64> = old.values().copied().collect();
        let mut changes = BTreeSet::new();
        for (id, then) in &by_old {
            let (then, now) = (identities[then], new[id].1);
            let before = old.get(id).map(|label| label.1);
            // Only of those who stayed.
            if let Some(before) = before.filter(|before| *before != then) {
                changes.insert((*id, "behaviour".to_owned(), before, then));
            }
            if before.is_some() && then != now {
                changes.insert((*id, "definition".to_owned(), then, now));
                relabelled += 1;
            }
        }
        let mut found = branch.changes(number);
        found.retain(|(id, ..)| old.contains_key(id));
        assert_eq!(found, changes, "version {number}");
        let moved = moved(&old, &new).len() as u64;
        assert_eq!(migration["moved"].as_u64(), Some(moved));
    }
    assert!(relabelled > 0, "a boundary moved");
    intervals(&branch);
}

/// history.parquet holds who was where from when to when, as the labels of all versions say.
fn intervals(branch: &Branch) {
    let mut open: BTreeMap<i64, (i64, i32)> = BTreeMap::new();
    let mut expected = BTreeSet::new();
    for (number, (.., day)) in (1..).zip(MONTHS) {
        let labels = branch.labels(number);
        open.retain(|id, (segment, from)| {
            let stays = labels.get(id).is_some_and(|label| label.1 == *segment);
            if !stays {
                expected.insert((*id, *segment, *from, Some(day)));
            }
            stays
        });
        for (id, label) in &labels {
            open.entry(*id).or_insert((label.1, day));
        }

        let table = read(&branch.version(number).join("history.parquet"));
        let day_of = |name: &str| table.column_by_name(name).expect("days").as_primitive::<Date32Type>().clone();
        let (from, to) = (day_of("valid_from"), day_of("valid_to"));
        let (ids, segments) = (integers(&table, "id"), integers(&table, "segment_id"));
        let until = |i: usize| to.is_valid(i).then(|| to.value(i));
        let rows: Vec<_> = (0..table.num_rows()).map(|i| (ids[i], segments[i], from.value(i), until(i))).collect();
        let all = open.iter().map(|(id, (segment, from))| (*id, *segment, *from, None)).chain(expected.clone());
        assert_eq!(rows.iter().copied().collect::<BTreeSet<_>>(), all.collect(), "version {number}");
        assert_eq!(rows.len(), open.len() + expected.len(), "version {number}: rows are repeated");
    }
    assert!(expected.len() > 50, "customers moved and left");
}

/// Six rows of each tier are of the rule "few", six of the rule "many".
fn with_tiers(branch: &Branch, month: &str, tiers: &[&str]) {
    let groups: Groups = (0..60 * tiers.len() as i64).map(|id| (id, id as usize % 2)).collect();
    let tier: arrow::array::StringArray = groups.keys().map(|id| Some(tiers[*id as usize / 60])).collect();
    let code = i64s(groups.keys().map(|id| id / 2 % 10));
    branch.table(month, &groups, &[("tier", std::sync::Arc::new(tier)), ("code", code)]);
}

fn rules_and_strata() {
    let branch = Branch::new("[division]\nrules = \"rules.toml\"\n");
    let path = branch.w.path("job.toml");
    let job = std::fs::read_to_string(&path)
        .expect("a job")
        .replace("id = \"id\"\n", "id = \"id\"\nfeatures = [\"x\", \"y\"]\n");
    std::fs::write(path, job.replace("k = 3", "k = 2")).expect("a job");
    let rule = |name: &str, code: i32| format!("[[rule]]\nname = \"{name}\"\nwhen = \"code = {code}\"\n");
    let rules = |rules: &[String]| {
        std::fs::write(branch.w.path("rules.toml"), rules.concat() + "[strata]\nwithin = \"tier\"\n").expect("rules");
    };
    rules(&[rule("few", 3), rule("many", 4)]);
    with_tiers(&branch, "2026-09", &["gold", "silver"]);
    branch.published("2026-09-30");
    rules(&[rule("many", 4), rule("new", 5), rule("few", 3)]);
    with_tiers(&branch, "2026-10", &["bronze", "silver"]);
    branch.published("2026-10-31");

    let named = |number: u64| -> BTreeMap<String, BTreeSet<u64>> {
        let mut found: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for segment in branch.report(number)["segments"].as_array().expect("segments") {
            let name = segment["rule"].as_str().or(segment["stratum"].as_str()).expect("a name").to_owned();
            assert!(found.entry(name).or_default().insert(segment["segment_id"].as_u64().expect("an id")));
        }
        found
    };
    let (old, new) = (named(1), named(2));
    for name in ["few", "many"] {
        assert_eq!((old[name].len(), &old[name]), (1, &new[name]), "{name}");
    }
    assert_eq!(old["silver"], new["silver"]);
    let ids: BTreeSet<u64> = old.values().flatten().copied().collect();
    assert_eq!(ids, (1..=6).collect());
    assert!(new["bronze"].iter().chain(&new["new"]).all(|id| *id > 6), "{new:?}");
    let ended = branch.report(2)["ended"].as_array().expect("ids").clone();
    let ended: BTreeSet<u64> = ended.iter().map(|e| e["segment_id"].as_u64().expect("an id")).collect();
    assert_eq!(ended, old["gold"]);
    done(["history", "verify", &branch.history()]);
}

fn names_follow_ids() {
    let branch = with_two_months("");
    let [before, now] = two_months();
    branch.published("2026-09-30");
    let id = by_group(&branch.labels(1), &before)[&2].1;
    let names = branch.w.path("history/names.toml");
    std::fs::write(&names, format!("[segments.{id}]\nzh = \"年轻客户\"\nowner = \"Li Na\"\n")).expect("names");
    branch.published("2026-10-31");
    assert_eq!(by_group(&branch.labels(2), &now)[&2].1, id);
    let kept = std::fs::read_to_string(branch.version(2).join("names.toml")).expect("names");
    assert!(kept.contains(&format!("\n[segments.{id}]\nzh = \"年轻客户\"\nowner = \"Li Na\"\n")), "{kept}");
    // Names of a segment that does not exist publish nothing.
    std::fs::write(&names, "[segments.77]\nen = \"?\"\n").expect("names");
    branch
        .run("2026-10-31", &[])
        .is_refused(2, &["names.toml:1:11: no segment has the segment_id 77; the nearest is 3"]);
    assert_eq!(branch.current()["version"], 2);
    assert!(!branch.version(3).exists());
    done(["history", "verify", &branch.history()]);
}

fn a_job_file_from_the_template() {
    let branch = with_two_months("");
    let job = branch.w.text("made.toml");
    let input = branch.w.text("2026-09.parquet");
    done(["job", "init", &input, "--k", "3", "--out", &job]);
    for (version, as_of) in [(1, "2026-09-30"), (2, "2026-10-31")] {
        // 145 customers after 120 are more than the template allows.
        let ran = Ran::from(hyades(["run", &job, "--as-of", as_of]));
        match version {
            1 => drop(ran.succeeds()),
            _ => ran.is_refused(6, &["rows_change"]),
        }
        assert_eq!(branch.report(version)["job"], "made");
    }
}

fn another_number_of_segments() {
    let branch = with_two_months("");
    let [before, now] = two_months();
    branch.published("2026-09-30");
    let path = branch.w.path("job.toml");
    let job = std::fs::read_to_string(&path).expect("a job");
    std::fs::write(&path, job.replace("k = 3", "k = 4")).expect("a job");
    let ran = branch.run("2026-10-31", &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    std::fs::write(&path, job.replace("k = 3", "k = 2")).expect("a job");
    let ran = branch.run("2026-10-31", &["--retry"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let (old, new) = (by_group(&branch.labels(1), &before), branch.labels(3));
    let ids: BTreeSet<i64> = new.values().map(|label| label.1).collect();
    assert_eq!(ids.len(), 2, "{old:?} {:?}", by_group(&new, &now));
}

fn what_points_nowhere() {
    let branch = with_two_months("");
    branch.published("2026-09-30");
    let path = branch.w.path("history/current.json");
    let pointer = std::fs::read_to_string(&path).expect("a pointer");
    std::fs::write(&path, pointer.replace("\"version\":1", "\"version\":8")).expect("a pointer");
    branch.run("2026-10-31", &[]).is_refused(3, &["current.json"]);
    std::fs::write(&path, pointer.replace("\"format\":1", "\"format\":9")).expect("a pointer");
    branch.run("2026-10-31", &[]).is_refused(2, &["its format is 9", "use a newer hyades"]);
    std::fs::write(&path, &pointer).expect("a pointer");
    // A file edited by hand is named, and a version is not made from a model that was changed.
    let identity = branch.version(1).join("identity.json");
    let text = std::fs::read_to_string(&identity).expect("identities");
    std::fs::write(&identity, text.replace("\"segment_id\": 3", "\"segment_id\": 2")).expect("edited");
    branch
        .run("2026-10-31", &[])
        .is_refused(3, &["identity.json was changed after version 1 was sealed; restore it from a backup"]);
    assert_eq!(branch.current()["version"], 1);
}

/// As when ids are pseudonymised with another key.
fn customers_whom_nobody_knows() {
    let branch = Branch::new("");
    let (before, now) = (groups(100, [60, 40, 20]), groups(9_000, [20, 40, 60]));
    branch.month("2026-09", &before);
    branch.month("2026-10", &now);
    branch.published("2026-09-30");
    let ran = branch.run("2026-10-31", &[]).succeeds();
    let why = "only 0 of 120 customers of version 1 are in this month, so it is not known who moved; were ids \
               pseudonymised with another key?";
    assert!(ran.err.contains(why), "{}", ran.err);
    let line = last_line(&ran);
    assert_eq!(["moved", "came", "left"].map(|key| line[key].as_u64()), [None; 3]);
    // Segments are matched by the two models, which need no ids.
    let (old, new) = (by_group(&branch.labels(1), &before), by_group(&branch.labels(2), &now));
    assert!((0..3).all(|group| old[&group].1 == new[&group].1));
    let tenure = read(&branch.version(2).join("history.parquet"));
    let ends = tenure.column_by_name("valid_to").expect("days");
    assert_eq!((tenure.num_rows(), ends.null_count()), (240, 120));
}

/// A second run of a day replaces what the first one said of that day.
fn a_month_again_with_other_data() {
    let branch = with_two_months("");
    let [before, now] = two_months();
    branch.published("2026-09-30");
    branch.published("2026-10-31");
    // Those who had moved are back, others move, and one leaves.
    let mut again = now.clone();
    again.extend((115..135).map(|id| (id, before[&id])));
    again.extend((135..140).map(|id| (id, 1)));
    again.remove(&150);
    branch.month("2026-10", &again);
    branch.published("2026-10-31");
    let table = read(&branch.version(3).join("history.parquet"));
    let day_of = |name: &str| table.column_by_name(name).expect("days").as_primitive::<Date32Type>().clone();
    let (from, to) = (day_of("valid_from"), day_of("valid_to"));
    let (ids, segments) = (integers(&table, "id"), integers(&table, "segment_id"));
    let mut intervals: BTreeMap<i64, Vec<(i32, i32)>> = BTreeMap::new();
    let mut open = BTreeMap::new();
    for row in 0..table.num_rows() {
        let until = if to.is_valid(row) { to.value(row) } else { i32::MAX };
        assert!(from.value(row) < until, "customer {}: an interval of no days", ids[row]);
        intervals.entry(ids[row]).or_default().push((from.value(row), until));
        if until == i32::MAX {
            assert_eq!(open.insert(ids[row], segments[row]), None, "customer {} is in two segments", ids[row]);
        }
    }
    for (id, mut all) in intervals {
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0].1 <= pair[1].0), "intervals of customer {id} overlap: {all:?}");
    }
    assert_eq!(open, branch.labels(3).into_iter().map(|(id, label)| (id, label.1)).collect());
}

fn an_emptier_column_for_the_old_model() {
    let branch = with_two_months("[refit]\nmode = \"assign\"\n[gates]\nmissing_rise = 0.1\n");
    let [_, now] = two_months();
    branch.published("2026-09-30");
    let some = some_f64s(now.keys().map(|id| (id % 3 > 0).then_some(*id as f64)));
    branch.table("2026-10", &now, &[("y", some)]);
    branch.run("2026-10-31", &[]).is_refused(6, &["missing_rise: \"y\" has missing values"]);
    assert_eq!((branch.current()["version"].as_u64(), states(&branch)[1].as_str()), (Some(1), "refused"));
    done(["history", "verify", &branch.history()]);
}

/// After a rollback, ids of the versions in between stay used.
fn ids_are_not_given_twice() {
    let branch = Branch::new("[refit]\nmode = \"fresh\"\n");
    let [before, _] = two_months();
    let ids = |number: u64| -> BTreeSet<u64> {
        let report = branch.report(number);
        report["segments"]
            .as_array()
            .expect("segments")
            .iter()
            .map(|s| s["segment_id"].as_u64().expect("an id"))
            .collect()
    };
    branch.month("2026-09", &before);
    branch.published("2026-09-30");
    // Other customers, far more in two of the groups: new definitions get new ids.
    let job = std::fs::read_to_string(branch.w.path("job.toml")).expect("a job");
    std::fs::write(branch.w.path("job.toml"), job.replace("k = 3", "k = 5")).expect("a job");
    branch.month("2026-10", &before);
    branch.published("2026-10-31");
    let given: BTreeSet<u64> = ids(2).difference(&ids(1)).copied().collect();
    assert!(!given.is_empty(), "five segments instead of three");
    done(["history", "rollback", &branch.history(), "1", "--by", "me", "--note", "a test"]);
    branch.month("2026-11", &before);
    branch.published("2026-11-30");
    let again: BTreeSet<u64> = ids(4).difference(&ids(1)).copied().collect();
    assert!(!again.is_empty() && again.is_disjoint(&given), "{again:?} {given:?}");
}

/// The labels of the base version are read back, whatever their layout.
fn labels_divided_by_segment() {
    let branch = Branch::new("[output]\npartition_by = \"segment\"\n");
    let [before, now] = two_months();
    branch.month("2026-09", &before);
    branch.month("2026-10", &now);
    branch.published("2026-09-30");
    let line = branch.published("2026-10-31");
    let both = before.keys().filter(|id| now.contains_key(id)).count() as u64;
    let counts = branch.report(2)["migration"].clone();
    assert_eq!(counts["stayed"].as_u64(), Some(both), "{line}");
    assert!(branch.version(2).join("segments/segment=0/part-00000.parquet").is_file());
}

/// A bank without strata has none either once it has a rule.
fn a_first_rule_ends_no_id() {
    let branch = Branch::new("");
    let [before, _] = two_months();
    branch.month("2026-09", &before);
    branch.month("2026-10", &before);
    branch.published("2026-09-30");
    let job = std::fs::read_to_string(branch.w.path("job.toml")).expect("a job");
    let rules = "[[rule]]\nname = \"nobody\"\nwhen = \"x > 1000\"\n";
    std::fs::write(branch.w.path("rules.toml"), rules).expect("rules");
    std::fs::write(branch.w.path("job.toml"), job + "[division]\nrules = \"rules.toml\"\n").expect("a job");
    branch.published("2026-10-31");
    let report = branch.report(2);
    assert_eq!((&report["ended"], &report["migration"]["moved"]), (&serde_json::json!([]), &serde_json::json!(0)));
}
