//! How a raw value becomes a grid integer: what the user writes (`choice`, `spec`), which features follow (`design`,
//! `derivation`), what fitting finds (`fitted`, `projection`), and the functions that do it (`transform`, `gridder`).

mod choice;
mod derivation;
mod design;
mod elementary;
mod fitted;
mod gridder;
mod moments;
mod projection;
mod spec;
mod transform;

pub use choice::{Encode, Missing, Scale, Transform, Unseen};
pub use derivation::{Categories, Derivation};
pub use design::Design;
pub(crate) use design::{Encoding, Feature, Raw, Unit};
pub(crate) use fitted::power_of_two;
pub use fitted::{DroppedColumn, FittedColumn, Recipe, Seen};
pub(crate) use gridder::{Grid, Gridder, Moved};
pub(crate) use moments::{MomentStream, Moments};
pub use projection::Projection;
pub use spec::{Block, ColumnChoice, DEFAULT_CLIP, Derived, RecipeSpec, Reduce};
pub(crate) use transform::{Apply, Fitted, YeoJohnsonSums, land};
