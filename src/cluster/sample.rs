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
    let threshold = threshold(wanted, tiles.rows());
    let dim = tiles.dim();
    let mut all = Sample { dim, values: Vec::new(), weights: tiles.weights().map(|_| Vec::new()), hashes: Vec::new() };
    tiles.map_ordered(
        |chunk| {
            watch.check()?;
            let mut picked =
                Sample { dim, values: Vec::new(), weights: chunk.weights.map(|_| Vec::new()), hashes: Vec::new() };
            let mut row = vec![0; dim];
            for r in 0..chunk.rows {
                let hash = mix(key ^ (chunk.first_row + r as u64));
                if hash <= threshold {
                    chunk.copy_row(r, &mut row);
                    picked.values.extend_from_slice(&row);
                    picked.hashes.push(hash);
                    if let Some(weights) = &mut picked.weights {
                        weights.push(chunk.weight(r));
                    }
                }
            }
            Ok(picked)
        },
        |picked| {
            all.values.extend(picked.values);
            all.hashes.extend(picked.hashes);
            if let (Some(all), Some(picked)) = (&mut all.weights, picked.weights) {
                all.extend(picked);
            }
            Ok(())
        },
    )?;
    Ok(all)
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
    pub(super) fn rows(&self) -> usize {
        self.hashes.len()
    }

    pub(super) fn row(&self, i: usize) -> &[i32] {
        &self.values[i * self.dim..][..self.dim]
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
