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
//! The modules are listed in the order of the data flow; each uses only modules above it. ARCHITECTURE.md gives the
//! reasons.

mod error;
pub mod event;
mod panics;
mod run;
pub mod simd;

pub mod text;

pub mod numeric;

pub mod input;

pub mod tiles;

pub mod roles;

pub mod prepare;

pub mod backend;

pub mod cluster;

pub mod rules;

pub mod model;

pub(crate) mod survey;

pub mod output;

pub mod audit;

pub(crate) mod report;

pub mod job;

pub mod bench;
pub mod check;
pub mod doctor;
pub mod synth;
pub mod transactions;

pub use error::{Error, ErrorKind, Fault, Result};
