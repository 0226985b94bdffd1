//! Monthly runs that are killed, or that meet: the pointer leads to a whole version, and nothing is left behind.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hyades::event::Watch;
use hyades::history::History;

use crate::command::{Ran, done};
use crate::harness::{command, tests};
use crate::monthly::{Branch, last_line, with_two_months};
use crate::tables::noise;

tests!(
    runs_that_are_killed,
    #[cfg(unix)]
    two_runs_at_once,
);

fn started(branch: &Branch, more: &[&str]) -> Child {
    let mut run = command();
    run.args(["run", &branch.w.text("job.toml"), "--as-of", "2026-10-31"]).args(more);
    run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hyades runs")
}

/// The version that a reader sees, which is whole.
fn whole(history: &History) -> u64 {
    let read = history.read_current(|pointer, folder| {
        let report = crate::command::json(folder.join("report.json"));
        let identity = crate::command::json(folder.join("identity.json"));
        assert_eq!(report["segments"].as_array().map(Vec::len), identity["segments"].as_array().map(Vec::len));
        Ok(pointer.version)
    });
    let version = read.expect("a pointer").expect("a version");
    let report = history.verify(Some(version), Watch::none()).expect("a report");
    let findings: Vec<_> = report.findings.into_iter().filter(|finding| finding.version == Some(version)).collect();
    assert_eq!(findings, [], "version {version}");
    version
}

/// Nothing unfinished is in the history.
fn is_tidy(history: &Path) {
    let names = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder").flatten();
        let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(history), ["claims", "current.json", "lock", "log.ndjson", "versions"]);
    assert_eq!(names(&history.join("claims")), [""; 0]);
    let versions = names(&history.join("versions"));
    assert!(versions.iter().all(|name| name.len() == 6 && name.parse::<u64>().is_ok()), "{versions:?}");
    for version in versions {
        let files = names(&history.join("versions").join(version));
        assert!(!files.is_empty() && files.iter().all(|name| !name.starts_with('.')), "{files:?}");
    }
}

/// HYADES_KILLS says how many. Readers look all the while.
fn runs_that_are_killed() {
    let rounds = std::env::var("HYADES_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    let branch = with_two_months("");
    branch.published("2026-09-30");
    let begin = Instant::now();
    branch.published("2026-10-31");
    let usual = begin.elapsed();
    let path = branch.w.path("history");
    let history = History::open(&path).expect("a history");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !over.load(Ordering::Relaxed) {
                let version = whole(&history);
                assert!(version >= seen, "the pointer went back");
                seen = version;
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        for (round, moment) in noise(7).take(rounds).enumerate() {
            let before = whole(&history);
            let mut run = started(&branch, &[]);
            std::thread::sleep(usual.mul_f64(moment * 1.1));
            let _ = run.kill();
            let killed = run.wait().expect("an end").code().is_none();
            let after = whole(&history);
            assert!(killed || after > before, "round {round}: it ended, and nothing is published");
            // The next run finds what one or more runs left.
            if round % 3 == 1 {
                continue;
            }
            let more: &[&str] = if round % 2 == 0 { &["--resume"] } else { &[] };
            let ran = branch.run("2026-10-31", more).succeeds();
            let published = last_line(&ran)["version"].as_u64().expect("a version");
            assert!(published > after && whole(&history) == published, "round {round}");
            is_tidy(&path);
        }
        over.store(true, Ordering::Relaxed);
        reader.join().expect("readers see whole versions");
    });
    done(["history", "verify", &branch.history()]);
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

/// A run is stopped once it has a number, and goes on when another one has published.
#[cfg(unix)]
fn two_runs_at_once() {
    let branch = with_two_months("");
    branch.published("2026-09-30");
    let path = branch.w.path("history");
    for (number, more) in [(2, &[][..]), (4, &["--retry"])] {
        let slow = started(&branch, more);
        let staging = path.join(format!(".staging-{number:06}"));
        let begin = Instant::now();
        while !staging.exists() {
            assert!(begin.elapsed() < Duration::from_secs(50), "it has no folder");
            std::thread::sleep(Duration::from_millis(1));
        }
        signal(&slow, "-STOP");
        assert_eq!(branch.published("2026-10-31")["version"], number + 1);
        signal(&slow, "-CONT");
        let slow = Ran::from(slow.wait_with_output().expect("an end"));
        let why = format!(
            "version {number} was made from version {}, and version {} has been published since",
            number - 1,
            number + 1
        );
        match more.is_empty() {
            true => {
                slow.is_refused(4, &[&why, "run the job again (--retry does so)"]);
                assert_eq!(branch.current()["version"], 3);
            }
            false => {
                assert!(slow.err.contains(&why) && slow.err.contains("the run starts again"), "{}", slow.err);
                slow.succeeds();
                assert_eq!(branch.current()["version"], 6);
                assert_eq!(branch.report(6)["based_on"], 5);
            }
        }
        is_tidy(&path);
    }
    done(["history", "verify", &branch.history()]);
}
