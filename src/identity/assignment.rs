//! The assignment problem: pairs of old and new segments that share the most customers altogether.
//!
//! The Hungarian algorithm in the form that adds one row at a time along a shortest augmenting path (Jonker and
//! Volgenant, 1987), on integers: `O(rows^2 x columns)`.

/// Pairs up `rows` and `columns` so that the sum of `shared(row, column)` is the largest possible; pairs that share
/// nothing are left out. Among equal sums, low places in `rows` and `columns` go together, the lowest first.
pub(crate) fn pairs(rows: &[usize], columns: &[usize], shared: impl Fn(usize, usize) -> u64) -> Vec<(usize, usize)> {
    let wide = rows.len() <= columns.len();
    let (short, long) = if wide { (rows, columns) } else { (columns, rows) };
    let between = |x: usize, y: usize| if wide { shared(short[x], long[y]) } else { shared(long[y], short[x]) };
    // Besides the customers, as a fraction of one, the order of places, which decides between equal sums. 128 bits hold
    // 2^40 customers times the 2^36 steps of that fraction for 4096 segments.
    let steps = (short.len() * short.len() * long.len() + 1) as i128;
    let cost = |x: usize, y: usize| match between(x, y) {
        0 => 0,
        customers => {
            let place = (short.len() - x) * (long.len() - y);
            -(i128::from(customers) * steps + place as i128)
        }
    };
    let chosen = cheapest(short.len(), long.len(), cost);
    let chosen = chosen.into_iter().enumerate().filter(|&(x, y)| between(x, y) > 0);
    chosen.map(|(x, y)| if wide { (short[x], long[y]) } else { (long[y], short[x]) }).collect()
}

/// A column of its own for each row, at the lowest sum of costs. There are at least as many columns as rows.
fn cheapest(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> i128) -> Vec<usize> {
    // Row 0 and column 0 stand for none; the others are counted from 1.
    let (mut of_rows, mut of_columns) = (vec![0i128; rows + 1], vec![0i128; columns + 1]);
    let mut row_of = vec![0; columns + 1];
    for row in 1..=rows {
        row_of[0] = row;
        let mut slack = vec![i128::MAX; columns + 1];
        let mut from = vec![0; columns + 1];
        let mut reached = vec![false; columns + 1];
        let mut at = 0;
        while row_of[at] != 0 {
            reached[at] = true;
            let here = row_of[at];
            let (mut least, mut next) = (i128::MAX, 0);
            for column in (1..=columns).filter(|&column| !reached[column]) {
                let reduced = cost(here - 1, column - 1) - of_rows[here] - of_columns[column];
                if reduced < slack[column] {
                    (slack[column], from[column]) = (reduced, at);
                }
                if slack[column] < least {
                    (least, next) = (slack[column], column);
                }
            }
            for column in 0..=columns {
                if reached[column] {
                    of_rows[row_of[column]] += least;
                    of_columns[column] -= least;
                } else if column > 0 {
                    slack[column] -= least;
                }
            }
            at = next;
        }
        // The path back to the new row hands every column on.
        while at != 0 {
            row_of[at] = row_of[from[at]];
            at = from[at];
        }
    }
    let mut chosen = vec![0; rows];
    (1..=columns).filter(|&column| row_of[column] > 0).for_each(|column| chosen[row_of[column] - 1] = column - 1);
    chosen
}
