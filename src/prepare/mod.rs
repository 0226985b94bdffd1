//! From a source to tiles on the grid: fitting a recipe, and replaying one.

mod design;
mod fit;
mod gridder;
mod land;
mod preparation;
mod probe;
mod recipe;
mod reduce;
mod transform;
mod weights;

pub use self::design::Design;
pub(crate) use self::fit::quantile_bytes;
pub use self::preparation::{DroppedColumn, Preparation, PreparedColumn, Projection, Seen};
pub(crate) use self::probe::choose_transform;
pub use self::recipe::{
    Block, Categories, ColumnChoice, DEFAULT_CLIP, Derivation, Derived, Encode, Missing, Recipe, Reduce, Scale,
    Transform, Unseen,
};
pub use self::weights::{MAX_WEIGHT, TOTAL_BITS};

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use self::design::DecodeUnit;
use self::fit::{
    Candidate, Change, Grown, categories, change, drop_unusable, fit_features, not_in_order, refuse, step_exponent,
};
use self::gridder::{Grid, Gridder, Moved};
use self::land::{FeatureTally, LandPlan, Landed, LandedFeature, land_groups};
use self::probe::probe;
use self::reduce::{project, reduce};
use self::weights::read_weights;
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::input::{Ahead, Order, RowGroup, Source};
use crate::roles::Roles;
use crate::simd::{Dispatch, SimdLevel};
use crate::tiles::{Layout, Measured, Measuring, Store, TILE_ROWS, Tiles};

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
    pub recipe: Preparation,
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
    /// Sentinels.
    pub sentinels: u64,
    /// Categories that the fit did not see.
    pub unseen: u64,
    /// Values outside the range of the fit.
    pub outside: u64,
    /// Values moved to a quantile.
    pub winsorised: u64,
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
    design: &Design,
    spec: &Recipe,
    placement: &Placement,
    watch: Watch<'_>,
) -> Result<Prepared> {
    let layout = Layout::new(source.rows(), design.width(), chunk_rows(placement, design.width()));
    let simd = dispatch(placement.simd)?;
    let cells = source.rows() * design.columns().len() as u64;
    let (mut store, probed, landed) = watch.stage(Stage::Decode, cells, "values", || {
        let mut store = new_store(layout, placement)?;
        let probed = probe(source, design)?;
        let plans = plans(design, simd, |f| (probed[f].transform, probed[f].origin));
        let _ahead = ahead(source, design, placement);
        let landed = land_groups(source, source.row_groups(), &plans, &mut store, watch)?;
        Ok((store, probed, landed))
    })?;
    watch.stage(Stage::Prepare, source.rows(), "rows", || {
        refuse(design, &landed.tallies)?;
        let Grown { candidates, categories } =
            fit_features(source, design, &probed, &landed, spec, &mut store, simd, watch)?;
        let dropped = drop_unusable(&candidates, roles, watch)?;
        let step_exponent = step_exponent(&candidates, watch);
        let kept: Vec<(usize, PreparedColumn)> =
            candidates.into_iter().filter_map(|Candidate { feature, column, .. }| Some((feature, column?))).collect();
        let grids: Vec<(usize, Gridder)> = kept.iter().map(|(i, c)| (*i, c.gridder(step_exponent))).collect();
        let weights = roles.weight.map(|w| read_weights(source, w, watch)).transpose()?;
        let weight_exponent = weights.as_ref().map_or(0, |w| w.exponent);
        let weights = weights.map(|w| w.values);
        let (moved, measured) = to_grid(&mut store, &grids, weights.as_deref(), simd, watch)?;
        let mut columns: Vec<PreparedColumn> = kept.into_iter().map(|(_, c)| c).collect();
        for (column, moved) in columns.iter_mut().zip(moved) {
            (column.seen.clipped, column.seen.winsorised) = (moved.clipped, moved.winsorised);
        }
        let sentinels = sentinels(source, design);
        let mut recipe = Preparation { step_exponent, columns, dropped, sentinels, categories, projection: None };
        let reduced = reduce(&mut store, &mut recipe, &spec.reduce, simd, watch)?;
        let tiles = if reduced { Tiles::measured(store, weights)? } else { Tiles::new(store, weights, measured) };
        Ok(Prepared { tiles, recipe, weight_exponent })
    })
}

/// Announces that all features of all rows will be decoded.
pub(crate) fn ahead(source: &Source, design: &Design, placement: &Placement) -> Ahead {
    let columns = design.columns();
    // Into a scratch file, all columns advance together.
    let in_turn = Order::InTurn(rayon::current_num_threads());
    let order = if placement.scratch.is_some() { Order::Together(1) } else { in_turn };
    source.ahead(source.row_groups(), &columns, order)
}

/// How the units of a design land, given every feature's transform and origin.
fn plans(design: &Design, simd: Dispatch, fitted: impl Fn(usize) -> (Transform, f64)) -> Vec<LandPlan> {
    let output = |&feature: &usize| {
        let (transform, origin) = fitted(feature);
        LandedFeature { feature, raw: design.features[feature].raw, transform, origin }
    };
    let plan = |unit: &DecodeUnit| LandPlan {
        columns: unit.columns.clone(),
        sentinels: unit.sentinels.clone(),
        outputs: unit.features.iter().map(output).collect(),
        simd,
    };
    design.units.iter().map(plan).collect()
}

/// By column of the input, the numbers that stand for missing values.
fn sentinels(source: &Source, design: &Design) -> std::collections::BTreeMap<String, Vec<f64>> {
    let of_unit = |unit: &DecodeUnit| unit.columns.clone().into_iter().zip(unit.sentinels.clone());
    let named = |(column, codes): (usize, Vec<f64>)| (source.columns()[column].name.clone(), codes);
    design.units.iter().flat_map(of_unit).filter(|(_, codes)| !codes.is_empty()).map(named).collect()
}

/// Prepares some consecutive row groups by a recipe that was fitted before, of which `design` is made.
///
/// # Errors
/// Missing values, categories or values where the recipe refuses them, or values outside a transform's domain.
pub fn replay(
    source: &Source,
    design: &Design,
    recipe: &Preparation,
    groups: &[RowGroup],
    placement: &Placement,
    watch: Watch<'_>,
) -> Result<(Tiles, Vec<ColumnCounts>)> {
    let simd = dispatch(placement.simd)?;
    let rows = groups.iter().map(|g| g.rows).sum();
    let layout = Layout::new(rows, design.width(), chunk_rows(placement, design.width()));
    let mut store = new_store(layout, placement)?;
    let plans = plans(design, simd, |f| (recipe.columns[f].transform, recipe.columns[f].origin));
    let landed = land_groups(source, groups, &plans, &mut store, watch)?;
    refuse(design, &landed.tallies)?;
    let (changes, unseen) = replayed_changes(source, design, recipe, &landed)?;
    change(&mut store, groups, &changes, simd, watch)?;
    let grids: Vec<(usize, Gridder)> =
        recipe.columns.iter().enumerate().map(|(i, c)| (i, c.watchful_gridder(recipe.step_exponent))).collect();
    let (moved, measured) = to_grid(&mut store, &grids, None, simd, watch)?;
    let counts: Vec<ColumnCounts> = recipe
        .columns
        .iter()
        .enumerate()
        .map(|(f, column)| {
            let FeatureTally { nulls, nan, infinite, sentinels, .. } = landed.tallies[f];
            let MovedRows { clipped, winsorised, outside } = moved[f];
            let (name, unseen) = (column.name.clone(), unseen[f]);
            ColumnCounts { name, nulls, nan, infinite, sentinels, unseen, outside, winsorised, clipped }
        })
        .collect();
    refuse_unseen(recipe, &counts)?;
    let tiles = match &recipe.projection {
        Some(projection) => {
            project(&mut store, projection)?;
            Tiles::measured(store, None)?
        }
        None => Tiles::new(store, None, measured),
    };
    Ok((tiles, counts))
}

/// What takes the place of landed values, and by feature the rows with a category that the fit did not see.
fn replayed_changes(
    source: &Source,
    design: &Design,
    recipe: &Preparation,
    landed: &Landed,
) -> Result<(Vec<Change>, Vec<u64>)> {
    let mut unseen = vec![0; design.width()];
    let mut changes = Vec::new();
    for (unit, dictionaries) in design.units.iter().zip(&landed.dictionaries) {
        if unit.encode.is_some() {
            let name = &source.columns()[unit.columns[0]].name;
            let known = recipe.categories.iter().find(|c| c.column == *name);
            let known = known.ok_or_else(|| Error::Internal(format!("no categories of {name:?}")))?;
            let froms: Vec<&Derivation> =
                unit.features.iter().filter_map(|&f| recipe.columns[f].from.as_ref()).collect();
            let change = categories(dictionaries, known, unit.features.clone(), &froms)?;
            if let Change::Categories { lookup, .. } = &change {
                let first = unit.features[0];
                let is_ordinal = matches!(froms[0], Derivation::Ordinal(_));
                if is_ordinal && lookup.unseen > 0 && recipe.columns[first].missing == Missing::Refuse {
                    return Err(not_in_order(name, lookup.unseen));
                }
                // Where the fit had no gaps, a gap is something that it did not see.
                let one_hot = froms.iter().any(|from| from.is_one_hot());
                let knows_gaps = froms.iter().any(|from| matches!(from, Derivation::NoCategory(_)));
                let gaps = if one_hot && !knows_gaps { landed.tallies[first].nulls } else { 0 };
                unseen[first] = lookup.unseen + gaps;
            }
            changes.push(change);
        }
    }
    for (feature, column) in recipe.columns.iter().enumerate() {
        if let Some(fitted) = column.fitted() {
            let to = fitted.apply(column.origin);
            changes.push(Change::Fitted { feature, fitted, from: column.origin, to });
        }
    }
    Ok((changes, unseen))
}

/// Fails with all columns of which a category or a value was not seen in the fit, and whose recipe refuses such.
fn refuse_unseen(recipe: &Preparation, counts: &[ColumnCounts]) -> Result<()> {
    let strict = recipe.columns.iter().zip(counts).filter(|(c, _)| c.unseen == Unseen::Refuse);
    let faults: Vec<String> = strict
        .filter(|(_, n)| n.unseen + n.outside > 0)
        .map(|(c, n)| {
            let what = if n.unseen > 0 {
                format!("{} values of categories", n.unseen)
            } else {
                format!("{} values outside the range", n.outside)
            };
            format!("{:?} has {what} that the fit did not see, and its recipe refuses them (unseen)", c.column())
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::input(faults.join("\n"))) }
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

/// Values of a feature that were moved, or lie outside the range of the fit.
#[derive(Debug, Clone, Copy, Default)]
struct MovedRows {
    clipped: u64,
    winsorised: u64,
    outside: u64,
}

/// Turns landed values into grid integers, in place, and drops the features without a gridder. Returns how many values of
/// each were moved, and what was measured of the tiles while they were at hand.
fn to_grid(
    store: &mut Store,
    grids: &[(usize, Gridder)],
    weights: Option<&[u32]>,
    simd: Dispatch,
    watch: Watch<'_>,
) -> Result<(Vec<MovedRows>, Measured)> {
    let old = store.layout();
    let new = old.with_dim(grids.len());
    let measuring = Measuring::new(old.rows(), weights, simd);
    let counters: Vec<[AtomicU64; 3]> = grids.iter().map(|_| Default::default()).collect();
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
                let moved = simd.run(Grid { gridder: *gridder, landed: &values[from..from + here], cells: &mut cells });
                values[to..to + TILE_ROWS].copy_from_slice(&cells);
                if moved != Moved::default() {
                    let counts = [moved.clipped, moved.winsorised, moved.outside];
                    counters[f].iter().zip(counts).for_each(|(counter, n)| {
                        counter.fetch_add(u64::from(n), Ordering::Relaxed);
                    });
                }
            }
        }
        measuring.chunk(&new, i, values);
        watch.advance(Stage::Prepare, rows as u64);
        Ok(())
    })?;
    let totals = counters.into_iter().map(|c| c.map(AtomicU64::into_inner));
    let moved = totals.map(|[clipped, winsorised, outside]| MovedRows { clipped, winsorised, outside }).collect();
    Ok((moved, measuring.finish()))
}
