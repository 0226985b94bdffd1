//! The model card of a version, from its other files.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::context::{CARD, CARD_TEXT, text_of};
use super::opened::MonthlyJob;
use super::report::RunReport;
use super::stage::StagedMonth;
use crate::error::{Error, Result};
use crate::evidence::{Card, CardFacts, CardFairness, CardInput, CardMoves, CardSegment};
use crate::identity::{Identity, NameBook, SegmentName};
use crate::job::Approval;
use crate::output::Publication;
use crate::profile::ProfileReport;

/// What a card takes from a manifest.
#[derive(Deserialize)]
struct CardManifest {
    inputs: CardInputs,
    outcome: CardOutcome,
}

#[derive(Deserialize)]
struct CardInputs {
    files: Vec<CardFile>,
    left_out: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct CardFile {
    name: String,
    bytes: u64,
    footer_blake3: String,
    content: Option<CardContent>,
}

#[derive(Deserialize)]
struct CardContent {
    blake3: String,
}

#[derive(Deserialize)]
struct CardOutcome {
    labels_blake3: String,
}

/// Writes the card of a month.
///
/// # Errors
/// Files of the fit that cannot be read, or a publication that cannot be written.
pub(super) fn write(
    job: &MonthlyJob<'_>,
    staged: &StagedMonth,
    report: &RunReport,
    manifest: &str,
    publication: &Publication,
) -> Result<()> {
    let card = card(job, staged, report, manifest)?;
    publication.text(CARD, &card.json)?;
    publication.text(CARD_TEXT, &card.markdown)
}

fn card(job: &MonthlyJob<'_>, staged: &StagedMonth, report: &RunReport, manifest: &str) -> Result<Card> {
    let CardManifest { inputs, outcome } =
        serde_json::from_str(manifest).map_err(|e| Error::Internal(format!("the manifest of the run: {e}")))?;
    let profile: Option<ProfileReport> = stored(&staged.output.join("profile.json"))?;
    let audit: Option<Value> = stored(&staged.output.join("audit.json"))?;
    let input = |file: CardFile| CardInput {
        name: file.name,
        bytes: file.bytes,
        blake3: file.content.map_or(file.footer_blake3, |content| content.blake3),
    };
    let moves = report.migration.as_ref().map(|migration| CardMoves {
        stayed: migration.stayed,
        came: migration.came,
        left: migration.left,
        moved: migration.moved,
        by_behaviour: migration.moved_by_behaviour,
        relabelled: report.relabelled,
    });
    let segment = |segment: &super::SegmentReport| CardSegment {
        id: segment.identity.segment_id,
        name: name(&segment.identity, &job.opened.names),
        customers: segment.customers,
        before: segment.before,
        event: word(&segment.identity.event),
    };
    Card::of(&CardFacts {
        job: job.file.name(),
        owner: job.file.job.owner.as_deref(),
        as_of: &report.as_of,
        based_on: report.based_on,
        how: job.mode.title(),
        held: report.held,
        relabelling: relabelling(report),
        is_fitted: !staged.same_model,
        needs_approval: job.file.job.approval == Some(Approval::Required),
        answers: &job.file.card,
        model: &staged.model,
        inputs: inputs.files.into_iter().map(input).collect(),
        rows: report.customers,
        left_out: inputs.left_out,
        labels_blake3: &outcome.labels_blake3,
        segments: report.segments.iter().map(segment).collect(),
        ended: report.ended.iter().map(ended).collect(),
        moves,
        measures: &report.measures,
        gates: &report.gates,
        profile: profile.as_ref(),
        fairness: audit.as_ref().map_or_else(Vec::new, fairness),
    })
}

/// A file of the fit; None if it made none.
fn stored<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if !path.is_file() {
        return Ok(None);
    }
    serde_json::from_str(&text_of(path)?).map(Some).map_err(|e| Error::Internal(format!("{}: {e}", path.display())))
}

/// What people call a segment, or what defines it.
fn name(identity: &Identity, names: &NameBook) -> Option<String> {
    let given = names.get(identity.segment_id).and_then(|SegmentName { en, zh, .. }| en.clone().or(zh.clone()));
    given.or_else(|| identity.rule.clone()).or_else(|| identity.stratum.clone())
}

/// The word for a value that is written as one.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn ended(ended: &crate::identity::Ended) -> String {
    let into: Vec<String> = ended.into.iter().map(u64::to_string).collect();
    let into = if into.is_empty() { String::new() } else { format!(" into {}", into.join(", ")) };
    format!("Segment {} ended: {}{into}.", ended.segment_id, word(&ended.fate))
}

/// The protected attributes of an audit: of each, the disparity whose interval begins highest.
fn fairness(audit: &Value) -> Vec<CardFairness> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let of = |attribute: &Value| {
        let lower = |disparity: &Value| disparity["interval"][0].as_f64().unwrap_or(0.0);
        let all = list(&attribute["disparities"]);
        let largest = all.iter().reduce(|a, b| if lower(b) > lower(a) { b } else { a });
        let found = |worst: &Value| Some((worst["ratio"].as_f64()?, worst["segment"].as_u64()? as usize));
        Some(CardFairness {
            column: attribute["column"].as_str()?.to_owned(),
            is_feature: attribute["is_feature"].as_bool()?,
            cramers_v: attribute["cramers_v"].as_f64(),
            disparity: largest.and_then(found),
        })
    };
    list(&audit["attributes"]).iter().filter_map(of).collect()
}

/// The limit on relabelled customers, and what it cost in the part where it cost most.
fn relabelling(report: &RunReport) -> Option<(f64, f64)> {
    let budgets = || report.refits.iter().filter_map(|refit| refit.budget.as_ref());
    let cost = budgets().map(|budget| budget.cost).reduce(f64::max)?;
    Some((budgets().next()?.max_relabelled, cost))
}
