//! Which cells of a table of flows are withheld: who was where in one table, and where in another.

use super::chains::CellPlace;
use super::withhold::{follow, withhold_flows};

/// Withholds small cells, and others from which they would follow. `all` has a line for each place of the first table,
/// one of those who are only in the second, and one of sums; and a column for each place of the second, one of those
/// who are only in the first, and one of sums. How many are in each table is known. `table` may lack cells already,
/// which must not follow either.
pub(crate) fn withhold_between(table: &mut [Vec<Option<u64>>], all: &[Vec<u64>], limit: u64) {
    let (lines, columns) = (all.len().saturating_sub(2), all.first().map_or(0, Vec::len).saturating_sub(2));
    let in_both = all[..lines].iter().flat_map(|line| &line[..columns]).sum();
    let lacking = (0..all.len()).flat_map(|line| (0..all[line].len()).map(move |column| (line, column)));
    let lacking: Vec<CellPlace> = lacking.filter(|&(line, column)| table[line][column].is_none()).collect();
    FlowCells { cells: table, all, lines, columns }.withhold(in_both, limit, &lacking);
}

struct FlowCells<'a> {
    cells: &'a mut [Vec<Option<u64>>],
    all: &'a [Vec<u64>],
    lines: usize,
    columns: usize,
}

impl FlowCells<'_> {
    fn withhold(&mut self, in_both: u64, limit: u64, lacking: &[CellPlace]) {
        let (lines, columns, all) = (self.lines, self.columns, self.all);
        let [new, left, sum] = [(lines, columns + 1), (lines + 1, columns), (lines + 1, columns + 1)];
        let old: Vec<CellPlace> = (0..lines).map(|line| (line, columns + 1)).collect();
        let now: Vec<CellPlace> = (0..columns).map(|column| (lines + 1, column)).collect();
        let block: Vec<CellPlace> = (0..lines).flat_map(|i| (0..columns).map(move |j| (i, j))).collect();
        let is_small = |n: u64| (1..limit).contains(&n);
        let mut apart = [in_both, all[new.0][new.1], all[left.0][left.1]].into_iter().any(is_small);
        // Tables of a single place, whose customers are known.
        let line: Vec<CellPlace> = (0..=columns).filter(|_| lines == 1).map(|column| (0, column)).collect();
        let column: Vec<CellPlace> = (0..=lines).filter(|_| columns == 1).map(|line| (line, 0)).collect();
        loop {
            apart |= [new, left, sum].iter().any(|&at| self.is_hidden(at));
            if apart {
                // With the customers of a table, each of them tells the others, and how many are in both.
                [new, left, sum].iter().for_each(|&(i, j)| self.cells[i][j] = None);
            }
            withhold_flows(self.cells, all, limit, lacking);
            let sums = [(&old, true), (&now, true), (&block, !apart), (&line, true), (&column, true)];
            let settled = sums.into_iter().all(|(places, is_known)| !self.second(places, is_known))
                && (apart || ![new, left, sum].iter().any(|&at| self.is_hidden(at)));
            if settled {
                return;
            }
        }
    }

    fn is_hidden(&self, (line, column): CellPlace) -> bool {
        self.cells[line][column].is_none()
    }

    /// Withholds one more of some cells where those withheld follow, with their sum unless it is known. Whether it did.
    fn second(&mut self, places: &[CellPlace], sum_is_known: bool) -> bool {
        let hidden = places.iter().filter(|&&at| self.is_hidden(at)).map(|&(i, j)| Some(self.all[i][j]));
        let follows = follow(hidden.chain((!sum_is_known).then_some(None)));
        let shown = places.iter().filter_map(|&(i, j)| self.cells[i][j].filter(|&n| n > 0).map(|n| (n, i, j)));
        match shown.min().filter(|_| follows) {
            Some((_, line, column)) => self.cells[line][column] = None,
            None => return false,
        }
        true
    }
}
