//! Hyades: exact clustering of a bank's customers, the same bytes on CPU and GPU.

pub mod backend;
pub mod data;
mod error;
pub mod event;
pub mod synth;

pub use error::{Error, Result};
