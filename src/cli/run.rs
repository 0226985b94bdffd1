//! `run` and `job init`.

use std::process::ExitCode;

use comfy_table::Table;
use hyades::Result;
use hyades::drift::{DriftReport, FeatureDrift};
use hyades::gates::GateSeverity;
use hyades::output::publish_text;
use hyades::resegment::{
    self, BaselineDrift, RunOutcome, RunReport, RunRequest, RunVerdict, SegmentReport, job_template,
};
use hyades::text::{percent, thousands};

use super::args::{JobInitArgs, SuggestArgs};
use super::console::Console;
use super::report;

pub(super) fn run(request: &RunRequest, console: &Console) -> Result<ExitCode> {
    let outcome = resegment::run(request, console.observer.as_ref(), &console.stop)?;
    for line in outcome.plan.iter().flatten() {
        say!("{line}")?;
    }
    if let Some(report) = outcome.report.as_ref().filter(|_| !console.quiet) {
        say!("{}", segments(report))?;
        for line in summary(report) {
            say!("{line}")?;
        }
        let refusals = if outcome.verdict == RunVerdict::Planned { report.refusals() } else { Vec::new() };
        for refusal in refusals {
            say!("a gate refuses: {refusal}")?;
        }
        say!("{}", closing(&outcome))?;
    }
    say!("{}", outcome.line()?)?;
    outcome.checked()?;
    let code = request.nothing_new.filter(|_| outcome.verdict == RunVerdict::NothingNew);
    Ok(code.map_or(ExitCode::SUCCESS, ExitCode::from))
}

pub(super) fn suggest(args: &SuggestArgs) -> Result<()> {
    say!("{}", resegment::suggest_gates(&args.history)?.to_toml().trim_end())
}

/// The segments, with what became of each.
fn segments(found: &RunReport) -> Table {
    let header = ["segment", "id", "customers", "share", "before", "change", ""];
    let mut table = report::table(&header, &[0, 1, 2, 3, 4, 5]);
    for segment in &found.segments {
        let share = segment.customers as f64 / found.customers.max(1) as f64;
        table.add_row([
            segment.identity.segment.to_string(),
            segment.identity.segment_id.to_string(),
            thousands(segment.customers),
            percent(share),
            segment.before.map_or_else(String::new, thousands),
            change(segment),
            event(segment),
        ]);
    }
    table
}

fn change(segment: &SegmentReport) -> String {
    match segment.before {
        Some(before) => {
            let change = segment.customers as f64 / before as f64 - 1.0;
            format!("{}{}", if change < 0.0 { "-" } else { "+" }, percent(change.abs()))
        }
        None => String::new(),
    }
}

fn event(segment: &SegmentReport) -> String {
    let event = serde_json::to_value(segment.identity.event).ok();
    let event = event.as_ref().and_then(|event| event.as_str()).unwrap_or_default().to_owned();
    let identity = &segment.identity;
    let others = identity.parents.iter().filter(|parent| parent.segment_id != identity.segment_id);
    let parents: Vec<String> = others.map(|parent| parent.segment_id.to_string()).collect();
    let name = identity.rule.as_ref().or(identity.stratum.as_ref());
    let name = name.map_or_else(String::new, |name| format!("  {}", hyades::text::shown(name)));
    match parents.is_empty() || event == "survived" {
        true => event + &name,
        false => format!("{event}, from {}{name}", parents.join(", ")),
    }
}

/// Who came, left and moved, and how the month was fitted.
fn summary(report: &RunReport) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(migration) = &report.migration {
        let share = |n: u64, of: u64| percent(n as f64 / of.max(1) as f64);
        lines.push(format!(
            "{} customers stayed, {} came, {} left",
            thousands(migration.stayed),
            thousands(migration.came),
            thousands(migration.left)
        ));
        let behaviour = migration.moved_by_behaviour;
        let behaviour = behaviour.map_or_else(String::new, |n| format!(": {} changed their behaviour", thousands(n)));
        lines.push(format!(
            "{} moved to another segment ({} of those who stayed){behaviour}",
            thousands(migration.moved),
            share(migration.moved, migration.stayed),
        ));
    }
    if let Some(relabelled) = report.relabelled.filter(|&relabelled| relabelled > 0) {
        lines.push(format!(
            "{} were relabelled ({}): the new definition puts them elsewhere than the old one",
            thousands(relabelled),
            percent(relabelled as f64 / report.customers.max(1) as f64)
        ));
    }
    if let Some(held) = report.held {
        lines.push(format!(
            "{} kept their segment by hysteresis, although another one is nearer by a little",
            thousands(held)
        ));
    }
    for ended in &report.ended {
        let fate = serde_json::to_value(ended.fate).ok();
        let fate = fate.as_ref().and_then(|fate| fate.as_str()).unwrap_or_default().to_owned();
        let into: Vec<String> = ended.into.iter().map(u64::to_string).collect();
        let into = if into.is_empty() { String::new() } else { format!(" into {}", into.join(", ")) };
        lines.push(format!("segment id {} ended: {fate}{into}", ended.segment_id));
    }
    lines.extend(report.drift.iter().flat_map(|drift| drifted(drift, "drift")));
    if let Some(BaselineDrift { version, as_of, drift }) = &report.baseline {
        let day = as_of.as_ref().map_or_else(String::new, |day| format!(" ({day})"));
        lines.extend(drifted(drift, &format!("drift since version {version}{day}")));
    }
    lines.extend(warnings(report));
    lines.extend(refits(report));
    lines
}

/// How the month was fitted.
fn refits(report: &RunReport) -> Vec<String> {
    let mut lines = Vec::new();
    for (refit, budget) in report.refits.iter().filter_map(|refit| Some((refit, refit.budget.as_ref()?))) {
        lines.push(format!(
            "{}: step {} of {} of the fit, which relabels {} of the customers instead of {}; its inertia is {} higher",
            refit.part,
            budget.step,
            budget.steps,
            percent(budget.relabelled),
            percent(budget.relabelled_at_end),
            percent(budget.cost)
        ));
    }
    for refit in report.refits.iter().filter(|refit| refit.cold_gain.is_some()) {
        let gain = refit.cold_gain.unwrap_or_default();
        let sign = if gain < 0.0 { "worse" } else { "better" };
        lines.push(format!("{}: new starts are {} {sign} than the old centroids", refit.part, percent(gain.abs())));
    }
    lines
}

/// The features that changed most, beyond what chance makes of it.
fn drifted(drift: &DriftReport, what: &str) -> Vec<String> {
    let few = drift.features.iter().take(3).filter(|feature| feature.figures.psi > feature.figures.psi_noise);
    let line = |feature: &FeatureDrift| {
        let distance = feature.distance.map_or_else(String::new, |d| format!("shift {d:.3} sd, "));
        let name = hyades::text::shown(&feature.name);
        format!("{what} of {name}: {distance}PSI {:.4}, w {:.3}", feature.figures.psi, feature.figures.w)
    };
    few.map(line).collect()
}

/// The worst breach of each gate that only warns; those that refuse are the error at the end.
fn warnings(report: &RunReport) -> Vec<String> {
    let broken = || report.gates.iter().filter(|gate| !gate.passed && gate.severity == GateSeverity::Warn);
    let mut lines: Vec<String> = Vec::new();
    let mut last = None;
    for gate in broken().filter(|gate| last.replace(&gate.gate) != Some(&gate.gate)) {
        let others = broken().filter(|other| other.gate == gate.gate).count() - 1;
        let others = if others > 0 { format!(" (and {others} more)") } else { String::new() };
        lines.push(format!("warning: {}{others}", gate.text()));
    }
    lines
}

fn closing(outcome: &RunOutcome) -> String {
    let version = outcome.version.unwrap_or_default();
    match outcome.verdict {
        RunVerdict::Published => format!("version {version} is published"),
        RunVerdict::Refused => format!("version {version} is refused"),
        RunVerdict::Waits => format!("version {version} waits for approval"),
        RunVerdict::Planned => match outcome.report.as_ref().is_some_and(|report| !report.refusals().is_empty()) {
            true => "nothing was written; a run would be refused".to_owned(),
            false => "nothing was written; a run would pass its gates".to_owned(),
        },
        RunVerdict::NothingNew => {
            "nothing was written: the current version is of the same data, options and program".into()
        }
    }
}

pub(super) fn init(args: &JobInitArgs, console: &Console) -> Result<()> {
    let text = job_template(&args.paths, args.k)?;
    publish_text(&args.out, &text)?;
    if !console.quiet {
        say!("{}", args.out.display())?;
        say!("try it: hyades run {} --dry-run", args.out.display())?;
    }
    Ok(())
}
