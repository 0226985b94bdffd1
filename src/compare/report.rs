//! What a comparison found.

use serde::Serialize;

use super::place::{LabellingKind, LabellingOrigin};
use super::scores::LabellingScores;
use crate::error::{Error, Result};
use crate::text::Phrase;

/// Two or more labellings of the same rows, side by side and by pair.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CompareReport {
    /// Whether rows were matched by id; otherwise by their order.
    pub matched_by_id: bool,
    /// Counts of fewer rows are withheld, and others from which they would follow.
    pub small_cells: u64,
    /// In the order of the request.
    pub labellings: Vec<ComparedLabelling>,
    /// Every two of them, in order.
    pub pairs: Vec<LabellingPair>,
    /// What to know before trusting the figures.
    pub notes: Vec<Phrase>,
}

/// A labelling by itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedLabelling {
    /// What the others call it: A, B, C...
    pub name: String,
    /// As it was given.
    pub path: String,
    /// What it is.
    pub kind: LabellingKind,
    /// The number of the version, if it was named by its history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Rows that count: the first of each id.
    pub rows: u64,
    /// Rows without an id, which do not count.
    pub rows_without_id: u64,
    /// Rows that repeat an id, which do not count.
    pub repeated_rows: u64,
    /// In order.
    pub segments: Vec<ComparedSegment>,
    /// Rows in no segment; None: withheld.
    pub noise: Option<u64>,
    /// Their share of all rows.
    pub noise_share: Option<f64>,
    /// Rows of the smallest segment; None: withheld.
    pub smallest: Option<u64>,
    /// How it was made.
    #[serde(flatten)]
    pub made: LabellingOrigin,
    /// How good it is by itself, if there is an input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<LabellingScores>,
}

/// A segment of a labelling.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedSegment {
    /// Its number or name.
    pub segment: String,
    /// Its rows; None: withheld.
    pub rows: Option<u64>,
    /// Their share of all rows.
    pub share: Option<f64>,
    /// The mean Jaccard index in resampled fits, if the model has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stability: Option<f64>,
    /// The mean silhouette of its rows, if there is an input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silhouette: Option<f64>,
}

/// Two labellings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabellingPair {
    /// The first.
    pub a: String,
    /// The second.
    pub b: String,
    /// Rows in both; None: withheld.
    pub rows: Option<u64>,
    /// Rows that only the first has; None: withheld.
    pub only_a: Option<u64>,
    /// Rows that only the second has; None: withheld.
    pub only_b: Option<u64>,
    /// Rows in both that are in no segment of one of them, and so in no index; None: withheld.
    pub left_out: Option<u64>,
    /// Their share of the rows in both.
    pub left_out_share: Option<f64>,
    /// How far they agree; None: no row is in a segment of both.
    pub agreement: Option<AgreementIndices>,
    /// For each segment of the first, its counterparts in the second.
    pub segments_of_a: Vec<SegmentPartner>,
    /// For each segment of the second, its counterparts in the first.
    pub segments_of_b: Vec<SegmentPartner>,
    /// Rows by both; None: too many segments to show.
    pub contingency: Option<ContingencyTable>,
    /// What differs, in sentences.
    pub differences: Vec<Phrase>,
}

/// How far two labellings agree, from the rows that have a segment in both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AgreementIndices {
    /// The adjusted Rand index: 1 where they are the same, 0 on average by chance.
    pub adjusted_rand: f64,
    /// Adjusted mutual information, beside the arithmetic mean of the entropies: 1 and 0 as above.
    pub adjusted_mutual_information: f64,
    /// 1 where every segment of the second has rows of only one segment of the first.
    pub homogeneity: f64,
    /// 1 where every segment of the first is within one of the second.
    pub completeness: f64,
    /// The harmonic mean of homogeneity and completeness.
    pub v_measure: f64,
}

/// The counterparts of a segment in another labelling.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentPartner {
    /// The segment.
    pub segment: String,
    /// The segment of the other labelling with the largest Jaccard index; None: they share no row.
    pub best: Option<String>,
    /// That index: rows of both, of all rows of either. It has two decimals where a count is withheld; None: withheld
    /// itself, or there is none.
    pub jaccard: Option<f64>,
    /// Its counterpart if each segment has one at most, so that they share the most rows in all.
    pub matched: Option<String>,
}

/// Rows by the segments of two labellings. None: withheld.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContingencyTable {
    /// The segments of the lines; a further one is for no segment, if there are such rows, and the last for rows that
    /// only the second labelling has.
    pub lines: Vec<String>,
    /// Those of the columns; the last is for rows that only the first has.
    pub columns: Vec<String>,
    /// Line by line.
    pub counts: Vec<Vec<Option<u64>>>,
}

impl CompareReport {
    /// As JSON.
    ///
    /// # Errors
    /// None expected: the report is plain data.
    pub fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::Internal(e.to_string()))?;
        Ok(text + "\n")
    }
}
