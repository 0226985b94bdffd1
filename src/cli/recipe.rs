//! `recipe init`, `recipe apply` and `recipe schema`.

use std::path::PathBuf;

use clap::Args;
use hyades::check::{CheckRequest, starting_recipe};
use hyades::job::{ApplyRequest, InputOptions, Resources};
use hyades::{Error, Result};

use super::console::Console;
use super::fmt::thousands;

#[derive(Debug, Clone, Args)]
pub(super) struct InitArgs {
    #[command(flatten)]
    input: InputOptions,
    /// File to write, which must not exist yet [default: the standard output]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The customers' id [default: a column named like one]
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    /// Words for further protected attributes, from a text file: one a line, such as
    /// kz_gs = sex
    #[arg(long, value_name = "FILE")]
    protected_words: Option<PathBuf>,
    #[command(flatten)]
    resources: Resources,
}

pub(super) fn init(args: &InitArgs, console: &Console) -> Result<()> {
    // Do not overwrite a file that somebody may have edited.
    if let Some(out) = args.out.as_ref().filter(|out| out.exists()) {
        return Err(Error::usage(format!("{} already exists; choose another name, or remove it", out.display())));
    }
    let request = CheckRequest {
        input: args.input.clone(),
        id: args.id.clone(),
        protected_words: args.protected_words.clone(),
        resources: args.resources.clone(),
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

pub(super) fn apply(request: &ApplyRequest, console: &Console) -> Result<()> {
    let rows = hyades::job::apply(request, console.observer.as_ref(), &console.stop)?;
    if console.quiet {
        return Ok(());
    }
    say!("{} customers\n{}", thousands(rows), request.out.display())
}

/// Prints a JSON Schema.
pub(super) fn schema(schema: &serde_json::Value) -> Result<()> {
    let text = serde_json::to_string_pretty(schema).map_err(|e| Error::Internal(e.to_string()))?;
    say!("{text}")
}
