//! Places of outputs, as the system sees them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::input::versioned;

/// The folder that `path` is in.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `path` with links and `..` resolved, as far as it exists.
pub(super) fn canonical(path: &Path) -> PathBuf {
    let mut tail = Vec::new();
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut head = absolute.as_path();
    loop {
        if let Ok(real) = head.canonicalize() {
            return tail.iter().rev().fold(real, |p: PathBuf, part| p.join(part));
        }
        match (head.parent(), head.file_name()) {
            (Some(parent), Some(name)) => {
                tail.push(name.to_owned());
                head = parent;
            }
            _ => return absolute,
        }
    }
}

/// Whether `path` lies in `folder`.
pub(crate) fn lies_in(path: &Path, folder: &Path) -> bool {
    canonical(path).starts_with(canonical(folder))
}

/// The place of an input, without the version of its table.
pub(super) fn source_of(input: &Path) -> PathBuf {
    canonical(&versioned(input).0)
}

/// Whether `input` is a pattern that `output` would match: the next run would read the output as input.
pub(super) fn is_matched(input: &Path, output: &Path) -> bool {
    let absolute = std::path::absolute(input).unwrap_or_else(|_| input.to_path_buf());
    !input.exists() && glob::Pattern::new(&absolute.to_string_lossy()).is_ok_and(|p| p.matches_path(output))
}

/// Refuses URLs, which would become folders of strange names.
pub(super) fn refuse_url(path: &Path) -> Result<()> {
    if path.to_string_lossy().contains("://") {
        let text = format!(
            "cannot write to {}: outputs go to local disks only; name a local path, and copy what is there afterwards",
            path.display()
        );
        return Err(Error::usage(text).of_file(path).of_option("--out"));
    }
    Ok(())
}

/// Refuses a link that leads nowhere: what a run puts there would take the place of the link.
pub(super) fn refuse_dangling(path: &Path) -> Result<()> {
    if path.is_symlink() && !path.exists() {
        let text = format!(
            "cannot write to {}: it is a link to something that does not exist; remove it, or name another path",
            path.display()
        );
        return Err(Error::usage(text).of_file(path));
    }
    Ok(())
}

/// Creates a folder and those above it, durably. Returns the folders that it made, outermost first.
pub(crate) fn create_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut made: Vec<PathBuf> = folder.ancestors().take_while(|f| !f.exists()).map(Path::to_path_buf).collect();
    made.reverse();
    fs::create_dir_all(folder).map_err(|e| unwritable("create the folder", folder, &e))?;
    for folder in &made {
        sync_folder(parent(folder))?;
    }
    Ok(made)
}

/// Removes folders that were made for nothing. One that somebody else has put something in is kept.
pub(super) fn remove_folders(made: &[PathBuf]) {
    for folder in made.iter().rev() {
        let _ = fs::remove_dir(folder);
    }
}

/// Makes renames durable. Only Unix can open a folder for that.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(folder).and_then(|f| f.sync_all()).map_err(|e| Error::io("sync the folder", folder, &e))?;
    }
    Ok(())
}

/// The error for a folder where a file should be written.
pub(super) fn is_folder(path: &Path) -> Error {
    Error::usage(format!("cannot write {}: it is a folder; name a file in it", path.display())).of_file(path)
}

/// The error for a folder that cannot be written: never a usage error, since the command itself is correct.
pub(super) fn unwritable(action: &str, folder: &Path, source: &std::io::Error) -> Error {
    match Error::io(action, folder, source) {
        error @ Error::Usage(_) => {
            let text = format!("{error}; choose another path");
            Error::environment(text).of_kind(error.kind()).of_file(folder)
        }
        other => other,
    }
}
