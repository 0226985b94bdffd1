//! Replaying a fitted recipe on new rows.

use super::counts::ColumnCounts;
use super::design::Design;
use super::fit::{Change, Lookup, change, not_in_order, refuse};
use super::gridder::{Gridder, to_grid};
use super::land::{LandPlan, LandRows, Landed, land_groups};
use super::placement::Placement;
use super::preparation::{Preparation, PreparedColumn};
use super::recipe::{Derivation, Missing, Unseen};
use super::reduce::project;
use super::weights::read_weights;
use super::{Prepared, ahead};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Stage, Watch};
use crate::input::{RowGroup, Source};
use crate::run::Run;
use crate::tiles::Tiles;

/// Prepares some consecutive row groups by a fitted recipe. `design` must be made from the same recipe.
///
/// The tiles are held where `placement` says, as by [`prepare`](super::prepare); nothing else is written.
///
/// # Errors
/// Missing values, categories or values where the recipe refuses them, or values outside a transform's domain.
///
/// # Examples
/// ```
/// use hyades::event::Watch;
/// use hyades::input::Source;
/// use hyades::model::Model;
/// use hyades::prepare::{Design, Placement, replay};
///
/// let model = Model::load("data/models/v1.json".as_ref())?;
/// let fitted = &model.parts[0].preparation;
/// let source = Source::open(&["data/customers.parquet".into()])?;
/// let design = Design::of_recipe(&source, fitted)?;
/// let placement = Placement::default();
/// let (tiles, counts) = replay(&source, &design, fitted, source.row_groups(), &placement, Watch::none())?;
/// assert_eq!((tiles.rows(), tiles.dim()), (20_000, 5));
/// assert_eq!(counts[0].name, "current_balance");
/// # Ok::<(), hyades::Error>(())
/// ```
pub fn replay(
    source: &Source,
    design: &Design,
    recipe: &Preparation,
    groups: &[RowGroup],
    placement: &Placement,
    watch: Watch<'_>,
) -> Result<(Tiles, Vec<ColumnCounts>)> {
    replay_rows(ReplayedRows { source, groups, weights: None }, design, recipe, placement, watch)
}

/// Puts all rows on the grid of a fitted recipe, as [`prepare`](super::prepare) puts them on that of a new one. The
/// recipe stays as it is; what was counted in the rows at hand is returned beside it.
///
/// # Errors
/// As those of [`replay`], and weights that are not valid.
pub(crate) fn prepare_again(
    source: &Source,
    weight: Option<usize>,
    recipe: &Preparation,
    placement: &Placement,
    watch: Watch<'_>,
) -> Result<(Prepared, Vec<ColumnCounts>)> {
    let design = Design::of_recipe(source, recipe)?;
    let cells = source.rows() * design.columns().len() as u64;
    watch.stage(Stage::Decode, cells, "values", || {
        let weights = weight.map(|weight| read_weights(source, weight, watch)).transpose()?;
        let weight_exponent = weights.as_ref().map_or(0, |weights| weights.exponent);
        let _ahead = ahead(source, &design, placement);
        let rows = ReplayedRows { source, groups: source.row_groups(), weights: weights.map(|w| w.values) };
        let (tiles, counts) = replay_rows(rows, &design, recipe, placement, watch)?;
        Ok((Prepared { tiles, recipe: recipe.clone(), weight_exponent }, counts))
    })
}

/// Rows to replay a recipe on.
struct ReplayedRows<'a> {
    source: &'a Source,
    groups: &'a [RowGroup],
    weights: Option<Vec<u32>>,
}

fn replay_rows(
    ReplayedRows { source, groups, weights }: ReplayedRows<'_>,
    design: &Design,
    recipe: &Preparation,
    placement: &Placement,
    watch: Watch<'_>,
) -> Result<(Tiles, Vec<ColumnCounts>)> {
    let simd = placement.dispatch()?;
    let run = Run { watch, simd };
    let mut store = placement.store(groups.iter().map(|g| g.rows).sum(), design.width())?;
    let plans = LandPlan::of_design(design, simd, |f| recipe.columns[f].ground());
    let rows = LandRows { source, groups, weights: weights.as_deref() };
    let landed = land_groups(rows, &plans, &mut store, watch)?;
    refuse(design, &landed.tallies)?;
    let (mut changes, unseen) = encode(source, design, recipe, &landed)?;
    changes.extend(transforms(recipe));
    change(&mut store, groups, &changes, run)?;
    let gridder = |c: &PreparedColumn| c.watchful_gridder(recipe.step_exponent);
    let grids: Vec<(usize, Gridder)> = recipe.columns.iter().map(gridder).enumerate().collect();
    let (moved, measured) = to_grid(&mut store, &grids, weights.as_deref(), run)?;
    let counts = |(f, column): (usize, &PreparedColumn)| {
        let mut counts = landed.tallies[f].counts;
        counts += moved[f];
        counts.unseen += unseen[f];
        ColumnCounts { name: column.name.clone(), counts }
    };
    let counts: Vec<ColumnCounts> = recipe.columns.iter().enumerate().map(counts).collect();
    refuse_unseen(recipe, &counts)?;
    let tiles = match &recipe.projection {
        Some(projection) => {
            project(&mut store, projection)?;
            Tiles::measured(store, weights)?
        }
        None => Tiles::new(store, weights, measured),
    };
    Ok((tiles, counts))
}

/// What replaces the numbers of categories, and by feature how many rows have a category that the fit did not see.
fn encode(source: &Source, design: &Design, recipe: &Preparation, landed: &Landed) -> Result<(Vec<Change>, Vec<u64>)> {
    let mut unseen = vec![0; design.width()];
    let mut changes = Vec::new();
    let encoded = design.units.iter().zip(&landed.dictionaries).filter(|(unit, _)| unit.encode.is_some());
    for (unit, dictionaries) in encoded {
        let name = &source.columns()[unit.columns[0]].name;
        let known = recipe.categories.iter().find(|c| c.column == *name);
        let known = known.ok_or_else(|| Error::Internal(format!("no categories of {name:?}")))?;
        let froms: Vec<&Derivation> = unit.features.iter().filter_map(|&f| recipe.columns[f].from.as_ref()).collect();
        let lookup = Lookup::new(dictionaries, known, &froms);
        let first = unit.features[0];
        let is_ordinal = froms.iter().any(|from| matches!(from, Derivation::Ordinal(_)));
        if is_ordinal && lookup.unseen > 0 && recipe.columns[first].missing == Missing::Refuse {
            return Err(not_in_order(name, lookup.unseen));
        }
        // If nothing was missing in the fit, a missing category is one that the fit did not see.
        let one_hot = froms.iter().any(|from| from.is_one_hot());
        let knows_gaps = froms.iter().any(|from| matches!(from, Derivation::NoCategory(_)));
        let gaps = if one_hot && !knows_gaps { landed.tallies[first].counts.nulls } else { 0 };
        unseen[first] = lookup.unseen + gaps;
        changes.push(Change::categories(unit.features.clone(), lookup)?);
    }
    Ok((changes, unseen))
}

/// The transforms that were fitted to whole columns.
fn transforms(recipe: &Preparation) -> impl Iterator<Item = Change> {
    recipe.columns.iter().enumerate().filter_map(|(feature, column)| {
        let fitted = column.transform.fitted()?.clone();
        let to = fitted.apply(column.origin);
        Some(Change::Fitted { feature, fitted, grain: column.ground().grain, from: column.origin, to })
    })
}

/// Fails with all columns that have a category or a value that the fit did not see, and whose recipe refuses such.
fn refuse_unseen(recipe: &Preparation, counts: &[ColumnCounts]) -> Result<()> {
    let refused = recipe.columns.iter().zip(counts).filter_map(|(column, ColumnCounts { counts, .. })| {
        let what = match (counts.unseen, counts.outside) {
            _ if column.unseen != Unseen::Refuse => return None,
            (0, 0) => return None,
            (0, outside) => format!("{outside} values outside the range of the fit"),
            (unseen, _) => format!("{unseen} values in categories that the fit did not see"),
        };
        let name = column.column();
        Some((name, format!("{name:?} has {what}; its recipe refuses unseen values (unseen)")))
    });
    let (columns, faults): (Vec<&str>, Vec<String>) = refused.unzip();
    if faults.is_empty() {
        return Ok(());
    }
    Err(Error::input(faults.join("\n")).of_columns(columns).of_kind(ErrorKind::Values))
}
