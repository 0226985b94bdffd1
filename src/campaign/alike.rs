//! Look-alikes: how far every customer is from customers that people name, the seeds. The seeds are clustered by
//! themselves in the space of the model, and a customer's distance is that to the nearest of these micro-segments.
//! Distances are calculated columns; seeds have none.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field};
use rayon::prelude::*;

use super::cells::whole;
use super::excluded::ids_in;
use super::file::CampaignFile;
use super::tables::Workplace;
use crate::backend::cpu::Cpu;
use crate::backend::{Backend, Centroids};
use crate::cluster::{Effort, Init, KMeans, Limits};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Stage;
use crate::input::{ComputedColumns, RowGroup, Source, fault, id_keys, whole_ids};
use crate::model::Model;
use crate::prepare::{Design, Placement, Preparation, replay};
use crate::text::thousands;

/// The column of the distances to the first table of seeds; those of others have a number.
const DISTANCE: &str = "like_distance";
/// Seeds of a micro-segment, on average.
const SEEDS_EACH: u64 = 50;
/// The most micro-segments.
const MOST_SEGMENTS: u64 = 16;
/// The model of a fit, and the folder of its labels beside it.
const MODEL: &str = "model.json";
const LABELS: &str = "segments";

/// The columns of distances, and what they follow from.
pub(super) struct LikeColumns {
    seeds: Vec<PathBuf>,
    preparation: Preparation,
    columns: Vec<usize>,
    computed: ComputedColumns,
}

/// Seeds of one table, as customers.
struct FoundSeeds {
    /// A bit for each row of each row group.
    rows: Vec<BooleanBuffer>,
    centroids: Centroids,
}

/// The column of distances to these seeds.
pub(super) fn distance_column(file: &CampaignFile, seeds: &Path) -> Option<String> {
    let at = file.seeds().iter().position(|path| path == seeds)?;
    Some(if at == 0 { DISTANCE.to_owned() } else { format!("{DISTANCE}_{}", at + 1) })
}

impl LikeColumns {
    /// Adds the columns that a campaign asks for to its customers; `labels` is the table of labels, which the model may
    /// lie beside.
    ///
    /// # Errors
    /// No model, or one of several parts, or without the columns that it was fitted on.
    pub(super) fn of(file: &CampaignFile, source: Source, labels: Option<&Path>) -> Result<(Source, Option<Self>)> {
        let seeds = file.seeds();
        if seeds.is_empty() {
            return Ok((source, None));
        }
        let model = model(file, labels)?;
        let [part] = model.parts.as_slice() else { return Err(divided()) };
        if model.division.is_some() {
            return Err(divided());
        }
        let columns = Design::of_recipe(&source, &part.preparation)?.columns();
        let names = seeds.iter().filter_map(|seeds| distance_column(file, seeds));
        let fields = names.map(|name| Field::new(name, DataType::Float64, true)).collect();
        let (source, computed) = source.with_computed(fields)?;
        Ok((source, Some(LikeColumns { seeds, preparation: part.preparation.clone(), columns, computed })))
    }

    /// The columns that are read.
    pub(super) fn needed(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().copied()
    }

    /// Clusters the seeds, then calculates the distances of all others.
    ///
    /// # Errors
    /// Seeds that are no customers, and customers whom the model cannot take.
    pub(super) fn compute(
        &self,
        source: &mut Source,
        id: usize,
        (file, place): (&CampaignFile, Workplace<'_>),
    ) -> Result<()> {
        let seeds = |path: &PathBuf| self.found(source, id, path, (file, place));
        let seeds: Vec<FoundSeeds> = self.seeds.iter().map(seeds).collect::<Result<_>>()?;
        let design = Design::of_recipe(source, &self.preparation)?;
        let reading = source.clone();
        let values = |group: RowGroup| {
            place.watch.check()?;
            let quiet = place.watch.quiet();
            let (tiles, _) = replay(&reading, &design, &self.preparation, &[group], &Placement::default(), quiet)?;
            let cpu = Cpu::new(None)?;
            let mut arrays: Vec<ArrayRef> = Vec::new();
            for FoundSeeds { rows, centroids } in &seeds {
                let mut distances = vec![None; group.rows as usize];
                let mut session = cpu.open(&tiles, centroids.k(), quiet)?;
                session.centroidal().label(centroids, false, quiet, &mut |labels| {
                    let first = labels.first_row as usize;
                    for (i, distance2) in labels.distance2.iter().enumerate() {
                        let is_seed = rows[group.number].value(first + i);
                        distances[first + i] = (!is_seed).then(|| (*distance2 as f64).sqrt() * self.preparation.step());
                    }
                    Ok(())
                })?;
                arrays.push(Arc::new(Float64Array::from(distances)));
            }
            place.watch.advance(Stage::Labels, group.rows);
            Ok(arrays)
        };
        let rows = source.rows();
        place.watch.stage(Stage::Labels, rows, "rows", || source.compute(&self.computed, place.scratch, &values))
    }

    /// The customers whose ids a table has, and their micro-segments.
    fn found(
        &self,
        source: &Source,
        id: usize,
        path: &Path,
        (file, place): (&CampaignFile, Workplace<'_>),
    ) -> Result<FoundSeeds> {
        let what = format!("like {}", path.display());
        let keys = ids_in(path, file, (source, id), &what, place)?;
        let groups = source.row_groups().par_iter().with_max_len(1).map(|&group| {
            place.watch.check()?;
            let ids = whole_ids(&whole(source, group, id)?, group.first_row).and_then(|ids| id_keys(&ids));
            let ids = ids.map_err(|e| fault(source, group, id, &e.to_string()))?;
            let is_seed = |row: usize| ids[row].is_some_and(|key| keys.binary_search(&key).is_ok());
            Ok(BooleanBuffer::collect_bool(ids.len(), is_seed))
        });
        let rows: Vec<BooleanBuffer> = groups.collect::<Result<_>>()?;
        let matched = rows.iter().map(|rows| rows.count_set_bits() as u64).sum();
        let (all, name) = (thousands(keys.len() as u64), &source.columns()[id].name);
        if matched == 0 {
            let text = format!("{what}: none of its {all} ids is that of a customer; check its column {name:?}");
            return Err(Error::input(text).of_columns([name]).of_kind(ErrorKind::Values));
        }
        place.watch.note(format!("{what}: {} of {all} seeds are customers", thousands(matched)));
        let view = source.select(rows.iter().cloned());
        let design = Design::of_recipe(&view, &self.preparation)?;
        let bytes = matched * 4 * design.width() as u64;
        let scratch = (bytes > place.resources.budget() / 4).then(|| place.scratch.to_path_buf());
        let placement = Placement { scratch, ..Placement::default() };
        let quiet = place.watch.quiet();
        let (tiles, _) = replay(&view, &design, &self.preparation, view.row_groups(), &placement, quiet)?;
        // No more than there are different seeds.
        let (most, mut different) = (matched.div_ceil(SEEDS_EACH).min(MOST_SEGMENTS), HashSet::new());
        for row in 0..tiles.rows() {
            different.insert(tiles.row(row)?);
            if different.len() as u64 >= most {
                break;
            }
        }
        let limits = Limits { tol: 0.0, ..Limits::default() };
        let kmeans =
            KMeans { k: different.len(), n_init: 1, init: Init::PlusPlus, effort: Effort::Low, limits, seed: 0 };
        let cpu = Cpu::new(None)?;
        let (fit, _session) = kmeans.fit(&tiles, &cpu, &cpu, &|_| None, quiet)?;
        Ok(FoundSeeds { rows, centroids: fit.centroids })
    }
}

/// The model named, or the one beside the labels.
fn model(file: &CampaignFile, labels: Option<&Path>) -> Result<Model> {
    let beside = || {
        let folder = labels.filter(|labels| labels.ends_with(LABELS))?.parent()?;
        [folder.join(MODEL)].into_iter().find(|path| path.is_file())
    };
    let path = file.customers.model.clone().or_else(beside).ok_or_else(|| {
        let text = "like needs the model of a fit; name it in [customers]: model = \"FOLDER/model.json\"";
        Error::usage(text.into()).of_kind(ErrorKind::Config)
    })?;
    Model::load(&path)
}

fn divided() -> Error {
    let text = "like needs a model of one part, but this one has rules or strata; fit without them for look-alikes";
    Error::usage(text.into()).of_kind(ErrorKind::Config)
}
