//! The files of a job, published as one folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::exchange::{exchange, is_mount, is_unsupported};
use super::unfinished::{self, UnfinishedFolder};
use super::{earlier, moment, place, versions};
use crate::error::{Error, Result};
use crate::faults;

/// The content of a folder, to replace what an earlier run published there. If dropped without
/// [`commit`](Self::commit), nothing changes.
#[derive(Debug)]
pub(crate) struct Publication {
    /// The folder as the user named it, for messages, and as the system sees it.
    out: PathBuf,
    target: PathBuf,
    command: &'static str,
    /// Folders created for it, outermost first; removed again if nothing is published.
    made: Vec<PathBuf>,
    unfinished: UnfinishedFolder,
    /// Whether the unfinished folder lies beside the target, not in it.
    beside: bool,
    names: Mutex<Vec<String>>,
}

impl Publication {
    /// For a run of `command` that reads `arguments`: creates the folder if necessary, and checks that it can be
    /// written and holds nothing that would be lost, except for an earlier output.
    pub(crate) fn new(out: &Path, command: &'static str, arguments: &[PathBuf]) -> Result<Self> {
        place::refuse_url(out)?;
        place::refuse_dangling(out).map_err(|e| e.of_option("--out"))?;
        let target = place::canonical(out);
        if out.exists() && !out.is_dir() {
            return Err(Error::usage(format!("the output {} is a file; --out names a folder", out.display()))
                .of_file(out)
                .of_option("--out"));
        }
        arguments.iter().try_for_each(|argument| apart(out, &target, argument))?;
        let made = place::create_folders(&target)?;
        let unfinished = earlier::vet(&target, out, command).and_then(|()| room(&target, out));
        match unfinished {
            Ok((unfinished, beside)) => {
                let out = out.to_path_buf();
                Ok(Publication { out, target, command, made, unfinished, beside, names: Mutex::default() })
            }
            Err(e) => {
                place::remove_folders(&made);
                Err(e)
            }
        }
    }

    /// An empty file that will be published as `name`, relative to the folder. Requesting a name again starts the file
    /// over.
    pub(crate) fn file(&self, name: &str) -> Result<File> {
        let path = self.path(name);
        let fail = |e: io::Error| Error::io("write", &self.shown(name), &e);
        faults::point("publish::create").map_err(fail)?;
        fs::create_dir_all(place::parent(&path)).map_err(fail)?;
        let file = File::create(&path).map_err(fail)?;
        let mut names = self.known();
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
        Ok(file)
    }

    /// Where the file `name` is until it is published.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.unfinished.path().join(name)
    }

    /// What messages call the file `name`.
    pub(crate) fn shown(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    fn known(&self) -> MutexGuard<'_, Vec<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A whole text file that will be published as `name`.
    pub(crate) fn text(&self, name: &str, text: &str) -> Result<()> {
        let mut file = self.file(name)?;
        let written = faults::point("publish::write").and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(|e| Error::io("write", &self.shown(name), &e))
    }

    /// Removes the files below `folder` that were requested before.
    pub(crate) fn restart(&self, folder: &str) -> Result<()> {
        let within = format!("{folder}/");
        self.known().retain(|name| !name.starts_with(&within));
        match fs::remove_dir_all(self.unfinished.path().join(folder)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("write", &self.out.join(folder), &e)),
            _ => Ok(()),
        }
    }

    /// The files of the output so far, and the manifest, which lists them.
    pub(crate) fn names(&self) -> Vec<String> {
        let manifest = earlier::MANIFEST.to_owned();
        let mut names = self.known().clone();
        if !names.contains(&manifest) {
            names.push(manifest);
        }
        names
    }

    /// Syncs all files, then publishes them in one step. On failure an earlier output is as it was.
    pub(crate) fn commit(mut self) -> Result<()> {
        self.sync()?;
        let holder = if self.beside { place::parent(&self.target) } else { &self.target };
        let _lock = unfinished::lock(holder).map_err(|e| Error::io("publish in", holder, &e))?;
        let _moment = moment::begin();
        // Others may have put something there in the meantime.
        earlier::vet(&self.target, &self.out, self.command)?;
        self.keep_permissions();
        if self.beside {
            match self.exchange() {
                Err(e) if is_unsupported(&e) && self.displaces_nothing() => self.rename()?,
                Err(e) if is_unsupported(&e) => versions::publish(self.unfinished.path(), &self.target)?,
                Err(e) => return Err(Error::io("publish", &self.out, &e)),
                Ok(()) => {}
            }
        } else {
            versions::publish(self.unfinished.path(), &self.target)?;
        }
        self.made.clear();
        let _ = faults::point("publish::remove");
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        let mut folders = vec![self.unfinished.path().to_path_buf()];
        for name in self.known().iter() {
            let path = self.path(name);
            let synced = File::options().write(true).open(&path).and_then(|file| {
                faults::point("publish::sync")?;
                file.sync_all()
            });
            synced.map_err(|e| Error::io("write", &self.shown(name), &e))?;
            folders
                .extend(path.ancestors().skip(1).take_while(|f| *f != self.unfinished.path()).map(Path::to_path_buf));
        }
        folders.sort();
        folders.dedup();
        folders.iter().try_for_each(|folder| place::sync_folder(folder))
    }

    /// The new folder is as open to others as the one before.
    fn keep_permissions(&self) {
        if self.made.last() != Some(&self.target)
            && let Ok(earlier) = fs::metadata(&self.target)
        {
            // Not everybody may, and the result is an output that is as open as any other file.
            let _ = fs::set_permissions(self.unfinished.path(), earlier.permissions());
        }
    }

    /// Whether the folder is empty, so that a plain rename puts another one in its place.
    fn displaces_nothing(&self) -> bool {
        fs::read_dir(&self.target).is_ok_and(|mut entries| entries.next().is_none())
    }

    fn rename(&self) -> Result<()> {
        let fail = |e: io::Error| Error::io("publish", &self.out, &e);
        // Only Unix renames over an empty folder.
        if cfg!(not(unix)) {
            fs::remove_dir(&self.target).map_err(fail)?;
        }
        fs::rename(self.unfinished.path(), &self.target).map_err(fail)?;
        place::sync_folder(place::parent(&self.target))
    }

    /// Exchanges the new folder and the earlier one, durably or not at all; the earlier one is then removed as the
    /// unfinished folder.
    fn exchange(&self) -> io::Result<()> {
        faults::point("publish::exchange")?;
        exchange(self.unfinished.path(), &self.target)?;
        let synced = faults::point("publish::sync_folder")
            .and_then(|()| place::sync_folder(place::parent(&self.target)).map_err(io::Error::other));
        synced.or_else(|e| match exchange(self.unfinished.path(), &self.target) {
            Ok(()) => Err(e),
            Err(back) => Err(io::Error::other(format!(
                "{e}; the new output is published all the same, since the earlier one could not be put back: {back}"
            ))),
        })
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        // Before the folders that it lies in. After an exchange, it is the earlier output.
        let _ = fs::remove_dir_all(self.unfinished.path());
        place::remove_folders(&self.made);
    }
}

/// Refuses an output that lies in an input, or holds one.
fn apart(out: &Path, target: &Path, argument: &Path) -> Result<()> {
    let source = place::source_of(argument);
    let inside = source.is_dir() && target.starts_with(&source);
    let labels = target.join("segments/part-00000.parquet");
    let why = if inside || place::is_matched(argument, &labels) {
        "lies inside the input"
    } else if source.exists() && source.starts_with(target) {
        "holds a file that this run reads,"
    } else {
        return Ok(());
    };
    let text = format!("the output {} {why} {}; choose a folder outside it", out.display(), argument.display());
    Err(Error::usage(text).of_file(out).of_option("--out"))
}

/// A folder for unfinished files on the file system of `target`: beside it, or in it where it cannot be exchanged. The
/// second value says whether it is beside.
fn room(target: &Path, out: &Path) -> Result<(UnfinishedFolder, bool)> {
    let within = || UnfinishedFolder::new(target).map_err(|e| place::unwritable("write in the folder", out, &e));
    // A shell that is in the folder would be left in the one that is removed.
    let is_in_use = std::env::current_dir().is_ok_and(|current| current.starts_with(target));
    if is_mount(target) || is_in_use {
        return Ok((within()?, false));
    }
    match UnfinishedFolder::new(place::parent(target)) {
        Ok(unfinished) => Ok((unfinished, true)),
        Err(e) if [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem].contains(&e.kind()) => {
            Ok((within()?, false))
        }
        Err(e) => Err(place::unwritable("write beside the folder", out, &e)),
    }
}
