//! A history on disk: its places, its lock, and what its log and pointer say.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::ledger::{Ledger, VersionRecord};
use super::log::{LOG, Log};
use super::pointer::{CURRENT, Pointer};
use super::record::LogEvent;
use crate::error::{Error, ErrorKind, Result};
use crate::faults;
use crate::output::create_folders;

const VERSIONS: &str = "versions";
const CLAIMS: &str = "claims";
const LOCK: &str = "lock";
/// The names of segments, which may be there before the first version.
const NAMES: &str = "names.toml";

/// The largest number of a folder that counts as a version's.
const LAST: u64 = 999_999_999_999;

/// A pause between two attempts to get the lock, and the number of attempts: half a minute.
const PAUSE: Duration = Duration::from_millis(10);
const ATTEMPTS: usize = 3_000;

/// A folder of versions.
///
/// # Examples
/// ```
/// use hyades::history::{History, VersionFacts};
///
/// let folder = tempfile::tempdir()?;
/// let history = History::open_or_create(&folder.path().join("segments"))?;
/// let base = history.current()?;
/// let candidate = history.claim()?;
/// std::fs::write(candidate.folder().join("model.json"), "{}")?;
/// let sealed = candidate.seal(VersionFacts { customers: 20_000, segments: 6, ..VersionFacts::default() })?;
/// history.publish(&sealed, base.as_ref())?;
/// assert_eq!(history.current()?.map(|pointer| pointer.version), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct History {
    root: PathBuf,
    notices: Arc<Mutex<Vec<String>>>,
}

/// The lock of a history, held while its pointer or its log change, and the log.
#[derive(Debug)]
pub(super) struct Held {
    _lock: File,
    pub(super) log: Log,
    /// The pointer, which agrees with the log.
    pub(super) current: Option<Pointer>,
}

impl Held {
    pub(super) fn ledger(&self) -> Ledger {
        Ledger::of(&self.log.lines)
    }

    /// Adds lines about a version to the log.
    pub(super) fn append(&mut self, version: u64, events: impl IntoIterator<Item = LogEvent>) -> Result<()> {
        self.log.append(events.into_iter().map(|event| (Some(version), event)).collect())
    }
}

impl History {
    /// Opens a history.
    ///
    /// # Errors
    /// There is none at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let history = History { root: path.to_path_buf(), notices: Arc::default() };
        if history.root.join(VERSIONS).is_dir() {
            return Ok(history);
        }
        let text = match path.is_dir() {
            true => format!("{} is not a history: it has no folder {VERSIONS}; name the folder of one", path.display()),
            false => format!("{} is not a folder: name the folder of a history", path.display()),
        };
        Err(Error::usage(text).of_kind(ErrorKind::NotFound).of_file(path))
    }

    /// Whether no history was begun at `path`: nothing is there but names of segments.
    pub(crate) fn is_empty_at(path: &Path) -> bool {
        let is_names = |entry: std::io::Result<fs::DirEntry>| entry.is_ok_and(|entry| entry.file_name() == NAMES);
        !path.exists() || fs::read_dir(path).is_ok_and(|mut entries| entries.all(is_names))
    }

    /// Opens a history, or makes an empty one.
    ///
    /// # Errors
    /// The folder cannot be created, or holds something else.
    pub fn open_or_create(path: &Path) -> Result<Self> {
        if !path.join(VERSIONS).is_dir() {
            let others = fs::read_dir(path).into_iter().flatten().flatten();
            let ours = [VERSIONS, CLAIMS, LOCK, LOG, CURRENT, NAMES];
            let is_ours = |name: &std::ffi::OsStr| {
                // A mounted volume has these from the start.
                let is_of_system = name == "lost+found" || name.to_str().is_some_and(|name| name.starts_with('.'));
                is_of_system || ours.iter().any(|ours| name == *ours)
            };
            let other = others.map(|entry| entry.file_name()).find(|name| !is_ours(name));
            if let Some(other) = other {
                let text = format!(
                    "{} is not a history: it holds {}; name a folder that is empty or does not exist",
                    path.display(),
                    crate::text::shown(&other.to_string_lossy())
                );
                return Err(Error::usage(text).of_file(path));
            }
            create_folders(&path.join(CLAIMS))?;
            create_folders(&path.join(VERSIONS))?;
        }
        History::open(path)
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The folder of a version, whether it exists or not.
    pub fn folder(&self, version: u64) -> PathBuf {
        self.versions_folder().join(name(version))
    }

    pub(super) fn versions_folder(&self) -> PathBuf {
        self.root.join(VERSIONS)
    }

    /// The file that a run keeps locked while it makes a version.
    pub(super) fn claim_file(&self, version: u64) -> PathBuf {
        self.root.join(CLAIMS).join(name(version))
    }

    /// The numbers of the folders that exist.
    pub(super) fn numbers(&self) -> Result<BTreeSet<u64>> {
        numbers_in(&self.versions_folder())
    }

    /// The numbers that runs have claimed.
    pub(super) fn claims(&self) -> Result<BTreeSet<u64>> {
        let folder = self.root.join(CLAIMS);
        // A copy of a history may lack an empty folder.
        if folder.exists() { numbers_in(&folder) } else { Ok(BTreeSet::new()) }
    }

    /// The current version; None before the first publication. Takes no lock.
    ///
    /// # Errors
    /// The pointer cannot be read, or was written by a newer program.
    pub fn current(&self) -> Result<Option<Pointer>> {
        Pointer::read(&self.root)
    }

    /// All versions, oldest first. Takes no lock.
    ///
    /// # Errors
    /// The log cannot be read, or was changed.
    pub fn versions(&self) -> Result<Vec<VersionRecord>> {
        Ok(Ledger::of(&Log::read(&self.root)?.lines).versions.into_values().collect())
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A version that is complete and whose files exist.
    ///
    /// # Errors
    /// There is none of this number, it is unfinished, or its folder was removed.
    pub fn vet(&self, version: u64) -> Result<VersionRecord> {
        let ledger = Ledger::of(&Log::read(&self.root)?.lines);
        let last = ledger.versions.keys().next_back().copied();
        let refused = |why: String| {
            let text = format!("version {version} of {}: {why}", self.root.display());
            Err(Error::usage(text).of_kind(ErrorKind::NotFound).of_file(&self.root))
        };
        match ledger.versions.get(&version) {
            None => match last {
                Some(last) => refused(format!("there is none; the last one is {last}")),
                None => refused("there is none; the history is empty".into()),
            },
            Some(record) if record.removed => refused("its files were removed by gc".into()),
            Some(record) if record.blake3.is_none() => {
                refused(format!("it is {}, and has no files", record.state.name()))
            }
            Some(_) if !self.folder(version).is_dir() => {
                refused(format!("its folder {} is missing; restore it from a backup", self.folder(version).display()))
            }
            Some(record) => Ok(record.clone()),
        }
    }

    /// What was found and put right on the way, such as a line that a crash cut off, since this was last asked for:
    /// warnings for whoever runs the job.
    pub fn notices(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn notice(&self, text: String) {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// Reads the current version: `read` gets the pointer and the version's folder, and sees files of one version. If
    /// the folder is removed meanwhile, since another version became the current one, `read` is called again. None
    /// before the first publication.
    ///
    /// # Errors
    /// Those of `read`, and a pointer that points nowhere.
    pub fn read_current<T>(&self, mut read: impl FnMut(&Pointer, &Path) -> Result<T>) -> Result<Option<T>> {
        let mut pointer = self.current()?;
        loop {
            let Some(at) = pointer else { return Ok(None) };
            let folder = self.folder(at.version);
            let outcome = if folder.is_dir() { read(&at, &folder) } else { Err(self.points_nowhere(&at)) };
            match outcome {
                Ok(value) => return Ok(Some(value)),
                Err(e) => {
                    pointer = self.current()?;
                    if pointer.as_ref() == Some(&at) {
                        return Err(e);
                    }
                }
            }
        }
    }

    fn points_nowhere(&self, pointer: &Pointer) -> Error {
        let path = self.root.join(CURRENT);
        let text = format!(
            "{} points nowhere: {} does not exist; restore it from a backup, or publish another version with hyades \
             history rollback",
            path.display(),
            self.folder(pointer.version).display()
        );
        Error::input(text).of_kind(ErrorKind::Corrupt).of_file(&path)
    }

    /// Takes the lock of the history, waiting half a minute if necessary.
    pub(super) fn hold(&self) -> Result<Held> {
        let path = self.root.join(LOCK);
        let fail = |e: std::io::Error| Error::io("lock", &path, &e);
        let opened = faults::point("history::lock")
            .and_then(|()| File::options().create(true).truncate(false).write(true).open(&path));
        let lock = opened.map_err(fail)?;
        for _ in 0..ATTEMPTS {
            match lock.try_lock() {
                Ok(()) => return self.locked(lock),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(e)) => {
                    let text = format!(
                        "cannot lock {}: {e}; put the history on a file system with locks, such as a local disk",
                        path.display()
                    );
                    return Err(Error::environment(text).of_file(&path));
                }
            }
        }
        let text = format!("another process has locked {} for half a minute; try again later", path.display());
        Err(Error::environment(text).of_kind(ErrorKind::Conflict).of_file(&path).to_retry())
    }

    /// Reads log and pointer under the lock. If the last publication was cut off between the two, the log says so.
    fn locked(&self, lock: File) -> Result<Held> {
        let mut held = Held { _lock: lock, log: Log::read(&self.root)?, current: self.current()? };
        if !held.log.torn.is_empty() {
            self.notice(format!("{LOG} ended in part of a line, which a crash had cut off; it is dropped"));
        }
        let ledger = held.ledger();
        let pointed = held.current.as_ref().map(|pointer| pointer.version);
        match ledger.current {
            current if current == pointed => {}
            Some(version) if ledger.replaced() == pointed && ledger.versions.contains_key(&version) => {
                let why = format!("the run ended before {CURRENT} named it");
                self.notice(format!("version {version} was not published: {why}"));
                held.append(version, [LogEvent::Withdrawn { why }])?;
            }
            _ => return Err(self.disagrees(&ledger, pointed)),
        }
        let logged =
            pointed.and_then(|version| ledger.versions.get(&version)).and_then(|record| record.blake3.as_ref());
        match held.current.as_ref().map(|pointer| &pointer.blake3) {
            hash if hash == logged => Ok(held),
            _ => Err(self.disagrees(&ledger, pointed)),
        }
    }

    fn disagrees(&self, ledger: &Ledger, pointed: Option<u64>) -> Error {
        let path = self.root.join(CURRENT);
        let says =
            |version: Option<u64>| version.map_or("no version".to_owned(), |version| format!("version {version}"));
        let text = format!(
            "{} and {LOG} disagree: the pointer names {}, and by the log {} is published; restore both from a backup \
             (hyades history verify says what the pointer should be)",
            path.display(),
            says(pointed),
            says(ledger.current)
        );
        Error::input(text).of_kind(ErrorKind::Corrupt).of_file(&path)
    }
}

/// The name of a version's folder.
fn name(version: u64) -> String {
    format!("{version:06}")
}

fn numbers_in(folder: &Path) -> Result<BTreeSet<u64>> {
    let entries = fs::read_dir(folder).map_err(|e| Error::io("read the folder", folder, &e))?;
    Ok(entries.flatten().filter_map(|entry| number(entry.file_name().to_str()?)).collect())
}

/// The version of which this is the folder's name.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|&version| (1..=LAST).contains(&version) && name(version) == text)
}
