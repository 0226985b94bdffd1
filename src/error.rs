//! What can go wrong, in the user's words. Each class has an exit code; a message names the file, column, row group or
//! value, what was expected, and the remedy. Callers that cannot read messages match on [`Error::kind`] and on the
//! columns, file and option that an error is about.

use std::fmt;
use std::path::{Path, PathBuf};

/// The library's error. The message is complete: nothing needs to be added before a person reads it.
///
/// # Examples
/// ```
/// use hyades::{Error, ErrorKind};
///
/// let error = hyades::input::Source::open(&["no/such/file.parquet".into()]).unwrap_err();
/// assert!(matches!(error, Error::Absent(_)));
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.exit_code(), 8);
/// assert!(error.file().is_some_and(|file| file.ends_with("file.parquet")));
/// ```
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option, a column that it names, a model, a recipe or rules are wrong. Exit code 2.
    #[error("{0}")]
    Usage(Box<Fault>),
    /// The input was read and refused (schema, values, no rows), or breaks expectations. Exit code 3.
    #[error("{0}")]
    Input(Box<Fault>),
    /// Something around the program: device, memory, disk, permission. Exit code 4.
    #[error("{0}")]
    Environment(Box<Fault>),
    /// A device stopped answering in the middle of a run. The job goes on elsewhere from its last centroids.
    #[error("{0}")]
    DeviceLost(String),
    /// Stopped by a signal. Exit code 5.
    #[error("interrupted: nothing was published, and an earlier output is untouched")]
    Interrupted,
    /// A limit that the user set is exceeded, such as `--max-disparity`. Nothing was published. Exit code 6.
    #[error("{0}")]
    Limit(Box<Fault>),
    /// A result waits for somebody's approval before it is published. Exit code 7.
    #[error("{0}")]
    Approval(Box<Fault>),
    /// An input path, a pattern or a version of a table that matches nothing; it may appear later. Exit code 8.
    #[error("{0}")]
    Absent(Box<Fault>),
    /// A broken invariant: a fault of this program. Exit code 1.
    #[error("internal fault: {0}; please report it with the command that was run")]
    Internal(String),
}

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option, or its value.
    Option,
    /// A recipe, rules, expectations or another file that a user writes.
    Config,
    /// A path or pattern that matches nothing.
    NotFound,
    /// Columns that do not exist, have an unusable type, or differ between files.
    Column,
    /// Values that are refused: nulls, duplicates, numbers out of range, too few rows.
    Values,
    /// A file that is damaged, or is not what it claims to be.
    Corrupt,
    /// A model that does not verify, or does not fit the input.
    Model,
    /// Permission denied.
    Permission,
    /// A full disk.
    DiskFull,
    /// Too little memory.
    Memory,
    /// A limit that the user set is exceeded.
    Limit,
    /// A result waits for approval.
    Approval,
    /// Another run was faster.
    Conflict,
    /// A device that is missing, refuses, or was lost.
    Device,
    /// Any other failure of the system.
    System,
    /// Stopped by a signal.
    Interrupted,
    /// A fault of this program.
    Internal,
}

/// A message and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    message: String,
    kind: ErrorKind,
    columns: Vec<String>,
    file: Option<PathBuf>,
    option: Option<&'static str>,
    retryable: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Fault {
    fn new(message: String, kind: ErrorKind) -> Box<Self> {
        Box::new(Fault { message, kind, columns: Vec::new(), file: None, option: None, retryable: false })
    }
}

impl Error {
    /// A command, an option or a recipe that is wrong.
    pub fn usage(message: String) -> Self {
        Error::Usage(Fault::new(message, ErrorKind::Option))
    }

    /// An input that is refused.
    pub fn input(message: String) -> Self {
        Error::Input(Fault::new(message, ErrorKind::Values))
    }

    /// A result beyond a limit that the user set.
    pub fn limit(message: String) -> Self {
        Error::Limit(Fault::new(message, ErrorKind::Limit))
    }

    /// A result that waits for approval.
    pub fn approval(message: String) -> Self {
        Error::Approval(Fault::new(message, ErrorKind::Approval))
    }

    /// A failure of what surrounds the program.
    pub fn environment(message: String) -> Self {
        Error::Environment(Fault::new(message, ErrorKind::System))
    }

    /// The process exit code that stands for this class of error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Internal(_) => 1,
            Error::Usage(_) => 2,
            Error::Input(_) => 3,
            Error::Environment(_) | Error::DeviceLost(_) => 4,
            Error::Interrupted => 5,
            Error::Limit(_) => 6,
            Error::Approval(_) => 7,
            Error::Absent(_) => 8,
        }
    }

    /// What it is about.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::DeviceLost(_) => ErrorKind::Device,
            Error::Interrupted => ErrorKind::Interrupted,
            _ => self.fault().map_or(ErrorKind::Internal, |fault| fault.kind),
        }
    }

    /// The columns that it is about, if any.
    pub fn columns(&self) -> &[String] {
        self.fault().map_or(&[], |fault| &fault.columns)
    }

    /// The file that it is about.
    pub fn file(&self) -> Option<&Path> {
        self.fault().and_then(|fault| fault.file.as_deref())
    }

    /// The option that it is about, as `--k`.
    pub fn option(&self) -> Option<&'static str> {
        self.fault().and_then(|fault| fault.option)
    }

    /// Whether the same command may succeed if it is simply run again, such as when another run published first.
    pub fn retryable(&self) -> bool {
        self.fault().is_some_and(|fault| fault.retryable)
    }

    fn fault(&self) -> Option<&Fault> {
        match self {
            Error::Usage(fault)
            | Error::Input(fault)
            | Error::Environment(fault)
            | Error::Limit(fault)
            | Error::Approval(fault)
            | Error::Absent(fault) => Some(fault),
            Error::DeviceLost(_) | Error::Interrupted | Error::Internal(_) => None,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Fault)) -> Self {
        match &mut self {
            Error::Usage(fault)
            | Error::Input(fault)
            | Error::Environment(fault)
            | Error::Limit(fault)
            | Error::Approval(fault)
            | Error::Absent(fault) => change(fault),
            Error::DeviceLost(_) | Error::Interrupted | Error::Internal(_) => {}
        }
        self
    }

    /// The same error, about an input: what was not found may appear later.
    pub(crate) fn awaited(self) -> Self {
        match self {
            Error::Usage(fault) | Error::Input(fault) if fault.kind == ErrorKind::NotFound => Error::Absent(fault),
            other => other,
        }
    }

    /// The same error, of this kind.
    pub(crate) fn of_kind(self, kind: ErrorKind) -> Self {
        self.with(|fault| fault.kind = kind)
    }

    /// The same error, about columns.
    pub(crate) fn of_columns<S: Into<String>>(self, columns: impl IntoIterator<Item = S>) -> Self {
        self.with(|fault| {
            fault.kind = ErrorKind::Column;
            fault.columns = columns.into_iter().map(Into::into).collect();
        })
    }

    /// The same error, about a file.
    pub(crate) fn of_file(self, file: &Path) -> Self {
        self.with(|fault| fault.file = Some(file.to_path_buf()))
    }

    /// The same error, about an option.
    pub(crate) fn of_option(self, option: &'static str) -> Self {
        self.with(|fault| fault.option = Some(option))
    }

    /// The same error, which another attempt may not meet.
    pub(crate) fn to_retry(self) -> Self {
        self.with(|fault| fault.retryable = true)
    }

    /// The same error, with what it concerns before its text.
    pub(crate) fn of(self, what: &str) -> Self {
        self.with(|fault| fault.message.insert_str(0, &format!("{what}: ")))
    }

    /// An I/O fault while doing `action` ("read", "write", ...) on `path`, with the remedy where one is known.
    pub fn io(action: &str, path: &Path, source: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let at = path.display();
        let error = match source.kind() {
            K::NotFound => {
                Error::usage(format!("cannot {action} {at}: no such file or folder")).of_kind(ErrorKind::NotFound)
            }
            K::PermissionDenied => Error::environment(format!(
                "cannot {action} {at}: permission denied; run as a user who may {action} it, or choose another path"
            ))
            .of_kind(ErrorKind::Permission),
            K::StorageFull | K::QuotaExceeded => Error::environment(format!(
                "cannot {action} {at}: the disk is full; free space there or choose another path"
            ))
            .of_kind(ErrorKind::DiskFull),
            K::OutOfMemory => Error::environment(format!("cannot {action} {at}: {source}")).of_kind(ErrorKind::Memory),
            _ => Error::environment(format!("cannot {action} {at}: {source}")),
        };
        error.of_file(path)
    }
}
