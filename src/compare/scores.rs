//! How good each labelling is by itself, on the rows of an input as a model prepares them.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::labels::NO_CODE;
use super::place::LabellingPlace;
use super::request::CompareRequest;
use super::rows::LabelledTable;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Stage, Watch};
use crate::input::{KeyRound, is_whole_id, keyed_rows};
use crate::job::{GriddedInput, GriddedRequest, InputOptions};
use crate::migration::customers;
use crate::text::thousands;
use crate::validity::{NO_SEGMENT, PartitionSums, Unit, Validity};

/// Internal indices of a labelling, of the rows that have a segment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabellingScores {
    /// Rows that the indices are of; None: withheld.
    pub rows: Option<u64>,
    /// Share of the sum of squared distances to the mean of all rows that the segments explain.
    pub explained: f64,
    /// Calinski and Harabasz: more is better; None of one segment.
    pub calinski_harabasz: Option<f64>,
    /// Davies and Bouldin: less is better; None of one segment.
    pub davies_bouldin: Option<f64>,
    /// The mean silhouette of all rows with squared Euclidean distances, exact; None of one segment.
    pub silhouette: Option<f64>,
    /// The mean silhouette with distances to means instead of rows; None of one segment.
    pub simplified_silhouette: Option<f64>,
    /// The mean silhouette by segment.
    #[serde(skip)]
    pub(super) by_segment: Vec<Option<f64>>,
}

/// The model whose recipe prepares the rows: the one that is named, or that of the first labelling that has one.
///
/// # Errors
/// There is none, or one is named without an input.
pub(super) fn recipe(request: &CompareRequest, places: &[LabellingPlace]) -> Result<Option<PathBuf>> {
    if request.input.is_empty() {
        return match request.model {
            None => Ok(None),
            Some(_) => {
                let text = "--model says how the rows of --input are prepared; name an input, or leave it out";
                Err(Error::usage(text.into()).of_option("--model"))
            }
        };
    }
    let of_labelling = || places.iter().find_map(|place| place.model.clone());
    let found = request.model.clone().or_else(of_labelling).ok_or_else(|| {
        let text =
            "--input needs a model whose recipe prepares the rows, and no labelling has one; name it with --model";
        Error::usage(text.into()).of_kind(ErrorKind::Model).of_option("--model")
    })?;
    Ok(Some(found))
}

/// The indices of all labellings, in order.
pub(super) fn scores(
    request: &CompareRequest,
    model: &Path,
    tables: &[LabelledTable],
    memory: u64,
    watch: Watch<'_>,
) -> Result<Vec<Validity>> {
    let input = InputOptions {
        paths: request.input.clone(),
        keys: request.keys.clone(),
        csv: request.csv.clone(),
        ..InputOptions::default()
    };
    let id = if request.id.len() == 1 { request.id.first().map(String::as_str) } else { None };
    let (resources, out) = (&request.resources, request.first_output().and_then(Path::parent));
    let gridded = GriddedRequest { model, input: &input, id, resources, memory: memory / 2, out };
    let rows = GriddedInput::read(gridded, watch)?;
    let unit = Unit { step: rows.step, weight: rows.weight };
    let mut found = Vec::with_capacity(tables.len());
    watch.stage(Stage::Compare, rows.source.rows() * tables.len() as u64, "rows", || {
        for table in tables {
            let segments = segments_of(&rows, table, memory / 4, watch)?;
            let sums = PartitionSums::of(&rows.tiles, &segments, table.labels.names.len(), watch)?;
            found.push(Validity::of(&rows.tiles, &segments, &sums, unit, watch)?);
            watch.advance(Stage::Compare, rows.source.rows());
        }
        Ok(())
    })?;
    Ok(found)
}

/// The segment of every row of the input in a labelling.
///
/// # Errors
/// No ids to find them by, and other numbers of rows; ids of different kinds; no row in common.
fn segments_of(rows: &GriddedInput, table: &LabelledTable, memory: u64, watch: Watch<'_>) -> Result<Vec<u16>> {
    let refused = |what: String| Err(Error::input(what).of_kind(ErrorKind::Column).of_option("--id"));
    let (input, source) = (&rows.source, &table.source);
    let (Some(here), Some(there)) = (rows.id, table.id) else {
        // Rows are in the input's order only if nothing else says which they are.
        let is_divided = source.columns()[table.segment].is_partition;
        if table.id.is_some() || is_divided || input.rows() != source.rows() {
            return refused(format!(
                "{} cannot be matched with the input by id, and has {} rows where the input has {}; name the id with --id",
                table.at,
                thousands(source.rows()),
                thousands(input.rows())
            ));
        }
        return Ok(table.labels.codes.clone());
    };
    let [kind, other] = [(input, here), (source, there)].map(|(of, id)| &of.columns()[id].data_type);
    if is_whole_id(kind) != is_whole_id(other) {
        return refused(format!("the ids of the input are {kind}, those of {} {other}; store them alike", table.at));
    }
    let mut segments = vec![NO_SEGMENT; input.rows() as usize];
    let mut found = false;
    for round in KeyRound::all(input.rows() + source.rows(), memory) {
        let wanted = customers(keyed_rows(input, here, round, |_| true, watch)?);
        let mut known = customers(keyed_rows(source, there, round, |_| true, watch)?).into_iter().peekable();
        for row in wanted {
            while known.next_if(|other| other.key() < row.key()).is_some() {}
            if let Some(other) = known.next_if(|other| other.key() == row.key()) {
                found = true;
                let code = table.labels.codes[other.row as usize];
                segments[row.row as usize] = if code == NO_CODE { NO_SEGMENT } else { code };
            }
        }
    }
    if !found {
        return refused(format!("no row of the input is in {}; name the id with --id", table.at));
    }
    Ok(segments)
}

impl LabellingScores {
    /// Of indices whose rows may be told.
    pub(super) fn of(found: &Validity, limit: u64) -> Self {
        LabellingScores {
            rows: Some(found.rows).filter(|rows| !(1..limit).contains(rows)),
            explained: found.explained,
            calinski_harabasz: found.calinski_harabasz,
            davies_bouldin: found.davies_bouldin,
            silhouette: found.silhouette,
            simplified_silhouette: found.simplified_silhouette,
            by_segment: found.silhouettes.clone(),
        }
    }
}
