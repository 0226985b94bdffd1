//! The resources that a job may use.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::text::{ByteSize, as_text};

/// Threads, memory and scratch space.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Resources"))]
pub struct Resources {
    /// Threads [default: one per processor]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", allow_negative_numbers = true))]
    pub threads: Option<usize>,
    /// Memory, such as 300MiB or 2GB; beyond it, tiles are streamed [default: 4/5 of free memory]
    #[serde(with = "as_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SIZE"))]
    pub memory: Option<ByteSize>,
    /// Folder for a scratch file, if one is needed [default: the output's]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FOLDER"))]
    pub scratch: Option<PathBuf>,
    /// Rows in a chunk of tiles; results do not depend on it
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", allow_negative_numbers = true, hide = true))]
    pub chunk_rows: Option<usize>,
}

/// The most threads: many more than processors only wait for each other, and do not hear a signal while they start.
fn most_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).saturating_mul(4).max(256)
}

impl Resources {
    /// Runs `work` on a pool of the threads allowed.
    ///
    /// # Errors
    /// Zero threads or more than 256 and four per processor, threads that cannot be started, and the errors of `work`.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        if self.threads == Some(0) {
            return Err(Error::usage(
                "--threads 0: at least one thread is needed; leave it out to use all processors".into(),
            )
            .of_option("--threads"));
        }
        let most = most_threads();
        if let Some(threads) = self.threads.filter(|&n| n > most) {
            return Err(Error::usage(format!(
                "--threads {threads}: at most {most} are possible here; leave it out to use all processors"
            ))
            .of_option("--threads"));
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
        self.memory.map(|size| size.0).unwrap_or_else(|| {
            // If the system does not report it, half a gigabyte is a conservative guess.
            let Ok(mut system) = sysinfo::System::new() else { return 512 << 20 };
            system.refresh_memory();
            let limit = system.cgroup_limits().map_or(u64::MAX, |c| c.free_memory);
            system.available_memory().min(limit) / 5 * 4
        })
    }

    /// The folder for a scratch file: by default the output's, since folders for temporary files may be in memory.
    pub(crate) fn scratch_folder(&self, out: Option<&Path>) -> PathBuf {
        self.scratch.clone().or_else(|| out.map(Path::to_path_buf)).unwrap_or_else(std::env::temp_dir)
    }

    /// The same before the output's folder is made: the nearest folder above it that exists.
    pub(crate) fn existing_scratch_folder(&self, out: Option<&Path>) -> PathBuf {
        let folder = self.scratch_folder(out.map(|out| if out.as_os_str().is_empty() { Path::new(".") } else { out }));
        if self.scratch.is_some() {
            return folder;
        }
        let absolute = std::path::absolute(&folder).unwrap_or(folder);
        absolute.ancestors().find(|f| f.is_dir()).map_or_else(std::env::temp_dir, Path::to_path_buf)
    }
}
