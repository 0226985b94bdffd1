//! What tells one state of a local file from another.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

use crate::error::{Error, ErrorKind};

/// The identity, size and time of a file. Equal stamps: the file has not been replaced, overwritten or extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Device and inode; zeros where the system has none.
    place: (u64, u64),
    size: u64,
    /// To the nanosecond, where the file system keeps them.
    modified: Option<SystemTime>,
}

impl Stamp {
    pub(crate) fn of(file: &Metadata) -> Self {
        Stamp { place: place(file), size: file.len(), modified: file.modified().ok() }
    }

    /// When it was changed last, in nanoseconds since 1970; None if the file system does not say.
    pub(crate) fn modified(&self) -> Option<u64> {
        let since = self.modified?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        u64::try_from(since.as_nanos()).ok()
    }
}

#[cfg(unix)]
fn place(file: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (file.dev(), file.ino())
}

#[cfg(not(unix))]
fn place(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// Fails unless the file at `path` is still the one of the stamp.
///
/// # Errors
/// Another file, size or time, or no file.
pub(crate) fn vet_unchanged(path: &Path, stamp: &Stamp) -> Result<(), Error> {
    match std::fs::metadata(path) {
        Ok(now) if Stamp::of(&now) == *stamp => Ok(()),
        Ok(_) => Err(changed(path)),
        Err(e) => Err(gone(path, Error::io("read", path, &e))),
    }
}

/// The error for a file that is not the one whose footer was read.
pub(crate) fn changed(path: &Path) -> Error {
    refused(path, "was changed")
}

/// An error on opening a file again: one that is missing now was there before.
pub(crate) fn gone(path: &Path, error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound { refused(path, "was removed") } else { error }
}

fn refused(path: &Path, what: &str) -> Error {
    let text = format!("{}: {what} while it was read; run again when the input is complete", path.display());
    Error::input(text).of_kind(ErrorKind::System).of_file(path)
}
