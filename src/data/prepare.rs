//! From a source to tiles on the grid: fitting a recipe, and replaying one.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::land::{LandPlan, Tally, land_groups};
use super::layout::{Layout, TILE_ROWS};
use super::probe::{Probed, probe};
use super::quantile::{Wanted, quantiles};
use super::recipe::*;
use super::roles::Roles;
use super::source::{RowGroup, Source};
use super::store::Store;
use super::tiles::{GRID_MAX, Measured, Measuring, Tiles};
use super::weights::read_weights;
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::simd::{Dispatch, SimdLevel};

/// Where the tiles will live, and in what pieces. Results do not depend on it.
#[derive(Debug, Clone, Default)]
pub struct Placement {
    /// Rows in a chunk; by default about 1 MiB of values.
    pub chunk_rows: Option<usize>,
    /// A folder for a scratch file from which the tiles are streamed; None: in memory.
    pub scratch: Option<PathBuf>,
    /// The SIMD level; by default the fastest of this machine.
    pub simd: Option<SimdLevel>,
}

/// The outcome of fitting a recipe.
#[derive(Debug)]
pub struct Prepared {
    /// All rows on the grid.
    pub tiles: Tiles,
    /// How they got there.
    pub recipe: Recipe,
    /// Integer weights are the given ones times 2 to this power.
    pub weight_exponent: i32,
}

/// Counts of one column in rows that were prepared by replaying a recipe.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct ColumnCounts {
    /// The column.
    pub name: String,
    /// Nulls.
    pub nulls: u64,
    /// NaN.
    pub nan: u64,
    /// Infinities.
    pub infinite: u64,
    /// Values moved to the clip.
    pub clipped: u64,
}

/// Decodes the features of all rows, fits the recipe, and puts the rows on the grid.
///
/// # Errors
/// Missing values where the policy refuses them, values outside a transform's domain, columns asked for by name that are
/// constant or empty, no column left that varies, weights that are no weights.
pub fn prepare(
    source: &Source,
    roles: &Roles,
    spec: &RecipeSpec,
    placement: &Placement,
    watch: Watch<'_>,
) -> Result<Prepared> {
    let names: Vec<&str> = roles.features.iter().map(|&c| source.columns()[c].name.as_str()).collect();
    spec.check(&names)?;
    let wanted: Vec<(usize, ColumnRecipe)> =
        roles.features.iter().zip(&names).map(|(&c, n)| (c, spec.column(n))).collect();
    let layout = Layout::new(source.rows(), wanted.len(), chunk_rows(placement, wanted.len()));
    let simd = dispatch(placement.simd)?;
    let cells = source.rows() * wanted.len() as u64;
    let (mut store, probed, tallies) = watch.stage(Stage::Decode, cells, "values", || {
        let mut store = new_store(layout, placement)?;
        let probed = probe(source, &wanted, simd)?;
        let plans: Vec<LandPlan> = probed.iter().map(|p| p.plan).collect();
        let tallies = land_groups(source, source.row_groups(), &plans, &mut store, watch)?;
        Ok((store, probed, tallies))
    })?;
    watch.stage(Stage::Prepare, source.rows(), "rows", || {
        refuse(&names, &wanted, &tallies)?;
        let mut columns = fit_columns(source, &wanted, &probed, &tallies, &store, simd, watch)?;
        let dropped = drop_constant(&mut columns, roles, watch)?;
        let step_exponent = step_exponent(&columns);
        let kept: Vec<(usize, FittedColumn)> =
            columns.into_iter().enumerate().filter_map(|(i, c)| Some((i, c.column?))).collect();
        let grids: Vec<(usize, Gridder)> = kept.iter().map(|(i, c)| (*i, c.gridder(step_exponent))).collect();
        let weights = roles.weight.map(|w| read_weights(source, w, watch)).transpose()?;
        let weight_exponent = weights.as_ref().map_or(0, |w| w.exponent);
        let weights = weights.map(|w| w.values);
        let (clipped, measured) = to_grid(&mut store, &grids, weights.as_deref(), simd, watch)?;
        let mut columns: Vec<FittedColumn> = kept.into_iter().map(|(_, c)| c).collect();
        for (column, n) in columns.iter_mut().zip(clipped) {
            column.seen.clipped = n;
        }
        let tiles = Tiles::new(store, weights, measured);
        Ok(Prepared { tiles, recipe: Recipe { step_exponent, columns, dropped }, weight_exponent })
    })
}

/// Prepares some consecutive row groups by a recipe that was fitted before. `columns` are the positions of the recipe's
/// columns in the source.
///
/// # Errors
/// Missing values where the recipe refuses them, or values outside a transform's domain.
pub fn replay(
    source: &Source,
    columns: &[usize],
    recipe: &Recipe,
    groups: &[RowGroup],
    placement: &Placement,
    watch: Watch<'_>,
) -> Result<(Tiles, Vec<ColumnCounts>)> {
    let simd = dispatch(placement.simd)?;
    let rows = groups.iter().map(|g| g.rows).sum();
    let layout = Layout::new(rows, columns.len(), chunk_rows(placement, columns.len()));
    let mut store = new_store(layout, placement)?;
    let plans: Vec<LandPlan> = columns
        .iter()
        .zip(&recipe.columns)
        .map(|(&column, c)| LandPlan { column, transform: c.transform, origin: c.origin, simd })
        .collect();
    let tallies = land_groups(source, groups, &plans, &mut store, watch)?;
    let names = recipe.feature_names();
    let policies: Vec<(usize, ColumnRecipe)> = columns
        .iter()
        .zip(&recipe.columns)
        .map(|(&i, c)| {
            (
                i,
                ColumnRecipe {
                    transform: c.transform,
                    missing: c.missing,
                    scale: c.scale,
                    clip: c.clip,
                    weight: c.weight,
                },
            )
        })
        .collect();
    refuse(&names, &policies, &tallies)?;
    let grids: Vec<(usize, Gridder)> =
        recipe.columns.iter().enumerate().map(|(i, c)| (i, c.gridder(recipe.step_exponent))).collect();
    let (clipped, measured) = to_grid(&mut store, &grids, None, simd, watch)?;
    let counts = names
        .iter()
        .zip(tallies.iter().zip(clipped))
        .map(|(name, (t, clipped))| ColumnCounts {
            name: (*name).to_owned(),
            nulls: t.nulls,
            nan: t.nan,
            infinite: t.infinite,
            clipped,
        })
        .collect();
    Ok((Tiles::new(store, None, measured), counts))
}

fn dispatch(simd: Option<SimdLevel>) -> Result<Dispatch> {
    simd.map_or_else(|| Ok(Dispatch::default()), SimdLevel::dispatch)
}

fn chunk_rows(placement: &Placement, dim: usize) -> usize {
    placement.chunk_rows.unwrap_or_else(|| Layout::default_chunk_rows(dim))
}

fn new_store(layout: Layout, placement: &Placement) -> Result<Store> {
    match &placement.scratch {
        Some(folder) => Store::scratch(layout, folder),
        None => Store::memory(layout),
    }
}

/// Fails with all columns whose values their recipe does not allow.
fn refuse(names: &[&str], recipes: &[(usize, ColumnRecipe)], tallies: &[Tally]) -> Result<()> {
    let mut faults = Vec::new();
    for ((name, (_, recipe)), t) in names.iter().zip(recipes).zip(tallies) {
        if recipe.missing == Missing::Refuse && t.missing() > 0 {
            faults.push(format!(
                "{name:?} has {} nulls, {} NaN and {} infinities, and its recipe refuses missing values (--missing)",
                t.nulls, t.nan, t.infinite
            ));
        }
        if t.undefined > 0 {
            faults.push(format!(
                "{name:?} has {} values of -1 or less, of which log1p is not defined; use signed-log1p",
                t.undefined
            ));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Input(faults.join("\n"))) }
}

/// A column after fitting: its constants, or why it cannot be used; and how far its scaled values reach.
struct Candidate {
    name: String,
    column: Option<FittedColumn>,
    unusable: &'static str,
    reach: f64,
}

fn fit_columns(
    source: &Source,
    wanted: &[(usize, ColumnRecipe)],
    probed: &[Probed],
    tallies: &[Tally],
    store: &Store,
    simd: Dispatch,
    watch: Watch<'_>,
) -> Result<Vec<Candidate>> {
    let order = order_statistics(wanted, tallies, store, simd, watch)?;
    let mut candidates = Vec::with_capacity(wanted.len());
    for (i, ((&(position, recipe), probed), tally)) in wanted.iter().zip(probed).zip(tallies).enumerate() {
        let description = &source.columns()[position];
        candidates.push(fit_column(description, recipe, *probed, tally, order[i], watch));
    }
    Ok(candidates)
}

/// Lower quartile, median and upper quartile of the columns that need them, as landed.
fn order_statistics(
    wanted: &[(usize, ColumnRecipe)],
    tallies: &[Tally],
    store: &Store,
    simd: Dispatch,
    watch: Watch<'_>,
) -> Result<Vec<Option<[f64; 3]>>> {
    let needs = |r: &ColumnRecipe, t: &Tally| {
        t.moments.n > 0 && (r.scale == Scale::Robust || (r.missing == Missing::Median && t.missing() > 0))
    };
    let asked: Vec<Wanted> = wanted
        .iter()
        .zip(tallies)
        .enumerate()
        .filter(|(_, ((_, recipe), tally))| needs(recipe, tally))
        .map(|(feature, ((_, recipe), t))| {
            let quantiles = if recipe.scale == Scale::Robust { vec![0.25, 0.5, 0.75] } else { vec![0.5] };
            Wanted { feature, present: t.moments.n, quantiles }
        })
        .collect();
    let mut found = vec![None; wanted.len()];
    if !asked.is_empty() {
        for (ask, q) in asked.iter().zip(quantiles(store, &asked, simd, watch)?) {
            found[ask.feature] = Some([q[0], q[q.len() / 2], q[q.len() - 1]]);
        }
    }
    Ok(found)
}

fn fit_column(
    description: &super::source::SourceColumn,
    recipe: ColumnRecipe,
    probed: Probed,
    tally: &Tally,
    quartiles: Option<[f64; 3]>,
    watch: Watch<'_>,
) -> Candidate {
    let LandPlan { transform, origin, .. } = probed.plan;
    let name = &description.name;
    let seen = tally.moments;
    // Without a missing value the fill matters only to later rows: the median of the probed rows will do.
    let fill = match recipe.missing {
        Missing::Median => Some(quartiles.map_or(0.0, |q| q[1]) + origin),
        Missing::Mean => Some(seen.mean + origin),
        Missing::Zero => Some(transform.apply(0.0)),
        Missing::Constant(v) => Some(transform.apply(v)),
        Missing::Refuse => None,
    };
    let unusable = |why| Candidate { name: name.clone(), column: None, unusable: why, reach: 0.0 };
    if seen.n == 0 {
        return unusable("every value is missing");
    }
    if fill.is_some_and(|f| !f.is_finite()) {
        return unusable("its constant for missing values is outside the domain of its transform");
    }
    // Scaled as scikit-learn would: after filling.
    let filled = seen.merge(Moments::repeated(tally.missing(), fill.map_or(0.0, |f| f - origin)));
    if !(filled.max > filled.min) {
        return unusable("it is constant");
    }
    let (center, unit) = match (recipe.scale, quartiles) {
        (Scale::Robust, Some([low, median, high])) if high > low => (median, high - low),
        (Scale::Robust, q) => {
            watch.warn(format!("{name}: its interquartile range is 0; scaled by the standard deviation instead"));
            (q.map_or(filled.mean, |q| q[1]), filled.deviation())
        }
        (Scale::Zscore, _) => (filled.mean, filled.deviation()),
        (Scale::Minmax, _) => (filled.mean, filled.max - filled.min),
        (Scale::None, _) => (filled.mean, 1.0),
    };
    if !(unit > 0.0 && unit.is_finite()) {
        return unusable("its deviation is too small or too large to scale by");
    }
    let reach = (filled.max - center).abs().max((filled.min - center).abs()) / unit;
    let reach = recipe.clip.map_or(reach, |c| reach.min(c)) * recipe.weight;
    let column = FittedColumn {
        name: name.clone(),
        data_type: description.data_type.to_string(),
        transform,
        missing: recipe.missing,
        fill,
        scale: recipe.scale,
        origin,
        center: center + origin,
        unit,
        clip: recipe.clip,
        weight: recipe.weight,
        seen: Seen {
            present: seen.n,
            nulls: tally.nulls,
            nan: tally.nan,
            infinite: tally.infinite,
            clipped: 0,
            mean: seen.mean + origin,
            deviation: seen.deviation(),
            skewness: seen.skewness(),
            raw_skewness: probed.raw_skewness,
            min: seen.min + origin,
            max: seen.max + origin,
        },
    };
    Candidate { name: name.clone(), column: Some(column), unusable: "", reach }
}

/// Constant and empty columns: refused if asked for by name, otherwise left out with a warning.
fn drop_constant(columns: &mut [Candidate], roles: &Roles, watch: Watch<'_>) -> Result<Vec<DroppedColumn>> {
    let lost: Vec<DroppedColumn> = columns
        .iter()
        .filter(|c| c.column.is_none())
        .map(|c| DroppedColumn { name: c.name.clone(), reason: c.unusable.to_owned() })
        .collect();
    let list = lost.iter().map(|d| format!("{:?}: {}", d.name, d.reason)).collect::<Vec<_>>().join("; ");
    if lost.len() == columns.len() {
        return Err(Error::Input(format!("no column varies, so there is nothing to cluster by: {list}")));
    }
    if roles.features_named && !lost.is_empty() {
        return Err(Error::Input(format!(
            "columns asked for by name cannot be used: {list}; leave them out of --features"
        )));
    }
    lost.iter().for_each(|d| watch.warn(format!("{} is left out: {}", d.name, d.reason)));
    Ok(lost)
}

/// The finest power-of-two step at which the farthest value is still on the grid.
fn step_exponent(columns: &[Candidate]) -> i32 {
    let reach = columns.iter().filter(|c| c.column.is_some()).map(|c| c.reach).fold(f64::MIN_POSITIVE, f64::max);
    let exponent = ((reach.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    let finest = (exponent - 23).max(-1000);
    (finest..).find(|&e| reach * power_of_two(-e) <= f64::from(GRID_MAX)).unwrap_or(finest)
}

/// Turns landed values into grid integers, in place, and drops the columns without a gridder. Returns how many values of
/// each column were clipped, and what was measured of the tiles while they were at hand.
fn to_grid(
    store: &mut Store,
    grids: &[(usize, Gridder)],
    weights: Option<&[u32]>,
    simd: Dispatch,
    watch: Watch<'_>,
) -> Result<(Vec<u64>, Measured)> {
    let old = store.layout();
    let new = old.with_dim(grids.len());
    let measuring = Measuring::new(old.rows(), weights, simd);
    let clipped: Vec<AtomicU64> = grids.iter().map(|_| AtomicU64::new(0)).collect();
    store.rewrite(new, |i, values| {
        watch.check()?;
        let rows = old.rows_in(i);
        for t in 0..old.tiles_in(i) {
            let here = (rows - t * TILE_ROWS).min(TILE_ROWS);
            for (f, (feature, gridder)) in grids.iter().enumerate() {
                let from = (t * old.dim() + feature) * TILE_ROWS;
                let to = (t * new.dim() + f) * TILE_ROWS;
                // `to` never lies behind `from`: nothing is overwritten before it is read.
                let mut cells = [0f32; TILE_ROWS];
                let n = simd.run(Grid { gridder: *gridder, landed: &values[from..from + here], cells: &mut cells });
                values[to..to + TILE_ROWS].copy_from_slice(&cells);
                if n > 0 {
                    clipped[f].fetch_add(u64::from(n), Ordering::Relaxed);
                }
            }
        }
        measuring.chunk(&new, i, values);
        watch.advance(Stage::Prepare, rows as u64);
        Ok(())
    })?;
    Ok((clipped.into_iter().map(AtomicU64::into_inner).collect(), measuring.finish()))
}
