//! What can go wrong, in the user's words. Each kind has an exit code; a message names the file, column, row group or
//! value, what was expected, and the remedy.

use std::path::Path;

/// The library's error. The message is complete: nothing needs to be added before a person reads it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command, an option or a recipe is wrong. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The input was read and refused: schema, values, a model that does not verify. Exit code 3.
    #[error("{0}")]
    Input(String),
    /// Something around the program: device, memory, disk, permission. Exit code 4.
    #[error("{0}")]
    Environment(String),
    /// A device stopped answering in the middle of a run. The job goes on elsewhere from its last centroids.
    #[error("{0}")]
    DeviceLost(String),
    /// Stopped by a signal. Exit code 5.
    #[error("interrupted: nothing was published, and an earlier output is untouched")]
    Interrupted,
    /// A broken invariant: a fault of this program. Exit code 1.
    #[error("internal fault: {0}; please report it with the command that was run")]
    Internal(String),
}

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Line and column of a place in a text, in bytes from its beginning; both count from 1.
pub(crate) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
}

impl Error {
    /// The process exit code that stands for this kind of error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Internal(_) => 1,
            Error::Usage(_) => 2,
            Error::Input(_) => 3,
            Error::Environment(_) | Error::DeviceLost(_) => 4,
            Error::Interrupted => 5,
        }
    }

    /// The same error, with what it concerns before its text.
    pub(crate) fn of(self, what: &str) -> Self {
        match self {
            Error::Usage(text) => Error::Usage(format!("{what}: {text}")),
            Error::Input(text) => Error::Input(format!("{what}: {text}")),
            Error::Environment(text) => Error::Environment(format!("{what}: {text}")),
            other => other,
        }
    }

    /// An I/O fault while doing `action` ("read", "write", ...) on `path`, with the remedy where one is known.
    pub fn io(action: &str, path: &Path, source: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let path = path.display();
        match source.kind() {
            K::NotFound => Error::Usage(format!("cannot {action} {path}: no such file or folder")),
            K::PermissionDenied => Error::Environment(format!(
                "cannot {action} {path}: permission denied; run as a user who may {action} it, or choose another path"
            )),
            K::StorageFull | K::QuotaExceeded => Error::Environment(format!(
                "cannot {action} {path}: the disk is full; free space there or choose another path"
            )),
            _ => Error::Environment(format!("cannot {action} {path}: {source}")),
        }
    }
}
