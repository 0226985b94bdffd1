//! Which columns say the same: correlations over rows drawn by their number.

use rayon::prelude::*;

use crate::numeric::{key_of_f64, mid_ranks, mix};

/// The most rows that are drawn. The error of a correlation of 0.9 is then below 0.001.
const MOST_ROWS: u64 = 1 << 16;
/// The most products that are added up.
const MOST_PRODUCTS: u64 = 1 << 28;

/// Rows for correlations: one of every `stride`, at a place that follows from their number; with a stride of 1 all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DrawnRows {
    stride: u64,
}

impl DrawnRows {
    /// Of `rows` rows, with so many columns.
    pub(super) fn new(rows: u64, columns: usize) -> Self {
        let pairs = (columns * columns.saturating_sub(1) / 2).max(1) as u64;
        DrawnRows { stride: rows.div_ceil(MOST_ROWS.min(MOST_PRODUCTS / pairs).max(1)).max(1) }
    }

    /// Appends to `out` the drawn ones of consecutive values that start at `first_row`.
    pub(super) fn draw<T: Copy>(self, first_row: u64, values: &[T], out: &mut Vec<T>) {
        let end = first_row + values.len() as u64;
        for block in first_row / self.stride..end.div_ceil(self.stride) {
            let row = block * self.stride + mix(block) % self.stride;
            if (first_row..end).contains(&row) {
                out.push(values[(row - first_row) as usize]);
            }
        }
    }
}

/// Pairs of columns whose correlation, of values or of `ranks`, is at least `least` either way: both positions, and the
/// stronger of the two. NaN is missing; rows where either is missing are left out. A column without values is empty.
pub(super) fn correlated(columns: &[Vec<f64>], ranks: &[Vec<f64>], least: f64) -> Vec<(usize, usize, f64)> {
    let values: Vec<CentredColumn<'_>> = columns.par_iter().map(|values| CentredColumn::of(values)).collect();
    let ranks: Vec<CentredColumn<'_>> = ranks.par_iter().map(|ranks| CentredColumn::of(ranks)).collect();
    let pairs: Vec<(usize, usize)> = (0..columns.len()).flat_map(|b| (0..b).map(move |a| (a, b))).collect();
    let strongest = |&(a, b): &(usize, usize)| {
        let r = [values[a].pearson(&values[b]), ranks[a].pearson(&ranks[b])];
        let r = r.into_iter().flatten().max_by(|x, y| x.abs().total_cmp(&y.abs()))?;
        (r.abs() >= least).then_some((a, b, r))
    };
    pairs.par_iter().filter_map(strongest).collect()
}

/// The fewest rows that show a correlation: where two rows are known, both columns follow a line.
const FEWEST_ROWS: f64 = 30.0;

/// A column, with what does not depend on the other one.
struct CentredColumn<'a> {
    values: &'a [f64],
    /// Differences from the mean and the sum of their squares, if no value is missing.
    known: Option<(Vec<f64>, f64)>,
}

impl<'a> CentredColumn<'a> {
    fn of(values: &'a [f64]) -> Self {
        let is_known = values.iter().all(|v| !v.is_nan());
        let known = is_known.then(|| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let centred: Vec<f64> = values.iter().map(|v| v - mean).collect();
            let squares = centred.iter().map(|v| v * v).sum();
            (centred, squares)
        });
        CentredColumn { values, known }
    }

    /// Pearson's coefficient; None where either does not vary, or few rows have both.
    fn pearson(&self, other: &Self) -> Option<f64> {
        let (Some((a, aa)), Some((b, bb))) = (&self.known, &other.known) else {
            return pearson_of_some(self.values, other.values);
        };
        let rows = a.len().min(b.len());
        let ab = a.iter().zip(b).map(|(x, y)| x * y).sum();
        coefficient(rows as f64, [*aa, *bb, ab])
    }
}

/// The same, of the rows where neither is missing.
fn pearson_of_some(a: &[f64], b: &[f64]) -> Option<f64> {
    let both = || a.iter().zip(b).filter(|(x, y)| !x.is_nan() && !y.is_nan());
    let (mut n, mut sum_a, mut sum_b) = (0.0, 0.0, 0.0);
    for (x, y) in both() {
        n += 1.0;
        sum_a += x;
        sum_b += y;
    }
    let (mean_a, mean_b) = (sum_a / n, sum_b / n);
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (x, y) in both() {
        let (x, y) = (x - mean_a, y - mean_b);
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    coefficient(n, [aa, bb, ab])
}

fn coefficient(rows: f64, [aa, bb, ab]: [f64; 3]) -> Option<f64> {
    let r = ab / (aa.sqrt() * bb.sqrt());
    (rows >= FEWEST_ROWS && r.is_finite()).then_some(r.clamp(-1.0, 1.0))
}

/// Ranks of the values that are known; NaN keeps none.
pub(super) fn ranks(values: &[f64]) -> Vec<f64> {
    let known = || values.iter().enumerate().filter(|(_, v)| !v.is_nan());
    let found = mid_ranks(&known().map(|(_, v)| key_of_f64(*v)).collect::<Vec<_>>());
    let mut ranks = vec![f64::NAN; values.len()];
    known().zip(found).for_each(|((at, _), rank)| ranks[at] = rank);
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_drawn_from_few_and_one_of_each_block_from_many() {
        let all = DrawnRows::new(1000, 20);
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let mut drawn = Vec::new();
        all.draw(0, &values, &mut drawn);
        assert_eq!(drawn, values);
        let few = DrawnRows { stride: 10 };
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        few.draw(0, &values, &mut whole);
        for (i, piece) in values.chunks(7).enumerate() {
            few.draw(7 * i as u64, piece, &mut pieces);
        }
        assert_eq!((whole.len(), &whole), (100, &pieces), "however rows are cut");
        assert!(whole.iter().enumerate().all(|(i, v)| (*v / 10.0) as usize == i));
        assert!(DrawnRows::new(1 << 30, 2).stride == 1 << 14);
    }

    #[test]
    fn values_and_ranks_correlate() {
        let x: Vec<f64> = (0..100).map(f64::from).collect();
        let wild: Vec<f64> = x.iter().map(|v| (v / 4.0).exp()).collect();
        let down: Vec<f64> = x.iter().map(|v| -2.0 * v).collect();
        let other: Vec<f64> = x.iter().map(|v| v * 37.0 % 100.0).collect();
        let mut gaps = x.clone();
        gaps[7] = f64::NAN;
        let columns = [x, wild, down, other, gaps, vec![1.0; 100]];
        let ranks: Vec<Vec<f64>> = columns.iter().map(|values| ranks(values)).collect();
        let found = correlated(&columns, &ranks, 0.9);
        let pairs: Vec<(usize, usize, bool)> = found.iter().map(|&(a, b, r)| (a, b, r > 0.0)).collect();
        let expected = [(0, 1, true), (0, 2, false), (1, 2, false), (0, 4, true), (1, 4, true), (2, 4, false)];
        assert_eq!(pairs, expected);
        let (a, b) = ([1.0, 2.0, 3.0].repeat(10), [1.0, 3.0, 2.0].repeat(10));
        let pearson = |a: &[f64], b: &[f64]| CentredColumn::of(a).pearson(&CentredColumn::of(b));
        let half = pearson(&a, &b);
        assert_eq!(pearson(&a[..29], &b[..29]), None, "few rows");
        assert_eq!(pearson_of_some(&a, &b), half);
        assert!(half.is_some_and(|r| (r - 0.5).abs() < 1e-15));
    }
}
