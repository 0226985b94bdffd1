//! Starting centroids from a file: a model, or a Parquet file in the features' original units.

use super::request::InitRequest;
use crate::backend::Centroids;
use crate::cluster::Init;
use crate::error::{Error, ErrorKind, Result};
use crate::input::{Access, ColumnReader, Source, ValueKind};
use crate::model::{Model, PartModel};
use crate::prepare::Preparation;
use crate::rules::{Division, Stratum};

/// Where the centroids of a part start.
pub(super) enum Start {
    /// Greedy k-means++.
    PlusPlus,
    /// Rows at random.
    Random,
    /// Centroids of a model's part.
    Given(GivenCentroids),
    /// Centroids in a table, one per row.
    Table(CentroidTable),
}

/// A Parquet file of centroids in the features' original units. Only its footer has been read.
#[derive(Clone)]
pub(super) struct CentroidTable {
    name: String,
    source: Source,
}

/// Starting centroids in the features' original units.
#[derive(Clone)]
pub(super) struct GivenCentroids {
    /// The name of their source in messages.
    name: String,
    k: usize,
    features: Vec<String>,
    /// By feature, then by centroid.
    columns: Vec<Vec<f64>>,
}

/// Where the centroids of all parts start.
pub(super) enum Starts {
    /// The same method for all parts.
    Drawn(InitRequest),
    /// From the parts of a model.
    Model(Box<Model>, String),
    /// From a Parquet file, for the only part.
    Table(CentroidTable),
}

impl Starts {
    /// Reads the requested starts, before any work.
    ///
    /// # Errors
    /// A file that cannot be read or is neither a model nor Parquet.
    pub(super) fn read(init: &InitRequest, access: &Access) -> Result<Self> {
        let InitRequest::File(path) = init else { return Ok(Starts::Drawn(init.clone())) };
        let name = path.display().to_string();
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
            return Ok(Starts::Model(Box::new(Model::load(path)?), name));
        }
        Ok(Starts::Table(CentroidTable { name, source: Source::open_with(&[path.to_path_buf()], access)? }))
    }

    /// Checks what is known before rows are divided: the kind of file, and the number of centroids.
    ///
    /// # Errors
    /// A model with rules for a bank without, a table for a bank with strata, or not `k` centroids.
    pub(super) fn vet(&self, division: &Division, k: usize) -> Result<()> {
        match self {
            Starts::Drawn(_) => Ok(()),
            Starts::Table(table) if division.within().is_some() => Err(table.unfit_for_strata()),
            Starts::Table(table) => table.vet(k),
            Starts::Model(..) if !division.is_whole() => Ok(()),
            Starts::Model(model, name) => match model.parts.as_slice() {
                [part] if model.division.is_none() => vet_count(name, part.fitted.segments() as u64, k),
                _ => {
                    let text =
                        format!("{name}: it is a model with rules, and each of its strata has its own centroids");
                    Err(Error::usage(text).of_kind(ErrorKind::Model).of_option("--init"))
                }
            },
        }
    }

    /// The starts of every part, in order.
    ///
    /// # Errors
    /// A file without centroids for a part, or with another number of them; all parts with the same fault at once.
    pub(super) fn of_parts(&self, parts: &[Stratum], ks: &[usize]) -> Result<Vec<Start>> {
        match self {
            Starts::Drawn(InitRequest::Random) => Ok(parts.iter().map(|_| Start::Random).collect()),
            Starts::Drawn(_) => Ok(parts.iter().map(|_| Start::PlusPlus).collect()),
            Starts::Table(table) => match parts {
                [_] => Ok(vec![Start::Table(table.clone())]),
                _ => Err(table.unfit_for_strata()),
            },
            Starts::Model(model, name) => of_model(model, name, parts, ks),
        }
    }
}

fn of_model(model: &Model, name: &str, parts: &[Stratum], ks: &[usize]) -> Result<Vec<Start>> {
    let find = |stratum: &Stratum| model.parts.iter().find(|p| p.name == stratum.name && p.value == stratum.value);
    let missing: Vec<String> = parts.iter().filter(|s| find(s).is_none()).map(|s| format!("{:?}", s.name)).collect();
    if !missing.is_empty() {
        let there: Vec<String> = model.parts.iter().map(|p| format!("{:?}", p.name)).collect();
        return Err(Error::usage(format!(
            "--init {name}: the model has no centroids for {}; it has: {}",
            missing.join(", "),
            there.join(", ")
        ))
        .of_option("--init"));
    }
    let found = parts.iter().filter_map(find).zip(parts.iter().zip(ks));
    found
        .map(|(part, (stratum, &k))| {
            let what = if parts.len() > 1 { format!("{name}, stratum {:?}", stratum.name) } else { name.to_owned() };
            vet_count(&what, part.fitted.segments() as u64, k)?;
            Ok(Start::Given(GivenCentroids::of(part, what)))
        })
        .collect()
}

fn vet_count(name: &str, found: u64, k: usize) -> Result<()> {
    if found == k as u64 {
        return Ok(());
    }
    Err(Error::usage(format!("{name} has {found} centroids, but k = {k}")).of_option("--init"))
}

impl Start {
    /// The start on the grid of a preparation.
    ///
    /// # Errors
    /// Centroids that lack features (all listed), or have missing values.
    pub(super) fn of(&self, preparation: &Preparation) -> Result<Init> {
        match self {
            Start::PlusPlus => Ok(Init::PlusPlus),
            Start::Random => Ok(Init::Random),
            Start::Given(named) => named.on_grid(preparation).map(Init::Given),
            Start::Table(table) => table.read(preparation)?.on_grid(preparation).map(Init::Given),
        }
    }
}

impl GivenCentroids {
    fn of(part: &PartModel, name: String) -> Self {
        let centers = part.fitted.centers();
        let columns = (0..part.feature_names_in_.len()).map(|f| centers.iter().map(|c| c[f]).collect()).collect();
        GivenCentroids { name, k: centers.len(), features: part.feature_names_in_.clone(), columns }
    }

    fn on_grid(&self, preparation: &Preparation) -> Result<Centroids> {
        let place = |name: &str| self.features.iter().position(|n| n == name);
        let missing: Vec<&str> = preparation.feature_names().into_iter().filter(|name| place(name).is_none()).collect();
        if !missing.is_empty() {
            return Err(Error::usage(format!(
                "{}: starting centroids must have every feature; missing: {}",
                self.name,
                missing.join(", ")
            ))
            .of_columns(missing)
            .of_option("--init"));
        }
        let k = self.k;
        let dim = preparation.columns.len();
        let mut values = vec![0; k * dim];
        for (f, column) in preparation.columns.iter().enumerate() {
            let at = place(&column.name).unwrap_or(0);
            for (j, &raw) in self.columns[at].iter().enumerate() {
                let grid = column.on_grid(raw, preparation.step_exponent).ok_or_else(|| {
                    Error::usage(format!("{}: centroid {j} has no usable value for {:?}", self.name, column.name))
                        .of_columns([&column.name])
                        .of_option("--init")
                })?;
                values[j * dim + f] = grid;
            }
        }
        let rows: Vec<i32> = values.chunks_exact(dim).flat_map(|row| preparation.row_of(row)).collect();
        Centroids::new(preparation.grid_dim(), rows)
            .map_err(|e| Error::usage(format!("{}: {e}", self.name)).of_option("--init"))
    }
}

impl CentroidTable {
    fn vet(&self, k: usize) -> Result<()> {
        vet_count(&self.name, self.source.rows(), k)
    }

    fn unfit_for_strata(&self) -> Error {
        Error::usage(format!(
            "--init {}: every stratum needs its own centroids; give a model with the same strata",
            self.name
        ))
        .of_option("--init")
    }

    /// The columns that a preparation asks for, as far as the table has them as numbers.
    fn read(&self, preparation: &Preparation) -> Result<GivenCentroids> {
        let (mut features, mut columns) = (Vec::new(), Vec::new());
        for name in preparation.feature_names() {
            let position = self.source.position(name);
            let is_numeric = |&at: &usize| ValueKind::of(&self.source.columns()[at].data_type).is_numeric();
            if let Some(position) = position.filter(is_numeric) {
                features.push(name.to_owned());
                columns.push(ColumnReader::read_all(&self.source, position)?);
            }
        }
        Ok(GivenCentroids { name: self.name.clone(), k: self.source.rows() as usize, features, columns })
    }
}
