//! `history reproduce`: a version made again, and what is otherwise.

use std::path::PathBuf;

use clap::Args;
use hyades::Result;
use hyades::history::History;
use hyades::resegment::{Reproduction, reproduce};
use hyades::text::{shown, thousands};

use super::console::Console;
use super::history::{VersionArgs, print};

#[derive(Debug, Args)]
pub(super) struct ReproduceArgs {
    #[command(flatten)]
    of: VersionArgs,
    /// The job file, if it or its inputs have moved [default: the text and the path that the
    /// run recorded]
    #[arg(long, value_name = "JOB")]
    job: Option<PathBuf>,
}

pub(super) fn again(args: &ReproduceArgs, console: &Console) -> Result<()> {
    let history = History::open(&args.of.history)?;
    let found = reproduce(&history, args.of.version, args.job.as_deref(), console.observer.as_ref(), &console.stop)?;
    if args.of.json {
        print(&found)?;
    } else {
        for line in lines(&found) {
            say!("{line}")?;
        }
    }
    found.verdict()
}

fn lines(found: &Reproduction) -> Vec<String> {
    let mut lines: Vec<String> = found.notes.iter().map(|note| shown(note)).collect();
    for departure in &found.departures {
        let first = departure.first.as_ref().map_or_else(String::new, |first| format!("; {}", shown(first)));
        lines.push(format!("{}: {}{first}", shown(&departure.file), departure.how));
    }
    if found.now.as_ref() == Some(&found.blake3) {
        let (version, files) = (found.version, thousands(found.same));
        lines.push(format!("version {version} is reproduced: all {files} files are the same, hash {}", found.blake3));
    }
    lines
}
