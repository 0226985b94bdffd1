//! Algorithms over a backend and a stream of tiles.

mod clustering;
mod effort;
mod fitted;
mod hierarchy;
mod kmeans;
mod label_rule;
mod lloyd;
mod nearest;
mod repair;
mod sample;
mod second_look;
mod seed;
mod stability;
mod start;
mod state;
mod swaps;
mod trust;

pub use clustering::Algorithm;
pub(crate) use clustering::Clustering;
pub use effort::Effort;
pub(crate) use fitted::original_centers;
pub use fitted::{Fitted, FittedCentroids, FittedTree};
pub use hierarchy::TreeMerge;
pub(crate) use hierarchy::{EXACT_LEAVES, MICRO, TreeTop, Ward, WardFit, WardLeaves};
pub use kmeans::{Fit, Init, KMeans};
pub(crate) use kmeans::{by_size, default_n_init, open_session};
pub(crate) use label_rule::LabelRule;
pub use lloyd::{Limits, Stop};
pub use start::larger_samples;
pub(crate) use start::sample_rows;
pub(crate) use state::{FitKeeper, FitState};
pub use trust::{SegmentStability, StabilityBand, StartFound};
