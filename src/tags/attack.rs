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

/// The same, with what only all sums together determine.
pub(super) fn all_recovered(told: &[Option<u64>], sums: &[Sum], zeros_are_told: bool) -> Vec<Option<i64>> {
    let mut told = told.to_vec();
    loop {
        let cells = recovered(&told, sums, zeros_are_told);
        let found = solved(&cells, sums);
        if found.is_empty() {
            return cells;
        }
        told = cells.into_iter().map(|cell| cell.map(|n| n as u64)).collect();
        found.into_iter().for_each(|(cell, n)| told[cell] = Some(n as u64));
    }
}

/// Cells that all sums together determine: by elimination (Gauss, Jordan) modulo a prime, which is exact for counts.
fn solved(cells: &[Option<i64>], sums: &[Sum]) -> Vec<(usize, i64)> {
    const PRIME: i128 = (1 << 61) - 1;
    let missing: Vec<usize> = (0..cells.len()).filter(|&cell| cells[cell].is_none()).collect();
    let place = |cell: usize| missing.binary_search(&cell);
    let row = |sum: &Sum| {
        let mut row = vec![0; missing.len() + 1];
        row[missing.len()] = i128::from(sum.known);
        for &(cell, sign) in &sum.cells {
            match cells[cell] {
                Some(n) => row[missing.len()] -= i128::from(n * sign),
                None => row[place(cell).unwrap()] += i128::from(sign),
            }
        }
        row.into_iter().map(|n| n.rem_euclid(PRIME)).collect()
    };
    let mut rows: Vec<Vec<i128>> = sums.iter().map(row).collect();
    let mut rank = 0;
    for column in 0..missing.len() {
        let Some(pivot) = (rank..rows.len()).find(|&row| rows[row][column] != 0) else { continue };
        rows.swap(rank, pivot);
        let mut inverse = 1;
        let (mut power, mut base) = (PRIME - 2, rows[rank][column]);
        while power > 0 {
            inverse = if power % 2 == 1 { inverse * base % PRIME } else { inverse };
            (power, base) = (power / 2, base * base % PRIME);
        }
        let pivot: Vec<i128> = rows[rank].iter().map(|n| n * inverse % PRIME).collect();
        for (at, row) in rows.iter_mut().enumerate() {
            let factor = row[column];
            match at == rank {
                true => row.clone_from(&pivot),
                false => row.iter_mut().zip(&pivot).for_each(|(n, p)| *n = (*n - factor * p).rem_euclid(PRIME)),
            }
        }
        rank += 1;
    }
    let single = |row: &Vec<i128>| {
        let mut parts = (0..missing.len()).filter(|&at| row[at] != 0);
        let at = parts.next().filter(|_| parts.next().is_none())?;
        Some((missing[at], row[missing.len()] as i64))
    };
    rows.iter().filter_map(single).collect()
}
