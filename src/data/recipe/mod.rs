//! How a raw value becomes a grid integer: what the user writes, what fitting finds, and the functions that do it.

mod elementary;
mod fitted;
mod moments;
mod spec;

pub use fitted::{DroppedColumn, FittedColumn, Recipe, Seen};
pub(crate) use fitted::{Grid, Gridder, land, power_of_two};
pub(crate) use moments::{MomentStream, Moments};
pub(crate) use spec::ColumnRecipe;
pub use spec::{ColumnChoice, DEFAULT_CLIP, Missing, RecipeSpec, Scale, Transform};
