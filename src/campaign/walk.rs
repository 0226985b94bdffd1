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
    /// The number that decides about the side.
    pub(super) is_control: bool,
    /// The number of his segment and stage.
    pub(super) cell: u32,
    /// What `cap_per` counts by.
    pub(super) place: u64,
}

/// A customer of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListMember {
    pub(super) row: u64,
    /// From 1, over both arms.
    pub(super) rank: u64,
    pub(super) is_control: bool,
    pub(super) cell: u32,
}

/// The limits of a list.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Caps {
    pub(super) all: Option<u64>,
    pub(super) by_place: Option<u64>,
}

/// The members of a list, from candidates in order. Where a place is full, its controls are passed over, too: they
/// stand for nobody who was contacted.
pub(super) fn walk<'c>(ranked: impl IntoIterator<Item = &'c ListCandidate>, caps: Caps) -> Vec<ListMember> {
    let (mut members, mut contacted) = (Vec::new(), 0);
    let mut by_place: HashMap<u64, u64> = HashMap::new();
    for candidate in ranked {
        if caps.all.is_some_and(|most| contacted >= most) {
            break;
        }
        if let Some(most) = caps.by_place {
            let here = by_place.entry(candidate.place).or_default();
            if *here >= most {
                continue;
            }
            *here += u64::from(!candidate.is_control);
        }
        contacted += u64::from(!candidate.is_control);
        let ListCandidate { row, is_control, cell, .. } = *candidate;
        members.push(ListMember { row, rank: members.len() as u64 + 1, is_control, cell });
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(row: u64, is_control: bool, place: u64) -> ListCandidate {
        ListCandidate { order: row, tie: 0, row, is_control, cell: 0, place }
    }

    #[test]
    fn the_cap_counts_contacted_customers() {
        let sides = [false, true, true, false, false, true];
        let all: Vec<ListCandidate> = (0..6).map(|row| candidate(row as u64, sides[row], row as u64 % 2)).collect();
        let rows = |caps| walk(&all, caps).iter().map(|member| member.row).collect::<Vec<u64>>();
        assert_eq!(rows(Caps::default()), [0, 1, 2, 3, 4, 5]);
        assert_eq!(rows(Caps { all: Some(2), by_place: None }), [0, 1, 2, 3], "controls on the way");
        assert_eq!(rows(Caps { all: None, by_place: Some(1) }), [0, 1, 3], "a place that is full takes no control");
    }
}
