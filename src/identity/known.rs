//! The identities of a version's segments, as `identity.json` stores them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// The format of `identity.json`.
const FORMAT: u32 = 1;

/// A segment of the base version, which has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSegment {
    /// Its id.
    pub segment_id: u64,
    /// The name of its rule, if a rule makes it.
    pub rule: Option<String>,
    /// The stratum that it lies in, if the bank has strata.
    pub stratum: Option<String>,
}

/// A segment of the new version, which needs an id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FreshSegment {
    /// The name of its rule, if a rule makes it.
    pub rule: Option<String>,
    /// The stratum that it lies in, if the bank has strata.
    pub stratum: Option<String>,
}

/// What the ids were decided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchedBy {
    /// Nothing: there is no earlier version.
    First,
    /// Nothing: the old model labels, so all segments are the same.
    SameModel,
    /// All customers of the new month, labelled by the old and by the new model.
    Definition,
    /// The customers of both months, with the segments that they had in each.
    Members,
    /// The distances of centroids. Finds neither splits nor merges.
    Centroids,
}

/// What became of a new segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityEvent {
    /// It has the id of an old segment.
    Survived,
    /// The same, and its centroid moved ([`has_moved`](super::has_moved)).
    Moved,
    /// It is one of several pieces of an old segment, each with at least 0.3 of its customers and together with at
    /// least 0.7.
    Split,
    /// It holds at least 0.7 of the customers of an old segment whose id it does not have.
    Merged,
    /// None of these.
    New,
}

/// What became of an old segment whose id does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// One new segment holds at least 0.7 of its customers, and is another one.
    Merged,
    /// Several new segments each hold at least 0.3 of its customers, and together at least 0.7.
    Split,
    /// Neither.
    Retired,
}

/// An old segment from which a new one comes: the one whose id it has, one of whose customers it holds at least 0.3, or
/// one from which at least half of its own customers come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParentSegment {
    /// Its id.
    pub segment_id: u64,
    /// Customers of both; None where centroids were matched.
    pub customers: Option<u64>,
    /// The share of the old segment's customers that are in the new one, of those that have a new segment. None if
    /// there are none.
    pub of_old: Option<f64>,
    /// The share of the new segment's customers that were in the old one, of those that had an old segment. None if
    /// there are none.
    pub of_new: Option<f64>,
}

/// The identity of one new segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Its number in the run.
    pub segment: u32,
    /// Its id in all versions.
    pub segment_id: u64,
    /// What became of it.
    pub event: IdentityEvent,
    /// The id of the old segment that corresponds to it best, whether or not that id goes on.
    pub follows: Option<u64>,
    /// Where its customers come from: most customers first, then the lowest id.
    pub parents: Vec<ParentSegment>,
    /// The name of its rule, if a rule makes it.
    pub rule: Option<String>,
    /// The stratum that it lies in, if the bank has strata.
    pub stratum: Option<String>,
}

/// An old segment whose id does not go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// Its id, which no segment will have again.
    pub segment_id: u64,
    /// What became of it.
    pub fate: Fate,
    /// The ids of the new segments that each hold at least 0.3 of its customers, ascending.
    pub into: Vec<u64>,
}

/// The identities of all segments of a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identities {
    format: u32,
    /// What the ids were decided by.
    pub matched_by: MatchedBy,
    /// The next id to give. No id was ever as high.
    pub next_id: u64,
    /// The segments by number.
    pub segments: Vec<Identity>,
    /// The old segments whose ids do not go on, by id.
    pub ended: Vec<Ended>,
}

impl Identities {
    /// Those of a first version: ids from 1 by number.
    pub fn first(new: &[FreshSegment]) -> Self {
        let mut all = Self::none(MatchedBy::First, 1);
        all.segments = new.iter().enumerate().map(|(number, fresh)| Identity::new(number, fresh)).collect();
        all.give_new_ids();
        all
    }

    /// Those of a version labelled by the old model: all ids go on, by number.
    pub fn of_same_model(old: &[KnownSegment], next_id: u64) -> Self {
        let mut all = Self::none(MatchedBy::SameModel, next_id);
        all.segments = old.iter().enumerate().map(|(number, known)| Identity::same(number, known)).collect();
        all
    }

    pub(super) fn none(matched_by: MatchedBy, next_id: u64) -> Self {
        Identities { format: FORMAT, matched_by, next_id, segments: Vec::new(), ended: Vec::new() }
    }

    /// Gives the next ids to those who have none, by number.
    pub(super) fn give_new_ids(&mut self) {
        for identity in self.segments.iter_mut().filter(|identity| identity.segment_id == NO_ID) {
            identity.segment_id = self.next_id;
            self.next_id += 1;
        }
    }

    /// The segments as the next version's base.
    pub fn known(&self) -> Vec<KnownSegment> {
        let known = |identity: &Identity| KnownSegment {
            segment_id: identity.segment_id,
            rule: identity.rule.clone(),
            stratum: identity.stratum.clone(),
        };
        self.segments.iter().map(known).collect()
    }

    /// By segment of an earlier version, the number of the one that has its id here.
    pub(crate) fn successors(&self, earlier: &Identities) -> Vec<Option<u32>> {
        let here = |id: u64| self.segments.iter().find(|identity| identity.segment_id == id);
        earlier.segments.iter().map(|old| here(old.segment_id).map(|identity| identity.segment)).collect()
    }

    /// The ids of the segments, by number.
    pub(crate) fn ids(&self) -> Vec<u64> {
        self.segments.iter().map(|identity| identity.segment_id).collect()
    }

    /// Notes which surviving segments moved, by id.
    pub fn note_moved(&mut self, moved: &BTreeSet<u64>) {
        let survived = self.segments.iter_mut().filter(|identity| identity.event == IdentityEvent::Survived);
        let moved = survived.filter(|identity| moved.contains(&identity.segment_id));
        moved.for_each(|identity| identity.event = IdentityEvent::Moved);
    }

    /// New segments without an ancestor and old segments without a successor.
    pub fn unmatched(&self) -> u64 {
        let first = self.matched_by == MatchedBy::First;
        let orphans = self.segments.iter().filter(|identity| !first && identity.parents.is_empty()).count();
        let childless = self.ended.iter().filter(|ended| ended.into.is_empty()).count();
        (orphans + childless) as u64
    }

    /// The text of `identity.json`.
    ///
    /// # Errors
    /// None expected.
    pub fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        text.map(|text| text + "\n").map_err(|e| Error::Internal(format!("identities as JSON: {e}")))
    }

    /// Reads the text of `identity.json`.
    ///
    /// # Errors
    /// Text of another or a newer format, or ids that contradict each other. The caller adds the path.
    pub fn from_json(text: &str) -> Result<Self> {
        let refuse = |why: String| Error::usage(why).of_kind(ErrorKind::Corrupt);
        let head: IdentityHead =
            serde_json::from_str(text).map_err(|e| refuse(format!("not identities of segments: {e}")))?;
        if head.format != FORMAT {
            let (found, here) = (head.format, FORMAT);
            return Err(refuse(format!("its format is {found}, and this program reads {here}; use a newer hyades")));
        }
        let all: Self = serde_json::from_str(text).map_err(|e| refuse(format!("not identities of segments: {e}")))?;
        all.check().map_err(refuse)?;
        Ok(all)
    }

    fn check(&self) -> Result<(), String> {
        let mut ids = BTreeSet::new();
        let of_segments = self.segments.iter().map(|identity| identity.segment_id);
        for id in of_segments.chain(self.ended.iter().map(|ended| ended.segment_id)) {
            if !(1..self.next_id).contains(&id) {
                return Err(format!("segment_id {id} is not between 1 and below next_id {}", self.next_id));
            }
            if !ids.insert(id) {
                return Err(format!("segment_id {id} is there twice"));
            }
        }
        match self.segments.iter().enumerate().find(|(number, identity)| identity.segment as usize != *number) {
            Some((number, identity)) => Err(format!("segment {} stands in place {number}", identity.segment)),
            None => Ok(()),
        }
    }
}

/// What every format has.
#[derive(Deserialize)]
struct IdentityHead {
    format: u32,
}

/// Stands for an id until one is given.
const NO_ID: u64 = 0;

impl Identity {
    /// A new segment that has no id yet.
    pub(super) fn new(number: usize, fresh: &FreshSegment) -> Self {
        Identity {
            segment: number as u32,
            segment_id: NO_ID,
            event: IdentityEvent::New,
            follows: None,
            parents: Vec::new(),
            rule: fresh.rule.clone(),
            stratum: fresh.stratum.clone(),
        }
    }

    fn same(number: usize, known: &KnownSegment) -> Self {
        let id = known.segment_id;
        let parent = ParentSegment { segment_id: id, customers: None, of_old: None, of_new: None };
        Identity {
            segment: number as u32,
            segment_id: id,
            event: IdentityEvent::Survived,
            follows: Some(id),
            parents: vec![parent],
            rule: known.rule.clone(),
            stratum: known.stratum.clone(),
        }
    }
}

/// Refuses ids that were never given, or given twice.
pub(super) fn vet(old: &[KnownSegment], next_id: u64) -> Result<()> {
    let mut ids: Vec<u64> = old.iter().map(|known| known.segment_id).collect();
    ids.sort_unstable();
    let wrong = ids.windows(2).any(|pair| pair[0] == pair[1])
        || ids.first().is_some_and(|&id| id == NO_ID)
        || ids.last().is_some_and(|&id| id >= next_id)
        || next_id == NO_ID;
    if wrong {
        return Err(Error::Internal(format!("old segments have the ids {ids:?}, where the next is {next_id}")));
    }
    Ok(())
}
