//! Fewer features: leaving out correlated ones, or replacing them by principal components, both from the exact
//! covariance of the grid.
//!
//! A product of two grid integers is below 2^46, so the 64 products of a tile add up in f64 without rounding; tiles add
//! up in integers. The covariance is therefore exact, and the same for any order of the rows.

use std::sync::atomic::{AtomicU64, Ordering};

use fearless_simd::Simd;
use serde::{Deserialize, Serialize};

use super::preparation::{DroppedColumn, Preparation, PreparedColumn, Projection};
use super::recipe::{Derivation, Reduce};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Watch;
use crate::numeric::eigen;
use crate::numeric::partial::other_shape;
use crate::numeric::{Partial, exponent, power_of_two};
use crate::run::Run;
use crate::simd::Work;
use crate::tiles::{GRID_MAX, Store, TILE_ROWS};

/// The most features of which all pairs are compared.
const MOST_PAIRED: usize = 1024;
/// The most features of which components are computed: 400 take some seconds, and the time grows with the cube.
const MOST_TURNED: usize = 512;

/// Leaves out correlated features and computes components, as far as the recipe asks for either. The store then holds
/// the result. Returns false if the recipe asks for neither.
pub(crate) fn reduce(
    store: &mut Store,
    recipe: &mut Preparation,
    wanted: &Reduce,
    weights: Option<&[u32]>,
    run: Run<'_>,
) -> Result<bool> {
    if wanted.max_correlation.is_none() && !wanted.is_pca() {
        return Ok(false);
    }
    if recipe.columns.len() > MOST_PAIRED {
        return Err(Error::usage(format!(
            "reduce: there are {} features, and at most {MOST_PAIRED} can be compared in pairs; use fewer",
            recipe.columns.len()
        ))
        .of_kind(ErrorKind::Config));
    }
    let mut covariance = covariance(store, weights, run)?;
    if let Some(most) = wanted.max_correlation {
        let (kept, dropped) = uncorrelated(&recipe.columns, &covariance, most);
        dropped.iter().for_each(|d| run.watch.note(format!("{} is left out: {}", d.name, d.reason)));
        recipe.dropped.extend(dropped);
        if kept.len() < recipe.columns.len() {
            keep(store, &kept)?;
            recipe.columns = kept.iter().map(|&f| recipe.columns[f].clone()).collect();
            covariance = covariance.of(&kept);
        }
    }
    if wanted.is_pca() {
        let mut projection = components(recipe, &covariance, wanted, run.watch)?;
        projection.step_exponent = component_step(farthest(store, weights, &projection, run.watch)?);
        project(store, &projection)?;
        recipe.projection = Some(projection);
    }
    Ok(true)
}

/// Means and covariances in grid steps.
#[derive(Debug, Clone)]
struct Covariance {
    dim: usize,
    mean: Vec<f64>,
    /// `dim x dim`.
    values: Vec<f64>,
}

impl Covariance {
    fn at(&self, i: usize, j: usize) -> f64 {
        self.values[i * self.dim + j]
    }

    fn of(&self, kept: &[usize]) -> Covariance {
        let values = kept.iter().flat_map(|&i| kept.iter().map(move |&j| self.at(i, j))).collect();
        Covariance { dim: kept.len(), mean: kept.iter().map(|&i| self.mean[i]).collect(), values }
    }
}

/// Sums of values, and of products of pairs (i, j <= i).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CovarianceSums {
    values: Vec<i128>,
    products: Vec<i128>,
}

impl CovarianceSums {
    /// Adds the rows of a tile, each as often as it weighs. A product is below 2^78.
    fn add_weighted(&mut self, tile: &[f32], weights: &[u32]) {
        let value = |f: usize, row: usize| i64::from(tile[f * TILE_ROWS + row] as i32);
        let dim = self.values.len();
        for (row, &weight) in weights.iter().enumerate().filter(|(_, w)| **w > 0) {
            let mut products = self.products.iter_mut();
            for i in 0..dim {
                let heavy = value(i, row) * i64::from(weight);
                self.values[i] += i128::from(heavy);
                for (j, product) in (0..=i).zip(&mut products) {
                    *product += i128::from(heavy) * i128::from(value(j, row));
                }
            }
        }
    }
}

impl Partial for CovarianceSums {
    const NAME: &'static str = "covariance sums";
    const VERSION: u32 = 1;

    fn merge(&mut self, other: &Self) -> Result<()> {
        if self.values.len() != other.values.len() {
            return Err(other_shape::<Self>());
        }
        self.values.iter_mut().zip(&other.values).for_each(|(a, b)| *a += b);
        self.products.iter_mut().zip(&other.products).for_each(|(a, b)| *a += b);
        Ok(())
    }
}

fn covariance(store: &Store, weights: Option<&[u32]>, run: Run<'_>) -> Result<Covariance> {
    let layout = store.layout();
    let mass = |w: &[u32]| w.iter().map(|&w| i128::from(w)).sum::<i128>();
    let (dim, n) = (layout.dim(), weights.map_or(i128::from(layout.rows()), mass));
    let pairs = dim * (dim + 1) / 2;
    let empty = || CovarianceSums { values: vec![0; dim], products: vec![0; pairs] };
    let states = store.scan(empty, |sums, i, values| {
        run.watch.check()?;
        let mut products = vec![0f64; pairs];
        for (t, tile) in values[..layout.floats_in(i)].chunks_exact(dim * TILE_ROWS).enumerate() {
            if let Some(weights) = weights {
                let rows = (layout.rows_in(i) - t * TILE_ROWS).min(TILE_ROWS);
                sums.add_weighted(tile, &weights[layout.first_row(i) as usize + t * TILE_ROWS..][..rows]);
                continue;
            }
            run.simd.run(Products { tile, dim, products: &mut products });
            // Below 2^52: exact.
            sums.products.iter_mut().zip(&products).for_each(|(sum, &p)| *sum += p as i64 as i128);
            for (sum, values) in sums.values.iter_mut().zip(tile.chunks_exact(TILE_ROWS)) {
                *sum += i128::from(values.iter().map(|&v| i64::from(v as i32)).sum::<i64>());
            }
        }
        Ok(())
    })?;
    let mut total = empty();
    states.iter().try_for_each(|state| total.merge(state))?;
    let mut found = Covariance { dim, mean: Vec::with_capacity(dim), values: vec![0.0; dim * dim] };
    for i in 0..dim {
        found.mean.push(total.values[i] as f64 / n as f64);
        for j in 0..=i {
            // n sum(xy) - sum(x) sum(y) is below 2^40 2^40 2^46: exact in 128 bits.
            let exact = n * total.products[i * (i + 1) / 2 + j] - total.values[i] * total.values[j];
            let value = exact as f64 / n as f64 / n as f64;
            found.values[i * dim + j] = value;
            found.values[j * dim + i] = value;
        }
    }
    Ok(found)
}

/// For all pairs of features, the sum of their products over the rows of a tile.
struct Products<'a> {
    tile: &'a [f32],
    dim: usize,
    products: &'a mut [f64],
}

impl Work for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, _: S) {
        let feature = |f: usize| self.tile[f * TILE_ROWS..].first_chunk::<TILE_ROWS>();
        let mut out = self.products.iter_mut();
        for i in 0..self.dim {
            for j in 0..=i {
                let (Some(a), Some(b), Some(out)) = (feature(i), feature(j), out.next()) else { return };
                let mut lanes = [0f64; 8];
                for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
                    for lane in 0..8 {
                        lanes[lane] += f64::from(a[lane]) * f64::from(b[lane]);
                    }
                }
                *out = lanes.iter().sum();
            }
        }
    }
}

/// The features that are kept, and those that correlate too strongly with an earlier one. Features of the same one-hot
/// column are mutually exclusive by nature and are not compared.
fn uncorrelated(columns: &[PreparedColumn], covariance: &Covariance, most: f64) -> (Vec<usize>, Vec<DroppedColumn>) {
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    for (i, column) in columns.iter().enumerate() {
        let one_hot = |c: &PreparedColumn| c.from.as_ref().is_some_and(Derivation::is_one_hot);
        let siblings = |other: &PreparedColumn| one_hot(column) && one_hot(other) && column.column() == other.column();
        let correlation = |j: usize| covariance.at(i, j) / (covariance.at(i, i) * covariance.at(j, j)).sqrt();
        let close = kept
            .iter()
            .filter(|&&j: &&usize| !siblings(&columns[j]))
            .map(|&j| (j, correlation(j)))
            .filter(|(_, r)| r.abs() > most)
            .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        match close {
            Some((j, r)) => dropped.push(DroppedColumn {
                name: column.name.clone(),
                reason: format!("its correlation with {} is {r:.4}, beyond {most}", columns[j].name),
            }),
            None => kept.push(i),
        }
    }
    (kept, dropped)
}

/// Keeps some features of the store, in ascending order.
fn keep(store: &mut Store, kept: &[usize]) -> Result<()> {
    let old = store.layout();
    let new = old.with_dim(kept.len());
    store.rewrite(new, |i, values| {
        for t in 0..old.tiles_in(i) {
            for (f, feature) in kept.iter().enumerate() {
                let from = (t * old.dim() + feature) * TILE_ROWS;
                // The target is never after the source: nothing is overwritten before it is read.
                values.copy_within(from..from + TILE_ROWS, (t * kept.len() + f) * TILE_ROWS);
            }
        }
        Ok(())
    })
}

/// Principal components of the covariance; the step of their grid is not known yet.
fn components(recipe: &Preparation, covariance: &Covariance, wanted: &Reduce, watch: Watch<'_>) -> Result<Projection> {
    let dim = covariance.dim;
    if dim > MOST_TURNED {
        return Err(Error::usage(format!(
            "reduce: components of {dim} features would take too long; at most {MOST_TURNED} features are possible"
        ))
        .of_kind(ErrorKind::Config));
    }
    let (values, vectors) = eigen(dim, &covariance.values, watch)?;
    let total: f64 = values.iter().sum();
    let ratios: Vec<f64> = values.iter().map(|v| v / total).collect();
    // The rest is rounding error, which has no direction.
    let real = values.iter().take_while(|v| **v > 1e-12 * values[0]).count();
    let count = match (wanted.components, wanted.variance) {
        (Some(n), _) if n > dim => {
            return Err(Error::usage(format!("reduce: {n} components of {dim} features; at most {dim} are possible"))
                .of_kind(ErrorKind::Config));
        }
        (Some(n), _) => n,
        (None, share) => {
            let reached = |n: usize| ratios[..n].iter().sum::<f64>() >= share.unwrap_or(1.0) - 1e-12;
            (1..=dim).find(|&n| reached(n)).unwrap_or(dim)
        }
    };
    let count = count.min(real.max(1));
    let step = power_of_two(recipe.step_exponent);
    let unit = |j: usize| if wanted.whiten { 1.0 / values[j].sqrt() } else { step };
    Ok(Projection {
        step_exponent: 0,
        mean: covariance.mean.clone(),
        components: vectors.into_iter().take(count).collect(),
        unit: (0..count).map(unit).collect(),
        explained_variance_ratio: ratios[..count].to_vec(),
    })
}

/// The largest absolute value of any component of any row of a weight above 0, in scaled units.
fn farthest(store: &Store, weights: Option<&[u32]>, projection: &Projection, watch: Watch<'_>) -> Result<f64> {
    let layout = store.layout();
    // The bits of positive f64 have the order of the values.
    let farthest = AtomicU64::new(f64::MIN_POSITIVE.to_bits());
    store.scan(
        || (),
        |(), i, values| {
            watch.check()?;
            each_component(projection, &values[..layout.floats_in(i)], layout.rows_in(i), |t, _, row, v| {
                let row = layout.first_row(i) as usize + t * TILE_ROWS + row;
                if weights.is_none_or(|w| w[row] > 0) {
                    farthest.fetch_max(v.abs().to_bits(), Ordering::Relaxed);
                }
            });
            Ok(())
        },
    )?;
    Ok(f64::from_bits(farthest.into_inner()))
}

/// The exponent of the step of a grid on which values up to `reach` fit.
fn component_step(reach: f64) -> i32 {
    let finest = (exponent(reach) - 23).max(-1000);
    // Twice as much room as the rows need: new rows may be farther out.
    let fits = |e: &i32| 2.0 * reach * power_of_two(-e) <= f64::from(GRID_MAX);
    (finest..).find(fits).unwrap_or(finest)
}

/// Calls `take` with the tile, the component, the row and the value.
fn each_component(
    projection: &Projection,
    values: &[f32],
    rows: usize,
    mut take: impl FnMut(usize, usize, usize, f64),
) {
    let dim = projection.mean.len();
    for (t, tile) in values.chunks_exact(dim * TILE_ROWS).enumerate() {
        for (j, component) in projection.components.iter().enumerate() {
            // All rows of a tile side by side, each summed in the order of `Projection::component`.
            let mut sums = [0f64; TILE_ROWS];
            for ((column, c), mean) in tile.chunks_exact(TILE_ROWS).zip(component).zip(&projection.mean) {
                sums.iter_mut().zip(column).for_each(|(sum, &v)| *sum += c * (f64::from(v) - mean));
            }
            let here = (rows - t * TILE_ROWS).min(TILE_ROWS);
            sums[..here].iter().enumerate().for_each(|(row, sum)| take(t, j, row, sum * projection.unit[j]));
        }
    }
}

/// Replaces features by components.
pub(crate) fn project(store: &mut Store, projection: &Projection) -> Result<()> {
    let old = store.layout();
    let new = old.with_dim(projection.components.len());
    store.rewrite(new, |i, values| {
        let mut out = vec![0f32; new.floats_in(i)];
        each_component(projection, &values[..old.floats_in(i)], old.rows_in(i), |t, j, row, v| {
            out[(t * new.dim() + j) * TILE_ROWS + row] = projection.grid(v);
        });
        values[..out.len()].copy_from_slice(&out);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::partial::laws;
    use crate::tiles::Layout;

    #[test]
    fn covariance_sums_merge_in_any_order() {
        let large = i128::MAX / 8;
        let of = |a: i128| CovarianceSums { values: vec![a, -a], products: vec![a, large, -large] };
        laws::hold(&of(1), &of(1 << 90), &of(-5));
    }

    #[test]
    fn the_covariance_is_exact() {
        let (rows, dim) = (1000u64, 3);
        let layout = Layout::new(rows, dim, 192);
        let value = |r: usize, f: usize| ((r * 7919 + f * 104_729) % 16_777_215) as i64 - 8_388_607;
        let mut store = Store::memory(layout).unwrap();
        for i in 0..layout.chunks() {
            let mut chunk = vec![0f32; layout.floats_in(i)];
            for r in 0..layout.rows_in(i) {
                for f in 0..dim {
                    chunk[layout.position(r, f)] = value(layout.first_row(i) as usize + r, f) as f32;
                }
            }
            store.write(i, &chunk).unwrap();
        }
        let run = Run { watch: Watch::none(), simd: crate::simd::Dispatch::default() };
        let found = covariance(&store, None, run).unwrap();
        let ones = covariance(&store, Some(&vec![1; rows as usize]), run).unwrap();
        assert_eq!((&ones.mean, &ones.values), (&found.mean, &found.values), "weights of 1");
        let sum = |f: usize| (0..rows as usize).map(|r| i128::from(value(r, f))).sum::<i128>();
        for i in 0..dim {
            for j in 0..dim {
                let products: i128 =
                    (0..rows as usize).map(|r| i128::from(value(r, i)) * i128::from(value(r, j))).sum();
                let exact = i128::from(rows) * products - sum(i) * sum(j);
                assert_eq!(found.at(i, j), exact as f64 / 1000.0 / 1000.0);
            }
        }
    }
}
