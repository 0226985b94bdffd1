//! Inputs that change while they are read: every job refuses them, whatever stage it is in, and publishes nothing.

use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use hyades::check::{CheckRequest, check};
use hyades::event::{Event, Observer, Silent, Stage};
use hyades::job::{
    ApplyRequest, AssignRequest, ClusteringOptions, FitRequest, InputOptions, OutputOptions, ProfileRequest, apply,
    assign, fit, profile,
};
use hyades::transactions::{RfmRequest, rfm};
use hyades::{Error, Result};

use crate::harness::{folder, tests};
use crate::tables::{batch, i64s, three_groups, write, write_batch};

tests!(a_fit, a_fit_with_a_join, assign_and_apply, a_check, a_profile, a_journal);

/// How a file is changed.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// Another file of the same size takes its name.
    Replaced,
    /// The same, with the same time.
    ReplacedUnnoticed,
    /// Its bytes are written again, at a later time.
    Overwritten,
    /// It becomes longer.
    Extended,
    Removed,
}

const CHANGES: [Change; 5] =
    [Change::Replaced, Change::ReplacedUnnoticed, Change::Overwritten, Change::Extended, Change::Removed];

impl Change {
    fn make(self, path: &Path) {
        let bytes = std::fs::read(path).unwrap();
        let modified = std::fs::metadata(path).unwrap().modified().unwrap();
        let set_time = |path: &Path, time: SystemTime| {
            File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
        };
        let other = path.with_extension("other");
        match self {
            Change::Replaced | Change::ReplacedUnnoticed => {
                std::fs::write(&other, bytes).unwrap();
                if let Change::ReplacedUnnoticed = self {
                    set_time(&other, modified);
                }
                std::fs::rename(&other, path).unwrap();
            }
            Change::Overwritten => {
                std::fs::write(path, bytes).unwrap();
                // The clock of file systems is coarse.
                set_time(path, modified + Duration::from_secs(1));
            }
            Change::Extended => std::fs::write(path, [bytes.as_slice(), b"more"].concat()).unwrap(),
            Change::Removed => std::fs::remove_file(path).unwrap(),
        }
    }
}

/// Changes a file when a stage begins.
struct At<'a> {
    stage: Stage,
    change: Change,
    path: &'a Path,
    done: AtomicBool,
}

impl Observer for At<'_> {
    fn event(&self, event: Event) {
        let here = matches!(event, Event::Begin { stage, .. } if stage == self.stage);
        if here && !self.done.swap(true, Ordering::Relaxed) {
            self.change.make(self.path);
        }
    }
}

/// Runs a job, during which the file at `path` is changed when `stage` begins: it must be refused, without an output.
fn refused<T>(path: &Path, stage: Stage, out: &Path, job: impl Fn(&dyn Observer, &AtomicBool) -> Result<T>) {
    for change in CHANGES {
        let kept = std::fs::read(path).unwrap();
        let at = At { stage, change, path, done: AtomicBool::new(false) };
        let error: Error = job(&at, &AtomicBool::new(false)).err().unwrap_or_else(|| panic!("{stage:?}, {change:?}"));
        assert!(at.done.load(Ordering::Relaxed), "the job has no stage {stage:?}");
        let what = if let Change::Removed = change { "was removed" } else { "was changed" };
        let told = error.to_string();
        assert!(
            told.contains(&format!("{}: {what} while it was read", path.display())),
            "{stage:?}, {change:?}: {told}"
        );
        assert_eq!((error.exit_code(), error.file()), (3, Some(path)), "{told}");
        let left = || std::fs::read_dir(out).map_or(0, |entries| entries.count());
        assert!(!out.is_file() && left() == 0, "{stage:?}, {change:?}: something was published");
        std::fs::write(path, kept).unwrap();
    }
}

fn bank(folder: &Path) -> PathBuf {
    let path = folder.join("bank.parquet");
    write_batch(&path, &batch(&three_groups(300)), 100);
    path
}

fn fit_of(input: InputOptions, out: &Path) -> FitRequest {
    let output = OutputOptions { out: Some(out.to_path_buf()), ..OutputOptions::default() };
    FitRequest { input, output, clustering: ClusteringOptions::of(3), ..FitRequest::default() }
}

fn a_fit() {
    let folder = folder();
    let (input, out) = (bank(folder.path()), folder.path().join("out"));
    let request = fit_of(InputOptions::of([&input]), &out);
    for stage in [Stage::Ids, Stage::Decode, Stage::Prepare, Stage::Passes, Stage::Labels] {
        refused(&input, stage, &out, |observer, stop| fit(&request, observer, stop));
    }
    fit(&request, &Silent, &AtomicBool::new(false)).unwrap();
}

fn a_fit_with_a_join() {
    let folder = folder();
    let (input, out, table) = (bank(folder.path()), folder.path().join("out"), folder.path().join("table.parquet"));
    let ids = (0..300).map(|i| 100 + 3 * i);
    write(&table, &[("id", i64s(ids)), ("z", i64s((0..300).map(|i| i % 7)))]);
    let request = fit_of(InputOptions { join: vec![table.clone()], ..InputOptions::of([&input]) }, &out);
    for stage in [Stage::Join, Stage::Labels] {
        refused(&table, stage, &out, |observer, stop| fit(&request, observer, stop));
    }
}

fn assign_and_apply() {
    let folder = folder();
    let (input, fitted, out) = (bank(folder.path()), folder.path().join("fitted"), folder.path().join("out"));
    fit(&fit_of(InputOptions::of([&input]), &fitted), &Silent, &AtomicBool::new(false)).unwrap();
    let model = fitted.join("model.json");
    let request = AssignRequest {
        model: model.clone(),
        input: InputOptions::of([&input]),
        output: OutputOptions { out: Some(out.clone()), ..OutputOptions::default() },
        ..AssignRequest::default()
    };
    for stage in [Stage::Ids, Stage::Labels] {
        refused(&input, stage, &out, |observer, stop| assign(&request, observer, stop));
    }
    let out = folder.path().join("prepared.parquet");
    let request =
        ApplyRequest { model, input: InputOptions::of([&input]), out: out.clone(), ..ApplyRequest::default() };
    refused(&input, Stage::Prepare, &out, |observer, stop| apply(&request, observer, stop));
}

fn a_check() {
    let folder = folder();
    let (input, out) = (bank(folder.path()), folder.path().join("report.json"));
    let request =
        CheckRequest { input: InputOptions::of([&input]), json: Some(out.clone()), ..CheckRequest::default() };
    for stage in [Stage::Check, Stage::Ids] {
        refused(&input, stage, &out, |observer, stop| check(&request, observer, stop));
    }
}

fn a_profile() {
    let folder = folder();
    let (input, out) = (folder.path().join("labelled.parquet"), folder.path().join("profile.json"));
    let mut table = three_groups(300);
    table.push(("segment", i64s((0..300).map(|i| i % 3))));
    write(&input, &table);
    let request =
        ProfileRequest { input: InputOptions::of([&input]), json: Some(out.clone()), ..ProfileRequest::default() };
    refused(&input, Stage::Profile, &out, |observer, stop| profile(&request, observer, stop));
}

fn a_journal() {
    let folder = folder();
    let (input, out) = (folder.path().join("journal.parquet"), folder.path().join("customers.parquet"));
    let days = arrow::array::Date32Array::from_iter_values((0..300).map(|i| i / 3));
    let table = [("who", i64s((0..300).map(|i| i % 40))), ("amount", i64s((0..300).map(|i| 1 + i % 9)))];
    let day: (&str, arrow::array::ArrayRef) = ("day", std::sync::Arc::new(days));
    write(&input, &[table.as_slice(), &[day]].concat());
    let request = RfmRequest::new(vec![input.clone()], "who", "day", "amount", &out);
    for stage in [Stage::Decode, Stage::Customers] {
        refused(&input, stage, &out, |observer, stop| rfm(&request, observer, stop));
    }
}
