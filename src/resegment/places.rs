//! The centroids of two models on one grid, where they can be compared: that of the old model, for the features that
//! both have.

use crate::error::Result;
use crate::model::{Model, PartModel};

/// Centroids of the segments of two models; None for segments of rules, and of parts that only one model has.
pub(super) struct CommonPlaces {
    pub(super) old: Vec<Option<Vec<i32>>>,
    pub(super) new: Vec<Option<Vec<i32>>>,
    /// Features that are compared, in the part that has most.
    pub(super) features: usize,
}

impl CommonPlaces {
    /// # Errors
    /// Centroids of a model that are no grid integers.
    pub(super) fn new(old: &Model, new: &Model) -> Result<Self> {
        let mut places = CommonPlaces { old: vec![None; old.segments()], new: vec![None; new.segments()], features: 0 };
        for part in &old.parts {
            let same = |other: &&PartModel| other.name == part.name && other.value == part.value;
            let Some(other) = new.parts.iter().find(same) else { continue };
            let (own, others, features) = of_parts(part, other)?;
            places.features = places.features.max(features);
            if features > 0 {
                set(&mut places.old, part.first_segment, own);
                set(&mut places.new, other.first_segment, others);
            }
        }
        // Parts may have features of their own; a segment is only compared with those of its part.
        let dim = places.old.iter().chain(&places.new).flatten().map(Vec::len).max().unwrap_or(0);
        places.old.iter_mut().chain(&mut places.new).flatten().for_each(|place| place.resize(dim, 0));
        Ok(places)
    }
}

fn set(places: &mut [Option<Vec<i32>>], first: usize, found: Vec<Vec<i32>>) {
    places.iter_mut().skip(first).zip(found).for_each(|(place, found)| *place = Some(found));
}

/// The centroids of two parts, and how many features they have in common.
fn of_parts(old: &PartModel, new: &PartModel) -> Result<(Vec<Vec<i32>>, Vec<Vec<i32>>, usize)> {
    let grid = |part: &PartModel| -> Result<Vec<Vec<i32>>> {
        Ok(part.fitted.of_kmeans("a monthly run")?.grid()?.iter().map(<[i32]>::to_vec).collect())
    };
    if old.preparation == new.preparation {
        return Ok((grid(old)?, grid(new)?, old.preparation.columns.len()));
    }
    let exponent = old.preparation.step_exponent;
    let mut columns = Vec::new();
    for (at, column) in old.preparation.columns.iter().enumerate() {
        if let Some(other) = new.feature_names_in_.iter().position(|name| *name == column.name) {
            columns.push((column, at, other));
        }
    }
    // A centroid in the features' own units is put on the old grid as a customer would be.
    let on_grid = |part: &PartModel, own: bool| {
        let centers = part.fitted.centers();
        let place = |center: &Vec<f64>| {
            let values = columns.iter().map(|(_, at, other)| center[if own { *at } else { *other }]).zip(&columns);
            values.map(|(value, (column, ..))| column.on_grid(value, exponent).unwrap_or(0)).collect()
        };
        centers.iter().map(place).collect::<Vec<Vec<i32>>>()
    };
    Ok((on_grid(old, true), on_grid(new, false), columns.len()))
}
