//! The verb `history`: versions in tables, and decisions about them.

use std::path::PathBuf;

use clap::Args;
use hyades::event::{Event, Watch};
use hyades::history::{FileDifference, GateTally, History, ListedFile, VersionDifference, VersionRecord};
use hyades::report::Language;
use hyades::resegment::history_page;
use hyades::text::{percent, shown, thousands};
use hyades::{Error, Result};
use serde::Serialize;
use serde_json::Value;

use super::console::Console;
use super::fmt::{bytes, wrapped};
use super::report::table;

/// Width from which columns have room between them, and times for hours and minutes.
const WIDE: u16 = 90;
/// Width of the labels of `show`.
const LABEL: usize = 12;
/// Digits of a hash in a table; as many are enough to approve a version.
const DIGITS: usize = 12;

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Folder of the history
    history: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct HistoryPageArgs {
    /// Folder of the history
    history: PathBuf,
    /// File to write: HTML without scripts
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Language of the page: en or zh
    #[arg(long, value_name = "LANG", default_value_t)]
    lang: Language,
}

/// Writes the page of a history.
pub(super) fn page(args: &HistoryPageArgs, console: &Console) -> Result<()> {
    history_page(&args.history, &args.out, args.lang)?;
    if console.quiet { Ok(()) } else { say!("wrote {}", args.out.display()) }
}

#[derive(Debug, Args)]
pub(super) struct VersionArgs {
    /// Folder of the history
    pub(super) history: PathBuf,
    /// Number of the version [default: the current one; of verify: all]
    pub(super) version: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// Folder of the history
    history: PathBuf,
    /// Number of a version
    a: u64,
    /// Number of the version to compare it with
    b: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// Folder of the history
    history: PathBuf,
    /// Number of the version
    version: u64,
    /// Hash of the version that was looked at, or its first 12 digits or more
    #[arg(long, value_name = "HASH")]
    hash: String,
    #[command(flatten)]
    decision: Decision,
}

#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    /// Folder of the history
    history: PathBuf,
    /// Number of the version to return to
    version: u64,
    #[command(flatten)]
    decision: Decision,
}

/// Who decides, and why.
#[derive(Debug, Args)]
struct Decision {
    /// Who decides, for the log
    #[arg(long, value_name = "WHO")]
    by: String,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    note: String,
}

#[derive(Debug, Args)]
pub(super) struct GcArgs {
    /// Folder of the history
    history: PathBuf,
    /// Number of published versions to keep, the newest first
    #[arg(long, value_name = "N")]
    keep: usize,
    /// A version to keep however old it is; may be repeated
    #[arg(long, value_name = "VERSION")]
    baseline: Vec<u64>,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn print(value: &impl Serialize) -> Result<()> {
    say!("{}", serde_json::to_string_pretty(value).map_err(|e| Error::Internal(e.to_string()))?)
}

/// Does something to a history, and warns of what was put right on the way.
fn on<T>(history: &History, console: &Console, act: impl FnOnce() -> Result<T>) -> Result<T> {
    let outcome = act();
    history.notices().into_iter().for_each(|text| console.observer.event(Event::Warning(text)));
    outcome
}

pub(super) fn list(args: &HistoryArgs) -> Result<()> {
    let versions = History::open(&args.history)?.versions()?;
    if args.json {
        return print(&versions);
    }
    if versions.is_empty() {
        return say!("no versions yet");
    }
    say!("{}", versions_table(&versions))
}

fn versions_table(versions: &[VersionRecord]) -> String {
    let header = ["version", "state", "as of", "customers", "segments", "moved", "gates", "when"];
    let mut out = table(&header, &[0, 3, 4, 5]);
    let (digits, padding) = if out.width().is_none_or(|width| width >= WIDE) { (16, 1) } else { (10, 0) };
    for column in out.column_iter_mut() {
        column.set_padding((0, padding));
    }
    for record in versions {
        let facts = &record.facts;
        let sealed = |text: String| if record.blake3.is_some() { text } else { String::new() };
        out.add_row(vec![
            numbered(record),
            state(record).to_owned(),
            shown(facts.as_of.as_deref().unwrap_or_default()),
            sealed(thousands(facts.customers)),
            sealed(thousands(facts.segments)),
            facts.moved.map_or_else(String::new, percent),
            sealed(gates(facts.gates)),
            time(record.published.as_ref().or(record.sealed.as_ref()).unwrap_or(&record.claimed), digits),
        ]);
    }
    out.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// The number, and that of the version whose files it has.
fn numbered(record: &VersionRecord) -> String {
    record.origin.map_or_else(|| record.version.to_string(), |origin| format!("{} = {origin}", record.version))
}

fn state(record: &VersionRecord) -> &'static str {
    if record.removed { "removed" } else { record.state.name() }
}

fn gates(tally: GateTally) -> String {
    match tally {
        GateTally { failed: 1.., .. } => format!("{} failed", tally.failed),
        GateTally { warned: 1.., .. } => format!("{} warned", tally.warned),
        GateTally { passed: 0, .. } => "none".into(),
        _ => "passed".into(),
    }
}

/// A time of the log to the minute, or its day.
fn time(text: &str, digits: usize) -> String {
    shown(&text.chars().take(digits).collect::<String>().replace('T', " "))
}

pub(super) fn show(args: &VersionArgs) -> Result<()> {
    let history = History::open(&args.history)?;
    let none = || Error::usage("no version is published yet: name one (hyades history list)".into());
    let version = match args.version {
        Some(version) => version,
        None => history.current()?.ok_or_else(none)?.version,
    };
    let known = history.versions()?.into_iter().find(|record| record.version == version);
    // What was removed still has its facts.
    let record = known.map_or_else(|| history.vet(version), Ok)?;
    if args.json {
        return print(&record);
    }
    say!("{}", description(&record).trim_end())?;
    if record.files.is_empty() {
        return Ok(());
    }
    say!("{}", files(record.files.iter().chain(&record.run)))
}

fn description(record: &VersionRecord) -> String {
    let facts = &record.facts;
    let number = |version: Option<u64>| version.map(|version| format!("version {version}"));
    let tally = |GateTally { passed, warned, failed }| format!("{passed} passed, {warned} warned, {failed} failed");
    let sealed = record.blake3.is_some();
    let lines = [
        ("version", Some(record.version.to_string())),
        ("state", Some(state(record).to_owned())),
        ("hash", record.blake3.clone()),
        ("as of", facts.as_of.clone()),
        ("files of", number(record.origin)),
        ("based on", number(facts.based_on)),
        ("baseline", number(facts.baseline)),
        ("customers", sealed.then(|| thousands(facts.customers))),
        ("segments", sealed.then(|| thousands(facts.segments))),
        ("moved", facts.moved.map(percent)),
        ("gates", sealed.then(|| tally(facts.gates))),
        ("why", record.why.clone()),
        ("approved by", record.approved.as_ref().map(|(by, note)| format!("{by}: {note}"))),
        ("started", Some(time(&record.claimed, 19))),
        ("sealed", record.sealed.as_ref().map(|text| time(text, 19))),
        ("published", record.published.as_ref().map(|text| time(text, 19))),
    ];
    lines.iter().filter_map(|(label, text)| Some(entry(label, text.as_deref()?))).collect()
}

/// A label and its text, in lines of 80 columns.
fn entry(label: &str, text: &str) -> String {
    let lines = wrapped(&shown(text), 80 - LABEL);
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    labels.zip(lines).map(|(label, line)| format!("{label:<LABEL$}{line}\n")).collect()
}

fn files<'a>(files: impl Iterator<Item = &'a ListedFile>) -> String {
    let mut out = table(&["file", "size", "blake3"], &[1]);
    for file in files {
        out.add_row(vec![shown(&file.path), bytes(file.bytes), digits(&file.blake3)]);
    }
    out.to_string()
}

/// The first digits of a hash.
fn digits(hash: &str) -> String {
    shown(&hash.chars().take(DIGITS).collect::<String>())
}

pub(super) fn diff(args: &DiffArgs) -> Result<()> {
    let difference = History::open(&args.history)?.compare(args.a, args.b)?;
    if args.json {
        return print(&difference);
    }
    say!("{}", difference_text(&difference))
}

fn difference_text(difference: &VersionDifference) -> String {
    let titles = [difference.a, difference.b].map(|version| format!("version {version}"));
    let mut parts = Vec::new();
    if !difference.facts.is_empty() {
        let mut out = table(&["", &titles[0], &titles[1]], &[]);
        for fact in &difference.facts {
            out.add_row(vec![shown(&fact.name), value(&fact.a), value(&fact.b)]);
        }
        parts.push(out.to_string());
    }
    if !difference.files.is_empty() {
        let mut out = table(&["file", &titles[0], &titles[1]], &[]);
        for FileDifference { path, a, b } in &difference.files {
            let hash = |file: &Option<ListedFile>| file.as_ref().map_or("-".into(), |file| digits(&file.blake3));
            out.add_row(vec![shown(path), hash(a), hash(b)]);
        }
        parts.push(out.to_string());
    }
    let same =
        if difference.same == 1 { "1 file is".into() } else { format!("{} files are", thousands(difference.same)) };
    parts.push(format!("{same} the same"));
    parts.join("\n")
}

/// A fact for people.
fn value(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => shown(text),
        Value::Number(number) => match number.as_u64() {
            Some(whole) => thousands(whole),
            None => percent(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::Array(items) => items.iter().map(self::value).collect::<Vec<_>>().join(", "),
        other => shown(&other.to_string()),
    }
}

pub(super) fn approve(args: &ApproveArgs, console: &Console) -> Result<()> {
    let history = History::open(&args.history)?;
    let (by, note) = (&args.decision.by, &args.decision.note);
    let pointer = on(&history, console, || history.approve(args.version, &args.hash, by, note))?;
    if console.quiet { Ok(()) } else { say!("version {} is published", pointer.version) }
}

pub(super) fn rollback(args: &RollbackArgs, console: &Console) -> Result<()> {
    let history = History::open(&args.history)?;
    let (by, note) = (&args.decision.by, &args.decision.note);
    let pointer = on(&history, console, || history.rollback(args.version, by, note))?;
    if console.quiet {
        return Ok(());
    }
    say!("version {} is published, with the files of version {}", pointer.version, args.version)
}

pub(super) fn gc(args: &GcArgs, console: &Console) -> Result<()> {
    let history = History::open(&args.history)?;
    let freed = on(&history, console, || history.gc(args.keep, &args.baseline, args.dry_run))?;
    if args.json {
        return print(&freed);
    }
    if freed.versions.is_empty() {
        return say!("nothing to remove");
    }
    let versions: Vec<String> = freed.versions.iter().map(u64::to_string).collect();
    let what = if args.dry_run { "would be removed" } else { "removed" };
    let size = bytes(freed.bytes);
    say!("{what}: {} files of {size} in versions {}", thousands(freed.files), versions.join(", "))
}

pub(super) fn verify(args: &VersionArgs, console: &Console) -> Result<()> {
    let history = History::open(&args.history)?;
    let report = history.verify(args.version, Watch::new(console.observer.as_ref(), &console.stop))?;
    if args.json {
        print(&report)?;
        return report.verdict();
    }
    for finding in &report.findings {
        say!("{}: {}", shown(&finding.file), shown(&finding.text))?;
    }
    if !console.quiet {
        for version in &report.under_way {
            say!("version {version}: a run is making it")?;
        }
        for version in &report.unfinished {
            say!("version {version}: its run ended and left it unfinished; the next run removes its files")?;
        }
        let (files, size) = (thousands(report.files), bytes(report.bytes));
        say!("{} versions, {files} files, {size}, {} lines of the log", report.versions, report.lines)?;
    }
    report.verdict()
}
