//! Exact sums of the rows of each segment, and what follows from them alone.

use fearless_simd::Simd;

use crate::backend::{CentroidSums, Centroids, rounded_mean};
use crate::error::Result;
use crate::event::Watch;
use crate::simd::{Dispatch, Work};
use crate::tiles::{Chunk, TILE_ROWS, Tiles};

/// A row without a segment.
pub(crate) const NO_SEGMENT: u16 = u16::MAX;

/// Sums of rows by segment. All are integers, so they merge in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionSums {
    dim: usize,
    /// Rows of a weight above 0 by segment.
    pub(crate) rows: Vec<u64>,
    /// Sum of the weights by segment.
    mass: Vec<u64>,
    /// Sum of weight times value, `segments x dim`.
    sums: Vec<i64>,
    /// Sum of weight times squared norm.
    squares: Vec<u128>,
}

/// A segment's mean and spread, in grid units. The mean is a whole number and a rest, so that differences from it keep
/// all their digits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SegmentMoments {
    pub(super) mass: f64,
    /// The mean, rounded to the grid.
    pub(super) near: Vec<i32>,
    /// The mean less that.
    pub(super) rest: Vec<f64>,
    /// Mean squared distance of the rows to `near`.
    pub(super) about_near: f64,
    /// The squared norm of `rest`.
    pub(super) rest2: f64,
}

impl SegmentMoments {
    /// The squared distance between two means.
    pub(super) fn distance2(&self, other: &SegmentMoments) -> f64 {
        let difference = |f: usize| f64::from(self.near[f] - other.near[f]) + (self.rest[f] - other.rest[f]);
        (0..self.near.len()).map(difference).map(|d| d * d).sum()
    }

    /// The sum of squared distances of the rows to the mean.
    pub(super) fn sse(&self) -> f64 {
        (self.mass * (self.about_near - self.rest2)).max(0.0)
    }
}

/// Adds a chunk with the instructions of the machine.
struct AddChunk<'a> {
    sums: &'a mut PartitionSums,
    chunk: &'a Chunk<'a>,
    segments: &'a [u16],
}

impl Work for AddChunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) {
        self.sums.add(self.chunk, self.segments);
    }
}

impl PartitionSums {
    fn empty(dim: usize, k: usize) -> Self {
        PartitionSums { dim, rows: vec![0; k], mass: vec![0; k], sums: vec![0; k * dim], squares: vec![0; k] }
    }

    /// Sums of all rows of `tiles` whose segment is below `k`; `segments` has one for each row, or [`NO_SEGMENT`].
    ///
    /// # Errors
    /// An interruption, or an I/O error on the scratch file.
    pub(crate) fn of(tiles: &Tiles, segments: &[u16], k: usize, watch: Watch<'_>) -> Result<Self> {
        let simd = Dispatch::default();
        let parts = tiles.scan(
            || PartitionSums::empty(tiles.dim(), k),
            |sums, chunk| {
                watch.check()?;
                let segments = &segments[chunk.first_row as usize..][..chunk.rows];
                simd.run(AddChunk { sums, chunk: &chunk, segments });
                Ok(())
            },
        )?;
        let mut all = PartitionSums::empty(tiles.dim(), k);
        parts.iter().for_each(|part| all.merge(part));
        Ok(all)
    }

    /// Sums of rows that are labelled by their nearest centroid, from a pass with these centroids. `about` has, by
    /// segment, the rows of a weight above 0 and the sum of weight times squared distance to the centroid.
    pub(crate) fn of_pass(pass: &CentroidSums, centroids: &Centroids, about: &[(u64, u128)]) -> Self {
        let square = |j: usize| {
            let products = pass.sum(j).iter().zip(centroids.row(j)).map(|(&s, &c)| i128::from(s) * i128::from(c));
            let (dot, mass): (i128, i128) = (products.sum(), i128::from(pass.mass[j]));
            // A sum of squares, which is not negative.
            (about[j].1 as i128 + 2 * dot - mass * i128::from(centroids.norm2(j))) as u128
        };
        PartitionSums {
            dim: pass.dim(),
            rows: about.iter().map(|(rows, _)| *rows).collect(),
            mass: pass.mass.iter().map(|&mass| mass as u64).collect(),
            sums: pass.sums.clone(),
            squares: (0..pass.k()).map(square).collect(),
        }
    }

    /// Adds the rows of a chunk.
    #[inline(always)]
    fn add(&mut self, chunk: &Chunk<'_>, segments: &[u16]) {
        for (t, (tile, rows)) in chunk.tiles().enumerate() {
            let first = t * TILE_ROWS;
            let segments = &segments[first..][..rows];
            let mut weights = [1u32; TILE_ROWS];
            if let Some(all) = chunk.weights {
                weights[..rows].copy_from_slice(&all[first..][..rows]);
            }
            // A norm has at most 58 bits, see `MAX_DIM`; `CentroidSums` says why the sums do not wrap.
            let mut norms = [0u64; TILE_ROWS];
            for (f, values) in tile.chunks_exact(TILE_ROWS).enumerate() {
                for (norm, &value) in norms.iter_mut().zip(values) {
                    let value = value as i32 as i64;
                    *norm = norm.wrapping_add(value.wrapping_mul(value) as u64);
                }
                for ((&segment, &value), &weight) in segments.iter().zip(values).zip(&weights) {
                    if segment != NO_SEGMENT {
                        let sum = &mut self.sums[usize::from(segment) * self.dim + f];
                        *sum = sum.wrapping_add(i64::from(weight).wrapping_mul(value as i32 as i64));
                    }
                }
            }
            for ((&segment, &norm), &weight) in segments.iter().zip(&norms).zip(&weights) {
                if segment != NO_SEGMENT {
                    let j = usize::from(segment);
                    self.rows[j] += u64::from(weight > 0);
                    self.mass[j] += u64::from(weight);
                    self.squares[j] += u128::from(weight) * u128::from(norm);
                }
            }
        }
    }

    fn merge(&mut self, other: &PartitionSums) {
        let add = |a: &mut [u64], b: &[u64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        add(&mut self.rows, &other.rows);
        add(&mut self.mass, &other.mass);
        self.sums.iter_mut().zip(&other.sums).for_each(|(a, b)| *a += b);
        self.squares.iter_mut().zip(&other.squares).for_each(|(a, b)| *a += b);
    }

    /// Segments, with and without rows.
    pub(crate) fn segments(&self) -> usize {
        self.rows.len()
    }

    /// What follows of one segment; None without rows.
    pub(super) fn moments(&self, j: usize) -> Option<SegmentMoments> {
        moments(self.mass[j], &self.sums[j * self.dim..][..self.dim], self.squares[j])
    }

    /// The same of the rows of all segments together.
    pub(super) fn total(&self) -> Option<SegmentMoments> {
        let mut sums = vec![0; self.dim];
        for segment in self.sums.chunks_exact(self.dim) {
            sums.iter_mut().zip(segment).for_each(|(total, sum)| *total += sum);
        }
        moments(self.mass.iter().sum(), &sums, self.squares.iter().sum())
    }

    /// The sum of squared distances between the means and that of all rows, each with the mass of its segment.
    pub(super) fn between(&self, all: &SegmentMoments) -> f64 {
        let of = |segment: SegmentMoments| segment.mass * segment.distance2(all);
        (0..self.segments()).filter_map(|j| self.moments(j)).map(of).sum()
    }
}

fn moments(mass: u64, sums: &[i64], squares: u128) -> Option<SegmentMoments> {
    let whole = i64::try_from(mass).ok().filter(|&mass| mass > 0)?;
    let near: Vec<i32> = sums.iter().map(|&sum| rounded_mean(sum, whole)).collect();
    // Exact: the squared distances to `near` and the rests are whole numbers before the division.
    let mut about = squares as i128;
    let mut rest = Vec::with_capacity(near.len());
    for (&sum, &c) in sums.iter().zip(&near) {
        let (sum, c, mass) = (i128::from(sum), i128::from(c), i128::from(whole));
        about += c * (mass * c - 2 * sum);
        rest.push((sum - mass * c) as f64 / mass as f64);
    }
    let rest2 = rest.iter().map(|r| r * r).sum();
    let mass = mass as f64;
    Some(SegmentMoments { mass, near, rest, about_near: about as f64 / mass, rest2 })
}
