//! What somebody finds out who knows which counts add up to which: for tests.

/// Counts whose sum, each with its sign, is known.
pub(super) struct Sum {
    pub(super) cells: Vec<(usize, i64)>,
    pub(super) known: i64,
}

impl Sum {
    /// The cells add up to `known`.
    pub(super) fn known(cells: Vec<usize>, known: u64) -> Self {
        Sum { cells: cells.into_iter().map(|cell| (cell, 1)).collect(), known: known as i64 }
    }

    /// The cells add up to the cell `whole`.
    pub(super) fn of(cells: Vec<usize>, whole: usize) -> Self {
        Sum { cells: cells.into_iter().map(|cell| (cell, 1)).chain([(whole, -1)]).collect(), known: 0 }
    }
}

/// All cells that follow from those told: whatever is the only one missing in a sum is calculated, until nothing is.
/// If zeros are never withheld, as many counts as their sum are ones.
pub(super) fn recovered(told: &[Option<u64>], sums: &[Sum], zeros_are_told: bool) -> Vec<Option<i64>> {
    let mut cells: Vec<Option<i64>> = told.iter().map(|cell| cell.map(|n| n as i64)).collect();
    loop {
        let mut settled = true;
        for Sum { cells: parts, known } in sums {
            let missing: Vec<_> = parts.iter().filter(|(cell, _)| cells[*cell].is_none()).collect();
            let Some(&&(_, sign)) = missing.first() else { continue };
            let others: i64 = parts.iter().filter_map(|(cell, sign)| cells[*cell].map(|n| n * sign)).sum();
            let (rest, n) = ((known - others) * sign, missing.len() as i64);
            if missing.iter().all(|(_, other)| *other == sign) && (n == 1 || (zeros_are_told && rest == n)) {
                missing.iter().for_each(|(cell, _)| cells[*cell] = Some(rest / n));
                settled = false;
            }
        }
        if settled {
            return cells;
        }
    }
}
