//! A ranked list, walked until its cap of contacted customers is full.

use std::collections::HashMap;

/// A customer who may be in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ListCandidate {
    /// Small is first.
    pub(super) order: u64,
    /// The id's key: decides among those of one order.
    pub(super) tie: u128,
    pub(super) row: u64,
    pub(super) is_control: bool,
    /// The number of his segment and stage.
    pub(super) cell: u32,
    /// What `cap_per` counts by.
    pub(super) place: u64,
    /// All lists that he may be in, one bit each.
    pub(super) lists: u128,
}

/// A customer of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListMember {
    pub(super) row: u64,
    /// From 1, over both arms.
    pub(super) rank: u64,
    pub(super) is_control: bool,
}

/// The limits of a list.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Caps {
    pub(super) all: Option<u64>,
    pub(super) by_place: Option<u64>,
}

/// A walk along the candidates of a list.
#[derive(Debug, Default)]
pub(super) struct ListWalk {
    caps: Caps,
    contacted: u64,
    members: u64,
    by_place: HashMap<u64, u64>,
}

impl ListWalk {
    pub(super) fn new(caps: Caps) -> Self {
        ListWalk { caps, ..ListWalk::default() }
    }

    /// Whether nobody else can be in the list.
    pub(super) fn is_full(&self) -> bool {
        self.caps.all.is_some_and(|most| self.contacted >= most)
    }

    /// The next candidate as a member of the list. Where a place is full, its controls are passed over, too: they stand
    /// for nobody who was contacted.
    pub(super) fn pass(&mut self, candidate: &ListCandidate) -> Option<ListMember> {
        let ListCandidate { row, is_control, place, .. } = *candidate;
        if let Some(most) = self.caps.by_place {
            let here = self.by_place.entry(place).or_default();
            if *here >= most {
                return None;
            }
            *here += u64::from(!is_control);
        }
        self.contacted += u64::from(!is_control);
        self.members += 1;
        Some(ListMember { row, rank: self.members, is_control })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(row: u64, is_control: bool, place: u64) -> ListCandidate {
        ListCandidate { order: row, tie: 0, row, is_control, cell: 0, place, lists: 1 }
    }

    #[test]
    fn the_cap_counts_contacted_customers() {
        let sides = [false, true, true, false, false, true];
        let all: Vec<ListCandidate> = (0..6).map(|row| candidate(row as u64, sides[row], row as u64 % 2)).collect();
        let rows = |caps| {
            let (mut walk, mut rows) = (ListWalk::new(caps), Vec::new());
            for candidate in &all {
                if walk.is_full() {
                    break;
                }
                rows.extend(walk.pass(candidate).map(|member| member.row));
            }
            rows
        };
        assert_eq!(rows(Caps::default()), [0, 1, 2, 3, 4, 5]);
        assert_eq!(rows(Caps { all: Some(2), by_place: None }), [0, 1, 2, 3], "controls on the way");
        assert_eq!(rows(Caps { all: None, by_place: Some(1) }), [0, 1, 3], "a place that is full takes no control");
    }
}
