//! Probing a few thousand rows before everything is decoded. It decides which transform a column gets, and the central
//! value that is subtracted from its landed values.

use rayon::prelude::*;

use super::design::{DecodeUnit, Design, Raw};
use super::land::Batch;
use super::recipe::Transform;
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
    pub(crate) raw_skewness: Option<f64>,
}

/// Probes all features, in parallel. The result depends only on the rows and row groups.
pub(crate) fn probe(source: &Source, design: &Design) -> Result<Vec<Probed>> {
    let all = source.row_groups();
    let some = all.len().min(GROUPS);
    let groups: Vec<RowGroup> = (0..some).map(|i| all[i * all.len() / some]).collect();
    let _ahead = source.ahead(&groups, &design.columns(), Order::Heads(rayon::current_num_threads()));
    let units: Vec<Vec<Probed>> = design
        .units
        .par_iter()
        .with_max_len(1)
        .map(|unit| probe_unit(source, design, unit, &groups))
        .collect::<Result<_>>()?;
    let mut found = vec![Probed { transform: Transform::None, origin: 0.0, raw_skewness: None }; design.width()];
    for (unit, probed) in design.units.iter().zip(units) {
        unit.features.iter().zip(probed).for_each(|(&f, probed)| found[f] = probed);
    }
    Ok(found)
}

fn probe_unit(source: &Source, design: &Design, unit: &DecodeUnit, groups: &[RowGroup]) -> Result<Vec<Probed>> {
    let none = Probed { transform: Transform::None, origin: 0.0, raw_skewness: None };
    if unit.encode.is_some() {
        return Ok(vec![none; unit.features.len()]);
    }
    let mut values: Vec<Vec<f64>> =
        unit.features.iter().map(|_| Vec::with_capacity(groups.len() * BATCH_ROWS)).collect();
    let mut buffer = Vec::new();
    for &group in groups {
        let batch = Batch::first(source, group, unit)?;
        for (values, &f) in values.iter_mut().zip(&unit.features) {
            values.extend(batch.raw(design.features[f].raw, &mut buffer).iter().filter(|v| v.is_finite()));
        }
    }
    let of = |(mut values, &f): (Vec<f64>, &usize)| {
        let feature = &design.features[f];
        if matches!(feature.raw, Raw::IsMissing(_)) {
            return none;
        }
        let raw_skewness = skewness(&values);
        let transform = match feature.recipe.transform {
            Transform::Auto => choose(&values, raw_skewness),
            chosen => chosen,
        };
        values.iter_mut().for_each(|v| *v = transform.apply(*v));
        values.retain(|v| v.is_finite());
        Probed { transform, origin: median(&mut values), raw_skewness }
    };
    Ok(values.into_iter().zip(&unit.features).map(of).collect())
}

/// What `auto` would do with these finite values.
pub(crate) fn choose_transform(values: &[f64]) -> Transform {
    choose(values, skewness(values))
}

fn choose(values: &[f64], raw: Option<f64>) -> Transform {
    let Some(raw) = raw.filter(|s| !(s.abs() <= HEAVY)) else { return Transform::None };
    let logs: Vec<f64> = values.iter().map(|&v| Transform::SignedLog1p.apply(v)).collect();
    match skewness(&logs) {
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
