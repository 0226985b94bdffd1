//! The files of a version.

use std::path::Path;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::base::BaseVersion;
use super::card;
use super::context::{BASELINE, COUNTS, DRIFT, IDENTITY, NAMES, REPORT, RUN_RECORD, text_of};
use super::definition::DEFINITION;
use super::matching::MatchedMonth;
use super::movers::Movers;
use super::opened::MonthlyJob;
use super::report::RunReport;
use super::source_key::RunKey;
use super::stage::StagedMonth;
use super::tenure;
use crate::error::{Error, Result};
use crate::job::success;
use crate::output::{FileLayout, IdentifiedLabels, MANIFEST, Publication, identified};
use crate::text::timestamp;

/// What a manifest says that differs between machines and moments.
const OF_THE_RUN: [&str; 6] = ["tool", "time", "operator", "device", "stages", "plan"];

/// Writes all files of a version to `folder`.
pub(super) fn write(
    job: &MonthlyJob<'_>,
    staged: &StagedMonth,
    (matched, report): (&MatchedMonth, &RunReport),
    base: Option<&BaseVersion>,
    (folder, started, key): (&Path, SystemTime, &RunKey),
) -> Result<()> {
    let publication = Publication::new(folder, "run", &[])?;
    let id = job.opened.id.as_deref().and_then(|name| staged.labels.position(name));
    let tables = || {
        labels(job, staged, matched, id, &publication)?;
        match (id, base) {
            (Some(id), _) => tenure::write(job, (&staged.labels, id), matched, base, &publication),
            (None, Some(base)) => tenure::keep(base, &publication),
            (None, None) => Ok(()),
        }
    };
    let movers = || match id.zip(base) {
        Some((id, base)) => Movers { job, staged, matched, base }.write(id, &publication),
        None => Ok(()),
    };
    let (tables, movers) = rayon::join(tables, movers);
    tables.and(movers)?;
    texts(job, staged, (matched, report), base, &publication)?;
    let manifest = text_of(&staged.output.join(MANIFEST))?;
    card::write(job, staged, report, &manifest, &publication)?;
    let (mut manifest, mut run) = divided(&manifest, &publication)?;
    manifest[DEFINITION] = json!(job.opened.definition);
    run.extend(of_this_run(job, staged, started));
    run.insert("key_blake3".into(), key.hex().into());
    publication.text(MANIFEST, &indented(&manifest)?)?;
    publication.text(RUN_RECORD, &indented(&run)?)?;
    publication.commit()
}

/// The model, and what was found.
fn texts(
    job: &MonthlyJob<'_>,
    staged: &StagedMonth,
    (matched, report): (&MatchedMonth, &RunReport),
    base: Option<&BaseVersion>,
    publication: &Publication,
) -> Result<()> {
    let model = match base.filter(|_| staged.same_model) {
        Some(base) => base.folder.join("model.json"),
        None => staged.output.join("model.json"),
    };
    publication.text("model.json", &text_of(&model)?)?;
    for name in ["profile.json", "audit.json"] {
        let path = staged.output.join(name);
        if path.is_file() {
            publication.text(name, &text_of(&path)?)?;
        }
    }
    publication.text(IDENTITY, &matched.identities.to_json()?)?;
    publication.text(NAMES, &names(job, matched))?;
    publication.text(REPORT, &indented(report)?)?;
    if let Some(counts) = staged.counts.as_ref().filter(|_| staged.same_model) {
        publication.text(COUNTS, &indented(counts)?)?;
    }
    if let Some(drift) = &report.drift {
        publication.text(DRIFT, &indented(drift)?)?;
    }
    if let Some(baseline) = &report.baseline {
        publication.text(BASELINE, &indented(baseline)?)?;
    }
    Ok(())
}

/// The job file, the run that was continued, and the times.
fn of_this_run(job: &MonthlyJob<'_>, staged: &StagedMonth, started: SystemTime) -> Map<String, Value> {
    let path = std::path::absolute(job.text.0).unwrap_or_else(|_| job.text.0.to_path_buf());
    let mut run = Map::new();
    run.insert("job".into(), json!({ "path": path.display().to_string(), "text": job.text.1 }));
    if let Some(resumed) = &staged.resumed {
        run.insert("resumed".into(), json!(resumed));
    }
    run.insert("started".into(), timestamp(started).into());
    run.insert("ended".into(), timestamp(SystemTime::now()).into());
    run
}

/// The labels, with the identities of their segments.
fn labels(
    job: &MonthlyJob<'_>,
    staged: &StagedMonth,
    matched: &MatchedMonth,
    id: Option<usize>,
    publication: &Publication,
) -> Result<()> {
    let output = &job.opened.fit.output;
    let of_row = |row: u64| matched.now.get(row).segment();
    let labels = IdentifiedLabels {
        source: &staged.labels,
        id,
        identities: matched.identities.ids(),
        belongs: matched.held.is_some().then_some(&of_row as &dyn Fn(u64) -> Option<u32>),
        layout: FileLayout { rows_per_file: output.rows_per_file, by_segment: output.partition_by.is_some() },
    };
    let unsealed = identified(labels, publication, job.watch())?;
    let facts = ["hyades.run", "hyades.model_blake3", "hyades.labels_blake3", "hyades.segment_names"];
    let known = facts.into_iter().filter_map(|name| Some((name, staged.labels.fact(name)?.to_owned())));
    unsealed.seal(&known.collect::<Vec<_>>())?;
    success(output, publication)
}

/// The names of the segments: those that the job or its history has for their ids.
fn names(job: &MonthlyJob<'_>, matched: &MatchedMonth) -> String {
    let ids = matched.identities.segments.iter().map(|identity| identity.segment_id).collect();
    job.opened.names.to_toml(&ids)
}

/// A manifest without what differs between machines and moments, and that.
fn divided(manifest: &str, publication: &Publication) -> Result<(Value, Map<String, Value>)> {
    let fail = |e: serde_json::Error| Error::Internal(format!("the manifest of the run: {e}"));
    let mut manifest: Value = serde_json::from_str(manifest).map_err(fail)?;
    let mut run = Map::new();
    run.insert("format".into(), json!(1));
    if let Some(all) = manifest.as_object_mut() {
        for name in OF_THE_RUN {
            run.extend(all.remove_entry(name));
        }
        let own = ["device", "resources"];
        let request = all.get_mut("request").and_then(Value::as_object_mut);
        let moved = request.map(|request| own.iter().filter_map(|name| request.remove_entry(*name)).collect());
        run.insert("request".into(), Value::Object(moved.unwrap_or_default()));
        if let Some(output) = all.get_mut("request").and_then(|request| request.get_mut("output")) {
            output.as_object_mut().and_then(|output| output.remove("out"));
        }
        let passes = all.get_mut("parts").and_then(Value::as_array_mut).into_iter().flatten().map(|part| {
            let part = part.as_object_mut();
            let taken =
                part.map(|part| ["passes", "device_work"].iter().filter_map(|n| part.remove_entry(*n)).collect());
            Value::Object(taken.unwrap_or_default())
        });
        let passes: Vec<Value> = passes.collect();
        run.insert("parts".into(), Value::Array(passes));
        if let Some(warnings) = all.get_mut("outcome").and_then(|outcome| outcome.as_object_mut()?.remove("warnings")) {
            run.insert("warnings".into(), warnings);
        }
        if let Some(fetched) = all.get_mut("inputs").and_then(|inputs| inputs.as_object_mut()?.remove("fetched")) {
            run.insert("fetched".into(), fetched);
        }
        let mut files = publication.names();
        files.push(RUN_RECORD.to_owned());
        files.sort();
        all.insert("files".into(), json!(files));
    }
    Ok((manifest, run))
}

fn indented(value: &impl serde::Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(text + "\n")
}
