//! Fit: from Parquet to labelled Parquet, a model and a manifest.

use std::path::PathBuf;

use super::audit;
use super::base::{Beginning, PartRefit};
use super::card_rules::LabelledBank;
use super::centroids::Start;
use super::evidence::{self, ManifestDocument};
use super::inputs::VettedRows;
use super::labelling::{Labelling, PartLabels};
use super::manifest::{Manifest, ManifestPart, RunFiles, input_files};
use super::opened::{OpenedFit, open};
use super::outputs::{self, AUDIT, MODEL, PROFILE, RunFacts};
use super::page::{MadeOf, PageFile, trees};
use super::part::{Part, Parts};
use super::plan::Plan;
use super::profile::ProfiledLabels;
use super::recorder::{PassRecord, Recorder, StageTime};
use super::reference::{CountedPart, reference_counts};
use super::request::{CheckedFit, FitRequest, InitRequest, RecipeSource, SegmentCount};
use super::result::{JobResult, PublishedRun, ResultFile};
use super::small_cells::SmallCells;
use super::{choose, ids, inputs, profile, strata};
use crate::audit::AuditReport;
use crate::backend::DeviceWork;
use crate::cluster::Algorithm;
use crate::drift::ReferenceCounts;
use crate::error::Result;
use crate::event::{Observer, Stage, Watch};
use crate::input::Source;
use crate::migration::RowCodes;
use crate::model::{Model, ModelDivision, PartModel, Provenance};
use crate::output::{Destination, LabelSummary, MANIFEST, NewTable, Publication, SegmentNames, UnsealedLabels};
use crate::profile::ProfileReport;
use crate::roles::Roles;
use crate::rules::{Membership, Stratum};
use crate::survey::SegmentLog;

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
    pub labels: Labelling,
    /// How protected attributes are distributed, if requested.
    pub audit: Option<AuditReport>,
    /// What is true of each segment's rows, unless left out.
    pub profile: Option<ProfileReport>,
    /// Seconds by stage.
    pub stages: Vec<StageTime>,
    /// The full passes over each part.
    pub passes: Vec<Vec<PassRecord>>,
    /// What the kernels of a device did for each part; None without a device.
    pub device_work: Vec<Option<DeviceWork>>,
    /// How each part was fitted again; None without an earlier model.
    pub refits: Vec<Option<PartRefit>>,
    /// The result for programs.
    pub result: JobResult,
    /// The segment of each row by the earlier model, where that was found on the way: of undivided banks.
    pub(crate) by_earlier: Option<RowCodes>,
}

/// Plans a fit without running it.
///
/// Reads footers, and columns that are likely ids; writes nothing.
///
/// # Errors
/// The errors of a fit before its work: inputs, columns, device, memory.
///
/// # Examples
/// ```
/// use hyades::event::Watch;
/// use hyades::job::{ClusteringOptions, FitRequest, InputOptions, plan};
///
/// let request = FitRequest {
///     input: InputOptions::of(["data/customers.parquet"]),
///     clustering: ClusteringOptions::of(6),
///     ..FitRequest::default()
/// };
/// let (plan, roles, source) = plan(&request, Watch::none())?;
/// assert_eq!((plan.rows, plan.k), (20_000, 6));
/// assert!(plan.memory_bytes <= plan.memory_budget);
/// assert_eq!(roles.id.map(|id| source.columns()[id].name.as_str()), Some("customer_id"));
/// # Ok::<(), hyades::Error>(())
/// ```
pub fn plan(request: &FitRequest, watch: Watch<'_>) -> Result<(Plan, Roles, Source)> {
    // A choice holds what a fit of the most segments does, and the segments of all rows.
    let mut planned = request.clone();
    if let Some(range) = request.clustering.range() {
        planned.clustering.k = Some(SegmentCount::Number(range.high));
    }
    let row_bytes = request.clustering.range().map_or(0, |_| choose::ROW_BYTES);
    plan_from(&planned, Beginning { row_bytes, ..Beginning::default() }, watch)
}

/// The same, for a fit that begins with an earlier model, or whose input is open.
pub(crate) fn plan_from(
    request: &FitRequest,
    beginning: Beginning<'_>,
    watch: Watch<'_>,
) -> Result<(Plan, Roles, Source)> {
    let checked = request.check()?;
    request.resources.install(|| {
        let opened = open(&checked, beginning, watch)?;
        Ok((opened.plan, opened.roles, opened.source))
    })
}

/// Fits a bank: prepares, clusters and labels every part, and publishes labels, model and manifest in the folder of the
/// request; without a folder, nothing is written.
///
/// # Errors
/// Whatever the stages refuse, or an interruption once `stop` is set; then nothing is published.
///
/// # Examples
/// ```
/// use std::sync::atomic::AtomicBool;
///
/// use hyades::event::Silent;
/// use hyades::job::{ClusteringOptions, FitRequest, InputOptions, fit};
///
/// let request = FitRequest {
///     input: InputOptions::of(["data/customers.parquet"]),
///     clustering: ClusteringOptions::of(6),
///     ..FitRequest::default()
/// };
/// let outcome = fit(&request, &Silent, &AtomicBool::new(false))?;
/// assert_eq!(outcome.labels.rows, 20_000);
/// assert_eq!(outcome.labels.counts().len(), 6);
/// # Ok::<(), hyades::Error>(())
/// ```
pub fn fit(request: &FitRequest, observer: &dyn Observer, stop: &std::sync::atomic::AtomicBool) -> Result<FitOutcome> {
    let (request, choice) = choose::decided(request, Watch::new(observer, stop))?;
    fit_from(&request, Beginning { choice: choice.as_ref(), ..Beginning::default() }, observer, stop)
}

/// The same, for a fit that begins with an earlier model, goes on with what was kept of an earlier attempt, or whose
/// input is open.
pub(crate) fn fit_from(
    request: &FitRequest,
    beginning: Beginning<'_>,
    observer: &dyn Observer,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<FitOutcome> {
    let mut checked = request.check()?;
    checked.choice = beginning.choice.cloned();
    let recorder = Recorder::new(observer);
    let watch = Watch::new(&recorder, stop);
    request.resources.install(|| run(&checked, beginning, &recorder, watch))
}

/// The state before the rows are clustered.
struct Vetted {
    rows: VettedRows,
    membership: Membership,
    /// The segments of every part.
    ks: Vec<usize>,
    /// Where the centroids of every part start.
    starts: Vec<Start>,
}

/// The results.
struct FittedParts {
    parts: Vec<(Part, Vec<PassRecord>)>,
    labels: Labelling,
    table: UnsealedLabels,
    /// The names of the segments, if they have any.
    names: Vec<String>,
    audit: Option<AuditReport>,
    profile: Option<ProfileReport>,
    reference: Option<ReferenceCounts>,
}

fn run(
    checked: &CheckedFit,
    beginning: Beginning<'_>,
    recorder: &Recorder<'_>,
    watch: Watch<'_>,
) -> Result<FitOutcome> {
    let request = &checked.request;
    let documents = documents(request)?;
    let out = request.output.out.as_deref();
    let result_file = ResultFile::open(request.output.json_file(), out, &request.arguments())?;
    let page = PageFile::open(&request.output, &request.arguments())?;
    let publish = |out: &PathBuf| Publication::new(out, "fit", &request.arguments());
    let publication = request.output.out.as_ref().map(publish).transpose()?;
    let mut opened = open(checked, beginning, watch)?;
    opened.plan.summary().into_iter().for_each(|line| watch.note(line));
    watch.facts("plan", &opened.plan);
    let vetted = vet(checked, &mut opened, watch)?;
    let mut found = cluster((checked, beginning), &opened, &vetted, publication.as_ref(), recorder, watch)?;
    opened.source.vet_unchanged()?;
    add_stability(&mut found);
    let model = model(checked, &opened, &vetted, &found);
    let small_cells = SmallCells::of(&found.labels, request.output.small_cells()).kept_by(&model);
    small_cells.warn(&found.labels, watch);
    let mut files = None;
    if let Some(publication) = publication {
        let table = std::mem::take(&mut found.table);
        let steered = (documents, small_cells);
        let written = write(checked, (&opened, &vetted), (&found, &model), table, steered, (&publication, recorder))?;
        files = Some(written);
        watch.stage(Stage::Write, 0, "files", || publication.commit())?;
    }
    page.publish(found.profile.as_ref(), &made_of(checked, &opened, &model))?;
    let FittedParts { mut parts, labels, audit, profile, .. } = found;
    let refits = parts.iter().map(|(part, _)| part.refit.clone()).collect();
    let by_earlier = parts.first_mut().filter(|_| opened.division.is_whole());
    let by_earlier = by_earlier.and_then(|(part, _)| part.by_earlier.take());
    let (device_work, passes) = parts.into_iter().map(|(part, passes)| (part.device_work, passes)).unzip();
    let published = PublishedRun { out: request.output.out.as_deref(), files: files.as_ref() };
    let result = JobResult::new("fit", &labels, &published, request.output.small_cells(), recorder);
    result_file.publish(&result)?;
    watch.facts("result", &result);
    let stages = recorder.stages();
    let OpenedFit { plan, roles, .. } = opened;
    Ok(FitOutcome {
        plan,
        roles,
        model,
        labels,
        audit,
        profile,
        stages,
        passes,
        device_work,
        refits,
        result,
        by_earlier,
    })
}

/// Tells the profile how stable segments are, if that is known.
fn add_stability(found: &mut FittedParts) {
    let Some(profile) = &mut found.profile else { return };
    for ((part, _), labels) in found.parts.iter().zip(&found.labels.parts) {
        let Some(stability) = part.fitted.centroids().and_then(|fitted| fitted.stability_.as_ref()) else { continue };
        for (segment, jaccard) in (labels.first_segment..).zip(&stability.jaccard) {
            let group =
                profile.segments.iter_mut().find(|group| group.segment == Some(segment as u32) && !group.withheld);
            group.into_iter().for_each(|group| group.stability = *jaccard);
        }
    }
}

/// What the page says of how the segments were made.
fn made_of<'a>(checked: &'a CheckedFit, opened: &'a OpenedFit, model: &Model) -> MadeOf<'a> {
    let CheckedFit { request, k, .. } = checked;
    let name = |column: usize| opened.source.columns()[column].name.clone();
    let seed = request.clustering.seed.map(|seed| seed.to_string());
    let algorithm = match request.clustering.algorithm() {
        Algorithm::KMeans => None,
        Algorithm::Gmm => Some("Gaussian mixture".to_owned()),
        Algorithm::Ward => Some("Ward".to_owned()),
    };
    let choices = [
        ("algorithm", "聚类算法", algorithm),
        ("k (segments of a part)", "每部分客群数 k", Some(k.to_string())),
        ("seed", "随机种子", seed),
        ("id", "客户编号字段", opened.roles.id.map(name)),
        ("row weight", "权重字段", opened.roles.weight.map(name)),
        ("rules", "规则文件", request.division.rules.as_ref().map(|path| path.display().to_string())),
    ];
    let choices = choices.into_iter().filter_map(|(en, zh, text)| Some((en, zh, text?))).collect();
    let trees = trees(&model.parts, model.division.is_none());
    MadeOf { source: &opened.source, labels: request.output.out.as_deref(), choices, trees }
}

/// The files that steer a fit, hashed before it begins.
fn documents(request: &FitRequest) -> Result<Vec<ManifestDocument>> {
    let recipe = match &request.preparation.recipe {
        Some(RecipeSource::File(path)) => Some(path.as_path()),
        _ => None,
    };
    let init = match &request.clustering.init {
        Some(InitRequest::File(path)) if !path.to_string_lossy().contains("://") => Some(path.as_path()),
        _ => None,
    };
    evidence::documents(&[
        ("config", request.config.as_deref()),
        ("recipe", recipe),
        ("rules", request.division.rules.as_deref()),
        ("init", init),
    ])
}

/// Writes the files of the run, the manifest last.
fn write(
    checked: &CheckedFit,
    (opened, vetted): (&OpenedFit, &Vetted),
    (found, model): (&FittedParts, &Model),
    table: UnsealedLabels,
    (documents, small_cells): (Vec<ManifestDocument>, SmallCells),
    (publication, recorder): (&Publication, &Recorder<'_>),
) -> Result<RunFiles> {
    let facts = RunFacts {
        command: "fit",
        model: &model.to_json()?,
        labels: &found.labels,
        inputs: Vec::new(),
        id_column: model.provenance.id_column.as_deref(),
        pseudonym: vetted.rows.pseudonym.as_ref(),
        output: &checked.request.output,
    };
    let run = facts.run()?;
    let text = model.to_json_of(&run)?;
    let model_blake3 = blake3::hash(text.as_bytes()).to_hex().to_string();
    outputs::seal(table, &run, &model_blake3, &found.labels, &found.names)?;
    publication.text(MODEL, &text)?;
    let audit_blake3 = outputs::publish(found.audit.as_ref(), AUDIT, &run, publication)?;
    let profile_blake3 = outputs::publish(found.profile.as_ref(), PROFILE, &run, publication)?;
    outputs::success(&checked.request.output, publication)?;
    let published =
        RunFiles { run, files: publication.names(), model_blake3, audit_blake3, profile_blake3, drift_blake3: None };
    let manifest = manifest(checked, opened, vetted, found, published.clone(), recorder).with_evidence(
        documents,
        small_cells,
        checked.request.output.record_user,
    );
    publication.text(MANIFEST, &manifest.to_json()?)?;
    Ok(published)
}

/// Joins tables, checks the ids, and divides the rows.
fn vet(checked: &CheckedFit, opened: &mut OpenedFit, watch: Watch<'_>) -> Result<Vetted> {
    let CheckedFit { request, k, .. } = checked;
    let OpenedFit { source, roles, beside, design, division, starts, plan, .. } = opened;
    let needed = [inputs::needed(design, roles), division.columns(), beside.carried.clone()].concat();
    let joins = inputs::join(source, &needed, &request.resources, request.output.out.as_deref(), watch)?;
    let pseudonym = ids::pseudonym(request.columns.pseudonymise.as_ref(), roles.id)?;
    let keep = request.columns.keeps_duplicates();
    let ids = ids::vet(source, roles.id, keep, plan.memory_budget / 4, watch)?;
    let membership = division.divide(source, None, watch)?;
    strata::tell(&membership, watch);
    let ks = strata::segments(&membership, division, request.division.rules.as_deref(), *k)?;
    let starts = starts.of_parts(&membership.strata, &ks)?;
    Ok(Vetted { rows: VettedRows { joins, ids, pseudonym }, membership, ks, starts })
}

/// Clusters and labels every part; afterwards the table holds the labels of all.
fn cluster(
    (checked, beginning): (&CheckedFit, Beginning<'_>),
    opened: &OpenedFit,
    vetted: &Vetted,
    publication: Option<&Publication>,
    recorder: &Recorder<'_>,
    watch: Watch<'_>,
) -> Result<FittedParts> {
    let (request, membership) = (&checked.request, &vetted.membership);
    let OpenedFit { source, roles, design, division, ladder, plan, .. } = opened;
    let placement = plan.placement(&request.resources, request.device.simd);
    let all = Parts { checked, roles, design, placement, ladder, is_whole: division.is_whole(), beginning };
    let names = SegmentNames::new(membership, &vetted.ks);
    let named = if division.is_whole() { Vec::new() } else { names.names().to_vec() };
    let firsts: Vec<usize> = (0..vetted.ks.len()).map(|i| names.first(i)).collect();
    let folder = request.resources.scratch_folder(request.output.out.as_deref());
    let (segments, titles) = (names.names().len(), (!division.is_whole()).then(|| named.clone()));
    let mut log = (!request.output.no_profile).then(|| SegmentLog::new(&folder, segments)).transpose()?;
    let mut surveys = audit::Surveys::new(&request.output, source, roles, names.count());
    let mut riders = surveys.riders();
    log.iter_mut().for_each(|log| riders.push(log));
    let id = (roles.id, vetted.rows.pseudonym.as_ref());
    let table: NewTable<'_> = Box::new(move || opened.beside.table(publication, source, id, !division.is_whole()));
    let mut destination =
        Destination::new(membership, names, table, &mut riders, folder).telling_anomaly(request.output.anomaly);
    let mut parts = Vec::new();
    for (i, stratum) in membership.strata.iter().enumerate() {
        let passes_before = recorder.passes().len();
        let (k, start) = (vetted.ks[i], &vetted.starts[i]);
        let view = membership.view(source, i);
        let part = strata::within(division, stratum, watch, |watch| {
            if !division.is_whole() {
                watch.note(format!("{} rows, k = {k}", stratum.rows));
            }
            all.cluster(&view, (stratum, k, start), &mut destination, watch)
        })?;
        parts.push((part, recorder.passes().split_off(passes_before)));
    }
    let summaries: Vec<&LabelSummary> = parts.iter().map(|(part, _)| &part.labels).collect();
    let (labels_blake3, table) = destination.finish(&summaries, watch)?;
    let audit = surveys.report(&request.output, &labels_blake3)?;
    let labels = membership.strata.iter().zip(firsts).zip(&parts).map(|((stratum, first_segment), (part, _))| {
        PartLabels { name: stratum.name.clone(), first_segment, labels: part.labels.clone() }
    });
    let small_cells = request.output.small_cells();
    let profiled = log.as_ref().map(|log| {
        let labels = ProfiledLabels { log, segments, names: titles, labels_blake3: &labels_blake3, small_cells };
        profile::describe(source, profile::shown(source, [design], roles), labels, plan.memory_budget, watch)
    });
    let labels = Labelling::new(membership, labels.collect(), labels_blake3.clone());
    let mut profiled = profiled.transpose()?;
    let counted = |profiled| reference_counts(profiled, &counted(&labels, &parts, roles));
    let reference = profiled.as_mut().map(counted).transpose()?.flatten();
    if let Some((log, profiled)) = log.as_ref().zip(profiled.as_mut()).filter(|_| beginning.shows(&request.output)) {
        let preparations = parts.iter().map(|(part, _)| &part.preparation).collect();
        let bank = LabelledBank { source, division, membership, roles, labels: &labels, preparations, log };
        bank.tell(&mut profiled.report, watch)?;
    }
    Ok(FittedParts { parts, labels, table, names: named, audit, profile: profiled.map(|of| of.report), reference })
}

/// The parts, as they are counted.
fn counted<'a>(labels: &'a Labelling, parts: &'a [(Part, Vec<PassRecord>)], roles: &Roles) -> Vec<CountedPart<'a>> {
    let part = |(labels, (part, _)): (&'a PartLabels, &'a (Part, _))| CountedPart {
        name: &labels.name,
        preparation: &part.preparation,
        labels: &labels.labels,
        columns: &part.columns,
        weighted: roles.weight.is_some(),
    };
    labels.parts.iter().zip(parts).map(part).collect()
}

fn model(checked: &CheckedFit, opened: &OpenedFit, vetted: &Vetted, found: &FittedParts) -> Model {
    let OpenedFit { source, roles, division, .. } = opened;
    let clustering = &checked.request.clustering;
    let column_name = |i: usize| source.columns()[i].name.clone();
    let limits = clustering.limits();
    let is_tree = clustering.algorithm() == Algorithm::Ward;
    let parts = vetted.membership.strata.iter().zip(&found.labels.parts).zip(&found.parts);
    let part = |((stratum, labels), (part, _)): ((&Stratum, &PartLabels), &(Part, _))| PartModel {
        name: stratum.name.clone(),
        value: stratum.value.clone(),
        rows: stratum.rows,
        first_segment: labels.first_segment,
        feature_names_in_: part.preparation.columns.iter().map(|c| c.name.clone()).collect(),
        preparation: part.preparation.clone(),
        fitted: part.fitted.clone(),
    };
    Model {
        hyades_version: env!("CARGO_PKG_VERSION").into(),
        provenance: Provenance {
            rows: source.rows(),
            inputs: input_files(source),
            id_column: roles.id.map(column_name),
            weight_column: roles.weight.map(column_name),
            seed: clustering.seed(),
            init: match clustering.init() {
                _ if is_tree => "none".into(),
                // The name of a file would make the model depend on where it was made.
                InitRequest::File(_) => "given".into(),
                drawn => drawn.to_string(),
            },
            max_iter: if is_tree { 0 } else { limits.max_iter },
            tol: if is_tree { 0.0 } else { limits.tol },
        },
        division: division.book().map(|book| ModelDivision {
            book: book.clone(),
            columns: division.kinds().to_vec(),
            counts: vetted.membership.rules.clone(),
        }),
        parts: parts.map(part).collect(),
        reference: found.reference.clone(),
    }
}

fn manifest(
    checked: &CheckedFit,
    opened: &OpenedFit,
    vetted: &Vetted,
    found: &FittedParts,
    published: RunFiles,
    recorder: &Recorder<'_>,
) -> Manifest<FitRequest> {
    let OpenedFit { source, roles, ladder, plan, .. } = opened;
    let parts = vetted.ks.iter().zip(&found.labels.parts).zip(&found.parts);
    let part = |((&k, labels), (part, passes)): ((&usize, &PartLabels), &(Part, Vec<PassRecord>))| ManifestPart {
        name: labels.name.clone(),
        rows: labels.labels.counts.iter().sum(),
        k,
        first_segment: labels.first_segment,
        passes: passes.clone(),
        device_work: part.device_work.clone(),
        columns: part.columns.clone(),
    };
    let remark = found.parts.iter().rev().find_map(|(part, _)| part.device_remark.clone());
    Manifest {
        plan: Some(plan.clone()),
        parts: parts.map(part).collect(),
        ..Manifest::of("fit", checked.request.clone(), source, (ladder, remark), recorder)
    }
    .with_rows(&vetted.rows, &roles.reasons())
    .with_labels(&found.labels, published)
    .with_choice(checked.choice.clone())
}
