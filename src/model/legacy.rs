//! Models of earlier format versions: 1, of all rows together, and 2, with rules and a complete version 1 model per
//! stratum; and 3, without counts of the fit's rows. They are read, but no longer written.

use serde::{Deserialize, Serialize};

use super::envelope;
use super::format::{InputFile, Model, ModelDivision, PartModel, Provenance};
use crate::cluster::{Fitted, FittedCentroids, Stop};
use crate::prepare::Preparation;
use crate::rules::{ColumnKind, REST, RuleBook, RuleCount};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelV1 {
    hyades_version: String,
    algorithm: String,
    n_clusters: usize,
    n_features_in_: usize,
    feature_names_in_: Vec<String>,
    cluster_centers_: Vec<Vec<f64>>,
    grid_centers_: Vec<Vec<i32>>,
    counts_: Vec<u64>,
    mean_distance_: Vec<f64>,
    inertia_: f64,
    grid_inertia_: String,
    n_iter_: u32,
    stop: Stop,
    recipe: Preparation,
    provenance: ProvenanceV1,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProvenanceV1 {
    rows: u64,
    inputs: Vec<InputFile>,
    id_column: Option<String>,
    weight_column: Option<String>,
    seed: u64,
    init: String,
    n_init: u32,
    sample_rows: u64,
    max_iter: u32,
    tol: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelV2 {
    hyades_version: String,
    rows: u64,
    inputs: Vec<InputFile>,
    id_column: Option<String>,
    rules: RuleBook,
    rule_columns: Vec<ColumnKind>,
    rule_counts: Vec<RuleCount>,
    strata: Vec<StratumV2>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StratumV2 {
    name: String,
    value: Option<String>,
    first_segment: usize,
    model: ModelV1,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelV3 {
    hyades_version: String,
    provenance: Provenance,
    division: Option<ModelDivision>,
    parts: Vec<PartModel>,
}

/// Reads a model of format version 1, 2 or 3.
pub(super) fn read(text: &str, version: u32) -> Result<Model, String> {
    match version {
        1 => {
            let model: ModelV1 = envelope::open(text)?;
            let hyades_version = model.hyades_version.clone();
            let (part, provenance) = model.into_part(REST.into(), None, 0)?;
            Ok(Model { hyades_version, provenance, division: None, parts: vec![part], reference: None })
        }
        2 => envelope::open::<ModelV2>(text)?.into_model(),
        3 => {
            let ModelV3 { hyades_version, provenance, division, parts } = envelope::open(text)?;
            Ok(Model { hyades_version, provenance, division, parts, reference: None })
        }
        _ => Err(format!("its format version is {version}, which does not exist")),
    }
}

impl ModelV1 {
    /// Converts it to a part and its provenance.
    fn into_part(
        self,
        name: String,
        value: Option<String>,
        first_segment: usize,
    ) -> Result<(PartModel, Provenance), String> {
        if self.algorithm != "kmeans" || self.n_features_in_ != self.feature_names_in_.len() {
            return Err("inconsistent: its shapes do not agree".into());
        }
        let ProvenanceV1 { rows, inputs, id_column, weight_column, seed, init, n_init, sample_rows, max_iter, tol } =
            self.provenance;
        let fitted = Fitted::Centroids(FittedCentroids {
            n_clusters: self.n_clusters,
            cluster_centers_: self.cluster_centers_,
            grid_centers_: self.grid_centers_,
            counts_: self.counts_,
            mean_distance_: self.mean_distance_.into_iter().map(Some).collect(),
            inertia_: self.inertia_,
            grid_inertia_: self.grid_inertia_,
            n_iter_: self.n_iter_,
            stop: self.stop,
            n_init,
            sample_rows,
            starts_: Vec::new(),
            stability_: None,
        });
        let (preparation, feature_names_in_) = (self.recipe, self.feature_names_in_);
        let part = PartModel { name, value, rows, first_segment, feature_names_in_, preparation, fitted };
        let provenance = Provenance { rows, inputs, id_column, weight_column, seed, init, max_iter, tol };
        Ok((part, provenance))
    }
}

impl ModelV2 {
    fn into_model(self) -> Result<Model, String> {
        let (mut parts, mut shared) = (Vec::new(), None);
        for StratumV2 { name, value, first_segment, model } in self.strata {
            let (part, provenance) = model.into_part(name, value, first_segment)?;
            parts.push(part);
            shared = Some(provenance);
        }
        let shared = shared.ok_or("inconsistent: it has no strata")?;
        Ok(Model {
            hyades_version: self.hyades_version,
            provenance: Provenance { rows: self.rows, inputs: self.inputs, id_column: self.id_column, ..shared },
            division: Some(ModelDivision { book: self.rules, columns: self.rule_columns, counts: self.rule_counts }),
            parts,
            reference: None,
        })
    }
}
