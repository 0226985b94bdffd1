//! What a run measured, and what its gates say.

use arrow::datatypes::DataType;

use super::base::BaseVersion;
use super::matching::MatchedMonth;
use super::opened::MonthlyJob;
use super::report::{BaselineDrift, MigrationReport, RunReport, SegmentReport};
use super::stage::StagedMonth;
use crate::drift::{DriftReport, FeatureDrift, SegmentPair};
use crate::event::Watch;
use crate::gates::{FeatureMeasures, GateResult, Measures, SegmentMeasures, judge};
use crate::identity::{Identities, MatchedBy};
use crate::job::compared;
use crate::migration::Flow;

/// What changed in the data, and the verdicts on it.
pub(super) struct JudgedMonth {
    pub(super) drift: Option<DriftReport>,
    pub(super) measures: Measures,
    pub(super) gates: Vec<GateResult>,
}

/// Measures a month against the base version, and applies the gates of the job.
pub(super) fn judged(
    job: &MonthlyJob<'_>,
    staged: &StagedMonth,
    matched: &MatchedMonth,
    base: Option<&BaseVersion>,
    report: &RunReport,
) -> JudgedMonth {
    let (segments, migration) = (report.segments.as_slice(), report.migration.as_ref());
    let drift = base.and_then(|base| drift(staged, matched, base));
    let inertia = base.map(|base| inertia(staged, base));
    let rows = staged.labels.rows();
    let lost = |name: &str| is_lost(job, staged, name);
    let measures = Measures {
        compared_with: base.map(|base| base.pointer.version),
        rows,
        rows_before: base.map(|base| base.customers),
        inertia: inertia.and_then(|(now, _)| now),
        inertia_before: inertia.and_then(|(_, before)| before),
        unmatched: base.map(|_| matched.identities.unmatched()),
        relabelled: matched.relabelled.map(|relabelled| relabelled as f64 / rows.max(1) as f64),
        segments: of_segments(segments, migration, base),
        features: drift.as_ref().map_or_else(Vec::new, |drift| of_features(drift, lost)),
    };
    let gates = judge(&job.file.gates.with_defaults(), &measures);
    JudgedMonth { drift, measures, gates }
}

/// The counts of the month against those of the base version. None where one of them has none.
fn drift(staged: &StagedMonth, matched: &MatchedMonth, base: &BaseVersion) -> Option<DriftReport> {
    let (reference, now) = (base.counts.as_ref()?, staged.counts.as_ref()?);
    Some(compared(reference, now, &pairs(&base.identities, &matched.identities)))
}

/// What changed since a version that is not the base. None, with a warning, where one side has no counts.
pub(super) fn since(
    version: &BaseVersion,
    staged: &StagedMonth,
    matched: &MatchedMonth,
    watch: Watch<'_>,
) -> Option<BaselineDrift> {
    let Some((reference, now)) = version.counts.as_ref().zip(staged.counts.as_ref()) else {
        let number = version.pointer.version;
        watch.warn(format!("the data cannot be compared with version {number}: not both were counted (--no-profile)"));
        return None;
    };
    let drift = compared(reference, now, &pairs(&version.identities, &matched.identities));
    Some(BaselineDrift { version: version.pointer.version, as_of: version.month().map(|month| month.as_of()), drift })
}

/// The segments that have the same id in two versions.
fn pairs(reference: &Identities, now: &Identities) -> Vec<SegmentPair> {
    let pair = |(now, reference): (usize, Option<u32>)| Some(SegmentPair { reference: reference? as usize, now });
    reference.successors(now).into_iter().enumerate().filter_map(pair).collect()
}

/// Whether a column has nothing to offer any more: it is gone, or the fit left it out. Otherwise the job may have taken
/// it from the features.
fn is_lost(job: &MonthlyJob<'_>, staged: &StagedMonth, name: &str) -> bool {
    let mut dropped = staged.model.parts.iter().flat_map(|part| &part.preparation.dropped);
    let source = &job.opened.source;
    let is_gone = source.position(name).is_none_or(|at| source.columns()[at].data_type == DataType::Null);
    is_gone || dropped.any(|column| column.name == name)
}

/// Inertia per customer now and before, where both are in the units of one preparation.
fn inertia(staged: &StagedMonth, base: &BaseVersion) -> (Option<f64>, Option<f64>) {
    // The inertia of a model is that of the rows of its fit.
    let comparable = base.identities.matched_by != MatchedBy::SameModel
        && !staged.same_model
        && !staged.refits.is_empty()
        && staged.refits.iter().all(|refit| refit.same_preparation);
    let weighted = [&base.model, &staged.model].iter().any(|model| model.provenance.weight_column.is_some());
    if !comparable || weighted || staged.model.parts.len() != base.model.parts.len() {
        return (None, None);
    }
    let of = |model: &crate::model::Model| {
        let inertia: f64 = model.parts.iter().map(|part| part.fitted.inertia()).sum();
        let rows: u64 = model.parts.iter().map(|part| part.rows).sum();
        inertia / rows.max(1) as f64
    };
    (Some(of(&staged.model)), Some(of(&base.model)))
}

fn of_segments(
    segments: &[SegmentReport],
    migration: Option<&MigrationReport>,
    base: Option<&BaseVersion>,
) -> Vec<SegmentMeasures> {
    let total: u64 = segments.iter().map(|segment| segment.customers).sum();
    let share = |customers: u64, of: u64| customers as f64 / of.max(1) as f64;
    let of_old = |flow: &Flow| Some(base?.identities.segments[flow.before? as usize].segment_id);
    let of_now = |flow: &Flow| flow.now.map(|number| segments[number as usize].identity.segment_id);
    let flows = || migration.into_iter().flat_map(|migration| &migration.flows).filter(|flow| !flow.is_new);
    let in_segments: u64 = base.map_or(0, |base| base.sizes.values().sum());
    let of_one = |segment: &SegmentReport| {
        let id = Some(segment.identity.segment_id);
        let mine = || flows().filter(|flow| of_old(flow) == id);
        let here: u64 = mine().filter(|flow| !flow.has_left).map(|flow| flow.customers).sum();
        let kept: u64 = mine().filter(|flow| !flow.has_left && of_now(flow) == id).map(|flow| flow.customers).sum();
        SegmentMeasures {
            segment_id: segment.identity.segment_id,
            customers: segment.customers,
            share: share(segment.customers, total),
            share_before: segment.before.map(|before| share(before, in_segments)),
            retention: (here > 0).then(|| share(kept, here)),
            stayed: (here > 0).then_some(here),
        }
    };
    segments.iter().map(of_one).collect()
}

/// Columns that have nothing to offer any more are missing in all rows.
fn of_features(drift: &DriftReport, is_lost: impl Fn(&str) -> bool) -> Vec<FeatureMeasures> {
    let of_one = |feature: &FeatureDrift| FeatureMeasures {
        name: feature.name.clone(),
        psi: Some(feature.figures.psi),
        w1: feature.distance,
        missing: Some(feature.missing.now),
        missing_before: Some(feature.missing.reference),
    };
    let of_lost = |name: &String| FeatureMeasures {
        name: name.clone(),
        psi: None,
        w1: None,
        missing: Some(1.0),
        missing_before: Some(0.0),
    };
    let lost = drift.not_compared.iter().filter(|name| is_lost(name));
    drift.features.iter().map(of_one).chain(lost.map(of_lost)).collect()
}
