//! The fitted model: how a bank is divided, and for every part its preparation and its segments, in one readable JSON
//! file, versioned and checksummed.
//!
//! A model holds nothing that depends on the device, the time or the number of threads: the same rows, recipe and seed
//! give the same bytes. Deliberately absent: averages of customers, which belong to a profile.

mod envelope;
mod format;
mod legacy;
mod load;

pub use self::format::{InputFile, Model, ModelDivision, PartModel, Provenance};
