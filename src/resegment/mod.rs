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
mod card;
mod card_moves;
mod context;
mod datasets;
mod definition;
mod history_page;
mod holding;
mod judged;
mod make;
mod matching;
mod movers;
mod moves;
mod opened;
mod page;
mod paths;
mod places;
mod report;
mod reproduce;
mod request;
mod reserved;
mod resume;
mod source_key;
mod stage;
mod suggested;
mod template;
mod tenure;
mod version;

use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

pub use self::history_page::history_page;
pub use self::report::{BaselineDrift, MigrationReport, RunReport, RunVerdict, SegmentReport};
pub use self::reproduce::{Departure, Reproduction, reproduce};
pub use self::request::{RunOutcome, RunRequest};
pub use self::suggested::suggest_gates;
pub use self::template::job_template;
pub use self::tenure::{Cohort, Cohorts};

use self::base::{BaseVersion, FIRST_ID, NEXT_ID};
use self::broadcast::Broadcast;
use self::make::{MadeVersion, found, make};
use self::opened::{MonthlyJob, OpenedMonth};
use self::page::VersionPage;
use self::resume::{LeftRun, StageKey};
use self::source_key::RunKey;
use self::stage::Staging;
use crate::check::{CheckRequest, check_source};
use crate::error::{Error, Result};
use crate::event::{Observer, Watch};
use crate::history::{CandidateVersion, History, SealedVersion, VersionFacts};
use crate::job::{Approval, JobFile, Month, RefitMode};
use crate::text::TomlText;

/// Runs a job for a month: checks the input, segments it, and publishes a new version.
///
/// # Errors
/// Faults of the job file, expectations that are broken, whatever a fit refuses; a month before that of the current
/// version; another run that published meanwhile ([`Error::retryable`]). Nothing is published then. A version that
/// waits for approval is no error here: [`RunOutcome::verdict`] says so, and [`RunOutcome::checked`] makes it one.
pub fn run(request: &RunRequest, observer: &dyn Observer, stop: &AtomicBool) -> Result<RunOutcome> {
    let text = TomlText::read(&request.job)?;
    let job = JobFile::of_text(&text, &request.job)?;
    let mut attempts = if request.retry { MOST_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let mut told = Broadcast::new(request, &job, Watch::new(observer, stop));
        let outcome = job.resources.install(|| once(request, (&text.text, &job), &mut told, observer, stop));
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
    (text, file): (&str, &JobFile),
    told: &mut Broadcast<'_>,
    observer: &dyn Observer,
    stop: &AtomicBool,
) -> Result<RunOutcome> {
    let watch = Watch::new(observer, stop);
    let started = SystemTime::now();
    let history = history(request, file)?;
    let base = history.as_ref().map(BaseVersion::current).transpose()?.flatten();
    let baseline = baseline(request, history.as_ref())?;
    let month = Month::new(&request.as_of_at(started), next_number(history.as_ref())?)?;
    vet_month(base.as_ref(), &month, request.backfill)?;
    let mode = if base.is_some() { file.refit.mode.unwrap_or_default() } else { RefitMode::Fresh };
    let opened = OpenedMonth::new(file, month, (mode, base.as_ref()), watch)?;
    told.opened(&opened.fit, &opened.source);
    opened.vet_definition(file, base.as_ref())?;
    reserved::vet(&opened)?;
    expect(file, &opened, told, watch)?;
    let Some(history) = history.filter(|_| !request.dry_run) else {
        let plan = opened.plan(file, mode, base.as_ref());
        let job = MonthlyJob { file, text: (&request.job, text), opened, mode, baseline, observer, stop };
        return rehearse(&job, plan, base.as_ref());
    };
    let key = RunKey::new(file, &file.fit(&month)?)?;
    if let Some(base) = base.as_ref().filter(|_| request.nothing_new.is_some())
        && source_key::nothing_new(&opened.source.hashed_apart(), &key, base, watch)?
    {
        let (version, blake3) = (Some(base.pointer.version), Some(base.pointer.blake3.clone()));
        let outcome = RunOutcome { version, blake3, ..RunOutcome::without_report(file, RunVerdict::NothingNew) };
        return Ok(outcome);
    }
    let stage_key = StageKey::new(file, &month, base.as_ref(), &opened.source)?;
    let left = if request.resume { LeftRun::find(&history, &stage_key, watch)? } else { None };
    let candidate = history.claim()?;
    candidate.vet_base(base.as_ref().map(|base| &base.pointer))?;
    history.notices().into_iter().for_each(|line| watch.warn(line));
    told.claimed(&history, &candidate);
    vet_number(file, month, candidate.number())?;
    let opened = opened.of_run(candidate.number());
    let job = MonthlyJob { file, text: (&request.job, text), opened, mode, baseline, observer, stop };
    let staging = Staging::new(&history, candidate.number(), (&stage_key, left), started, watch)?;
    let page = VersionPage::open(&job)?;
    let made = sealed(&job, &staging, candidate, base.as_ref(), (started, &key));
    match &made {
        Ok(_) => drop(staging),
        Err(e) => staging.keep(e, watch),
    }
    let (sealed, MadeVersion { report, page: text, .. }) = made?;
    let verdict = conclude(&history, file, &sealed, (base.as_ref(), &report))?;
    page.publish(text.as_deref())?;
    history.notices().into_iter().for_each(|line| watch.warn(line));
    Ok(RunOutcome {
        version: Some(sealed.version),
        blake3: Some(sealed.blake3),
        report: Some(report),
        ..RunOutcome::without_report(file, verdict)
    })
}

/// The history of a job; None for a rehearsal of the first run.
fn history(request: &RunRequest, file: &JobFile) -> Result<Option<History>> {
    match request.dry_run && History::is_empty_at(file.history()) {
        true => Ok(None),
        false => History::open_or_create(file.history()).map(Some),
    }
}

/// The version that the data are compared with, besides the base.
fn baseline(request: &RunRequest, history: Option<&History>) -> Result<Option<BaseVersion>> {
    match (request.baseline, history) {
        (None, _) => Ok(None),
        (Some(version), Some(history)) => BaseVersion::numbered(history, version).map(Some),
        (Some(version), None) => {
            let text = format!("--baseline {version}: the history has no such version; it is empty");
            Err(Error::usage(text).of_option("--baseline"))
        }
    }
}

/// Does all that a run does, but keeps nothing.
fn rehearse(job: &MonthlyJob<'_>, plan: Vec<String>, base: Option<&BaseVersion>) -> Result<RunOutcome> {
    let staging = Staging::rehearsal(&job.opened.fit.resources)?;
    let (_, _, report) = found(job, &staging, base)?;
    let outcome = RunOutcome::without_report(job.file, RunVerdict::Planned);
    Ok(RunOutcome { plan: Some(plan), report: Some(report), ..outcome })
}

/// Makes the version that was claimed.
fn sealed(
    job: &MonthlyJob<'_>,
    staging: &Staging,
    candidate: CandidateVersion,
    base: Option<&BaseVersion>,
    (started, key): (SystemTime, &RunKey),
) -> Result<(SealedVersion, MadeVersion)> {
    let made = make(job, staging, base, (&candidate.folder(), started, key))?;
    let MadeVersion { report, next_id, .. } = &made;
    let facts = VersionFacts {
        as_of: Some(job.opened.month.as_of()),
        based_on: base.map(|base| base.pointer.version),
        customers: report.customers,
        segments: report.segments.len() as u64,
        moved: report.moved_share(),
        baseline: job.baseline.as_ref().map(|version| version.pointer.version),
        gates: report.tally(),
        more: serde_json::json!({ NEXT_ID: next_id, FIRST_ID: base.map(|base| base.next_id) }),
        ..VersionFacts::default()
    };
    Ok((candidate.seal(facts)?, made))
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

/// Stops if another run took the number that paths contain: what was opened is not what would be read now.
fn vet_number(file: &JobFile, month: Month, number: u64) -> Result<()> {
    if file.fit(&month)? == file.fit(&month.of_run(number))? {
        return Ok(());
    }
    let text =
        format!("another run took the number {}, which {{run}} stands for in the job; run it again", month.run());
    Err(Error::environment(text).to_retry())
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

/// Compares the input with the expectations of the job.
fn expect(file: &JobFile, opened: &OpenedMonth, told: &mut Broadcast<'_>, watch: Watch<'_>) -> Result<()> {
    let Some(expect) = file.expect(&opened.month)? else { return Ok(()) };
    let fit = &opened.fit;
    let request = CheckRequest {
        input: fit.input.clone(),
        id: fit.columns.id.clone(),
        protected_words: fit.columns.protected_words.clone(),
        expect: Some(expect),
        resources: fit.resources.clone(),
        ..CheckRequest::default()
    };
    let found = check_source(&request, Some(&opened.source.hashed_apart()), watch)?;
    found.expectations.iter().for_each(|expectations| told.expected(expectations));
    found.verdict()
}
