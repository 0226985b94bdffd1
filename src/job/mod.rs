//! Whole jobs: what the modules above do, one after the other, with a plan before and a manifest after.

mod apply;
mod assign;
mod audit;
mod centroids;
mod device;
mod fit;
mod ids;
pub(crate) mod inputs;
mod manifest;
mod part;
mod plan;
mod recorder;
mod recovery;
mod ruled_assign;
mod ruled_fit;

pub use apply::{ApplyRequest, apply};
pub use assign::{AssignOutcome, AssignRequest, Assigned, assign};
pub use device::{BackendKind, BackendRequest};
pub use fit::{FitOutcome, FitRequest, InitRequest, fit, plan};
pub use manifest::{Manifest, ManifestColumn, ManifestStratum};
pub(crate) use plan::{DECODER, FIXED, MIB};
pub use plan::{Plan, TilePlace};
pub use recorder::{PassRecord, Recorder, StageTime};
pub use ruled_fit::{RuledFitOutcome, RuledLabels, StratumLabels, fit_by_rules};

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// What a job may use.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    /// Threads; by default as many as there are processors.
    pub threads: Option<usize>,
    /// Bytes of memory; by default four fifths of what is free.
    pub memory: Option<u64>,
    /// The folder for a scratch file; by default the output's.
    pub scratch: Option<PathBuf>,
    /// Rows in a chunk of tiles; results do not depend on it.
    pub chunk_rows: Option<usize>,
}

impl Resources {
    /// Runs `work` on a pool of the threads allowed.
    ///
    /// # Errors
    /// No thread allowed, or none can be started; and those of `work`.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        if self.threads == Some(0) {
            return Err(Error::usage(
                "--threads 0: at least one thread is needed; leave it out to use all processors".into(),
            ));
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads.unwrap_or(0))
            .thread_name(|i| format!("hyades-{i}"))
            .build()
            .map_err(|e| Error::environment(format!("cannot start threads: {e}")))?;
        pool.install(work)
    }

    /// Bytes of memory that the job may use.
    pub(crate) fn budget(&self) -> u64 {
        self.memory.unwrap_or_else(|| {
            // Where the system does not tell, half a gigabyte is a careful guess.
            let Ok(mut system) = sysinfo::System::new() else { return 512 << 20 };
            system.refresh_memory();
            let limit = system.cgroup_limits().map_or(u64::MAX, |c| c.free_memory);
            system.available_memory().min(limit) / 5 * 4
        })
    }

    /// The folder for a scratch file: by default the output's, since folders for temporary files may lie in memory.
    pub(crate) fn scratch_folder(&self, out: Option<&Path>) -> PathBuf {
        self.scratch.clone().or_else(|| out.map(Path::to_path_buf)).unwrap_or_else(std::env::temp_dir)
    }
}
