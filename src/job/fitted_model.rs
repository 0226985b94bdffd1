//! The model that a job applies: a file, or the folder of a fit, whose files must be of one run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::outputs::MODEL;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Model;
use crate::output::{LABELS, MANIFEST, run_of_labels};

/// A folder may be replaced between two of its files being read: it is then read again, so many times.
const ATTEMPTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(50);

/// A model and the hash of its file.
pub(super) struct FittedModel {
    pub(super) model: Model,
    pub(super) file: PathBuf,
    /// The run that published it.
    pub(super) run: Option<String>,
    /// blake3 of the file.
    pub(super) blake3: String,
}

/// What a manifest says about the files beside it.
#[derive(Deserialize)]
struct FitRecord {
    command: String,
    run: Option<String>,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    outcome: FitHashes,
}

#[derive(Deserialize, Default)]
struct FitHashes {
    model_blake3: Option<String>,
}

impl FittedModel {
    /// Reads and verifies the model `path`, or that in the folder `path`. Where the record of its fit lies beside it,
    /// model, labels and record must belong together.
    ///
    /// # Errors
    /// Not a model or a damaged one, a folder without a fit, or files of different runs.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let file = if path.is_dir() { path.join(MODEL) } else { path.to_path_buf() };
        if path.is_dir() && !(file.is_file() && path.join(MANIFEST).is_file()) {
            let text = format!(
                "{} is not the folder of a fit: it lacks {MODEL} or {MANIFEST}; name the folder of a fit, or a model",
                path.display()
            );
            return Err(Error::usage(text).of_kind(ErrorKind::Model).of_file(path));
        }
        for _ in 1..ATTEMPTS {
            if let Ok(fitted) = Self::read_once(&file) {
                return Ok(fitted);
            }
            if record_of(&file).is_none() {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        Self::read_once(&file)
    }

    fn read_once(file: &Path) -> Result<Self> {
        let text = Model::read_text(file)?;
        let model = Model::load_text(file, &text)?;
        let blake3 = blake3::hash(text.as_bytes()).to_hex().to_string();
        let run = Model::run_of(&text);
        if let Some((folder, record)) = record_of(file) {
            let foreign = record.foreign(&folder, &blake3, run.as_deref());
            if let Some(name) = foreign {
                let text = format!(
                    "{} and {name} are not of the same run: files were copied or replaced one by one; take the whole \
                     folder of a fit, or copy the model alone to another place",
                    folder.join(MANIFEST).display()
                );
                return Err(Error::usage(text).of_kind(ErrorKind::Model).of_file(&folder.join(name)));
            }
        }
        Ok(FittedModel { model, file: file.to_path_buf(), run, blake3 })
    }
}

/// The folder of a model, and the record of the fit in it.
fn record_of(file: &Path) -> Option<(PathBuf, FitRecord)> {
    let folder = file.parent().filter(|_| file.file_name().is_some_and(|name| name == MODEL))?;
    let text = std::fs::read(folder.join(MANIFEST)).ok()?;
    let record: FitRecord = serde_json::from_slice(&text).ok()?;
    (record.command == "fit").then(|| (folder.to_path_buf(), record))
}

impl FitRecord {
    /// The first file in `folder` that is not of this run; a record of an earlier version of the program knows less.
    fn foreign(&self, folder: &Path, model_blake3: &str, model_run: Option<&str>) -> Option<String> {
        let same_model = self.outcome.model_blake3.as_deref().is_none_or(|known| known == model_blake3);
        if !same_model || (self.run.is_some() && self.run.as_deref() != model_run) {
            return Some(MODEL.to_owned());
        }
        let run = self.run.as_deref()?;
        let is_table = |name: &&String| Path::new(name).starts_with(LABELS) && name.ends_with(".parquet");
        let of_run = |name: &str| File::open(folder.join(name)).ok().and_then(run_of_labels).as_deref() == Some(run);
        self.files.iter().filter(is_table).find(|name| !of_run(name)).cloned()
    }
}
