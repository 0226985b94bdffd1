//! The envelope of a model file: format, version and checksum.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::text::utf8;

const FORMAT: &str = "hyades-model";

/// Readers take centroids for means, which they are not where values are transformed.
const CENTERS: &str = "centroids in prepared units, transformed back; not means of the rows, which are in profile.json";

const AGAIN: &str = "copy it again, or fit a new model";

/// What is in the file.
#[derive(Serialize, Deserialize)]
struct Envelope<M> {
    format: String,
    format_version: u32,
    /// blake3 of the model as compact JSON.
    checksum: String,
    /// What `cluster_centers_` is; a remark, not part of the model.
    #[serde(default)]
    cluster_centers_are: String,
    /// The run that published it, outside the checksum: a model is the same whoever publishes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    model: M,
}

/// The fields of every version of the format; read first, since the others may differ.
#[derive(Deserialize)]
struct Head {
    format: String,
    format_version: u32,
}

pub(super) fn load_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, &e))?;
    utf8(bytes).map_err(|why| {
        let error = Error::usage(format!("{}: not a model: {why}", path.display()));
        error.of_kind(ErrorKind::Model).of_file(path)
    })
}

fn broken(e: &serde_json::Error) -> String {
    format!("not a model, or a damaged one: {e}; {AGAIN}")
}

/// The run that published a file.
pub(super) fn run(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct PublishedBy {
        run: Option<String>,
    }
    serde_json::from_str::<PublishedBy>(text).ok()?.run
}

/// The version of a model's file.
pub(super) fn version(text: &str) -> Result<u32, String> {
    let head: Head = serde_json::from_str(text).map_err(|e| broken(&e))?;
    if head.format != FORMAT {
        return Err(format!("not a model: its format is {:?}", head.format));
    }
    Ok(head.format_version)
}

/// The content of a file, if it matches its checksum.
pub(super) fn open<M: Serialize + DeserializeOwned>(text: &str) -> Result<M, String> {
    let outer: Envelope<serde_json::Value> = serde_json::from_str(text).map_err(|e| broken(&e))?;
    let model: M = serde_json::from_value(outer.model).map_err(|e| format!("damaged: {e}; {AGAIN}"))?;
    if checksum(&model).map_err(|e| e.to_string())? != outer.checksum {
        return Err(format!("damaged: its checksum does not match its content; {AGAIN}"));
    }
    Ok(model)
}

/// The text of a file.
pub(super) fn sealed(model: &impl Serialize, format_version: u32, run: Option<&str>) -> Result<String> {
    let run = run.map(str::to_owned);
    let envelope = Envelope {
        format: FORMAT.into(),
        format_version,
        checksum: checksum(model)?,
        cluster_centers_are: CENTERS.into(),
        run,
        model,
    };
    let mut text = serde_json::to_string_pretty(&envelope).map_err(|e| Error::Internal(e.to_string()))?;
    text.push('\n');
    Ok(text)
}

fn checksum(model: &impl Serialize) -> Result<String> {
    let compact = serde_json::to_vec(model).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(format!("blake3:{}", blake3::hash(&compact).to_hex()))
}
