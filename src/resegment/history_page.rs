//! The page of a history: customers, segments, moves, drift and gates over all versions.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::moves::is_few_of;
use crate::audit::withheld;
use crate::error::{Error, Result};
use crate::gates::{FewCustomers, GateResult, GateSeverity, Measures, gates_in};
use crate::history::{History, VersionRecord, VersionState};
use crate::job::limit_of_small_cells;
use crate::output::publish_text;
use crate::portrait::made;
use crate::report::{Language, Page, Table, lines, name};
use crate::text::{Phrase, percent, thousands};

const DASH: &str = "–";
/// The most segments that have a row.
const MOST_IDS: usize = 200;

/// Writes the page of the history in a folder to `out`, which is replaced if it exists.
///
/// # Errors
/// A folder that is no history, or a file that cannot be written.
pub fn history_page(history: &Path, out: &Path, language: Language) -> Result<()> {
    let history = History::open(history)?;
    if out.starts_with(history.root()) {
        let text = format!("--out {} lies in the history; name a file beside it", out.display());
        return Err(Error::usage(text).of_file(out).of_option("--out"));
    }
    let versions: Vec<ShownVersion> =
        history.versions()?.into_iter().map(|v| ShownVersion::read(&history, v)).collect();
    let mut page = Page::new(language, language.say("History of the segments", "客群版本历史"));
    let published = versions.iter().filter(|v| v.is_published()).count();
    page.paragraph(&match language {
        Language::En => format!(
            "{}, {published} of them published.",
            language.counted(versions.len() as u64, ["version", "versions"], "")
        ),
        Language::Zh => format!("共 {} 个版本，其中已发布 {published} 个。", versions.len()),
    });
    curves(&mut page, &versions);
    sizes(&mut page, &versions);
    page.table(language.say("All versions", "版本一览"), &table(&versions, language));
    let place = (language.say("history", "版本库").to_owned(), history.root().display().to_string());
    made(&mut page, &[place]);
    publish_text(out, &page.finish())
}

/// A version with what its files say.
struct ShownVersion {
    record: VersionRecord,
    /// Customers by id; empty where the files were removed.
    sizes: BTreeMap<u64, u64>,
    /// The largest stability index of a column.
    psi: Option<f64>,
    /// Customers who moved, and those who stayed; None where the files were removed.
    moved: Option<[u64; 2]>,
    /// What its gates refused.
    refusals: Vec<Phrase>,
    /// Figures of fewer customers are withheld.
    small_cells: u64,
}

impl ShownVersion {
    fn read(history: &History, record: VersionRecord) -> Self {
        let folder = history.folder(record.version);
        let json = |file: &str| -> Option<Value> {
            serde_json::from_str(&std::fs::read_to_string(folder.join(file)).ok()?).ok()
        };
        let report = json("report.json").unwrap_or_default();
        let segments = report["segments"].as_array().into_iter().flatten();
        let size = |s: &Value| Some((s["segment_id"].as_u64()?, s["customers"].as_u64()?));
        let sizes: BTreeMap<u64, u64> = segments.filter_map(size).collect();
        let small_cells = json("profile.json").and_then(|profile| profile["small_cells"].as_u64());
        let small_cells = limit_of_small_cells(small_cells);
        let drift = json("drift.json").unwrap_or_default();
        let indices = drift["features"].as_array().into_iter().flatten().filter_map(|f| f["psi"].as_f64());
        let psi = indices.fold(None, |most: Option<f64>, psi| Some(most.map_or(psi, |most| most.max(psi))));
        let gates: Vec<GateResult> = serde_json::from_value(report["gates"].clone()).unwrap_or_default();
        let refuses = |gate: &&GateResult| !gate.passed && gate.severity == GateSeverity::Error;
        let measures: Measures = serde_json::from_value(report["measures"].clone()).unwrap_or_default();
        let few = FewCustomers {
            measures: &measures,
            limit: small_cells,
            sizes_are_withheld: sizes.values().any(|n| (1..small_cells).contains(n)),
        };
        let phrase = |gate: &GateResult| gate.phrase_without_few(&few);
        let mut refusals: Vec<Phrase> = gates.iter().filter(refuses).map(phrase).collect();
        if refusals.is_empty() {
            // Without the files nothing is known but the words of the log, whose figures may be of few.
            refusals = record.why.as_deref().map_or_else(Vec::new, gates_in);
        }
        // Those whose figures are withheld are alike.
        refusals.dedup();
        let migration = &report["migration"];
        let moved = migration["moved"].as_u64().zip(migration["stayed"].as_u64()).map(|(moved, of)| [moved, of]);
        ShownVersion { record, sizes, psi, moved, refusals, small_cells }
    }

    fn is_published(&self) -> bool {
        self.record.published.is_some()
    }

    /// Its state, and why it was refused: in the words of the log where its files were removed.
    fn state(&self, language: Language) -> String {
        let state = word(self.record.state, language);
        let told: Vec<&str> = self.refusals.iter().map(|refusal| language.of(refusal)).collect();
        let why = if told.is_empty() { self.record.why.clone() } else { Some(told.join(language.say("; ", "；"))) };
        match why.filter(|_| self.record.state == VersionState::Refused) {
            Some(why) => format!("{state}{}{}", language.say(": ", "："), name(&why)),
            None => state.to_owned(),
        }
    }

    /// The share of customers who moved, unless it tells of few.
    fn moved(&self) -> Option<f64> {
        let facts = &self.record.facts;
        // A share of those who stayed; without the report, all customers stand for them.
        let of_all = |share: f64| [(share * facts.customers as f64).round() as u64, facts.customers];
        facts.moved.filter(|&share| {
            let [moved, stayed] = self.moved.unwrap_or_else(|| of_all(share));
            !(1..self.small_cells).contains(&stayed) && !is_few_of(moved, stayed, self.small_cells)
        })
    }

    /// The size of a segment by id; where it is small, that of another is withheld, too, since the sum is known.
    fn size(&self, id: u64) -> String {
        let sizes: Vec<u64> = self.sizes.values().copied().collect();
        let hidden = withheld(&sizes, self.small_cells);
        match self.sizes.iter().zip(hidden).find(|((other, _), _)| **other == id) {
            Some(((_, n), false)) => thousands(*n),
            Some(((_, n), true)) if *n < self.small_cells => format!("< {}", self.small_cells),
            _ => DASH.to_owned(),
        }
    }

    fn label(&self) -> String {
        self.record.facts.as_of.clone().unwrap_or_else(|| self.record.version.to_string())
    }
}

/// Customers, moves and drift over the versions that were published.
fn curves(page: &mut Page, versions: &[ShownVersion]) {
    let language = page.language();
    type Figure = fn(&ShownVersion) -> Option<f64>;
    let figures: [(&str, Figure, fn(f64) -> String); 3] = [
        (language.say("Customers", "客户数"), |v| Some(v.record.facts.customers as f64), |n| thousands(n as u64)),
        (language.say("Share who moved", "迁移比例"), ShownVersion::moved, percent),
        (language.say("Largest stability index (PSI)", "最大 PSI"), |v| v.psi, |psi| format!("{psi:.2}")),
    ];
    for (title, figure, text) in figures {
        let points: Vec<(String, Option<f64>, String)> = versions
            .iter()
            .filter(|v| v.is_published())
            .map(|v| (v.label(), figure(v), figure(v).map_or_else(|| DASH.to_owned(), text)))
            .collect();
        if points.iter().filter(|(_, value, _)| value.is_some()).count() >= 2 {
            page.section(title, None);
            page.add(lines(&points, title));
        }
    }
}

/// Customers by id and version.
fn sizes(page: &mut Page, versions: &[ShownVersion]) {
    let language = page.language();
    // As many as fit a page; the latest.
    const MOST_VERSIONS: usize = 13;
    let shown: Vec<&ShownVersion> = versions.iter().filter(|v| v.is_published() && !v.sizes.is_empty()).collect();
    let shown = &shown[shown.len().saturating_sub(MOST_VERSIONS)..];
    let mut largest: BTreeMap<u64, u64> = BTreeMap::new();
    for (id, n) in shown.iter().flat_map(|v| &v.sizes) {
        let size = largest.entry(*id).or_default();
        *size = (*size).max(*n);
    }
    let mut ids: Vec<u64> = largest.keys().copied().collect();
    let all = ids.len();
    // Stable: the oldest of equal ones.
    ids.sort_by_key(|id| std::cmp::Reverse(largest[id]));
    ids.truncate(MOST_IDS);
    ids.sort_unstable();
    let header =
        std::iter::once(language.say("segment id", "客群 ID").to_owned()).chain(shown.iter().map(|v| v.label()));
    let mut table = Table::new(header, 1);
    for id in ids {
        let cell = |v: &&ShownVersion| v.size(id);
        table.row(std::iter::once(id.to_string()).chain(shown.iter().map(cell)).collect::<Vec<_>>());
    }
    page.table(language.say("Sizes by segment id", "各客群规模"), &table);
    if all > MOST_IDS {
        page.explain(&match language {
            Language::En => format!("The {MOST_IDS} largest of {all} segments are shown; report.json has all."),
            Language::Zh => format!("仅展示 {all} 个客群中规模最大的 {MOST_IDS} 个，其余见 report.json。"),
        });
    }
}

fn table(versions: &[ShownVersion], language: Language) -> Table {
    let header = [
        ("version", "版本"),
        ("state", "状态"),
        ("as of", "数据日期"),
        ("customers", "客户数"),
        ("segments", "客群数"),
        ("moved", "迁移"),
        ("gates: passed, warned, refused", "检查：通过/警告/不通过"),
    ];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 3);
    for version in versions.iter().rev() {
        let (record, facts) = (&version.record, &version.record.facts);
        table.row([
            record.version.to_string(),
            version.state(language),
            facts.as_of.clone().unwrap_or_default(),
            thousands(facts.customers),
            thousands(facts.segments),
            version.moved().map_or_else(|| DASH.to_owned(), percent),
            format!("{} / {} / {}", facts.gates.passed, facts.gates.warned, facts.gates.failed),
        ]);
    }
    table
}

/// The state of a version.
fn word(state: VersionState, language: Language) -> &'static str {
    let zh = match state {
        VersionState::Unfinished => "进行中",
        VersionState::Candidate => "候选",
        VersionState::Approved => "已批准",
        VersionState::Published => "当前版本",
        VersionState::Refused => "未通过",
        VersionState::Retired => "历史版本",
        VersionState::Abandoned => "已放弃",
    };
    language.say(state.name(), zh)
}
