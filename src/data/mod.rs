//! Parquet to tiles; knows nothing of clusters.

mod arena;
mod categories;
#[cfg(feature = "cloud")]
mod cloud;
#[cfg(not(feature = "cloud"))]
#[path = "no_cloud.rs"]
mod cloud;
mod column;
mod dates;
#[cfg(feature = "delta")]
mod delta;
mod discover;
mod fitting;
mod folders;
mod footer;
mod ids;
mod join;
mod keys;
mod land;
mod landing;
mod layout;
mod nearest;
mod pages;
mod personal;
mod prepare;
mod probe;
mod protected;
mod pseudonym;
mod quantile;
mod range;
mod recipe;
mod reduce;
mod refine;
mod roles;
mod sealed;
mod secret;
mod source;
mod store;
mod stream;
mod table;
mod thrift;
mod tiles;
mod weights;
mod words;

pub use column::ColumnReader;
pub(crate) use column::{BATCH_ROWS, as_f64, fault};
pub(crate) use dates::{date, parse as parse_date};
pub(crate) use discover::versioned;
pub use ids::{IdFindings, IdStream, check_ids};
pub use join::JoinCounts;
pub use keys::Access;
pub use layout::{Buffer, Layout, MAX_DIM, TILE_ROWS};
pub(crate) use nearest::{did_you_mean, nearest};
pub(crate) use personal::personal_data;
pub(crate) use prepare::ahead;
pub use prepare::{ColumnCounts, Placement, Prepared, prepare, replay};
pub(crate) use probe::choose_transform;
pub(crate) use protected::protected_attribute;
pub use pseudonym::Pseudonym;
pub(crate) use quantile::quantile_bytes;
pub use recipe::{
    Block, Categories, ColumnChoice, DEFAULT_CLIP, Derivation, Derived, Design, DroppedColumn, Encode, FittedColumn,
    Missing, Projection, Recipe, RecipeSpec, Reduce, Scale, Seen, Transform, Unseen,
};
pub(crate) use recipe::{Moments, power_of_two};
pub(crate) use roles::guess_id;
pub use roles::{OUTPUT_COLUMNS, Protected, RoleRequest, Roles, TRUTH_COLUMN};
pub use secret::KeySource;
pub use source::{Fetched, MAX_ROWS, RowGroup, Source, SourceColumn, SourceFile};
pub(crate) use source::{Order, agreed, canonical};
pub(crate) use store::{Store, read_at, write_at};
pub(crate) use stream::ColumnStream;
pub use tiles::{Chunk, GRID_MAX, Tiles};
pub use weights::{MAX_WEIGHT, TOTAL_BITS};
