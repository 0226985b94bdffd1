//! Fitting again: a fit that begins with the model of an earlier one, so that its segments stay comparable.

use serde::{Deserialize, Serialize};

use super::budget::RefitBudget;
use super::checkpoints::Checkpoints;
use super::request::OutputOptions;
use crate::choose::Recommendation;
use crate::input::Source;
use crate::model::{Model, PartModel};
use crate::roles::RoleRequest;
use crate::rules::Stratum;

/// A cold fit must be better by more than one part in so many, before `auto` prefers it.
const BETTER: u128 = 100;

/// What a fit or an assignment has besides its request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Beginning<'a> {
    /// The input, if it was opened before.
    pub(crate) source: Option<&'a Source>,
    /// The earlier model, if there is one.
    pub(crate) base: Option<Base<'a>>,
    /// Where the states of fits are kept, and those of an earlier attempt; None: the fit cannot be resumed.
    pub(crate) checkpoints: Option<&'a Checkpoints>,
    /// Why there are as many segments, if that was chosen.
    pub(crate) choice: Option<&'a Recommendation>,
    /// Bytes that the job keeps of every row besides.
    pub(crate) row_bytes: u64,
    /// Whether a page will show the profile, although the request does not ask for one.
    pub(crate) has_page: bool,
}

impl Beginning<'_> {
    /// Whether a page shows the profile.
    pub(super) fn shows(&self, output: &OutputOptions) -> bool {
        self.has_page || output.report.is_some()
    }
}

/// The earlier model. Its parts keep their preparation, and their centroids are where the iteration starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Base<'a> {
    pub(crate) model: &'a Model,
    /// Whether a fit with new starts competes with the warm one.
    pub(crate) competes: bool,
    /// The largest share of customers of each part that a warm fit may relabel; None: any.
    pub(crate) max_relabelled: Option<f64>,
}

/// How a part was fitted again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartRefit {
    /// The name of the part.
    pub part: String,
    /// Whether it keeps the preparation of the earlier model; otherwise that model does not know the part.
    pub same_preparation: bool,
    /// Where the centroids started: `warm` from the earlier ones, `cold` from new starts.
    pub start: RefitStart,
    /// Exact inertia after the warm start, in squared grid steps; None without one.
    pub warm_inertia: Option<String>,
    /// Exact inertia after new starts with the same preparation, rows and weights; None if they were not tried.
    pub cold_inertia: Option<String>,
    /// By which share the cold fit is better than the warm one; negative if it is worse.
    pub cold_gain: Option<f64>,
    /// What a limit on relabelled customers came to, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<RefitBudget>,
}

/// Where centroids started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefitStart {
    /// From the earlier centroids.
    Warm,
    /// From new starts.
    Cold,
}

impl<'a> Base<'a> {
    /// The part of the earlier model for a stratum, if there was one.
    pub(super) fn part(&self, stratum: &Stratum) -> Option<&'a PartModel> {
        self.model.parts.iter().find(|part| part.name == stratum.name && part.value == stratum.value)
    }

    /// The roles to request: the features are those of the earlier model.
    pub(super) fn roles(&self, asked: RoleRequest) -> RoleRequest {
        let mut features: Vec<String> = Vec::new();
        for name in self.model.parts.iter().flat_map(|part| part.preparation.source_columns()) {
            if !features.contains(&name) {
                features.push(name);
            }
        }
        let is_encoded = |name: &&String| self.model.parts.iter().any(|part| part.preparation.encodes(name));
        let encoded = features.iter().filter(is_encoded).cloned().collect();
        RoleRequest { features, encoded, include: Vec::new(), exclude: Vec::new(), ..asked }
    }
}

impl PartRefit {
    /// Of a part for which both starts were tried, or one of them. Returns whether the cold fit is to be taken.
    pub(super) fn new(part: &str, same_preparation: bool, warm: Option<u128>, cold: Option<u128>) -> (Self, bool) {
        let takes_cold = match (warm, cold) {
            (Some(warm), Some(cold)) => cold < warm && (warm - cold) * BETTER > warm,
            (warm, _) => warm.is_none(),
        };
        let gain = |(warm, cold): (u128, u128)| if warm == 0 { 0.0 } else { 1.0 - cold as f64 / warm as f64 };
        let refit = PartRefit {
            part: part.to_owned(),
            same_preparation,
            start: if takes_cold { RefitStart::Cold } else { RefitStart::Warm },
            warm_inertia: warm.map(|inertia| inertia.to_string()),
            cold_inertia: cold.map(|inertia| inertia.to_string()),
            cold_gain: warm.zip(cold).map(gain),
            budget: None,
        };
        (refit, takes_cold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cold_fit_must_be_better_by_more_than_a_hundredth() {
        let takes_cold = |warm, cold| PartRefit::new("all", true, warm, cold).1;
        assert!(!takes_cold(Some(1000), Some(990)));
        assert!(takes_cold(Some(1000), Some(989)));
        assert!(!takes_cold(Some(1000), Some(1200)));
        assert!(!takes_cold(Some(1000), None));
        assert!(takes_cold(None, Some(7)));
        let (refit, _) = PartRefit::new("all", true, Some(200), Some(150));
        assert_eq!((refit.start, refit.cold_gain), (RefitStart::Cold, Some(0.25)));
    }
}
