//! Hyades clusters the customers of a bank: from Parquet files to a segment for every customer, exactly, and with the
//! same bytes on a CPU and on a GPU.
//!
//! The library does all the work; the command `hyades` only reads arguments and draws progress. It never prints:
//! progress comes as typed [events](event), and every failure as an [`Error`] whose message is meant for people and
//! whose [kind](ErrorKind) is meant for programs.
//!
//! # The flow of data
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
//! An [`input::Source`] is one table, whatever files it is made of. A [`prepare::Recipe`] says how its columns become
//! numbers on one integer grid, the [`tiles::Tiles`]. A [`backend::Backend`] does arithmetic on them, and
//! [`cluster::KMeans`] finds the segments. A [`model::Model`] holds all that is needed to label other customers.
//!
//! Whole jobs are in [`job`], which is the place to start. [`check`](mod@check) examines a table before it is
//! clustered, and [`transactions`] makes a table of customers from one of transactions.
//!
//! # Examples
//!
//! A fit, and its outcome. No output folder is named, so nothing is written.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//!
//! use hyades::event::Silent;
//! use hyades::job::{self, ClusteringOptions, FitRequest, InputOptions};
//!
//! let (input, clustering) = (InputOptions::of(["data/customers.parquet"]), ClusteringOptions::of(6));
//! let request = FitRequest { input, clustering, ..FitRequest::default() };
//! let outcome = job::fit(&request, &Silent, &AtomicBool::new(false))?;
//! for (segment, customers) in outcome.labels.counts().iter().enumerate() {
//!     println!("segment {segment}: {customers} customers");
//! }
//! assert_eq!(outcome.labels.counts().iter().sum::<u64>(), 20_000);
//! # Ok::<(), hyades::Error>(())
//! ```
//!
//! # Features
//!
//! | Feature | Default | What it adds |
//! |---|---|---|
//! | `cli` | yes | the command `hyades`; without it the library has no argument parser, progress bars or logger |
//! | `gpu` | yes | `backend::gpu`, by Vulkan, Metal or Direct3D 12; without it everything runs on the CPU |
//! | `cloud` | no | inputs in S3, Azure, Google Cloud Storage and on HTTP servers |
//! | `delta` | no | Delta tables as inputs |
//! | `bare` | no | only for the benchmark `exactness`: passes without the work that makes them exact |
//!
//! The modules are listed in the order of the data flow; each uses only modules above it. ARCHITECTURE.md gives the
//! reasons.

mod error;
pub mod event;
mod faults;
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

pub mod validity;

pub mod rules;

pub mod drift;

pub mod model;

pub(crate) mod survey;

pub mod output;

pub mod audit;

pub mod profile;

pub mod explain;

pub mod identity;

pub mod gates;

pub mod migration;

pub(crate) mod portrait;
pub mod report;

pub mod choose;
pub mod describe;

pub mod history;

pub mod job;

pub mod bench;
pub mod campaign;
pub mod check;
pub mod compare;
pub mod doctor;
pub(crate) mod evidence;
pub mod resegment;
pub mod synth;
pub mod tags;
pub mod transactions;

pub use error::{Error, ErrorKind, Fault, Result};
