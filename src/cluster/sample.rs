//! The sample on which a fit starts: chosen by a hash of (seed, row number), so it is the same for any split and thread
//! count.

use crate::backend::Centroids;
use crate::error::Result;
use crate::event::Watch;
use crate::numeric::mix;
use crate::tiles::{Layout, Tiles};

/// Rows in memory, row-major, with their row numbers' hashes.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) dim: usize,
    pub(super) values: Vec<i32>,
    pub(super) weights: Option<Vec<u32>>,
    hashes: Vec<u64>,
}

/// About `wanted` rows of `tiles`; all of them if there are no more.
pub(super) fn sample(tiles: &Tiles, seed: u64, wanted: u64, watch: Watch<'_>) -> Result<Sample> {
    let key = mix(seed ^ 0x5a4d_504c);
    let threshold = threshold(wanted, tiles.counted_rows());
    let dim = tiles.dim();
    let before = counted_before(tiles);
    let mut all = Sample::empty(dim, tiles.weights().is_some());
    tiles.map_ordered(
        |chunk| {
            watch.check()?;
            let mut picked = Sample::empty(dim, chunk.weights.is_some());
            let mut row = vec![0; dim];
            let mut number = before.as_ref().map_or(chunk.first_row, |before| before[chunk.index]);
            // Rows of weight 0 have no number.
            for r in (0..chunk.rows).filter(|&r| chunk.weight(r) > 0) {
                let hash = mix(key ^ number);
                number += 1;
                if hash <= threshold {
                    chunk.copy_row(r, &mut row);
                    picked.push(&row, chunk.weight(r), hash);
                }
            }
            Ok(picked)
        },
        |picked| {
            all.append(picked);
            Ok(())
        },
    )?;
    Ok(all)
}

/// How many rows of a weight above 0 come before each chunk; None if all rows have one.
fn counted_before(tiles: &Tiles) -> Option<Vec<u64>> {
    let layout = tiles.layout();
    let weights = tiles.weights().filter(|w| w.contains(&0))?;
    let mut rows = 0;
    let mut of = |i: usize| {
        let here = &weights[layout.first_row(i) as usize..][..layout.rows_in(i)];
        let before = rows;
        rows += here.iter().filter(|w| **w > 0).count() as u64;
        before
    };
    Some((0..layout.chunks()).map(&mut of).collect())
}

/// About `wanted` rows of `tiles`, in whole tiles: much faster than row by row, and sufficient to refine good
/// centroids.
pub(super) fn sample_tiles(tiles: &Tiles, seed: u64, wanted: u64, watch: Watch<'_>) -> Result<Tiles> {
    let key = mix(seed ^ 0x5449_4c45);
    let threshold = threshold(wanted, tiles.rows());
    tiles.subset(|tile| mix(key ^ tile) <= threshold, watch)
}

/// The largest hash that is chosen.
fn threshold(wanted: u64, of: u64) -> u64 {
    if wanted >= of { u64::MAX } else { ((u128::from(wanted) << 64) / u128::from(of)) as u64 }
}

impl Sample {
    /// No rows, which will have weights or none.
    pub(super) fn empty(dim: usize, weighted: bool) -> Sample {
        Sample { dim, values: Vec::new(), weights: weighted.then(Vec::new), hashes: Vec::new() }
    }

    pub(super) fn push(&mut self, row: &[i32], weight: u32, hash: u64) {
        self.values.extend_from_slice(row);
        self.hashes.push(hash);
        if let Some(weights) = &mut self.weights {
            weights.push(weight);
        }
    }

    /// Adds the rows of `other`.
    pub(super) fn append(&mut self, other: Sample) {
        self.values.extend(other.values);
        self.hashes.extend(other.hashes);
        if let (Some(mine), Some(theirs)) = (&mut self.weights, other.weights) {
            mine.extend(theirs);
        }
    }

    /// The rows that `keep` accepts.
    pub(super) fn filtered(&self, keep: impl Fn(&[i32]) -> bool) -> Sample {
        let mut kept = Sample::empty(self.dim, self.weights.is_some());
        let rows = (0..self.rows()).filter(|&i| keep(self.row(i)));
        rows.for_each(|i| kept.push(self.row(i), self.weight(i), self.hashes[i]));
        kept
    }

    /// The sum of the weights.
    pub(super) fn mass(&self) -> u64 {
        (0..self.rows()).map(|i| u64::from(self.weight(i))).sum()
    }

    /// The largest weight.
    pub(super) fn heaviest(&self) -> u32 {
        self.weights.as_ref().map_or(1, |w| w.iter().copied().max().unwrap_or(0))
    }

    pub(super) fn rows(&self) -> usize {
        self.hashes.len()
    }

    pub(super) fn row(&self, i: usize) -> &[i32] {
        &self.values[i * self.dim..][..self.dim]
    }

    /// The hash of its row number.
    pub(super) fn hash(&self, i: usize) -> u64 {
        self.hashes[i]
    }

    pub(super) fn weight(&self, i: usize) -> u32 {
        self.weights.as_ref().map_or(1, |w| w[i])
    }

    /// About `wanted` of these rows: those with the smallest hashes.
    pub(super) fn thinned(&self, wanted: usize) -> Sample {
        if wanted >= self.rows() {
            return self.clone();
        }
        let mut hashes = self.hashes.clone();
        let limit = *hashes.select_nth_unstable(wanted).1;
        let keep: Vec<usize> = (0..self.rows()).filter(|&i| self.hashes[i] < limit).collect();
        Sample {
            dim: self.dim,
            values: keep.iter().flat_map(|&i| self.row(i)).copied().collect(),
            weights: self.weights.as_ref().map(|w| keep.iter().map(|&i| w[i]).collect()),
            hashes: keep.iter().map(|&i| self.hashes[i]).collect(),
        }
    }

    /// The rows as tiles.
    pub(super) fn tiles(&self) -> Result<Tiles> {
        Tiles::from_rows(self.dim, &self.values, self.weights.clone(), Layout::default_chunk_rows(self.dim))
    }

    /// Some of the rows as centroids.
    pub(super) fn centroids(&self, rows: &[usize]) -> Result<Centroids> {
        Centroids::new(self.dim, rows.iter().flat_map(|&i| self.row(i)).copied().collect())
    }
}
