//! Figures of whole columns that conditions are compared with. They do not depend on the order of the rows.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::drift::{DIGITS, key_of, middle};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Watch;
use crate::input::{ColumnReader, RowGroup, Source};
use crate::numeric::ExactFloats;
use crate::profile::EXACT_ROWS;
use crate::rules::{Figure, Terms, Threshold};

/// What the quantiles of a column are found from.
enum RankedValues {
    /// The values, sorted.
    Exact(Vec<f64>),
    /// Counts of buckets, in order, each at most 2^-10 of its value wide.
    Buckets(Vec<(u32, u64)>),
}

/// Finds the value of every figure that conditions ask for. Null, NaN and infinite values do not count.
///
/// # Errors
/// A column without a value.
pub(super) fn find(source: &Source, terms: &mut Terms, watch: Watch<'_>) -> Result<()> {
    let mut known: Vec<(usize, RankedValues)> = Vec::new();
    for (threshold, value) in &mut terms.thresholds {
        let found = match threshold.figure {
            Figure::Average => average(source, threshold.column, watch)?,
            Figure::Quantile(p) => {
                let at = known.iter().position(|(column, _)| *column == threshold.column);
                let at = match at {
                    Some(at) => at,
                    None => {
                        known.push((threshold.column, RankedValues::read(source, threshold.column, watch)?));
                        known.len() - 1
                    }
                };
                known[at].1.quantile(p)
            }
        };
        *value = Some(found.ok_or_else(|| without_values(threshold))?);
    }
    Ok(())
}

fn without_values(threshold: &Threshold) -> Error {
    let name = &threshold.name;
    Error::input(format!("{threshold}: the column {name:?} has no values; leave out what uses it"))
        .of_columns([name])
        .of_kind(ErrorKind::Values)
}

/// The values of the column in every row group, folded by `fold`, in the order of the row groups.
fn by_group<T: Send>(
    source: &Source,
    column: usize,
    watch: Watch<'_>,
    fold: impl Fn(Vec<f64>) -> T + Sync,
) -> Result<Vec<T>> {
    let read = |&group: &RowGroup| {
        watch.check()?;
        let mut values = Vec::with_capacity(group.rows as usize);
        let mut reader = ColumnReader::open(source, group, column)?;
        while reader.next_values(&mut values, &mut 0)? {}
        values.retain(|value| value.is_finite());
        Ok(fold(values))
    };
    source.row_groups().par_iter().with_max_len(1).map(read).collect()
}

/// The exact sum, rounded once, over the number of values.
fn average(source: &Source, column: usize, watch: Watch<'_>) -> Result<Option<f64>> {
    let sum = |values: Vec<f64>| {
        let mut sum = ExactFloats::default();
        values.iter().for_each(|&value| sum.add(value));
        (sum, values.len() as u64)
    };
    let (mut total, mut n) = (ExactFloats::default(), 0u64);
    for (sum, count) in by_group(source, column, watch, sum)? {
        total.join(&sum);
        n += count;
    }
    Ok((n > 0).then(|| total.value() / n as f64))
}

impl RankedValues {
    fn read(source: &Source, column: usize, watch: Watch<'_>) -> Result<Self> {
        if source.rows() <= EXACT_ROWS {
            let mut all = by_group(source, column, watch, |values| values)?.concat();
            all.par_sort_unstable_by(f64::total_cmp);
            return Ok(RankedValues::Exact(all));
        }
        let count = |values: Vec<f64>| {
            let mut keys: Vec<u32> = values.into_iter().map(|value| key_of(value, DIGITS)).collect();
            keys.sort_unstable();
            keys.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u64)).collect::<Vec<_>>()
        };
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        for (key, n) in by_group(source, column, watch, count)?.into_iter().flatten() {
            *counts.entry(key).or_default() += n;
        }
        Ok(RankedValues::Buckets(counts.into_iter().collect()))
    }

    /// The quantile at `p`, interpolated between the two values beside it, as DuckDB's `quantile_cont`.
    fn quantile(&self, p: f64) -> Option<f64> {
        let n = match self {
            RankedValues::Exact(values) => values.len() as u64,
            RankedValues::Buckets(counts) => counts.iter().map(|(_, n)| n).sum(),
        };
        let place = n.checked_sub(1)? as f64 * p;
        let (low, high) = (self.at(place.floor() as u64)?, self.at(place.ceil() as u64)?);
        Some(low + (high - low) * (place - place.floor()))
    }

    /// The value with so many before it.
    fn at(&self, rank: u64) -> Option<f64> {
        match self {
            RankedValues::Exact(values) => values.get(rank as usize).map(|value| value + 0.0),
            RankedValues::Buckets(counts) => {
                let mut before = 0;
                let holds = |&&(_, n): &&(u32, u64)| {
                    before += n;
                    before > rank
                };
                counts.iter().find(holds).map(|&(key, _)| middle(key, DIGITS, false))
            }
        }
    }
}
