//! From a month to the files of a version, wherever they are to lie.

use std::path::Path;
use std::time::SystemTime;

use super::base::BaseVersion;
use super::judged::{JudgedMonth, judged, since};
use super::matching::{self, MatchedMonth};
use super::opened::MonthlyJob;
use super::page;
use super::report::RunReport;
use super::source_key::RunKey;
use super::stage::{StagedMonth, Staging};
use super::version;
use crate::error::Result;
use crate::event::Stage;

/// A version whose files are written.
pub(super) struct MadeVersion {
    pub(super) report: RunReport,
    /// The next id to give.
    pub(super) next_id: u64,
    /// The page, if the job asks for it.
    pub(super) page: Option<String>,
}

/// Labels a month, matches it with the base version, and judges it.
pub(super) fn found(
    job: &MonthlyJob<'_>,
    staging: &Staging,
    base: Option<&BaseVersion>,
) -> Result<(StagedMonth, MatchedMonth, RunReport)> {
    let staged = staging.fill(job, base)?;
    let matched = matching::matched(job, &staged, base)?;
    let report = RunReport::new(job, &staged, &matched, base);
    let JudgedMonth { drift, measures, gates } = judged(job, &staged, &matched, base, &report);
    let baseline = job.baseline.as_ref().and_then(|version| since(version, &staged, &matched, job.watch()));
    Ok((staged, matched, report.judged(drift, measures, gates).since(baseline)))
}

/// The same, and writes the files of the version to `folder`, which is empty.
pub(super) fn make(
    job: &MonthlyJob<'_>,
    staging: &Staging,
    base: Option<&BaseVersion>,
    (folder, started, key): (&Path, SystemTime, &RunKey),
) -> Result<MadeVersion> {
    let (staged, matched, report) = found(job, staging, base)?;
    job.watch().stage(Stage::Write, 0, "files", || {
        version::write(job, &staged, (&matched, &report), base, (folder, started, key))
    })?;
    let page = page::page(job, &staged, (&matched, &report), base)?;
    Ok(MadeVersion { report, next_id: matched.identities.next_id, page })
}
