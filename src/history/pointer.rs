//! The pointer to the current version.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::record::FORMAT;
use crate::error::{Error, ErrorKind, Result};
use crate::output::NewFiles;

/// The name of its file.
pub(super) const CURRENT: &str = "current.json";

/// The version that readers read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// Its number.
    pub version: u64,
    /// Its hash.
    pub blake3: String,
}

#[derive(Serialize)]
struct PointerFile<'a> {
    format: u32,
    #[serde(flatten)]
    pointer: &'a Pointer,
}

impl Pointer {
    /// Reads the pointer of the history in `folder`; None before the first publication.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(CURRENT);
        let text = match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|e| Error::io("read", &path, &e))?,
        };
        let json: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
        let format = json.as_ref().and_then(|json| json["format"].as_u64());
        if let Some(format) = format.filter(|format| *format > u64::from(FORMAT)) {
            let text = format!(
                "{}: its format is {format}, and this program reads up to {FORMAT}; use a newer hyades",
                path.display()
            );
            return Err(Error::usage(text).of_kind(ErrorKind::Corrupt).of_file(&path));
        }
        let pointer = json.filter(|_| format.is_some()).and_then(|json| serde_json::from_value(json).ok());
        pointer.map(Some).ok_or_else(|| {
            let text = format!(
                "{} is damaged: expected an object with format, version and blake3; restore it from a backup, or write \
                 what hyades history verify says that it should hold",
                path.display()
            );
            Error::input(text).of_kind(ErrorKind::Corrupt).of_file(&path)
        })
    }

    /// The text of the pointer's file.
    pub(super) fn text(&self) -> Result<String> {
        let text = serde_json::to_string(&PointerFile { format: FORMAT, pointer: self });
        Ok(text.map_err(|e| Error::Internal(e.to_string()))? + "\n")
    }

    /// Writes the pointer beside its place. Committing it moves the pointer, durably or not at all.
    pub(super) fn prepare(&self, folder: &Path) -> Result<NewFiles> {
        let path = folder.join(CURRENT);
        let mut files = NewFiles::default();
        files.add(&path, &[])?;
        files.text(&path, &self.text()?)?;
        Ok(files)
    }
}
