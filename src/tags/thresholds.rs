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

/// Finds the value of every figure that conditions ask for, column by column, with so many row groups at a time. Null,
/// NaN and infinite values do not count.
///
/// # Errors
/// A column without a value.
pub(super) fn find(source: &Source, terms: &mut Terms, at_a_time: usize, watch: Watch<'_>) -> Result<()> {
    let mut columns: Vec<usize> = terms.thresholds.iter().map(|(threshold, _)| threshold.column).collect();
    columns.sort_unstable();
    columns.dedup();
    for column in columns {
        let values = FiguredColumn { source, column, at_a_time, watch };
        let mut ranked = None;
        for (threshold, value) in terms.thresholds.iter_mut().filter(|(threshold, _)| threshold.column == column) {
            let found = match threshold.figure {
                Figure::Average => values.average()?,
                Figure::Quantile(p) => {
                    if ranked.is_none() {
                        ranked = Some(values.ranked()?);
                    }
                    ranked.as_ref().and_then(|ranked| ranked.quantile(p))
                }
            };
            *value = Some(found.ok_or_else(|| without_values(threshold))?);
        }
    }
    Ok(())
}

fn without_values(threshold: &Threshold) -> Error {
    let name = &threshold.name;
    Error::input(format!("{threshold}: the column {name:?} has no values; leave out what uses it"))
        .of_columns([name])
        .of_kind(ErrorKind::Values)
}

/// A column whose figures are wanted.
struct FiguredColumn<'a> {
    source: &'a Source,
    column: usize,
    at_a_time: usize,
    watch: Watch<'a>,
}

impl FiguredColumn<'_> {
    /// Calls `add` with what `fold` makes of the finite values of each row group, in the order of the row groups.
    fn by_group<T: Send>(&self, fold: impl Fn(Vec<f64>) -> T + Sync, mut add: impl FnMut(T)) -> Result<()> {
        let read = |&group: &RowGroup| {
            self.watch.check()?;
            let mut values = Vec::with_capacity(group.rows as usize);
            let mut reader = ColumnReader::open(self.source, group, self.column)?;
            while reader.next_values(&mut values, &mut 0)? {}
            values.retain(|value| value.is_finite());
            Ok(fold(values))
        };
        for wave in self.source.row_groups().chunks(self.at_a_time) {
            wave.par_iter().with_max_len(1).map(read).collect::<Result<Vec<T>>>()?.into_iter().for_each(&mut add);
        }
        Ok(())
    }

    /// The exact sum, rounded once, over the number of values.
    fn average(&self) -> Result<Option<f64>> {
        let sum = |values: Vec<f64>| {
            let mut sum = ExactFloats::default();
            values.iter().for_each(|&value| sum.add(value));
            (sum, values.len() as u64)
        };
        let (mut total, mut n) = (ExactFloats::default(), 0u64);
        self.by_group(sum, |(sum, count)| {
            total.join(&sum);
            n += count;
        })?;
        Ok((n > 0).then(|| total.value() / n as f64))
    }

    fn ranked(&self) -> Result<RankedValues> {
        if self.source.rows() <= EXACT_ROWS {
            let mut all = Vec::new();
            self.by_group(|values| values, |values| all.extend(values))?;
            all.par_sort_unstable_by(f64::total_cmp);
            return Ok(RankedValues::Exact(all));
        }
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        let add = |found: Vec<(u32, u64)>| found.into_iter().for_each(|(key, n)| *counts.entry(key).or_default() += n);
        self.by_group(in_buckets, add)?;
        Ok(RankedValues::Buckets(counts.into_iter().collect()))
    }
}

/// How many values are in each bucket, in order.
fn in_buckets(values: Vec<f64>) -> Vec<(u32, u64)> {
    let mut keys: Vec<u32> = values.into_iter().map(|value| key_of(value, DIGITS)).collect();
    keys.sort_unstable();
    keys.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u64)).collect()
}

impl RankedValues {
    /// The quantile at `p`, interpolated between the two values beside it, as DuckDB's `quantile_cont`.
    fn quantile(&self, p: f64) -> Option<f64> {
        let n = match self {
            RankedValues::Exact(values) => values.len() as u64,
            RankedValues::Buckets(counts) => counts.iter().map(|(_, n)| n).sum(),
        };
        let place = n.checked_sub(1)? as f64 * p;
        let (low, high) = (self.at(place.floor() as u64)?, self.at(place.ceil() as u64)?);
        let (part, step) = (place - place.floor(), high - low);
        // The largest numbers are further apart than a double can say.
        Some(if step.is_finite() { low + step * part } else { low * (1.0 - part) + high * part })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exact(values: &[f64]) -> RankedValues {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        RankedValues::Exact(values)
    }

    #[test]
    fn quantiles_are_those_of_duckdb() {
        // SELECT quantile_cont(v, p) FROM (VALUES (3.0), (-1.0), (10.0), (4.0)) t(v)
        let of = |p| exact(&[3.0, -1.0, 10.0, 4.0]).quantile(p);
        assert_eq!([of(0.0), of(0.25), of(0.5), of(0.9), of(1.0)], [-1.0, 2.0, 3.5, 8.200000000000001, 10.0].map(Some));
        assert_eq!(exact(&[]).quantile(0.5), None);
        assert_eq!(exact(&[f64::MAX, f64::MIN]).quantile(0.5), Some(0.0));
    }

    proptest! {
        #[test]
        fn buckets_are_within_their_width(
            values in prop::collection::vec(
                prop_oneof![Just(0.0), -1e9f64..1e9, -1.0f64..1.0, prop::num::f64::NORMAL], 1..60,
            ),
            p in 0.0f64..=1.0,
        ) {
            let (whole, bucketed) = (exact(&values), RankedValues::Buckets(in_buckets(values.clone())));
            let place = (values.len() - 1) as f64 * p;
            let size = [place.floor(), place.ceil()].map(|at| whole.at(at as u64).unwrap().abs());
            let off = (bucketed.quantile(p).unwrap() - whole.quantile(p).unwrap()).abs();
            prop_assert!(off <= size[0].max(size[1]) / 1024.0, "{off} of {size:?}");
        }
    }
}
