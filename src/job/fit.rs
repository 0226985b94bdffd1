//! Fit: from Parquet to labelled Parquet, a model and a manifest.

use std::path::PathBuf;

use super::audit;
use super::centroids::{starting_centroids, vet_centroids};
use super::device::{BackendRequest, Chosen, Size};
use super::manifest::{Manifest, ManifestColumn, input_files, manifest_inputs, platform};
use super::plan::Plan;
use super::publish::Publication;
use super::recorder::{PassRecord, Recorder, StageTime};
use super::{Resources, ids};
use crate::audit::{Audit, Report as AuditReport};
use crate::backend::{Backend, Centroids, DeviceWork, MAX_K, Session};
use crate::cluster::{Fit, Init, KMeans, Limits, by_size, default_n_init, open_session};
use crate::data::{
    ColumnCounts, Design, IdStream, KeySource, Prepared, Pseudonym, RecipeSpec, RoleRequest, Roles, Source, prepare,
};
use crate::error::{Error, Result};
use crate::event::{Observer, Stage, Watch};
use crate::label::{LabelSummary, LabelWriter};
use crate::model::{Model, Provenance, original_centers};

/// The files that a fit publishes, in this order.
const OUTPUTS: [&str; 3] = ["segments.parquet", "model.json", "manifest.json"];

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
    /// Columns.
    pub roles: RoleRequest,
    /// Preparation.
    pub recipe: RecipeSpec,
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
struct Opened {
    source: Source,
    roles: Roles,
    design: Design,
    chosen: Chosen,
    plan: Plan,
}

/// Reads footers, finds columns, chooses the device and plans.
fn open(request: &FitRequest, watch: Watch<'_>) -> Result<Opened> {
    let source = watch.stage(Stage::Open, 0, "files", || Source::open(&request.inputs))?;
    let names = source.columns().iter().map(|c| c.name.as_str());
    let roles = RoleRequest { encoded: request.recipe.encoded(names), ..request.roles.clone() }.resolve(&source)?;
    let design = Design::new(&source, &roles, &request.recipe)?;
    if source.rows() == 0 {
        return Err(Error::Input("the input has no rows".into()));
    }
    if request.k == 0 || request.k > MAX_K {
        return Err(Error::Usage(format!("k = {}: between 1 and {MAX_K} segments are possible", request.k)));
    }
    if request.k as u64 > source.rows() {
        return Err(Error::Input(format!("k = {}, but there are only {} rows", request.k, source.rows())));
    }
    request.limits.check()?;
    if request.audit {
        audit::vet(&source, &roles)?;
    }
    if request.n_init == Some(0) {
        return Err(Error::Usage("n-init is 0: at least one start is needed".into()));
    }
    if let InitRequest::File(path) = &request.init {
        vet_centroids(path, request.k)?;
    }
    if let Some(id) = roles.id.filter(|_| roles.id_guessed) {
        watch.note(format!("id column: {} (by its name; --id to choose another)", source.columns()[id].name));
    }
    if !roles.left_out.is_empty() {
        let list: Vec<String> = roles.left_out.iter().map(|(name, why)| format!("{name} ({why})")).collect();
        watch.note(format!("not features: {}", list.join("; ")));
    }
    audit::warn_of_features(&source, &roles, watch);
    let chosen = request
        .backend
        .choose(Size { rows: source.rows(), dim: design.width(), k: request.k }, request.resources.budget())?;
    let audited = audit::columns(request.audit, &roles);
    let (resources, out) = (&request.resources, request.out.as_deref());
    let plan = super::plan::make(&source, &roles, &design, request.k, &chosen, resources, out, audited)?;
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
    let mut publication =
        request.out.as_ref().map(|out| Publication::new(out, &outputs, &request.inputs)).transpose()?;
    let Opened { source, roles, design, chosen, plan } = open(request, watch)?;
    let size = Size { rows: source.rows(), dim: design.width(), k: request.k };
    if let Some(out) = request.out.as_ref().filter(|_| !request.audit) {
        audit::warn_of_earlier(out, watch);
    }
    plan.summary().into_iter().for_each(|line| watch.note(line));
    let pseudonym = ids::pseudonym(request.pseudonymise.as_ref(), roles.id)?;
    let ids = ids::vet(&source, roles.id, request.keep_duplicate_ids, plan.memory_budget / 4, watch)?;
    let placement = plan.placement(&request.resources, request.backend.simd);
    let prepared = prepare(&source, &roles, &design, &request.recipe, &placement, watch)?;
    let init = match &request.init {
        InitRequest::PlusPlus => Init::PlusPlus,
        InitRequest::Random => Init::Random,
        InitRequest::File(path) => Init::Given(starting_centroids(path, &prepared.recipe)?),
    };
    let kmeans = KMeans {
        k: request.k,
        n_init: request.n_init.unwrap_or_else(|| default_n_init(request.k)).max(1),
        init,
        limits: request.limits,
        seed: request.seed,
    };
    let ladder = chosen.ladder(&request.backend, size, request.resources.budget())?;
    let recover = |fault: &Error| ladder.after(fault, watch);
    // The definition starts on the definition; every other backend may start on the CPU, with the same outcome.
    let starter: &dyn Backend = if ladder.backend().name() == "reference" { ladder.backend() } else { ladder.cpu() };
    let (fit, mut session) = kmeans.fit(&prepared.tiles, ladder.backend(), starter, &recover, watch)?;
    let pseudonym = pseudonym.as_ref();
    let labelled = Labelling { request, source: &source, roles: &roles, prepared: &prepared, pseudonym };
    let (centroids, labels, audit) = loop {
        match labelled.run(&fit, session.as_mut(), publication.as_mut(), watch) {
            Err(e @ Error::DeviceLost(_)) => {
                drop(session);
                let other = recover(&e).ok_or(e)?;
                session = open_session(other, &prepared.tiles, request.k, &recover, watch)?;
            }
            outcome => break outcome?,
        }
    };
    let empty = labels.counts.iter().filter(|&&n| n == 0).count();
    if empty > 0 {
        watch.warn(format!("{empty} of {} segments have no rows; a smaller k would do", request.k));
    }
    let model = build_model(request, &source, &roles, &prepared, &kmeans, &fit, &centroids, &labels);
    if let Some(mut publication) = publication {
        let text = model.to_json()?;
        publication.text(OUTPUTS[1], &text)?;
        let audit_blake3 = audit::publish(audit.as_ref(), &mut publication)?;
        let manifest = Manifest {
            command: "fit",
            hyades_version: env!("CARGO_PKG_VERSION"),
            platform: platform(),
            inputs: manifest_inputs(&source),
            rows: source.rows(),
            ids,
            pseudonym_key_check: pseudonym.map(Pseudonym::key_check),
            plan: Some(plan.clone()),
            backend: ladder.backend().name().into(),
            device: ladder.backend().device(),
            device_remark: session.remark(),
            device_work: session.device_work(),
            stages: recorder.stages(),
            passes: recorder.passes(),
            columns: manifest_columns(&prepared),
            left_out: roles.left_out.clone(),
            warnings: recorder.warnings(),
            counts: labels.counts.clone(),
            labels_blake3: labels.labels_blake3.clone(),
            audit_blake3,
            model_blake3: blake3::hash(text.as_bytes()).to_hex().to_string(),
        };
        publication.text(OUTPUTS[2], &manifest.to_json()?)?;
        watch.stage(Stage::Write, 0, "files", || publication.commit())?;
    }
    let device_work = session.device_work();
    let (stages, passes) = (recorder.stages(), recorder.passes());
    Ok(FitOutcome { plan, roles, model, labels, audit, stages, passes, device_work })
}

/// The label pass and what it needs.
struct Labelling<'a> {
    request: &'a FitRequest,
    source: &'a Source,
    roles: &'a Roles,
    prepared: &'a Prepared,
    pseudonym: Option<&'a Pseudonym>,
}

/// Label passes that may be made until the numbering by size holds: rows that tie exactly between two centroids follow
/// the numbering, and could change it.
const NUMBERINGS: usize = 4;

impl Labelling<'_> {
    fn run(
        &self,
        fit: &Fit,
        session: &mut dyn Session,
        mut publication: Option<&mut Publication>,
        watch: Watch<'_>,
    ) -> Result<(Centroids, LabelSummary, Option<AuditReport>)> {
        let mut centroids = fit.centroids.clone();
        watch.stage(Stage::Labels, self.source.rows(), "rows", || {
            for last in (0..NUMBERINGS).map(|i| i + 1 == NUMBERINGS) {
                let (labels, audit) = self.pass(&centroids, session, publication.as_deref_mut(), watch)?;
                let numbered = by_size(&centroids, &labels.counts);
                if last || numbered == centroids {
                    return Ok((centroids, labels, audit));
                }
                centroids = numbered;
            }
            Err(Error::Internal("the numbering loop ended".into()))
        })
    }

    fn pass(
        &self,
        centroids: &Centroids,
        session: &mut dyn Session,
        publication: Option<&mut Publication>,
        watch: Watch<'_>,
    ) -> Result<(LabelSummary, Option<AuditReport>)> {
        let file = match publication {
            Some(publication) => publication.file(OUTPUTS[0])?,
            None => tempfile::tempfile().map_err(|e| Error::io("write in", &std::env::temp_dir(), &e))?,
        };
        let ids = self.roles.id.map(|id| IdStream::new(self.source, id).with_pseudonym(self.pseudonym));
        let (weights, step) = (self.prepared.tiles.weights(), self.prepared.recipe.step());
        let path = self.request.out.as_ref().map_or_else(std::env::temp_dir, |out| out.join(OUTPUTS[0]));
        let mut writer = LabelWriter::new(file, path, ids, weights, centroids.k(), step, self.request.margin)?;
        let mut audit = self.request.audit.then(|| Audit::new(self.source, &self.roles.protected, centroids.k()));
        session.label(centroids, self.request.margin, watch, &mut |labels| {
            audit.as_mut().map_or(Ok(()), |audit| audit.push(&labels.labels))?;
            writer.push(&labels)
        })?;
        let labels = writer.finish()?;
        let audit = audit.map(|audit| audit.finish(&labels.labels_blake3));
        Ok((labels, audit))
    }
}

fn manifest_columns(prepared: &Prepared) -> Vec<ManifestColumn> {
    let column = |c: &crate::data::FittedColumn| ManifestColumn {
        counts: ColumnCounts {
            name: c.name.clone(),
            nulls: c.seen.nulls,
            nan: c.seen.nan,
            infinite: c.seen.infinite,
            sentinels: c.seen.sentinels,
            winsorised: c.seen.winsorised,
            clipped: c.seen.clipped,
            ..ColumnCounts::default()
        },
        transform: c.transform.name(),
    };
    prepared.recipe.columns.iter().map(column).collect()
}

#[allow(clippy::too_many_arguments, reason = "a model gathers what every stage found")]
fn build_model(
    request: &FitRequest,
    source: &Source,
    roles: &Roles,
    prepared: &Prepared,
    kmeans: &KMeans,
    fit: &Fit,
    centroids: &Centroids,
    labels: &LabelSummary,
) -> Model {
    let recipe = &prepared.recipe;
    let column_name = |i: usize| source.columns()[i].name.clone();
    let weight_unit = crate::data::power_of_two(prepared.weight_exponent);
    Model {
        hyades_version: env!("CARGO_PKG_VERSION").into(),
        algorithm: "kmeans".into(),
        n_clusters: centroids.k(),
        n_features_in_: recipe.columns.len(),
        feature_names_in_: recipe.columns.iter().map(|c| c.name.clone()).collect(),
        cluster_centers_: original_centers(centroids, recipe),
        grid_centers_: centroids.iter().map(<[i32]>::to_vec).collect(),
        counts_: labels.counts.clone(),
        mean_distance_: labels.mean_distance.clone(),
        inertia_: labels.inertia as f64 * recipe.step() * recipe.step() / weight_unit,
        grid_inertia_: labels.inertia.to_string(),
        n_iter_: fit.n_iter,
        stop: fit.stop,
        recipe: recipe.clone(),
        provenance: Provenance {
            rows: source.rows(),
            inputs: input_files(source),
            id_column: roles.id.map(column_name),
            weight_column: roles.weight.map(column_name),
            seed: request.seed,
            init: match &kmeans.init {
                Init::PlusPlus => "k-means++".into(),
                Init::Random => "random".into(),
                Init::Given(_) => "given".into(),
            },
            n_init: fit.n_init,
            sample_rows: fit.sample_rows,
            max_iter: request.limits.max_iter,
            tol: request.limits.tol,
        },
    }
}
