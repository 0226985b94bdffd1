//! Unfinished outputs: under names that start with a dot, which readers of a folder skip, locked by the run that writes
//! them, and removed when it ends. What a killed run left behind is removed by the next run into the same folder.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use tempfile::{Builder, NamedTempFile, TempDir};

/// How the names of everything hidden begin.
pub(super) const HIDDEN: &str = ".hyades-";
const UNFINISHED: &str = ".unfinished";

/// Permissions of new files, before the user's umask: an output is as readable as any other file.
const FILE: u32 = 0o666;
const FOLDER: u32 = 0o777;
const PRIVATE: u32 = 0o700;

/// A pause between two attempts to get a lock, and the number of attempts: half a minute.
const PAUSE: Duration = Duration::from_millis(10);
const ATTEMPTS: usize = 3_000;

/// A folder that is being written.
#[derive(Debug)]
pub(crate) struct UnfinishedFolder {
    folder: TempDir,
    _lock: Option<File>,
}

impl UnfinishedFolder {
    pub(super) fn new(parent: &Path) -> io::Result<Self> {
        let _held = lock(parent)?;
        sweep(parent);
        let folder = builder(FOLDER, UNFINISHED).tempdir_in(parent)?;
        let _lock = File::open(folder.path()).ok().filter(|handle| handle.try_lock().is_ok());
        Ok(UnfinishedFolder { folder, _lock })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A file that is being written.
pub(super) fn file(parent: &Path) -> io::Result<NamedTempFile> {
    let _held = lock(parent)?;
    sweep(parent);
    let file = builder(FILE, UNFINISHED).tempfile_in(parent)?;
    // A file system without locks has no sweeping either.
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// A folder of the user alone, for what is moved aside.
pub(super) fn aside(parent: &Path) -> io::Result<TempDir> {
    builder(PRIVATE, ".aside").tempdir_in(parent)
}

/// A folder that holds one version of an output.
pub(super) fn version(parent: &Path) -> io::Result<TempDir> {
    builder(FOLDER, ".version").tempdir_in(parent)
}

#[cfg_attr(not(unix), expect(unused_variables, reason = "permissions are inherited there"))]
fn builder(mode: u32, suffix: &'static str) -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(HIDDEN).suffix(suffix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    builder
}

/// The lock of a folder, held while names in it change. None where folders cannot be locked: some network file systems,
/// and systems other than Unix.
///
/// # Errors
/// Another run has held it for half a minute.
pub(super) fn lock(folder: &Path) -> io::Result<Option<File>> {
    let Some(handle) = cfg!(unix).then(|| File::open(folder).ok()).flatten() else { return Ok(None) };
    for _ in 0..ATTEMPTS {
        match handle.try_lock() {
            Ok(()) => return Ok(Some(handle)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
    Err(io::Error::new(io::ErrorKind::WouldBlock, "another process has locked the folder for half a minute"))
}

/// Removes what killed runs left in a folder, whose lock is held: nobody holds the lock of it.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| name.starts_with(HIDDEN) && name.ends_with(UNFINISHED));
        let Ok(kind) = entry.file_type() else { continue };
        if !is_ours || !(kind.is_dir() || kind.is_file()) {
            continue;
        }
        let abandoned = File::open(entry.path()).is_ok_and(|handle| handle.try_lock().is_ok());
        if abandoned {
            // What belongs to another user stays.
            let _ = if kind.is_dir() { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        }
    }
}
