//! Algorithms over a backend and a stream of tiles.

mod clustering;
mod fitted;
mod kmeans;
mod lloyd;
mod repair;
mod sample;
mod second_look;
mod seed;
mod state;

pub(crate) use clustering::Clustering;
pub(crate) use fitted::original_centers;
pub use fitted::{Fitted, FittedCentroids};
pub use kmeans::{Fit, Init, KMeans, larger_samples};
pub(crate) use kmeans::{by_size, default_n_init, open_session, sample_rows};
pub use lloyd::{Limits, Stop};
pub(crate) use state::{FitKeeper, FitState};
