//! Features after fitting: those that can be used and those that cannot, and what only all of them together determine:
//! the units and weights of blocks, and the step of the grid.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, ErrorKind, Result};
use crate::event::Watch;
use crate::numeric::{exponent, power_of_two};
use crate::prepare::preparation::{DroppedColumn, PreparedColumn};
use crate::prepare::recipe::{Recipe, Scale};
use crate::roles::Roles;
use crate::tiles::GRID_MAX;

/// A feature after fitting.
pub(crate) struct Candidate {
    /// Its position in the tiles.
    pub(crate) feature: usize,
    pub(super) name: String,
    /// Its constants; None: it is left out.
    pub(crate) column: Option<PreparedColumn>,
    /// Why it cannot be used. None beside no column: a place that was reserved for a category and is not needed.
    pub(super) unusable: Option<&'static str>,
    /// Whether it is derived from columns, and not a column itself.
    pub(super) is_derived: bool,
    /// How far its scaled values reach from 0.
    pub(super) reach: f64,
}

/// Divides all features of a one-hot column by the same number, so that their variances sum to 1.
pub(super) fn scale_blocks(candidates: &mut [Candidate]) {
    let in_block = |c: &PreparedColumn| c.scale == Scale::Block;
    let mut variances: BTreeMap<String, f64> = BTreeMap::new();
    for column in candidates.iter().filter_map(|c| c.column.as_ref()).filter(|c| in_block(c)) {
        *variances.entry(column.column().to_owned()).or_default() += column.unit * column.unit;
    }
    for candidate in candidates {
        let Some(column) = candidate.column.as_mut().filter(|c| in_block(c)) else { continue };
        let unit = variances[column.column()].sqrt();
        candidate.reach *= column.unit / unit;
        column.unit = unit;
    }
}

/// Divides the weight of a block among its columns, so that together they count as one column of that weight.
pub(super) fn weigh_blocks(candidates: &mut [Candidate], recipe: &Recipe) {
    let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for column in candidates.iter_mut().filter_map(|c| c.column.as_mut()) {
        if let Some(owner) = recipe.block_of(column.column()).map(|(owner, _)| owner.to_owned()) {
            column.block = Some(owner.clone());
            members.entry(owner).or_default().insert(column.column().to_owned());
        }
    }
    for column in candidates.iter_mut().filter_map(|c| c.column.as_mut()) {
        if let Some(owner) = &column.block {
            column.weight *= recipe.blocks[owner].weight / (members[owner].len() as f64).sqrt();
        }
    }
}

/// Constant and empty columns: refused if asked for by name, otherwise left out with a warning.
pub(crate) fn drop_unusable(candidates: &[Candidate], roles: &Roles, watch: Watch<'_>) -> Result<Vec<DroppedColumn>> {
    let unusable: Vec<(&Candidate, &str)> = candidates.iter().filter_map(|c| Some((c, c.unusable?))).collect();
    let list = |some: &[(&Candidate, &str)]| {
        some.iter().map(|(c, why)| format!("{:?}: {why}", c.name)).collect::<Vec<_>>().join("; ")
    };
    let refuse = |message: String, some: &[(&Candidate, &str)]| {
        Err(Error::input(message).of_columns(some.iter().map(|(c, _)| &c.name)).of_kind(ErrorKind::Values))
    };
    if candidates.iter().all(|c| c.column.is_none()) {
        let message = format!("no column varies, so there is nothing to cluster by: {}", list(&unusable));
        return refuse(message, &unusable);
    }
    // Derived features were not asked for by name.
    let named: Vec<_> = unusable.iter().copied().filter(|(c, _)| !c.is_derived).collect();
    if roles.features_named && !named.is_empty() {
        let message =
            format!("columns asked for by name cannot be used: {}; leave them out of --features", list(&named));
        return refuse(message, &named).map_err(|e| e.of_option("--features"));
    }
    unusable.iter().for_each(|(c, why)| watch.warn(format!("{} is left out: {why}", c.name)));
    let dropped = |(c, why): (&Candidate, &str)| DroppedColumn { name: c.name.clone(), reason: why.to_owned() };
    Ok(unusable.into_iter().map(dropped).collect())
}

/// A step above 2 to this power, in scaled units, is coarse enough for a warning.
const COARSE: i32 = -10;

/// The finest power-of-two step at which the farthest value is still on the grid.
pub(crate) fn step_exponent(candidates: &[Candidate], watch: Watch<'_>) -> i32 {
    let reach = |c: &Candidate| {
        let column = c.column.as_ref()?;
        Some(column.clip.map_or(c.reach, |clip| c.reach.min(clip)) * column.weight)
    };
    let farthest = candidates.iter().filter_map(|c| Some((reach(c)?, &c.name))).max_by(|a, b| a.0.total_cmp(&b.0));
    let reach = farthest.map_or(f64::MIN_POSITIVE, |(reach, _)| reach.max(f64::MIN_POSITIVE));
    let finest = (exponent(reach) - 23).max(-1000);
    let step = (finest..).find(|&e| reach * power_of_two(-e) <= f64::from(GRID_MAX)).unwrap_or(finest);
    if let Some((reach, name)) = farthest.filter(|_| step > COARSE && candidates.len() > 1) {
        watch.warn(format!(
            "{name} reaches {reach:.0} scaled units, so all features are rounded to multiples of 2^{step} units; give it a \
             scale or a clip, or winsorise it"
        ));
    }
    step
}
