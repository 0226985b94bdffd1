//! A synthetic bank of any size with planted segments: writes Parquet for a [`SynthSpec`].
//!
//! For tests, benchmarks and trials that must not use real customers. Types are mixed (int32, int64, float, double,
//! decimal), amounts are heavy-tailed, columns are correlated through six latent factors, one dormant segment holds
//! about half of the customers, and values are missing on request. A value depends only on the seed, its row and its
//! column; the number of files, row groups and threads changes no value, and a smaller bank is a prefix of a larger
//! one. Values are the same on all platforms, see `random.rs`.
//!
//! Later months of the same bank have planted changes (`month.rs`).
//!
//! On request, columns of daily business tell what a campaign needs to know (`business.rs`), and a file has the card
//! payments of all customers (`payments.rs`).
//!
//! Deliberately absent: free text, and nulls that depend on the value.

mod bank;
mod business;
mod calendar;
mod columns;
mod month;
mod payments;
mod random;
mod segments;
mod spec;
mod table;
mod writer;

use crate::error::Result;
use crate::event::Watch;

pub use spec::{CheckedSpec, Compression, SynthSpec, SynthSummary};

/// Makes the bank and publishes it when it is complete; until then `out` is unchanged.
///
/// In each `month` after the first, 2 % of the customers leave for good, and as many as 3 % of those of the first month
/// come. 4 % of the others move to the next planted segment, the last to the first, and take on its level in all
/// columns. Everybody's values vary by some 7 %, and one column, `card_spend_90d` (or the last, if there are fewer
/// columns), rises by 41 % a month. From the second month on, with at least four segments, half of segment 1 uses
/// digital channels more and the others less, so that it is two: the new one has the number `segments`. The last two
/// segments come close to each other and are one, with the number of the first of them. Fits of 5 segments and 32
/// features find all of this in both months. The first month ends with January 2026, and dates follow from that.
///
/// Columns are made and encoded on rayon's threads while another thread writes, in order. Memory holds the encoded
/// columns of two batches of row groups, regardless of the number of rows: a batch is one row group if there are at
/// least four columns per thread, otherwise as many as keep the threads busy.
///
/// # Errors
///
/// [`Error::Usage`] if `out` is not of the kind that `files` requires, or is a folder with other files;
/// [`Error::Environment`] if the disk fails or is full; [`Error::Interrupted`] once `watch` is stopped.
///
/// [`Error::Usage`]: crate::Error::Usage
/// [`Error::Environment`]: crate::Error::Environment
/// [`Error::Interrupted`]: crate::Error::Interrupted
///
/// # Examples
///
/// ```
/// use hyades::event::Watch;
/// use hyades::synth::{SynthSpec, write};
///
/// let folder = tempfile::tempdir()?;
/// let out = folder.path().join("bank.parquet");
/// let spec = SynthSpec { segments: 4, truth: true, ..SynthSpec::new(1000, &out) }.check()?;
/// let summary = write(&spec, Watch::none())?;
/// assert_eq!((summary.rows, summary.segment_rows.len()), (1000, 4));
/// assert!(out.is_file());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(spec: &CheckedSpec, watch: Watch<'_>) -> Result<SynthSummary> {
    writer::write(spec.spec(), watch)
}

#[cfg(test)]
mod tests;
