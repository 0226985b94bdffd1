//! Which customers and segments are those of the base version.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use super::base::BaseVersion;
use super::opened::MonthlyJob;
use super::stage::StagedMonth;
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::identity::{FreshSegment, Identities, MatchedBy, Overlap, identify};
use crate::migration::{EarlierPlaces, LabelTable, MemberPlace, Migration, RowCodes, earlier_places};
use crate::model::Model;

/// Rows that are counted at a time.
const PIECE: u64 = 1 << 16;

/// A month beside the base version.
pub(super) struct MatchedMonth {
    pub(super) identities: Identities,
    /// The segment of each row.
    pub(super) now: RowCodes,
    /// Where each row was; None without a base version or without ids.
    pub(super) before: Option<RowCodes>,
    /// Rows that are no customers, since they have no id, or that of a row before.
    pub(super) nobody: u64,
    /// The segment of each row by the old model, which may be the new one; None if that is not known.
    pub(super) by_old: Option<RowCodes>,
    /// Who went where; None as `before`.
    pub(super) migration: Option<Migration>,
}

impl MatchedMonth {
    /// Customers by segment.
    pub(super) fn sizes(&self) -> Vec<u64> {
        let mut sizes = vec![0; self.identities.segments.len()];
        for segment in (0..self.now.rows()).filter_map(|row| self.now.get(row).segment()) {
            sizes[segment as usize] += 1;
        }
        sizes
    }
}

/// Matches a month with the base version.
pub(super) fn matched(job: &MonthlyJob<'_>, staged: &StagedMonth, base: Option<&BaseVersion>) -> Result<MatchedMonth> {
    let watch = job.watch();
    watch.stage(Stage::Migration, staged.labels.rows(), "rows", || {
        let segments = staged.model.segments();
        let now = places(&staged.labels, segments, watch)?;
        let Some(base) = base else {
            let identities = Identities::first(&fresh(&staged.model));
            return Ok(MatchedMonth { identities, now, before: None, nobody: 0, by_old: None, migration: None });
        };
        let old_segments = base.model.segments();
        let by_old = match &staged.by_old_model {
            Some(labels) => Some(places(labels, old_segments, watch)?),
            None => staged.same_model.then(|| now.clone()),
        };
        let earlier = before(job, staged, base)?;
        let nobody = earlier.as_ref().map_or(0, |earlier| earlier.nobody_now);
        let (before, departed) = earlier.map(|earlier| (earlier.places, earlier.departed)).unzip();
        let rows = staged.labels.rows();
        let place =
            |codes: &Option<RowCodes>, row| codes.as_ref().map_or(MemberPlace::NO_SEGMENT, |codes| codes.get(row));
        let counts = count(rows, watch, |row| [place(&before, row), place(&by_old, row), now.get(row)])?;
        let identities = identities(staged, base, &counts, by_old.is_some())?;
        let migration = departed.map(|departed| {
            let gone = departed.into_iter().map(|(place, n)| ([place, MemberPlace::ABSENT, MemberPlace::ABSENT], n));
            let here = counts.iter().filter(|(places, _)| places[0] != MemberPlace::NOBODY);
            Migration::of(&here.map(|(places, n)| (*places, *n)).chain(gone).collect())
        });
        Ok(MatchedMonth { identities, now, before, nobody, by_old, migration })
    })
}

fn places(labels: &crate::input::Source, segments: usize, watch: Watch<'_>) -> Result<RowCodes> {
    let segment = labels.position("segment").unwrap_or_default();
    LabelTable { source: labels, id: segment, segment }.places(segments, watch)
}

/// Where the customers were. None without ids.
fn before(job: &MonthlyJob<'_>, staged: &StagedMonth, base: &BaseVersion) -> Result<Option<EarlierPlaces>> {
    let watch = job.watch();
    let (Some(id), Some(old_id)) = (job.opened.id.as_deref(), base.id()) else {
        watch.warn("customers have no ids, so it is not known who moved");
        return Ok(None);
    };
    let labels = base.labels()?;
    let old = LabelTable::new(&labels, old_id)?;
    let new = LabelTable::new(&staged.labels, id)?;
    let found = earlier_places(old, new, base.model.segments(), job.memory() / 2, watch)?;
    if found.nobody_now > 0 {
        watch.warn(format!(
            "{} rows have no id, or that of a row before: they have a segment, and count for nothing that follows \
             customers",
            found.nobody_now
        ));
    }
    let known = labels.rows() - found.nobody_before;
    if 2 * found.stayed < known {
        watch.warn(format!(
            "only {} of {known} customers of version {} are in this month; if ids were pseudonymised with another key, \
             nothing is known of who moved",
            found.stayed, base.pointer.version
        ));
    }
    Ok(Some(found))
}

/// Rows by what `of` says of each.
fn count<K: Ord + std::hash::Hash + Eq + Send>(
    rows: u64,
    watch: Watch<'_>,
    of: impl Fn(u64) -> K + Sync,
) -> Result<BTreeMap<K, u64>> {
    let pieces = (0..rows.div_ceil(PIECE)).into_par_iter().map(|piece| {
        watch.check()?;
        let mut counts: HashMap<K, u64> = HashMap::new();
        for row in piece * PIECE..((piece + 1) * PIECE).min(rows) {
            *counts.entry(of(row)).or_default() += 1;
        }
        watch.advance(Stage::Migration, PIECE.min(rows - piece * PIECE));
        Ok(counts)
    });
    let pieces: Vec<HashMap<K, u64>> = pieces.collect::<Result<_>>()?;
    let mut all = BTreeMap::new();
    pieces.into_iter().flatten().for_each(|(key, n)| *all.entry(key).or_default() += n);
    Ok(all)
}

/// The identities of the new segments.
fn identities(
    staged: &StagedMonth,
    base: &BaseVersion,
    counts: &BTreeMap<[MemberPlace; 3], u64>,
    has_old_labels: bool,
) -> Result<Identities> {
    let known = base.identities.known();
    if staged.same_model {
        return Ok(Identities::of_same_model(&known, base.next_id));
    }
    let new = fresh(&staged.model);
    let mut overlap = Overlap::new(known.len(), new.len());
    let number = |place: MemberPlace| place.segment().map(|segment| segment as usize);
    for (&[before, by_old, now], &n) in counts {
        if !has_old_labels && before == MemberPlace::NOBODY {
            continue;
        }
        let old = if has_old_labels { by_old } else { before };
        overlap.add(number(old), number(now), n);
    }
    let by = if has_old_labels { MatchedBy::Definition } else { MatchedBy::Members };
    identify(&known, &new, &overlap, by, base.next_id)
}

/// The segments of a model: those of its rules, then those of its parts.
fn fresh(model: &Model) -> Vec<FreshSegment> {
    let has_strata = model.division.as_ref().is_some_and(|division| division.book.strata.is_some());
    let rules = model.division.iter().flat_map(|division| &division.book.rules);
    let of_rules = rules.map(|rule| FreshSegment { rule: Some(rule.name.clone()), stratum: None });
    let of_parts = model.parts.iter().flat_map(|part| {
        let stratum = has_strata.then(|| part.name.clone());
        (0..part.fitted.segments()).map(move |_| FreshSegment { rule: None, stratum: stratum.clone() })
    });
    of_rules.chain(of_parts).collect()
}
