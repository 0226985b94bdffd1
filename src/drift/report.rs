//! The report: `drift.json`.

use serde::{Deserialize, Serialize};

/// A figure of the reference, and that of the rows at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThenAndNow<T> {
    /// Of the reference.
    pub reference: T,
    /// Of the rows at hand.
    pub now: T,
}

/// A segment of the reference and the one that continues it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentPair {
    /// Its number in the reference.
    pub reference: usize,
    /// Its number now.
    pub now: usize,
}

/// What changed between two counts of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriftReport {
    /// The version of this shape: 1.
    pub drift_version: u32,
    /// Rows.
    pub rows: ThenAndNow<u64>,
    /// Columns that both have, those that changed most first.
    pub features: Vec<FeatureDrift>,
    /// Columns of the reference that the other lacks, or has as something else.
    pub not_compared: Vec<String>,
    /// Shares of the segments; None unless segments were to be compared.
    pub segments: Option<DriftFigures>,
    /// Distances to the centroids, by part.
    pub distances: Vec<DistanceDrift>,
    /// Features with values that were moved or unknown, on either side.
    pub moved: Vec<MovesDrift>,
}

/// Figures of two distributions over the same bins. Noise is what two samples of one population of these sizes show on
/// average.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct DriftFigures {
    /// Population stability index; banks act on 0.1 or 0.25.
    pub psi: f64,
    /// Its noise.
    pub psi_noise: f64,
    /// What one of twenty pairs of samples of one population exceeds.
    pub psi_beyond_chance: f64,
    /// Jensen-Shannon distance to the base 2.
    pub js: f64,
    /// Its noise.
    pub js_noise: f64,
    /// Cohen's w.
    pub w: f64,
    /// Its noise.
    pub w_noise: f64,
}

/// What changed in a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureDrift {
    /// Its name.
    pub name: String,
    /// Wasserstein distance of the values, in standard deviations of the reference: a mean that moves by d deviations
    /// gives d. None for categories, and without values or spread on either side.
    pub distance: Option<f64>,
    /// Its noise.
    pub distance_noise: Option<f64>,
    /// Figures over the bins.
    #[serde(flatten)]
    pub figures: DriftFigures,
    /// Share of rows without a value.
    pub missing: ThenAndNow<f64>,
    /// The bins. A count of few customers is withheld.
    pub bins: Vec<BinDrift>,
    /// Inside segments, by number now. Those of few customers are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentDrift>,
}

/// What a bin holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BinKind {
    /// Values from the first up to, but not including, the second; None: without an end.
    Values(Option<f64>, Option<f64>),
    /// Zeros.
    Zero,
    /// Rows without a value.
    Missing,
    /// Values below all of the reference.
    Below,
    /// Values above all of the reference.
    Above,
    /// A category.
    Category(String),
    /// All other categories.
    Others,
}

/// Rows in a bin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BinDrift {
    /// The bin.
    pub bin: BinKind,
    /// Of the reference; None: withheld.
    pub reference: Option<u64>,
    /// Of the rows at hand; None: withheld.
    pub now: Option<u64>,
}

/// What changed in a column inside a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentDrift {
    /// The segment.
    pub segment: SegmentPair,
    /// As [`FeatureDrift::distance`], in standard deviations of the column.
    pub distance: Option<f64>,
    /// Figures over bins of the segment's own values.
    #[serde(flatten)]
    pub figures: DriftFigures,
}

/// How far rows are from their centroids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DistanceDrift {
    /// The part.
    pub part: String,
    /// Its rows.
    pub rows: ThenAndNow<u64>,
    /// Mean squared distance; None where rows have weights.
    pub inertia: Option<ThenAndNow<f64>>,
    /// The distance below which 99 % of the reference's rows lie, in scaled units, within 1.6 %.
    pub limit: f64,
    /// Share of rows beyond it, from exact counts.
    pub beyond: ThenAndNow<f64>,
}

/// Values of a feature that were moved or unknown, as shares of the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MovesDrift {
    /// The feature.
    pub name: String,
    /// Categories that the fit did not see.
    pub unseen: ThenAndNow<f64>,
    /// Values outside the range of the fit.
    pub outside: ThenAndNow<f64>,
    /// Values moved to a quantile.
    pub winsorised: ThenAndNow<f64>,
    /// Values moved to the clip.
    pub clipped: ThenAndNow<f64>,
}

impl DriftReport {
    /// Withholds counts of bins: `hidden` says which, given the counts of all bins of one side.
    pub(crate) fn withhold(&mut self, hidden: impl Fn(&[u64]) -> Vec<bool>) {
        for feature in &mut self.features {
            let side = |of: fn(&BinDrift) -> Option<u64>| -> Vec<u64> {
                feature.bins.iter().map(|bin| of(bin).unwrap_or(0)).collect()
            };
            let (then, now) = (hidden(&side(|bin| bin.reference)), hidden(&side(|bin| bin.now)));
            for ((bin, then), now) in feature.bins.iter_mut().zip(then).zip(now) {
                bin.reference = bin.reference.filter(|_| !then);
                bin.now = bin.now.filter(|_| !now);
            }
        }
    }
}
