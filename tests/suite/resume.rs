//! Monthly runs that ended at named points (src/faults.rs) and are resumed: the version is the one of a run that nothing
//! disturbed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, StringArray};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::command::{Ran, contents, done, json};
use crate::harness::{command, gpu_test, tests};
use crate::monthly::{Branch, groups, last_line, some_noise};
use crate::tables::f64s;

tests!(
    killed_anywhere,
    killed_again_and_again,
    a_first_version,
    an_old_model,
    strata_and_new_starts,
    a_limit_on_relabelled_customers,
    what_changed_is_named,
    damage_is_never_used,
    without_resume,
    from_another_folder,
    #[cfg(unix)]
    an_interrupted_run,
    #[cfg(unix)]
    a_living_run_is_left_alone,
);

/// The tests that need a GPU.
pub(crate) fn with_gpu() -> Vec<Trial> {
    vec![gpu_test("resume::from_a_gpu_to_the_cpu", from_a_gpu_to_the_cpu)]
}

/// Every state is kept, however short passes are.
const ALL: &str = "checkpoint::pause=return";
const KEPT: &str = "checkpoint::kept";
const MONTH: &str = "2026-10-31";

/// A branch before a month that takes many passes.
struct Scene {
    branch: Branch,
    /// Its history.
    before: BTreeMap<String, Vec<u8>>,
    /// The hash of the month's version, if nothing disturbs the run.
    expected: Value,
}

impl Scene {
    /// With more sections in the job file; `months` that are published before.
    fn new(sections: &str, months: &[&str]) -> Self {
        let branch = Branch::new(sections);
        let text = std::fs::read_to_string(branch.w.path("job.toml")).expect("a job");
        std::fs::write(branch.w.path("job.toml"), text.replace("k = 3", "k = 6\ntol = 0.0")).expect("a job");
        std::fs::write(branch.w.path("rules.toml"), "[strata]\nwithin = \"area\"\n").expect("rules");
        for (month, name) in [(1, "2026-09"), (2, "2026-10"), (3, "2026-11")] {
            Scene::table(&branch, name, month);
        }
        for as_of in months {
            branch.published(as_of);
        }
        let before = match months.is_empty() {
            true => BTreeMap::new(),
            false => contents(&branch.w.path("history")),
        };
        let expected = branch.published(MONTH)["blake3"].clone();
        let scene = Scene { branch, before, expected };
        scene.restore();
        scene
    }

    fn table(branch: &Branch, name: &str, month: u64) {
        let all = groups(100, [240, 200, 160]);
        let some: BTreeMap<_, _> = all.into_iter().filter(|(id, _)| *id as u64 % 11 != month).collect();
        // Without groups, so that fits take many passes.
        let noise = |seed: u64| f64s(some.keys().map(|id| some_noise(*id as u64 * 7 + seed)).collect::<Vec<_>>());
        let (x, y) = (noise(month), noise(month + (1 << 20)));
        let area = some.keys().map(|id| ["north", "south"][(*id % 2) as usize]);
        let area: ArrayRef = Arc::new(StringArray::from_iter_values(area));
        branch.table(name, &some, &[("x", x), ("y", y), ("area", area)]);
    }

    /// Puts the history back as it was before the month.
    fn restore(&self) {
        let root = self.branch.w.path("history");
        let _ = std::fs::remove_dir_all(&root);
        for (name, bytes) in &self.before {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, bytes).expect("a file");
        }
    }

    fn start(&self, points: &str, more: &[&str]) -> Child {
        let mut run = command();
        run.args(["run", &self.branch.w.text("job.toml"), "--as-of", MONTH]).args(more).env("FAILPOINTS", points);
        run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hyades runs")
    }

    fn run(&self, points: &str, more: &[&str]) -> Ran {
        self.start(points, more).wait_with_output().expect("an end").into()
    }

    /// Kills a run at a passage of a point, counted from 0. Whether it passed there.
    fn kill(&self, point: &str, passage: usize, more: &[&str]) -> bool {
        let ran = self.run(&format!("{ALL};{point}={passage}*off->1*return(kill)"), more);
        assert!(matches!(ran.code, None | Some(0)), "{point}, passage {passage}: {}", ran.err);
        ran.code.is_none()
    }

    /// Resumes. The version is the expected one, and nothing is left.
    fn resume(&self, context: &str) -> Ran {
        let ran = self.run(ALL, &["--resume"]);
        assert_eq!(ran.code, Some(0), "{context}: {}", ran.err);
        let line = last_line(&ran);
        assert_eq!((&line["verdict"], &line["blake3"]), (&Value::from("published"), &self.expected), "{context}");
        assert_eq!(self.left(), [""; 0], "{context}");
        ran
    }

    /// What lies in the history beside versions.
    fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.branch.w.path("history")).expect("a history").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with('.')).collect()
    }

    fn staging(&self, version: u64) -> PathBuf {
        self.branch.w.path(&format!("history/.staging-{version:06}"))
    }

    /// Kills at every `step`th passage of a point and resumes each time. The passes that the resumed runs recorded.
    fn through(&self, point: &str, step: usize) -> Vec<usize> {
        let mut made = Vec::new();
        for passage in (0..).step_by(step) {
            self.restore();
            let context = format!("{point}, passage {passage}");
            if !self.kill(point, passage, &[]) {
                break;
            }
            let version = last_line(&self.resume(&context))["version"].as_u64().expect("a version");
            let run = json(self.branch.version(version).join("run.json"));
            let parts = run["parts"].as_array().expect("parts");
            made.push(parts.iter().map(|part| part["passes"].as_array().map_or(0, Vec::len)).sum());
            assert!(passage < 400, "{point} has no end");
        }
        made
    }
}

fn killed_anywhere() {
    let scene = Scene::new("", &["2026-09-30"]);
    let made = scene.through(KEPT, 1);
    // One state before the first pass, one after each; then the labels, whose record of passes stays.
    let all = made[0];
    assert!(all > 6, "the test is about many passes: {made:?}");
    let rest: Vec<usize> = (0..=all).rev().chain([all]).collect();
    assert_eq!(made, rest);
    let mut kills = made.len();
    let points = [
        ("publish::create", 5),
        ("publish::sync", 8),
        ("publish::exchange", 1),
        ("publish::sync_folder", 1),
        ("history::seal", 1),
        ("history::log", 1),
    ];
    for (point, step) in points {
        kills += scene.through(point, step).len();
    }
    assert!(kills >= 28, "only {kills} kills");
    done(["history", "verify", &scene.branch.history()]);
}

/// A resumed run is resumed.
fn killed_again_and_again() {
    let scene = Scene::new("", &["2026-09-30"]);
    assert!(scene.kill(KEPT, 2, &[]));
    for _ in 0..3 {
        assert!(scene.kill(KEPT, 1, &["--resume"]));
        assert_eq!(scene.left().len(), 1, "one folder goes from run to run");
    }
    let ran = scene.resume("after four kills");
    assert!(ran.err.contains("version 5, begun at 20"), "{}", ran.err);
    assert_eq!(last_line(&ran)["version"], 6);
    let run = json(scene.branch.version(6).join("run.json"));
    assert_eq!(run["resumed"]["version"], 5);
    assert!(run["parts"][0]["passes"][0]["number"].as_u64().expect("a pass") > 3, "{}", run["parts"]);
}

fn a_first_version() {
    let scene = Scene::new("", &[]);
    let made = scene.through(KEPT, 1);
    // It converged on the sample, so one pass is left.
    assert_eq!(made, [1, 0, 1]);
}

fn an_old_model() {
    let scene = Scene::new("[refit]\nmode = \"assign\"\n", &["2026-09-30"]);
    assert_eq!(scene.through(KEPT, 1).len(), 1, "one stage");
}

/// Two parts, each fitted from earlier centroids and from new starts.
fn strata_and_new_starts() {
    let scene = Scene::new("[division]\nrules = \"rules.toml\"\n[refit]\nmode = \"auto\"\n", &["2026-09-30"]);
    scene.branch.published(MONTH);
    let refits = scene.branch.report(2)["refits"].clone();
    let differs = |refit: &Value| refit["warm_inertia"] != refit["cold_inertia"];
    assert!(refits.as_array().expect("parts").iter().any(differs), "two fits: {refits}");
    let made = scene.through(KEPT, 3);
    assert!(made.len() >= 6, "{made:?}");
    // Later kills leave fewer passes to make, until labels are there, with the record of all passes.
    assert!(made.windows(2).filter(|two| two[1] > two[0]).count() <= 1, "{made:?}");
}

/// Such a fit looks back on all its passes, so none of them is kept.
fn a_limit_on_relabelled_customers() {
    for limit in ["0%", "20%"] {
        let scene = Scene::new(&format!("[refit]\nmax_relabelled = \"{limit}\"\n"), &["2026-09-30"]);
        assert_eq!(scene.through(KEPT, 1).len(), 1, "{limit}");
    }
}

fn what_changed_is_named() {
    let scene = Scene::new("", &["2026-09-30"; 2]);
    let job = scene.branch.w.path("job.toml");
    let text = std::fs::read_to_string(&job).expect("a job");
    let refused = |as_of: &str, what: &str| {
        let left = scene.left();
        assert_eq!(left.len(), 1);
        let ran = scene.branch.run(as_of, &["--resume"]);
        let begin = "--resume: version 3, begun at 20";
        let end = format!("cannot be continued, since what it was made of has changed: {what}; run without --resume");
        ran.is_refused(2, &[begin, &end]);
        assert_eq!(scene.left(), left, "a refusal removes nothing");
    };
    assert!(scene.kill(KEPT, 3, &[]));
    refused("2026-11-30", "the month (2026-10-31 then, 2026-11-30 now)");
    std::fs::write(&job, text.replace("k = 6", "k = 4")).expect("a job");
    refused(MONTH, "the options of the job, its recipe or its rules");
    std::fs::write(&job, &text).expect("a job");
    // Gates judge what was computed, so they may change meanwhile.
    std::fs::write(&job, format!("{text}[gates]\nrows_change = 0.9\n")).expect("a job");
    let input = scene.branch.w.path("2026-10.parquet");
    let before = std::fs::read(&input).expect("a table");
    Scene::table(&scene.branch, "2026-10", 4);
    refused(MONTH, &format!("the input {}, which was changed", input.display()));
    std::fs::write(&input, before).expect("a table");
    refused(MONTH, &format!("the input {}, which was changed", input.display()));

    scene.restore();
    std::fs::write(&job, &text).expect("a job");
    assert!(scene.kill(KEPT, 3, &[]));
    let more = scene.branch.w.path("more.parquet");
    std::fs::copy(&input, &more).expect("a copy");
    std::fs::write(&job, text.replace(".parquet\"]", ".parquet\", \"more.parquet\"]")).expect("a job");
    refused(MONTH, &format!("the input {}, which is new", more.display()));
    std::fs::write(&job, &text).expect("a job");
    done(["history", "rollback", &scene.branch.history(), "1", "--by", "Li", "--note", "a test"]);
    refused(MONTH, "the version that it is based on (2 then, 4 now)");

    scene.restore();
    std::fs::write(&job, format!("{text}[output]\ncolumn = [\"run={{run}}\"]\n")).expect("a job");
    assert!(scene.kill(KEPT, 3, &[]));
    refused(MONTH, "the number of the version, which {run} stands for in the job");
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).expect("a file");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(path, bytes).expect("a file");
}

/// What is damaged is computed again, and said.
fn damage_is_never_used() {
    let scene = Scene::new("", &["2026-09-30"]);
    let damaged = |scene: &Scene, passage: usize, files: &dyn Fn() -> Vec<PathBuf>, warning: &str| {
        scene.restore();
        assert!(scene.kill(KEPT, passage, &[]));
        files().iter().for_each(|file| flip(file));
        let ran = scene.resume(warning);
        assert!(ran.err.contains(warning), "no {warning:?} in {}", ran.err);
    };
    let checkpoint = || vec![scene.staging(2).join("checkpoint.json")];
    damaged(&scene, 3, &checkpoint, "is damaged, or was written by another program; version 2 cannot be continued");
    let of_fits = || {
        let entries = std::fs::read_dir(scene.staging(2)).expect("a folder").flatten().map(|entry| entry.path());
        entries.filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("fit-"))).collect()
    };
    damaged(&scene, 3, &of_fits, "is damaged, or was written by another program; what it held is computed again");
    // A new fit labels the month by the old model, too, as a stage of its own.
    let scene = Scene::new("[refit]\nmode = \"fresh\"\n", &["2026-09-30"]);
    let states = (0..).take_while(|passage| {
        scene.restore();
        scene.kill(KEPT, *passage, &[])
    });
    let last = states.count() - 1;
    let file = |name: &str| vec![scene.staging(2).join(name)];
    damaged(&scene, last, &|| file("new/segments/part-00000.parquet"), "new was changed; it is made again");
    damaged(&scene, last, &|| file("old/manifest.json"), "old was changed; it is made again");
    damaged(
        &scene,
        last,
        &|| file("old.json"),
        "old.json is damaged, or was written by another program; it is made again",
    );
}

/// Files have the same names in the version, wherever the first and the second run were started.
fn from_another_folder() {
    let scene = Scene::new("", &["2026-09-30"]);
    let states = (0..).take_while(|passage| {
        scene.restore();
        scene.kill(KEPT, *passage, &[])
    });
    let last = states.count() - 1;
    scene.restore();
    assert!(scene.kill(KEPT, last, &[]), "after the labels");
    let folder = scene.branch.w.path("sub");
    std::fs::create_dir(&folder).expect("a folder");
    let mut run = command();
    run.current_dir(&folder).args(["run", "../job.toml", "--as-of", MONTH, "--resume"]).env("FAILPOINTS", ALL);
    let ran = Ran::from(run.output().expect("hyades runs"));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(last_line(&ran)["blake3"], scene.expected);
    let version = last_line(&ran)["version"].as_u64().expect("a version");
    assert!(json(scene.branch.version(version).join("run.json"))["resumed"].is_object(), "it was resumed");
}

fn without_resume() {
    let scene = Scene::new("", &["2026-09-30"]);
    assert!(scene.kill(KEPT, 3, &[]));
    let ran = scene.run("", &[]).succeeds();
    let told = ["version 2 was begun at 20", "Z and did not finish; its files are removed"];
    assert!(told.iter().all(|part| ran.err.contains(part)), "{}", ran.err);
    assert!(ran.err.contains("had computed is removed; --resume would have continued it"), "{}", ran.err);
    assert_eq!((&last_line(&ran)["blake3"], scene.left()), (&scene.expected, Vec::new()));

    scene.restore();
    let ran = scene.resume("nothing to resume");
    assert!(ran.err.contains("no unfinished run is there to continue, so this one begins anew"), "{}", ran.err);
    scene.branch.run(MONTH, &["--resume", "--dry-run"]).is_refused(2, &["cannot be used with"]);
}

/// Waits for a file of a run that takes its time.
#[cfg(unix)]
fn wait_for(found: impl Fn() -> bool) {
    let begin = Instant::now();
    while !found() {
        assert!(begin.elapsed() < Duration::from_secs(50), "it does not appear");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

#[cfg(unix)]
fn fits_in(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("fit-")).count()
}

#[cfg(unix)]
fn an_interrupted_run() {
    let scene = Scene::new("", &["2026-09-30"]);
    let run = scene.start(&format!("{ALL};{KEPT}=sleep(200)"), &[]);
    wait_for(|| fits_in(&scene.staging(2)) == 1);
    signal(&run, "-INT");
    let ran = Ran::from(run.wait_with_output().expect("an end"));
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(ran.err.contains("what was computed is kept: --resume continues with it"), "{}", ran.err);
    let ran = scene.resume("after an interruption");
    assert!(ran.err.contains("is continued"), "{}", ran.err);
}

#[cfg(unix)]
fn a_living_run_is_left_alone() {
    let scene = Scene::new("", &["2026-09-30"]);
    let slow = scene.start(&format!("{ALL};{KEPT}=sleep(100)"), &[]);
    wait_for(|| fits_in(&scene.staging(2)) == 1);
    signal(&slow, "-STOP");
    let ran = scene.run("", &["--resume"]).succeeds();
    assert!(ran.err.contains("no unfinished run is there to continue"), "{}", ran.err);
    assert_eq!(scene.left(), [".staging-000002"]);
    signal(&slow, "-CONT");
    let slow = Ran::from(slow.wait_with_output().expect("an end"));
    slow.is_refused(4, &["version 2 was made from version 1, and version 3 has been published since"]);
    assert_eq!(scene.left(), [""; 0]);
}

/// Where a run computes is no part of what it is made of.
fn from_a_gpu_to_the_cpu(device: usize) {
    let scene = Scene::new("", &["2026-09-30"]);
    let job = scene.branch.w.path("job.toml");
    let text = std::fs::read_to_string(&job).expect("a job");
    let on_gpu = format!("{text}[device]\nbackend = \"gpu\"\ndevice = \"{device}\"\nstrict_device = true\n");
    for passage in [2, 5] {
        scene.restore();
        std::fs::write(&job, &on_gpu).expect("a job");
        assert!(scene.kill(KEPT, passage, &[]));
        std::fs::write(&job, format!("{text}[resources]\nthreads = 1\n")).expect("a job");
        let ran = scene.resume("from a GPU to the CPU");
        assert!(ran.err.contains("is continued"), "{}", ran.err);
    }
}
