//! Exact order statistics of landed columns, by counting.
//!
//! An f32 maps to a 32-bit key with the same order. One scan counts the upper halves of the keys, which gives the
//! bucket of every wanted rank; a second scan counts the lower halves within those buckets. Counts are integers, so the
//! result does not depend on threads or their order, and no column is ever sorted or copied. A value of weight w counts
//! as w values.

use std::collections::BTreeMap;

use fearless_simd::Simd;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::event::Watch;
use crate::numeric::partial::other_shape;
use crate::numeric::{Partial, f32_of_key, key_of_f32};
use crate::run::Run;
use crate::simd::Work;
use crate::tiles::{Store, TILE_ROWS};

/// The quantiles that are wanted of a column.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The feature's position in the tiles.
    pub(crate) feature: usize,
    /// How many of its values are present; with weights, the sum of theirs.
    pub(crate) present: u64,
    /// Quantiles between 0 and 1; linear interpolation between neighbours, as NumPy's default.
    pub(crate) quantiles: Vec<f64>,
}

const HALF: usize = 1 << 16;

/// Features counted in one scan, so that the workers' counters stay within a few megabytes.
const FEATURES_A_SCAN: usize = 4;

/// Bytes of counters for a feature: the buckets of six ranks, three quartiles with two neighbours each.
const BYTES_A_THREAD: u64 = (HALF * 8 * 6) as u64;

/// The most bytes of counters that a thread holds, for any number of `features`.
pub(crate) fn quantile_bytes(features: usize) -> u64 {
    features.min(FEATURES_A_SCAN) as u64 * BYTES_A_THREAD
}

/// The quantiles of every wanted column.
pub(crate) fn quantiles(
    store: &Store,
    weights: Option<&[u32]>,
    wanted: &[Wanted],
    run: Run<'_>,
) -> Result<Vec<Vec<f64>>> {
    let mut results = Vec::with_capacity(wanted.len());
    for some in wanted.chunks(FEATURES_A_SCAN) {
        results.extend(KeyScan { store, weights, wanted: some, run }.quantiles()?);
    }
    Ok(results)
}

/// Some columns whose keys are counted.
struct KeyScan<'a> {
    store: &'a Store,
    weights: Option<&'a [u32]>,
    wanted: &'a [Wanted],
    run: Run<'a>,
}

impl KeyScan<'_> {
    fn quantiles(&self) -> Result<Vec<Vec<f64>>> {
        let upper = self.upper_halves()?;
        // By column and wanted rank: its bucket, and how many values are below that bucket.
        let places: Vec<BTreeMap<u64, (usize, u64)>> = self
            .wanted
            .iter()
            .zip(&upper)
            .map(|(w, counts)| ranks(w).into_iter().map(|rank| (rank, locate(counts, rank))).collect())
            .collect();
        let buckets: Vec<Vec<usize>> = places
            .iter()
            .map(|p| {
                let mut b: Vec<usize> = p.values().map(|&(bucket, _)| bucket).collect();
                b.dedup();
                b
            })
            .collect();
        let lower = self.lower_halves(&buckets)?;
        let of = |(w, column): (usize, &Wanted)| {
            let value = |rank: u64| {
                let (bucket, below) = places[w][&rank];
                let slot = buckets[w].iter().position(|&b| b == bucket).unwrap_or(0);
                let (low, _) = locate(&lower[w][slot * HALF..][..HALF], rank - below);
                f64::from(f32_of_key((bucket << 16 | low) as u32))
            };
            column.quantiles.iter().map(|&q| interpolate(column.present, q, &value)).collect()
        };
        Ok(self.wanted.iter().enumerate().map(of).collect())
    }

    fn upper_halves(&self) -> Result<Vec<Vec<u64>>> {
        self.count(&vec![1; self.wanted.len()], |counts, keys, rows, weights| {
            // Feature by feature within a row: neighbouring values of a column often have the same key, and each
            // addition to their counter would wait for the one before.
            for row in 0..rows {
                let weight = weights.map_or(1, |w| u64::from(w[row]));
                for (counts, keys) in counts.iter_mut().zip(keys) {
                    counts[(keys[row] >> 16) as usize] += weight;
                }
            }
        })
    }

    fn lower_halves(&self, buckets: &[Vec<usize>]) -> Result<Vec<Vec<u64>>> {
        let sizes: Vec<usize> = buckets.iter().map(Vec::len).collect();
        self.count(&sizes, |counts, keys, rows, weights| {
            for ((counts, keys), buckets) in counts.iter_mut().zip(keys).zip(buckets) {
                for (counts, &bucket) in counts.chunks_exact_mut(HALF).zip(buckets) {
                    // Few tiles have a value in a given bucket, so this check skips most of them.
                    if self.run.simd.run(Any { keys, bucket: bucket as u32 }) {
                        let inside =
                            keys[..rows].iter().enumerate().filter(|(_, key)| (**key >> 16) as usize == bucket);
                        inside.for_each(|(row, &key)| {
                            counts[(key & 0xffff) as usize] += weights.map_or(1, |w| u64::from(w[row]));
                        });
                    }
                }
            }
        })
    }

    /// Calls `add` for every tile with the counters of the wanted columns (`sizes[w]` times [`HALF`]), the keys of
    /// their values, the number of rows that are not padding, and the weights of those.
    fn count(
        &self,
        sizes: &[usize],
        add: impl Fn(&mut [Vec<u64>], &[[u32; TILE_ROWS]], usize, Option<&[u32]>) + Sync,
    ) -> Result<Vec<Vec<u64>>> {
        let layout = self.store.layout();
        let new = || KeyCounts::new(sizes.iter().map(|&n| n * HALF));
        let states = self.store.scan(new, |KeyCounts(counts), i, values| {
            self.run.watch.check()?;
            let mut keys = [[0; TILE_ROWS]; FEATURES_A_SCAN];
            let mut left = layout.rows_in(i);
            for tile in values.chunks_exact(layout.dim() * TILE_ROWS) {
                let rows = left.min(TILE_ROWS);
                let first = layout.first_row(i) as usize + layout.rows_in(i) - left;
                left -= rows;
                for (keys, column) in keys.iter_mut().zip(self.wanted) {
                    let values = &tile[column.feature * TILE_ROWS..][..TILE_ROWS];
                    self.run.simd.run(OrderKeys { values, keys });
                }
                add(counts, &keys[..self.wanted.len()], rows, self.weights.map(|w| &w[first..][..rows]));
            }
            Ok(())
        })?;
        new().gather(states)
    }
}

/// Any number of quantiles of one feature with `present` values that are not NaN. Three scans count 16, 8 and 8 bits of
/// the keys, so that counters stay small however many ranks there are.
pub(crate) fn many_quantiles(
    store: &Store,
    weights: Option<&[u32]>,
    wanted: &Wanted,
    watch: Watch<'_>,
) -> Result<Vec<f64>> {
    // For each rank: the upper bits of its key, as far as they are known, and how many values have smaller upper bits.
    let mut found: BTreeMap<u64, (u32, u64)> = ranks(wanted).into_iter().map(|rank| (rank, (0, 0))).collect();
    for (known, more) in [(0u32, 16u32), (16, 8), (24, 8)] {
        let mut prefixes: Vec<u32> = found.values().map(|&(prefix, _)| prefix).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        let bits = KeyBits { known, more };
        let counts = count_prefixes(store, weights, wanted.feature, &prefixes, bits, watch)?;
        for (rank, (prefix, below)) in &mut found {
            let slot = prefixes.binary_search(prefix).unwrap_or(0);
            let (next, under) = locate(&counts[slot << more..][..1 << more], rank - *below);
            (*prefix, *below) = (*prefix << more | next as u32, *below + under);
        }
    }
    let value = |rank: u64| f64::from(f32_of_key(found[&rank].0));
    Ok(wanted.quantiles.iter().map(|&q| interpolate(wanted.present, q, &value)).collect())
}

/// The leading bits of a key that are known, and how many more are looked for.
#[derive(Debug, Clone, Copy)]
struct KeyBits {
    known: u32,
    more: u32,
}

/// For keys whose first `known` bits are one of `prefixes`, in ascending order: how often the next `more` bits occur.
fn count_prefixes(
    store: &Store,
    weights: Option<&[u32]>,
    feature: usize,
    prefixes: &[u32],
    KeyBits { known, more }: KeyBits,
    watch: Watch<'_>,
) -> Result<Vec<u64>> {
    let layout = store.layout();
    // For every 16 leading bits: the range of prefixes that begin with them.
    let mut starts = vec![(0u32, 0u32); if known == 0 { 1 } else { HALF }];
    for (slot, prefix) in prefixes.iter().enumerate() {
        let start = &mut starts[if known == 0 { 0 } else { (prefix >> (known - 16)) as usize }];
        *start = if start.1 == 0 { (slot as u32, slot as u32 + 1) } else { (start.0, slot as u32 + 1) };
    }
    let new = || KeyCounts::new([prefixes.len() << more]);
    let states = store.scan(new, |KeyCounts(columns), i, values| {
        watch.check()?;
        let counts = &mut columns[0];
        let rows = layout.rows_in(i);
        for (t, tile) in values.chunks_exact(layout.dim() * TILE_ROWS).enumerate() {
            let here = (rows - t * TILE_ROWS).min(TILE_ROWS);
            let first = layout.first_row(i) as usize + t * TILE_ROWS;
            for (row, key) in tile[feature * TILE_ROWS..][..here].iter().map(|&v| key_of_f32(v)).enumerate() {
                let low = (key << known >> (32 - more)) as usize;
                let weight = weights.map_or(1, |w| u64::from(w[first + row]));
                if known == 0 {
                    counts[low] += weight;
                    continue;
                }
                let (from, to) = starts[(key >> 16) as usize];
                let prefix = key >> (32 - known);
                let mine = |slot: &u32| prefixes[*slot as usize] == prefix;
                if let Some(slot) = (from..to).find(mine) {
                    counts[(slot as usize) << more | low] += weight;
                }
            }
        }
        Ok(())
    })?;
    Ok(new().gather(states)?.swap_remove(0))
}

/// The two neighbouring ranks of a quantile, and the share of the upper one.
fn neighbours(present: u64, q: f64) -> (u64, u64, f64) {
    let position = (present - 1) as f64 * q;
    let low = (position as u64).min(present - 1);
    (low, (low + 1).min(present - 1), position - low as f64)
}

fn ranks(w: &Wanted) -> Vec<u64> {
    w.quantiles
        .iter()
        .flat_map(|&q| {
            <[u64; 2]>::from({
                let (low, high, _) = neighbours(w.present, q);
                (low, high)
            })
        })
        .collect()
}

fn interpolate(present: u64, q: f64, value: &impl Fn(u64) -> f64) -> f64 {
    let (low, high, share) = neighbours(present, q);
    let (low, high) = (value(low), value(high));
    low + (high - low) * share
}

/// The bucket that contains the value of a rank, and how many values are below the bucket.
fn locate(counts: &[u64], rank: u64) -> (usize, u64) {
    let mut below = 0;
    for (bucket, &n) in counts.iter().enumerate() {
        if rank < below + n {
            return (bucket, below);
        }
        below += n;
    }
    (counts.len() - 1, below)
}

/// How often keys occur, by the bits that a scan looks at, column by column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeyCounts(Vec<Vec<u64>>);

impl KeyCounts {
    /// Zeros of these lengths.
    fn new(sizes: impl IntoIterator<Item = usize>) -> Self {
        KeyCounts(sizes.into_iter().map(|n| vec![0; n]).collect())
    }

    /// The counts of all workers.
    fn gather(mut self, workers: Vec<Self>) -> Result<Vec<Vec<u64>>> {
        workers.iter().try_for_each(|worker| self.merge(worker))?;
        Ok(self.0)
    }
}

impl Partial for KeyCounts {
    const NAME: &'static str = "key counts";
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        if !self.0.iter().map(Vec::len).eq(other.0.iter().map(Vec::len)) {
            return Err(other_shape::<Self>());
        }
        self.0.iter_mut().flatten().zip(other.0.iter().flatten()).for_each(|(a, b)| *a += b);
        Ok(())
    }
}

/// The keys of a tile's values.
struct OrderKeys<'a> {
    values: &'a [f32],
    keys: &'a mut [u32; TILE_ROWS],
}

impl Work for OrderKeys<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) {
        self.keys.iter_mut().zip(self.values).for_each(|(key, &v)| *key = key_of_f32(v));
    }
}

/// Whether any key is in a bucket.
struct Any<'a> {
    keys: &'a [u32; TILE_ROWS],
    bucket: u32,
}

impl Work for Any<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) -> bool {
        self.keys.iter().fold(false, |any, key| any | (key >> 16 == self.bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiles::Layout;

    #[test]
    fn key_counts_merge_in_any_order() {
        let of = |n: u64| KeyCounts(vec![vec![n, 0, 3], vec![u64::from(n > 1)]]);
        crate::numeric::partial::laws::hold(&of(1), &of(2), &of(7));
    }

    #[test]
    fn equals_sorting() {
        let rows = 1000usize;
        let layout = Layout::new(rows as u64, 2, 128);
        let value = |r: usize| ((r * 7919) % 1009) as f32 * 0.37 - 150.0;
        let mut store = Store::memory(layout).unwrap();
        for i in 0..layout.chunks() {
            let mut chunk = vec![f32::NAN; layout.floats_in(i)];
            for r in 0..layout.rows_in(i) {
                let row = layout.first_row(i) as usize + r;
                chunk[layout.position(r, 0)] = if row % 10 == 3 { f32::NAN } else { value(row) };
                chunk[layout.position(r, 1)] = 5.0;
            }
            store.write(i, &chunk).unwrap();
        }
        let mut sorted: Vec<f32> = (0..rows).filter(|r| r % 10 != 3).map(value).collect();
        sorted.sort_by(f32::total_cmp);
        let wanted = [
            Wanted { feature: 0, present: sorted.len() as u64, quantiles: vec![0.0, 0.25, 0.5, 0.999, 1.0] },
            Wanted { feature: 1, present: rows as u64, quantiles: vec![0.5] },
        ];
        let run = Run { watch: Watch::none(), simd: crate::simd::Dispatch::default() };
        let found = quantiles(&store, None, &wanted, run).unwrap();
        for (&q, &v) in wanted[0].quantiles.iter().zip(&found[0]) {
            let at = (sorted.len() - 1) as f64 * q;
            let (low, high) = (f64::from(sorted[at.floor() as usize]), f64::from(sorted[at.ceil() as usize]));
            assert_eq!(v, low + (high - low) * at.fract(), "quantile {q}");
        }
        assert_eq!(found[1], [5.0]);
        let of_one = many_quantiles(&store, None, &wanted[0], Watch::none()).unwrap();
        assert_eq!(of_one, found[0], "the same by three scans");
        let ones = vec![1; rows];
        assert_eq!(quantiles(&store, Some(&ones), &wanted, run).unwrap(), found, "weights of 1");
        // A value of weight w counts as w values.
        let weights: Vec<u32> = (0..rows as u32).map(|r| r % 3).collect();
        let present = (0..rows).filter(|r| r % 10 != 3);
        let mut repeated: Vec<f32> = present.flat_map(|r| std::iter::repeat_n(value(r), weights[r] as usize)).collect();
        repeated.sort_by(f32::total_cmp);
        let heavy = Wanted { present: repeated.len() as u64, ..wanted[0].clone() };
        let of_heavy = quantiles(&store, Some(&weights), std::slice::from_ref(&heavy), run).unwrap();
        for (&q, &v) in heavy.quantiles.iter().zip(&of_heavy[0]) {
            let at = (repeated.len() - 1) as f64 * q;
            let (low, high) = (f64::from(repeated[at.floor() as usize]), f64::from(repeated[at.ceil() as usize]));
            assert_eq!(v, low + (high - low) * at.fract(), "weighted quantile {q}");
        }
        assert_eq!(many_quantiles(&store, Some(&weights), &heavy, Watch::none()).unwrap(), of_heavy[0]);
        let many: Vec<f64> = (0..=500).map(|i| f64::from(i) / 500.0).collect();
        let many_wanted = Wanted { quantiles: many.clone(), ..wanted[0].clone() };
        for (&q, v) in many.iter().zip(many_quantiles(&store, None, &many_wanted, Watch::none()).unwrap()) {
            let at = (sorted.len() - 1) as f64 * q;
            let (low, high) = (f64::from(sorted[at.floor() as usize]), f64::from(sorted[at.ceil() as usize]));
            assert_eq!(v, low + (high - low) * at.fract(), "quantile {q} of many");
        }
    }
}
