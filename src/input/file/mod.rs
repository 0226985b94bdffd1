//! One Parquet file: ranges of bytes, validation of footers and pages, encryption.

mod content;
mod footer;
mod hashed;
mod keys;
mod pages;
mod positional;
mod range;
pub(crate) mod sealed;
mod stamp;
mod thrift;
mod types;

pub(crate) use self::content::{ContentHashes, ReadContent};
pub(crate) use self::footer::{Footer, read_footer, read_footer_of, tail};
pub use self::keys::Access;
pub(crate) use self::keys::Keys;
pub(crate) use self::pages::GuardedGroup;
pub(crate) use self::positional::{read_at, write_at};
pub(crate) use self::range::RangeFile;
pub(crate) use self::stamp::{Stamp, changed, gone, vet_unchanged};
pub(crate) use self::types::is_int96;

/// Rows decoded at a time: their f64 values stay in a core's L1 and L2 caches.
pub(crate) const BATCH_ROWS: usize = 8192;
