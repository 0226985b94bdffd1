//! What only the whole column determines, between landing and gridding: parameters of fitted transforms, categories,
//! and quantiles for winsorising. Fitted values replace landed ones and are measured again.
//!
//! Sums are taken tile by tile and added in the order of the tiles, whichever thread took them. Parameters therefore
//! have the same bits for any number of threads, and wherever the tiles are.

use super::categories::Lookup;
use super::quantile::{Wanted, many_quantiles};
use crate::error::{Error, Result};
use crate::input::RowGroup;
use crate::numeric::Moments;
use crate::prepare::transform::{Apply, FittedTransform, YeoJohnsonSums};
use crate::run::Run;
use crate::tiles::{Store, TILE_ROWS};

/// Steps between the landmarks of a `quantile` transform: percentiles.
pub(crate) const RANK_STEPS: usize = 100;

/// Values that replace landed ones.
#[derive(Debug)]
pub(crate) enum Change {
    /// Of one feature: `fitted(landed * grain + from) - to`.
    Fitted { feature: usize, fitted: FittedTransform, grain: f64, from: f64, to: f64 },
    /// Of the features of a column of categories. The numbers of the categories have landed at the first of them.
    Categories { features: Vec<usize>, lookup: Lookup },
}

impl Change {
    /// The change of the features of a column of categories.
    pub(crate) fn categories(features: Vec<usize>, lookup: Lookup) -> Result<Change> {
        if features.is_empty() || features.len() != lookup.features() {
            return Err(Error::Internal("the features of a column of categories do not agree with it".into()));
        }
        Ok(Change::Categories { features, lookup })
    }
}

/// Replaces landed values. The first row of the store is the first of `groups`.
pub(crate) fn change(store: &mut Store, groups: &[RowGroup], changes: &[Change], run: Run<'_>) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let layout = store.layout();
    let start = groups.first().map_or(0, |g| g.first_row);
    store.rewrite(layout, |i, values| {
        run.watch.check()?;
        let mut left = layout.rows_in(i);
        for (t, tile) in values[..layout.floats_in(i)].chunks_exact_mut(layout.dim() * TILE_ROWS).enumerate() {
            let rows = left.min(TILE_ROWS);
            left -= rows;
            let first = start + layout.first_row(i) + (t * TILE_ROWS) as u64;
            for change in changes {
                match change {
                    &Change::Fitted { feature, ref fitted, grain, from, to } => {
                        let values = &mut tile[feature * TILE_ROWS..][..rows];
                        run.simd.run(Apply { fitted, grain, from, to, values });
                    }
                    Change::Categories { features, lookup } => look_up(tile, features, lookup, groups, first, rows),
                }
            }
        }
        Ok(())
    })
}

/// Replaces the numbers of categories in a tile, of which `first` is the first row in the input, by the values of
/// features.
fn look_up(tile: &mut [f32], features: &[usize], lookup: &Lookup, groups: &[RowGroup], first: u64, rows: usize) {
    let mut numbers = [0f32; TILE_ROWS];
    numbers[..rows].copy_from_slice(&tile[features[0] * TILE_ROWS..][..rows]);
    let mut group = groups.partition_point(|g| g.first_row + g.rows <= first);
    for (row, &number) in numbers[..rows].iter().enumerate() {
        while groups[group].first_row + groups[group].rows <= first + row as u64 {
            group += 1;
        }
        for (f, feature) in features.iter().enumerate() {
            tile[feature * TILE_ROWS + row] = lookup.value(f, group, number);
        }
    }
}

/// The landed values of one feature, with the weights of the rows, if they have any.
#[derive(Clone, Copy)]
pub(crate) struct LandedValues<'a> {
    pub(crate) store: &'a Store,
    pub(crate) weights: Option<&'a [u32]>,
    pub(crate) feature: usize,
    pub(crate) run: Run<'a>,
}

impl LandedValues<'_> {
    /// Calls `work` with the number of every tile, the landed values in it without padding, and their weights. Returns
    /// the results in the order of the tiles.
    fn by_tile<T: Send>(&self, work: impl Fn(u64, &[f32], Option<&[u32]>) -> T + Sync) -> Result<Vec<T>> {
        let layout = self.store.layout();
        let states = self.store.scan(Vec::new, |found: &mut Vec<(usize, Vec<T>)>, i, values| {
            self.run.watch.check()?;
            let rows = layout.rows_in(i);
            let tiles = values.chunks_exact(layout.dim() * TILE_ROWS).enumerate();
            let of = |(t, tile): (usize, &[f32])| {
                let first = layout.first_row(i) + (t * TILE_ROWS) as u64;
                let here = (rows - t * TILE_ROWS).min(TILE_ROWS);
                let weights = self.weights.map(|w| &w[first as usize..][..here]);
                work(first / TILE_ROWS as u64, &tile[self.feature * TILE_ROWS..][..here], weights)
            };
            found.push((i, tiles.map(of).collect()));
            Ok(())
        })?;
        let mut chunks: Vec<(usize, Vec<T>)> = states.into_iter().flatten().collect();
        chunks.sort_unstable_by_key(|(i, _)| *i);
        Ok(chunks.into_iter().flat_map(|(_, tiles)| tiles).collect())
    }

    /// The moments of the values, with those beyond `bounds` moved to the bounds. NaN is left out.
    pub(crate) fn moments(&self, bounds: Option<(f32, f32)>) -> Result<Moments> {
        let (low, high) = bounds.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        let tiles = self.by_tile(|_, values, weights| {
            let (mut present, mut heavy, mut n) = ([0f32; TILE_ROWS], [1u32; TILE_ROWS], 0);
            for (row, &v) in values.iter().enumerate() {
                present[n] = v.clamp(low, high);
                heavy[n] = weights.map_or(1, |w| w[row]);
                n += usize::from(!v.is_nan() && heavy[n] > 0);
            }
            match weights {
                None => Moments::of_landed(&present[..n], self.run.simd),
                Some(_) => Moments::of_weighted(&present[..n], &heavy[..n], self.run.simd),
            }
        })?;
        Ok(tiles.into_iter().fold(Moments::EMPTY, Moments::merge))
    }

    /// Quantiles of the values, of which `present` are there.
    pub(crate) fn quantiles(&self, present: u64, at: &[f64]) -> Result<Vec<f64>> {
        let wanted = Wanted { feature: self.feature, present, quantiles: at.to_vec() };
        many_quantiles(self.store, self.weights, &wanted, self.run.watch)
    }

    /// The landmarks of a `quantile` transform, as landed values.
    pub(crate) fn landmarks(&self, present: u64) -> Result<Vec<f64>> {
        let at: Vec<f64> = (0..=RANK_STEPS).map(|i| i as f64 / RANK_STEPS as f64).collect();
        self.quantiles(present, &at)
    }
}

/// The largest absolute lambda that is considered for `yeo-johnson`.
const LARGEST_LAMBDA: f64 = 16.0;
/// How many tiles are sampled to find lambda approximately. All tiles then need few steps.
const SAMPLE_TILES: u64 = 1024;

/// The parameter of `yeo-johnson` with the largest likelihood of a normal distribution, for values that landed as
/// signed logarithms less `origin`: the root of the likelihood's derivative (Yeo and Johnson 2000, section 3) `sum(t) /
/// n - cov(y, dy/dlambda) / var(y)`.
pub(crate) fn likeliest_lambda(values: &LandedValues<'_>, origin: f64, seen: &Moments) -> Result<f64> {
    let longest = (seen.max + origin).abs().max((seen.min + origin).abs());
    // exp(u t) and its square must stay finite: u is up to 2 + |lambda|.
    let limit = LARGEST_LAMBDA.min(300.0 / longest.max(1.0) - 2.0).max(0.0);
    let tiles = values.store.layout().rows().div_ceil(TILE_ROWS as u64);
    let derivative = |lambda: f64, stride: u64| -> Result<f64> {
        let sums = values.by_tile(|tile, landed, weights| {
            let counts = tile % stride == 0;
            let sums = YeoJohnsonSums { landed, weights, origin, lambda };
            if counts { values.run.simd.run(sums) } else { [0f64; 6] }
        })?;
        let mut total = [0f64; 6];
        sums.iter().for_each(|tile| tile.iter().zip(&mut total).for_each(|(term, sum)| *sum += term));
        let [t, y, z, yy, yz] = [1, 2, 3, 4, 5].map(|i| total[i] / total[0]);
        Ok(t - (yz - y * z) / (yy - y * y))
    };
    let stride = tiles.div_ceil(SAMPLE_TILES);
    let sampled = root(|lambda| derivative(lambda, stride), (-1.0, 2.0), limit)?;
    if stride == 1 {
        return Ok(sampled);
    }
    root(|lambda| derivative(lambda, 1), (sampled - 0.01, sampled + 0.01), limit)
}

/// The root of a function that falls from positive to negative. The search starts in the interval `first` and goes as
/// far as +-`limit`; if there is no root, the result is the limit on its side.
fn root(f: impl Fn(f64) -> Result<f64>, first: (f64, f64), limit: f64) -> Result<f64> {
    let within = |x: f64| x.clamp(-limit, limit);
    let (mut low, mut high) = (within(first.0), within(first.1));
    let (mut at_low, mut at_high) = (f(low)?, f(high)?);
    let mut width = high - low;
    while !(at_low > 0.0) && low > -limit {
        (high, at_high) = (low, at_low);
        width *= 4.0;
        low = within(low - width);
        at_low = f(low)?;
    }
    while !(at_high < 0.0) && high < limit {
        (low, at_low) = (high, at_high);
        width *= 4.0;
        high = within(high + width);
        at_high = f(high)?;
    }
    if !(at_low > 0.0 && at_high < 0.0) {
        return Ok(if at_low > 0.0 { high } else { low });
    }
    // The Illinois variant of the false position method: few steps, and the root stays bracketed.
    let (mut best, mut side) = (low, 0);
    for _ in 0..100 {
        let next = (low * at_high - high * at_low) / (at_high - at_low);
        let step = (next - best).abs();
        best = next;
        if step < 1e-9 || !(low < next && next < high) {
            break;
        }
        let at = f(next)?;
        if at > 0.0 {
            (low, at_low) = (next, at);
            at_high = if side == 1 { at_high / 2.0 } else { at_high };
            side = 1;
        } else if at < 0.0 {
            (high, at_high) = (next, at);
            at_low = if side == -1 { at_low / 2.0 } else { at_low };
            side = -1;
        } else {
            break;
        }
    }
    Ok(best)
}
