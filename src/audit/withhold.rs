//! Which cells of a table are withheld because few customers are in them, or because such a cell could be computed from
//! them.

/// Withholds cells of 1 to `limit - 1` customers. `table` has the groups of each segment, and those of all rows last;
/// since every line and every column has a known total, each that has withheld cells has two at least, and not only
/// cells of one customer, whose sum would be their number. The smallest ones join, and zeros only where nothing else is
/// left. Zeros tell of no customer and stay.
pub(crate) fn withhold(table: &mut [Vec<Option<u64>>], limit: u64) {
    settle(table, limit, false);
}

/// The same, where the last cell of every line is the sum of the others.
pub(crate) fn withhold_with_sums(table: &mut [Vec<Option<u64>>], limit: u64) {
    settle(table, limit, true);
}

fn settle(table: &mut [Vec<Option<u64>>], limit: u64, lines_have_sums: bool) {
    let counts = table.to_vec();
    for cell in table.iter_mut().flatten() {
        *cell = cell.filter(|&n| n == 0 || n >= limit);
    }
    let (lines, groups) = (table.len(), table.first().map_or(0, Vec::len));
    let parts = if lines_have_sums { groups.saturating_sub(1) } else { groups };
    loop {
        let mut settled = true;
        for line in 0..lines {
            let places: Vec<(usize, usize)> = (0..groups).map(|group| (line, group)).collect();
            settled &= !another(table, &counts, places.split_at(parts));
        }
        for group in 0..groups {
            let places: Vec<(usize, usize)> = (0..lines).map(|line| (line, group)).collect();
            settled &= !another(table, &counts, places.split_at(lines - 1));
        }
        if settled {
            return;
        }
    }
}

/// A place in a table: line and group.
type CellPlace = (usize, usize);

/// Withholds another cell where those withheld follow from their sum, which is a cell or known; whether it did.
fn another(
    table: &mut [Vec<Option<u64>>],
    counts: &[Vec<Option<u64>>],
    (parts, sum): (&[CellPlace], &[CellPlace]),
) -> bool {
    let told = |&&(line, group): &&CellPlace| table[line][group].is_some();
    let mut withheld = parts.iter().filter(|place| !told(place)).map(|&(line, group)| counts[line][group]).peekable();
    let follows = match sum.iter().all(|place| told(&place)) {
        true => follow(withheld),
        false => withheld.peek().is_none(),
    };
    if !follows {
        return false;
    }
    let smallest = parts.iter().chain(sum).filter(told).min_by_key(|&&(line, group)| match table[line][group] {
        Some(0) | None => u64::MAX,
        Some(n) => n,
    });
    match smallest.copied() {
        Some((line, group)) => table[line][group] = None,
        None => return false,
    }
    true
}

/// Whether withheld counts follow from their sum: a single one, or only such of one customer; None: unknown here, too.
pub(crate) fn follow(withheld: impl IntoIterator<Item = Option<u64>>) -> bool {
    let (mut n, mut are_ones) = (0, true);
    for count in withheld {
        n += 1;
        are_ones &= count == Some(1);
    }
    n == 1 || (n > 0 && are_ones)
}

/// Which of some figures by segment are withheld: those of 1 to `limit - 1` customers, and if they follow from the
/// figure of all rows, which is known, also that of the fewest other customers.
pub(crate) fn withheld(customers: &[u64], limit: u64) -> Vec<bool> {
    let mut hidden: Vec<bool> = customers.iter().map(|&n| n > 0 && n < limit).collect();
    if follow((0..customers.len()).filter(|&at| hidden[at]).map(|at| Some(customers[at]))) {
        let others = (0..customers.len()).filter(|&at| !hidden[at] && customers[at] > 0);
        if let Some(at) = others.min_by_key(|&at| customers[at]) {
            hidden[at] = true;
        }
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(table: &[&[u64]], limit: u64) -> Vec<Vec<Option<u64>>> {
        let mut table: Vec<Vec<Option<u64>>> =
            table.iter().map(|line| line.iter().copied().map(Some).collect()).collect();
        withhold(&mut table, limit);
        table
    }

    #[test]
    fn a_withheld_cell_cannot_be_computed() {
        let told = after(&[&[50, 3, 20], &[40, 30, 25], &[90, 33, 45]], 10);
        // The 3; 20 beside it; in both columns the smallest others.
        assert_eq!(told, [vec![Some(50), None, None], vec![Some(40), None, None], vec![Some(90), Some(33), Some(45)],]);
        let ones = after(&[&[1, 1, 50], &[20, 20, 20], &[21, 21, 70]], 10);
        assert_eq!(ones[0], [None, None, None], "1 and 1 follow from 2");
        assert_eq!(after(&[&[50, 0], &[40, 30], &[90, 30]], 10)[0], [Some(50), Some(0)], "nothing is small");
        let off = after(&[&[1, 2], &[3, 4], &[4, 6]], 0);
        assert!(off.iter().flatten().all(Option::is_some));
    }

    #[test]
    fn a_single_small_segment_takes_another_along() {
        assert_eq!(withheld(&[100, 4, 30], 10), [false, true, true]);
        assert_eq!(withheld(&[5, 4, 30, 0], 10), [true, true, false, false]);
        assert_eq!(withheld(&[50, 40, 0], 10), [false; 3]);
        assert_eq!(withheld(&[3], 10), [true]);
        // Three counts of one customer follow from their sum.
        assert_eq!(withheld(&[1, 40, 1, 1, 30], 10), [true, false, true, true, true]);
        assert_eq!(withheld(&[1, 40, 2, 1, 30], 10), [true, false, true, true, false]);
    }
}
