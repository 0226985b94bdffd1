//! A benchmark as a table: stages down, backends across.

use hyades::backend::{DeviceCeilings, KernelWork};
use hyades::bench::{BenchReport, BenchRun};
use hyades::event::Stage;

use super::fmt::{bytes, figures, seconds, share, thousands};
use super::report;

pub(super) fn table(report: &BenchReport) -> String {
    let mut header = vec![""];
    header.extend(report.runs.iter().map(|r| r.backend.as_str()));
    let right: Vec<usize> = (1..header.len()).collect();
    let mut out = report::table(&header, &right);
    let mut row = |name: &str, value: &dyn Fn(&BenchRun) -> String| {
        let mut cells = vec![name.to_owned()];
        cells.extend(report.runs.iter().map(value));
        out.add_row(cells);
    };
    row("device", &|r| r.device.clone());
    let mut stages: Vec<Stage> = report.runs.iter().flat_map(|r| r.stages.iter().map(|s| s.stage)).collect();
    stages.sort();
    stages.dedup();
    for stage in stages {
        row(stage.name(), &|r| {
            r.stages.iter().find(|s| s.stage == stage).map_or_else(|| "-".into(), |s| seconds(s.seconds))
        });
    }
    row("whole job", &|r| seconds(r.seconds));
    if report.runs.iter().any(|r| r.cost_per_million.is_some()) {
        row("cost per million", &|r| r.cost_per_million.map_or_else(|| "-".into(), figures));
    }
    row("passes", &|r| r.passes.len().to_string());
    row("a later pass", &|r| format!("{:.1} ms", r.pass_ms));
    row("  rows/s", &|r| format!("{} M", figures(r.rows_a_second / 1e6)));
    let of_ceiling = |part: f64, whole: Option<f64>| whole.map_or_else(|| "-".into(), |whole| share(part, whole));
    row("  GB/s", &|r| figures(r.gbs));
    row("    of its ceiling", &|r| of_ceiling(r.gbs, report.ceilings_of(r).map(|(_, gbs)| gbs)));
    row("  GFLOP/s", &|r| figures(r.gflops));
    row("    of its ceiling", &|r| of_ceiling(r.gflops, report.ceilings_of(r).map(|(gflops, _)| gflops)));
    let mut kernels: Vec<&str> = report.runs.iter().flat_map(|r| r.kernels.iter().map(|w| w.kernel)).collect();
    kernels.sort_unstable();
    kernels.dedup();
    for name in kernels {
        row(&format!("kernel {name}"), &|r| kernel(r, name).map_or_else(|| "-".into(), time));
        row("  GB/s, GFLOP/s", &|r| kernel(r, name).map_or_else(|| "-".into(), rates));
        row("    of its ceilings", &|r| {
            let reached = kernel(r, name).and_then(|w| shares(w, r.device_ceilings?));
            reached.unwrap_or_else(|| "-".into())
        });
    }
    if report.runs.iter().any(|r| r.bus.is_some()) {
        row("to the GPU, back", &|r| {
            r.bus.map_or_else(|| "-".into(), |bus| format!("{}, {}", bytes(bus.to_device), bytes(bus.from_device)))
        });
    }
    row("inertia", &|r| format!("{:.9e}", r.inertia));
    row("labels blake3", &|r| r.labels_blake3[..16].to_owned());
    row("model blake3", &|r| r.model_blake3[..16].to_owned());
    format!(
        "{out}\n{} rows x {} features, k = {}, {} threads\n{}\n{}",
        thousands(report.rows),
        report.features,
        report.k,
        report.threads,
        ceilings(report),
        if report.agree { "all backends gave the same labels and the same model" } else { "THE BACKENDS DISAGREE" }
    )
}

fn kernel<'a>(run: &'a BenchRun, name: &str) -> Option<&'a KernelWork> {
    run.kernels.iter().find(|w| w.kernel == name)
}

/// Dispatches, and their time on the device's clock.
fn time(work: &KernelWork) -> String {
    let times = format!("{} x", thousands(work.dispatches));
    work.seconds.map_or(times.clone(), |s| format!("{times} {} ms", figures(1e3 * s / work.dispatches as f64)))
}

/// GB and GFLOP a second; a kernel without distances has none of the latter.
fn rates(work: &KernelWork) -> String {
    match work.seconds {
        Some(s) if s > 0.0 => {
            format!("{}, {}", figures(work.bytes as f64 / s / 1e9), figures(work.operations as f64 / s / 1e9))
        }
        _ => "-".into(),
    }
}

fn shares(work: &KernelWork, most: DeviceCeilings) -> Option<String> {
    let seconds = work.seconds.filter(|s| *s > 0.0)?;
    let memory = share(work.bytes as f64 / seconds / 1e9, most.copy_gbs);
    Some(format!("{memory}, {}", share(work.operations as f64 / seconds / 1e9, most.gflops)))
}

/// A line for the processor, and one for every GPU.
fn ceilings(report: &BenchReport) -> String {
    let processor = &report.ceilings;
    let mut lines = vec![format!(
        "processor's ceilings: {:.0} GFLOP/s (f32 FMA), {:.1} GB/s (read)",
        processor.gflops, processor.read_gbs
    )];
    let mut seen: Vec<&str> = Vec::new();
    for run in &report.runs {
        let Some(device) = run.device_ceilings.filter(|_| !seen.contains(&run.device.as_str())) else { continue };
        seen.push(&run.device);
        lines.push(format!(
            "GPU's ceilings: {:.0} GFLOP/s (f32 FMA), {:.1} GB/s (copy: read and written)",
            device.gflops, device.copy_gbs
        ));
    }
    lines.join("\n")
}
