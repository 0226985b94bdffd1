//! Fit: from Parquet to labelled Parquet, a model and a manifest.

use std::fs::File;
use std::path::PathBuf;

use super::centroids::vet_centroids;
use super::device::{BackendRequest, Chosen, Size};
use super::manifest::Manifest;
use super::part::{Part, Parts};
use super::plan::{Extras, Plan};
use super::recorder::{PassRecord, Recorder, StageTime};
use super::{Resources, audit, ids, inputs};
use crate::audit::AuditReport;
use crate::backend::{DeviceWork, MAX_K};
use crate::cluster::Limits;
use crate::error::{Error, Result};
use crate::event::{Observer, Stage, Watch};
use crate::input::{Access, IdStream, Pseudonym, Source};
use crate::model::Model;
use crate::output::{LabelSummary, Output, Publication, SegmentTable};
use crate::prepare::{Design, Recipe};
use crate::roles::{RoleRequest, Roles};
use crate::text::KeySource;

/// The files that a fit publishes, in this order.
pub(super) const OUTPUTS: [&str; 3] = ["segments.parquet", "model.json", "manifest.json"];

/// Where centroids start, as a user says it.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum InitRequest {
    /// Greedy k-means++ on the sample.
    #[default]
    PlusPlus,
    /// Rows of the sample at random.
    Random,
    /// A model, or a Parquet file with one row a centroid and the features' names and units.
    File(PathBuf),
}

/// What to fit, and how.
#[derive(Debug, Clone)]
pub struct FitRequest {
    /// Files, folders and patterns.
    pub inputs: Vec<PathBuf>,
    /// Tables, each a file, a folder or a pattern, whose columns are joined by the id.
    pub joins: Vec<PathBuf>,
    /// How inputs and joined tables are opened.
    pub access: Access,
    /// Columns.
    pub roles: RoleRequest,
    /// Preparation.
    pub recipe: Recipe,
    /// Segments.
    pub k: usize,
    /// Starts; by default [`default_n_init`].
    pub n_init: Option<u32>,
    /// Where centroids start.
    pub init: InitRequest,
    /// When to stop.
    pub limits: Limits,
    /// Decides everything that is drawn.
    pub seed: u64,
    /// Device.
    pub backend: BackendRequest,
    /// Threads, memory, scratch.
    pub resources: Resources,
    /// The folder to publish in; None: nothing is written.
    pub out: Option<PathBuf>,
    /// Whether to write the gap to the second-nearest centroid.
    pub margin: bool,
    /// Whether null and duplicate ids may pass.
    pub keep_duplicate_ids: bool,
    /// The key to replace ids by pseudonyms in the output.
    pub pseudonymise: Option<KeySource>,
    /// Whether to tell how protected attributes are spread over the segments.
    pub audit: bool,
}

/// A finished fit.
#[derive(Debug)]
pub struct FitOutcome {
    /// The plan that was followed.
    pub plan: Plan,
    /// The columns' roles.
    pub roles: Roles,
    /// The model.
    pub model: Model,
    /// Counts, mean distances and the hash of the labels.
    pub labels: LabelSummary,
    /// How protected attributes are spread, if that was asked for.
    pub audit: Option<AuditReport>,
    /// Seconds by stage.
    pub stages: Vec<StageTime>,
    /// The full passes.
    pub passes: Vec<PassRecord>,
    /// What the kernels of a device did; None without one.
    pub device_work: Option<DeviceWork>,
}

/// What is known before any value is read.
pub(super) struct Opened {
    pub(super) source: Source,
    pub(super) roles: Roles,
    pub(super) design: Design,
    pub(super) chosen: Chosen,
    pub(super) plan: Plan,
}

/// Reads footers, finds columns, chooses the device and plans.
fn open(request: &FitRequest, watch: Watch<'_>) -> Result<Opened> {
    let source = inputs::open(&request.inputs, &request.joins, &request.access, request.roles.id.as_deref(), watch)?;
    let roles = roles(request, &source)?;
    settle(request, source, roles, request.k, 0, watch)
}

/// The columns' roles; a recipe may make numbers of columns that are none.
pub(super) fn roles(request: &FitRequest, source: &Source) -> Result<Roles> {
    let names = source.columns().iter().map(|c| c.name.as_str());
    RoleRequest { encoded: request.recipe.encoded(names), ..request.roles.clone() }.resolve(source)
}

/// The same for a source and roles that are known, up to `k` segments, and bytes that rules hold.
pub(super) fn settle(
    request: &FitRequest,
    source: Source,
    roles: Roles,
    k: usize,
    rules: u64,
    watch: Watch<'_>,
) -> Result<Opened> {
    let design = Design::new(&source, &roles, &request.recipe)?;
    if request.audit {
        audit::vet(&source, &roles)?;
    }
    if source.rows() == 0 {
        return Err(Error::input("the input has no rows".into()));
    }
    if let Some(k) = [request.k, k].into_iter().find(|k| *k == 0 || *k > MAX_K) {
        let text = format!("k = {k}: between 1 and {MAX_K} segments are possible");
        return Err(Error::usage(text).of_option("--k"));
    }
    if k as u64 > source.rows() {
        return Err(Error::input(format!("k = {k}, but there are only {} rows", source.rows())));
    }
    request.limits.check()?;
    if request.n_init == Some(0) {
        return Err(Error::usage("n-init is 0: at least one start is needed".into()));
    }
    if let InitRequest::File(path) = &request.init {
        vet_centroids(path, &request.access, k)?;
    }
    if let Some(id) = roles.id.filter(|_| roles.id_guessed) {
        watch.note(format!("id column: {} (by its name; --id to choose another)", source.columns()[id].name));
    }
    if !roles.left_out.is_empty() {
        let list: Vec<String> = roles.left_out.iter().map(|(name, why)| format!("{name} ({why})")).collect();
        watch.note(format!("not features: {}", list.join("; ")));
    }
    let chosen =
        request.backend.choose(Size { rows: source.rows(), dim: design.width(), k }, request.resources.budget())?;
    audit::warn_of_features(&source, &roles, watch);
    let beside = Extras { rules, audited: audit::columns(request.audit, &roles), fetched: source.fetched_ahead() };
    let (resources, out) = (&request.resources, request.out.as_deref());
    let plan = super::plan::make(&source, &roles, &design, k, &chosen, resources, out, beside)?;
    if let Some(out) = out.filter(|_| !request.audit) {
        audit::warn_of_earlier(out, watch);
    }
    Ok(Opened { source, roles, design, chosen, plan })
}

/// Plans a fit without doing it.
///
/// # Errors
/// As a fit before its work: inputs, columns, device, memory.
pub fn plan(request: &FitRequest, watch: Watch<'_>) -> Result<(Plan, Roles, Source)> {
    request.resources.install(|| {
        let opened = open(request, watch)?;
        Ok((opened.plan, opened.roles, opened.source))
    })
}

/// Does it all.
///
/// # Errors
/// Whatever the stages refuse; then nothing is published.
pub fn fit(request: &FitRequest, observer: &dyn Observer, stop: &std::sync::atomic::AtomicBool) -> Result<FitOutcome> {
    let recorder = Recorder::new(observer);
    let watch = Watch::new(&recorder, stop);
    request.resources.install(|| run(request, &recorder, watch))
}

fn run(request: &FitRequest, recorder: &Recorder<'_>, watch: Watch<'_>) -> Result<FitOutcome> {
    let outputs = audit::outputs(&OUTPUTS, request.audit);
    let mut publication = request
        .out
        .as_ref()
        .map(|out| Publication::new(out, &outputs, &inputs::all(&request.inputs, &request.joins)))
        .transpose()?;
    let Opened { mut source, roles, design, chosen, plan } = open(request, watch)?;
    let size = Size { rows: source.rows(), dim: design.width(), k: request.k };
    plan.summary().into_iter().for_each(|line| watch.note(line));
    let joins =
        inputs::join(&mut source, &inputs::needed(&design, &roles), &request.resources, request.out.as_deref(), watch)?;
    let pseudonym = ids::pseudonym(request.pseudonymise.as_ref(), roles.id)?;
    let pseudonym = pseudonym.as_ref();
    let ids = ids::vet(&source, roles.id, request.keep_duplicate_ids, plan.memory_budget / 4, watch)?;
    let parts = Parts {
        request,
        roles: &roles,
        design: &design,
        placement: plan.placement(&request.resources, request.backend.simd),
        ladder: chosen.ladder(&request.backend, size, request.resources.budget())?,
    };
    let mut open = || {
        let (file, path) = table_file(request, publication.as_mut())?;
        let ids = roles.id.map(|id| IdStream::new(&source, id).with_pseudonym(pseudonym));
        Ok(Output::Table(Box::new(SegmentTable::new(file, path, ids, request.margin)?)))
    };
    let Part { model, labels, audit, columns, device_remark, device_work, .. } =
        parts.cluster(&source, request.k, request.audit, &mut open, watch)?;
    if let Some(mut publication) = publication {
        let text = model.to_json()?;
        publication.text(OUTPUTS[1], &text)?;
        let audit_blake3 = audit::publish(audit.as_ref(), &mut publication)?;
        let manifest = Manifest {
            ids,
            pseudonym_key_check: pseudonym.map(Pseudonym::key_check),
            plan: Some(plan.clone()),
            joins,
            device_remark,
            device_work: device_work.clone(),
            passes: recorder.passes(),
            columns,
            left_out: roles.left_out.clone(),
            counts: labels.counts.clone(),
            labels_blake3: labels.labels_blake3.clone(),
            audit_blake3,
            model_blake3: blake3::hash(text.as_bytes()).to_hex().to_string(),
            ..Manifest::of("fit", &source, &parts.ladder, recorder)
        };
        publication.text(OUTPUTS[2], &manifest.to_json()?)?;
        watch.stage(Stage::Write, 0, "files", || publication.commit())?;
    }
    drop(parts);
    let (stages, passes) = (recorder.stages(), recorder.passes());
    Ok(FitOutcome { plan, roles, model, labels, audit, stages, passes, device_work })
}

/// The file of all rows' labels, and what errors call it. Without an output folder it vanishes.
pub(super) fn table_file(request: &FitRequest, publication: Option<&mut Publication>) -> Result<(File, PathBuf)> {
    let file = match publication {
        Some(publication) => publication.file(OUTPUTS[0])?,
        None => tempfile::tempfile().map_err(|e| Error::io("write in", &std::env::temp_dir(), &e))?,
    };
    Ok((file, request.out.as_ref().map_or_else(std::env::temp_dir, |out| out.join(OUTPUTS[0]))))
}
