//! From a source to tiles on the grid: fitting a recipe, and replaying a fitted one.

mod counts;
mod design;
mod fit;
mod gridder;
mod land;
mod placement;
mod preparation;
mod probe;
mod recipe;
mod reduce;
mod replay;
mod transform;
mod weights;

pub use self::counts::{ColumnCounts, ValueCounts};
pub use self::design::Design;
pub(crate) use self::fit::{as_text, quantile_bytes};
pub use self::placement::Placement;
pub use self::preparation::{ColumnTransform, DroppedColumn, Preparation, PreparedColumn, Projection, Seen};
pub(crate) use self::probe::choose_transform;
pub use self::recipe::{
    Block, Categories, ColumnChoice, Derivation, Derived, Encode, Missing, Recipe, Reduce, Scale, Transform, Unseen,
};
pub(crate) use self::replay::prepare_again;
pub use self::replay::replay;
pub use self::transform::FittedTransform;

use self::design::DecodeUnit;
use self::fit::{Candidate, FittedFeatures, Fitting, drop_unusable, refuse, step_exponent};
use self::gridder::{Gridder, to_grid};
use self::land::{LandPlan, LandRows, Landed, land_groups};
use self::probe::{Probed, probe};
use self::reduce::reduce;
use self::transform::Ground;
use self::weights::read_weights;
use crate::error::Result;
use crate::event::{Stage, Watch};
use crate::input::{Ahead, Order, Source};
use crate::roles::Roles;
use crate::run::Run;
use crate::tiles::{Store, Tiles};

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

/// Decodes the features of all rows, fits the recipe, and puts the rows on the grid.
///
/// The tiles are held in memory, or in an unnamed scratch file in the folder that `placement` names; nothing else is
/// written.
///
/// # Errors
/// Missing values where the policy refuses them, values outside a transform's domain, columns asked for by name that
/// are constant or empty, no column that varies, weights that are not valid.
///
/// # Examples
/// ```
/// use hyades::event::Watch;
/// use hyades::input::Source;
/// use hyades::prepare::{Design, Placement, Recipe, prepare};
/// use hyades::roles::RoleRequest;
///
/// let source = Source::open(&["data/customers.parquet".into()])?;
/// let features = vec!["age_years".to_owned(), "tenure_months".to_owned()];
/// let roles = RoleRequest { features, ..RoleRequest::default() }.resolve(&source)?;
/// let recipe = Recipe::default();
/// let design = Design::new(&source, &roles, &recipe)?;
/// let prepared = prepare(&source, &roles, &design, &recipe, &Placement::default(), Watch::none())?;
/// assert_eq!((prepared.tiles.rows(), prepared.tiles.dim()), (20_000, 2));
/// assert_eq!(prepared.recipe.columns[0].name, "age_years");
/// # Ok::<(), hyades::Error>(())
/// ```
pub fn prepare(
    source: &Source,
    roles: &Roles,
    design: &Design,
    recipe: &Recipe,
    placement: &Placement,
    watch: Watch<'_>,
) -> Result<Prepared> {
    let run = Run { watch, simd: placement.dispatch()? };
    let cells = source.rows() * design.columns().len() as u64;
    let weights = roles.weight.map(|w| read_weights(source, w, watch)).transpose()?;
    let weight_exponent = weights.as_ref().map_or(0, |w| w.exponent);
    let weights = weights.map(|w| w.values);
    let ProbedRows { mut store, probed, landed } =
        watch.stage(Stage::Decode, cells, "values", || decode(source, design, placement, weights.as_deref(), run))?;
    watch.stage(Stage::Prepare, source.rows(), "rows", || {
        refuse(design, &landed.tallies)?;
        let weighing = weights.as_deref();
        let fitting = Fitting { source, design, landed: &landed, store: &mut store, weights: weighing, run };
        let FittedFeatures { candidates, categories } = fitting.fit(&probed, recipe)?;
        let dropped = drop_unusable(&candidates, roles, watch)?;
        let step_exponent = step_exponent(&candidates, watch);
        let kept = candidates.into_iter().filter_map(|Candidate { feature, column, .. }| Some((feature, column?)));
        let (features, mut columns): (Vec<usize>, Vec<PreparedColumn>) = kept.unzip();
        let gridders = columns.iter().map(|c| c.gridder(step_exponent));
        let grids: Vec<(usize, Gridder)> = features.into_iter().zip(gridders).collect();
        let (moved, measured) = to_grid(&mut store, &grids, weights.as_deref(), run)?;
        columns.iter_mut().zip(moved).for_each(|(column, moved)| column.seen.counts += moved);
        let sentinels = sentinels(source, design);
        let mut fitted = Preparation { step_exponent, columns, dropped, sentinels, categories, projection: None };
        let reduced = reduce(&mut store, &mut fitted, &recipe.reduce, weights.as_deref(), run)?;
        let tiles = if reduced { Tiles::measured(store, weights)? } else { Tiles::new(store, weights, measured) };
        Ok(Prepared { tiles, recipe: fitted, weight_exponent })
    })
}

/// All rows after landing, and what is known of them.
struct ProbedRows {
    store: Store,
    probed: Vec<Probed>,
    landed: Landed,
}

/// Probes the features, then decodes and lands all rows.
fn decode(
    source: &Source,
    design: &Design,
    placement: &Placement,
    weights: Option<&[u32]>,
    run: Run<'_>,
) -> Result<ProbedRows> {
    let mut store = placement.store(source.rows(), design.width())?;
    let probed = probe(source, design, weights)?;
    let ground = |f: usize| {
        let Probed { transform, origin, grain, .. } = probed[f];
        Ground { transform, origin, grain }
    };
    let plans = LandPlan::of_design(design, run.simd, ground);
    let _ahead = ahead(source, design, placement);
    let rows = LandRows { source, groups: source.row_groups(), weights };
    let landed = land_groups(rows, &plans, &mut store, run.watch)?;
    Ok(ProbedRows { store, probed, landed })
}

/// Starts to read ahead what decoding all features of all rows needs.
pub(crate) fn ahead(source: &Source, design: &Design, placement: &Placement) -> Ahead {
    let columns = design.columns();
    // Into a scratch file, all columns advance together.
    let in_turn = Order::InTurn(rayon::current_num_threads());
    let order = if placement.scratch.is_some() { Order::Together(1) } else { in_turn };
    source.ahead(source.row_groups(), &columns, order)
}

/// By column of the input: the numbers that stand for missing values.
fn sentinels(source: &Source, design: &Design) -> std::collections::BTreeMap<String, Vec<f64>> {
    let of_unit = |unit: &DecodeUnit| unit.columns.clone().into_iter().zip(unit.sentinels.clone());
    let named = |(column, codes): (usize, Vec<f64>)| (source.columns()[column].name.clone(), codes);
    design.units.iter().flat_map(of_unit).filter(|(_, codes)| !codes.is_empty()).map(named).collect()
}
