//! The evidence of a run: what went in, how it was planned, on what it ran, how long it took, what came out.

use serde::Serialize;

use super::plan::Plan;
use super::recorder::{PassRecord, Recorder, StageTime};
use super::recovery::Ladder;
use crate::backend::DeviceWork;
use crate::input::{Fetched, IdFindings, JoinCounts, Source, SourceFile};
use crate::model::InputFile;
use crate::prepare::ColumnCounts;
use crate::rules::RuleCount;

/// `manifest.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Manifest {
    /// `fit` or `assign`.
    pub command: &'static str,
    /// The program.
    pub hyades_version: &'static str,
    /// Operating system and architecture.
    pub platform: String,
    /// The input files, in order.
    pub inputs: Vec<ManifestInput>,
    /// Rows.
    pub rows: u64,
    /// Tables whose columns were joined.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub joins: Vec<JoinCounts>,
    /// What the ids were found to be.
    pub ids: Option<IdFindings>,
    /// Eight digits of the key by which ids were replaced by pseudonyms, if they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pseudonym_key_check: Option<String>,
    /// The plan; of a fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// The backend's name.
    pub backend: String,
    /// The device that did the passes, and what it had to say.
    pub device: String,
    /// Remarks of the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_remark: Option<String>,
    /// What its kernels did, and what travelled to it and back; of a fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_work: Option<DeviceWork>,
    /// Seconds by stage.
    pub stages: Vec<StageTime>,
    /// The full passes; of a fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passes: Vec<PassRecord>,
    /// What each rule took; its segment is its place in this list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleCount>,
    /// The strata, where there are rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<ManifestStratum>,
    /// Rows without a segment, since the model does not know their stratum; of an `assign` with rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_stratum: Option<u64>,
    /// What came from object stores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched: Option<Fetched>,
    /// Counts by feature; with rules they stand in `strata`.
    pub columns: Vec<ManifestColumn>,
    /// Columns that are no features, and why.
    pub left_out: Vec<(String, String)>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// Rows by segment.
    pub counts: Vec<u64>,
    /// blake3 of the labels as little-endian i32, in row order.
    pub labels_blake3: String,
    /// blake3 of `audit.json`, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_blake3: Option<String>,
    /// blake3 of the model file.
    pub model_blake3: String,
}

/// One input file.
#[derive(Debug, Clone, Serialize)]
pub struct ManifestInput {
    /// Its path as it was found.
    pub path: String,
    /// The folder of the Delta table that it belongs to, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The version of the table that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_version: Option<u64>,
    /// Size and footer.
    #[serde(flatten)]
    pub file: InputFile,
    /// Whether it, or a column of it, is encrypted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub encrypted: bool,
}

/// One stratum.
#[derive(Debug, Clone, Serialize)]
pub struct ManifestStratum {
    /// Its name.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Segments.
    pub k: usize,
    /// The number of its first segment.
    pub first_segment: usize,
    /// The full passes; of a fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passes: Vec<PassRecord>,
    /// What the kernels of a device did; of a fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_work: Option<DeviceWork>,
    /// Counts by feature.
    pub columns: Vec<ManifestColumn>,
}

/// Counts of one feature.
#[derive(Debug, Clone, Serialize)]
pub struct ManifestColumn {
    /// Counts.
    #[serde(flatten)]
    pub counts: ColumnCounts,
    /// The transform that was chosen.
    pub transform: &'static str,
}

/// The files of a source, for a model.
pub(super) fn input_files(source: &Source) -> Vec<InputFile> {
    files(source)
        .map(|f| InputFile {
            name: f.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: f.size(),
            footer_blake3: f.footer_hash().to_owned(),
        })
        .collect()
}

/// The files of the input, then those of joined tables.
fn files(source: &Source) -> impl Iterator<Item = &SourceFile> {
    source.files().iter().chain(source.joined_files())
}

/// The files of a source, for a manifest.
fn manifest_inputs(source: &Source) -> Vec<ManifestInput> {
    let input = |(f, file): (&SourceFile, InputFile)| ManifestInput {
        path: f.path.display().to_string(),
        table: f.table().map(|(folder, _)| folder.display().to_string()),
        table_version: f.table().map(|(_, version)| version),
        file,
        encrypted: f.is_encrypted(),
    };
    files(source).zip(input_files(source)).map(input).collect()
}

impl Manifest {
    /// What every job can say at its end; the rest is empty.
    pub(super) fn of(command: &'static str, source: &Source, ladder: &Ladder, recorder: &Recorder<'_>) -> Self {
        Manifest {
            command,
            hyades_version: env!("CARGO_PKG_VERSION"),
            platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
            inputs: manifest_inputs(source),
            rows: source.rows(),
            joins: Vec::new(),
            ids: None,
            pseudonym_key_check: None,
            plan: None,
            backend: ladder.backend().name().into(),
            device: ladder.backend().device(),
            device_remark: None,
            device_work: None,
            stages: recorder.stages(),
            passes: Vec::new(),
            rules: Vec::new(),
            strata: Vec::new(),
            unknown_stratum: None,
            fetched: source.fetched(),
            columns: Vec::new(),
            left_out: Vec::new(),
            warnings: recorder.warnings(),
            counts: Vec::new(),
            labels_blake3: String::new(),
            audit_blake3: None,
            model_blake3: String::new(),
        }
    }

    pub(super) fn to_json(&self) -> crate::Result<String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| crate::Error::Internal(e.to_string()))?;
        Ok(text + "\n")
    }
}
