//! What is counted of the rows of a job, for comparison with those of others.

use super::manifest::ManifestColumn;
use crate::drift::{FeatureMoves, PartDistances, ReferenceCounts};
use crate::error::{Error, Result};
use crate::output::LabelSummary;
use crate::prepare::Preparation;
use crate::profile::ProfiledRows;

/// A part whose rows were labelled.
pub(super) struct CountedPart<'a> {
    pub(super) name: &'a str,
    pub(super) preparation: &'a Preparation,
    pub(super) labels: &'a LabelSummary,
    pub(super) columns: &'a [ManifestColumn],
    /// Whether the inertia counts rows by weight.
    pub(super) weighted: bool,
}

/// The counts of a job's rows; None where they are so few that all of them are withheld.
pub(super) fn reference_counts(
    profiled: &mut ProfiledRows,
    parts: &[CountedPart<'_>],
) -> Result<Option<ReferenceCounts>> {
    let (rows, small_cells) = (profiled.report.rows, profiled.report.small_cells);
    if rows < small_cells {
        return Ok(None);
    }
    let mut features: Vec<FeatureMoves> = Vec::new();
    for column in parts.iter().flat_map(|part| part.columns) {
        let name = &column.counts.name;
        let at = features.iter().position(|feature| feature.name == *name).unwrap_or_else(|| {
            features.push(FeatureMoves { name: name.clone(), ..FeatureMoves::default() });
            features.len() - 1
        });
        let (sums, counts) = (&mut features[at], column.counts.counts);
        sums.unseen += counts.unseen;
        sums.outside += counts.outside;
        sums.winsorised += counts.winsorised;
        sums.clipped += counts.clipped;
    }
    Ok(Some(ReferenceCounts {
        rows,
        small_cells,
        segments: profiled.segments.clone(),
        unassigned: profiled.unassigned,
        columns: std::mem::take(&mut profiled.counted),
        features,
        parts: parts.iter().map(|part| distances(part, small_cells)).collect::<Result<_>>()?,
    }))
}

fn distances(part: &CountedPart<'_>, small_cells: u64) -> Result<PartDistances> {
    let rows: u64 = part.labels.counts.iter().sum();
    let step = part.labels.unit;
    let known = !part.weighted && rows > 0 && rows >= small_cells;
    let constants = serde_json::to_vec(part.preparation).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(PartDistances {
        name: part.name.to_owned(),
        units: blake3::hash(&constants).to_hex().to_string(),
        rows,
        inertia: known.then(|| part.labels.inertia as f64 / rows as f64 * step * step),
        step,
        squared: part.labels.squared.pooled(small_cells),
    })
}
