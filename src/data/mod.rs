//! Parquet to tiles; knows nothing of clusters.

mod layout;
mod store;
mod tiles;

pub use layout::{Layout, MAX_DIM, TILE_ROWS};
pub use tiles::{Chunk, GRID_MAX, Tiles};
