//! Parquet to tiles; knows nothing of clusters.

mod arena;
mod column;
mod discover;
mod footer;
mod ids;
mod land;
mod landing;
mod layout;
mod nearest;
mod prepare;
mod probe;
mod pseudonym;
mod quantile;
mod recipe;
mod roles;
mod source;
mod store;
mod tiles;
mod weights;

pub use column::ColumnReader;
pub(crate) use column::{BATCH_ROWS, as_f64, fault};
pub use ids::{IdFindings, IdStream, check_ids};
pub use layout::{Buffer, Layout, MAX_DIM, TILE_ROWS};
pub(crate) use nearest::{did_you_mean, nearest};
pub use prepare::{ColumnCounts, Placement, Prepared, prepare, replay};
pub(crate) use probe::choose_transform;
pub use pseudonym::{KeySource, Pseudonym};
pub(crate) use quantile::quantile_bytes;
pub use recipe::{
    ColumnChoice, DEFAULT_CLIP, DroppedColumn, FittedColumn, Missing, Recipe, RecipeSpec, Scale, Seen, Transform,
};
pub(crate) use recipe::{Moments, power_of_two};
pub(crate) use roles::guess_id;
pub use roles::{OUTPUT_COLUMNS, RoleRequest, Roles, TRUTH_COLUMN};
pub(crate) use source::canonical;
pub use source::{MAX_ROWS, RowGroup, Source, SourceColumn, SourceFile};
pub(crate) use store::{Store, read_at, write_at};
pub use tiles::{Chunk, GRID_MAX, Tiles};
pub use weights::{MAX_WEIGHT, TOTAL_BITS};
