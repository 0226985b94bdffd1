//! Which customers and segments are those of the base version.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::base::BaseVersion;
use super::holding::Holding;
use super::opened::MonthlyJob;
use super::places::CommonPlaces;
use super::stage::StagedMonth;
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::identity::{FreshSegment, Identities, MatchedBy, Overlap, has_moved, identify, identify_by_distance};
use crate::migration::{EarlierPlaces, LabelTable, MemberPlace, Migration, RowCodes, earlier_places};
use crate::model::Model;
use crate::text::thousands;

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
    /// Rows whose segment is not the successor of the one that the old model gives; None as `by_old`.
    pub(super) relabelled: Option<u64>,
    /// Customers who keep their segment by hysteresis; in `now` and `by_old` they are in it. None without hysteresis.
    pub(super) held: Option<u64>,
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
        let now = staged.now.clone();
        match base {
            Some(base) => beside(job, staged, base, now),
            None => Ok(MatchedMonth {
                identities: Identities::first(&fresh(&staged.model)),
                now,
                before: None,
                nobody: 0,
                by_old: None,
                migration: None,
                relabelled: None,
                held: None,
            }),
        }
    })
}

fn beside(job: &MonthlyJob<'_>, staged: &StagedMonth, base: &BaseVersion, mut now: RowCodes) -> Result<MatchedMonth> {
    let watch = job.watch();
    let mut by_old = staged.by_old_model.clone();
    let earlier = before(job, staged, base)?;
    let nobody = earlier.as_ref().map_or(0, |earlier| earlier.nobody_now);
    let (before, departed) = earlier.map(|earlier| (earlier.places, earlier.departed)).unzip();
    let mut counts = counted([&before, &by_old], &now, watch)?;
    let by = match (&by_old, &before) {
        (Some(_), _) => MatchedBy::Definition,
        (None, Some(_)) => MatchedBy::Members,
        (None, None) => MatchedBy::Centroids,
    };
    let identities = identities(staged, base, (&counts, by), watch)?;
    let margin = job.file.refit.hysteresis.map(|share| share.0);
    let held = match margin.zip(before.as_ref()) {
        Some((margin, before)) => {
            let held = Holding { job, staged, base, identities: &identities, before, margin }.held(&now)?;
            held.iter().for_each(|&(row, place)| now.set(row, place));
            // Whoever is where he was did not move, whatever the old model makes of a border.
            let successors = identities.successors(&base.identities);
            for row in 0..now.rows() {
                let own = before.get(row).segment().and_then(|old| successors[old as usize]);
                if let Some(by_old) = by_old.as_mut().filter(|_| own.is_some() && own == now.get(row).segment()) {
                    by_old.set(row, before.get(row));
                }
            }
            Some(held.len() as u64)
        }
        None => None,
    };
    if held.is_some() {
        counts = counted([&before, &by_old], &now, watch)?;
    }
    let successors = identities.successors(&base.identities);
    let successor = |old: u32| successors[old as usize];
    let relabelled = by_old.is_some().then(|| Migration::of(&counts).relabelled(&successor));
    let migration = departed.map(|departed| {
        let gone = departed.into_iter().map(|(place, n)| ([place, MemberPlace::ABSENT, MemberPlace::ABSENT], n));
        let here = counts.iter().filter(|(places, _)| places[0] != MemberPlace::NOBODY);
        Migration::of(&here.map(|(places, n)| (*places, *n)).chain(gone).collect())
    });
    Ok(MatchedMonth { identities, now, before, nobody, by_old, migration, relabelled, held })
}

/// Where the customers were. None without ids.
fn before(job: &MonthlyJob<'_>, staged: &StagedMonth, base: &BaseVersion) -> Result<Option<EarlierPlaces>> {
    let watch = job.watch();
    let (Some(id), Some(old_id)) = (job.opened.id.as_deref(), base.id()) else {
        watch.warn("customers have no ids, so it is not known who moved");
        return Ok(None);
    };
    let labels = base.labels()?;
    let ids = base.identities.ids();
    let old = LabelTable::new(&labels, old_id)?.of_identities(&ids)?;
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
    let (stayed, version) = (found.stayed, base.pointer.version);
    if stayed * FEW < known {
        watch.warn(format!(
            "only {} of {} customers of version {version} are in this month, so it is not known who moved; were ids \
             pseudonymised with another key?",
            thousands(stayed),
            thousands(known)
        ));
        return Ok(None);
    }
    if 2 * stayed < known {
        let (stayed, known) = (thousands(stayed), thousands(known));
        watch.warn(format!("only {stayed} of {known} customers of version {version} are in this month"));
    }
    Ok(Some(found))
}

/// One customer in so many must be found again. Ids that are pseudonymised with another key have none in common, but
/// for chance.
const FEW: u64 = 100;

/// Rows by where they were, where the old model puts them, and where they are.
fn counted(
    [before, by_old]: [&Option<RowCodes>; 2],
    now: &RowCodes,
    watch: Watch<'_>,
) -> Result<BTreeMap<[MemberPlace; 3], u64>> {
    let place = |codes: &Option<RowCodes>, row| codes.as_ref().map_or(MemberPlace::NO_SEGMENT, |codes| codes.get(row));
    let places = |codes: &Option<RowCodes>| codes.as_ref().map_or(2, RowCodes::places);
    let (olds, nows) = (places(by_old), now.places());
    // One number for three places: few enough for an array, unless there are hundreds of segments.
    let number = |row| (place(before, row).code() * olds + place(by_old, row).code()) * nows + now.get(row).code();
    let counts = count(now.rows(), places(before) * olds * nows, watch, number)?;
    let apart = |(number, n): (usize, u64)| {
        let codes = [number / nows / olds, number / nows % olds, number % nows];
        (codes.map(MemberPlace::of_code), n)
    };
    Ok(counts.into_iter().map(apart).collect())
}

/// The largest array of counts of a piece.
const MOST_COUNTS: usize = 1 << 16;

/// Rows by a number below `all`.
fn count(
    rows: u64,
    all: usize,
    watch: Watch<'_>,
    number: impl Fn(u64) -> usize + Sync,
) -> Result<BTreeMap<usize, u64>> {
    let pieces = (0..rows.div_ceil(PIECE)).into_par_iter().map(|piece| {
        watch.check()?;
        let of_piece = piece * PIECE..((piece + 1) * PIECE).min(rows);
        watch.advance(Stage::Migration, of_piece.end - of_piece.start);
        if all > MOST_COUNTS {
            let mut numbers: Vec<usize> = of_piece.map(&number).collect();
            numbers.sort_unstable();
            return Ok(numbers.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u64)).collect());
        }
        let mut counts = vec![0; all];
        of_piece.for_each(|row| counts[number(row)] += 1);
        Ok(counts.into_iter().enumerate().filter(|(_, n)| *n > 0).collect())
    });
    let pieces: Vec<Vec<(usize, u64)>> = pieces.collect::<Result<_>>()?;
    let mut sum = BTreeMap::new();
    pieces.into_iter().flatten().for_each(|(number, n)| *sum.entry(number).or_default() += n);
    Ok(sum)
}

/// The identities of the new segments.
fn identities(
    staged: &StagedMonth,
    base: &BaseVersion,
    (counts, by): (&BTreeMap<[MemberPlace; 3], u64>, MatchedBy),
    watch: Watch<'_>,
) -> Result<Identities> {
    let known = base.identities.known();
    if staged.same_model {
        return Ok(Identities::of_same_model(&known, base.next_id));
    }
    let new = fresh(&staged.model);
    let places = CommonPlaces::new(&base.model, &staged.model)?;
    if by == MatchedBy::Centroids {
        watch.warn(format!(
            "segments are matched by their centroids in the {} features that both months have, which finds neither \
             splits nor merges",
            places.features
        ));
        let old: Vec<_> = known.into_iter().zip(places.old.iter().map(Option::as_deref)).collect();
        let new: Vec<_> = new.into_iter().zip(places.new.iter().map(Option::as_deref)).collect();
        return identify_by_distance(&old, &new, base.next_id);
    }
    let mut overlap = Overlap::new(known.len(), new.len());
    let number = |place: MemberPlace| place.segment().map(|segment| segment as usize);
    for (&[before, by_old, now], &n) in counts {
        let old = if by == MatchedBy::Definition { by_old } else { before };
        overlap.add(number(old), number(now), n);
    }
    let mut identities = identify(&known, &new, &overlap, by, base.next_id)?;
    identities.note_moved(&moved(base, &identities, &places));
    Ok(identities)
}

/// The ids of segments that go on, and whose centroids moved.
fn moved(base: &BaseVersion, identities: &Identities, places: &CommonPlaces) -> BTreeSet<u64> {
    let parts = base.model.parts.iter().filter_map(|part| Some((part, part.fitted.centroids()?)));
    let of_parts = parts.flat_map(|(part, fitted)| {
        let segments = fitted.mean_distance_.iter().zip(&fitted.counts_).enumerate();
        let step = part.preparation.step();
        segments.map(move |(at, (mean, &n))| (part.first_segment + at, mean.map(|mean| mean / step), n))
    });
    let has_moved = |(old, mean, customers): (usize, Option<f64>, u64)| {
        let id = base.identities.segments[old].segment_id;
        let now = identities.segments.iter().position(|identity| identity.segment_id == id)?;
        // A model keeps the mean distance of a segment, which is at most its root mean square.
        let inertia = (mean? * mean?) as u128 * u128::from(customers);
        let (from, to) = (places.old[old].as_deref()?, places.new[now].as_deref()?);
        has_moved(from, to, inertia, customers).then_some(id)
    };
    of_parts.filter_map(has_moved).collect()
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
