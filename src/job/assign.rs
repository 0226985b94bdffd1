//! Assign: a model on new customers. Rows flow through in batches of row groups, and a row group that is larger than a
//! batch through a scratch file, so memory does not grow with the input.

use std::path::PathBuf;

use super::device::{BackendRequest, Size};
use super::manifest::{Manifest, ManifestColumn};
use super::plan::Extras;
use super::recorder::{Recorder, StageTime};
use super::recovery::Ladder;
use super::ruled_fit::RuledLabels;
use super::{Resources, audit, ids, inputs, plan};
use crate::audit::{Audit, AuditReport};
use crate::backend::{Centroids, Labels};
use crate::error::{Error, Result};
use crate::event::{Observer, Stage, Watch};
use crate::input::{Access, IdStream, Pseudonym, RowGroup, Source};
use crate::model::{AnyModel, Model, RuledModel};
use crate::output::{Kept, LabelSummary, LabelWriter, Output, Publication, SegmentTable};
use crate::prepare::{ColumnCounts, Design, Placement, Preparation, replay};
use crate::roles::{RoleRequest, Roles};
use crate::text::KeySource;
use crate::tiles::Tiles;

pub(super) const OUTPUTS: [&str; 2] = ["segments.parquet", "manifest.json"];

/// What to label, and how.
#[derive(Debug, Clone)]
pub struct AssignRequest {
    /// The model's file.
    pub model: PathBuf,
    /// Files, folders and patterns.
    pub inputs: Vec<PathBuf>,
    /// Tables, each a file, a folder or a pattern, whose columns are joined by the id.
    pub joins: Vec<PathBuf>,
    /// How inputs and joined tables are opened.
    pub access: Access,
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
    /// The key to replace ids by pseudonyms in the output.
    pub pseudonymise: Option<KeySource>,
    /// Whether to tell how protected attributes are spread over the segments.
    pub audit: bool,
    /// Columns that are protected attributes beside those that are named like one.
    pub protect: Vec<String>,
}

/// Finished labels.
#[derive(Debug)]
pub struct AssignOutcome {
    /// The model and its labels.
    pub assigned: Assigned,
    /// Rows labelled.
    pub rows: u64,
    /// How protected attributes are spread, if that was asked for.
    pub audit: Option<AuditReport>,
    /// Seconds by stage.
    pub stages: Vec<StageTime>,
}

/// A model that was used, and its labels.
#[derive(Debug)]
pub enum Assigned {
    /// Without rules.
    Plain(Box<Model>, LabelSummary),
    /// With rules.
    Ruled(Box<RuledModel>, RuledLabels),
}

impl Assigned {
    /// blake3 of the labels as little-endian i32 in row order.
    pub fn labels_blake3(&self) -> &str {
        match self {
            Assigned::Plain(_, labels) => &labels.labels_blake3,
            Assigned::Ruled(_, labels) => &labels.labels_blake3,
        }
    }
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
    request.resources.install(|| match AnyModel::load(&request.model)? {
        AnyModel::Plain(model) => run(request, *model, &recorder, watch),
        AnyModel::Ruled(model) => super::ruled_assign::run(request, *model, &recorder, watch),
    })
}

fn run(request: &AssignRequest, model: Model, recorder: &Recorder<'_>, watch: Watch<'_>) -> Result<AssignOutcome> {
    let mut publication = Publication::new(
        &request.out,
        &audit::outputs(&OUTPUTS, request.audit),
        &inputs::all(&request.inputs, &request.joins),
    )?;
    let id_column = model.provenance.id_column.as_deref();
    let mut source =
        inputs::open(&request.inputs, &request.joins, &request.access, request.id.as_deref().or(id_column), watch)?;
    let asked = Asked { id: request.id.as_ref(), protect: &request.protect };
    let roles = roles(asked, &[&model.recipe], id_column, &source)?;
    let id = roles.id;
    let design = Design::of_recipe(&source, &model.recipe)?;
    let width = design.width();
    if source.rows() == 0 {
        return Err(Error::input("the input has no rows".into()));
    }
    vet_audit(request, &source, &roles, watch)?;
    let needed = inputs::needed(&design, &roles);
    let joins = inputs::join(&mut source, &needed, &request.resources, Some(&request.out), watch)?;
    let pseudonym = ids::pseudonym(request.pseudonymise.as_ref(), id)?;
    let ids = ids::vet(&source, id, request.keep_duplicate_ids, request.resources.budget() / 4, watch)?;
    let size = Size { rows: source.rows(), dim: width, k: model.n_clusters };
    let beside = Extras { rules: 0, audited: audit::columns(request.audit, &roles), fetched: source.fetched_ahead() };
    let replayer = Replayer::new(request, size, beside, watch)?;
    let file = publication.file(OUTPUTS[0])?;
    let stream = id.map(|id| IdStream::new(&source, id).with_pseudonym(pseudonym.as_ref()));
    let table = SegmentTable::new(file, request.out.join(OUTPUTS[0]), stream, request.margin)?;
    let mut audit = request.audit.then(|| Audit::new(&source, &roles.protected, model.n_clusters));
    let mut each = |labels: &[u32]| audit.as_mut().map_or(Ok(()), |audit| audit.push(labels));
    let (labels, _, columns) = replayer.label(&model, &source, Output::Table(Box::new(table)), &mut each, watch)?;
    let audit = audit.map(|audit| audit.finish(&labels.labels_blake3));
    let audit_blake3 = audit::publish(audit.as_ref(), &mut publication)?;
    let manifest = Manifest {
        ids,
        pseudonym_key_check: pseudonym.as_ref().map(Pseudonym::key_check),
        joins,
        columns,
        counts: labels.counts.clone(),
        labels_blake3: labels.labels_blake3.clone(),
        audit_blake3,
        model_blake3: file_hash(request)?,
        ..Manifest::of("assign", &source, &replayer.ladder, recorder)
    };
    publication.text(OUTPUTS[1], &manifest.to_json()?)?;
    watch.stage(Stage::Write, 0, "files", || publication.commit())?;
    let assigned = Assigned::Plain(Box::new(model), labels);
    Ok(AssignOutcome { assigned, rows: source.rows(), audit, stages: recorder.stages() })
}

/// blake3 of the model's file.
pub(super) fn file_hash(request: &AssignRequest) -> Result<String> {
    let text = std::fs::read(&request.model).map_err(|e| Error::io("read", &request.model, &e))?;
    Ok(blake3::hash(&text).to_hex().to_string())
}

/// Before any work: an audit that can be made, and a word about an earlier one.
pub(super) fn vet_audit(request: &AssignRequest, source: &Source, roles: &Roles, watch: Watch<'_>) -> Result<()> {
    if request.audit {
        return audit::vet(source, roles);
    }
    audit::warn_of_earlier(&request.out, watch);
    Ok(())
}

/// Roles as the user asks for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) id: Option<&'a String>,
    pub(super) protect: &'a [String],
}

/// The columns' roles in the input; the id is the one asked for, else the one of the fit.
///
/// # Errors
/// Columns of the recipes that the input lacks, all listed, or about which files disagree.
pub(super) fn roles(
    asked: Asked<'_>,
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
        id: asked.id.cloned().or(remembered),
        encoded: columns.iter().filter(|name| recipes.iter().any(|r| r.encodes(name))).cloned().collect(),
        features: columns,
        protect: asked.protect.to_vec(),
        ..RoleRequest::default()
    };
    request.resolve(source)
}

/// Warns of categories and values that the fit did not see.
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
pub(super) struct Replayer<'a> {
    request: &'a AssignRequest,
    batch_rows: u64,
    pub(super) ladder: Ladder,
}

impl<'a> Replayer<'a> {
    /// Chooses the device and plans batches.
    pub(super) fn new(request: &'a AssignRequest, size: Size, beside: Extras, watch: Watch<'_>) -> Result<Self> {
        let budget = request.resources.budget();
        let chosen = request.backend.choose(size, budget)?;
        let plan = plan::batches(size.dim, size.k, &chosen, budget, beside)?;
        watch.note(format!(
            "plan: {} rows in batches of up to {}, up to {} MiB of {} MiB allowed",
            size.rows,
            plan.rows,
            plan.memory_bytes >> 20,
            budget >> 20
        ));
        watch.note(format!("device: {}, {}: {}", chosen.backend.name(), chosen.backend.device(), chosen.why));
        Ok(Replayer { request, batch_rows: plan.rows, ladder: chosen.ladder(&request.backend, size, budget)? })
    }

    /// Labels all rows of `source`, whose columns have the names of the model's, and tells the labels to `each` too.
    pub(super) fn label(
        &self,
        model: &Model,
        source: &Source,
        output: Output<'_>,
        each: &mut dyn FnMut(&[u32]) -> Result<()>,
        watch: Watch<'_>,
    ) -> Result<(LabelSummary, Option<Kept>, Vec<ManifestColumn>)> {
        let (request, centroids) = (self.request, model.centroids()?);
        let design = Design::of_recipe(source, &model.recipe)?;
        let mut totals: Vec<ColumnCounts> = Vec::new();
        let mut writer = LabelWriter::new(output, None, centroids.k(), model.recipe.step(), request.margin);
        let worker = BatchLabeller { centroids: &centroids, margin: request.margin, ladder: &self.ladder };
        watch.stage(Stage::Labels, source.rows(), "rows", || {
            let _ahead = crate::prepare::ahead(source, &design, &Placement::default());
            for groups in batches(source.row_groups(), self.batch_rows) {
                let large = groups[0].rows > self.batch_rows;
                let scratch = large.then(|| request.resources.scratch_folder(Some(&request.out)));
                let placement = Placement { scratch, simd: request.backend.simd, ..Placement::default() };
                let (tiles, counts) = replay(source, &design, &model.recipe, groups, &placement, watch.quiet())?;
                add_counts(&mut totals, counts);
                worker.label(&tiles, watch, &mut |labels| {
                    each(&labels.labels)?;
                    writer.push(&labels)
                })?;
            }
            Ok(())
        })?;
        tell_unseen(&totals, &model.recipe, source.rows(), watch);
        let (labels, kept) = writer.finish_into()?;
        if labels.counts.iter().sum::<u64>() != source.rows() {
            return Err(Error::Internal(format!("{} rows were read and others labelled", source.rows())));
        }
        let transforms = model.recipe.columns.iter().map(|c| c.transform.name());
        let column = |(counts, transform)| ManifestColumn { counts, transform };
        Ok((labels, kept, totals.into_iter().zip(transforms).map(column).collect()))
    }
}

/// Labels batch after batch, on whatever device is left.
struct BatchLabeller<'a> {
    centroids: &'a Centroids,
    margin: bool,
    ladder: &'a Ladder,
}

impl BatchLabeller<'_> {
    fn label(&self, tiles: &Tiles, watch: Watch<'_>, sink: &mut dyn FnMut(Labels) -> Result<()>) -> Result<()> {
        // Rows of this batch that were handed on before a device was lost are not handed on again.
        let mut done = 0;
        // A fault of the sink, such as a full disk, is no fault of the device.
        let mut sink_fault = None;
        loop {
            let mut outcome = self.ladder.backend().open(tiles, self.centroids.k(), watch.quiet());
            let result = match &mut outcome {
                Ok(session) => session.label(self.centroids, self.margin, watch, &mut |labels| {
                    let end = labels.first_row + labels.labels.len() as u64;
                    let fresh = labels.from_row(done);
                    done = done.max(end);
                    fresh.map_or(Ok(()), &mut *sink).map_err(|e| {
                        sink_fault = Some(e);
                        Error::Internal("the labels could not be handed on".into())
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

/// Consecutive row groups of up to `most` rows together; a larger one is a batch of its own.
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
    use crate::backend::{Backend, Partial, Session};

    /// Hands on the labels of `chunks` chunks, then is lost.
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
        fn pass(&mut self, _: &Centroids, _: Watch<'_>) -> Result<Partial> {
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
            self.0.label(centroids, margin, watch, &mut |labels| {
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
        // A device that dies again, opened anew, after two chunks more.
        let ladder = |backend: Box<dyn Backend>| {
            let again = || -> Result<Box<dyn Backend>> { Ok(Box::new(Dying { chunks: 3 })) };
            Ladder::new(backend, Cpu::new(None).unwrap(), false, Box::new(again))
        };
        let label = |backend: Box<dyn Backend>| {
            let mut all: Vec<(u32, u64, u64)> = Vec::new();
            let ladder = ladder(backend);
            let worker = BatchLabeller { centroids: &centroids, margin: true, ladder: &ladder };
            let mut sink = |part: Labels| {
                assert_eq!(part.first_row, all.len() as u64, "rows are handed on once, in order");
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
        assert_eq!(fault.to_string(), "the disk is full", "a fault of the sink is not mended by another device");
        assert_eq!(dying.backend().name(), "gpu");
        let (expected, _) = label(Box::new(Reference));
        assert_eq!(expected.len(), 500);
        for chunks in [0, 1, 5] {
            assert_eq!(label(Box::new(Dying { chunks })), (expected.clone(), "cpu"), "lost after {chunks} chunks");
        }
    }
}
