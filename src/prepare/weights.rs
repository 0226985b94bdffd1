//! Row weights as integers, so that weighted sums are exact too.
//!
//! Weights are multiplied by a power of two and rounded half to even, so that none exceeds [`MAX_WEIGHT`] and their
//! total stays below 2^[`TOTAL_BITS`]: a sum of weight times value then fits 63 bits. Whole numbers are kept as they
//! are if they fit. Means and labels do not depend on the common factor; the inertia is divided by it.

use rayon::prelude::*;

use crate::error::{Error, ErrorKind, Result};
use crate::event::Watch;
use crate::input::{BATCH_ROWS, ColumnReader, Order, RowGroup, Source};
use crate::numeric::{exponent, power_of_two};

/// The largest integer weight.
pub(super) const MAX_WEIGHT: u32 = u32::MAX;
/// Bits of the largest total.
pub(super) const TOTAL_BITS: u32 = 40;

/// The range of the largest weight: far enough from the ends of f64 for a weighted inertia.
const LARGEST: (f64, f64) = (1e-250, 1e250);

/// Integer weights, each `2^exponent` times the weight that was given.
#[derive(Debug)]
pub(crate) struct Weights {
    pub(crate) values: Vec<u32>,
    pub(crate) exponent: i32,
}

/// Reads the weights of all rows.
///
/// # Errors
/// Null, NaN, infinite or negative weights, with their number; or no weight above 0.
pub(crate) fn read_weights(source: &Source, column: usize, watch: Watch<'_>) -> Result<Weights> {
    let _ahead = source.ahead(source.row_groups(), &[column], Order::InTurn(rayon::current_num_threads()));
    let per_group: Vec<Vec<f64>> = source
        .row_groups()
        .par_iter()
        .with_max_len(1)
        .map(|&g| read_group(source, g, column))
        .collect::<Result<_>>()?;
    let name = &source.columns()[column].name;
    let bad = per_group.par_iter().flatten().filter(|w| !(**w >= 0.0 && w.is_finite())).count();
    let refused = |why: String| {
        Err(Error::input(format!("the weight column {name:?} has {why}")).of_columns([name]).of_kind(ErrorKind::Values))
    };
    if bad > 0 {
        return refused(format!("{bad} rows that are null, NaN, infinite or negative; a weight must be 0 or more"));
    }
    let largest = per_group.par_iter().flatten().copied().reduce(|| 0.0, f64::max);
    if largest == 0.0 {
        return refused("no weight above 0".into());
    }
    if !(LARGEST.0..=LARGEST.1).contains(&largest) {
        return refused(format!(
            "{largest:e} as its largest weight; multiply the weights by a constant, so that it is between {:e} and {:e}",
            LARGEST.0, LARGEST.1
        ));
    }
    let exponent = scale_exponent(&per_group, largest);
    let scale = power_of_two(exponent);
    let lost = per_group.par_iter().flatten().filter(|&&w| w > 0.0 && rounded(w, scale) == 0).count();
    if lost > 0 {
        watch.warn(format!(
            "{lost} rows have weights in {name:?} that are negligible beside the largest ({largest:e}): they count as 0"
        ));
    }
    Ok(Weights { values: per_group.into_iter().flatten().map(|w| rounded(w, scale) as u32).collect(), exponent })
}

fn rounded(weight: f64, scale: f64) -> u64 {
    (weight * scale).round_ties_even() as u64
}

/// The largest power of two by which weights can be multiplied so that they and their total fit; 0 for whole numbers
/// that fit as they are.
fn scale_exponent(weights: &[Vec<f64>], largest: f64) -> i32 {
    let whole = weights.par_iter().flatten().all(|w| w.fract() == 0.0);
    // largest * 2^finest is between 2^31 and 2^32.
    let finest = 31 - exponent(largest);
    let fits = |e: i32| {
        let scale = power_of_two(e);
        let total: u64 = weights.par_iter().flatten().map(|&w| rounded(w, scale)).sum();
        largest * scale <= f64::from(MAX_WEIGHT) && total < 1 << TOTAL_BITS
    };
    let start = if whole { finest.min(0) } else { finest };
    (0..).map(|i| start - i).find(|&e| fits(e)).unwrap_or(start)
}

fn read_group(source: &Source, group: RowGroup, column: usize) -> Result<Vec<f64>> {
    let mut values = Vec::with_capacity(BATCH_ROWS);
    let mut reader = ColumnReader::open(source, group, column)?;
    while reader.next_values(&mut values, &mut 0)? {}
    if values.len() as u64 != group.rows {
        let path = &source.files()[group.file].path;
        return Err(Error::input(format!(
            "{}, row group {}: corrupt: {} weights for {} rows",
            path.display(),
            group.index,
            values.len(),
            group.rows
        ))
        .of_columns([&source.columns()[column].name])
        .of_kind(ErrorKind::Corrupt)
        .of_file(path));
    }
    Ok(values)
}
