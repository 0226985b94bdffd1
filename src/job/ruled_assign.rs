//! Assign by rules: the rules and strata of a model on new customers, each stratum by its own centroids.

use super::assign::{AssignOutcome, AssignRequest, Assigned, OUTPUTS, Replayer, file_hash, match_columns};
use super::device::Size;
use super::ids;
use super::manifest::{Manifest, ManifestStratum};
use super::publish::Publication;
use super::recorder::Recorder;
use super::ruled_fit::{RuledLabels, StratumLabels, held, tell, vet_id};
use crate::data::{IdStream, Pseudonym, Source};
use crate::error::{Error, Result};
use crate::event::{Of, Stage, Watch};
use crate::label::{Named, Output, Scratch, SegmentTable, weave};
use crate::model::RuledModel;
use crate::rules::{Compiled, UNKNOWN_STRATUM, divide};

pub(super) fn run(
    request: &AssignRequest,
    model: RuledModel,
    recorder: &Recorder<'_>,
    watch: Watch<'_>,
) -> Result<AssignOutcome> {
    let mut publication = Publication::new(&request.out, &OUTPUTS, &request.inputs)?;
    let source = watch.stage(Stage::Open, 0, "files", || Source::open(&request.inputs))?;
    let rules = Compiled::again(&model.rules, &source, &model.rule_columns).map_err(|why| {
        Error::Input(format!("the input does not fit the rules of {}:\n  {why}", request.model.display()))
    })?;
    let mut features: Vec<String> = Vec::new();
    for name in model.strata.iter().flat_map(|s| &s.model.feature_names_in_) {
        if !features.contains(name) {
            features.push(name.clone());
        }
    }
    let (id, columns) = match_columns(request, &features, model.id_column.as_deref(), &source)?;
    vet_id(id, &source)?;
    if source.rows() == 0 {
        return Err(Error::Input("the input has no rows".into()));
    }
    let pseudonym = ids::pseudonym(request.pseudonymise.as_ref(), id)?;
    let ids = ids::vet(&source, id, request.keep_duplicate_ids, request.resources.budget() / 4, watch)?;
    let ks: Vec<usize> = model.strata.iter().map(|s| s.model.n_clusters).collect();
    let size = Size { rows: source.rows(), dim: columns.len(), k: ks.iter().copied().max().unwrap_or(1) };
    let replayer = Replayer::new(request, size, held(source.rows()), watch)?;
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
    let segments = Named::new(&membership, &ks);
    let (mut kept, mut labels, mut strata) = (Vec::new(), Vec::new(), Vec::new());
    for (i, stratum) in model.strata.iter().enumerate() {
        let what = format!("stratum {:?}", stratum.name);
        let about = Of::new(watch, what.as_str());
        let output = Output::Scratch(Scratch::new(&folder)?);
        let view = membership.view(&source, i);
        let (summary, file, columns) =
            replayer.label(&stratum.model, &view, output, watch.to(&about)).map_err(|e| e.of(&what))?;
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
    let labels_blake3 = watch.stage(Stage::Write, source.rows(), "rows", || {
        let file = publication.file(OUTPUTS[0])?;
        let ids = id.map(|id| IdStream::new(&source, id).with_pseudonym(pseudonym.as_ref()));
        let table = SegmentTable::named(file, request.out.join(OUTPUTS[0]), ids, request.margin)?;
        weave(&membership, kept, &segments, table, request.margin, watch)
    })?;
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
        rules: membership.rules,
        strata,
        unknown_stratum: Some(membership.unknown),
        counts: labels.counts(),
        labels_blake3: labels.labels_blake3.clone(),
        model_blake3: file_hash(request)?,
        ..Manifest::of("assign", &source, &replayer.ladder, recorder)
    };
    publication.text(OUTPUTS[1], &manifest.to_json()?)?;
    watch.stage(Stage::Write, 0, "files", || publication.commit())?;
    let assigned = Assigned::Ruled(Box::new(model), labels);
    Ok(AssignOutcome { assigned, rows: source.rows(), stages: recorder.stages() })
}
