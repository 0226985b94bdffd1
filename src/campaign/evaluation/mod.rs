//! Evaluation of a campaign whose arms were assigned by chance. One row a customer enters, with the arm and what the
//! customer did; an [`EvaluationReport`] leaves.
//!
//! Customers count in the arm that they were assigned to, whether they were reached or not: those who can be reached
//! differ from the others. Outcomes are columns, or events put together by customer (`events`). One pass counts
//! customers, conversions and exact sums of money by cell, so the report has the same bytes for any number of threads.
//! Absent on purpose: any model of the outcome, and tests before the end of the campaign (each further look would find
//! something by chance more often).

mod columns;
mod comparison;
mod designed;
mod events;
mod page;
mod ratio;
mod report;
mod request;
mod tally;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use self::designed::with_design;
use self::events::CustomerEvents;
use self::report::Evaluated;
use self::tally::{OutcomeColumns, tally};
use crate::error::Result;
use crate::event::{Observer, Watch};
use crate::input::{Opening, OtherTable};
use crate::job::{inputs, of_folder};
use crate::output::NewFiles;

pub use self::comparison::{ArmComparison, ArmFigures, CampaignValue, Estimate, Verdict};
pub use self::events::EventCounts;
pub use self::ratio::{GroupRatio, SampleRatio};
pub use self::report::{AssignedArm, EvaluationReport, MetricKind, MetricReport};
pub use self::request::EvaluateRequest;

/// Compares the arms of a campaign, and writes the files `json` (unless it is `-`) and `report` of the request.
///
/// # Errors
/// An input that cannot be read; columns that do not exist or are not what they are named for; a customer without an
/// arm; no customer in the control.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::AtomicBool;
///
/// use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
/// use hyades::campaign::{EvaluateRequest, evaluate};
/// use hyades::event::Silent;
/// use hyades::job::InputOptions;
/// use parquet::arrow::ArrowWriter;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("outcomes.parquet");
/// let arms: ArrayRef = Arc::new((0..2000).map(|i| Some(["mail", "none"][i % 2])).collect::<StringArray>());
/// let sales: ArrayRef = Arc::new((0..2000).map(|i| Some(i % 20 < 3)).collect::<BooleanArray>());
/// let table = RecordBatch::try_from_iter([("arm", arms), ("bought", sales)])?;
/// let mut writer = ArrowWriter::try_new(std::fs::File::create(&path)?, table.schema(), None)?;
/// writer.write(&table)?;
/// writer.close()?;
///
/// let request = EvaluateRequest {
///     input: InputOptions::of([path]),
///     arm: Some("arm".into()),
///     control: Some("none".into()),
///     conversion: vec!["bought".into()],
///     ..EvaluateRequest::default()
/// };
/// let report = evaluate(&request, &Silent, &AtomicBool::new(false))?;
/// let uplift = report.metrics[0].comparisons[0].difference;
/// assert!((uplift.value - 0.1).abs() < 1e-12 && uplift.low > 0.06 && uplift.high < 0.14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn evaluate(request: &EvaluateRequest, observer: &dyn Observer, stop: &AtomicBool) -> Result<EvaluationReport> {
    let watch = Watch::new(observer, stop);
    let request = request.checked()?;
    request.resources.install(|| run(&request, watch))
}

fn run(request: &EvaluateRequest, watch: Watch<'_>) -> Result<EvaluationReport> {
    let json = request.json.as_deref().filter(|path| *path != Path::new("-"));
    let arguments = [request.input.all(), request.labels.iter().cloned().collect(), request.events.clone()].concat();
    let mut files = NewFiles::default();
    json.into_iter().chain(request.report.as_deref()).try_for_each(|path| files.add(path, &arguments))?;
    let designed = with_design(request, watch)?;
    let (request, by) = (&designed.request, designed.by());
    let place = (&request.resources, json.and_then(Path::parent));
    let labels = request.labels.as_deref().map(of_folder);
    let labels = labels.map(|path| OtherTable { path, only: Some("segment".into()) });
    let mut source = inputs::open_beside(&request.input, labels, request.id.as_deref(), place, watch)?;
    let (access, scratch) = (request.input.access(), request.resources.existing_scratch_folder(place.1));
    let opening = Opening { access: &access, scratch: &scratch, watch };
    let events = CustomerEvents::read(request, &source, designed.day(), opening)?;
    let columns = OutcomeColumns::find(request, &by, &source, events.as_ref().map(|events| events.id))?;
    let needed = columns.all();
    inputs::tell_differences(&source, needed.iter().copied(), watch);
    let joins = inputs::join(&mut source, &needed, &request.resources, json.and_then(Path::parent), watch)?;
    for join in joins.iter().filter(|join| join.unused > 0) {
        watch.warn(format!("{}: {} of its rows are of customers who are in no arm", join.path, join.unused));
    }
    let cells = tally(&source, &columns, events.as_ref(), watch)?;
    source.vet_unchanged()?;
    let events = events.map(|events| events.counts());
    let design = designed.design.as_ref();
    let report = Evaluated { request, by: &by, design, cells: &cells, events }.report()?;
    if let Some(path) = json {
        files.text(path, &report.to_json()?)?;
    }
    if let Some(path) = &request.report {
        files.text(path, &page::page(&report, request.lang))?;
    }
    files.commit()?;
    Ok(report)
}
