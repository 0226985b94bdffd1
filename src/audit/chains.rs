//! Chains of withheld cells: where a small one is the only link between two groups of others, its count follows from
//! the totals of the groups, although every line and column has other withheld cells.

use super::network::{Arc, Network};

/// How many lines and columns on either side of a count that follows are looked at for another cell to withhold.
const MOST_NEAR: usize = 128;

/// A place in a table: line and column.
pub(super) type CellPlace = (usize, usize);

/// Which totals of a table are known. The last line has the sums of the columns, except where all totals are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KnownTotals {
    /// Those of all lines and columns; no line has sums.
    All,
    /// Those of all lines.
    Lines,
    /// The last column has the sums of the lines. Known are the sum of all of these except the last one, of new
    /// customers, and the sum of the sums of all columns except the last one, of customers who left. No new customer
    /// left.
    Months,
}

/// The lines and columns of a table, of which those that have no sums are nodes of a network.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableShape {
    pub(super) lines: usize,
    pub(super) columns: usize,
    pub(super) totals: KnownTotals,
}

impl TableShape {
    /// The nodes of lines and columns: all lines and columns, or those without sums.
    fn own(self) -> (usize, usize) {
        match self.totals {
            KnownTotals::All | KnownTotals::Lines => (self.lines, self.columns),
            KnownTotals::Months => (self.lines - 1, self.columns - 1),
        }
    }

    /// The nodes of months: the earlier one, the later one, and both outside of them.
    fn months(self) -> [usize; 3] {
        let (lines, columns) = self.own();
        std::array::from_fn(|month| lines + columns + month)
    }

    fn nodes(self) -> usize {
        let (lines, columns) = self.own();
        lines + columns + if self.totals == KnownTotals::Months { 3 } else { 0 }
    }

    /// The nodes that a cell leads from and to. None: what it counts is not counted in another total, or nothing.
    fn ends(self, (line, column): CellPlace) -> Option<(usize, usize)> {
        let (lines, columns) = self.own();
        if self.totals != KnownTotals::Months {
            let (from, to) = (line, lines + column);
            let has_sums = self.totals == KnownTotals::Lines && line + 1 == lines;
            return Some(if has_sums { (to, from) } else { (from, to) });
        }
        let [old, now, outside] = self.months();
        let [is_new, has_left] = [line + 1 == lines, column + 1 == columns];
        match (line == lines, column == columns) {
            (false, false) => (!(is_new && has_left)).then_some((line, lines + column)),
            (false, true) => Some((if is_new { outside } else { old }, line)),
            (true, false) => Some((lines + column, if has_left { outside } else { now })),
            (true, true) => None,
        }
    }

    /// The cell between two nodes.
    fn between(self, a: usize, b: usize) -> Option<CellPlace> {
        let (lines, columns) = self.own();
        let (low, high) = (a.min(b), a.max(b));
        let place = match high.checked_sub(lines + columns) {
            None => (low < lines && high >= lines).then(|| (low, high - lines))?,
            // A sum of a line, or of a column.
            Some(_) if low < lines => (low, columns),
            Some(_) => (lines, low.checked_sub(lines).filter(|&column| column < columns)?),
        };
        let (from, to) = self.ends(place)?;
        ((from, to) == (a, b) || (from, to) == (b, a)).then_some(place)
    }
}

/// Those of some withheld cells, in order, whose count follows.
pub(super) fn that_follow(
    table: &[Vec<Option<u64>>],
    counts: &[Vec<Option<u64>>],
    shape: TableShape,
    cells: &[CellPlace],
) -> Vec<CellPlace> {
    let (network, places) = network(table, counts, shape);
    let follow = network.that_follow();
    let follows = |place: &&CellPlace| places.binary_search(place).is_ok_and(|at| follow[at]);
    cells.iter().filter(follows).copied().collect()
}

/// Withholds another cell for each of some withheld cells whose counts follow; whether there was any. A cell waits for
/// the next time if its line or column has had another one.
pub(super) fn break_chains(
    table: &mut [Vec<Option<u64>>],
    counts: &[Vec<Option<u64>>],
    shape: TableShape,
    that_follow: &[CellPlace],
) -> bool {
    let (network, places) = network(table, counts, shape);
    let mut taken = vec![false; shape.nodes()];
    let mut did = false;
    for &place in that_follow {
        let (Ok(at), Some((from, to))) = (places.binary_search(&place), shape.ends(place)) else { continue };
        if taken[from] || taken[to] {
            continue;
        }
        // A cell that links what the count could rise by.
        let (ahead, behind) = (network.near(at, to, false, MOST_NEAR), network.near(at, from, true, MOST_NEAR));
        let pairs = ahead.iter().flat_map(|&a| behind.iter().map(move |&b| (a, b)));
        let closing = pairs.filter_map(|(a, b)| shape.between(a, b));
        let other = smallest(table, closing, true)
            .or_else(|| smallest(table, beside(shape, place), false))
            .or_else(|| smallest(table, all(shape), false));
        let Some(other) = other else { continue };
        table[other.0][other.1] = None;
        did = true;
        for (a, b) in [Some((from, to)), shape.ends(other)].into_iter().flatten() {
            (taken[a], taken[b]) = (true, true);
        }
    }
    did
}

/// The network of withheld cells, and their places in order.
fn network(table: &[Vec<Option<u64>>], counts: &[Vec<Option<u64>>], shape: TableShape) -> (Network, Vec<CellPlace>) {
    let is_hidden = |&(line, column): &CellPlace| table[line][column].is_none();
    let places: Vec<CellPlace> = all(shape).filter(is_hidden).collect();
    // Zeros are withheld where nothing else is left; where none is, everybody may know that no withheld count is 0.
    let least = u64::from(places.iter().all(|&(line, column)| counts[line][column] != Some(0)));
    let mut network = Network::new(shape.nodes());
    for &(line, column) in &places {
        if let Some((from, to)) = shape.ends((line, column)) {
            let may_fall = counts[line][column].is_none_or(|n| n > least);
            network.add(Arc { from, to, may_fall, weight: 0 });
        }
    }
    (network, places)
}

/// All cells that the network can have.
fn all(shape: TableShape) -> impl Iterator<Item = CellPlace> {
    let of_line = move |line| (0..shape.columns).map(move |column| (line, column));
    (0..shape.lines).flat_map(of_line).filter(move |&place| shape.ends(place).is_some())
}

/// The cells of a line and of a column.
fn beside(shape: TableShape, (line, column): CellPlace) -> impl Iterator<Item = CellPlace> {
    let of_line = (0..shape.columns).map(move |other| (line, other));
    let of_column = (0..shape.lines).map(move |other| (other, column));
    of_line.chain(of_column).filter(move |&place| shape.ends(place).is_some())
}

/// The smallest told cell of some; zeros, which tell of no customer, come last, or are left out.
fn smallest(
    table: &[Vec<Option<u64>>],
    places: impl Iterator<Item = CellPlace>,
    without_zeros: bool,
) -> Option<CellPlace> {
    let told = places.filter_map(|(line, column)| Some((table[line][column]?, (line, column))));
    let told = told.filter(|(n, _)| *n > 0 || !without_zeros);
    told.min_by_key(|(n, _)| n.wrapping_sub(1)).map(|(_, place)| place)
}
