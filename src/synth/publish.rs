//! Output that appears complete or not at all: made beside its final place, synced, then renamed over it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempDir};

use crate::error::{Error, Result};

/// Output in the making. Dropping it removes what was made.
#[derive(Debug)]
pub(super) enum Staging {
    /// One file.
    File { file: NamedTempFile, out: PathBuf },
    /// A folder of parts.
    Folder { folder: TempDir, parts: usize, out: PathBuf },
}

impl Staging {
    /// A file named `out`, or a folder of that name if there are several `files`.
    pub(super) fn new(out: &Path, files: usize) -> Result<Self> {
        check_place(out, files)?;
        let parent = parent(out);
        let action = "create a file in";
        if files == 1 {
            let file = builder(0o666).tempfile_in(parent).map_err(|e| Error::io(action, parent, &e))?;
            Ok(Staging::File { file, out: out.to_owned() })
        } else {
            let folder = builder(0o777).tempdir_in(parent).map_err(|e| Error::io(action, parent, &e))?;
            Ok(Staging::Folder { folder, parts: files, out: out.to_owned() })
        }
    }

    /// File number `part`, to be written.
    pub(super) fn open(&self, part: usize) -> Result<File> {
        match self {
            Staging::File { file, out } => file.as_file().try_clone().map_err(|e| Error::io("write", out, &e)),
            Staging::Folder { folder, out, .. } => {
                File::create(folder.path().join(part_name(part))).map_err(|e| Error::io("create files in", out, &e))
            }
        }
    }

    /// The paths that the files will have.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        match self {
            Staging::File { out, .. } => vec![out.clone()],
            Staging::Folder { parts, out, .. } => (0..*parts).map(|part| out.join(part_name(part))).collect(),
        }
    }

    /// Puts the output, whose files are written and synced, in its place.
    pub(super) fn publish(self) -> Result<()> {
        match self {
            Staging::File { file, out } => {
                file.persist(&out).map_err(|e| Error::io("replace", &out, &e.error))?;
                sync_folder(parent(&out))
            }
            Staging::Folder { folder, out, .. } => {
                sync_folder(folder.path())?;
                replace_folder(folder, &out).map_err(|e| Error::io("replace", &out, &e))?;
                sync_folder(parent(&out))
            }
        }
    }
}

fn part_name(part: usize) -> String {
    format!("part-{part:05}.parquet")
}

/// Refuses a place that holds something else than an earlier bank: a folder is replaced with all that is in it.
fn check_place(out: &Path, files: usize) -> Result<()> {
    if out.file_name().is_none() {
        return Err(Error::usage(format!("cannot write to {}: give the name of a file or folder", out.display())));
    }
    if files == 1 {
        return match out.is_dir() {
            true => Err(Error::usage(format!("cannot write {}: it is a folder; name a file in it", out.display()))),
            false => Ok(()),
        };
    }
    let entries = match std::fs::read_dir(out) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("replace the folder", out, &e)),
    };
    for entry in entries {
        let name = entry.map_err(|e| Error::io("read", out, &e))?.file_name();
        if !name.to_str().is_some_and(|n| n.starts_with("part-") && n.ends_with(".parquet")) {
            return Err(Error::usage(format!(
                "cannot replace the folder {}: it holds {}, which is no part of a bank; remove that or choose another \
                 folder",
                out.display(),
                name.display()
            )));
        }
    }
    Ok(())
}

/// A folder cannot be renamed over one that holds files: the earlier one steps aside and comes back on failure.
fn replace_folder(made: TempDir, out: &Path) -> io::Result<()> {
    let aside = builder(0o700).tempdir_in(parent(out))?;
    let earlier = aside.path().join("earlier");
    let had_one = match std::fs::rename(out, &earlier) {
        Ok(()) => true,
        Err(e) if e.kind() == io::ErrorKind::NotFound => false,
        Err(e) => return Err(e),
    };
    if let Err(e) = std::fs::rename(made.path(), out) {
        if had_one && std::fs::rename(&earlier, out).is_err() {
            let kept = aside.keep();
            return Err(io::Error::other(format!("{e}; the earlier folder is kept in {}", kept.display())));
        }
        return Err(e);
    }
    let _moved_away = made.keep();
    Ok(())
}

fn parent(out: &Path) -> &Path {
    out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Names that start with a dot, which readers of a folder pass over.
#[cfg_attr(not(unix), expect(unused_variables, reason = "permissions are inherited there"))]
fn builder(mode: u32) -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(".hyades-").suffix(".tmp");
    // The umask applies, so the output is as readable as any other file; the default is the owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    builder
}

/// Makes a rename last. Only Unix can open a folder for that.
fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(folder).and_then(|f| f.sync_all()).map_err(|e| Error::io("sync", folder, &e))?;
    }
    Ok(())
}
