//! What a monthly run tells people and other programs: a model card, OpenLineage events, and metrics for Prometheus.
//!
//! Facts come in, text goes out. Deliberately absent: files, clocks, and anything that is not in the facts. A card is
//! part of a version, so it holds nothing that differs between machines or moments; events and metrics are not.

mod answers;
mod card;
mod dataset;
mod facts;
mod lineage;
mod markdown;
mod metrics;

pub(crate) use self::card::Card;
pub(crate) use self::dataset::{DataPlace, Dataset};
pub(crate) use self::facts::{CardFacts, CardFairness, CardInput, CardMoves, CardSegment};
pub(crate) use self::lineage::{LineageRun, RunId, RunState, TestedGate};
pub(crate) use self::metrics::{Metrics, RunFigures, VersionFigures};
