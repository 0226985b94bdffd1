//! The month is labelled in a folder beside the versions: by the new model, and, unless that is the old one, by the old
//! model too.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use super::base::BaseVersion;
use super::opened::MonthlyJob;
use crate::drift::DriftReport;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Of;
use crate::history::{History, VersionState};
use crate::input::Source;
use crate::job::{
    self, AssignColumns, AssignRequest, Base, Beginning, FitRequest, OutputOptions, PartRefit, RefitMode, Resources,
};
use crate::model::Model;
use crate::output::LABELS;

/// How the names of these folders begin; the number of the version follows.
const PREFIX: &str = ".staging-";

/// A folder for what a version is made of.
pub(super) struct Staging {
    folder: PathBuf,
}

/// The labelled month.
pub(super) struct StagedMonth {
    /// The output of the fit, or of the assignment by the old model.
    pub(super) output: PathBuf,
    pub(super) model: Model,
    /// The labels, in the order of the input.
    pub(super) labels: Source,
    /// The labels of the same rows by the old model; None if there is none, if it is the new one, or if it cannot label
    /// them.
    pub(super) by_old_model: Option<Source>,
    /// Whether the new model is the old one.
    pub(super) same_model: bool,
    /// How the parts were fitted.
    pub(super) refits: Vec<PartRefit>,
    /// What changed since the fit of the old model, if that labels the month.
    pub(super) drift: Option<DriftReport>,
}

impl Staging {
    /// The folder of version `number`, which was claimed. Those that runs left behind are removed.
    pub(super) fn new(history: &History, number: u64) -> Result<Self> {
        sweep(history)?;
        let folder = history.path().join(format!("{PREFIX}{number:06}"));
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("create the folder", &folder, &e))?;
        Ok(Staging { folder })
    }

    /// A folder beside no history, for a run that keeps nothing.
    pub(super) fn rehearsal(resources: &Resources) -> Result<Self> {
        let scratch = resources.existing_scratch_folder(None);
        let folder = tempfile::Builder::new().prefix("hyades-rehearsal-").tempdir_in(&scratch);
        let folder = folder.map_err(|e| Error::io("create a folder in", &scratch, &e))?;
        Ok(Staging { folder: folder.keep() })
    }

    /// Removes it. A run that is killed leaves it to the next one.
    pub(super) fn remove(&self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    /// Labels the month.
    pub(super) fn fill(&self, job: &MonthlyJob<'_>, base: Option<&BaseVersion>) -> Result<StagedMonth> {
        let output = self.folder.join("new");
        let same_model = job.mode == RefitMode::Assign && base.is_some();
        let (mut refits, mut drift) = (Vec::new(), None);
        match base.filter(|_| same_model) {
            Some(base) => {
                let request = assignment(job, base, &output);
                drift = job::assign_from(&request, Some(&job.opened.source), job.observer, job.stop)?.drift;
            }
            None => {
                let fit = FitRequest { output: staged(&job.opened.fit.output, &output), ..job.opened.fit.clone() };
                let begin = base.filter(|_| job.mode != RefitMode::Fresh);
                let base = begin.map(|base| Base { model: &base.model, competes: job.mode == RefitMode::Auto });
                let beginning = Beginning { source: Some(&job.opened.source), base };
                let outcome = job::fit_from(&fit, beginning, job.observer, job.stop)?;
                refits = outcome.refits.into_iter().flatten().collect();
            }
        }
        let model = match base.filter(|_| same_model) {
            Some(base) => base.model.clone(),
            None => Model::load(&output.join("model.json"))?,
        };
        let by_old_model = base.filter(|_| !same_model).map(|base| self.by_old_model(job, base)).transpose()?.flatten();
        let (by_old_model, of_old_model) = by_old_model.unzip();
        let drift = drift.or(of_old_model.flatten());
        let labels = Source::open(&[output.join(LABELS)])?;
        Ok(StagedMonth { output, model, labels, by_old_model, same_model, refits, drift })
    }

    /// The labels by the old model, and what changed in its columns; None if the data lack columns that it needs.
    fn by_old_model(&self, job: &MonthlyJob<'_>, base: &BaseVersion) -> Result<Option<(Source, Option<DriftReport>)>> {
        let output = self.folder.join("old");
        let mut request = assignment(job, base, &output);
        request.output = OutputOptions { out: Some(output.clone()), no_profile: true, ..OutputOptions::default() };
        // What is missing was judged when the month was fitted.
        request.columns.max_missing = Some(1.0);
        let source = job.opened.source.hashed_apart();
        // Its notes would repeat those of the fit.
        let observer = Of::new(job.watch(), "the old model").without_notes();
        match job::assign_from(&request, Some(&source), &observer, job.stop) {
            Ok(outcome) => Ok(Some((Source::open(&[output.join(LABELS)])?, outcome.drift))),
            Err(e) if e.kind() == ErrorKind::Column || e.kind() == ErrorKind::Model => {
                job.watch()
                    .warn(format!("the old model cannot label this month, so segments are matched by customers: {e}"));
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Removes the folders of versions that no run is making. A run has its version in the log before it has a folder, so
/// folders are listed before the log is read.
fn sweep(history: &History) -> Result<()> {
    let root = history.path();
    let entries = std::fs::read_dir(root).map_err(|e| Error::io("read the folder", root, &e))?;
    let number = |entry: &DirEntry| entry.file_name().to_str()?.strip_prefix(PREFIX)?.parse::<u64>().ok();
    let found: Vec<(u64, PathBuf)> =
        entries.flatten().filter_map(|entry| Some((number(&entry)?, entry.path()))).collect();
    if found.is_empty() {
        return Ok(());
    }
    let records = history.versions()?;
    let is_made =
        |number: u64| records.iter().any(|record| record.version == number && record.state == VersionState::Unfinished);
    for (_, folder) in found.into_iter().filter(|(number, _)| !is_made(*number)) {
        Staging { folder }.remove();
    }
    Ok(())
}

/// The options of an output in one file, whatever the version's layout will be.
fn staged(output: &OutputOptions, folder: &Path) -> OutputOptions {
    OutputOptions {
        out: Some(folder.to_path_buf()),
        rows_per_file: None,
        partition_by: None,
        success_file: false,
        ..output.clone()
    }
}

fn assignment(job: &MonthlyJob<'_>, base: &BaseVersion, output: &Path) -> AssignRequest {
    let FitRequest { input, columns, device, resources, output: options, .. } = job.opened.fit.clone();
    AssignRequest {
        model: base.folder.join("model.json"),
        input,
        columns: AssignColumns {
            id: columns.id,
            include: columns.include,
            protect: columns.protect,
            protected_words: columns.protected_words,
            outcome: columns.outcome,
            duplicate_ids: columns.duplicate_ids,
            pseudonymise: columns.pseudonymise,
            ..AssignColumns::default()
        },
        device,
        resources,
        output: staged(&options, output),
    }
}
