//! A table in one file or in a folder of parts.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::exchange::exchange;
use super::place::{create_folders, is_folder, parent, refuse_dangling, refuse_url, remove_folders, sync_folder};
use super::unfinished::{self, UnfinishedFolder};
use super::{NewFiles, moment};
use crate::error::{Error, Result};

/// A table of several files to be published. If dropped without [`commit`](Self::commit), it is removed.
#[derive(Debug)]
pub(crate) enum PartedTable {
    /// One file.
    File { files: NewFiles, out: PathBuf },
    /// A folder of parts, which replaces an earlier folder of parts as a whole.
    Folder { folder: UnfinishedFolder, parts: usize, out: PathBuf, _above: MadeFolders },
}

/// Folders that were made for a table. Dropped, those that are empty are removed: nothing was published in them.
#[derive(Debug)]
pub(crate) struct MadeFolders(Vec<PathBuf>);

impl Drop for MadeFolders {
    fn drop(&mut self) {
        remove_folders(&self.0);
    }
}

impl PartedTable {
    /// A file named `out`, or a folder of that name if there are several `parts`.
    pub(crate) fn new(out: &Path, parts: usize) -> Result<Self> {
        check_place(out, parts)?;
        let fail = |e| Error::io("create a file in", parent(out), &e);
        let (at, out) = (parent(out), out.to_path_buf());
        Ok(match parts {
            1 => {
                let mut files = NewFiles::default();
                files.add(&out, &[])?;
                PartedTable::File { files, out }
            }
            _ => {
                let _above = MadeFolders(create_folders(at)?);
                PartedTable::Folder { folder: UnfinishedFolder::new(at).map_err(fail)?, parts, out, _above }
            }
        })
    }

    /// File number `part`, to be written and synced.
    pub(crate) fn open(&self, part: usize) -> Result<File> {
        match self {
            PartedTable::File { files, out } => files.file(out),
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
        match self {
            PartedTable::File { files, .. } => files.commit(),
            PartedTable::Folder { folder, out, .. } => {
                sync_folder(folder.path())?;
                replace_folder(&folder, &out).map_err(|e| Error::io("replace", &out, &e))?;
                sync_folder(parent(&out))
            }
        }
    }
}

fn part_name(part: usize) -> String {
    format!("part-{part:05}.parquet")
}

/// Refuses a path that holds anything but earlier parts, since a folder is replaced with everything in it.
fn check_place(out: &Path, parts: usize) -> Result<()> {
    refuse_url(out)?;
    if out.file_name().is_none() {
        let text = format!("cannot write to {}: give the name of a file or folder", out.display());
        return Err(Error::usage(text).of_file(out));
    }
    refuse_dangling(out)?;
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
        // Other programs write data sets with parts of similar names, such as part-0.parquet.
        let number = name.to_str().and_then(|n| n.strip_prefix("part-")?.strip_suffix(".parquet"));
        if !number.is_some_and(|n| n.len() >= 5 && n.bytes().all(|b| b.is_ascii_digit())) {
            return Err(Error::usage(format!(
                "cannot replace the folder {}: it holds {}, which is no part that this program wrote; remove it or choose another \
                 folder",
                out.display(),
                name.display()
            ))
            .of_file(out));
        }
    }
    Ok(())
}

/// Puts a folder in the place of an earlier one: in one step where names can be exchanged. Elsewhere the earlier one is
/// moved aside, since a folder cannot be renamed over one that holds files, and restored on failure.
fn replace_folder(made: &UnfinishedFolder, out: &Path) -> io::Result<()> {
    let _moment = moment::begin();
    if !out.exists() {
        return fs::rename(made.path(), out);
    }
    if exchange(made.path(), out).is_ok() {
        return Ok(());
    }
    let aside = unfinished::aside(parent(out))?;
    let earlier = aside.path().join("earlier");
    fs::rename(out, &earlier)?;
    if let Err(e) = fs::rename(made.path(), out) {
        if fs::rename(&earlier, out).is_err() {
            let kept = aside.keep();
            return Err(io::Error::other(format!("{e}; the earlier folder is kept in {}", kept.display())));
        }
        return Err(e);
    }
    Ok(())
}
