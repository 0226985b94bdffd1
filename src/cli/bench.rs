//! A benchmark as a table: stages down, backends across.

use hyades::bench::{BenchReport, BenchRun};
use hyades::event::Stage;

use super::fmt::{figures, seconds, share, thousands};
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
