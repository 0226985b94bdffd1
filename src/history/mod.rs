//! The history of a job that runs every month: versions that never change, one pointer to the current one, and a log.
//!
//! ```text
//! history/
//!   versions/000041/   the files of a version, never changed once it is sealed
//!   versions/000042/
//!   current.json       {"format": 1, "version": 42, "blake3": "..."}
//!   log.ndjson         what happened to each version; each line carries the hash of the line before
//!   claims/, lock      files that runs lock while they work
//! ```
//!
//! A run [claims](History::claim) a number, fills the folder of its [`CandidateVersion`],
//! [seals](CandidateVersion::seal) it, and [publishes](History::publish) it if the current version is still the one
//! that it was based on; the loser of a race stops with a [retryable](crate::Error::retryable) error. Readers take the
//! pointer once and see files of one version ([`History::read_current`]). States follow from the log alone.
//!
//! Not here: what a version holds, whether it is good enough, and with what it was made.

mod catalog;
mod claim;
mod compare;
mod contents;
mod gc;
mod ledger;
mod log;
mod pointer;
mod publish;
mod record;
mod rollback;
mod verify;

#[cfg(test)]
mod tests;

pub use self::catalog::History;
pub use self::claim::{CandidateVersion, SealedVersion};
pub use self::compare::{FactDifference, FileDifference, VersionDifference};
pub use self::contents::ListedFile;
pub(crate) use self::contents::folder_hash;
pub use self::gc::Freed;
pub use self::ledger::{VersionRecord, VersionState};
pub use self::pointer::Pointer;
pub use self::record::{GateTally, VersionFacts};
pub use self::verify::{HistoryFinding, HistoryReport};
