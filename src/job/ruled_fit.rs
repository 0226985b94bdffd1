//! Fit by rules: every row gets its part, every stratum is fitted on its own, and the labels of all are woven together.

use std::path::Path;

use super::fit::{FitRequest, InitRequest, OUTPUTS, Opened, roles, settle, table_file};
use super::manifest::{Manifest, ManifestStratum, input_files};
use super::part::{Part, Parts};
use super::plan::Plan;
use super::recorder::{Recorder, StageTime};
use super::{audit, device::Size, ids, inputs};
use crate::audit::{Audit, AuditReport};
use crate::error::{Error, Result};
use crate::event::{Observer, Of, Stage, Watch};
use crate::input::{IdStream, Pseudonym, Source};
use crate::model::{RuledModel, StratumModel};
use crate::output::{
    Kept, LabelScratch, LabelSummary, NAME_COLUMN, Output, Publication, SegmentNames, SegmentTable, weave,
};
use crate::roles::Roles;
use crate::rules::{Compiled, MAX_STRATA, Membership, RuleBook, RuleCount, divide};
use crate::text::did_you_mean;

/// A finished fit by rules.
#[derive(Debug)]
pub struct RuledFitOutcome {
    /// The plan that was followed.
    pub plan: Plan,
    /// The model.
    pub model: RuledModel,
    /// What went where.
    pub labels: RuledLabels,
    /// How protected attributes are spread, if that was asked for.
    pub audit: Option<AuditReport>,
    /// Seconds by stage.
    pub stages: Vec<StageTime>,
}

/// What went where.
#[derive(Debug, Clone, PartialEq)]
pub struct RuledLabels {
    /// Rows of the input.
    pub rows: u64,
    /// What each rule took; its segment is its place in this list.
    pub rules: Vec<RuleCount>,
    /// The strata, in order.
    pub strata: Vec<StratumLabels>,
    /// Rows without a segment, since their stratum is not known.
    pub unknown: u64,
    /// blake3 of the labels as little-endian i32 in row order, -1 for rows without.
    pub labels_blake3: String,
}

/// The labels of a stratum.
#[derive(Debug, Clone, PartialEq)]
pub struct StratumLabels {
    /// Its name.
    pub name: String,
    /// The number of its first segment.
    pub first_segment: usize,
    /// Counts and mean distances of its own segments.
    pub labels: LabelSummary,
}

impl RuledLabels {
    /// Rows by segment of the whole bank.
    pub fn counts(&self) -> Vec<u64> {
        let rules = self.rules.iter().map(|r| r.rows);
        rules.chain(self.strata.iter().flat_map(|s| s.labels.counts.iter().copied())).collect()
    }
}

/// Does it all, by the rules in a file. The request's `k` is that of strata for which the file says nothing.
///
/// # Errors
/// Faults of the rules, all listed; strata with fewer rows than segments; and whatever a fit refuses.
pub fn fit_by_rules(
    request: &FitRequest,
    rules: &Path,
    observer: &dyn Observer,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<RuledFitOutcome> {
    let recorder = Recorder::new(observer);
    let watch = Watch::new(&recorder, stop);
    request.resources.install(|| run(request, rules, &recorder, watch))
}

/// Bytes that rules hold beside the work on a stratum.
pub(super) fn held(rows: u64) -> u64 {
    Membership::bytes(rows) + MAX_STRATA as u64 * Kept::BYTES
}

fn run(request: &FitRequest, path: &Path, recorder: &Recorder<'_>, watch: Watch<'_>) -> Result<RuledFitOutcome> {
    if let InitRequest::File(file) = &request.init {
        return Err(Error::usage(format!(
            "--init {} and --rules: every stratum has starts of its own; leave one of them out",
            file.display()
        )));
    }
    let outputs = audit::outputs(&OUTPUTS, request.audit);
    let mut publication = request
        .out
        .as_ref()
        .map(|out| Publication::new(out, &outputs, &inputs::all(&request.inputs, &request.joins)))
        .transpose()?;
    let source = inputs::open(&request.inputs, &request.joins, &request.access, request.roles.id.as_deref(), watch)?;
    let (book, rules) = RuleBook::read(path, &source)?;
    let roles = without_strata(roles(request, &source)?, &rules, &source)?;
    vet_id(roles.id, &source)?;
    if let Some(p) = roles.protected.iter().find(|p| Some(p.column) == rules.within()) {
        let name = &source.columns()[p.column].name;
        watch.warn(format!("the strata are those of {name}, a protected attribute ({})", p.attribute));
    }
    let most = book.most_segments(request.k);
    let held = held(source.rows());
    let Opened { mut source, roles, design, chosen, plan } = settle(request, source, roles, most, held, watch)?;
    plan.summary().into_iter().for_each(|line| watch.note(line));
    let needed = [inputs::needed(&design, &roles), rules.columns()].concat();
    let joins = inputs::join(&mut source, &needed, &request.resources, request.out.as_deref(), watch)?;
    let pseudonym = ids::pseudonym(request.pseudonymise.as_ref(), roles.id)?;
    let pseudonym = pseudonym.as_ref();
    let ids = ids::vet(&source, roles.id, request.keep_duplicate_ids, plan.memory_budget / 4, watch)?;
    let membership = divide(&source, &rules, None, watch)?;
    tell(&membership, watch);
    let ks = vet(&membership, &book, path, request.k, source.rows())?;
    let size = Size { rows: source.rows(), dim: design.width(), k: most };
    let parts = Parts {
        request,
        roles: &roles,
        design: &design,
        placement: plan.placement(&request.resources, request.backend.simd),
        ladder: chosen.ladder(&request.backend, size, request.resources.budget())?,
    };
    let folder = request.resources.scratch_folder(request.out.as_deref());
    let segments = SegmentNames::new(&membership, &ks);
    let (mut kept, mut models, mut labels, mut manifest_strata) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut remark = None;
    for (i, (stratum, &k)) in membership.strata.iter().zip(&ks).enumerate() {
        let what = format!("stratum {:?}", stratum.name);
        let about = Of::new(watch, what.as_str());
        let watch = watch.to(&about);
        watch.note(format!("{} rows, k = {k}", stratum.rows));
        let passes_before = recorder.passes().len();
        let mut open = || Ok(Output::Scratch(LabelScratch::new(&folder)?));
        let part = parts.cluster(&membership.view(&source, i), k, false, &mut open, watch).map_err(|e| e.of(&what))?;
        let Part { mut model, labels: summary, kept: file, columns, device_remark, device_work, .. } = part;
        model.provenance.inputs.clear();
        let first_segment = segments.first(i);
        manifest_strata.push(ManifestStratum {
            name: stratum.name.clone(),
            rows: stratum.rows,
            k,
            first_segment,
            passes: recorder.passes().split_off(passes_before),
            device_work,
            columns,
        });
        let (name, value) = (stratum.name.clone(), stratum.value.clone());
        models.push(StratumModel { name: name.clone(), value, first_segment, model });
        labels.push(StratumLabels { name, first_segment, labels: summary });
        kept.extend(file);
        remark = device_remark.or(remark);
    }
    let mut audit = request.audit.then(|| Audit::new(&source, &roles.protected, segments.count()));
    let labels_blake3 = watch.stage(Stage::Write, source.rows(), "rows", || {
        let (file, path) = table_file(request, publication.as_mut())?;
        let ids = roles.id.map(|id| IdStream::new(&source, id).with_pseudonym(pseudonym));
        let table = SegmentTable::named(file, path, ids, request.margin)?;
        let mut each = |labels: &[u32]| audit.as_mut().map_or(Ok(()), |audit| audit.push(labels));
        weave(&membership, kept, &segments, table, request.margin, &mut each, watch)
    })?;
    let audit = audit.map(|audit| audit.finish(&labels_blake3));
    let labels = RuledLabels {
        rows: source.rows(),
        rules: membership.rules.clone(),
        strata: labels,
        unknown: membership.unknown,
        labels_blake3,
    };
    let model = RuledModel {
        hyades_version: env!("CARGO_PKG_VERSION").into(),
        rows: source.rows(),
        inputs: input_files(&source),
        id_column: roles.id.map(|id| source.columns()[id].name.clone()),
        rule_columns: rules.kinds().to_vec(),
        rules: book,
        rule_counts: membership.rules.clone(),
        strata: models,
    };
    if let Some(mut publication) = publication {
        let text = model.to_json()?;
        publication.text(OUTPUTS[1], &text)?;
        let audit_blake3 = audit::publish(audit.as_ref(), &mut publication)?;
        let manifest = Manifest {
            ids,
            pseudonym_key_check: pseudonym.map(Pseudonym::key_check),
            plan: Some(plan.clone()),
            joins,
            device_remark: remark,
            rules: membership.rules,
            strata: manifest_strata,
            left_out: roles.left_out.clone(),
            counts: labels.counts(),
            labels_blake3: labels.labels_blake3.clone(),
            audit_blake3,
            model_blake3: blake3::hash(text.as_bytes()).to_hex().to_string(),
            ..Manifest::of("fit", &source, &parts.ladder, recorder)
        };
        publication.text(OUTPUTS[2], &manifest.to_json()?)?;
        watch.stage(Stage::Write, 0, "files", || publication.commit())?;
    }
    Ok(RuledFitOutcome { plan, model, labels, audit, stages: recorder.stages() })
}

/// The column of the strata is the same for all rows of one, and no feature.
fn without_strata(mut roles: Roles, rules: &Compiled, source: &Source) -> Result<Roles> {
    let Some(within) = rules.within().filter(|within| roles.features.contains(within)) else { return Ok(roles) };
    let name = &source.columns()[within].name;
    if roles.features_named {
        return Err(Error::usage(format!("{name:?} divides into strata and cannot be a feature too")));
    }
    roles.features.retain(|f| *f != within);
    if roles.features.is_empty() {
        return Err(Error::input(format!("no numeric column to cluster by but {name:?}, which divides into strata")));
    }
    roles.left_out.push((name.clone(), "it divides into strata".into()));
    Ok(roles)
}

/// The output has a column for segments' names.
pub(super) fn vet_id(id: Option<usize>, source: &Source) -> Result<()> {
    match id.map(|id| &source.columns()[id].name) {
        Some(name) if name == NAME_COLUMN => {
            Err(Error::input(format!("the id column is named {name:?}, as a column of the output is; rename it")))
        }
        _ => Ok(()),
    }
}

/// Tells what each rule took, and warns of rules that took nothing.
pub(super) fn tell(membership: &Membership, watch: Watch<'_>) {
    for RuleCount { name, rows, taken_before } in &membership.rules {
        match (rows, taken_before) {
            (0, 0) => watch.warn(format!("rule {name:?} matches no row")),
            (0, n) => watch.warn(format!("rule {name:?} takes no row: earlier rules take all {n} that it matches")),
            _ => watch.note(format!("rule {name:?}: {rows} rows; earlier rules took {taken_before} more")),
        }
    }
}

/// The number of segments of each stratum.
///
/// # Errors
/// No row left to cluster, strata that are named and not there, strata with fewer rows than segments; all of a kind at once.
fn vet(membership: &Membership, book: &RuleBook, path: &Path, k: usize, rows: u64) -> Result<Vec<usize>> {
    let names: Vec<&str> = membership.strata.iter().map(|s| s.name.as_str()).collect();
    if membership.strata.iter().all(|s| s.rows == 0) {
        return Err(Error::input(format!("the rules take all {rows} rows, and leave none to cluster")));
    }
    let named = book.strata.iter().flat_map(|s| s.k_of.keys());
    let strangers: Vec<String> = named
        .filter(|name| !names.contains(&name.as_str()))
        .map(|name| format!("{name:?}{}", did_you_mean(name, names.iter().copied())))
        .collect();
    if !strangers.is_empty() {
        let there: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        return Err(Error::usage(format!(
            "{}: strata.k_of names strata without rows: {}; there are: {}",
            path.display(),
            strangers.join(", "),
            there.join(", ")
        )));
    }
    let ks: Vec<usize> = names.iter().map(|name| book.k_of(name, k)).collect();
    let small: Vec<String> = membership
        .strata
        .iter()
        .zip(&ks)
        .filter(|(s, k)| s.rows < **k as u64)
        .map(|(s, k)| format!("{:?} ({} rows, k = {k})", s.name, s.rows))
        .collect();
    if small.is_empty() {
        return Ok(ks);
    }
    Err(Error::input(format!(
        "strata with fewer rows than segments: {}; give them a smaller k in [strata.k_of], or take their rows by a rule",
        small.join(", ")
    )))
}
