//! `recipe init`, `recipe apply` and `recipe schema`.

use std::path::PathBuf;

use clap::Args;
use hyades::check::{CheckRequest, starting_recipe};
use hyades::job::{ApplyRequest, Resources};
use hyades::prepare::Recipe;
use hyades::text::KeySource;
use hyades::{Error, Result};

use super::console::Console;
use super::fmt::thousands;
use super::options::BesideArgs;

#[derive(Debug, Clone, Args)]
pub(super) struct InitArgs {
    /// Parquet files, folders, quoted patterns, URLs or Delta tables
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    beside: BesideArgs,
    /// File to write, which must not be there yet [default: the standard output]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The customers' id [default: a column named like one]
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    /// Threads [default: one a processor]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Memory, such as 300MiB or 2GB [default: 4/5 of what is free]
    #[arg(long, value_name = "SIZE", value_parser = super::fmt::parse_bytes)]
    memory: Option<u64>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ApplyArgs {
    /// The model.json of a fit
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Parquet files, folders, quoted patterns, URLs or Delta tables
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Parquet file to write: the id, and every feature in scaled units
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// The customers' id [default: the model's]
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    #[command(flatten)]
    beside: BesideArgs,
    /// Replace ids by keyed hashes; the key is in a FILE or in env:NAME
    #[arg(long, value_name = "FILE|env:NAME")]
    pseudonymise: Option<KeySource>,
    /// Threads [default: one a processor]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

pub(super) fn init(args: &InitArgs, console: &Console) -> Result<()> {
    // What somebody has edited is not written over.
    if let Some(out) = args.out.as_ref().filter(|out| out.exists()) {
        return Err(Error::usage(format!("{} is there already; choose another name, or remove it", out.display())));
    }
    let request = CheckRequest {
        inputs: args.inputs.clone(),
        joins: args.beside.join.clone(),
        access: args.beside.access.clone().access(),
        id: args.id.clone(),
        resources: Resources { threads: args.threads, memory: args.memory, ..Resources::default() },
        ..CheckRequest::default()
    };
    let text = starting_recipe(&request, console.observer.as_ref(), &console.stop)?;
    let Some(out) = &args.out else { return say!("{}", text.trim_end()) };
    hyades::output::publish_text(out, &text)?;
    if !console.quiet {
        say!("{}; next: hyades fit INPUT --recipe {} --k N --out FOLDER", out.display(), out.display())?;
    }
    Ok(())
}

pub(super) fn apply(args: ApplyArgs, console: &Console) -> Result<()> {
    let request = ApplyRequest {
        model: args.model,
        inputs: args.inputs,
        joins: args.beside.join,
        access: args.beside.access.access(),
        id: args.id,
        resources: Resources { threads: args.threads, ..Resources::default() },
        out: args.out,
        pseudonymise: args.pseudonymise,
    };
    let rows = hyades::job::apply(&request, console.observer.as_ref(), &console.stop)?;
    if console.quiet {
        return Ok(());
    }
    say!("{} customers\n{}", thousands(rows), request.out.display())
}

pub(super) fn schema() -> Result<()> {
    let text = serde_json::to_string_pretty(&Recipe::schema()).map_err(|e| Error::Internal(e.to_string()))?;
    say!("{text}")
}
