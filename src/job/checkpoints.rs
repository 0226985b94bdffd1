//! The states of a job's fits, kept in a folder so that another process can go on with them.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cluster::{FitKeeper, FitState};
use crate::event::Watch;
use crate::faults;
use crate::output::{publish_checked, read_checked};
use crate::rules::Stratum;

/// The least time between two states of unfinished fits, and its least multiple of the time that writing one takes.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_IN_WRITES: u32 = 50;

/// A folder of states, one for each fit of the job. Whoever gives it sees to it that inputs, options and program are
/// those of the states that are in it.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
    due: Mutex<Instant>,
}

/// The state of one fit.
pub(super) struct PartCheckpoint<'a> {
    all: &'a Checkpoints,
    path: PathBuf,
    watch: Watch<'a>,
}

impl Checkpoints {
    /// In an existing folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Checkpoints { folder: folder.to_path_buf(), due: Mutex::new(Instant::now() + PAUSE) }
    }

    /// That of a fit of a part, which is called `fit`.
    pub(super) fn of<'a>(&'a self, part: &Stratum, fit: &str, watch: Watch<'a>) -> PartCheckpoint<'a> {
        // Names of parts are those of values, so they are not made names of files.
        let hash = blake3::hash(format!("{:?} {:?}", part.name, part.value).as_bytes()).to_hex();
        let path = self.folder.join(format!("fit-{}-{fit}.json", &hash[..16]));
        PartCheckpoint { all: self, path, watch }
    }
}

impl FitKeeper for PartCheckpoint<'_> {
    fn last(&self) -> Option<FitState> {
        read_checked(&self.path).unwrap_or_else(|e| {
            self.watch.warn(format!("{e}; what it held is computed again"));
            None
        })
    }

    fn keep(&self, state: &FitState) {
        let mut due = self.all.due.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = Instant::now();
        if begin < *due && !state.is_finished() && faults::point("checkpoint::pause").is_ok() {
            return;
        }
        if let Err(e) = publish_checked(&self.path, state) {
            self.watch.warn(format!("{e}; the run goes on, and could not be resumed from here"));
        }
        let end = Instant::now();
        *due = end + PAUSE.max((end - begin) * PAUSE_IN_WRITES);
        let _ = faults::point("checkpoint::kept");
    }
}
