//! A synthetic bank of any size, with segments planted in it: customers enter as a [`SynthSpec`], Parquet leaves.
//!
//! It is made for tests, benchmarks and trials, where real customers may not be used. Types are mixed (int32, int64,
//! float, double, decimal), amounts are heavy-tailed, columns are correlated through six latent factors, one dormant
//! segment holds about half of the customers, and values go missing where asked. A value depends on the seed, its row
//! and its column only; the number of files, row groups and threads changes no value, and a smaller bank is the
//! beginning of a larger one. Values are the same on all platforms, see `random.rs`.
//!
//! Absent on purpose: time (one snapshot only), text, and nulls that depend on the value.

mod bank;
mod columns;
mod random;
mod segments;
mod spec;
mod writer;

use crate::error::Result;
use crate::event::Watch;

pub use bank::{ID_COLUMN, TRUTH_COLUMN};
pub use segments::SEGMENT_NAMES;
pub use spec::{
    CheckedSpec, Compression, MAX_FEATURES, MAX_FILES, MAX_ROW_GROUP_ROWS, MAX_SEGMENTS, SynthSpec, SynthSummary,
};

/// Makes the bank and puts it in place when it is complete; until then `out` is as it was.
///
/// Columns are made and encoded on rayon's threads while another thread writes, in order. Memory holds the encoded
/// columns of two batches of row groups, however many rows there are: a batch is one row group where there are
/// at least four columns a thread, and as many as keep the threads busy otherwise.
///
/// # Errors
///
/// [`Error::Usage`] if `out` is not the kind of thing that `files` asks for, or a folder that holds other files;
/// [`Error::Environment`] if the disk fails or is full; [`Error::Interrupted`] once `watch` is stopped.
pub fn write(spec: &CheckedSpec, watch: Watch<'_>) -> Result<SynthSummary> {
    writer::write(spec.spec(), watch)
}

#[cfg(test)]
mod tests;
