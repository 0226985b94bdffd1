//! A monthly run: segments a bank again, keeps the identity of its segments, says who moved and why, and publishes the
//! outcome as a new version of a history, or refuses it.
//!
//! ```text
//! job file -> request -> stage: fit or assign -> match: ids, migration -> version: files -> seal -> publish
//! base version ---------------^------------------^
//! ```
//!
//! A version is laid out as the output of a fit, so every reader of fits reads it. What differs between machines and
//! moments is in its `run.json` alone, which its hash leaves out.

mod append;
mod base;
mod broadcast;
mod context;
mod datasets;
mod judged;
mod matching;
mod movers;
mod report;
mod request;
mod reserved;
mod source_key;
mod stage;
mod suggested;
mod template;
mod tenure;
mod version;

use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

pub use self::report::{MigrationReport, RunReport, RunVerdict, SegmentReport};
pub use self::request::{RunOutcome, RunRequest};
pub use self::suggested::suggest_gates;
pub use self::template::job_template;
pub use self::tenure::{Cohort, Cohorts};

use self::base::{BaseVersion, NEXT_ID};
use self::broadcast::Broadcast;
use self::context::MonthlyJob;
use self::judged::{JudgedMonth, judged};
use self::source_key::RunKey;
use self::stage::Staging;
use crate::check::{CheckRequest, check};
use crate::error::{Error, Result};
use crate::event::{Observer, Stage, Watch};
use crate::history::{CandidateVersion, History, SealedVersion, VersionFacts};
use crate::job::{Approval, FitRequest, JobFile, Month, RefitMode, inputs};

/// Runs a job for a month: checks the input, segments it, and publishes a new version.
///
/// # Errors
/// Faults of the job file, expectations that are broken, whatever a fit refuses; a month before that of the current
/// version; another run that published meanwhile ([`Error::retryable`]). Nothing is published then. A version that
/// waits for approval is no error here: [`RunOutcome::verdict`] says so, and [`RunOutcome::checked`] makes it one.
pub fn run(request: &RunRequest, observer: &dyn Observer, stop: &AtomicBool) -> Result<RunOutcome> {
    let job = JobFile::read(&request.job)?;
    let mut attempts = if request.retry { MOST_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let mut told = Broadcast::new(request, &job, Watch::new(observer, stop));
        let outcome = once(request, &job, &mut told, observer, stop);
        told.ended(&outcome);
        match outcome {
            Err(e) if e.retryable() && attempts > 0 => {
                Watch::new(observer, stop).warn(format!("{e}; the run starts again"));
            }
            outcome => return outcome,
        }
    }
}

/// Runs that begin again because another one published meanwhile.
const MOST_ATTEMPTS: u32 = 5;

fn once(
    request: &RunRequest,
    file: &JobFile,
    told: &mut Broadcast<'_>,
    observer: &dyn Observer,
    stop: &AtomicBool,
) -> Result<RunOutcome> {
    let watch = Watch::new(observer, stop);
    let started = SystemTime::now();
    let month = Month::new(&request.as_of_at(started), 1)?;
    let history = match request.dry_run && !file.history().exists() {
        true => None,
        false => Some(History::open_or_create(file.history())?),
    };
    let base = history.as_ref().map(BaseVersion::current).transpose()?.flatten();
    let month = month.of_run(next_number(history.as_ref())?);
    vet_month(base.as_ref(), &month, request.backfill)?;
    vet_input(&file.fit(&month)?, told, watch)?;
    expect(file, &month, told, observer, stop)?;
    let mode = if base.is_some() { file.refit.mode.unwrap_or_default() } else { RefitMode::Fresh };
    let Some(history) = history.filter(|_| !request.dry_run) else {
        return plan(file, &month, mode, base.as_ref(), watch);
    };
    let key = RunKey::new(&file.fit(&month)?, file.refit.mode.unwrap_or_default())?;
    if let Some(base) = base.as_ref().filter(|_| request.nothing_new.is_some())
        && source_key::nothing_new(&file.fit(&month)?, &key, base, watch)?
    {
        let (version, blake3) = (Some(base.pointer.version), Some(base.pointer.blake3.clone()));
        let outcome = RunOutcome { version, blake3, ..RunOutcome::without_report(file, RunVerdict::NothingNew) };
        return Ok(outcome);
    }
    let candidate = history.claim()?;
    history.notices().into_iter().for_each(|line| watch.warn(line));
    told.claimed(&history, &candidate);
    let month = month.of_run(candidate.number());
    let job = MonthlyJob { file, fit: file.fit(&month)?, month, mode, observer, stop };
    make(&job, (&history, candidate), base.as_ref(), (started, &key))
}

/// Makes the version that was claimed, and publishes it if nothing speaks against it.
fn make(
    job: &MonthlyJob<'_>,
    (history, candidate): (&History, CandidateVersion),
    base: Option<&BaseVersion>,
    (started, key): (SystemTime, &RunKey),
) -> Result<RunOutcome> {
    let staging = Staging::new(history, candidate.number())?;
    let staged = staging.fill(job, base)?;
    let matched = matching::matched(job, &staged, base)?;
    let report = RunReport::new(job, &staged, &matched, base);
    let JudgedMonth { drift, measures, gates } = judged(job, &staged, &matched, base, &report);
    let report = report.judged(drift, measures, gates);
    let watch = job.watch();
    watch.stage(Stage::Write, 0, "files", || {
        version::write(job, &staged, (&matched, &report), base, (&candidate.folder(), started, key))
    })?;
    drop(staged);
    staging.remove();
    let facts = VersionFacts {
        as_of: Some(job.month.as_of()),
        based_on: base.map(|base| base.pointer.version),
        customers: report.customers,
        segments: report.segments.len() as u64,
        moved: report.moved_share(),
        gates: report.tally(),
        more: serde_json::json!({ NEXT_ID: matched.identities.next_id }),
        ..VersionFacts::default()
    };
    let sealed = candidate.seal(facts)?;
    let verdict = conclude(history, job.file, &sealed, (base, &report))?;
    history.notices().into_iter().for_each(|line| watch.warn(line));
    Ok(RunOutcome {
        version: Some(sealed.version),
        blake3: Some(sealed.blake3),
        report: Some(report),
        ..RunOutcome::without_report(job.file, verdict)
    })
}

/// The number that the next version will have, unless another run takes it meanwhile.
fn next_number(history: Option<&History>) -> Result<u64> {
    let records = history.map(History::versions).transpose()?.unwrap_or_default();
    Ok(records.last().map_or(1, |record| record.version + 1))
}

/// Publishes a version, refuses it, or lets it wait.
fn conclude(
    history: &History,
    file: &JobFile,
    sealed: &SealedVersion,
    (base, report): (Option<&BaseVersion>, &RunReport),
) -> Result<RunVerdict> {
    let refusals = report.refusals();
    if !refusals.is_empty() {
        history.refuse(sealed, &refusals.join("; "))?;
        return Ok(RunVerdict::Refused);
    }
    if file.job.approval == Some(Approval::Required) {
        history.await_approval(sealed, "the job requires an approval")?;
        return Ok(RunVerdict::Waits);
    }
    history.publish(sealed, base.map(|base| &base.pointer))?;
    Ok(RunVerdict::Published)
}

/// Refuses a month before that of the current version.
fn vet_month(base: Option<&BaseVersion>, month: &Month, backfill: bool) -> Result<()> {
    let Some(last) = base.and_then(|base| base.month()).filter(|last| last.days() > month.days() && !backfill) else {
        return Ok(());
    };
    Err(Error::usage(format!(
        "--as-of {}: the current version is of {}, which is later; months run in order, --backfill to run it all the same",
        month.as_of(),
        last.as_of()
    ))
    .of_option("--as-of"))
}

/// Opens the input before a number is taken: one that is not there yet is asked for again and again.
fn vet_input(fit: &FitRequest, told: &mut Broadcast<'_>, watch: Watch<'_>) -> Result<()> {
    let source = inputs::open(&fit.input, fit.columns.id.as_deref(), (&fit.resources, None), watch.quiet())?;
    told.opened(fit, &source);
    match source.rows() {
        0 => Err(Error::input("the input has no rows".into())),
        _ => reserved::vet(fit, &source),
    }
}

/// Compares the input with the expectations of the job.
fn expect(
    file: &JobFile,
    month: &Month,
    told: &mut Broadcast<'_>,
    observer: &dyn Observer,
    stop: &AtomicBool,
) -> Result<()> {
    let Some(expect) = &file.job.expect else { return Ok(()) };
    let fit = file.fit(month)?;
    let request = CheckRequest {
        input: fit.input,
        id: fit.columns.id,
        protected_words: fit.columns.protected_words,
        expect: Some(expect.clone()),
        resources: fit.resources,
        ..CheckRequest::default()
    };
    let found = check(&request, observer, stop)?;
    found.expectations.iter().for_each(|expectations| told.expected(expectations));
    found.verdict()
}

/// What a run would do.
fn plan(
    file: &JobFile,
    month: &Month,
    mode: RefitMode,
    base: Option<&BaseVersion>,
    watch: Watch<'_>,
) -> Result<RunOutcome> {
    let fit = file.fit(month)?;
    let (plan, _, source) = crate::job::plan(&fit, watch)?;
    let mut lines = vec![
        format!("job {}, as of {}", file.name(), month.as_of()),
        match base {
            Some(base) => {
                format!("based on version {} in {}: {}", base.pointer.version, file.history().display(), mode.title())
            }
            None => format!("the first version in {}: a fit", file.history().display()),
        },
    ];
    lines.extend(source.files().iter().map(|file| format!("input {}", file.path.display())));
    lines.extend(plan.summary());
    let outcome = RunOutcome { plan: Some(lines), ..RunOutcome::without_report(file, RunVerdict::Planned) };
    Ok(outcome)
}
