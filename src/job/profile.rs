//! The profile of a job: which columns it shows, and `profile.json`.

use std::path::Path;

use serde::Deserialize;

use super::outputs::PROFILE;
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::input::{Source, SourceColumn};
use crate::model::PartModel;
use crate::prepare::Design;
use crate::profile::{ColumnRole, EXACT_ROWS, ProfileReport, ProfiledRows, Profiling, ShownColumn};
use crate::roles::{Outcome, Roles, is_code};
use crate::survey::SegmentLog;

/// What a profile describes.
pub(super) struct ShownColumns {
    pub(super) columns: Vec<ShownColumn>,
    /// Positions of the columns that say whether a customer holds a product.
    pub(super) products: Vec<usize>,
}

/// The columns that the features of designs are computed from, in the order of the input, each once; then the outcomes,
/// then what else may be shown.
pub(super) fn shown<'d>(source: &Source, designs: impl IntoIterator<Item = &'d Design>, roles: &Roles) -> ShownColumns {
    let mut shown: Vec<ShownColumn> = Vec::new();
    for unit in designs.into_iter().flat_map(|design| &design.units) {
        for (&column, codes) in unit.columns.iter().zip(&unit.sentinels) {
            let of = ShownColumn::new(source, column, unit.encode.is_some(), ColumnRole::Feature);
            let is_new = shown.iter().all(|other| other.column != column);
            shown.extend(of.filter(|_| is_new).map(|of| of.with_codes(codes.clone())));
        }
    }
    shown.sort_by_key(|shown| shown.column);
    let outcome = |outcome: &Outcome| ShownColumn::new(source, outcome.column, false, ColumnRole::Outcome);
    shown.extend(roles.outcomes.iter().filter_map(outcome));
    // What only a part of the bank has as a feature is described once.
    let is_new = |shown: &[ShownColumn], column: usize| shown.iter().all(|other| other.column != column);
    let others: Vec<usize> = roles.described.iter().copied().filter(|&column| is_new(&shown, column)).collect();
    shown.extend(others.into_iter().filter_map(|column| other(source, column)));
    ShownColumns { columns: shown, products: roles.products.clone() }
}

/// A column that nothing is computed from. Whole numbers that are codes by their name are categories.
pub(super) fn other(source: &Source, column: usize) -> Option<ShownColumn> {
    let SourceColumn { name, data_type, .. } = &source.columns()[column];
    let is_code = data_type.is_integer() && is_code(name);
    ShownColumn::new(source, column, is_code, ColumnRole::Other)
}

/// The columns of a model, outcomes, and what else may be shown.
pub(super) fn shown_of_model(source: &Source, parts: &[PartModel], roles: &Roles) -> Result<ShownColumns> {
    let designs = parts.iter().map(|part| Design::of_recipe(source, &part.preparation));
    Ok(shown(source, &designs.collect::<Result<Vec<_>>>()?, roles))
}

/// What a profile of labels needs besides the columns.
pub(super) struct ProfiledLabels<'a> {
    pub(super) log: &'a SegmentLog,
    pub(super) segments: usize,
    pub(super) names: Option<Vec<String>>,
    pub(super) labels_blake3: &'a str,
    /// Segments of fewer customers get no figures.
    pub(super) small_cells: u64,
}

/// Describes the segments of all rows, holding at most about `memory` bytes.
pub(super) fn describe(
    source: &Source,
    ShownColumns { columns, products }: ShownColumns,
    labels: ProfiledLabels<'_>,
    memory: u64,
    watch: Watch<'_>,
) -> Result<ProfiledRows> {
    let ProfiledLabels { log, segments, names, labels_blake3, small_cells } = labels;
    let exact_rows = EXACT_ROWS;
    let profiling = Profiling { source, columns, products, log, segments, names, small_cells, exact_rows, memory };
    profiling.report(labels_blake3, watch)
}

/// The report as text.
pub(super) fn as_json(report: &ProfileReport) -> Result<String> {
    Ok(serde_json::to_string_pretty(report).map_err(|e| Error::Internal(e.to_string()))? + "\n")
}

/// The profile beside the model `path`, if the same run published it, of as many rows.
pub(super) fn of_fit(path: &Path, run: &str, rows: u64) -> Option<ProfileReport> {
    #[derive(Deserialize)]
    struct PublishedProfile {
        run: String,
        #[serde(flatten)]
        profile: ProfileReport,
    }
    let text = std::fs::read_to_string(path.with_file_name(PROFILE)).ok()?;
    let found: PublishedProfile = serde_json::from_str(&text).ok()?;
    (found.run == run && found.profile.rows == rows).then_some(found.profile)
}
