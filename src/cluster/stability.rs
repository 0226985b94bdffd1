//! How far a fit finds the same segments again in other samples of the same customers.

use rayon::prelude::*;

use super::kmeans::KMeans;
use super::sample::Sample;
use super::start::sample_rows;
use super::study::Study;
use super::trust::SegmentStability;
use crate::backend::{Backend, Centroids};
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::numeric::{Contingency, mix};
use crate::tiles::Tiles;

/// Rows of a segment in the sample, below which its stability is not judged.
const FEWEST_ROWS: u64 = 30;

impl KMeans {
    /// How stable the segments of `centroids`, the result of this fit, are. The result is the same on any backend.
    ///
    /// # Errors
    /// An interruption, or too little memory.
    pub(crate) fn stability(
        &self,
        tiles: &Tiles,
        centroids: &Centroids,
        replicates: u32,
        starter: &dyn Backend,
        watch: Watch<'_>,
    ) -> Result<SegmentStability> {
        watch.stage(Stage::Stability, u64::from(replicates), "fits", || {
            Study::of(tiles, self.seed, sample_rows(self.k), starter, watch)?.stability(self, centroids, replicates)
        })
    }
}

impl Study<'_> {
    /// How stable the segments of `centroids`, a result of `kmeans`, are. A replicate has every row of the sample as
    /// often as a Poisson variable of mean 1 says, which is drawn by a hash of the seed, the row number and the
    /// replicate; it is fitted from one start, and its segments are compared on the rows that were drawn.
    ///
    /// # Errors
    /// An interruption, or too little memory.
    pub(crate) fn stability(
        &self,
        kmeans: &KMeans,
        centroids: &Centroids,
        replicates: u32,
    ) -> Result<SegmentStability> {
        let k = kmeans.k;
        let original = self.labels(centroids)?;
        let mut rows = vec![0u64; k];
        original.iter().for_each(|&label| rows[label as usize] += 1);
        let replicate = |replicate: u32| {
            let drawn = self.sample.resampled(mix(kmeans.seed ^ 0x5354_4142) ^ u64::from(replicate));
            let seed = mix(kmeans.seed ^ u64::from(replicate).wrapping_add(1));
            let Some(fit) = self.refit(kmeans, &drawn.sample, seed)? else { return Ok(None) };
            let again = self.labels(&fit.centroids)?;
            let mut counts = Contingency::new(k, k);
            let of_drawn = |labels: &[u32]| drawn.rows.iter().map(|&row| labels[row]).collect::<Vec<u32>>();
            counts.push(&of_drawn(&original), &of_drawn(&again));
            Ok::<_, crate::Error>(Some(counts.jaccard()))
        };
        let found: Vec<Option<Vec<Option<f64>>>> =
            (0..replicates).into_par_iter().map(replicate).collect::<Result<_>>()?;
        let mut sums = vec![(0.0, 0u32); k];
        for jaccard in found.into_iter().flatten() {
            for (sum, jaccard) in sums.iter_mut().zip(jaccard) {
                jaccard.into_iter().for_each(|jaccard| *sum = (sum.0 + jaccard, sum.1 + 1));
            }
        }
        let mean = |((sum, n), &rows): ((f64, u32), &u64)| (n > 0 && rows >= FEWEST_ROWS).then(|| sum / f64::from(n));
        Ok(SegmentStability { replicates, jaccard: sums.into_iter().zip(&rows).map(mean).collect() })
    }
}

/// Rows of a sample, drawn with replacement.
struct Resampled {
    /// Rows as often as they were drawn.
    sample: Sample,
    /// Those drawn at least once, by their places in the original.
    rows: Vec<usize>,
}

impl Sample {
    /// Draws as many of the rows as there are, by expectation.
    fn resampled(&self, key: u64) -> Resampled {
        let mut drawn = Resampled { sample: Sample::empty(self.dim, self.weights.is_some()), rows: Vec::new() };
        for row in 0..self.rows() {
            let times = poisson(mix(mix(key) ^ self.hash(row)));
            (0..times).for_each(|_| drawn.sample.push(self.row(row), self.weight(row), self.hash(row)));
            drawn.rows.extend((times > 0).then_some(row));
        }
        drawn
    }
}

/// A Poisson variable of mean 1, by inversion.
fn poisson(hash: u64) -> usize {
    // The shares of hashes with at most 0, 1, 2, ... events, in units of 2^-64.
    const AT_MOST: [u64; 10] = [
        0x5e2d_58d8_b3bc_df1a,
        0xbc5a_b1b1_6779_be35,
        0xeb71_5e1d_c158_2dc2,
        0xfb23_9797_34a2_52f1,
        0xff10_25f5_9174_dc3d,
        0xffd9_0f3b_a405_5e19,
        0xfffa_8b71_fc72_c913,
        0xffff_540c_0914_b3c9,
        0xffff_ed1f_4aa8_f120,
        0xffff_fe21_6e64_1462,
    ];
    AT_MOST.partition_point(|&limit| limit <= hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::Cpu;
    use crate::backend::reference::Reference;
    use crate::cluster::{Effort, Init, Limits};

    #[test]
    fn poisson_has_mean_and_variance_1() {
        let (mut n, mut squares, mut none) = (0, 0, 0);
        for i in 0..100_000u64 {
            let times = poisson(mix(i));
            (n, squares, none) = (n + times, squares + times * times, none + usize::from(times == 0));
        }
        assert!((99_000..101_000).contains(&n), "{n}");
        assert!((198_000..202_000).contains(&squares), "{squares}");
        assert!((36_300..37_300).contains(&none), "{none}");
        assert_eq!((poisson(0), poisson(u64::MAX)), (0, 10));
    }

    fn kmeans(k: usize) -> KMeans {
        let (init, effort, limits) = (Init::PlusPlus, Effort::Normal, Limits { max_iter: 100, tol: 0.0 });
        KMeans { k, n_init: 2, init, effort, limits, seed: 5 }
    }

    /// The stability of a fit of rows on a line.
    fn found(k: usize, rows: &[i32], starter: &dyn Backend) -> SegmentStability {
        let tiles = Tiles::from_rows(1, rows, None, 256).unwrap();
        let (fit, _session) = kmeans(k).fit(&tiles, starter, starter, &|_| None, Watch::none()).unwrap();
        kmeans(k).stability(&tiles, &fit.centroids, 20, starter, Watch::none()).unwrap()
    }

    #[test]
    fn groups_apart_are_stable_and_halves_of_one_are_not() {
        let cpu = Cpu::new(None).unwrap();
        let at = |i: u64| (mix(i) % 1000) as i32;
        let three: Vec<i32> = (0..3000).map(|i| (i % 3) as i32 * 100_000 + at(i)).collect();
        let apart = found(3, &three, &cpu);
        assert_eq!(apart, SegmentStability { replicates: 20, jaccard: vec![Some(1.0); 3] });
        assert_eq!(apart, found(3, &three, &Reference));
        // Uniform rows have no segments: where five of them begin is a matter of chance.
        let even: Vec<i32> = (0..600).map(|i| at(i) * 100).collect();
        let doubtful = found(5, &even, &cpu).jaccard;
        assert!(doubtful.iter().flatten().all(|&j| j < 0.97), "{doubtful:?}");
    }

    #[test]
    fn replicates_with_too_few_distinct_rows_are_left_out() {
        let rows: Vec<i32> = (0..200).map(|i| if i < 4 { 1000 * (i + 1) } else { 0 }).collect();
        let found = found(5, &rows, &Cpu::new(None).unwrap());
        assert_eq!(found.jaccard[1..], [None; 4]);
    }

    #[test]
    fn a_segment_of_few_rows_is_not_judged() {
        let rows: Vec<i32> = (0..500).map(|i| if i < 20 { 900_000 + i } else { i }).collect();
        assert_eq!(found(2, &rows, &Cpu::new(None).unwrap()).jaccard, [Some(1.0), None]);
    }
}
