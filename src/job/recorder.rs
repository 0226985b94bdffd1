//! Records how long stages took, for the manifest and for benchmarks, and forwards every event.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::event::{Event, Observer, Stage};

/// The time of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StageTime {
    /// The stage.
    pub stage: Stage,
    /// Seconds.
    pub seconds: f64,
}

/// One full pass. The final pass, which only counts the rows of the last centroids, is not included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PassRecord {
    /// Its number, from 1.
    pub number: u32,
    /// Rows that changed segment; None for a first pass.
    pub changed: Option<u64>,
    /// Rows that were skipped because their segment could not have changed.
    pub skipped: u64,
    /// Exact inertia, in squared grid steps, as the nearest f64.
    pub inertia: f64,
    /// Seconds.
    pub seconds: f64,
}

/// An observer that records events and forwards them.
pub(super) struct Recorder<'a> {
    inner: &'a dyn Observer,
    started: SystemTime,
    seen: Mutex<Recorded>,
}

#[derive(Default, Clone)]
struct Recorded {
    stages: Vec<StageTime>,
    passes: Vec<PassRecord>,
    warnings: Vec<String>,
}

impl<'a> Recorder<'a> {
    /// Forwards events to `inner`, from now on.
    pub(super) fn new(inner: &'a dyn Observer) -> Self {
        Recorder { inner, started: SystemTime::now(), seen: Mutex::default() }
    }

    /// When it began.
    pub(super) fn started(&self) -> SystemTime {
        self.started
    }

    fn seen(&self) -> Recorded {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The stages so far, in order; a stage that ran twice is listed once, with its total time.
    pub(super) fn stages(&self) -> Vec<StageTime> {
        self.seen().stages
    }

    /// The full passes so far.
    pub(super) fn passes(&self) -> Vec<PassRecord> {
        self.seen().passes
    }

    /// The warnings so far.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.seen().warnings
    }
}

impl Observer for Recorder<'_> {
    fn event(&self, event: Event) {
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            match &event {
                Event::End { stage, took } => match seen.stages.iter_mut().find(|s| s.stage == *stage) {
                    Some(before) => before.seconds += seconds(*took),
                    None => seen.stages.push(StageTime { stage: *stage, seconds: seconds(*took) }),
                },
                Event::Pass { number, changed, skipped, inertia, took } => seen.passes.push(PassRecord {
                    number: *number,
                    changed: *changed,
                    skipped: *skipped,
                    inertia: *inertia,
                    seconds: seconds(*took),
                }),
                Event::Warning(text) => seen.warnings.push(text.clone()),
                _ => {}
            }
        }
        self.inner.event(event);
    }
}

/// To the microsecond; more digits would be noise.
fn seconds(took: Duration) -> f64 {
    took.as_micros() as f64 / 1e6
}
