//! Starting centroids from a file: a model, or a Parquet file in the features' own units.

use std::path::Path;

use crate::backend::Centroids;
use crate::error::{Error, Result};
use crate::input::{Access, ColumnReader, Source};
use crate::model::Model;
use crate::prepare::Preparation;

/// Makes sure, before any work, that `path` can be read and holds `k` centroids.
pub(super) fn vet_centroids(path: &Path, access: &Access, k: usize) -> Result<()> {
    let found = if is_model(path) {
        Model::load(path)?.n_clusters as u64
    } else {
        Source::open_with(&[path.to_path_buf()], access)?.rows()
    };
    if found != k as u64 {
        return Err(Error::usage(format!("{} holds {found} centroids, and k is {k}", path.display())));
    }
    Ok(())
}

fn is_model(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"))
}

/// The centroids of `path`, put on the grid of `recipe`.
///
/// # Errors
/// A file that is neither, lacks features (all listed), or has values that are missing.
pub(super) fn starting_centroids(path: &Path, access: &Access, recipe: &Preparation) -> Result<Centroids> {
    let (names, columns) = if is_model(path) { from_model(path)? } else { from_parquet(path, access, recipe)? };
    let missing: Vec<&str> =
        recipe.feature_names().into_iter().filter(|name| !names.iter().any(|n| n == name)).collect();
    if !missing.is_empty() {
        return Err(Error::input(format!(
            "{}: starting centroids need every feature; missing: {}",
            path.display(),
            missing.join(", ")
        )));
    }
    let k = columns.first().map_or(0, Vec::len);
    let dim = recipe.columns.len();
    let mut values = vec![0; k * dim];
    for (f, column) in recipe.columns.iter().enumerate() {
        let at = names.iter().position(|n| *n == column.name).unwrap_or(0);
        for (j, &raw) in columns[at].iter().enumerate() {
            let grid = column.on_grid(raw, recipe.step_exponent).ok_or_else(|| {
                Error::input(format!("{}: centroid {j} has no usable value of {:?}", path.display(), column.name))
            })?;
            values[j * dim + f] = grid;
        }
    }
    let rows: Vec<i32> = values.chunks_exact(dim).flat_map(|row| recipe.row_of(row)).collect();
    Centroids::new(recipe.grid_dim(), rows).map_err(|e| Error::input(format!("{}: {e}", path.display())))
}

type NamedColumns = (Vec<String>, Vec<Vec<f64>>);

fn from_model(path: &Path) -> Result<NamedColumns> {
    let model = Model::load(path)?;
    let columns = (0..model.n_features_in_).map(|f| model.cluster_centers_.iter().map(|c| c[f]).collect()).collect();
    Ok((model.feature_names_in_, columns))
}

fn from_parquet(path: &Path, access: &Access, recipe: &Preparation) -> Result<NamedColumns> {
    let source = Source::open_with(&[path.to_path_buf()], access)?;
    let (mut names, mut columns) = (Vec::new(), Vec::new());
    for name in recipe.feature_names() {
        if let Some(position) = source.position(name) {
            names.push(name.to_owned());
            columns.push(ColumnReader::read_all(&source, position)?);
        }
    }
    Ok((names, columns))
}
