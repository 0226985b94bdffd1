//! What a path of a labelling means: where its labels are, and what is known of how they were made.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::history::History;
use crate::job::of_folder;
use crate::output::{IDENTITY_COLUMN, MANIFEST};

/// What a labelling is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabellingKind {
    /// The folder of a fit.
    Fit,
    /// The folder of an assign.
    Assign,
    /// A version of a history.
    Version,
    /// A table with a column of segments.
    Table,
}

/// Where a labelling is.
#[derive(Debug, Clone)]
pub(super) struct LabellingPlace {
    pub(super) kind: LabellingKind,
    /// The number of a version that was named by its history.
    pub(super) version: Option<u64>,
    /// The table of labels.
    pub(super) table: PathBuf,
    /// The model beside it.
    pub(super) model: Option<PathBuf>,
    pub(super) made: LabellingOrigin,
}

/// What manifest and model say of how a labelling was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LabellingOrigin {
    /// The algorithms of the parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// Seconds of all stages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Bytes of memory that the job planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The least and the largest adjusted Rand index of a start and the result, over all parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts: Option<[f64; 2]>,
    /// Fits of resampled customers, from which the stability of segments comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicates: Option<u64>,
    #[serde(skip)]
    pub(super) id: Option<String>,
    /// By number of the segment.
    #[serde(skip)]
    pub(super) stability: Vec<Option<f64>>,
}

impl LabellingPlace {
    /// What the path means.
    ///
    /// # Errors
    /// A version that does not exist, or a history without one.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let (history, wanted) = versioned(path);
        if !history.join("versions").is_dir() {
            return Ok(Self::in_folder(path, None));
        }
        let history = History::open(&history)?;
        let version = match wanted {
            Some(version) => history.vet(version)?.version,
            None => history.current()?.map(|pointer| pointer.version).ok_or_else(|| {
                let text = format!("{} has no current version; name one, as in HISTORY@v3", path.display());
                Error::input(text).of_kind(ErrorKind::NotFound).of_file(path)
            })?,
        };
        Ok(Self::in_folder(&history.folder(version), Some(version)))
    }

    fn in_folder(path: &Path, version: Option<u64>) -> Self {
        let table = of_folder(path);
        let manifest = (table != path).then(|| json(&path.join(MANIFEST))).flatten();
        let kind = match manifest.as_ref().and_then(|manifest| manifest["command"].as_str()) {
            _ if version.is_some() || path.join("identity.json").is_file() => LabellingKind::Version,
            Some("assign") => LabellingKind::Assign,
            _ if table != path => LabellingKind::Fit,
            _ => LabellingKind::Table,
        };
        let file = path.join("model.json");
        let model = (table != path).then(|| json(&file)).flatten();
        let made = LabellingOrigin::of(manifest.as_ref(), model.as_ref());
        LabellingPlace { kind, version, table, model: model.map(|_| file), made }
    }

    /// The column of segments, unless another is named.
    pub(super) fn column(&self) -> &'static str {
        if self.kind == LabellingKind::Version { IDENTITY_COLUMN } else { "segment" }
    }
}

/// The folder of a history, and the version if the path ends in one.
fn versioned(path: &Path) -> (PathBuf, Option<u64>) {
    let named = || {
        let (folder, version) = path.to_str()?.rsplit_once("@v")?;
        Some((PathBuf::from(folder), Some(version.parse().ok()?)))
    };
    let is_there = path.exists();
    named().filter(|(folder, _)| !is_there && folder.is_dir()).unwrap_or_else(|| (path.to_path_buf(), None))
}

/// A file of JSON; None if there is none. What a labelling is compared by does not depend on it.
fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

impl LabellingOrigin {
    fn of(manifest: Option<&Value>, model: Option<&Value>) -> Self {
        let mut found = LabellingOrigin::default();
        if let Some(manifest) = manifest {
            let stages = manifest["stages"].as_array();
            found.seconds = stages.map(|all| all.iter().filter_map(|stage| stage["seconds"].as_f64()).sum());
            found.memory_bytes = manifest["plan"]["memory_bytes"].as_u64();
        }
        if let Some(model) = model.map(|envelope| &envelope["model"]) {
            found.id = model["provenance"]["id_column"].as_str().map(str::to_owned);
            found.add_parts(model["parts"].as_array().map_or(&[], Vec::as_slice));
        }
        found
    }

    fn add_parts(&mut self, parts: &[Value]) {
        let mut algorithms: Vec<&str> = Vec::new();
        for part in parts {
            let fitted = &part["fitted"];
            if let Some(algorithm) = fitted["algorithm"].as_str().filter(|name| !algorithms.contains(name)) {
                algorithms.push(algorithm);
            }
            let starts = fitted["starts_"].as_array().into_iter().flatten();
            for agreement in starts.filter_map(|start| start["adjusted_rand"].as_f64()) {
                let [least, most] = self.starts.unwrap_or([agreement; 2]);
                self.starts = Some([least.min(agreement), most.max(agreement)]);
            }
            let stability = &fitted["stability_"];
            self.replicates = self.replicates.max(stability["replicates"].as_u64());
            let first = part["first_segment"].as_u64().unwrap_or(0) as usize;
            for (segment, jaccard) in (first..).zip(stability["jaccard"].as_array().into_iter().flatten()) {
                self.stability.resize(self.stability.len().max(segment + 1), None);
                self.stability[segment] = jaccard.as_f64();
            }
        }
        self.algorithm = (!algorithms.is_empty()).then(|| algorithms.join(", "));
    }
}
