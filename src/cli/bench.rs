//! A benchmark as a table: stages down, backends across.

use hyades::bench::{BenchReport, BenchRun};
use hyades::event::Stage;

use super::fmt::{seconds, thousands};
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
    row("passes", &|r| r.passes.len().to_string());
    row("a later pass", &|r| format!("{:.1} ms", r.pass_ms));
    row("  rows/s", &|r| format!("{:.0} M", r.rows_a_second / 1e6));
    row("  GB/s", &|r| format!("{:.1}", r.gbs));
    row("  GFLOP/s", &|r| format!("{:.1}", r.gflops));
    row("inertia", &|r| format!("{:.9e}", r.inertia));
    row("labels blake3", &|r| r.labels_blake3[..16].to_owned());
    row("model blake3", &|r| r.model_blake3[..16].to_owned());
    format!(
        "{out}\n{} rows x {} features, k = {}, {} threads\nprocessor's ceilings: {:.0} GFLOP/s (f32 FMA), {:.1} GB/s (read)\n{}",
        thousands(report.rows),
        report.features,
        report.k,
        report.threads,
        report.ceilings.gflops,
        report.ceilings.read_gbs,
        if report.agree { "all backends gave the same labels and the same model" } else { "THE BACKENDS DISAGREE" }
    )
}
