//! The pass over all rows: how far each row is from its own segment and from the nearest other one.

use fearless_simd::Simd;

use super::sums::{NO_SEGMENT, PartitionSums, SegmentMoments};
use crate::error::Result;
use crate::event::Watch;
use crate::simd::{Dispatch, Work};
use crate::tiles::{Chunk, TILE_ROWS, Tiles};

/// Silhouettes are summed in steps of 2^-48, distances in steps of 2^-24 of a grid step: finer than the last digit of a
/// mean of f64.
const SILHOUETTE_STEPS: f64 = (1u64 << 48) as f64;
const DISTANCE_STEPS: f64 = (1u64 << 24) as f64;

/// Sums over the rows of each segment. All are integers, so they merge in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowMeasures {
    /// Weight times silhouette of squared distances, in [`SILHOUETTE_STEPS`].
    silhouettes: Vec<i128>,
    /// Weight times simplified silhouette.
    simplified: Vec<i128>,
    /// Weight times distance to the mean, in [`DISTANCE_STEPS`].
    distances: Vec<u128>,
}

/// What the pass needs of a segment with rows.
struct MeasuredSegment {
    number: u16,
    /// By feature: the mean on the grid, and twice the rest.
    near: Vec<f64>,
    twice: Vec<f64>,
    about_near: f64,
    rest2: f64,
    mass: f64,
}

/// For the rows of a tile, squared distances: the mean one to all rows of a segment, and that to its mean.
struct RowDistances {
    own: [f64; TILE_ROWS],
    other: [f64; TILE_ROWS],
    own_mean: [f64; TILE_ROWS],
    other_mean: [f64; TILE_ROWS],
}

impl RowMeasures {
    fn empty(k: usize) -> Self {
        RowMeasures { silhouettes: vec![0; k], simplified: vec![0; k], distances: vec![0; k] }
    }

    /// Measures all rows that have a segment.
    ///
    /// # Errors
    /// An interruption, or an I/O error on the scratch file.
    pub(super) fn of(tiles: &Tiles, segments: &[u16], sums: &PartitionSums, watch: Watch<'_>) -> Result<Self> {
        let known = (0..sums.segments()).filter_map(|j| Some(MeasuredSegment::new(j, &sums.moments(j)?)));
        let known: Vec<MeasuredSegment> = known.collect();
        let simd = Dispatch::default();
        let parts = tiles.scan(
            || RowMeasures::empty(sums.segments()),
            |measures, chunk| {
                watch.check()?;
                let segments = &segments[chunk.first_row as usize..][..chunk.rows];
                simd.run(MeasureChunk { measures, known: &known, chunk: &chunk, segments });
                Ok(())
            },
        )?;
        let mut all = RowMeasures::empty(sums.segments());
        parts.iter().for_each(|part| all.merge(part));
        Ok(all)
    }

    fn merge(&mut self, other: &RowMeasures) {
        self.silhouettes.iter_mut().zip(&other.silhouettes).for_each(|(a, b)| *a += b);
        self.simplified.iter_mut().zip(&other.simplified).for_each(|(a, b)| *a += b);
        self.distances.iter_mut().zip(&other.distances).for_each(|(a, b)| *a += b);
    }

    /// The sum of the silhouettes of a segment's rows, each times its weight.
    pub(super) fn silhouette(&self, j: usize) -> f64 {
        self.silhouettes[j] as f64 / SILHOUETTE_STEPS
    }

    /// The same of simplified silhouettes.
    pub(super) fn simplified(&self, j: usize) -> f64 {
        self.simplified[j] as f64 / SILHOUETTE_STEPS
    }

    /// The sum of the distances to the mean of the segment, in grid units.
    pub(super) fn distance(&self, j: usize) -> f64 {
        self.distances[j] as f64 / DISTANCE_STEPS
    }
}

impl MeasuredSegment {
    fn new(j: usize, moments: &SegmentMoments) -> Self {
        let near: Vec<f64> = moments.near.iter().map(|&c| f64::from(c)).collect();
        let twice = moments.rest.iter().map(|rest| 2.0 * rest).collect();
        let &SegmentMoments { about_near, rest2, mass, .. } = moments;
        MeasuredSegment { number: j as u16, near, twice, about_near, rest2, mass }
    }
}

/// Measures a chunk with the instructions of the machine.
struct MeasureChunk<'a> {
    measures: &'a mut RowMeasures,
    known: &'a [MeasuredSegment],
    chunk: &'a Chunk<'a>,
    segments: &'a [u16],
}

impl Work for MeasureChunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) {
        let MeasureChunk { measures, known, chunk, segments } = self;
        let mut numbers = [NO_SEGMENT; TILE_ROWS];
        let mut mass = vec![0.0; measures.silhouettes.len()];
        known.iter().for_each(|segment| mass[usize::from(segment.number)] = segment.mass);
        for (t, (tile, rows)) in chunk.tiles().enumerate() {
            let first = t * TILE_ROWS;
            numbers[..rows].copy_from_slice(&segments[first..][..rows]);
            let nearest = RowDistances::of(tile, &numbers, known);
            for (row, &number) in numbers[..rows].iter().enumerate().filter(|(_, n)| **n != NO_SEGMENT) {
                let weight = chunk.weight(first + row);
                if weight > 0 {
                    measures.push(usize::from(number), weight, mass[usize::from(number)], (&nearest, row));
                }
            }
        }
    }
}

impl RowMeasures {
    #[inline(always)]
    fn push(&mut self, j: usize, weight: u32, mass: f64, (nearest, row): (&RowDistances, usize)) {
        // A row is no neighbour of itself.
        let others = mass - f64::from(weight);
        let silhouette = match others > 0.0 {
            true => contrast(nearest.own[row] * (mass / others), nearest.other[row]),
            false => 0.0,
        };
        let distance = nearest.own_mean[row].max(0.0).sqrt();
        let simplified = contrast(distance, nearest.other_mean[row].max(0.0).sqrt());
        let steps = |value: f64| i128::from((value * SILHOUETTE_STEPS) as i64) * i128::from(weight);
        self.silhouettes[j] += steps(silhouette);
        self.simplified[j] += steps(simplified);
        self.distances[j] += u128::from((distance * DISTANCE_STEPS) as u64) * u128::from(weight);
    }
}

/// `(b - a) / max(a, b)`; 0 if both are 0.
#[inline(always)]
fn contrast(a: f64, b: f64) -> f64 {
    let most = a.max(b);
    if most > 0.0 && most.is_finite() { (b - a) / most } else { 0.0 }
}

impl RowDistances {
    #[inline(always)]
    fn of(tile: &[f32], numbers: &[u16; TILE_ROWS], known: &[MeasuredSegment]) -> RowDistances {
        let none = [f64::INFINITY; TILE_ROWS];
        let mut nearest = RowDistances { own: none, other: none, own_mean: none, other_mean: none };
        for segment in known {
            // d2(row, mean) is the sum of (x - near) (x - near - 2 rest), plus |rest|^2: nothing cancels, since `near`
            // is as close to the mean as the grid allows.
            let mut sums = [0f64; TILE_ROWS];
            for ((values, &near), &twice) in tile.chunks_exact(TILE_ROWS).zip(&segment.near).zip(&segment.twice) {
                for (sum, &value) in sums.iter_mut().zip(values) {
                    let apart = f64::from(value) - near;
                    *sum += apart * (apart - twice);
                }
            }
            for row in 0..TILE_ROWS {
                let (to_rows, to_mean) = (sums[row] + segment.about_near, sums[row] + segment.rest2);
                let is_own = numbers[row] == segment.number;
                nearest.own[row] = if is_own { to_rows } else { nearest.own[row] };
                nearest.own_mean[row] = if is_own { to_mean } else { nearest.own_mean[row] };
                let other = |value: f64, best: f64| if is_own || value > best { best } else { value };
                nearest.other[row] = other(to_rows, nearest.other[row]);
                nearest.other_mean[row] = other(to_mean, nearest.other_mean[row]);
            }
        }
        nearest
    }
}
