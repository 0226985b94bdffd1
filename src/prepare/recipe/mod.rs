//! The recipe as a user writes it.

mod choice;
mod derivation;
mod spec;

pub use self::choice::{Encode, Missing, Scale, Transform, Unseen};
pub use self::derivation::{Categories, Derivation};
pub(crate) use self::spec::ColumnRecipe;
pub use self::spec::{Block, ColumnChoice, Derived, Recipe, Reduce};
