//! The result of a pass over some rows, and the only way to merge such results.

use serde::{Deserialize, Serialize};

use super::centroids::{Centroids, rounded_mean};
use crate::error::Result;
use crate::numeric::Partial;
use crate::numeric::partial::other_shape;

/// Counts and sums of some rows by segment. All are integers, so merging in any order gives the same bytes.
///
/// Nothing overflows: weights are scaled so that their total stays below 2^40 (see `prepare::weights`), without weights
/// there are fewer than 2^40 rows, and |value| < 2^23.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CentroidSums {
    dim: usize,
    /// Rows by segment.
    pub counts: Vec<u64>,
    /// Sum of weights by segment; equals `counts` when every row weighs 1.
    pub mass: Vec<i64>,
    /// Sum of weight times value, `k x dim`, row-major.
    pub sums: Vec<i64>,
    /// Rows whose segment differs from the previous pass; None for a first pass.
    pub changed: Option<u64>,
    /// Rows that the f32 filter could not decide, so the integer definition did.
    pub rechecked: u64,
    /// Rows that were skipped because their segment could not have changed.
    pub skipped: u64,
}

impl CentroidSums {
    /// A result without rows.
    pub fn empty(k: usize, dim: usize) -> Self {
        CentroidSums {
            dim,
            counts: vec![0; k],
            mass: vec![0; k],
            sums: vec![0; k * dim],
            changed: None,
            rechecked: 0,
            skipped: 0,
        }
    }

    /// Number of segments.
    pub fn k(&self) -> usize {
        self.counts.len()
    }

    /// Number of features.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Sums of one segment.
    pub fn sum(&self, j: usize) -> &[i64] {
        &self.sums[j * self.dim..][..self.dim]
    }

    /// Adds a row to a segment. `value(f)` is its grid integer for feature `f`.
    pub fn add(&mut self, j: usize, weight: u32, value: impl Fn(usize) -> i32) {
        self.counts[j] += 1;
        self.mass[j] += i64::from(weight);
        for (f, sum) in self.sums[j * self.dim..][..self.dim].iter_mut().enumerate() {
            *sum += i64::from(weight) * i64::from(value(f));
        }
    }

    /// Adds the rows of `other`.
    pub fn merge(&mut self, other: &CentroidSums) {
        let add = |a: &mut [i64], b: &[i64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a += b);
        add(&mut self.mass, &other.mass);
        add(&mut self.sums, &other.sums);
        self.rechecked += other.rechecked;
        self.skipped += other.skipped;
        self.changed = match (self.changed, other.changed) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
    }

    /// The means of the segments, rounded to the grid; a segment without mass keeps its centroid from `previous`.
    pub fn means(&self, previous: &Centroids) -> Centroids {
        let mut next = previous.clone();
        let mut row = vec![0; self.dim];
        for j in (0..self.k()).filter(|&j| self.mass[j] > 0) {
            for (out, &sum) in row.iter_mut().zip(self.sum(j)) {
                *out = rounded_mean(sum, self.mass[j]);
            }
            next.set_row(j, &row);
        }
        next
    }

    /// The exact inertia of these labels about `centroids`, in squared grid units:
    /// `sum w|x|^2 - 2 sum c.S + sum W|c|^2`. `sum_squares` is the first term, the same for every pass.
    pub fn inertia(&self, centroids: &Centroids, sum_squares: u128) -> u128 {
        let mut total = sum_squares as i128;
        for j in 0..self.k() {
            let dot: i128 =
                self.sum(j).iter().zip(centroids.row(j)).map(|(&s, &c)| i128::from(s) * i128::from(c)).sum();
            total += i128::from(self.mass[j]) * i128::from(centroids.norm2(j)) - 2 * dot;
        }
        debug_assert!(total >= 0);
        total as u128
    }
}

impl Partial for CentroidSums {
    const NAME: &'static str = "centroid sums";
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        if (self.dim, self.k()) != (other.dim, other.k()) {
            return Err(other_shape::<Self>());
        }
        self.merge(other);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::numeric::partial::laws;

    fn sums(rows: &[(usize, u32, [i32; 2])]) -> CentroidSums {
        let mut sums = CentroidSums::empty(3, 2);
        rows.iter().for_each(|(j, weight, row)| sums.add(*j, *weight, |f| row[f]));
        sums.changed = (!rows.is_empty()).then_some(rows.len() as u64);
        sums
    }

    proptest! {
        #[test]
        fn rows_may_be_cut_anywhere(
            rows in prop::collection::vec((0usize..3, 0u32..1 << 20, [-(1i32 << 22)..1 << 22, -9..9]), 0..60),
            cuts in (0usize..60, 0usize..60),
        ) {
            let (low, high) = (cuts.0.min(cuts.1).min(rows.len()), cuts.0.max(cuts.1).min(rows.len()));
            let [a, b, c] = [&rows[..low], &rows[low..high], &rows[high..]].map(sums);
            laws::hold(&a, &b, &c);
            let mut all = c;
            all.merge(&a);
            all.merge(&b);
            prop_assert_eq!(all, sums(&rows));
        }
    }

    #[test]
    fn other_shapes_are_refused() {
        let refused = Partial::merge(&mut CentroidSums::empty(3, 2), &CentroidSums::empty(2, 2)).unwrap_err();
        assert!(refused.to_string().contains("different shapes"), "{refused}");
    }
}
