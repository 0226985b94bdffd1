//! The fitted preparation: every constant that turns a raw value into a grid integer, and back.

mod column;
mod projection;

pub use self::column::{DroppedColumn, Preparation, PreparedColumn, Seen};
pub use self::projection::Projection;
