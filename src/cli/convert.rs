//! `convert`: its report.

use std::time::Instant;

use hyades::Result;
use hyades::job::{self, ConvertRequest};

use super::console::Console;
use super::fmt::{bytes, seconds, thousands};

pub(super) fn convert(request: &ConvertRequest, console: &Console) -> Result<()> {
    let start = Instant::now();
    let outcome = job::convert(request, console.observer.as_ref(), &console.stop)?;
    if console.quiet {
        return Ok(());
    }
    say!(
        "{} rows, {} columns, {} {}: {} of CSV, {} of Parquet, in {}",
        thousands(outcome.rows),
        outcome.columns,
        outcome.files,
        if outcome.files == 1 { "file" } else { "files" },
        bytes(outcome.read),
        bytes(outcome.written),
        seconds(start.elapsed().as_secs_f64())
    )?;
    say!("{}", request.out.display())
}
