//! `report.json`: what a run found.

use serde::Serialize;

use super::base::BaseVersion;
use super::matching::MatchedMonth;
use super::opened::MonthlyJob;
use super::stage::StagedMonth;
use crate::drift::DriftReport;
use crate::gates::{GateResult, GateSeverity, Measures};
use crate::history::GateTally;
use crate::identity::{Ended, Identity, MatchedBy};
use crate::job::{PartRefit, RefitMode};
use crate::migration::{Flow, Migration};

/// The format of `report.json`.
const FORMAT: u32 = 1;

/// Whether a version was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunVerdict {
    /// It is the current version.
    Published,
    /// A gate refused it.
    Refused,
    /// It waits for an approval.
    Waits,
    /// Nothing was written: a dry run.
    Planned,
    /// Nothing was written: the current version is of the same data, options and program.
    NothingNew,
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunReport {
    format: u32,
    /// The job.
    pub job: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The day that the data describe.
    pub as_of: String,
    /// The version that it is based on.
    pub based_on: Option<u64>,
    /// How the month was segmented.
    pub mode: RefitMode,
    /// Customers.
    pub customers: u64,
    /// What segments were matched by.
    pub matched_by: MatchedBy,
    /// The segments by number.
    pub segments: Vec<SegmentReport>,
    /// Segments of the base version whose ids do not go on.
    pub ended: Vec<Ended>,
    /// How each part was fitted again.
    pub refits: Vec<PartRefit>,
    /// Who went where; None without a base version or ids.
    pub migration: Option<MigrationReport>,
    /// Customers whose segment is not the successor of the one that the old model gives; None if that cannot label the
    /// month.
    pub relabelled: Option<u64>,
    /// Customers who keep their segment although another one is nearer, by less than the margin of the job; None
    /// without hysteresis.
    pub held: Option<u64>,
    /// What gates look at.
    pub measures: Measures,
    /// What they say.
    pub gates: Vec<GateResult>,
    /// The features that changed most; all are in `drift.json`.
    #[serde(skip)]
    pub drift: Option<DriftReport>,
    /// What changed since the version of `--baseline`; it is in `baseline.json`.
    #[serde(skip)]
    pub baseline: Option<BaselineDrift>,
}

/// What changed in the data since a version that was named.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BaselineDrift {
    /// Its number.
    pub version: u64,
    /// The day that its data describe.
    pub as_of: Option<String>,
    /// What changed.
    #[serde(flatten)]
    pub drift: DriftReport,
}

/// A segment of a version.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentReport {
    /// Its identity.
    #[serde(flatten)]
    pub identity: Identity,
    /// Customers.
    pub customers: u64,
    /// Customers of the segment with this id in the base version; None if there is none.
    pub before: Option<u64>,
}

/// Who went where.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MigrationReport {
    /// Customers of both versions.
    pub stayed: u64,
    /// New customers.
    pub came: u64,
    /// Customers of the base version who are gone.
    pub left: u64,
    /// Customers of both versions whose `segment_id` changed.
    pub moved: u64,
    /// Customers of both versions whom the old model puts elsewhere than in the base version; None if it cannot label
    /// the month.
    pub moved_by_behaviour: Option<u64>,
    /// Rows of now that count nowhere here: they have no id, or that of a row before.
    pub not_members: u64,
    /// The one count of which all matrices are margins. Numbers are those of the base version's segments before and by
    /// the old model, those of this version now.
    pub flows: Vec<Flow>,
}

impl RunReport {
    pub(super) fn new(
        job: &MonthlyJob<'_>,
        staged: &StagedMonth,
        matched: &MatchedMonth,
        base: Option<&BaseVersion>,
    ) -> Self {
        let sizes = matched.sizes();
        let id_of_old = |segment: u32| base.map(|base| base.identities.segments[segment as usize].segment_id);
        let before = |id: u64| base?.sizes.get(&id).copied();
        let segments = matched.identities.segments.iter().zip(sizes).map(|(identity, customers)| SegmentReport {
            identity: identity.clone(),
            customers,
            before: before(identity.segment_id),
        });
        let segments: Vec<SegmentReport> = segments.collect();
        let migration = matched.migration.as_ref();
        let migration = migration.map(|migration| MigrationReport::new(migration, matched, &id_of_old));
        RunReport {
            format: FORMAT,
            job: job.file.name().to_owned(),
            owner: job.file.job.owner.clone(),
            as_of: job.opened.month.as_of(),
            based_on: base.map(|base| base.pointer.version),
            mode: job.mode,
            customers: staged.labels.rows(),
            matched_by: matched.identities.matched_by,
            segments,
            ended: matched.identities.ended.clone(),
            refits: staged.refits.clone(),
            migration,
            relabelled: matched.relabelled,
            held: matched.held,
            measures: Measures::default(),
            gates: Vec::new(),
            drift: None,
            baseline: None,
        }
    }

    /// The same, with what changed in the data, and what the gates say.
    pub(super) fn judged(self, drift: Option<DriftReport>, measures: Measures, gates: Vec<GateResult>) -> Self {
        RunReport { drift, measures, gates, ..self }
    }

    /// The same, with what changed since another version.
    pub(super) fn since(self, baseline: Option<BaselineDrift>) -> Self {
        RunReport { baseline, ..self }
    }

    /// Gates by outcome.
    pub(super) fn tally(&self) -> GateTally {
        let count = |of: &dyn Fn(&GateResult) -> bool| self.gates.iter().filter(|gate| of(gate)).count() as u64;
        GateTally {
            passed: count(&|gate| gate.passed),
            warned: count(&|gate| !gate.passed && gate.severity == GateSeverity::Warn),
            failed: count(&|gate| !gate.passed && gate.severity == GateSeverity::Error),
        }
    }

    /// What the gates refuse, in words.
    pub fn refusals(&self) -> Vec<String> {
        let refuses = |gate: &&GateResult| !gate.passed && gate.severity == GateSeverity::Error;
        self.gates.iter().filter(refuses).map(GateResult::text).collect()
    }

    /// The ids of the segments, by number.
    pub(super) fn ids(&self) -> Vec<u64> {
        self.segments.iter().map(|segment| segment.identity.segment_id).collect()
    }

    /// The share of the customers of both versions whose segment changed.
    pub(super) fn moved_share(&self) -> Option<f64> {
        let migration = self.migration.as_ref()?;
        Some(migration.moved as f64 / migration.stayed.max(1) as f64)
    }
}

impl MigrationReport {
    fn new(migration: &Migration, matched: &MatchedMonth, id_of_old: &dyn Fn(u32) -> Option<u64>) -> Self {
        let id_of_new = |segment: u32| matched.identities.segments[segment as usize].segment_id;
        let has_moved =
            |flow: &&Flow| !flow.is_new && !flow.has_left && flow.before.and_then(id_of_old) != flow.now.map(id_of_new);
        let moved = migration.flows().iter().filter(has_moved).map(|flow| flow.customers).sum();
        let knows_behaviour = matched.by_old.is_some();
        MigrationReport {
            stayed: migration.stayed(),
            came: migration.came(),
            left: migration.left(),
            moved,
            moved_by_behaviour: knows_behaviour.then(|| migration.moved_by_behaviour()),
            not_members: matched.nobody,
            flows: migration.flows().to_vec(),
        }
    }
}
