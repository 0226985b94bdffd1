//! The month is labelled in a folder beside the versions: by the new model, and, unless that is the old one, by the old
//! model too.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::base::BaseVersion;
use super::context::text_of;
use super::opened::MonthlyJob;
use super::paths::JobFolder;
use super::resume::{self, LeftRun, ResumedRun, StageKey};
use crate::drift::ReferenceCounts;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Of, Watch};
use crate::faults;
use crate::history::{History, folder_hash};
use crate::input::Source;
use crate::job::{
    self, AssignColumns, AssignRequest, Base, Beginning, Checkpoints, FitRequest, OutputOptions, PartRefit, RefitMode,
    Resources,
};
use crate::migration::{LabelTable, RowCodes};
use crate::model::Model;
use crate::output::{LABELS, MANIFEST, publish_checked, read_checked};
use crate::text::timestamp;

/// A folder for what a version is made of.
pub(super) struct Staging {
    folder: PathBuf,
    /// The run that filled it in part.
    resumed: Option<ResumedRun>,
    /// Whether another run may go on with it.
    is_kept: bool,
}

/// A stage that is complete: the hash of its folder, and what its files do not say.
#[derive(Serialize, Deserialize)]
struct FinishedStage {
    blake3: String,
    refits: Vec<PartRefit>,
    counts: Option<ReferenceCounts>,
    /// Whether the old model labelled it.
    same_model: bool,
}

/// What a stage that labels came to, besides its files.
#[derive(Default)]
struct StageOutcome {
    refits: Vec<PartRefit>,
    counts: Option<ReferenceCounts>,
    same_model: bool,
}

/// The labelled month.
pub(super) struct StagedMonth {
    /// The output of the fit, or of the assignment by the old model.
    pub(super) output: PathBuf,
    pub(super) model: Model,
    /// The labels, in the order of the input.
    pub(super) labels: Source,
    /// The segment of each row by the old model, which may be the new one; None if there is no old model, or if it
    /// cannot label them.
    pub(super) by_old_model: Option<RowCodes>,
    /// The segment of each row.
    pub(super) now: RowCodes,
    /// Whether the new model is the old one.
    pub(super) same_model: bool,
    /// How the parts were fitted.
    pub(super) refits: Vec<PartRefit>,
    /// What was counted of the rows; None if nothing was.
    pub(super) counts: Option<ReferenceCounts>,
    /// The run that did a part of it.
    pub(super) resumed: Option<ResumedRun>,
}

impl Staging {
    /// The folder of version `number`, which was claimed: that of a run which ended, if there is one to go on with.
    /// Those that other runs left behind are removed.
    pub(super) fn new(
        history: &History,
        number: u64,
        (key, left): (&StageKey, Option<LeftRun>),
        begun: SystemTime,
        watch: Watch<'_>,
    ) -> Result<Self> {
        let folder = resume::folder(history, number);
        let resumed = left.map(|left| left.take(&folder, watch)).transpose()?.flatten();
        resume::sweep(history, key, watch)?;
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("create the folder", &folder, &e))?;
        resume::begin(&folder, key, timestamp(begun), watch);
        Ok(Staging { folder, resumed, is_kept: false })
    }

    /// A folder beside no history, for a run that keeps nothing.
    pub(super) fn rehearsal(resources: &Resources) -> Result<Self> {
        let scratch = resources.existing_scratch_folder(None);
        let folder = tempfile::Builder::new().prefix("hyades-rehearsal-").tempdir_in(&scratch);
        let folder = folder.map_err(|e| Error::io("create a folder in", &scratch, &e))?;
        Ok(Staging { folder: folder.keep(), resumed: None, is_kept: false })
    }

    /// Leaves the folder to another run, if this one ended for want of something: time, memory, space.
    pub(super) fn keep(mut self, error: &Error, watch: Watch<'_>) {
        self.is_kept = matches!(error, Error::Interrupted | Error::Environment(_) | Error::DeviceLost(_));
        if self.is_kept {
            watch.note("what was computed is kept: --resume continues with it, and a run without removes it");
        }
    }

    /// Labels the month.
    pub(super) fn fill(&self, job: &MonthlyJob<'_>, base: Option<&BaseVersion>) -> Result<StagedMonth> {
        let output = self.folder.join("new");
        let mut by_earlier = None;
        let made = self.stage("new", job.watch(), || {
            let outcome = match base {
                Some(base) if job.mode == RefitMode::Assign => assigned(job, base, &output),
                _ => self.fitted(job, base, &output, &mut by_earlier),
            }?;
            settle(job, &output)?;
            Ok(outcome)
        })?;
        let FinishedStage { refits, counts, same_model, .. } = made;
        let model = match base.filter(|_| same_model) {
            Some(base) => base.model.clone(),
            None => Model::load(&output.join("model.json"))?,
        };
        let counts = if same_model { counts } else { model.reference.clone() };
        let labels = Source::open(&[output.join(LABELS)])?;
        let now = places(&labels, model.segments(), job.watch())?;
        let by_old_model = match base {
            None => None,
            Some(_) if same_model => Some(now.clone()),
            Some(base) => match by_earlier {
                Some(codes) => Some(codes),
                None => self.by_old_model(job, base)?,
            },
        };
        let resumed = self.resumed.clone();
        Ok(StagedMonth { output, model, labels, now, by_old_model, same_model, refits, counts, resumed })
    }

    /// A fit, unless a limit on relabelled customers leaves nothing but the old model.
    fn fitted(
        &self,
        job: &MonthlyJob<'_>,
        base: Option<&BaseVersion>,
        output: &Path,
        by_earlier: &mut Option<RowCodes>,
    ) -> Result<StageOutcome> {
        let fit = FitRequest { output: staged(&job.opened.fit.output, output), ..job.opened.fit.clone() };
        let begin = base.filter(|_| job.mode != RefitMode::Fresh);
        let earlier = begin.map(|base| Base {
            model: &base.model,
            competes: job.mode == RefitMode::Auto,
            max_relabelled: job.file.refit.max_relabelled.map(|share| share.0),
        });
        let checkpoints = Checkpoints::new(&self.folder);
        let source = Some(&job.opened.source);
        let has_page = job.opened.fit.output.report.is_some();
        let beginning =
            Beginning { source, base: earlier, checkpoints: Some(&checkpoints), choice: None, row_bytes: 0, has_page };
        let outcome = job::fit_from(&fit, beginning, job.observer, job.stop)?;
        *by_earlier = outcome.by_earlier;
        let refits: Vec<PartRefit> = outcome.refits.into_iter().flatten().collect();
        let is_unmoved = |refit: &PartRefit| refit.budget.as_ref().is_some_and(|budget| budget.step == 0);
        match base.filter(|base| refits.len() == base.model.parts.len() && refits.iter().all(is_unmoved)) {
            Some(base) => {
                std::fs::remove_dir_all(output).map_err(|e| Error::io("remove", output, &e))?;
                Ok(StageOutcome { refits, ..assigned(job, base, output)? })
            }
            None => Ok(StageOutcome { refits, ..StageOutcome::default() }),
        }
    }

    /// A stage that writes the folder `name`, unless an earlier run has finished it.
    fn stage(
        &self,
        name: &str,
        watch: Watch<'_>,
        make: impl FnOnce() -> Result<StageOutcome>,
    ) -> Result<FinishedStage> {
        let (output, record) = (self.folder.join(name), self.folder.join(format!("{name}.json")));
        match finished(&output, &record) {
            Ok(Some(stage)) => {
                watch.note(format!("{name}: the labels were complete already"));
                return Ok(stage);
            }
            Ok(None) => {}
            Err(e) => watch.warn(format!("{e}; it is made again")),
        }
        // Without a record it is not known whether it is whole.
        let _ = std::fs::remove_dir_all(&output);
        let StageOutcome { refits, counts, same_model } = make()?;
        // A folder that was published by links has no hash, and another run makes it again.
        let blake3 = folder_hash(&output).unwrap_or_default();
        let stage = FinishedStage { blake3, refits, counts, same_model };
        if let Err(e) = publish_checked(&record, &stage) {
            watch.warn(format!("{e}; the run goes on, and could not be resumed from here"));
        }
        let _ = faults::point("checkpoint::kept");
        Ok(stage)
    }

    /// The labels by the old model; None if the data lack columns that it needs.
    fn by_old_model(&self, job: &MonthlyJob<'_>, base: &BaseVersion) -> Result<Option<RowCodes>> {
        let output = self.folder.join("old");
        let mut request = assignment(job, base, &output);
        request.output = OutputOptions { out: Some(output.clone()), no_profile: true, ..OutputOptions::default() };
        // What is missing was judged when the month was fitted.
        request.columns.max_missing = Some(1.0);
        let source = job.opened.source.hashed_apart();
        // Its notes would repeat those of the fit.
        let observer = Of::new(job.watch(), "the old model").without_notes();
        let beginning = Beginning { source: Some(&source), ..Beginning::default() };
        let made = self.stage("old", job.watch(), || {
            job::assign_from(&request, beginning, &observer, job.stop).map(|_| StageOutcome::default())
        });
        match made {
            Ok(_) => {
                let labels = Source::open(&[output.join(LABELS)])?;
                places(&labels, base.model.segments(), job.watch()).map(Some)
            }
            Err(e) if e.kind() == ErrorKind::Column || e.kind() == ErrorKind::Model => {
                job.watch()
                    .warn(format!("the old model cannot label this month, so segments are matched without it: {e}"));
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_kept {
            // What is left of it is removed by the next run.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A stage that an earlier run finished; None if it did not.
///
/// # Errors
/// Its record or its files are not what that run wrote.
fn finished(output: &Path, record: &Path) -> Result<Option<FinishedStage>> {
    let Some(stage) = read_checked::<FinishedStage>(record)? else { return Ok(None) };
    if folder_hash(output)? != stage.blake3 {
        return Err(Error::input(format!("{} was changed", output.display())).of_kind(ErrorKind::Corrupt));
    }
    Ok(Some(stage))
}

/// The segment of each row of a table of labels.
fn places(labels: &Source, segments: usize, watch: Watch<'_>) -> Result<RowCodes> {
    let segment = labels.position("segment").unwrap_or_default();
    LabelTable { source: labels, id: segment, segment, identities: None }.places(segments, watch)
}

/// Names files in the manifest in a way that does not depend on the working folder, which may be another one when the
/// run is resumed.
fn settle(job: &MonthlyJob<'_>, output: &Path) -> Result<()> {
    let path = output.join(MANIFEST);
    let fail = |e: serde_json::Error| Error::Internal(format!("the manifest of a stage: {e}"));
    let mut manifest = serde_json::from_str(&text_of(&path)?).map_err(fail)?;
    JobFolder::of(job.text.0).settle(&mut manifest, &job.opened.fit);
    let text = serde_json::to_string_pretty(&manifest).map_err(fail)?;
    std::fs::write(&path, text).map_err(|e| Error::io("write", &path, &e))
}

/// Labels the month by the old model.
fn assigned(job: &MonthlyJob<'_>, base: &BaseVersion, output: &Path) -> Result<StageOutcome> {
    let mut request = assignment(job, base, output);
    // Gates judge what is missing, where it can be compared.
    let is_judged = base.counts.is_some() && !job.opened.fit.output.no_profile;
    request.columns.max_missing = is_judged.then_some(1.0);
    let has_page = job.opened.fit.output.report.is_some();
    let beginning = Beginning { source: Some(&job.opened.source), has_page, ..Beginning::default() };
    let counts = job::assign_from(&request, beginning, job.observer, job.stop)?.counts;
    Ok(StageOutcome { counts, same_model: true, refits: Vec::new() })
}

/// The options of an output in one file, whatever the version's layout will be.
fn staged(output: &OutputOptions, folder: &Path) -> OutputOptions {
    OutputOptions {
        out: Some(folder.to_path_buf()),
        rows_per_file: None,
        partition_by: None,
        success_file: false,
        report: None,
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
