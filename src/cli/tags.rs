//! `tags`: its arguments and its tables.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hyades::output::publish_text;
use hyades::tags::{DEFAULTS, MatrixRequest, StageMatrix, TagReport, TagsRequest, stage_matrix, tag};
use hyades::text::thousands;
use hyades::{Error, Result};

use super::console::Console;
use super::fmt::{bytes, figures};
use super::report::{brief, table};

#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct TagsArgs {
    #[command(subcommand)]
    verb: Option<TagsVerb>,
    #[command(flatten)]
    request: TagsRequest,
}

#[derive(Debug, Clone, Subcommand)]
enum TagsVerb {
    /// Write a commented dictionary for the columns of `features rfm`
    Init {
        /// File to write [default: the standard output]
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Who moved from which stage to which between two months
    Matrix(Box<MatrixRequest>),
}

pub(super) fn tags(args: TagsArgs, console: &Console) -> Result<()> {
    match args.verb {
        Some(TagsVerb::Init { out }) => init(out, console),
        Some(TagsVerb::Matrix(request)) => matrix(&request, console),
        None => run(&args.request, console),
    }
}

fn init(out: Option<PathBuf>, console: &Console) -> Result<()> {
    let Some(path) = out else { return say!("{}", DEFAULTS.trim_end()) };
    publish_text(&path, DEFAULTS)?;
    if console.quiet { Ok(()) } else { say!("{}", path.display()) }
}

fn run(request: &TagsRequest, console: &Console) -> Result<()> {
    let report = tag(request, console.observer.as_ref(), &console.stop)?;
    if prints_json(request.counts.json.as_deref()) {
        return json(&report);
    }
    say!("{}", tables(&report).trim_end())?;
    if !console.quiet {
        let (rows, size) = (thousands(report.rows), bytes(report.bytes));
        let out = request.out.clone().unwrap_or_default();
        say!("{} customers; {}: {rows} rows, {size}", thousands(report.customers), out.display())?;
    }
    Ok(())
}

fn prints_json(path: Option<&std::path::Path>) -> bool {
    path.is_some_and(|path| path.as_os_str() == "-")
}

fn json(of: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(of).map_err(|e| Error::Internal(e.to_string()))?;
    say!("{text}")
}

fn count(n: Option<u64>) -> String {
    n.map_or_else(|| "withheld".into(), thousands)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(String::new, |share| format!("{:.1}%", 100.0 * share))
}

fn tables(report: &TagReport) -> String {
    let mut text = String::new();
    let name = |zh: &Option<String>, en: &Option<String>| brief(zh.as_ref().or(en.as_ref()).map_or("", String::as_str));
    if !report.tags.is_empty() {
        let moved = report.tags.iter().any(|of| of.moves.is_some());
        let (more, right): (&[&str], &[usize]) =
            if moved { (&["gained", "lost", "left"], &[2, 3, 4, 5, 6, 7]) } else { (&[], &[2, 3, 4]) };
        let mut tags = table(&[&["tag", "name", "customers", "share", "unknown"], more].concat(), right);
        for of in &report.tags {
            let name = name(&of.tag.zh, &of.tag.en);
            let mut row = vec![of.tag.code.clone(), name, count(of.customers), percent(of.share), count(of.unknown)];
            let moves = of.moves.map(|moves| [moves.gained, moves.lost, moves.left]);
            row.extend((0..more.len()).map(|i| count(moves.map(|moves| moves[i]))));
            tags.add_row(row);
        }
        text += &format!("{tags}\n");
    }
    if !report.stages.is_empty() {
        let mut stages = table(&["stage", "name", "customers", "share"], &[2, 3]);
        for of in &report.stages {
            let name = name(&of.stage.zh, &of.stage.en);
            stages.add_row([of.stage.code.clone(), name, count(of.customers), percent(of.share)]);
        }
        stages.add_row(["(none)".into(), String::new(), count(report.without_stage), String::new()]);
        text += &format!("{stages}\n");
    }
    if !report.segments.is_empty() {
        text += &format!("{}\n", segments(report));
    }
    let mut overlaps: Vec<_> = report.overlaps.iter().collect();
    overlaps.sort_by_key(|overlap| std::cmp::Reverse(overlap.customers));
    for overlap in overlaps.iter().take(5) {
        text += &format!("both {} and {}: {}\n", overlap.tag, overlap.other, thousands(overlap.customers));
    }
    for threshold in &report.thresholds {
        text += &format!("{} = {}\n", brief(&threshold.figure), figures(threshold.value));
    }
    text
}

/// The tags that segments have most often, compared with all customers.
fn segments(report: &TagReport) -> String {
    const SHOWN: usize = 3;
    let mut lines = table(&["segment", "customers", "tags (share, lift)"], &[1]);
    for of in &report.segments {
        let mut tags: Vec<_> = of.tags.iter().filter_map(|tag| Some((tag.lift?, tag.share, &tag.tag))).collect();
        tags.sort_by(|a, b| b.0.total_cmp(&a.0));
        let tags = tags.iter().take(SHOWN).map(|(lift, share, tag)| format!("{tag} {}, {lift:.2}", percent(*share)));
        let name =
            of.name.as_deref().map_or_else(|| brief(&of.segment), |name| format!("{} {}", of.segment, brief(name)));
        lines.add_row([name, count(of.customers), tags.collect::<Vec<_>>().join("; ")]);
    }
    lines.to_string()
}

fn matrix(request: &MatrixRequest, console: &Console) -> Result<()> {
    let matrix = stage_matrix(request, console.observer.as_ref(), &console.stop)?;
    if prints_json(request.counts.json.as_deref()) {
        return json(&matrix);
    }
    say!("{}", flows(&matrix))?;
    if console.quiet {
        return Ok(());
    }
    let [stayed, new, left] = [matrix.stayed, matrix.new, matrix.left].map(count);
    say!("{stayed} customers in both months, {new} new, {left} left")
}

fn flows(matrix: &StageMatrix) -> String {
    let mut lines = table(&["from", "to", "customers", "share of from"], &[2, 3]);
    for flow in &matrix.flows {
        lines.add_row([brief(&flow.from), brief(&flow.to), count(flow.customers), percent(flow.share)]);
    }
    lines.to_string()
}
