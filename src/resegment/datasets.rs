//! The inputs and the output of a run, as its events describe them.

use std::path::Path;

use super::context::text_of;
use crate::error::{Error, Result};
use crate::evidence::{DataPlace, Dataset};
use crate::history::{History, VersionRecord};
use crate::input::{Source, SourceFile};
use crate::job::InputOptions;
use crate::model::Model;
use crate::output::LABELS;
use crate::profile::{ColumnFigures, ProfileReport};

/// The inputs, as far as footers tell: one for each path that the job names, joined tables among them.
pub(super) fn inputs(options: &InputOptions, source: &Source) -> Vec<Dataset> {
    let mut own = places(&options.paths);
    let mut rows = vec![0; source.files().len()];
    source.row_groups().iter().for_each(|group| rows[group.file] += group.rows);
    for (file, rows) in source.files().iter().zip(rows) {
        if let Some(data) = of_file(&mut own, file) {
            *data.rows.get_or_insert(0) += rows;
        }
    }
    let mut joined = places(&options.join);
    source.joined_files().for_each(|file| drop(of_file(&mut joined, file)));
    for column in source.columns() {
        let field = (column.name.clone(), column.data_type.to_string());
        match column.joined {
            None => own.iter_mut().for_each(|data| data.fields.push(field.clone())),
            Some((table, _)) => joined.get_mut(table).into_iter().for_each(|data| data.fields.push(field.clone())),
        }
    }
    own.append(&mut joined);
    own
}

fn places(paths: &[std::path::PathBuf]) -> Vec<Dataset> {
    let mut all: Vec<Dataset> = Vec::new();
    for place in paths.iter().map(|path| DataPlace::of(path)) {
        if all.iter().all(|data| data.place != place) {
            all.push(Dataset::at(place));
        }
    }
    all
}

/// Adds a file to the input that it belongs to.
fn of_file<'a>(inputs: &'a mut [Dataset], file: &SourceFile) -> Option<&'a mut Dataset> {
    let place = DataPlace::of(file.table().map_or(file.path.as_path(), |(folder, _)| folder));
    let at = inputs.iter().position(|data| data.place.holds(&place)).unwrap_or(0);
    let data = inputs.get_mut(at)?;
    (data.files, data.bytes) = (data.files + 1, data.bytes + file.size());
    match file.table() {
        Some((_, version)) => (data.version, data.layer) = (Some(version.to_string()), Some("delta")),
        None => {
            let before = data.version.take().unwrap_or_default();
            data.version = Some(blake3::hash((before + file.footer_hash()).as_bytes()).to_hex()[..32].to_owned());
        }
    }
    Some(data)
}

/// Rows without a value by column, where the profile of a version has them.
pub(super) fn missing(folder: &Path) -> Result<Vec<(String, u64)>> {
    let path = folder.join("profile.json");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let profile: ProfileReport = serde_json::from_str(&text_of(&path)?).map_err(|e| Error::Internal(e.to_string()))?;
    let missing = |figures: &ColumnFigures| match figures {
        ColumnFigures::Numbers(numbers) => profile.rows - numbers.known.min(profile.rows),
        ColumnFigures::Categories(categories) => categories.missing,
    };
    let columns = profile.columns.iter().zip(&profile.all.columns);
    Ok(columns.map(|(column, figures)| (column.name.clone(), missing(figures))).collect())
}

/// The labels of a version. Their name is that of the history, which is the same every month. `is_masked`: ids are
/// pseudonyms.
pub(super) fn output(
    history: &History,
    record: &VersionRecord,
    (inputs, is_masked): (&[Dataset], bool),
) -> Result<Dataset> {
    let folder = history.folder(record.version);
    let labels = Source::open(&[folder.join(LABELS)])?;
    let model = Model::load(&folder.join("model.json"))?;
    let mut data = Dataset::at(DataPlace::of(history.path()));
    data.version = Some(record.version.to_string());
    data.rows = Some(labels.rows());
    data.fields = labels.columns().iter().map(|column| (column.name.clone(), column.data_type.to_string())).collect();
    for file in record.files.iter().filter(|file| file.path.starts_with(LABELS)) {
        (data.files, data.bytes) = (data.files + 1, data.bytes + file.bytes);
    }
    let from = sources(&model);
    let id = model.provenance.id_column.as_deref();
    let is_input = |name: &str| inputs.iter().any(|input| input.fields.iter().any(|(field, _)| field == name));
    for (name, _) in &data.fields {
        match name.as_str() {
            "segment" | "segment_id" | "segment_name" | "distance" | "margin" | "anomaly_ratio" | "anomaly_z" => {
                data.columns_from.push((name.clone(), from.clone(), false));
            }
            name if is_input(name) => {
                data.columns_from.push((name.to_owned(), vec![name.to_owned()], is_masked && id == Some(name)));
            }
            _ => {}
        }
    }
    Ok(data)
}

/// The columns of the input that the labels depend on.
fn sources(model: &Model) -> Vec<String> {
    let features = model.parts.iter().flat_map(|part| &part.preparation.columns);
    let mut columns: Vec<String> = Vec::new();
    let of_features = features.flat_map(|column| match &column.from {
        Some(from) => from.columns().into_iter().map(str::to_owned).collect(),
        None => vec![column.name.clone()],
    });
    let of_rules = model.division.iter().flat_map(|division| &division.columns).map(|column| column.name.clone());
    for name in of_features.chain(of_rules) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    columns
}
