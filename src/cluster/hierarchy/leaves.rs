//! The leaves of an exact tree: the distinct rows, in the order of their values, so that the order of rows does not
//! matter.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::backend::{CentroidSums, Centroids, Labels, distance2};
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::tiles::{Layout, Tiles};

/// Distinct rows of a weight above 0.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leaves {
    dim: usize,
    /// Row-major, ascending.
    values: Vec<i32>,
    /// The rows that are equal, and the sum of their weights.
    pub(super) rows: Vec<u64>,
    mass: Vec<i64>,
}

/// By value: rows, and the sum of their weights.
type Masses = HashMap<Vec<i32>, (u64, i64)>;

impl Leaves {
    /// The distinct rows of `tiles`; None if there are more than `most`.
    pub(super) fn find(tiles: &Tiles, most: usize, watch: Watch<'_>) -> Result<Option<Leaves>> {
        let too_many = AtomicBool::new(false);
        let states = tiles.scan(Masses::new, |seen, chunk| {
            watch.check()?;
            let mut row = vec![0; chunk.dim];
            for r in (0..chunk.rows).filter(|&r| chunk.weight(r) > 0) {
                if too_many.load(Ordering::Relaxed) {
                    return Ok(());
                }
                chunk.copy_row(r, &mut row);
                let weight = i64::from(chunk.weight(r));
                match seen.get_mut(&row) {
                    Some((rows, mass)) => (*rows, *mass) = (*rows + 1, *mass + weight),
                    None => _ = seen.insert(row.clone(), (1, weight)),
                }
                if seen.len() > most {
                    too_many.store(true, Ordering::Relaxed);
                }
            }
            Ok(())
        })?;
        let mut all = BTreeMap::new();
        for (row, (rows, mass)) in states.into_iter().flatten() {
            let of_value = all.entry(row).or_insert((0, 0));
            *of_value = (of_value.0 + rows, of_value.1 + mass);
        }
        if too_many.into_inner() || all.len() > most {
            return Ok(None);
        }
        let (rows, mass) = all.values().copied().unzip();
        Ok(Some(Leaves { dim: tiles.dim(), values: all.into_keys().flatten().collect(), rows, mass }))
    }

    /// Their masses and sums.
    pub(super) fn sums(&self) -> CentroidSums {
        let mut sums = CentroidSums::empty(self.len(), self.dim);
        (sums.counts, sums.mass) = (self.rows.clone(), self.mass.clone());
        let values = self.values.iter().enumerate();
        sums.sums = values.map(|(at, &value)| self.mass[at / self.dim] * i64::from(value)).collect();
        sums
    }

    /// Each of them as one row.
    pub(super) fn tiles(&self) -> Result<Tiles> {
        Tiles::from_rows(self.dim, &self.values, None, Layout::default_chunk_rows(self.dim))
    }

    pub(super) fn len(&self) -> usize {
        self.mass.len()
    }

    fn row(&self, leaf: usize) -> &[i32] {
        &self.values[leaf * self.dim..][..self.dim]
    }

    /// The leaf of a row: its own, or for a row of weight 0 that has none, the nearest; ties go to the first.
    fn of(&self, row: &[i32]) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.row(middle) < row { low = middle + 1 } else { high = middle }
        }
        if low < self.len() && self.row(low) == row {
            return low;
        }
        (0..self.len()).min_by_key(|&leaf| distance2(self.row(leaf), row)).unwrap_or(0)
    }

    /// Labels every row by the micro-segment of its leaf, and passes labels and squared distances to their centroids
    /// to `sink`, in row order.
    pub(super) fn label(
        &self,
        tiles: &Tiles,
        (micro_of, centroids): (&[u32], &Centroids),
        watch: Watch<'_>,
        sink: &mut dyn FnMut(Labels) -> Result<()>,
    ) -> Result<()> {
        let label = |chunk: crate::tiles::Chunk<'_>| {
            watch.check()?;
            let (mut row, mut labels, mut distances) = (vec![0; chunk.dim], Vec::new(), Vec::new());
            for r in 0..chunk.rows {
                chunk.copy_row(r, &mut row);
                let micro = micro_of[self.of(&row)];
                labels.push(micro);
                distances.push(distance2(&row, centroids.row(micro as usize)));
            }
            watch.advance(Stage::Labels, chunk.rows as u64);
            Ok(Labels { first_row: chunk.first_row, labels, distance2: distances, second2: None })
        };
        tiles.map_ordered(label, sink)
    }
}
