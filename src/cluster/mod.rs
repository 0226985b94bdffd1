//! Algorithms over a backend and a stream of tiles.

mod clustering;
mod fitted;
mod kmeans;
mod lloyd;
mod repair;
mod sample;
mod seed;

pub use clustering::Clustering;
pub(crate) use fitted::original_centers;
pub use fitted::{Fitted, FittedCentroids};
pub(crate) use kmeans::open_session;
pub use kmeans::{Fit, Init, KMeans, by_size, default_n_init, larger_samples, sample_rows};
pub use lloyd::{Limits, Stop};
