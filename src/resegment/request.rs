//! The request of a run, and its outcome.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::Serialize;

use super::report::{RunReport, RunVerdict};
use crate::error::{Error, Result};
use crate::history::GateTally;
use crate::job::JobFile;
use crate::text::timestamp;

/// Which job to run, and for which month.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct RunRequest {
    /// The job file; `hyades job init` writes one
    #[cfg_attr(feature = "cli", arg(value_name = "JOB"))]
    pub job: PathBuf,
    /// The day that the data describe, which {as_of} in paths stands for [default:
    /// today, UTC]
    #[cfg_attr(feature = "cli", arg(long, value_name = "DAY"))]
    pub as_of: Option<String>,
    /// Show what would be read, done and found, and keep nothing
    #[cfg_attr(feature = "cli", arg(long))]
    pub dry_run: bool,
    /// Allow a day before that of the current version
    #[cfg_attr(feature = "cli", arg(long))]
    pub backfill: bool,
    /// Exit with CODE, and write nothing, if content of the inputs, program and options are
    /// those of the current version (gates, card and names do not count); 99 makes
    /// Airflow skip what follows
    #[cfg_attr(feature = "cli", arg(long, value_name = "CODE"))]
    pub nothing_new: Option<u8>,
    /// Continue a run of the same job and day that was killed or interrupted. Refused if
    /// inputs, options, program or the current version have changed
    #[cfg_attr(feature = "cli", arg(long, conflicts_with = "dry_run"))]
    pub resume: bool,
    /// Also compare the data with those of this VERSION, such as that of the same month a
    /// year ago
    #[cfg_attr(feature = "cli", arg(long, value_name = "VERSION"))]
    pub baseline: Option<u64>,
    /// Start again if another run publishes meanwhile
    #[cfg_attr(feature = "cli", arg(long))]
    pub retry: bool,
}

impl RunRequest {
    /// The day that the data describe, for a run that begins at `time`.
    pub(super) fn as_of_at(&self, time: SystemTime) -> String {
        self.as_of.clone().unwrap_or_else(|| timestamp(time)[..10].to_owned())
    }
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct RunOutcome {
    /// The folder of the versions.
    pub history: PathBuf,
    /// The number of the version; None if nothing was written.
    pub version: Option<u64>,
    /// The hash of the version.
    pub blake3: Option<String>,
    /// Whether it was published.
    pub verdict: RunVerdict,
    /// What the run found; None if nothing was computed.
    pub report: Option<RunReport>,
    /// What a run would do, line by line; only of a dry run.
    pub plan: Option<Vec<String>>,
}

/// The last line of a run, for schedulers.
#[derive(Serialize)]
struct LastLine<'a> {
    version: Option<u64>,
    blake3: Option<&'a str>,
    verdict: RunVerdict,
    as_of: Option<&'a str>,
    customers: Option<u64>,
    segments: Option<u64>,
    moved: Option<u64>,
    came: Option<u64>,
    left: Option<u64>,
    gates: Option<GateTally>,
}

impl RunOutcome {
    /// Of a job, without what a run finds.
    pub(super) fn without_report(job: &JobFile, verdict: RunVerdict) -> Self {
        RunOutcome {
            history: job.history().to_path_buf(),
            version: None,
            blake3: None,
            verdict,
            report: None,
            plan: None,
        }
    }

    /// The outcome as one line of JSON.
    ///
    /// # Errors
    /// None expected: it is plain data.
    pub fn line(&self) -> Result<String> {
        let report = self.report.as_ref();
        let migration = report.and_then(|report| report.migration.as_ref());
        let line = LastLine {
            version: self.version,
            blake3: self.blake3.as_deref(),
            verdict: self.verdict,
            as_of: report.map(|report| report.as_of.as_str()),
            customers: report.map(|report| report.customers),
            segments: report.map(|report| report.segments.len() as u64),
            moved: migration.map(|migration| migration.moved),
            came: migration.map(|migration| migration.came),
            left: migration.map(|migration| migration.left),
            gates: report.map(RunReport::tally),
        };
        serde_json::to_string(&line).map_err(|e| Error::Internal(e.to_string()))
    }

    /// The outcome, if it needs nobody's attention.
    ///
    /// # Errors
    /// [`Error::Approval`] for a version that waits for one, [`Error::Limit`] for one that a gate refuses.
    pub fn checked(&self) -> Result<()> {
        let (Some(version), Some(blake3)) = (self.version, &self.blake3) else { return Ok(()) };
        let history = self.history.display();
        let approve = format!(
            "hyades history approve {history} {version} --hash {} --by WHO --note WHY",
            &blake3[..12.min(blake3.len())]
        );
        match self.verdict {
            RunVerdict::Waits => Err(Error::approval(format!("version {version} waits for approval: {approve}"))),
            RunVerdict::Refused => {
                let why = self.report.as_ref().map_or_else(Vec::new, RunReport::refusals);
                Err(Error::limit(format!(
                    "version {version} is refused, and is not published:\n  {}\nlook at it: hyades history show {history} \
                     {version}\npublish it all the same: {approve}",
                    why.join("\n  ")
                )))
            }
            _ => Ok(()),
        }
    }
}
