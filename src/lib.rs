//! Hyades: exact clustering of a bank's customers, the same bytes on CPU and GPU.
//!
//! ```text
//! files -> source -> recipe -> tiles -> backend(assign, accumulate) -> cluster(k-means) -> model
//!          (footers,  (probe,   (grid,                                     |                 |
//!           schema,    land,     chunks)                                   |                 |
//!           roles)     fit)        +------------------- label pass <-------+-----------------+
//!                                                           |
//!                                           labelled Parquet, model, manifest
//! ```
//!
//! The modules stand in the order of the data; each uses only modules above it. ARCHITECTURE.md tells why.

mod error;
pub mod event;
mod panics;
pub mod simd;

pub mod data;

pub mod backend;

pub mod cluster;

pub mod rules;

pub mod model;

pub mod label;

pub mod audit;

pub mod job;

pub mod bench;
pub mod check;
pub mod doctor;
pub mod features;
pub mod synth;

pub use error::{Error, Result};
