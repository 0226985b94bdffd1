//! What a manifest says besides inputs and results: the build, the times, the operator, and the files that steered the
//! job.

use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::text::timestamp;

/// The program that ran the job.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ManifestTool {
    /// Its version.
    pub hyades_version: &'static str,
    /// The commit that it was built from, with `-dirty` if files differed from it; None if it was not built from a git
    /// checkout.
    pub commit: Option<&'static str>,
    /// The Cargo features that it was built with.
    pub features: Vec<&'static str>,
    /// The target that it was built for.
    pub target: Option<&'static str>,
    /// Operating system and architecture.
    pub platform: String,
}

impl ManifestTool {
    /// This program.
    pub(super) fn this() -> Self {
        let features = [
            ("cli", cfg!(feature = "cli")),
            ("gpu", cfg!(feature = "gpu")),
            ("cloud", cfg!(feature = "cloud")),
            ("delta", cfg!(feature = "delta")),
        ];
        ManifestTool {
            hyades_version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("HYADES_COMMIT"),
            features: features.into_iter().filter_map(|(name, on)| on.then_some(name)).collect(),
            target: option_env!("HYADES_TARGET"),
            platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }
}

/// When a job ran: RFC 3339 in UTC.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ManifestTime {
    /// Before anything was read.
    pub started: String,
    /// When all results were known, just before they were published.
    pub ended: String,
}

impl ManifestTime {
    /// From `started` until now.
    pub(super) fn since(started: SystemTime) -> Self {
        ManifestTime { started: timestamp(started), ended: timestamp(SystemTime::now()) }
    }
}

/// Who ran a job, and where; recorded on request.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ManifestOperator {
    /// The user's name, from the environment.
    pub user: Option<String>,
    /// The number of the user, on systems that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The name of the machine.
    pub host: Option<String>,
}

impl ManifestOperator {
    /// Of this process.
    pub(super) fn this() -> Self {
        let variable = |names: &[&str]| names.iter().find_map(|name| std::env::var(name).ok());
        ManifestOperator {
            user: variable(&["USER", "LOGNAME", "USERNAME"]),
            uid: uid(),
            host: sysinfo::System::host_name().ok().or_else(|| variable(&["HOSTNAME", "COMPUTERNAME"])),
        }
    }
}

#[cfg(target_os = "linux")]
fn uid() -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").ok().map(|meta| meta.uid())
}

#[cfg(not(target_os = "linux"))]
fn uid() -> Option<u32> {
    None
}

/// A file that steered a job: a configuration, a recipe, rules, starting centroids.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ManifestDocument {
    /// The option that names it, without dashes.
    pub role: &'static str,
    /// Its path, as given.
    pub path: String,
    /// blake3 of its bytes.
    pub blake3: String,
}

/// The files that are given, hashed.
///
/// # Errors
/// A file that cannot be read.
pub(super) fn documents(given: &[(&'static str, Option<&Path>)]) -> Result<Vec<ManifestDocument>> {
    let given = given.iter().filter_map(|&(role, path)| Some((role, path?)));
    given
        .map(|(role, path)| {
            let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, &e))?;
            let blake3 = blake3::hash(&bytes).to_hex().to_string();
            Ok(ManifestDocument { role, path: path.display().to_string(), blake3 })
        })
        .collect()
}
