use std::fs;
use std::io::Write;
use std::path::Path;

use super::record::LogEvent;
use super::*;
use crate::error::{Error, ErrorKind};
use crate::event::Watch;

fn history(folder: &tempfile::TempDir) -> History {
    History::open_or_create(&folder.path().join("history")).unwrap()
}

fn facts(based_on: Option<&Pointer>) -> VersionFacts {
    VersionFacts { based_on: based_on.map(|pointer| pointer.version), customers: 9, segments: 3, ..Default::default() }
}

/// Seals a version whose files contain `text`.
fn seal(history: &History, text: &str) -> SealedVersion {
    let candidate = history.claim().unwrap();
    fill(&candidate.folder(), text);
    candidate.seal(facts(history.current().unwrap().as_ref())).unwrap()
}

fn fill(folder: &Path, text: &str) {
    fs::create_dir_all(folder.join("segments")).unwrap();
    fs::write(folder.join("segments/part-00000.parquet"), text).unwrap();
    fs::write(folder.join("model.json"), format!("{{\"model\": \"{text}\"}}")).unwrap();
    fs::write(folder.join("run.json"), format!("run of {text}")).unwrap();
}

/// Publishes a version whose files contain `text`.
fn publish(history: &History, text: &str) -> u64 {
    let base = history.current().unwrap();
    let sealed = seal(history, text);
    history.publish(&sealed, base.as_ref()).unwrap();
    sealed.version
}

fn states(history: &History) -> Vec<(u64, VersionState)> {
    history.versions().unwrap().iter().map(|record| (record.version, record.state)).collect()
}

fn findings(history: &History) -> Vec<String> {
    let found = history.verify(None, Watch::none()).unwrap().findings;
    found.into_iter().map(|finding| format!("{}: {}", finding.file, finding.text)).collect()
}

fn text_of(history: &History) -> String {
    let read = |_: &Pointer, folder: &Path| Ok(fs::read_to_string(folder.join("segments/part-00000.parquet")).unwrap());
    history.read_current(read).unwrap().unwrap()
}

#[test]
fn versions_follow_each_other() {
    use VersionState::{Abandoned, Candidate, Published, Refused, Retired};
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    assert_eq!(history.current().unwrap(), None);
    assert_eq!(publish(&history, "one"), 1);
    assert_eq!(publish(&history, "two"), 2);
    let refused = seal(&history, "three");
    history.refuse(&refused, "it lost a segment").unwrap();
    drop(history.claim().unwrap());
    let waiting = seal(&history, "five");
    history.await_approval(&waiting, "the job says so").unwrap();
    assert_eq!(states(&history), [(1, Retired), (2, Published), (3, Refused), (4, Abandoned), (5, Candidate)]);
    assert_eq!(history.versions().unwrap()[2].why.as_deref(), Some("it lost a segment"));
    assert!(!history.folder(4).exists());
    assert_eq!(text_of(&history), "two");
    assert_eq!(findings(&history), [""; 0]);
    assert_eq!(history.notices(), [""; 0]);
}

/// The hash is what `b3sum`, `stat` and `sort` give.
#[test]
fn a_hash_can_be_computed_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    let sealed = seal(&history, "one");
    let file = |path: &str, text: &str| format!("{} {} {path}\n", blake3::hash(text.as_bytes()).to_hex(), text.len());
    let listing = file("model.json", "{\"model\": \"one\"}") + &file("segments/part-00000.parquet", "one");
    assert_eq!(sealed.blake3, blake3::hash(listing.as_bytes()).to_hex().to_string());
}

#[test]
fn the_slower_of_two_runs_loses() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    publish(&history, "one");
    let base = history.current().unwrap();
    let (first, second) = (seal(&history, "two"), seal(&history, "three"));
    history.publish(&second, base.as_ref()).unwrap();
    let error = history.publish(&first, base.as_ref()).unwrap_err();
    assert!(error.retryable());
    assert_eq!((error.exit_code(), error.kind()), (4, ErrorKind::Conflict));
    assert_eq!(
        error.to_string(),
        "version 2 was made from version 1, and version 3 has been published since; run the job again (--retry does so)"
    );
    assert_eq!(text_of(&history), "three");
    // Approving it is refused for the same reason.
    let error = history.approve(2, &first.blake3, "Li", "looked at").unwrap_err();
    assert_eq!((error.exit_code(), error.retryable()), (2, false));
    assert!(error.to_string().contains("version 2 was made from version 1, and version 3 is current now"), "{error}");
    // Once published, a version is not published again.
    let error = history.publish(&second, history.current().unwrap().as_ref()).unwrap_err();
    assert!(error.to_string().ends_with("is published already"), "{error}");
}

#[test]
fn many_publishers_race_and_readers_see_one_version() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    publish(&history, "zero");
    let (base, done) = (history.current().unwrap(), std::sync::atomic::AtomicBool::new(false));
    let runs: Vec<SealedVersion> = (0..8).map(|i| seal(&history, &format!("run {i}"))).collect();
    let published = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let read = |_: &Pointer, folder: &Path| {
                    let both = ["segments/part-00000.parquet", "model.json"].map(|name| folder.join(name));
                    Ok(both.map(|path| fs::read_to_string(path).unwrap()))
                };
                let [labels, model] = history.read_current(read).unwrap().unwrap();
                assert_eq!(model, format!("{{\"model\": \"{labels}\"}}"));
            }
        });
        let publishers: Vec<_> = runs.iter().map(|run| scope.spawn(|| history.publish(run, base.as_ref()))).collect();
        let outcomes: Vec<_> = publishers.into_iter().map(|run| run.join().unwrap()).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap();
        assert!(outcomes.iter().flat_map(|outcome| outcome.as_ref().err()).all(Error::retryable));
        outcomes.iter().filter(|outcome| outcome.is_ok()).count()
    });
    assert_eq!(published, 1);
    assert_eq!(findings(&history), [""; 0]);
}

#[test]
fn an_approval_needs_the_hash() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    publish(&history, "one");
    let sealed = seal(&history, "two");
    history.refuse(&sealed, "a gate").unwrap();
    let approve = |hash: &str, by: &str, note: &str| history.approve(2, hash, by, note).map_err(|e| e.to_string());
    assert_eq!(approve(&sealed.blake3, " ", "note").unwrap_err(), "--by is empty: say who decides");
    assert_eq!(approve(&sealed.blake3, "Li", "").unwrap_err(), "--note is empty: say why");
    assert_eq!(
        approve(&sealed.blake3[..11], "Li", "note").unwrap_err(),
        format!(
            "--hash {}: expected at least 12 hexadecimal digits of the version's hash; look at the version, and give \
             its hash",
            &sealed.blake3[..11]
        )
    );
    let other = "0".repeat(64);
    assert!(
        approve(&other, "Li", "note").unwrap_err().contains(&format!("the hash of version 2 is {}", sealed.blake3))
    );
    let labels = history.folder(2).join("segments/part-00000.parquet");
    fs::write(&labels, "edited").unwrap();
    let error = approve(&sealed.blake3, "Li", "note").unwrap_err();
    assert!(error.contains("part-00000.parquet was changed after version 2 was sealed"), "{error}");
    fs::write(&labels, "two").unwrap();
    assert_eq!(approve(&sealed.blake3[..12].to_uppercase(), "Li", "note").unwrap().version, 2);
    let record = history.vet(2).unwrap();
    assert_eq!((record.state, record.approved), (VersionState::Published, Some(("Li".into(), "note".into()))));
    assert!(approve(&sealed.blake3, "Li", "note").unwrap_err().contains("is published already"));
    assert!(history.approve(1, &other, "Li", "note").is_err());
}

#[test]
fn a_rollback_is_a_new_version() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    publish(&history, "one");
    publish(&history, "two");
    let pointer = history.rollback(1, "Li", "two was wrong").unwrap();
    assert_eq!(pointer.version, 3);
    assert_eq!(pointer.blake3, history.vet(1).unwrap().blake3.unwrap());
    assert_eq!(text_of(&history), "one");
    let record = history.vet(3).unwrap();
    assert_eq!((record.origin, record.facts.based_on), (Some(1), Some(2)));
    let refused = |version: u64| history.rollback(version, "Li", "why").unwrap_err().to_string();
    assert!(refused(3).ends_with("is the current one already"));
    assert!(refused(9).ends_with("there is none; the last one is 3"));
    let waiting = seal(&history, "four");
    assert!(refused(waiting.version).ends_with("was never published; hyades history approve publishes it"));
    assert_eq!(findings(&history), [""; 0]);
}

#[test]
fn old_versions_are_removed_but_not_what_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    for text in ["one", "two", "three", "four", "five"] {
        publish(&history, text);
    }
    history.rollback(2, "Li", "why").unwrap();
    let error = history.gc(1, &[7], false).unwrap_err();
    assert!(error.to_string().starts_with("--baseline 7: "), "{error}");
    let planned = history.gc(1, &[1], true).unwrap();
    // 6 is current, has the files of 2, and is based on 5.
    assert_eq!((planned.versions.as_slice(), planned.files), (&[3, 4][..], 6));
    assert_eq!(history.gc(1, &[1], false).unwrap(), planned);
    let kept: Vec<bool> = (1..=6).map(|version| history.folder(version).exists()).collect();
    assert_eq!(kept, [true, true, false, false, true, true]);
    assert_eq!(history.gc(1, &[1], false).unwrap(), Freed::default());
    assert!(history.vet(3).unwrap_err().to_string().ends_with("its files were removed by gc"));
    assert_eq!(history.versions().unwrap().len(), 6, "the log keeps their lines");
    assert_eq!(findings(&history), [""; 0]);
}

#[test]
fn a_crashed_run_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    publish(&history, "one");
    // A run that ended between two of its files, one that ended before its first line in the log, and one that runs.
    fs::create_dir(history.folder(2)).unwrap();
    history.hold().unwrap().append(2, [LogEvent::Claimed]).unwrap();
    fill(&history.folder(2), "half");
    fs::create_dir(history.folder(3)).unwrap();
    let alive = history.claim().unwrap();
    assert_eq!((alive.number(), alive.swept()), (4, &[2][..]));
    let [notice] = history.notices().try_into().unwrap();
    assert!(notice.starts_with("version 2 was begun at 20"), "{notice}");
    assert!(notice.ends_with("Z and did not finish; its files are removed"), "{notice}");
    assert!(!history.folder(2).exists() && !history.folder(3).exists());
    let next = history.claim().unwrap();
    assert_eq!((next.number(), next.swept()), (5, &[][..]));
    assert!(alive.folder().exists());
    assert_eq!(states(&history)[1], (2, VersionState::Abandoned));
    // A folder that the log does not know and that holds something is somebody else's.
    fs::create_dir(history.folder(77)).unwrap();
    fs::write(history.folder(77).join("note"), "").unwrap();
    assert_eq!(history.claim().unwrap().number(), 78);
    assert_eq!(findings(&history), ["versions/000077: the log does not know this version"]);
}

/// A run that ended after its version was complete, and before it said what is to become of it.
#[test]
fn a_version_without_a_verdict_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    publish(&history, "one");
    let alive = seal(&history, "two");
    drop(seal(&history, "three"));
    assert_eq!(publish(&history, "four"), 4);
    let why = "its run ended before it was published or refused";
    assert_eq!(history.notices(), [format!("version 3 is complete, but {why}: hyades history approve does so")]);
    let whys = |history: &History| -> Vec<Option<String>> {
        history.versions().unwrap().into_iter().map(|record| record.why).collect()
    };
    assert_eq!(whys(&history), [None, None, Some(why.to_owned()), None]);
    history.refuse(&alive, "it lost a segment").unwrap();
    drop(alive);
    publish(&history, "five");
    assert_eq!(history.notices(), [""; 0], "once is enough");
    assert_eq!(whys(&history)[1].as_deref(), Some("it lost a segment"));
    assert_eq!(states(&history)[2], (3, VersionState::Candidate));
    assert_eq!(fs::read_dir(history.path().join("claims")).unwrap().count(), 0);
}

#[test]
fn gc_keeps_what_a_run_began_from() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    publish(&history, "one");
    let first = history.current().unwrap().unwrap();
    let slow = history.claim().unwrap();
    for text in ["three", "four", "five"] {
        publish(&history, text);
    }
    assert_eq!(history.versions().unwrap()[1].facts.based_on, Some(1));
    slow.vet_base(Some(&first)).unwrap();
    let late = history.claim().unwrap();
    let refused = late.vet_base(Some(&first)).unwrap_err();
    assert!(refused.retryable());
    let why = "version 5 became the current one while the run began; run the job again (--retry does so)";
    assert_eq!(refused.to_string(), why);
    drop(late);
    assert_eq!(history.gc(1, &[], false).unwrap().versions, [3]);
    assert!(history.folder(1).exists());
    drop(slow);
    assert_eq!(history.gc(1, &[], false).unwrap().versions, [1]);
}

#[test]
fn a_verification_knows_runs_that_are_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    publish(&history, "one");
    let alive = history.claim().unwrap();
    fill(&alive.folder(), "half");
    fs::create_dir(history.folder(3)).unwrap();
    history.hold().unwrap().append(3, [LogEvent::Claimed]).unwrap();
    // One that has its folder, and no line in the log yet.
    fs::create_dir(history.folder(4)).unwrap();
    let claim = fs::File::create(history.claim_file(4)).unwrap();
    claim.lock().unwrap();
    let report = history.verify(None, Watch::none()).unwrap();
    assert_eq!((report.findings, report.versions), (vec![], 1));
    assert_eq!((report.under_way, report.unfinished), (vec![2, 4], vec![3]));
    assert_eq!(history.verify(Some(2), Watch::none()).unwrap().under_way, [2]);
}

#[test]
fn a_line_that_a_crash_cut_off_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    publish(&history, "one");
    let log = history.path().join("log.ndjson");
    let mut file = fs::File::options().append(true).open(&log).unwrap();
    file.write_all(b"{\"format\":1,\"seq\":4,\"ti").unwrap();
    assert_eq!(
        findings(&history),
        ["log.ndjson: it ends in part of a line, which a crash cut off; the next run drops it"]
    );
    assert_eq!(states(&history), [(1, VersionState::Published)]);
    publish(&history, "two");
    assert_eq!(history.notices()[0], "log.ndjson ended in part of a line, which a crash had cut off; it is dropped");
    assert_eq!(findings(&history), [""; 0]);
    assert!(fs::read_to_string(&log).unwrap().contains(r#""event":"repaired","dropped":"{\"format\":1"#));
}

/// The log names version 2 as published, but the pointer was never moved.
#[test]
fn a_publication_that_was_cut_off_is_withdrawn() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    publish(&history, "one");
    let sealed = seal(&history, "two");
    let event = LogEvent::Published { blake3: sealed.blake3.clone(), retires: Some(1) };
    history.hold().unwrap().append(2, [event]).unwrap();
    assert_eq!(text_of(&history), "one");
    let base = history.current().unwrap();
    history.publish(&sealed, base.as_ref()).unwrap();
    assert_eq!(history.notices(), ["version 2 was not published: the run ended before current.json named it"]);
    assert_eq!(states(&history), [(1, VersionState::Retired), (2, VersionState::Published)]);
    assert_eq!(findings(&history), [""; 0]);
}

#[test]
fn a_verification_names_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    for text in ["one", "two", "three"] {
        publish(&history, text);
    }
    fs::write(history.folder(1).join("model.json"), "edited").unwrap();
    fs::remove_file(history.folder(2).join("segments/part-00000.parquet")).unwrap();
    fs::write(history.folder(2).join("notes.txt"), "").unwrap();
    fs::write(history.folder(3).join("run.json"), "edited").unwrap();
    assert_eq!(
        findings(&history),
        [
            "versions/000001/model.json: was changed",
            "versions/000002/notes.txt: was added",
            "versions/000002/segments/part-00000.parquet: is missing",
            "versions/000003/run.json: was changed",
        ]
    );
    let one = history.verify(Some(3), Watch::none()).unwrap();
    assert_eq!((one.versions, one.files, one.findings.len()), (1, 3, 1));
    let error = one.verdict().unwrap_err();
    assert_eq!((error.exit_code(), error.kind()), (3, ErrorKind::Corrupt));
    assert!(history.verify(Some(4), Watch::none()).is_err());
}

#[test]
fn an_edited_log_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    publish(&history, "one");
    let sealed = seal(&history, "two");
    history.refuse(&sealed, "a gate").unwrap();
    let log = history.path().join("log.ndjson");
    let text = fs::read_to_string(&log).unwrap();
    let edits = [
        (text.replace("a gate", "a gale"), "line 6 was changed"),
        (text.replace("\"customers\":9", "\"customers\":8"), "line 2 was changed"),
        (text.lines().filter(|line| !line.contains("published")).map(|line| format!("{line}\n")).collect(), "line 3"),
        (text.clone() + "nonsense\n", "line 7 was changed"),
    ];
    for (edited, fault) in edits {
        fs::write(&log, edited).unwrap();
        assert!(
            findings(&history).iter().any(|finding| finding.starts_with(&format!("log.ndjson: {fault}"))),
            "{fault}"
        );
        let error = history.claim().unwrap_err();
        assert!(error.to_string().contains(fault), "{error}");
        assert_eq!((error.exit_code(), error.kind()), (3, ErrorKind::Corrupt));
        // Readers do not depend on the log.
        assert_eq!(text_of(&history), "one");
    }
    fs::write(&log, text.clone() + "{\"format\":2,\"event\":\"merged\"}\n").unwrap();
    let error = history.claim().unwrap_err();
    assert!(error.to_string().ends_with("line 7 has format 2, and this program reads up to 1; use a newer hyades"));
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn a_pointer_that_points_nowhere_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    publish(&history, "one");
    publish(&history, "two");
    let path = history.path().join("current.json");
    let whole = fs::read_to_string(&path).unwrap();
    let current = || history.read_current(|_, _| Ok(())).unwrap_err().to_string();
    for (text, message) in [
        ("", "current.json is damaged: expected an object with format, version and blake3"),
        ("{\"version\": 2}", "current.json is damaged"),
        ("{\"format\": 2, \"version\": 2, \"blake3\": \"\"}", "its format is 2, and this program reads up to 1"),
        ("{\"format\": 1, \"version\": 7, \"blake3\": \"\"}", "points nowhere"),
    ] {
        fs::write(&path, text).unwrap();
        assert!(current().contains(message), "{}", current());
        assert!(
            findings(&history)
                .iter()
                .any(|finding| finding.contains(&format!("by the log it should be {}", whole.trim())))
        );
        assert!(history.claim().is_err(), "{text}");
    }
    // Its folder was removed by hand: another version can still be published.
    fs::write(&path, &whole).unwrap();
    fs::remove_dir_all(history.folder(2)).unwrap();
    assert!(current().contains("points nowhere"), "{}", current());
    history.rollback(1, "Li", "two is lost").unwrap();
    assert_eq!(text_of(&history), "one");
    fs::remove_file(&path).unwrap();
    let error = history.claim().unwrap_err().to_string();
    assert!(error.contains("the pointer names no version, and by the log version 3 is published"), "{error}");
}

#[test]
fn what_cannot_belong_to_a_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    let sealed = |make: &dyn Fn(&Path)| {
        let candidate = history.claim().unwrap();
        make(&candidate.folder());
        candidate.seal(VersionFacts::default()).map_err(|e| e.to_string())
    };
    let error = sealed(&|folder| fs::write(folder.join("a\nb"), "").unwrap()).unwrap_err();
    assert!(
        error
            .ends_with("a\\nb cannot belong to a version: its name is not UTF-8, or has control characters; remove it")
    );
    #[cfg(unix)]
    {
        let link = |folder: &Path| std::os::unix::fs::symlink("/etc/passwd", folder.join("model.json")).unwrap();
        assert!(sealed(&link).unwrap_err().contains("it is neither a file nor a folder"));
    }
    assert!(sealed(&|_| {}).unwrap_err().contains("has no files"));
    // What looks strange but is plain stays.
    let names = ["客户.json", "a b", "-rf", "'; drop", "%s", ".hidden"];
    let strange = |folder: &Path| names.iter().for_each(|name| fs::write(folder.join(name), name).unwrap());
    let version = sealed(&strange).unwrap();
    history.publish(&version, None).unwrap();
    assert_eq!(findings(&history), [""; 0]);
    assert_eq!(states(&history).iter().filter(|(_, state)| *state == VersionState::Abandoned).count(), 3);
}

#[test]
fn a_history_is_not_made_of_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("data");
    assert!(History::open(&at).unwrap_err().to_string().ends_with("is not a folder: name the folder of a history"));
    fs::create_dir(&at).unwrap();
    fs::write(at.join("customers.parquet"), "").unwrap();
    assert!(History::open(&at).unwrap_err().to_string().contains("is not a history: it has no folder versions"));
    let error = History::open_or_create(&at).unwrap_err().to_string();
    assert!(error.ends_with("it holds customers.parquet; name a folder that is empty or does not exist"), "{error}");
}

#[test]
fn two_versions_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    let model = |counts: &str, ids: Option<&str>| {
        let base = history.current().unwrap();
        let candidate = history.claim().unwrap();
        let part = format!("{{\"name\":\"all\",\"feature_names_in_\":[\"age\"],\"fitted\":{{\"counts_\":{counts}}}}}");
        fs::write(candidate.folder().join("model.json"), format!("{{\"model\":{{\"parts\":[{part}]}}}}")).unwrap();
        fs::write(candidate.folder().join("names.toml"), "").unwrap();
        if let Some(ids) = ids {
            fs::write(candidate.folder().join("identity.json"), format!("{{\"segments\":[{ids}]}}")).unwrap();
        }
        let sealed = candidate.seal(facts(base.as_ref())).unwrap();
        history.publish(&sealed, base.as_ref()).unwrap();
    };
    model("[3,1]", None);
    model("[2,1,1]", None);
    let difference = history.compare(1, 2).unwrap();
    let facts: Vec<String> = difference.facts.iter().map(|f| format!("{}: {} {}", f.name, f.a, f.b)).collect();
    assert_eq!(facts, ["based on: null 1", "k: 2 3", "share of segment 0: 0.75 0.5", "share of segment 2: null 0.25"]);
    assert_eq!(difference.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["model.json"]);
    assert_eq!(difference.same, 1);
    // The same segments under other numbers.
    let of = |number: u64, id: u64| format!("{{\"segment\":{number},\"segment_id\":{id}}}");
    model("[3,1]", Some(&[of(0, 7), of(1, 9)].join(",")));
    model("[2,3]", Some(&[of(0, 9), of(1, 7)].join(",")));
    let difference = history.compare(3, 4).unwrap();
    let facts: Vec<String> = difference.facts.iter().map(|f| format!("{}: {} {}", f.name, f.a, f.b)).collect();
    assert_eq!(facts, ["based on: 2 3", "share of segment id 7: 0.75 0.6", "share of segment id 9: 0.25 0.4"]);
}

#[test]
fn runs_at_once_get_different_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    let candidates: Vec<CandidateVersion> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| history.claim().unwrap())).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let mut numbers: Vec<u64> = candidates.iter().map(CandidateVersion::number).collect();
    numbers.sort();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
    assert!(candidates.iter().all(|candidate| candidate.swept().is_empty() && candidate.folder().is_dir()));
    drop(candidates);
    assert_eq!(fs::read_dir(history.path().join("claims")).unwrap().count(), 0);
    assert_eq!(history.claim().unwrap().number(), 9);
}

#[test]
fn facts_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    let candidate = history.claim().unwrap();
    fill(&candidate.folder(), "one");
    let facts = VersionFacts {
        as_of: Some("2026-11-30 \"\n客户".into()),
        baseline: Some(7),
        customers: u64::MAX,
        moved: Some(0.1 + 0.2),
        more: serde_json::json!({ "psi": [1.0e-300, null, -0.0], "event": "published", "deep": { "n": i64::MIN } }),
        ..VersionFacts::default()
    };
    candidate.seal(facts.clone()).unwrap();
    assert_eq!(history.vet(1).unwrap().facts, facts);
}

/// What a run that ended in the middle of gc left is removed by the next one.
#[test]
fn gc_finishes_what_was_begun() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    for text in ["one", "two", "three", "four"] {
        publish(&history, text);
    }
    history.hold().unwrap().append(1, [LogEvent::Removed { files: 3, bytes: 9 }]).unwrap();
    assert_eq!(findings(&history), [""; 0]);
    assert_eq!(history.gc(2, &[], false).unwrap().versions, [2]);
    assert!(!history.folder(1).exists() && !history.folder(2).exists());
}

#[test]
fn folders_of_strange_names_are_nobodys_version() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder);
    for name in
        ["18446744073709551615", "99999999999999999999", "000000", "1", "00001x", ".hyades-x.unfinished", "a\nb"]
    {
        fs::create_dir(history.path().join("versions").join(name)).unwrap();
    }
    assert_eq!(publish(&history, "one"), 1);
    assert_eq!(findings(&history), [""; 0]);
}

mod any_order {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Publish,
        Refuse,
        Abandon,
        Approve(u64),
        Rollback(u64),
        Gc(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Publish),
            1 => Just(Step::Refuse),
            1 => Just(Step::Abandon),
            2 => (1u64..9).prop_map(Step::Approve),
            2 => (1u64..9).prop_map(Step::Rollback),
            1 => (1usize..4).prop_map(Step::Gc),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        /// Beside a model that knows only which text each version has, and which version is current.
        #[test]
        fn the_pointer_and_the_log_agree(steps in prop::collection::vec(step(), 1..10)) {
            let folder = tempfile::tempdir().unwrap();
            let history = history(&folder);
            let (mut texts, mut current, mut last) = (BTreeMap::<u64, String>::new(), None, 0u64);
            for (i, step) in steps.into_iter().enumerate() {
                let text = format!("text {i}");
                let made = match step {
                    Step::Publish => Some((publish(&history, &text), text, true)),
                    Step::Refuse => {
                        let sealed = seal(&history, &text);
                        history.refuse(&sealed, "a gate").unwrap();
                        Some((sealed.version, text, false))
                    }
                    Step::Abandon => {
                        drop(history.claim().unwrap());
                        last += 1;
                        None
                    }
                    Step::Approve(version) => {
                        let hash = history.vet(version).ok().and_then(|record| record.blake3).unwrap_or_default();
                        if history.approve(version, &hash, "Li", "note").is_ok() {
                            current = Some(version);
                        }
                        None
                    }
                    Step::Rollback(version) => match history.rollback(version, "Li", "note") {
                        Ok(pointer) => Some((pointer.version, texts[&version].clone(), true)),
                        Err(_) => None,
                    },
                    Step::Gc(keep) => {
                        history.gc(keep, &[], false).unwrap();
                        None
                    }
                };
                if let Some((version, text, is_current)) = made {
                    prop_assert_eq!(version, last + 1);
                    last = version;
                    texts.insert(version, text);
                    current = if is_current { Some(version) } else { current };
                }
                prop_assert_eq!(history.current().unwrap().map(|pointer| pointer.version), current);
                if let Some(version) = current {
                    prop_assert_eq!(&text_of(&history), &texts[&version]);
                }
                let published = states(&history).into_iter().filter(|(_, state)| *state == VersionState::Published);
                prop_assert_eq!(published.map(|(version, _)| version).collect::<Vec<_>>(), Vec::from_iter(current));
                prop_assert_eq!(findings(&history), Vec::<String>::new());
            }
        }
    }
}
