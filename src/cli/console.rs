//! What a verb works with: who hears of its progress, how it is stopped, where its result goes.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hyades::event::Observer;
use hyades::{Error, Result};

/// What a verb works with.
pub(super) struct Console {
    pub(super) observer: Box<dyn Observer>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) quiet: bool,
}

/// A reader who has gone away is no fault of the work, which is done; a full disk is one of the result.
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
