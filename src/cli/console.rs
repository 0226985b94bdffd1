//! The environment of a verb: progress, interruption, and output of the result.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hyades::event::Observer;
use hyades::{Error, Result};

/// The environment of a verb.
pub(super) struct Console {
    pub(super) observer: Box<dyn Observer>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) quiet: bool,
}

/// Writes a line of the result. A closed pipe is not an error, since the work is done; a full disk is one.
pub(super) fn to_stdout(line: std::fmt::Arguments<'_>) -> Result<()> {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::io("write", std::path::Path::new("the standard output"), &e))
        }
        _ => Ok(()),
    }
}
