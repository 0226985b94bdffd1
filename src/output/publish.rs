//! Outputs appear completely or not at all: they are written under temporary names in the same folder, synced, and
//! renamed, the manifest last. The manifest holds the hashes of labels and model, which identify the files of one run
//! if the machine stops between two renames.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempDir};

use crate::error::{Error, Result};
use crate::input::versioned;

/// Files to be published in one folder. If dropped without [`commit`](Self::commit), they are removed.
#[derive(Debug)]
pub(crate) struct Publication {
    folder: PathBuf,
    /// Folders created for it, outermost first; removed again if nothing is published.
    made: Vec<PathBuf>,
    files: Vec<(NamedTempFile, PathBuf)>,
}

/// Writes one file: under a temporary name, synced, then renamed.
///
/// # Errors
/// It cannot be written.
///
/// # Examples
/// ```
/// use hyades::output::publish_text;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("recipe.toml");
/// publish_text(&path, "[defaults]\n")?;
/// assert_eq!(std::fs::read_to_string(&path)?, "[defaults]\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn publish_text(path: &Path, text: &str) -> Result<()> {
    Publication::of_file(path, &[])?.commit_text(path, text)
}

impl Publication {
    /// Creates the folder if necessary, and checks that it is writable and that publishing `names` in it would not
    /// touch the inputs.
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
                ))
                .of_file(folder)
                .of_option("--out"));
            }
        }
        if folder.exists() && !folder.is_dir() {
            return Err(Error::usage(format!("the output {} is a file; --out names a folder", folder.display()))
                .of_file(folder)
                .of_option("--out"));
        }
        if let Some(name) = names.iter().find(|name| target.join(name).is_dir()) {
            return Err(Error::usage(format!(
                "the output {} is a folder, but a file of that name would be published; move it or choose another --out",
                folder.join(name).display()
            ))
            .of_file(&folder.join(name))
            .of_option("--out"));
        }
        let mut made: Vec<PathBuf> = target.ancestors().take_while(|f| !f.exists()).map(Path::to_path_buf).collect();
        made.reverse();
        let publication = Publication { folder: folder.to_path_buf(), made, files: Vec::new() };
        fs::create_dir_all(folder).map_err(|e| unwritable("create the folder", folder, &e))?;
        publication.temporary()?;
        Ok(publication)
    }

    /// For one file with a user-chosen name in an existing folder; checks that it can be written and is not an input.
    pub(crate) fn of_file(path: &Path, inputs: &[PathBuf]) -> Result<Self> {
        let target = canonical(path);
        if path.is_dir() || path.file_name().is_none() {
            return Err(is_folder(path));
        }
        if inputs.iter().any(|input| canonical(input) == target || is_matched(input, &target)) {
            let text = format!("cannot write {}: it is an input; choose another name", path.display());
            return Err(Error::usage(text).of_file(path));
        }
        let folder = parent(path).to_path_buf();
        let publication = Publication { folder, made: Vec::new(), files: Vec::new() };
        publication.temporary()?;
        Ok(publication)
    }

    /// For one file, `out`, whose folder is created if necessary.
    pub(crate) fn of_table(out: &Path, inputs: &[PathBuf]) -> Result<(Self, String)> {
        let name = out.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|_| !out.as_os_str().to_string_lossy().ends_with('/')) else {
            return Err(Error::usage(format!(
                "--out {} does not name a file; give one such as customers.parquet",
                out.display()
            ))
            .of_option("--out"));
        };
        let folder = parent(out);
        if folder.exists() && !folder.is_dir() {
            return Err(Error::usage(format!(
                "--out {}: {} is a file, not a folder; choose another path",
                out.display(),
                folder.display()
            ))
            .of_file(folder)
            .of_option("--out"));
        }
        Ok((Self::new(folder, &[name], inputs)?, name.to_owned()))
    }

    fn temporary(&self) -> Result<NamedTempFile> {
        let made = unfinished(FILE).tempfile_in(&self.folder);
        made.map_err(|e| unwritable("write in the folder", &self.folder, &e))
    }

    /// A file that will be published as `name`, after those requested before. Requesting a name again starts the file
    /// over.
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

    /// Publishes one text file: the `path` passed to [`of_file`](Self::of_file).
    pub(crate) fn commit_text(mut self, path: &Path, text: &str) -> Result<()> {
        let name = path.file_name().ok_or_else(|| Error::Internal("an output without a name".into()))?;
        self.text(&name.to_string_lossy(), text)?;
        self.commit()
    }

    /// Syncs all files, then renames them, in order.
    pub(crate) fn commit(mut self) -> Result<()> {
        for (file, path) in &self.files {
            file.as_file().sync_all().map_err(|e| Error::io("write", path, &e))?;
        }
        self.made.clear();
        for (file, path) in std::mem::take(&mut self.files) {
            let folder = parent(&path);
            fs::create_dir_all(folder).map_err(|e| Error::io("create the folder", folder, &e))?;
            file.persist(&path).map_err(|e| Error::io("publish", &path, &e.error))?;
        }
        sync_folder(&self.folder)
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.files.clear();
        for folder in self.made.iter().rev() {
            // A folder that somebody else has put something in is kept.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// A table of several files to be published. If dropped without [`commit`](Self::commit), it is removed.
#[derive(Debug)]
pub(crate) enum PartedTable {
    /// One file.
    File { file: NamedTempFile, out: PathBuf },
    /// A folder of parts, which replaces an earlier folder of parts as a whole.
    Folder { folder: TempDir, parts: usize, out: PathBuf },
}

impl PartedTable {
    /// A file named `out`, or a folder of that name if there are several `parts`.
    pub(crate) fn new(out: &Path, parts: usize) -> Result<Self> {
        check_place(out, parts)?;
        let parent = parent(out);
        let fail = |e| Error::io("create a file in", parent, &e);
        let out = out.to_path_buf();
        Ok(match parts {
            1 => PartedTable::File { file: unfinished(FILE).tempfile_in(parent).map_err(fail)?, out },
            _ => PartedTable::Folder { folder: unfinished(FOLDER).tempdir_in(parent).map_err(fail)?, parts, out },
        })
    }

    /// File number `part`, to be written and synced.
    pub(crate) fn open(&self, part: usize) -> Result<File> {
        match self {
            PartedTable::File { file, out } => file.as_file().try_clone().map_err(|e| Error::io("write", out, &e)),
            PartedTable::Folder { folder, out, .. } => {
                File::create(folder.path().join(part_name(part))).map_err(|e| Error::io("create files in", out, &e))
            }
        }
    }

    /// The paths that the files will have.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        match self {
            PartedTable::File { out, .. } => vec![out.clone()],
            PartedTable::Folder { parts, out, .. } => (0..*parts).map(|part| out.join(part_name(part))).collect(),
        }
    }

    /// Moves the files, which are written and synced, to their final names.
    pub(crate) fn commit(self) -> Result<()> {
        let out = match self {
            PartedTable::File { file, out } => {
                file.persist(&out).map_err(|e| Error::io("replace", &out, &e.error))?;
                out
            }
            PartedTable::Folder { folder, out, .. } => {
                sync_folder(folder.path())?;
                replace_folder(folder, &out).map_err(|e| Error::io("replace", &out, &e))?;
                out
            }
        };
        sync_folder(parent(&out))
    }
}

fn part_name(part: usize) -> String {
    format!("part-{part:05}.parquet")
}

/// Refuses a path that holds anything but earlier parts, since a folder is replaced with everything in it.
fn check_place(out: &Path, parts: usize) -> Result<()> {
    if out.file_name().is_none() {
        let text = format!("cannot write to {}: give the name of a file or folder", out.display());
        return Err(Error::usage(text).of_file(out));
    }
    if parts == 1 {
        return match out.is_dir() {
            true => Err(is_folder(out)),
            false => Ok(()),
        };
    }
    let entries = match fs::read_dir(out) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("replace the folder", out, &e)),
    };
    for entry in entries {
        let name = entry.map_err(|e| Error::io("read", out, &e))?.file_name();
        if !name.to_str().is_some_and(|n| n.starts_with("part-") && n.ends_with(".parquet")) {
            return Err(Error::usage(format!(
                "cannot replace the folder {}: it holds {}, which is not part of a bank; remove it or choose another \
                 folder",
                out.display(),
                name.display()
            ))
            .of_file(out));
        }
    }
    Ok(())
}

/// The error for a folder where a file should be written.
fn is_folder(path: &Path) -> Error {
    Error::usage(format!("cannot write {}: it is a folder; name a file in it", path.display())).of_file(path)
}

/// A folder cannot be renamed over one that holds files: the earlier one is moved aside, and restored on failure.
fn replace_folder(made: TempDir, out: &Path) -> io::Result<()> {
    let aside = unfinished(PRIVATE).tempdir_in(parent(out))?;
    let earlier = aside.path().join("earlier");
    let had_one = match fs::rename(out, &earlier) {
        Ok(()) => true,
        Err(e) if e.kind() == io::ErrorKind::NotFound => false,
        Err(e) => return Err(e),
    };
    if let Err(e) = fs::rename(made.path(), out) {
        if had_one && fs::rename(&earlier, out).is_err() {
            let kept = aside.keep();
            return Err(io::Error::other(format!("{e}; the earlier folder is kept in {}", kept.display())));
        }
        return Err(e);
    }
    let _moved_away = made.keep();
    Ok(())
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Permissions of new files, before the user's umask: an output is as readable as any other file.
const FILE: u32 = 0o666;
const FOLDER: u32 = 0o777;
const PRIVATE: u32 = 0o700;

/// Names that start with a dot, which readers of a folder skip.
#[cfg_attr(not(unix), expect(unused_variables, reason = "permissions are inherited there"))]
fn unfinished(mode: u32) -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(".hyades-").suffix(".unfinished");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    builder
}

/// Makes renames durable. Only Unix can open a folder for that.
fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(folder).and_then(|f| f.sync_all()).map_err(|e| Error::io("sync the folder", folder, &e))?;
    }
    Ok(())
}

/// `path` with links and `..` resolved, as far as it exists.
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

/// Whether `input` is a pattern that `output` would match: the next run would read the output as input.
fn is_matched(input: &Path, output: &Path) -> bool {
    let absolute = std::path::absolute(input).unwrap_or_else(|_| input.to_path_buf());
    !input.exists() && glob::Pattern::new(&absolute.to_string_lossy()).is_ok_and(|p| p.matches_path(output))
}

/// The error for a folder that cannot be written: never a usage error, since the command itself is correct.
fn unwritable(action: &str, folder: &Path, source: &std::io::Error) -> Error {
    match Error::io(action, folder, source) {
        error @ Error::Usage(_) => {
            let text = format!("{error}; choose another path");
            Error::environment(text).of_kind(error.kind()).of_file(folder)
        }
        other => other,
    }
}
