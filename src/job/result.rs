//! The result of a job for programs: what `--json` writes, and the last event of a log.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::evidence::ManifestTime;
use super::labelling::Labelling;
use super::manifest::RunFiles;
use super::recorder::{Recorder, StageTime};
use super::small_cells::is_small;
use crate::error::{Error, Result};
use crate::output::{NewFiles, lies_in};

/// The result of a fit or an assignment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobResult {
    /// `fit` or `assign`.
    pub command: &'static str,
    /// The version of the program.
    pub hyades_version: &'static str,
    /// When it began: RFC 3339 in UTC.
    pub started: String,
    /// When it ended.
    pub ended: String,
    /// The folder of the output; None if nothing was written.
    pub out: Option<String>,
    /// The run, which all its files carry; None if nothing was written.
    pub run: Option<String>,
    /// The files in it, relative to the folder.
    pub files: Vec<String>,
    /// Rows of the input.
    pub rows: u64,
    /// Every segment, by number.
    pub segments: Vec<SegmentResult>,
    /// Rows without a segment, because the model does not know their stratum.
    pub unknown_stratum: u64,
    /// blake3 of the labels as little-endian i32 in row order, -1 for rows without a segment.
    pub labels_blake3: String,
    /// blake3 of the model's file; None if none was written.
    pub model_blake3: Option<String>,
    /// blake3 of `audit.json`, if there is one.
    pub audit_blake3: Option<String>,
    /// blake3 of `profile.json`, if there is one.
    pub profile_blake3: Option<String>,
    /// blake3 of `drift.json`, if there is one.
    pub drift_blake3: Option<String>,
    /// Seconds by stage.
    pub stages: Vec<StageTime>,
    /// Warnings.
    pub warnings: Vec<String>,
}

/// One segment of a result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentResult {
    /// Its number.
    pub segment: usize,
    /// Its name; None in a bank without rules.
    pub name: Option<String>,
    /// Customers.
    pub customers: u64,
    /// Their share of all rows.
    pub share: f64,
    /// Mean distance to the centroid in scaled units; None for the segment of a rule, and for few customers
    /// (`--small-cells`).
    pub mean_distance: Option<f64>,
}

/// What a job published.
pub(super) struct PublishedRun<'a> {
    pub(super) out: Option<&'a Path>,
    pub(super) files: Option<&'a RunFiles>,
}

impl JobResult {
    /// The result as indented JSON.
    ///
    /// # Errors
    /// None expected: the result is plain data.
    pub fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::Internal(e.to_string()))?;
        Ok(text + "\n")
    }

    /// Of a job that ends now.
    pub(super) fn new(
        command: &'static str,
        labels: &Labelling,
        published: &PublishedRun<'_>,
        small_cells: u64,
        recorder: &Recorder<'_>,
    ) -> Self {
        let ManifestTime { started, ended } = ManifestTime::since(recorder.started());
        let files = published.files;
        JobResult {
            command,
            hyades_version: env!("CARGO_PKG_VERSION"),
            started,
            ended,
            out: published.out.map(|out| out.display().to_string()),
            run: files.map(|files| files.run.clone()),
            files: files.map_or_else(Vec::new, |files| files.files.clone()),
            rows: labels.rows,
            segments: segments(labels, small_cells),
            unknown_stratum: labels.unknown,
            labels_blake3: labels.labels_blake3.clone(),
            model_blake3: files.map(|files| files.model_blake3.clone()),
            audit_blake3: files.and_then(|files| files.audit_blake3.clone()),
            profile_blake3: files.and_then(|files| files.profile_blake3.clone()),
            drift_blake3: files.and_then(|files| files.drift_blake3.clone()),
            stages: recorder.stages(),
            warnings: recorder.warnings(),
        }
    }
}

/// The file of a result, if there is one.
pub(super) struct ResultFile(Option<(NewFiles, PathBuf)>);

impl ResultFile {
    /// Checks that it can be written.
    ///
    /// # Errors
    /// It is read by the run, lies in the folder `out`, which is replaced as a whole, or its folder is not writable.
    pub(super) fn open(path: Option<&Path>, out: Option<&Path>, arguments: &[PathBuf]) -> Result<Self> {
        let file = path.map(|path| {
            if out.is_some_and(|out| lies_in(path, out)) {
                let text = format!(
                    "--json {} lies in the output folder, which is replaced as a whole; name a file beside it",
                    path.display()
                );
                return Err(Error::usage(text).of_file(path).of_option("--json"));
            }
            let mut files = NewFiles::default();
            files.add(path, arguments)?;
            Ok((files, path.to_path_buf()))
        });
        file.transpose().map(ResultFile)
    }

    /// Publishes the result, after the outputs that it tells of.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn publish(self, result: &JobResult) -> Result<()> {
        let Some((mut files, path)) = self.0 else { return Ok(()) };
        files.text(&path, &result.to_json()?)?;
        files.commit()
    }
}

fn segments(labels: &Labelling, small_cells: u64) -> Vec<SegmentResult> {
    let share = |customers: u64| customers as f64 / labels.rows.max(1) as f64;
    let of_rules = labels.rules.iter().enumerate().map(|(segment, rule)| SegmentResult {
        segment,
        name: Some(rule.name.clone()),
        customers: rule.rows,
        share: share(rule.rows),
        mean_distance: None,
    });
    let named = labels.parts.len() > 1 || !labels.rules.is_empty();
    let of_parts = labels.parts.iter().flat_map(|part| {
        let figures = part.labels.counts.iter().zip(&part.labels.mean_distance).enumerate();
        figures.map(move |(j, (&customers, &distance))| SegmentResult {
            segment: part.first_segment + j,
            name: named.then(|| format!("{}/{j}", part.name)),
            customers,
            share: share(customers),
            mean_distance: (!is_small(customers, small_cells)).then_some(distance),
        })
    });
    of_rules.chain(of_parts).collect()
}
