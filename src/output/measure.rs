//! Distances and what they sum to, in parallel: the same bytes with any number of threads.

use rayon::prelude::*;

/// Rows whose distances are added in one go, counted from the first row of the output; the sums of these pieces are then
/// added in order.
const PIECE: usize = 4096;

/// Rows that wait to be written.
#[derive(Debug, Default)]
pub(super) struct WaitingRows {
    pub(super) labels: Vec<u32>,
    pub(super) distance2: Vec<u64>,
    /// Empty unless margins are wanted.
    pub(super) second2: Vec<u64>,
}

/// Counts and sums by segment.
#[derive(Debug, Clone)]
pub(super) struct DistanceSums {
    pub(super) counts: Vec<u64>,
    /// Of distances in scaled units.
    pub(super) distances: Vec<f64>,
    /// Exact weighted sum of squared distances, in squared grid steps.
    pub(super) inertia: u128,
}

impl DistanceSums {
    pub(super) fn empty(k: usize) -> Self {
        DistanceSums { counts: vec![0; k], distances: vec![0.0; k], inertia: 0 }
    }

    fn add(&mut self, later: &DistanceSums) {
        self.counts.iter_mut().zip(&later.counts).for_each(|(a, b)| *a += b);
        self.distances.iter_mut().zip(&later.distances).for_each(|(a, b)| *a += b);
        self.inertia += later.inertia;
    }
}

impl WaitingRows {
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Adds these rows, the first of which is a multiple of [`PIECE`], to `sums`; returns their distances in scaled units.
    pub(super) fn measure(&self, weights: Option<&[u32]>, step: f64, sums: &mut DistanceSums) -> Vec<f32> {
        let mut distances = vec![0f32; self.len()];
        let k = sums.counts.len();
        let pieces: Vec<DistanceSums> = distances
            .par_chunks_mut(PIECE)
            .enumerate()
            .map(|(p, distances)| {
                let mut sums = DistanceSums::empty(k);
                let first = p * PIECE;
                let rows = self.labels[first..].iter().zip(&self.distance2[first..]).zip(distances);
                for (i, ((&label, &d2), out)) in rows.enumerate() {
                    let distance = (d2 as f64).sqrt() * step;
                    *out = distance as f32;
                    sums.counts[label as usize] += 1;
                    sums.distances[label as usize] += distance;
                    let weight = weights.map_or(1, |w| w[first + i]);
                    sums.inertia += u128::from(weight) * u128::from(d2);
                }
                sums
            })
            .collect();
        pieces.iter().for_each(|piece| sums.add(piece));
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
