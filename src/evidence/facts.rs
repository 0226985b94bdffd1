//! What a card is made from, and what follows from it in words.

use crate::gates::{GateResult, GateSeverity, Measures};
use crate::job::CardOptions;
use crate::model::Model;
use crate::profile::{GroupProfile, ProfileReport};
use crate::text::{percent, thousands};

/// Files that are listed one by one.
pub(super) const FILES_LISTED: usize = 20;

/// What a card is made from.
#[derive(Debug)]
pub(crate) struct CardFacts<'a> {
    pub(crate) job: &'a str,
    pub(crate) owner: Option<&'a str>,
    /// The day that the data describe.
    pub(crate) as_of: &'a str,
    pub(crate) based_on: Option<u64>,
    /// How the month was segmented after the base version, in words.
    pub(crate) how: &'static str,
    /// Customers who keep their segment although another centroid is nearer by a little; None without hysteresis.
    pub(crate) held: Option<u64>,
    /// The largest share of customers that may be relabelled, and by which share that raised the inertia at most; None
    /// without such a limit.
    pub(crate) relabelling: Option<(f64, f64)>,
    /// Whether the model was fitted to these data.
    pub(crate) is_fitted: bool,
    /// Whether somebody must approve a version.
    pub(crate) needs_approval: bool,
    pub(crate) answers: &'a CardOptions,
    pub(crate) model: &'a Model,
    pub(crate) inputs: Vec<CardInput>,
    pub(crate) rows: u64,
    /// Columns that are not features, and why.
    pub(crate) left_out: Vec<(String, String)>,
    pub(crate) labels_blake3: &'a str,
    pub(crate) segments: Vec<CardSegment>,
    /// Segments of the base version that ended, in words.
    pub(crate) ended: Vec<String>,
    pub(crate) moves: Option<CardMoves>,
    pub(crate) measures: &'a Measures,
    pub(crate) gates: &'a [GateResult],
    pub(crate) profile: Option<&'a ProfileReport>,
    pub(crate) fairness: Vec<CardFairness>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CardInput {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// The hash of what was read of it, or of its footer.
    pub(crate) blake3: String,
}

/// A segment, by number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CardSegment {
    pub(crate) id: u64,
    /// What people call it, or the rule or stratum that it comes from.
    pub(crate) name: Option<String>,
    pub(crate) customers: u64,
    pub(crate) before: Option<u64>,
    /// What became of it.
    pub(crate) event: String,
}

/// Customers by what they did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CardMoves {
    pub(crate) stayed: u64,
    pub(crate) came: u64,
    pub(crate) left: u64,
    pub(crate) moved: u64,
    /// None where the old model cannot label the month.
    pub(crate) by_behaviour: Option<u64>,
    pub(crate) relabelled: Option<u64>,
}

/// A protected attribute beside the segments.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CardFairness {
    pub(crate) column: String,
    pub(crate) is_feature: bool,
    pub(crate) cramers_v: Option<f64>,
    /// The largest ratio of selection rates of two groups, with its segment's number.
    pub(crate) disparity: Option<(f64, usize)>,
}

impl CardFacts<'_> {
    /// Names and types of the features of all parts.
    pub(super) fn features(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<(&str, &str)> = Vec::new();
        for column in self.model.parts.iter().flat_map(|part| &part.preparation.columns) {
            if all.iter().all(|(name, _)| *name != column.name) {
                all.push((&column.name, &column.data_type));
            }
        }
        all
    }

    /// What the model is, in a sentence.
    pub(super) fn overview(&self) -> String {
        match &self.answers.overview {
            Some(text) => text.trim().to_owned(),
            None => {
                format!("{} segments of {} customers, as of {}", self.segments.len(), thousands(self.rows), self.as_of)
            }
        }
    }

    /// How segments come about.
    pub(super) fn method(&self) -> String {
        let provenance = &self.model.provenance;
        let features = self.features().len();
        let rules = self.model.division.as_ref().map_or(0, |division| division.book.rules.len());
        let mut text = format!(
            "k-means on {features} features. A customer's segment is the one with the nearest centroid, by squared Euclidean \
             distance of prepared features; distances are exact integers, so labels are the same on every machine. Start: \
             {}, seed {}. ",
            provenance.init, provenance.seed
        );
        text += &match self.based_on {
            Some(version) => format!("It is based on version {version}: {}.", self.how),
            None => "It is the first version.".into(),
        };
        if self.model.parts.len() > 1 {
            text += &format!(
                " The customers are divided into {} strata that are clustered separately.",
                self.model.parts.len()
            );
        }
        if rules > 0 {
            text += &format!(" Segments that rules define, before clustering: {rules}.");
        }
        if let Some(weight) = &provenance.weight_column {
            text += &format!(" Rows are weighted by {weight}.");
        }
        if let Some(held) = self.held {
            text += &format!(
                " Hysteresis: {} customers keep the segment of the base version, although another centroid is nearer by \
                 less than the margin of the job.",
                thousands(held)
            );
        }
        if let Some((limit, cost)) = self.relabelling {
            text += &format!(
                " The fit was limited to relabelling {} of the customers, which raised its inertia by {}.",
                percent(limit),
                percent(cost)
            );
        }
        text
    }

    /// What changed since the base version.
    pub(super) fn difference(&self) -> String {
        let Some(base) = self.based_on else { return "the first version".into() };
        let moves = self.moves.map_or_else(String::new, |moves| {
            format!(
                ": {} customers moved to another segment, {} came, {} left",
                thousands(moves.moved),
                thousands(moves.came),
                thousands(moves.left)
            )
        });
        format!("based on version {base}{moves}")
    }

    /// What is known to be limited, as it follows from what was and what was not measured.
    pub(super) fn limitations(&self) -> Vec<String> {
        let mut all = vec![
            "Segments are regions around centroids. Customers near a border may change their segment for small reasons."
                .to_owned(),
            "The number of segments is given, not estimated. Silhouettes, stability under resampling and other numbers of \
             segments were not measured."
                .to_owned(),
        ];
        let columns = || self.model.parts.iter().flat_map(|part| &part.preparation.columns);
        let filled: std::collections::BTreeSet<&str> =
            columns().filter(|column| column.seen.counts.missing() > 0).map(|column| column.name.as_str()).collect();
        if !filled.is_empty() {
            all.push(format!("Missing values are filled in {} of {} features.", filled.len(), self.features().len()));
        }
        let mut unless = |known: bool, text: &str| {
            if !known {
                all.push(text.to_owned());
            }
        };
        unless(
            self.held.is_none_or(|held| held == 0),
            "The profile and the comparison with protected attributes are of the nearest centroids, without hysteresis.",
        );
        unless(self.profile.is_some(), "Segments were not profiled, so drift is not known.");
        unless(self.has_outcomes(), "No outcome is named, so segments were not compared with outcomes.");
        unless(!self.fairness.is_empty(), "Protected attributes were not compared with the segments.");
        unless(self.based_on.is_some(), "There is no earlier version to compare with.");
        unless(self.based_on.is_none() || self.moves.is_some(), "It is not known who moved.");
        unless(self.is_fitted || self.based_on.is_none(), "The model was fitted to data of an earlier month.");
        all
    }

    pub(super) fn has_outcomes(&self) -> bool {
        self.profile.is_some_and(|profile| profile.segments.iter().any(|segment| !segment.outcomes.is_empty()))
    }

    /// The name of a segment in a card, by its number.
    pub(super) fn segment(&self, number: usize) -> String {
        self.segments.get(number).map_or_else(|| format!("number {number}"), CardSegment::title)
    }

    /// The profiles of segments, with their names.
    pub(super) fn profiled(&self) -> impl Iterator<Item = (String, &GroupProfile)> {
        let all = self.profile.into_iter().flat_map(|profile| &profile.segments);
        all.filter_map(|group| Some((self.segment(group.segment? as usize), group)))
    }

    /// Gates that passed, warned and refused.
    pub(super) fn tally(&self) -> String {
        let broken = |refuses: bool| {
            let is = |gate: &&GateResult| !gate.passed && (gate.severity == GateSeverity::Error) == refuses;
            self.gates.iter().filter(is).count()
        };
        let passed = self.gates.iter().filter(|gate| gate.passed).count();
        format!("{passed} passed, {} warned, {} failed", broken(false), broken(true))
    }
}

impl CardSegment {
    /// Its id and name.
    pub(super) fn title(&self) -> String {
        let name = self.name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
        format!("segment {}{name}", self.id)
    }

    /// By how much it grew.
    pub(super) fn change(&self) -> String {
        let Some(before) = self.before.filter(|&before| before > 0) else { return String::new() };
        let change = self.customers as f64 / before as f64 - 1.0;
        format!("{}{}", if change < 0.0 { "-" } else { "+" }, percent(change.abs()))
    }
}
