//! Ids by shared customers, with the rules and thresholds of MONIC.
//!
//! Pairs that may carry an id are fixed before the assignment problem is solved for the rest: an assignment that
//! only maximises shared customers can give such a pair up for two others that carry none. They hardly compete, since a
//! pair holds more than half of its old segment and at least half of its new one.

use std::collections::{BTreeMap, BTreeSet};

use super::assignment;
use super::known::{
    Ended, Fate, FreshSegment, Identities, Identity, IdentityEvent, KnownSegment, MatchedBy, ParentSegment, vet,
};
use super::overlap::Overlap;
use crate::error::{Error, Result};

/// Decides the ids of new segments from the customers that they share with old ones.
///
/// `old` and `new` are in the order of their numbers in `counts`; `next_id` is the base version's. Rule segments match
/// those of the same rule, others within their stratum. An id goes on if the pair holds at least 0.7 of the old
/// segment's customers and half of the new one's; where two old segments are exactly half each, the lower id. Other new
/// segments get new ids, in the order of their numbers, and record their parents. Shares are of the customers who have
/// both an old and a new segment.
///
/// # Errors
/// [`Error::Internal`]: counts of another shape, or ids that are not unique and below `next_id`.
pub fn identify(
    old: &[KnownSegment],
    new: &[FreshSegment],
    counts: &Overlap,
    matched_by: MatchedBy,
    next_id: u64,
) -> Result<Identities> {
    vet(old, next_id)?;
    if (old.len(), new.len()) != (counts.old(), counts.new_segments()) {
        let (rows, columns) = (counts.old(), counts.new_segments());
        return Err(Error::Internal(format!(
            "counts of {rows} x {columns} segments for {} old and {} new ones",
            old.len(),
            new.len()
        )));
    }
    let table = OverlapTable::new(old, new, counts);
    let kept = table.kept();
    let mut all = Identities::none(matched_by, next_id);
    all.segments = (0..new.len()).map(|number| table.identity(number, &kept)).collect();
    for (of_old, of_new) in kept.iter().copied().chain(table.rest(&kept)) {
        all.segments[of_new].follows = Some(old[of_old].segment_id);
    }
    all.give_new_ids();
    all.ended = table.ended(&kept, &all.segments);
    Ok(all)
}

/// Pairs of the numbers of an old and a new segment.
type NumberPairs = BTreeSet<(usize, usize)>;

struct OverlapTable<'a> {
    old: &'a [KnownSegment],
    new: &'a [FreshSegment],
    counts: &'a Overlap,
    /// Customers of each old segment who have a new one.
    of_old: Vec<u64>,
    /// Customers of each new segment who had an old one.
    of_new: Vec<u64>,
    /// Numbers of the old segments, by id.
    by_id: Vec<usize>,
}

impl<'a> OverlapTable<'a> {
    fn new(old: &'a [KnownSegment], new: &'a [FreshSegment], counts: &'a Overlap) -> Self {
        let of_old = (0..old.len()).map(|o| counts.row(o).iter().sum()).collect();
        let mut of_new = vec![0; new.len()];
        for o in 0..old.len() {
            of_new.iter_mut().zip(counts.row(o)).for_each(|(sum, more)| *sum += more);
        }
        let mut by_id: Vec<usize> = (0..old.len()).collect();
        by_id.sort_by_key(|&o| old[o].segment_id);
        OverlapTable { old, new, counts, of_old, of_new, by_id }
    }

    fn shared(&self, o: usize, n: usize) -> u64 {
        self.counts.row(o)[n]
    }

    /// Whether a new segment holds at least `tenths` of an old one.
    fn holds(&self, tenths: u64, o: usize, n: usize) -> bool {
        at_least(self.shared(o, n), tenths, self.of_old[o])
    }

    /// The pairs whose id goes on.
    fn kept(&self) -> NumberPairs {
        let mut taken = vec![false; self.new.len()];
        let mut kept = NumberPairs::new();
        for &o in &self.by_id {
            let goes_on = |&n: &usize| !taken[n] && self.goes_on(o, n);
            if let Some(n) = (0..self.new.len()).find(goes_on) {
                taken[n] = true;
                kept.insert((o, n));
            }
        }
        kept
    }

    fn goes_on(&self, o: usize, n: usize) -> bool {
        let (old, new) = (&self.old[o], &self.new[n]);
        match (&old.rule, &new.rule) {
            (Some(rule), Some(other)) => rule == other,
            (None, None) => {
                let enough = self.holds(SURVIVES, o, n) && at_least(self.shared(o, n), HALF, self.of_new[n]);
                enough && old.stratum == new.stratum
            }
            _ => false,
        }
    }

    /// What corresponds best among the segments without a rule whose ids do not go on, stratum by stratum.
    fn rest(&self, kept: &NumberPairs) -> Vec<(usize, usize)> {
        let (old, new): (BTreeSet<usize>, BTreeSet<usize>) = kept.iter().copied().unzip();
        let mut strata: BTreeMap<Option<&str>, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for &o in self.by_id.iter().filter(|&o| !old.contains(o) && self.old[*o].rule.is_none()) {
            strata.entry(self.old[o].stratum.as_deref()).or_default().0.push(o);
        }
        for n in (0..self.new.len()).filter(|n| !new.contains(n) && self.new[*n].rule.is_none()) {
            strata.entry(self.new[n].stratum.as_deref()).or_default().1.push(n);
        }
        let pairs = |(old, new): &(Vec<usize>, Vec<usize>)| assignment::pairs(old, new, |o, n| self.shared(o, n));
        strata.values().flat_map(pairs).collect()
    }

    /// The identity of a new segment: its id if one goes on, its event and its parents.
    fn identity(&self, n: usize, kept: &NumberPairs) -> Identity {
        let base = kept.iter().find(|pair| pair.1 == n).map(|pair| pair.0);
        let mut identity = Identity::new(n, &self.new[n]);
        if let Some(base) = base {
            identity.segment_id = self.old[base].segment_id;
        }
        identity.event = self.event(n, base);
        let is_parent = |o: &usize| {
            Some(*o) == base || self.holds(PIECE, *o, n) || at_least(self.shared(*o, n), HALF, self.of_new[n])
        };
        let mut parents: Vec<usize> = self.by_id.iter().copied().filter(is_parent).collect();
        parents.sort_by_key(|&o| std::cmp::Reverse(self.shared(o, n)));
        identity.parents = parents.into_iter().map(|o| self.parent(o, n)).collect();
        identity
    }

    fn parent(&self, o: usize, n: usize) -> ParentSegment {
        let customers = self.shared(o, n);
        let share = |of: u64| (of > 0).then(|| customers as f64 / of as f64);
        ParentSegment {
            segment_id: self.old[o].segment_id,
            customers: Some(customers),
            of_old: share(self.of_old[o]),
            of_new: share(self.of_new[n]),
        }
    }

    fn event(&self, n: usize, base: Option<usize>) -> IdentityEvent {
        let others = || (0..self.old.len()).filter(|&o| Some(o) != base);
        if others().any(|o| self.holds(SURVIVES, o, n)) {
            IdentityEvent::Merged
        } else if base.is_some() {
            IdentityEvent::Survived
        } else if others().any(|o| self.holds(PIECE, o, n) && self.pieces(o).is_some()) {
            IdentityEvent::Split
        } else {
            IdentityEvent::New
        }
    }

    /// The new segments that hold at least 0.3 of an old one.
    fn holders(&self, o: usize) -> Vec<usize> {
        (0..self.new.len()).filter(|&n| self.holds(PIECE, o, n)).collect()
    }

    /// The pieces of an old segment that split.
    fn pieces(&self, o: usize) -> Option<Vec<usize>> {
        let pieces = self.holders(o);
        let together = pieces.iter().map(|&n| self.shared(o, n)).sum();
        (pieces.len() > 1 && at_least(together, SURVIVES, self.of_old[o])).then_some(pieces)
    }

    /// The old segments whose ids do not go on, where all new ones have ids.
    fn ended(&self, kept: &NumberPairs, segments: &[Identity]) -> Vec<Ended> {
        let goes_on: BTreeSet<usize> = kept.iter().map(|pair| pair.0).collect();
        let ended = self.by_id.iter().copied().filter(|o| !goes_on.contains(o));
        let ended = ended.map(|o| {
            let holders = self.holders(o);
            let fate = if holders.iter().any(|&n| self.holds(SURVIVES, o, n)) {
                Fate::Merged
            } else if self.pieces(o).is_some() {
                Fate::Split
            } else {
                Fate::Retired
            };
            let mut into: Vec<u64> = holders.into_iter().map(|n| segments[n].segment_id).collect();
            into.sort_unstable();
            Ended { segment_id: self.old[o].segment_id, fate, into }
        });
        ended.collect()
    }
}

/// Tenths of an old segment that must be in a new one for its id to go on (MONIC's threshold of survival).
const SURVIVES: u64 = 7;
/// Tenths of a new segment that must come from the old one whose id it has.
const HALF: u64 = 5;
/// Tenths of an old segment that make a piece of it (MONIC's threshold of splits).
const PIECE: u64 = 3;

/// Whether `part` is at least so many tenths of a `whole` that is not empty.
fn at_least(part: u64, tenths: u64, whole: u64) -> bool {
    part > 0 && 10 * u128::from(part) >= u128::from(tenths) * u128::from(whole)
}
