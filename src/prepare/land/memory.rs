//! Landing in memory: every (row group, unit) pair is a task that writes to its own cells.

use rayon::prelude::*;

use super::unit::{LandPlan, LandRows, Landed, LandedFeature, UnitLander, UnitTallies};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::input::BATCH_ROWS;
use crate::tiles::{Landing, LandingColumn, Store};

/// Lands row groups in a store that is in memory.
pub(super) fn land_in_memory(
    rows: LandRows<'_>,
    plans: &[LandPlan],
    store: &mut Store,
    watch: Watch<'_>,
) -> Result<Landed> {
    let groups = rows.groups;
    let layout = store.layout();
    let start = groups.first().map_or(0, |g| g.first_row);
    let extents = groups.iter().map(|g| (g.first_row - start, g.rows)).collect();
    let arena = store.arena_mut().ok_or_else(|| Error::Internal("the store is not in memory".into()))?;
    let landing = Landing::new(layout, arena, extents);
    let tasks: Vec<(usize, usize)> = (0..groups.len()).flat_map(|g| (0..plans.len()).map(move |p| (g, p))).collect();
    let found: Vec<UnitTallies> = tasks
        .into_par_iter()
        .with_max_len(1)
        .map_init(Vec::new, |buffers: &mut Vec<Vec<f32>>, (g, p)| {
            let lander = UnitLander::open(&rows, groups[g], &plans[p])?;
            let claim = |output: &LandedFeature| {
                let claimed = landing.claim(g, output.feature);
                claimed.ok_or_else(|| Error::Internal("cells were claimed twice".into()))
            };
            let cells = plans[p].outputs.iter().map(claim).collect::<Result<Vec<_>>>()?;
            let tallies = land_unit(lander, cells, buffers, watch)?;
            watch.advance(Stage::Decode, groups[g].rows * plans[p].columns.len() as u64);
            Ok(tallies)
        })
        .collect::<Result<_>>()?;
    let mut by_plan: Vec<Vec<UnitTallies>> = plans.iter().map(|_| Vec::new()).collect();
    for (at, found) in found.into_iter().enumerate() {
        by_plan[at % plans.len()].push(found);
    }
    Ok(Landed::gather(plans, layout.dim(), by_plan))
}

/// Lands one unit of one row group in its cells. `buffers` are reused from unit to unit.
fn land_unit(
    mut lander: UnitLander<'_>,
    mut cells: Vec<LandingColumn<'_>>,
    buffers: &mut Vec<Vec<f32>>,
    watch: Watch<'_>,
) -> Result<UnitTallies> {
    buffers.resize_with(buffers.len().max(cells.len()), || Vec::with_capacity(BATCH_ROWS));
    let landed = &mut buffers[..cells.len()];
    loop {
        watch.check()?;
        landed.iter_mut().for_each(Vec::clear);
        if !lander.next(landed)? {
            break;
        }
        for (cells, landed) in cells.iter_mut().zip(landed.iter()) {
            if !cells.push(landed) {
                return Err(lander.wrong_rows());
            }
        }
    }
    if !cells.iter().all(|c| c.is_full()) {
        return Err(lander.wrong_rows());
    }
    Ok(lander.finish())
}
