//! Who came into each segment and who left it, for the cards of a page: from the matrix of moves without what is
//! withheld, as it stands on the page.

use std::collections::BTreeMap;

use super::moves::MoveMatrix;
use crate::portrait::{MovedCustomers, SegmentMoves};

/// The most segments that are named, each way.
const MOST_NAMED: usize = 3;

/// By segment of now: its moves; `ids` are those of the segments by number. Segments that share a line are left out.
pub(super) fn card_moves(matrix: &MoveMatrix, ids: &[u64]) -> BTreeMap<u32, SegmentMoves> {
    let of = |(number, &id): (usize, &u64)| {
        let column = matrix.now.ids.iter().position(|now| *now == id)?;
        let line = matrix.before.ids.iter().position(|before| *before == id);
        // Without a line it is new, or shares one.
        if line.is_none() && matrix.before.is_cut() {
            return None;
        }
        let lines = (0..matrix.before.len()).map(|from| (from, (from, column)));
        let came = moved(matrix, lines, line, &matrix.before.ids);
        let left = line.map(|line| {
            let columns = (0..matrix.now.len()).map(|to| (to, (line, to)));
            moved(matrix, columns, Some(column), &matrix.now.ids)
        });
        Some((number as u32, SegmentMoves { came, left }))
    };
    ids.iter().enumerate().filter_map(of).collect()
}

/// The customers of a line or a column who were or are elsewhere than in the segment, which is at `own`.
fn moved(
    matrix: &MoveMatrix,
    places: impl Iterator<Item = (usize, (usize, usize))>,
    own: Option<usize>,
    ids: &[u64],
) -> MovedCustomers {
    let others: Vec<(usize, (usize, usize))> = places.filter(|(at, _)| Some(*at) != own).collect();
    let told = |place: (usize, usize)| matrix.told[place.0][place.1];
    // Only what the matrix shows is added up.
    let all = others.iter().map(|(_, place)| told(*place)).sum::<Option<u64>>();
    let named = others.iter().filter_map(|(at, place)| Some((*ids.get(*at)?, told(*place)?)));
    let mut most: Vec<(u64, u64)> = named.filter(|(_, n)| *n > 0).collect();
    // Stable: of equal ones the first.
    most.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    most.truncate(MOST_NAMED);
    let outside = others.last().and_then(|(_, place)| told(*place));
    MovedCustomers { all, most, outside }
}
