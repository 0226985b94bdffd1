//! The fitted model: recipe, result and provenance in one readable JSON file, versioned and checksummed.
//!
//! A model holds nothing that depends on the device, the time or the number of threads: the same rows, recipe and seed
//! give the same bytes. Names follow scikit-learn's attributes where it has one.

mod ruled;

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::ruled::{AnyModel, RULED_VERSION, RuledModel, StratumModel};

use crate::backend::Centroids;
use crate::cluster::Stop;
use crate::error::{Error, Result};
use crate::prepare::Preparation;

/// The version of the file format without rules; with rules it is [`RULED_VERSION`], the newest that this program reads.
pub const FORMAT_VERSION: u32 = 1;

const FORMAT: &str = "hyades-model";

/// Everything that labelling new customers needs, and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The program that made it.
    pub hyades_version: String,
    /// `kmeans`.
    pub algorithm: String,
    /// Segments.
    pub n_clusters: usize,
    /// Features.
    pub n_features_in_: usize,
    /// Names of the features, in order.
    pub feature_names_in_: Vec<String>,
    /// `n_clusters x n_features_in_`: the centroids in the features' own units, transforms undone.
    pub cluster_centers_: Vec<Vec<f64>>,
    /// `n_clusters x n_features_in_`, or x components if the recipe has any: the centroids as grid integers, which define
    /// the labels.
    pub grid_centers_: Vec<Vec<i32>>,
    /// Rows by segment.
    pub counts_: Vec<u64>,
    /// Mean distance to the centroid by segment, in scaled units; 0 for an empty segment.
    pub mean_distance_: Vec<f64>,
    /// Sum of squared distances in scaled units.
    pub inertia_: f64,
    /// The same in squared grid steps: exact, in decimal digits.
    pub grid_inertia_: String,
    /// Passes over all rows.
    pub n_iter_: u32,
    /// Why they ended.
    pub stop: Stop,
    /// How raw values become grid integers.
    pub recipe: Preparation,
    /// Where the model comes from.
    pub provenance: Provenance,
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Rows of the fit.
    pub rows: u64,
    /// The files, in order.
    pub inputs: Vec<InputFile>,
    /// The id column; None if rows were named by number.
    pub id_column: Option<String>,
    /// The column of row weights.
    pub weight_column: Option<String>,
    /// The seed.
    pub seed: u64,
    /// `k-means++`, `random` or `given`.
    pub init: String,
    /// Starts converged on the sample.
    pub n_init: u32,
    /// Rows of the sample.
    pub sample_rows: u64,
    /// Most passes.
    pub max_iter: u32,
    /// Tolerance.
    pub tol: f64,
}

/// One input file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// Its name, without its folders.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// blake3 of its footer.
    pub footer_blake3: String,
}

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct Envelope<M> {
    format: String,
    format_version: u32,
    /// blake3 of the model as compact JSON.
    checksum: String,
    model: M,
}

/// What every version of the format has; it is read first, for the rest may have changed.
#[derive(Deserialize)]
struct Head {
    format: String,
    format_version: u32,
}

const AGAIN: &str = "copy it again, or fit a new model";

fn load_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::InvalidData => Error::input(format!("{}: not a model: it is not text", path.display())),
        _ => Error::io("read", path, &e),
    })
}

fn broken(e: &serde_json::Error) -> String {
    format!("not a model, or a damaged one: {e}; {AGAIN}")
}

fn newer(version: u32) -> String {
    format!("its format version is {version}, and this program reads up to {RULED_VERSION}; use a newer hyades")
}

/// The version of a model's file.
fn version(text: &str) -> Result<u32, String> {
    let head: Head = serde_json::from_str(text).map_err(|e| broken(&e))?;
    if head.format != FORMAT {
        return Err(format!("not a model: its format is {:?}", head.format));
    }
    Ok(head.format_version)
}

/// The content of a file, if it agrees with its checksum.
fn open_envelope<M: Serialize + DeserializeOwned>(text: &str) -> Result<M, String> {
    let outer: Envelope<serde_json::Value> = serde_json::from_str(text).map_err(|e| broken(&e))?;
    let model: M = serde_json::from_value(outer.model).map_err(|e| format!("damaged: {e}; {AGAIN}"))?;
    if checksum(&model).map_err(|e| e.to_string())? != outer.checksum {
        return Err(format!("damaged: its checksum does not agree with its content; {AGAIN}"));
    }
    Ok(model)
}

/// The text of a file.
fn sealed(model: &impl Serialize, format_version: u32) -> Result<String> {
    let envelope = Envelope { format: FORMAT.into(), format_version, checksum: checksum(model)?, model };
    let mut text = serde_json::to_string_pretty(&envelope).map_err(|e| Error::Internal(e.to_string()))?;
    text.push('\n');
    Ok(text)
}

fn checksum(model: &impl Serialize) -> Result<String> {
    let compact = serde_json::to_vec(model).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(format!("blake3:{}", blake3::hash(&compact).to_hex()))
}

impl Model {
    /// The file's text.
    pub fn to_json(&self) -> Result<String> {
        sealed(self, FORMAT_VERSION)
    }

    /// Reads and verifies a model without rules.
    ///
    /// # Errors
    /// Not a model, one with rules, a newer format, damaged (the checksum does not agree), or inconsistent in itself.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_json(&load_text(path)?).map_err(|why| Error::input(format!("{}: {why}", path.display())))
    }

    fn from_json(text: &str) -> Result<Self, String> {
        match version(text)? {
            version if version > RULED_VERSION => Err(newer(version)),
            RULED_VERSION => Err("it is a model with rules, whose strata have centroids of their own".into()),
            _ => {
                let model: Model = open_envelope(text)?;
                model.check()?;
                Ok(model)
            }
        }
    }

    fn check(&self) -> Result<(), String> {
        let (k, dim) = (self.n_clusters, self.n_features_in_);
        let agree = self.grid_centers_.len() == k
            && self.counts_.len() == k
            && self.recipe.columns.len() == dim
            && self.feature_names_in_.iter().eq(self.recipe.columns.iter().map(|c| &c.name))
            && self.grid_centers_.iter().all(|row| row.len() == self.recipe.grid_dim())
            && self.recipe.is_consistent();
        if !agree {
            return Err("inconsistent: its shapes do not agree".into());
        }
        self.centroids().map(|_| ()).map_err(|e| format!("inconsistent: {e}"))
    }

    /// The centroids on the grid.
    pub fn centroids(&self) -> Result<Centroids> {
        Centroids::new(self.recipe.grid_dim(), self.grid_centers_.concat())
    }
}

/// Centroids in the features' own units.
pub fn original_centers(centroids: &Centroids, recipe: &Preparation) -> Vec<Vec<f64>> {
    let row = |c: &[i32]| {
        let features = recipe.features_of(c);
        features.iter().zip(&recipe.columns).map(|(&v, column)| column.original(v, recipe.step_exponent)).collect()
    };
    centroids.iter().map(row).collect()
}
