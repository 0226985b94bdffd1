//! The record of a run: inputs, plan, device, times and outcome.

use serde::Serialize;

use super::evidence::{ManifestDocument, ManifestOperator, ManifestTime, ManifestTool};
use super::inputs::VettedRows;
use super::labelling::Labelling;
use super::plan::Plan;
use super::recorder::{PassRecord, Recorder, StageTime};
use super::recovery::Ladder;
use super::request::HasPaths;
use super::small_cells::SmallCells;
use crate::backend::DeviceWork;
use crate::choose::Recommendation;
use crate::input::{Fetched, IdFindings, JoinCounts, Pseudonym, ReadContent, Source, SourceFile};
use crate::model::{InputFile, PartModel};
use crate::prepare::ColumnCounts;
use crate::rules::RuleCount;

/// `manifest.json` of a job with the request `R`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Manifest<R> {
    /// `fit` or `assign`.
    pub command: &'static str,
    /// The run: its other files carry the same 32 digits.
    pub run: String,
    /// The files of the output, this one included. Another run may replace them.
    pub files: Vec<String>,
    /// The program.
    pub tool: ManifestTool,
    /// When it ran.
    pub time: ManifestTime,
    /// Who ran it and where, if that is to be recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<ManifestOperator>,
    /// The request. That of a fit has the defaults of its clustering, device and ids filled in. Secrets are named by
    /// where they are.
    pub request: R,
    /// The files that steered the job.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<ManifestDocument>,
    /// What was read.
    pub inputs: ManifestInputs,
    /// The plan; only of a fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// Where it was computed.
    pub device: ManifestDevice,
    /// Seconds by stage.
    pub stages: Vec<StageTime>,
    /// The parts that were clustered, in order.
    pub parts: Vec<ManifestPart>,
    /// What came out.
    pub outcome: ManifestOutcome,
}

/// What a job read.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ManifestInputs {
    /// The files of the input and of joined tables, in order.
    pub files: Vec<ManifestInput>,
    /// Rows of the input.
    pub rows: u64,
    /// Tables whose columns were joined.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub joins: Vec<JoinCounts>,
    /// Null and duplicate ids; None without an id column.
    pub ids: Option<IdFindings>,
    /// Eight digits that identify the key of the pseudonyms, if ids were replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pseudonym_key_check: Option<String>,
    /// What was fetched from object stores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched: Option<Fetched>,
    /// Columns that are not features, and why.
    pub left_out: Vec<(String, String)>,
}

/// Where a job was computed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ManifestDevice {
    /// The backend's name.
    pub backend: String,
    /// The device that ran the last passes.
    pub device: String,
    /// Remarks about the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}

/// The outcome of a job.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct ManifestOutcome {
    /// Rows that each rule took; a rule's segment is its index in this list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleCount>,
    /// Rows without a segment, since the model does not know their stratum.
    pub unknown_stratum: u64,
    /// Why there are as many segments, if that was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<Recommendation>,
    /// Rows by segment.
    pub counts: Vec<u64>,
    /// blake3 of the labels as little-endian i32 in row order, -1 for rows without a segment.
    pub labels_blake3: String,
    /// blake3 of `audit.json`, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_blake3: Option<String>,
    /// blake3 of `profile.json`, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_blake3: Option<String>,
    /// blake3 of `drift.json`, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift_blake3: Option<String>,
    /// blake3 of the model file.
    pub model_blake3: String,
    /// Segments of few customers, and what is kept of them.
    pub small_cells: SmallCells,
    /// Warnings.
    pub warnings: Vec<String>,
}

/// The files next to the manifest.
#[derive(Debug, Clone)]
pub(super) struct RunFiles {
    pub(super) run: String,
    pub(super) files: Vec<String>,
    pub(super) model_blake3: String,
    pub(super) audit_blake3: Option<String>,
    pub(super) profile_blake3: Option<String>,
    pub(super) drift_blake3: Option<String>,
}

/// One input file.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ManifestInput {
    /// Its path, as found.
    pub path: String,
    /// The folder of the Delta table that it belongs to, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The version of the table that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_version: Option<u64>,
    /// Size and footer.
    #[serde(flatten)]
    pub file: InputFile,
    /// What was read of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<ReadContent>,
    /// Whether it, or a column of it, is encrypted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub encrypted: bool,
}

/// One part.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ManifestPart {
    /// Its name.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Segments.
    pub k: usize,
    /// The number of its first segment.
    pub first_segment: usize,
    /// The full passes; only of a fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passes: Vec<PassRecord>,
    /// What the kernels of a device did; only of a fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_work: Option<DeviceWork>,
    /// Counts by feature.
    pub columns: Vec<ManifestColumn>,
}

impl ManifestPart {
    /// Of an `assign`.
    pub(super) fn assigned(part: &PartModel, rows: u64, columns: Vec<ManifestColumn>) -> Self {
        ManifestPart {
            name: part.name.clone(),
            rows,
            k: part.fitted.segments(),
            first_segment: part.first_segment,
            passes: Vec::new(),
            device_work: None,
            columns,
        }
    }
}

/// Counts of one feature.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ManifestColumn {
    /// Counts.
    #[serde(flatten)]
    pub counts: ColumnCounts,
    /// The chosen transform.
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
        content: f.content(),
        encrypted: f.is_encrypted(),
    };
    files(source).zip(input_files(source)).map(input).collect()
}

impl<R: Serialize + HasPaths> Manifest<R> {
    /// The fields that every job fills in at its end; the others are empty. `remark` is about the device.
    pub(super) fn of(
        command: &'static str,
        request: R,
        source: &Source,
        (ladder, remark): (&Ladder, Option<String>),
        recorder: &Recorder<'_>,
    ) -> Self {
        Manifest {
            command,
            run: String::new(),
            files: Vec::new(),
            tool: ManifestTool::this(),
            time: ManifestTime::since(recorder.started()),
            operator: None,
            request: request.readable(),
            documents: Vec::new(),
            inputs: ManifestInputs {
                files: manifest_inputs(source),
                rows: source.rows(),
                joins: Vec::new(),
                ids: None,
                pseudonym_key_check: None,
                fetched: source.fetched(),
                left_out: Vec::new(),
            },
            plan: None,
            device: ManifestDevice {
                backend: ladder.backend().name().into(),
                device: ladder.backend().device(),
                remark,
            },
            stages: recorder.stages(),
            parts: Vec::new(),
            outcome: ManifestOutcome { warnings: recorder.warnings(), ..ManifestOutcome::default() },
        }
    }

    /// The same, with the outcome of labelling.
    pub(super) fn with_labels(mut self, labels: &Labelling, published: RunFiles) -> Self {
        (self.run, self.files) = (published.run, published.files);
        self.outcome = ManifestOutcome {
            rules: labels.rules.clone(),
            unknown_stratum: labels.unknown,
            counts: labels.counts(),
            labels_blake3: labels.labels_blake3.clone(),
            audit_blake3: published.audit_blake3,
            profile_blake3: published.profile_blake3,
            drift_blake3: published.drift_blake3,
            model_blake3: published.model_blake3,
            ..self.outcome
        };
        self
    }

    /// The same, with the files that steered the job, its segments of few customers, and, if it is to be recorded, who
    /// ran it.
    pub(super) fn with_evidence(
        mut self,
        documents: Vec<ManifestDocument>,
        small_cells: SmallCells,
        record_user: bool,
    ) -> Self {
        self.documents = documents;
        self.outcome.small_cells = small_cells;
        self.operator = record_user.then(ManifestOperator::this);
        self
    }

    /// The same, with why there are as many segments.
    pub(super) fn with_choice(mut self, choice: Option<Recommendation>) -> Self {
        self.outcome.choice = choice;
        self
    }

    /// The same, with the joins and ids that were checked before clustering.
    pub(super) fn with_rows(mut self, rows: &VettedRows, left_out: &[(String, String)]) -> Self {
        self.inputs.joins = rows.joins.clone();
        self.inputs.ids = rows.ids;
        self.inputs.pseudonym_key_check = rows.pseudonym.as_ref().map(Pseudonym::key_check);
        self.inputs.left_out = left_out.to_vec();
        self
    }

    pub(super) fn to_json(&self) -> crate::Result<String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| crate::Error::Internal(e.to_string()))?;
        Ok(text + "\n")
    }
}
