//! The command line: raw arguments become requests of the library; events become progress; outcomes become tables.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where the program prints")]

/// Writes a line of the result to stdout.
macro_rules! say {
    ($($text:tt)*) => { crate::cli::console::to_stdout(format_args!($($text)*)) };
}

/// Writes a message to stderr, ignoring failures.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr().lock(), $($text)*);
    }};
}

mod args;
mod audit;
mod bench;
mod campaign;
mod check;
mod choose;
mod cohorts;
mod commands;
mod compare;
mod console;
mod convert;
mod drift;
mod evaluate;
mod explain;
mod fmt;
mod history;
mod observer;
mod price;
mod products;
mod profile;
mod recipe;
mod report;
mod reproduce;
mod rfm;
mod run;
mod tags;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use hyades::campaign::CampaignFile;
use hyades::event::Observer;
use hyades::job::JobFile;
use hyades::prepare::Recipe;
use hyades::{Error, Result};

use self::args::{Arguments, CampaignVerb, FeaturesVerb, HistoryVerb, JobVerb, LogFormat, RecipeVerb, Verb};
use self::console::Console;
use self::observer::{Bars, Lines};

/// Parses, runs, and turns an error into its exit code.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let as_json = arguments.global.log_format == Some(LogFormat::Json) && !arguments.global.quiet;
    // The panic hook has already printed the panic; a fault of this program exits with code 1.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(arguments)));
    match outcome.unwrap_or_else(|_| Err(Error::Internal("it panicked, see above".into()))) {
        Ok(code) => code,
        Err(error) => {
            if as_json && error.retryable() {
                tracing::error!(retryable = true, "{error}");
            } else if as_json {
                tracing::error!("{error}");
            } else {
                // Names of columns and files may contain anything; each item that an error lists is on its own line.
                let lines: Vec<String> = error.to_string().lines().map(hyades::text::shown).collect();
                tell!("error: {}", lines.join("\n"));
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let console = Console {
        observer: observer(&arguments),
        stop: Arc::new(AtomicBool::new(false)),
        quiet: arguments.global.quiet,
    };
    let stop = console.stop.clone();
    ctrlc::set_handler(move || {
        // A second signal does not wait for the work to notice the first, unless outputs are just being published.
        if stop.swap(true, Ordering::SeqCst) && hyades::output::stop_publishing() {
            std::process::exit(5);
        }
    })
    .map_err(|e| Error::environment(format!("cannot listen for signals: {e}")))?;
    match arguments.verb {
        Verb::Synth(args) => commands::synth(args, &console),
        Verb::Fit(args) => commands::fit(*args, &console),
        Verb::Run(request) => return run::run(&request, &console),
        Verb::Choose(request) => choose::choose(*request, &console),
        Verb::Assign(request) => commands::assign(*request, &console),
        Verb::Profile(request) => commands::profile(*request, &console),
        Verb::Explain(request) => explain::explain(&request, &console),
        Verb::Plan(args) => commands::plan(*args, &console),
        Verb::Check(request) => commands::check(&request, &console),
        Verb::Compare(request) => compare::compare(*request, &console),
        Verb::Convert(request) => convert::convert(&request, &console),
        Verb::Bench(args) => commands::bench(*args, &console),
        Verb::Features(FeaturesVerb::Rfm(args)) => rfm::rfm(*args, &console),
        Verb::Campaign(CampaignVerb::Evaluate(request)) => evaluate::evaluate(*request, &console),
        Verb::Tags(args) => tags::tags(*args, &console),
        Verb::Recipe(RecipeVerb::Init(args)) => recipe::init(&args, &console),
        Verb::Recipe(RecipeVerb::Apply(request)) => recipe::apply(&request, &console),
        Verb::Recipe(RecipeVerb::Schema) => recipe::schema(&Recipe::schema()),
        Verb::Job(JobVerb::Init(args)) => run::init(&args, &console),
        Verb::Job(JobVerb::Schema) => recipe::schema(&JobFile::schema()),
        Verb::History(verb) => on_history(&verb, &console),
        Verb::Campaign(CampaignVerb::Lists(request)) => campaign::lists(&request, &console),
        Verb::Campaign(CampaignVerb::Schema) => recipe::schema(&CampaignFile::schema()),
        Verb::Doctor(args) => commands::doctor(&args),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn on_history(verb: &HistoryVerb, console: &Console) -> Result<()> {
    match verb {
        HistoryVerb::List(args) => history::list(args),
        HistoryVerb::Show(args) => history::show(args),
        HistoryVerb::Diff(args) => history::diff(args),
        HistoryVerb::Approve(args) => history::approve(args, console),
        HistoryVerb::Rollback(args) => history::rollback(args, console),
        HistoryVerb::Gc(args) => history::gc(args, console),
        HistoryVerb::Verify(args) => history::verify(args, console),
        HistoryVerb::Reproduce(args) => reproduce::again(args, console),
        HistoryVerb::Cohorts(args) => cohorts::cohorts(args),
        HistoryVerb::Report(args) => history::page(args, console),
        HistoryVerb::SuggestGates(args) => run::suggest(args),
    }
}

/// Progress bars on a terminal, log lines elsewhere or on request.
fn observer(arguments: &Arguments) -> Box<dyn Observer> {
    let global = &arguments.global;
    if global.quiet {
        return Box::new(Lines::errors_only());
    }
    let on_terminal = std::io::stderr().is_terminal() && global.log_format.is_none();
    if on_terminal {
        Box::new(Bars::new(global.verbose > 0))
    } else {
        Box::new(Lines::new(global.verbose > 0, global.log_format == Some(LogFormat::Json)))
    }
}
