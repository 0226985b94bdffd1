//! Outputs appear whole or not at all: written beside their final names, synced, renamed, the manifest last. It holds
//! the hashes of labels and model, by which files of one run are known should a machine stop between two renames.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};
use crate::input::versioned;

/// Files that wait to be published in one folder. Dropped without [`commit`](Self::commit), they vanish.
#[derive(Debug)]
pub(crate) struct Publication {
    folder: PathBuf,
    /// Folders that were made for it, outermost first; they go again if nothing is published.
    made: Vec<PathBuf>,
    files: Vec<(NamedTempFile, PathBuf)>,
}

/// Writes one file: under a temporary name, synced, then renamed.
///
/// # Errors
/// It cannot be written.
pub fn publish_text(path: &Path, text: &str) -> Result<()> {
    let mut publication = Publication::of_file(path, &[])?;
    let name = path.file_name().ok_or_else(|| Error::Internal("an output without a name".into()))?;
    publication.text(&name.to_string_lossy(), text)?;
    publication.commit()
}

impl Publication {
    /// Makes the folder if it is not there, and makes sure that it can be written and that publishing `names` in it
    /// would not touch the inputs.
    pub(crate) fn new(folder: &Path, names: &[&str], inputs: &[PathBuf]) -> Result<Self> {
        let target = canonical(folder);
        for input in inputs {
            let source = canonical(&versioned(input).0);
            let inside = source.is_dir() && target.starts_with(&source);
            let over = names.iter().any(|name| target.join(name) == source || is_matched(input, &target.join(name)));
            if inside || over {
                return Err(Error::usage(format!(
                    "the output {} lies inside the input {}; choose a folder outside it",
                    folder.display(),
                    input.display()
                )));
            }
        }
        if folder.exists() && !folder.is_dir() {
            return Err(Error::usage(format!("the output {} is a file; --out names a folder", folder.display())));
        }
        if let Some(name) = names.iter().find(|name| target.join(name).is_dir()) {
            return Err(Error::usage(format!(
                "the output {} is a folder, where a file is to be published; move it or choose another --out",
                folder.join(name).display()
            )));
        }
        let mut made: Vec<PathBuf> = target.ancestors().take_while(|f| !f.exists()).map(Path::to_path_buf).collect();
        made.reverse();
        let publication = Publication { folder: folder.to_path_buf(), made, files: Vec::new() };
        fs::create_dir_all(folder).map_err(|e| unwritable("create the folder", folder, &e))?;
        publication.temporary()?;
        Ok(publication)
    }

    /// For one file of the user's choice, in a folder that is there; makes sure that it can be written and is no input.
    pub(crate) fn of_file(path: &Path, inputs: &[PathBuf]) -> Result<Self> {
        let target = canonical(path);
        if path.is_dir() || path.file_name().is_none() {
            return Err(Error::usage(format!("cannot write {}: it is a folder; name a file in it", path.display())));
        }
        if inputs.iter().any(|input| canonical(input) == target || is_matched(input, &target)) {
            return Err(Error::usage(format!("cannot write {}: it is an input; choose another name", path.display())));
        }
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let publication = Publication { folder: parent.to_path_buf(), made: Vec::new(), files: Vec::new() };
        publication.temporary()?;
        Ok(publication)
    }

    /// For one file, `out`, whose folder is made if it is not there.
    pub(crate) fn of_table(out: &Path, inputs: &[PathBuf]) -> Result<(Self, String)> {
        let name = out.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|_| !out.as_os_str().to_string_lossy().ends_with('/')) else {
            return Err(Error::usage(format!(
                "--out {} names no file; give one such as customers.parquet",
                out.display()
            )));
        };
        let folder = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if folder.exists() && !folder.is_dir() {
            return Err(Error::usage(format!(
                "--out {}: {} is a file, not a folder; choose another path",
                out.display(),
                folder.display()
            )));
        }
        Ok((Self::new(folder, &[name], inputs)?, name.to_owned()))
    }

    fn temporary(&self) -> Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".hyades-").suffix(".unfinished");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the user's umask
        builder.tempfile_in(&self.folder).map_err(|e| unwritable("write in the folder", &self.folder, &e))
    }

    /// A file that will be published as `name`, after those before it. Asking again for a name starts it anew.
    pub(crate) fn file(&mut self, name: &str) -> Result<File> {
        let target = self.folder.join(name);
        self.files.retain(|(_, path)| *path != target);
        let temporary = self.temporary()?;
        let handle = temporary.as_file().try_clone().map_err(|e| Error::io("write", &target, &e))?;
        self.files.push((temporary, target));
        Ok(handle)
    }

    /// A whole text file that will be published as `name`.
    pub(crate) fn text(&mut self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        self.file(name)?.write_all(text.as_bytes()).map_err(|e| Error::io("write", &path, &e))
    }

    /// Syncs all files, then renames them, in order.
    pub(crate) fn commit(mut self) -> Result<()> {
        for (file, path) in &self.files {
            file.as_file().sync_all().map_err(|e| Error::io("write", path, &e))?;
        }
        self.made.clear();
        for (file, path) in std::mem::take(&mut self.files) {
            file.persist(&path).map_err(|e| Error::io("publish", &path, &e.error))?;
        }
        #[cfg(unix)]
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|e| Error::io("sync the folder", &self.folder, &e))?;
        Ok(())
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.files.clear();
        for folder in self.made.iter().rev() {
            // One that somebody else has put something in stays.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// `path` without links and `..`, as far as it exists.
fn canonical(path: &Path) -> PathBuf {
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

/// Whether `input` is a pattern that `output` would match: the next run would take it for input.
fn is_matched(input: &Path, output: &Path) -> bool {
    let absolute = std::path::absolute(input).unwrap_or_else(|_| input.to_path_buf());
    !input.exists() && glob::Pattern::new(&absolute.to_string_lossy()).is_ok_and(|p| p.matches_path(output))
}

/// A place that cannot be written: whatever the system calls it, the place is at fault and not the command.
fn unwritable(action: &str, folder: &Path, source: &std::io::Error) -> Error {
    match Error::io(action, folder, source) {
        error @ Error::Usage(_) => {
            let text = format!("{error}; choose another path");
            Error::environment(text).of_kind(error.kind()).of_file(folder)
        }
        other => other,
    }
}
