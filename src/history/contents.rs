//! The files of a version and their hash.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::output::sync_folder;
use crate::text::shown;

/// The file of a version that may differ between machines: times, device, threads. No hash covers it.
const RUN: &str = "run.json";

/// A file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFile {
    /// Its path in the version's folder, with `/` between names.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its blake3.
    pub blake3: String,
}

/// All files of a version.
#[derive(Debug, Clone)]
pub(super) struct Contents {
    /// All files but `run.json`, sorted by path.
    pub(super) files: Vec<ListedFile>,
    /// `run.json`, if there is one.
    pub(super) run: Option<ListedFile>,
}

impl Contents {
    /// Reads the files of a folder.
    pub(super) fn of(folder: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        collect(folder, "", &mut paths)?;
        let listed: Result<Vec<ListedFile>> = paths.into_par_iter().map(|path| listed(folder, path)).collect();
        let mut files = listed?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let run = files.iter().position(|file| file.path == RUN).map(|at| files.remove(at));
        Ok(Contents { files, run })
    }

    /// The hash of the version.
    pub(super) fn blake3(&self) -> String {
        hash(&self.files)
    }

    /// What differs from the files that were sealed: missing, changed and additional ones, by path.
    pub(super) fn differences(&self, files: &[ListedFile], run: Option<&ListedFile>) -> Vec<(String, &'static str)> {
        let by_path = |files: &[ListedFile], run: Option<&ListedFile>| -> BTreeMap<String, (u64, String)> {
            files.iter().chain(run).map(|f| (f.path.clone(), (f.bytes, f.blake3.clone()))).collect()
        };
        let (now, then) = (by_path(&self.files, self.run.as_ref()), by_path(files, run));
        let mut found: Vec<(String, &'static str)> = Vec::new();
        for (path, sealed) in &then {
            match now.get(path) {
                None => found.push((path.clone(), "is missing")),
                Some(file) if file != sealed => found.push((path.clone(), "was changed")),
                Some(_) => {}
            }
        }
        let is_extra = |path: &&String| !then.contains_key(*path);
        found.extend(now.keys().filter(is_extra).map(|path| (path.clone(), "was added")));
        found.sort();
        found
    }
}

/// The hash that a version with the files of this folder would have.
pub(crate) fn folder_hash(folder: &Path) -> Result<String> {
    Ok(Contents::of(folder)?.blake3())
}

/// blake3 of one line `<blake3> <bytes> <path>` for each file, sorted by path, so that it can be computed without this
/// program.
pub(super) fn hash(files: &[ListedFile]) -> String {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        hasher.update(format!("{} {} {}\n", file.blake3, file.bytes, file.path).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// Makes all files of a folder durable, and the folders.
pub(super) fn sync(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|e| Error::io("read the folder", folder, &e))? {
        let path = entry.map_err(|e| Error::io("read the folder", folder, &e))?.path();
        if path.is_dir() {
            sync(&path)?;
        } else {
            let synced = File::open(&path).and_then(|file| file.sync_all());
            synced.map_err(|e| Error::io("write", &path, &e))?;
        }
    }
    sync_folder(folder)
}

/// Adds the paths of the files in `folder`, below `within`.
fn collect(folder: &Path, within: &str, paths: &mut Vec<String>) -> Result<()> {
    let at = folder.join(within);
    for entry in fs::read_dir(&at).map_err(|e| Error::io("read the folder", &at, &e))? {
        let entry = entry.map_err(|e| Error::io("read the folder", &at, &e))?;
        let kind = entry.file_type().map_err(|e| Error::io("read", &entry.path(), &e))?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.chars().any(char::is_control)) else {
            return Err(unusable(&entry.path(), "its name is not UTF-8, or has control characters"));
        };
        let path = if within.is_empty() { name.to_owned() } else { format!("{within}/{name}") };
        match kind {
            kind if kind.is_dir() => collect(folder, &path, paths)?,
            kind if kind.is_file() => paths.push(path),
            _ => return Err(unusable(&entry.path(), "it is neither a file nor a folder")),
        }
    }
    Ok(())
}

fn unusable(path: &Path, why: &str) -> Error {
    let text = format!("{} cannot belong to a version: {why}; remove it", shown(&path.to_string_lossy()));
    Error::input(text).of_kind(ErrorKind::Corrupt).of_file(path)
}

fn listed(folder: &Path, path: String) -> Result<ListedFile> {
    let at: PathBuf = folder.join(&path);
    let mut hasher = blake3::Hasher::new();
    let read = File::open(&at).and_then(|file| hasher.update_reader(file).map(|_| ()));
    read.map_err(|e| Error::io("read", &at, &e))?;
    Ok(ListedFile { path, bytes: hasher.count(), blake3: hasher.finalize().to_hex().to_string() })
}
