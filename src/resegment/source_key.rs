//! Whether there is anything new: the content of the inputs, the options and the program.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::base::BaseVersion;
use super::context::{RUN_RECORD, damaged, text_of};
use super::paths::JobFolder;
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::input::{ColumnReader, Pseudonym, Source, SourceFile};
use crate::job::{FitRequest, JobFile};
use crate::output::MANIFEST;

/// The hash of everything that decides about a run, except for the content of its inputs and the version before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunKey(String);

/// What a manifest says of its inputs.
#[derive(Deserialize)]
struct RecordedManifest {
    inputs: RecordedInputs,
    #[serde(default)]
    documents: Vec<RecordedDocument>,
}

#[derive(Deserialize)]
struct RecordedDocument {
    path: String,
    blake3: String,
}

#[derive(Deserialize)]
struct RecordedInputs {
    files: Vec<RecordedFile>,
}

#[derive(Deserialize)]
struct RecordedFile {
    path: String,
    table_version: Option<u64>,
    bytes: u64,
    footer_blake3: String,
    content: Option<RecordedContent>,
}

#[derive(Deserialize)]
struct RecordedContent {
    blake3: String,
    columns: Vec<String>,
}

#[derive(Deserialize)]
struct RecordedRun {
    #[serde(default)]
    key_blake3: Option<String>,
}

impl RunKey {
    /// Of a job, and its fit of the month. Where data and documents lie, where and on what it runs do not count, nor do
    /// gates, names and the answers of a card.
    ///
    /// # Errors
    /// A file of rules or a recipe that cannot be read.
    pub(super) fn new(file: &JobFile, fit: &FitRequest) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        let as_json = |value: Result<Vec<u8>, serde_json::Error>| value.map_err(|e| Error::Internal(e.to_string()));
        add(env!("CARGO_PKG_VERSION").as_bytes());
        add(option_env!("HYADES_COMMIT").unwrap_or_default().as_bytes());
        // As the job file has them: in the fit, paths depend on the working folder.
        add(&as_json(serde_json::to_vec(&(&file.refit, &file.columns, &file.clustering, &file.input.csv)))?);
        add(&as_json(serde_json::to_vec(&file.output))?);
        add(&as_json(serde_json::to_vec(&fit.output.column))?);
        add(fit.preparation.recipe()?.meaning()?.as_bytes());
        if let Some(key) = &fit.columns.pseudonymise {
            add(Pseudonym::new(key)?.key_check().as_bytes());
        }
        for path in fit.documents() {
            add(&std::fs::read(&path).map_err(|e| Error::io("read", &path, &e))?);
        }
        Ok(RunKey(hasher.finalize().to_hex().to_string()))
    }

    pub(super) fn hex(&self) -> &str {
        &self.0
    }
}

/// Whether the inputs have the same content as those of the base version, and everything else is the same too. Values
/// are read only if sizes and footers agree.
///
/// # Errors
/// Inputs that cannot be read, or a damaged record of the base version.
pub(super) fn nothing_new(source: &Source, key: &RunKey, base: &BaseVersion, watch: Watch<'_>) -> Result<bool> {
    let run: RecordedRun = record(&base.folder.join(RUN_RECORD))?;
    if run.key_blake3.as_deref() != Some(key.hex()) {
        return Ok(false);
    }
    let RecordedManifest { inputs: RecordedInputs { files: known }, .. } = record(&base.folder.join(MANIFEST))?;
    let files: Vec<&SourceFile> = source.files().iter().chain(source.joined_files()).collect();
    let same_footer = |(file, known): (&&SourceFile, &RecordedFile)| {
        file.size() == known.bytes
            && file.footer_hash() == known.footer_blake3
            && file.table().map(|(_, version)| version) == known.table_version
            && partitions(&file.path).eq(partitions(Path::new(&known.path)))
    };
    if files.len() != known.len() || source.joined_files().count() > 0 || !files.iter().zip(&known).all(same_footer) {
        return Ok(false);
    }
    read(source, &known, watch)?;
    let same_content = |(file, known): (&&SourceFile, &RecordedFile)| {
        let content = file.content().map(|content| content.blake3);
        content.is_some() && content.as_deref() == known.content.as_ref().map(|known| known.blake3.as_str())
    };
    Ok(files.iter().zip(&known).all(same_content))
}

/// Which inputs, and files that steer the job, are not what the run of a version read. `job` is the path of the job
/// file, to whose folder those of the version are relative.
///
/// # Errors
/// Inputs that cannot be read, or a damaged record of the version.
pub(super) fn changed(source: &Source, version: &Path, job: &Path, watch: Watch<'_>) -> Result<Vec<String>> {
    let RecordedManifest { inputs: RecordedInputs { files: known }, documents } = record(&version.join(MANIFEST))?;
    let mut changed = Vec::new();
    for document in documents {
        let path = JobFolder::of(job).find(&document.path);
        match std::fs::read(&path).map(|bytes| blake3::hash(&bytes).to_hex().to_string()) {
            Ok(hash) if hash == document.blake3 => {}
            Ok(_) => changed.push(format!("{} was changed", document.path)),
            Err(e) => changed.push(format!("{} cannot be read: {e}", document.path)),
        }
    }
    let files: Vec<&SourceFile> = source.files().iter().chain(source.joined_files()).collect();
    if files.len() != known.len() {
        changed.push(format!("the inputs are {} files, and were {}", files.len(), known.len()));
        return Ok(changed);
    }
    read(source, &known, watch)?;
    let hash = |file: &SourceFile| file.content().map(|content| content.blake3);
    for (file, known) in files.into_iter().zip(&known) {
        let version = file.table().map(|(_, version)| version);
        // Columns of joined tables are not read again; their footers have statistics.
        let content = hash(file).zip(known.content.as_ref()).is_none_or(|(now, then)| now == then.blake3);
        let why = if version != known.table_version {
            "is of another version of its table"
        } else if file.size() != known.bytes {
            "has another size"
        } else if file.footer_hash() != known.footer_blake3 || !content {
            "has other content"
        } else {
            continue;
        };
        changed.push(format!("{} {why}", known.path));
    }
    Ok(changed)
}

/// The names of folders that are values of columns.
fn partitions(path: &Path) -> impl Iterator<Item = String> {
    path.components().filter_map(|part| part.as_os_str().to_str().filter(|name| name.contains('=')).map(str::to_owned))
}

fn record<T: serde::de::DeserializeOwned>(path: &PathBuf) -> Result<T> {
    serde_json::from_str(&text_of(path)?).map_err(|e| damaged(Path::new(path), &e.to_string()))
}

/// Reads the columns that the base version read.
fn read(source: &Source, known: &[RecordedFile], watch: Watch<'_>) -> Result<()> {
    let mut columns: Vec<usize> = Vec::new();
    let names = known.iter().filter_map(|file| file.content.as_ref()).flat_map(|content| &content.columns);
    for at in names.filter_map(|name| source.position(name)) {
        if !columns.contains(&at) {
            columns.push(at);
        }
    }
    for &group in source.row_groups() {
        for &column in &columns {
            watch.check()?;
            let mut reader = ColumnReader::open(source, group, column)?;
            while reader.next_array()?.is_some() {}
        }
    }
    Ok(())
}
