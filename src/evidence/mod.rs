//! What a monthly run tells people and other programs: a model card, OpenLineage events, and metrics for Prometheus.
//!
//! Facts come in, text goes out. Deliberately absent: files, clocks, and anything that is not in the facts. A card is
//! part of a version, so it holds nothing that differs between machines or moments; events and metrics are not.

mod dataset;
mod lineage;
mod metrics;

pub(crate) use self::dataset::{DataPlace, Dataset};
pub(crate) use self::lineage::{LineageRun, RunId, RunState, TestedGate};
pub(crate) use self::metrics::{Metrics, RunFigures, VersionFigures};
