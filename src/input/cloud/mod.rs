//! Objects of S3, Azure, GCS and plain HTTP as files: found by their URLs, and read in ranges that are planned, merged
//! and fetched ahead.
//!
//! Credentials come from the environment alone, by the names of the vendors' own tools (`AWS_...`, `AZURE_...`,
//! `GOOGLE_...`), and no message repeats them. An object that changes while it is read is refused.

mod ahead;
mod fault;
mod find;
mod object;

pub(crate) use self::ahead::{Ahead, HELD_BYTES, Reading, ahead};
pub(crate) use self::find::Finder;
pub(crate) use self::object::{Object, fetched};
