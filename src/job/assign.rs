//! Assign: applies a model to new customers. Rows are read in batches of row groups, and a row group larger than a
//! batch goes through a scratch file, so memory does not grow with the input.

use std::path::Path;

use arrow::datatypes::DataType;

use super::audit;
use super::base::Beginning;
use super::card_rules::LabelledBank;
use super::device::Size;
use super::drift::{DriftLimit, MeasuredDrift};
use super::fitted_model::FittedModel;
use super::inputs::VettedRows;
use super::labelling::{Labelling, PartLabels};
use super::manifest::{Manifest, ManifestColumn, ManifestPart, RunFiles, input_files};
use super::missing::MissingValues;
use super::outputs::{self, AUDIT, DRIFT, OutputColumns, PROFILE, RunFacts};
use super::page::{MadeOf, PageFile, trees};
use super::plan::Extras;
use super::profile::ProfiledLabels;
use super::recorder::{Recorder, StageTime};
use super::recovery::Ladder;
use super::reference::{CountedPart, reference_counts};
use super::request::{AssignRequest, no_margin};
use super::result::{JobResult, PublishedRun, ResultFile};
use super::small_cells::SmallCells;
use super::{ids, inputs, plan, profile, strata};
use crate::audit::AuditReport;
use crate::backend::{Centroids, Labels, MixtureLabels, RowPosterior};
use crate::cluster::{Algorithm, LabelRule};
use crate::drift::{DriftReport, ReferenceCounts};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Observer, Stage, Watch};
use crate::input::{RowGroup, Source};
use crate::model::{Model, PartModel};
use crate::output::{
    Destination, Kept, LabelSummary, LabelWriter, MANIFEST, NewTable, Publication, SegmentNames, UnsealedLabels,
};
use crate::prepare::{ColumnCounts, Design, Placement, Preparation, replay};
use crate::profile::{ProfileReport, ProfiledRows};
use crate::roles::{RoleRequest, Roles};
use crate::rules::{Division, Membership};
use crate::survey::SegmentLog;
use crate::tiles::Tiles;

/// Finished labels.
#[derive(Debug)]
pub struct AssignOutcome {
    /// The model that was used.
    pub model: Model,
    /// Counts, mean distances and the hash of the labels.
    pub labels: Labelling,
    /// How protected attributes are distributed, if requested.
    pub audit: Option<AuditReport>,
    /// What is true of each segment's rows, unless left out.
    pub profile: Option<ProfileReport>,
    /// The profile of the fit's rows, where it lies beside the model.
    pub fit_profile: Option<ProfileReport>,
    /// How far the rows are from those of the fit, if both were counted.
    pub drift: Option<DriftReport>,
    /// What was counted of the rows, if they were compared with those of the fit.
    pub counts: Option<ReferenceCounts>,
    /// Seconds by stage.
    pub stages: Vec<StageTime>,
    /// The result for programs.
    pub result: JobResult,
}

/// Labels customers with a model: every row gets its segment from the model's rules and centroids. Labels and manifest
/// are published in the folder of the request.
///
/// # Errors
/// A model that does not verify; columns of the model that are missing from the input, all listed; and whatever a fit
/// refuses. Nothing is published then.
///
/// # Examples
/// ```no_run
/// use std::sync::atomic::AtomicBool;
///
/// use hyades::event::Silent;
/// use hyades::job::{AssignRequest, InputOptions, OutputOptions, assign};
///
/// let request = AssignRequest {
///     model: "october/model.json".into(),
///     input: InputOptions::of(["november.parquet"]),
///     output: OutputOptions { out: Some("november".into()), ..OutputOptions::default() },
///     ..AssignRequest::default()
/// };
/// let outcome = assign(&request, &Silent, &AtomicBool::new(false))?;
/// println!("{:?}", outcome.labels.counts());
/// # Ok::<(), hyades::Error>(())
/// ```
pub fn assign(
    request: &AssignRequest,
    observer: &dyn Observer,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<AssignOutcome> {
    assign_from(request, Beginning::default(), observer, stop)
}

/// The same, where the input may be open, and a page may be written afterwards.
pub(crate) fn assign_from(
    request: &AssignRequest,
    beginning: Beginning<'_>,
    observer: &dyn Observer,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<AssignOutcome> {
    let recorder = Recorder::new(observer);
    let watch = Watch::new(&recorder, stop);
    request.resources.install(|| run(request, beginning, &recorder, watch))
}

/// The state before the rows are divided.
pub(super) struct OpenedAssign {
    pub(super) model: Model,
    pub(super) source: Source,
    pub(super) roles: Roles,
    beside: OutputColumns,
    pub(super) division: Division,
    pub(super) replayer: Replayer,
}

fn run(
    request: &AssignRequest,
    beginning: Beginning<'_>,
    recorder: &Recorder<'_>,
    watch: Watch<'_>,
) -> Result<AssignOutcome> {
    let lacking = || Error::usage("the output is missing: name a folder with --out".into()).of_option("--out");
    let out = request.output.out.as_deref().ok_or_else(lacking)?;
    MissingValues::new(request.columns.max_missing)?;
    request.output.check()?;
    let FittedModel { model, file, run: fit_run, blake3: model_blake3 } = FittedModel::read(&request.model)?;
    let limit = DriftLimit::new(request.columns.max_drift, &model, request.output.no_profile)?;
    let fit_profile = fit_run.and_then(|run| profile::of_fit(&file, &run, model.provenance.rows));
    let result_file = ResultFile::open(request.output.json_file(), Some(out), &request.arguments())?;
    let page = PageFile::open(&request.output, &request.arguments())?;
    let publication = Publication::new(out, "assign", &request.arguments())?;
    let mut opened = open(request, beginning.source, model, watch)?;
    let rows = vet(request, &mut opened, watch)?;
    let membership = divide(&opened, watch)?;
    let found = label((request, beginning), &opened, &rows, &membership, &publication, watch)?;
    let LabelledParts { parts, labels, table, names, audit, profile, counts } = found;
    let drift = limit.measure(&opened.model, counts, watch)?;
    let facts = RunFacts {
        command: "assign",
        model: &opened.model.to_json()?,
        labels: &labels,
        inputs: input_files(&opened.source),
        id_column: opened.roles.id.map(|id| opened.source.columns()[id].name.as_str()),
        pseudonym: rows.pseudonym.as_ref(),
        output: &request.output,
    };
    let run = facts.run()?;
    outputs::seal(table, &run, &model_blake3, &labels, &names)?;
    let audit_blake3 = outputs::publish(audit.as_ref(), AUDIT, &run, &publication)?;
    let profile_blake3 = outputs::publish(profile.as_ref(), PROFILE, &run, &publication)?;
    let drift_blake3 = outputs::publish(drift.as_ref(), DRIFT, &run, &publication)?;
    outputs::success(&request.output, &publication)?;
    let files = publication.names();
    let published = RunFiles { run, files, model_blake3, audit_blake3, profile_blake3, drift_blake3 };
    let small_cells = SmallCells::of(&labels, request.output.small_cells());
    small_cells.warn(&labels, watch);
    let manifest = Manifest {
        parts,
        ..Manifest::of("assign", request.clone(), &opened.source, (&opened.replayer.ladder, None), recorder)
    }
    .with_rows(&rows, &[])
    .with_labels(&labels, published.clone())
    .with_evidence(Vec::new(), small_cells, request.output.record_user);
    publication.text(MANIFEST, &manifest.to_json()?)?;
    opened.source.vet_unchanged()?;
    watch.stage(Stage::Write, 0, "files", || publication.commit())?;
    page.publish(profile.as_ref(), &made_of(request, &opened.source, &opened.model))?;
    let published = PublishedRun { out: Some(out), files: Some(&published) };
    let result = JobResult::new("assign", &labels, &published, request.output.small_cells(), recorder);
    result_file.publish(&result)?;
    watch.facts("result", &result);
    let (model, stages) = (opened.model, recorder.stages());
    let (drift, counts) = drift.map(|MeasuredDrift { report, counts }| (report, counts)).unzip();
    Ok(AssignOutcome { model, labels, audit, profile, fit_profile, drift, counts, stages, result })
}

/// Fails if margins are wanted of segments that have none.
fn vet_margin(margin: bool, model: &Model) -> Result<()> {
    match model.parts.iter().find(|part| part.fitted.centroids().is_none()).filter(|_| margin) {
        None => Ok(()),
        Some(part) => Err(no_margin(part.fitted.algorithm())),
    }
}

/// What the page says of how the segments were made.
fn made_of<'a>(request: &'a AssignRequest, source: &'a Source, model: &Model) -> MadeOf<'a> {
    let choices = vec![("model", "模型", request.model.display().to_string())];
    let trees = trees(&model.parts, model.division.is_none());
    MadeOf { source, labels: request.output.out.as_deref(), choices, trees }
}

/// Reads footers, finds the columns of the model, and plans batches.
pub(super) fn open(
    request: &AssignRequest,
    source: Option<&Source>,
    model: Model,
    watch: Watch<'_>,
) -> Result<OpenedAssign> {
    let id_column = model.provenance.id_column.as_deref();
    let columns = &request.columns;
    let place = (&request.resources, request.output.out.as_deref());
    let source = match source {
        Some(source) => source.clone(),
        None => inputs::open(&request.input, columns.id.as_deref().or(id_column), place, watch)?,
    };
    let preparations: Vec<&Preparation> = model.parts.iter().map(|part| &part.preparation).collect();
    let source = typed(source, &preparations);
    let division = division(&model, &request.model, &source)?;
    let mut roles = roles(columns.roles()?, &preparations, id_column, &source)?;
    if request.output.no_profile {
        (roles.described, roles.products) = (Vec::new(), Vec::new());
    }
    inputs::tell_id(&source, &roles, watch);
    strata::vet_id(roles.id, &division, &source)?;
    if source.rows() == 0 {
        return Err(Error::input("the input has no rows".into()));
    }
    let used = [roles.features.clone(), inputs::besides(&roles), division.columns()].concat();
    inputs::tell_differences(&source, used.into_iter().chain(roles.id), watch);
    vet_margin(request.output.margin, &model)?;
    let algorithm = model.parts.first().map(|part| part.fitted.algorithm()).unwrap_or_default();
    let beside = OutputColumns::new(&request.output, &columns.include, &source, &roles, watch)?.of_algorithm(algorithm);
    if request.output.audits() {
        audit::vet(&source, &roles)?;
    }
    let dim = preparations.iter().map(|p| p.columns.len()).max().unwrap_or(1);
    let size = Size { rows: source.rows(), dim, k: model.most_compared() };
    let extras = Extras {
        rules: division.bytes(source.rows(), Kept::BYTES),
        kept: 0,
        audited: audit::columns(request.output.audits(), &roles),
        fetched: source.fetched_ahead(),
    };
    let replayer = Replayer::new(request, (algorithm, size), extras, watch)?;
    Ok(OpenedAssign { model, source, roles, beside, division, replayer })
}

/// Applies the division of a model to another input.
///
/// # Errors
/// Columns of the rules that are missing, or have another kind than in the fit; all listed.
pub(super) fn division(model: &Model, path: &Path, source: &Source) -> Result<Division> {
    let Some(division) = &model.division else { return Ok(Division::Whole) };
    Division::again(&division.book, &division.columns, source).map_err(|why| {
        Error::input(format!("the input does not fit the rules of {}:\n  {why}", path.display()))
            .of_kind(ErrorKind::Model)
            .of_file(path)
    })
}

/// Joins tables and checks the ids.
fn vet(request: &AssignRequest, opened: &mut OpenedAssign, watch: Watch<'_>) -> Result<VettedRows> {
    let OpenedAssign { source, roles, beside, division, .. } = opened;
    let needed = [roles.features.clone(), inputs::besides(roles), division.columns(), beside.carried.clone()].concat();
    let joins = inputs::join(source, &needed, &request.resources, request.output.out.as_deref(), watch)?;
    let pseudonym = ids::pseudonym(request.columns.pseudonymise.as_ref(), roles.id)?;
    let keep = request.columns.keeps_duplicates();
    let ids = ids::vet(source, roles.id, keep, request.resources.budget() / 4, watch)?;
    Ok(VettedRows { joins, ids, pseudonym })
}

/// Divides the rows into the parts of the model.
pub(super) fn divide(opened: &OpenedAssign, watch: Watch<'_>) -> Result<Membership> {
    let known: Vec<Option<String>> = opened.model.parts.iter().map(|part| part.value.clone()).collect();
    let membership = opened.division.divide(&opened.source, Some(&known), watch)?;
    strata::tell(&membership, watch);
    Ok(membership)
}

/// The results.
struct LabelledParts {
    parts: Vec<ManifestPart>,
    labels: Labelling,
    table: UnsealedLabels,
    /// The names of the segments, if they have any.
    names: Vec<String>,
    audit: Option<AuditReport>,
    profile: Option<ProfileReport>,
    counts: Option<ReferenceCounts>,
}

/// Labels every part; afterwards the table holds the labels of all.
fn label(
    (request, beginning): (&AssignRequest, Beginning<'_>),
    opened: &OpenedAssign,
    rows: &VettedRows,
    membership: &Membership,
    publication: &Publication,
    watch: Watch<'_>,
) -> Result<LabelledParts> {
    let OpenedAssign { model, source, roles, beside, division, replayer } = opened;
    let ks: Vec<usize> = model.parts.iter().map(|part| part.fitted.segments()).collect();
    let names = SegmentNames::new(membership, &ks);
    let folder = request.resources.scratch_folder(request.output.out.as_deref());
    let (segments, titles) = (names.names().len(), (!division.is_whole()).then(|| names.names().to_vec()));
    let mut log = (!request.output.no_profile).then(|| SegmentLog::new(&folder, segments)).transpose()?;
    let mut surveys = audit::Surveys::new(&request.output, source, roles, names.count());
    let mut riders = surveys.riders();
    log.iter_mut().for_each(|log| riders.push(log));
    let named = if division.is_whole() { Vec::new() } else { names.names().to_vec() };
    let id = (roles.id, rows.pseudonym.as_ref());
    let table: NewTable<'_> = Box::new(move || beside.table(Some(publication), source, id, !division.is_whole()));
    let mut destination =
        Destination::new(membership, names, table, &mut riders, folder).telling_anomaly(request.output.anomaly);
    let (mut parts, mut labels) = (Vec::new(), Vec::new());
    let mut missing = MissingValues::new(request.columns.max_missing)?;
    for (i, (part, stratum)) in model.parts.iter().zip(&membership.strata).enumerate() {
        let view = membership.view(source, i);
        let label = |watch: Watch<'_>| replayer.label(request, part, &view, &mut destination, watch);
        let (summary, columns) = strata::within(division, stratum, watch, label)?;
        missing.add(part, view.rows(), columns.iter().map(|column| &column.counts));
        parts.push(ManifestPart::assigned(part, view.rows(), columns));
        let (name, first_segment) = (part.name.clone(), part.first_segment);
        labels.push(PartLabels { name, first_segment, labels: summary });
    }
    missing.check(watch)?;
    let summaries: Vec<&LabelSummary> = labels.iter().map(|part| &part.labels).collect();
    let (labels_blake3, table) = destination.finish(&summaries, watch)?;
    let audit = surveys.report(&request.output, &labels_blake3)?;
    let small_cells = request.output.small_cells();
    let profiled = log.as_ref().map(|log| {
        let labels = ProfiledLabels { log, segments, names: titles, labels_blake3: &labels_blake3, small_cells };
        let columns = profile::shown_of_model(source, &model.parts, roles)?;
        profile::describe(source, columns, labels, request.resources.budget(), watch)
    });
    let mut profiled = profiled.transpose()?;
    let labels = Labelling::new(membership, labels, labels_blake3.clone());
    let counts = profiled.as_mut().map(|profiled| counts(profiled, model, &labels, &parts)).transpose()?.flatten();
    if let Some((log, profiled)) = log.as_ref().zip(profiled.as_mut()).filter(|_| beginning.shows(&request.output)) {
        let preparations = model.parts.iter().map(|part| &part.preparation).collect();
        let bank = LabelledBank { source, division, membership, roles, labels: &labels, preparations, log };
        bank.tell(&mut profiled.report, watch)?;
    }
    let profile = profiled.map(|profiled| profiled.report);
    Ok(LabelledParts { parts, labels, table, names: named, audit, profile, counts })
}

/// The counts of the rows; None where these are few.
fn counts(
    profiled: &mut ProfiledRows,
    model: &Model,
    labels: &Labelling,
    parts: &[ManifestPart],
) -> Result<Option<ReferenceCounts>> {
    let part = |((part, labels), of)| counted(part, labels, of);
    let parts: Vec<CountedPart<'_>> = parts.iter().zip(&labels.parts).zip(&model.parts).map(part).collect();
    reference_counts(profiled, &parts)
}

fn counted<'a>(part: &'a ManifestPart, labels: &'a PartLabels, of: &'a PartModel) -> CountedPart<'a> {
    CountedPart {
        name: &part.name,
        preparation: &of.preparation,
        labels: &labels.labels,
        columns: &part.columns,
        weighted: false,
    }
}

/// The source, in which columns of nulls without a type have the kind that the recipes expect.
pub(super) fn typed(source: Source, recipes: &[&Preparation]) -> Source {
    source.with_types_of_nulls(|name| match recipes.iter().any(|r| r.encodes(name)) {
        true => Some(DataType::Utf8),
        false => recipes.iter().any(|r| r.source_columns().iter().any(|c| c == name)).then_some(DataType::Float64),
    })
}

/// The columns' roles in the input; the id is the one requested, otherwise that of the fit.
///
/// # Errors
/// Columns of the recipes that the input lacks, all listed, or that differ between files.
pub(super) fn roles(
    asked: RoleRequest,
    recipes: &[&Preparation],
    id_column: Option<&str>,
    source: &Source,
) -> Result<Roles> {
    let mut columns: Vec<String> = Vec::new();
    for name in recipes.iter().flat_map(|r| r.source_columns()) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    let missing: Vec<&str> =
        columns.iter().map(String::as_str).filter(|name| source.position(name).is_none()).collect();
    if !missing.is_empty() {
        return Err(Error::input(format!(
            "the input lacks columns that the model needs: {}; columns are matched by name, in any order",
            missing.join(", ")
        ))
        .of_columns(missing));
    }
    let remembered = id_column.filter(|name| source.position(name).is_some()).map(str::to_owned);
    let request = RoleRequest {
        id: asked.id.or(remembered),
        encoded: columns.iter().filter(|name| recipes.iter().any(|r| r.encodes(name))).cloned().collect(),
        features: columns,
        ..asked
    };
    request.resolve(source)
}

/// Warns about categories and values that the fit did not see.
pub(super) fn tell_unseen(totals: &[ColumnCounts], recipe: &Preparation, rows: u64, watch: Watch<'_>) {
    for (c, column) in totals.iter().zip(&recipe.columns).filter(|(c, _)| c.counts.unseen > 0) {
        let name = column.column();
        watch.warn(format!("{name}: {} of {rows} rows have a category that the fit did not see", c.counts.unseen));
    }
    let outside: Vec<String> =
        totals.iter().filter(|c| c.counts.outside > 0).map(|c| format!("{} ({})", c.name, c.counts.outside)).collect();
    if !outside.is_empty() {
        watch.note(format!("values outside the range of the fit: {}", outside.join(", ")));
    }
}

/// Replays models on rows, in batches.
pub(super) struct Replayer {
    pub(super) batch_rows: u64,
    pub(super) ladder: Ladder,
}

impl Replayer {
    /// Chooses the device and plans batches.
    fn new(
        request: &AssignRequest,
        (algorithm, size): (Algorithm, Size),
        extras: Extras,
        watch: Watch<'_>,
    ) -> Result<Self> {
        let budget = request.resources.budget();
        let chosen = request.device.choose_for(algorithm, size, budget)?;
        let plan = plan::batches(size.dim, size.k, &chosen, budget, extras)?;
        watch.note(format!(
            "plan: {} rows in batches of up to {}, up to {} MiB of {} MiB allowed",
            size.rows,
            plan.rows,
            plan.memory_bytes >> 20,
            budget >> 20
        ));
        watch.note(format!("device: {}, {}: {}", chosen.backend.name(), chosen.backend.device(), chosen.why));
        Ok(Replayer { batch_rows: plan.rows, ladder: chosen.ladder(&request.device, size, budget)? })
    }

    /// Labels all rows of `source`, whose columns have the same names as the model's.
    fn label(
        &self,
        request: &AssignRequest,
        part: &PartModel,
        source: &Source,
        destination: &mut Destination<'_>,
        watch: Watch<'_>,
    ) -> Result<(LabelSummary, Vec<ManifestColumn>)> {
        let (preparation, margin) = (&part.preparation, request.output.margin);
        let rule = part.fitted.label_rule()?;
        let design = Design::of_recipe(source, preparation)?;
        let mut totals: Vec<ColumnCounts> = Vec::new();
        let unit = rule.unit(preparation.step());
        let mut writer = LabelWriter::new(destination.open()?, None, rule.segments(), unit, margin)
            .of_micro(rule.segment_of())
            .with_posteriors(part.fitted.mixture().is_some())
            .counting_distances(!request.output.no_profile);
        let worker = RuleLabeller { rule: &rule, margin, ladder: &self.ladder };
        watch.stage(Stage::Labels, source.rows(), "rows", || {
            let _ahead = crate::prepare::ahead(source, &design, &Placement::default());
            for groups in batches(source.row_groups(), self.batch_rows) {
                let large = groups[0].rows > self.batch_rows;
                let scratch = large.then(|| request.resources.scratch_folder(request.output.out.as_deref()));
                let placement = Placement { scratch, simd: request.device.simd, ..Placement::default() };
                let (tiles, counts) = replay(source, &design, preparation, groups, &placement, watch.quiet())?;
                add_counts(&mut totals, counts);
                worker.label(&tiles, watch, &mut |labels, posteriors| writer.push_with(&labels, posteriors))?;
            }
            Ok(())
        })?;
        tell_unseen(&totals, preparation, source.rows(), watch);
        let (labels, kept) = writer.finish()?;
        destination.keep(kept);
        if labels.counts.iter().sum::<u64>() != source.rows() {
            return Err(Error::Internal(format!("{} rows were read but another number was labelled", source.rows())));
        }
        let transforms = preparation.columns.iter().map(|c| c.transform.name());
        let column = |(counts, transform)| ManifestColumn { counts, transform };
        Ok((labels, totals.into_iter().zip(transforms).map(column).collect()))
    }
}

/// Labels batch after batch by what a clustering found.
pub(super) struct RuleLabeller<'a> {
    pub(super) rule: &'a LabelRule,
    pub(super) margin: bool,
    pub(super) ladder: &'a Ladder,
}

impl RuleLabeller<'_> {
    /// Passes labels to `sink`, with the rows' posteriors, if they have any.
    pub(super) fn label(
        &self,
        tiles: &Tiles,
        watch: Watch<'_>,
        sink: &mut dyn FnMut(Labels, &[RowPosterior]) -> Result<()>,
    ) -> Result<()> {
        let (margin, ladder) = (self.margin, self.ladder);
        let centroids = match self.rule {
            LabelRule::Centroids(centroids) => centroids,
            LabelRule::Micro(micro) => &micro.centroids,
            LabelRule::Mixture(gaussians) => {
                let mut pass_on = |found: MixtureLabels| sink(found.labels, &found.posteriors);
                return ladder.cpu().mixture_labels(tiles, gaussians, watch, &mut pass_on);
            }
        };
        BatchLabeller { centroids, margin, ladder }.label(tiles, watch, &mut |labels| sink(labels, &[]))
    }
}

/// Labels batch after batch; if the device is lost, on the next backend of the ladder.
pub(super) struct BatchLabeller<'a> {
    pub(super) centroids: &'a Centroids,
    pub(super) margin: bool,
    pub(super) ladder: &'a Ladder,
}

impl BatchLabeller<'_> {
    pub(super) fn label(
        &self,
        tiles: &Tiles,
        watch: Watch<'_>,
        sink: &mut dyn FnMut(Labels) -> Result<()>,
    ) -> Result<()> {
        // Rows of this batch that were passed on before a device was lost are not passed on again.
        let mut done = 0;
        // An error of the sink, such as a full disk, is not a device error.
        let mut sink_fault = None;
        loop {
            let mut outcome = self.ladder.backend().open(tiles, self.centroids.k(), watch.quiet());
            let result = match &mut outcome {
                Ok(session) => session.centroidal().label(self.centroids, self.margin, watch, &mut |labels| {
                    let end = labels.first_row + labels.labels.len() as u64;
                    let fresh = labels.since(done);
                    done = done.max(end);
                    fresh.map_or(Ok(()), &mut *sink).map_err(|e| {
                        sink_fault = Some(e);
                        Error::Internal("the labels could not be passed on".into())
                    })
                }),
                Err(_) => Ok(()),
            };
            if let Some(fault) = sink_fault {
                return Err(fault);
            }
            let fault = match (outcome.err(), result) {
                (None, Ok(())) => return Ok(()),
                (Some(fault), _) | (None, Err(fault)) => fault,
            };
            if self.ladder.after(&fault, watch).is_none() {
                return Err(fault);
            }
        }
    }
}

/// Batches of consecutive row groups with up to `most` rows in total; a larger row group is its own batch.
pub(super) fn batches(groups: &[RowGroup], most: u64) -> impl Iterator<Item = &[RowGroup]> {
    let mut rest = groups;
    std::iter::from_fn(move || {
        let mut rows = 0;
        let fits = |g: &&RowGroup| {
            rows += g.rows;
            rows <= most
        };
        let n = rest.iter().take_while(fits).count();
        let (now, later) = rest.split_at(n.max(1).min(rest.len()));
        rest = later;
        (!now.is_empty()).then_some(now)
    })
}

pub(super) fn add_counts(totals: &mut Vec<ColumnCounts>, counts: Vec<ColumnCounts>) {
    if totals.is_empty() {
        *totals = counts;
        return;
    }
    totals.iter_mut().zip(counts).for_each(|(total, new)| total.counts += new.counts);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::Cpu;
    use crate::backend::reference::Reference;
    use crate::backend::{Backend, CentroidSums, Centroidal, Session};

    /// Passes on the labels of `chunks` chunks, then fails as a lost device.
    struct Dying {
        chunks: usize,
    }

    struct DyingSession<'a>(Box<dyn Session + 'a>, usize);

    impl Backend for Dying {
        fn name(&self) -> &'static str {
            "gpu"
        }

        fn device(&self) -> String {
            "dying".into()
        }

        fn open<'a>(&'a self, tiles: &'a Tiles, k: usize, watch: Watch<'_>) -> Result<Box<dyn Session + 'a>> {
            Ok(Box::new(DyingSession(Reference.open(tiles, k, watch)?, self.chunks)))
        }
    }

    impl Session for DyingSession<'_> {
        fn centroidal(&mut self) -> &mut dyn Centroidal {
            self
        }
    }

    impl Centroidal for DyingSession<'_> {
        fn pass(&mut self, _: &Centroids, _: Watch<'_>) -> Result<CentroidSums> {
            Err(Error::DeviceLost("lost".into()))
        }

        fn label(
            &mut self,
            centroids: &Centroids,
            margin: bool,
            watch: Watch<'_>,
            sink: &mut dyn FnMut(Labels) -> Result<()>,
        ) -> Result<()> {
            let mut left = self.1;
            self.0.centroidal().label(centroids, margin, watch, &mut |labels| {
                left = left.checked_sub(1).ok_or_else(|| Error::DeviceLost("lost".into()))?;
                sink(labels)
            })
        }
    }

    #[test]
    fn a_device_lost_on_the_way_changes_no_label() {
        let rows: Vec<i32> = (0..1000).map(|i| i * 7919 % 2003).collect();
        let tiles = Tiles::from_rows(2, &rows, None, 64).unwrap();
        let centroids = Centroids::new(2, vec![100, 200, 900, 1200, 1800, 300]).unwrap();
        // A device that is lost again after it was reopened, two chunks later.
        let ladder = |backend: Box<dyn Backend>| {
            let again = || -> Result<Box<dyn Backend>> { Ok(Box::new(Dying { chunks: 3 })) };
            Ladder::new(backend, Cpu::new(None).unwrap(), false, Box::new(again))
        };
        let label = |backend: Box<dyn Backend>| {
            let mut all: Vec<(u32, u64, u64)> = Vec::new();
            let ladder = ladder(backend);
            let worker = BatchLabeller { centroids: &centroids, margin: true, ladder: &ladder };
            let mut sink = |part: Labels| {
                assert_eq!(part.first_row, all.len() as u64, "rows are passed on once, in order");
                let second = part.second2.unwrap();
                all.extend((0..part.labels.len()).map(|i| (part.labels[i], part.distance2[i], second[i])));
                Ok(())
            };
            worker.label(&tiles, Watch::none(), &mut sink).unwrap();
            let name = ladder.backend().name();
            (all, name)
        };
        let dying = ladder(Box::new(Dying { chunks: 9 }));
        let worker = BatchLabeller { centroids: &centroids, margin: true, ladder: &dying };
        let full = |_: Labels| Err(Error::environment("the disk is full".into()));
        let fault = worker.label(&tiles, Watch::none(), &mut { full }).unwrap_err();
        assert_eq!(fault.to_string(), "the disk is full", "another device does not fix an error of the sink");
        assert_eq!(dying.backend().name(), "gpu");
        let (expected, _) = label(Box::new(Reference));
        assert_eq!(expected.len(), 500);
        for chunks in [0, 1, 5] {
            assert_eq!(label(Box::new(Dying { chunks })), (expected.clone(), "cpu"), "lost after {chunks} chunks");
        }
    }
}
