//! Distances and what they sum to, in parallel.

use fearless_simd::Simd;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::backend::RowPosterior;
use crate::error::Result;
use crate::numeric::partial::other_shape;
use crate::numeric::{Partial, power_of_two};
use crate::simd::{Dispatch, Work};

/// Rows that a thread measures in one go.
const PIECE: usize = 4096;
/// Distances are summed as multiples of 2^-20 grid steps: sums of integers have no order, so any number of threads, and
/// any division of the rows, gives the same bytes. A squared distance is below 2^62, so a term is below 2^51.
const DISTANCE_BITS: i32 = 20;

/// Rows that wait to be written.
#[derive(Debug, Default)]
pub(super) struct WaitingRows {
    pub(super) labels: Vec<u32>,
    pub(super) distance2: Vec<u64>,
    /// Empty unless margins are wanted.
    pub(super) second2: Vec<u64>,
    /// The micro-segment of each row; empty unless there are any.
    pub(super) micro: Vec<u32>,
    /// What is known of the posteriors of each row; empty unless there are any.
    pub(super) posteriors: Vec<RowPosterior>,
}

/// Rows whose distances were measured.
#[derive(Debug, Default)]
pub(crate) struct MeasuredRows {
    pub(crate) distances: Vec<f32>,
    pub(crate) margins: Option<Vec<f32>>,
    /// The micro-segment of each row, if there are any.
    pub(crate) micro: Option<Vec<u32>>,
    /// What is known of the posteriors of each row, if there are any.
    pub(crate) posteriors: Option<Vec<RowPosterior>>,
}

/// Counts and sums of labelled rows by segment: integers, so any order gives the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LabelSums {
    /// Rows by segment.
    pub(crate) counts: Vec<u64>,
    /// Distances by segment, in 2^-20 grid steps.
    distances: Vec<u128>,
    /// Exact weighted sum of squared distances, in squared grid steps.
    pub(crate) inertia: u128,
}

impl LabelSums {
    pub(super) fn empty(k: usize) -> Self {
        LabelSums { counts: vec![0; k], distances: vec![0; k], inertia: 0 }
    }

    /// Adds the rows of `other`, of as many segments.
    fn merge(&mut self, other: &LabelSums) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a += b);
        self.distances.iter_mut().zip(&other.distances).for_each(|(a, b)| *a += b);
        self.inertia += other.inertia;
    }

    /// Mean distance by segment for a grid of this step; 0 for an empty segment.
    pub(super) fn mean_distances(&self, step: f64) -> Vec<f64> {
        let unit = step * power_of_two(-DISTANCE_BITS);
        let mean = |(&sum, &n): (&u128, &u64)| sum as f64 / n.max(1) as f64 * unit;
        self.distances.iter().zip(&self.counts).map(mean).collect()
    }
}

impl WaitingRows {
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Removes all rows; their memory stays for the next ones.
    pub(super) fn clear(&mut self) {
        self.labels.clear();
        self.distance2.clear();
        self.second2.clear();
        self.micro.clear();
        self.posteriors.clear();
    }

    /// Adds these rows to `sums`; returns their distances in scaled units.
    pub(super) fn measure(&self, weights: Option<&[u32]>, step: f64, sums: &mut LabelSums, simd: Dispatch) -> Vec<f32> {
        let mut distances = vec![0f32; self.len()];
        let k = sums.counts.len();
        let pieces = distances.par_chunks_mut(PIECE).enumerate().map(|(p, distances)| {
            let rows = p * PIECE..p * PIECE + distances.len();
            let (labels, distance2) = (&self.labels[rows.clone()], &self.distance2[rows.clone()]);
            let mut terms = [0; PIECE];
            let inertia = simd.run(Roots { distance2, step, distances, terms: &mut terms });
            let mut sums = LabelSums::empty(k);
            let mut totals = vec![0u64; k]; // 2^12 terms below 2^51
            for (&label, term) in labels.iter().zip(terms) {
                sums.counts[label as usize] += 1;
                totals[label as usize] += term;
            }
            sums.distances = totals.into_iter().map(u128::from).collect();
            sums.inertia = match weights {
                None => inertia,
                Some(weights) => {
                    weights[rows].iter().zip(distance2).map(|(&w, &d2)| u128::from(w) * u128::from(d2)).sum()
                }
            };
            sums
        });
        let merged = pieces.reduce(
            || LabelSums::empty(k),
            |mut a, b| {
                a.merge(&b);
                a
            },
        );
        sums.merge(&merged);
        distances
    }

    /// Gaps between the distances to the second-nearest and the nearest centroid; infinite where there is no second.
    pub(super) fn margins(&self, step: f64) -> Vec<f32> {
        let gap = |(&d2, &s2): (&u64, &u64)| match s2 {
            u64::MAX => f32::INFINITY,
            s2 => (((s2 as f64).sqrt() - (d2 as f64).sqrt()) * step) as f32,
        };
        self.distance2.par_iter().zip(&self.second2).map(gap).collect()
    }
}

/// Distances of at most [`PIECE`] rows, in scaled units, and what they add to a sum. Returns the sum of their squares.
struct Roots<'a> {
    distance2: &'a [u64],
    step: f64,
    distances: &'a mut [f32],
    terms: &'a mut [u64],
}

impl Work for Roots<'_> {
    type Output = u128;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> u128 {
        // Above 2^52, the bits of an f64 count ones: adding it rounds a smaller value to an integer, half to even.
        const ONES: u64 = 1 << 52;
        let (ones, scale) = (ONES as f64, power_of_two(DISTANCE_BITS));
        let (mut low, mut high) = (0u64, 0u64); // 2^12 terms below 2^32
        for ((&d2, out), term) in self.distance2.iter().zip(self.distances).zip(self.terms) {
            let distance = (d2 as f64).sqrt();
            *out = (distance * self.step) as f32;
            *term = (distance * scale + ones).to_bits() & (ONES - 1);
            low = low.wrapping_add(d2 & 0xffff_ffff);
            high = high.wrapping_add(d2 >> 32);
        }
        (u128::from(high) << 32) + u128::from(low)
    }
}

impl Partial for LabelSums {
    const NAME: &'static str = "label sums";
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        if self.counts.len() != other.counts.len() {
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
    use crate::simd::SimdLevel;

    fn sums(rows: &[(u32, u64)]) -> LabelSums {
        let waiting = WaitingRows {
            labels: rows.iter().map(|r| r.0).collect(),
            distance2: rows.iter().map(|r| r.1).collect(),
            second2: Vec::new(),
            micro: Vec::new(),
            posteriors: Vec::new(),
        };
        let mut sums = LabelSums::empty(4);
        waiting.measure(None, 0.5, &mut sums, Dispatch::default());
        sums
    }

    proptest! {
        #[test]
        fn every_level_rounds_and_adds_exactly(
            rows in prop::collection::vec((0u32..3, 0u64..1 << 62, 0u32..9), 1..200),
            step in 1e-6..1e6f64,
        ) {
            let (distance2, weights): (Vec<u64>, Vec<u32>) = rows.iter().map(|r| (r.1, r.2)).unzip();
            let labels = rows.iter().map(|r| r.0).collect();
            let waiting = WaitingRows { labels, distance2, ..WaitingRows::default() };
            let mut exact = LabelSums::empty(3);
            let (mut inertia, mut weighted) = (0, 0);
            for &(label, d2, weight) in &rows {
                let term = ((d2 as f64).sqrt() * 1_048_576.0).round_ties_even() as u128;
                exact.counts[label as usize] += 1;
                exact.distances[label as usize] += term;
                inertia += u128::from(d2);
                weighted += u128::from(d2) * u128::from(weight);
            }
            let distances: Vec<f32> = rows.iter().map(|r| ((r.1 as f64).sqrt() * step) as f32).collect();
            for level in SimdLevel::available() {
                let simd = level.dispatch().unwrap();
                for (weights, inertia) in [(None, inertia), (Some(weights.as_slice()), weighted)] {
                    let mut sums = LabelSums::empty(3);
                    prop_assert_eq!(&waiting.measure(weights, step, &mut sums, simd), &distances);
                    prop_assert_eq!(&sums, &LabelSums { inertia, ..exact.clone() });
                }
            }
        }

        #[test]
        fn rows_may_be_cut_anywhere(
            rows in prop::collection::vec((0u32..4, 0u64..1 << 62), 0..60),
            cuts in (0usize..60, 0usize..60),
        ) {
            let (low, high) = (cuts.0.min(cuts.1).min(rows.len()), cuts.0.max(cuts.1).min(rows.len()));
            let [a, b, c] = [&rows[..low], &rows[low..high], &rows[high..]].map(sums);
            laws::hold(&a, &b, &c);
            let mut all = c;
            all.merge(&b);
            all.merge(&a);
            let whole = sums(&rows);
            prop_assert_eq!(&all, &whole);
            for (j, mean) in whole.mean_distances(0.5).into_iter().enumerate() {
                let distances: Vec<f64> =
                    rows.iter().filter(|r| r.0 as usize == j).map(|r| (r.1 as f64).sqrt() * 0.5).collect();
                let naive = distances.iter().sum::<f64>() / distances.len().max(1) as f64;
                // Each distance is rounded to 2^-21 grid steps.
                prop_assert!((mean - naive).abs() <= 1e-6 + naive * 1e-12, "{mean} {naive}");
            }
        }
    }
}
