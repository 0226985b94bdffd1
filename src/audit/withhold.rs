//! Which cells of a table are withheld because few customers are in them, or because such a cell could be computed from
//! them.

/// Withholds cells of 1 to `limit - 1` customers. `table` has the groups of each segment, and those of all rows last;
/// since every line and every column has a known total, each that has withheld cells has two at least. The smallest
/// ones join, and zeros only where nothing else is left. Zeros tell of no customer and stay.
pub(crate) fn withhold(table: &mut [Vec<Option<u64>>], limit: u64) {
    for cell in table.iter_mut().flatten() {
        *cell = cell.filter(|&n| n == 0 || n >= limit);
    }
    let groups = table.first().map_or(0, Vec::len);
    loop {
        let mut settled = true;
        for line in 0..table.len() {
            let places: Vec<(usize, usize)> = (0..groups).map(|group| (line, group)).collect();
            settled &= !second(table, &places);
        }
        for group in 0..groups {
            let places: Vec<(usize, usize)> = (0..table.len()).map(|line| (line, group)).collect();
            settled &= !second(table, &places);
        }
        if settled {
            return;
        }
    }
}

/// Withholds a second cell where exactly one is withheld; whether it did.
fn second(table: &mut [Vec<Option<u64>>], places: &[(usize, usize)]) -> bool {
    let told = |&&(line, group): &&(usize, usize)| table[line][group].is_some();
    if places.iter().filter(told).count() + 1 != places.len() {
        return false;
    }
    let smallest = places.iter().filter(told).min_by_key(|&&(line, group)| match table[line][group] {
        Some(0) | None => u64::MAX,
        Some(n) => n,
    });
    match smallest.copied() {
        Some((line, group)) => table[line][group] = None,
        None => return false,
    }
    true
}

/// Which of some figures by segment are withheld: those of 1 to `limit - 1` customers, and if it is a single one, also
/// that of the fewest other customers, since the figure of all rows is known.
pub(crate) fn withheld(customers: &[u64], limit: u64) -> Vec<bool> {
    let mut hidden: Vec<bool> = customers.iter().map(|&n| n > 0 && n < limit).collect();
    if hidden.iter().filter(|&&h| h).count() == 1 {
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
    }
}
