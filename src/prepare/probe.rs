//! Probing a few thousand rows before everything is decoded. It decides which transform a column gets, and the central
//! value that is subtracted from its landed values.

use rayon::prelude::*;

use super::design::{DecodeUnit, Design, Raw};
use super::land::Batch;
use super::recipe::Transform;
use super::transform::grain;
use crate::error::Result;
use crate::input::{BATCH_ROWS, Order, RowGroup, Source};
use crate::numeric::skewness;

/// How many row groups are probed, spread evenly over the input. Only the first batch of each is read.
const GROUPS: usize = 8;

/// Skewness up to which `auto` leaves a column as it is: the usual line between moderate and heavy.
const HEAVY: f64 = 1.0;

/// What probing a feature found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probed {
    pub(crate) transform: Transform,
    /// A central value, as it lands.
    pub(crate) origin: f64,
    /// The unit of landed differences from the origin.
    pub(crate) grain: f64,
    pub(crate) raw_skewness: Option<f64>,
}

/// A feature that is not probed.
const NOTHING: Probed = Probed { transform: Transform::None, origin: 0.0, grain: 1.0, raw_skewness: None };

/// Probes all features, in parallel. The result depends only on the rows, their `weights` if any, and the row groups.
pub(crate) fn probe(source: &Source, design: &Design, weights: Option<&[u32]>) -> Result<Vec<Probed>> {
    let all = source.row_groups();
    let some = all.len().min(GROUPS);
    let groups: Vec<RowGroup> = (0..some).map(|i| all[i * all.len() / some]).collect();
    let _ahead = source.ahead(&groups, &design.columns(), Order::Heads(rayon::current_num_threads()));
    let units: Vec<Vec<Probed>> = design
        .units
        .par_iter()
        .with_max_len(1)
        .map(|unit| probe_unit(source, design, unit, &groups, weights))
        .collect::<Result<_>>()?;
    let mut found = vec![NOTHING; design.width()];
    for (unit, probed) in design.units.iter().zip(units) {
        unit.features.iter().zip(probed).for_each(|(&f, probed)| found[f] = probed);
    }
    Ok(found)
}

/// The finite raw values of a feature that were probed, with their weights; no weights where each is 1.
#[derive(Debug, Default)]
struct ProbedValues {
    values: Vec<f64>,
    weights: Vec<u32>,
}

impl ProbedValues {
    fn add(&mut self, values: &[f64], weights: Option<&[u32]>) {
        match weights {
            None => self.values.extend(values.iter().filter(|v| v.is_finite())),
            Some(weights) => {
                let counted = values.iter().zip(weights).filter(|(v, w)| v.is_finite() && **w > 0);
                let (values, weights): (Vec<f64>, Vec<u32>) = counted.unzip();
                self.values.extend(values);
                self.weights.extend(weights);
            }
        }
    }

    /// The weights as shares of the largest.
    fn shares(&self) -> Vec<f64> {
        let largest = self.weights.iter().copied().max().map_or(1.0, f64::from);
        self.weights.iter().map(|&w| f64::from(w) / largest).collect()
    }

    fn probed(mut self, chosen: Transform) -> Probed {
        let shares = self.shares();
        let raw_skewness = skewness(&self.values, &shares);
        let transform = match chosen {
            Transform::Auto => choose(&self.values, &shares, raw_skewness),
            chosen => chosen,
        };
        self.values.iter_mut().for_each(|v| *v = transform.apply(*v));
        if !self.weights.is_empty() {
            let mut keep = self.values.iter().map(|v| v.is_finite());
            self.weights.retain(|_| keep.next().unwrap_or_default());
        }
        self.values.retain(|v| v.is_finite());
        let spread = |origin: f64| self.values.iter().map(|v| (v - origin).abs()).fold(0.0, f64::max);
        let origin = if self.weights.is_empty() {
            median(&mut self.values.clone())
        } else {
            weighted_median(&self.values, &self.weights)
        };
        Probed { transform, origin, grain: grain(spread(origin)), raw_skewness }
    }
}

fn probe_unit(
    source: &Source,
    design: &Design,
    unit: &DecodeUnit,
    groups: &[RowGroup],
    weights: Option<&[u32]>,
) -> Result<Vec<Probed>> {
    if unit.encode.is_some() {
        return Ok(vec![NOTHING; unit.features.len()]);
    }
    let capacity = groups.len() * BATCH_ROWS;
    let new = || ProbedValues { values: Vec::with_capacity(capacity), weights: Vec::new() };
    let mut all: Vec<ProbedValues> = unit.features.iter().map(|_| new()).collect();
    let start = source.row_groups().first().map_or(0, |g| g.first_row);
    let mut buffer = Vec::new();
    for &group in groups {
        let batch = Batch::first(source, group, unit)?;
        let weights = weights.map(|w| &w[(group.first_row - start) as usize..][..group.rows as usize]);
        for (values, &f) in all.iter_mut().zip(&unit.features) {
            values.add(batch.raw(design.features[f].raw, &mut buffer), weights);
        }
    }
    let of = |(values, &f): (ProbedValues, &usize)| match design.features[f].raw {
        Raw::IsMissing(_) => NOTHING,
        _ => values.probed(design.features[f].recipe.transform),
    };
    Ok(all.into_iter().zip(&unit.features).map(of).collect())
}

/// What `auto` would do with these finite values.
pub(crate) fn choose_transform(values: &[f64]) -> Transform {
    choose(values, &[], skewness(values, &[]))
}

fn choose(values: &[f64], shares: &[f64], raw: Option<f64>) -> Transform {
    let Some(raw) = raw.filter(|s| !(s.abs() <= HEAVY)) else { return Transform::None };
    let logs: Vec<f64> = values.iter().map(|&v| Transform::SignedLog1p.apply(v)).collect();
    match skewness(&logs, shares) {
        Some(logged) if !(logged.abs() >= raw.abs()) => Transform::SignedLog1p,
        _ => Transform::None,
    }
}

/// The lower median; 0 if there are no values.
fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = (values.len() - 1) / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// The lower median, where a value of weight w counts as w values.
fn weighted_median(values: &[f64], weights: &[u32]) -> f64 {
    let mut pairs: Vec<(f64, u64)> = values.iter().copied().zip(weights.iter().map(|&w| u64::from(w))).collect();
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let total: u64 = pairs.iter().map(|(_, w)| w).sum();
    let mut before = 0;
    let middle = pairs.iter().find(|(_, w)| {
        before += w;
        before > total.saturating_sub(1) / 2
    });
    middle.map_or(0.0, |(v, _)| *v)
}
