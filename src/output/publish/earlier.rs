//! What is in a folder before a run replaces it: nothing, or the output of an earlier run, which its manifest lists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::unfinished::HIDDEN;
use crate::error::{Error, Result};

/// The record of a run, in its folder.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The command that makes the lists of a campaign, which replace only other lists.
const LISTS: &str = "campaign lists";

/// The files of runs whose manifest does not list them.
const FORMER: [&str; 4] = ["segments.parquet", "model.json", "audit.json", MANIFEST];

/// What a manifest says about its folder.
#[derive(Deserialize)]
struct Listed {
    command: String,
    #[serde(default)]
    files: Vec<String>,
}

/// Refuses a folder that holds anything but the output of an earlier run. `command` is what will replace it; `out` is
/// the folder's name in messages.
///
/// # Errors
/// A file that no manifest lists, or a fit that an `assign` would remove.
pub(super) fn vet(folder: &Path, out: &Path, command: &str) -> Result<()> {
    let of_its_kind = |earlier: &Listed| (earlier.command == LISTS) == (command == LISTS);
    let listed = listed(folder).filter(of_its_kind);
    if let Some(earlier) = &listed
        && (earlier.command.as_str(), command) == ("fit", "assign")
    {
        let text = format!(
            "the output {} holds a fit, and its model would be lost; choose another folder for the labels",
            out.display()
        );
        return Err(Error::usage(text).of_file(out).of_option("--out"));
    }
    let files: BTreeSet<PathBuf> = listed.map_or_else(BTreeSet::new, |earlier| match earlier.files.as_slice() {
        [] => FORMER.iter().map(PathBuf::from).collect(),
        files => files.iter().map(PathBuf::from).collect(),
    });
    match stranger(folder, Path::new(""), &files).map_err(|e| Error::io("read the folder", out, &e))? {
        None => Ok(()),
        Some(name) => Err(Error::usage(format!(
            "the output {} holds {}, which is not of an earlier run; a run replaces its folder as a whole: choose a new \
             or an empty folder, or move that away",
            out.display(),
            name.display()
        ))
        .of_file(&out.join(name))
        .of_option("--out")),
    }
}

/// What the manifest of a run of this program says.
fn listed(folder: &Path) -> Option<Listed> {
    let text = fs::read(folder.join(MANIFEST)).ok()?;
    let listed: Listed = serde_json::from_slice(&text).ok()?;
    ["fit", "assign", LISTS].contains(&listed.command.as_str()).then_some(listed)
}

/// The first file in `folder`, by name, that is not among `files`. `within` is where in the output that folder is.
fn stranger(folder: &Path, within: &Path, files: &BTreeSet<PathBuf>) -> std::io::Result<Option<PathBuf>> {
    let mut names: Vec<_> =
        fs::read_dir(folder.join(within))?.map(|e| Ok(e?.file_name())).collect::<Result<_, std::io::Error>>()?;
    names.sort();
    for name in names {
        let at = within.join(&name);
        let is_hidden = within.as_os_str().is_empty() && name.to_str().is_some_and(|name| name.starts_with(HIDDEN));
        if is_hidden || files.contains(&at) {
            continue;
        }
        let is_part_of_ours = files.iter().any(|file| file.starts_with(&at));
        if !is_part_of_ours || !folder.join(&at).is_dir() {
            return Ok(Some(at));
        }
        if let Some(found) = stranger(folder, &at, files)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_files_may_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let vetted = |command| vet(folder.path(), Path::new("out"), command).map_err(|e| e.to_string());
        assert!(vetted("fit").is_ok(), "an empty folder");
        fs::write(at(".hyades-x.unfinished"), "").unwrap();
        assert!(vetted("fit").is_ok(), "what a killed run left");
        fs::write(at("notes.txt"), "").unwrap();
        assert!(vetted("fit").unwrap_err().contains("holds notes.txt, which is not of an earlier run"));
        fs::remove_file(at("notes.txt")).unwrap();
        // The layout before `files`.
        fs::write(at("segments.parquet"), "").unwrap();
        assert!(vetted("fit").unwrap_err().contains("segments.parquet"), "without a manifest it is somebody's");
        fs::write(at("manifest.json"), r#"{"command": "check"}"#).unwrap();
        assert!(vetted("fit").unwrap_err().contains("manifest.json"));
        fs::write(at("manifest.json"), r#"{"command": "assign", "outcome": {}}"#).unwrap();
        assert!(vetted("fit").is_ok() && vetted("assign").is_ok());
        fs::create_dir(at("segments")).unwrap();
        assert!(vetted("fit").unwrap_err().contains("holds segments,"));
        fs::remove_file(at("segments.parquet")).unwrap();
        let manifest = r#"{"command": "fit", "files": ["segments/part-00000.parquet", "manifest.json"]}"#;
        fs::write(at("manifest.json"), manifest).unwrap();
        fs::write(at("segments/part-00000.parquet"), "").unwrap();
        assert!(vetted("fit").is_ok());
        assert!(vetted("assign").unwrap_err().contains("holds a fit, and its model would be lost"));
        assert!(vetted("campaign lists").unwrap_err().contains("which is not of an earlier run"));
        fs::write(at("segments/part-00001.parquet"), "").unwrap();
        assert!(vetted("fit").unwrap_err().contains("part-00001.parquet, which is not of an earlier run"));
    }
}
