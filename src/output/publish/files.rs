//! Single files with names that users choose, published together.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::exchange::exchange;
use super::{moment, place, unfinished};
use crate::error::{Error, Result};
use crate::faults;

/// Files to be published together. If dropped without [`commit`](Self::commit), nothing changes.
#[derive(Debug, Default)]
pub(crate) struct NewFiles {
    files: Vec<NewFile>,
    /// Folders created for them, outermost first; removed again if nothing is published.
    made: Vec<PathBuf>,
}

#[derive(Debug)]
struct NewFile {
    /// Its path as the user named it.
    path: PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// A file that will be renamed to this path.
    Renamed(NamedTempFile, PathBuf),
    /// A file that will be copied to a terminal, a pipe or a device.
    Copied(File),
}

/// Writes one file, which appears when it is complete. A link to a file is followed; a pipe or a device is written to.
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
    let mut files = NewFiles::default();
    files.add(path, &[])?;
    files.text(path, text)?;
    files.commit()
}

impl NewFiles {
    /// Adds a file in an existing folder. Checks that it can be written, and is none of the `arguments` that the run
    /// reads.
    pub(crate) fn add(&mut self, path: &Path, arguments: &[PathBuf]) -> Result<()> {
        place::refuse_url(path)?;
        if path.is_dir() || path.file_name().is_none() {
            return Err(place::is_folder(path));
        }
        place::refuse_dangling(path)?;
        let target = place::canonical(path);
        if arguments.iter().any(|given| place::source_of(given) == target || place::is_matched(given, &target)) {
            let text = format!("cannot write {}: this run reads it; choose another name", path.display());
            return Err(Error::usage(text).of_file(path));
        }
        let is_taken = |file: &NewFile| matches!(&file.content, Content::Renamed(_, other) if *other == target);
        if self.files.iter().any(is_taken) {
            let text = format!("cannot write {}: it is named for two outputs; choose another name", path.display());
            return Err(Error::usage(text).of_file(path));
        }
        let content = if takes_bytes(path)? {
            let copied = tempfile::tempfile().map_err(|e| Error::io("write in", &std::env::temp_dir(), &e))?;
            Content::Copied(copied)
        } else {
            let folder = place::parent(&target);
            let made = unfinished::file(folder);
            Content::Renamed(made.map_err(|e| place::unwritable("write in the folder", folder, &e))?, target)
        };
        self.files.push(NewFile { path: path.to_path_buf(), content });
        Ok(())
    }

    /// The table `out`, whose folder is created if necessary.
    pub(crate) fn of_table(out: &Path, arguments: &[PathBuf]) -> Result<Self> {
        place::refuse_url(out)?;
        if out.file_name().is_none() || out.as_os_str().to_string_lossy().ends_with('/') {
            return Err(Error::usage(format!(
                "--out {} does not name a file; give one such as customers.parquet",
                out.display()
            ))
            .of_option("--out"));
        }
        let folder = place::parent(out);
        if folder.exists() && !folder.is_dir() {
            return Err(Error::usage(format!(
                "--out {}: {} is a file, not a folder; choose another path",
                out.display(),
                folder.display()
            ))
            .of_file(folder)
            .of_option("--out"));
        }
        let target = place::canonical(out);
        let inside = |given: &&PathBuf| {
            let source = place::source_of(given);
            source == target || (source.is_dir() && target.starts_with(&source)) || place::is_matched(given, &target)
        };
        if let Some(input) = arguments.iter().find(inside) {
            let text = format!(
                "the output {} lies inside the input {}; choose a folder outside it",
                out.display(),
                input.display()
            );
            return Err(Error::usage(text).of_file(out).of_option("--out"));
        }
        let mut files = NewFiles { files: Vec::new(), made: place::create_folders(folder)? };
        files.add(out, arguments).map_err(|e| e.of_option("--out"))?;
        Ok(files)
    }

    /// The handle of a file that was added.
    pub(crate) fn file(&self, path: &Path) -> Result<File> {
        let missing = || Error::Internal(format!("{} is not among the outputs", path.display()));
        let file = self.files.iter().find(|file| file.path == path).ok_or_else(missing)?;
        let handle = match &file.content {
            Content::Renamed(file, _) => file.as_file(),
            Content::Copied(file) => file,
        };
        handle.try_clone().map_err(|e| Error::io("write", path, &e))
    }

    /// Fills a file that was added.
    pub(crate) fn text(&mut self, path: &Path, text: &str) -> Result<()> {
        let mut file = self.file(path)?;
        let written = faults::point("publish::write").and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(|e| Error::io("write", path, &e))
    }

    /// Syncs all files, then renames them. If one cannot be renamed, those before it are put back, where the file
    /// system can exchange names; elsewhere those that replaced a file stay.
    pub(crate) fn commit(mut self) -> Result<()> {
        for NewFile { path, content } in &self.files {
            if let Content::Renamed(file, _) = content {
                let synced = faults::point("publish::sync").and_then(|()| file.as_file().sync_all());
                synced.map_err(|e| Error::io("write", path, &e))?;
            }
        }
        let (copied, renamed): (Vec<_>, Vec<_>) =
            self.files.drain(..).partition(|file| matches!(file.content, Content::Copied(_)));
        rename_all(renamed)?;
        self.made.clear();
        for NewFile { path, content } in copied {
            if let Content::Copied(file) = content {
                copy(file, &path).map_err(|e| Error::io("write", &path, &e))?;
            }
        }
        Ok(())
    }
}

impl Drop for NewFiles {
    fn drop(&mut self) {
        self.files.clear();
        place::remove_folders(&self.made);
    }
}

/// A file with its new name.
struct Published {
    target: PathBuf,
    /// What had the name before, if it can be put back.
    earlier: Option<NamedTempFile>,
    is_new: bool,
}

/// Renames files, all or none.
fn rename_all(files: Vec<NewFile>) -> Result<()> {
    let _moment = moment::begin();
    let mut done: Vec<Published> = Vec::new();
    for NewFile { path, content } in files {
        let Content::Renamed(file, target) = content else { continue };
        let renamed = faults::point("publish::rename").and_then(|()| rename(file, target));
        match renamed {
            Ok(published) => done.push(published),
            Err(e) => {
                done.into_iter().rev().for_each(put_back);
                return Err(Error::io("publish", &path, &e));
            }
        }
    }
    let mut folders: Vec<&Path> = done.iter().map(|published| place::parent(&published.target)).collect();
    folders.dedup();
    let synced = folders.into_iter().try_for_each(place::sync_folder);
    if let Err(e) = synced {
        done.into_iter().rev().for_each(put_back);
        return Err(e);
    }
    Ok(())
}

/// Gives a file its name; what had it before is kept where names can be exchanged.
fn rename(file: NamedTempFile, target: PathBuf) -> io::Result<Published> {
    if target.is_file() {
        if exchange(file.path(), &target).is_ok() {
            return Ok(Published { target, earlier: Some(file), is_new: false });
        }
        file.persist(&target).map_err(|e| e.error)?;
        return Ok(Published { target, earlier: None, is_new: false });
    }
    file.persist(&target).map_err(|e| e.error)?;
    Ok(Published { target, earlier: None, is_new: true })
}

fn put_back(published: Published) {
    if let Some(earlier) = published.earlier {
        // Dropped, it removes what is then under its name: the new file.
        let _ = exchange(earlier.path(), &published.target);
    } else if published.is_new {
        let _ = fs::remove_file(&published.target);
    }
}

/// Whether a path is a terminal, a pipe or a device, into which bytes are written.
///
/// # Errors
/// A disk or a socket.
fn takes_bytes(path: &Path) -> Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let Ok(found) = fs::metadata(path) else { return Ok(false) };
        if found.file_type().is_block_device() || found.file_type().is_socket() {
            let text = format!("cannot write {}: it is a disk or a socket; name a file", path.display());
            return Err(Error::usage(text).of_file(path));
        }
        Ok(own_stream(path).is_some() || !found.is_file())
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(false)
    }
}

/// The stream of this process that a path stands for, which may be a file that others have opened.
#[cfg(unix)]
fn own_stream(path: &Path) -> Option<io::Result<File>> {
    use std::os::fd::AsFd;
    let fd = match path.to_str()? {
        "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => std::io::stdout().as_fd().try_clone_to_owned(),
        "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" => std::io::stderr().as_fd().try_clone_to_owned(),
        _ => return None,
    };
    Some(fd.map(File::from))
}

/// Copies a complete file into what is no file.
fn copy(mut file: File, path: &Path) -> io::Result<()> {
    file.rewind()?;
    #[cfg(unix)]
    let own = own_stream(path);
    #[cfg(not(unix))]
    let own: Option<io::Result<File>> = None;
    let mut to = own.unwrap_or_else(|| File::options().write(true).open(path))?;
    io::copy(&mut file, &mut to).map(|_| ())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_and_devices_stay() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "earlier").unwrap();
        symlink("file", at("link")).unwrap();
        publish_text(&at("link"), "new").unwrap();
        assert!(at("link").is_symlink());
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "new");
        symlink("nowhere", at("dangling")).unwrap();
        let refused = publish_text(&at("dangling"), "new").unwrap_err().to_string();
        assert!(refused.contains("is a link to something that does not exist"), "{refused}");
        symlink("/dev/null", at("null")).unwrap();
        publish_text(&at("null"), "new").unwrap();
        assert!(at("null").is_symlink() && !Path::new("/dev/null").is_file());
        let refused = publish_text(Path::new("s3://bucket/report.json"), "new").unwrap_err();
        assert_eq!(refused.exit_code(), 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing unfinished is left");
    }

    #[test]
    fn all_files_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("first"), "earlier").unwrap();
        let mut files = NewFiles::default();
        for name in ["first", "second", "third"] {
            files.add(&at(name), &[]).unwrap();
            files.text(&at(name), "new").unwrap();
        }
        // A folder cannot be replaced by a file.
        fs::create_dir(at("third")).unwrap();
        fs::write(at("third/x"), "").unwrap();
        files.commit().unwrap_err();
        assert_eq!(fs::read_to_string(at("first")).unwrap(), "earlier");
        assert!(!at("second").exists());
    }
}
