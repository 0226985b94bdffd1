//! Exact order statistics of landed columns, by counting.
//!
//! An f32 maps to a 32-bit key of the same order. One scan counts the upper halves of the keys, which tells the bucket
//! of every wanted rank; a second counts the lower halves inside those buckets. Counts are integers, so the result does
//! not depend on threads or order, and no column is ever sorted or copied.

use std::collections::BTreeMap;

use super::layout::TILE_ROWS;
use super::store::Store;
use crate::error::Result;
use crate::event::Watch;

/// Values by which a column's ranks are asked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The feature's position in the tiles.
    pub(super) feature: usize,
    /// How many of its values are present.
    pub(super) present: u64,
    /// Quantiles between 0 and 1; linear interpolation between neighbours, as NumPy's default.
    pub(super) quantiles: Vec<f64>,
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

/// Per wanted column, its quantiles.
pub(super) fn quantiles(store: &Store, wanted: &[Wanted], watch: Watch<'_>) -> Result<Vec<Vec<f64>>> {
    let mut results = Vec::with_capacity(wanted.len());
    for some in wanted.chunks(FEATURES_A_SCAN) {
        results.extend(quantiles_of(store, some, watch)?);
    }
    Ok(results)
}

fn quantiles_of(store: &Store, wanted: &[Wanted], watch: Watch<'_>) -> Result<Vec<Vec<f64>>> {
    let upper = count(store, wanted, watch, |_, key| Some((key >> 16) as usize), |_| 1)?;
    // Per column, per wanted rank: its bucket and how many values lie below that bucket.
    let places: Vec<BTreeMap<u64, (usize, u64)>> = wanted
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
    let pick = |w: usize, key: u32| {
        let slot = buckets[w].iter().position(|&b| b == (key >> 16) as usize)?;
        Some(slot * HALF + (key & 0xffff) as usize)
    };
    let lower = count(store, wanted, watch, pick, |w| buckets[w].len())?;
    Ok(wanted
        .iter()
        .enumerate()
        .map(|(w, column)| {
            let value = |rank: u64| {
                let (bucket, below) = places[w][&rank];
                let slot = buckets[w].iter().position(|&b| b == bucket).unwrap_or(0);
                let (low, _) = locate(&lower[w][slot * HALF..][..HALF], rank - below);
                f64::from(from_key((bucket << 16 | low) as u32))
            };
            column.quantiles.iter().map(|&q| interpolate(column.present, q, &value)).collect()
        })
        .collect())
}

/// The two neighbouring ranks of a quantile and the share of the upper one.
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

/// The bucket that holds the value of a rank, and how many values lie below the bucket.
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

/// Counts the present values of the wanted columns by `slot`, which says where a key is counted, if at all.
fn count(
    store: &Store,
    wanted: &[Wanted],
    watch: Watch<'_>,
    slot: impl Fn(usize, u32) -> Option<usize> + Sync,
    buckets: impl Fn(usize) -> usize,
) -> Result<Vec<Vec<u64>>> {
    let layout = store.layout();
    let sizes: Vec<usize> = (0..wanted.len()).map(|w| buckets(w) * HALF).collect();
    let new = || sizes.iter().map(|&n| vec![0u64; n]).collect::<Vec<_>>();
    let states = store.scan(new, |counts, i, values| {
        watch.check()?;
        let mut left = layout.rows_in(i);
        for tile in values.chunks_exact(layout.dim() * TILE_ROWS) {
            let rows = left.min(TILE_ROWS);
            left -= rows;
            for (w, column) in wanted.iter().enumerate() {
                for v in tile[column.feature * TILE_ROWS..][..rows].iter().filter(|v| !v.is_nan()) {
                    if let Some(slot) = slot(w, to_key(*v)) {
                        counts[w][slot] += 1;
                    }
                }
            }
        }
        Ok(())
    })?;
    Ok(states.into_iter().fold(new(), |mut total, state| {
        total.iter_mut().flatten().zip(state.into_iter().flatten()).for_each(|(t, s)| *t += s);
        total
    }))
}

/// An unsigned integer of the same order. -0 counts as 0.
fn to_key(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn from_key(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::layout::Layout;

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
        let found = quantiles(&store, &wanted, Watch::none()).unwrap();
        for (&q, &v) in wanted[0].quantiles.iter().zip(&found[0]) {
            let at = (sorted.len() - 1) as f64 * q;
            let (low, high) = (f64::from(sorted[at.floor() as usize]), f64::from(sorted[at.ceil() as usize]));
            assert_eq!(v, low + (high - low) * at.fract(), "quantile {q}");
        }
        assert_eq!(found[1], [5.0]);
    }
}
