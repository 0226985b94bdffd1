//! Assign by rules: the rules and strata of a model on new customers, each stratum by its own centroids.

use super::assign::{Asked, AssignOutcome, AssignRequest, Assigned, OUTPUTS, Replayer, file_hash, roles, vet_audit};
use super::device::Size;
use super::manifest::{Manifest, ManifestStratum};
use super::plan::Extras;
use super::recorder::Recorder;
use super::ruled_fit::{RuledLabels, StratumLabels, held, tell, vet_id};
use super::{audit, ids, inputs};
use crate::audit::Audit;
use crate::error::{Error, Result};
use crate::event::{Of, Stage, Watch};
use crate::input::{IdStream, Pseudonym};
use crate::model::RuledModel;
use crate::output::{LabelScratch, Output, Publication, SegmentNames, SegmentTable, weave};
use crate::rules::{Compiled, UNKNOWN_STRATUM, divide};

pub(super) fn run(
    request: &AssignRequest,
    model: RuledModel,
    recorder: &Recorder<'_>,
    watch: Watch<'_>,
) -> Result<AssignOutcome> {
    let mut publication = Publication::new(
        &request.out,
        &audit::outputs(&OUTPUTS, request.audit),
        &inputs::all(&request.inputs, &request.joins),
    )?;
    let id_column = request.id.as_deref().or(model.id_column.as_deref());
    let mut source = inputs::open(&request.inputs, &request.joins, &request.access, id_column, watch)?;
    let rules = Compiled::again(&model.rules, &source, &model.rule_columns).map_err(|why| {
        Error::input(format!("the input does not fit the rules of {}:\n  {why}", request.model.display()))
    })?;
    let recipes: Vec<_> = model.strata.iter().map(|s| &s.model.recipe).collect();
    let asked = Asked { id: request.id.as_ref(), protect: &request.protect };
    let roles = roles(asked, &recipes, model.id_column.as_deref(), &source)?;
    let id = roles.id;
    vet_id(id, &source)?;
    if source.rows() == 0 {
        return Err(Error::input("the input has no rows".into()));
    }
    vet_audit(request, &source, &roles, watch)?;
    let needed = [roles.features.clone(), inputs::besides(&roles), rules.columns()].concat();
    let joins = inputs::join(&mut source, &needed, &request.resources, Some(&request.out), watch)?;
    let pseudonym = ids::pseudonym(request.pseudonymise.as_ref(), id)?;
    let ids = ids::vet(&source, id, request.keep_duplicate_ids, request.resources.budget() / 4, watch)?;
    let ks: Vec<usize> = model.strata.iter().map(|s| s.model.n_clusters).collect();
    let width = recipes.iter().map(|r| r.columns.len()).max().unwrap_or(1);
    let size = Size { rows: source.rows(), dim: width, k: ks.iter().copied().max().unwrap_or(1) };
    let beside = Extras {
        rules: held(source.rows()),
        audited: audit::columns(request.audit, &roles),
        fetched: source.fetched_ahead(),
    };
    let replayer = Replayer::new(request, size, beside, watch)?;
    let known: Vec<Option<String>> = model.strata.iter().map(|s| s.value.clone()).collect();
    let membership = divide(&source, &rules, Some(&known), watch)?;
    tell(&membership, watch);
    if membership.unknown > 0 {
        watch.warn(format!(
            "{} rows have a stratum that the model does not know; they are named {UNKNOWN_STRATUM:?} and have no segment",
            membership.unknown
        ));
    }
    let folder = request.resources.scratch_folder(Some(&request.out));
    let segments = SegmentNames::new(&membership, &ks);
    let (mut kept, mut labels, mut strata) = (Vec::new(), Vec::new(), Vec::new());
    for (i, stratum) in model.strata.iter().enumerate() {
        let what = format!("stratum {:?}", stratum.name);
        let about = Of::new(watch, what.as_str());
        let output = Output::Scratch(LabelScratch::new(&folder)?);
        let view = membership.view(&source, i);
        let (summary, file, columns) = replayer
            .label(&stratum.model, &view, output, &mut |_| Ok(()), watch.to(&about))
            .map_err(|e| e.of(&what))?;
        strata.push(ManifestStratum {
            name: stratum.name.clone(),
            rows: view.rows(),
            k: ks[i],
            first_segment: segments.first(i),
            passes: Vec::new(),
            device_work: None,
            columns,
        });
        labels.push(StratumLabels { name: stratum.name.clone(), first_segment: segments.first(i), labels: summary });
        kept.extend(file);
    }
    let mut audit = request.audit.then(|| Audit::new(&source, &roles.protected, segments.count()));
    let labels_blake3 = watch.stage(Stage::Write, source.rows(), "rows", || {
        let file = publication.file(OUTPUTS[0])?;
        let ids = id.map(|id| IdStream::new(&source, id).with_pseudonym(pseudonym.as_ref()));
        let table = SegmentTable::named(file, request.out.join(OUTPUTS[0]), ids, request.margin)?;
        let mut each = |labels: &[u32]| audit.as_mut().map_or(Ok(()), |audit| audit.push(labels));
        weave(&membership, kept, &segments, table, request.margin, &mut each, watch)
    })?;
    let audit = audit.map(|audit| audit.finish(&labels_blake3));
    let audit_blake3 = audit::publish(audit.as_ref(), &mut publication)?;
    let labels = RuledLabels {
        rows: source.rows(),
        rules: membership.rules.clone(),
        strata: labels,
        unknown: membership.unknown,
        labels_blake3,
    };
    let manifest = Manifest {
        ids,
        pseudonym_key_check: pseudonym.as_ref().map(Pseudonym::key_check),
        joins,
        rules: membership.rules,
        strata,
        unknown_stratum: Some(membership.unknown),
        counts: labels.counts(),
        labels_blake3: labels.labels_blake3.clone(),
        audit_blake3,
        model_blake3: file_hash(request)?,
        ..Manifest::of("assign", &source, &replayer.ladder, recorder)
    };
    publication.text(OUTPUTS[1], &manifest.to_json()?)?;
    watch.stage(Stage::Write, 0, "files", || publication.commit())?;
    let assigned = Assigned::Ruled(Box::new(model), labels);
    Ok(AssignOutcome { assigned, rows: source.rows(), audit, stages: recorder.stages() })
}
