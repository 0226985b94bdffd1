//! Decoding: every column chunk once. Values are transformed, counted and measured as they land in tiles.
//!
//! Columns that are combined into features form a unit; most units have one column. When the tiles are in memory, every
//! (row group, unit) pair is a task of its own. When they are in a scratch file, all units advance together, a chunk at
//! a time, so that memory is bounded however large a row group is. Landed values and their statistics are the same in
//! both.

mod batch;
mod memory;
mod scratch;
mod unit;

pub(crate) use self::batch::Batch;
pub(crate) use self::unit::{FeatureTally, LandPlan, LandRows, Landed};

use self::memory::land_in_memory;
use self::scratch::land_in_scratch;
use crate::error::Result;
use crate::event::Watch;
use crate::tiles::Store;

/// Lands the features of some rows; returns what was seen.
pub(crate) fn land_groups(
    rows: LandRows<'_>,
    plans: &[LandPlan],
    store: &mut Store,
    watch: Watch<'_>,
) -> Result<Landed> {
    if store.is_resident() {
        land_in_memory(rows, plans, store, watch)
    } else {
        land_in_scratch(rows, plans, store, watch)
    }
}
