//! Events on the screen: bars on a terminal, log lines elsewhere. Everything goes to stderr; results go to stdout.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyades::event::{Event, Observer, Stage};
use hyades::text::{shown, timestamp};
use indicatif::{ProgressBar, ProgressStyle};
use tracing::{info, warn};

use super::fmt::{compact, seconds, thousands};

/// Progress bars with rate and remaining time; every finished stage leaves a line.
pub(super) struct Bars {
    every_pass: bool,
    bar: Mutex<Option<ProgressBar>>,
}

impl Bars {
    pub(super) fn new(every_pass: bool) -> Self {
        Bars { every_pass, bar: Mutex::new(None) }
    }

    fn say(bar: Option<&ProgressBar>, text: &str) {
        match bar {
            Some(bar) => bar.suspend(|| tell!("{text}")),
            None => tell!("{text}"),
        }
    }
}

impl Observer for Bars {
    fn event(&self, event: Event) {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Begin { stage, total, unit } => *bar = Some(new_bar(stage, total, unit)),
            Event::Advance { by, .. } => {
                if let Some(bar) = bar.as_ref() {
                    bar.inc(by);
                }
            }
            Event::End { stage, took } => {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                    if took >= Duration::from_millis(1) {
                        tell!("{:>12}  {}", stage.name(), seconds(took.as_secs_f64()));
                    }
                }
            }
            Event::Pass { number, changed, took, .. } => {
                let moved = changed.map_or_else(String::new, |n| format!(", {} rows moved", thousands(n)));
                let text = format!("pass {number}: {}{moved}", seconds(took.as_secs_f64()));
                if self.every_pass {
                    Self::say(bar.as_ref(), &format!("{:>12}  {text}", ""));
                } else if let Some(bar) = bar.as_ref() {
                    bar.set_message(text);
                }
            }
            Event::Facts { .. } => {}
            Event::Note(text) => Self::say(bar.as_ref(), &format!("{:>12}  {}", "note", shown(&text))),
            Event::Warning(text) => Self::say(bar.as_ref(), &format!("{:>12}  {}", "warning", shown(&text))),
        }
    }
}

fn new_bar(stage: Stage, total: u64, unit: &str) -> ProgressBar {
    let (bar, template) = if total > 0 {
        (
            ProgressBar::new(total),
            format!("{{prefix:>12}}  [{{bar:30}}] {{percent:>3}}%  {{rate}} {unit}/s, {{eta}} left"),
        )
    } else {
        (ProgressBar::new_spinner(), "{prefix:>12}  {spinner} {elapsed} {msg}".to_owned())
    };
    // The templates are constants except for a unit without braces.
    if let Ok(style) = ProgressStyle::with_template(&template) {
        let style = style.with_key("rate", |state: &indicatif::ProgressState, w: &mut dyn std::fmt::Write| {
            let _ = write!(w, "{}", compact(state.per_sec()));
        });
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(stage.name());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// One log line per event, through tracing.
pub(super) struct Lines {
    every_pass: bool,
    json: bool,
    state: Mutex<BarState>,
}

/// Progress of the current stage, reported periodically.
struct BarState {
    done: u64,
    total: u64,
    unit: &'static str,
    last: Instant,
}

/// Time between two lines of progress.
const INTERVAL: Duration = Duration::from_secs(10);

impl Lines {
    pub(super) fn new(every_pass: bool, json: bool) -> Self {
        let builder = tracing_subscriber::fmt()
            .log_internal_errors(false)
            .with_writer(std::io::stderr)
            .with_target(false)
            // The reader of Delta logs reports every step, and errors with a backtrace; our messages have what matters.
            .with_env_filter("info,delta_kernel=off");
        // Fails only if there is a subscriber already, which works just as well.
        let _ = if json { builder.json().try_init() } else { builder.with_ansi(false).try_init() };
        Self::with(every_pass, json)
    }

    pub(super) fn errors_only() -> Self {
        Self::with(false, false)
    }

    fn with(every_pass: bool, json: bool) -> Self {
        Lines { every_pass, json, state: Mutex::new(BarState { done: 0, total: 0, unit: "", last: Instant::now() }) }
    }
}

/// A log line like those of tracing, whose fields cannot hold lists and objects.
fn line_of(name: &str, facts: serde_json::Value) -> serde_json::Value {
    let mut fields = serde_json::Map::from_iter([("message".to_owned(), name.into())]);
    match facts {
        serde_json::Value::Object(facts) => fields.extend(facts),
        other => drop(fields.insert(name.to_owned(), other)),
    }
    let timestamp = timestamp(std::time::SystemTime::now());
    serde_json::json!({ "timestamp": timestamp, "level": "INFO", "fields": fields })
}

impl Observer for Lines {
    fn event(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Begin { total, unit, .. } => *state = BarState { done: 0, total, unit, last: Instant::now() },
            Event::Advance { stage, by } => {
                state.done += by;
                if state.last.elapsed() >= INTERVAL {
                    state.last = Instant::now();
                    info!(stage = stage.name(), done = state.done, total = state.total, unit = state.unit, "progress");
                }
            }
            Event::End { stage, took } => info!(stage = stage.name(), seconds = took.as_secs_f64(), "done"),
            Event::Pass { number, changed, inertia, took, .. } if self.every_pass => {
                info!(pass = number, changed, inertia, seconds = took.as_secs_f64(), "pass");
            }
            Event::Pass { .. } => {}
            Event::Facts { name, facts } if self.json => tell!("{}", line_of(name, facts)),
            Event::Facts { .. } => {}
            Event::Note(text) => info!("{}", shown(&text)),
            Event::Warning(text) => warn!("{}", shown(&text)),
        }
    }
}
