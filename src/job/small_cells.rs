//! Figures of few customers, which could describe single ones: which segments have too few, and which parameters of the
//! model are kept nevertheless, since labels depend on them.

use serde::Serialize;

use super::labelling::Labelling;
use crate::event::Watch;
use crate::model::Model;
use crate::prepare::{PreparedColumn, Scale, Transform};

/// What is withheld from reports, and what the model has to keep.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct SmallCells {
    /// Figures of fewer customers are withheld; 0: nothing is.
    pub limit: u64,
    /// Segments that have some customers, but fewer.
    pub segments: Vec<usize>,
    /// Parameters of the model that can hold the values of single customers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept_in_model: Vec<String>,
}

/// Whether a figure of so many customers is withheld.
pub(super) fn is_small(customers: u64, limit: u64) -> bool {
    customers > 0 && customers < limit
}

impl SmallCells {
    /// Of the labels of a job.
    pub(super) fn of(labels: &Labelling, limit: u64) -> Self {
        let counts = labels.counts().into_iter().enumerate();
        let segments = counts.filter(|&(_, n)| is_small(n, limit)).map(|(segment, _)| segment).collect();
        SmallCells { limit, segments, kept_in_model: Vec::new() }
    }

    /// The same, with the parameters that a new model keeps.
    pub(super) fn kept_by(mut self, model: &Model) -> Self {
        if self.limit == 0 {
            return self;
        }
        let clustered: Vec<String> = self.centroids(model).iter().map(usize::to_string).collect();
        if !clustered.is_empty() {
            self.kept_in_model.push(format!("centroids of segments {}", clustered.join(", ")));
        }
        let micro = model.parts.iter().filter_map(|part| part.fitted.tree()).flat_map(|tree| &tree.micro_counts_);
        let micro = micro.filter(|&&rows| is_small(rows, self.limit)).count();
        if micro > 0 {
            self.kept_in_model.push(format!(
                "centroids of {micro} micro-segments of fewer than {} customers (fewer of them with a lower --micro)",
                self.limit
            ));
        }
        let named = |kept: &mut Vec<String>, what: &str, is: &dyn Fn(&PreparedColumn) -> bool| {
            let mut names: Vec<&str> = Vec::new();
            for column in model.parts.iter().flat_map(|part| &part.preparation.columns).filter(|c| is(c)) {
                if !names.contains(&column.name.as_str()) {
                    names.push(&column.name);
                }
            }
            if !names.is_empty() {
                kept.push(format!("{what} of {}", names.join(", ")));
            }
        };
        let kept = &mut self.kept_in_model;
        named(kept, "ends of the min-max scale", &|c| c.scale == Scale::Minmax);
        named(kept, "landmarks", &|c| c.transform.kind() == Transform::Quantile);
        named(kept, "smallest and largest value", &|_| true);
        self
    }

    /// The small segments that a model has centroids for; rules have none.
    fn centroids(&self, model: &Model) -> Vec<usize> {
        let first = model.parts.first().map_or(0, |part| part.first_segment);
        self.segments.iter().copied().filter(|&segment| segment >= first).collect()
    }

    /// Warns about small segments, and about what a new model keeps.
    pub(super) fn warn(&self, labels: &Labelling, watch: Watch<'_>) {
        let counts = labels.counts();
        let list = |few: &[usize]| few.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        let (single, few): (Vec<usize>, Vec<usize>) = self.segments.iter().partition(|&&segment| counts[segment] == 1);
        if !single.is_empty() {
            watch.warn(format!(
                "segments of a single customer: {}; choose fewer segments, winsorise outliers, or take such customers \
                 with a rule",
                list(&single)
            ));
        }
        if !few.is_empty() {
            watch.warn(format!("segments of fewer than {} customers (--small-cells): {}", self.limit, list(&few)));
        }
        // Every model has the range of its features; only the manifest lists it.
        if let Some((_, kept)) = self.kept_in_model.split_last().filter(|(_, kept)| !kept.is_empty()) {
            watch.warn(format!(
                "model.json keeps values that can be those of single customers, since labels depend on them: {}",
                kept.join("; ")
            ));
        }
    }
}
