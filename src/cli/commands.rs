//! The verbs: request, run, report.

use std::path::Path;
use std::time::Instant;

use hyades::audit::AuditReport;
use hyades::check::CheckRequest;
use hyades::event::Watch;
use hyades::job::{self, AssignRequest, Labelling, OutputOptions, ProfileRequest};
use hyades::model::Model;
use hyades::profile::ProfileReport;
use hyades::{Result, bench as benchmark, check as examine, doctor as examination, synth as bank};

use super::args::{BenchArgs, Contest, DoctorArgs, FitArgs, PlanArgs, SynthArgs};
use super::console::Console;
use super::fmt::{bytes, seconds, thousands, wrapped};
use super::report;

pub(super) fn fit(args: FitArgs, console: &Console) -> Result<()> {
    let print_recipe = args.print_recipe;
    let request = args.request()?;
    let start = Instant::now();
    let outcome = job::fit(&request, console.observer.as_ref(), &console.stop)?;
    if prints_json(&request.output) {
        return say!("{}", outcome.result.to_json()?.trim_end());
    }
    if print_recipe {
        for part in &outcome.model.parts {
            say!("{}", report::preparation(&outcome.model, part))?;
        }
    }
    let profile = (outcome.profile.as_ref(), None);
    tables(&outcome.model, &outcome.labels, profile, outcome.audit.as_ref())?;
    if !console.quiet {
        say!("{}", report::closing(&outcome, start.elapsed().as_secs_f64()))?;
        say!("labels blake3 {}", outcome.labels.labels_blake3)?;
        let out = request.output.out.unwrap_or_default();
        let audit = if outcome.audit.is_some() { "audit.json, " } else { "" };
        let profile = if outcome.profile.is_some() { "profile.json, " } else { "" };
        say!("{}: segments/, model.json, {audit}{profile}manifest.json", out.display())?;
        say!("label new customers: hyades assign {} INPUT --out FOLDER", out.display())?;
    }
    Ok(())
}

/// Whether the result goes to stdout as JSON, and nothing else.
fn prints_json(output: &OutputOptions) -> bool {
    output.json.as_ref().is_some_and(|path| path.as_os_str() == "-")
}

/// The segments, and how protected attributes are distributed across them. `profile` is that of the rows at hand, and
/// that of the fit's.
fn tables(
    model: &Model,
    labels: &Labelling,
    profile: (Option<&ProfileReport>, Option<&ProfileReport>),
    audit: Option<&AuditReport>,
) -> Result<()> {
    if model.division.is_some() {
        say!("{}", report::parts(model, labels))?;
    }
    match profile {
        (Some(here), fit) => say!("{}", super::profile::segments(here, fit))?,
        (None, _) => say!("{}", report::segments(model, labels))?,
    }
    match audit {
        Some(audit) => say!("{}", super::audit::text(audit).trim_end()),
        None => Ok(()),
    }
}

pub(super) fn assign(mut request: AssignRequest, console: &Console) -> Result<()> {
    request.columns = request.columns.split_lists()?;
    request.output = request.output.split_lists()?;
    let outcome = job::assign(&request, console.observer.as_ref(), &console.stop)?;
    if prints_json(&request.output) {
        return say!("{}", outcome.result.to_json()?.trim_end());
    }
    let profile = (outcome.profile.as_ref(), outcome.fit_profile.as_ref());
    tables(&outcome.model, &outcome.labels, profile, outcome.audit.as_ref())?;
    if let Some(drift) = &outcome.drift {
        say!("{}", super::drift::text(drift))?;
    }
    if !console.quiet {
        say!("{} customers in {}", thousands(outcome.labels.rows), report::stages(&outcome.stages))?;
        say!("labels blake3 {}", outcome.labels.labels_blake3)?;
        let audit = if outcome.audit.is_some() { "audit.json, " } else { "" };
        let out = request.output.out.clone().unwrap_or_default();
        let profile = if outcome.profile.is_some() { "profile.json, " } else { "" };
        let drift = if outcome.drift.is_some() { "drift.json, " } else { "" };
        say!("{}: segments/, {audit}{profile}{drift}manifest.json", out.display())?;
    }
    Ok(())
}

pub(super) fn profile(mut request: ProfileRequest, console: &Console) -> Result<()> {
    request.columns = request.columns.split_lists()?;
    let report = job::profile(&request, console.observer.as_ref(), &console.stop)?;
    if request.json.as_deref().is_some_and(|path| path == Path::new("-")) {
        let text = serde_json::to_string_pretty(&report).map_err(|e| hyades::Error::Internal(e.to_string()))?;
        return say!("{text}");
    }
    say!("{}", super::profile::segments(&report, None))?;
    match &request.json {
        Some(path) if !console.quiet => say!("{}", path.display()),
        _ => Ok(()),
    }
}

pub(super) fn plan(args: PlanArgs, console: &Console) -> Result<()> {
    let request = args.request()?;
    let (plan, roles, source) = job::plan(&request, Watch::new(console.observer.as_ref(), &console.stop))?;
    let names: Vec<String> = roles.features.iter().map(|&i| hyades::text::shown(&source.columns()[i].name)).collect();
    say!("{}", report::plan(&plan).trim_end())?;
    say!("{:>10}  {}", "columns", names.join(", "))?;
    Ok(())
}

pub(super) fn check(request: &CheckRequest, console: &Console) -> Result<()> {
    let start = Instant::now();
    let report = examine::check(request, console.observer.as_ref(), &console.stop)?;
    say!("{}", super::check::text(&report).trim_end())?;
    if !console.quiet {
        say!(
            "{} rows, {} columns, {} {} in {}",
            thousands(report.rows),
            report.columns.len(),
            report.files.len(),
            if report.files.len() == 1 { "file" } else { "files" },
            seconds(start.elapsed().as_secs_f64())
        )?;
        for path in request.json.iter().chain(&request.page) {
            say!("{}", path.display())?;
        }
    }
    report.verdict()
}

pub(super) fn bench(args: BenchArgs, console: &Console) -> Result<()> {
    let scratch = tempfile::tempdir().map_err(|e| hyades::Error::io("write in", &std::env::temp_dir(), &e))?;
    let Contest { contenders, json } = args.contest(scratch.path())?;
    let file = json.as_deref().filter(|path| path.as_os_str() != "-");
    let report = benchmark::run(&contenders, args.repeat.max(1), file, console.observer.as_ref(), &console.stop)?;
    if json.is_some() && file.is_none() {
        say!("{}", report.to_json()?)?;
    } else {
        say!("{}", super::bench::table(&report))?;
    }
    report.verdict()
}

pub(super) fn doctor(args: &DoctorArgs) -> Result<()> {
    let findings = examination::examine();
    if args.json {
        let text = serde_json::to_string_pretty(&findings).map_err(|e| hyades::Error::Internal(e.to_string()))?;
        say!("{text}")?;
        return Ok(());
    }
    say!("hyades {} on {}", findings.version, findings.platform)?;
    entry("processors", &format!("{}, {}", findings.processors, findings.processor))?;
    entry("memory", &format!("{} free of {}", bytes(findings.free_memory), bytes(findings.total_memory)))?;
    entry("simd", &format!("{} (available: {})", findings.simd, findings.simd_available.join(", ")))?;
    if findings.devices.is_empty() {
        entry("devices", "none")?;
    }
    for device in &findings.devices {
        entry(&format!("device {}", device.index), &device.name)?;
        entry("", &device.details)?;
    }
    for advice in &findings.advice {
        entry("advice", advice)?;
    }
    Ok(())
}

/// A label and its text, in lines of 80 columns.
fn entry(label: &str, text: &str) -> Result<()> {
    let mut label = label;
    for line in wrapped(text, 80 - 12) {
        say!("{label:<12}{line}")?;
        label = "";
    }
    Ok(())
}

pub(super) fn synth(args: SynthArgs, console: &Console) -> Result<()> {
    let resources = job::Resources { threads: args.threads, ..job::Resources::default() };
    let spec = args.spec()?;
    let start = Instant::now();
    let watch = Watch::new(console.observer.as_ref(), &console.stop);
    let summary = resources.install(|| bank::write(&spec, watch))?;
    if !console.quiet {
        say!(
            "{} customers in {} files, {}, {}",
            thousands(summary.rows),
            summary.files.len(),
            bytes(summary.bytes),
            seconds(start.elapsed().as_secs_f64())
        )?;
        say!("{}", spec.spec().out.display())?;
        if let Some(path) = &spec.spec().transactions {
            say!("{} transactions", thousands(summary.transactions))?;
            say!("{}", path.display())?;
        }
    }
    Ok(())
}
