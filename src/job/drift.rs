//! How far the rows of an assignment are from those of the fit: `drift.json`, warnings, and a limit.

use serde::Serialize;

use crate::audit::withheld;
use crate::drift::{DriftReport, FeatureDrift, ReferenceCounts, SegmentPair, compare};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Watch;
use crate::model::Model;
use crate::text::percent;

/// A stability index beyond this is warned of; banks call it a shift of the population.
const WORTH_A_WARNING: f64 = 0.25;
/// A share of rows beyond the limit of 99 % of the fit's that is warned of.
const FAR: f64 = 0.02;
const LACKING: &str = "the model has no counts of the fit's rows: it was made by an earlier version, with --no-profile, or of very few rows";
/// Columns that a warning names.
const NAMED: usize = 5;

/// What `drift.json` has: the figures, and the counts of the rows at hand, so that later rows can be compared with
/// them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct MeasuredDrift {
    #[serde(flatten)]
    pub(super) report: DriftReport,
    /// Of the rows at hand.
    pub(super) counts: ReferenceCounts,
}

/// The largest stability index of a column that is published.
#[derive(Debug, Clone, Copy)]
pub(super) struct DriftLimit(Option<f64>);

impl DriftLimit {
    /// As requested, for labels by `model`.
    ///
    /// # Errors
    /// No index, or one that cannot be measured.
    pub(super) fn new(limit: Option<f64>, model: &Model, no_profile: bool) -> Result<Self> {
        let Some(psi) = limit else { return Ok(DriftLimit(None)) };
        let refuse = |why: &str| Err(Error::usage(format!("--max-drift {psi}: {why}")).of_option("--max-drift"));
        if !(psi > 0.0 && psi.is_finite()) {
            return refuse("expected a stability index above 0, such as 0.25");
        }
        if no_profile {
            return refuse("drift is counted along with the profile; leave out --no-profile");
        }
        if model.reference.is_none() {
            return refuse(&format!("{LACKING}; fit the model again, or leave the limit out"));
        }
        Ok(DriftLimit(limit))
    }

    /// Compares the rows at hand with those of the fit, and warns of what changed. None without counts on either side.
    ///
    /// # Errors
    /// A column beyond the limit.
    pub(super) fn measure(
        self,
        model: &Model,
        counts: Option<ReferenceCounts>,
        watch: Watch<'_>,
    ) -> Result<Option<MeasuredDrift>> {
        let (Some(reference), Some(counts)) = (&model.reference, counts) else {
            let why = match model.reference {
                None => LACKING,
                Some(_) => "the rows are not counted (--no-profile), or are fewer than --small-cells",
            };
            watch.note(format!("drift is not measured: {why}"));
            return Ok(None);
        };
        let report = compared(reference, &counts, &reference.same_segments());
        if let Some(most) = self.0 {
            gate(&report, most)?;
        }
        warn(&report, watch);
        Ok(Some(MeasuredDrift { report, counts }))
    }
}

/// Compares two counts of rows; counts of few customers are withheld in the report. `pairs` are the segments that
/// correspond.
pub(crate) fn compared(reference: &ReferenceCounts, now: &ReferenceCounts, pairs: &[SegmentPair]) -> DriftReport {
    let mut report = compare(reference, now, Some(pairs));
    let limit = reference.small_cells.max(now.small_cells);
    report.withhold(|bins| withheld(bins, limit));
    report
}

/// Columns whose index is above a limit, and above what chance makes of it.
fn beyond(report: &DriftReport, most: f64) -> Vec<&FeatureDrift> {
    let is = |of: &&FeatureDrift| of.figures.psi > most && of.figures.psi > of.figures.psi_beyond_chance;
    report.features.iter().filter(is).collect()
}

fn described(feature: &FeatureDrift) -> String {
    let shift = feature.distance.map_or_else(String::new, |d| format!(", moved by {d:.2} deviations"));
    format!("{:?} (PSI {:.3}{shift})", feature.name, feature.figures.psi)
}

fn gate(report: &DriftReport, most: f64) -> Result<()> {
    let beyond = beyond(report, most);
    if beyond.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = beyond.iter().map(|feature| format!("  {}", described(feature))).collect();
    let text = format!(
        "--max-drift {most} is exceeded, and nothing was published; columns differ from those of the fit:\n{}\nfind out \
         what changed in them, fit a new model, or allow more",
        lines.join("\n")
    );
    let columns = beyond.iter().map(|feature| &feature.name);
    Err(Error::limit(text).of_columns(columns).of_kind(ErrorKind::Limit).of_option("--max-drift"))
}

fn warn(report: &DriftReport, watch: Watch<'_>) {
    let beyond = beyond(report, WORTH_A_WARNING);
    if !beyond.is_empty() {
        let more = match beyond.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named: Vec<String> = beyond.iter().take(NAMED).map(|feature| described(feature)).collect();
        watch.warn(format!("columns differ from those of the fit: {}{more}; drift.json has all", named.join(", ")));
    }
    let vanished = |of: &&FeatureDrift| of.missing.now == 1.0 && of.missing.reference < 1.0;
    for feature in report.features.iter().filter(vanished) {
        watch.warn(format!(
            "{:?} has no value in any row, in the fit in {} of the rows",
            feature.name,
            percent(1.0 - feature.missing.reference)
        ));
    }
    for part in &report.distances {
        // Three standard deviations of the share, so that few rows do not alarm.
        let chance = 3.0 * (0.01 * 0.99 / part.rows.now.max(1) as f64).sqrt();
        if part.beyond.now > FAR + chance {
            let of = if report.distances.len() > 1 { format!("{:?}: ", part.part) } else { String::new() };
            watch.warn(format!(
                "{of}{} of the rows are farther from their centroid than 99% of the fit's",
                percent(part.beyond.now)
            ));
        }
    }
}
