//! What other programs are told about a run: OpenLineage events in one file, metrics in another. A run never fails
//! because of them.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::append::append_line;
use super::datasets;
use super::report::{RunReport, RunVerdict};
use super::request::{RunOutcome, RunRequest};
use crate::check::Expectation;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Watch;
use crate::evidence::{LineageRun, Metrics, RunFigures, RunId, RunState, TestedGate, VersionFigures};
use crate::gates::{GateResult, GateSeverity};
use crate::history::{CandidateVersion, History};
use crate::input::Source;
use crate::job::{FitRequest, JobFile, Month};
use crate::output::publish_text;
use crate::text::{parse_time, timestamp};

/// A run that others are told about.
pub(super) struct Broadcast<'a> {
    job: &'a JobFile,
    watch: Watch<'a>,
    begun: SystemTime,
    /// The files of lineage and metrics; None: nobody asked for them.
    lineage: Option<PathBuf>,
    metrics: Option<PathBuf>,
    run: LineageRun,
    /// Whether the start was told.
    is_told: bool,
}

impl<'a> Broadcast<'a> {
    /// A run that begins now. A dry run is nobody's business.
    pub(super) fn new(request: &RunRequest, job: &'a JobFile, watch: Watch<'a>) -> Self {
        let begun = SystemTime::now();
        let month = Month::new(&request.as_of_at(begun), 1).ok();
        let [lineage, metrics] = if request.dry_run { [None, None] } else { job.told(month.as_ref()) };
        let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let history = std::path::absolute(job.history()).unwrap_or_else(|_| job.history().to_path_buf());
        let run = LineageRun {
            id: RunId::of(&[&history.to_string_lossy(), &format!("{begun:?}"), &std::process::id().to_string()]),
            namespace: environment("OPENLINEAGE_NAMESPACE").unwrap_or_else(|| "hyades".into()),
            job: job.name().to_owned(),
            owner: job.job.owner.clone(),
            overview: job.card.overview.clone(),
            as_of: month.map(|month| month.as_of()),
            parent: environment("OPENLINEAGE_PARENT_ID"),
            inputs: Vec::new(),
            outputs: Vec::new(),
            replaces: false,
            gates: Vec::new(),
            tags: Vec::new(),
        };
        Broadcast { job, watch, begun, lineage, metrics, run, is_told: false }
    }

    /// The input was opened.
    pub(super) fn opened(&mut self, fit: &FitRequest, source: &Source) {
        self.run.inputs = datasets::inputs(&fit.input, source);
    }

    /// The input was compared with the expectations of the job.
    pub(super) fn expected(&mut self, found: &Expectation) {
        let Some(input) = self.run.inputs.first_mut() else { return };
        let broken = |breach: &crate::check::Breach| (breach.expectation.to_owned(), breach.column.clone(), false);
        input.assertions = found.breaches.iter().map(broken).collect();
        if found.breaches.is_empty() {
            input.assertions.push(("expectations".into(), None, true));
        }
    }

    /// The run took a number: it is named by it from now on, so that a later run can tell that this one died.
    pub(super) fn claimed(&mut self, history: &History, candidate: &CandidateVersion) {
        if self.lineage.is_none() {
            return;
        }
        let versions = history.versions().unwrap_or_default();
        let id_of = |number: u64| {
            let record = versions.iter().find(|record| record.version == number)?;
            let root = std::path::absolute(history.path()).unwrap_or_else(|_| history.path().to_path_buf());
            Some(RunId::of(&[&root.to_string_lossy(), &number.to_string(), &record.claimed]))
        };
        for id in candidate.swept().iter().filter_map(|number| id_of(*number)) {
            self.died(id);
        }
        self.run.id = id_of(candidate.number()).unwrap_or_else(|| self.run.id.clone());
        self.start();
    }

    /// A run that this file of events tells the start of ended without a word.
    fn died(&self, id: RunId) {
        let text = self.lineage.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        if text.contains(id.text()) {
            let dead = LineageRun { id, inputs: Vec::new(), as_of: None, parent: None, ..self.run.clone() };
            self.tell(&dead, &RunState::Abort("the process ended before the run did".into()), SystemTime::now());
        }
    }

    fn start(&mut self) {
        self.tell(&self.run, &RunState::Start, self.begun);
        self.is_told = true;
    }

    fn tell(&self, run: &LineageRun, state: &RunState, time: SystemTime) {
        let Some(path) = &self.lineage else { return };
        let told = run.event(state, &timestamp(time)).and_then(|line| append_line(path, &line));
        if let Err(e) = told {
            self.watch.warn(format!("the lineage of this run is incomplete: {e}"));
        }
    }

    /// The run ended.
    pub(super) fn ended(mut self, outcome: &Result<RunOutcome>) {
        if self.lineage.is_some() {
            self.end_lineage(outcome);
        }
        if let Some(path) = self.metrics.as_ref()
            && let Some(verdict) = verdict(outcome)
            && let Err(e) = self.write_metrics(path, verdict, outcome)
        {
            self.watch.warn(format!("the metrics of this run are not written: {e}"));
        }
    }

    fn end_lineage(&mut self, outcome: &Result<RunOutcome>) {
        let state = match outcome {
            Ok(outcome) => match outcome.verdict {
                RunVerdict::Planned | RunVerdict::NothingNew => return,
                RunVerdict::Published | RunVerdict::Waits => RunState::Complete,
                RunVerdict::Refused => RunState::Fail(
                    outcome.report.as_ref().map(|report| report.refusals().join("; ")).unwrap_or_default(),
                ),
            },
            Err(Error::Interrupted) => RunState::Abort(Error::Interrupted.to_string()),
            // An input that is not there yet is asked for again and again.
            Err(Error::Absent(_)) if !self.is_told => return,
            Err(e) => RunState::Fail(without_values(e)),
        };
        if !self.is_told {
            self.start();
        }
        if let Ok(outcome) = outcome {
            self.found(outcome);
        }
        self.tell(&self.run, &state, SystemTime::now());
    }

    /// What the run found, and what it made.
    fn found(&mut self, outcome: &RunOutcome) {
        self.run.tags.push(("verdict", verdict_name(outcome.verdict).to_owned()));
        let Some(report) = &outcome.report else { return };
        self.run.gates = report.gates.iter().map(tested).collect();
        self.run.replaces = report.based_on.is_some();
        let (Some(version), Some(blake3)) = (outcome.version, &outcome.blake3) else { return };
        self.run.tags.extend([("version", version.to_string()), ("blake3", blake3.clone())]);
        let made = History::open(self.job.history()).and_then(|history| {
            let record = history.vet(version)?;
            let folder = history.folder(version);
            if let Some(input) = self.run.inputs.first_mut() {
                input.missing = datasets::missing(&folder)?;
            }
            match outcome.verdict {
                RunVerdict::Published => {
                    let is_masked = self.job.columns.pseudonymise.is_some();
                    datasets::output(&history, &record, (&self.run.inputs, is_masked)).map(Some)
                }
                _ => Ok(None),
            }
        });
        match made {
            Ok(output) => self.run.outputs = output.into_iter().collect(),
            Err(e) => self.watch.warn(format!("the lineage of this run is incomplete: {e}")),
        }
    }

    fn write_metrics(&self, path: &std::path::Path, verdict: &'static str, outcome: &Result<RunOutcome>) -> Result<()> {
        let before = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8(bytes).unwrap_or_else(|_| "?".into()),
            Err(_) => String::new(),
        };
        if !Metrics::is_own(&before) {
            let text = format!("{} is not a file of these metrics; name another in [job] metrics", path.display());
            return Err(Error::usage(text).of_file(path));
        }
        let now = seconds(SystemTime::now());
        let current = History::open(self.job.history()).and_then(|history| {
            let pointer = history.current()?;
            Ok(pointer.and_then(|pointer| history.versions().ok()?.into_iter().find(|v| v.version == pointer.version)))
        });
        let current = current.ok().flatten();
        let published = current.as_ref().and_then(|record| parse_time(record.published.as_ref()?));
        let published = published.map_or(0.0, |nanos| nanos as f64 / 1e9);
        let is_success = verdict == "published" || verdict == "nothing_new";
        let known = Metrics::last_success_in(&before, self.job.name()).unwrap_or(0.0).max(published);
        let report = outcome.as_ref().ok().and_then(|outcome| outcome.report.as_ref());
        let metrics = Metrics {
            job: self.job.name(),
            ended: now,
            duration: self.begun.elapsed().unwrap_or(Duration::ZERO).as_secs_f64(),
            verdict,
            last_success: if is_success { now } else { known },
            found: report.map(figures),
            current: current.map(|record| VersionFigures {
                version: record.version,
                as_of: record.facts.as_of.as_ref().and_then(|day| parse_time(day)).map(|nanos| nanos as f64 / 1e9),
                customers: record.facts.customers,
                segments: record.facts.segments,
            }),
        };
        publish_text(path, &metrics.text())
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as f64 / 1000.0
}

/// The word of the metrics for what came of a run; None for a dry run.
fn verdict(outcome: &Result<RunOutcome>) -> Option<&'static str> {
    match outcome {
        Ok(RunOutcome { verdict: RunVerdict::Planned, .. }) => None,
        Ok(outcome) => Some(verdict_name(outcome.verdict)),
        Err(Error::Interrupted) => Some("interrupted"),
        Err(Error::Absent(_)) => Some("no_input"),
        Err(_) => Some("failed"),
    }
}

fn verdict_name(verdict: RunVerdict) -> &'static str {
    match verdict {
        RunVerdict::Published => "published",
        RunVerdict::Refused => "refused",
        RunVerdict::Waits => "waits",
        RunVerdict::Planned => "planned",
        RunVerdict::NothingNew => "nothing_new",
    }
}

/// A message for others, who must not see values of the data.
fn without_values(e: &Error) -> String {
    match e.kind() {
        ErrorKind::Values => {
            let columns = e.columns().join(", ");
            let of = if columns.is_empty() { String::new() } else { format!(" (columns: {columns})") };
            format!("the input was refused{of}; the messages of the run say why")
        }
        _ => e.to_string(),
    }
}

fn tested(gate: &GateResult) -> TestedGate {
    TestedGate {
        name: gate.gate.clone(),
        passed: gate.value.map(|_| gate.passed),
        refuses: gate.severity == GateSeverity::Error,
        text: gate.text(),
        value: gate.value,
        limit: gate.limit,
    }
}

fn figures(report: &RunReport) -> RunFigures {
    let migration = report.migration.as_ref();
    let tally = report.tally();
    let features = &report.measures.features;
    RunFigures {
        customers: report.customers,
        segments: report.segments.len() as u64,
        moved: migration.map(|migration| migration.moved),
        came: migration.map(|migration| migration.came),
        left: migration.map(|migration| migration.left),
        gates: [tally.passed, tally.warned, tally.failed],
        psi: features.iter().filter_map(|feature| feature.psi).reduce(f64::max),
        w1: features.iter().filter_map(|feature| feature.w1).reduce(f64::max),
        inertia: report.measures.inertia,
    }
}
