//! Indices of a partition, as scikit-learn, Spark and R define them.

use serde::{Deserialize, Serialize};

use super::measure::RowMeasures;
use super::sums::{PartitionSums, SegmentMoments};
use crate::error::Result;
use crate::event::Watch;
use crate::tiles::Tiles;

/// How good a partition of rows is, by itself. Indices are of rows with a segment and a weight above 0, in the scaled
/// units of the preparation; with weights, means are weighted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// Rows that the indices are of.
    pub rows: u64,
    /// Segments that have any.
    pub segments: usize,
    /// Rows of the smallest of them.
    pub smallest: u64,
    /// Sum of squared distances to the means of the segments. Not to rounded centroids, whose inertia is a little more.
    pub within: f64,
    /// Share of the sum of squared distances to the mean of all rows that the segments explain: 0 to 1.
    pub explained: f64,
    /// Variance between segments over that within them (T. Calinski and J. Harabasz, 1974). More is better; None if
    /// there is one segment, no rest of rows, or no variance within.
    pub calinski_harabasz: Option<f64>,
    /// Mean over the segments of the largest ratio of two spreads to the distance of their means (D. L. Davies and
    /// D. W. Bouldin, 1979), with mean distances as in scikit-learn. Less is better; None of one segment.
    pub davies_bouldin: Option<f64>,
    /// Mean silhouette of all rows with squared Euclidean distances, as in Spark: exact, from -1 to 1. Its values
    /// differ from those of unsquared distances. None of one segment.
    pub silhouette: Option<f64>,
    /// Mean silhouette with distances to means instead of rows. None of one segment.
    pub simplified_silhouette: Option<f64>,
    /// Mean silhouette by segment; None for one without rows.
    pub silhouettes: Vec<Option<f64>>,
}

impl Validity {
    /// Of no rows.
    pub(crate) fn none(k: usize) -> Self {
        Validity {
            rows: 0,
            segments: 0,
            smallest: 0,
            within: 0.0,
            explained: 0.0,
            calinski_harabasz: None,
            davies_bouldin: None,
            silhouette: None,
            simplified_silhouette: None,
            silhouettes: vec![None; k],
        }
    }

    /// The indices of rows on the grid. `segments` has the segment of each row, below `sums.segments()`, or
    /// [`NO_SEGMENT`](super::NO_SEGMENT).
    ///
    /// # Errors
    /// An interruption, or an I/O error on the scratch file.
    pub(crate) fn of(
        tiles: &Tiles,
        segments: &[u16],
        sums: &PartitionSums,
        unit: Unit,
        watch: Watch<'_>,
    ) -> Result<Validity> {
        let known: Vec<(usize, SegmentMoments)> =
            (0..sums.segments()).filter_map(|j| Some((j, sums.moments(j)?))).collect();
        let rows: u64 = sums.rows.iter().sum();
        let within: f64 = known.iter().map(|(_, segment)| segment.sse()).sum();
        let between = sums.total().map_or(0.0, |all| sums.between(&all));
        let total = within + between;
        let mut found = Validity {
            rows,
            segments: known.len(),
            smallest: sums.rows.iter().copied().filter(|&n| n > 0).min().unwrap_or(0),
            within: within * unit.square(),
            explained: if total > 0.0 { between / total } else { 0.0 },
            ..Validity::none(sums.segments())
        };
        if known.len() < 2 {
            return Ok(found);
        }
        let freedom = (rows - known.len() as u64) as f64 / (known.len() - 1) as f64;
        found.calinski_harabasz = (within > 0.0 && freedom > 0.0).then(|| between / within * freedom);
        let measures = RowMeasures::of(tiles, segments, sums, watch)?;
        let mass: f64 = known.iter().map(|(_, segment)| segment.mass).sum();
        let mean = |of: &dyn Fn(usize) -> f64| known.iter().map(|&(j, _)| of(j)).sum::<f64>() / mass;
        found.silhouette = Some(mean(&|j| measures.silhouette(j)));
        found.simplified_silhouette = Some(mean(&|j| measures.simplified(j)));
        for (j, segment) in &known {
            found.silhouettes[*j] = Some(measures.silhouette(*j) / segment.mass);
        }
        found.davies_bouldin = Some(davies_bouldin(&known, &measures));
        Ok(found)
    }
}

/// The size of the grid and of weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit {
    /// A step of the grid in scaled units.
    pub(crate) step: f64,
    /// What an integer weight has to be divided by.
    pub(crate) weight: f64,
}

impl Unit {
    fn square(self) -> f64 {
        self.step * self.step / self.weight
    }
}

fn davies_bouldin(known: &[(usize, SegmentMoments)], measures: &RowMeasures) -> f64 {
    let spread: Vec<f64> = known.iter().map(|(j, segment)| measures.distance(*j) / segment.mass).collect();
    let worst = |i: usize| {
        // As in scikit-learn, segments with the same mean do not count.
        let ratio = |j: usize| {
            let apart = known[i].1.distance2(&known[j].1).sqrt();
            if apart > 0.0 { (spread[i] + spread[j]) / apart } else { 0.0 }
        };
        (0..known.len()).filter(|&j| j != i).map(ratio).fold(0.0, f64::max)
    };
    (0..known.len()).map(worst).sum::<f64>() / known.len() as f64
}
