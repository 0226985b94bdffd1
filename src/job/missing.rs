//! Missing values in the features of new rows, beside those of the fit.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, ErrorKind, Result};
use crate::event::Watch;
use crate::model::PartModel;
use crate::prepare::{ColumnCounts, Derivation, PreparedColumn};
use crate::text::percent;

/// A feature may miss this share of its values beyond its share in the fit, unless requested otherwise.
const MAX_MISSING: f64 = 0.5;
/// A warning is due beyond this share.
const WORTH_A_WARNING: f64 = 0.1;

/// How many values are missing by column, over all parts.
#[derive(Debug)]
pub(super) struct MissingValues<'a> {
    limit: f64,
    columns: BTreeMap<&'a str, MissingShare>,
}

#[derive(Debug, Default)]
struct MissingShare {
    rows: u64,
    missing: u64,
    /// Values that would be missing if the shares were those of the fit.
    as_in_fit: f64,
}

impl MissingShare {
    fn of(&self, count: f64) -> f64 {
        count / self.rows.max(1) as f64
    }

    /// The share that is missing beyond that of the fit.
    fn beyond(&self) -> f64 {
        // Sums of shares are rounded.
        let beyond = self.of(self.missing as f64) - self.of(self.as_in_fit);
        if beyond < 1e-9 { 0.0 } else { beyond }
    }
}

/// The share of values of a column that was missing in the fit.
fn in_fit(part: &PartModel, column: &PreparedColumn) -> f64 {
    let rows = part.rows.max(1) as f64;
    let categories = part.preparation.categories.iter().find(|c| c.column == column.column());
    if let Some(missing) = categories.and_then(|c| c.missing) {
        return missing as f64 / rows;
    }
    // Gaps of a one-hot column have a feature of their own, whose mean is their share, but for rounding.
    let is_of_gaps = |c: &&PreparedColumn| matches!(&c.from, Some(Derivation::NoCategory(of)) if of == column.column());
    match part.preparation.columns.iter().find(is_of_gaps) {
        Some(gaps) => (gaps.seen.mean * rows).round() / rows,
        None => column.seen.counts.missing() as f64 / rows,
    }
}

impl<'a> MissingValues<'a> {
    /// None yet. A column may miss a share that exceeds that of the fit by `limit`.
    ///
    /// # Errors
    /// A limit that is no share.
    pub(super) fn new(limit: Option<f64>) -> Result<Self> {
        let limit = limit.unwrap_or(MAX_MISSING);
        if (0.0..=1.0).contains(&limit) {
            return Ok(MissingValues { limit, columns: BTreeMap::new() });
        }
        let text = format!("--max-missing {limit}: expected a share from 0 to 1, such as 0.2");
        Err(Error::usage(text).of_option("--max-missing"))
    }

    /// Adds what was counted in `rows` rows of a part.
    pub(super) fn add<'c>(
        &mut self,
        part: &'a PartModel,
        rows: u64,
        counts: impl IntoIterator<Item = &'c ColumnCounts>,
    ) {
        // Features of one column of categories share its gaps.
        let mut seen = BTreeSet::new();
        for (column, found) in part.preparation.columns.iter().zip(counts) {
            if seen.insert(column.column()) {
                let share = self.columns.entry(column.column()).or_default();
                share.rows += rows;
                share.missing += found.counts.missing();
                share.as_in_fit += in_fit(part, column) * rows as f64;
            }
        }
    }

    /// Warns of columns that miss more than in the fit.
    ///
    /// # Errors
    /// Columns that miss a share which exceeds that of the fit by more than the limit; all listed.
    pub(super) fn check(&self, watch: Watch<'_>) -> Result<()> {
        let line = |(name, share): (&&str, &MissingShare)| {
            let (now, fit) = (share.of(share.missing as f64), share.of(share.as_in_fit));
            let missing = format!("{} of {} rows ({})", share.missing, share.rows, percent(now));
            format!("{name:?} has no value in {missing}, in the fit in {}", percent(fit))
        };
        let beyond = |limit: f64| self.columns.iter().filter(move |(_, share)| share.beyond() > limit);
        let refused: Vec<String> = beyond(self.limit).map(line).collect();
        if refused.is_empty() {
            beyond(WORTH_A_WARNING).map(line).for_each(|line| watch.warn(line));
            return Ok(());
        }
        Err(Error::limit(format!(
            "features miss more of their values than in the fit, by more than {}:\n  {}\nrows without a value get what the fit \
             filled in, and their segment means little; supply the values, or allow the share with --max-missing",
            percent(self.limit),
            refused.join("\n  ")
        ))
        .of_columns(beyond(self.limit).map(|(name, _)| *name))
        .of_kind(ErrorKind::Limit)
        .of_option("--max-missing"))
    }
}
