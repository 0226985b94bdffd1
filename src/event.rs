//! Events and cancellation: the library reports progress as typed events, which the caller draws or logs, and stops
//! when the caller sets a flag. The library itself never prints.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// The stages of a job, in the order of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading footers, checking the schema.
    Open,
    /// Finding the types of CSV columns from all rows.
    CsvTypes,
    /// Converting CSV files.
    CsvValues,
    /// Evaluating rules for every row.
    Rules,
    /// Reading ids and checking them for nulls and duplicates.
    Ids,
    /// Looking up columns of other tables by the id.
    Join,
    /// Decoding column chunks, transforming them and writing them to tiles, or transactions to partitions.
    Decode,
    /// Aggregating the transactions of each customer.
    Customers,
    /// Filling missing values, scaling, rounding to the grid.
    Prepare,
    /// Copying tiles to the device.
    Upload,
    /// Choosing starting centroids on the sample.
    Seed,
    /// Converging starts on the sample.
    SampleFit,
    /// Passes over all rows.
    Passes,
    /// Iterations of a mixture over all rows.
    Mixture,
    /// Merging clusters to a tree.
    Tree,
    /// The final labels and distances.
    Labels,
    /// Fitting resampled customers, to see how stable segments are.
    Stability,
    /// Fitting one number of segments after the other.
    Choose,
    /// Finding the customers of the earlier version, and counting who moved.
    Migration,
    /// Describing segments by the values of their rows.
    Profile,
    /// Completing and publishing outputs.
    Write,
    /// Examining every column, in a check.
    Check,
    /// Matching the rows of several labellings, and counting them.
    Compare,
}

impl Stage {
    /// A short name for tables and progress bars.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Open => "open",
            Stage::CsvTypes => "csv types",
            Stage::CsvValues => "csv values",
            Stage::Rules => "rules",
            Stage::Ids => "ids",
            Stage::Join => "join",
            Stage::Decode => "decode",
            Stage::Customers => "customers",
            Stage::Prepare => "prepare",
            Stage::Upload => "upload",
            Stage::Seed => "seed",
            Stage::SampleFit => "sample fit",
            Stage::Passes => "full passes",
            Stage::Mixture => "mixture",
            Stage::Tree => "tree",
            Stage::Labels => "labels",
            Stage::Stability => "stability",
            Stage::Choose => "choose",
            Stage::Migration => "migration",
            Stage::Profile => "profile",
            Stage::Write => "write",
            Stage::Check => "check",
            Stage::Compare => "compare",
        }
    }
}

/// An event.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each variant's line names its fields")]
pub enum Event {
    /// A stage began; `total` units of work are expected (0: not known).
    Begin { stage: Stage, total: u64, unit: &'static str },
    /// `by` more units of the stage in progress are done.
    Advance { stage: Stage, by: u64 },
    /// A stage ended.
    End { stage: Stage, took: Duration },
    /// A full pass ended: its number from 1, rows that changed segment if known, rows that were skipped because they
    /// could not have changed, exact inertia in prepared units.
    Pass { number: u32, changed: Option<u64>, skipped: u64, inertia: f64, took: Duration },
    /// A decision or finding of interest to the user.
    Note(String),
    /// Something to act on or know before trusting the result.
    Warning(String),
    /// What a program wants to know, under a name: `plan` and, at the end of a job, `result`. People get the same as
    /// notes and tables.
    Facts { name: &'static str, facts: serde_json::Value },
}

/// Receives events, from any thread.
///
/// # Examples
/// ```
/// use std::sync::Mutex;
/// use std::sync::atomic::AtomicBool;
///
/// use hyades::event::{Event, Observer, Watch};
///
/// #[derive(Default)]
/// struct Warnings(Mutex<Vec<String>>);
///
/// impl Observer for Warnings {
///     fn event(&self, event: Event) {
///         if let Event::Warning(text) = event {
///             self.0.lock().unwrap().push(text);
///         }
///     }
/// }
///
/// let warnings = Warnings::default();
/// Watch::new(&warnings, &AtomicBool::new(false)).warn("12 values were clipped");
/// assert_eq!(*warnings.0.lock().unwrap(), ["12 values were clipped"]);
/// ```
pub trait Observer: Sync {
    /// Handles an event; should return quickly.
    fn event(&self, event: Event);
}

/// Ignores every event.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event) {}
}

/// Forwards events to a watch, prefixing the text of notes and warnings with their subject.
pub(crate) struct Of<'a> {
    watch: Watch<'a>,
    what: String,
    notes: bool,
}

impl<'a> Of<'a> {
    /// Forwards events to `watch`.
    pub(crate) fn new(watch: Watch<'a>, what: impl Into<String>) -> Self {
        Of { watch, what: what.into(), notes: true }
    }

    /// The same, but no notes.
    pub(crate) fn without_notes(self) -> Self {
        Of { notes: false, ..self }
    }
}

impl Observer for Of<'_> {
    fn event(&self, event: Event) {
        self.watch.emit(match event {
            Event::Note(_) if !self.notes => return,
            Event::Note(text) => Event::Note(format!("{}: {text}", self.what)),
            Event::Warning(text) => Event::Warning(format!("{}: {text}", self.what)),
            other => other,
        });
    }
}

/// The observer and the stop flag, passed down through a job.
///
/// # Examples
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// use hyades::Error;
/// use hyades::event::{Silent, Watch};
///
/// let stop = AtomicBool::new(false);
/// let watch = Watch::new(&Silent, &stop);
/// assert!(watch.check().is_ok());
/// stop.store(true, Ordering::Relaxed);
/// assert!(matches!(watch.check(), Err(Error::Interrupted)));
/// ```
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    observer: &'a dyn Observer,
    stop: &'a AtomicBool,
}

impl<'a> Watch<'a> {
    /// `stop` set to true ends the work with [`Error::Interrupted`] at the next chunk.
    pub fn new(observer: &'a dyn Observer, stop: &'a AtomicBool) -> Self {
        Watch { observer, stop }
    }

    /// Watches nothing and is never stopped.
    pub fn none() -> Watch<'static> {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Watch { observer: &Silent, stop: &NEVER }
    }

    /// The same stop flag, with events going to another observer.
    pub fn to<'b>(self, observer: &'b dyn Observer) -> Watch<'b>
    where
        'a: 'b,
    {
        Watch { observer, stop: self.stop }
    }

    /// The same stop flag, without events: for inner work whose events would confuse.
    pub fn quiet(self) -> Watch<'a> {
        Watch { observer: &Silent, stop: self.stop }
    }

    /// Fails with [`Error::Interrupted`] once the stop flag is set. Long loops call this once per chunk.
    pub fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Emits an event.
    pub fn emit(&self, event: Event) {
        self.observer.event(event);
    }

    /// Emits [`Event::Note`].
    pub fn note(&self, text: impl Into<String>) {
        self.emit(Event::Note(text.into()));
    }

    /// Emits [`Event::Warning`].
    pub fn warn(&self, text: impl Into<String>) {
        self.emit(Event::Warning(text.into()));
    }

    /// Emits [`Event::Facts`].
    pub fn facts(&self, name: &'static str, facts: &impl serde::Serialize) {
        let facts = serde_json::to_value(facts).unwrap_or_default();
        self.emit(Event::Facts { name, facts });
    }

    /// Reports progress within a stage.
    pub fn advance(&self, stage: Stage, by: u64) {
        self.emit(Event::Advance { stage, by });
    }

    /// Runs `work` as a stage: begin, end and duration are emitted around it.
    pub fn stage<T>(
        &self,
        stage: Stage,
        total: u64,
        unit: &'static str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        self.check()?;
        self.emit(Event::Begin { stage, total, unit });
        let start = Instant::now();
        let result = work();
        self.emit(Event::End { stage, took: start.elapsed() });
        result
    }
}
