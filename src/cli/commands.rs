//! The verbs: request, run, report.

use std::path::Path;
use std::time::Instant;

use hyades::event::Watch;
use hyades::job::{self, AssignRequest, Assigned, FitOutcome};
use hyades::{Result, bench as benchmark, check as examine, doctor as examination, synth as bank};

use super::args::{AssignArgs, BenchArgs, CheckArgs, DoctorArgs, FitArgs, PlanArgs, SynthArgs};
use super::console::Console;
use super::fmt::{bytes, seconds, thousands, wrapped};
use super::report;

pub(super) fn fit(args: FitArgs, console: &Console) -> Result<()> {
    let (print_recipe, out) = (args.print_recipe(), args.out.clone());
    if let Some(rules) = args.rules.clone() {
        return fit_by_rules(args, &rules, console);
    }
    let request = args.request()?;
    let start = Instant::now();
    let outcome = job::fit(&request, console.observer.as_ref(), &console.stop)?;
    if print_recipe {
        say!("{}", report::recipe(&outcome.model))?;
    }
    say!("{}", report::segments(&outcome.model, &outcome.labels))?;
    if let Some(audit) = &outcome.audit {
        say!("{}", super::audit::text(audit).trim_end())?;
    }
    if !console.quiet {
        say!("{}", closing(&outcome, start.elapsed().as_secs_f64()))?;
        let audit = if outcome.audit.is_some() { "audit.json, " } else { "" };
        say!("{}: segments.parquet, model.json, {audit}manifest.json", out.display())?;
        say!("label new customers: hyades assign {} INPUT --out FOLDER", out.join("model.json").display())?;
    }
    Ok(())
}

fn fit_by_rules(args: FitArgs, rules: &Path, console: &Console) -> Result<()> {
    let (print_recipe, out) = (args.print_recipe(), args.out.clone());
    let request = args.request()?;
    let start = Instant::now();
    let outcome = job::fit_by_rules(&request, rules, console.observer.as_ref(), &console.stop)?;
    let model = &outcome.model;
    if print_recipe {
        for stratum in &model.strata {
            say!("{}", report::named_recipe(stratum))?;
        }
    }
    say!("{}", report::parts(model, &outcome.labels))?;
    say!("{}", report::ruled_segments(model, &outcome.labels))?;
    if let Some(audit) = &outcome.audit {
        say!("{}", super::audit::text(audit).trim_end())?;
    }
    if !console.quiet {
        say!(
            "{} customers, {} of them taken by rules; strata: {}, segments: {}\n{} in all: {}",
            thousands(outcome.labels.rows),
            thousands(outcome.labels.rules.iter().map(|r| r.rows).sum()),
            model.strata.len(),
            model.segments(),
            seconds(start.elapsed().as_secs_f64()),
            report::stages(&outcome.stages)
        )?;
        say!("labels blake3 {}", outcome.labels.labels_blake3)?;
        let audit = if outcome.audit.is_some() { "audit.json, " } else { "" };
        say!("{}: segments.parquet, model.json, {audit}manifest.json", out.display())?;
        say!("label new customers: hyades assign {} INPUT --out FOLDER", out.join("model.json").display())?;
    }
    Ok(())
}

fn closing(outcome: &FitOutcome, elapsed: f64) -> String {
    let model = &outcome.model;
    let stop = match model.stop {
        hyades::cluster::Stop::Fixpoint => "nothing moved any more",
        hyades::cluster::Stop::Inertia => "the inertia no longer fell",
        hyades::cluster::Stop::Tolerance => "centroids moved less than --tol",
        hyades::cluster::Stop::MaxIter => "--max-iter was reached before it converged",
    };
    format!(
        "{} customers, {} features, {} segments; {} {} until {stop}; inertia {:.6e}\n{} in all: {}\nlabels blake3 {}",
        thousands(outcome.plan.rows),
        model.n_features_in_,
        model.n_clusters,
        model.n_iter_,
        if model.n_iter_ == 1 { "pass" } else { "passes" },
        model.inertia_,
        seconds(elapsed),
        report::stages(&outcome.stages),
        outcome.labels.labels_blake3,
    )
}

pub(super) fn assign(args: AssignArgs, console: &Console) -> Result<()> {
    let request = AssignRequest {
        backend: args.device.request(),
        resources: args.resources.resources(),
        keep_duplicate_ids: args.keep_duplicate_ids(),
        pseudonymise: args.pseudonymise,
        model: args.model,
        inputs: args.inputs,
        joins: args.beside.join,
        access: args.beside.access.access(),
        id: args.id,
        out: args.out,
        margin: args.margin,
        audit: args.audit,
        protect: args.protect,
    };
    let outcome = job::assign(&request, console.observer.as_ref(), &console.stop)?;
    match &outcome.assigned {
        Assigned::Plain(model, labels) => say!("{}", report::segments(model, labels))?,
        Assigned::Ruled(model, labels) => {
            say!("{}", report::parts(model, labels))?;
            say!("{}", report::ruled_segments(model, labels))?;
        }
    }
    if let Some(audit) = &outcome.audit {
        say!("{}", super::audit::text(audit).trim_end())?;
    }
    if !console.quiet {
        say!("{} customers in {}", thousands(outcome.rows), report::stages(&outcome.stages))?;
        say!("labels blake3 {}", outcome.assigned.labels_blake3())?;
        let audit = if request.audit { "audit.json, " } else { "" };
        say!("{}: segments.parquet, {audit}manifest.json", request.out.display())?;
    }
    Ok(())
}

pub(super) fn plan(args: PlanArgs, console: &Console) -> Result<()> {
    let request = args.request()?;
    let (plan, roles, source) = job::plan(&request, Watch::new(console.observer.as_ref(), &console.stop))?;
    let names: Vec<String> = roles.features.iter().map(|&i| hyades::text::shown(&source.columns()[i].name)).collect();
    say!("{}", report::plan(&plan).trim_end())?;
    say!("{:>10}  {}", "columns", names.join(", "))?;
    Ok(())
}

pub(super) fn check(args: CheckArgs, console: &Console) -> Result<()> {
    let request = args.request();
    let start = Instant::now();
    let report = examine::check(&request, console.observer.as_ref(), &console.stop)?;
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
    let contenders = args.contenders(scratch.path())?;
    let report = benchmark::run(&contenders, args.repeat.max(1), console.observer.as_ref(), &console.stop)?;
    say!("{}", super::bench::table(&report))?;
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report).map_err(|e| hyades::Error::Internal(e.to_string()))?;
        hyades::output::publish_text(path, &(text + "\n"))?;
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
    }
    Ok(())
}
