//! What runs that did not finish left behind, and whether another run may go on with it.
//!
//! A run computes in a folder `.staging-000042` of the history, named by its version. `checkpoint.json` in it says what
//! the run is made of; another run takes the folder over by giving it the name of its own version.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::base::BaseVersion;
use super::paths::plain;
use super::source_key::RunKey;
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::history::History;
use crate::input::Source;
use crate::job::{JobFile, Month};
use crate::output::{publish_checked, read_checked};

/// How the names of these folders begin, and of those that are being removed; the number of the version follows.
const STAGING: &str = ".staging-";
const SWEPT: &str = ".swept-";

const CHECKPOINT: &str = "checkpoint.json";

/// Files that a refusal names.
const MOST_NAMED: usize = 3;

/// What decides about everything that a run computes before it has a version. Device, threads and memory do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StageKey {
    as_of: String,
    program: String,
    /// The hash of the options, and of the files that steer the job.
    options: String,
    /// The number of the version, if `{run}` stands for it somewhere.
    run: Option<u64>,
    /// Number and hash of the version that it is based on.
    base: Option<(u64, String)>,
    inputs: BTreeMap<String, StagedInput>,
}

/// A file of the input or of a joined table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StagedInput {
    /// Its place in the order of the files.
    place: usize,
    bytes: u64,
    footer_blake3: String,
    table_version: Option<u64>,
    /// Nanoseconds since 1970; None for objects in a store.
    modified: Option<u64>,
}

/// `checkpoint.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct BegunRun {
    begun: String,
    key: StageKey,
}

/// A run that ended before it had a version.
pub(super) struct LeftRun {
    version: u64,
    folder: PathBuf,
    begun: BegunRun,
}

/// The run that another one goes on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ResumedRun {
    version: u64,
    begun: String,
}

impl StageKey {
    pub(super) fn new(file: &JobFile, month: &Month, base: Option<&BaseVersion>, source: &Source) -> Result<Self> {
        let any = file.fit(&month.of_run(0))?;
        let uses_run = any != file.fit(&month.of_run(1))?;
        let inputs = source.files().iter().chain(source.joined_files()).enumerate().map(|(place, file)| {
            let input = StagedInput {
                place,
                bytes: file.size(),
                footer_blake3: file.footer_hash().to_owned(),
                table_version: file.table().map(|(_, version)| version),
                modified: file.modified(),
            };
            // From whatever folder the job is run.
            let path = if input.modified.is_some() { plain(&file.path) } else { file.path.clone() };
            (path.display().to_string(), input)
        });
        Ok(StageKey {
            as_of: month.as_of(),
            program: [env!("CARGO_PKG_VERSION"), option_env!("HYADES_COMMIT").unwrap_or_default()].join(" "),
            options: RunKey::new(file, &any)?.hex().to_owned(),
            run: uses_run.then_some(month.run()),
            base: base.map(|base| (base.pointer.version, base.pointer.blake3.clone())),
            inputs: inputs.collect(),
        })
    }

    /// What differs from the key of another run.
    fn differences(&self, now: &StageKey) -> Vec<String> {
        if self.as_of != now.as_of {
            // Inputs of another month are others, too.
            return vec![format!("the month ({} then, {} now)", self.as_of, now.as_of)];
        }
        let mut found = Vec::new();
        if self.base != now.base {
            let version = |key: &StageKey| key.base.as_ref().map_or("none".into(), |(version, _)| version.to_string());
            found.push(format!("the version that it is based on ({} then, {} now)", version(self), version(now)));
        }
        match (self.program == now.program, self.options == now.options) {
            (false, _) => found.push(format!("the program ({} then, {} now)", self.program.trim(), now.program.trim())),
            (true, false) => found.push("the options of the job, its recipe or its rules".into()),
            (true, true) => {}
        }
        if self.run != now.run {
            found.push("the number of the version, which {run} stands for in the job".into());
        }
        found.extend(self.other_inputs(now));
        found
    }

    fn other_inputs(&self, now: &StageKey) -> Vec<String> {
        let mut names: Vec<(&String, &str)> = Vec::new();
        for (path, then) in &self.inputs {
            match now.inputs.get(path) {
                Some(now) if now == then => {}
                Some(now) if StagedInput { place: then.place, ..now.clone() } == *then => {
                    names.push((path, "is in another place"));
                }
                Some(_) => names.push((path, "was changed")),
                None => names.push((path, "is not read any more")),
            }
        }
        names.extend(now.inputs.keys().filter(|path| !self.inputs.contains_key(*path)).map(|path| (path, "is new")));
        let more = names.len().saturating_sub(MOST_NAMED);
        let mut found: Vec<String> =
            names.iter().take(MOST_NAMED).map(|(path, what)| format!("the input {path}, which {what}")).collect();
        if more > 0 {
            found.push(format!("{more} more files of the input"));
        }
        found
    }
}

impl LeftRun {
    /// The run to go on with: the newest one of the same key that nobody makes any more. None if there are none at all.
    ///
    /// # Errors
    /// There are some, but of other keys; the message says what differs from the newest of them.
    pub(super) fn find(history: &History, key: &StageKey, watch: Watch<'_>) -> Result<Option<Self>> {
        let mut left: Vec<LeftRun> = Vec::new();
        for (version, folder) in folders(history, STAGING)?.into_iter().rev() {
            if history.is_claimed(version) {
                continue;
            }
            match read_checked(&folder.join(CHECKPOINT)) {
                Ok(Some(begun)) => left.push(LeftRun { version, folder, begun }),
                Ok(None) => {}
                Err(e) => watch.warn(format!("{e}; version {version} cannot be continued")),
            }
        }
        match left.iter().position(|run| run.begun.key == *key) {
            Some(at) => Ok(Some(left.swap_remove(at))),
            None => match left.first() {
                Some(run) => Err(run.refusal(key)),
                None => {
                    watch.note("--resume: no unfinished run is there to continue, so this one begins anew");
                    Ok(None)
                }
            },
        }
    }

    fn refusal(&self, key: &StageKey) -> Error {
        let text = format!(
            "--resume: version {}, begun at {}, cannot be continued, since what it was made of has changed: {}; run \
             without --resume to begin anew",
            self.version,
            self.begun.begun,
            self.begun.key.differences(key).join("; ")
        );
        Error::usage(text).of_option("--resume")
    }

    /// Takes its folder over as `folder`. None if another run was faster.
    pub(super) fn take(self, folder: &Path, watch: Watch<'_>) -> Result<Option<ResumedRun>> {
        let LeftRun { version, folder: left, begun: BegunRun { begun, .. } } = self;
        match fs::rename(&left, folder) {
            Ok(()) => {
                watch.note(format!("version {version}, begun at {begun}, is continued"));
                Ok(Some(ResumedRun { version, begun }))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                watch.warn(format!("another run took what version {version} had computed; this one begins anew"));
                Ok(None)
            }
            Err(e) => Err(Error::io("rename", &left, &e)),
        }
    }
}

/// The folder in which a version is computed.
pub(super) fn folder(history: &History, version: u64) -> PathBuf {
    history.path().join(format!("{STAGING}{version:06}"))
}

/// Says in a folder what is computed there, and since when.
pub(super) fn begin(folder: &Path, key: &StageKey, begun: String, watch: Watch<'_>) {
    if let Err(e) = publish_checked(&folder.join(CHECKPOINT), &BegunRun { begun, key: key.clone() }) {
        watch.warn(format!("{e}; the run goes on, and could not be resumed"));
    }
}

/// Removes the folders of versions that no run is making. A run has a claim before it has a folder.
pub(super) fn sweep(history: &History, key: &StageKey, watch: Watch<'_>) -> Result<()> {
    let left = folders(history, STAGING)?;
    for (version, folder) in left {
        if history.is_claimed(version) {
            continue;
        }
        let begun: Option<BegunRun> = read_checked(&folder.join(CHECKPOINT)).ok().flatten();
        // Under another name, so that no other run takes it over meanwhile.
        if fs::rename(&folder, history.path().join(format!("{SWEPT}{version:06}"))).is_ok()
            && let Some(begun) = begun.filter(|begun| begun.key == *key)
        {
            watch.warn(format!(
                "what version {version}, begun at {}, had computed is removed; --resume would have continued it",
                begun.begun
            ));
        }
    }
    for (_, folder) in folders(history, SWEPT)? {
        // What is left of it is removed by the next run.
        let _ = fs::remove_dir_all(folder);
    }
    Ok(())
}

/// The folders of a history that have such names, by number.
fn folders(history: &History, prefix: &str) -> Result<Vec<(u64, PathBuf)>> {
    let root = history.path();
    let entries = fs::read_dir(root).map_err(|e| Error::io("read the folder", root, &e))?;
    let number = |name: &std::ffi::OsStr| name.to_str()?.strip_prefix(prefix)?.parse::<u64>().ok();
    let found = entries.flatten().filter_map(|entry| Some((number(&entry.file_name())?, entry.path())));
    let mut found: Vec<(u64, PathBuf)> = found.collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let input =
            |place| StagedInput { place, bytes: 7, footer_blake3: "ab".into(), table_version: None, modified: Some(1) };
        let key = StageKey {
            as_of: "2026-10-31".into(),
            program: "0.1.0 abc".into(),
            options: "o".into(),
            run: None,
            base: Some((1, "b".into())),
            inputs: [("a".to_owned(), input(0)), ("b".to_owned(), input(1))].into(),
        };
        let other = |change: &dyn Fn(&mut StageKey)| {
            let mut now = key.clone();
            change(&mut now);
            key.differences(&now).join("; ")
        };
        assert_eq!(other(&|_| {}), "");
        // Options are hashed with the program, so they differ too.
        let program = |now: &mut StageKey| (now.program, now.options) = ("0.2.0 ".into(), "p".into());
        assert_eq!(other(&program), "the program (0.1.0 abc then, 0.2.0 now)");
        assert_eq!(other(&|now| now.options = "p".into()), "the options of the job, its recipe or its rules");
        let base = "the version that it is based on";
        assert_eq!(other(&|now| now.base = None), format!("{base} (1 then, none now)"));
        assert_eq!(other(&|now| now.base = Some((1, "c".into()))), format!("{base} (1 then, 1 now)"));
        assert_eq!(
            other(&|now| (now.as_of, now.base) = ("2026-11-30".into(), None)),
            "the month (2026-10-31 then, 2026-11-30 now)"
        );
        let inputs = |change: &dyn Fn(&mut BTreeMap<String, StagedInput>)| other(&|now| change(&mut now.inputs));
        let swapped = "the input a, which is in another place; the input b, which is in another place";
        assert_eq!(inputs(&|all| *all = [("a".into(), input(1)), ("b".into(), input(0))].into()), swapped);
        for change in [
            |input: &mut StagedInput| input.bytes = 8,
            |input: &mut StagedInput| input.footer_blake3 = "cd".into(),
            |input: &mut StagedInput| input.table_version = Some(2),
            |input: &mut StagedInput| input.modified = Some(2),
        ] {
            let changed = |all: &mut BTreeMap<String, StagedInput>| all.values_mut().take(1).for_each(change);
            assert_eq!(inputs(&changed), "the input a, which was changed");
        }
        let others = inputs(&|all| *all = ["c", "d", "e"].map(|name| (name.to_owned(), input(0))).into());
        let named = "the input a, which is not read any more; the input b, which is not read any more; the input c, \
                     which is new; 2 more files of the input";
        assert_eq!(others, named);
    }
}
