//! Named points where a run can be made to fail or to end, for tests of what it leaves behind.
//!
//! With the Cargo feature `faults`, the environment variable `FAILPOINTS` says what happens at which point, in the
//! syntax of the crate `fail`: `publish::exchange=return(kill)`, `publish::write=2*off->return(ENOSPC)`. Without the
//! feature, points do nothing.

use std::io;

/// A point that a run passes.
///
/// # Errors
/// What `FAILPOINTS` says: `EIO` or `ENOSPC`. `kill` ends the process on the spot.
#[cfg(feature = "faults")]
pub(crate) fn point(name: &'static str) -> io::Result<()> {
    static READ: std::sync::Once = std::sync::Once::new();
    // The points stay as they are until the process ends.
    READ.call_once(|| std::mem::forget(fail::FailScenario::setup()));
    fail::fail_point!(name, |fault| match fault.as_deref() {
        Some("kill") => std::process::abort(),
        Some("ENOSPC") => Err(io::ErrorKind::StorageFull.into()),
        Some("unsupported") => Err(io::ErrorKind::Unsupported.into()),
        _ => Err(io::Error::other("a fault was asked for at this point")),
    });
    Ok(())
}

/// A point that a run passes.
#[cfg(not(feature = "faults"))]
#[inline]
pub(crate) fn point(_name: &'static str) -> io::Result<()> {
    Ok(())
}
