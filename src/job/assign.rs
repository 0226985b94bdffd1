//! Assign: a model on new customers. Rows flow through in batches of row groups, so memory does not grow with the input.

use std::path::PathBuf;

use super::device::{BackendRequest, Size};
use super::manifest::{Manifest, ManifestColumn, manifest_inputs, platform};
use super::publish::Publication;
use super::recorder::{Recorder, StageTime};
use super::{Resources, ids};
use crate::data::{ColumnCounts, IdStream, RoleRequest, RowGroup, Source, replay};
use crate::error::{Error, Result};
use crate::event::{Observer, Stage, Watch};
use crate::label::{LabelSummary, LabelWriter};
use crate::model::Model;

const OUTPUTS: [&str; 2] = ["segments.parquet", "manifest.json"];

/// Rows prepared and labelled at a time; a larger row group is a batch of its own.
const BATCH_ROWS: u64 = 1 << 20;

/// What to label, and how.
#[derive(Debug, Clone)]
pub struct AssignRequest {
    /// The model's file.
    pub model: PathBuf,
    /// Files, folders and patterns.
    pub inputs: Vec<PathBuf>,
    /// The id column; by default the model's, if the input has it.
    pub id: Option<String>,
    /// Device.
    pub backend: BackendRequest,
    /// Threads and memory.
    pub resources: Resources,
    /// The folder to publish in.
    pub out: PathBuf,
    /// Whether to write the gap to the second-nearest centroid.
    pub margin: bool,
    /// Whether null and duplicate ids may pass.
    pub keep_duplicate_ids: bool,
}

/// Finished labels.
#[derive(Debug)]
pub struct AssignOutcome {
    /// The model that was used.
    pub model: Model,
    /// Rows labelled.
    pub rows: u64,
    /// Counts, mean distances and the hash of the labels.
    pub labels: LabelSummary,
    /// Seconds by stage.
    pub stages: Vec<StageTime>,
}

/// Does it all.
///
/// # Errors
/// A model that does not verify; columns of the model that the input lacks, all listed; and whatever a fit refuses.
pub fn assign(
    request: &AssignRequest,
    observer: &dyn Observer,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<AssignOutcome> {
    let recorder = Recorder::new(observer);
    let watch = Watch::new(&recorder, stop);
    request.resources.install(|| run(request, &recorder, watch))
}

fn run(request: &AssignRequest, recorder: &Recorder<'_>, watch: Watch<'_>) -> Result<AssignOutcome> {
    let model = Model::load(&request.model)?;
    let mut publication = Publication::new(&request.out, &OUTPUTS, &request.inputs)?;
    let source = watch.stage(Stage::Open, 0, "files", || Source::open(&request.inputs))?;
    let (id, columns) = match_columns(request, &model, &source)?;
    if source.rows() == 0 {
        return Err(Error::Input("the input has no rows".into()));
    }
    let ids = ids::vet(&source, id, request.keep_duplicate_ids, request.resources.budget() / 4, watch)?;
    let centroids = model.centroids()?;
    let size = Size { rows: source.rows(), dim: columns.len(), k: model.n_clusters };
    let chosen = request.backend.choose(size, request.resources.budget())?;
    let file = publication.file(OUTPUTS[0])?;
    let stream = id.map(|id| IdStream::new(&source, id));
    let mut writer = LabelWriter::new(
        file,
        request.out.join(OUTPUTS[0]),
        stream,
        None,
        centroids.k(),
        model.recipe.step(),
        request.margin,
    )?;
    let mut totals: Vec<ColumnCounts> = Vec::new();
    watch.stage(Stage::Labels, source.rows(), "rows", || {
        for groups in batches(source.row_groups()) {
            let (tiles, counts) =
                replay(&source, &columns, &model.recipe, groups, request.backend.simd, watch.quiet())?;
            add_counts(&mut totals, counts);
            let mut session = chosen.backend.open(&tiles, centroids.k(), watch.quiet())?;
            session.label(&centroids, request.margin, watch, &mut |labels| writer.push(&labels))?;
        }
        Ok(())
    })?;
    let labels = writer.finish()?;
    let transforms = model.recipe.columns.iter().map(|c| c.transform.name());
    let text = std::fs::read(&request.model).map_err(|e| Error::io("read", &request.model, &e))?;
    let manifest = Manifest {
        command: "assign",
        hyades_version: env!("CARGO_PKG_VERSION"),
        platform: platform(),
        inputs: manifest_inputs(&source),
        rows: source.rows(),
        ids,
        plan: None,
        backend: chosen.backend.name().into(),
        device: chosen.backend.device(),
        device_remark: None,
        stages: recorder.stages(),
        passes: Vec::new(),
        columns: totals
            .into_iter()
            .zip(transforms)
            .map(|(counts, transform)| ManifestColumn { counts, transform })
            .collect(),
        left_out: Vec::new(),
        warnings: recorder.warnings(),
        counts: labels.counts.clone(),
        labels_blake3: labels.labels_blake3.clone(),
        model_blake3: blake3::hash(&text).to_hex().to_string(),
    };
    publication.text(OUTPUTS[1], &manifest.to_json()?)?;
    watch.stage(Stage::Write, 0, "files", || publication.commit())?;
    Ok(AssignOutcome { model, rows: source.rows(), labels, stages: recorder.stages() })
}

/// The id and the model's features in the input, by name.
fn match_columns(request: &AssignRequest, model: &Model, source: &Source) -> Result<(Option<usize>, Vec<usize>)> {
    let missing: Vec<&str> =
        model.feature_names_in_.iter().map(String::as_str).filter(|name| source.position(name).is_none()).collect();
    if !missing.is_empty() {
        return Err(Error::Input(format!(
            "the input lacks columns that the model needs: {}; columns are matched by name, in any order",
            missing.join(", ")
        )));
    }
    let remembered = model.provenance.id_column.clone().filter(|name| source.position(name).is_some());
    let asked = RoleRequest {
        id: request.id.clone().or(remembered),
        features: model.feature_names_in_.clone(),
        ..RoleRequest::default()
    };
    let roles = asked.resolve(source)?;
    Ok((roles.id, roles.features))
}

/// Consecutive row groups of about [`BATCH_ROWS`] rows together.
fn batches(groups: &[RowGroup]) -> impl Iterator<Item = &[RowGroup]> {
    let mut rest = groups;
    std::iter::from_fn(move || {
        let mut rows = 0;
        let fits = |g: &&RowGroup| {
            rows += g.rows;
            rows <= BATCH_ROWS
        };
        let n = rest.iter().take_while(fits).count();
        let (now, later) = rest.split_at(n.max(1).min(rest.len()));
        rest = later;
        (!now.is_empty()).then_some(now)
    })
}

fn add_counts(totals: &mut Vec<ColumnCounts>, counts: Vec<ColumnCounts>) {
    if totals.is_empty() {
        *totals = counts;
        return;
    }
    for (total, new) in totals.iter_mut().zip(counts) {
        total.nulls += new.nulls;
        total.nan += new.nan;
        total.infinite += new.infinite;
        total.clipped += new.clipped;
    }
}
