//! Ids by the distances of centroids, where neither labels nor customers can be compared.

use super::known::{
    Ended, Fate, FreshSegment, Identities, Identity, IdentityEvent, KnownSegment, MatchedBy, ParentSegment, vet,
};
use crate::error::{Error, Result};

/// Where a segment's centroid lies on the grid; None for segments of rules.
pub type Place<'a> = Option<&'a [i32]>;

/// Decides the ids of new segments from the distances of centroids: `old` and `new` segments with their places on
/// **one** grid, that of a frozen preparation.
///
/// Rule segments match those of the same rule, others within their stratum. An id goes on if the two centroids are
/// nearer to each other than half the distance from either to the nearest other one of its own version. No two pairs of
/// that kind compete, by the triangle inequality, so no assignment problem remains. Splits and merges are not found:
/// what does not match is new, or retired.
///
/// # Errors
/// [`Error::Internal`]: ids that are not unique and below `next_id`, or centroids of different dimensions.
pub fn identify_by_distance(
    old: &[(KnownSegment, Place<'_>)],
    new: &[(FreshSegment, Place<'_>)],
    next_id: u64,
) -> Result<Identities> {
    let known: Vec<KnownSegment> = old.iter().map(|(known, _)| known.clone()).collect();
    vet(&known, next_id)?;
    let places = old.iter().map(|(_, place)| *place).chain(new.iter().map(|(_, place)| *place));
    let mut dims = places.flatten().map(<[i32]>::len);
    if dims.next().is_some_and(|first| dims.any(|dim| dim != first)) {
        return Err(Error::Internal("centroids of different dimensions cannot be compared".into()));
    }
    let old_reach = reaches(old, |known| &known.stratum);
    let new_reach = reaches(new, |fresh| &fresh.stratum);
    let goes_on = |o: usize, n: usize| {
        let ((known, from), (fresh, to)) = (&old[o], &new[n]);
        match (&known.rule, &fresh.rule, from, to) {
            (Some(rule), Some(other), ..) => rule == other,
            (None, None, Some(from), Some(to)) if known.stratum == fresh.stratum => {
                let distance = 4 * squared(from, to);
                [old_reach[o], new_reach[n]].into_iter().flatten().all(|reach| distance < reach)
            }
            _ => false,
        }
    };
    let mut all = Identities::none(MatchedBy::Centroids, next_id);
    let mut by_id: Vec<usize> = (0..old.len()).collect();
    by_id.sort_by_key(|&o| old[o].0.segment_id);
    let mut goes_nowhere = vec![true; old.len()];
    for (n, (fresh, _)) in new.iter().enumerate() {
        let mut identity = Identity::new(n, fresh);
        if let Some(&o) = by_id.iter().find(|&&o| goes_nowhere[o] && goes_on(o, n)) {
            goes_nowhere[o] = false;
            let id = old[o].0.segment_id;
            (identity.segment_id, identity.event, identity.follows) = (id, IdentityEvent::Survived, Some(id));
            identity.parents = vec![ParentSegment { segment_id: id, customers: None, of_old: None, of_new: None }];
        }
        all.segments.push(identity);
    }
    all.give_new_ids();
    let ended = by_id.into_iter().filter(|&o| goes_nowhere[o]);
    let ended = ended.map(|o| Ended { segment_id: old[o].0.segment_id, fate: Fate::Retired, into: Vec::new() });
    all.ended = ended.collect();
    Ok(all)
}

/// Whether a centroid moved by at least 0.3 of its segment's root mean squared distance: `inertia` is the sum of
/// squared distances of the segment's `customers` in grid units. MONIC calls a survivor moved from that threshold on.
///
/// # Panics
/// On centroids of different dimensions.
pub fn has_moved(from: &[i32], to: &[i32], inertia: u128, customers: u64) -> bool {
    assert_eq!(from.len(), to.len(), "centroids of one dimension");
    let moved = squared(from, to);
    moved > 0 && moved.saturating_mul(100 * u128::from(customers)) >= inertia.saturating_mul(9)
}

/// The squared distance from each centroid to the nearest other one of its stratum, None where there is no other.
fn reaches<S>(segments: &[(S, Place<'_>)], stratum: impl Fn(&S) -> &Option<String>) -> Vec<Option<u128>> {
    let reach = |(number, (segment, place)): (usize, &(S, Place<'_>))| {
        let others = segments.iter().enumerate().filter(|(other, _)| *other != number);
        let others = others.filter(|(_, (other, _))| stratum(other) == stratum(segment));
        others.filter_map(|(_, (_, other))| Some(squared((*place)?, (*other)?))).min()
    };
    segments.iter().enumerate().map(reach).collect()
}

fn squared(a: &[i32], b: &[i32]) -> u128 {
    let square = |(a, b): (&i32, &i32)| u128::from(i64::from(*a).abs_diff(i64::from(*b))).pow(2);
    a.iter().zip(b).map(square).sum()
}
