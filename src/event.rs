//! What the library says while it works: typed events, which the caller draws or logs, and the flag by which the
//! caller stops it. The library itself never prints.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// The stages of a job, in the order of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Footers read, the schema checked.
    Open,
    /// Rules evaluated for every row.
    Rules,
    /// Ids read and checked for nulls and duplicates.
    Ids,
    /// Columns of other tables looked up by the id.
    Join,
    /// Column chunks decoded, transformed and landed in tiles, or transactions in partitions.
    Decode,
    /// Transactions of each customer put together.
    Customers,
    /// Missing values filled, scaled and put on the grid.
    Prepare,
    /// Tiles copied to the device.
    Upload,
    /// Starting centroids chosen on the sample.
    Seed,
    /// Starts converged on the sample.
    SampleFit,
    /// Passes over all rows.
    Passes,
    /// The final labels and distances.
    Labels,
    /// Outputs completed and published.
    Write,
    /// Every column examined, of an input that is only to be judged.
    Check,
}

impl Stage {
    /// A short name for tables and progress bars.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Open => "open",
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
            Stage::Labels => "labels",
            Stage::Write => "write",
            Stage::Check => "check",
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each variant's line names its fields")]
pub enum Event {
    /// A stage began; `total` units of work are expected (0: not known).
    Begin { stage: Stage, total: u64, unit: &'static str },
    /// `by` more units of the stage in progress are done.
    Advance { stage: Stage, by: u64 },
    /// A stage ended.
    End { stage: Stage, took: Duration },
    /// A full pass ended: its number from 1, rows that changed segment if known, rows that were skipped because they could
    /// not, exact inertia in prepared units.
    Pass { number: u32, changed: Option<u64>, skipped: u64, inertia: f64, took: Duration },
    /// A decision or a finding that a user wants to know.
    Note(String),
    /// Something that a user should act on or know before trusting the result.
    Warning(String),
}

/// Receives events, from any thread.
pub trait Observer: Sync {
    /// Called for every event; should return soon.
    fn event(&self, event: Event);
}

/// Ignores every event.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event) {}
}

/// Hands events on to a watch, with what they concern before the text of notes and warnings.
pub struct Of<'a> {
    watch: Watch<'a>,
    what: String,
}

impl<'a> Of<'a> {
    /// Hands events on to `watch`.
    pub fn new(watch: Watch<'a>, what: impl Into<String>) -> Self {
        Of { watch, what: what.into() }
    }
}

impl Observer for Of<'_> {
    fn event(&self, event: Event) {
        self.watch.emit(match event {
            Event::Note(text) => Event::Note(format!("{}: {text}", self.what)),
            Event::Warning(text) => Event::Warning(format!("{}: {text}", self.what)),
            other => other,
        });
    }
}

/// The observer and the stop flag, handed down through a job.
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

    /// The same stop flag, with events going nowhere: for inner work whose events would confuse.
    pub fn quiet(self) -> Watch<'a> {
        Watch { observer: &Silent, stop: self.stop }
    }

    /// Fails with [`Error::Interrupted`] once the stop flag is set. Long loops call this once a chunk.
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
