//! The dictionary to start from.

/// A commented dictionary for the columns of [`rfm`](crate::transactions::rfm).
pub const DEFAULTS: &str = include_str!("defaults.toml");
